"""Snapshots, as their user sees them: what a history has after each run, and what it never loses."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from deltalake import DeltaTable

from fsbuild import FsbuildError, Project
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


def test_a_row_that_came_late_changes_nothing(make_project: Make) -> None:
    root = make_project(shop(seed=TUESDAY))
    snapshot(root, 7)
    write_files(root, {"seeds/customers.csv": MONDAY.replace("2,Rome", "2,Pisa")})

    snapshot(root, 8)

    assert rows(root, "id", "city", "plan", "dbt_valid_to") == [
        (1, "Bonn", "paid", None),
        (2, "Rome", "free", None),
        (3, "Oslo", "free", None),
    ]


@pytest.mark.parametrize(("checked", "ends"), [("all", [1, 2]), (["plan"], [1]), (["PLAN", "id"], [1])])
def test_the_strategy_check_compares_columns(make_project: Make, checked: object, ends: list[int]) -> None:
    root = make_project(shop(strategy="check", updated_at=None, check_cols=checked))
    snapshot(root, 6)
    write_files(root, {"seeds/customers.csv": TUESDAY.replace("2,Rome", "2,Pisa")})

    assert snapshot(root, 9).is_success

    ended = [row for row in read_delta(root, "history") if row["dbt_valid_to"] is not None]
    assert sorted(row["id"] for row in ended) == ends  # type: ignore[type-var]
    assert {row["dbt_valid_to"] for row in ended} == {at(9)}
    assert {row["dbt_valid_from"] for row in ended} == {at(6)}


DELETED = f"{HEAD}\n2,Rome,free,2025-01-06 09:00:00\n"


@pytest.mark.parametrize(
    ("hard_deletes", "gone", "returned"),
    [
        ("ignore", [(at(6, 8), None, None)], [(at(6, 8), None, None)]),
        ("invalidate", [(at(6, 8), at(10), None)], [(at(6, 8), at(10), None), (at(10), None, None)]),
        (
            "new_record",
            [(at(6, 8), at(10), "False"), (at(10), None, "True")],
            [(at(6, 8), at(10), "False"), (at(10), at(10), "True"), (at(10), None, "False")],
        ),
    ],
)
def test_what_is_gone_is_dealt_with_as_configured_and_may_return(
    make_project: Make, hard_deletes: str, gone: object, returned: object
) -> None:
    root = make_project(shop(hard_deletes=hard_deletes))

    def spans() -> object:
        ones = [row for row in read_delta(root, "history") if row["id"] == 1]
        found = [(row["dbt_valid_from"], row["dbt_valid_to"], row.get("dbt_is_deleted")) for row in ones]
        return sorted(found, key=lambda span: [str(value or "~") for value in span])

    snapshot(root, 6)
    write_files(root, {"seeds/customers.csv": DELETED})
    snapshot(root, 10)
    assert spans() == gone
    write_files(root, {"seeds/customers.csv": MONDAY})
    snapshot(root, 11)
    assert sorted(spans(), key=repr) == sorted(returned, key=repr)  # type: ignore[call-overload]


def test_current_rows_may_have_an_end_and_columns_other_names(make_project: Make) -> None:
    names = {"dbt_valid_from": "since", "dbt_valid_to": "until", "dbt_scd_id": "row_id"}
    far = "timestamp '9999-12-31'"
    root = make_project(shop(snapshot_meta_column_names=names, dbt_valid_to_current=far))
    snapshot(root, 6)
    write_files(root, {"seeds/customers.csv": TUESDAY})

    assert snapshot(root, 7).is_success

    never = dt.datetime(9999, 12, 31)  # noqa: DTZ001
    assert rows(root, "id", "since", "until")[:2] == [(1, at(6, 8), at(7, 8)), (1, at(7, 8), never)]
    assert "dbt_valid_to" not in read_delta(root, "history")[0]
    write_files(root, shop(snapshot_meta_column_names=names, seed=TUESDAY))
    assert "dbt_valid_to_current was timestamp '9999-12-31'" in errors(snapshot(root, 8))


def test_a_key_of_many_columns_is_not_confused_by_their_texts(make_project: Make) -> None:
    seed = "a,b,changed_at\nx|y,z,2025-01-06\nx,y|z,2025-01-06\n"
    root = make_project(shop(seed=seed, unique_key=["a", "b"]))

    assert snapshot(root, 6).is_success

    assert len({row["dbt_scd_id"] for row in read_delta(root, "history")}) == 2


@pytest.mark.parametrize(
    ("seed", "message"),
    [
        (MONDAY + "1,Bonn,free,2025-01-08 08:00:00\n", "values of the key (id) that occur more than once: 1"),
        (MONDAY + ",Bonn,free,2025-01-08 08:00:00\n", "rows with a NULL in their key (id): 1"),
        (MONDAY + "9,Bonn,free,\n", "rows with a NULL in their updated_at (changed_at): 1; nothing was published"),
    ],
)
def test_rows_that_no_history_can_have_are_refused(make_project: Make, seed: str, message: str) -> None:
    root = make_project(shop())
    snapshot(root, 6)
    write_files(root, {"seeds/customers.csv": seed})

    assert message in errors(snapshot(root, 7))
    assert len(read_delta(root, "history")) == 2


# --- a table that outlives its definition ----------------------------------------------------------------------------


def test_a_history_is_never_rebuilt(make_project: Make) -> None:
    root = make_project(shop())
    snapshot(root, 6)
    write_files(root, shop("select id, plan, upper(city) as town, changed_at from {{ ref('customers') }}", TUESDAY))
    (step,) = (
        s for s in Project(root).plan(command="build", full_refresh=True).steps if s.unique_id.endswith("history")
    )
    assert (step.action, step.reason) == ("increment", "a full refresh was asked for, but a snapshot's history is kept")

    result = snapshot(root, 7, "build", full_refresh=True)

    assert result.is_success, errors(result)
    assert rows(root, "id", "city", "town", "plan") == [
        (1, "Bonn", None, "free"),
        (1, None, "BONN", "paid"),
        (2, "Rome", None, "free"),
        (3, None, "OSLO", "free"),
    ]


def test_a_new_column_is_a_change_where_all_are_checked(make_project: Make) -> None:
    root = make_project(shop(strategy="check", updated_at=None, check_cols="all"))
    snapshot(root, 6)
    write_files(root, shop("select *, 1 as n from {{ ref('customers') }}", strategy="check", check_cols="all"))

    snapshot(root, 7)

    assert rows(root, "id", "n", "dbt_valid_to")[:2] == [(1, 1, None), (1, None, at(6, 8))]


def test_a_type_that_changed_is_an_error_that_says_what_to_do(make_project: Make) -> None:
    root = make_project(shop())
    snapshot(root, 6)
    write_files(root, shop("select * replace (id::varchar as id) from {{ ref('customers') }}"))

    said = errors(snapshot(root, 7))

    assert "column 'id' is BIGINT in the snapshot's table, and VARCHAR now; a history is never rewritten" in said
    assert "hint: cast it in the query to BIGINT, or give the snapshot another alias" in said


def test_rows_marked_as_deleted_return_after_new_record_was_given_up(make_project: Make) -> None:
    root = make_project(shop(hard_deletes="new_record"))
    snapshot(root, 6)
    write_files(root, {"seeds/customers.csv": DELETED})
    snapshot(root, 7)
    write_files(root, shop())

    snapshot(root, 8)

    assert rows(root, "id", "dbt_is_deleted", "dbt_valid_to")[:3] == [
        (1, "False", None),
        (1, "False", at(7)),
        (1, "True", at(7)),
    ]


# --- where snapshots are written, and who runs them ------------------------------------------------------------------


def test_a_block_around_the_text_names_the_snapshot(make_project: Make) -> None:
    files = shop()
    text = files.pop("snapshots/history.sql")
    block = f"{{# {{% snapshot no %}} #}}\n{{%- snapshot orders_history -%}}\n{text}{{% endsnapshot %}}\n"
    root = make_project({**files, "snapshots/any.sql": block})

    assert snapshot(root, 6).is_success

    assert len(read_delta(root, "orders_history")) == 2


@pytest.mark.parametrize("relation", ["ref('customers')", "source('raw', 'customers')"])
def test_a_snapshot_may_be_written_in_yaml(make_project: Make, relation: str) -> None:
    yaml = f"""
snapshots:
  - name: customers_history
    relation: {relation}
    config: {{strategy: timestamp, unique_key: id, updated_at: changed_at}}
    columns:
      - name: dbt_valid_from
        data_tests: [not_null]
sources:
  - name: raw
    tables:
      - name: customers
        meta: {{external_location: seeds/customers.csv}}
"""
    root = make_project({"seeds/customers.csv": MONDAY, "snapshots/all.yml": yaml})

    result = snapshot(root, 6, "build")

    assert result.is_success, errors(result)
    assert len(read_delta(root, "customers_history")) == 2


READER = {"models/live.sql": "{{ config(materialized='table') }}\nselect id from {{ ref('history') }}\n"}


def test_run_leaves_snapshots_out_and_build_runs_them(make_project: Make) -> None:
    root = make_project({**shop(), **READER})

    with pytest.raises(FsbuildError, match="'live' reads 'history', which is neither built nor selected") as raised:
        snapshot(root, 6, "run")
    assert (
        raised.value.problems[0].hint
        == "fsbuild snapshot --select history, or both together: fsbuild build --select +live"
    )

    result = snapshot(root, 6, "build")

    assert result.is_success, errors(result)
    assert [node.name for node in result.results] == ["customers", "history", "live"]
    assert [node.name for node in snapshot(root, 7, "run").results] == ["live"]


def test_a_snapshot_is_listed_and_selected_as_one(make_project: Make) -> None:
    root = make_project({**shop(), **READER})

    (node,) = Project(root).nodes(select="resource_type:snapshot")

    assert (node.unique_id, node.resource_type, node.materialized) == ("snapshot.shop.history", "snapshot", "snapshot")


def test_folders_of_snapshots_are_configured_in_the_project_file(make_project: Make) -> None:
    project = "name: shop\nsnapshots:\n  shop:\n    +schema: kept\n    +hard_deletes: new_record\n"
    root = make_project({**shop(), "fsbuild_project.yml": project})

    snapshot(root, 6)

    assert read_delta(root, "history", "main_kept")[0]["dbt_is_deleted"] == "False"


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"strategy": None}, "a snapshot needs a strategy"),
        ({"unique_key": None}, "a snapshot needs unique_key"),
        ({"updated_at": None}, "strategy 'timestamp' needs updated_at"),
        ({"strategy": "check", "updated_at": None}, "strategy 'check' needs check_cols"),
        ({"check_cols": "all"}, "check_cols is set, and the strategy is 'timestamp'"),
        ({"updated_at": "changed"}, "updated_at column 'changed' is not a column of the snapshot's query"),
        ({"strategy": "check", "check_cols": ["plann"]}, "check_cols column 'plann' is not a column"),
        ({"updated_at": "city"}, "updated_at column 'city' is VARCHAR, and no date or timestamp"),
        ({"dbt_valid_to_current": "now()"}, "dbt_valid_to_current calls now()"),
        ({"dbt_valid_to_current": "never"}, "dbt_valid_to_current: Referenced column"),
        ({"snapshot_meta_column_names": {"dbt_valid": "x"}}, "there is no column 'dbt_valid'"),
        ({"snapshot_meta_column_names": {"dbt_valid_to": "City"}}, "column 'City' is added by the snapshot"),
        ({"materialized": "table"}, "materialized is 'table', and this is a snapshot"),
    ],
)
def test_a_wrong_configuration_is_a_problem_at_its_place(
    make_project: Make, config: dict[str, Any], message: str
) -> None:
    root = make_project(shop(**config))

    with pytest.raises(FsbuildError) as raised:
        Project(root).compile()

    (problem,) = raised.value.problems
    assert message in problem.message
    assert problem.hint
    assert str(problem.place).startswith("snapshots/history.sql")


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (
            {"snapshots/a.sql": "{% snapshot x %}select 1{% endsnapshot %}\n{% snapshot x %}select 2{% endsnapshot %}"},
            "'x' is the name of a snapshot and of snapshots/a.sql",
        ),
        (
            {"snapshots/a.sql": "{% snapshot x %}select 1{% endsnapshot %}\n{% endsnapshot %}"},
            "snapshots/a.sql:2: a snapshot block is open",
        ),
        ({"snapshots/a.sql": "{% snapshot x %}select 1"}, "snapshots/a.sql:1: a snapshot block is open"),
        (
            {"models/a.sql": "select 1", "snapshots/a.sql": "select 1"},
            "'a' is the name of a snapshot and of models/a.sql",
        ),
        (
            {"snapshots/a.yml": "snapshots:\n  - name: a\n    relation: customers\n"},
            "snapshots/a.yml:3: relation 'customers' of snapshot 'a' is no ref() and no source()",
        ),
        (
            {"snapshots/a.yml": "snapshots:\n  - name: a\n"},
            "snapshots/a.yml:2: snapshot 'a' is described here, but there is no file of that name",
        ),
        (
            {"models/a.sql": "{{ config(materialized='snapshot') }}\nselect 1 as id"},
            "models/a.sql:1: materialized is 'snapshot', and this is a model",
        ),
    ],
)
def test_a_snapshot_that_is_written_wrongly_is_a_problem(make_project: Make, files: Files, message: str) -> None:
    with pytest.raises(FsbuildError) as raised:
        Project(make_project(files)).compile()

    assert message in str(raised.value)


def checked(check: str) -> dict[str, str]:
    return {"snapshots/history.yml": f"snapshots:\n  - name: history\n    columns:\n      - {check}\n"}


def test_the_checks_of_a_snapshot_gate_it(make_project: Make) -> None:
    root = make_project({**shop(), **checked("{name: plan, data_tests: [{accepted_values: {values: [free]}}]}")})
    assert snapshot(root, 6).is_success
    write_files(root, {"seeds/customers.csv": TUESDAY})

    result = snapshot(root, 7)

    assert [node.message for node in result.results if node.status == "error"] == [
        "its checks failed; nothing was published"
    ]
    assert len(read_delta(root, "history")) == 2


def test_a_new_check_looks_at_the_whole_history(make_project: Make) -> None:
    root = make_project(shop())
    snapshot(root, 6)
    write_files(root, {"seeds/customers.csv": TUESDAY, **checked("{name: dbt_scd_id, data_tests: [unique, not_null]}")})

    result = snapshot(root, 7)

    assert result.is_success
    (node,) = (node for node in result.results if node.name == "history")
    assert [check.rows for check in node.checks] == [4, 4]
    assert Project(root).test(select="history").is_success


def test_the_lineage_of_a_snapshot_has_the_columns_of_its_history(make_project: Make) -> None:
    root = make_project(shop())
    Project(root).compile()

    (model,) = json.loads((root / "target/lineage.json").read_text(encoding="utf-8"))["models"]

    made_of = {(edge["column"], edge["input_column"]) for edge in model["edges"]}
    assert {("dbt_valid_to", "changed_at"), ("dbt_scd_id", "id"), ("city", "city")} <= made_of


def test_times_with_a_zone_and_names_in_other_cases_go_on(make_project: Make) -> None:
    zoned = "select {id}, plan, timezone('UTC', changed_at) as changed_at from {{{{ ref('customers') }}}}"
    root = make_project(shop(zoned.format(id="id"), hard_deletes="invalidate"))
    snapshot(root, 6)
    write_files(root, shop(zoned.format(id="id as ID"), TUESDAY, unique_key="Id", hard_deletes="invalidate"))
    snapshot(root, 7)
    write_files(root, {"seeds/customers.csv": DELETED})

    result = snapshot(root, 10)

    assert result.is_success, errors(result)
    assert rows(root, *SPANS) == sorted(
        [
            (1, "free", at(6, 8).replace(tzinfo=dt.UTC), at(7, 8).replace(tzinfo=dt.UTC)),
            (1, "paid", at(7, 8).replace(tzinfo=dt.UTC), at(10).replace(tzinfo=dt.UTC)),
            (2, "free", at(6, 9).replace(tzinfo=dt.UTC), None),
            (3, "free", at(7, 10).replace(tzinfo=dt.UTC), at(10).replace(tzinfo=dt.UTC)),
        ],
        key=repr,
    )
