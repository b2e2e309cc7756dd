"""The template: it builds from nothing, its whole year too, and none of its features knows the future."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from fsbuild import Project
from fsbuild.engine.connection import open_duckdb
from fsbuild.template import copy_template
from tests.conftest import read_delta, write_files

WHOLE_YEAR = 336_776
TABLES = {
    "airlines",
    "airports",
    "carrier_day",
    "carrier_delay_7d",
    "delay_training",
    "fsbuild_checks",
    "fsbuild_stats",
    "origin_weather",
    "plane_history",
    "route_delay_14d",
    "stg_flights",
}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = copy_template(tmp_path_factory.mktemp("template") / "flights")
    assert Project(root).run().is_success
    return root


@pytest.fixture
def lake(built: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """The template's tables as another program reads them."""
    connection = open_duckdb(Path(), {}, extensions=["delta"])
    for folder in (built / "lake/main").iterdir():
        connection.execute(f"create view {folder.name} as select * from delta_scan('{folder}')")
    connection.execute(f"create view flights as select * from '{built}/data/flights.parquet'")
    yield connection
    connection.close()


def test_it_is_small_and_carries_what_it_needs(built: Path) -> None:
    shipped = Path(__file__).parents[1] / "project_template"
    assert sum(file.stat().st_size for file in shipped.rglob("*") if file.is_file()) < 2_000_000
    assert {folder.name for folder in (built / "lake/main").iterdir()} == TABLES


def test_its_unit_tests_pass_before_there_is_any_table(tmp_path: Path) -> None:
    root = copy_template(tmp_path / "flights")

    result = Project(root).test(select="test_type:unit")

    assert {node.name: [test.status for test in node.unit_tests] for node in result.results} == {
        "stg_flights": ["pass"],
        "carrier_day": ["pass"],
    }
    assert not (root / "lake").exists()


def test_every_model_column_and_source_is_known_to_the_lineage(built: Path) -> None:
    page = (built / "target/lineage.md").read_text(encoding="utf-8")
    assert "unknown" not in page
    assert "| landed_at | TIMESTAMP |" in page
    assert "nyc.flights.arr_time (transformed)" in page


def test_a_second_run_publishes_nothing(built: Path) -> None:
    again = Project(built).run()
    assert {node.status for node in again.results if node.kind in ("table", "incremental")} == {"unchanged"}


# Each flight's landing, derived another way than the model does: from schedule and arrival delay. The scheduled
# arrival is the first such time of day at the destination after the scheduled departure; January has no summer time.
LANDINGS = """
create temp table landings as
select
    carrier,
    dep_delay,
    scheduled_at + to_minutes(((sched_arr_time // 100) * 60 + sched_arr_time % 100 - local_minute + 2880) % 1440)
        + to_minutes(arr_delay) as landed_at
from (
    select
        flights.*,
        time_hour + to_minutes(minute) as scheduled_at,
        hour(time_hour + to_hours(airports.utc_offset)) * 60 + minute as local_minute
    from flights
    join airports on airports.airport = flights.dest
)
where arr_delay is not null
"""


def test_a_carriers_delay_counts_a_flight_from_its_landing_and_not_before(lake: duckdb.DuckDBPyConnection) -> None:
    """Against a self-join that is as naive as can be, on some of the rows."""
    lake.execute(LANDINGS)

    compared, differing = lake.execute(
        """
        select count(*), count(*) filter (flights <> flights_7d or abs(mean - dep_delay_mean_7d) > 1e-9)
        from (
            select chosen.carrier, chosen.landed_at, chosen.flights_7d, chosen.dep_delay_mean_7d,
                count(*) as flights, avg(landings.dep_delay) as mean
            from (from carrier_delay_7d using sample 1% (bernoulli, 7)) as chosen
            join landings on landings.carrier = chosen.carrier
                and landings.landed_at between chosen.landed_at - interval 7 days and chosen.landed_at
            group by all
        )
        """
    ).fetchall()[0]

    assert compared > 100
    assert differing == 0


def test_nothing_in_a_training_row_was_known_after_its_moment(lake: duckdb.DuckDBPyConnection) -> None:
    """For random training rows, the latest feature known by then, found by sorting and not by an ASOF join."""
    compared, differing = lake.execute(
        """
        select count(*), count(*) filter (carrier_late_share_7d is distinct from expected)
        from (
            select chosen.flight_id, chosen.carrier_late_share_7d,
                arg_max(known.late_share_7d, known.landed_at) as expected
            from (from delay_training using sample 1% (bernoulli, 11)) as chosen
            left join carrier_delay_7d as known
                on known.carrier = chosen.carrier and known.landed_at <= chosen.scheduled_at
            group by all
        )
        """
    ).fetchall()[0]

    assert compared > 100
    assert differing == 0


# A plane's flights as features of it, and two ways to join them to each flight at its scheduled departure.
LEAK = {
    "models/leak/_leak.yml": """
models:
  - name: plane_flights
    config:
      entity: plane
      event_time: scheduled_at
      known_time: landed_at
      tie_break: flight_id
""",
    "models/leak/plane_flights.sql": """
select tailnum, scheduled_at, landed_at, flight_id, dep_delay as last_delay from {{ ref('stg_flights') }}
where tailnum is not null and not is_cancelled
""",
    "models/leak/naive.sql": """
{{ config(materialized='table') }}
select flights.flight_id, flights.dep_delay > 15 as is_late, plane.last_delay, plane.landed_at > flights.scheduled_at
    as is_leaked
from {{ ref('stg_flights') }} as flights
asof join {{ ref('plane_flights') }} as plane
    on plane.tailnum = flights.tailnum and plane.scheduled_at <= flights.scheduled_at
where not flights.is_cancelled
""",
    "models/leak/honest.sql": """
{{ config(materialized='training_set', event_time='scheduled_at',
          features=['plane_flights:last_delay', 'plane_flights:landed_at']) }}
select flight_id, tailnum, scheduled_at, dep_delay > 15 as is_late from {{ ref('stg_flights') }} where not is_cancelled
""",
}


def test_a_join_on_event_time_alone_is_better_than_possible_and_a_training_set_is_not(tmp_path: Path) -> None:
    """A flight's own delay is the latest of its plane by then: the naive join hands the label to the model."""
    root = copy_template(tmp_path / "flights")
    write_files(root, LEAK)
    assert Project(root).run(select="+naive +honest").is_success

    naive, honest = (_with_delay(read_delta(root, name)) for name in ("naive", "honest"))

    assert _score(naive) > 0.99
    assert 0.5 < _score(honest) < 0.9
    assert sum(bool(row["is_leaked"]) for row in naive) > 20_000
    assert len(honest) > 15_000
    assert all(row["landed_at"] <= row["scheduled_at"] for row in honest)


def _with_delay(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [row for row in rows if row["last_delay"] is not None]


def _score(rows: list[dict[str, Any]]) -> float:
    """How often a late plane is late again."""
    return sum(bool((row["last_delay"] > 15) == row["is_late"]) for row in rows) / len(rows)


def test_a_training_set_is_rebuilt_after_new_corrected_and_cancelled_flights(tmp_path: Path) -> None:
    root = copy_template(tmp_path / "flights")
    project = Project(root)
    project.run()
    before = project.rebuild_training_set("delay_training")
    with duckdb.connect() as connection:
        connection.execute(f"create table f as from '{root}/data/flights.parquet'")
        connection.execute(NEWS)
        connection.execute(f"copy f to '{root}/data/flights.parquet' (format parquet)")
    project.run()

    latest = project.rebuild_training_set("delay_training")

    assert before.is_equal
    assert latest.is_equal
    assert latest.content != before.content
    assert project.rebuild_training_set("delay_training", version=before.version) == before


# What changes between two runs: a plane's delays are corrected, a flight is cancelled after all, two are new.
NEWS = """
update f set arr_delay = arr_delay + 7 where tailnum = 'N14228' and arr_delay is not null;
update f set dep_time = null, dep_delay = null, arr_time = null, arr_delay = null, air_time = null
where flight = 1545 and month = 1 and day = 3;
insert into f by name (
    select * replace (flight + 5000 as flight, time_hour + interval 1 day as time_hour, day + 1 as day)
    from f where flight in (461, 507) and day = 27
);
"""


def test_after_new_corrected_and_cancelled_flights_the_tables_are_what_a_full_refresh_makes(tmp_path: Path) -> None:
    root = copy_template(tmp_path / "flights")
    Project(root).run()
    with duckdb.connect() as connection:
        connection.execute(f"create table f as from '{root}/data/flights.parquet'")
        connection.execute(NEWS)
        connection.execute(f"copy f to '{root}/data/flights.parquet' (format parquet)")

    reasons = {step.unique_id.rpartition(".")[2]: step.reason for step in Project(root).plan().steps}
    result = Project(root).run()
    names = sorted(TABLES - {"airlines", "airports", "fsbuild_checks", "fsbuild_stats"})
    found = {name: read_delta(root, name) for name in names}
    Project(root).run(full_refresh=True)

    assert result.is_success
    assert reasons["plane_history"] == "stg_flights runs before it; the rows it affects are found by (tailnum)"
    written = {node.name: node.rows or 0 for node in result.results}
    assert 0 < written["plane_history"] < 100
    assert 0 < written["carrier_day"] < 20
    for name in names:
        assert found[name] == read_delta(root, name), name


def test_bad_flights_wait_beside_the_table_until_they_are_repaired(tmp_path: Path) -> None:
    root = copy_template(tmp_path / "flights")
    file = root / "data/flights.parquet"
    good = file.read_bytes()
    with duckdb.connect() as connection:
        connection.execute(f"create table f as from '{file}'")
        for condition, change in (
            ("carrier = 'UA' and flight = 1545 and day = 1", "distance = -1400"),
            ("carrier = 'B6' and flight = 725 and day = 1", "carrier = 'ZZ'"),
        ):
            (count,) = connection.execute(f"update f set {change} where {condition}").fetchone() or (0,)
            assert count == 1
        connection.execute("insert into f from f where carrier = 'DL' and flight = 461 and day = 1")
        connection.execute(f"copy f to '{file}' (format parquet)")

    result = next(node for node in Project(root).run().results if node.name == "stg_flights")

    assert (result.status, result.message) == ("warn", "4 rows kept out, in stg_flights__quarantine")
    kept_out = read_delta(root, "stg_flights__quarantine")
    aside = sorted((str(row["flight_id"]), str(row["fsbuild_failed_checks"])) for row in kept_out)
    assert aside == [
        ("2013-01-01-DL-461-LGA", "['flight_id.unique']"),
        ("2013-01-01-DL-461-LGA", "['flight_id.unique']"),
        ("2013-01-01-UA-1545-EWR", "['distance.greater_than']"),
        ("2013-01-01-ZZ-725-JFK", "['carrier.relationships']"),
    ]
    published = read_delta(root, "stg_flights")
    assert {row["flight_id"] for row in published}.isdisjoint(flight for flight, _ in aside)
    file.write_bytes(good)
    assert Project(root).run().is_success
    assert len(read_delta(root, "stg_flights")) == len(published) + 3
    assert read_delta(root, "stg_flights__quarantine") == []


@pytest.mark.slow
def test_the_whole_year_builds(tmp_path: Path) -> None:
    root = copy_template(tmp_path / "flights")
    subprocess.run([sys.executable, "whole_year.py", "data_year"], cwd=root, check=True, stdout=subprocess.DEVNULL)

    project = Project(root, variables={"data_dir": "data_year"})

    assert project.run().is_success
    assert project.show(inline="select count(*) from {{ ref('stg_flights') }}").rows == ((WHOLE_YEAR,),)
    assert project.show(inline="select count(*) from {{ ref('delay_training') }}").rows == ((328_521,),)
    assert {node.status for node in project.run().results if node.kind in ("table", "incremental")} == {"unchanged"}


@pytest.mark.slow
def test_the_shipped_sample_is_the_scripts_output(tmp_path: Path) -> None:
    template = Path(__file__).parents[1] / "project_template"
    command = [sys.executable, str(template / "whole_year.py"), str(tmp_path), "--until", "2013-01-29"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    for name in ("flights.parquet", "weather.parquet", "planes.csv"):
        written, shipped = (
            duckdb.sql(f"from '{folder / name}'").fetchall() for folder in (tmp_path, template / "data")
        )
        assert written == shipped
