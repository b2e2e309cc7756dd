"""The manifest and the catalog, as programs see them. What dbt itself makes of the same project is in readers/."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fsbuild import Project
from tests.conftest import Files, write_files

Make = Callable[[Files], Path]
SHOP = Path(__file__).parent / "readers" / "shop"
# The ids that dbt-core 1.11 gives to the tests of this project.
TEST_IDS = {
    "test.shop.totals_add_up",
    "test.shop.unique_revenue_id.5436646ad9",
    "test.shop.unique_stg_orders_id.beb6e97f2f",
    "test.shop.not_null_stg_orders_id.8cf5724805",
    "test.shop.relationships_stg_orders_country__code__ref_countries_.f08f0a5cf9",
    "test.shop.accepted_values_stg_orders_country__at__ch__de__it__fr__es__pt__nl__be__lu__dk__se__fi.ed344c2af7",
    "test.shop.amount_is_above_zero.1449d24fd9",
    "test.shop.unique_countries_code.c4a1f6d0dd",
    "test.shop.not_null_countries_code.c12fd633e2",
    "test.shop.source_not_null_raw_orders_id.f232a64478",
    "test.shop.source_unique_raw_orders_id.56401af608",
}


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A project with everything that a manifest tells of."""
    return shutil.copytree(SHOP, tmp_path / "shop")


def artifact(root: Path, name: str) -> dict[str, Any]:
    """Read an artifact."""
    return dict(json.loads((root / "target" / f"{name}.json").read_text()))


def test_tests_have_the_ids_that_dbt_gives_them_in_all_artifacts(shop: Path) -> None:
    Project(shop).build()

    manifest = artifact(shop, "manifest")
    assert {name for name in manifest["nodes"] if name.startswith("test.")} == TEST_IDS
    results = {one["unique_id"]: one for one in artifact(shop, "run_results")["results"]}
    assert {name for name in results if name.startswith("test.")} == TEST_IDS
    assert results["exposure.shop.weekly"]["status"] == "no-op"
    told = results["test.shop.unique_revenue_id.5436646ad9"]
    (timing,) = told["timing"]
    assert timing["started_at"] <= timing["completed_at"]
    assert told["compiled_code"] == manifest["nodes"]["test.shop.unique_revenue_id.5436646ad9"]["compiled_code"]


def test_contracts_and_unit_tests_have_dbts_checksums(shop: Path) -> None:
    Project(shop).compile()

    manifest = artifact(shop, "manifest")
    revenue = manifest["nodes"]["model.shop.revenue"]
    contract = "3c5c2d2cea7eab8a96a06c227b35b0df7619630c7dda5a0517c98b2ae7172c35"
    assert revenue["contract"] == {"enforced": True, "alias_types": True, "checksum": contract}
    unit_test = manifest["unit_tests"]["unit_test.shop.totals.cents_are_added_up"]
    assert unit_test["checksum"] == "ead41afebccc228110f2598efbf9ba787861b01a52525a97e65395dec6ed27ef"


def test_a_contract_that_says_something_else_has_another_checksum(shop: Path) -> None:
    file = shop / "models/marts/marts.yml"
    file.write_text(file.read_text().replace("{name: country, data_type: varchar}", "{name: country, data_type: text}"))

    Project(shop).nodes()

    revenue = artifact(shop, "manifest")["nodes"]["model.shop.revenue"]
    assert not revenue["contract"]["checksum"].startswith("3c5c2d2c")


def test_a_configuration_is_told_as_it_is_written_and_as_it_is(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    for kept_as in ("table", "view"):
        monkeypatch.setenv("KEPT_AS", kept_as)
        Project(shop).nodes()
        nodes = artifact(shop, "manifest")["nodes"]
        revenue, days = nodes["model.shop.revenue"], nodes["model.shop.days"]
        assert (revenue["config"]["materialized"], days["config"]["materialized"]) == (kept_as, kept_as)
        seen.append((revenue["unrendered_config"], days["unrendered_config"]))

    assert seen[0] == seen[1]
    assert seen[0][0]["materialized"] == "env_var('KEPT_AS', 'table')"
    assert seen[0][1]["materialized"] == "{{ env_var('KEPT_AS', 'table') }}"
    assert seen[0][0]["tags"] == ["daily"]


def test_only_what_a_command_is_about_is_compiled(shop: Path) -> None:
    Project(shop).run(select="stg_orders")
    nodes = artifact(shop, "manifest")["nodes"]
    assert nodes["model.shop.stg_orders"]["compiled"] is True
    assert '"shop"."raw"."orders"' in nodes["model.shop.stg_orders"]["compiled_code"]
    assert "compiled" not in nodes["model.shop.revenue"]

    Project(shop).nodes()
    assert "compiled_code" not in artifact(shop, "manifest")["nodes"]["model.shop.stg_orders"]


def test_the_maps_lead_both_ways(shop: Path) -> None:
    Project(shop).nodes()

    manifest = artifact(shop, "manifest")
    assert manifest["parent_map"]["model.shop.revenue"] == ["model.shop.stg_orders", "seed.shop.countries"]
    assert manifest["parent_map"]["metric.shop.cents_each"] == ["metric.shop.cents", "metric.shop.orders_at"]
    for name, parents in manifest["parent_map"].items():
        assert all(name in manifest["child_map"][parent] for parent in parents)
    assert "metric.shop.cents_each" in manifest["group_map"]["sales"]
    assert [*manifest["disabled"]] == ["model.shop.unused"]
    assert manifest["macros"]["macro.shop.cents"]["depends_on"] == {"macros": ["macro.shop.rounded"]}
    assert manifest["nodes"]["model.shop.revenue"]["depends_on"]["macros"] == ["macro.shop.cents"]


def test_selectors_are_written_out(shop: Path) -> None:
    Project(shop).nodes()

    selectors = artifact(shop, "manifest")["selectors"]
    assert selectors["nightly"]["definition"] == {
        "union": [
            {"parents": True, "method": "tag", "value": "daily"},
            {"method": "fqn", "value": "stg_orders", "children": True},
            {"exclude": [{"method": "config.materialized", "value": "view"}, {"method": "fqn", "value": "unused"}]},
        ]
    }
    assert selectors["both"]["definition"]["intersection"][0] == selectors["sales"]["definition"]


def test_a_check_that_keeps_rows_out_is_a_warning_to_dbt(make_project: Make) -> None:
    tested = "data_tests: [not_null: {config: {severity: quarantine}}]"
    root = make_project(
        {
            "models/one.sql": "{{ config(materialized='table') }} select 1 as n",
            "models/m.yml": f"models: [{{name: one, columns: [{{name: n, {tested}}}]}}]",
        }
    )
    Project(root).nodes()

    (test,) = (node for name, node in artifact(root, "manifest")["nodes"].items() if name.startswith("test."))
    assert (test["config"]["severity"], test["config"]["meta"]) == ("warn", {"fsbuild": {"severity": "quarantine"}})


def test_what_dbt_has_no_key_for_stands_below_its_meta(make_project: Make) -> None:
    root = make_project(
        {
            "models/delay.sql": "{{ config(materialized='table', entity='carrier', event_time='at', ttl='3 days', "
            "meta={'team': 'a'}) }} select 'x' as carrier, timestamp '2024-01-01' as at, 1 as late",
            "models/m.yml": """
entities: [{name: carrier, keys: [{name: carrier, type: varchar}]}]
models: [{name: delay, columns: [{name: late, unit: min, pii: true}]}]
""",
        }
    )
    Project(root).run()

    node = artifact(root, "manifest")["nodes"]["model.shop.delay"]
    own = {"entity": "carrier", "ttl": "3 days"}
    assert node["config"]["meta"] == {"team": "a", "fsbuild": own}
    assert node["meta"] == node["config"]["meta"]
    assert not {"entity", "ttl"} & {*node["config"]}
    assert node["config"]["event_time"] == "at"
    assert node["columns"]["late"]["config"]["meta"] == {"fsbuild": {"unit": "min", "pii": True}}
    told = artifact(root, "fsbuild")
    assert told["features"]["model.shop.delay"]["ttl"] == "3 days"
    assert told["tables"]["model.shop.delay"].endswith("lake/main/delay")
    assert told["entities"] == {"carrier": {"carrier": "varchar"}}


def test_the_catalog_has_what_is_there(shop: Path) -> None:
    Project(shop).build(exclude="totals")
    Project(shop).generate_docs()

    found = artifact(shop, "catalog")
    assert set(found) == {"metadata", "nodes", "sources", "errors"}
    assert "model.shop.totals" not in found["nodes"]
    revenue = found["nodes"]["model.shop.revenue"]
    assert (revenue["metadata"]["type"], revenue["metadata"]["schema"]) == ("BASE TABLE", "main")
    assert {name: column["type"] for name, column in revenue["columns"].items()} == {
        "id": "BIGINT",
        "country": "VARCHAR",
        "cents": "BIGINT",
        "ordered_on": "DATE",
    }
    assert [*found["nodes"]["snapshot.shop.countries_kept"]["columns"]][-1] == "dbt_valid_to"
    assert found["nodes"]["model.shop.stg_orders"]["metadata"]["type"] == "VIEW"
    assert [*found["sources"]] == ["source.shop.raw.orders"]


# --- ways out --------------------------------------------------------------------------------------------------------


def test_a_command_that_finds_mistakes_leaves_artifacts_of_its_own(shop: Path) -> None:
    Project(shop).build()
    before = artifact(shop, "manifest")["metadata"]["invocation_id"]
    write_files(shop, {"models/marts/days.sql": "select nothing as day"})

    assert not Project(shop).build().is_success

    manifest, results = artifact(shop, "manifest"), artifact(shop, "run_results")
    assert manifest["metadata"]["invocation_id"] == results["metadata"]["invocation_id"] != before
    statuses = {one["unique_id"]: one["status"] for one in results["results"]}
    # The project is one of dbt's, so that the others are built.
    assert [name for name, status in statuses.items() if status == "error"] == ["model.shop.days"]
    assert "success" in statuses.values()
    (told,) = (one["message"] for one in results["results"] if one["unique_id"] == "model.shop.days")
    assert 'column "nothing"' in told.lower()


def test_a_mistake_in_yaml_is_one_of_what_is_described_there(shop: Path) -> None:
    file = shop / "models/marts/marts.yml"
    text = "[{name: day, granularity: day, data_tests: [unik]}]"
    file.write_text(file.read_text().replace("[{name: day, granularity: day}]", text))

    assert not Project(shop).build().is_success

    statuses = {one["unique_id"]: one["status"] for one in artifact(shop, "run_results")["results"]}
    wrong = [name for name, status in statuses.items() if status == "error"]
    assert [name.split(".")[2] for name in wrong] == ["days", "unik_days_day"]


def test_a_run_that_is_interrupted_leaves_artifacts(make_project: Make) -> None:
    root = make_project(
        {
            "models/quick.sql": "{{ config(materialized='table') }} select 1 as n",
            "models/slow.sql": "{{ config(materialized='table') }} "
            "select count(*) as n from range(100000) a, range(1000000) b, {{ ref('quick') }} where hash(a, b) % 7 = 1",
        }
    )
    process = subprocess.Popen(
        [sys.executable, "-m", "fsbuild", "run", "--project-dir", str(root)], stderr=subprocess.PIPE
    )
    table = root / "lake/main/quick/_delta_log"
    deadline = time.monotonic() + 60
    while not table.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)

    assert process.returncode == 1
    results = artifact(root, "run_results")
    statuses = {one["unique_id"]: one["status"] for one in results["results"]}
    assert statuses["model.shop.quick"] == "success"
    assert statuses.get("model.shop.slow") != "success"
    assert artifact(root, "manifest")["metadata"]["invocation_id"] == results["metadata"]["invocation_id"]


def test_a_run_with_nothing_to_do_signs_the_manifest_that_is_there(make_project: Make) -> None:
    root = make_project({"models/one.sql": "{{ config(materialized='table') }} select 1 as n"})
    for _ in range(2):
        Project(root).run()
    before = artifact(root, "manifest")

    result = Project(root).run()

    after = artifact(root, "manifest")
    assert after["metadata"]["invocation_id"] == result.run_id != before["metadata"]["invocation_id"]
    assert after["nodes"] == before["nodes"]
    # A manifest that is about something else is written anew.
    Project(root).nodes()
    Project(root).run()
    assert artifact(root, "manifest")["nodes"]["model.shop.one"]["compiled"] is True
    (root / "target/manifest.json").unlink()
    Project(root).run()
    assert artifact(root, "manifest")["nodes"]["model.shop.one"]["compiled"] is True


@pytest.mark.parametrize("call", [Project.nodes, Project.compile, Project.source_freshness, Project.test, Project.seed])
def test_each_command_for_which_dbt_writes_a_manifest_writes_it(shop: Path, call: Callable[[Project], object]) -> None:
    Project(shop).build()
    (shop / "target/manifest.json").unlink()

    call(Project(shop))

    assert artifact(shop, "manifest")["metadata"]["adapter_type"] == "duckdb"


def test_a_folder_that_cannot_be_written_to_fails_nothing(shop: Path, caplog: pytest.LogCaptureFixture) -> None:
    (shop / "target/manifest.part").mkdir(parents=True)

    assert Project(shop).run(select="days").is_success
    assert re.search(r"manifest\.json was not written: Is a directory", caplog.text)
