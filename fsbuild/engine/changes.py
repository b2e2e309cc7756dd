"""The files of changed rows in, the query for their rows and signs out."""

from __future__ import annotations

from collections.abc import Sequence
from glob import escape

from fsbuild.values import ChangedFile, ColumnType, literal, quote

SIGN = "fsbuild_sign"
_FILE = "fsbuild_file"
# What Delta's change files say of each row in a column of their own.
_KIND = "_change_type"
_NEW = "('insert', 'update_postimage')"


def scan_changes(files: Sequence[ChangedFile], columns: Sequence[ColumnType]) -> str:
    """Write the query for changed rows: columns of a table, and `fsbuild_sign`, 1 for a row won and -1 for one lost.

    What a file lacks is in the values of its partition, or NULL.
    """
    partitions = list(dict.fromkeys(name for file in files for name in file.partition))
    typed = ", ".join(f"CAST(NULL AS {column.type}) AS {quote(column.name)}" for column in columns)
    empty = f"SELECT {typed}{', ' if typed else ''}'' AS {_FILE}, '' AS {_KIND} WHERE false"
    if not files:
        return f"SELECT * EXCLUDE ({_FILE}, {_KIND}), 0 AS {SIGN} FROM ({empty})"
    rows = ", ".join(
        f"({literal(file.uri)}, {file.sign or 'NULL'}"
        + "".join(f", {_text(file.partition.get(name))}" for name in partitions)
        + ")"
        for file in files
    )
    names = ", ".join(["path", "sign", *(f"p{at}" for at in range(len(partitions)))])
    selected = "".join(
        f"{_partition_value(f'p{partitions.index(c.name)}', c.type)} AS {quote(c.name)}, "
        if c.name in partitions
        else f"CAST(r.{quote(c.name)} AS {c.type}) AS {quote(c.name)}, "
        for c in columns
    )
    # Each file is read once, though a commit may undo what another did. A path may have the characters of patterns.
    paths = ", ".join(literal(escape(uri)) for uri in dict.fromkeys(file.uri for file in files))
    return (
        f"SELECT {selected}coalesce(f.sign, CASE WHEN r.{_KIND} IN {_NEW} THEN 1 ELSE -1 END) AS {SIGN} "
        f"FROM ({empty} UNION ALL BY NAME SELECT * FROM read_parquet("
        f"[{paths}], union_by_name => true, hive_partitioning => false, filename => {literal(_FILE)})) AS r "
        f"JOIN (VALUES {rows}) AS f({names}) ON r.{_FILE} = f.path"
    )


def _text(value: str | None) -> str:
    return literal(value) if value else "CAST(NULL AS VARCHAR)"


def _partition_value(text: str, kind: str) -> str:
    """Read a value as the log writes it: bytes are letters, timestamps are in UTC whether they say so or not."""
    return f"encode({text})" if kind == "BLOB" else f"CAST({text} AS {kind})"
