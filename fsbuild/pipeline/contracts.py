"""Compiled models in, where they differ from their contracts out: the columns that YAML names, and their types."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from fsbuild.errors import BindError, Problem, listing
from fsbuild.pipeline.late_binding import LateBinder
from fsbuild.values import BoundColumn, Column, ColumnType, CompiledModel, Model


def contract_problems(models: Iterable[CompiledModel], binder: LateBinder) -> Iterator[Problem]:
    """Hold the columns of models against the contracts that are enforced.

    Columns that YAML names and a model does not have are told of every model, and not here.
    """
    for compiled in models:
        config, model = compiled.rendered.config, compiled.rendered.model
        if not config.has_contract:
            continue
        if config.materialized in ("ephemeral", "on_demand", "snapshot"):
            message = f"'{model.name}' is of the kind '{config.materialized}', which has no contract"
            yield Problem(message, model.place, hint="leave out contract, or make it a table, an incremental or a view")
            continue
        yield from _problems_of(model, compiled.columns, binder)


def _problems_of(model: Model, columns: Iterable[ColumnType], binder: LateBinder) -> Iterator[Problem]:
    written = {column.name.lower(): column for column in model.columns}
    unnamed = [column for column in columns if column.name.lower() not in written]
    if unnamed:
        detail = "\n".join(f"- {{name: {column.name}, data_type: {column.type.lower()}}}" for column in unnamed)
        message = f"the contract of '{model.name}' does not name {listing([column.name for column in unnamed])}"
        yield Problem(message, model.place, detail=detail, hint="add it below columns, or take it out of the model")
    for column in columns:
        if column.name.lower() in written:
            yield from _type_problems(written[column.name.lower()], column, binder)


def _type_problems(written: Column, column: ColumnType, binder: LateBinder) -> Iterator[Problem]:
    """Where a column is of another type than its contract says."""
    if written.data_type is None:
        message = f"the contract says no type of column '{written.name}'"
        yield Problem(message, written.place, hint=f"write data_type: {column.type.lower()}")
        return
    try:
        (named,) = binder.columns_of(f"SELECT CAST(NULL AS {written.data_type}) AS x")
    except (BindError, ValueError):
        message = f"the contract says that column '{written.name}' is {written.data_type}, which is no type"
        yield Problem(message, written.place, hint=f"write data_type: {column.type.lower()}")
        return
    if column.type not in _types_of(named, written.data_type, column.type):
        message = f"the contract says that column '{written.name}' is {written.data_type}, and it is {column.type}"
        hint = f"cast it in the model: CAST({column.name} AS {written.data_type}), or write what it is"
        yield Problem(message, written.place, hint=hint)


def _types_of(named: BoundColumn, written: str, found: str) -> Iterator[str]:
    """What a written type stands for: itself, as it is kept, and a decimal of any size where none is said."""
    yield named.type
    yield named.stored_type or named.type
    if named.type.startswith("DECIMAL") and "(" not in written and found.startswith("DECIMAL"):
        yield found
