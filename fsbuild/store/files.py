"""What the files of a table are like: how large, and what they say of their columns."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from fsbuild.values import TableRows

if TYPE_CHECKING:
    import pyarrow as pa
    from deltalake import DeltaTable, WriterProperties

_LEAST = 2 * 2**20
_MOST = 128 * 2**20
# A change of one stretch of the rows then writes about a thirtieth of the table.
_FILES = 32
# About what Parquet takes for a value, over numbers, times and short texts.
_BYTES_OF_A_VALUE = 3


def file_size(table_bytes: int) -> int:
    """The bytes of a file in a table that later runs change, by the bytes of the table.

    A merge writes again all of each file that it touches. The size is a power of two, so that it seldom changes.

    >>> file_size(1_000_000_000) // 2**20
    16
    """
    size = _LEAST
    while 2 * size <= min(table_bytes // _FILES, _MOST):
        size *= 2
    return size


def expected_bytes(rows: TableRows) -> int:
    """About how many bytes rows will take."""
    return rows.count * len(rows.columns) * _BYTES_OF_A_VALUE


def schema_of(table: DeltaTable) -> pa.Schema:
    """The columns of a table, as Arrow has them."""
    import pyarrow as pa

    return pa.schema(table.schema().to_arrow())


def writer_properties(columns: Iterable[pa.Field]) -> WriterProperties:
    """Compress as deltalake does by itself, and leave out statistics of numbers that can be NaN.

    To DuckDB NaN is the greatest number, and statistics are of the others: it would skip files in which it is.
    """
    from deltalake import ColumnProperties, WriterProperties

    has_floats = {column.name: _has_floats(column.type) for column in columns}
    if not any(has_floats.values()):
        return WriterProperties(compression="SNAPPY")
    return WriterProperties(
        compression="SNAPPY",
        default_column_properties=ColumnProperties(statistics_enabled="NONE"),
        column_properties={
            name: ColumnProperties(statistics_enabled="PAGE") for name, has in has_floats.items() if not has
        },
    )


def _has_floats(kind: pa.DataType) -> bool:
    import pyarrow as pa

    return pa.types.is_floating(kind) or any(_has_floats(kind.field(at).type) for at in range(kind.num_fields))
