"""Whatever a model is and however its inputs change: kept by change feeds, its table is what a full refresh makes.

FSBUILD_EXAMPLES multiplies the number of examples, for a search at length.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from deltalake import DeltaTable
from hypothesis import HealthCheck, event, given, settings

from fsbuild import Project
from fsbuild.errors import CompileError, FsbuildError
from tests.auto_cases import BATCHES, EITHER, PROVABLE, ROWS, UNPROVABLE, Case
from tests.conftest import write_files
from tests.delta_inputs import PLAIN, Table
from tests.model_stories import (
    Model,
    Step,
    Story,
    commits_since,
    difference,
    expected_bags,
    make_inputs,
    published,
    stories,
    version_of,
    write_project,
)

BUDGET = int(os.environ.get("FSBUILD_EXAMPLES", "1"))
# Of the runs on plain changes that wrote a generated model, the share that has to be incremental.
LEAST_SHARE = 0.2


@dataclass
class Player:
    """Plays a story in a folder, and checks every table after every run of all models."""

    root: Path
    story: Story
    tables: dict[str, Table]
    ways: Counter[str]
    told: list[Step] = field(default_factory=list)
    versions: dict[str, int] = field(default_factory=dict)

    def play(self) -> None:
        write_project(self.root, self.story.models)
        self.run_and_check(is_plain=False)
        was_checked = True
        for step in self.story.steps:
            self.told.append(step)
            for commit in step.commits:
                self.tables[commit.table].apply(commit)
            is_plain = was_checked and step.then == "run" and all(commit.act in PLAIN for commit in step.commits)
            was_checked = self.then(step, is_plain=is_plain)
        if not was_checked:
            self.run_and_check(is_plain=False)

    def then(self, step: Step, *, is_plain: bool) -> bool:
        """Do what a step says after its commits; return whether everything ran and was checked."""
        model = self.story.models[step.number]
        table = self.root / "lake/main" / model.name
        full_refresh = False
        if step.then == "nothing":
            return False
        if step.then == "run one":
            self.run([model.name])
            return False
        if step.then == "lose target":
            shutil.rmtree(self.root / "target", ignore_errors=True)
        elif step.then == "lose table":
            shutil.rmtree(table, ignore_errors=True)
        elif step.then == "tamper" and table.is_dir():
            DeltaTable(str(table)).delete()
        elif step.then == "as table" and model.kind == "auto":
            write_files(self.root, model.file(kind="table"))
        elif step.then == "full refresh":
            full_refresh = True
        self.run_and_check(is_plain=is_plain, full_refresh=full_refresh)
        write_files(self.root, model.file())
        return step.then != "as table"

    def run(self, select: Sequence[str] = (), *, full_refresh: bool = False) -> dict[str, str]:
        try:
            result = Project(self.root).run(select=select, full_refresh=full_refresh)
        except FsbuildError as exc:
            raise AssertionError(f"{exc}\n\n{self.tell(self.story.models)}") from exc
        problems = "\n".join(f"{node.name}: {node.status} {node.message}" for node in result.results)
        assert result.is_success, f"{problems}\n\n{self.tell(self.story.models)}"
        return {node.name: node.status for node in result.results if node.kind in ("table", "incremental")}

    def run_and_check(self, *, is_plain: bool, full_refresh: bool = False) -> None:
        self.run(full_refresh=full_refresh)
        expected = expected_bags(self.story.models, {name: table.present() for name, table in self.tables.items()})
        for model in self.story.models:
            if model.kind not in ("auto", "table"):
                continue
            found = published(self.root, model.name)
            assert found == expected[model.name], (
                f"{model.name} is not what a full refresh makes\n{difference(expected[model.name], found)}\n\n"
                f"{self.tell(self.ancestors(model))}"
            )
            self.count(model, is_plain=is_plain)
        again = self.run()
        assert set(again.values()) <= {"unchanged"}, f"a second run writes: {again}\n\n{self.tell(self.story.models)}"

    def count(self, model: Model, *, is_plain: bool) -> None:
        """Note how a run on plain changes wrote a model's table."""
        before, now = self.versions.get(model.name, -1), version_of(self.root, model.name)
        self.versions[model.name] = now
        if is_plain and model.kind == "auto" and before >= 0:
            self.ways.update(commits_since(self.root, model.name, before) or ["not at all"])

    def ancestors(self, model: Model) -> tuple[Model, ...]:
        wanted = {model.name}
        for other in reversed(self.story.models):
            if other.name in wanted:
                wanted |= set(other.parents)
        return tuple(other for other in self.story.models if other.name in wanted)

    def tell(self, models: tuple[Model, ...]) -> str:
        files = [text for model in models for text in model.file().values()]
        rows = [
            f"{name}{'' if name in self.story.clean else ' (no key)'}: {list(self.story.rows[name])}"
            for name in self.tables
        ]
        steps = [f"step {at}: {step}" for at, step in enumerate(self.told, 1)]
        models_text = "\n".join(f"-- {model.name}\n{text}" for model, text in zip(models, files, strict=True))
        return "\n".join([models_text, *rows, *steps])


def _play(story: Story, ways: Counter[str]) -> None:
    own: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        Player(root, story, make_inputs(root, story.rows, story.clean), own).play()
    ways.update(own)
    for way in own:
        event(f"written: {way}")


def _share(ways: Counter[str]) -> float:
    return ways["incremental"] / max(1, ways["incremental"] + ways["full"])


@given(stories())
@settings(max_examples=15 * BUDGET, deadline=None, suppress_health_check=list(HealthCheck))
def test_a_table_is_what_a_full_refresh_makes(story: Story) -> None:
    _play(story, Counter())


@pytest.mark.slow
@given(stories(models=8, depth=3, steps=7))
@settings(max_examples=30 * BUDGET, deadline=None, suppress_health_check=list(HealthCheck))
def test_a_table_is_what_a_full_refresh_makes_at_length(story: Story) -> None:
    _play(story, Counter())


def test_generated_models_are_kept_incrementally() -> None:
    """A judge of full refreshes alone would find nothing wrong."""
    ways: Counter[str] = Counter()

    @given(stories(depth=1))
    @settings(
        max_examples=12 * BUDGET,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    def play(story: Story) -> None:
        _play(story, ways)

    play()

    assert _share(ways) >= LEAST_SHARE, f"{dict(ways)}"


# --- named models ----------------------------------------------------------------------------------------------------


@dataclass
class Outcome:
    """How a model's table was written after the first time, and what was wrong with it."""

    ways: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    again: str = ""


def _play_cases(root: Path, cases: Sequence[Case], changes: Sequence[str], options: str = "") -> dict[str, Outcome]:
    """Run models, then after each batch of changes; return each case's outcome by its name."""
    tables = make_inputs(root, ROWS, frozenset(ROWS))
    models = tuple(model for case in cases for model in case.models)
    write_project(root, models, options)
    outcomes = {model.name: Outcome() for model in models}
    for batch in ({}, *BATCHES):
        commits = [commit for name in changes for commit in batch.get(name, ())]
        for commit in commits:
            tables[commit.table].apply(commit)
        before = {model.name: version_of(root, model.name) for model in models}
        errors = {node.name: node.message for node in Project(root).run().results if node.status == "error"}
        expected = expected_bags(models, {name: table.present() for name, table in tables.items()})
        for model in models:
            outcome = outcomes[model.name]
            if model.name in errors:
                outcome.wrong.append(errors[model.name])
            elif model.kind in ("auto", "table") and (found := published(root, model.name)) != expected[model.name]:
                told = "\n".join([model.sql, *map(str, commits), difference(expected[model.name], found)])
                outcome.wrong.append(f"after {len(commits)} commits it is not what a full refresh makes\n{told}")
            if before[model.name] >= 0:
                outcome.ways += commits_since(root, model.name, before[model.name])
    for node in Project(root).run().results:
        if node.name in outcomes:
            outcomes[node.name].again = node.status
    for case in cases:
        outcomes[case.slug].wrong[:0] = [line for model in case.models[:-1] for line in outcomes[model.name].wrong]
    return {case.name: outcomes[case.slug] for case in cases}


@pytest.fixture(scope="module")
def outcome_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Case], Outcome]:
    """Tell a case's outcome; those of which the same inputs change are played together, since a run takes its time."""
    played: dict[tuple[str, ...], dict[str, Outcome]] = {}

    def tell(case: Case) -> Outcome:
        if case.changes not in played:
            together = [other for other in (*PROVABLE, *UNPROVABLE, *EITHER) if other.changes == case.changes]
            played[case.changes] = _play_cases(tmp_path_factory.mktemp("cases"), together, case.changes)
        return played[case.changes][case.name]

    return tell


@pytest.fixture(scope="module")
def refused(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What is said where every case has to be incremental."""
    root = tmp_path_factory.mktemp("refused")
    make_inputs(root, ROWS, frozenset(ROWS))
    write_project(
        root, [model for case in (*PROVABLE, *UNPROVABLE) for model in case.models], ", refresh='incremental'"
    )
    try:
        Project(root).compile()
    except CompileError as exc:
        return str(exc)
    return ""


def _by_name(cases: Sequence[Case]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("case", cases, ids=[case.slug for case in cases])


@_by_name(PROVABLE)
def test_it_has_to_be_incremental(outcome_of: Callable[[Case], Outcome], case: Case) -> None:
    outcome = outcome_of(case)

    assert not outcome.wrong, outcome.wrong[0]
    assert set(outcome.ways) == {"incremental"}
    assert outcome.again == "unchanged"


@_by_name(PROVABLE)
def test_what_is_incremental_may_be_required_to_be(refused: str, case: Case) -> None:
    assert f"models/{case.slug}.sql" not in refused


@_by_name(UNPROVABLE)
def test_it_has_to_be_full(outcome_of: Callable[[Case], Outcome], case: Case) -> None:
    outcome = outcome_of(case)

    assert not outcome.wrong, outcome.wrong[0]
    assert "incremental" not in outcome.ways


@_by_name(UNPROVABLE)
def test_what_cannot_be_incremental_is_refused_where_it_has_to_be(refused: str, case: Case) -> None:
    assert f"models/{case.slug}.sql" in refused


@_by_name(EITHER)
def test_it_is_right_either_way(outcome_of: Callable[[Case], Outcome], case: Case) -> None:
    outcome = outcome_of(case)

    assert not outcome.wrong, outcome.wrong[0]


def test_it_is_full_where_that_is_asked_for(tmp_path: Path) -> None:
    cases = [case for case in PROVABLE if case.changes == ("facts",) and not case.parents]

    outcomes = _play_cases(tmp_path, cases, ("facts",), ", refresh='full'")

    assert {name: (set(outcome.ways), outcome.wrong) for name, outcome in outcomes.items()} == {
        case.name: ({"full"}, []) for case in cases
    }
