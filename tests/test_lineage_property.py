"""The property that no input column can change an output unseen: what changes when its values do has an edge.

Random queries are run over small tables, and again with other values in one column at a time. A column without an edge
to an output must leave it as it is; one without an edge to `*` must leave as many rows, and one without any the whole
result. FSBUILD_EXAMPLES multiplies the number of examples, for a search at length; `pytest -s` prints what was seen.
"""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Mapping

import duckdb
from hypothesis import given, settings
from hypothesis import strategies as st

from fsbuild.lineage import Input, trace_lineage
from fsbuild.values import ColumnType, Relation
from tests.query_grammar import TABLES, Grammar

BUDGET = int(os.environ.get("FSBUILD_EXAMPLES", "1"))
INPUTS = [
    Input(name, Relation("m", name), tuple(ColumnType(column, "INTEGER") for column in columns))
    for name, columns in TABLES.items()
]
# Two with other values in the whole column, and one where they are another in one row.
VARIANTS = 3

Rows = Mapping[str, list[list[int | None]]]


def make_worlds() -> duckdb.DuckDBPyConnection:
    """The tables as they are in schema `m`; in `m_t_a_0` and so on, with other values in that one column."""
    connection = duckdb.connect(config={"threads": 1})
    chance = random.Random(7)  # noqa: S311 - test data
    rows = {name: [[_value(chance) for _ in columns] for _ in range(9)] for name, columns in TABLES.items()}
    _make_world(connection, "m", rows)
    for name, columns in TABLES.items():
        for index, column in enumerate(columns):
            for variant in range(VARIANTS):
                touched = range(9) if variant < VARIANTS - 1 else [chance.randrange(9)]
                changed = [
                    [_value(chance) if i == index and number in touched else value for i, value in enumerate(row)]
                    for number, row in enumerate(rows[name])
                ]
                _make_world(connection, f"m_{name}_{column}_{variant}", {**rows, name: changed})
    return connection


def _value(chance: random.Random) -> int | None:
    return chance.choice([0, 1, 2, 3, 4, 5, None])


def _make_world(connection: duckdb.DuckDBPyConnection, schema: str, rows: Rows) -> None:
    connection.execute(f"create schema {schema}")
    for name, columns in TABLES.items():
        connection.execute(f"create table {schema}.{name} ({', '.join(f'{c} integer' for c in columns)})")
        connection.executemany(f"insert into {schema}.{name} values ({', '.join('?' * len(columns))})", rows[name])


def _check(worlds: duckdb.DuckDBPyConnection, sql: str, seen: Counter[str]) -> None:
    """Hold the edges of one query against what other values in each column of each table do."""
    relation = worlds.sql(sql)
    columns = [ColumnType(n, str(kind)) for n, kind in zip(relation.columns, relation.types, strict=True)]
    lineage = trace_lineage(sql, INPUTS, columns)
    assert lineage.unknown is None, sql
    seen.update(edge.kind for edge in lineage.edges)
    before = worlds.execute(sql).fetchall()
    seen["queries with rows"] += bool(before)
    for name, small in TABLES.items():
        for column in small:
            reached = {edge.column for edge in lineage.edges if (edge.input_id, edge.input_column) == (name, column)}
            if "*" in reached:
                continue
            silent = [output for output in range(len(columns)) if f"o{output}" not in reached]
            for variant in range(VARIANTS):
                after = worlds.execute(sql.replace("m.", f"m_{name}_{column}_{variant}.")).fetchall()
                assert len(after) == len(before), f"no edge {name}.{column} -> *: {sql}"
                assert reached or Counter(after) == Counter(before), f"no edge of {name}.{column}: {sql}"
                for output in silent:
                    same = Counter(row[output] for row in after) == Counter(row[output] for row in before)
                    assert same, f"no edge {name}.{column} -> o{output}: {sql}"
                seen["silences that were right"] += len(silent)
                seen["changes with an edge"] += bool(reached) and Counter(after) != Counter(before)


def test_what_changes_has_an_edge() -> None:
    seen: Counter[str] = Counter()
    worlds = make_worlds()

    @settings(max_examples=150 * BUDGET, database=None)
    @given(seed=st.integers(0, 2**32))
    def check(seed: int) -> None:
        nonlocal worlds
        sql = Grammar(random.Random(seed)).query(3, 2)  # noqa: S311 - test data
        seen["queries"] += 1
        try:
            _check(worlds, sql, seen)
        except duckdb.BinderException:
            seen["refused"] += 1  # so that compiling stops before there is a lineage to trace
        except duckdb.InternalException:
            seen["broke the engine"] += 1  # a mistake of its own, after which nothing more can be asked of it
            worlds = make_worlds()

    check()
    print(", ".join(f"{count:,} {what}" for what, count in seen.most_common()))  # noqa: T201
    assert seen["refused"] < seen["queries"] * 0.2
    assert seen["queries with rows"] > seen["queries"] * 0.3
    assert seen["silences that were right"] > seen["queries"]
    assert seen["changes with an edge"] > seen["queries"] / 4
    assert min(seen[kind] for kind in ("filters", "joins", "groups", "orders", "partitions")) > 0
