"""The selection half of the graph stage: a graph and dbt's selection syntax in, the unique ids that are meant out.

Pure. A selector means what it means in dbt, or it is refused by name: a mistyped name never quietly means "nothing",
an empty one never "everything". `syntax.py` and `definitions.py` read what is written, `methods.py` and `state.py` say
what it claims of a node, and here sets are made of it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fsbuild.errors import Problem, UsageError, suggest
from fsbuild.select.definitions import read_definition
from fsbuild.select.methods import Surroundings, claim_of, is_described
from fsbuild.select.state import Previous
from fsbuild.select.syntax import (
    INDIRECT,
    Criterion,
    Difference,
    Expression,
    Indirect,
    Union,
    read_terms,
)

if TYPE_CHECKING:
    from fsbuild.graph import Graph

__all__ = ["INDIRECT", "Indirect", "Previous", "Selected", "Surroundings", "needs_description", "select_nodes"]

_TESTS = frozenset({"test", "unit_test"})
_NOWHERE = Surroundings()
# What is meant for certain, and with it the tests of which some other node is still missing.
_Found = tuple[frozenset[str], frozenset[str]]


@dataclass(frozen=True, slots=True)
class Selected:
    """The nodes that are meant, in graph order, and the selectors that no node answers to, as they were written.

    With `has_tests` the data tests that are meant are among them; without, those of all nodes are.
    """

    ids: tuple[str, ...]
    unmatched: tuple[str, ...] = ()
    has_tests: bool = False


def needs_description(arguments: Iterable[str]) -> bool:
    """Whether selectors ask for more of nodes than every graph has; selectors that are wrong do not."""
    terms = read_terms(arguments, {})
    return any(is_described(part.kind) for term in terms for part in term.parts if isinstance(part, Criterion))


def select_nodes(
    graph: Graph,
    select: Sequence[str] = (),
    exclude: Sequence[str] = (),
    *,
    around: Surroundings = _NOWHERE,
    indirect: Indirect = "eager",
) -> Selected:
    """Choose nodes by dbt's selection syntax.

    Several arguments, or a space within one, mean a union and a comma an intersection; without `select` all nodes are
    chosen, sources included. `+m` adds what m reads and `m+` what reads m, `2+m+1` only so many steps of it, and `@m`
    what reads m with everything that this reads. A bare selector is a path where it has a `/`, a file where it ends
    in .sql, .py or .csv, else the name of a node or of a folder of them, with dots for slashes.

    A method or a wildcard may match nothing and is then reported in `unmatched`; so may a path, which scripts pass on
    from `git diff`. A bare name that matches nothing is a mistake, unless the surroundings are lenient.

    >>> select_nodes(graph, ["1+carrier_delay", "tag:daily,staging"], exclude=["delays"]).ids
    ('model.flights.stg_flights', 'model.flights.carrier_delay')

    Tests that are in the graph are nodes like others; besides, those come along that `indirect` says of the nodes that
    are chosen.

    Raises:
        UsageError: selectors that cannot be read, or that name what does not exist; all of them at once.
    """
    problems: dict[Problem, None] = {}
    wanted, unwanted = read_terms(select, problems), read_terms(exclude, problems)
    sets = _Sets(graph, around, indirect, problems)
    found = {term.text: sets.of(term) for term in (*wanted, *unwanted)}
    if problems:
        raise UsageError(problems)
    chosen = sets.united([found[term.text] for term in wanted])[0] if wanted else frozenset(graph.order)
    chosen -= sets.united([found[term.text] for term in unwanted])[0]
    return Selected(
        ids=tuple(unique_id for unique_id in graph.order if unique_id in chosen),
        unmatched=tuple(text for text, (sure, _) in found.items() if not sure),
        has_tests=any(node.resource_type == "test" for node in graph.nodes.values()),
    )


class _Sets:
    """Makes sets of nodes of expressions; what is wrong with these is added to `problems`."""

    def __init__(self, graph: Graph, around: Surroundings, indirect: Indirect, problems: dict[Problem, None]) -> None:
        self._graph, self._around, self._indirect, self._problems = graph, around, indirect, problems

    def of(self, expression: Expression) -> _Found:
        """The nodes that an expression means."""
        if isinstance(expression, Criterion):
            try:
                return self._criterion(expression)
            except UsageError as exc:
                self._problems.update(dict.fromkeys(exc.problems))
                return frozenset(), frozenset()
        if isinstance(expression, Difference):
            kept, removed = self.of(expression.kept), self.of(expression.removed)
            return self._complete(kept[0] - removed[0], kept[1] - removed[1])
        found = [self.of(part) for part in expression.parts]
        return self.united(found) if isinstance(expression, Union) else self._common(found)

    def united(self, found: Sequence[_Found]) -> _Found:
        """What any of several sets has."""
        sure, possible = (frozenset[str]().union(*(one[at] for one in found)) for at in (0, 1))
        return self._complete(sure, possible)

    def _common(self, found: Sequence[_Found]) -> _Found:
        if not found:
            return frozenset(), frozenset()
        return self._complete(*(frozenset.intersection(*(one[at] for one in found)) for at in (0, 1)))

    def _complete(self, sure: frozenset[str], possible: frozenset[str]) -> _Found:
        """Add the tests of which all nodes are there by now."""
        tests = self._tests(possible - sure, sure, self._indirect) if self._indirect != "eager" else ()
        return sure.union(tests), possible | sure

    def _criterion(self, one: Criterion) -> _Found:
        graph = self._graph
        if one.kind == "selector":
            named = self.of(read_definition(one.value, self._around.selectors))[0]
        else:
            is_meant = claim_of(one.kind, one.value, self._around)
            named = frozenset(unique_id for unique_id, node in graph.nodes.items() if is_meant(node))
        if not named and one.is_bare_name and not self._around.is_lenient:
            message = f"no model, seed or folder is named '{one.value}'"
            raise UsageError(Problem(message, hint=_hint(graph, one.value)))
        found = graph.ancestors(*named, depth=one.up).union(named, graph.descendants(*named, depth=one.down))
        if one.is_at:
            readers = graph.descendants(*named)
            found = found.union(readers, graph.ancestors(*named, *readers))
        indirect = one.indirect or self._indirect
        below = frozenset(child for name in found for child in graph.children(name)) - found
        tests = frozenset(name for name in below if graph.nodes[name].resource_type in _TESTS)
        if indirect == "empty":
            return found, found
        return found.union(self._tests(tests, found, indirect)), found | tests

    def _tests(self, tests: Collection[str], chosen: frozenset[str], indirect: Indirect) -> Collection[str]:
        """Those of the tests that come along with nodes that are chosen."""
        if indirect == "eager":
            return tests
        there = chosen
        if indirect == "buildable":
            sources = (name for name, node in self._graph.nodes.items() if node.resource_type == "source")
            there = chosen.union(self._graph.ancestors(*chosen), sources)
        return [name for name in tests if there.issuperset(self._graph.parents(name))]


def _hint(graph: Graph, name: str) -> str | None:
    """Say what an unknown name might have been meant to be: a source without its method, or a near name."""
    known: set[str] = set()
    for node in graph.nodes.values():
        if node.resource_type == "exposure":
            if name == node.name:
                return f"an exposure is selected as 'exposure:{name}'"
        elif node.resource_type != "source":
            known |= {node.name, *(".".join(node.fqn[1:end]) for end in range(2, len(node.fqn) + 1))}
        elif name in (node.name, node.source_name, f"{node.source_name}.{node.name}"):
            table = "" if name == node.source_name else f".{node.name}"
            return f"a source is selected as 'source:{node.source_name}{table}'"
    return suggest(name, sorted(known))
