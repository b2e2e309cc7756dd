"""What is to be remembered of a write in, the properties of its Delta commit out; and commits without rows.

Every commit carries the node's transaction id; of two that were computed from one version, the second is refused by
Delta, since nothing is retried.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

from fsbuild.store.table import TablePlace, commit_errors
from fsbuild.values import Commit
from fsbuild.version import __version__

if TYPE_CHECKING:
    from deltalake import CommitProperties, DeltaTable

PREFIX = "fsbuild."
# The names of what every commit says; whatever else it says is its `extra`.
KNOWN = frozenset(
    {"version", "run_id", "fingerprint", "inputs", "rows", "event_times", "data_change", "properties", "started_at"}
)


def commit_properties(
    commit: Commit, table_properties: Mapping[str, str], *, has_data_change: bool = True
) -> CommitProperties:
    """Write down what rows were made of, for the log.

    `table_properties` are those that the table has after the commit, so that a reader of the log knows them.
    """
    from deltalake import CommitProperties, Transaction

    metadata = {
        **commit.extra,
        "version": __version__,
        "run_id": commit.run_id,
        "fingerprint": commit.fingerprint,
        "inputs": json.dumps(dict(commit.inputs), sort_keys=True),
        "rows": str(commit.rows),
        "properties": json.dumps(dict(table_properties), sort_keys=True),
    }
    if commit.event_times is not None:
        metadata["event_times"] = json.dumps(commit.event_times)
    if commit.started_at is not None:
        metadata["started_at"] = commit.started_at.isoformat(timespec="milliseconds")
    if not has_data_change:
        metadata["data_change"] = "false"
    number = 0 if commit.expected_version is None else commit.expected_version + 1
    return CommitProperties(
        custom_metadata={PREFIX + key: value for key, value in metadata.items()},
        max_commit_retries=0,
        app_transactions=[Transaction(commit.app_id, number)],
    )


def upkeep_properties(run_id: str | None, **metadata: str) -> CommitProperties:
    """Mark a commit that changes no rows, and say whose it is."""
    from deltalake import CommitProperties

    said = {"data_change": "false", **({"run_id": run_id} if run_id else {}), **metadata}
    return CommitProperties(custom_metadata={PREFIX + key: value for key, value in said.items()})


def own_properties(table: DeltaTable | None) -> dict[str, str]:
    """Tell what fsbuild has written among a table's properties; an empty one is as good as none."""
    configuration = {} if table is None else table.metadata().configuration
    return {key: value for key, value in configuration.items() if key.startswith(PREFIX) and value}


def record(place: TablePlace, commit: Commit) -> int:
    """Remember what was consumed in a commit that changes no rows; return the table's version then.

    Raises:
        ConflictError: the table is not at the version that the commit was made for.
        StoreError: there is no table.
    """
    with commit_errors(place.uri):
        table = place.existing(commit)
        table.create_write_transaction(
            [],
            "append",
            table.schema(),
            partition_by=table.metadata().partition_columns,
            commit_properties=commit_properties(commit, own_properties(table), has_data_change=False),
        )
        return int(table.version()) + 1
