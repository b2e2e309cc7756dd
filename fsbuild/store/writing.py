"""Rows and what is to be remembered of them in, one Delta commit out.

Every commit carries the node's transaction id; of two that were computed from one version, the second is refused by
Delta. Nothing here is written twice, and nothing becomes visible before its commit.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from fsbuild.errors import ConflictError, FsbuildError, Problem, StoreError
from fsbuild.store.log import CHANGE_FEED, PREFIX, open_table
from fsbuild.values import Append, Commit, Overwrite, ReplaceWhere, TableRows, Upsert, Write, quote
from fsbuild.version import __version__

if TYPE_CHECKING:
    from deltalake import CommitProperties, DeltaTable

_OPERATION = "fsbuild_op"


def write_rows(uri: str, write: Write, rows: TableRows, commit: Commit, storage_options: Mapping[str, str]) -> int:
    """Write rows in one commit; return the table's version then.

    Raises:
        ConflictError: the table is not at the version that the rows were computed for.
        StoreError: Delta refuses the rows.
    """
    with commit_errors(uri):
        table = expected_table(uri, commit, storage_options)
        if isinstance(write, Overwrite) or table is None:
            return _overwrite(uri, table, rows, commit, storage_options)
        if rows.count == 0 and not isinstance(write, ReplaceWhere):
            return _record(table, commit)
        if isinstance(write, Upsert):
            _merge(table, write, rows, commit)
            # Delta makes no commit where nothing differs.
            return int(table.version()) if table.version() != commit.expected_version else _record(table, commit)
        _add(table, write, rows, commit)
        return int(table.version())


def record(uri: str, commit: Commit, storage_options: Mapping[str, str]) -> int:
    """Remember what a table was computed from in a commit without rows; return the version."""
    with commit_errors(uri):
        table = expected_table(uri, commit, storage_options)
        if table is None:
            raise StoreError(Problem(f"there is no table at {uri}"))
        return _record(table, commit)


def _overwrite(
    uri: str, table: DeltaTable | None, rows: TableRows, commit: Commit, storage_options: Mapping[str, str]
) -> int:
    """Replace a table's rows and columns, or create it."""
    from deltalake import write_deltalake

    if table is None and "://" not in uri:
        # From here on the folder is known as ours, also after a crash before the first commit.
        (Path(uri) / "_delta_log").mkdir(parents=True, exist_ok=True)
    if table is not None and table.metadata().configuration.get(CHANGE_FEED) != "true":
        # Another program made the table; it cannot be turned on in the same commit.
        table.alter.set_table_properties({CHANGE_FEED: "true"})
    write_deltalake(
        uri if table is None else table,
        rows.open(),
        mode="error" if table is None else "overwrite",
        schema_mode=None if table is None else "overwrite",
        partition_by=list(commit.partition_by),
        configuration={CHANGE_FEED: "true"} if table is None else None,
        description=commit.description or None,
        storage_options=dict(storage_options) or None,
        commit_properties=properties_of(commit),
    )
    return 0 if table is None else int(table.version())


def _add(table: DeltaTable, write: Append | ReplaceWhere, rows: TableRows, commit: Commit) -> None:
    """Add rows; in the place of those that match the predicate, where there is one."""
    from deltalake import write_deltalake

    schema_mode: Literal["merge"] | None = "merge" if write.add_columns else None
    properties = properties_of(commit)
    if isinstance(write, Append):
        write_deltalake(table, rows.open(), mode="append", schema_mode=schema_mode, commit_properties=properties)
        return
    write_deltalake(
        table,
        rows.open(),
        mode="overwrite",
        predicate=write.predicate,
        schema_mode=schema_mode,
        commit_properties=properties,
    )


def _record(table: DeltaTable, commit: Commit) -> int:
    import pyarrow as pa
    from deltalake import write_deltalake

    nothing = pa.RecordBatchReader.from_batches(pa.schema(table.schema().to_arrow()), [])
    write_deltalake(table, nothing, mode="append", commit_properties=properties_of(commit, has_data_change=False))
    return int(table.version())


def _merge(table: DeltaTable, write: Upsert, rows: TableRows, commit: Commit) -> None:
    """Update the rows whose key is there and differ, insert the others; with operations, delete too.

    Without operations the keys of `rows` must be neither NULL nor duplicate.
    """
    # An operation may be about a key with a NULL; what is merely merged has none, which is quicker to compare.
    equals = "IS NOT DISTINCT FROM" if write.has_ops else "="
    on = [f"(t.{quote(name)} {equals} s.{quote(name)})" for name in write.key]
    # Literals let Delta skip the files that cannot hold these keys; it derives no such bounds from the source.
    on += [f"t.{quote(name)} BETWEEN {low} AND {high}" for name, (low, high) in write.literals.items()]
    on += [f"({predicate})" for predicate in write.predicates]
    if write.has_ops:
        on.append(f"s.{_OPERATION} <> 'insert'")
    merger = table.merge(
        rows.open(),
        predicate=" AND ".join(on),
        source_alias="s",
        target_alias="t",
        merge_schema=write.add_columns,
        commit_properties=properties_of(commit),
    )
    present = {field.name for field in table.schema().fields}
    values = {quote(name): f"s.{quote(name)}" for name in rows.columns}
    differs = " OR ".join(
        # A column that the table is about to get differs wherever it has a value.
        f"(s.{quote(name)} IS DISTINCT FROM t.{quote(name)})" if name in present else f"(s.{quote(name)} IS NOT NULL)"
        for name in rows.columns
        if name not in write.key
    )
    if write.has_ops:
        merger = merger.when_matched_delete(f"s.{_OPERATION} = 'delete'")
    if differs:
        condition = f"s.{_OPERATION} = 'upsert' AND ({differs})" if write.has_ops else differs
        merger = merger.when_matched_update(values, predicate=condition)
    merger.when_not_matched_insert(values, f"s.{_OPERATION} <> 'delete'" if write.has_ops else None).execute()


def set_properties(uri: str, properties: Mapping[str, str], storage_options: Mapping[str, str]) -> int | None:
    """Set the table properties that differ; return the table's version then, or None where none did.

    A property of fsbuild's that is not wanted any more becomes empty: Delta's library cannot remove one.
    """
    from deltalake import CommitProperties

    with commit_errors(uri):
        table = open_table(uri, storage_options)
        present = {} if table is None else table.metadata().configuration
        unwanted = {key: "" for key in present if key.startswith(PREFIX) and present[key] and key not in properties}
        differing = {key: value for key, value in properties.items() if present.get(key) != value} | unwanted
        if table is None or not differing:
            return None
        table.alter.set_table_properties(
            differing,
            raise_if_not_exists=False,
            commit_properties=CommitProperties(custom_metadata={f"{PREFIX}data_change": "false"}),
        )
        return int(table.version())


def expected_table(uri: str, commit: Commit, storage_options: Mapping[str, str]) -> DeltaTable | None:
    """Open the version that the rows were computed for; refuse when the table has moved on."""
    table = open_table(uri, storage_options)
    found = None if table is None else table.version()
    if found != commit.expected_version:
        raise _conflict(uri)
    return table


def _conflict(uri: str) -> ConflictError:
    message = f"another writer changed {uri} while this run was computing; nothing was written"
    return ConflictError(Problem(message, hint="run again: what the other writer did will be taken into account"))


def properties_of(commit: Commit, *, has_data_change: bool = True) -> CommitProperties:
    """What travels in a commit, and the transaction that fences it.

    Without a fingerprint it says nothing of what the rows were computed from, and the next run takes them for foreign.
    """
    from deltalake import CommitProperties, Transaction

    metadata = {
        "version": __version__,
        "run_id": commit.run_id,
        "fingerprint": commit.fingerprint,
        "inputs": json.dumps(dict(commit.inputs), sort_keys=True),
        "rows": str(commit.rows),
        **commit.extra,
    }
    if not commit.fingerprint:
        del metadata["fingerprint"]
    if commit.event_times is not None:
        metadata["event_times"] = json.dumps(commit.event_times)
    if not has_data_change:
        metadata["data_change"] = "false"
    number = 0 if commit.expected_version is None else commit.expected_version + 1
    return CommitProperties(
        custom_metadata={f"{PREFIX}{key}": value for key, value in metadata.items()},
        max_commit_retries=0,
        app_transactions=[Transaction(commit.app_id, number)],
    )


@contextmanager
def commit_errors(uri: str) -> Iterator[None]:
    """Turn deltalake's errors into fsbuild's; its panics too, which are not Exceptions."""
    from deltalake.exceptions import CommitFailedError

    try:
        yield
    except CommitFailedError as exc:
        raise _conflict(uri) from exc
    except FsbuildError:
        raise
    except BaseException as exc:
        # deltalake raises bare Exceptions too, and panics that are none; a backtrace of its own is of no use here.
        if not isinstance(exc, Exception) and type(exc).__name__ != "PanicException":
            raise
        if "already exists" in str(exc):
            raise _conflict(uri) from exc
        raise StoreError(Problem(f"cannot write {uri}: {str(exc).splitlines()[0]}")) from exc
