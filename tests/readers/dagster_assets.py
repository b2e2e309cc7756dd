"""dagster-dbt makes an asset of each node of the manifest, and a check of each test."""

import sys
from pathlib import Path

from dagster import AssetExecutionContext
from dagster_dbt import DbtCliResource, dbt_assets


@dbt_assets(manifest=Path(sys.argv[1]) / "target/manifest.json")
def shop(context: AssetExecutionContext, dbt: DbtCliResource):  # noqa: ANN201 - Dagster's own type
    yield from dbt.cli(["build"], context=context).stream()


above = {key.to_user_string(): {one.to_user_string() for one in found} for key, found in shop.asset_deps.items()}
assert above["revenue"] == {"stg_orders", "countries"}, above
assert above["stg_orders"] == {"raw/orders"}
assert {"totals", "days", "countries_kept", "orders_kept"} <= set(above)
checks = {one.name for one in shop.check_specs}
assert {"unique_revenue_id", "amount_is_above_zero", "not_null_countries_code"} <= checks
assert shop.group_names_by_key[next(key for key in shop.keys if key.to_user_string() == "revenue")] == "sales"
print(f"dagster-dbt: {len(above)} assets and {len(checks)} checks")
