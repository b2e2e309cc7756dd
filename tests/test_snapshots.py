"""Snapshots, as their user sees them: what a history has after each run, and what it never loses."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path

from deltalake import DeltaTable

from fsbuild import Project
from fsbuild.values import Moment, RunResult
from tests.conftest import Files, history_of, read_delta, write_files

Make = Callable[[Files], Path]

DAY = dt.datetime(2025, 1, 1)  # noqa: DTZ001 - a table's times are without a zone, and UTC
HEAD = "id,city,plan,changed_at"
MONDAY = f"{HEAD}\n1,Bonn,free,2025-01-06 08:00:00\n2,Rome,free,2025-01-06 09:00:00\n"
TUESDAY = f"{HEAD}\n1,Bonn,paid,2025-01-07 08:00:00\n2,Rome,free,2025-01-06 09:00:00\n3,Oslo,free,2025-01-07 10:00:00\n"


def shop(query: str = "select * from {{ ref('customers') }}", seed: str = MONDAY, **config: object) -> dict[str, str]:
    told = {"strategy": "timestamp", "unique_key": "id", "updated_at": "changed_at", **config}
    written = ", ".join(f"{key}={value!r}" for key, value in told.items() if value is not None)
    return {"seeds/customers.csv": seed, "snapshots/history.sql": f"{{{{ config({written}) }}}}\n{query}\n"}


def at(day: int, hour: int = 0) -> dt.datetime:
    return DAY.replace(day=day, hour=hour)


def snapshot(root: Path, day: int, command: str = "snapshot", **given: object) -> RunResult:
    """Run a command on a day of January."""
    project = Project(root)
    project._moment = Moment(f"run of {day}", at(day).replace(tzinfo=dt.UTC))  # noqa: SLF001 - time is not a test's to wait for
    result: RunResult = getattr(project, command)(**given)
    return result


def rows(root: Path, *columns: str, name: str = "history") -> list[tuple[object, ...]]:
    found = [tuple(row[column] for column in columns) for row in read_delta(root, name)]
    return sorted(found, key=repr)


def errors(result: RunResult) -> str:
    return "\n".join(str(problem) for node in result.results for problem in node.problems)


SPANS = ("id", "plan", "dbt_valid_from", "dbt_valid_to")


def test_the_first_run_writes_every_row_as_current(make_project: Make) -> None:
    root = make_project(shop())

    result = snapshot(root, 6)

    assert result.is_success, errors(result)
    (first, second) = read_delta(root, "history")
    assert first["id"] == 1
    assert list(first) == [
        *HEAD.split(","),
        *("dbt_scd_id", "dbt_updated_at", "dbt_valid_from", "dbt_valid_to"),
    ]
    assert first["dbt_updated_at"] == first["dbt_valid_from"] == at(6, 8)
    assert first["dbt_valid_to"] is None
    assert first["dbt_scd_id"] != second["dbt_scd_id"]


def test_a_row_that_changed_ends_where_its_successor_begins(make_project: Make) -> None:
    root = make_project(shop())
    snapshot(root, 6)
    write_files(root, {"seeds/customers.csv": TUESDAY})

    result = snapshot(root, 7)

    assert result.is_success, errors(result)
    assert rows(root, *SPANS) == [
        (1, "free", at(6, 8), at(7, 8)),
        (1, "paid", at(7, 8), None),
        (2, "free", at(6, 9), None),
        (3, "free", at(7, 10), None),
    ]
    assert [node.rows for node in result.results if node.name == "history"] == [3]
    assert [commit["operation"] for commit in history_of(root, "history")].count("MERGE") == 1


def test_nothing_is_done_where_nothing_changed(make_project: Make) -> None:
    root = make_project(shop())
    snapshot(root, 6)
    before = DeltaTable(str(root / "lake/main/history")).version()

    (node,) = snapshot(root, 7).results

    assert (node.resource_type, node.kind, node.status) == ("snapshot", "snapshot", "unchanged")
    assert DeltaTable(str(root / "lake/main/history")).version() == before
