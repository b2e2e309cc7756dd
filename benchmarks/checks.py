"""What checks cost: `python -m benchmarks.checks` prints medians of runs with and without them.

A table of ten columns is built from a Parquet file, checked by twelve checks of rows, by these and a
check that an id is there once, or not at all. Each run is a process of its own.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.measure import measure
from benchmarks.tools import install

_WORK = Path(__file__).resolve().parent / ".work" / "checks"

_MAKE = """
import sys
import duckdb

duckdb.sql(
    "copy (select i as id, (hash(i) % 1000)::bigint as customer, (hash(i * 3) % 100000)::bigint as amount, "
    "random() as score, random() * 1000 as price, timestamp '2013-01-01' + to_seconds(i % 31536000) as at, "
    "date '2013-01-01' + (i % 365)::integer as day, ['AA', 'UA', 'DL', 'B6'][1 + i % 4] as carrier, "
    "'N' || lpad((hash(i) % 10000)::varchar, 5, '0') as tail, i % 3 = 0 as flag "
    f"from range({int(sys.argv[1])}) r(i)) to 'rows.parquet'"
)
"""

_ROW_CHECKS = """
      - {name: id, data_tests: [not_null, greater_than_or_equal_to: {min_value: 0}UNIQUE]}
      - {name: customer, data_tests: [not_null, in_range: {min_value: 0, max_value: 999}]}
      - {name: amount, data_tests: [in_range: {min_value: 0, max_value: 99999}]}
      - {name: score, data_tests: [not_null, in_range: {min_value: 0, max_value: 1}]}
      - {name: price, data_tests: [greater_than_or_equal_to: {min_value: 0}]}
      - {name: carrier, data_tests: [isin: {allowed_values: [AA, UA, DL, B6]}]}
      - {name: tail, data_tests: [str_startswith: {string: N}, str_length: {exact_value: 6}]}
      - {name: at, data_tests: [not_null]}
"""

_PROJECT = {
    "fsbuild_project.yml": "name: bench\n",
    "models/sources.yml": """
sources: [{name: raw, tables: [{name: rows, meta: {external_location: rows.parquet}}]}]
""",
    "models/checked.sql": "{{ config(materialized='table') }} select * from {{ source('raw', 'rows') }}\n",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure what checks add to the time of building a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.checks", description=main.__doc__)
    parser.add_argument("--rows", type=int, default=5_000_000, help="rows (default: %(default)s)")
    parser.add_argument("--repeat", type=int, default=5, help="runs of each (default: %(default)s)")
    given = parser.parse_args(arguments)
    fsbuild = install("fsbuild")
    shutil.rmtree(_WORK, ignore_errors=True)
    for name, text in _PROJECT.items():
        (_WORK / name).parent.mkdir(parents=True, exist_ok=True)
        (_WORK / name).write_text(text, encoding="utf-8")
    subprocess.run([fsbuild.python, "-c", _MAKE, str(given.rows)], cwd=_WORK, check=True)
    print(fsbuild.versions)
    columns = {
        "no checks": "[]\n",
        "12 checks of rows": _ROW_CHECKS.replace("UNIQUE", ""),
        "and unique": _ROW_CHECKS.replace("UNIQUE", ", unique"),
    }
    print("| table | whole process | against none | peak memory |\n|---|---|---|---|")
    without = 0.0
    for title, written in columns.items():
        text = f"models:\n  - name: checked\n    columns: {written}"
        (_WORK / "models/checked.yml").write_text(text, encoding="utf-8")
        command = [fsbuild.script, "run", "--full-refresh", "-q"]
        samples = [measure(command, _WORK, fsbuild.environment) for _ in range(given.repeat)]
        wall = statistics.median(sample.wall_s for sample in samples)
        without = without or wall
        peak = max(sample.peak_mib for sample in samples)
        print(
            f"| {title} | {wall:.2f} s | +{100 * (wall / without - 1):.0f}% | {peak:,.0f} MiB |", flush=True
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
