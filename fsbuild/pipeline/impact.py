"""A compiled project and how it was before in; the columns that edits define anew out, with all that is below them.

The two are compared query by query, column by column: what is computed as it was is not named, even where its text is
another. A column that is named may still have the values that it had.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from fsbuild.pipeline.compiling import Compiled
from fsbuild.pipeline.tracing import Tracing, known_columns, known_names, unknown_reasons
from fsbuild.traces import ROWS, Cell, Links, Trace, follow
from fsbuild.values import CompiledModel, Seed, Source

if TYPE_CHECKING:
    from fsbuild.lineage.definitions import Version


_OTHER_ROWS = "edited: which rows there are"


def trace_changes(compiled: Compiled, before: Compiled, since: str, tracing: Tracing) -> Trace:
    """Trace what edits may alter: down from each column that is new or defined otherwise than before."""
    remarks = dict(_edits(compiled, before))
    if not tracing.steering:
        remarks = {one: remark for cell, remark in remarks.items() for one in _values(cell, remark, compiled)}
    links = Links.of(compiled.models, has_steering=tracing.steering)
    return Trace(
        asked=f"what has changed since {since}",
        cells=tuple(remarks),
        upstream=None,
        downstream=follow(tuple(remarks), links.below, tracing.depth),
        names={**known_names(before), **known_names(compiled)},
        unknown=unknown_reasons(compiled),
        remarks=remarks,
    )


def _values(cell: Cell, remark: str, compiled: Compiled) -> list[Cell]:
    """Where values alone are followed, rows lead nowhere: the columns of a node that is another as a whole do."""
    if cell.column != ROWS:
        return [cell]
    if remark == _OTHER_ROWS:
        return []
    return [Cell(cell.node, column.name) for column in known_columns(compiled).get(cell.node, ())]


def _edits(compiled: Compiled, before: Compiled) -> Iterator[tuple[Cell, str]]:
    """The cells of nodes that are not what they were; `*` where all of a node is not."""
    nodes, old = _given(compiled), _given(before)
    for name in compiled.draft.graph.order:
        if name in compiled.models:
            yield from _model_edits(compiled.models[name], before.models.get(name), compiled, before)
        elif name in compiled.known and name not in old:
            yield Cell(name, ROWS), "new"
        elif name in compiled.known and nodes[name] != old[name]:
            yield Cell(name, ROWS), "edited"
    for name in before.draft.graph.order:
        if name not in compiled.draft.graph.nodes:
            yield Cell(name, ROWS), "removed"


def _given(compiled: Compiled) -> dict[str, tuple[object, ...]]:
    """What makes a source or a seed the one that it is, but for the data of sources."""
    project, types = compiled.draft.project, known_columns(compiled)
    nodes: tuple[Seed | Source, ...] = (*project.seeds, *project.sources)
    return {
        one.unique_id: (
            (one.fingerprint if isinstance(one, Seed) else (one.kind, one.location, one.version)),
            types.get(one.unique_id),
        )
        for one in nodes
    }


def _model_edits(
    model: CompiledModel, old: CompiledModel | None, compiled: Compiled, before: Compiled
) -> Iterator[tuple[Cell, str]]:
    from fsbuild.lineage.definitions import compare_definitions

    name = model.unique_id
    if old is None:
        yield Cell(name, ROWS), "new"
    elif _keeping(model) != _keeping(old):
        yield Cell(name, ROWS), "edited: how its rows are kept"
    elif model.fingerprint != old.fingerprint:
        edited = compare_definitions(_version_of(old, before), _version_of(model, compiled))
        names = {column.name.lower() for column in old.columns}
        for column in edited.columns:
            yield Cell(name, column), "edited" if column.lower() in names else "new"
        if edited.has_other_rows or (edited.columns and model.snapshot is not None):
            yield Cell(name, ROWS), _OTHER_ROWS


def _keeping(model: CompiledModel) -> tuple[object, ...]:
    """What decides about the rows of a table beside its query."""
    config = model.rendered.config
    is_keyed = config.materialized in ("incremental", "snapshot")
    return (is_keyed and config.unique_key, model.snapshot, model.increment_fingerprint)


def _version_of(model: CompiledModel, compiled: Compiled) -> Version:
    from fsbuild.lineage import Input
    from fsbuild.lineage.definitions import Version

    columns = known_columns(compiled)
    relations = {name: one.relation for name, one in compiled.known.items()}
    relations |= {name: one.rendered.relation for name, one in compiled.models.items()}
    inputs = [Input(parent, relations[parent], tuple(columns[parent])) for parent in model.rendered.depends_on]
    added = len(model.snapshot.added) if model.snapshot is not None else 0
    return Version(model.select, inputs, model.columns[: len(model.columns) - added])
