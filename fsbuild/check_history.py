"""How the checks of a run ended -> the rows of the table `fsbuild_checks`: one for each check of each node and run."""

from __future__ import annotations

import datetime as dt
import json

from fsbuild.values import RunResult, literal

CHECK_HISTORY = "fsbuild_checks"
_TYPES = {
    "run_id": "VARCHAR",
    "command": "VARCHAR",
    "checked_at": "TIMESTAMPTZ",
    "node": "VARCHAR",
    "column": "VARCHAR",
    "check": "VARCHAR",
    "severity": "VARCHAR",
    "status": "VARCHAR",
    "failures": "BIGINT",
    "rows": "BIGINT",
    "message": "VARCHAR",
    "sample": "VARCHAR",
}


def checks_query(result: RunResult, now: dt.datetime) -> str:
    """Write the query for the verdicts of a run, a row each; there are none where nothing was checked.

    The engine makes rows of them: pyarrow would import pandas for that.
    """
    rows = [
        {
            "run_id": result.run_id,
            "command": result.command,
            "checked_at": now.isoformat(),
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
    found = f"from_json({literal(json.dumps(rows))}, {literal(json.dumps([_TYPES]))})"
    return f"SELECT verdict.* FROM (SELECT unnest({found}) AS verdict)"
