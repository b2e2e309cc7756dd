"""openlineage-dbt emits a start and a complete event for each model and snapshot, and for each test that was run."""

import json
import sys
from pathlib import Path

from openlineage.common.provider.dbt.local import DbtLocalArtifactProcessor

project = Path(sys.argv[1])
processor = DbtLocalArtifactProcessor(str(project), producer="https://example.com", job_namespace="shop")
events = processor.parse()

results = json.loads((project / "target/run_results.json").read_text())["results"]
models = {one["unique_id"] for one in results if one["unique_id"].startswith(("model.", "snapshot."))}
builds = [one for one in events.completes if one.job.name.endswith((".run", ".snapshot"))]
ran = {one.job.facets["dbt_node"].unique_id for one in builds}
assert ran == models, ran ^ models
assert len(events.starts) == len(events.completes)
assert not events.fails

revenue = next(one for one in events.completes if one.job.name == "memory.main.shop.revenue.build.run")
assert {one.name for one in revenue.inputs} == {"memory.main.stg_orders"}, revenue.inputs
(output,) = revenue.outputs
assert output.name == "memory.main.revenue"
assert {one.name for one in output.facets["schema"].fields} == {"id", "country", "cents", "ordered_on"}
assert set(output.facets["columnLineage"].fields) >= {"cents", "country"}
print(f"openlineage-dbt: {len(events.starts)} start and {len(events.completes)} complete events, {len(models)} models")
