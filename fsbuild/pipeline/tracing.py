"""A compiled project and the name of a model or column in, its trace up and down across models out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fsbuild.errors import Problem, UsageError, listing, suggest
from fsbuild.pipeline.compiling import Compiled
from fsbuild.pipeline.nodes import shown_name
from fsbuild.traces import ROWS, Cell, Link, Links, Trace, follow
from fsbuild.values import ColumnType


@dataclass(frozen=True, slots=True)
class Tracing:
    """How far to go: in which directions, over how many models (None: all the way), and along which links."""

    upstream: bool = True
    downstream: bool = True
    depth: int | None = None
    steering: bool = True


def trace_name(compiled: Compiled, name: str, tracing: Tracing) -> Trace:
    """Trace a column, written `model.column`, or all columns of a model; `model.*` are the model's rows.

    Seeds and sources are traced as models are, a source as `source.table`. Without a depth a column is traced all the
    way, and a model to its neighbours.

    Raises:
        UsageError: there is no such node, or it has no such column.
    """
    columns = known_columns(compiled)
    node, column = _find(compiled, name, columns)
    every = tuple(Cell(node, one.name) for one in columns[node])
    links = Links.of(compiled.models, has_steering=tracing.steering)
    rows = (Cell(node, ROWS),) if tracing.steering else ()
    asked = (*every, *rows) if column is None else (Cell(node, column),)
    depth = tracing.depth if tracing.depth is not None or column is not None else 1
    # What the rows of a model depend on every column of it does.
    start = tuple(dict.fromkeys((*asked, *rows)))
    to_rows = tuple(Link(asked[0], row, ("rows",), 0) for row in rows if row not in asked)
    return Trace(
        asked=name,
        cells=asked,
        upstream=(*to_rows, *follow(start, links.above, depth)) if tracing.upstream else None,
        downstream=follow(asked, links.below, depth) if tracing.downstream else None,
        names=known_names(compiled),
        unknown=unknown_reasons(compiled),
    )


def known_columns(compiled: Compiled) -> Mapping[str, Sequence[ColumnType]]:
    """The columns of all nodes that are read or made."""
    found: dict[str, Sequence[ColumnType]] = {name: one.columns for name, one in compiled.known.items()}
    return found | {name: model.columns for name, model in compiled.models.items()}


def known_names(compiled: Compiled) -> dict[str, str]:
    """What people call the nodes of a project."""
    return {unique_id: shown_name(node) for unique_id, node in compiled.draft.graph.nodes.items()}


def unknown_reasons(compiled: Compiled) -> dict[str, str]:
    """Why the lineage of models is unknown."""
    return {name: one.lineage.unknown for name, one in compiled.models.items() if one.lineage.unknown is not None}


def _find(compiled: Compiled, name: str, columns: Mapping[str, Sequence[ColumnType]]) -> tuple[str, str | None]:
    """Read `model`, `model.column`, `source.table` or `source.table.column`."""
    by_name = {shown: unique_id for unique_id, shown in known_names(compiled).items() if unique_id in columns}
    if name in by_name:
        return by_name[name], None
    # A column may have a point in its name, and a source has one: the longest name of a node counts.
    for at in sorted((i for i, letter in enumerate(name) if letter == "."), reverse=True):
        if name[:at] in by_name:
            node, wanted = by_name[name[:at]], name[at + 1 :]
            found = {one.name.lower(): one.name for one in columns[node]} | {ROWS: ROWS}
            if wanted.lower() in found:
                return node, found[wanted.lower()]
            hint = suggest(wanted, found.values()) or f"it has {listing([one.name for one in columns[node]])}"
            raise UsageError(Problem(f"'{name[:at]}' has no column '{wanted}'", hint=hint))
    near = suggest(name, by_name) or suggest(name.rpartition(".")[0], by_name)
    hint = near or "name a model, a seed, or a source that a model reads, and a column: model.column"
    raise UsageError(Problem(f"there is no model, seed or source '{name}'", hint=hint))
