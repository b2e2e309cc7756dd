"""A table in, the same rows in better order out; or the rows of an earlier version.

None of these commits changes what the last run recorded: their rows are the same, or what they were made of is
recorded anew.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from fsbuild.errors import Problem, StoreError
from fsbuild.store.commits import commit_properties, own_properties, upkeep_properties
from fsbuild.store.log import read_state
from fsbuild.store.table import TablePlace, commit_errors
from fsbuild.values import Commit

# Files below this size are worth being compacted.
_SMALL_BYTES = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class FileCount:
    """How many files a table consists of, and how many of them have less than 8 MB."""

    total: int
    small: int


def set_properties(
    place: TablePlace, properties: Mapping[str, str], description: str | None, run_id: str | None
) -> int | None:
    """Set what differs, empty what is no longer wanted; return the table's version then, or None where nothing did."""
    with commit_errors(place.uri):
        table = place.open()
        if table is None:
            return None
        metadata = table.metadata()
        wanted = dict.fromkeys(own_properties(table), "") | dict(properties)
        # deltalake cannot take a property away: an empty one is as good as none.
        changed = {name: value for name, value in wanted.items() if metadata.configuration.get(name, "") != value}
        if description is not None and (metadata.description or "") != description:
            table.alter.set_table_description(description, commit_properties=upkeep_properties(run_id))
        elif not changed:
            return None
        if changed:
            left = {name: value for name, value in wanted.items() if value}
            table.alter.set_table_properties(
                changed,
                raise_if_not_exists=False,
                commit_properties=upkeep_properties(run_id, properties=json.dumps(left, sort_keys=True)),
            )
        return int(table.version())


def restore(place: TablePlace, version: int, commit: Commit) -> int:
    """Bring back the rows and columns of an earlier version in a new one; return that."""
    with commit_errors(place.uri):
        table = place.existing(commit)
        if not 0 <= version < table.version():
            message = f"{place.uri} is at version {table.version()}; {version} is none before it"
            raise StoreError(Problem(message, hint="choose an earlier version"))
        earlier = place.opened(version)
        state = read_state(place.uri, place.storage_options, version)
        properties = commit_properties(
            replace(
                commit,
                fingerprint=(state.fingerprint if state else None) or "",
                inputs=state.inputs if state else {},
                extra={**(state.extra if state else {}), **commit.extra},
            ),
            own_properties(earlier),
        )
        if state is None or state.fingerprint is None or state.changed_by is not None:
            # Those rows were not ours, or not ours alone: the table counts as changed by another program.
            (properties.custom_metadata or {}).pop("fsbuild.fingerprint")
        table.restore(version, commit_properties=properties)
        return int(table.version())


def optimize(place: TablePlace, columns: Sequence[str], run_id: str) -> Mapping[str, Any]:
    """Rewrite a table's files, sorted by columns (none: only small ones into larger); return Delta's metrics."""
    with commit_errors(place.uri):
        optimizer, properties = place.opened().optimize, upkeep_properties(run_id)
        metrics: Mapping[str, Any] = (
            optimizer.z_order(list(columns), commit_properties=properties)
            if columns
            else optimizer.compact(commit_properties=properties)
        )
        return metrics


def vacuum(place: TablePlace, retention_hours: int | None, *, dry_run: bool, keep_versions: Sequence[int]) -> list[str]:
    """Delete the files that no version within the retention reads; return their names."""
    with commit_errors(place.uri):
        try:
            # Delta refuses less than `delta.deletedFileRetentionDuration`, and it is never told not to.
            return place.opened().vacuum(
                retention_hours,
                dry_run=dry_run,
                commit_properties=upkeep_properties(None),
                keep_versions=list(keep_versions) or None,
            )
        except Exception as exc:
            if "Invalid retention period" not in str(exc):
                raise
            message = f"{place.uri} has to keep its files for longer than {retention_hours} hours"
            hint = "give more hours, or set the table's property delta.deletedFileRetentionDuration"
            raise StoreError(Problem(message, hint=hint, detail=str(exc))) from exc


def checkpoint(place: TablePlace) -> None:
    """Write a checkpoint of a table's latest version."""
    with commit_errors(place.uri):
        place.opened().create_checkpoint()


def count_files(place: TablePlace) -> FileCount:
    """Count a table's files, and how many of them are small."""
    import pyarrow as pa

    sizes = pa.table(place.opened().get_add_actions()).column("size_bytes").to_pylist()
    return FileCount(len(sizes), sum(size < _SMALL_BYTES for size in sizes))
