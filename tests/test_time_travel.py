"""Tables as they were: shown, compared, brought back; and kept in order without losing what somebody still needs."""

from __future__ import annotations

import copy
import datetime as dt
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
from click.testing import CliRunner, Result
from deltalake import DeltaTable, write_deltalake

from fsbuild.api import Project
from fsbuild.cli import cli
from fsbuild.errors import RenderError, StoreError, UsageError
from fsbuild.store import Lake
from tests.conftest import Files, history_of, read_delta, write_files

Make = Callable[[Files], Path]

ORDERS = "id,customer,amount\n1,a,5\n2,a,7\n3,b,1\n"
SHOP = {
    "seeds/orders.csv": ORDERS,
    "models/big.sql": "{{ config(materialized='table') }}\nselect * from {{ ref('orders') }} where amount > 1\n",
    "models/totals.sql": """
{{ config(materialized='incremental', incremental_strategy='auto', unique_key='customer') }}
select customer, sum(amount)::bigint as total, count(*) as n from {{ ref('big') }} group by customer
""",
    "models/ranks.sql": """
{{ config(materialized='table') }}
select customer, total > 10 as is_big from {{ ref('totals') }}
""",
    "models/seen.sql": "select * from {{ ref('totals') }}\n",
}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project that ran twice: the second time order 2 has another amount, 3 is gone and 4 is new."""
    root = tmp_path_factory.mktemp("shop")
    write_files(root, {"fsbuild_project.yml": "name: shop\n", **SHOP})
    assert Project(root).run().is_success
    write_files(root, {"seeds/orders.csv": "id,customer,amount\n1,a,5\n2,a,70\n4,c,9\n"})
    assert Project(root).run().is_success
    return root


@pytest.fixture
def shop(built: Path, tmp_path: Path) -> Path:
    """A copy of that project, to do with as a test likes."""
    return Path(shutil.copytree(built, tmp_path / "shop"))


def call(root: Path, *arguments: str) -> Result:
    """Run a command in this process; problems are raised."""
    return CliRunner().invoke(copy.deepcopy(cli), [*arguments, "--project-dir", str(root)], standalone_mode=False)


def versions(root: Path, name: str) -> list[int]:
    """The versions of a table that changed rows, the earliest first."""
    found = [commit for commit in history_of(root, name) if "fsbuild.fingerprint" in commit]
    return sorted(int(str(commit["version"])) for commit in found)


def moment(root: Path, name: str, version: int) -> dt.datetime:
    (found,) = [commit["timestamp"] for commit in history_of(root, name) if commit["version"] == version]
    return dt.datetime.fromtimestamp(int(str(found)) / 1000, dt.UTC)


def run_ids(root: Path, name: str) -> list[str]:
    """The runs that wrote a table, the earliest first."""
    found = [str(commit["fsbuild.run_id"]) for commit in history_of(root, name) if "fsbuild.run_id" in commit]
    return list(dict.fromkeys(reversed(found)))


# --- show ------------------------------------------------------------------------------------------------------------


def test_show_a_version_and_a_moment(shop: Path) -> None:
    first, second = versions(shop, "big")
    at = moment(shop, "big", second) - dt.timedelta(milliseconds=1)

    by_version = call(shop, "show", "big", "--version", str(first), "--output", "json").stdout
    by_time = call(shop, "show", "big", "--as-of", at.isoformat(), "--output", "json").stdout
    naive = call(shop, "show", "big", "--as-of", at.replace(tzinfo=None).isoformat(), "--output", "json").stdout

    assert by_version == by_time == naive
    assert [json.loads(line) for line in by_version.splitlines()] == read_delta(shop, "big", version=first)
    assert Project(shop).show("big", as_of=moment(shop, "big", second)) == Project(shop).show("big")
    assert Project(shop).show("orders", version=0).rows[2] == (3, "b", 1)


def test_show_a_version_of_a_delta_source(make_project: Make) -> None:
    source = "{delta_table_path: raw/x}"
    root = make_project({"models/s.yml": f"sources: [{{name: raw, tables: [{{name: x, meta: {source}}}]}}]\n"})
    for number in (1, 2):
        write_deltalake(str(root / "raw/x"), pa.table({"a": [number]}), mode="overwrite")

    assert Project(root).show("raw.x", version=0).rows == ((1,),)
    assert Project(root).show("raw.x", as_of="2999-01-01").rows == ((2,),)


@pytest.mark.parametrize(
    ("arguments", "message", "hint"),
    [
        (
            ["big", "--as-of", "2013-02-01"],
            "has no version as old as 2013-02-01 00:00:00.000",
            "its first one is version 0",
        ),
        (["big", "--as-of", "yesterday"], "'yesterday' is not a date or time", "write 2013-02-01"),
        (["big", "--version", "99"], "has no version 99", "its log has the versions 0 to"),
        (["seen", "--version", "0"], "'seen' is of the kind 'view': it has no versions", "leave out --version"),
        (["big", "--version", "0", "--as-of", "2013-02-01"], "a node as of one moment", "either a time or a version"),
        (["--inline", "select 1", "--version", "0"], "a query is shown as of now", "name one node"),
    ],
)
def test_show_says_why_there_is_no_such_version(shop: Path, arguments: list[str], message: str, hint: str) -> None:
    done = call(shop, "show", *arguments)

    assert isinstance(done.exception, UsageError)
    (problem,) = done.exception.problems
    assert message in problem.message
    assert hint in (problem.hint or "")


def test_the_store_knows_the_version_of_a_moment_and_of_a_run(shop: Path) -> None:
    lake = Lake(str(shop / "lake"), {})
    uri = str(shop / "lake/main/big")
    first, second = versions(shop, "big")
    runs = run_ids(shop, "big")

    assert lake.version_at(uri, moment(shop, "big", second)) == second
    assert lake.version_of_run(uri, "no such run") is None
    assert [lake.last_change(uri, lake.version_of_run(uri, run) or 0) for run in runs] == [first, second]


# --- diff ------------------------------------------------------------------------------------------------------------


def test_diff_tells_changed_rows_by_the_unique_key(shop: Path) -> None:
    lines = call(shop, "diff", "totals").stdout.splitlines()
    counts, *rows = map(json.loads, call(shop, "diff", "totals", "--output", "json").stdout.splitlines())

    old, new = counts["from"], counts["to"]
    assert (counts["added"], counts["removed"], counts["changed"], counts["notes"]) == (1, 0, 1, [])
    assert lines[0] == f"version {old} → {new}: 1 added, 0 removed, 1 changed"
    assert rows == [
        {"change": "changed", "customer": "a", "total": {"old": 12, "new": 75}, "n": 2},
        {"change": "added", "customer": "c", "total": 9, "n": 1},
    ]
    assert "12 → 75" in lines[3]
    assert read_delta(shop, "totals", version=old) == [{"customer": "a", "total": 12, "n": 2}]


def test_diff_without_a_key_has_removed_and_added_rows(shop: Path) -> None:
    runs = run_ids(shop, "orders")

    done = call(shop, "diff", "orders", "--from", runs[0], "--to", runs[1], "--output", "csv")
    backwards = call(shop, "diff", "orders", "--from", "1", "--to", "0", "--limit", "1").stdout

    assert done.stdout.splitlines() == [
        "change,id,customer,amount",
        "removed,2,a,7",
        "added,2,a,70",
        "removed,3,b,1",
        "added,4,c,9",
    ]
    assert "2 added, 2 removed, 0 changed" in done.stderr
    assert "… and 3 more; --limit 0 shows all" in backwards


def test_diff_tells_of_columns_and_keys_that_differ(shop: Path) -> None:
    text = SHOP["models/totals.sql"].replace("count(*) as n", "count(*)::varchar as n, 1 as one")
    write_files(shop, {"models/totals.sql": text})
    assert Project(shop).run().is_success

    found, _, _ = Project(shop).diff("totals")

    assert found.notes == (
        "column one was added (INTEGER); it is not compared",
        "column n is VARCHAR and was BIGINT; its values are compared as text",
    )
    assert (found.added, found.removed, found.changed) == (0, 0, 0)
    write_files(shop, {"models/big.sql": SHOP["models/big.sql"].replace("='table'", "='table', unique_key='customer'")})
    by_row, _, _ = Project(shop).diff("big", since=versions(shop, "big")[0])
    assert by_row.notes == (
        "the key (customer) is not unique in both versions: a changed row is shown as removed and added",
    )
    assert (by_row.added, by_row.removed, by_row.changed) == (2, 1, 0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["seen"], "'seen' is a view: it has no table, and so no versions to compare"),
        (["totals", "--from", "no-such-run"], "no run 'no-such-run' wrote a version of"),
        (["totals", "--to", "77"], "has no version 77"),
        (["totals", "--to", "0"], "have not changed before version 0"),
    ],
)
def test_diff_says_why_there_is_nothing_to_compare(shop: Path, arguments: list[str], message: str) -> None:
    done = call(shop, "diff", *arguments)

    assert isinstance(done.exception, UsageError)
    assert message in done.exception.problems[0].message


# --- restore ---------------------------------------------------------------------------------------------------------


def refreshed(root: Path, tmp_path: Path) -> dict[str, list[dict[str, object]]]:
    """What every table is after a full refresh, in a copy of the project."""
    copy = Path(shutil.copytree(root, tmp_path / "refreshed"))
    assert Project(copy).run(full_refresh=True).is_success
    return {name: read_delta(copy, name) for name in ("orders", "big", "totals", "ranks")}


def test_restore_brings_back_the_rows_in_one_commit(shop: Path) -> None:
    first, second = versions(shop, "totals")
    before = len(history_of(shop, "totals"))

    done = call(shop, "restore", "totals", "--to-version", str(first))

    assert done.exception is None, done.exception
    assert (
        read_delta(shop, "totals")
        == read_delta(shop, "totals", version=first)
        != read_delta(shop, "totals", version=second)
    )
    latest, *older = history_of(shop, "totals")
    assert (latest["operation"], len(older)) == ("RESTORE", before)
    (restored,) = [commit for commit in older if commit["version"] == first]
    for key in ("fsbuild.fingerprint", "fsbuild.inputs"):
        assert latest[key] == restored[key]
    assert latest["fsbuild.run_id"] not in run_ids(shop, "totals")[:2]
    assert latest["fsbuild.rows"] == str(len(read_delta(shop, "totals")))
    assert "totals" in done.stdout
    again = Project(shop).restore("totals", to_run=str(latest["fsbuild.run_id"]))
    assert again.rows[0][4] == "its rows are those already"


@pytest.mark.parametrize("name", ["orders", "big", "totals", "ranks"])
@pytest.mark.parametrize("strategy", ["auto", "merge"])
def test_a_run_after_a_restore_equals_a_full_refresh(shop: Path, tmp_path: Path, name: str, strategy: str) -> None:
    if strategy == "merge":
        text = SHOP["models/totals.sql"].replace("'auto'", "'merge'")
        write_files(shop, {"models/totals.sql": text})
        assert Project(shop).run().is_success
    Project(shop).restore(name, to_version=0)
    # What is below sees another version of it.
    below = {"orders": ["big"], "big": ["totals"], "totals": ["ranks"], "ranks": []}[name]
    assert {step.unique_id.rsplit(".", 1)[-1] for step in Project(shop).plan().steps if step.action != "keep"} >= set(
        below
    )
    expected = refreshed(shop, tmp_path)

    assert Project(shop).run().is_success

    assert {name: read_delta(shop, name) for name in expected} == expected
    assert {step.action for step in Project(shop).plan().steps} == {"keep", "view"}


def test_restore_to_a_run_with_everything_below(shop: Path, tmp_path: Path) -> None:
    expected = {name: read_delta(shop, name, version=versions(shop, name)[0]) for name in ("big", "totals", "ranks")}
    run = run_ids(shop, "big")[0]

    done = Project(shop).restore("big", to_run=run, downstream=True)

    assert [row[0] for row in done.rows] == ["big", "totals", "ranks"]
    assert {row[4] for row in done.rows} == {"restored"}
    assert {name: read_delta(shop, name) for name in expected} == expected
    # The tables below were computed from what is there again: only big has another input.
    due = {step.unique_id: step.is_conditional for step in Project(shop).plan().steps if step.action != "keep"}
    assert [name for name, is_conditional in due.items() if not is_conditional] == ["model.shop.big", "model.shop.seen"]
    expected = refreshed(shop, tmp_path)
    assert Project(shop).run().is_success
    assert {name: read_delta(shop, name) for name in expected} == expected


def test_restore_to_a_version_or_a_moment_takes_what_is_below_along(shop: Path) -> None:
    expected = {name: read_delta(shop, name, version=versions(shop, name)[0]) for name in ("big", "totals", "ranks")}
    copy = Path(shutil.copytree(shop, shop.parent / "copy"))
    at = moment(shop, "big", versions(shop, "big")[1]) - dt.timedelta(milliseconds=1)

    Project(shop).restore("big", to_version=0, downstream=True)
    Project(copy).restore("big", to_timestamp=at.isoformat(), downstream=True)

    assert {name: read_delta(shop, name) for name in expected} == expected
    assert {name: read_delta(copy, name) for name in expected} == expected


def test_restore_leaves_what_did_not_exist_then(shop: Path) -> None:
    write_files(shop, {"models/later.sql": "{{ config(materialized='table') }}\nselect * from {{ ref('big') }}\n"})
    assert Project(shop).run().is_success

    done = Project(shop).restore("big", to_version=0, downstream=True)

    assert ("later", "it did not exist then; left as it is") in {(row[0], row[4]) for row in done.rows}


def test_rows_of_another_program_stay_foreign_when_they_are_restored(shop: Path) -> None:
    table = DeltaTable(str(shop / "lake/main/totals"))
    table.delete("customer = 'a'")
    foreign = table.version()
    assert Project(shop).run().is_success

    Project(shop).restore("totals", to_version=foreign)

    (reason,) = [step.reason for step in Project(shop).plan().steps if step.unique_id.endswith("totals")]
    assert "another program changed its table" in reason


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["seen", "--to-version", "0"], "'seen' is a view: it has no table, and so no earlier version to go back to"),
        (["totals"], "what 'totals' is to be restored to has to be said, and once"),
        (["totals", "--to-version", "1", "--to-run", "x"], "has to be said, and once"),
        (["totals", "--to-version", "50"], "has no version 50"),
        (["totals", "--to-run", "x"], "no run 'x' wrote a version of"),
        (["totals", "--to-timestamp", "2013-02-01"], "has no version as old as"),
    ],
)
def test_restore_refuses_in_words(shop: Path, arguments: list[str], message: str) -> None:
    before = history_of(shop, "totals")

    done = call(shop, "restore", *arguments)

    assert isinstance(done.exception, UsageError)
    assert message in done.exception.problems[0].message
    assert history_of(shop, "totals") == before


def test_restore_refuses_a_source_and_a_version_whose_files_are_gone(shop: Path) -> None:
    write_files(
        shop, {"models/sources.yml": "sources: [{name: raw, tables: [{name: x, meta: {external_location: x.csv}}]}]\n"}
    )
    with pytest.raises(UsageError, match=r"'raw\.x' is a source"):
        Project(shop).restore("raw.x", to_version=0)
    DeltaTable(str(shop / "lake/main/big")).vacuum(0, dry_run=False, enforce_retention_duration=False)
    before = history_of(shop, "orders")

    with pytest.raises(StoreError, match=r"version 0 of .* cannot be read any more: 1 of its files are gone"):
        Project(shop).restore("orders", to_version=0, downstream=True)

    assert history_of(shop, "orders") == before


# --- optimize and vacuum ---------------------------------------------------------------------------------------------

EVENTS = {
    "seeds/days.csv": "day,x\n1,1\n2,2\n",
    "models/events.sql": """
{{ config(materialized='incremental', incremental_strategy='append', event_time='t') }}
select make_timestamp(2013, 1, day, 0, 0, 0) as t, x from {{ ref('days') }}
""",
    "models/daily.sql": """
{{ config(materialized='incremental', incremental_strategy='auto', unique_key='t') }}
select t, sum(x)::bigint as x from {{ ref('events') }} group by t
""",
}


@pytest.fixture(scope="module")
def appended(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose model `events` got rows in three commits."""
    root = tmp_path_factory.mktemp("events")
    write_files(root, {"fsbuild_project.yml": "name: shop\n", **EVENTS})
    for day in (3, 4, 5):
        write_files(root, {"seeds/days.csv": f"day,x\n{day},1\n{day},2\n"})
        assert Project(root).run().is_success
    return root


@pytest.fixture
def events(appended: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(appended, tmp_path / "events"))


def files_of(root: Path, name: str) -> int:
    return len(DeltaTable(str(root / "lake/main" / name)).file_uris())


def drop_retention(root: Path, *names: str) -> None:
    for name in names:
        table = DeltaTable(str(root / "lake/main" / name))
        table.alter.set_table_properties({"delta.deletedFileRetentionDuration": "interval 0 hours"})


def test_optimize_changes_files_and_nothing_else(events: Path) -> None:
    rows = read_delta(events, "events")
    assert files_of(events, "events") == 3

    first = call(events, "optimize", "--select", "events")
    again = Project(events).optimize(select="events")
    Project(events).optimize()

    assert first.exception is None
    assert (files_of(events, "events"), files_of(events, "daily")) == (1, 1)
    assert read_delta(events, "events") == rows
    (commit,) = [commit for commit in history_of(events, "events") if commit["operation"] == "OPTIMIZE"]
    assert (commit["fsbuild.zorder"], commit["fsbuild.data_change"]) == ("t", "false")
    assert again.rows == (("events", 1, 1, "t", None),)
    assert {step.action for step in Project(events).plan().steps} == {"keep"}
    write_files(events, {"seeds/days.csv": "day,x\n3,10\n"})
    assert Project(events).run().is_success
    assert [row["x"] for row in read_delta(events, "daily")] == [13, 3, 3]


def test_optimize_orders_by_the_columns_that_are_given(events: Path) -> None:
    done = call(events, "optimize", "--select", "events", "--zorder", "x, t")
    assert done.exception is None
    assert "x, t" in done.stdout

    refused = call(events, "optimize", "--zorder", "y")

    assert isinstance(refused.exception, StoreError)
    assert len(refused.exception.problems) == 3
    assert "has no column 'y' to order its rows by" in refused.exception.problems[0].message


def test_vacuum_lists_first_and_deletes_what_nobody_needs(events: Path) -> None:
    Project(events).optimize()
    drop_retention(events, "days", "events", "daily")
    versions_before = len(history_of(events, "events"))

    rehearsal = Project(events).vacuum()
    assert len(history_of(events, "events")) == versions_before
    done = call(events, "vacuum", "--no-dry-run")

    assert done.exception is None
    found = {row[0]: row[1:] for row in rehearsal.rows}
    # Each table below has read the latest version, whose files are those from before the rows were put together.
    assert [found[name][0] for name in ("days", "events", "daily")] == [2, 0, 3]
    assert int(str(found["days"][1])) > 0
    assert Project(events).vacuum().rows[0][1] == 0
    assert {step.action for step in Project(events).plan().steps} == {"keep"}
    with pytest.raises(StoreError, match=r"version 0 of .* cannot be read any more"):
        Project(events).show("days", version=0)


def test_vacuum_keeps_what_a_table_below_has_not_read_yet(events: Path) -> None:
    for day in (6, 7):
        write_files(events, {"seeds/days.csv": f"day,x\n3,{day}\n"})
        assert Project(events).run(select="events").is_success
        Project(events).optimize()
    drop_retention(events, "events")

    assert call(events, "vacuum", "--select", "events", "--no-dry-run").exception is None
    result = Project(events).run()

    (daily,) = [node for node in result.results if node.name == "daily"]
    assert "affected keys" in daily.message
    assert [row["x"] for row in read_delta(events, "daily")] == [16, 3, 3]


def test_changes_whose_files_are_gone_are_computed_in_full(shop: Path) -> None:
    write_files(shop, {"seeds/orders.csv": "id,customer,amount\n1,a,5\n4,c,10\n"})
    assert Project(shop).run(select="big").is_success
    write_files(shop, {"seeds/orders.csv": "id,customer,amount\n1,a,6\n4,c,10\n"})
    assert Project(shop).run(select="big").is_success
    DeltaTable(str(shop / "lake/main/big")).vacuum(0, dry_run=False, enforce_retention_duration=False)

    result = Project(shop).run()

    (totals,) = [node for node in result.results if node.name == "totals"]
    assert totals.status == "success"
    assert totals.message.startswith("files of the changed rows have been vacuumed")


def test_vacuum_never_undercuts_a_tables_own_retention(events: Path) -> None:
    done = call(events, "vacuum", "--retention-hours", "1", "--no-dry-run")

    assert isinstance(done.exception, StoreError)
    assert len(done.exception.problems) == 3
    assert "a retention of 1 hours is shorter than the 168 hours that" in done.exception.problems[0].message


# --- retry -----------------------------------------------------------------------------------------------------------

FRAGILE = {
    "seeds/orders.csv": ORDERS,
    "models/good.sql": "{{ config(materialized='table') }}\nselect * from {{ ref('orders') }}\n",
    "models/bad.sql": """
{{ config(materialized='table') }}
select id, (case when amount > {{ var('most', 0) }} then error('too much') else 'fine' end)::varchar as word
from {{ ref('orders') }}
""",
    "models/after.sql": "{{ config(materialized='table') }}\nselect * from {{ ref('bad') }}\n",
}


def test_retry_runs_what_failed_and_what_was_skipped(make_project: Make) -> None:
    root = make_project(FRAGILE)
    failed = Project(root).run(full_refresh=True)
    assert {node.name: node.status for node in failed.results if node.status != "success"} == {
        "bad": "error",
        "after": "skipped",
    }
    again = Project(root).retry()
    assert [(node.name, node.status) for node in again.results] == [("bad", "error"), ("after", "skipped")]
    write_files(root, {"models/bad.sql": FRAGILE["models/bad.sql"].replace("'most', 0", "'most', 9")})

    done = call(root, "retry")

    assert done.return_value == 0
    assert len(read_delta(root, "after")) == 3
    assert len(versions(root, "good")) == 1
    last = json.loads((root / "target/last_run.json").read_text(encoding="utf-8"))
    assert (last["command"], last["full_refresh"], last["statuses"]) == (
        "run",
        True,
        {"model.shop.bad": "success", "model.shop.after": "success"},
    )


def test_retry_takes_the_command_and_the_variables_over(make_project: Make) -> None:
    root = make_project(FRAGILE)
    assert Project(root, variables={"most": 9}).build(select="orders bad").is_success
    write_files(root, {"models/bad.yml": "models: [{name: bad, columns: [{name: word, data_tests: [unique]}]}]\n"})

    assert not Project(root, variables={"most": 9}).test().is_success
    again = Project(root).retry()

    assert (again.command, [(node.name, node.status) for node in again.results]) == ("test", [("bad", "fail")])


def test_retry_says_that_there_is_nothing_to_retry(make_project: Make, caplog: pytest.LogCaptureFixture) -> None:
    root = make_project(FRAGILE)
    with pytest.raises(UsageError, match=r"no run has left its outcome in target/last_run\.json"):
        Project(root).retry()
    assert Project(root).run(select="good").is_success

    with caplog.at_level("INFO", "fsbuild"):
        assert Project(root).retry().results == ()

    assert "nothing to retry: nothing failed in the last 'fsbuild run'" in caplog.text
    (root / "target/last_run.json").write_text("[]", encoding="utf-8")
    with pytest.raises(UsageError, match="cannot be read as the outcome of a run"):
        Project(root).retry()


# --- ref() of a table as it was --------------------------------------------------------------------------------------


def test_ref_reads_a_version_or_a_moment(shop: Path) -> None:
    first, second = versions(shop, "big")
    at = (moment(shop, "big", second) - dt.timedelta(milliseconds=1)).replace(tzinfo=None)
    text = f"""
{{{{ config(materialized='table') }}}}
select n.id, o.amount as was, a.amount as was_too, n.amount from {{{{ ref('big') }}}} as n
join {{{{ ref('big', version={first}) }}}} as o using (id)
join {{{{ ref('big', as_of='{at}') }}}} as a using (id)
"""
    write_files(shop, {"models/grown.sql": text})

    assert Project(shop).run().is_success

    assert read_delta(shop, "grown") == [
        {"id": 1, "was": 5, "was_too": 5, "amount": 5},
        {"id": 2, "was": 7, "was_too": 7, "amount": 70},
    ]
    (grown,) = Project(shop).plan(select="grown").steps
    assert grown.action == "keep"
    write_files(shop, {"seeds/orders.csv": "id,customer,amount\n1,a,50\n"})
    assert Project(shop).run().is_success
    assert read_delta(shop, "grown") == [{"id": 1, "was": 5, "was_too": 5, "amount": 50}]
    assert {step.action for step in Project(shop).plan().steps} == {"keep", "view"}
    drop_retention(shop, "big")
    assert call(shop, "vacuum", "--no-dry-run").exception is None
    assert Project(shop).run(select="grown", full_refresh=True).is_success


@pytest.mark.parametrize("strategy", ["auto", "merge"])
def test_an_incremental_model_reads_a_pinned_version(shop: Path, strategy: str) -> None:
    text = f"""
{{{{ config(materialized='incremental', incremental_strategy='{strategy}', unique_key='id') }}}}
select n.id, n.amount - coalesce(o.amount, 0) as more from {{{{ ref('big') }}}} as n
left join {{{{ ref('big', version=0) }}}} as o using (id)
"""
    write_files(shop, {"models/grown.sql": text})
    assert Project(shop).run().is_success
    write_files(shop, {"seeds/orders.csv": "id,customer,amount\n1,a,5\n2,a,71\n4,c,9\n"})

    assert Project(shop).run().is_success

    assert read_delta(shop, "grown") == [{"id": 1, "more": 0}, {"id": 2, "more": 64}, {"id": 4, "more": 9}]


def test_ref_says_that_a_table_has_to_be_built_first(make_project: Make) -> None:
    root = make_project({**SHOP, "models/past.sql": "select * from {{ ref('big', version=0) }}\n"})

    with pytest.raises(RenderError, match="'big' has no table yet, and so no versions to read"):
        Project(root).run()


@pytest.mark.parametrize(
    ("call_text", "message"),
    [
        ("ref('big', version=44)", "has no version 44"),
        ("ref('big', as_of='2013-02-01')", "has no version as old as 2013-02-01"),
        ("ref('big', as_of='soon')", "'soon' is not a date or time"),
        ("ref('seen', version=1)", "'seen' is of the kind 'view': it has no versions to read"),
        ("ref('big', version='x')", "version is the number of a Delta version, and not 'x'"),
        ("ref('big', version=1, as_of='2013-02-01')", "takes either a version or as_of"),
        ("ref('big', v=1)", "model 'big' has no version 1"),
    ],
)
def test_ref_says_why_a_table_cannot_be_read_as_it_was(shop: Path, call_text: str, message: str) -> None:
    write_files(shop, {"models/past.sql": f"select 1 as x,\n* from {{{{ {call_text} }}}}\n"})

    with pytest.raises(RenderError) as caught:
        Project(shop).compile()

    (problem,) = caught.value.problems
    assert message in problem.message
    assert (problem.place.file, problem.place.line) == ("models/past.sql", 2) if problem.place else False


# --- what is easily forgotten ----------------------------------------------------------------------------------------


def test_a_run_after_a_restore_to_other_columns_equals_a_full_refresh(shop: Path, tmp_path: Path) -> None:
    wider = SHOP["models/big.sql"].replace("select *", "select *, amount * 2 as twice")
    write_files(
        shop, {"models/big.sql": wider, "models/totals.sql": SHOP["models/totals.sql"].replace("amount", "twice")}
    )
    assert Project(shop).run().is_success
    Project(shop).restore("big", to_version=0)
    expected = refreshed(shop, tmp_path)

    assert Project(shop).run().is_success

    assert {name: read_delta(shop, name) for name in expected} == expected


def test_a_partitioned_table_with_odd_values_is_restored_and_vacuumed(make_project: Make) -> None:
    sql = "{{ config(materialized='table', partition_by='k') }}\nselect * from {{ ref('raw') }}\n"
    root = make_project({"seeds/raw.csv": "k,x\na b/ü%,1\nc:=d,2\n", "models/parts.sql": sql})
    assert Project(root).run().is_success
    before = read_delta(root, "parts")
    write_files(root, {"seeds/raw.csv": "k,x\na b/ü%,3\n"})
    assert Project(root).run().is_success

    Project(root).restore("parts", to_version=0)

    assert read_delta(root, "parts") == before
    write_files(root, {"seeds/raw.csv": "k,x\na b/ü%,4\n"})
    assert Project(root).run().is_success
    drop_retention(root, "parts")
    found = Project(root).vacuum(select="parts", dry_run=False)
    assert found.rows[0][1] == 3
    assert int(str(found.rows[0][2])) > 0
    assert len(list((root / "lake/main/parts").rglob("*.parquet"))) == 1


def test_diff_takes_any_type_and_names_in_any_case(make_project: Make) -> None:
    sql = """
{{ config(materialized='incremental', incremental_strategy='merge', unique_key='ID') }}
select id as "Id", {'a': x, 'b': [x]} as s, case when id = 1 then 'nan'::double else x end as f,
  make_date(2013, 1, x) as d from {{ ref('raw') }}
"""
    root = make_project({"seeds/raw.csv": "id,x\n1,1\n2,2\n", "models/m.sql": sql})
    assert Project(root).run().is_success
    write_files(root, {"seeds/raw.csv": "id,x\n1,1\n2,3\n"})
    assert Project(root).run().is_success

    done = call(root, "diff", "m", "--output", "json")

    assert done.exception is None, done.exception
    counts, row = map(json.loads, done.stdout.splitlines())
    assert (counts["added"], counts["removed"], counts["changed"]) == (0, 0, 1)
    assert row["d"] == {"old": "2013-01-02", "new": "2013-01-03"}
    assert row["Id"] == 2


def test_nodes_and_lineage_know_a_pinned_read(shop: Path) -> None:
    write_files(
        shop, {"models/past.sql": "{{ config(materialized='table') }}\nselect * from {{ ref('big', version=0) }}\n"}
    )

    assert Project(shop).run(select="past").is_success

    assert {node.name for node in Project(shop).nodes(select="+past")} == {"orders", "big", "big@v0", "past"}
    lineage = (shop / "target/lineage.md").read_text(encoding="utf-8")
    assert "big@v0" in lineage
