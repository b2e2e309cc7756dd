"""Files in order without being asked: rows by their cluster, small files put together, merges that touch few."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable

from fsbuild import Project
from fsbuild.execute import strategies
from fsbuild.store import Lake
from fsbuild.values import Append, Overwrite, Upsert
from tests.conftest import Files, history_of, read_delta, write_files
from tests.test_store import T, commit, ids, lake_at, read, rows_of
from tests.test_store_changes import state_of

Make = Callable[[Files], Path]
SHUFFLED = (
    "select i as id, (i // 1000)::integer as day, hash(i)::varchar || hash(-i)::varchar as noise "
    "from range(400000) r(i) order by hash(i)"
)


def files_of(root: Path, name: str = "m") -> list[dict[str, object]]:
    table = DeltaTable(str(root / "lake/main" / name))
    found: list[dict[str, object]] = pa.table(table.get_add_actions(flatten=True)).to_pylist()
    return found


def test_rows_are_stored_in_the_order_of_their_cluster(make_project: Make) -> None:
    model = "{{ config(materialized='incremental', unique_key='id', cluster_by='day') }}"
    root = make_project({"models/m.sql": f"{model}\n{SHUFFLED}\n"})

    Project(root).run()

    days = [int(str(file["max.day"])) - int(str(file["min.day"])) for file in files_of(root)]
    assert len(days) > 5
    # Each writer of deltalake's takes every other batch, so that neighbours overlap; without an order all files would.
    assert sum(days) / 400 < len(days) / 2


def test_a_merge_writes_only_the_files_of_the_rows_that_it_changes(make_project: Make) -> None:
    def model(first: int) -> str:
        recent = f"select id, day, 'new' as noise from ({SHUFFLED}) where id >= {first}"
        config = "{{ config(materialized='incremental', unique_key='id', cluster_by='id') }}"
        return f"{config}\n{{% if is_incremental() %}}{recent}{{% else %}}{SHUFFLED}{{% endif %}}"

    root = make_project({"models/m.sql": model(399_000)})
    Project(root).run()
    before = {str(file["path"]) for file in files_of(root)}
    write_files(root, {"models/m.sql": model(399_500)})

    Project(root).run()

    kept = before & {str(file["path"]) for file in files_of(root)}
    assert len(kept) == len(before) - 1
    assert sum(row["noise"] == "new" for row in read_delta(root, "m")) == 500


def test_optimize_orders_by_the_cluster(make_project: Make) -> None:
    files = {"models/m.sql": "{{ config(materialized='table', cluster_by=['b', 'a']) }}select 1 as a, 2 as b"}
    root = make_project(files)
    Project(root).run()
    (row,) = Project(root).optimize().rows
    assert row[3] == "b, a"


def test_an_unknown_column_of_a_cluster_is_told(make_project: Make) -> None:
    root = make_project({"models/m.sql": "{{ config(materialized='table', cluster_by='dai') }}select 1 as day"})
    with pytest.raises(
        Exception, match=r"cluster_by column 'dai' is not a column of the model\n  hint: did you mean 'day'"
    ):
        Project(root).compile()


# --- small files -----------------------------------------------------------------------------------------------------

APPENDING = "{{{{ config(materialized='incremental'{more}) }}}}select x from {{{{ ref('s') }}}}"


def play(root: Path, runs: int) -> None:
    for number in range(runs):
        write_files(root, {"seeds/s.csv": f"x\n{number}\n"})
        assert Project(root).run().is_success


def test_many_small_files_are_put_together_after_a_run(make_project: Make) -> None:
    root = make_project(
        {"models/m.sql": APPENDING.format(more=""), "models/below.sql": "select count(*) n from {{ ref('m') }}"}
    )
    play(root, 36)

    operations = [commit["operation"] for commit in history_of(root, "m")]
    assert operations.count("OPTIMIZE") == 1
    assert len(files_of(root)) < 8
    assert sorted(int(str(row["x"])) for row in read_delta(root, "m")) == list(range(36))
    result = Project(root).run()
    assert {one.status for one in result.results if one.name == "m"} == {"unchanged"}


def test_it_can_be_turned_off(make_project: Make) -> None:
    root = make_project({"models/m.sql": APPENDING.format(more=", auto_compact=false")})
    play(root, 36)
    assert len(files_of(root)) == 36


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return lake_at(tmp_path)


def test_one_small_file_in_each_partition_is_no_reason(lake: Lake) -> None:
    days = pa.table({"id": pa.array(range(50), pa.int64()), "p": pa.array(range(50), pa.int64())})
    lake.write(Overwrite(small_files=True), T, rows_of(days), commit(None, partition_by=("p",)))
    assert lake.compact(T, "r") is None


def test_what_is_compacted_is_the_same_table(lake: Lake) -> None:
    lake.write(Overwrite(small_files=True), T, rows_of(ids(0)), commit(None))
    for number in range(1, 34):
        lake.write(Append(), T, rows_of(ids(number)), commit(number - 1))
    before, rows = state_of(lake), read(lake)
    assert lake.compact(T, "r") == 34
    assert (state_of(lake).token, state_of(lake).changed_by, read(lake)) == (before.token, None, rows)
    assert len(DeltaTable(lake.uri(T)).file_uris()) == 1
    assert lake.compact(T, "r") is None


def test_the_size_of_files_follows_the_table(lake: Lake) -> None:
    def size() -> str:
        return DeltaTable(lake.uri(T)).metadata().configuration["delta.targetFileSize"]

    lake.write(Overwrite(small_files=True), T, rows_of(ids(0)), commit(None))
    assert size() == str(2 * 2**20)
    many = rows_of(ids(*range(100_000)))
    large = type(many)(many.open, many.columns, 50_000_000)
    lake.write(Overwrite(small_files=True), T, large, commit(0))
    assert size() == str(8 * 2**20)
    lake.write(Upsert(("id",)), T, rows_of(ids(5, name="b")), commit(2))
    assert size() == str(8 * 2**20)


def test_a_merge_of_much_of_a_table_writes_it_anew(make_project: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(strategies, "_MANY_ROWS", 2)
    model = "{{ config(materialized='incremental', unique_key='x', cluster_by='x') }}select x, y from {{ ref('s') }}"
    root = make_project({"models/m.sql": model, "seeds/s.csv": "x,y\n1,1\n2,1\n3,1\n"})
    Project(root).run()
    for rows, operation in (("3,2\n4,2\n", "WRITE"), ("4,3\n", "MERGE")):
        write_files(root, {"seeds/s.csv": f"x,y\n{rows}"})
        assert Project(root).run().is_success
        assert history_of(root, "m")[0]["operation"] == operation
    assert sorted((row["x"], row["y"]) for row in read_delta(root, "m")) == [(1, 1), (2, 1), (3, 2), (4, 3)]
