"""A project that was run in, the digest of every table's rows out, as JSON on stdout.

A program of its own: it runs in the measured tool's environment, so each tool's tables are read by the
libraries that it was installed with. Delta tables are read by `deltalake`, never by fsbuild's own code.
Arguments: `delta` or `duckdb`, the lake's schema folder or the database file, the schema, the tables.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

# A table's name -> its columns and rows. Only a tool's own environment has the library that reads its tables.
Reader = Callable[[str], tuple[list[str], Iterable[tuple[object, ...]]]]


def _delta_reader(place: str) -> Reader:
    import pyarrow as pa
    from deltalake import DeltaTable, QueryBuilder

    def read(table: str) -> tuple[list[str], Iterable[tuple[object, ...]]]:
        # Not `to_pyarrow_table`: its threads abort about one in four processes that exit right after it.
        query = QueryBuilder().register("found", DeltaTable(Path(place) / table))
        rows = pa.table(query.execute("select * from found"))
        return rows.column_names, zip(*(column.to_pylist() for column in rows.columns), strict=True)

    return read


def _duckdb_reader(place: str, schema: str) -> Reader:
    import duckdb

    connection = duckdb.connect(place, read_only=True)

    def read(table: str) -> tuple[list[str], Iterable[tuple[object, ...]]]:
        result = connection.execute(f'select * from "{schema}"."{table}"')
        return [column[0] for column in result.description or []], result.fetchall()

    return read


def main(kind: str, place: str, schema: str, *tables: str) -> None:
    """Print `{table: [number of rows, digest]}`; the order of the rows does not count."""
    read = _delta_reader(place) if kind == "delta" else _duckdb_reader(place, schema)
    found = {}
    for table in tables:
        columns, rows = read(table)
        ordered = sorted(repr(row) for row in rows)
        text = "\n".join([",".join(columns), *ordered])
        found[table] = [len(ordered), hashlib.sha256(text.encode()).hexdigest()]
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main(*sys.argv[1:])
