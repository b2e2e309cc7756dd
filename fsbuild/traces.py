"""The lineage of each model in, the way of a column across models out: what it is made of, and what it goes into.

A cell is a column of a node, or its rows: `*`. The invariant is that of `lineage`: where a change of one cell may
change another one, links lead from it to the other, over whatever is between them. Where the lineage of a model is
unknown any column of it, `?`, may depend on any column of its inputs. Upstream nothing is told beyond that; downstream
all is reached that reads the model.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from fsbuild.values import CompiledModel, EdgeKind

ROWS, ANY = "*", "?"
# `rows`: the rows of one are read for those of the other. `unknown`: nobody can tell how, or whether.
LinkKind = EdgeKind | Literal["rows", "unknown"]


@dataclass(frozen=True, slots=True, order=True)
class Cell:
    """A column of a node, or `*` for which rows it has, or `?` for a column that nobody can name."""

    node: str
    column: str


@dataclass(frozen=True, slots=True)
class Link:
    """A step of a trace, from the cell that it has reached to one that it depends on, or that depends on it.

    `kinds` says in which ways, and `distance` how many models away from the beginning it leads.
    """

    near: Cell
    far: Cell
    kinds: tuple[LinkKind, ...]
    distance: int

    @property
    def is_steering(self) -> bool:
        """Whether neither is a part of the other's value."""
        return not {"copied", "transformed", "aggregated", "unknown"} & {*self.kinds}


@dataclass(frozen=True, slots=True)
class Trace:
    """What was asked about, its cells, and the links up and down from there; None for a direction that was not.

    `names` are those by which people call the nodes, and `unknown` has the reasons of the models whose lineage is
    unknown; `remarks` say of cells why they are asked about, where that was not by their name.
    """

    asked: str

    cells: tuple[Cell, ...]
    upstream: tuple[Link, ...] | None
    downstream: tuple[Link, ...] | None
    names: Mapping[str, str]
    unknown: Mapping[str, str]
    remarks: Mapping[Cell, str] = field(default_factory=dict)

    def named(self, cell: Cell) -> str:
        """Call a cell as people do: `stg_flights.carrier`."""
        return f"{self.names[cell.node]}.{cell.column}"


Found = Mapping[Cell, Iterable[LinkKind]]


@dataclass(frozen=True, slots=True)
class Links:
    """The links of all cells of a project, each found from either end; without `has_steering` those of values alone."""

    models: Mapping[str, CompiledModel]
    has_steering: bool = True
    _above: dict[Cell, dict[Cell, list[LinkKind]]] = field(default_factory=dict)
    _below: dict[Cell, dict[Cell, list[LinkKind]]] = field(default_factory=dict)
    _readers: dict[str, list[str]] = field(default_factory=dict)

    @classmethod
    def of(cls, models: Mapping[str, CompiledModel], *, has_steering: bool = True) -> Links:
        """Find the links of the models of a project."""
        links = cls(models, has_steering)
        for name, model in models.items():
            for parent in model.rendered.depends_on:
                links._readers.setdefault(parent, []).append(name)
            for edge in model.lineage.edges:
                if has_steering or not edge.is_steering:
                    origin, target = Cell(edge.input_id, edge.input_column), Cell(name, edge.column)
                    links._above.setdefault(target, {}).setdefault(origin, []).append(edge.kind)
                    links._below.setdefault(origin, {}).setdefault(target, []).append(edge.kind)
        return links

    def above(self, cell: Cell) -> Found:
        """What a cell depends on at once."""
        model = self.models.get(cell.node)
        if model is None:
            return {}
        parents = model.rendered.depends_on
        if model.lineage.unknown is not None:
            return {Cell(parent, ANY): ("unknown",) for parent in parents}
        found: dict[Cell, Iterable[LinkKind]] = {**self._above.get(cell, {})}
        if cell.column == ROWS:
            found |= {Cell(parent, ROWS): ("rows",) for parent in parents}
        return found

    def below(self, cell: Cell) -> Found:
        """What depends on a cell at once."""
        readers = self._readers.get(cell.node, ())
        unknown = [name for name in readers if self.models[name].lineage.unknown is not None]
        found: dict[Cell, Iterable[LinkKind]] = {**self._below.get(cell, {})}
        if cell.column == ANY:
            unknown = [*readers]
        elif cell.column == ROWS and self.has_steering:
            found = {Cell(name, ROWS): ("rows",) for name in readers if name not in unknown}
        return found | {Cell(name, ANY): ("unknown",) for name in unknown}


def follow(start: Sequence[Cell], step: Callable[[Cell], Found], depth: int | None = None) -> tuple[Link, ...]:
    """Follow links from cells on, the near ones first, each once; with a `depth` no further than so many models.

    `step` is `Links.above` or `Links.below`.
    """
    links: list[Link] = []
    seen, reached, distance = {*start}, list(start), 0
    while reached and (depth is None or distance < depth):
        distance += 1
        found: list[Cell] = []
        for cell in reached:
            for other, kinds in step(cell).items():
                links.append(Link(cell, other, tuple(kinds), distance))
                if other not in seen:
                    seen.add(other)
                    found.append(other)
        reached = found
    return tuple(links)
