"""How old sources are: by a column, by a table's log, by files; and what their limits say of it."""

from __future__ import annotations

import datetime as dt
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import write_deltalake

from fsbuild import Project
from fsbuild.errors import FsbuildError
from tests.conftest import Files

Make = Callable[[Files], Path]
HOUR = dt.timedelta(hours=1)
SOURCES = """
sources:
  - name: raw
    freshness: {warn_after: {count: 2, period: hour}, error_after: {count: 1, period: day}}
    tables:
      - {name: events, meta: {delta_table_path: events}, loaded_at_field: seen}
      - {name: logged, meta: {delta_table_path: events}}
      - {name: files, meta: {external_location: 'files/*.parquet'}}
      - {name: free, meta: {delta_table_path: events}, freshness: null}
"""
MODEL = "select id from {{ source('raw', 'events') }}\n"


def project(make_project: Make, age: dt.timedelta, sources: str = SOURCES) -> Path:
    root = make_project({"models/sources.yml": sources, "models/m.sql": MODEL})
    moment = dt.datetime.now(dt.UTC) - age
    table = pa.table({"id": [1, 2], "seen": pa.array([moment - HOUR, moment], pa.timestamp("us", "UTC"))})
    write_deltalake(root / "events", table)
    (root / "files").mkdir()
    pq.write_table(table, root / "files/a.parquet")
    os.utime(root / "files/a.parquet", (moment.timestamp(), moment.timestamp()))
    return root


@pytest.mark.parametrize(
    ("age", "status"), [(dt.timedelta(), "pass"), (3 * HOUR, "warn"), (25 * HOUR, "error")], ids=str
)
def test_limits_say_what_an_age_means(make_project: Make, age: dt.timedelta, status: str) -> None:
    found = {one.name: one for one in Project(project(make_project, age)).source_freshness()}

    assert {name: (one.status, one.told_by) for name, one in found.items()} == {
        "raw.events": (status, "seen"),
        "raw.logged": ("pass", "its log"),
        "raw.files": (status, "its files"),
    }
    assert found["raw.events"].age_s == pytest.approx(age.total_seconds(), abs=60)


def test_only_rows_that_meet_the_filter_count(make_project: Make) -> None:
    sources = SOURCES.replace("period: day}}", "period: day}, filter: id = 1}")
    (found,) = Project(project(make_project, 2 * HOUR, sources)).source_freshness(select=["source:raw.events"])

    assert found.age_s == pytest.approx(3 * 3600, abs=60)


def test_a_time_without_a_zone_is_one_of_utc_and_no_rows_are_too_old(make_project: Make) -> None:
    root = project(
        make_project, dt.timedelta(), SOURCES.replace("loaded_at_field: seen", "loaded_at_field: 'seen::timestamp'")
    )
    (found,) = Project(root).source_freshness(select=["source:raw.events"])
    assert found.status == "pass"
    write_deltalake(
        root / "events",
        pa.table({"id": pa.array([], pa.int64()), "seen": pa.array([], pa.timestamp("us", "UTC"))}),
        mode="overwrite",
    )

    (found,) = Project(root).source_freshness(select=["source:raw.events"])

    assert (found.status, found.message) == ("error", "it has no rows")


def test_the_command_prints_ages_and_exits_with_1_where_one_is_too_old(make_project: Make) -> None:
    root = project(make_project, 25 * HOUR)

    def fsbuild(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "fsbuild", "source", "freshness", *arguments]
        return subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)

    told = fsbuild()
    assert told.returncode == 1
    assert sorted(line.split()[:2] for line in told.stdout.splitlines()[2:]) == [
        ["raw.events", "error"],
        ["raw.files", "error"],
        ["raw.logged", "pass"],
    ]
    assert "25h 00m" in told.stdout
    one = fsbuild("--select", "source:raw.logged", "--output", "json")
    assert one.returncode == 0
    assert json.loads(one.stdout)["told_by"] == "its log"


def test_what_cannot_be_told_is_an_error(make_project: Make) -> None:
    root = project(make_project, dt.timedelta(), SOURCES.replace("loaded_at_field: seen", "loaded_at_field: sen"))

    (found,) = Project(root).source_freshness(select=["source:raw.events"])

    assert found.status == "runtime error"
    assert "sen" in found.message


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("count: 2, period: hour", "count: two, period: hour", "'warn_after' is"),
        ("period: day", "period: week", "'error_after' is"),
        ("warn_after", "warn_afer", "unknown key 'warn_afer'"),
        (
            "{warn_after: {count: 2, period: hour}, error_after: {count: 1, period: day}}",
            "soon",
            "'freshness' is not a",
        ),
    ],
)
def test_mistakes_are_told_at_their_line(make_project: Make, old: str, new: str, said: str) -> None:
    root = project(make_project, dt.timedelta(), SOURCES.replace(old, new))

    with pytest.raises(FsbuildError) as caught:
        Project(root).source_freshness()

    assert any(said in problem.message for problem in caught.value.problems)
    assert {str(problem.place) for problem in caught.value.problems} == {"models/sources.yml:3"}


def test_a_query_may_say_when_rows_came(make_project: Make) -> None:
    query = "loaded_at_query: 'select max(seen) from {{ this }} where id = 1'"
    root = project(make_project, 2 * HOUR, SOURCES.replace("loaded_at_field: seen", query))

    (found,) = Project(root).source_freshness(select=["source:raw.events"])

    assert (found.status, found.told_by) == ("warn", "its query")
    assert found.age_s == pytest.approx(3 * 3600, abs=60)


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        (
            "loaded_at_field: seen, loaded_at_query: 'select 1'",
            "loaded_at_field and loaded_at_query both say when rows came",
        ),
        (
            "loaded_at_query: \"select max(seen) from {{ ref('m') }}\"",
            "a loaded_at_query has no other template than {{ this }}",
        ),
    ],
)
def test_mistakes_in_a_query_are_told(make_project: Make, keys: str, said: str) -> None:
    with pytest.raises(FsbuildError) as caught:
        Project(project(make_project, HOUR, SOURCES.replace("loaded_at_field: seen", keys))).source_freshness()

    assert [problem.message for problem in caught.value.problems] == [said]
