"""The graph of a project in, the place of each node on the map out: what is read is left of what reads it.

Each node stands in the column of its rank, the longest way from a node that reads nothing. Within a column nodes are
ordered by where their neighbours stand, in a few sweeps (Sugiyama, Tagawa and Toda, 1981); the order of the ids decides
between equals, so that the same project always gives the same map.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

_SWEEPS = 6
_ROW, _COLUMN = 30.0, 260.0


def place_nodes(parents: Mapping[str, Sequence[str]]) -> dict[str, tuple[float, float]]:
    """Place nodes, given with the nodes that they read, parents first."""
    rank: dict[str, int] = {}
    for name, above in parents.items():
        rank[name] = 1 + max((rank[parent] for parent in above if parent in rank), default=-1)
    children: dict[str, list[str]] = defaultdict(list)
    for name, above in parents.items():
        for parent in above:
            children[parent].append(name)
    columns: dict[int, list[str]] = defaultdict(list)
    for name in sorted(parents):
        columns[rank[name]].append(name)
    at = {name: float(index) for column in columns.values() for index, name in enumerate(column)}
    order = sorted(columns)
    for sweep in range(_SWEEPS):
        neighbours = parents if sweep % 2 == 0 else children
        for number in order if sweep % 2 == 0 else reversed(order):
            _arrange(columns[number], neighbours, at)
    return _spread(columns, at)


def _arrange(column: list[str], neighbours: Mapping[str, Sequence[str]], at: dict[str, float]) -> None:
    """Order a column by the middle of each node's neighbours; a node without any keeps its place."""

    def middle(name: str) -> float:
        known = [at[other] for other in neighbours.get(name, ()) if other in at]
        return sum(known) / len(known) if known else at[name]

    wanted = {name: middle(name) for name in column}
    column.sort(key=lambda name: (wanted[name], name))
    for index, name in enumerate(column):
        at[name] = index - len(column) / 2


def _spread(columns: Mapping[int, Sequence[str]], at: Mapping[str, float]) -> dict[str, tuple[float, float]]:
    """Give places their distance: columns stand so far apart that the map is about as wide as it is high."""
    tallest = max(map(len, columns.values()), default=0)
    step = max(_COLUMN, 1.6 * tallest * _ROW / max(len(columns), 1))
    return {
        name: (round(number * step, 1), round(at[name] * _ROW, 1))
        for number, column in columns.items()
        for name in column
    }
