"""The DuckDB that computes: relations are bound to fixed versions of their tables, results are staged, then read.

What is staged is what gets published: checks and the store read the same rows, which nothing changes in between.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from fsbuild.engine.connection import engine_errors, load_extension, open_duckdb
from fsbuild.engine.sources import scan
from fsbuild.values import ColumnType, Relation, Source, literal, quote

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

STAGING = "fsbuild_staging"
# Rows of an Arrow batch: DuckDB's row group, as the store writes it.
BATCH_ROWS = 122_880
_REMOTE = ("s3://", "http://", "https://", "gs://", "az://", "abfss://")


class Warehouse:
    """One DuckDB for a run, used by many threads at once, each with a cursor of its own."""

    def __init__(self, root: Path, settings: Mapping[str, object], now: dt.datetime) -> None:
        self._root = root
        self._connection = open_duckdb(root, settings, now)
        self._connection.execute(f"CREATE SCHEMA {STAGING}")
        self._schemas = {"main", STAGING}
        self._extensions: set[str] = set()
        # Names are changed under a lock: DuckDB refuses concurrent changes of its catalog.
        self._catalog = threading.RLock()
        self._local = threading.local()
        self._cursors: list[duckdb.DuckDBPyConnection] = []

    def close(self) -> None:
        """Give back the memory."""
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
        self._extend("delta")
        if uri.startswith(_REMOTE):
            self._extend("httpfs")
        self._bind(relation, f"SELECT * FROM delta_scan({literal(uri)}, version => {version})")

    def bind_source(self, source: Source, version: int | None) -> None:
        """Let a source's name stand for its files, or for one version of its Delta table."""
        if source.kind == "delta":
            self._extend("delta")
        if any(scheme in source.location for scheme in _REMOTE):
            self._extend("httpfs")
        self._bind(source.relation, f"SELECT * FROM {scan(source, version, self._root)}")

    def bind_query(self, relation: Relation, sql: str) -> None:
        """Let a name stand for a query."""
        self._bind(relation, sql)

    def bind_staged(self, relation: Relation, unique_id: str) -> None:
        """Let a name stand for rows that were staged, so that they need not be read back."""
        self._bind(relation, f"SELECT * FROM {self.staged(unique_id)}")

    def _bind(self, relation: Relation, sql: str) -> None:
        with self._catalog, engine_errors():
            if relation.schema.lower() not in self._schemas:
                self._connection.execute(f"CREATE SCHEMA {quote(relation.schema)}")
                self._schemas.add(relation.schema.lower())
            self._connection.execute(f"CREATE OR REPLACE VIEW {relation} AS {sql}")

    def load_delta(self) -> None:
        """Load what reading Delta tables takes; it is loaded when it is needed, too."""
        self._extend("delta")

    def _extend(self, name: str) -> None:
        with self._catalog:
            if name not in self._extensions:
                load_extension(self._connection, name)
                if name == "delta":
                    # EXPLAIN ANALYZE of a delta_scan can crash otherwise.
                    self._connection.execute("SET GLOBAL delta_scan_explain_files_filtered = false")
                self._extensions.add(name)

    # --- rows --------------------------------------------------------------------------------------------------------

    def staged(self, unique_id: str) -> str:
        """Name the table in which a node's rows are staged."""
        return f"{quote(STAGING)}.{quote(unique_id)}"

    def stage(self, unique_id: str, sql: str) -> int:
        """Compute a query and keep its rows; return how many there are."""
        with engine_errors():
            (count,) = (
                self._cursor().execute(f"CREATE OR REPLACE TABLE {self.staged(unique_id)} AS {sql}").fetchall()[0]
            )
        return int(count)

    def drop_staged(self, unique_id: str) -> None:
        """Forget staged rows."""
        with engine_errors():
            self._cursor().execute(f"DROP TABLE IF EXISTS {self.staged(unique_id)} CASCADE")

    def stream(self, sql: str) -> pa.RecordBatchReader:
        """Compute a query as a stream of Arrow batches, on a cursor of its own that lives as long as the stream."""
        with engine_errors():
            return self._prepare(self._connection.cursor()).sql(sql).to_arrow_reader(BATCH_ROWS)

    def rows(self, sql: str) -> list[dict[str, object]]:
        """Compute a small result as a list of rows."""
        with engine_errors():
            found: list[dict[str, object]] = self._cursor().execute(sql).to_arrow_table().to_pylist()
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
