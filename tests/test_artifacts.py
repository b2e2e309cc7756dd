"""The files that dbt's neighbours read, as programs see them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fsbuild import Project
from tests.conftest import Files

Make = Callable[[Files], Path]
# All keys of a result in the published schema of run results, version 6.
RESULT_KEYS = {
    *("status", "timing", "thread_id", "execution_time", "adapter_response", "message", "failures", "unique_id"),
    *("compiled", "compiled_code", "relation_name", "batch_results"),
}
SHOP = {
    "seeds/numbers.csv": "n\n1\n2\n3\n",
    "models/small.sql": """
{{ config(materialized='table') }}
select n from {{ ref('numbers') }} where n < {{ var('below', 3) }}
""",
    "models/below.sql": "{{ config(materialized='table') }} select n from {{ ref('small') }}",
    "models/small.yml": """
models:
  - name: small
    columns: [{name: n, data_tests: [not_null, in_range: {min_value: 1, max_value: 2}]}]
unit_tests:
  - name: keeps_one
    model: small
    given: [{input: ref('numbers'), rows: [{n: 1}, {n: 9}]}]
    expect: {rows: [{n: 1}]}
""",
    "tests/none_is_two.sql": "select * from {{ ref('below') }} where n = 2",
}


def entries(root: Path) -> list[dict[str, Any]]:
    """The results of the last command, whose keys are those of the schema."""
    found = json.loads((root / "target/run_results.json").read_text())
    assert set(found) == {"metadata", "results", "elapsed_time", "args"}
    assert found["metadata"]["dbt_schema_version"] == "https://schemas.getdbt.com/dbt/run-results/v6.json"
    assert all(set(entry) == RESULT_KEYS for entry in found["results"])
    return list(found["results"])


def statuses(root: Path) -> dict[str, str]:
    """How each result ended, by its unique id without project and hash."""
    return {
        ".".join(part for at, part in enumerate(entry["unique_id"].split(".")) if at != 1 and len(part) != 10): entry[
            "status"
        ]
        for entry in entries(root)
    }


def test_a_build_has_an_entry_for_each_node_and_each_test(make_project: Make) -> None:
    root = make_project(SHOP)
    Project(root).build()

    assert statuses(root) == {
        "seed.numbers": "success",
        "model.small": "success",
        "test.not_null_small_n": "pass",
        "test.in_range_small_n__2__1": "pass",
        "unit_test.small.keeps_one": "pass",
        "model.below": "error",
        "test.none_is_two": "fail",
    }
    failed = next(entry for entry in entries(root) if entry["status"] == "fail")
    assert (failed["failures"], failed["message"]) == (1, "Got 1 results")


def test_a_run_has_its_nodes_alone_and_so_has_dbt(make_project: Make) -> None:
    root = make_project(SHOP)
    Project(root, variables={"below": 9}).run()

    assert statuses(root) == {"seed.numbers": "success", "model.small": "error", "model.below": "skipped"}
    small = next(entry for entry in entries(root) if entry["unique_id"] == "model.shop.small")
    assert small["message"] == "its checks failed; nothing was published"
    assert small["relation_name"] == '"memory"."main"."small"'
    assert small["compiled_code"].strip() == 'select n from "memory"."main"."numbers" where n < 9'


def test_a_test_has_its_tests_alone(make_project: Make) -> None:
    root = make_project({name: text for name, text in SHOP.items() if name != "tests/none_is_two.sql"})
    Project(root).run()
    Project(root).test()

    assert statuses(root) == {
        "test.not_null_small_n": "pass",
        "test.in_range_small_n__2__1": "pass",
        "unit_test.small.keeps_one": "pass",
    }


def test_a_run_that_finds_nothing_to_do_is_told_too(make_project: Make) -> None:
    root = make_project({name: text for name, text in SHOP.items() if name != "tests/none_is_two.sql"})
    for _ in range(2):
        Project(root).run()
    before = json.loads((root / "target/run_results.json").read_text())["metadata"]["invocation_id"]

    result = Project(root).run()

    now = json.loads((root / "target/run_results.json").read_text())["metadata"]["invocation_id"]
    assert (now == before, now) == (False, result.run_id)
    assert set(statuses(root).values()) == {"success"}


def test_sources_are_told_as_dbt_tells_them(make_project: Make) -> None:
    root = make_project(
        {
            "models/raw.yml": """
sources:
  - name: raw
    freshness: {warn_after: {count: 36, period: hour}, error_after: {count: 20000, period: day}, filter: "n > 0"}
    loaded_at_field: seen_at
    tables:
      - {name: events, meta: {external_location: events.csv}}
      - {name: gone, meta: {external_location: nothing.csv}}
""",
            "events.csv": "n,seen_at\n1,2026-01-01 12:00:00\n0,2026-02-01 12:00:00\n",
        }
    )
    Project(root).source_freshness()

    found = json.loads((root / "target/sources.json").read_text())
    assert found["metadata"]["dbt_schema_version"] == "https://schemas.getdbt.com/dbt/sources/v3.json"
    events, gone = found["results"]
    assert set(events) == {
        *("unique_id", "max_loaded_at", "snapshotted_at", "max_loaded_at_time_ago_in_s", "status", "criteria"),
        *("adapter_response", "timing", "thread_id", "execution_time"),
    }
    assert (events["unique_id"], events["status"]) == ("source.shop.raw.events", "warn")
    assert events["max_loaded_at"] == "2026-01-01T12:00:00.000000Z"
    assert events["criteria"] == {
        "warn_after": {"count": 36, "period": "hour"},
        "error_after": {"count": 20000, "period": "day"},
        "filter": "n > 0",
    }
    assert (set(gone), gone["status"]) == ({"unique_id", "error", "status"}, "runtime error")
