"""dbt-colibri finds the column lineage from the compiled SQL, the catalog and the names of relations."""

import json
import os
import subprocess
import sys
from pathlib import Path

project = Path(sys.argv[1])
output = project / "colibri"
command = [str(Path(sys.executable).parent / "colibri"), "generate", "--disable-telemetry", "--output-dir", str(output)]
files = [f"--{name}={project / 'target' / name}.json" for name in ("manifest", "catalog")]
told = subprocess.run(
    [*command, *files], check=True, capture_output=True, text=True, env={**os.environ, "DO_NOT_TRACK": "1"}
)
assert "WARNING" not in told.stdout + told.stderr, told.stdout + told.stderr

lineage = json.loads((output / "colibri-manifest.json").read_text())["lineage"]["edges"]
edges = {(one["source"], one["sourceColumn"], one["target"], one["targetColumn"]) for one in lineage}
assert ("source.shop.raw.orders", "amount", "model.shop.stg_orders", "amount") in edges
assert ("model.shop.stg_orders", "amount", "model.shop.revenue", "cents") in edges
assert ("model.shop.revenue", "cents", "model.shop.totals", "cents") in edges
assert not [one for one in lineage if "HARDCODED" in one["source"]]
print(f"dbt-colibri: {len(edges)} edges of lineage")
