"""How rows enter a table: each write is held against what lists and dicts do."""

from __future__ import annotations

import datetime as dt
import struct
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fsbuild.engine.connection import open_duckdb
from fsbuild.errors import ConflictError, StoreError
from fsbuild.store import Lake
from fsbuild.values import Append, Overwrite, ReplaceWhere, Upsert, delta_uri, literal
from tests.test_store import BY_ID, T, commit, create, ids, lake_at, read, read_by_duckdb, rows_of, versions
from tests.test_store_changes import changes, signs

UTC = dt.UTC
NAN = float("nan")
(OTHER_NAN,) = struct.unpack("d", struct.pack("Q", 0xFFF8000000000001))
WITH_OPS = Upsert(("id",), has_ops=True)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return lake_at(tmp_path)


def ops(*rows: tuple[object, object, str]) -> pa.Table:
    """Rows of `ids`' shape that say what is to be done with them."""
    return pa.table(
        {
            "id": pa.array([row[0] for row in rows], pa.int64()),
            "name": pa.array([row[1] for row in rows], pa.string()),
            "fsbuild_op": pa.array([row[2] for row in rows], pa.string()),
        }
    )


def pairs(lake: Lake, *names: str) -> list[tuple[object, ...]]:
    found = sorted((tuple(row[name] for name in names) for row in read(lake)), key=repr)
    assert sorted((tuple(row[name] for name in names) for row in read_by_duckdb(lake)), key=repr) == found
    return found


# --- operations ------------------------------------------------------------------------------------------------------


def test_a_key_is_deleted_and_inserted_anew_in_one_commit(lake: Lake) -> None:
    create(lake, 1, 1, 2)
    rows = ops((1, None, "delete"), (1, "x", "insert"), (1, "y", "insert"), (3, "z", "upsert"), (4, None, "delete"))
    assert lake.write(WITH_OPS, T, rows_of(rows), commit(0)) == 1
    assert pairs(lake, "id", "name") == [(1, "x"), (1, "y"), (2, "a"), (3, "z")]
    assert DeltaTable(lake.uri(T)).schema().to_arrow().names == ["id", "name"]


def test_null_is_a_key_of_its_own_where_rows_say_what_to_do(lake: Lake) -> None:
    rows = pa.table({"id": pa.array([None, 1], pa.int64()), "name": ["a", "a"]})
    lake.write(Overwrite(), T, rows_of(rows), commit(None))
    bounded = Upsert(("id",), has_ops=True, literals={"id": ("1", "5")})
    lake.write(bounded, T, rows_of(ops((None, "b", "upsert"), (5, "b", "upsert"))), commit(0))
    assert pairs(lake, "id", "name") == [(1, "a"), (5, "b"), (None, "b")]
    lake.write(bounded, T, rows_of(ops((None, None, "delete"))), commit(1))
    assert pairs(lake, "id", "name") == [(1, "a"), (5, "b")]


@pytest.mark.parametrize("kind", [pa.float64(), pa.float32()], ids=str)
@pytest.mark.parametrize("has_ops", [True, False])
def test_all_nan_are_one_key_and_both_zeros(lake: Lake, kind: pa.DataType, *, has_ops: bool) -> None:
    def rows(*keys: float, value: int) -> pa.Table:
        found = pa.table({"id": pa.array(keys, kind), "v": [value] * len(keys)})
        return found.append_column("fsbuild_op", pa.array(["upsert"] * len(keys))) if has_ops and value else found

    lake.write(Overwrite(), T, rows_of(rows(NAN, 0.0, 1.5, value=0)), commit(None))
    lake.write(Upsert(("id",), has_ops=has_ops), T, rows_of(rows(OTHER_NAN, -0.0, 1.5, value=1)), commit(0))
    assert [row["v"] for row in read(lake)] == [1, 1, 1]


def test_operations_that_do_nothing_remember_what_was_read(lake: Lake) -> None:
    create(lake, 1)
    before = lake.state(T)
    assert lake.write(WITH_OPS, T, rows_of(ops((7, None, "delete"), (1, "a", "upsert"))), commit(0)) == 1
    assert lake.write(WITH_OPS, T, rows_of(ops()), commit(1, inputs={"s": "new"})) == 2
    after = lake.state(T)
    assert before is not None
    assert after is not None
    assert (after.token, after.inputs) == (before.token, {"s": "new"})
    assert pairs(lake, "id", "name") == [(1, "a")]


def test_two_rows_for_one_row_of_the_table_are_an_error(lake: Lake) -> None:
    create(lake, 1)
    with pytest.raises(StoreError, match=r"multiple source rows.*\n  hint: several of the rows have the same key"):
        lake.write(BY_ID, T, rows_of(pa.table({"id": [1, 1], "name": ["x", "y"]})), commit(0))


KEYS = st.one_of(st.none(), st.integers(0, 3))


@st.composite
def operations(draw: st.DrawFn) -> list[tuple[int | None, int, str]]:
    """Rows of which no two upsert or delete one key."""
    unique = draw(
        st.dictionaries(KEYS, st.tuples(st.integers(0, 2), st.sampled_from(["upsert", "delete"])), max_size=4)
    )
    inserts = draw(st.lists(st.tuples(KEYS, st.integers(0, 2)), max_size=3))
    return [(key, seq, op) for key, (seq, op) in unique.items()] + [(key, seq, "insert") for key, seq in inserts]


@given(st.lists(operations(), min_size=1, max_size=4))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_operations_do_what_they_do_to_a_list(batches: list[list[tuple[int | None, int, str]]]) -> None:
    expected: list[tuple[int | None, int]] = []
    with tempfile.TemporaryDirectory() as folder:
        lake = lake_at(Path(folder))
        schema = pa.schema([("k", pa.int64()), ("v", pa.int64())])
        lake.write(Overwrite(), T, rows_of(schema.empty_table()), commit(None))
        write = Upsert(("k",), has_ops=True)
        for number, batch in enumerate(batches):
            table = pa.table(
                {
                    "k": pa.array([key for key, _, _ in batch], pa.int64()),
                    "v": pa.array([seq for _, seq, _ in batch], pa.int64()),
                    "fsbuild_op": pa.array([op for _, _, op in batch], pa.string()),
                }
            )

            lake.write(write, T, rows_of(table), commit(number))

            added = [(key, seq) for key, seq, op in batch if op == "insert"]
            for key, seq, op in batch:
                if op == "insert":
                    continue
                matched = [row for row in expected if row[0] == key]
                for row in matched:
                    expected.remove(row)
                if op == "upsert":
                    added += [(key, seq)] * max(len(matched), 1)
            expected += added
        assert Counter((row["k"], row["v"]) for row in read(lake)) == Counter(expected)


# --- other options of an upsert --------------------------------------------------------------------------------------


def test_predicates_narrow_what_a_row_is_about(lake: Lake) -> None:
    create(lake, 1, 2)
    lake.write(Upsert(("id",), predicates=("t.id < 2 OR s.name = 'z'",)), T, rows_of(ids(1, 2, name="b")), commit(0))
    assert pairs(lake, "id", "name") == [(1, "b"), (2, "a"), (2, "b")]


@pytest.mark.parametrize("has_ops", [True, False])
@pytest.mark.parametrize("count", [0, 1, 2], ids=["no rows", "known rows", "new rows"])
def test_new_columns_come_with_the_rows(lake: Lake, count: int, *, has_ops: bool) -> None:
    create(lake, 1)
    rows = ids(*range(1, count + 1)).append_column("new", pa.array([7 if count > 1 else None] * count, pa.int64()))
    if has_ops:
        rows = rows.append_column("fsbuild_op", pa.array(["upsert"] * count, pa.string()))
    assert lake.write(Upsert(("id",), has_ops=has_ops, add_columns=True), T, rows_of(rows), commit(0)) == 1
    assert DeltaTable(lake.uri(T)).schema().to_arrow().names == ["id", "name", "new"]
    assert pairs(lake, "id", "new") == ([(1, 7), (2, 7)] if count > 1 else [(1, None)])


@pytest.mark.parametrize("name", ["a b", 'a"b', "a`b", "a.b", "Ab", "ä", "select", "a'b", "1"])
def test_a_column_may_have_any_name(lake: Lake, name: str) -> None:
    def rows(*values: int) -> pa.Table:
        return pa.table({name: list(values), "v" + name: [len(values)] * len(values)})

    lake.write(Overwrite(), T, rows_of(rows(1)), commit(None))
    lake.write(Upsert((name,)), T, rows_of(rows(1, 2)), commit(0))
    assert pairs(lake, name, "v" + name) == [(1, 2), (2, 2)]


# --- appending -------------------------------------------------------------------------------------------------------


def test_appended_rows_may_lack_columns_and_bring_some(lake: Lake) -> None:
    create(lake, 1)
    lake.write(Append(), T, rows_of(pa.table({"id": [2]})), commit(0))
    lake.write(Append(add_columns=True), T, rows_of(pa.table({"new": [5], "id": [3]})), commit(1))
    lake.write(Append(add_columns=True), T, rows_of(ids(4)), commit(2))
    assert pairs(lake, "id", "name", "new") == [(1, "a", None), (2, None, None), (3, None, 5), (4, "a", None)]
    with pytest.raises(StoreError, match="cannot write"):
        lake.write(Append(), T, rows_of(pa.table({"id": [5], "more": [1]})), commit(3))


@pytest.mark.parametrize("write", [Append(), BY_ID, ReplaceWhere("id = 1")], ids=repr)
def test_only_an_overwrite_makes_a_table(lake: Lake, write: Append | Upsert | ReplaceWhere) -> None:
    with pytest.raises(StoreError, match=r"there is no table at .* yet\n  hint: build it with 'fsbuild run'"):
        lake.write(write, T, rows_of(ids(1)), commit(None))


# --- replacing -------------------------------------------------------------------------------------------------------

EVENTS = pa.table(
    {
        "id": pa.array([1, 2, 3, 4, 5], pa.int64()),
        "p": ["a", "a", "it's", None, "b"],
        "day": [dt.date(2024, 1, 1), dt.date(2024, 1, 2), None, dt.date(2024, 1, 1), dt.date(2024, 1, 3)],
        "ts": pa.array([0, 86_400_000_000, None, 5, 172_800_000_000], pa.timestamp("us")),
        "tz": pa.array([0, 86_400_000_000, None, 5, 172_800_000_000], pa.timestamp("us", "UTC")),
    }
)


@pytest.mark.parametrize("partition_by", [(), ("p",), ("day",), ("ts",), ("tz",), ("p", "day")], ids=",".join)
@pytest.mark.parametrize("is_empty", [False, True], ids=["rows", "no rows"])
@pytest.mark.parametrize(
    ("predicate", "matched"),
    [
        ("p = 'it''s'", [3]),
        ("p IS NULL", [4]),
        ("p = 'a' OR p IS NULL", [1, 2, 4]),
        ("(p = 'a' AND day = '2024-01-01') OR (p = 'b' AND day = '2024-01-03')", [1, 5]),
        ("day = CAST('2024-01-01' AS DATE) OR day IS NULL", [1, 3, 4]),
        ("ts >= '1970-01-02 00:00:00' OR ts = '1970-01-01 00:00:00.000005'", [2, 4, 5]),
        ("tz >= '1970-01-02 00:00:00+00:00' OR tz IS NULL", [2, 3, 5]),
        ("\"p\" = 'a'", [1, 2]),
    ],
)
def test_the_rows_that_match_are_replaced_and_no_others(
    lake: Lake, predicate: str, matched: Sequence[int], partition_by: tuple[str, ...], *, is_empty: bool
) -> None:
    lake.write(Overwrite(), T, rows_of(EVENTS), commit(None, partition_by=partition_by))
    rows = EVENTS.filter(pa.array([number in matched for number in EVENTS["id"].to_pylist()]))
    rows = rows.set_column(0, "id", pa.array(range(100, 100 + len(matched)), pa.int64())).slice(0, 0 if is_empty else 9)

    assert lake.write(ReplaceWhere(predicate), T, rows_of(rows), commit(0)) == 1

    kept = [number for number in EVENTS["id"].to_pylist() if number not in matched]
    assert sorted(int(str(row["id"])) for row in read(lake)) == kept + rows["id"].to_pylist()
    assert len(read_by_duckdb(lake)) == len(kept) + rows.num_rows
    info = lake.history(T)[0]
    assert info["fsbuild.run_id"] == "r1"
    assert Counter(signs(changes(lake, 0, 1, ["id"]))) == Counter(
        [*((number, -1) for number in matched), *((number, 1) for number in rows["id"].to_pylist())]
    )


def test_rows_outside_of_what_they_replace_are_refused(lake: Lake) -> None:
    create(lake, 1)
    with pytest.raises(StoreError, match="hint: every row has to match the predicate"):
        lake.write(ReplaceWhere("id = 1"), T, rows_of(ids(1, 2)), commit(0))
    assert len(versions(lake)) == 1


# --- records ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("partition_by", [(), ("name",)], ids=["", "partitioned"])
def test_a_record_changes_no_rows(lake: Lake, partition_by: tuple[str, ...]) -> None:
    lake.write(Overwrite(), T, rows_of(ids(1)), commit(None, partition_by=partition_by))
    before = lake.state(T)
    made = commit(0, fingerprint="f2", inputs={"s": "x"}, extra={"window": "2024"})
    assert lake.record(T, made) == 1
    after = lake.state(T)
    assert before is not None
    assert after is not None
    assert (after.version, after.token, after.fingerprint, after.inputs) == (1, before.token, "f2", {"s": "x"})
    assert (before.extra, after.extra) == ({}, {"window": "2024"})
    assert pairs(lake, "id") == [(1,)]
    assert DeltaTable(lake.uri(T)).transaction_version("fsbuild.t") == 1
    with pytest.raises(ConflictError):
        lake.record(T, made)


@pytest.mark.parametrize("how", ["overwrite", "append", "merge", "replace", "compact", "z-order"])
def test_rows_with_nan_are_found_by_a_comparison(tmp_path: Path, how: str) -> None:
    """To DuckDB NaN is greater than all numbers; the statistics that deltalake writes leave it out."""
    lake, nan = lake_at(tmp_path), float("nan")
    numbers = pa.table({"id": [1, 2], "x": [0.0, nan], "s": [{"y": 0.0}, {"y": nan}], "l": [[1], [2]]})
    first = numbers.slice(0, 0) if how in ("append", "merge") else numbers
    lake.write(Overwrite(), T, rows_of(first), commit(None))
    if how == "append":
        lake.write(Append(), T, rows_of(numbers), commit(0))
    elif how == "merge":
        lake.write(BY_ID, T, rows_of(numbers), commit(0))
    elif how == "replace":
        lake.write(ReplaceWhere("id > 0"), T, rows_of(numbers), commit(0))
    elif how in ("compact", "z-order"):
        lake.write(Append(), T, rows_of(numbers.slice(0, 1)), commit(0))
        lake.optimize(lake.uri(T), ["id"] if how == "z-order" else [], "r")

    connection = open_duckdb(Path(), {}, extensions=["delta"])
    table = f"delta_scan({literal(delta_uri(lake.uri(T)))})"
    for condition in ("x > 5", "x = 'nan'::double", "s.y > 5", "id = 2"):
        assert connection.execute(f"SELECT count(*) FROM {table} WHERE {condition}").fetchall() == [(1,)], condition
