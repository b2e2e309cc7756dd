"""Made-up rows under the names that a query reads in, the rows of the query out; nothing of it stays.

One try after the other: each makes its tables in a transaction of its own, which is rolled back.
"""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from fsbuild.engine.connection import engine_errors, open_duckdb
from fsbuild.values import BATCH_END, BATCH_START, Relation, quote


class Scratch:
    """An empty DuckDB in memory. Used by many threads, which wait for each other."""

    def __init__(self, root: Path, settings: Mapping[str, object], now: dt.datetime) -> None:
        """Open the engine, in which "now" is one fixed moment."""
        self._connection = open_duckdb(root, settings, now)
        self._lock = threading.Lock()
        # A query of one batch is tried over all of time.
        self._connection.execute(f"SET VARIABLE {BATCH_START} = TIMESTAMP '-infinity'")
        self._connection.execute(f"SET VARIABLE {BATCH_END} = TIMESTAMP 'infinity'")

    def close(self) -> None:
        """Give back the memory."""
        self._connection.close()

    def rows(
        self, tables: Iterable[tuple[Relation, str]], views: Iterable[tuple[Relation, str]], queries: Sequence[str]
    ) -> list[list[dict[str, object]]]:
        """Keep the rows of some queries under names, let names stand for others, and compute each of `queries`.

        Raises:
            BindError: a query is not right over these tables.
            EngineError: a query fails.
        """
        with self._lock, engine_errors():
            self._connection.begin()
            try:
                for kind, named in (("TABLE", tables), ("VIEW", views)):
                    for relation, sql in named:
                        self._connection.execute(f"CREATE SCHEMA IF NOT EXISTS {quote(relation.schema)}")
                        self._connection.execute(f"CREATE {kind} {relation} AS {sql}")
                return [self._connection.execute(sql).to_arrow_table().to_pylist() for sql in queries]
            finally:
                self._connection.rollback()
