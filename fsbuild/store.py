"""The store stage: rows and what is to be remembered of them in, one Delta commit out. Only here is deltalake known.

The table's own log is the state: what a commit was computed from travels in the commit itself, so that a crash cannot
part them. Every commit carries the node's transaction id; of two that were computed from one version, the second is
refused by Delta. Nothing here is written twice, and nothing becomes visible before its commit.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fsbuild.errors import ConflictError, FsbuildError, Problem, StoreError
from fsbuild.values import Commit, Relation, TableRows, TableState, quote
from fsbuild.version import __version__

if TYPE_CHECKING:
    import pyarrow as pa
    from deltalake import CommitProperties, DeltaTable

_LOG_FILE = re.compile(r"(\d{20})\.json")
# Operations that rewrite or describe a table without changing its rows.
_WITHOUT_DATA_CHANGE = frozenset(
    {"OPTIMIZE", "VACUUM START", "VACUUM END", "SET TBLPROPERTIES", "ADD FEATURE", "UPDATE TABLE METADATA", "FSCK"}
)
_PREFIX = "fsbuild."
_CHANGE_FEED = "delta.enableChangeDataFeed"


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

    def write(self, strategy: str, relation: Relation, rows: TableRows, commit: Commit) -> int:
        """Write rows in one commit, by a strategy of `STRATEGIES`; return the table's version then.

        Raises:
            ConflictError: the table is not at the version that the rows were computed for.
            StoreError: Delta refuses the rows.
        """
        return STRATEGIES[strategy](self.uri(relation), rows, commit, self.storage_options)

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
            hint = "build it with 'fsbuild run'"
            raise StoreError(Problem(f"there is no table at {self.uri(relation)} yet", hint=hint))
        history: Sequence[Mapping[str, Any]] = table.history(limit)
        return history


# --- the state -------------------------------------------------------------------------------------------------------


def read_state(uri: str, storage_options: Mapping[str, str] | None = None, at: int | None = None) -> TableState | None:
    """Read what a table's log says of its last change up to version `at`, or None where there is no table.

    Raises:
        StoreError: the folder is there and is not a Delta table, or its log cannot be read.
    """
    version: int | None = None
    token: str | None = None
    changed_by: str | None = None
    record: Mapping[str, Any] | None = None
    for number, info in _remote_log(uri, storage_options) if "://" in uri else _local_log(Path(uri)):
        if at is not None and number > at:
            continue
        version = number if version is None else version
        if _changes_data(info):
            token = token or _token(number, info)
        if record is None and f"{_PREFIX}fingerprint" in info:
            record = info
        if record is None and _changes_data(info):
            changed_by = changed_by or str(info.get("operation", "an unknown operation"))
        if record is not None and token is not None:
            break
    if version is None:
        return None
    record = record or {}
    return TableState(
        version=version,
        token=token or str(version),
        fingerprint=record.get(f"{_PREFIX}fingerprint"),
        inputs=json.loads(record.get(f"{_PREFIX}inputs", "{}")),
        run_id=record.get(f"{_PREFIX}run_id"),
        changed_by=changed_by,
    )


def _changes_data(info: Mapping[str, Any]) -> bool:
    return info.get("operation") not in _WITHOUT_DATA_CHANGE and info.get(f"{_PREFIX}data_change") != "false"


def _token(version: int, info: Mapping[str, Any]) -> str:
    """A version and the moment of its commit: another table that is made in the same place has another moment."""
    return f"{version}@{info.get('timestamp', '')}"


def _local_log(table: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """The commits of a table on this machine, the latest first, each with what it says of itself.

    Reads the log's files directly: opening a table takes far longer, and a run asks thousands of them.
    """
    log = table / "_delta_log"
    try:
        versions = sorted((m[1] for entry in os.scandir(log) if (m := _LOG_FILE.fullmatch(entry.name))), reverse=True)
    except FileNotFoundError:
        if table.is_dir() and any(table.iterdir()):
            hint = "move it away, or choose another alias, schema or lake"
            raise StoreError(Problem(f"{table} is in the way: a folder that is not a Delta table", hint=hint)) from None
        return
    except OSError as exc:
        raise StoreError(Problem(f"cannot read the log of {table}: {exc.strerror}")) from exc
    for version in versions:
        yield int(version), _commit_info(log / f"{version}.json")


def _commit_info(file: Path) -> dict[str, Any]:
    with file.open(encoding="utf-8") as lines:
        for line in lines:
            if '"commitInfo"' in line:
                info: dict[str, Any] | None = json.loads(line).get("commitInfo")
                if info is not None:
                    return info
    return {}


def _remote_log(uri: str, storage_options: Mapping[str, str] | None) -> Iterator[tuple[int, dict[str, Any]]]:
    table = open_table(uri, storage_options)
    for info in table.history() if table is not None else []:
        yield int(info["version"]), info


def open_table(
    uri: str, storage_options: Mapping[str, str] | None = None, version: int | None = None
) -> DeltaTable | None:
    """Open a Delta table, or None where there is none."""
    from deltalake import DeltaTable
    from deltalake.exceptions import DeltaError, TableNotFoundError

    try:
        return DeltaTable(uri, version=version, storage_options=dict(storage_options or {}) or None)
    except TableNotFoundError:
        return None
    except (DeltaError, OSError) as exc:
        raise StoreError(Problem(f"cannot open the Delta table {uri}: {exc}")) from exc


# --- writing ---------------------------------------------------------------------------------------------------------


def overwrite(uri: str, rows: TableRows, commit: Commit, storage_options: Mapping[str, str]) -> int:
    """Replace a table's rows and columns, or create it, in one commit; return the version."""
    from deltalake import write_deltalake

    with _commit_errors(uri):
        table = _expected_table(uri, commit, storage_options)
        if table is None and "://" not in uri:
            # From here on the folder is known as ours, also after a crash before the first commit.
            (Path(uri) / "_delta_log").mkdir(parents=True, exist_ok=True)
        if table is not None and table.metadata().configuration.get(_CHANGE_FEED) != "true":
            # Another program made the table; it cannot be turned on in the same commit.
            table.alter.set_table_properties({_CHANGE_FEED: "true"})
        write_deltalake(
            uri if table is None else table,
            rows.open(),
            mode="error" if table is None else "overwrite",
            schema_mode=None if table is None else "overwrite",
            partition_by=list(commit.partition_by),
            configuration={_CHANGE_FEED: "true"} if table is None else None,
            description=commit.description or None,
            storage_options=dict(storage_options) or None,
            commit_properties=_properties(commit),
        )
    return 0 if table is None else int(table.version())


def append(uri: str, rows: TableRows, commit: Commit, storage_options: Mapping[str, str]) -> int:
    """Add rows to a table in one commit; return the version."""
    from deltalake import write_deltalake

    with _commit_errors(uri):
        write_deltalake(
            _expected_table(uri, commit, storage_options),
            rows.open(),
            mode="append",
            storage_options=dict(storage_options) or None,
            commit_properties=_properties(commit, has_data_change=rows.count > 0),
        )
    return (commit.expected_version or 0) + 1


def merge(uri: str, rows: TableRows, commit: Commit, storage_options: Mapping[str, str]) -> int:
    """Update the rows whose key is there and differ, insert the others, in one commit; return the version.

    The keys of `rows` must be neither NULL nor duplicate. Where nothing differs, a commit without rows remembers what
    was consumed.
    """
    if rows.count == 0:
        return append(uri, rows, commit, storage_options)
    with _commit_errors(uri):
        table = _expected_table(uri, commit, storage_options)
        on = [f"t.{quote(name)} = s.{quote(name)}" for name in rows.key]
        # Literals let Delta skip the files that cannot hold these keys; it derives no such bounds from the source.
        on += [f"t.{quote(name)} BETWEEN {low} AND {high}" for name, (low, high) in rows.literals.items()]
        values = [name for name in rows.columns if name not in rows.key]
        merger = table.merge(
            rows.open(),
            predicate=" AND ".join(on),
            source_alias="s",
            target_alias="t",
            commit_properties=_properties(commit),
        )
        if values:
            differs = " OR ".join(f"(s.{quote(name)} IS DISTINCT FROM t.{quote(name)})" for name in values)
            merger = merger.when_matched_update_all(predicate=differs)
        merger.when_not_matched_insert_all().execute()
        if table.version() != commit.expected_version:
            return int(table.version())
    return append(uri, replace(rows, open=lambda: _empty(rows.open()), count=0), commit, storage_options)


# The seam for strategies: name -> how rows enter the table.
STRATEGIES: Mapping[str, Callable[[str, TableRows, Commit, Mapping[str, str]], int]] = {
    "overwrite": overwrite,
    "merge": merge,
    "append": append,
}


def set_properties(uri: str, properties: Mapping[str, str], storage_options: Mapping[str, str]) -> int | None:
    """Set the table properties that differ; return the table's version then, or None where none did."""
    from deltalake import CommitProperties

    with _commit_errors(uri):
        table = open_table(uri, storage_options)
        present = {} if table is None else table.metadata().configuration
        missing = {key: value for key, value in properties.items() if present.get(key) != value}
        if table is None or not missing:
            return None
        table.alter.set_table_properties(
            missing,
            raise_if_not_exists=False,
            commit_properties=CommitProperties(custom_metadata={f"{_PREFIX}data_change": "false"}),
        )
        return int(table.version())


def _empty(reader: pa.RecordBatchReader) -> pa.RecordBatchReader:
    import pyarrow as pa

    return pa.RecordBatchReader.from_batches(reader.schema, [])


def _expected_table(uri: str, commit: Commit, storage_options: Mapping[str, str]) -> Any:  # noqa: ANN401 - DeltaTable or None
    """Open the version that the rows were computed for; refuse when the table has moved on."""
    table = open_table(uri, storage_options)
    found = None if table is None else table.version()
    if found != commit.expected_version:
        raise _conflict(uri)
    return table


def _conflict(uri: str) -> ConflictError:
    message = f"another writer changed {uri} while this run was computing; nothing was written"
    return ConflictError(Problem(message, hint="run again: what the other writer did will be taken into account"))


def _properties(commit: Commit, *, has_data_change: bool = True) -> CommitProperties:
    from deltalake import CommitProperties, Transaction

    metadata = {
        f"{_PREFIX}version": __version__,
        f"{_PREFIX}run_id": commit.run_id,
        f"{_PREFIX}fingerprint": commit.fingerprint,
        f"{_PREFIX}inputs": json.dumps(dict(commit.inputs), sort_keys=True),
        f"{_PREFIX}rows": str(commit.rows),
    }
    if commit.event_times is not None:
        metadata[f"{_PREFIX}event_times"] = json.dumps(commit.event_times)
    if not has_data_change:
        metadata[f"{_PREFIX}data_change"] = "false"
    number = 0 if commit.expected_version is None else commit.expected_version + 1
    return CommitProperties(
        custom_metadata=metadata, max_commit_retries=0, app_transactions=[Transaction(commit.app_id, number)]
    )


@contextmanager
def _commit_errors(uri: str) -> Iterator[None]:
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
