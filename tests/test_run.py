"""Running a project, as its user sees it: what is published, what is left alone, what survives."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest
from deltalake import DeltaTable, write_deltalake

from fsbuild import FsbuildError, Project
from fsbuild.engine.connection import open_duckdb
from fsbuild.values import NodeFinished, RunResult
from tests.conftest import Files, history_of, read_delta, write_files

Make = Callable[[Files], Path]

ORDERS = "id,customer_id,amount\n1,10,5\n2,11,7\n3,10,9\n"
SHOP = {
    "seeds/orders.csv": ORDERS,
    "models/stg_orders.sql": "select id, customer_id, amount * 2 as double_amount from {{ ref('orders') }}\n",
    "models/totals.sql": """
{{ config(materialized='table') }}
select customer_id, sum(double_amount) as total from {{ ref('stg_orders') }} group by customer_id
""",
    "models/best.sql": """
{{ config(materialized='table') }}
select max(total) as best from {{ ref('totals') }}
""",
}


def statuses(result: RunResult) -> dict[str, str]:
    return {node.name: node.status for node in result.results}


def test_models_are_published_as_delta_tables_in_order(make_project: Make) -> None:
    root = make_project(SHOP)

    result = Project(root).run()

    assert result.is_success
    assert read_delta(root, "totals") == [{"customer_id": 10, "total": 28}, {"customer_id": 11, "total": 14}]
    assert read_delta(root, "best") == [{"best": 28}]
    assert not (root / "lake/main/stg_orders").exists()
    order = [node.name for node in result.results]
    assert order.index("orders") < order.index("totals") < order.index("best")


def test_any_delta_reader_reads_what_was_published(make_project: Make) -> None:
    root = make_project(SHOP)
    Project(root).run()
    connection = open_duckdb(Path(), {}, extensions=["delta"])

    rows = connection.execute(f"select * from delta_scan('{root}/lake/main/totals') order by customer_id").fetchall()

    assert rows == [(10, 28), (11, 14)]


def test_a_second_run_publishes_nothing_and_says_why(make_project: Make) -> None:
    root = make_project(SHOP)
    Project(root).run()

    result = Project(root).run()

    assert statuses(result) == {"stg_orders": "success", "totals": "unchanged", "best": "unchanged"}
    assert {r.message for r in result.results if r.status == "unchanged"} == {"nothing that it reads has changed"}
    assert len(history_of(root, "totals")) == 1


@pytest.mark.parametrize(
    ("edit", "due"),
    [
        ({"models/totals.sql": SHOP["models/totals.sql"].replace("sum", "  -- a comment\n  sum")}, set()),
        ({"models/totals.sql": SHOP["models/totals.sql"].replace("select", "SELECT\n\n")}, set()),
        ({"models/totals.sql": SHOP["models/totals.sql"].replace("sum(", "max(")}, {"totals", "best"}),
        ({"models/stg_orders.sql": SHOP["models/stg_orders.sql"].replace("* 2", "* 3")}, {"totals", "best"}),
        ({"models/best.sql": SHOP["models/best.sql"].replace("max(", "min(")}, {"best"}),
        ({"seeds/orders.csv": ORDERS + "4,12,1\n"}, {"orders", "totals", "best"}),
    ],
    ids=["comment", "white space", "model", "view", "leaf", "seed"],
)
def test_runs_what_an_edit_touches_and_nothing_else(make_project: Make, edit: Files, due: set[str]) -> None:
    root = make_project(SHOP)
    Project(root).run()
    write_files(root, edit)

    planned = {step.unique_id.rpartition(".")[2] for step in Project(root).plan().steps if step.action in _WRITES}
    result = Project(root).run()

    ran = {name for name, status in statuses(result).items() if status == "success"} - {"stg_orders"}
    assert ran == due
    assert planned == due


_WRITES = ("create", "replace", "increment", "load")


def test_every_commit_says_what_it_was_made_of(make_project: Make) -> None:
    root = make_project(SHOP)
    result = Project(root).run()

    (commit,) = history_of(root, "totals")

    assert commit["fsbuild.run_id"] == result.run_id
    assert commit["fsbuild.rows"] == "2"
    assert "seed.shop.orders" in str(commit["fsbuild.inputs"])
    assert DeltaTable(str(root / "lake/main/totals")).metadata().configuration["delta.enableChangeDataFeed"] == "true"


# --- incremental -----------------------------------------------------------------------------------------------------

EVENTS = {
    "seeds/events.csv": "id,day,value\n1,1,10\n2,1,20\n",
    "models/latest.sql": """
{{ config(materialized='incremental', unique_key='id') }}
select id, day, value from {{ ref('events') }}
{% if is_incremental() %} where day >= (select max(day) from {{ this }}) {% endif %}
""",
    "models/log.sql": """
{{ config(materialized='incremental') }}
select id, day from {{ ref('events') }}
{% if is_incremental() %} where day > (select max(day) from {{ this }}) {% endif %}
""",
}


def test_a_merge_updates_inserts_and_keeps(make_project: Make) -> None:
    root = make_project(EVENTS)
    Project(root).run()
    write_files(root, {"seeds/events.csv": "id,day,value\n2,1,25\n3,2,30\n"})

    result = Project(root).run()

    assert read_delta(root, "latest") == [
        {"id": 1, "day": 1, "value": 10},
        {"id": 2, "day": 1, "value": 25},
        {"id": 3, "day": 2, "value": 30},
    ]
    assert read_delta(root, "log") == [{"id": 1, "day": 1}, {"id": 2, "day": 1}, {"id": 3, "day": 2}]
    assert {r.name: r.rows for r in result.results} == {"events": 2, "latest": 2, "log": 1}


def test_an_increment_without_news_remembers_what_it_read(make_project: Make) -> None:
    root = make_project(EVENTS)
    Project(root).run()
    write_files(root, {"seeds/events.csv": "id,day,value\n1,1,10\n2,1,20\n\n"})
    Project(root).run()

    assert statuses(Project(root).run()) == {"latest": "unchanged", "log": "unchanged"}
    assert len(read_delta(root, "latest")) == 2


def test_a_changed_definition_rebuilds_an_incremental_table(make_project: Make) -> None:
    root = make_project(EVENTS)
    Project(root).run()
    write_files(
        root, {"models/latest.sql": EVENTS["models/latest.sql"].replace("value from", "value + 1 as value from")}
    )

    (step,) = [step for step in Project(root).plan().steps if step.unique_id.endswith("latest")]
    Project(root).run()

    assert (step.action, step.reason) == ("replace", "its SQL, columns or configuration changed")
    assert [row["value"] for row in read_delta(root, "latest")] == [11, 21]


def test_full_refresh_forgets_and_full_refresh_false_does_not(make_project: Make) -> None:
    kept = EVENTS["models/log.sql"].replace("'incremental')", "'incremental', full_refresh=false)")
    root = make_project({**EVENTS, "models/log.sql": kept})
    Project(root).run()
    write_files(root, {"seeds/events.csv": "id,day,value\n7,7,70\n"})

    Project(root).run(full_refresh=True)

    assert [row["id"] for row in read_delta(root, "latest")] == [7]
    assert [row["id"] for row in read_delta(root, "log")] == [1, 2, 7]


def test_a_model_that_tells_the_time_always_runs_and_sees_one_moment(make_project: Make) -> None:
    clock = "{{ config(materialized='table') }}\nselect now() as at, current_date as day\n"
    root = make_project({"models/a.sql": clock, "models/b.sql": clock})
    Project(root).run()

    (first, second) = Project(root).plan().steps
    Project(root).run()

    assert first.reason == second.reason == "it calls current_date(), which differs from run to run"
    assert read_delta(root, "a") == read_delta(root, "b")


# --- failures --------------------------------------------------------------------------------------------------------


def test_what_fails_its_checks_is_not_published_and_the_old_version_stays(make_project: Make) -> None:
    checks = """
models:
  - name: totals
    columns:
      - name: total
        data_tests:
          - less_than: {max_value: 100}
"""
    root = make_project({**SHOP, "models/_models.yml": checks})
    Project(root).run()
    before = read_delta(root, "totals")
    write_files(root, {"seeds/orders.csv": ORDERS + "4,12,1000\n"})

    result = Project(root).run()

    assert statuses(result) == {"orders": "success", "stg_orders": "success", "totals": "error", "best": "skipped"}
    (failed,) = [check for node in result.results for check in node.checks if check.status == "fail"]
    assert (failed.check.name, failed.failures, failed.rows) == ("less_than", 1, 3)
    assert failed.sample == ({"total": 2000},)
    assert read_delta(root, "totals") == before
    assert len(history_of(root, "totals")) == 1


@pytest.mark.parametrize("table", ["latest", "totals"])
def test_a_new_check_is_held_against_what_is_published_already(make_project: Make, table: str) -> None:
    root = make_project({**SHOP, **EVENTS})
    Project(root).run()
    column, most = ("value", 15) if table == "latest" else ("total", 20)
    check = f"        data_tests:\n          - less_than: {{max_value: {most}}}\n"
    write_files(root, {"models/_m.yml": f"models:\n  - name: {table}\n    columns:\n      - name: {column}\n{check}"})

    (step,) = [step for step in Project(root).plan().steps if step.unique_id.endswith(table)]
    result = Project(root).run()

    assert (step.action, step.reason) == ("check", "its checks changed")
    assert [check.failures for node in result.results for check in node.checks] == [1]
    assert len(read_delta(root, table)) == 2


@pytest.mark.parametrize("table", ["log", "latest", "totals", "orders"])
def test_a_new_check_that_passes_is_remembered_and_changes_no_row(make_project: Make, table: str) -> None:
    root = make_project({**SHOP, **EVENTS})
    Project(root).run()
    before, column = (
        read_delta(root, table),
        {"latest": "value", "log": "day", "totals": "total", "orders": "amount"}[table],
    )
    kind = "seeds" if table == "orders" else "models"
    check = "        data_tests: [not_null]\n"
    write_files(root, {"models/_m.yml": f"{kind}:\n  - name: {table}\n    columns:\n      - name: {column}\n{check}"})

    first, second = Project(root).run(), Project(root).run()

    assert [check.status for node in first.results for check in node.checks] == ["pass"]
    assert [check.status for node in second.results for check in node.checks] == []
    assert read_delta(root, table) == before
    assert all(r.status == "unchanged" for r in second.results if r.kind != "view")


def test_what_readers_are_told_is_mended_without_touching_a_row(make_project: Make) -> None:
    owned = SHOP["models/totals.sql"].replace("'table'", "'table', owner='ops', event_time='customer_id'")
    root = make_project({**SHOP, "models/totals.sql": owned})
    Project(root).run()
    write_files(
        root, {"models/totals.sql": owned.replace("'ops'", "'sales'").replace(", event_time='customer_id'", "")}
    )

    (step,) = [step for step in Project(root).plan().steps if step.unique_id.endswith("totals")]
    first, second = statuses(Project(root).run()), Project(root).plan()

    assert step.action == "describe"
    assert first["totals"] == first["best"] == "unchanged"
    assert DeltaTable(str(root / "lake/main/totals")).metadata().configuration["fsbuild.owner"] == "sales"
    assert not DeltaTable(str(root / "lake/main/totals")).metadata().configuration["fsbuild.event_time"]
    assert {step.action for step in second.steps} <= {"keep", "view"}


def test_rows_that_dbt_run_published_unchecked_are_checked_by_build(make_project: Make) -> None:
    checks = """
models:
  - name: totals
    columns:
      - {name: total, data_tests: [{less_than: {max_value: 20}}]}
"""
    root = make_project({**SHOP, "models/_models.yml": checks})
    (root / "fsbuild_project.yml").rename(root / "dbt_project.yml")

    ran, built, again = Project(root).run(), Project(root).build(), Project(root).build()

    assert ran.is_success
    assert statuses(built)["totals"] == statuses(again)["totals"] == "error"


def test_build_checks_what_has_not_changed_too(make_project: Make) -> None:
    checks = """
models:
  - name: totals
    columns:
      - {name: customer_id, data_tests: [{relationships: {to: ref('orders'), field: customer_id}}]}
  - name: small
    columns:
      - {name: customer_id, data_tests: [{less_than: {max_value: 11}}]}
sources:
  - name: raw
    tables:
      - name: more
        meta: {external_location: more.csv}
        columns:
          - {name: id, data_tests: [unique]}
"""
    root = make_project(
        {
            **SHOP,
            "more.csv": "id\n1\n1\n",
            "models/_models.yml": checks,
            "models/small.sql": "{{ config(materialized='ephemeral') }}\nselect customer_id from {{ ref('totals') }}\n",
            "models/more.sql": "{{ config(materialized='table') }}\nselect id from {{ source('raw', 'more') }}\n",
        }
    )
    Project(root).run(select="totals")

    result = statuses(Project(root).build())

    assert result["totals"] == "unchanged"
    assert result["small"] == result["raw.more"] == "error"
    assert result["more"] == "skipped"


def test_the_rest_goes_on_when_a_model_fails(make_project: Make) -> None:
    root = make_project(
        {
            "models/a_bad.sql": "{{ config(materialized='table') }}\nselect error('boom') as x\n",
            "models/b_child.sql": "{{ config(materialized='table') }}\nselect * from {{ ref('a_bad') }}\n",
            "models/c_grandchild.sql": "{{ config(materialized='table') }}\nselect * from {{ ref('b_child') }}\n",
            "models/d_other.sql": "{{ config(materialized='table') }}\nselect 1 as id\n",
        }
    )

    result = Project(root).run()

    assert statuses(result) == {"a_bad": "error", "b_child": "skipped", "c_grandchild": "skipped", "d_other": "success"}
    assert {r.message for r in result.results if r.status == "skipped"} == {"a_bad failed"}
    assert "boom" in next(r.message for r in result.results if r.name == "a_bad")


def test_a_check_that_refers_to_a_descendant_is_left_to_test(make_project: Make) -> None:
    checks = """
models:
  - name: totals
    columns:
      - name: total
        data_tests:
          - relationships: {to: ref('best'), field: best}
"""
    root = make_project({**SHOP, "models/_models.yml": checks})

    built = Project(root).build()
    tested = Project(root).test()

    assert built.is_success
    assert [check.status for node in built.results for check in node.checks] == ["skipped"]
    assert [check.failures for node in tested.results for check in node.checks] == [1]


def test_the_loser_of_two_concurrent_runs_writes_nothing(make_project: Make) -> None:
    root = make_project(SHOP)
    Project(root).run()
    write_files(root, {"models/totals.sql": SHOP["models/totals.sql"].replace("sum(", "max(")})
    connection = duckdb.connect()

    def another_writer(event: object) -> None:
        if isinstance(event, NodeFinished) and event.result.name == "stg_orders":
            rows = connection.sql("select 99 as customer_id, 99::bigint as total").to_arrow_reader()
            write_deltalake(str(root / "lake/main/totals"), rows, mode="overwrite")

    result = Project(root).run(on_event=another_writer)

    assert statuses(result)["totals"] == "error"
    assert "another writer changed" in next(r.message for r in result.results if r.name == "totals")
    assert read_delta(root, "totals") == [{"customer_id": 99, "total": 99}]
    # The next run sees that the table is not what it should be, and mends it.
    assert Project(root).run().is_success
    assert read_delta(root, "totals") == [{"customer_id": 10, "total": 18}, {"customer_id": 11, "total": 14}]


SLOW = {
    f"models/m{number}.sql": f"""
{{{{ config(materialized='incremental', unique_key='id') }}}}
select id, id % 7 as part from range(200000) as t(id) where id >= {number}
{{% if is_incremental() %}} and id % 2 = 0 {{% endif %}}
"""
    for number in range(8)
}


@pytest.mark.parametrize("delay_s", [0.9, 1.1, 1.3, 1.6])
def test_kill_9_in_the_middle_loses_and_doubles_nothing(make_project: Make, delay_s: float) -> None:
    root = make_project(SLOW)
    process = subprocess.Popen([sys.executable, "-m", "fsbuild", "run"], cwd=root, stderr=subprocess.DEVNULL)
    time.sleep(delay_s)
    process.send_signal(signal.SIGKILL)
    process.wait()

    assert Project(root).run().is_success

    for number in range(8):
        table = DeltaTable(str(root / "lake/main" / f"m{number}"))
        assert sum(table.get_add_actions().column("num_records").to_pylist()) == 200000 - number


def test_an_interrupt_stops_cleanly_and_says_what_was_published(make_project: Make) -> None:
    root = make_project(
        {
            "models/a.sql": "{{ config(materialized='table') }}\nselect 1 as id\n",
            "models/b.sql": """
{{ config(materialized='table') }}
select count(*) as n from range(100000000) x, range(1000000) y, {{ ref('a') }}
""",
            "models/c.sql": "{{ config(materialized='table') }}\nselect n from {{ ref('b') }}\n",
        }
    )
    process = subprocess.Popen([sys.executable, "-m", "fsbuild", "run"], cwd=root, stderr=subprocess.PIPE, text=True)
    _wait_for(root / "lake/main/a/_delta_log/00000000000000000000.json")
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=20)

    assert process.returncode == 1
    assert "Traceback" not in told
    assert "Interrupted" in told.splitlines()[-1]
    assert "a" in told.splitlines()[-1]
    assert read_delta(root, "a") == [{"id": 1}]
    assert not list((root / "lake/main/b").glob("**/*.json"))


def _wait_for(file: Path) -> None:
    deadline = time.monotonic() + 20
    while not file.exists() and time.monotonic() < deadline:
        time.sleep(0.05)


# --- sources, selection, environment ---------------------------------------------------------------------------------


def test_sources_are_files_or_delta_tables_at_a_version(make_project: Make) -> None:
    root = make_project(
        {
            "models/_sources.yml": """
sources:
  - name: raw
    meta: {external_location: "{{ var('folder', 'data') }}/{name}.*"}
    tables:
      - name: flights
        meta: {external_location: "data/flights_*.parquet"}
      - name: planes
        meta: {external_location: "data/{name}.csv"}
      - name: airports
        meta: {external_location: "data/{name}.json"}
      - name: weather
        meta: {delta_table_path: outside/weather, as_of_version: 0}
      - name: weather_now
        meta: {delta_table_path: outside/weather}
""",
            "data/planes.csv": "id,seats\n1,100\n",
            "data/airports.json": '{"id": 1, "name": "JFK"}\n',
            "models/all_of_it.sql": """
{{ config(materialized='table') }}
select
    (select count(*) from {{ source('raw', 'flights') }}) as flights,
    (select max(seats) from {{ source('raw', 'planes') }}) as seats,
    (select max(name) from {{ source('raw', 'airports') }}) as airport,
    (select max(temp) from {{ source('raw', 'weather') }}) as temp,
    (select max(temp) from {{ source('raw', 'weather_now') }}) as temp_now
""",
        }
    )
    connection = duckdb.connect()
    for number in (1, 2):
        connection.execute(f"copy (select {number} as id) to '{root}/data/flights_{number}.parquet'")
    write_deltalake(str(root / "outside/weather"), connection.sql("select 10 as temp").to_arrow_reader())
    write_deltalake(str(root / "outside/weather"), connection.sql("select 20 as temp").to_arrow_reader(), mode="append")

    Project(root).run()
    assert read_delta(root, "all_of_it") == [{"flights": 2, "seats": 100, "airport": "JFK", "temp": 10, "temp_now": 20}]
    assert statuses(Project(root).run()) == {"all_of_it": "unchanged"}

    write_deltalake(str(root / "outside/weather"), connection.sql("select 30 as temp").to_arrow_reader(), mode="append")
    (step,) = Project(root).plan().steps
    assert (step.action, step.reason) == ("replace", "raw.weather_now has changed")


def test_only_what_is_selected_runs(make_project: Make) -> None:
    root = make_project(SHOP)

    assert statuses(Project(root).run(select=["totals"])) == {"orders": "success", "totals": "success"}
    assert statuses(Project(root).run(select="totals+", exclude="totals")) == {"best": "success"}


def test_a_text_of_selectors_is_split_as_on_the_command_line(make_project: Make) -> None:
    project = Project(make_project(SHOP))

    assert [node.name for node in project.nodes(select="totals best,resource_type:model", exclude="stg_orders")] == [
        "totals",
        "best",
    ]
    assert list(project.compile(select="best stg_orders")) == ["stg_orders", "best"]
    assert [step.unique_id for step in project.plan(select="orders", command="seed").steps] == ["seed.shop.orders"]
    with pytest.raises(FsbuildError, match="not a selector"):
        project.run(select="")


def test_a_partial_run_never_hides_that_a_child_is_due(make_project: Make) -> None:
    """The child runs alone on its parent's old rows; when the parent is run later, the child is due again."""
    root = make_project(SHOP)
    Project(root).run()
    write_files(root, {"models/totals.sql": SHOP["models/totals.sql"].replace("sum(", "100 * max(")})

    Project(root).run(select="best")
    assert read_delta(root, "best") == [{"best": 28}]
    Project(root).run()

    assert read_delta(root, "best") == [{"best": 1800}]


def test_two_projects_in_one_process_do_not_know_of_each_other(tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_files(
            tmp_path / name,
            {
                "fsbuild_project.yml": "name: p\n",
                "models/a.sql": f"{{{{ config(materialized='table') }}}}\nselect '{name}' as n\n",
            },
        )
    one, two = Project(tmp_path / "one"), Project(tmp_path / "two")

    one.run()
    two.run()

    assert one.show("a").rows == (("one",),)
    assert two.show("a").rows == (("two",),)


def test_the_working_folder_does_not_matter(make_project: Make, tmp_path: Path) -> None:
    root = make_project(SHOP)
    (tmp_path / "elsewhere").mkdir()
    command = [sys.executable, "-m", "fsbuild", "run", "-q", "--project-dir", str(root)]

    subprocess.run(command, cwd=tmp_path / "elsewhere", check=True, env={**os.environ, "NO_COLOR": "1"})

    assert read_delta(root, "best") == [{"best": 28}]
    assert not (tmp_path / "elsewhere" / "lake").exists()


def test_a_view_may_have_two_columns_of_one_name_as_in_duckdb(make_project: Make) -> None:
    root = make_project(
        {
            "models/a.sql": "select 1 as id, 2 as id -- the second one is id_1\n",
            "models/b.sql": "{{ config(materialized='table') }}\nselect * from {{ ref('a') }}\n",
        }
    )

    Project(root).run()

    assert read_delta(root, "b") == [{"id": 1, "id_1": 2}]
