"""The store stage: rows and what is to be remembered of them in, one Delta commit out. Only here is deltalake known.

The table's own log is the state: what a commit was computed from travels in the commit itself, so that a crash cannot
part them. `writing` makes commits, `log` reads them, `changes` tells what came between two of them, `upkeep` keeps the
files in order.
"""

from __future__ import annotations

import datetime as dt
import importlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from fsbuild.errors import Problem, StoreError
from fsbuild.store import changes, commits, constraints, loads, log, travel, upkeep, writing
from fsbuild.store.log import read_state
from fsbuild.store.table import TablePlace
from fsbuild.store.upkeep import Optimized, UnusedFile
from fsbuild.values import ChangedFile, Commit, Load, Relation, TableRows, TableState, Write

__all__ = ["Lake", "Optimized", "UnusedFile", "read_state", "warm_up"]

# Delta's libraries decode or refuse these in a path, whatever it is encoded as.
_UNREADABLE = re.compile(r"%[0-9a-fA-F]{2}|[\[\]|^\\\x00-\x1f\x7f]")


def warm_up() -> None:
    """Load the libraries that write, which takes long; whoever writes first would have to wait."""
    importlib.import_module("deltalake")
    importlib.import_module("pyarrow")


@dataclass(frozen=True, slots=True)
class Lake:
    """A folder or URL below which every table has its place: `<schema>/<table>/`.

    Some are read `elsewhere`; what is written is written here.
    """

    root: str
    storage_options: Mapping[str, str]
    elsewhere: Mapping[Relation, str] = field(default_factory=dict)

    def uri(self, relation: Relation) -> str:
        """Name the place that a relation's table is read from.

        Raises:
            StoreError: there are characters in it with which Delta's libraries do not find their own files.
        """
        return self.elsewhere.get(relation) or self._own_uri(relation)

    def _own_uri(self, relation: Relation) -> str:
        """Name the place that a relation's table is written to."""
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
        place = self._place(relation)
        place.opened()
        return [{**info, "version": version} for version, info in islice(log.commits(place), limit)]

    def commits(self, relation: Relation, limit: int) -> list[tuple[int, Mapping[str, Any]]]:
        """List the latest commits of a table with what each says of itself; none where there is no table."""
        return list(islice(log.commits(self._place(relation)), limit))

    def loads(self, relation: Relation, limit: int) -> tuple[Load, ...]:
        """List what the latest commits of ours brought into a table, the latest first."""
        return loads.read_loads(self._place(relation), limit)

    # --- writing -----------------------------------------------------------------------------------------------------

    def write(self, write: Write, relation: Relation, rows: TableRows, commit: Commit) -> int:
        """Write rows in one commit; return the table's version then.

        Raises:
            ConflictError: the table is not at the version that the rows were computed for.
            StoreError: Delta refuses the rows.
        """
        return writing.write_rows(self._own(relation), write, rows, commit)

    def drop_constraints(self, relation: Relation, commit: Commit) -> int | None:
        """Drop the constraints that rows to come need not meet; return the table's version then, or None.

        Raises:
            ConflictError: the table is not at the version that the rows were computed for.
        """
        return constraints.drop_constraints(self._own(relation), commit)

    def record(self, relation: Relation, commit: Commit) -> int:
        """Remember what was consumed in a commit that changes no rows; return the table's version then.

        Raises:
            ConflictError: the table is not at the version that the commit was made for.
            StoreError: there is no table.
        """
        return commits.record(self._own(relation), commit)

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
        return upkeep.set_properties(self._own(relation), properties, description, run_id)

    # --- reading back ------------------------------------------------------------------------------------------------

    def changes(self, uri: str, since: str, until: int) -> tuple[ChangedFile, ...]:
        """List the files of the rows that a table won and lost after the state `since` (a token), up to a version.

        The rows at `since` and these changes add up to the rows at `until`. A row that was only moved may come as one
        that was lost and one that was won.

        Raises:
            NoChangesError: the log cannot tell; it says why.
        """
        return changes.changed_files(self._at(uri), since, until)

    def changes_problem(self, uri: str, since: str, until: int) -> str | None:
        """Say why `changes` could not tell what changed, or None where it can; reads the log alone."""
        return changes.changes_problem(self._at(uri), since, until)

    # --- time travel -------------------------------------------------------------------------------------------------

    def version_at(self, table: Relation | str, moment: dt.datetime) -> int:
        """Find the latest version of a relation's or a place's table that was committed at a moment or before it.

        Raises:
            StoreError: there is no table, or none yet at that moment.
        """
        uri = table if isinstance(table, str) else self.uri(table)
        return travel.version_at(self._at(uri), moment)

    def version_of_run(self, uri: str, run_id: str) -> int | None:
        """Find the version that a run left of a table; None where the run wrote none."""
        return travel.version_of_run(self._at(uri), run_id)

    def refuse_unknown_version(self, uri: str, version: int) -> None:
        """Pass where a table's log has a version.

        Raises:
            StoreError: it has not.
        """
        travel.refuse_unknown_version(self._at(uri), version)

    def last_change(self, uri: str, until: int) -> int | None:
        """Find the latest version up to `until` whose commit changed rows."""
        return travel.last_change(self._at(uri), until)

    def committed_at(self, uri: str, version: int) -> dt.datetime:
        """Tell when a version of a table was committed.

        Raises:
            StoreError: its log has no such version.
        """
        return travel.time_of(self._at(uri), version)

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
        return upkeep.restore(self._at(uri), version, commit)

    def refuse_missing_files(self, uri: str, version: int) -> None:
        """Pass where all files of a version are there.

        Raises:
            StoreError: some are gone.
        """
        upkeep.refuse_missing_files(self._at(uri), version)

    def refuse_unknown_columns(self, uri: str, columns: Sequence[str]) -> None:
        """Pass where a table has columns of these names.

        Raises:
            StoreError: it has not.
        """
        upkeep.refuse_unknown_columns(self._at(uri), columns)

    def compact(self, relation: Relation, run_id: str) -> int | None:
        """Put small files together where increments have left many; return the version then, or None."""
        return upkeep.compact_small(self._own(relation), run_id)

    def optimize(self, uri: str, zorder: Sequence[str], run_id: str, *, small_files: bool = False) -> Optimized:
        """Put a table's rows into few files, those together that are near in the columns `zorder`.

        With `small_files` they are of the size that makes later merges cheap.
        """
        return upkeep.optimize(self._at(uri), zorder, run_id, small_files=small_files)

    def needed_versions(self, uri: str, tokens: Sequence[str]) -> list[int]:
        """Find the versions of a table that those need who read it last in the states of these tokens."""
        return upkeep.needed_versions(self._at(uri), tokens)

    def unused_files(self, uri: str, retention_hours: int | None, kept: Sequence[int]) -> list[UnusedFile]:
        """List the files that no kept version needs, and that have been unused for longer than the retention.

        Raises:
            StoreError: the retention is shorter than the table's own.
        """
        return upkeep.unused_files(self._at(uri), retention_hours, kept)

    def vacuum(self, uri: str, retention_hours: int | None, kept: Sequence[int], run_id: str) -> None:
        """Delete what `unused_files` lists.

        Raises:
            StoreError: the retention is shorter than the table's own.
        """
        upkeep.vacuum(self._at(uri), retention_hours, kept, run_id)

    def _place(self, relation: Relation) -> TablePlace:
        return self._at(self.uri(relation))

    def _own(self, relation: Relation) -> TablePlace:
        return self._at(self._own_uri(relation))

    def _at(self, uri: str) -> TablePlace:
        return TablePlace(uri, self.storage_options)
