"""Upkeep of tables: the rows stay what they are, and the next run knows what is there."""

from __future__ import annotations

import datetime as dt
import json
import time
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from fsbuild.errors import ConflictError, StoreError
from fsbuild.store import FileCount, Lake
from fsbuild.values import Append, Overwrite, Relation, TableState
from tests.test_store import BY_ID, T, commit, create, ids, lake_at, read, read_by_duckdb, rows_of

UTC = dt.UTC


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return lake_at(tmp_path)


def state_of(lake: Lake, version: int | None = None) -> TableState:
    state = lake.state(T, version)
    assert state is not None
    return state


def configuration(lake: Lake) -> dict[str, str]:
    found = DeltaTable(lake.uri(T)).metadata().configuration
    return {key: value for key, value in found.items() if key.startswith("fsbuild.")}


# --- properties ------------------------------------------------------------------------------------------------------


def test_the_state_knows_the_properties_that_a_table_has(lake: Lake) -> None:
    create(lake, 1)
    assert state_of(lake).properties == {}
    lake.set_properties(T, {"fsbuild.owner": "me", "fsbuild.ttl": "1 day"})
    assert state_of(lake).properties == {"fsbuild.owner": "me", "fsbuild.ttl": "1 day"}
    lake.write(Append(), T, rows_of(ids(2)), commit(1))
    lake.write(Overwrite(), T, rows_of(ids(2)), commit(2))
    lake.optimize(T, [], "r")
    assert state_of(lake).properties == {"fsbuild.owner": "me", "fsbuild.ttl": "1 day"}
    assert configuration(lake) == state_of(lake).properties
    write_deltalake(lake.uri(Relation("main", "other")), ids(1))
    other = lake.state(Relation("main", "other"))
    assert other is not None
    assert other.properties is None


def test_properties_that_are_no_longer_wanted_become_empty(lake: Lake) -> None:
    create(lake, 1)
    lake.set_properties(T, {"fsbuild.owner": "me", "fsbuild.ttl": "1 day"}, run_id="r7")
    assert lake.version_of_run(lake.uri(T), "r7") == 1
    assert lake.set_properties(T, {"fsbuild.owner": "you"}) == 2
    assert configuration(lake) == {"fsbuild.owner": "you", "fsbuild.ttl": ""}
    assert state_of(lake).properties == {"fsbuild.owner": "you"}
    assert lake.set_properties(T, {"fsbuild.owner": "you"}) is None
    assert DeltaTable(lake.uri(T)).metadata().configuration["delta.enableChangeDataFeed"] == "true"
    lake.set_properties(T, {"fsbuild.owner": "you", "fsbuild.ttl": "1 day"})
    assert state_of(lake).properties == configuration(lake) == {"fsbuild.owner": "you", "fsbuild.ttl": "1 day"}


def test_a_description_follows_the_model(lake: Lake) -> None:
    lake.write(Overwrite(), T, rows_of(ids(1)), commit(None, description="Old."))
    assert lake.set_properties(T, {}, "Old.") is None
    assert lake.set_properties(T, {}) is None
    assert lake.set_properties(T, {}, "New.") == 1
    assert DeltaTable(lake.uri(T)).metadata().description == "New."
    assert lake.set_properties(T, {"fsbuild.owner": "me"}, "") == 3
    assert not DeltaTable(lake.uri(T)).metadata().description
    assert (state_of(lake).token, state_of(lake).changed_by) == (state_of(lake, 0).token, None)


# --- going back ------------------------------------------------------------------------------------------------------


def test_what_is_restored_says_what_it_was_made_of(lake: Lake) -> None:
    lake.write(Overwrite(), T, rows_of(ids(1)), commit(None, extra={"window": "1"}))
    lake.write(BY_ID, T, rows_of(ids(1, 2, name="b")), commit(0, fingerprint="f2", inputs={"s": "9"}))
    lake.set_properties(T, {"fsbuild.owner": "me"})

    made = commit(2, fingerprint="mine", inputs={}, run_id="r9", extra={"restored": "0"})
    assert lake.restore(T, 0, made) == 3

    assert read(lake) == read_by_duckdb(lake) == [{"id": 1, "name": "a"}]
    state = state_of(lake)
    assert (state.fingerprint, state.inputs, state.run_id, state.changed_by) == ("f1", {"s": "3@9"}, "r9", None)
    assert (state.extra, state.properties) == ({"window": "1", "restored": "0"}, {})
    assert state.token != state_of(lake, 0).token
    assert DeltaTable(lake.uri(T)).transaction_version("fsbuild.t") == 3


def test_a_restored_table_of_another_program_counts_as_changed(lake: Lake) -> None:
    create(lake, 1, 2)
    DeltaTable(lake.uri(T)).delete("id = 1")
    lake.write(BY_ID, T, rows_of(ids(3)), commit(1))
    lake.restore(T, 1, commit(2))
    assert state_of(lake).changed_by == "RESTORE"


@pytest.mark.parametrize("version", [-1, 1, 7])
def test_only_an_earlier_version_can_be_restored(lake: Lake, version: int) -> None:
    create(lake, 1)
    lake.write(Append(), T, rows_of(ids(2)), commit(0))
    with pytest.raises(StoreError, match=r"is at version 1; .* is none before it\n  hint: choose an earlier version"):
        lake.restore(T, version, commit(1))
    with pytest.raises(ConflictError):
        lake.restore(T, 0, commit(0))
    assert state_of(lake).version == 1


def test_a_version_whose_files_are_gone_cannot_be_restored(lake: Lake) -> None:
    create(lake, 1)
    lake.write(Overwrite(), T, rows_of(ids(2)), commit(0))
    (file,) = DeltaTable(lake.uri(T), version=0).file_uris()
    Path(file.removeprefix("file://")).unlink()
    with pytest.raises(StoreError, match="hint: the files of that version have been vacuumed: choose a later one"):
        lake.restore(T, 0, commit(1))


# --- files -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("columns", [[], ["id"]], ids=["compact", "z-order"])
def test_optimizing_changes_files_and_nothing_else(lake: Lake, columns: list[str]) -> None:
    create(lake, 2)
    lake.write(Append(), T, rows_of(ids(1)), commit(0))
    before, rows = state_of(lake), read(lake)
    assert lake.count_files(T) == FileCount(2, 2)
    assert lake.optimize(T, columns, "r5")["numFilesRemoved"] == 2
    after = state_of(lake)
    assert lake.count_files(T) == FileCount(1, 1)
    assert (after.token, after.fingerprint, after.changed_by) == (before.token, before.fingerprint, None)
    assert read(lake) == rows
    assert lake.version_of_run(lake.uri(T), "r5") == after.version == 2


def test_a_wrong_column_to_sort_by_is_an_error(lake: Lake) -> None:
    create(lake, 1)
    with pytest.raises(StoreError, match="nope"):
        lake.optimize(T, ["nope"], "r")


def test_a_vacuum_takes_what_no_version_reads(lake: Lake) -> None:
    create(lake, 1)
    lake.write(Overwrite(), T, rows_of(ids(2)), commit(0))
    before = state_of(lake)
    with pytest.raises(StoreError, match=r"has to keep its files for longer than 1 hours") as told:
        lake.vacuum(T, 1)
    assert "minimum retention for vacuum is configured to be greater than 168 hours" in str(told.value)
    assert lake.vacuum(T, 168) == lake.vacuum(T) == []
    DeltaTable(lake.uri(T)).alter.set_table_properties({"delta.deletedFileRetentionDuration": "interval 0 hours"})
    assert lake.vacuum(T, 0, keep_versions=[0]) == []
    (file,) = lake.vacuum(T, 0)
    assert Path(lake.uri(T), file).exists()
    assert lake.vacuum(T, 0, dry_run=False) == [file]
    assert not Path(lake.uri(T), file).exists()
    assert (state_of(lake).token, state_of(lake).changed_by) == (before.token, None)
    assert read(lake) == [{"id": 2, "name": "a"}]


def test_a_checkpoint_is_written(lake: Lake) -> None:
    create(lake, 1)
    lake.checkpoint(T)
    assert json.loads(Path(lake.uri(T), "_delta_log/_last_checkpoint").read_text(encoding="utf-8"))["version"] == 0


def test_upkeep_of_no_table_is_an_error(lake: Lake) -> None:
    for work in (
        lambda: lake.optimize(T, [], "r"),
        lambda: lake.vacuum(T),
        lambda: lake.checkpoint(T),
        lambda: lake.count_files(T),
        lambda: lake.restore(T, 0, commit(None)),
        lambda: lake.version_at(lake.uri(T), dt.datetime.now(UTC)),
    ):
        with pytest.raises(StoreError, match=r"there is no table at .* yet"):
            work()
    assert lake.version_of_run(lake.uri(T), "r") is None


# --- versions --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("prefix", ["", "file://"], ids=["path", "URL"])
def test_a_version_is_found_by_its_moment_and_by_its_run(tmp_path: Path, prefix: str) -> None:
    lake = Lake(f"{prefix}{tmp_path}/lake", {})
    create(lake, 1)
    time.sleep(0.01)
    lake.write(Append(), T, rows_of(ids(2)), commit(0, run_id="r2"))
    lake.set_properties(T, {"fsbuild.owner": "me"}, run_id="r2")
    lake.record(T, commit(2, run_id="r3"))
    first, second = (dt.datetime.fromtimestamp(info["timestamp"] / 1000, UTC) for info in reversed(lake.history(T)[2:]))
    uri, moment = lake.uri(T), dt.timedelta(milliseconds=1)
    assert [lake.version_of_run(uri, run) for run in ("r1", "r2", "r3", "r4")] == [0, 2, 3, None]
    assert lake.version_at(uri, first) == lake.version_at(uri, second - moment) == 0
    assert lake.version_at(uri, second) >= 1
    assert lake.version_at(uri, dt.datetime.now(UTC)) == 3
    shown = first.isoformat(sep=" ", timespec="milliseconds").replace("+", r"\+")
    with pytest.raises(StoreError, match=rf"goes back to {shown} \(version 0\), not to .*\n  hint: choose a later"):
        lake.version_at(uri, first - moment)


# --- places ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    ["a b", "a#b", "a?b", "a'b", 'a"b', "äö😀", "a+b", "100%", "a%zz", "a&b=c", "a;b", "a*b", "a{b}", "~", "a:b"],
)
def test_a_lake_may_be_in_a_folder_of_any_name(tmp_path: Path, name: str) -> None:
    lake = lake_at(tmp_path / name)
    create(lake, 1)
    lake.write(BY_ID, T, rows_of(ids(1, 2, name="b")), commit(0))
    state = state_of(lake)
    assert (state.version, state.fingerprint) == (1, "f1")
    expected = [{"id": 1, "name": "b"}, {"id": 2, "name": "b"}]
    assert read_by_duckdb(lake) == expected
    reader = lake.changes(lake.uri(T), state_of(lake, 0).token, 1, ["id"])
    assert sorted(reader.read_all()["fsbuild_sign"].to_pylist()) == [-1, 1, 1]
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("name", ["a%20b", "a%41b", "[1]", "a|b", "a^b", "a\\b", "a\nb"])
def test_a_folder_that_delta_cannot_read_back_is_refused_before_anything_is_written(tmp_path: Path, name: str) -> None:
    lake = lake_at(tmp_path / name)
    with pytest.raises(StoreError, match=r"cannot hold a Delta table: .*\n  hint: move the project or the lake"):
        lake.write(Overwrite(), T, rows_of(pa.table({"id": [1]})), commit(None))
    assert list(tmp_path.iterdir()) == []
