"""The selection half of the graph stage: a graph and dbt's selection syntax in, the unique ids that are meant out.

Pure. A selector means what it means in dbt, or it is refused by name: a mistyped name never quietly means "nothing",
an empty one never "everything".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, get_args

from fsbuild.errors import Problem, UsageError, listing, suggest
from fsbuild.values import GraphNode, ResourceType

if TYPE_CHECKING:
    from fsbuild.graph import Graph

_Claim = Callable[[GraphNode], bool]

# The possessive `?+` keeps what looks like an operator or a method from being read as part of the value: `tag:` is a
# method without a value, not a model of that name.
_SELECTOR = re.compile(
    r"(?P<at>@)?+"
    r"(?:(?P<up>\d*)\+)?+"
    r"(?:(?P<method>[\w.]+):)?+"
    r"(?P<value>[^+@](?:.*?[^+])?)"
    r"(?:\+(?P<down>\d*))?"
)
_WILDCARD = re.compile(r"[*?\[]")
_SYNTAX_HINT = "write name, +name, name+, 2+name+1, @name or method:value; a space means or, a comma means and"


@dataclass(frozen=True, slots=True)
class Selected:
    """The nodes that are meant, in graph order, and the selectors that no node answers to, as they were written."""

    ids: tuple[str, ...]
    unmatched: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Selector:
    """One selector, taken apart. `up` and `down` count steps: 0 where there is no `+`, None where it has no number."""

    method: str | None
    value: str
    up: int | None
    down: int | None
    is_at: bool


def select_nodes(
    graph: Graph, select: Sequence[str] = (), exclude: Sequence[str] = (), *, has_tests: bool = False
) -> Selected:
    """Choose nodes by dbt's selection syntax.

    Several arguments, or a space within one, mean a union and a comma an intersection; without `select` all nodes are
    chosen, sources included. `+m` adds what m reads and `m+` what reads m, `2+m+1` only so many steps of it, and `@m`
    what reads m with everything that this reads. A bare selector is a path where it has a `/`, a file where it ends
    in .sql or .csv, else the name of a model or seed or of a folder of them, with dots for slashes.

    A method or a wildcard may match nothing and is then reported in `unmatched`; so may a path, which scripts pass on
    from `git diff`. A bare name that matches nothing is a mistake.

    >>> select_nodes(graph, ["1+carrier_delay", "tag:daily,staging"], exclude=["delays"]).ids
    ('model.flights.stg_flights', 'model.flights.carrier_delay')

    Where unit tests are in the graph, each is chosen with its model, by its own name, and by `test_type:unit`;
    `test_type:data` means all else.

    Raises:
        UsageError: selectors that cannot be read, or that name what does not exist; all of them at once.
    """
    wanted, unwanted = _terms(select), _terms(exclude)
    matches: dict[str, frozenset[str]] = {}
    problems: dict[Problem, None] = {}
    for term in (*wanted, *unwanted):
        found = []
        for text in term.split(","):
            try:
                found.append(_match(graph, text, term, has_tests=has_tests))
            except UsageError as error:
                problems.update(dict.fromkeys(error.problems))
        matches[term] = frozenset.intersection(*found) if found else frozenset()
    if problems:
        raise UsageError(problems)
    chosen = _union(matches[term] for term in wanted) if wanted else frozenset(graph.order)
    chosen -= _union(matches[term] for term in unwanted)
    return Selected(
        ids=tuple(unique_id for unique_id in graph.order if unique_id in chosen),
        unmatched=tuple(term for term, found_ids in matches.items() if not found_ids),
    )


def _terms(arguments: Iterable[str]) -> list[str]:
    """Split at spaces. An empty argument stays a term of its own, to be refused: `-s "$UNSET"` must not mean all."""
    return [term for argument in arguments for term in argument.split() or [""]]


def _union(sets: Iterable[frozenset[str]]) -> frozenset[str]:
    return frozenset().union(*sets)


def _match(graph: Graph, text: str, term: str, *, has_tests: bool) -> frozenset[str]:
    """Find the nodes that one selector means, with those that its operators add."""
    selector = _parse(text, term, has_tests=has_tests)
    is_meant = _METHODS[selector.method or _default_method(selector.value)](selector.value)
    named = [unique_id for unique_id, node in graph.nodes.items() if is_meant(node)]
    if not named and _is_bare_name(selector):
        message = f"no model, seed or folder is named '{selector.value}'"
        raise UsageError(Problem(message, hint=_hint(graph, selector.value)))
    found = graph.ancestors(*named, depth=selector.up).union(named, graph.descendants(*named, depth=selector.down))
    if selector.is_at:
        readers = graph.descendants(*named)
        found = found.union(readers, graph.ancestors(*named, *readers))
    if selector.method in _METHODS_OF_TESTS:
        return found
    return found.union(_tests_of(graph, found))


def _tests_of(graph: Graph, models: frozenset[str]) -> Iterator[str]:
    """The unit tests of models."""
    for unique_id, node in graph.nodes.items():
        if node.resource_type == "unit_test" and node.depends_on[0] in models:
            yield unique_id


def _parse(text: str, term: str, *, has_tests: bool) -> _Selector:
    parts = _SELECTOR.fullmatch(text)
    if parts is None:
        where = f" in '{term}'" if term != text else ""
        raise UsageError(Problem(f"'{text}' is not a selector{where}", hint=_SYNTAX_HINT))
    if parts["at"] and parts["down"] is not None:
        hint = f"'@{parts['value']}' already takes all that reads {parts['value']}"
        raise UsageError(Problem(f"'{text}' is not a selector: '@' before and '+' after exclude each other", hint=hint))
    if parts["method"] == "test_type" and not has_tests:
        hint = "'fsbuild test' and 'fsbuild build' do; leave it out here"
        raise UsageError(Problem(f"selector '{text}': this command runs no tests", hint=hint))
    if parts["method"] not in (None, *_METHODS):
        known = [method for method in _METHODS if has_tests or method != "test_type"]
        hint = suggest(parts["method"], known) or f"the methods are {listing(known, len(known))}"
        raise UsageError(Problem(f"unknown method '{parts['method']}' in selector '{text}'", hint=hint))
    return _Selector(parts["method"], parts["value"], _steps(parts["up"]), _steps(parts["down"]), bool(parts["at"]))


def _steps(digits: str | None) -> int | None:
    if digits is None:
        return 0
    return int(digits) if digits else None


def _default_method(value: str) -> str:
    if "/" in value:
        return "path"
    return "file" if value.lower().endswith((".sql", ".csv")) else "fqn"


def _is_bare_name(selector: _Selector) -> bool:
    return selector.method is None and _default_method(selector.value) == "fqn" and not _WILDCARD.search(selector.value)


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


# --- methods: each turns the value after the colon into a claim about a node -----------------------------------------


def _fqn(value: str) -> _Claim:
    """Claim that a model or seed has this name, or lies in the folder of this dotted name, project first or not."""
    is_pattern, folder = _WILDCARD.search(value), f"{value}."

    def claim(node: GraphNode) -> bool:
        if node.resource_type in ("source", "exposure"):
            return False
        names = (node.name, ".".join(node.fqn), ".".join(node.fqn[1:]))
        if is_pattern:
            return any(fnmatchcase(name, value) for name in names)
        return value in names or any(name.startswith(folder) for name in names)

    return claim


def _path(value: str) -> _Claim:
    """Claim that a node's file is at this path, below it, or at one that the glob describes; `**` means any depth."""
    pattern = PurePosixPath(value).parts
    return lambda node: _is_within(PurePosixPath(node.path).parts, pattern)


def _is_within(path: Sequence[str], pattern: Sequence[str]) -> bool:
    """Whether the pattern describes the path or one of its folders: what is left when it ends lies below."""
    if not pattern:
        return True
    if pattern[0] == "**":
        return any(_is_within(path[skipped:], pattern[1:]) for skipped in range(len(path) + 1))
    return bool(path) and fnmatchcase(path[0], pattern[0]) and _is_within(path[1:], pattern[1:])


def _file(value: str) -> _Claim:
    """Claim that a node's file has this name, with or without its suffix."""

    def claim(node: GraphNode) -> bool:
        file = PurePosixPath(node.path)
        return fnmatchcase(file.name, value) or fnmatchcase(file.stem, value)

    return claim


def _tag(value: str) -> _Claim:
    return lambda node: any(fnmatchcase(tag, value) for tag in node.tags)


def _source(value: str) -> _Claim:
    """Claim that a node is a table of a source: `source`, `source.table` or `project.source.table`."""
    match value.split("."):
        case [source]:
            patterns = ("*", source, "*")
        case [source, table]:
            patterns = ("*", source, table)
        case [project, source, table]:
            patterns = (project, source, table)
        case _:
            message = f"selector 'source:{value}' has too many dots"
            raise UsageError(Problem(message, hint="write source:name or source:name.table"))

    def claim(node: GraphNode) -> bool:
        names = (node.fqn[0], node.source_name, node.name)
        return node.resource_type == "source" and all(map(fnmatchcase, names, patterns))

    return claim


def _exposure(value: str) -> _Claim:
    return lambda node: node.resource_type == "exposure" and fnmatchcase(node.name, value)


def _materialized(value: str) -> _Claim:
    return lambda node: fnmatchcase(node.materialized, value)


def _resource_type(value: str) -> _Claim:
    if value not in get_args(ResourceType):
        known = [kind for kind in get_args(ResourceType) if kind != "unit_test"]
        hint = suggest(value, known) or f"there are {listing(known)}"
        raise UsageError(Problem(f"unknown resource type '{value}' in selector 'resource_type:{value}'", hint=hint))
    return lambda node: node.resource_type == value


def _test_type(value: str) -> _Claim:
    known = ("unit", "data")
    if value not in known:
        hint = suggest(value, known) or f"there are {listing(known)}"
        raise UsageError(Problem(f"unknown type of tests '{value}' in selector 'test_type:{value}'", hint=hint))
    return lambda node: (node.resource_type == "unit_test") == (value == "unit")


_METHODS: Mapping[str, Callable[[str], _Claim]] = {
    "fqn": _fqn,
    "path": _path,
    "file": _file,
    "tag": _tag,
    "source": _source,
    "exposure": _exposure,
    "resource_type": _resource_type,
    "config.materialized": _materialized,
    "config.tags": _tag,
    "test_type": _test_type,
}
# Those that tell unit tests from the models that they are about.
_METHODS_OF_TESTS = frozenset({"test_type", "resource_type"})
