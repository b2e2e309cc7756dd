"""A table's log in, what it remembers out: its state, its versions, what each commit says of itself.

The log's files are read directly where they are on this machine: opening a table takes far longer, and a run asks
thousands of them.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fsbuild.errors import Problem, StoreError
from fsbuild.values import TableState

if TYPE_CHECKING:
    from deltalake import DeltaTable

PREFIX = "fsbuild."
CHANGE_FEED = "delta.enableChangeDataFeed"
_LOG_FILE = re.compile(r"(\d{20})\.json")
# Operations that rewrite or describe a table without changing its rows.
_WITHOUT_DATA_CHANGE = frozenset(
    {"OPTIMIZE", "VACUUM START", "VACUUM END", "SET TBLPROPERTIES", "ADD FEATURE", "UPDATE TABLE METADATA", "FSCK"}
)
_KNOWN = frozenset({"version", "run_id", "fingerprint", "inputs", "rows", "event_times", "data_change"})


def read_state(uri: str, storage_options: Mapping[str, str] | None = None, at: int | None = None) -> TableState | None:
    """Read what a table's log says of its last change up to version `at`, or None where there is no table.

    Raises:
        StoreError: the folder is there and is not a Delta table, or its log cannot be read.
    """
    version: int | None = None
    token: str | None = None
    changed_by: str | None = None
    record: Mapping[str, Any] | None = None
    for number, info in commits(uri, storage_options):
        if at is not None and number > at:
            continue
        version = number if version is None else version
        if changes_data(info):
            token = token or token_of(number, info)
        if record is None and f"{PREFIX}fingerprint" in info:
            record = info
        if record is None and changes_data(info):
            changed_by = changed_by or str(info.get("operation", "an unknown operation"))
        if record is not None and token is not None:
            break
    if version is None:
        return None
    record = record or {}
    return TableState(
        version=version,
        token=token or str(version),
        fingerprint=record.get(f"{PREFIX}fingerprint"),
        inputs=json.loads(record.get(f"{PREFIX}inputs", "{}")),
        run_id=record.get(f"{PREFIX}run_id"),
        changed_by=changed_by,
        extra={
            key: value
            for written, value in record.items()
            if (key := written.removeprefix(PREFIX)) != written and key not in _KNOWN
        },
    )


def commits(uri: str, storage_options: Mapping[str, str] | None = None) -> Iterator[tuple[int, dict[str, Any]]]:
    """What the commits of a table say of themselves, by version, the latest first.

    Raises:
        StoreError: the folder is there and is not a Delta table, or its log cannot be read.
    """
    return _remote_log(uri, storage_options) if "://" in uri else _local_log(Path(uri))


def version_at(uri: str, moment: dt.datetime, storage_options: Mapping[str, str] | None = None) -> int:
    """The latest version of a table that was committed at a moment or before it.

    Raises:
        StoreError: there is no table, or none yet at that moment; the message names the first version's.
    """
    first: tuple[int, dict[str, Any]] | None = None
    for version, info in commits(uri, storage_options):
        if committed_at(info) <= moment:
            return version
        first = version, info
    if first is None:
        raise no_table(uri)
    message = f"{uri} has no version as old as {shown_time(moment)}"
    hint = f"its first one is version {first[0]}, of {shown_time(committed_at(first[1]))}"
    raise StoreError(Problem(message, hint=hint))


def version_of_run(uri: str, run_id: str, storage_options: Mapping[str, str] | None = None) -> int | None:
    """The version that a run left of a table, or None where it wrote none.

    That is its last commit, and the properties that were set in a commit of their own directly after it.
    """
    after: int | None = None
    for version, info in commits(uri, storage_options):
        if info.get(f"{PREFIX}run_id") == run_id:
            return version if after is None else after
        if info.get("operation") != "SET TBLPROPERTIES":
            after = None
        elif after is None:
            after = version
    return None


def refuse_unknown_version(uri: str, version: int, storage_options: Mapping[str, str] | None = None) -> None:
    """Pass where a table's log has a version.

    Raises:
        StoreError: it has not; the message names those that it has.
    """
    known = [number for number, _ in commits(uri, storage_options)]
    if not known:
        raise no_table(uri)
    if version not in known:
        hint = f"its log has the versions {known[-1]} to {known[0]}"
        raise StoreError(Problem(f"{uri} has no version {version}", hint=hint))


def last_change(uri: str, until: int, storage_options: Mapping[str, str] | None = None) -> int | None:
    """The latest version up to `until` whose commit changed rows; None where no commit in the log did."""
    changes = (n for n, info in commits(uri, storage_options) if n <= until and changes_data(info))
    return next(changes, None)


def time_of(uri: str, version: int, storage_options: Mapping[str, str] | None = None) -> dt.datetime:
    """When a version of a table was committed.

    Raises:
        StoreError: its log has no such version.
    """
    for number, info in commits(uri, storage_options):
        if number == version:
            return committed_at(info)
    raise StoreError(Problem(f"{uri} has no version {version}", hint="'fsbuild history' lists its versions"))


def committed_at(info: Mapping[str, Any]) -> dt.datetime:
    """When a commit was made, by what it says of itself."""
    return dt.datetime.fromtimestamp(int(info.get("timestamp", 0)) / 1000, dt.UTC)


def shown_time(moment: dt.datetime) -> str:
    """Write a moment so that it can be given back: in UTC, to the millisecond that a log knows."""
    return moment.astimezone(dt.UTC).replace(tzinfo=None).isoformat(sep=" ", timespec="milliseconds")


def no_table(uri: str) -> StoreError:
    """Say that there is no table yet."""
    return StoreError(Problem(f"there is no table at {uri} yet", hint="build it with 'fsbuild run'"))


def changes_data(info: Mapping[str, Any]) -> bool:
    """Whether a commit changed rows, and not only how they are stored or described."""
    return info.get("operation") not in _WITHOUT_DATA_CHANGE and info.get(f"{PREFIX}data_change") != "false"


def token_of(version: int, info: Mapping[str, Any]) -> str:
    """A version and the moment of its commit: another table that is made in the same place has another moment."""
    return f"{version}@{info.get('timestamp', '')}"


def _local_log(table: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """The commits of a table on this machine, the latest first, each with what it says of itself."""
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
