"""Two states of a table in, the files of the rows that it won and lost between them out.

The log is read as Delta's protocol says: where a commit recorded changes, they are in its change files; otherwise its
changes are the rows of the files that it added and removed. deltalake's own `load_cdf` is not used: it does not find
change files of partitions whose values are encoded in a path (timestamps, quotes, spaces), needs the feed where plain
files tell as much, and reads columns that nobody asked for, which fails where one of them changed its type.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal
from urllib.parse import unquote

from fsbuild.errors import FsbuildError, NoChangesError, listing
from fsbuild.store.log import actions, file_system, token_of
from fsbuild.store.table import TablePlace
from fsbuild.values import ChangedFile

# Operations that copy the rows which they leave as they are: without a feed their files tell too much.
_COPYING = frozenset({"MERGE", "UPDATE", "DELETE"})
_TOKEN = re.compile(r"(\d+)@\d+")


def changes_problem(place: TablePlace, since: str, until: int) -> str | None:
    """Say why it cannot be told what changed, or None where it can."""
    try:
        _changed_files(place, since, until)
    except NoChangesError as exc:
        return exc.reason
    return None


def changed_files(place: TablePlace, since: str, until: int) -> tuple[ChangedFile, ...]:
    """List the files of the rows that a table won and lost.

    Raises:
        NoChangesError: the log cannot tell, or files are not there any more.
    """
    files = _changed_files(place, since, until)
    if place.opened(until).metadata().configuration.get("delta.columnMapping.mode", "none") != "none":
        raise NoChangesError(place.uri, "its columns have other names in its files")
    if gone := _missing([file.uri for file in files], place):
        raise NoChangesError(place.uri, f"files of the changed rows have been vacuumed ({listing(gone, 1)})")
    return tuple(replace(file, uri=place.file(file.uri)) for file in files)


def _missing(paths: Sequence[str], place: TablePlace) -> list[str]:
    """Tell which files of a table are not there."""
    if place.is_local:
        return [path for path in paths if not (place.path / path).exists()]
    from pyarrow import fs as pa_fs

    found = file_system(place).get_file_info(list(paths))
    return [info.path for info in found if info.type == pa_fs.FileType.NotFound]


# --- the log ---------------------------------------------------------------------------------------------------------


def _changed_files(place: TablePlace, since: str, until: int) -> list[ChangedFile]:
    token = _TOKEN.fullmatch(since)
    if token is None:
        raise NoChangesError(place.uri, f"its earlier state is only known as '{since}'")
    first = int(token[1])
    if until < first:
        raise NoChangesError(place.uri, f"version {first} was read already, and version {until} is before it")
    if token_of(first, _said(place, first)) != since:
        raise NoChangesError(place.uri, f"another table has been made in its place since version {first} was read")
    files: list[ChangedFile] = []
    schemas: list[tuple[int, str]] = []
    for version in range(first + 1, until + 1):
        said = _said(place, version)
        files += _files_of(place, version, said, until)
        schemas += [(version, one["metaData"]["schemaString"]) for one in said if one.get("metaData")]
    if schemas:
        _refuse_other_types(place, first, schemas)
    return files


def _said(place: TablePlace, version: int) -> list[dict[str, Any]]:
    said = actions(place, version)
    if said is None:
        raise NoChangesError(place.uri, f"version {version} is not in its log")
    return said


def _files_of(place: TablePlace, version: int, said: Sequence[Mapping[str, Any]], until: int) -> Iterator[ChangedFile]:
    """List the files that hold the changes of one commit; the table is read up to the version `until`."""
    recorded = [one["cdc"] for one in said if one.get("cdc")]
    for action in recorded:
        yield _file(action, None)
    if recorded:
        return
    added = [one["add"] for one in said if one.get("add") and one["add"]["dataChange"]]
    removed = [one["remove"] for one in said if one.get("remove") and one["remove"]["dataChange"]]
    operation = next((one["commitInfo"].get("operation") for one in said if one.get("commitInfo")), None)
    # With a feed, what changes no value is written without one: what its files add is what they remove.
    if added and removed and operation in _COPYING and not _has_feed(place, until):
        raise NoChangesError(place.uri, f"its change data feed was off at version {version} ({operation})")
    if any(action.get("deletionVector") for action in (*added, *removed)):
        raise NoChangesError(place.uri, f"version {version} marks deleted rows without recording them as changes")
    if any(action.get("partitionValues") is None for action in removed):
        raise NoChangesError(place.uri, f"version {version} does not say which partitions it removed files of")
    for action in added:
        yield _file(action, 1)
    for action in removed:
        yield _file(action, -1)


def _has_feed(place: TablePlace, version: int) -> bool:
    return place.opened(version).metadata().configuration.get("delta.enableChangeDataFeed") == "true"


def _file(action: Mapping[str, Any], sign: Literal[1, -1] | None) -> ChangedFile:
    return ChangedFile(unquote(action["path"]), action["partitionValues"], sign)


def _refuse_other_types(place: TablePlace, first: int, schemas: Sequence[tuple[int, str]]) -> None:
    """Refuse what no single type could hold: a column that had another one in between."""
    try:
        types = _types(place.opened(first).schema().to_json())
    except NoChangesError:
        raise
    except FsbuildError as exc:
        raise NoChangesError(place.uri, f"version {first} cannot be opened any more") from exc
    for version, text in schemas:
        for name, kind in _types(text).items():
            if types.setdefault(name, kind) != kind:
                raise NoChangesError(place.uri, f"column '{name}' has another type since version {version}")


def _types(schema: str) -> dict[str, str]:
    fields = json.loads(schema)["fields"]
    return {field["name"]: json.dumps(field["type"], sort_keys=True) for field in fields}
