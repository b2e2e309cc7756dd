"""Golden queries with their edges, and the property that no input column can change an output unseen.

The golden files in `golden/lineage/` have, below each query, a line for each output column and for `*` where something
steers the rows. They are written by hand. DuckDB binds every query, so that names come from the engine.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pytest

from fsbuild.lineage import Input, trace_lineage
from fsbuild.lineage.expressions import AGGREGATES
from fsbuild.values import ColumnType, Lineage, Relation

TABLES = {
    "t": {
        "id": "INTEGER",
        "a": "INTEGER",
        "b": "INTEGER",
        "ts": "TIMESTAMP",
        "l": "INTEGER[]",
        "s": "STRUCT(x INTEGER, y STRUCT(z INTEGER))",
    },
    "u": {"id": "INTEGER", "c": "INTEGER", "ts": "TIMESTAMP"},
    "v": {"id": "INTEGER", "a": "INTEGER", "j": "JSON"},
    "n": {"id": "INTEGER", "m": "MAP(VARCHAR, INTEGER)", "p": "STRUCT(x INTEGER, y INTEGER)[]"},
}
INPUTS = [
    Input(name, Relation("m", name), tuple(ColumnType(column, kind) for column, kind in columns.items()))
    for name, columns in TABLES.items()
]
GOLDEN = Path(__file__).parent / "golden/lineage"


@dataclass(frozen=True)
class Case:
    """A query of a golden file: what each column depends on, or why that is unknown."""

    name: str
    sql: str
    edges: Mapping[str, set[str]]
    unknown: str | None


def cases(file: Path) -> Iterator[Case]:
    """The queries of a file: blocks with comments above the query and its edges below."""
    for number, block in enumerate(re.split(r"\n{2,}", file.read_text(encoding="utf-8"))):
        text, end, below = re.sub(r"\A(--.*\n?)+", "", block).partition(";\n")
        if not end:
            continue
        edges: dict[str, set[str]] = {}
        lines = below.strip().removeprefix("-- ").split("\n-- ")
        unknown = lines[0].removeprefix("unknown: ") if lines[0].startswith("unknown: ") else None
        for line in lines if unknown is None else ():
            column, arrow, origins = line.partition(" <-")
            assert arrow, line
            edges[column] = {origin for origin in origins.strip().split(", ") if origin}
        yield Case(f"{file.stem}-{number}", text, edges, unknown)


CASES = [case for file in sorted(GOLDEN.glob("*.sql")) for case in cases(file)]


@pytest.fixture(scope="module")
def engine() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        connection.execute("create schema m")
        for name, columns in TABLES.items():
            connection.execute(f"create table m.{name} ({', '.join(f'{c} {kind}' for c, kind in columns.items())})")
        yield connection


def trace(engine: duckdb.DuckDBPyConnection, sql: str) -> Lineage:
    relation = engine.sql(sql)
    relation.fetchall()
    columns = [ColumnType(n, str(kind)) for n, kind in zip(relation.columns, relation.types, strict=True)]
    return trace_lineage(sql, INPUTS, columns)


def written(lineage: Lineage, columns: Iterable[str] = ()) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {column: set() for column in columns}
    for edge in lineage.edges:
        found.setdefault(edge.column, set()).add(f"{edge.input_id}.{edge.input_column} {edge.kind}")
    return found


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_golden(engine: duckdb.DuckDBPyConnection, case: Case) -> None:
    lineage = trace(engine, case.sql)
    assert lineage.unknown == case.unknown
    if case.unknown is None:
        columns = engine.sql(case.sql).columns
        assert set(columns) | {"*"} >= case.edges.keys() >= set(columns)
        assert written(lineage, columns) == dict(case.edges)
    else:
        assert lineage.edges == ()


def test_the_golden_files_are_all_read() -> None:
    assert len(CASES) >= 150
    assert len(CASES) == sum(len(re.findall(r";$", f.read_text(), re.MULTILINE)) for f in GOLDEN.glob("*.sql"))
    assert len({case.sql for case in CASES}) == len(CASES)


NOT_TRACEABLE = [
    *("", ";", "selec", "select 'x", "select a frm m.t x y", "select 1; select 2", "drop table m.t", "pivot m.t on a"),
    *("select a from m.nope", "select nope from m.t", "select id from m.t, m.u", "select a, b from m.t"),
    *("select b from m.t", "select a from m.t union select a, b from m.t", "with c(p, q, r) as (select a) from c"),
    "select " + "(" * 300 + "nope" + ")" * 300,
    "from (" * 400 + "m.t" + ")" * 400,
]


@pytest.mark.parametrize("sql", NOT_TRACEABLE, ids=range(len(NOT_TRACEABLE)))
def test_never_raises(sql: str) -> None:
    lineage = trace_lineage(sql, INPUTS, [ColumnType("x", "INTEGER")])
    assert lineage.edges == ()
    assert lineage.unknown


def test_a_long_expression_is_walked_without_recursion() -> None:
    sql = f"select {'+'.join(['a'] * 3000)} as x from m.t where {' and '.join(['b > 0'] * 3000)}"
    assert written(trace_lineage(sql, INPUTS, [ColumnType("x", "INTEGER")])) == {
        "x": {"t.a transformed"},
        "*": {"t.b filters"},
    }


def test_edges_are_sorted_and_unique(engine: duckdb.DuckDBPyConnection) -> None:
    lineage = trace(engine, "select b, a, a + max(a) over () as x, a as y from m.t where a = b and b > 0")
    keys = [(edge.column, edge.input_id, edge.input_column, edge.kind) for edge in lineage.edges]
    assert keys == sorted(set(keys))
    assert len(lineage.edges) == 6


def test_every_aggregate_of_the_engine_is_one_here(engine: duckdb.DuckDBPyConnection) -> None:
    rows = engine.execute(
        "select distinct function_name, coalesce(len(parameters), 0) from duckdb_functions()"
        " where function_type = 'aggregate' and function_name not in ('count_star', 'row_number', 'fill')"
    ).fetchall()
    assert len(rows) > len(AGGREGATES)
    missed = []
    for name, count in rows:
        sql = f"select {name}({', '.join(['a', 'b', 'id'][:count])}) over () as x from m.t"
        plain = sql.replace(" over ()", "")
        lineage = trace_lineage(plain, INPUTS, [ColumnType("x", "INTEGER")])
        if lineage.unknown is None and any(edge.kind == "transformed" for edge in lineage.edges):
            missed.append(name)
    assert missed == []
