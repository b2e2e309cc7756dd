"""The store stage: one commit for each write, which says what it was made of; nothing is lost or doubled."""

from __future__ import annotations

import datetime as dt
import json
import shutil
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable, QueryBuilder, write_deltalake

from fsbuild import Project
from fsbuild.engine.connection import open_duckdb
from fsbuild.errors import ConflictError, StoreError
from fsbuild.store import Lake, read_state
from fsbuild.values import (
    Append,
    Commit,
    Overwrite,
    Relation,
    ReplaceWhere,
    TableRows,
    Upsert,
    Write,
    delta_uri,
    literal,
)
from fsbuild.version import __version__
from tests.conftest import Files, write_files

Make = Callable[[Files], Path]
Row = dict[str, object]
T = Relation("main", "t")
BY_ID = Upsert(("id",))
WRITES: Sequence[Write] = (Overwrite(), Append(), BY_ID, ReplaceWhere("id in (1, 9)"))


def rows_of(table: pa.Table) -> TableRows:
    columns = tuple(name for name in table.column_names if name != "fsbuild_op")
    return TableRows(table.to_reader, columns, table.num_rows)


def ids(*values: int, name: str = "a") -> pa.Table:
    return pa.table({"id": pa.array(values, pa.int64()), "name": pa.array([name] * len(values), pa.string())})


def commit(expected: int | None, **changes: object) -> Commit:
    given_ = {"app_id": "fsbuild.t", "run_id": "r1", "fingerprint": "f1", "inputs": {"s": "3@9"}, "rows": 0} | changes
    return Commit(expected_version=expected, **given_)  # type: ignore[arg-type]


def lake_at(root: Path) -> Lake:
    return Lake(str(root / "lake"), {})


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return lake_at(tmp_path)


def read(lake: Lake, version: int | None = None) -> list[Row]:
    """The rows as the deltalake library reads them."""
    table = DeltaTable(lake.uri(T), version=version)
    found = pa.table(QueryBuilder().register("t", table).execute("select * from t").read_all())
    return sorted(found.to_pylist(), key=repr)


def read_by_duckdb(lake: Lake) -> list[Row]:
    connection = open_duckdb(Path(), {}, extensions=["delta"])
    found = connection.execute(f"select * from delta_scan({literal(delta_uri(lake.uri(T)))})").to_arrow_table()
    return sorted(found.to_pylist(), key=repr)


def versions(lake: Lake) -> list[str]:
    return sorted(file.name for file in Path(lake.uri(T), "_delta_log").glob("*.json"))


def create(lake: Lake, *values: int) -> None:
    assert lake.write(Overwrite(), T, rows_of(ids(*values)), commit(None)) == 0


# --- commits ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("write", "left"),
    [
        (Overwrite(), [(2, "b"), (3, "b")]),
        (Append(), [(1, "a"), (2, "a"), (2, "b"), (3, "b")]),
        (BY_ID, [(1, "a"), (2, "b"), (3, "b")]),
        (ReplaceWhere("id >= 2"), [(1, "a"), (2, "b"), (3, "b")]),
    ],
    ids=repr,
)
def test_a_write_is_one_commit_that_every_reader_reads(lake: Lake, write: Write, left: list[tuple[int, str]]) -> None:
    create(lake, 1, 2)

    version = lake.write(write, T, rows_of(ids(2, 3, name="b")), commit(0, run_id="r2"))

    assert version == 1
    assert len(versions(lake)) == 2
    expected = [{"id": number, "name": name} for number, name in left]
    assert read(lake) == expected
    assert read_by_duckdb(lake) == expected
    assert read(lake, version=0) == [{"id": 1, "name": "a"}, {"id": 2, "name": "a"}]


def test_a_commit_says_what_it_was_made_of(lake: Lake) -> None:
    lake.write(Overwrite(), T, rows_of(ids(1)), commit(None, rows=1, description="A table."))
    (info,) = lake.history(T)
    assert {key: info[key] for key in info if str(key).startswith("fsbuild.")} == {
        "fsbuild.version": __version__,
        "fsbuild.run_id": "r1",
        "fsbuild.fingerprint": "f1",
        "fsbuild.inputs": '{"s": "3@9"}',
        "fsbuild.rows": "1",
        "fsbuild.properties": "{}",
    }
    table = DeltaTable(lake.uri(T))
    assert table.metadata().description == "A table."
    assert table.transaction_version("fsbuild.t") == 0


def test_the_state_is_what_the_commit_says(lake: Lake) -> None:
    assert lake.state(T) is None
    create(lake, 1)
    first = lake.state(T)
    lake.write(Append(), T, rows_of(ids(2)), commit(0, run_id="r2", fingerprint="f2", inputs={"s": "4@9", "x": ""}))
    second = lake.state(T)

    assert first is not None
    assert second is not None
    assert (first.version, first.run_id, first.fingerprint, first.inputs) == (0, "r1", "f1", {"s": "3@9"})
    assert (second.version, second.run_id, second.fingerprint) == (1, "r2", "f2")
    assert second.inputs == {"s": "4@9", "x": ""}
    assert first.token != second.token
    assert second.changed_by is None


def test_the_change_data_feed_tells_what_a_merge_did(lake: Lake) -> None:
    create(lake, 1, 2)
    lake.write(BY_ID, T, rows_of(ids(2, 3, name="b")), commit(0))

    feed = pa.table(DeltaTable(lake.uri(T)).load_cdf(starting_version=1).read_all()).to_pylist()

    assert sorted((row["id"], row["name"], row["_change_type"]) for row in feed) == [
        (2, "a", "update_preimage"),
        (2, "b", "update_postimage"),
        (3, "b", "insert"),
    ]


def test_the_change_data_feed_is_turned_on_where_another_program_made_the_table(lake: Lake) -> None:
    write_deltalake(lake.uri(T), ids(1))
    lake.write(Overwrite(), T, rows_of(ids(2)), commit(0))
    assert DeltaTable(lake.uri(T)).metadata().configuration.get("delta.enableChangeDataFeed") == "true"


def test_an_overwrite_replaces_the_columns_too(lake: Lake) -> None:
    create(lake, 1)
    other = pa.table({"name": pa.array([1.5]), "new": pa.array([dt.date(2024, 1, 1)])})
    lake.write(Overwrite(), T, rows_of(other), commit(0))
    assert read(lake) == read_by_duckdb(lake) == [{"name": 1.5, "new": dt.date(2024, 1, 1)}]


@pytest.mark.parametrize(("before", "after"), [([], ["name"]), (["name"], []), (["name"], ["id"])])
def test_an_overwrite_replaces_the_partitioning_too(lake: Lake, before: list[str], after: list[str]) -> None:
    lake.write(Overwrite(), T, rows_of(ids(1, 2)), commit(None, partition_by=tuple(before)))
    assert DeltaTable(lake.uri(T)).metadata().partition_columns == before
    lake.write(Overwrite(), T, rows_of(ids(3)), commit(0, partition_by=tuple(after)))
    assert DeltaTable(lake.uri(T)).metadata().partition_columns == after
    assert read(lake) == read_by_duckdb(lake) == [{"id": 3, "name": "a"}]


def test_an_empty_table_is_a_table(lake: Lake) -> None:
    create(lake)
    assert read(lake) == read_by_duckdb(lake) == []
    lake.write(BY_ID, T, rows_of(ids(1)), commit(0))
    assert len(read(lake)) == 1


@pytest.mark.parametrize("table", [ids(), ids(1, 2)], ids=["no rows", "rows that are there already"])
@pytest.mark.parametrize("write", [BY_ID, Append(), Append(add_columns=True), ReplaceWhere("id > 5")], ids=repr)
def test_an_increment_without_news_remembers_what_it_read_and_changes_nothing(
    lake: Lake, write: Write, table: pa.Table
) -> None:
    if not isinstance(write, Upsert) and table.num_rows:
        return  # added rows are always news
    create(lake, 1, 2)
    before = lake.state(T)

    version = lake.write(write, T, rows_of(table), commit(0, inputs={"s": "new"}, run_id="r2"))

    state = lake.state(T)
    assert before is not None
    assert state is not None
    assert (version, state.version, state.inputs, state.run_id) == (1, 1, {"s": "new"}, "r2")
    assert state.token == before.token
    assert [row["id"] for row in read(lake)] == [1, 2]


def test_properties_are_set_once_and_are_no_change_of_the_rows(lake: Lake) -> None:
    assert lake.set_properties(T, {"fsbuild.owner": "me"}) is None
    create(lake, 1)
    before = lake.state(T)
    assert lake.set_properties(T, {"fsbuild.owner": "me"}) == 1
    assert lake.set_properties(T, {"fsbuild.owner": "me"}) is None
    after = lake.state(T)
    assert before is not None
    assert after is not None
    assert (after.token, after.fingerprint, after.changed_by) == (before.token, "f1", None)
    assert DeltaTable(lake.uri(T)).metadata().configuration["fsbuild.owner"] == "me"


# --- other writers ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("write", WRITES, ids=repr)
@pytest.mark.parametrize("expected", [None, 0, 5])
def test_nothing_is_written_where_the_table_is_not_at_the_version_that_was_read(
    lake: Lake, write: Write, expected: int | None
) -> None:
    create(lake, 1)
    lake.write(Append(), T, rows_of(ids(2)), commit(0))
    before = read(lake)
    with pytest.raises(ConflictError, match=r"another writer changed .* nothing was written"):
        lake.write(write, T, rows_of(ids(1, 9, name="b")), commit(expected))
    assert read(lake) == before
    assert len(versions(lake)) == 2


@pytest.mark.parametrize("write", WRITES, ids=repr)
def test_nothing_is_written_where_another_writer_commits_while_the_rows_are_read(lake: Lake, write: Write) -> None:
    create(lake, 1)

    def slow() -> pa.RecordBatchReader:
        write_deltalake(lake.uri(T), ids(50), mode="append")
        return ids(1, 9, name="b").to_reader()

    with pytest.raises(ConflictError):
        lake.write(write, T, TableRows(slow, ("id", "name"), 2), commit(0))
    assert [row["id"] for row in read(lake)] == [1, 50]


def test_of_two_that_create_a_table_one_wins(lake: Lake) -> None:
    barrier = threading.Barrier(4, timeout=20)
    outcomes: list[str] = []

    def attempt(number: int) -> None:
        def opened() -> pa.RecordBatchReader:
            barrier.wait()
            return ids(number).to_reader()

        try:
            lake.write(Overwrite(), T, TableRows(opened, ("id", "name"), 1), commit(None))
            outcomes.append("won")
        except ConflictError:
            outcomes.append("lost")

    threads = [threading.Thread(target=attempt, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["lost", "lost", "lost", "won"]
    assert len(read(lake)) == 1
    assert len(versions(lake)) == 1


@pytest.mark.parametrize(
    ("change", "operation"),
    [
        (lambda table: table.delete("id = 1"), "DELETE"),
        (lambda table: table.update({"name": "'z'"}), "UPDATE"),
        (lambda table: write_deltalake(table, ids(7), mode="append"), "WRITE"),
        (lambda table: table.restore(0), "RESTORE"),
        (lambda table: table.optimize.compact(), None),
        (lambda table: table.vacuum(retention_hours=0, enforce_retention_duration=False, dry_run=False), None),
        (lambda table: table.alter.set_table_properties({"delta.appendOnly": "false"}), None),
    ],
    ids=["delete", "update", "append", "restore", "optimize", "vacuum", "properties"],
)
def test_a_change_by_another_program_is_seen(
    lake: Lake, change: Callable[[DeltaTable], object], operation: str | None
) -> None:
    create(lake, 1)
    lake.write(Append(), T, rows_of(ids(2)), commit(0))
    before = lake.state(T)

    change(DeltaTable(lake.uri(T)))

    state = lake.state(T)
    assert before is not None
    assert state is not None
    assert state.version >= before.version
    assert state.version == DeltaTable(lake.uri(T)).version()
    assert (state.changed_by, state.fingerprint) == (operation, "f1")
    assert (state.token == before.token) is (operation is None)


def test_a_change_by_another_program_is_forgotten_once_the_table_is_ours_again(lake: Lake) -> None:
    create(lake, 1)
    DeltaTable(lake.uri(T)).delete()
    lake.write(Overwrite(), T, rows_of(ids(3)), commit(1))
    state = lake.state(T)
    assert state is not None
    assert state.changed_by is None


def test_a_table_of_another_program_has_a_token_and_no_fingerprint(lake: Lake) -> None:
    write_deltalake(lake.uri(T), ids(1))
    state = lake.state(T)
    assert state is not None
    assert (state.version, state.fingerprint, state.inputs) == (0, None, {})
    assert state.token.startswith("0@")


def test_a_table_that_is_dropped_and_made_anew_has_another_token(lake: Lake) -> None:
    create(lake, 1)
    first = lake.state(T)
    shutil.rmtree(lake.uri(T))
    create(lake, 1)
    second = lake.state(T)
    assert first is not None
    assert second is not None
    assert (first.version, second.version) == (0, 0)
    assert first.token != second.token


def test_a_state_is_read_where_a_checkpoint_has_taken_the_place_of_old_commits(lake: Lake) -> None:
    create(lake, 1)
    lake.write(Append(), T, rows_of(ids(2)), commit(0))
    DeltaTable(lake.uri(T)).create_checkpoint()
    Path(lake.uri(T), "_delta_log", versions(lake)[0]).unlink()
    state = lake.state(T)
    assert state is not None
    assert (state.version, state.fingerprint) == (1, "f1")


# --- folders ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "leftovers", [[], ["_delta_log/"], ["_delta_log/", "part-0.parquet"], ["_delta_log/_commit.tmp"]]
)
def test_what_a_crash_leaves_behind_is_no_table_and_not_in_the_way(lake: Lake, leftovers: list[str]) -> None:
    for name in leftovers:
        file = Path(lake.uri(T), name)
        (file if name.endswith("/") else file.parent).mkdir(parents=True, exist_ok=True)
        if not name.endswith("/"):
            file.write_bytes(b"half")
    assert lake.state(T) is None
    create(lake, 1)
    assert read(lake) == read_by_duckdb(lake) == [{"id": 1, "name": "a"}]


def test_a_folder_of_something_else_is_in_the_way(lake: Lake) -> None:
    write_files(Path(lake.uri(T)), {"letters.txt": "mine"})
    with pytest.raises(StoreError, match="is in the way: a folder that is not a Delta table"):
        lake.state(T)
    assert Path(lake.uri(T), "letters.txt").read_text(encoding="utf-8") == "mine"


def test_a_file_in_the_place_of_a_table_is_told(lake: Lake) -> None:
    write_files(Path(lake.uri(T)).parent, {"t": "a file"})
    with pytest.raises(StoreError, match="cannot read the log of"):
        lake.state(T)


def test_a_history_of_no_table_is_an_error(lake: Lake) -> None:
    with pytest.raises(StoreError, match=r"there is no table at .* yet"):
        lake.history(T)
    assert read_state(lake.uri(T)) is None


@pytest.mark.parametrize("kind", [pa.time64("us"), pa.duration("us"), pa.month_day_nano_interval()], ids=str)
def test_what_delta_refuses_is_an_error_of_the_store_and_leaves_no_table(lake: Lake, kind: pa.DataType) -> None:
    with pytest.raises(StoreError, match="cannot write"):
        lake.write(Overwrite(), T, rows_of(pa.table({"x": pa.array([None], kind)})), commit(None))
    assert lake.state(T) is None


# --- through a whole run ---------------------------------------------------------------------------------------------

STREAM = """
{{ config(materialized='incremental', unique_key=KEY) }}
select * from {{ ref('s') }}
"""


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("BIGINT", ["-5", "7", "9223372036854775807"]),
        ("VARCHAR", ["it's", "ä😀", "\\", ""]),
        ("DATE", ["0001-01-01", "2024-02-29", "9999-12-31"]),
        ("TIMESTAMP", ["1969-12-31 23:59:59.999999", "2024-01-01 00:00:00"]),
        ("TIMESTAMPTZ", ["1969-12-31 23:59:59.999999+00", "2024-01-01 00:00:00+02"]),
        ("DOUBLE", ["0.1", "-1e300"]),
        ("DECIMAL(20,3)", ["0.001", "99999999999999999.999"]),
        ("UBIGINT", ["18446744073709551615", "0"]),
        ("UUID", ["00000000-0000-0000-0000-0000000000ff"]),
    ],
)
def test_a_run_updates_the_rows_of_a_key_of_any_type(make_project: Make, kind: str, values: list[str]) -> None:
    types = f"name: shop\nseeds: {{+column_types: {{k: '{kind}', v: BIGINT}}}}\n"

    def seed(value: int) -> dict[str, str]:
        return {"seeds/s.csv": "k,v\n" + "".join(f'"{key}",{value}\n' for key in values)}

    model = STREAM.replace("KEY", "'k'").replace(
        "select *", "select coalesce(k, '') as k, v" if kind == "VARCHAR" else "select *"
    )
    root = make_project({"fsbuild_project.yml": types, "models/t.sql": model, **seed(1)})
    assert Project(root).run().is_success
    write_files(root, seed(2))
    result = Project(root).run()

    assert result.is_success, [node.message for node in result.results]
    assert [row["v"] for row in read(lake_at(root))] == [2] * len(values)


@pytest.mark.parametrize("config", ["unique_key='ID'", "unique_key='id', partition_by='DAY'"])
def test_a_column_may_be_named_in_another_case(make_project: Make, config: str) -> None:
    model = f"{{{{ config(materialized='incremental', {config}) }}}}select id, day, v from {{{{ ref('s') }}}}"
    root = make_project({"models/t.sql": model, "seeds/s.csv": "id,day,v\n1,1,1\n2,1,1\n"})
    assert [node.message for node in Project(root).run().results if node.status == "error"] == []
    write_files(root, {"seeds/s.csv": "id,day,v\n2,1,5\n3,2,5\n"})
    assert [node.message for node in Project(root).run().results if node.status == "error"] == []
    assert sorted((str(row["id"]), str(row["v"])) for row in read(lake_at(root))) == [
        ("1", "1"),
        ("2", "5"),
        ("3", "5"),
    ]


def test_inputs_in_a_commit_are_those_that_were_read(make_project: Make) -> None:
    root = make_project({"models/t.sql": STREAM.replace("KEY", "'id'"), "seeds/s.csv": "id,v\n1,1\n"})
    Project(root).run()
    state = read_state(str(root / "lake/main/s"))
    (info,) = [one for one in lake_at(root).history(T) if "fsbuild.inputs" in one]
    assert state is not None
    assert json.loads(info["fsbuild.inputs"]) == {"seed.shop.s": state.token}
