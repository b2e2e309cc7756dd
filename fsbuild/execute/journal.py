"""Rows about a run, added to a table of fsbuild's own when the run is over."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fsbuild.errors import ConflictError
from fsbuild.execute.work import Tools, Work
from fsbuild.values import Append, Commit, Overwrite, Relation, TableRows

if TYPE_CHECKING:
    import pyarrow as pa

# How often rows are added anew when those of another run came first.
_RETRIES = 10


def add_rows(table: pa.Table, relation: Relation, work: Work, tools: Tools) -> None:
    """Add rows in one commit; the table is made where there is none.

    Raises:
        FsbuildError: they cannot be written.
    """
    rows, lake = TableRows(table.to_reader, tuple(table.column_names), table.num_rows), tools.lake
    for attempt in range(_RETRIES):
        state = lake.state(relation)
        version = state.version if state is not None else None
        commit = Commit(f"fsbuild.{relation.identifier}", work.run_id, "", {}, version, rows.count)
        try:
            lake.write(Append() if state is not None else Overwrite(), relation, rows, commit)
            lake.compact(relation, work.run_id)
        except ConflictError:
            if attempt == _RETRIES - 1:
                raise
        else:
            return
