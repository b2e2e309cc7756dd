"""The names around a piece of SQL in, what they stand for out: an input's columns, a CTE, a row, an alias.

The invariant: a name means what the innermost query that knows it says. A name that two relations have is refused, not
guessed at; where only the engine could tell an alias from a column, both are taken.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fsbuild.values import ColumnType, Relation

if TYPE_CHECKING:
    from sqlglot import exp

# The ways in which something depends on a column, as bits: how a value is made of it, the strongest last ...
COPIED, TRANSFORMED, AGGREGATED = 1, 2, 4
VALUES = COPIED | TRANSFORMED | AGGREGATED
# ... and how it steers which rows there are, or which rows and in which order a value is made of.
FILTERS, JOINS, GROUPS, ORDERS, PARTITIONS = 8, 16, 32, 64, 128
STEERING = FILTERS | JOINS | GROUPS | ORDERS | PARTITIONS

Cell = tuple[str, str]  # an input's unique id, and the name of one of its columns
Origins = dict[Cell, int]  # what something depends on, and the ways in which it does


class UnknownError(Exception):
    """The lineage cannot be known; the message says why."""


@dataclass(frozen=True, slots=True)
class Input:
    """A relation that a query may read."""

    unique_id: str
    relation: Relation
    columns: tuple[ColumnType, ...]


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a relation; `name` is None where only the engine knows how it names an expression."""

    name: str | None
    origins: Origins

    @property
    def key(self) -> str | None:
        """The name by which SQL finds the column, whatever its case."""
        return None if self.name is None else self.name.lower()


@dataclass(frozen=True, slots=True)
class Traced:
    """A relation: its columns, and what steers which rows it has."""

    columns: Sequence[Column]
    steering: Origins = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Source:
    """A relation under the name that it has in a FROM clause."""

    schema: str | None
    name: str
    columns: Sequence[Column]
    by_key: Mapping[str, Origins]


@dataclass(slots=True)
class Scope:
    """What the names in a query mean while it is traced; what it does not know, the query around it may."""

    inputs: Mapping[tuple[str, str], Input]
    trace_query: Callable[[exp.Expr, Scope], Traced]  # how a query in FROM or in an expression is traced
    ctes: Mapping[str, Callable[[], Traced]] = field(default_factory=dict)
    outer: Scope | None = None
    sources: list[Source] = field(default_factory=list)
    merged: dict[str, Origins] = field(default_factory=dict)  # the columns of USING and NATURAL joins
    aliases: dict[str, Origins] = field(default_factory=dict)
    columns: Sequence[Column] = ()  # what `*` means
    windows: Mapping[str, exp.Window] = field(default_factory=dict)
    steering: Origins = field(default_factory=dict)  # what steers which rows there are
    chosen: Column | None = None  # what COLUMNS stands for in one of the columns that it expands to
    expanded: list[Column] = field(default_factory=list)  # what a COLUMNS met on the way expands to

    def child(self, ctes: Mapping[str, Callable[[], Traced]] | None = None) -> Scope:
        """A scope within this one."""
        return Scope(self.inputs, self.trace_query, self.ctes if ctes is None else ctes, self)

    def steer(self, origins: Origins, kind: int = FILTERS) -> None:
        """Let what something depends on steer the rows."""
        for cell, ways in steered(origins, kind).items():
            self.steering[cell] = self.steering.get(cell, 0) | ways

    def find_window(self, name: str) -> exp.Window | None:
        """Find the definition of a named window, here or around."""
        scope: Scope | None = self
        while scope is not None:
            if name in scope.windows:
                return scope.windows[name]
            scope = scope.outer
        return None

    def find(self, parts: Sequence[str]) -> tuple[Origins, bool] | None:
        """Find `[schema.][table.]column[.field…]` here: its origins, and whether it is the whole value."""
        for at, schema in ((1, None), (2, parts[0])):
            if len(parts) > at:
                tables = [s for s in self.sources if s.name == parts[at - 1] and schema in (None, s.schema)]
                if len(tables) == 1 and parts[at] in tables[0].by_key:
                    return tables[0].by_key[parts[at]], len(parts) == at + 1
        found = self._find_column(parts[0])
        if found is not None:
            return found, len(parts) == 1
        row = [c.origins for s in self.sources for c in s.columns if s.name == parts[0] and len(parts) == 1]
        return (merge(*row), False) if row else None

    def _find_column(self, name: str) -> Origins | None:
        if name in self.merged:
            return self.merged[name]
        found = [source.by_key[name] for source in self.sources if name in source.by_key]
        if len(found) > 1:
            raise UnknownError(f"column '{name}' is ambiguous")
        if found or name not in self.aliases:
            return found[0] if found else None
        # An alias, or a column of a query around this one: which of them is the engine's to know.
        around = look_up([name], self.outer)
        return self.aliases[name] if around is None else merge(self.aliases[name], around)


def look_up(parts: Sequence[str], scope: Scope | None) -> Origins | None:
    """Find what a name means in the innermost scope that knows it."""
    while scope is not None:
        if (found := scope.find(parts)) is not None:
            origins, is_whole = found
            return origins if is_whole else merge(origins, at_least=TRANSFORMED)
        scope = scope.outer
    return None


def merge(*several: Origins, at_least: int = COPIED) -> Origins:
    """Join what several values depend on; what they are made of counts as `at_least`, what steers them stays."""
    merged: Origins = {}
    for origins in several:
        for cell, ways in origins.items():
            merged[cell] = merged.get(cell, 0) | (ways | at_least if ways & VALUES else ways)
    return merged


def steered(origins: Origins, kind: int) -> Origins:
    """What is steered by a value: what that is made of steers as `kind` says, what steers it goes on as it is."""
    return {cell: (ways & STEERING) | (kind if ways & VALUES else 0) for cell, ways in origins.items()}


def name_source(schema: str | None, name: str, columns: Iterable[Column]) -> Source:
    """Name a relation; of several columns named a the second is called a_1, as the engine does."""
    named: list[Column] = []
    by_key: dict[str, Origins] = {}
    for column in columns:
        unique = column
        for i in itertools.count(1):
            if unique.key not in by_key:
                break
            unique = Column(f"{column.name}_{i}", column.origins)
        named.append(unique)
        if unique.key is not None:
            by_key[unique.key] = unique.origins
    return Source(schema, name, named, by_key)


def rename(traced: Traced, alias: exp.TableAlias | None) -> Traced:
    """Apply the column names of `AS t(a, b)`."""
    names = [identifier.name for identifier in alias.columns] if alias is not None else []
    if len(names) > len(traced.columns):
        raise UnknownError("a relation has fewer columns than names")
    renamed = [Column(name, column.origins) for name, column in zip(names, traced.columns, strict=False)]
    return Traced([*renamed, *traced.columns[len(names) :]], traced.steering) if names else traced
