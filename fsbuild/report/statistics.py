"""Statistics -> lines that a person reads and grep finds: a line for each column, with a small histogram."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fsbuild.values import ColumnStatistics, Drift, TableStatistics

_BARS = "▁▂▃▄▅▆▇█"
_WIDTH = 24


def statistics_rows(statistics: TableStatistics) -> tuple[tuple[str, ...], list[tuple[object, ...]]]:
    """The head and the rows of a table of statistics."""
    head = ("column", "type", "complete", "distinct", "min", "mean", "max", "distribution")
    return head, [
        (
            column.name,
            column.type,
            f"{column.count / statistics.rows:.1%}" if statistics.rows else None,
            column.distinct,
            _short(column.minimum),
            f"{column.mean:.4g}" if column.mean is not None and not column.type.startswith(("DATE", "TIME")) else None,
            _short(column.maximum),
            distribution(column),
        )
        for column in statistics.columns
    ]


def drift_rows(
    drifts: Sequence[Drift], before: TableStatistics, after: TableStatistics
) -> tuple[tuple[str, ...], list[tuple[object, ...]]]:
    """The head and the rows of a table of drift, the columns that have moved most first."""
    columns: list[Mapping[str, ColumnStatistics]] = [{c.name: c for c in one.columns} for one in (before, after)]
    head = ("column", "psi", "ks", "js", "missing", "before", "after")
    return head, [
        (
            drift.name,
            f"{drift.psi:.3f}",
            f"{drift.ks:.3f}" if drift.ks is not None else None,
            f"{drift.js:.3f}",
            f"{drift.missing:+.1%}",
            *(distribution(one[drift.name]) for one in columns),
        )
        for drift in sorted(drifts, key=lambda drift: -drift.psi)
    ]


def distribution(column: ColumnStatistics) -> str:
    """A histogram of one line, or the most frequent values with their shares."""
    if column.counts:
        return bars(column.counts)
    if not column.values or not column.count:
        return ""
    shares = [f"{_short(value, 12)} {count / column.count:.0%}" for value, count in column.values[:3]]
    more = ", …" if len(column.values) > len(shares) else ""
    return ", ".join(shares) + more


def bars(counts: Sequence[int]) -> str:
    """Counts as bars; what is there at all is seen.

    >>> bars([0, 1, 50, 100])
    ' ▁▄█'
    """
    most = max(counts) or 1
    return "".join(" " if not count else _BARS[round(count / most * (len(_BARS) - 1))] for count in counts)


def _short(text: str | None, width: int = _WIDTH) -> str | None:
    return text if text is None or len(text) <= width else f"{text[: width - 1]}…"
