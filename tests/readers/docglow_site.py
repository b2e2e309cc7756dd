"""docglow makes its site and judges the project."""

import json
import os
import subprocess
import sys
from pathlib import Path

project = Path(sys.argv[1])
output = project / "docglow"
command = str(Path(sys.executable).parent / "docglow")
environment = {**os.environ, "DO_NOT_TRACK": "1"}
arguments = [command, "generate", "--project-dir", str(project), "--output-dir", str(output)]
subprocess.run(arguments, check=True, capture_output=True, text=True, env=environment)
subprocess.run([command, "health", "--project-dir", str(project)], check=True, capture_output=True, env=environment)

found = json.loads((output / "docglow-data.json").read_text())
models = {one["name"]: one for one in found["models"].values()}
assert {"stg_orders", "revenue", "totals", "days"} <= set(models), set(models)
assert {column["name"] for column in models["revenue"]["columns"]} == {"id", "country", "cents", "ordered_on"}
print(f"docglow: {len(models)} models in a site of {sum(1 for _ in output.rglob('*'))} files")
