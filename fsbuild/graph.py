"""The graph stage: nodes that name what they read in, one order that respects every edge out.

Pure. A `Graph` has no cycle and no edge to a node that does not exist, and the same nodes always give the same order,
however they were listed. Which of its nodes a command is about is said in `fsbuild.select`.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING

from fsbuild.errors import GraphError, Problem, suggest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from fsbuild.values import GraphNode

_Edges = dict[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Graph:
    """Nodes by unique id, and the order in which each comes after all that it reads."""

    nodes: Mapping[str, GraphNode]
    order: tuple[str, ...]
    _parents: Mapping[str, tuple[str, ...]]
    _children: Mapping[str, tuple[str, ...]]

    def parents(self, unique_id: str) -> tuple[str, ...]:
        """List what a node reads, in the order of its `depends_on`."""
        return self._parents[unique_id]

    def children(self, unique_id: str) -> tuple[str, ...]:
        """List what reads a node, in graph order."""
        return self._children[unique_id]

    def ancestors(self, *unique_ids: str, depth: int | None = None) -> frozenset[str]:
        """Collect what any of the nodes reads, directly or through others, at most `depth` steps away."""
        return _reach(self._parents, unique_ids, depth)

    def descendants(self, *unique_ids: str, depth: int | None = None) -> frozenset[str]:
        """Collect what reads any of the nodes, directly or through others, at most `depth` steps away."""
        return _reach(self._children, unique_ids, depth)

    def subset(self, unique_ids: Iterable[str]) -> Graph:
        """Keep some of the nodes, and of the edges what they say about these: who has to wait for whom.

        The subset {a, c} of a -> b -> c is a -> c: leaving b out does not make c independent of a.
        """
        kept = frozenset(unique_ids)
        order = tuple(unique_id for unique_id in self.order if unique_id in kept)
        # For every node its nearest ancestors that are kept; where a parent is kept, that is the parent itself.
        nearest: dict[str, tuple[str, ...]] = {}
        for unique_id in self.order:
            parents = ((p,) if p in kept else nearest[p] for p in self._parents[unique_id])
            nearest[unique_id] = tuple(dict.fromkeys(itertools.chain.from_iterable(parents)))
        return _graph({i: self.nodes[i] for i in order}, order, {i: nearest[i] for i in order})


def build_graph(nodes: Iterable[GraphNode]) -> Graph:
    """Order nodes so that each comes after all that it reads; what is ready together is ordered by unique id.

    Raises:
        GraphError: models read each other in a circle, or a node reads one that does not exist; all of them at once.
    """
    by_id = {node.unique_id: node for node in nodes}
    parents = {unique_id: tuple(dict.fromkeys(node.depends_on)) for unique_id, node in by_id.items()}
    if problems := list(_missing_parents(by_id, parents)):
        raise GraphError(problems)
    sorter = TopologicalSorter(parents)
    try:
        sorter.prepare()
    except CycleError as exc:
        raise GraphError(_cycles(by_id, parents)) from exc
    order: list[str] = []
    while sorter.is_active():
        ready = sorted(sorter.get_ready())
        order.extend(ready)
        sorter.done(*ready)
    return _graph({unique_id: by_id[unique_id] for unique_id in order}, tuple(order), parents)


def _graph(nodes: Mapping[str, GraphNode], order: tuple[str, ...], parents: _Edges) -> Graph:
    children: dict[str, list[str]] = {unique_id: [] for unique_id in order}
    for unique_id in order:
        for parent in parents[unique_id]:
            children[parent].append(unique_id)
    return Graph(nodes, order, parents, {unique_id: tuple(found) for unique_id, found in children.items()})


def _reach(edges: Mapping[str, Sequence[str]], start: Iterable[str], depth: int | None) -> frozenset[str]:
    """Walk breadth first, so that every node is first met at its smallest distance and `depth` is exact."""
    found: set[str] = set()
    frontier = set(start)
    for _ in itertools.count() if depth is None else range(depth):
        frontier = {neighbour for unique_id in frontier for neighbour in edges[unique_id]} - found
        if not frontier:
            break
        found |= frontier
    return frozenset(found)


def _missing_parents(nodes: Mapping[str, GraphNode], parents: _Edges) -> Iterator[Problem]:
    for unique_id, node in nodes.items():
        for parent in parents[unique_id]:
            if parent not in nodes:
                message = f"'{node.name}' reads '{parent}', which does not exist"
                yield Problem(message, node.place, hint=suggest(parent, nodes))


def _cycles(nodes: Mapping[str, GraphNode], parents: _Edges) -> Iterator[Problem]:
    """Describe, for each knot of nodes that all reach each other, the shortest way around through its first node."""
    # Here and not above: importing networkx takes longer than everything else that this stage does, and a project
    # that can be run does not need it.
    import networkx as nx

    reads: nx.DiGraph[str] = nx.DiGraph((node, parent) for node in sorted(parents) for parent in parents[node])
    for knot in sorted(nx.strongly_connected_components(reads), key=min):
        first = min(knot)
        # A node that is a knot by itself reads nothing that reads it back, unless it reads itself.
        ways_back = [nx.shortest_path(reads, parent, first) for parent in parents[first] if parent in knot]
        if ways_back:
            yield _cycle_problem([nodes[unique_id] for unique_id in (first, *min(ways_back, key=len))])


def _cycle_problem(circle: Sequence[GraphNode]) -> Problem:
    return Problem(
        f"a cycle: {' -> '.join(node.name for node in circle)}",
        circle[0].place,
        hint="each reads the next: take one ref() out, or move what both sides need into a model that both read",
        detail="\n".join(f"{node.place} reads {read.name}" for node, read in itertools.pairwise(circle)),
    )
