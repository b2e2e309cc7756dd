"""Two states of a table in, the rows that it won and lost between them out.

The log is read as Delta's protocol says: where a commit recorded changes, they are in its change files; otherwise its
changes are the rows of the files that it added and removed. deltalake's own `load_cdf` is not used: it does not find
change files of partitions whose values are encoded in a path (timestamps, quotes, spaces), needs the feed where plain
files tell as much, and reads columns that nobody asked for, which fails where one of them changed its type.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from fsbuild.errors import FsbuildError, NoChangesError, Problem, StoreError, listing
from fsbuild.store.log import actions, file_system, token_of
from fsbuild.store.table import TablePlace

if TYPE_CHECKING:
    import pyarrow as pa
    from pyarrow import fs as pa_fs

SIGN = "fsbuild_sign"
_KIND = "_change_type"
_NEW = ("insert", "update_postimage")
# Operations that copy the rows which they leave as they are: without a feed their files tell too much.
_COPYING = frozenset({"MERGE", "UPDATE", "DELETE"})
_TOKEN = re.compile(r"(\d+)@\d+")


@dataclass(frozen=True, slots=True)
class _ChangedFile:
    """A file of changed rows: all of them new (1) or gone (-1), or each of its own kind (None)."""

    path: str
    partition: Mapping[str, str | None]
    sign: int | None


def changes_problem(place: TablePlace, since: str, until: int) -> str | None:
    """Say why it cannot be told what changed, or None where it can."""
    try:
        _changed_files(place, since, until)
    except NoChangesError as exc:
        return exc.reason
    return None


def read_changes(place: TablePlace, since: str, until: int, columns: Sequence[str]) -> pa.RecordBatchReader:
    """Read the rows that a table won and lost, of the columns that it has at `until`.

    Raises:
        NoChangesError: the log cannot tell.
        StoreError: there is no such column.
    """
    import pyarrow as pa
    from pyarrow import fs as pa_fs

    files = _changed_files(place, since, until)
    table = place.opened(until)
    if table.metadata().configuration.get("delta.columnMapping.mode", "none") != "none":
        raise NoChangesError(place.uri, "its columns have other names in its files")
    present = pa.schema(table.schema().to_arrow())
    if missing := [name for name in columns if name not in present.names]:
        message = f"{place.uri} has no column {listing(missing)} at version {until}"
        raise StoreError(Problem(message, hint=f"it has {listing(present.names)}"))
    schema = pa.schema([*(present.field(name) for name in columns), pa.field(SIGN, pa.int8())])
    root = file_system(place)
    found = root.get_file_info([file.path for file in files])
    if gone := [info.path for info in found if info.type == pa_fs.FileType.NotFound]:
        raise NoChangesError(place.uri, f"files of the changed rows have been vacuumed ({listing(gone, 1)})")
    return pa.RecordBatchReader.from_batches(schema, _batches(root, files, schema))


# --- the log ---------------------------------------------------------------------------------------------------------


def _changed_files(place: TablePlace, since: str, until: int) -> list[_ChangedFile]:
    token = _TOKEN.fullmatch(since)
    if token is None:
        raise NoChangesError(place.uri, f"its earlier state is only known as '{since}'")
    first = int(token[1])
    if until < first:
        raise NoChangesError(place.uri, f"version {first} was read already, and version {until} is before it")
    if token_of(first, _said(place, first)) != since:
        raise NoChangesError(place.uri, f"another table has been made in its place since version {first} was read")
    files: list[_ChangedFile] = []
    schemas: list[tuple[int, str]] = []
    for version in range(first + 1, until + 1):
        said = _said(place, version)
        files += _files_of(place, version, said)
        schemas += [(version, one["metaData"]["schemaString"]) for one in said if one.get("metaData")]
    if schemas:
        _refuse_other_types(place, first, schemas)
    return files


def _said(place: TablePlace, version: int) -> list[dict[str, Any]]:
    said = actions(place, version)
    if said is None:
        raise NoChangesError(place.uri, f"version {version} is not in its log")
    return said


def _files_of(place: TablePlace, version: int, said: Sequence[Mapping[str, Any]]) -> Iterator[_ChangedFile]:
    """List the files that hold the changes of one commit."""
    recorded = [one["cdc"] for one in said if one.get("cdc")]
    for action in recorded:
        yield _file(action, None)
    if recorded:
        return
    added = [one["add"] for one in said if one.get("add") and one["add"]["dataChange"]]
    removed = [one["remove"] for one in said if one.get("remove") and one["remove"]["dataChange"]]
    operation = next((one["commitInfo"].get("operation") for one in said if one.get("commitInfo")), None)
    if added and removed and operation in _COPYING:
        raise NoChangesError(place.uri, f"its change data feed was off at version {version} ({operation})")
    if any(action.get("deletionVector") for action in (*added, *removed)):
        raise NoChangesError(place.uri, f"version {version} marks deleted rows without recording them as changes")
    if any(action.get("partitionValues") is None for action in removed):
        raise NoChangesError(place.uri, f"version {version} does not say which partitions it removed files of")
    for action in added:
        yield _file(action, 1)
    for action in removed:
        yield _file(action, -1)


def _file(action: Mapping[str, Any], sign: int | None) -> _ChangedFile:
    return _ChangedFile(unquote(action["path"]), action["partitionValues"], sign)


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


# --- rows ------------------------------------------------------------------------------------------------------------


def _batches(root: pa_fs.FileSystem, files: Sequence[_ChangedFile], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """Read files as rows of one schema: what a file lacks is in its partition's values, or NULL."""
    import pyarrow as pa
    from pyarrow import compute as pc
    from pyarrow import parquet as pq

    for file in files:
        with root.open_input_file(file.path) as opened:
            parquet = pq.ParquetFile(opened, coerce_int96_timestamp_unit="us")
            stored = set(parquet.schema_arrow.names).difference(file.partition)
            wanted = [name for name in schema.names if name in stored]
            for batch in parquet.iter_batches(columns=wanted if file.sign is not None else [*wanted, _KIND]):
                columns = [
                    batch.column(field.name).cast(field.type)
                    if field.name in stored
                    else pa.repeat(_partition_value(file.partition.get(field.name), field.type), batch.num_rows)
                    for field in schema
                    if field.name != SIGN
                ]
                if file.sign is None:
                    is_new = pc.is_in(batch.column(_KIND).cast(pa.string()), value_set=pa.array(_NEW))
                    signs = pc.if_else(is_new, pa.scalar(1, pa.int8()), pa.scalar(-1, pa.int8()))
                else:
                    signs = pa.repeat(pa.scalar(file.sign, pa.int8()), batch.num_rows)
                yield pa.record_batch([*columns, signs], schema=schema)


def _partition_value(text: str | None, kind: pa.DataType) -> pa.Scalar:
    """Read a value as the log writes it: an empty one is NULL, timestamps are in UTC whether they say so or not."""
    import pyarrow as pa

    if not text:
        return pa.scalar(None, kind)
    if pa.types.is_timestamp(kind):
        return pa.scalar(text.removesuffix("Z")).cast(pa.timestamp("us")).cast(kind)
    return pa.scalar(text).cast(kind)
