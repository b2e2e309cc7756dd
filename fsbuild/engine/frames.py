"""Rows that another library holds -> a Parquet file, with the types that DuckDB gives them."""

from __future__ import annotations

from pathlib import Path

import duckdb

from fsbuild.engine.connection import engine_errors
from fsbuild.errors import Problem, UsageError
from fsbuild.values import literal


def write_frame(frame: object, file: Path) -> None:
    """Write the rows of a pandas or Polars frame, an Arrow table or stream, or a DuckDB relation.

    Raises:
        UsageError: it is none of these.
    """
    if isinstance(frame, duckdb.DuckDBPyRelation):
        with engine_errors():
            frame.write_parquet(str(file))
        return
    with duckdb.connect() as connection, engine_errors():
        connection.execute("SET TimeZone = 'UTC'")
        try:
            connection.register("frame", frame)
        except (duckdb.InvalidInputException, TypeError) as exc:
            hint = "give a pandas or Polars frame, an Arrow table, a DuckDB relation, or SQL as a text"
            raise UsageError(Problem(f"a spine cannot be of the type {type(frame).__name__}", hint=hint)) from exc
        connection.execute(f"COPY frame TO {literal(str(file))} (FORMAT parquet)")
