"""dbt-artifacts-parser reads all four artifacts, each as the version that it says it is."""

import json
import sys
from pathlib import Path

from dbt_artifacts_parser.parser import parse_catalog_v1, parse_manifest_v12, parse_run_results_v6, parse_sources_v3

target = Path(sys.argv[1]) / "target"
readers = {
    "manifest.json": parse_manifest_v12,
    "catalog.json": parse_catalog_v1,
    "run_results.json": parse_run_results_v6,
    "sources.json": parse_sources_v3,
}
found = {name: read(json.loads((target / name).read_text())) for name, read in readers.items()}

manifest = found["manifest.json"]
assert manifest.nodes["model.shop.revenue"].contract.enforced is True
assert manifest.semantic_models["semantic_model.shop.orders"].measures[0].agg.value == "sum"
assert {one.status.value for one in found["run_results.json"].results} >= {"success", "pass"}
print(f"dbt-artifacts-parser: {', '.join(type(one).__name__ for one in found.values())}")
