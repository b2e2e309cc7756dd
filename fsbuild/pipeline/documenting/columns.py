"""What columns mean and what they hold: descriptions, inherited where a value is a copy, types and statistics."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

from fsbuild.pipeline.compiling import Compiled
from fsbuild.pipeline.documenting.links import Links
from fsbuild.site.pages import ColumnPage, ColumnStatisticsPage
from fsbuild.stored_statistics import Measured
from fsbuild.values import Column, ColumnEdge, ColumnStatistics, Model, Seed, Source

_VALUES = ("copied", "transformed", "aggregated")
_TIMES = ("TIMESTAMP", "DATE", "TIME")
# So many of the most frequent values are shown.
_FREQUENT = 10


@dataclass(frozen=True, slots=True)
class KnownColumn:
    """A column of a node; `from_id` and `from_column` say whose description it has, where that is another one's.

    Values of one that `is_pii` are shown nowhere: it is marked so, or may hold values of one that is. A maximum of
    addresses is an address; `pii: false` is how a person says that a count of them is none.
    """

    name: str
    type: str
    said: Column | None
    description: str = ""
    from_id: str = ""
    from_column: str = ""
    is_pii: bool = False


Columns = dict[str, dict[str, KnownColumn]]


def known_columns(compiled: Compiled) -> Columns:
    """The columns of every node by their names in lower case.

    A column without a description has that of the one column that it is a copy of.
    """
    project, graph = compiled.draft.project, compiled.draft.graph
    nodes: tuple[Model | Seed | Source, ...] = (*project.models, *project.seeds, *project.sources)
    said = {node.unique_id: {column.name.lower(): column for column in node.columns} for node in nodes}
    found: Columns = {}
    for unique_id in graph.order:
        types = _types(unique_id, compiled)
        names = types or {column.name: column.data_type or "" for column in said.get(unique_id, {}).values()}
        model = compiled.models.get(unique_id)
        made_of = _made_of(model.lineage.edges) if model is not None else {}
        # Where nobody knows what a column is made of, it may be made of anything that its model reads.
        is_unknown = model is not None and model.lineage.unknown is not None
        may_be_private = is_unknown and any(has_private(name, found) for name in graph.parents(unique_id))
        found[unique_id] = {
            name.lower(): _known(
                KnownColumn(name, kind, said.get(unique_id, {}).get(name.lower()), is_pii=may_be_private),
                made_of.get(name, ()),
                found,
            )
            for name, kind in names.items()
        }
    return found


def has_private(unique_id: str, columns: Columns) -> bool:
    """Whether a node has columns whose values are shown nowhere."""
    return any(column.is_pii for column in columns.get(unique_id, {}).values())


def _types(unique_id: str, compiled: Compiled) -> dict[str, str]:
    if unique_id in compiled.models:
        return {column.name: column.type for column in compiled.models[unique_id].columns}
    known = compiled.known.get(unique_id)
    return {column.name: column.type for column in known.columns} if known is not None else {}


def _made_of(edges: Sequence[ColumnEdge]) -> dict[str, list[ColumnEdge]]:
    """The edges of the columns whose values each column is made of."""
    found: dict[str, list[ColumnEdge]] = defaultdict(list)
    for edge in edges:
        if edge.kind in _VALUES:
            found[edge.column].append(edge)
    return found


def _known(column: KnownColumn, made_of: Sequence[ColumnEdge], found: Columns) -> KnownColumn:
    """Tell of a column what its own YAML says, and where that says nothing what is known of those it is made of."""
    origins = [(edge, found.get(edge.input_id, {}).get(edge.input_column.lower())) for edge in made_of]
    said = column.said
    is_private = column.is_pii or any(origin is not None and origin.is_pii for _, origin in origins)
    known = replace(column, is_pii=is_private if said is None or said.is_pii is None else said.is_pii)
    if said is not None and said.description:
        return replace(known, description=said.description)
    if len(origins) != 1:
        return known
    edge, origin = origins[0]
    if origin is None or edge.kind != "copied" or not origin.description:
        return known
    whose = (origin.from_id or edge.input_id, origin.from_column or origin.name)
    return replace(known, description=origin.description, from_id=whose[0], from_column=whose[1])


def column_page(
    column: KnownColumn, links: Links, span: tuple[int, int] | None, measured: Measured | None
) -> ColumnPage:
    """Describe a column."""
    page: ColumnPage = {"name": column.name}
    if column.type:
        page["type"] = column.type
    if column.description:
        page["description"] = column.description
    if column.from_id in links.refs:
        page["inherited_from"] = {"node": links.refs[column.from_id], "column": column.from_column}
    if column.said is not None and column.said.unit:
        page["unit"] = column.said.unit
    if column.is_pii:
        page["is_pii"] = True
    if span is not None:
        page["defined_at"] = span
    if measured is not None:
        held = next((one for one in measured.statistics.columns if one.name.lower() == column.name.lower()), None)
        if held is not None:
            page["statistics"] = _statistics(held, measured.statistics.rows, is_pii=column.is_pii)
    return page


def _statistics(held: ColumnStatistics, rows: int, *, is_pii: bool) -> ColumnStatisticsPage:
    """Describe what a column holds; of one whose values are private only how much of it is there."""
    page: ColumnStatisticsPage = {"completeness": round(held.count / rows, 6) if rows else 0.0}
    if held.distinct is not None:
        page["distinct"] = held.distinct
    if is_pii:
        return page
    if held.minimum is not None and held.maximum is not None:
        page["minimum"], page["maximum"] = held.minimum, held.maximum
    if held.mean is not None:
        page["mean"] = held.mean
    if held.stddev is not None:
        page["stddev"] = held.stddev
    if held.counts:
        page["edges"], page["counts"] = list(held.edges), list(held.counts)
        page["is_time"] = held.type.startswith(_TIMES)
    if held.values:
        page["values"] = [{"value": value, "count": count} for value, count in held.values[:_FREQUENT]]
    return page
