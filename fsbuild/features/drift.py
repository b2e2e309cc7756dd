"""Two statistics of a column -> how far its distribution has moved.

Population stability index: sum of (p - q) ln(p / q) over bins; by the usual rule of credit scoring 0.1 is a small shift
and 0.25 a large one (Siddiqi, Credit Risk Scorecards, 2006). Kolmogorov-Smirnov: the greatest difference of the
cumulated shares, here at the borders of bins. Jensen-Shannon: the square root of the divergence to base 2, from 0 to 1.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

from fsbuild.values import ColumnStatistics, Drift, TableStatistics

# A share that a bin has at least, so that one that was empty does not make the index infinite.
_LEAST = 1e-4


def compare_tables(before: TableStatistics, after: TableStatistics) -> tuple[Drift, ...]:
    """Measure the drift of every column that both tables have and whose bins or values can be compared."""
    known = {column.name: column for column in before.columns}
    found = []
    for column in after.columns:
        shares = _distributions(known[column.name], column) if column.name in known else None
        if shares is not None:
            p, q = shares
            missing = _missing(column, after) - _missing(known[column.name], before)
            ks = _ks(p, q) if column.counts else None
            found.append(Drift(column.name, _psi(p, q), ks, _js(p, q), missing))
    return tuple(found)


def _distributions(before: ColumnStatistics, after: ColumnStatistics) -> tuple[list[float], list[float]] | None:
    """The shares of the same bins or values in both, or None."""
    if after.counts and before.edges == after.edges and before.counts:
        one, other = list(before.counts), list(after.counts)
    elif before.values and after.values:
        names = sorted({value for value, _ in (*before.values, *after.values)})
        one, other = (_by_value(column, names) for column in (before, after))
    else:
        return None
    return (_shares(one), _shares(other)) if sum(one) and sum(other) else None


def _missing(column: ColumnStatistics, table: TableStatistics) -> float:
    return 1 - column.count / table.rows if table.rows else 0.0


def _by_value(column: ColumnStatistics, names: Sequence[str]) -> list[int]:
    """Counts by value, and those of all other values."""
    counts = dict(column.values)
    return [*(counts.get(name, 0) for name in names), max(column.count - sum(counts.values()), 0)]


def _shares(counts: Sequence[int]) -> list[float]:
    return [count / sum(counts) for count in counts]


def _psi(p: Sequence[float], q: Sequence[float]) -> float:
    pairs = [(max(a, _LEAST), max(b, _LEAST)) for a, b in zip(p, q, strict=True)]
    return sum((a - b) * math.log(a / b) for a, b in pairs)


def _ks(p: Sequence[float], q: Sequence[float]) -> float:
    return max(abs(a - b) for a, b in zip(itertools.accumulate(p), itertools.accumulate(q), strict=True))


def _js(p: Sequence[float], q: Sequence[float]) -> float:
    def divergence(one: Sequence[float], other: Sequence[float]) -> float:
        return sum(a * math.log2(a / b) for a, b in zip(one, other, strict=True) if a > 0)

    middle = [(a + b) / 2 for a, b in zip(p, q, strict=True)]
    return math.sqrt(max((divergence(p, middle) + divergence(q, middle)) / 2, 0.0))
