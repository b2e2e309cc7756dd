"""Rows that are computed when they are asked for, in whatever form the caller's library likes.

rows = project.training_set(flights, ["delay_risk"], event_time="scheduled_at")
rows.pandas()                                   a frame
for batch in rows.arrow_batches(): ...          a stream, in little memory
rows.save("training.parquet")                   a file
"""

from __future__ import annotations

import html
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Self

from fsbuild.errors import Problem, UsageError
from fsbuild.exports import write_rows
from fsbuild.values import ColumnType, Relation, staged_relation

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

    from fsbuild.engine import Warehouse
    from fsbuild.pipeline.retrieving import Retrieval

_SHOWN_ROWS = 10
Warehouses = Callable[[], AbstractContextManager["Warehouse"]]


class Dataset:
    """A query whose rows nobody has asked for yet; what it reads, and in which versions, is fixed.

    The first method that needs rows computes them, and they are kept until `close()`, or until the object is gone.
    """

    def __init__(self, title: str, retrieval: Retrieval, warehouses: Warehouses, held: ExitStack) -> None:
        self._title, self._retrieval, self._warehouses = title, retrieval, warehouses
        self._held = held
        self._rows: tuple[Warehouse, Relation] | None = None
        self._close = weakref.finalize(self, held.close)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def __repr__(self) -> str:
        columns = ", ".join(f"{column.name} {column.type}" for column in self.columns)
        return f"<fsbuild.Dataset {self._title}: {columns}>"

    def _repr_html_(self) -> str:
        """A table of the first rows, for notebooks."""
        rows = self.relation().limit(_SHOWN_ROWS).fetchall()
        head = "".join(f"<th>{html.escape(c.name)}<br><small>{html.escape(c.type)}</small></th>" for c in self.columns)
        cells = (["" if value is None else html.escape(str(value)) for value in row] for row in rows)
        body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in cells)
        caption = html.escape(self._title)
        return f"<table><caption>{caption}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"

    def close(self) -> None:
        """Give back the memory that computed rows take."""
        self._rows = None
        self._close()

    # --- what it is --------------------------------------------------------------------------------------------------

    @property
    def columns(self) -> tuple[ColumnType, ...]:
        """Its columns, with SQL types."""
        return self._retrieval.columns

    def sql(self) -> str:
        """The query as one text."""
        return self._retrieval.sql

    def explain(self) -> str:
        """Say what is read, in which versions, and how the engine goes about it."""
        from fsbuild.pipeline.retrieving import bind_inputs, inputs_of

        read = [
            f"{one.name}: {'files' if one.version is None else f'version {one.version}'}"
            for one in inputs_of(self._retrieval)
        ]
        with self._warehouses() as warehouse:
            bind_inputs(self._retrieval, warehouse)
            plan = [str(row["explain_value"]) for row in warehouse.rows(f"EXPLAIN {self.sql()}")]
        return "\n".join(["reads", *(f"  {line}" for line in read), *plan])

    # --- its rows ----------------------------------------------------------------------------------------------------

    def relation(self) -> duckdb.DuckDBPyRelation:
        """The rows as a DuckDB relation, which lives as long as this object."""
        warehouse, rows = self._computed()
        return warehouse.relation(f"SELECT * FROM {rows}")

    def arrow_batches(self) -> pa.RecordBatchReader:
        """The rows as a stream of Arrow record batches."""
        warehouse, rows = self._computed()
        return warehouse.stream(f"SELECT * FROM {rows}")

    def arrow(self) -> pa.Table:
        """The rows as an Arrow table."""
        warehouse, rows = self._computed()
        return warehouse.table(f"SELECT * FROM {rows}")

    def polars(self) -> Any:  # noqa: ANN401 - a polars.DataFrame, imported by nobody for its type alone
        """The rows as a Polars frame."""
        return self.relation().pl()

    def pandas(self) -> Any:  # noqa: ANN401 - a pandas.DataFrame, which need not be installed
        """The rows as a pandas frame.

        Raises:
            UsageError: pandas is not installed.
        """
        _need("pandas")
        return self.relation().df()

    def numpy(self) -> Mapping[str, Any]:
        """The rows as a NumPy array for each column; where a column has NULLs, a masked one.

        Raises:
            UsageError: NumPy is not installed.
        """
        _need("numpy")
        return self.relation().fetchnumpy()

    def torch(self, *, batch_size: int = 1024, columns: Sequence[str] | None = None) -> Any:  # noqa: ANN401
        """The rows as a PyTorch `IterableDataset` of batches: a tensor for each column, NaN where it is NULL.

        Several workers of a `DataLoader` (with `batch_size=None`) share the batches among them. Without `columns` it
        has those of numbers and booleans.

        Raises:
            UsageError: PyTorch is not installed, or a column has no tensors.
        """
        _need("torch")
        from fsbuild.tensors import TensorDataset

        # Workers are processes of their own: they read a file, and not this engine.
        folder = Path(self._held.enter_context(TemporaryDirectory(prefix="fsbuild")))
        self.save(folder / "rows.arrow")
        return TensorDataset(folder / "rows.arrow", self.columns, batch_size, columns)

    def save(self, path: str | Path) -> int:
        """Write the rows to a file: .parquet, .csv, .arrow or .tfrecord; return how many there are."""
        warehouse, rows = self._computed()
        return write_rows(warehouse, f"SELECT * FROM {rows}", Path(path))

    def __iter__(self) -> Iterator[dict[str, object]]:
        """The rows, one by one."""
        for batch in self.arrow_batches():
            yield from batch.to_pylist()

    def _computed(self) -> tuple[Warehouse, Relation]:
        """The engine and the name of the rows in it; they are computed when this is called first."""
        from fsbuild.pipeline.retrieving import bind_inputs

        if not self._close.alive:
            raise UsageError(Problem("the dataset is closed", hint="make it again, or close it later"))
        if self._rows is None:
            warehouse = self._held.enter_context(self._warehouses())
            bind_inputs(self._retrieval, warehouse)
            for relation, sql in self._retrieval.query.stages:
                warehouse.keep(relation, sql)
            rows = staged_relation("rows")
            warehouse.keep(rows, self._retrieval.query.sql)
            for relation, _ in self._retrieval.query.stages:
                warehouse.drop(relation)
            self._rows = warehouse, rows
        return self._rows


def _need(package: str) -> None:
    from importlib.util import find_spec

    if find_spec(package) is None:
        hint = f"pip install 'fsbuild[{package}]'"
        raise UsageError(Problem(f"this needs the package {package}, which is not installed", hint=hint))
