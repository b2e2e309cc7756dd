"""A query's columns in, what keeps them from being a Delta table's columns out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from fsbuild.errors import Place, Problem, suggest
from fsbuild.values import BoundColumn, ColumnType, ModelConfig, RenderedModel


def column_problems(model: RenderedModel, bound: Sequence[BoundColumn]) -> Iterator[Problem]:
    """What a Delta table cannot hold."""
    place = Place(model.model.path)
    seen: dict[str, str] = {}
    for column in bound:
        if column.stored_type is None:
            hint = f"cast it: cast({column.name} as varchar)"
            yield Problem(
                f"column '{column.name}' is {column.type}, a type that Delta tables do not have", place, hint=hint
            )
        if column.name.lower() in seen:
            hint = f"give one of them another name: … as {column.name}_2"
            yield Problem(f"two columns are named '{column.name}'", place, hint=hint)
        seen[column.name.lower()] = column.name
        if any(letter in column.name for letter in " ,;{}()\n\t="):
            yield Problem(f"column {column.name!r} has no usable name", place, hint="name it: … as some_name")
    config = model.config
    roles = {
        "unique_key": config.unique_key,
        "partition_by": config.partition_by,
        "cluster_by": config.cluster_by,
        "event_time": [config.event_time] if config.event_time else [],
        "known_time": [config.known_time] if config.known_time else [],
        "sequence_by": [config.sequence_by] if config.sequence_by else [],
        "merge_update_columns": config.merge_update_columns,
        "merge_exclude_columns": config.merge_exclude_columns,
    }
    for role, names in roles.items():
        for name in names:
            if name.lower() not in seen:
                message = f"{role} column '{name}' is not a column of the model"
                yield Problem(message, place, hint=suggest(name, seen.values()))
    if {name.lower() for name in config.partition_by} >= {*seen}:
        message = "partition_by names every column of the model, and a Delta table needs one beside them"
        yield Problem(message, place, hint="leave out a column, or partition_by altogether")
    if config.materialized == "incremental":
        yield from _strategy_problems(config, place)


def _strategy_problems(config: ModelConfig, place: Place) -> Iterator[Problem]:
    """What a strategy lacks, and what is set that it does not know."""
    strategy = config.strategy
    if strategy in ("merge", "delete+insert") and not config.unique_key:
        yield Problem(f"incremental_strategy '{strategy}' needs a unique_key", place, hint="config(unique_key='id')")
    if strategy == "insert_overwrite" and not config.partition_by:
        hint = "config(partition_by='day')"
        yield Problem("incremental_strategy 'insert_overwrite' needs partition_by", place, hint=hint)
    rules = ("merge_update_columns", "merge_exclude_columns", "incremental_predicates", "sequence_by", "deleted_when")
    for name in rules:
        if strategy != "merge" and getattr(config, name):
            hint = "config(incremental_strategy='merge'), or leave it out"
            yield Problem(f"{name} is for the strategy 'merge', and this is '{strategy}'", place, hint=hint)


def increment_problems(
    model: RenderedModel, columns: Sequence[ColumnType], increment: Sequence[BoundColumn]
) -> Iterator[Problem]:
    """Compare an increment's columns with those of a full refresh."""
    full = [(column.name, column.type) for column in columns]
    part = [(column.name, column.stored_type) for column in increment]
    if full != part:
        differing = [f"{name} {kind}" for name, kind in part if (name, kind) not in full]
        message = "an increment (is_incremental() is true) has other columns than a full refresh"
        detail = f"only in the increment: {', '.join(differing) or 'the order'}"
        yield Problem(message, Place(model.model.path), detail=detail, hint="select the same columns in both")
