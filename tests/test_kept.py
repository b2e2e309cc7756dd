"""What compiling keeps: with the answers of before it finds what it finds without them, whatever has changed."""

from __future__ import annotations

import os
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fsbuild.cache import Cache, Shelf
from fsbuild.compile.kept import Kept
from fsbuild.errors import FsbuildError
from fsbuild.load import Overrides
from fsbuild.pipeline import compile_draft, draft_project
from fsbuild.values import CompiledModel, RenderedModel
from tests.conftest import Files, write_files
from tests.test_render import MOMENT

BUDGET = int(os.environ.get("FSBUILD_TEST_BUDGET", "1"))
Make = Callable[[Files], Path]
FILE = "target/compiled.cache"


def compiled(root: Path, **variables: object) -> object:
    """All that compiling a project says: the fields of its models and their lineage, or the problems."""
    try:
        found = compile_draft(draft_project(root, Overrides(variables=variables or None), MOMENT), is_tracing=True)
    except FsbuildError as exc:
        return [str(problem) for problem in exc.problems]
    names = [field.name for field in fields(CompiledModel) if field.name != "trace"]
    return {name: [getattr(one, field) for field in (*names, "lineage")] for name, one in found.models.items()}


def compiled_cold(root: Path, **variables: object) -> object:
    """The same where nothing was kept; what was kept is there again afterwards."""
    file, aside = root / FILE, root / "aside"
    if file.exists():
        file.replace(aside)
    found = compiled(root, **variables)
    if aside.exists():
        aside.replace(file)
    return found


class Recalls:
    """Counts the models whose answers were kept, and those whose answers were not."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.found: list[str] = []
        self.missed: list[str] = []
        recall = Kept.recall

        def counted(kept: Kept, key: str | None, model: RenderedModel, parents: Sequence[object]) -> object:
            found = recall(kept, key, model, parents)  # type: ignore[arg-type]
            (self.missed if found is None else self.found).append(model.model.name)
            return found

        monkeypatch.setattr(Kept, "recall", counted)

    def missed_by(self, root: Path, **variables: object) -> list[str]:
        self.found.clear()
        self.missed.clear()
        compiled(root, **variables)
        return sorted(self.missed)


@pytest.fixture
def recalls(monkeypatch: pytest.MonkeyPatch) -> Recalls:
    return Recalls(monkeypatch)


# --- the file --------------------------------------------------------------------------------------------------------


def test_an_answer_comes_back_under_its_kind_and_digest_to_the_same_program(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "t/c", "1")
    cache.put("a", "k", "é\t{}")
    assert cache.get("a", "k") == "é\t{}"
    cache.save()
    again = Cache(tmp_path / "t/c", "1")
    assert (again.get("a", "k"), again.get("b", "k"), again.get("a", "l")) == ("é\t{}", None, None)
    assert Cache(tmp_path / "t/c", "2").get("a", "k") is None
    assert [file.name for file in (tmp_path / "t").iterdir()] == ["c"]


def test_an_answer_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="one line"):
        Cache(tmp_path / "c", "1").put("a", "k", "x\ny")


@given(st.integers(0, 10_000), st.integers(1, 255))
@settings(max_examples=60 * BUDGET)
def test_whatever_happens_to_a_byte_an_answer_is_right_or_missing(at: int, other: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "c"
        cache = Cache(file, "1")
        for number in range(5):
            cache.put("a", str(number), f"answer {number} " * 5)
        cache.save()
        data = bytearray(file.read_bytes())
        data[at % len(data)] ^= other
        file.write_bytes(data)
        damaged = Cache(file, "1")
        assert all(damaged.get("a", str(n)) in (None, f"answer {n} " * 5) for n in range(5))
        file.write_bytes(data[: at % len(data)])
        cut = Cache(file, "1")
        assert all(cut.get("a", str(n)) in (None, f"answer {n} " * 5) for n in range(5))
        damaged.put("a", "9", "new")
        damaged.save()
        assert Cache(file, "1").get("a", "9") == "new"


def test_an_answer_that_nobody_asks_for_is_left_out_after_a_while(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "c", "1")
    cache.put("a", "old", "x")
    cache.put("a", "used", "x")
    cache.save()
    for number in range(12):
        cache = Cache(tmp_path / "c", "1")
        assert cache.get("a", "used") == "x"
        cache.put("a", str(number), "x")
        cache.save()
    last = Cache(tmp_path / "c", "1")
    assert (last.get("a", "old"), last.get("a", "used"), last.get("a", "3")) == (None, "x", "x")


def test_nothing_is_written_where_nothing_was_added(tmp_path: Path) -> None:
    Cache(tmp_path / "t/c", "1").save()
    assert not (tmp_path / "t").exists()


def test_a_folder_that_cannot_be_written_to_is_no_mistake(tmp_path: Path) -> None:
    (tmp_path / "t").write_text("a file")
    cache = Cache(tmp_path / "t/c", "1")
    cache.put("a", "k", "x")
    cache.save()
    assert (tmp_path / "t").read_text() == "a file"


def test_circumstances_count(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "c", "1")
    assert Shelf(cache, "a", [("x", 1)]).key("q") != Shelf(cache, "a", [("x", 2)]).key("q")


# --- what is compiled again ------------------------------------------------------------------------------------------

CHAIN: Files = {
    "seeds/s.csv": "x,y\n1,2\n",
    "models/a.sql": "{{ config(materialized='table') }}select x, y from {{ ref('s') }}",
    "models/b.sql": "select x + {{ var('more', 1) }} as x from {{ ref('a') }}",
    "models/c.sql": "{{ config(materialized='table') }}select * from {{ ref('b') }}",
}


def test_a_project_that_is_compiled_again_needs_no_engine_for_its_models(
    make_project: Make, recalls: Recalls, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = make_project({**CHAIN, "models/a.sql": "select 1 as x, 2 as y"})
    (root / "seeds/s.csv").unlink()
    before = compiled(root)
    assert recalls.missed == ["a", "b", "c"]
    for name in ("fsbuild.engine.Binder", "fsbuild.compile.judging.bind_model", "fsbuild.lineage.trace_lineage"):
        monkeypatch.setattr(name, None)
    assert recalls.missed_by(root) == []
    assert compiled(root) == before


def test_an_edit_goes_on_as_far_as_columns_differ(make_project: Make, recalls: Recalls) -> None:
    root = make_project(CHAIN)
    compiled(root)
    write_files(root, {"models/a.sql": "{{ config(materialized='table') }}select x, y from {{ ref('s') }} where x > 0"})
    assert recalls.missed_by(root) == ["a"]
    write_files(root, {"models/a.sql": "{{ config(materialized='table') }}select x, 5 as y from {{ ref('s') }}"})
    assert recalls.missed_by(root) == ["a", "b"]  # the type of y is another one, and that of b's x is not
    write_files(root, {"seeds/s.csv": "x,y\n1.5,2\n"})
    assert recalls.missed_by(root) == ["a", "b", "c"]
    assert recalls.missed_by(root, more=2) == ["b"]
    assert recalls.missed_by(root) == []


def test_what_is_behind_views_counts_where_it_is_looked_at(make_project: Make, recalls: Recalls) -> None:
    auto = "{{ config(materialized='incremental', unique_key='x', incremental_strategy='auto') }}"
    views = {
        "models/v.sql": "select x, row(x, y) as r, y from {{ ref('a') }}",
        "models/w.sql": "select * from {{ ref('v') }}",
    }
    readers = {"m": f"{auto}select x, y from {{{{ ref('w') }}}}", "n": "select x from {{ ref('a') }}"}
    root = make_project({**CHAIN, **views, **{f"models/{name}.sql": text for name, text in readers.items()}})
    compiled(root)
    assert recalls.missed_by(root) == []
    write_files(root, {"models/v.sql": "select x, row(x, y) as r, y from {{ ref('a') }} where y > 0"})
    # The types of v's row have no names, so that w binds over v's query; how m is kept up to date follows from both.
    assert recalls.missed_by(root) == ["m", "v", "w"]
    assert compiled(root) == compiled_cold(root)


def test_a_source_is_looked_into_again_when_its_files_are_others(make_project: Make) -> None:
    named = "sources: [{name: raw, tables: [{name: f, meta: {external_location: 'in/*.csv'}}]}]"
    root = make_project(
        {"models/s.yml": named, "models/m.sql": "select * from {{ source('raw', 'f') }}", "in/1.csv": "x\n1\n"}
    )
    before = compiled(root)
    assert compiled(root) == before
    write_files(root, {"in/1.csv": "y\n1.5\n"})
    assert compiled(root) == compiled_cold(root) != before


def test_a_model_that_is_new_disturbs_those_whose_words_name_it(make_project: Make, recalls: Recalls) -> None:
    root = make_project({**CHAIN, "models/d.sql": "with e as (select 1 as f) select f from e"})
    before = compiled(root)
    write_files(root, {"models/g.sql": "select 1 as x"})
    assert recalls.missed_by(root) == ["g"]
    write_files(root, {"models/e.sql": "select 1 as x"})
    assert recalls.missed_by(root) == ["d", "e"]
    (root / "models/e.sql").unlink()
    (root / "models/g.sql").unlink()
    assert compiled(root) == before


def test_a_table_that_is_read_without_ref_is_told_after_it_was_made(make_project: Make) -> None:
    root = make_project({"models/b.sql": "with a as (select 1 as x) select x from a"})
    compiled(root)
    write_files(root, {"models/a.sql": "select 2 as x", "models/b.sql": "select x from a"})
    assert "reads main.a without ref()" in str(compiled(root))
    assert compiled(root) == compiled_cold(root)


@pytest.mark.parametrize(
    "text",
    [
        "select * from read_csv('in.csv')",
        "select * from 'in.csv'",
        "select * from query('select 1 as x')",
        "select * from (query('select 1 as x') join range(3) r on true)",
        "select * from system.main.query('select 1 as x')",
        "select 1 as x from range(2) t(i), pragma_version()",
    ],
)
def test_what_does_not_follow_from_a_model_is_not_kept(make_project: Make, recalls: Recalls, text: str) -> None:
    root = make_project({"models/m.sql": text, "models/n.sql": "select x from {{ ref('m') }}", "in.csv": "x\n1\n"})
    compiled(root)
    assert recalls.missed_by(root) == ["m"]


@pytest.mark.parametrize("item", ["range(3)", "unnest([1, 2])", "generate_series(1, 3)", "(select 1)", "(values (1))"])
def test_what_makes_rows_of_its_own_is_kept(make_project: Make, recalls: Recalls, item: str) -> None:
    root = make_project({"models/m.sql": f"select 1 as x from {item} as t(i)"})
    compiled(root)
    assert recalls.missed_by(root) == []


# --- whatever changes ------------------------------------------------------------------------------------------------

NAMES = ("a", "b", "c", "d", "e")
CONFIGS = (
    "",
    "{{ config(materialized='table') }}",
    "{{ config(materialized='table', unique_key='x', description='of some kind') }}",
    "{{ config(materialized='incremental', unique_key='x', incremental_strategy='auto') }}",
    "{{ config(materialized='incremental', unique_key='x', deleted_when='x = 3') }}",
    "{{ config(materialized='ephemeral') }}",
)
# Templates of models; one and two are what they read.
TEXTS = (
    "select 1 as x, 'n' as y",
    "select 1.5 as x, 'n' as y",
    "select x, y from {one}",
    "select * from {one};",
    "select x, y || 'n' as y from {one} where x > {{{{ var('least', 1) }}}}",
    "select x, {{{{ var('what', 'y') }}}} as y from {one}",
    "select l.x, r.y from {one} l join {two} r using (x)",
    "with a as (select x, y from {one}), b as (select * from a) select x, y from b",
    "with t as (select max(x) as e, y from {one} group by all) select e as x, y from t",
    "select x, row(x, 2) as y from {one}",
    "select x, y, x as z from {one}",
    "select x, y from query('select * from main.a')",
    "select x, y from {one} {{% if is_incremental() %}}where x > 5{{% endif %}}",
    "select x / 2 as x, random() as y from {one}",
    "select x, y from read_csv('{{{{ var('csv', 'in/1.csv') }}}}')",
)
WRONG = (
    "select x, nope from {one}",
    "select x, y from a",
    "select x, y, x as x from {one}",
    "select x, y from {one} {two}",
)
SEEDS = ("x,y\n1,n\n", "x,y\n1.5,n\n", "x,y\n1,2\n", "x,z\n1,n\n")
PROFILE = "shop: {{target: dev, outputs: {{dev: {{type: duckdb, settings: {{integer_division: {0}}}}}}}}}\n"

inputs = st.sampled_from([*NAMES, "s", "s", "s"])
texts = st.tuples(st.sampled_from(CONFIGS), st.sampled_from([*TEXTS * 4, *WRONG]), inputs, inputs)


def write_model(root: Path, name: str, drawn: tuple[str, str, str, str] | None) -> None:
    if drawn is None:
        (root / f"models/{name}.sql").unlink(missing_ok=True)
        return
    config, text, *parents = drawn
    # What stands before a name in the alphabet may be read by it, so that no cycle is drawn.
    one, two = (f"{{{{ ref('{given if given < name else 's'}') }}}}" for given in parents)
    write_files(root, {f"models/{name}.sql": config + text.format(one=one, two=two)})


edits = st.one_of(
    st.tuples(st.just("model"), st.sampled_from(NAMES), st.one_of(st.none(), texts)),
    st.tuples(st.just("model"), st.sampled_from(NAMES), texts),
    st.tuples(st.just("rename"), st.sampled_from(NAMES), st.sampled_from(NAMES)),
    st.tuples(st.just("seed"), st.sampled_from(SEEDS), st.none()),
    st.tuples(st.just("variable"), st.sampled_from(["least", "what"]), st.sampled_from(["1", "2", "x", "upper(y)"])),
    st.tuples(st.just("setting"), st.sampled_from(["true", "false"]), st.none()),
    st.tuples(st.just("schema"), st.sampled_from(["main", "other"]), st.none()),
)


def make_edit(root: Path, variables: dict[str, object], edit: tuple[str, str, object]) -> None:
    kind, what, value = edit
    if kind == "model":
        write_model(root, what, value)  # type: ignore[arg-type]
    elif kind == "rename":
        file = root / f"models/{what}.sql"
        if file.exists():
            file.replace(root / f"models/{value}.sql")
    elif kind == "seed":
        write_files(root, {"seeds/s.csv": what})
    elif kind == "variable":
        variables[what] = value
    elif kind == "setting":
        write_files(root, {"profiles.yml": PROFILE.format(what)})
    else:
        write_files(root, {"fsbuild_project.yml": f"name: shop\nprofile: shop\nmodels: {{+schema: {what}}}\n"})


def test_with_what_was_kept_all_is_as_without_it(recalls: Recalls, capsys: pytest.CaptureFixture[str]) -> None:
    counts: Counter[str] = Counter()

    @settings(max_examples=40 * BUDGET, database=None)
    @given(st.lists(texts, min_size=len(NAMES), max_size=len(NAMES)), st.lists(edits, min_size=3, max_size=8))
    def agree(first: Sequence[tuple[str, str, str, str]], story: Sequence[tuple[str, str, object]]) -> None:
        with tempfile.TemporaryDirectory() as folder:
            root, variables = Path(folder), dict[str, object]()
            write_files(root, {"in/1.csv": "x,y\n1,n\n", "seeds/s.csv": SEEDS[0]})
            write_files(
                root, {"fsbuild_project.yml": "name: shop\nprofile: shop\n", "profiles.yml": PROFILE.format("false")}
            )
            for name, drawn in zip(NAMES, first, strict=True):
                write_model(root, name, drawn)
            for edit in (None, *story):
                if edit is not None:
                    make_edit(root, variables, edit)
                    counts[f"edits of a {edit[0]}"] += 1
                cold = compiled_cold(root, **variables)
                recalls.found.clear()
                assert compiled(root, **variables) == cold
                counts["models that were kept"] += len(recalls.found)
                counts["projects that are right" if isinstance(cold, Mapping) else "projects with problems"] += 1

    agree()
    with capsys.disabled():
        print("\n" + ", ".join(f"{number} {what}" for what, number in sorted(counts.items())))  # noqa: T201
    assert counts["models that were kept"] > counts["projects that are right"] > 0
    assert counts["projects with problems"] > 0
