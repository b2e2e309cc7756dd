"""The strategy `auto`: the changes of a model's inputs in, the rows of the keys that they affect staged, out.

What can be told from the SQL alone was proven when it was compiled (`fsbuild.maintenance`); here it is decided with the
changes at hand. Where an increment is not possible or not worth it, the reason is said and the table computed in full.
"""

from __future__ import annotations

from dataclasses import dataclass

from fsbuild.appended import FILES, added_files
from fsbuild.errors import NoChangesError
from fsbuild.execute.bindings import Bindings
from fsbuild.execute.keys import has_null_keys
from fsbuild.values import CompiledModel, Maintenance, Relation, changes_relation, keys_relation, quote

# A table of fewer rows is computed the way that the SQL allows; neither takes time.
_SMALL_TABLE = 10_000
# The share of a table's keys beyond which computing all of them is cheaper: nothing has to be compared or merged.
_WORTHWHILE = 0.3


@dataclass(frozen=True, slots=True)
class Affected:
    """How many keys are affected, and whether one has a NULL; or why the table has to be computed in full."""

    count: int = 0
    has_null: bool = False
    reason: str | None = None


def find_affected(model: CompiledModel, bindings: Bindings) -> Affected:
    """Keep the changed rows of a model's inputs, and the keys that they affect, in the engine."""
    maintenance = model.maintenance or Maintenance()
    warehouse = bindings.tools.warehouse
    recorded = bindings.states[model.unique_id].inputs
    queries = []
    for name in bindings.changed_inputs(model.unique_id):
        reason = maintenance.unprovable.get(name)
        if reason is None:
            try:
                keep_changes(model.unique_id, name, recorded.get(name, ""), bindings)
            except NoChangesError as exc:
                reason = exc.reason
        if reason is not None:
            return Affected(reason=reason)
        if name in maintenance.affected:
            queries.append(maintenance.affected[name])
    keys = keys_relation(model.unique_id)
    if not queries:
        return Affected()
    for parent in model.rendered.depends_on:
        bindings.bind(parent)
    count = warehouse.keep(keys, "\nUNION\n".join(queries))
    if model.rendered.config.refresh == "auto" and count:
        share = _share(count, bindings.bind_present(model.unique_id), maintenance.key, bindings)
        if share > _WORTHWHILE:
            return Affected(reason=f"{min(share, 1):.0%} of its keys are affected")
    return Affected(count, has_null_keys(warehouse.rows, keys, len(maintenance.key)))


def keep_changes(unique_id: str, name: str, since: str, bindings: Bindings) -> None:
    """Keep the rows of an input that differ between what was read and what is there, each once."""
    work, warehouse = bindings.work, bindings.tools.warehouse
    source = work.sources.get(name)
    if source is not None and source.kind != "delta":
        added = added_files(source, work.states[unique_id].extra.get(FILES), work.files.get(name))
        columns = warehouse.columns(f"SELECT * FROM {bindings.bind(name)}")
        warehouse.keep_added(changes_relation(unique_id, name), source, added, columns)
        return
    state = bindings.state(name)
    columns = warehouse.columns(f"SELECT * FROM {bindings.bind(name)}")
    files = bindings.tools.lake.changes(bindings.uri(name), since, state.version)
    warehouse.keep_changes(changes_relation(unique_id, name), files, columns)


def _share(count: int, table: Relation, key: tuple[str, ...], bindings: Bindings) -> float:
    """The share of a table's keys that `count` keys are, about."""
    warehouse = bindings.tools.warehouse
    (rows,) = warehouse.rows(f"SELECT count(*) AS n FROM {table}")
    if int(str(rows["n"])) < _SMALL_TABLE:
        return 0.0
    value = ", ".join(quote(name) for name in key)
    (keys,) = warehouse.rows(f"SELECT approx_count_distinct(({value})) AS n FROM {table}")
    return count / max(int(str(keys["n"])), 1)
