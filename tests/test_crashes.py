"""Crashes and crowds: whenever a process dies, and however many run at once, no row is lost and none is doubled."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from fsbuild import Project
from tests.conftest import history_of, read_delta, write_files
from tests.faults import CALLS

REPOSITORY = Path(__file__).parent.parent
Rows = Sequence[Mapping[str, object]]
FILES = {
    "fsbuild_project.yml": "name: shop\n",
    "models/sources.yml": "sources: [{name: raw, tables: [{name: flights, meta: {delta_table_path: raw/flights}}]}]\n",
    "models/kept.sql": """
{{ config(materialized='incremental', incremental_strategy='auto', unique_key='id', owner='ops') }}
select id, carrier, delay from {{ source('raw', 'flights') }}
""",
    "models/merged.sql": """
{{ config(materialized='incremental', unique_key='id') }}
select id, delay from {{ source('raw', 'flights') }}
{% if is_incremental() %} where id >= (select max(id) - 1000 from {{ this }}) {% endif %}
""",
    "models/appended.sql": """
{{ config(materialized='incremental', incremental_strategy='append') }}
select id, delay from {{ source('raw', 'flights') }}
{% if is_incremental() %} where id > (select max(id) from {{ this }}) {% endif %}
""",
    "models/by_carrier.sql": """
{{ config(materialized='table') }}
select carrier, count(*) as flights, sum(delay) as delay from {{ ref('kept') }} group by carrier
""",
    "models/totals.sql": """
{{ config(materialized='incremental', incremental_strategy='delete+insert', unique_key='carrier') }}
select carrier, flights from {{ ref('by_carrier') }}
""",
    "models/checks.yml": "models: [{name: kept, columns: [{name: id, data_tests: [not_null, unique]}]}]\n",
}


def flights(numbers: range) -> pa.Table:
    ids = list(numbers)
    return pa.table({"id": ids, "carrier": [f"c{i % 3}" for i in ids], "delay": [i % 7 for i in ids]})


def make(root: Path) -> Path:
    write_files(root, FILES)
    configuration: dict[str, str | None] = {"delta.enableChangeDataFeed": "true"}
    write_deltalake(str(root / "raw/flights"), flights(range(40)), configuration=configuration)
    assert Project(root).run().is_success
    return root


def arrive(root: Path, numbers: range) -> None:
    write_deltalake(str(root / "raw/flights"), flights(numbers), mode="append")


def assert_complete(root: Path, count: int) -> None:
    """Every table is what the flights 0 to `count` make of it, in no more than one row each."""
    rows = flights(range(count)).to_pylist()
    assert read_delta(root, "kept") == sorted(rows, key=repr)
    pairs = sorted(({"id": row["id"], "delay": row["delay"]} for row in rows), key=repr)
    assert read_delta(root, "merged") == pairs
    assert read_delta(root, "appended") == pairs
    carriers = sorted({str(row["carrier"]) for row in rows})
    counts = {one: sum(row["carrier"] == one for row in rows) for one in carriers}
    assert {row["carrier"]: row["flights"] for row in read_delta(root, "by_carrier")} == counts
    assert {row["carrier"]: row["flights"] for row in read_delta(root, "totals")} == counts


def fsbuild(root: Path, *fault: str) -> list[str]:
    module = ["tests.faults", *fault] if fault else ["fsbuild"]
    return [sys.executable, "-m", *module, "run", "-q", "--threads", "2", "--project-dir", str(root)]


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("call", CALLS)
def test_the_next_run_repairs_what_a_crash_left(tmp_path: Path, call: str, when: str) -> None:
    root, count, deaths = make(tmp_path), 40, 0
    for number in (1, 2, 3, 5):
        arrive(root, range(count, count + 5))
        count += 5
        died = subprocess.run(fsbuild(root, call, when, str(number)), cwd=REPOSITORY, check=False).returncode
        assert died in (0, 9)
        deaths += died == 9
        if number == 3:
            shutil.rmtree(root / "target")

        assert Project(root).run().is_success
        assert_complete(root, count)
        assert {r.status for r in Project(root).run().results} == {"unchanged"}
    assert deaths or call == "record", "the fault was never reached"


@pytest.mark.slow
def test_processes_that_are_killed_at_any_time_lose_nothing(tmp_path: Path) -> None:
    root, count = make(tmp_path), 40
    chance = random.Random(7)  # noqa: S311 - a moment, not a secret
    for number in range(12 * int(os.environ.get("FSBUILD_EXAMPLES", "1"))):
        arrive(root, range(count, count + 3))
        count += 3
        process = subprocess.Popen(fsbuild(root), cwd=REPOSITORY)
        time.sleep(chance.uniform(0.3, 2.0))
        process.send_signal(signal.SIGKILL)
        process.wait()
        if number % 3 == 2:
            assert Project(root).run().is_success
            assert_complete(root, count)


def test_of_runs_at_once_each_model_is_written_by_one(tmp_path: Path) -> None:
    root = make(tmp_path)
    for count in (45, 50):
        before = {name: DeltaTable(str(root / "lake/main" / name)).version() for name in ("kept", "appended", "totals")}
        arrive(root, range(count - 5, count))

        crowd = [subprocess.Popen(fsbuild(root), cwd=REPOSITORY, stderr=subprocess.PIPE, text=True) for _ in range(3)]
        told = [process.communicate()[1] for process in crowd]

        for process, text in zip(crowd, told, strict=True):
            assert process.returncode == 0 or "another writer changed" in text, text
        assert any(process.returncode == 0 for process in crowd), told
        assert Project(root).run().is_success
        assert_complete(root, count)
        for name, version in before.items():
            news = [row for row in history_of(root, name) if int(str(row["version"])) > version]
            assert len([row for row in news if row.get("fsbuild.data_change") != "false"]) == 1, (name, news)


def test_a_table_that_is_tidied_up_meanwhile_is_written_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fsbuild.store import Lake

    root = make(tmp_path)
    arrive(root, range(40, 45))
    write = Lake.write
    tidied: list[str] = []

    def tidying(lake: Lake, how: object, relation: object, *rest: object) -> int:
        uri = lake.uri(relation)  # type: ignore[arg-type]
        if uri.endswith("merged") and not tidied:
            tidied.append(uri)
            DeltaTable(uri).alter.set_table_properties({"owner": "me"}, raise_if_not_exists=False)
        return write(lake, how, relation, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(Lake, "write", tidying)

    assert Project(root).run().is_success
    assert tidied
    assert_complete(root, 45)
