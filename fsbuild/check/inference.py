"""What a table holds in, a first pandera schema out, as YAML: for a person to edit, not a truth about the data."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from fsbuild.check.arguments import kind_of
from fsbuild.values import ColumnStatistics, TableStatistics

if TYPE_CHECKING:
    import pandera.polars as pa
    from pyarrow import Schema

# A column of so few texts is taken to be a list of words.
_FEW = 20


def infer_schema(columns: Schema, found: TableStatistics, keys: Collection[str]) -> str:
    """Write the schema of a table with these columns (as Arrow has them) and statistics; `keys` have no value twice."""
    import pandera.polars as pa
    import polars as pl

    types = pl.DataFrame(columns.empty_table()).schema
    described = {
        one.name: pa.Column(
            types[one.name],
            checks=_checks(one),
            nullable=one.count < found.rows,
            unique=one.name in keys,
        )
        for one in found.columns
    }
    return str(pa.DataFrameSchema(described, strict=True).to_yaml())


def _checks(column: ColumnStatistics) -> list[pa.Check]:
    """The checks that all values pass: a range of numbers, a list of words."""
    import pandera.polars as pa

    kind = kind_of(column.type)
    if kind in ("exact", "double", "single") and column.minimum is not None and column.maximum is not None:
        low, high = _number(column.minimum), _number(column.maximum)
        return [pa.Check.in_range(low, high)] if low <= high else []
    is_listed = sum(count for _, count in column.values) == column.count and 0 < len(column.values) <= _FEW
    if kind == "text" and is_listed:
        return [pa.Check.isin(sorted(value for value, _ in column.values))]
    return []


def _number(text: str) -> Any:  # noqa: ANN401 - a whole number where it is one
    number = float(text)
    return int(number) if number.is_integer() else number
