"""Incremental strategies: whatever comes, the table is what a plain reading of the rules makes of it."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fsbuild import Project
from fsbuild.engine.connection import open_duckdb
from fsbuild.evolution import evolve
from fsbuild.values import ColumnType, RunResult, SchemaChange
from tests.conftest import Files, history_of, read_delta, write_files

Make = Callable[[Files], Path]
Row = tuple[int | None, int, int | None, bool]  # id, day, value, is_gone
COLUMNS = ("id", "day", "value", "is_gone")


def project(config: str, columns: str = "id, day, value") -> dict[str, str]:
    return {
        "models/m.sql": f"{{{{ config(materialized='incremental', {config}) }}}}\n"
        f"select {columns} from {{{{ source('raw', 'batch') }}}}\n",
        "models/sources.yml": "sources: [{name: raw, tables: [{name: batch, meta: {external_location: b.parquet}}]}]\n",
    }


def write_batch(root: Path, rows: Sequence[Row]) -> None:
    kinds = (pa.int32(), pa.int32(), pa.int32(), pa.bool_())
    columns = zip(COLUMNS, zip(*rows, strict=True) if rows else [()] * len(COLUMNS), kinds, strict=True)
    pq.write_table(pa.table({name: pa.array(column, kind) for name, column, kind in columns}), root / "b.parquet")


def play(root: Path, files: Files, batches: Sequence[Sequence[Row]]) -> list[RunResult]:
    write_files(root, {"fsbuild_project.yml": "name: shop\n", **files})
    results = []
    for rows in batches:
        write_batch(root, rows)
        results.append(Project(root).run())
    return results


def values(root: Path, *names: str) -> list[tuple[object, ...]]:
    return sorted((tuple(row[name] for name in names) for row in read_delta(root, "m")), key=repr)


ids = st.integers(0, 3)
days = st.integers(1, 3)
rows = st.tuples(ids, days, st.none() | st.integers(0, 2), st.booleans())
one_for_each_id = st.lists(rows, max_size=4, unique_by=lambda row: row[0])


def examples(function: Callable[..., None]) -> Callable[..., None]:
    """Tables are written in every example, and runs take a while: few examples, but of several batches each."""
    return settings(max_examples=12, deadline=None)(function)


@given(st.lists(one_for_each_id, min_size=1, max_size=4))
@examples
def test_merge_by_sequence_keeps_the_newest_row_in_whatever_order_they_come(batches: list[list[Row]]) -> None:
    """The limit: a row that is deleted is forgotten with its sequence, so deletes are not part of this promise."""
    with tempfile.TemporaryDirectory() as folder:
        results = play(Path(folder), project("unique_key='id', sequence_by='day'"), batches)
        assert all(result.is_success for result in results), results

        newest: dict[object, Row] = {}
        for row in (row for rows in batches for row in rows):
            present = newest.get(row[0])
            if present is None or row[1] >= present[1]:
                newest[row[0]] = row
        assert values(Path(folder), "id", "day", "value") == sorted((row[:3] for row in newest.values()), key=repr)


@given(st.lists(one_for_each_id, min_size=1, max_size=4))
@examples
def test_merge_deletes_what_is_said_to_be_gone(batches: list[list[Row]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        files = project("unique_key='id', deleted_when='is_gone'", "*")
        results = play(Path(folder), files, batches)
        assert all(result.is_success for result in results), results

        present: dict[object, Row] = {}
        for row in (row for rows in batches for row in rows):
            present.pop(row[0], None)
            if not row[3]:
                present[row[0]] = row
        assert values(Path(folder), *COLUMNS) == sorted(present.values(), key=repr)


@given(st.lists(one_for_each_id, min_size=1, max_size=3), st.sampled_from(["update", "exclude"]))
@examples
def test_merge_updates_the_columns_that_it_is_told_to(batches: list[list[Row]], how: str) -> None:
    config = "merge_update_columns=['VALUE']" if how == "update" else "merge_exclude_columns='day'"
    with tempfile.TemporaryDirectory() as folder:
        results = play(Path(folder), project(f"unique_key='id', {config}"), batches)
        assert all(result.is_success for result in results), results

        present: dict[object, tuple[object, ...]] = {}
        for row in (row for rows in batches for row in rows):
            present[row[0]] = (row[0], present[row[0]][1] if row[0] in present else row[1], row[2])
        assert values(Path(folder), "id", "day", "value") == sorted(present.values(), key=repr)


maybe_ids = st.none() | ids
any_rows = st.lists(st.tuples(maybe_ids, days, st.none() | st.integers(0, 2), st.booleans()), max_size=5)


@pytest.mark.parametrize(
    ("config", "at"),
    [
        ("incremental_strategy='delete+insert', unique_key='id'", 0),
        ("incremental_strategy='insert_overwrite', partition_by='day'", 1),
    ],
)
@given(batches=st.lists(any_rows, min_size=1, max_size=4))
@examples
def test_all_rows_of_a_key_or_partition_are_replaced(config: str, at: int, batches: list[list[Row]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        results = play(Path(folder), project(config), batches)
        assert all(result.is_success for result in results), results

        present: list[Row] = []
        for coming in batches:
            present = [row for row in present if row[at] not in {other[at] for other in coming}] + list(coming)
        assert values(Path(folder), "id", "day", "value") == sorted((row[:3] for row in present), key=repr)
        versions = [row for row in history_of(Path(folder), "m") if row["operation"] in ("WRITE", "MERGE")]
        assert len(versions) == len(batches), "one commit for each run"


@given(st.lists(any_rows, min_size=1, max_size=3))
@examples
def test_append_keeps_everything_that_ever_came(batches: list[list[Row]]) -> None:
    """The limit of append: what comes twice is there twice; only the query can leave out what was there."""
    with tempfile.TemporaryDirectory() as folder:
        play(Path(folder), project("incremental_strategy='append'"), batches)

        expected = [row[:3] for coming in batches for row in coming]
        assert values(Path(folder), "id", "day", "value") == sorted(expected, key=repr)


def test_append_refuses_a_key_that_is_there(tmp_path: Path) -> None:
    config = "incremental_strategy='append', unique_key='id'"

    first, second = play(tmp_path, project(config), [[(1, 1, 1, False)], [(2, 1, 1, False), (1, 2, 2, False)]])

    assert first.is_success
    (node,) = second.results
    assert node.message == "rows with the key (id) of another one that stays in the table: 1; nothing was published"
    assert values(tmp_path, "id") == [(1,)]


def test_predicates_that_would_write_a_second_row_are_refused(tmp_path: Path) -> None:
    config = "unique_key='id', incremental_predicates=['DBT_INTERNAL_DEST.day >= 2']"

    results = play(
        tmp_path, project(config), [[(1, 1, 1, False), (2, 2, 2, False)], [(2, 3, 5, False)], [(1, 3, 7, False)]]
    )

    assert [result.is_success for result in results] == [True, True, False]
    assert "keys whose row does not meet incremental_predicates: 1" in results[2].results[0].message
    assert values(tmp_path, "id", "day", "value") == [(1, 1, 1), (2, 3, 5)]


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ("incremental_strategy='delete+insert'", "incremental_strategy 'delete+insert' needs a unique_key"),
        ("incremental_strategy='insert_overwrite'", "incremental_strategy 'insert_overwrite' needs partition_by"),
        (
            "incremental_strategy='append', sequence_by='day'",
            "sequence_by is for the strategy 'merge', and this is 'append'",
        ),
        ("unique_key='id', sequence_by='dya'", "sequence_by column 'dya' is not a column of the model"),
        ("unique_key='id', deleted_when='gone'", 'deleted_when: Referenced column "gone" not found in FROM clause!'),
    ],
)
def test_what_a_strategy_lacks_is_told_before_anything_runs(make_project: Make, config: str, message: str) -> None:
    root = make_project(project(config))
    write_batch(root, [])

    with pytest.raises(Exception, match=r"models/m\.sql") as caught:
        Project(root).compile()

    assert message in str(caught.value)


# --- columns that change ---------------------------------------------------------------------------------------------

WIDE = "select 1 as id, 'a' as name, 3::bigint as size, now() is not null as is_new"


def evolving(policy: str, query: str, strategy: str = "unique_key='id'") -> dict[str, str]:
    return {
        "models/m.sql": f"{{{{ config(materialized='incremental', {strategy}, on_schema_change='{policy}') }}}}\n"
        f"{query}\n"
    }


def test_other_columns_are_refused_unless_it_is_said_what_to_do(make_project: Make) -> None:
    root = make_project(evolving("fail", "select 1 as id, 'a' as name, 3::integer as size"))
    Project(root).run()
    write_files(root, evolving("fail", WIDE.replace("'a' as name, ", "")))

    (step,) = Project(root).plan().steps
    (node,) = Project(root).run().results

    changed = "added is_new BOOLEAN; removed name VARCHAR; size was INTEGER and is BIGINT"
    assert (step.action, step.reason) == (
        "refuse",
        f"its columns changed ({changed}), and on_schema_change is 'fail'",
    )
    assert node.status == "error"
    assert node.problems[0].hint is not None
    assert "fsbuild run --full-refresh --select m" in node.problems[0].hint
    assert read_delta(root, "m") == [{"id": 1, "name": "a", "size": 3}]
    assert Project(root).run(full_refresh=True).is_success
    assert read_delta(root, "m") == [{"id": 1, "size": 3, "is_new": True}]


@pytest.mark.parametrize(
    "strategy", ["unique_key='id'", "incremental_strategy='delete+insert', unique_key='id'", "unique_key=none"]
)
@pytest.mark.parametrize("policy", ["append_new_columns", "sync_all_columns"])
def test_a_table_goes_on_with_other_columns_in_one_commit(make_project: Make, policy: str, strategy: str) -> None:
    root = make_project(evolving(policy, "select 7 as id, 'old' as name, 3::integer as size", strategy))
    Project(root).run()
    write_files(root, evolving(policy, WIDE.replace("'a' as name, ", ""), strategy))

    results = [Project(root).run() for _ in range(2)]

    assert all(result.is_success for result in results), results
    old: dict[str, object] = {"id": 7, "name": "old", "size": 3, "is_new": None}
    new: dict[str, object] = {"id": 1, "name": None, "size": 3, "is_new": True}
    if policy == "sync_all_columns":
        del old["name"], new["name"]
    expected = [new, new, old] if strategy == "unique_key=none" else [new, old]
    assert read_delta(root, "m") == sorted(expected, key=repr)
    assert len([row for row in history_of(root, "m") if row["operation"] != "SET TBLPROPERTIES"]) == 3


def test_a_type_that_loses_values_is_refused(make_project: Make) -> None:
    root = make_project(evolving("sync_all_columns", "select 1 as id, 'a' as name"))
    Project(root).run()
    write_files(root, evolving("sync_all_columns", "select 1 as id, 2 as name"))

    (node,) = Project(root).run().results

    assert "name was VARCHAR and is INTEGER), and INTEGER does not hold every VARCHAR" in node.message
    assert read_delta(root, "m") == [{"id": 1, "name": "a"}]


@pytest.mark.parametrize(
    ("policy", "old", "new"),
    [
        ("append_new_columns", {"a": 1, "b": "x", "c": None}, {"a": 2, "b": None, "c": [True]}),
        ("sync_all_columns", {"a": 1, "c": None}, {"a": 2, "c": [True]}),
    ],
)
def test_fields_of_structs_come_and_go_as_columns_do(
    make_project: Make, policy: str, old: dict[str, object], new: dict[str, object]
) -> None:
    first = "{'a': 1::integer, 'b': 'x'}"
    root = make_project(evolving(policy, f"select 1 as id, {first} as s, [{first}] as l, map {{'k': {first}}} as m"))
    Project(root).run()
    second = "{'a': 2::bigint, 'c': [true]}"
    write_files(root, evolving(policy, f"select 2 as id, {second} as s, [{second}] as l, map {{'k': {second}}} as m"))

    assert all(Project(root).run().is_success for _ in range(2))

    assert read_delta(root, "m") == [
        {"id": number, "s": fields, "l": [fields], "m": [("k", fields)]} for number, fields in ((1, old), (2, new))
    ]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("{'a': 1}", "{'b': 1}"),
        ("{'a': 1, 'b': 'x'}", "{'a': 'x', 'b': 'x'}"),
        ("[{'a': 1}]", "{'a': 1}"),
        ("{'a': {'b': 1.5::double}}", "{'a': {'b': 'x'}}"),
    ],
)
def test_a_field_that_loses_values_is_refused(make_project: Make, before: str, after: str) -> None:
    root = make_project(evolving("append_new_columns", f"select 1 as id, {before} as s"))
    Project(root).run()
    write_files(root, evolving("append_new_columns", f"select 1 as id, {after} as s"))

    (node,) = Project(root).run().results

    assert "does not hold every" in node.message


FIELD_TYPES = st.recursive(
    st.sampled_from(["TINYINT", "INTEGER", "BIGINT", "DOUBLE", "DECIMAL(4,2)", "VARCHAR", "TIMESTAMP WITH TIME ZONE"]),
    lambda kinds: st.one_of(
        st.dictionaries(st.sampled_from(["a", "b", '"c d"', '"e,(""f"']), kinds, min_size=1, max_size=3).map(
            lambda fields: f"STRUCT({', '.join(f'{name} {kind}' for name, kind in fields.items())})"
        ),
        kinds.map("{}[]".format),
        kinds.map("MAP(VARCHAR, {})".format),
    ),
    max_leaves=5,
)


@given(FIELD_TYPES, FIELD_TYPES, st.sampled_from(["append_new_columns", "sync_all_columns"]))
@settings(max_examples=200, deadline=None)
def test_a_table_goes_on_with_a_type_that_the_engine_casts_both_to(old: str, new: str, policy: SchemaChange) -> None:
    """The engine names the types, and casts to what is decided; a type joined with itself stays."""
    connection = open_duckdb(Path(), {})
    before, after = (str(connection.sql(f"SELECT NULL::{kind} AS x").types[0]) for kind in (old, new))
    assert evolve(policy, [ColumnType("x", before)], [ColumnType("x", before)]) is None

    evolution = evolve(policy, [ColumnType("x", before)], [ColumnType("x", after)])

    if evolution is not None and evolution.refusal is None:
        (column,) = evolution.columns
        for kind in (before, after):
            bound = connection.sql(f"SELECT CAST(NULL::{kind} AS {column.type}) AS x")
            assert str(bound.types[0]) == column.type


def test_what_reads_a_table_whose_columns_change_sees_all_of_its_rows(make_project: Make) -> None:
    below = {"models/n.sql": "{{ config(materialized='table') }}select count(*) as n from {{ ref('m') }}"}
    root = make_project({**evolving("append_new_columns", "select 1 as id"), **below})
    Project(root).run()
    write_files(root, evolving("append_new_columns", "select 2 as id, 'b' as name"))

    Project(root).run()

    assert read_delta(root, "n") == [{"n": 2}]
