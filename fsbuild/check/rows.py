"""Checks of one row at a time: pandera over Arrow batches, all checks as one schema."""

from __future__ import annotations

import functools
import os
import queue
import threading
from collections import defaultdict, deque
from concurrent.futures import Future, ThreadPoolExecutor
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any, TypeAlias

from fsbuild.check.arguments import anchored, arguments_of
from fsbuild.check.names import BY_NAME
from fsbuild.check.schemas import custom_check
from fsbuild.check.verdicts import SAMPLE, Finding, one_line, spelling, status_of, undecided
from fsbuild.values import Check, CheckResult, StagedRows, quote

if TYPE_CHECKING:  # importing pandera and polars takes a second, which only a run with checks of rows has to pay
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    import pandera.polars as pa
    import polars as pl
    from pandera.errors import SchemaError

_ROWS_PER_CALL = 65_536  # a call of pandera costs about 3 ms, so small batches are put together
_ROW_ID = "fsbuild_row_id"
_THREADS = 4
_LOADING = threading.Lock()

# Which pandera check gave a verdict: the column's position, and the check's number there (None: it must not be null).
_Verdict = tuple[str, int | None]
Verdicts: TypeAlias = "list[tuple[_Verdict, pl.Series | str]]"


@dataclass(slots=True)
class _Tally:
    """What the batches so far said about one check."""

    failures: int = 0
    sample: list[Mapping[str, object]] = field(default_factory=list)
    row_ids: list[int] = field(default_factory=list)
    error: str = ""


def warm_up() -> None:
    """Import pandera; call it on a thread while the engine works, and the checks find it ready."""
    with _LOADING:  # pandera registers its backends at the first validation, which threads must not do at once
        _load()


def check_rows(checks: Sequence[Check], rows: StagedRows) -> list[Finding]:
    """Validate the rows that come with one pandera schema, and add up what it says; all checks have one `where`."""
    warm_up()
    import polars as pl

    columns = list(dict.fromkeys([*(spelling(check.column, rows) for check in checks), *rows.key]))
    schema, owners = _build_schema(checks, columns, rows)
    tallies = [_Tally() for _ in checks]
    total = 0
    try:
        frames = _read_frames(rows.stream(_query(checks[0].where, columns, rows)), columns, rows.row_id)
        for frame, row_ids, verdicts in _validate_all(schema, frames):
            total += frame.height
            for verdict, failing in verdicts:
                shown = dict.fromkeys([*rows.key, columns[int(verdict[0])]])
                for index in owners[verdict]:
                    _add(tallies[index], failing, frame, [(name, columns.index(name)) for name in shown])
                    if row_ids is not None and not isinstance(failing, str):
                        tallies[index].row_ids.extend(row_ids.gather(failing))
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as exc:  # the panic is a BaseException
        tallies = [_Tally(error=f"the rows cannot be validated: {one_line(exc)}") for _ in checks]
    return [_finding(check, tally, total) for check, tally in zip(checks, tallies, strict=True)]


def check_whole(check: Check, rows: StagedRows) -> Finding:
    """Let a function of a pandera schema judge the table as a whole, all of it in memory."""
    warm_up()
    import pandera.polars as pa
    import polars as pl

    assert check.custom is not None  # noqa: S101 - of which this is about
    query = f"SELECT * FROM {rows.relation}" + (f" WHERE ({check.where})" if check.where else "")
    try:
        frame = pl.DataFrame(rows.stream(query))
        checks, name = [custom_check(check.custom)], spelling(check.column, rows)
        columns = {} if check.column is None else {name: pa.Column(nullable=True, checks=checks)}
        schema = pa.DataFrameSchema(columns, checks=checks if check.column is None else [])
        errors = _errors(schema, frame)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as exc:
        return undecided(check, f"the rows cannot be validated: {one_line(exc)}")
    if not errors:
        return Finding(CheckResult(check, status_of(check, 0, frame.height), 0, frame.height))
    failing = _failing(errors[0])
    if isinstance(failing, str):
        return undecided(check, failing, frame.height)
    is_of_rows = errors[0].check_output.height == frame.height
    shown = list(dict.fromkeys([*rows.key, *([name] if check.column is not None else [])])) or frame.columns
    sample = frame.select(shown)[failing.head(SAMPLE)].rows(named=True) if is_of_rows else []
    count = failing.len()
    return Finding(CheckResult(check, status_of(check, count, frame.height), count, frame.height, tuple(sample)))


def _query(where: str | None, columns: Sequence[str], rows: StagedRows) -> str:
    """Write the query for the rows to be checked; with their numbers, where they have some, in the last column."""
    names = [quote(name) for name in columns]
    numbered = [*names, f"{rows.row_id} AS {_ROW_ID}"] if rows.row_id else names
    given = f" WHERE ({where})" if where else ""
    return f"SELECT {', '.join(numbered)} FROM {rows.checked}{given}"


def _finding(check: Check, tally: _Tally, total: int) -> Finding:
    if tally.error:
        return undecided(check, tally.error, total)
    failures = min(tally.failures, check.limit) if check.limit is not None else tally.failures
    status = status_of(check, failures, total)
    return Finding(CheckResult(check, status, failures, total, tuple(tally.sample)), tally.row_ids)


def _add(tally: _Tally, failing: pl.Series | str, frame: pl.DataFrame, shown: Sequence[tuple[str, int]]) -> None:
    """Add the failing rows of a frame to a tally, with the columns to show by name and position; or the error."""
    if isinstance(failing, str):
        tally.error = tally.error or failing
        return
    tally.failures += failing.len()
    for at in failing.head(SAMPLE - len(tally.sample)):
        row = frame.row(at)
        tally.sample.append({name: row[position] for name, position in shown})


def _build_schema(
    checks: Sequence[Check], columns: Sequence[str], rows: StagedRows
) -> tuple[pa.DataFrameSchema, Mapping[_Verdict, list[int]]]:
    """Build the one schema of all checks, and say which checks (by index) each of its verdicts decides.

    Columns go by their position: polars takes a column named `*` or `^a.*$` for a pattern, and pandera adds columns.
    """
    import pandera.polars as pa

    types = {column.name: column.type for column in rows.columns}
    owners: dict[_Verdict, list[int]] = defaultdict(list)
    built: dict[str, list[pa.Check]] = {}
    for index, check in enumerate(checks):
        name = spelling(check.column, rows)
        position = str(columns.index(name))
        of_column = built.setdefault(position, [])
        if check.custom is not None:
            owners[position, len(of_column)].append(index)
            of_column.append(custom_check(check.custom))
            continue
        known = BY_NAME[check.name]
        owners[position, None if known.name == "not_null" else len(of_column)].append(index)
        if known.name != "not_null":
            values = arguments_of(check, types.get(name, ""))
            renamed = {argument.pandera or argument.name: argument.name for argument in known.arguments}
            arguments = {theirs: values[ours] for theirs, ours in renamed.items() if ours in values}
            if known.name == "str_matches":
                arguments["pattern"] = anchored(arguments["pattern"])
            of_column.append(getattr(pa.Check, known.pandera)(**arguments))
    return pa.DataFrameSchema(
        {position: pa.Column(nullable=(position, None) not in owners, checks=built[position]) for position in built}
    ), dict(owners)  # without the default: a verdict that belongs to no check must not be lost


def _read_frames(
    batches: Iterable[Any], columns: Sequence[str], row_id: str
) -> Iterator[tuple[pl.DataFrame, pl.Series | None]]:
    """Read batches as frames of a worthwhile size, their columns named by their position; with the rows' numbers."""
    import polars as pl

    pending: list[pl.DataFrame] = []

    def joined() -> tuple[pl.DataFrame, pl.Series | None]:
        frame = pl.concat(pending)
        return (frame.drop("id"), frame.get_column("id")) if row_id else (frame, None)

    for batch in batches:
        frame = pl.DataFrame(batch)
        if not frame.height:
            continue
        series = [_readable(frame.get_column(name)).alias(str(position)) for position, name in enumerate(columns)]
        pending.append(pl.DataFrame([*series, frame.get_column(_ROW_ID).alias("id")] if row_id else series))
        if sum(part.height for part in pending) >= _ROWS_PER_CALL:
            yield joined()
            pending.clear()
    if pending:
        yield joined()


def _readable(series: pl.Series) -> pl.Series:
    """Give times the zone UTC, and a form that Python can hold: `infinity`, the year 20000 become the last of 9999."""
    import polars as pl

    if series.dtype == pl.Date:
        return series.clip(date.min, date.max)
    if not isinstance(series.dtype, pl.Datetime):
        return series
    is_instant = series.dtype.time_zone is not None
    moments = series.dt.convert_time_zone("UTC") if is_instant else series
    if series.dtype.time_unit == "ns":  # ends in 2262
        return moments
    limits = (datetime.min, datetime.max)  # noqa: DTZ901 - the column says whether there is a zone
    first, last = (limit.replace(tzinfo=UTC if is_instant else None) for limit in limits)
    return moments.clip(first, last)


def _validate_all(
    schema: pa.DataFrameSchema, frames: Iterable[tuple[pl.DataFrame, pl.Series | None]]
) -> Iterator[tuple[pl.DataFrame, pl.Series | None, Verdicts]]:
    """Validate frames on a few threads, each with a schema of its own; the verdicts come in the order of the frames."""
    spare: queue.SimpleQueue[pa.DataFrameSchema] = queue.SimpleQueue()
    threads = min(_THREADS, os.cpu_count() or 1)
    for _ in range(threads):
        spare.put(deepcopy(schema))

    def validate(frame: pl.DataFrame) -> Verdicts:
        own = spare.get()
        try:
            return _validate(own, frame)
        finally:
            spare.put(own)

    with ThreadPoolExecutor(threads) as pool:
        pending: deque[tuple[pl.DataFrame, pl.Series | None, Future[Verdicts]]] = deque()
        for frame, row_ids in frames:
            pending.append((frame, row_ids, pool.submit(validate, frame)))
            if len(pending) > threads:  # what waits is held in memory
                first, numbers, told = pending.popleft()
                yield first, numbers, told.result()
        for first, numbers, told in pending:
            yield first, numbers, told.result()


def _validate(schema: pa.DataFrameSchema, frame: pl.DataFrame) -> Verdicts:
    """Validate a frame; give each verdict that is not a pass with the indices of the failing rows, or with an error."""
    import polars as pl

    comparable = pl.DataFrame([_comparable(frame.get_column(name), column) for name, column in schema.columns.items()])
    return [((error.schema.name, error.check_index), _failing(error)) for error in _errors(schema, comparable)]


def _errors(schema: pa.DataFrameSchema, frame: pl.DataFrame) -> list[SchemaError]:
    """Validate a frame; give what pandera says of each check that is not passed."""
    from pandera.config import config_context
    from pandera.errors import SchemaErrors

    try:
        # An environment variable can reduce pandera to the schema or turn it off: that would be a silent pass.
        with config_context(validation_enabled=True, validation_depth="SCHEMA_AND_DATA"):
            schema.validate(frame, lazy=True)
    except SchemaErrors as exc:
        return list(exc.schema_errors)
    return []


def _failing(error: SchemaError) -> pl.Series | str:
    """The indices of the rows that fail, or why there is no verdict; `failure_cases` would be the values as text."""
    from pandera.constants import CHECK_OUTPUT_KEY

    if error.check_output is None:
        return one_line(error.failure_cases)
    output: pl.Series = error.check_output.get_column(CHECK_OUTPUT_KEY)
    return output.not_().arg_true()


def _comparable(series: pl.Series, column: pa.Column) -> pl.Series:
    """Give a column the form in which polars compares it with Python values and pandera can print its failures.

    Where nothing but NULL matters, whether a value is there is enough; pandera cannot print a MAP.
    """
    import polars as pl

    if not column.checks and not series.dtype.is_float():  # in a float, NaN matters too
        return pl.Series(series.name, series.is_not_null()).replace(False, None)  # noqa: FBT003
    return series.cast(pl.String) if isinstance(series.dtype, pl.Categorical | pl.Enum) else series


@functools.cache
def _load() -> None:
    """Import pandera and validate once, so that its backends are registered."""
    import pandera.polars as pa
    import polars as pl

    pa.DataFrameSchema({"0": pa.Column(checks=pa.Check.ge(0))}).validate(pl.DataFrame({"0": [0]}))
