"""What is known of a node's checks: who decides them and how they ended last; and a first schema from what it holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fsbuild.check_history import CHECK_HISTORY
from fsbuild.pipeline.compiling import Compiled
from fsbuild.pipeline.drafting import Draft
from fsbuild.pipeline.measuring import find_statistics
from fsbuild.pipeline.nodes import find_node, find_table, relation_of
from fsbuild.pipeline.points import bound_versions
from fsbuild.pipeline.state import open_lake
from fsbuild.values import Model, Relation, Seed, Source, literal, quote

if TYPE_CHECKING:
    from fsbuild.engine import Warehouse

# Of so much of its rows a column's values are told apart, by estimate, where no value may be there twice.
_NEARLY_ALL = 0.9
Row = tuple[object, ...]


def show_checks(compiled: Compiled, name: str, warehouse: Warehouse) -> tuple[Row, ...]:
    """Tell of each check of a node: column, check, severity, who decides, where it is written, how it ended last.

    Raises:
        UsageError: there is no such node.
    """
    from fsbuild.check import decided_by

    draft = compiled.draft
    unique_id = find_node(draft, name)
    project = draft.project
    nodes: tuple[Model | Seed | Source, ...] = (*project.models, *project.seeds, *project.sources)
    checks = next((node.checks for node in nodes if node.unique_id == unique_id), ())
    last = _last_verdicts(draft, unique_id, warehouse)
    rows = []
    for check in checks:
        limits = {"where": check.where, "error_if": check.error_if, "warn_if": check.warn_if}
        told = ", ".join(f"{key} {value}" for key, value in limits.items() if value is not None)
        label = check.title or check.label
        status, at = last.get((check.column, label), (None, None))
        rows.append(
            (check.column, label, check.severity, told or None, decided_by(check), str(check.place), status, at)
        )
    return tuple(rows)


def infer_checks(draft: Draft, name: str, warehouse: Warehouse) -> str:
    """Write a first pandera schema of a node's table as it is published.

    Raises:
        UsageError: the node has no table.
    """
    from fsbuild.check import infer_schema

    unique_id = find_table(draft, name, "rows to infer a schema from")
    found = find_statistics(draft, name, None, warehouse)
    lake = open_lake(draft.project)
    uri = lake.uri(relation_of(draft, unique_id))
    with bound_versions(warehouse, lake, uri, [found.version]) as (relation,):
        rows = found.statistics.rows
        likely = [
            one.name for one in found.statistics.columns if rows > 1 and (one.distinct or 0) >= _NEARLY_ALL * rows
        ]
        counts = ", ".join(f"count(DISTINCT {quote(key)}) = count(*) AS {quote(key)}" for key in likely)
        (told,) = warehouse.rows(f"SELECT {counts} FROM {relation}") if likely else ({},)
        keys = [key for key, is_key in told.items() if is_key]
        return infer_schema(warehouse.table(f"SELECT * FROM {relation} LIMIT 0").schema, found.statistics, keys)


def _last_verdicts(
    draft: Draft, unique_id: str, warehouse: Warehouse
) -> dict[tuple[object, object], tuple[object, object]]:
    """How each check of a node ended last, and when."""
    lake, relation = open_lake(draft.project), Relation(draft.project.target.schema, CHECK_HISTORY)
    state = lake.state(relation)
    if state is None:
        return {}
    with bound_versions(warehouse, lake, lake.uri(relation), [state.version]) as (history,):
        rows = warehouse.rows(
            f'SELECT "column", "check", max_by(status, checked_at) AS status, '
            f"strftime(max(checked_at) AT TIME ZONE 'UTC', '%Y-%m-%d %H:%M:%S') AS at FROM {history} "
            f"WHERE node = {literal(unique_id)} GROUP BY ALL"
        )
    return {(row["column"], row["check"]): (row["status"], row["at"]) for row in rows}
