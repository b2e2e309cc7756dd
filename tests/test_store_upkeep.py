"""Upkeep of tables: the rows stay what they are, and the next run knows what is there."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from fsbuild.errors import StoreError
from fsbuild.store import Lake
from fsbuild.values import Append, Overwrite, Relation, TableState
from tests.test_store import BY_ID, T, commit, create, ids, lake_at, read_by_duckdb, rows_of
from tests.test_store_changes import changes, signs

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
    lake.optimize(lake.uri(T), [], "r")
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
    assert signs(changes(lake, 0, 1)) == [(1, -1), (1, 1), (2, 1)]
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("name", ["a%20b", "a%41b", "[1]", "a|b", "a^b", "a\\b", "a\nb"])
def test_a_folder_that_delta_cannot_read_back_is_refused_before_anything_is_written(tmp_path: Path, name: str) -> None:
    lake = lake_at(tmp_path / name)
    with pytest.raises(StoreError, match=r"cannot hold a Delta table: .*\n  hint: move the project or the lake"):
        lake.write(Overwrite(), T, rows_of(pa.table({"id": [1]})), commit(None))
    assert list(tmp_path.iterdir()) == []
