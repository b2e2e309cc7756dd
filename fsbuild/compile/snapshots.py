"""A snapshot's configuration and its query's columns in, how its rows get a history out, or what keeps them from it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from fsbuild.compile.binding import Binder
from fsbuild.compile.text import tokenize, volatile_calls
from fsbuild.errors import BindError, Place, Problem, suggest
from fsbuild.values import BoundColumn, ColumnType, EdgeKind, Lineage, RenderedModel, Snapshot

# The columns that a snapshot adds to those of its query.
SCD_ID, UPDATED_AT, VALID_FROM, VALID_TO, IS_DELETED = META_NAMES = (
    "dbt_scd_id",
    "dbt_updated_at",
    "dbt_valid_from",
    "dbt_valid_to",
    "dbt_is_deleted",
)
_TIME_TYPES = ("DATE", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE")
_OF_SNAPSHOTS = ("strategy", "updated_at", "check_cols", "dbt_valid_to_current", "snapshot_meta_column_names")


def place_problem(model: RenderedModel) -> Problem | None:
    """Say that a snapshot is not where snapshots are, or that something else is there."""
    kind = model.config.materialized
    if (model.model.resource_type == "snapshot") == (kind == "snapshot"):
        return None
    place = _Places(model).of("materialized")
    if kind == "snapshot":
        hint = "move the file into snapshots/, or choose table, view, ephemeral or incremental"
        return Problem("materialized is 'snapshot', and this is a model", place, hint=hint)
    return Problem(
        f"materialized is '{kind}', and this is a snapshot", place, hint="leave it out, or move the file into models/"
    )


def read_snapshot(
    model: RenderedModel, bound: Sequence[BoundColumn], binder: Binder, problems: list[Problem]
) -> Snapshot | None:
    """Read how a snapshot's rows get a history; None where its configuration has problems, which are added."""
    config, places = model.config, _Places(model)
    columns = {column.name.lower(): column for column in bound}
    found = [*_missing(model, places), *_unknown_columns(model, columns, places), *_wrong_names(model, columns, places)]
    updated_at = columns.get((config.updated_at or "").lower())
    time_type = (updated_at.stored_type or "") if updated_at else "TIMESTAMP"
    if time_type not in _TIME_TYPES:
        hint = f"cast it in the query: cast({config.updated_at} as timestamp) as {config.updated_at}"
        message = f"updated_at column '{config.updated_at}' is {time_type}, and no date or timestamp"
        found.append(Problem(message, places.of("updated_at"), hint=hint))
    elif config.dbt_valid_to_current is not None:
        found.extend(_open_end_problems(config.dbt_valid_to_current, time_type, binder, places))
    if found:
        problems.extend(found)
        return None
    compared = [*columns] if config.check_cols == ("all",) else [name.lower() for name in config.check_cols]
    return Snapshot(
        key=tuple(columns[name.lower()].name for name in config.unique_key),
        columns=tuple(column.name for column in bound),
        names={key: name for key, name in _names(model).items() if name.lower() not in columns},
        time_type=time_type,
        hard_deletes=config.hard_deletes,
        updated_at=updated_at.name if updated_at else None,
        compared=tuple(columns[name].name for name in compared) if config.snapshot_strategy == "check" else (),
        open_end=config.dbt_valid_to_current,
    )


def snapshot_columns(snapshot: Snapshot) -> tuple[ColumnType, ...]:
    """The columns that a snapshot adds to those of its query.

    >>> names = {"dbt_scd_id": "id", "dbt_updated_at": "u", "dbt_valid_from": "f", "dbt_valid_to": "t"}
    >>> [str(column.type) for column in snapshot_columns(Snapshot(("k",), ("k",), names, "DATE"))]
    ['VARCHAR', 'DATE', 'DATE', 'DATE']
    """
    types = {SCD_ID: "VARCHAR", IS_DELETED: "VARCHAR"}
    return tuple(ColumnType(name, types.get(key, snapshot.time_type)) for key, name in snapshot.added.items())


def snapshot_lineage(snapshot: Snapshot, lineage: Lineage) -> Lineage:
    """Add to the lineage of a snapshot's query what the columns and the rows of the history are made of.

    Rows of the query meet those of the history by the key (`joins`); a row is added where one of the compared columns,
    or the time of the update, is another (`filters`).
    """
    time = (snapshot.updated_at,) if snapshot.updated_at else ()
    made_of = {SCD_ID: (*snapshot.key, *time), UPDATED_AT: time, VALID_FROM: time, VALID_TO: time}
    steering: dict[EdgeKind, Sequence[str]] = {"joins": snapshot.key, "filters": (*time, *snapshot.compared)}
    edges = [
        replace(edge, column=snapshot.names[key], kind=edge.kind if edge.is_steering else "transformed")
        for key, columns in made_of.items()
        for edge in lineage.edges
        if edge.column in columns
    ]
    edges += [
        replace(edge, column="*", kind=edge.kind if edge.is_steering else kind)
        for kind, columns in steering.items()
        for edge in lineage.edges
        if edge.column in columns
    ]
    return replace(lineage, edges=tuple(dict.fromkeys([*lineage.edges, *edges])))


@dataclass(frozen=True, slots=True)
class _Places:
    """Where a snapshot's configuration is written."""

    model: RenderedModel

    def of(self, key: str) -> Place:
        """The line of a key inside the snapshot's file; the snapshot's own place where it isn't there."""
        model = self.model.model
        match = re.search(rf"\b{key}\s*=", model.raw_sql)
        return Place(model.path, model.raw_sql.count("\n", 0, match.start()) + 1) if match else model.place


def _missing(model: RenderedModel, places: _Places) -> Iterator[Problem]:
    config = model.config
    needed: list[tuple[str, object, str]] = [("unique_key", config.unique_key, "unique_key='id'")]
    if config.snapshot_strategy is None:
        hint = "config(strategy='timestamp', updated_at='…') or config(strategy='check', check_cols='all')"
        yield Problem("a snapshot needs a strategy", places.of("strategy"), hint=hint)
    elif config.snapshot_strategy == "timestamp":
        needed.append(("updated_at", config.updated_at, "updated_at='changed_at'"))
        if config.check_cols:
            hint = "leave one of them out: strategy 'check' compares columns, 'timestamp' looks at updated_at"
            yield Problem("check_cols is set, and the strategy is 'timestamp'", places.of("check_cols"), hint=hint)
    else:
        needed.append(("check_cols", config.check_cols, "check_cols='all'"))
    for key, value, example in needed:
        if not value:
            what = "a snapshot" if key == "unique_key" else f"strategy '{config.snapshot_strategy}'"
            yield Problem(f"{what} needs {key}", places.of("strategy"), hint=f"config({example})")


def _unknown_columns(model: RenderedModel, columns: Mapping[str, BoundColumn], places: _Places) -> Iterator[Problem]:
    config = model.config
    # What `unique_key` names is looked for with the other roles that columns have in any model.
    roles: Mapping[str, Iterable[str]] = {
        "updated_at": [config.updated_at] if config.updated_at else [],
        "check_cols": config.check_cols if config.check_cols != ("all",) else [],
    }
    for role, names in roles.items():
        for name in names:
            if name.lower() not in columns:
                hint = suggest(name, [column.name for column in columns.values()])
                message = f"{role} column '{name}' is not a column of the snapshot's query"
                yield Problem(message, places.of(role), hint=hint)


def _names(model: RenderedModel) -> dict[str, str]:
    """The names of the columns of a history, by dbt's names, in their order."""
    given = model.config.snapshot_meta_column_names
    return {key: given.get(key, key) for key in META_NAMES}


def _wrong_names(model: RenderedModel, columns: Mapping[str, BoundColumn], places: _Places) -> Iterator[Problem]:
    place = places.of("snapshot_meta_column_names")
    for key in model.config.snapshot_meta_column_names:
        if key not in META_NAMES:
            hint = suggest(key, META_NAMES) or f"the columns are {', '.join(META_NAMES)}"
            yield Problem(f"snapshot_meta_column_names: there is no column '{key}'", place, hint=hint)
    taken = set(columns)
    for key, name in _names(model).items():
        if key == IS_DELETED and model.config.hard_deletes != "new_record":
            continue  # it is not added, and may be one of the query's
        if name.lower() in taken:
            hint = f"name it otherwise in the query, or write snapshot_meta_column_names={{'{key}': '…'}}"
            yield Problem(f"column '{name}' is added by the snapshot, and is there already", place, hint=hint)
        elif not re.fullmatch(r"\w+", name):
            hint = "use letters, digits and '_'"
            yield Problem(f"snapshot_meta_column_names: {name!r} is no usable name", place, hint=hint)
        taken.add(name.lower())


def _open_end_problems(sql: str, time_type: str, binder: Binder, places: _Places) -> Iterator[Problem]:
    place, hint = places.of("dbt_valid_to_current"), "write a constant, such as \"timestamp '9999-12-31'\""
    if calls := volatile_calls(tokenize(sql), binder.volatile_functions):
        message = f"dbt_valid_to_current calls {calls[0]}(): current rows could not be told from closed ones"
        yield Problem(message, place, hint=hint)
        return
    try:
        binder.columns_of(f"SELECT CAST((\n{sql}\n) AS {time_type})")
    except BindError as exc:
        yield Problem(f"dbt_valid_to_current: {exc.message.splitlines()[0]}", place, hint=hint)
