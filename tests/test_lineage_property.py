"""The properties that no input column can change an output unseen, and that no edit of a query can.

Random queries are run over small tables, and again with other values in one column at a time. A column without an edge
to an output must leave it as it is; one without an edge to `*` must leave as many rows, and one without any the whole
result. Of an edited query, the columns that are not named as edited must stay as they are. FSBUILD_EXAMPLES multiplies
the number of examples, for a search at length; `pytest -s` prints what was seen.
"""

from __future__ import annotations

import os
import random
import re
from collections import Counter
from collections.abc import Mapping

import duckdb
from hypothesis import given, settings
from hypothesis import strategies as st

from fsbuild.lineage import Input, trace_lineage
from fsbuild.lineage.definitions import Version, compare_definitions
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
    columns = _columns(worlds.sql(sql))
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


def _edited(sql: str, chance: random.Random) -> str:
    """The query with another number, column, function or operator somewhere in it."""
    words = [
        *re.finditer(r"(?<![\w.\"])\d+(?![\w.\"])", sql),
        *re.finditer(r"\b[a-z]\d+\.\w+", sql),
        *re.finditer(r"\b(max|sum|left join|semi join|coalesce|rank|union all|desc)\b", sql),
    ]
    word = chance.choice(words)
    if word[0].isdigit():
        others = [str(number) for number in range(1, 5)]
    elif "." in word[0]:
        others = re.findall(rf"\b{word[0].split('.')[0]}\.\w+", sql)
    else:
        others = ["min", "max", "join", "anti join", "greatest", "dense_rank", "union", "asc"]
    return sql[: word.start()] + chance.choice(others) + sql[word.end() :]


def test_what_an_edit_does_not_define_anew_stays_as_it_is() -> None:
    seen: Counter[str] = Counter()
    worlds = make_worlds()

    @settings(max_examples=250 * BUDGET, database=None)
    @given(seed=st.integers(0, 2**32))
    def check(seed: int) -> None:
        nonlocal worlds
        chance = random.Random(seed)  # noqa: S311 - test data
        sql = Grammar(chance).query(chance.randint(0, 2), 3)
        later = sql if "recursive" in sql else _edited(sql, chance)  # an edited recursion may have no end
        try:
            versions = [Version(text, INPUTS, _columns(worlds.sql(text))) for text in (sql, later)]
            before, after = (worlds.execute(text).fetchall() for text in (sql, later))
        except duckdb.InternalException:
            worlds = make_worlds()
            return
        except duckdb.Error:
            seen["refused"] += 1
            return
        edited = compare_definitions(*versions)
        seen["edits"] += 1
        seen["edits with other results"] += Counter(before) != Counter(after)
        seen["edits of which rows there are"] += edited.has_other_rows
        if edited.has_other_rows:
            return
        seen["edits of columns"] += bool(edited.columns)
        assert len(before) == len(after), f"{sql}\n{later}"
        for at, column in enumerate(versions[1].columns):
            if column.name not in edited.columns:
                seen["columns that stayed as they were"] += 1
                same = Counter(row[at] for row in before) == Counter(row[at] for row in after)
                assert same, f"{column.name} of\n{sql}\n{later}"

    check()
    print(", ".join(f"{count:,} {what}" for what, count in seen.most_common()))  # noqa: T201
    assert seen["refused"] < seen["edits"] / 2
    assert seen["columns that stayed as they were"] > seen["edits"] / 4
    assert seen["edits of columns"] > seen["edits"] / 50
    assert seen["edits with other results"] > seen["edits"] / 10


def _columns(relation: duckdb.DuckDBPyRelation) -> list[ColumnType]:
    return [ColumnType(name, str(kind)) for name, kind in zip(relation.columns, relation.types, strict=True)]
