"""What a property needs of models over tables that change: the story, the project that plays it, and the oracle.

The oracle is DuckDB alone: it evaluates the models' own text over the inputs' present rows, and knows nothing of what
was published before.
"""

from __future__ import annotations

import datetime as dt
import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import duckdb
import pyarrow as pa
from deltalake import DeltaTable
from hypothesis import strategies as st

from tests.conftest import history_of, read_delta, write_files
from tests.delta_inputs import INPUTS, Commit, Row, Table, commits, rows_of
from tests.expression_grammar import Words
from tests.model_grammar import Relation, Writer

Bag = Counter[tuple[object, ...]]

AUTO = "materialized='incremental', incremental_strategy='auto'"
_TABLE_IN_TEXT = re.compile(r"\{\{ (source|ref)\((?:'raw', )?'(\w+)'\) \}\}")
_SHOWN = 8


@dataclass(frozen=True, slots=True)
class Model:
    """A model file; `kind` is a materialization, or `auto`."""

    name: str
    kind: str
    sql: str
    unique_key: tuple[str, ...] = ()

    def file(self, options: str = "", kind: str | None = None) -> dict[str, str]:
        kind = kind or self.kind
        key = f", unique_key={list(self.unique_key)}" if self.unique_key and kind == "auto" else ""
        config = f"{AUTO}{key}{options}" if kind == "auto" else f"materialized='{kind}'"
        return {f"models/{self.name}.sql": f"{{{{ config({config}) }}}}\n{self.sql}\n"}

    @property
    def parents(self) -> tuple[str, ...]:
        """The names of the sources and models that it reads."""
        return tuple(name for _, name in _TABLE_IN_TEXT.findall(self.sql))


@dataclass(frozen=True, slots=True)
class Step:
    """Commits, and how the project is run after them; `number` chooses a model where only one is meant."""

    commits: tuple[Commit, ...]
    then: str = "run"
    number: int = 0

    def __str__(self) -> str:
        """The commits and what is done then."""
        return "; ".join([*map(str, self.commits), f"{self.then} ({self.number})" if self.then != "run" else "run"])


@dataclass(frozen=True, slots=True)
class Story:
    clean: frozenset[str]
    rows: Mapping[str, tuple[Row, ...]]
    models: tuple[Model, ...]
    steps: tuple[Step, ...]


# --- drawing ---------------------------------------------------------------------------------------------------------

# What is done after a step's commits, and the share of each.
THENS = (
    *("run",) * 12,
    *("nothing", "nothing", "run one", "run one", "lose target", "full refresh", "lose table", "as table", "tamper"),
)


@st.composite
def stories(draw: st.DrawFn, models: int = 6, depth: int = 2, steps: int = 4) -> Story:
    clean = frozenset(name for name in INPUTS if draw(st.integers(0, 9)) < 7)
    step = st.builds(
        Step,
        # Lists of drawn lengths are longer than those of drawn elements.
        st.sampled_from((1, 2, 3, 0)).flatmap(lambda number: st.tuples(*[commits(clean)] * number)),
        st.sampled_from(THENS),
        st.integers(0, models - 1),
    )
    return Story(
        clean,
        {name: draw(rows_of(name, is_clean=name in clean, most=7)) for name in INPUTS},
        draw(projects(clean, models, depth)),
        tuple(draw(step) for _ in range(draw(st.sampled_from((2, 1, *range(3, steps + 1)))))),
    )


@st.composite
def projects(draw: st.DrawFn, clean: frozenset[str], number: int, depth: int) -> tuple[Model, ...]:
    """Some models, of which each may read those before it; the later ones are all kept by change feeds."""
    sources = [
        Relation(
            f"{{{{ source('raw', '{name}') }}}}", given.kinds, frozenset({given.key}) if name in clean else frozenset()
        )
        for name, given in INPUTS.items()
    ]
    models: list[Model] = []
    refs: list[Relation] = []
    with duckdb.connect() as planner:
        _load(planner, {name: given.schema.empty_table() for name, given in INPUTS.items()})
        for at in range(number):
            kind = draw(st.sampled_from(("auto", "view", "table", "ephemeral"))) if at < number // 3 else "auto"
            levels = st.integers(0, 1) if at < number // 3 else st.integers(min(1, depth), depth)
            query = Writer(Words(draw), [*sources, sources[0], *refs]).model(draw(levels))
            if not _is_planned(planner, Model(f"m{at}", kind, query.text)):
                simple = f"select id, k, g, x\nfrom {sources[0].text}"
                query = replace(sources[0], text=simple, columns=sources[0].columns[:4])
                planner.execute(f"create table main.m{at} as {oracle_sql(simple)}")
            is_keyed = bool(query.key) and draw(st.integers(0, 9)) < 6
            # A name in quotes is written without them in the configuration.
            key = tuple(sorted(name.strip('"') for name in query.key)) if is_keyed else ()
            models.append(Model(f"m{at}", kind, query.text, key))
            if query.rows <= 40 and at < number - 2:
                refs.append(Relation(f"{{{{ ref('m{at}') }}}}", query.columns, query.key, query.rows))
    return tuple(models)


def _is_planned(connection: duckdb.DuckDBPyConnection, model: Model) -> bool:
    """Whether DuckDB can plan a model: a few correlated subqueries are beyond it."""
    try:
        connection.execute(f"create table main.{model.name} as {oracle_sql(model.sql)}")
    except duckdb.NotImplementedException:
        return False
    return True


# --- the oracle ------------------------------------------------------------------------------------------------------


def expected_bags(models: Sequence[Model], tables: Mapping[str, pa.Table]) -> dict[str, Bag]:
    """What every model is of these rows; an error of the test's own where that depends on the order of the rows."""
    forth = _evaluate(models, tables, "threads = 2")
    back = _evaluate(
        models,
        {name: rows.take(pa.array(range(len(rows))[::-1], pa.int64())) for name, rows in tables.items()},
        "threads = 1",
    )
    for model in models:
        assert forth[model.name] == back[model.name], f"the test's own model is not deterministic:\n{model.sql}"
    return forth


def _evaluate(models: Sequence[Model], tables: Mapping[str, pa.Table], setting: str) -> dict[str, Bag]:
    with duckdb.connect() as connection:
        connection.execute(f"set {setting}")
        _load(connection, tables)
        bags = {}
        for model in models:
            connection.execute(f"create table main.{model.name} as {oracle_sql(model.sql)}")
            if model.unique_key:
                key = ", ".join(f'"{name}"' for name in model.unique_key)
                nulls = "".join(f' or max("{name}") is null' for name in model.unique_key)
                none = f"select {key} from main.{model.name} group by {key} having count(*) > 1{nulls}"
                assert not connection.execute(none).fetchall(), f"the test's own key is none: {key}\n{model.sql}"
            bags[model.name] = bag(connection.execute(f"from main.{model.name}").fetchall())
        return bags


def _load(connection: duckdb.DuckDBPyConnection, tables: Mapping[str, pa.Table]) -> None:
    connection.execute("create schema raw")
    for name, rows in tables.items():
        connection.register("given", rows)
        connection.execute(f"create table raw.{name} as from given")


def oracle_sql(sql: str) -> str:
    return _TABLE_IN_TEXT.sub(lambda m: f"{'raw' if m[1] == 'source' else 'main'}.{m[2]}", sql)


def bag(rows: Iterable[Iterable[object]]) -> Bag:
    return Counter(tuple(_plain(value) for value in row) for row in rows)


def _plain(value: object) -> object:
    """A value as it is compared: one NaN, one zero, no time zones."""
    if isinstance(value, list | tuple):
        return tuple(_plain(item) for item in value)
    if isinstance(value, float):
        return "NaN" if math.isnan(value) else value + 0.0
    if isinstance(value, dt.datetime):
        return value.replace(tzinfo=None)
    return value


def difference(expected: Bag, found: Bag) -> str:
    lines = []
    for word, rows in (("missing", expected - found), ("not expected", found - expected)):
        shown = [f"  {row!r}" + (f" x {count}" if count > 1 else "") for row, count in list(rows.items())[:_SHOWN]]
        lines += [f"{word}: {rows.total()} rows", *shown]
    return "\n".join([*lines, f"of {expected.total()} rows expected and {found.total()} found"])


# --- the project -----------------------------------------------------------------------------------------------------


def write_project(root: Path, models: Iterable[Model], options: str = "") -> None:
    tables = "".join(f"      - name: {name}\n        meta: {{delta_table_path: inputs/{name}}}\n" for name in INPUTS)
    sources = {"models/_sources.yml": f"sources:\n  - name: raw\n    tables:\n{tables}"}
    write_files(root, {"fsbuild_project.yml": "name: shop\n", **sources})
    for model in models:
        write_files(root, model.file(options))


def make_inputs(root: Path, rows: Mapping[str, Sequence[Row]], clean: frozenset[str]) -> dict[str, Table]:
    tables = {name: Table(root / "inputs" / name, given, name in clean) for name, given in INPUTS.items()}
    for name, table in tables.items():
        table.create(rows[name])
    return tables


def published(root: Path, name: str) -> Bag:
    return bag(row.values() for row in read_delta(root, name))


def version_of(root: Path, name: str) -> int:
    folder = root / "lake/main" / name
    return DeltaTable(str(folder)).version() if folder.is_dir() else -1


def commits_since(root: Path, name: str, version: int) -> list[str]:
    """How a table was changed after a version: `full` where all of its rows were written, else `incremental`."""
    ways = []
    for commit in history_of(root, name):
        parameters = commit.get("operationParameters") or {}
        assert isinstance(parameters, dict)
        operation = str(commit["operation"])
        if int(str(commit["version"])) <= version or operation not in ("MERGE", "WRITE", "DELETE", "UPDATE"):
            continue
        is_whole = str(parameters.get("mode")) == "Overwrite" and not parameters.get("predicate")
        ways.append("full" if operation == "WRITE" and is_whole else "incremental")
    return ways
