"""The statistics of a table: as a run has written them down, or measured now; and two of them compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from fsbuild.errors import Problem, UsageError
from fsbuild.pipeline.drafting import Draft
from fsbuild.pipeline.nodes import find_table, relation_of
from fsbuild.pipeline.points import bound_versions, parse_moment, version_of
from fsbuild.pipeline.state import open_lake
from fsbuild.stored_statistics import TABLE, Measured, from_rows, latest_query
from fsbuild.values import ColumnEdge, CompiledModel, Drift, Relation, TableStatistics

if TYPE_CHECKING:
    import datetime as dt

    from fsbuild.engine import Warehouse
    from fsbuild.store import Lake

Point = int | str


@dataclass(frozen=True, slots=True)
class Compared:
    """How far the columns of one table are from those of another, which is named by what it is."""

    before: Measured
    after: Measured
    drifts: tuple[Drift, ...]


def find_statistics(draft: Draft, name: str, point: Point | None, warehouse: Warehouse) -> Measured:
    """The statistics of a version of a node's table, by default the latest; measured now where no run has done it.

    Raises:
        UsageError: the node has no table, or not that version.
    """
    lake, unique_id = open_lake(draft.project), find_table(draft, name, "statistics")
    version = _version(draft, lake, unique_id, point)
    stored = _stored(draft, lake, warehouse, unique_id, version)
    changed = lake.last_change(lake.uri(relation_of(draft, unique_id)), version)
    if stored is not None and changed is not None and stored.version >= changed:
        return stored
    return measure_now(draft, unique_id, version, warehouse, stored.statistics if stored else None)


def measure_now(
    draft: Draft, unique_id: str, version: int, warehouse: Warehouse, bins_of: TableStatistics | None = None
) -> Measured:
    """Measure a version of a table, in the bins of other statistics where it has the same columns."""
    from fsbuild.features import measure_table

    lake = open_lake(draft.project)
    uri = lake.uri(relation_of(draft, unique_id))
    with bound_versions(warehouse, lake, uri, [version]) as (relation,):
        columns = warehouse.columns(f"SELECT * FROM {relation}")
        return Measured(unique_id, version, measure_table(warehouse.rows, str(relation), columns, bins_of))


def compare_statistics(
    draft: Draft, name: str, other: str, models: Mapping[str, CompiledModel], warehouse: Warehouse
) -> Compared:
    """Compare a node's table, as it is, with an earlier version of it, or with a training set that has its features.

    `other` is a version, a moment, a run's id, or the name of a training set, whose columns are told by the lineage.

    Raises:
        UsageError: there is no such version, or the training set has no column of the model.
    """
    from fsbuild.features import compare_tables

    after = find_statistics(draft, name, None, warehouse)
    training = [m.unique_id for m in draft.models.values() if m.model.name == other and m.training is not None]
    if training:
        before = find_statistics(draft, other, None, warehouse)
        # In the bins of what the model was trained with, which is what the present is compared to.
        origins = _origins(models[training[0]].lineage.edges, after.unique_id)
        before = replace(before, statistics=_renamed(before.statistics, origins))
        if not before.statistics.columns:
            hint = f"'{other}' is compared with the models that it has features of"
            raise UsageError(Problem(f"the training set '{other}' has no feature of '{name}'", hint=hint))
    else:
        before = find_statistics(draft, name, other, warehouse)
    if _has_other_bins(before.statistics, after.statistics):
        after = measure_now(draft, after.unique_id, after.version, warehouse, before.statistics)
    return Compared(before, after, compare_tables(before.statistics, after.statistics))


def correlations(draft: Draft, name: str, warehouse: Warehouse) -> tuple[list[str], Sequence[tuple[str, str, object]]]:
    """Name the columns of numbers of a table, and tell Pearson's correlation of each pair."""
    from fsbuild.features import correlation_query

    lake, unique_id = open_lake(draft.project), find_table(draft, name, "statistics")
    uri, version = lake.uri(relation_of(draft, unique_id)), _version(draft, lake, unique_id, None)
    with bound_versions(warehouse, lake, uri, [version]) as (relation,):
        names, sql = correlation_query(str(relation), warehouse.columns(f"SELECT * FROM {relation}"))
        (row,) = warehouse.rows(sql)
    pairs = [(one, other) for i, one in enumerate(names) for other in names[i + 1 :]]
    return names, [(one, other, row[f"r{i}"]) for i, (one, other) in enumerate(pairs)]


def _stored(draft: Draft, lake: Lake, warehouse: Warehouse, unique_id: str, version: int) -> Measured | None:
    relation = Relation(draft.project.target.schema, TABLE)
    state = lake.state(relation)
    if state is None:
        return None
    warehouse.bind_table(relation, lake.uri(relation), state.version)
    return from_rows(warehouse.rows(latest_query(str(relation), unique_id, version))).get(unique_id)


def _version(draft: Draft, lake: Lake, unique_id: str, point: Point | dt.datetime | None) -> int:
    uri = lake.uri(relation_of(draft, unique_id))
    return version_of(lake, uri, parse_moment("9999-12-31") if point is None else point)


def _origins(edges: Sequence[ColumnEdge], unique_id: str) -> dict[str, str]:
    """The columns of a training set by the column of a feature model that each has the values of."""
    found: dict[str, list[str]] = {}
    for edge in edges:
        if edge.input_id == unique_id and not edge.is_steering:
            found.setdefault(edge.column, []).append(edge.input_column)
    # A feature is made of itself and of the times that decide which row counts.
    return {column: inputs[0] if len(inputs) == 1 else _nearest(column, inputs) for column, inputs in found.items()}


def _nearest(column: str, inputs: Sequence[str]) -> str:
    return max(inputs, key=lambda name: (column.endswith(name), len(name) if column.endswith(name) else 0))


def _renamed(statistics: TableStatistics, origins: Mapping[str, str]) -> TableStatistics:
    columns = tuple(replace(c, name=origins[c.name]) for c in statistics.columns if c.name in origins)
    return TableStatistics(statistics.rows, columns)


def _has_other_bins(before: TableStatistics, after: TableStatistics) -> bool:
    edges = {column.name: column.edges for column in before.columns}
    return any(edges.get(column.name, column.edges) != column.edges for column in after.columns)
