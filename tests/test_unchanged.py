"""A run that finds nothing to do is told from memory, and only then: the answer is always that of a run that looks."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable, write_deltalake
from hypothesis import given, settings
from hypothesis import strategies as st

from fsbuild import Project
from fsbuild.pipeline import unchanged
from fsbuild.values import Event, NodeFinished, RunFinished, RunStarted
from tests.conftest import Files, read_delta, write_files

Make = Callable[[Files], Path]
FILES = {
    "macros/double.sql": "{% macro double(x) %}{{ x }} * 2{% endmacro %}",
    "seeds/s.csv": "x\n1\n2\n",
    "models/a.sql": "{{ config(materialized='table') }}select {{ double('x') }} as x from {{ ref('s') }}",
    "models/b.sql": "select x + {{ var('more', 0) }} + {{ env_var('FSBUILD_TEST_MORE', '0') }} as x "
    "from {{ ref('a') }}",
    "models/c.sql": "{{ config(materialized='table') }}select x from {{ ref('b') }}",
    "models/f.sql": "{{ config(materialized='table') }}select y from {{ source('raw', 'f') }}",
    "models/d.sql": "{{ config(materialized='table') }}select y from {{ source('raw', 'd') }}",
    "models/s.yml": "sources: [{name: raw, tables: [{name: f, meta: {external_location: 'in/*.parquet'}}, "
    "{name: d, meta: {delta_table_path: in/d}}]}]\n",
}
TABLES = ("s", "a", "c", "f", "d")


def write_inputs(root: Path) -> None:
    (root / "in").mkdir(exist_ok=True)
    pq.write_table(pa.table({"y": [1]}), root / "in/1.parquet")
    write_deltalake(str(root / "in/d"), pa.table({"y": [1]}))


@pytest.fixture
def root(make_project: Make) -> Path:
    root = make_project(FILES)
    write_inputs(root)
    assert Project(root).run().is_success
    return root


def outcome(root: Path, **given: object) -> list[tuple[str, str, str]]:
    result = Project(root, variables=given or None).run()
    return sorted((one.name, one.status, one.message) for one in result.results)


def is_remembered(root: Path, select: Sequence[str] = (), **given: object) -> bool:
    project = Project(root, variables=given or None)
    question = unchanged.Question.ask(project.root, project._overrides, select, ())  # noqa: SLF001 - what run() asks
    return unchanged.recall(question) is not None


def test_a_run_after_one_is_told_from_memory_as_if_it_had_looked(root: Path) -> None:
    assert is_remembered(root)
    (root / "target/unchanged.json").rename(root / "kept.json")
    looked = outcome(root)
    (root / "kept.json").replace(root / "target/unchanged.json")
    events: list[Event] = []
    result = Project(root).run(on_event=events.append)
    assert sorted((one.name, one.status, one.message) for one in result.results) == looked
    assert [type(event) for event in (events[0], events[2], events[-1])] == [RunStarted, NodeFinished, RunFinished]
    assert Project(root).retry().results == ()


def test_the_memory_is_safe_to_delete_and_to_break(root: Path) -> None:
    for broken in ("", "{}", '{"question": 1}', "[]", '{"folders": 5}', '{"folders": ["models"], "files": []}'):
        (root / "target/unchanged.json").write_text(broken, encoding="utf-8")
        assert {status for _, status, _ in outcome(root)} <= {"unchanged", "success"}
    shutil.rmtree(root / "target")
    assert not is_remembered(root)
    outcome(root)
    assert is_remembered(root)


@pytest.mark.parametrize(
    "text",
    [
        "select '{{ run_started_at }}' as x",
        "select '{{ invocation_id }}' as x",
        "select {{ modules.datetime.date.today().year }} as x",
        "{{ log('hello', info=true) }}select 1 as x",
        "{% set e = env_var %}select {{ e('FSBUILD_TEST_MORE', '1') }} as x",
        "{{ config(materialized='table') }}select random() as x",
        "select * from read_parquet('in/1.parquet')",
        "{{ config(materialized='table') }}select * from read_parquet('in/1.parquet')",
    ],
)
def test_what_may_differ_from_run_to_run_is_not_remembered(root: Path, text: str) -> None:
    write_files(root, {"models/m.sql": text})
    outcome(root)
    assert is_remembered(root) == (text == "select * from read_parquet('in/1.parquet')")


def test_a_view_with_checks_is_looked_at_in_every_run(root: Path) -> None:
    write_files(root, {"models/b.yml": "models: [{name: b, columns: [{name: x, data_tests: [not_null]}]}]"})
    outcome(root)
    assert not is_remembered(root)


def test_another_question_is_not_answered(root: Path) -> None:
    assert not is_remembered(root, select=["a"])
    assert not is_remembered(root, more=1)
    Project(root).run(select="a")
    assert is_remembered(root, select=["a"])
    assert not is_remembered(root)


# --- whatever changes ------------------------------------------------------------------------------------------------


def _replace(file: str, old: str, new: str) -> Callable[[Path], None]:
    def edit(root: Path) -> None:
        text = (root / file).read_text(encoding="utf-8")
        (root / file).write_text(text.replace(new, old) if new in text else text.replace(old, new), encoding="utf-8")

    return edit


def _write(files: Files) -> Callable[[Path], None]:
    return lambda root: write_files(root, files)


def _run_one(root: Path) -> None:
    Project(root).run(select="a", full_refresh=True)


def _lose_rows(root: Path) -> None:
    DeltaTable(str(root / "lake/main/c")).delete("x > 0")


def _set_variable(_root: Path) -> None:
    os.environ["FSBUILD_TEST_MORE"] = "7"


def _unset_variable(_root: Path) -> None:
    os.environ.pop("FSBUILD_TEST_MORE", None)


EDITS: dict[str, Callable[[Path], None]] = {
    "nothing": lambda _: None,
    "a model": _replace("models/c.sql", "select x", "select x + 1 as x"),
    "a comment": _replace("models/c.sql", "select x", "select /* why */ x"),
    "a macro": _replace("macros/double.sql", "* 2", "* 3"),
    "a seed": _replace("seeds/s.csv", "2\n", "5\n"),
    "a source's name": _replace("models/s.yml", "in/*.parquet", "in/1.parquet"),
    "a new model": _write({"models/n.sql": "select 1 as x"}),
    "a model less": lambda root: (root / "models/n.sql").unlink(missing_ok=True),
    "a folder": _replace("fsbuild_project.yml", "name: shop\n", "name: shop\nmodel-paths: [models, more]\n"),
    "a model in it": _write({"more/o.sql": "{{ config(materialized='table') }}select 1 as x"}),
    "a kind": _replace("models/b.sql", "select", "{{ config(materialized='table') }}select"),
    "a profile": _write({"profiles.yml": "shop: {outputs: {default: {type: duckdb, threads: 3}}}\n"}),
    "no profile": lambda root: (root / "profiles.yml").unlink(missing_ok=True),
    "a file more": lambda root: pq.write_table(pa.table({"y": [2]}), root / "in/2.parquet"),
    "a file less": lambda root: (root / "in/2.parquet").unlink(missing_ok=True),
    "rows of a source": lambda root: write_deltalake(str(root / "in/d"), pa.table({"y": [3]}), mode="append"),
    "another's commit": _lose_rows,
    "housekeeping": lambda root: DeltaTable(str(root / "lake/main/a")).create_checkpoint(),
    "a table less": lambda root: shutil.rmtree(root / "lake/main/a", ignore_errors=True),
    "a run of one": _run_one,
    "no target": lambda root: shutil.rmtree(root / "target", ignore_errors=True),
    "the environment": _set_variable,
    "no environment": _unset_variable,
}


@given(st.lists(st.sampled_from(sorted(EDITS)), min_size=1, max_size=6))
@settings(max_examples=15, deadline=None)
def test_the_answer_is_that_of_a_run_that_looks(edits: Sequence[str]) -> None:
    """The same edits of two projects, one of which forgets before each run."""
    with tempfile.TemporaryDirectory() as folder:
        pair = Path(folder, "remembering"), Path(folder, "looking")
        try:
            for root in pair:
                write_files(root, {"fsbuild_project.yml": "name: shop\n", **FILES})
                write_inputs(root)
                Project(root).run()
            for edit in edits:
                for root in pair:
                    EDITS[edit](root)
                for _ in range(2):
                    (pair[1] / "target/unchanged.json").unlink(missing_ok=True)
                    assert outcome(pair[0]) == outcome(pair[1]), edit
                    assert [read_delta(pair[0], name) for name in TABLES] == [
                        read_delta(pair[1], name) for name in TABLES
                    ]
        finally:
            os.environ.pop("FSBUILD_TEST_MORE", None)


def test_a_folder_of_another_name_is_watched_too(root: Path) -> None:
    write_files(
        root, {"fsbuild_project.yml": "name: shop\nmodel-paths: [models, more]\n", "more/m.sql": "select 1 as x"}
    )
    for _ in range(2):
        outcome(root)
    assert is_remembered(root)
    write_files(root, {"more/m.sql": "select 2 as x"})
    assert not is_remembered(root)


def test_an_edit_while_a_run_is_at_work_is_not_taken_for_what_was_run(root: Path) -> None:
    project = Project(root)
    write_files(root, {"models/c.sql": "{{ config(materialized='table') }}select x + 5 as x from {{ ref('b') }}"})

    def edit(event: Event) -> None:
        if isinstance(event, RunFinished):
            write_files(
                root, {"models/c.sql": "{{ config(materialized='table') }}select x + 6 as x from {{ ref('b') }}"}
            )

    project.run(on_event=edit)
    Project(root).run()
    assert {row["x"] for row in read_delta(root, "c")} == {8, 10}
