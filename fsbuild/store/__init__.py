"""The store stage: rows and what is to be remembered of them in, one Delta commit out. Only here is deltalake known.

The table's own log is the state: what a commit was computed from travels in the commit itself, so that a crash cannot
part them. `writing` makes commits, `log` reads them, `changes` tells what came between two of them, `upkeep` keeps the
files in order.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fsbuild.errors import Problem, StoreError
from fsbuild.store import changes, commits, log, upkeep, writing
from fsbuild.store.log import read_state
from fsbuild.store.table import TablePlace
from fsbuild.store.upkeep import FileCount
from fsbuild.values import Commit, Relation, TableRows, TableState, Write

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["FileCount", "Lake", "read_state"]

# Delta's libraries decode or refuse these in a path, whatever it is encoded as.
_UNREADABLE = re.compile(r"%[0-9a-fA-F]{2}|[\[\]|^\\\x00-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class Lake:
    """A folder or URL below which every table has its place: `<schema>/<table>/`."""

    root: str
    storage_options: Mapping[str, str]

    def uri(self, relation: Relation) -> str:
        """Name the place of a relation's table.

        Raises:
            StoreError: there are characters in it with which Delta's libraries do not find their own files.
        """
        uri = f"{self.root.rstrip('/')}/{relation.schema}/{relation.identifier}"
        if "://" not in uri and (found := _UNREADABLE.search(uri)):
            message = f"{uri!r} cannot hold a Delta table: its readers stumble over {found[0]!r} in a path"
            raise StoreError(Problem(message, hint="move the project or the lake to a folder without it"))
        return uri

    def state(self, relation: Relation, version: int | None = None) -> TableState | None:
        """Read what a table's log says of its last change up to a version, or None where there is no table."""
        return read_state(self.uri(relation), self.storage_options, version)

    def history(self, relation: Relation, limit: int | None = None) -> Sequence[Mapping[str, Any]]:
        """List a table's commits, the latest first, as Delta records them.

        Raises:
            StoreError: there is no table.
        """
        history: Sequence[Mapping[str, Any]] = self._place(relation).opened().history(limit)
        return history

    # --- writing -----------------------------------------------------------------------------------------------------

    def write(self, write: Write, relation: Relation, rows: TableRows, commit: Commit) -> int:
        """Write rows in one commit; return the table's version then.

        Raises:
            ConflictError: the table is not at the version that the rows were computed for.
            StoreError: Delta refuses the rows.
        """
        return writing.write_rows(self._place(relation), write, rows, commit)

    def record(self, relation: Relation, commit: Commit) -> int:
        """Remember what was consumed in a commit that changes no rows; return the table's version then.

        Raises:
            ConflictError: the table is not at the version that the commit was made for.
            StoreError: there is no table.
        """
        return commits.record(self._place(relation), commit)

    def set_properties(
        self,
        relation: Relation,
        properties: Mapping[str, str],
        description: str | None = None,
        run_id: str | None = None,
    ) -> int | None:
        """Tell readers of a table what they need (keys, event time); return the new version if that took a commit.

        fsbuild's properties that are no longer wanted become empty. `description` None leaves the table's as it is.
        """
        return upkeep.set_properties(self._place(relation), properties, description, run_id)

    # --- reading back ------------------------------------------------------------------------------------------------

    def changes(self, uri: str, since: str, until: int, columns: Sequence[str]) -> pa.RecordBatchReader:
        """Read the rows that a table won and lost after the state that token `since` names, up to version `until`.

        A last column `fsbuild_sign` (int8) is 1 for a row that is new and -1 for one that is gone: the rows at `since`
        and these changes add up to the rows at `until`. A row that was only moved may come with both signs.

        Raises:
            NoChangesError: the log cannot tell; it says why.
        """
        return changes.read_changes(TablePlace(uri, self.storage_options), since, until, columns)

    def changes_problem(self, uri: str, since: str, until: int) -> str | None:
        """Say why `changes` could not tell what changed, or None where it can; reads the log alone."""
        return changes.changes_problem(TablePlace(uri, self.storage_options), since, until)

    def version_at(self, uri: str, moment: dt.datetime) -> int:
        """Tell the latest version that was committed at a moment (with a zone) or before.

        Raises:
            StoreError: there is no table, or it is younger.
        """
        return log.version_at(TablePlace(uri, self.storage_options), moment)

    def version_of_run(self, uri: str, run_id: str) -> int | None:
        """Tell the version that a run's last commit made, or None where the log has none of that run's."""
        return log.version_of_run(TablePlace(uri, self.storage_options), run_id)

    # --- upkeep ------------------------------------------------------------------------------------------------------

    def restore(self, relation: Relation, version: int, commit: Commit) -> int:
        """Bring back the rows and columns of an earlier version in a new one; return that.

        The commit records what the earlier version was made of, in place of its own fingerprint and inputs.

        Raises:
            ConflictError: the table is not at the version that the commit was made for.
            StoreError: there is no such version, or its files have been vacuumed.
        """
        return upkeep.restore(self._place(relation), version, commit)

    def optimize(self, relation: Relation, columns: Sequence[str], run_id: str) -> Mapping[str, Any]:
        """Rewrite a table's files, sorted by columns (none: only small ones into larger); return Delta's metrics."""
        return upkeep.optimize(self._place(relation), columns, run_id)

    def vacuum(
        self,
        relation: Relation,
        retention_hours: int | None = None,
        *,
        dry_run: bool = True,
        keep_versions: Sequence[int] = (),
    ) -> list[str]:
        """Delete the files that no version younger than `retention_hours` reads (None: the table's own setting).

        Returns their names, which is all that `dry_run` does. `keep_versions` stay readable.

        Raises:
            StoreError: the hours are fewer than the table's `delta.deletedFileRetentionDuration`.
        """
        return upkeep.vacuum(self._place(relation), retention_hours, dry_run=dry_run, keep_versions=keep_versions)

    def checkpoint(self, relation: Relation) -> None:
        """Write a checkpoint, so that the table opens without reading its whole log."""
        upkeep.checkpoint(self._place(relation))

    def count_files(self, relation: Relation) -> FileCount:
        """Count a table's files, and how many of them are small enough to be worth compacting."""
        return upkeep.count_files(self._place(relation))

    def _place(self, relation: Relation) -> TablePlace:
        return TablePlace(self.uri(relation), self.storage_options)
