"""A microbatch model's configuration and columns in, what keeps it from being computed batch by batch out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from fsbuild.errors import Place, Problem, suggest
from fsbuild.values import ColumnType, RenderedModel

_TIMES = ("DATE", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE")


def batch_problems(
    model: RenderedModel, columns: Sequence[ColumnType], inputs: Mapping[str, Sequence[ColumnType]]
) -> Iterator[Problem]:
    """What a microbatch model lacks; `inputs` are the columns of what it reads, by unique id."""
    config, place = model.config, Place(model.model.path)
    if not config.is_batched:
        return
    if config.begin is None:
        hint = "config(begin='2013-01-01'): the first batch begins there"
        yield Problem("incremental_strategy 'microbatch' needs a begin", place, hint=hint)
    if config.event_time is None:
        hint = "config(event_time='…'): the column that says which batch a row belongs to"
        yield Problem("incremental_strategy 'microbatch' needs an event_time", place, hint=hint)
    else:
        yield from _time_problems(model, config.event_time, columns, "")
    if model.incremental_sql is not None:
        hint = "write the query of one batch; inputs that have an event_time are read one batch at a time"
        yield Problem("strategy 'microbatch' takes no is_incremental()", place, hint=hint)
    for unique_id, name in model.batched.items():
        yield from _time_problems(model, name, inputs.get(unique_id, ()), f" of '{unique_id.rpartition('.')[2]}'")


def _time_problems(model: RenderedModel, name: str, columns: Sequence[ColumnType], whose: str) -> Iterator[Problem]:
    """What is wrong with a column as the event time of batches; a model's that is missing has been told already."""
    place = Place(model.model.path)
    types = {column.name.lower(): column.type for column in columns}
    kind = types.get(name.lower())
    if kind is None:
        if whose:
            hint = suggest(name, types) or "name a column, or read all of it with ref('…').render()"
            yield Problem(f"event_time{whose} is '{name}', which is not a column of it", place, hint=hint)
    elif kind not in _TIMES:
        hint = f"cast it: cast({name} as timestamp)"
        yield Problem(f"event_time column '{name}'{whose} is {kind}, not a DATE or TIMESTAMP", place, hint=hint)
    elif kind == "DATE" and model.config.batch_size == "hour":
        message = f"event_time column '{name}'{whose} is a DATE, which is in no batch of an hour"
        yield Problem(message, place, hint="batch_size='day'")
