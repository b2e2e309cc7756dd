"""Rows of a query -> a file, in the format that its name ends in. It is there when it is complete."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from decimal import Decimal
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from fsbuild.errors import Problem, UsageError

if TYPE_CHECKING:
    from fsbuild.engine import Warehouse

FORMATS = (".parquet", ".csv", ".arrow", ".tfrecord")
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


def write_rows(warehouse: Warehouse, sql: str, file: Path) -> int:
    """Write the rows of a query to a file; return how many there are.

    Raises:
        UsageError: the name ends in no format that is known, or a package that is needed is not installed.
    """
    if file.suffix not in FORMATS:
        raise UsageError(Problem(f"'{file.name}' ends in no known format", hint=f"one of {', '.join(FORMATS)}"))
    if not file.parent.is_dir():
        raise UsageError(Problem(f"there is no folder '{file.parent}' to write '{file.name}' into"))
    part = file.with_name(f".{file.name}.part")
    try:
        if file.suffix == ".arrow":
            count = _write_arrow(warehouse, sql, part)
        elif file.suffix == ".tfrecord":
            count = _write_tfrecords(warehouse, sql, part)
        else:
            count = warehouse.copy(sql, part, file.suffix.removeprefix("."))
        part.replace(file)
    finally:
        part.unlink(missing_ok=True)
    return count


def _write_arrow(warehouse: Warehouse, sql: str, file: Path) -> int:
    """Arrow's IPC file format, which is also called Feather."""
    from pyarrow import ipc

    count = 0
    with warehouse.stream(sql) as reader, ipc.new_file(str(file), reader.schema) as writer:
        for batch in reader:
            writer.write_batch(batch)
            count += batch.num_rows
    return count


def _write_tfrecords(warehouse: Warehouse, sql: str, file: Path) -> int:
    """A `tf.train.Example` for each row. A NULL is left out, a time is its microseconds since 1970, in UTC."""
    if find_spec("tfrecord") is None:
        hint = "pip install 'fsbuild[tfrecord]'"
        raise UsageError(Problem("this needs the package tfrecord, which is not installed", hint=hint))
    from tfrecord import TFRecordWriter

    count = 0
    writer = TFRecordWriter(str(file))
    try:
        with warehouse.stream(sql) as reader:
            for batch in reader:
                for row in batch.to_pylist():
                    writer.write(dict(_features(row)))
                    count += 1
    finally:
        writer.close()
    return count


def _features(row: Mapping[str, object]) -> Iterator[tuple[str, tuple[object, str]]]:
    for name, value in row.items():
        values = value if isinstance(value, list) else [value]
        known = [one for one in values if one is not None]
        if known:
            yield name, _feature(name, known)


def _feature(name: str, values: list[object]) -> tuple[object, str]:
    first = values[0]
    if isinstance(first, bool | int):
        return [int(str(int(value))) for value in values if isinstance(value, bool | int)], "int"
    if isinstance(first, float | Decimal):
        return [float(str(value)) for value in values], "float"
    if isinstance(first, dt.datetime):
        times = [value.replace(tzinfo=value.tzinfo or dt.UTC) for value in values if isinstance(value, dt.datetime)]
        return [(time - _EPOCH) // dt.timedelta(microseconds=1) for time in times], "int"
    if isinstance(first, str | bytes | dt.date):
        texts = [value if isinstance(value, bytes) else str(value).encode() for value in values]
        return texts, "byte"
    hint = "select numbers, texts, times, or lists of these"
    raise UsageError(Problem(f"a TFRecord cannot hold '{name}', which is a {type(first).__name__}", hint=hint))
