"""The graph stage: an order that respects every edge, whatever the nodes; cycles that are really there."""

from __future__ import annotations

import subprocess
import sys
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fsbuild.errors import GraphError, Place, Problem
from fsbuild.graph import Graph, build_graph
from fsbuild.values import GraphNode

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Reads = dict[str, list[str]]

DIAMOND: Reads = {"raw": [], "left": ["raw"], "right": ["raw"], "top": ["right", "left"], "alone": []}


def node(name: str, reads: Sequence[str] = ()) -> GraphNode:
    path = f"models/{name}.sql"
    return GraphNode(name, name, "model", path, ("p", name), "table", (), tuple(reads), Place(path))


def graph_of(reads: Mapping[str, Sequence[str]]) -> Graph:
    return build_graph(node(name, parents) for name, parents in reads.items())


def problems_of(reads: Mapping[str, Sequence[str]]) -> tuple[Problem, ...]:
    with pytest.raises(GraphError) as caught:
        graph_of(reads)
    return caught.value.problems


def circle_of(problem: Problem) -> list[str]:
    return problem.message.removeprefix("a cycle: ").split(" -> ")


@st.composite
def digraphs(draw: st.DrawFn) -> Reads:
    """Any graph at all: most have a cycle, some have several, some have none."""
    names = [f"n{i}" for i in range(draw(st.integers(1, 8)))]
    return {name: draw(st.lists(st.sampled_from(names), max_size=2)) for name in names}


@st.composite
def dags(draw: st.DrawFn) -> Reads:
    """Graphs without a cycle, their nodes listed in any order."""
    names = draw(st.permutations([f"n{i}" for i in range(draw(st.integers(1, 9)))]))
    reads = {
        name: draw(st.lists(st.sampled_from(names[:i]), max_size=3, unique=True)) if i else []
        for i, name in enumerate(names)
    }
    return {name: reads[name] for name in draw(st.permutations(names))}


def test_no_nodes_are_a_graph() -> None:
    assert graph_of({}).order == ()


def test_what_is_ready_together_is_ordered_by_unique_id() -> None:
    assert graph_of(DIAMOND).order == ("alone", "raw", "left", "right", "top")


def test_neighbours() -> None:
    graph = graph_of(DIAMOND)
    assert graph.parents("top") == ("right", "left")
    assert graph.children("raw") == ("left", "right")
    assert graph.ancestors("top") == {"raw", "left", "right"}
    assert graph.ancestors("top", depth=1) == {"left", "right"}
    assert graph.ancestors("top", depth=0) == frozenset()
    assert graph.ancestors("left", "right") == {"raw"}
    assert graph.descendants("raw", "left") == {"left", "right", "top"}
    assert graph.descendants("alone") == frozenset()
    assert graph.ancestors() == frozenset()


def test_a_model_that_reads_another_twice_has_one_edge() -> None:
    assert graph_of({"a": [], "b": ["a", "a"]}).children("a") == ("b",)


def test_a_subset_keeps_who_waits_for_whom() -> None:
    subset = graph_of({"a": [], "b": ["a"], "c": ["b", "a"], "d": ["c"], "e": []}).subset(["d", "a", "e"])
    assert subset.order == ("a", "e", "d")
    assert set(subset.nodes) == {"a", "d", "e"}
    assert subset.parents("d") == ("a",)
    assert subset.children("a") == ("d",)
    assert subset.ancestors("e") == frozenset()


def test_a_cycle_is_printed_in_order() -> None:
    (problem,) = problems_of({"c": ["a"], "raw": [], "a": ["raw", "b"], "b": ["c"], "reader": ["c"]})
    assert str(problem) == (
        "models/a.sql: a cycle: a -> b -> c -> a\n"
        "  models/a.sql reads b\n"
        "  models/b.sql reads c\n"
        "  models/c.sql reads a\n"
        "  hint: each reads the next: take one ref() out, or move what both sides need into a model that both read"
    )


def test_every_knot_is_reported_once_by_its_shortest_way_around() -> None:
    reads = {"d": ["d"], "a": ["b", "c"], "b": ["c"], "c": ["a"], "x": ["y", "a"], "y": ["x"]}
    assert [problem.message for problem in problems_of(reads)] == [
        "a cycle: a -> c -> a",
        "a cycle: d -> d",
        "a cycle: x -> y -> x",
    ]


def test_a_node_that_does_not_exist_is_named() -> None:
    problems = problems_of({"orders": [], "a": ["order"], "b": ["zzz"]})
    assert [str(problem) for problem in problems] == [
        "models/a.sql: 'a' reads 'order', which does not exist\n  hint: did you mean 'orders'?",
        "models/b.sql: 'b' reads 'zzz', which does not exist",
    ]


def test_a_project_without_a_cycle_does_not_pay_for_networkx() -> None:
    script = (
        "import sys; from fsbuild.graph import build_graph; import fsbuild.select; build_graph([]);"
        "sys.exit('networkx' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


@given(dags())
def test_the_order_respects_every_edge_and_not_how_the_nodes_were_listed(reads: Reads) -> None:
    order = graph_of(reads).order
    assert sorted(order) == sorted(reads)
    assert all(order.index(parent) < order.index(name) for name, parents in reads.items() for parent in parents)
    assert order == graph_of(dict(sorted(reads.items()))).order


@given(dags(), st.data())
def test_a_subset_has_the_ancestors_that_the_whole_has(reads: Reads, data: st.DataObject) -> None:
    graph = graph_of(reads)
    kept = data.draw(st.sets(st.sampled_from(sorted(reads))))
    subset = graph.subset(kept)
    assert subset.order == tuple(name for name in graph.order if name in kept)
    assert all(subset.ancestors(name) == graph.ancestors(name) & kept for name in kept)


@settings(deadline=None)  # the first example with a cycle imports networkx
@given(digraphs())
def test_a_graph_is_refused_exactly_where_it_has_a_cycle_and_the_cycle_is_real(reads: Reads) -> None:
    def reaches(start: str, goal: str, seen: frozenset[str] = frozenset()) -> bool:
        onward = set(reads[start]) - seen
        return goal in onward or any(reaches(name, goal, seen | onward) for name in onward)

    in_a_cycle = {name for name in reads if reaches(name, name)}
    if not in_a_cycle:
        assert set(graph_of(reads).order) == set(reads)
        return
    circles = [circle_of(problem) for problem in problems_of(reads)]
    for circle in circles:
        assert circle[0] == circle[-1]
        assert len(set(circle)) == len(circle) - 1
        assert all(read in reads[name] for name, read in pairwise(circle))
    knots = {frozenset(n for n in reads if reaches(name, n) and reaches(n, name)) for name in in_a_cycle}
    assert {next(knot for knot in knots if circle[0] in knot) for circle in circles} == knots
    assert len(circles) == len(knots)
