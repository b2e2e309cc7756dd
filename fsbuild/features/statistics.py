"""A table -> what its columns hold: how complete they are, how they are distributed, what is most frequent.

One query has all aggregates of all columns; a second one the counts of single values, where a column has few. Bins are
kept once they are chosen, so that a column's histograms compare from version to version: the first and the last bin are
open, and whatever comes later falls into one of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence

from fsbuild.features.tables import TIMES, is_number
from fsbuild.values import ColumnStatistics, ColumnType, TableStatistics, quote

# How many bins a histogram has, and up to how many values are counted one by one.
BINS = 20
FEW = 20
# The shares below which the quantiles lie.
QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
Query = Callable[[str], Sequence[Mapping[str, object]]]


def measure_table(
    query: Query, relation: str, columns: Sequence[ColumnType], before: TableStatistics | None = None
) -> TableStatistics:
    """Compute the statistics of the rows that SQL finds under a name; `before` has the bins to use again."""
    kept = {one.name: one.edges for one in before.columns if one.edges} if before else {}
    parts = [part for i, column in enumerate(columns) for part in _aggregates(i, column, kept.get(column.name))]
    (row,) = query(f"SELECT count(*) AS n, {', '.join(parts)} FROM {relation}") if parts else ({"n": 0},)
    edges = {
        column.name: kept.get(column.name) or (() if _has_few(row, i) else _edges(row, i))
        for i, column in enumerate(columns)
        if _measured(column)
    }
    counted = [
        part
        for i, column in enumerate(columns)
        for part in _counts(row, i, column, edges.get(column.name, ()), is_known=column.name in kept)
    ]
    (counts,) = query(f"SELECT {', '.join(counted)} FROM {relation}") if counted else ({},)
    both = {**row, **counts}
    found = tuple(_read(both, i, column, edges.get(column.name, ())) for i, column in enumerate(columns))
    return TableStatistics(_number(row["n"]), found)


def correlation_query(relation: str, columns: Sequence[ColumnType]) -> tuple[list[str], str]:
    """Name the columns that correlate, those of numbers, and write the query with `corr` of each pair, in order."""
    names = [column.name for column in columns if is_number(column.type) or column.type == "BOOLEAN"]
    pairs = [(one, other) for i, one in enumerate(names) for other in names[i + 1 :]]
    value = "CAST({} AS DOUBLE)"
    parts = [f"corr({value.format(quote(a))}, {value.format(quote(b))}) AS r{i}" for i, (a, b) in enumerate(pairs)]
    return names, f"SELECT {', '.join(parts) or '0'} FROM {relation}"


def _list(edges: Sequence[float]) -> str:
    """Write borders exactly: a plain number with a point would be a DECIMAL."""
    written = ", ".join(f"CAST('{edge!r}' AS DOUBLE)" for edge in edges)
    return f"[{written}]"


def _measured(column: ColumnType) -> bool:
    return is_number(column.type) or column.type in TIMES


def _value(column: ColumnType) -> str:
    """A column as a number: a time is its seconds since 1970."""
    name = quote(column.name)
    return f"CAST({name} AS DOUBLE)" if is_number(column.type) else f"CAST(epoch({name}) AS DOUBLE)"


def _aggregates(i: int, column: ColumnType, edges: Sequence[float] | None) -> Iterator[str]:
    name = quote(column.name)
    yield f"count({name}) AS count_{i}"
    if _is_nested(column):
        return
    yield f"approx_count_distinct({name}) AS distinct_{i}"
    yield f"CAST(min({name}) AS VARCHAR) AS min_{i}"
    yield f"CAST(max({name}) AS VARCHAR) AS max_{i}"
    if _measured(column):
        value = _value(column)
        finite = f"FILTER (WHERE isfinite({value}))"
        yield f"min({value}) {finite} AS low_{i}"
        yield f"max({value}) {finite} AS high_{i}"
        yield f"avg({value}) {finite} AS mean_{i}"
        yield f"stddev({value}) {finite} AS stddev_{i}"
        yield f"approx_quantile({value}, {list(QUANTILES)}) {finite} AS quantiles_{i}"
        if edges:
            yield f"histogram({value}, {_list(edges)}) {finite} AS histogram_{i}"
    else:
        yield f"approx_top_k(CAST({name} AS VARCHAR), {FEW}) FILTER (WHERE {name} IS NOT NULL) AS top_{i}"


def _counts(
    row: Mapping[str, object], i: int, column: ColumnType, edges: Sequence[float], *, is_known: bool
) -> Iterator[str]:
    """What is only counted when the bins or the most frequent values are known."""
    name = quote(column.name)
    given = f"FILTER (WHERE {name} IS NOT NULL)"
    if _is_nested(column):
        return
    if _has_few(row, i):
        yield f"histogram(CAST({name} AS VARCHAR)) {given} AS values_{i}"
    elif edges and not is_known:
        value = _value(column)
        yield f"histogram({value}, {_list(edges)}) FILTER (WHERE isfinite({value})) AS histogram_{i}"
    elif not _measured(column) and row[f"top_{i}"]:
        top = ", ".join("'" + str(value).replace("'", "''") + "'" for value in _items(row[f"top_{i}"]))
        # What is none of them is counted under a name that no text has.
        yield f"histogram_exact(CAST({name} AS VARCHAR), [{top}]) {given} AS values_{i}"


def _read(row: Mapping[str, object], i: int, column: ColumnType, edges: Sequence[float]) -> ColumnStatistics:
    pairs = _pairs(row.get(f"histogram_{i}"))
    counts = tuple(_number(pairs.get(edge, 0)) for edge in (*edges, math.inf)) if pairs else ()
    values = {str(value): _number(count) for value, count in _pairs(row.get(f"values_{i}")).items()}
    known = [str(value) for value in _items(row.get(f"top_{i}"))]
    if known and not _has_few(row, i):
        values = {value: values[value] for value in known if value in values}
    most = sorted(values.items(), key=lambda pair: (-pair[1], pair[0]))[:FEW]
    count = _number(row[f"count_{i}"])
    distinct = None
    if f"distinct_{i}" in row:
        # The estimate may be beside the mark; what was counted one by one is not.
        distinct = len(values) if _has_few(row, i) else min(_number(row[f"distinct_{i}"]), count)
    return ColumnStatistics(
        name=column.name,
        type=column.type,
        count=count,
        distinct=distinct,
        minimum=_text(row.get(f"min_{i}")),
        maximum=_text(row.get(f"max_{i}")),
        mean=_real(row.get(f"mean_{i}")),
        stddev=_real(row.get(f"stddev_{i}")),
        quantiles=tuple(float(str(value)) for value in _items(row.get(f"quantiles_{i}"))),
        edges=tuple(edges) if counts else (),
        counts=counts,
        values=tuple(most),
    )


def _edges(row: Mapping[str, object], i: int) -> tuple[float, ...]:
    """The borders of bins of one width between the least and the greatest value; the outer bins are open."""
    low, high = _real(row[f"low_{i}"]), _real(row[f"high_{i}"])
    if low is None or high is None or not low < high:
        return ()
    width = (high - low) / BINS
    edges = tuple(low + width * number for number in range(1, BINS))
    return edges if len(set(edges)) == len(edges) and math.isfinite(width) else ()


def _has_few(row: Mapping[str, object], i: int) -> bool:
    return f"distinct_{i}" in row and _number(row[f"distinct_{i}"]) <= FEW


def _is_nested(column: ColumnType) -> bool:
    return column.type.endswith("]") or column.type.startswith(("STRUCT", "MAP", "UNION", "BLOB"))


def _pairs(value: object) -> dict[object, object]:
    """A map of the engine: pairs in Arrow, a dictionary elsewhere."""
    return dict(value) if isinstance(value, list | dict) else {}


def _items(value: object) -> list[object]:
    return list(value) if isinstance(value, list | tuple) else []


def _number(value: object) -> int:
    return int(str(value))


def _real(value: object) -> float | None:
    found = float(str(value)) if value is not None else None
    return found if found is not None and math.isfinite(found) else None


def _text(value: object) -> str | None:
    return str(value) if value is not None else None
