"""A table's log in, what it says of the table out: its state, and which version was there when.

The log's files are read directly where the table is on this machine: opening a table takes far longer, and a run asks
thousands of them.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fsbuild.errors import Problem, StoreError
from fsbuild.store.commits import KNOWN, PREFIX
from fsbuild.store.table import TablePlace
from fsbuild.values import TableState

if TYPE_CHECKING:
    import pyarrow.fs as pa_fs

_LOG_FILE = re.compile(r"(\d{20})\.json")
# Operations that rewrite or describe a table without changing its rows.
_WITHOUT_DATA_CHANGE = frozenset(
    {"OPTIMIZE", "VACUUM START", "VACUUM END", "SET TBLPROPERTIES", "ADD FEATURE", "UPDATE TABLE METADATA", "FSCK"}
)


def read_state(uri: str, storage_options: Mapping[str, str] | None = None, at: int | None = None) -> TableState | None:
    """Read what a table's log says of its last change up to version `at`, or None where there is no table.

    Raises:
        StoreError: the folder is there and is not a Delta table, or its log cannot be read.
    """
    version: int | None = None
    token: str | None = None
    changed_by: str | None = None
    record: Mapping[str, Any] | None = None
    properties: str | None = None
    for number, info in commits(TablePlace(uri, storage_options or {})):
        if at is not None and number > at:
            continue
        version = number if version is None else version
        properties = properties or info.get(f"{PREFIX}properties")
        if changes_data(info):
            token = token or token_of_info(number, info)
        if record is None and f"{PREFIX}fingerprint" in info:
            record = info
        if record is None and changes_data(info):
            changed_by = changed_by or str(info.get("operation", "an unknown operation"))
        if record is not None and token is not None:
            break
    if version is None:
        return None
    said = {key.removeprefix(PREFIX): value for key, value in (record or {}).items() if key.startswith(PREFIX)}
    return TableState(
        version=version,
        token=token or str(version),
        fingerprint=said.get("fingerprint"),
        inputs=json.loads(said.get("inputs", "{}")),
        run_id=said.get("run_id"),
        changed_by=changed_by,
        extra={key: str(value) for key, value in said.items() if key not in KNOWN},
        properties=None if properties is None else json.loads(properties),
    )


def commits(place: TablePlace) -> Iterator[tuple[int, dict[str, Any]]]:
    """List the commits of a table, the latest first, each with what it says of itself."""
    if not place.is_local:
        table = place.open()
        for info in table.history() if table is not None else []:
            yield int(info["version"]), info
        return
    for version in local_versions(place.path):
        yield version, _commit_info(_log_file(place.path, version))


def local_versions(table: Path) -> list[int]:
    """List the versions whose commits are in the log of a table on this machine, the latest first."""
    try:
        with os.scandir(table / "_delta_log") as entries:
            return sorted((int(m[1]) for entry in entries if (m := _LOG_FILE.fullmatch(entry.name))), reverse=True)
    except FileNotFoundError:
        if table.is_dir() and any(table.iterdir()):
            hint = "move it away, or choose another alias, schema or lake"
            raise StoreError(Problem(f"{table} is in the way: a folder that is not a Delta table", hint=hint)) from None
        return []
    except OSError as exc:
        raise StoreError(Problem(f"cannot read the log of {table}: {exc.strerror}")) from exc


def file_system(place: TablePlace) -> pa_fs.FileSystem:
    """Open the folder of a table as a file system of its own."""
    from pyarrow import fs as pa_fs

    if place.is_local:
        return pa_fs.SubTreeFileSystem(str(place.path.absolute()), pa_fs.LocalFileSystem())
    from deltalake.fs import DeltaStorageHandler

    return pa_fs.PyFileSystem(DeltaStorageHandler(place.delta_uri, place.options))


def actions(place: TablePlace, version: int) -> list[dict[str, Any]] | None:
    """Read everything that a commit says; None where the log does not have it (any more)."""
    try:
        if place.is_local:
            text = _log_file(place.path, version).read_text(encoding="utf-8")
        else:
            with file_system(place).open_input_stream(f"_delta_log/{version:020}.json") as stream:
                text = stream.read().decode()
    except FileNotFoundError:
        return None
    return [json.loads(line) for line in text.splitlines() if line.strip()]


def token_of(version: int, said: list[dict[str, Any]]) -> str:
    """Identify a version by what its commit says."""
    return token_of_info(version, next((action["commitInfo"] for action in said if action.get("commitInfo")), {}))


def token_of_info(version: int, info: Mapping[str, Any]) -> str:
    """A version and the moment of its commit: another table that is made in the same place has another moment."""
    return f"{version}@{info.get('timestamp', '')}"


def changes_data(info: Mapping[str, Any]) -> bool:
    """Whether a commit changed rows, and not only how they are stored or described."""
    return info.get("operation") not in _WITHOUT_DATA_CHANGE and info.get(f"{PREFIX}data_change") != "false"


def _committed_ms(info: Mapping[str, Any]) -> int | None:
    committed_ms: int | None = info.get("inCommitTimestamp", info.get("timestamp"))
    return committed_ms


def _log_file(table: Path, version: int) -> Path:
    return table / "_delta_log" / f"{version:020}.json"


def _commit_info(file: Path) -> dict[str, Any]:
    with file.open(encoding="utf-8") as lines:
        for line in lines:
            if '"commitInfo"' in line:
                info: dict[str, Any] | None = json.loads(line).get("commitInfo")
                if info is not None:
                    return info
    return {}
