"""The constraints of a contract, on the Delta table itself, so that no other program can write what breaks them.

fsbuild has checked the rows by then. They are written as they are worded: `add_constraint` would read all rows again,
and words decimals anew in a way that says something else. A condition that Delta's SQL does not have stays a check of
fsbuild alone.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from fsbuild.store.commits import upkeep_properties
from fsbuild.store.table import TablePlace, commit_errors
from fsbuild.values import CONSTRAINTS, Commit

if TYPE_CHECKING:
    from deltalake import DeltaTable

log = logging.getLogger("fsbuild")
_NAMED = "delta.constraints."


def constraint_properties(table: DeltaTable, wanted: Mapping[str, str]) -> dict[str, str]:
    """The properties that give a table the constraints `wanted`: those that it can hold and does not have."""
    present = table.metadata().configuration
    return {key: condition for key, condition in _held(table, wanted) if key not in present}


def drop_stale(table: DeltaTable, wanted: Mapping[str, str], run_id: str | None) -> bool:
    """Take from a table the constraints of its contract that are no longer wanted, a commit each; tell if any."""
    present = table.metadata().configuration
    stale = [
        name
        for name, condition in read_constraints(present).items()
        if wanted.get(name) != condition and f"{_NAMED}{name}" in present
    ]
    for name in stale:
        table.alter.drop_constraint(name, commit_properties=upkeep_properties(run_id))
    return bool(stale)


def drop_constraints(place: TablePlace, commit: Commit) -> int | None:
    """Drop the constraints that rows to come need not meet; return the table's version then, or None.

    Raises:
        ConflictError: the table is not at the version that the rows were computed for.
    """
    with commit_errors(place.uri):
        table = place.existing(commit)
        is_changed = drop_stale(table, read_constraints(commit.properties), commit.run_id)
        return int(table.version()) if is_changed else None


def read_constraints(properties: Mapping[str, str]) -> dict[str, str]:
    """The constraints that a table's properties name: SQL by name."""
    read: dict[str, str] = json.loads(properties.get(CONSTRAINTS) or "{}")
    return read


def _held(table: DeltaTable, wanted: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """The constraints that Delta's SQL has; to a check what is unknown is right, to Delta it is not."""
    from deltalake import QueryBuilder

    asked = QueryBuilder().register("t", table) if wanted else None
    for name, condition in wanted.items():
        written = f"({condition}) IS NOT FALSE"
        try:
            if asked is not None:
                asked.execute(f"EXPLAIN SELECT 1 FROM t WHERE {written}").read_all()
        except Exception:  # noqa: BLE001 - whatever its parser or planner raises
            log.info("Delta cannot hold the constraint %s (%s); fsbuild checks it in every run", name, condition)
        else:
            yield f"{_NAMED}{name}", written
