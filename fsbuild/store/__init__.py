"""The store stage: rows and what is to be remembered of them in, one Delta commit out. Only here is deltalake known.

The table's own log is the state: what a commit was computed from travels in the commit itself, so that a crash cannot
part them.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fsbuild.store.changes import changes_problem, read_changes
from fsbuild.store.log import (
    last_change,
    no_table,
    open_table,
    read_state,
    refuse_unknown_version,
    time_of,
    version_at,
    version_of_run,
)
from fsbuild.store.upkeep import (
    Optimized,
    UnusedFile,
    needed_versions,
    optimize,
    refuse_missing_files,
    refuse_unknown_columns,
    restore,
    unused_files,
    vacuum,
)
from fsbuild.store.writing import record, set_properties, write_rows
from fsbuild.values import Commit, Relation, TableRows, TableState, Write

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Lake", "Optimized", "UnusedFile", "read_state"]


@dataclass(frozen=True, slots=True)
class Lake:
    """A folder or URL below which every table has its place: `<schema>/<table>/`."""

    root: str
    storage_options: Mapping[str, str]

    def uri(self, relation: Relation) -> str:
        """Name the place of a relation's table."""
        return f"{self.root.rstrip('/')}/{relation.schema}/{relation.identifier}"

    def state(self, relation: Relation, version: int | None = None) -> TableState | None:
        """Read what a table's log says of its last change up to a version, or None where there is no table."""
        return read_state(self.uri(relation), self.storage_options, version)

    def write(self, write: Write, relation: Relation, rows: TableRows, commit: Commit) -> int:
        """Write rows in one commit; return the table's version then.

        Raises:
            ConflictError: the table is not at the version that the rows were computed for.
            StoreError: Delta refuses the rows.
        """
        return write_rows(self.uri(relation), write, rows, commit, self.storage_options)

    def record(self, relation: Relation, commit: Commit) -> int:
        """Remember what a table was computed from in a commit without rows; return the version.

        Raises:
            ConflictError: the table is not at the version that was expected.
        """
        return record(self.uri(relation), commit, self.storage_options)

    def changes(self, uri: str, since: str, until: int) -> pa.RecordBatchReader:
        """Stream the rows of a table that changed after the state with the token `since` up to version `until`.

        The last columns are `_change_type`, `_commit_version` and `_commit_timestamp`, as in Delta's change data feed.

        Raises:
            NoChangesError: they cannot be told.
        """
        return read_changes(uri, since, until, self.storage_options)

    def changes_problem(self, uri: str, since: str, until: int) -> str | None:
        """Say why `changes` could not be told, without reading them; None where they can."""
        return changes_problem(uri, since, until, self.storage_options)

    def set_properties(self, relation: Relation, properties: Mapping[str, str]) -> int | None:
        """Tell readers of a table what they need (keys, event time); return the new version if that took a commit."""
        return set_properties(self.uri(relation), properties, self.storage_options)

    def history(self, relation: Relation, limit: int | None = None) -> Sequence[Mapping[str, Any]]:
        """List a table's commits, the latest first, as Delta records them.

        Raises:
            StoreError: there is no table.
        """
        table = open_table(self.uri(relation), self.storage_options)
        if table is None:
            raise no_table(self.uri(relation))
        history: Sequence[Mapping[str, Any]] = table.history(limit)
        return history

    # --- time travel -------------------------------------------------------------------------------------------------

    def version_at(self, table: Relation | str, moment: dt.datetime) -> int:
        """Find the latest version of a relation's or a place's table that was committed at a moment or before it.

        Raises:
            StoreError: there is no table, or none yet at that moment.
        """
        uri = table if isinstance(table, str) else self.uri(table)
        return version_at(uri, moment, self.storage_options)

    def version_of_run(self, uri: str, run_id: str) -> int | None:
        """Find the version that a run left of a table; None where the run wrote none."""
        return version_of_run(uri, run_id, self.storage_options)

    def refuse_unknown_version(self, uri: str, version: int) -> None:
        """Pass where a table's log has a version.

        Raises:
            StoreError: it has not.
        """
        refuse_unknown_version(uri, version, self.storage_options)

    def last_change(self, uri: str, until: int) -> int | None:
        """Find the latest version up to `until` whose commit changed rows."""
        return last_change(uri, until, self.storage_options)

    def committed_at(self, uri: str, version: int) -> dt.datetime:
        """Tell when a version of a table was committed.

        Raises:
            StoreError: its log has no such version.
        """
        return time_of(uri, version, self.storage_options)

    def state_at(self, uri: str, version: int | None = None) -> TableState | None:
        """Read what the log of the table at a place says of its last change up to a version, as `state` does."""
        return read_state(uri, self.storage_options, version)

    # --- upkeep ------------------------------------------------------------------------------------------------------

    def restore(self, uri: str, version: int, commit: Commit) -> int:
        """Make a table what it was in a version, in one commit; return the table's version then.

        Raises:
            ConflictError: the table is not at the version that is to be replaced.
            StoreError: the files of the version are gone.
        """
        return restore(uri, version, commit, self.storage_options)

    def refuse_missing_files(self, uri: str, version: int) -> None:
        """Pass where all files of a version are there.

        Raises:
            StoreError: some are gone.
        """
        refuse_missing_files(uri, version, self.storage_options)

    def refuse_unknown_columns(self, uri: str, columns: Sequence[str]) -> None:
        """Pass where a table has columns of these names.

        Raises:
            StoreError: it has not.
        """
        refuse_unknown_columns(uri, columns, self.storage_options)

    def optimize(self, uri: str, zorder: Sequence[str], run_id: str) -> Optimized:
        """Put a table's rows into few large files, those together that are near in the columns `zorder`."""
        return optimize(uri, zorder, run_id, self.storage_options)

    def needed_versions(self, uri: str, tokens: Sequence[str]) -> list[int]:
        """Find the versions of a table that those need who read it last in the states of these tokens."""
        return needed_versions(uri, tokens, self.storage_options)

    def unused_files(self, uri: str, retention_hours: int | None, kept: Sequence[int]) -> list[UnusedFile]:
        """List the files that no kept version needs, and that have been unused for longer than the retention.

        Raises:
            StoreError: the retention is shorter than the table's own.
        """
        return unused_files(uri, retention_hours, kept, self.storage_options)

    def vacuum(self, uri: str, retention_hours: int | None, kept: Sequence[int], run_id: str) -> None:
        """Delete what `unused_files` lists.

        Raises:
            StoreError: the retention is shorter than the table's own.
        """
        vacuum(uri, retention_hours, kept, run_id, self.storage_options)
