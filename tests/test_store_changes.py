"""What changed between two versions of a table: the rows before and the changes add up to the rows after."""

from __future__ import annotations

import datetime as dt
import shutil
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fsbuild.engine.changes import scan_changes
from fsbuild.engine.connection import open_duckdb
from fsbuild.errors import NoChangesError
from fsbuild.store import Lake
from fsbuild.values import Append, ColumnType, Overwrite, ReplaceWhere, TableState, Upsert, delta_uri, literal, quote
from tests.test_store import BY_ID, Row, T, commit, create, ids, lake_at, read, rows_of

UTC = dt.UTC


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return lake_at(tmp_path)


def bag(rows: Sequence[Mapping[str, object]], columns: Sequence[str]) -> Counter[str]:
    return Counter(repr([row.get(name) for name in columns]) for row in rows)


def state_of(lake: Lake, version: int | None = None) -> TableState:
    state = lake.state(T, version)
    assert state is not None
    return state


def token(lake: Lake, version: int) -> str:
    (info,) = [info for info in lake.history(T) if info["version"] == version]
    return f"{version}@{info['timestamp']}"


def changed_rows(lake: Lake, since: str, until: int, columns: Sequence[str]) -> pa.Table:
    """Read changes as the engine does: columns of the table as it is at the version `until`."""
    connection = open_duckdb(Path(lake.root), {}, extensions=("delta",))
    place = literal(delta_uri(lake.uri(T)))
    bound = connection.sql(f"SELECT {', '.join(map(quote, columns)) or 1} FROM delta_scan({place}, version => {until})")
    types = [ColumnType(name, str(kind)) for name, kind in zip(bound.columns, bound.types, strict=True)]
    found = lake.changes(lake.uri(T), since, until)
    return connection.sql(scan_changes(found, types if columns else [])).to_arrow_table()


def changes(lake: Lake, since: int, until: int, columns: Sequence[str] = ("id", "name")) -> list[Row]:
    assert lake.changes_problem(lake.uri(T), token(lake, since), until) is None
    rows = changed_rows(lake, token(lake, since), until, columns)
    assert rows.column_names == [*columns, "fsbuild_sign"]
    found = sorted(rows.to_pylist(), key=repr)
    assert sums_up(lake, since, until, columns, found)
    return found


def sums_up(lake: Lake, since: int, until: int, columns: Sequence[str], found: Sequence[Row]) -> bool:
    """Whether the rows before and the changes are the rows after, as bags."""
    total = bag(read(lake, since), columns)
    for row in found:
        total[repr([row[name] for name in columns])] += {1: 1, -1: -1}[int(str(row["fsbuild_sign"]))]
    return {row: count for row, count in total.items() if count} == dict(bag(read(lake, until), columns))


def signs(found: Sequence[Row]) -> list[tuple[object, object]]:
    return sorted((row["id"], row["fsbuild_sign"]) for row in found)


# --- each kind of commit ---------------------------------------------------------------------------------------------


def test_rows_that_were_added_are_new(lake: Lake) -> None:
    create(lake, 1)
    lake.write(Append(), T, rows_of(ids(2, 2)), commit(0))
    assert changes(lake, 0, 1) == [{"id": 2, "name": "a", "fsbuild_sign": 1}] * 2
    assert changes(lake, 1, 1) == []


def test_an_overwrite_takes_all_rows_and_brings_others(lake: Lake) -> None:
    create(lake, 1, 2)
    lake.write(Overwrite(), T, rows_of(ids(3)), commit(0))
    assert signs(changes(lake, 0, 1)) == [(1, -1), (2, -1), (3, 1)]


def test_an_update_is_a_row_that_goes_and_one_that_comes(lake: Lake) -> None:
    create(lake, 1, 2, 3)
    lake.write(BY_ID, T, rows_of(ids(2, 4, name="b")), commit(0))
    assert signs(changes(lake, 0, 1)) == [(2, -1), (2, 1), (4, 1)]
    assert changes(lake, 0, 1, ["name"])[0] == {"name": "a", "fsbuild_sign": -1}
    assert changes(lake, 0, 1, [])[0] == {"fsbuild_sign": -1}


def test_only_the_rows_that_were_replaced_have_changed(lake: Lake) -> None:
    create(lake, 1, 2, 3)
    lake.write(ReplaceWhere("id = 2"), T, rows_of(ids(2, name="b")), commit(0))
    lake.write(ReplaceWhere("id = 3"), T, rows_of(ids()), commit(1))
    assert signs(changes(lake, 0, 1)) == [(2, -1), (2, 1)]
    assert signs(changes(lake, 1, 2)) == [(3, -1)]


def test_upkeep_is_no_change(lake: Lake) -> None:
    create(lake, 1)
    lake.write(Append(), T, rows_of(ids(2)), commit(0))
    lake.optimize(lake.uri(T), [], "r")
    lake.set_properties(T, {"fsbuild.owner": "me"})
    lake.record(T, commit(3))
    lake.optimize(lake.uri(T), ["id"], "r")
    DeltaTable(lake.uri(T)).create_checkpoint()
    assert signs(changes(lake, 0, state_of(lake).version)) == [(2, 1)]
    assert changes(lake, 1, state_of(lake).version) == []


def test_what_is_restored_is_new_and_what_it_takes_the_place_of_is_gone(lake: Lake) -> None:
    create(lake, 1)
    lake.write(BY_ID, T, rows_of(ids(1, 2, name="b")), commit(0))
    lake.restore(lake.uri(T), 0, commit(1))
    assert changes(lake, 1, 2) == [
        {"id": 1, "name": "a", "fsbuild_sign": 1},
        {"id": 1, "name": "b", "fsbuild_sign": -1},
        {"id": 2, "name": "b", "fsbuild_sign": -1},
    ]
    changes(lake, 0, 2)


def test_a_column_that_came_later_is_null_before(lake: Lake) -> None:
    create(lake, 1)
    lake.write(Append(), T, rows_of(ids(2)), commit(0))
    wider = ids(1, 3, name="b").append_column("n", pa.array([7, 8]))
    lake.write(Upsert(("id",), add_columns=True), T, rows_of(wider), commit(1))
    lake.write(Overwrite(), T, rows_of(wider.select(["n", "id"])), commit(2))
    assert [row["n"] for row in changes(lake, 0, 1, ["id"]) if "n" in row] == []
    assert {row["n"] for row in changes(lake, 0, 2, ["id", "name", "n"])} == {None, 7, 8}
    changes(lake, 0, 3, ["n", "id"])


def test_a_change_by_another_program_is_one_too(lake: Lake) -> None:
    create(lake, 1, 2)
    DeltaTable(lake.uri(T)).delete("id = 1")
    DeltaTable(lake.uri(T)).update({"name": "'z'"}, predicate="id = 2")
    assert signs(changes(lake, 0, 2)) == [(1, -1), (2, -1), (2, 1)]


@pytest.mark.parametrize("uri", [str, lambda path: f"file://{path}"], ids=["path", "URL"])
def test_values_of_every_type_come_back_as_they_are(tmp_path: Path, uri: type[str]) -> None:
    table = pa.table(
        {
            "text": ["it's", None],
            "day": [dt.date(2024, 1, 1), None],
            "ts": pa.array([dt.datetime(2024, 1, 1, 0, 0, 0, 5), None], pa.timestamp("us")),  # noqa: DTZ001 - without a zone
            "tz": pa.array([dt.datetime(2024, 1, 1, tzinfo=UTC), None], pa.timestamp("us", "UTC")),
            "list": pa.array([["a", None], None], pa.list_(pa.string())),
            "map": pa.array([[("a", 1)], None], pa.map_(pa.string(), pa.int64())),
            "struct": pa.array([{"a": b"\x00"}, None], pa.struct([("a", pa.binary())])),
            "flag": [True, None],
            "number": pa.array([1, None], pa.decimal128(20, 3)),
            "a.b `c`": pa.array([1.5, None], pa.float32()),
            "id": pa.array([1, 2], pa.int64()),
        }
    )
    partitions = ("text", "day", "ts", "tz", "flag", "number")
    lake = Lake(uri(tmp_path / "lake"), {})
    lake.write(Overwrite(), T, rows_of(table.slice(0, 0)), commit(None, partition_by=partitions))
    lake.write(Append(), T, rows_of(table), commit(0))
    other = table.set_column(7, "flag", pa.array([False, True]))
    lake.write(BY_ID, T, rows_of(other), commit(1))
    lake.write(ReplaceWhere("ts >= '2024-01-01 00:00:00' AND text = 'it''s'"), T, rows_of(other.slice(0, 0)), commit(2))
    for since, until in [(0, 1), (1, 2), (2, 3), (0, 3)]:
        changes(lake, since, until, table.column_names)
    rows = changed_rows(lake, token(lake, 0), 1, table.column_names)
    assert rows.column_names[:-1] == table.column_names
    found = sorted(rows.drop_columns(["fsbuild_sign"]).to_pylist(), key=lambda row: int(row["id"]))
    assert found == table.to_pylist()


# --- what cannot be told ---------------------------------------------------------------------------------------------


def refuse(lake: Lake, since: str, until: int, reason: str) -> None:
    problem = lake.changes_problem(lake.uri(T), since, until)
    assert problem is not None
    assert reason in problem
    with pytest.raises(
        NoChangesError, match=r"cannot tell which rows of .* changed: .*\n  hint: read all of it"
    ) as told:
        lake.changes(lake.uri(T), since, until)
    assert reason in told.value.reason


def test_a_state_that_is_not_in_this_log_is_told(lake: Lake) -> None:
    create(lake, 1)
    lake.write(Append(), T, rows_of(ids(2)), commit(0))
    old = token(lake, 0)
    refuse(lake, "0@1", 1, "another table has been made in its place since version 0 was read")
    refuse(lake, "7", 1, "its earlier state is only known as '7'")
    refuse(lake, "5@9", 6, "version 5 is not in its log")
    refuse(lake, token(lake, 1), 0, "version 1 was read already, and version 0 is before it")
    refuse(lake, old, 9, "version 2 is not in its log")
    shutil.rmtree(lake.uri(T))
    create(lake, 1)
    refuse(lake, old, 0, "another table has been made in its place")


def test_a_log_that_was_cut_is_told(lake: Lake) -> None:
    create(lake, 1)
    lake.write(Append(), T, rows_of(ids(2)), commit(0))
    since = token(lake, 0)
    DeltaTable(lake.uri(T)).create_checkpoint()
    Path(lake.uri(T), "_delta_log", f"{0:020}.json").unlink()
    refuse(lake, since, 1, "version 0 is not in its log")


@pytest.mark.parametrize("uri", [str, lambda path: f"file://{path}"], ids=["path", "URL"])
def test_without_a_feed_only_what_was_added_can_be_told(tmp_path: Path, uri: type[str]) -> None:
    lake = Lake(uri(tmp_path / "lake"), {})
    write_deltalake(lake.uri(T), ids(1))
    write_deltalake(lake.uri(T), ids(2), mode="append")
    assert signs(changes(lake, 0, 1)) == [(2, 1)]
    DeltaTable(lake.uri(T)).update({"name": "'z'"}, predicate="id = 2")
    refuse(lake, token(lake, 0), 2, "its change data feed was off at version 2 (UPDATE)")
    write_deltalake(lake.uri(T), ids(9), mode="overwrite")
    assert signs(changes(lake, 2, 3)) == [(1, -1), (2, -1), (9, 1)]


def test_a_column_of_another_type_is_told(lake: Lake) -> None:
    create(lake, 1)
    lake.write(Overwrite(), T, rows_of(pa.table({"id": ["x"]})), commit(0))
    lake.write(Overwrite(), T, rows_of(ids(1)), commit(1))
    refuse(lake, token(lake, 0), 1, "column 'id' has another type since version 1")
    refuse(lake, token(lake, 0), 2, "column 'id' has another type since version 1")
    assert changes(lake, 2, 2) == []


def test_files_that_were_vacuumed_are_told_when_they_are_read(lake: Lake) -> None:
    create(lake, 1)
    lake.write(Overwrite(), T, rows_of(ids(2)), commit(0))
    for file in Path(lake.uri(T)).glob("*.parquet"):
        file.unlink()
    with pytest.raises(NoChangesError, match=r"files of the changed rows have been vacuumed \(part-"):
        lake.changes(lake.uri(T), token(lake, 0), 1)


# --- whatever happens ------------------------------------------------------------------------------------------------

PLACES = st.sampled_from(["a", "it's", "b c", None])
BATCHES = st.dictionaries(st.integers(0, 5), st.tuples(PLACES, st.integers(0, 2)), max_size=4)
OPERATIONS: st.SearchStrategy[tuple[str, dict[int, tuple[str | None, int]]]] = st.one_of(
    st.tuples(st.sampled_from(["overwrite", "append", "upsert", "replace", "widen"]), BATCHES),
    st.tuples(st.sampled_from(["optimize", "restore", "record", "delete"]), st.just({})),
)


def as_rows(batch: Mapping[int, tuple[str | None, int]], *, is_wide: bool) -> pa.Table:
    columns = {
        "id": pa.array(list(batch), pa.int64()),
        "p": pa.array([place for place, _ in batch.values()], pa.string()),
        "v": pa.array([value for _, value in batch.values()], pa.int64()),
    }
    return pa.table(columns | ({"w": pa.array([1] * len(batch), pa.int64())} if is_wide else {}))


@given(st.lists(OPERATIONS, min_size=1, max_size=6), st.sampled_from([(), ("p",)]), st.data())
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_the_rows_before_and_the_changes_are_the_rows_after(
    operations: list[tuple[str, dict[int, tuple[str | None, int]]]],
    partition_by: tuple[str, ...],
    data: st.DataObject,
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        lake = lake_at(Path(folder))
        lake.write(
            Overwrite(), T, rows_of(as_rows({0: ("a", 0)}, is_wide=False)), commit(None, partition_by=partition_by)
        )
        for name, batch in operations:
            version = DeltaTable(lake.uri(T)).version()
            rows = rows_of(as_rows(batch, is_wide="w" in DeltaTable(lake.uri(T)).to_pyarrow_table().column_names))
            made = commit(version, partition_by=partition_by)
            match name:
                case "overwrite":
                    lake.write(Overwrite(), T, rows, made)
                case "append":
                    lake.write(Append(), T, rows, made)
                case "upsert":
                    lake.write(BY_ID, T, rows, made) if not has_duplicates(lake) else None
                case "replace":
                    low = {key: value for key, value in batch.items() if key < 3}
                    lake.write(ReplaceWhere("id < 3"), T, rows_of(as_rows(low, is_wide=len(rows.columns) > 3)), made)
                case "widen":
                    write = Upsert(("id",), add_columns=True) if not has_duplicates(lake) else Append(add_columns=True)
                    lake.write(write, T, rows_of(as_rows(batch, is_wide=True)), made)
                case "optimize":
                    lake.optimize(lake.uri(T), [], "r")
                case "restore" if version > 0:
                    lake.restore(lake.uri(T), data.draw(st.integers(0, version - 1)), made)
                case "delete":
                    DeltaTable(lake.uri(T)).delete("v = 1")
                case _:
                    lake.record(T, made)
        last = DeltaTable(lake.uri(T)).version()
        since = data.draw(st.integers(0, last))
        until = data.draw(st.integers(since, last))
        columns = [field.name for field in DeltaTable(lake.uri(T), version=until).schema().fields]
        changes(lake, since, until, columns)


def has_duplicates(lake: Lake) -> bool:
    return max(Counter(row["id"] for row in read(lake)).values(), default=0) > 1
