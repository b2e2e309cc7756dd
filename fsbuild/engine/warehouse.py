"""The DuckDB that computes: relations are bound to fixed versions of their tables, results are staged, then read.

What is staged is what gets published: checks and the store read the same rows, which nothing changes in between.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import threading
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from typing import TYPE_CHECKING

from fsbuild.engine.changes import SIGN, scan_changes
from fsbuild.engine.connection import engine_errors, open_duckdb
from fsbuild.engine.sources import attachment, remote_extensions, scan
from fsbuild.values import (
    BATCH_END,
    BATCH_START,
    STAGING,
    ChangedFile,
    ColumnType,
    Relation,
    Source,
    delta_uri,
    literal,
    quote,
)

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

# Rows of an Arrow batch: DuckDB's row group, as the store writes it.
BATCH_ROWS = 122_880


class Warehouse:
    """One DuckDB for a run, used by many threads at once, each with a cursor of its own."""

    def __init__(
        self, root: Path, settings: Mapping[str, object], now: dt.datetime, places: Iterable[str] = ()
    ) -> None:
        """Open the engine; `places` are those of the tables and files that it is going to read."""
        self._root = root
        self._connection = open_duckdb(root, settings, now, extensions=("delta", *remote_extensions(places)))
        # EXPLAIN ANALYZE of a delta_scan can crash otherwise.
        self._connection.execute("SET GLOBAL delta_scan_explain_files_filtered = false")
        self._connection.execute(f"CREATE SCHEMA {STAGING}")
        self._schemas = {"main", STAGING}
        # Names are changed under a lock: DuckDB refuses concurrent changes of its catalog.
        self._catalog = threading.RLock()
        self._local = threading.local()
        self._cursors: list[duckdb.DuckDBPyConnection] = []

    def close(self) -> None:
        """Stop what is still running, which closing would otherwise wait for, and give back the memory."""
        self.interrupt()
        self._connection.close()

    def interrupt(self) -> None:
        """Stop the queries that are running."""
        with self._catalog:
            for cursor in self._cursors:
                with contextlib.suppress(Exception):  # a cursor without a query has nothing to stop
                    cursor.interrupt()

    # --- names -------------------------------------------------------------------------------------------------------

    def bind_table(self, relation: Relation, uri: str, version: int) -> None:
        """Let a name stand for one version of a Delta table."""
        self._bind(relation, f"SELECT * FROM delta_scan({literal(delta_uri(uri))}, version => {version})")

    def bind_source(self, source: Source, version: int | None, files: Iterable[str] | None = None) -> None:
        """Let a source's name stand for its files, or for one version of its Delta table."""
        if statement := attachment(source):
            with self._catalog, engine_errors():
                self._connection.execute(statement)
        self._bind(source.relation, f"SELECT * FROM {scan(source, version, self._root, files)}")

    def bind_query(self, relation: Relation, sql: str) -> None:
        """Let a name stand for a query."""
        self._bind(relation, sql)

    def _bind(self, relation: Relation, sql: str) -> None:
        with self._catalog, engine_errors():
            if relation.schema.lower() not in self._schemas:
                self._connection.execute(f"CREATE SCHEMA {quote(relation.schema)}")
                self._schemas.add(relation.schema.lower())
            self._connection.execute(f"CREATE OR REPLACE VIEW {relation} AS {sql}")

    # --- rows --------------------------------------------------------------------------------------------------------

    def keep(self, relation: Relation, sql: str) -> int:
        """Compute a query and keep its rows under a name in the staging schema; return how many there are."""
        with engine_errors():
            (count,) = self._cursor().execute(f"CREATE OR REPLACE TABLE {relation} AS {sql}").fetchall()[0]
        return int(count)

    def add(self, relation: Relation, sql: str) -> int:
        """Compute a query and add its rows to those that are kept under a name; return how many."""
        with engine_errors():
            (count,) = self._cursor().execute(f"INSERT INTO {relation} {sql}").fetchall()[0]
        return int(count)

    def keep_rows(self, relation: Relation, rows: pa.Table) -> None:
        """Keep rows that come from outside under a name."""
        cursor = self._cursor()
        with engine_errors():
            cursor.register("fsbuild_rows", rows)
            cursor.execute(f"CREATE OR REPLACE TABLE {relation} AS SELECT * FROM fsbuild_rows")
            cursor.unregister("fsbuild_rows")

    def remove(self, relation: Relation, condition: str) -> None:
        """Take rows out of those that are kept under a name."""
        with engine_errors():
            self._cursor().execute(f"DELETE FROM {relation} WHERE {condition}")

    def set_batch(self, start: str | None = None, end: str | None = None) -> None:
        """Choose the stretch of time, as SQL, that the queries of this thread read; without one they read no batch."""
        cursor = self._cursor()
        with engine_errors():
            for name, moment in ((BATCH_START, start), (BATCH_END, end)):
                # A variable that is set to NULL is an integer, and cannot be compared with a time.
                cursor.execute(f"RESET VARIABLE {name}" if moment is None else f"SET VARIABLE {name} = {moment}")

    def keep_changes(self, relation: Relation, files: Sequence[ChangedFile], columns: Sequence[ColumnType]) -> int:
        """Keep the rows that changes leave added or removed in the end, each once; return how many."""
        names = ", ".join(quote(column.name) for column in columns)
        rows = scan_changes(files, columns)
        return self.keep(relation, f"SELECT {names} FROM ({rows}) GROUP BY {names} HAVING sum({SIGN}) <> 0")

    def keep_added(
        self, relation: Relation, source: Source, files: Iterable[str], columns: Sequence[ColumnType]
    ) -> int:
        """Keep the rows of some files of a source, each once; return how many."""
        names = ", ".join(f"CAST({quote(column.name)} AS {column.type}) AS {quote(column.name)}" for column in columns)
        return self.keep(relation, f"SELECT DISTINCT {names} FROM {scan(source, None, self._root, files)}")

    def drop(self, relation: Relation) -> None:
        """Forget rows that are kept."""
        with engine_errors():
            self._cursor().execute(f"DROP TABLE IF EXISTS {relation} CASCADE")

    def stream(self, sql: str) -> pa.RecordBatchReader:
        """Compute a query as a stream of Arrow batches, on a cursor of its own that lives as long as the stream."""
        with engine_errors():
            return self._prepare(self._connection.cursor()).sql(sql).to_arrow_reader(BATCH_ROWS)

    def table(self, sql: str) -> pa.Table:
        """Compute a small result as an Arrow table; Ctrl-C stops it."""
        cursor = self._cursor()

        def compute() -> pa.Table:
            return cursor.execute(sql).to_arrow_table()

        with engine_errors():
            if threading.current_thread() is not threading.main_thread():
                return compute()
            # Python hears Ctrl-C only on its main thread, and only while that is not inside the engine.
            with ThreadPoolExecutor(1) as pool:
                result = pool.submit(compute)
                try:
                    return result.result()
                except KeyboardInterrupt:
                    # Again and again: DuckDB forgets what it is told between two steps of a query.
                    while not wait([result], 0.1).done:
                        cursor.interrupt()
                    raise

    def relation(self, sql: str) -> duckdb.DuckDBPyRelation:
        """Give a query as a relation of DuckDB, to go on from."""
        with engine_errors():
            return self._cursor().sql(sql)

    def copy(self, sql: str, file: Path, file_format: str) -> int:
        """Write the rows of a query to a file, `parquet` or `csv`; return how many there are."""
        with engine_errors():
            (count,) = (
                self._cursor().execute(f"COPY ({sql}) TO {literal(str(file))} (FORMAT {file_format})").fetchall()[0]
            )
        return int(count)

    def rows(self, sql: str) -> list[dict[str, object]]:
        """Compute a small result as a list of rows."""
        found: list[dict[str, object]] = self.table(sql).to_pylist()
        return found

    def columns(self, sql: str) -> tuple[ColumnType, ...]:
        """Tell the columns of a query."""
        with engine_errors():
            bound = self._cursor().sql(sql)
            return tuple(ColumnType(name, str(kind)) for name, kind in zip(bound.columns, bound.types, strict=True))

    def _cursor(self) -> duckdb.DuckDBPyConnection:
        cursor: duckdb.DuckDBPyConnection | None = getattr(self._local, "cursor", None)
        if cursor is None:
            cursor = self._local.cursor = self._prepare(self._connection.cursor())
        return cursor

    def _prepare(self, cursor: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
        with self._catalog:
            self._cursors.append(cursor)
        return cursor
