"""Statistics <-> the rows of the table `fsbuild_stats`: one for each column of each version that was measured."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fsbuild.values import ColumnStatistics, TableStatistics

if TYPE_CHECKING:
    import pyarrow as pa

TABLE = "fsbuild_stats"


@dataclass(frozen=True, slots=True)
class Measured:
    """The statistics of one version of a node's table."""

    unique_id: str
    version: int
    statistics: TableStatistics


def to_arrow(measured: Iterable[Measured], run_id: str, now: dt.datetime) -> pa.Table:
    """Write statistics as rows."""
    import pyarrow as pa

    schema = pa.schema(
        [
            ("node", pa.string()),
            ("version", pa.int64()),
            ("run_id", pa.string()),
            ("computed_at", pa.timestamp("us", "UTC")),
            ("rows", pa.int64()),
            ("column", pa.string()),
            ("type", pa.string()),
            ("count", pa.int64()),
            ("completeness", pa.float64()),
            ("distinct", pa.int64()),
            ("minimum", pa.string()),
            ("maximum", pa.string()),
            ("mean", pa.float64()),
            ("stddev", pa.float64()),
            ("quantiles", pa.list_(pa.float64())),
            ("edges", pa.list_(pa.float64())),
            ("counts", pa.list_(pa.int64())),
            ("top", pa.list_(pa.struct([("value", pa.string()), ("count", pa.int64())]))),
        ]
    )
    rows = [{**row, "run_id": run_id, "computed_at": now} for one in measured for row in _rows(one)]
    return pa.Table.from_pylist(rows, schema)


def latest_query(relation: str, node: str | None = None, version: int | None = None) -> str:
    """SQL of the latest statistics of each node, or of one up to a version."""
    given = [f"node = '{node}'"] if node is not None else []
    given += [f"version <= {version}"] if version is not None else []
    where = f" WHERE {' AND '.join(given)}" if given else ""
    return f"SELECT * FROM {relation}{where} QUALIFY version = max(version) OVER (PARTITION BY node)"


def from_rows(rows: Iterable[Mapping[str, Any]]) -> dict[str, Measured]:
    """Read what `latest_query` gives, by node."""
    found: dict[str, tuple[int, int, dict[str, ColumnStatistics]]] = {}
    for row in rows:
        column = ColumnStatistics(
            name=row["column"],
            type=row["type"],
            count=row["count"],
            distinct=row["distinct"],
            minimum=row["minimum"],
            maximum=row["maximum"],
            mean=row["mean"],
            stddev=row["stddev"],
            quantiles=tuple(row["quantiles"]),
            edges=tuple(row["edges"]),
            counts=tuple(row["counts"]),
            values=tuple((pair["value"], pair["count"]) for pair in row["top"]),
        )
        found.setdefault(row["node"], (row["version"], row["rows"], {}))[2][column.name] = column
    return {
        node: Measured(node, version, TableStatistics(rows, tuple(columns.values())))
        for node, (version, rows, columns) in found.items()
    }


def _rows(one: Measured) -> Iterator[dict[str, object]]:
    rows = one.statistics.rows
    for column in one.statistics.columns:
        yield {
            "node": one.unique_id,
            "version": one.version,
            "rows": rows,
            "column": column.name,
            "type": column.type,
            "count": column.count,
            "completeness": column.count / rows if rows else None,
            "distinct": column.distinct,
            "minimum": column.minimum,
            "maximum": column.maximum,
            "mean": column.mean,
            "stddev": column.stddev,
            "quantiles": column.quantiles,
            "edges": column.edges,
            "counts": column.counts,
            "top": [{"value": value, "count": count} for value, count in column.values],
        }
