"""How the checks of a run ended -> the rows of the table `fsbuild_checks`: one for each check of each node and run."""

from __future__ import annotations

import datetime as dt
import json
from typing import TYPE_CHECKING

from fsbuild.values import RunResult

if TYPE_CHECKING:
    import pyarrow as pa

CHECK_HISTORY = "fsbuild_checks"


def checks_to_arrow(result: RunResult, now: dt.datetime) -> pa.Table:
    """Write the verdicts of a run as rows; there are none where nothing was checked."""
    import pyarrow as pa

    schema = pa.schema(
        [
            ("run_id", pa.string()),
            ("command", pa.string()),
            ("checked_at", pa.timestamp("us", "UTC")),
            ("node", pa.string()),
            ("column", pa.string()),
            ("check", pa.string()),
            ("severity", pa.string()),
            ("status", pa.string()),
            ("failures", pa.int64()),
            ("rows", pa.int64()),
            ("message", pa.string()),
            ("sample", pa.string()),
        ]
    )
    rows = [
        {
            "run_id": result.run_id,
            "command": result.command,
            "checked_at": now,
            "node": node.unique_id,
            "column": found.check.column,
            "check": found.check.title or found.check.label,
            "severity": found.check.severity,
            "status": found.status,
            "failures": found.failures,
            "rows": found.rows,
            "message": found.message,
            "sample": json.dumps(found.sample, default=str) if found.sample else None,
        }
        for node in result.results
        for found in node.checks
        if found.status != "skipped"
    ]
    return pa.Table.from_pylist(rows, schema)
