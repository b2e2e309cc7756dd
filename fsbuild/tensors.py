"""A file of Arrow batches -> PyTorch tensors. Imported only where PyTorch is there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch.utils.data import IterableDataset, get_worker_info

from fsbuild.errors import Problem, UsageError, suggest
from fsbuild.values import ColumnType

if TYPE_CHECKING:
    import pyarrow as pa

_NUMBERS = (
    "TINYINT",
    "SMALLINT",
    "INTEGER",
    "BIGINT",
    "UTINYINT",
    "USMALLINT",
    "UINTEGER",
    "UBIGINT",
    "FLOAT",
    "DOUBLE",
)


class TensorDataset(IterableDataset[dict[str, torch.Tensor]]):
    """Batches of `batch_size` rows: a tensor for each column. NULL is NaN, so that a column with NULLs is of floats."""

    def __init__(
        self,
        file: Path,
        columns: Sequence[ColumnType],
        batch_size: int,
        wanted: Sequence[str] | None,
    ) -> None:
        self._file, self._batch_size = file, batch_size
        numbers = [c.name for c in columns if c.type in _NUMBERS or c.type.startswith("DECIMAL")]
        for name in wanted or ():
            if name not in numbers:
                raise UsageError(Problem(f"there is no column of numbers '{name}'", hint=suggest(name, numbers)))
        self._columns = list(wanted or numbers)

    def __iter__(self) -> Iterator[dict[str, torch.Tensor]]:
        """The batches; of several workers each has its share."""
        worker = get_worker_info()
        share, shares = (worker.id, worker.num_workers) if worker else (0, 1)
        for index, batch in enumerate(self._batches()):
            if index % shares == share:
                yield {name: _tensor(batch.column(name)) for name in self._columns}

    def _batches(self) -> Iterator[pa.RecordBatch]:
        import pyarrow as pa
        from pyarrow import ipc

        with pa.memory_map(str(self._file)) as mapped, ipc.open_file(mapped) as reader:
            for index in range(reader.num_record_batches):
                batch = reader.get_batch(index)
                for start in range(0, batch.num_rows, self._batch_size):
                    yield batch.slice(start, self._batch_size)


def _tensor(column: pa.Array) -> torch.Tensor:
    import pyarrow as pa

    if pa.types.is_boolean(column.type) and column.null_count:
        column = column.cast(pa.int8())
    if pa.types.is_decimal(column.type) or (column.null_count and not pa.types.is_floating(column.type)):
        column = column.cast(pa.float64())
    return torch.from_numpy(column.to_numpy(zero_copy_only=False).copy())
