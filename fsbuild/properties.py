"""A node's configuration and contract in, the properties of its table out: what a program that reads it should know."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator

from fsbuild.values import CONSTRAINTS, Check, ModelConfig, quote


def table_properties(config: ModelConfig, checks: Iterable[Check] = ()) -> dict[str, str]:
    """Say what the rows of a table are about, and which constraints of its contract any writer can hold."""
    constraints = dict(_constraints([check for check in checks if check.is_constraint]))
    written = {
        "fsbuild.unique_key": ",".join(config.unique_key),
        "fsbuild.entity": ",".join(config.entity),
        "fsbuild.event_time": config.event_time or "",
        "fsbuild.known_time": config.known_time or "",
        "fsbuild.ttl": config.ttl or "",
        "fsbuild.tie_break": ",".join(config.tie_break),
        "fsbuild.owner": config.owner or "",
        CONSTRAINTS: json.dumps(constraints, sort_keys=True) if constraints else "",
    }
    return {key: value for key, value in written.items() if value}


def _constraints(checks: Iterable[Check]) -> Iterator[tuple[str, str]]:
    """Name the constraints of a contract that are about single rows, and say them in SQL.

    What has to be there is one constraint: each takes a commit of its own.
    """
    there = dict.fromkeys(quote(check.column) for check in checks if check.name == "not_null" and check.column)
    if there:
        yield "not_null", " AND ".join(f"{name} IS NOT NULL" for name in there)
    for check in checks:
        if check.name == "expression_is_true":
            condition = str(check.arguments["expression"])
            name = check.title or f"check_{hashlib.sha256(condition.encode()).hexdigest()[:8]}"
            yield re.sub(r"\W", "_", name), condition
