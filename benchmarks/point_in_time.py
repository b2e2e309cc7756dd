"""Point-in-time joins beside Feast's: `python -m benchmarks.point_in_time` prints medians and ratios.

The same rows for both: a spine, and a feature table as Delta for fsbuild and as Parquet for Feast, whose
offline store is DuckDB too. Each retrieval is a process of its own that ends with an Arrow table in
memory; what it prints is compared, so that both have found the same values.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.measure import Sample, measure
from benchmarks.tools import Tool, install

_WORK = Path(__file__).resolve().parent / ".work" / "point_in_time"

_MAKE = """
import sys
import duckdb
from deltalake import write_deltalake

features, spine, entities = map(int, sys.argv[1:])
year = 31536000
connection = duckdb.connect()
connection.execute("set timezone = 'UTC'")
# A feature row for each entity and second at most: nothing is left to chance in either tool.
connection.execute(
    f"create table features as select distinct on (id, event_time) *, "
    f"event_time + to_seconds((hash(i + 11) % 86400)::bigint) as known_time from ("
    f"select i, (hash(i) % {entities})::bigint as id, "
    f"timestamptz '2020-01-01' + to_seconds((hash(i + 7) % {year})::bigint) as event_time, "
    f"(hash(i + 3) % 1000)::double as f1, (hash(i + 5) % 1000)::bigint as f2, random() as f3 "
    f"from range({features}) r(i))"
)
connection.execute("alter table features drop column i")
connection.execute(
    f"create table spine as select i as row_id, (hash(i + 99) % {entities})::bigint as id, "
    f"timestamptz '2020-01-01' + to_seconds((hash(i + 77) % {year})::bigint) as event_timestamp "
    f"from range({spine}) r(i)"
)
for name in ("features", "spine"):
    write_deltalake(f"lake/{name}", connection.table(name).to_arrow_reader(122880))
    connection.execute(f"copy {name} to '{name}.parquet'")
"""

_TOLD = """
import json, time
def told(table, began):
    import pyarrow.compute as pc
    found = {name: pc.sum(table[name]).as_py() for name in ("f1", "f2")}
    found["known"] = table.num_rows - table["f1"].null_count
    print(json.dumps({"s": time.perf_counter() - began, "rows": table.num_rows, **found}))
"""

_FSBUILD = """
import sys
import fsbuild
began = time.perf_counter()
model = sys.argv[1]
spine = "select * from {{ source('raw', 'spine') }}"
rows = fsbuild.Project(".").training_set(spine, [model], event_time="event_timestamp")
told(rows.arrow(), began)
"""

_FEAST = """
import warnings
warnings.filterwarnings("ignore")
from datetime import timedelta
import pandas as pd
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, ValueType
from feast.types import Float64, Int64
store = FeatureStore(repo_path=".")
if not store.list_feature_views():
    entity = Entity(name="id", join_keys=["id"], value_type=ValueType.INT64)
    source = FileSource(path="features.parquet", timestamp_field="event_time")
    fields = [Field(name="f1", dtype=Float64), Field(name="f2", dtype=Int64), Field(name="f3", dtype=Float64)]
    view = FeatureView(name="f", entities=[entity], ttl=timedelta(days=400), schema=fields, source=source)
    store.apply([entity, view])
else:
    began = time.perf_counter()
    spine = pd.read_parquet("spine.parquet")
    told(store.get_historical_features(spine, ["f:f1", "f:f2", "f:f3"]).to_arrow(), began)
"""

_PROJECT = {
    "fsbuild_project.yml": "name: bench\n",
    "models/features.yml": """
entities: [{name: thing, keys: [{name: id, type: bigint}]}]
sources:
  - name: raw
    tables:
      - {name: features, meta: {delta_table_path: lake/features}}
      - {name: spine, meta: {delta_table_path: lake/spine}}
models:
  - {name: plain, config: {entity: thing, event_time: event_time, ttl: 400 days}}
  - {name: known, config: {entity: thing, event_time: event_time, known_time: known_time, ttl: 400 days}}
""",
    "models/plain.sql": "select id, event_time, f1, f2, f3 from {{ source('raw', 'features') }}\n",
    "models/known.sql": "select * from {{ source('raw', 'features') }}\n",
    "feature_store.yaml": """
project: bench
provider: local
registry: registry.db
offline_store: {type: duckdb}
online_store: {type: sqlite, path: online.db}
entity_key_serialization_version: 3
""",
}


@dataclass(frozen=True, slots=True)
class Retrieval:
    """A script to run in a tool's environment, and its arguments."""

    title: str
    tool: Tool
    script: str
    arguments: tuple[str, ...] = ()


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure point-in-time joins beside Feast's."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.point_in_time", description=main.__doc__)
    for name, rows, described in (
        ("--features", 10_000_000, "rows of the feature table"),
        ("--spine", 1_000_000, "rows of the spine"),
        ("--entities", 100_000, "entities among them"),
        ("--repeat", 5, "runs of each"),
    ):
        parser.add_argument(name, type=int, default=rows, help=f"{described} (default: %(default)s)")
    given = parser.parse_args(arguments)
    fsbuild, feast = install("fsbuild"), install("feast")
    shutil.rmtree(_WORK, ignore_errors=True)
    for name, text in _PROJECT.items():
        (_WORK / name).parent.mkdir(parents=True, exist_ok=True)
        (_WORK / name).write_text(text.lstrip("\n"), encoding="utf-8")
    sizes = (str(given.features), str(given.spine), str(given.entities))
    subprocess.run([fsbuild.python, "-c", _MAKE, *sizes], cwd=_WORK, check=True)
    subprocess.run([feast.python, "-c", _TOLD + _FEAST], cwd=_WORK, check=True, capture_output=True)
    retrievals = (
        Retrieval("fsbuild", fsbuild, _TOLD + _FSBUILD, ("plain",)),
        Retrieval("Feast", feast, _TOLD + _FEAST),
        Retrieval("fsbuild, with known time", fsbuild, _TOLD + _FSBUILD, ("known",)),
    )
    print(f"{fsbuild.versions}; {feast.versions}")
    print("| retrieval | in the process | whole process | peak memory |\n|---|---|---|---|")
    found = {one.title: [_run(one) for _ in range(given.repeat)] for one in retrievals}
    for title, runs in found.items():
        inside = statistics.median(run.inside_s for run in runs)
        whole = statistics.median(run.sample.wall_s for run in runs)
        peak = max(run.sample.peak_mib for run in runs)
        print(f"| {title} | {inside:.2f} s | {whole:.2f} s | {peak:,.0f} MiB |")
    plain, theirs = ({run.values for run in found[title]} for title in ("fsbuild", "Feast"))
    print(f"\nThe same values: {'yes' if plain == theirs and len(plain) == 1 else f'NO: {plain} {theirs}'}")
    return 0 if plain == theirs else 1


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a retrieval: the seconds that it took within its process, and the values that it found."""

    inside_s: float
    sample: Sample
    values: str


def _run(one: Retrieval) -> Run:
    output = _WORK / "told.json"
    script = f"import contextlib\nwith open({str(output)!r}, 'w') as out, contextlib.redirect_stdout(out):\n"
    script += "".join(f"    {line}\n" for line in one.script.splitlines())
    sample = measure([one.tool.python, "-c", script, *one.arguments], _WORK, one.tool.environment)
    told = json.loads(output.read_text(encoding="utf-8").splitlines()[-1])
    return Run(float(told.pop("s")), sample, json.dumps(told))


if __name__ == "__main__":
    sys.exit(main())
