"""How large the files of a table are that later runs change: a merge writes again all of each file that it touches."""

from __future__ import annotations

from fsbuild.values import TableRows

_LEAST = 2 * 2**20
_MOST = 128 * 2**20
# A change of one stretch of the rows then writes about a thirtieth of the table.
_FILES = 32
# About what Parquet takes for a value, over numbers, times and short texts.
_BYTES_OF_A_VALUE = 3


def file_size(table_bytes: int) -> int:
    """The bytes of a file in a table of so many: a power of two, so that it seldom changes.

    >>> file_size(1_000_000_000) // 2**20
    16
    """
    size = _LEAST
    while size < min(table_bytes // _FILES, _MOST):
        size *= 2
    return size


def expected_bytes(rows: TableRows) -> int:
    """About how many bytes rows will take."""
    return rows.count * len(rows.columns) * _BYTES_OF_A_VALUE
