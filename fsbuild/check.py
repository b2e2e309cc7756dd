"""Check rows against what a project says of them: Arrow batches + contract -> violations.

In: a node's `Check`s and its staged rows, as Arrow batches and as a relation that SQL can read. Out: one
`CheckResult` for each check, with the exact number of failing rows. Protects: a check passes only if every row was
looked at; a check that cannot be decided is an error, never a pass.

Row checks are pandera's and run batch by batch as ONE schema. What needs all rows at once (`unique`, `relationships`,
`unique_values_eq`) is one SQL query each. NULLs pass every check but `not_null`, in dbt and in pandera. NaN is, as in
pandera, a missing value to `not_null`; to every other check it is a value, equal to itself and above all numbers.
"""

from __future__ import annotations

import functools
import textwrap
import threading
from collections import defaultdict
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from time import perf_counter
from typing import TYPE_CHECKING, Any

from fsbuild.check_arguments import anchored, arguments_of, problems_of
from fsbuild.check_names import BY_NAME, CHECKS
from fsbuild.errors import FsbuildError, listing
from fsbuild.values import Check, CheckResult, StagedRows, literal, quote

if TYPE_CHECKING:  # importing pandera and polars takes a second, which only a run with row checks has to pay
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    import pandera.polars as pa
    import polars as pl

    from fsbuild.values import Status

__all__ = ["CHECKS", "problems_of", "run_checks", "warm_up"]

_SAMPLE = 5
_ROWS_PER_CALL = 65_536  # a call of pandera costs about 3 ms, so small batches are put together
_LOADING = threading.Lock()

# Which pandera check gave a verdict: the column's position, and the check's number there (None: it must not be null).
_Verdict = tuple[str, int | None]


@dataclass(slots=True)
class _Tally:
    """What the batches so far said about one row check."""

    failures: int = 0
    sample: list[Mapping[str, object]] = field(default_factory=list)
    error: str = ""


def warm_up() -> None:
    """Import pandera; call it on a thread while the engine works, and the checks find it ready."""
    with _LOADING:  # pandera registers its backends at the first validation, which threads must not do at once
        _load()


def run_checks(checks: Sequence[Check], rows: StagedRows) -> tuple[CheckResult, ...]:
    """Decide the checks over the staged rows; the results are in the order of the checks.

    The status is `pass`, `fail` (`warn` where that is the check's severity) or `error` with a message. `failures`
    counts rows: for `unique` all rows that share their value with another one; for `unique_values_eq` the rows with
    another value, plus one for each value that is missing. A failing check has a sample of up to 5 rows: key columns
    and what was checked. Without row checks no batch is read and pandera is not imported.
    """
    rows = replace(rows, key=[_spelling(name, rows) for name in rows.key])
    results: dict[int, CheckResult] = {}
    row_checks: dict[int, Check] = {}
    for index, check in enumerate(checks):
        problems = problems_of([check], rows.columns)
        if problems or not rows.columns:
            message = problems[0].message if problems else "the columns of the rows are not known"
            results[index] = CheckResult(check, "error", message=message)
        elif BY_NAME[check.name].is_row_check:
            row_checks[index] = check
        else:
            results[index] = _check_table(check, rows)
    if row_checks:
        results.update(zip(row_checks, _check_rows(list(row_checks.values()), rows), strict=True))
    return tuple(results[index] for index in range(len(checks)))


# --- row checks: pandera over batches --------------------------------------------------------------------------------


def _check_rows(checks: Sequence[Check], rows: StagedRows) -> list[CheckResult]:
    """Validate the batches with one pandera schema, and add up what it says."""
    warm_up()
    import polars as pl

    columns = list(dict.fromkeys([*(_spelling(check.column, rows) for check in checks), *rows.key]))
    schema, owners = _build_schema(checks, columns, rows)
    tallies = [_Tally() for _ in checks]
    total = 0
    try:
        for frame in _read_frames(rows.batches(columns), columns):
            total += frame.height
            for verdict, failing in _validate(schema, frame):
                shown = dict.fromkeys([*rows.key, columns[int(verdict[0])]])
                for index in owners[verdict]:
                    _add(tallies[index], failing, frame, [(name, columns.index(name)) for name in shown])
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as exc:  # the panic is a BaseException
        tallies = [_Tally(error=f"the rows cannot be validated: {_one_line(exc)}") for _ in checks]
    return [
        CheckResult(check, "error", rows=total, message=tally.error)
        if tally.error
        else CheckResult(check, _status(check, tally.failures), tally.failures, total, tuple(tally.sample))
        for check, tally in zip(checks, tallies, strict=True)
    ]


def _add(tally: _Tally, failing: pl.Series | str, frame: pl.DataFrame, shown: Sequence[tuple[str, int]]) -> None:
    """Add the failing rows of a frame to a tally, with the columns to show by name and position; or the error."""
    if isinstance(failing, str):
        tally.error = tally.error or failing
        return
    tally.failures += failing.len()
    for at in failing.head(_SAMPLE - len(tally.sample)):
        row = frame.row(at)
        tally.sample.append({name: row[position] for name, position in shown})


def _build_schema(
    checks: Sequence[Check], columns: Sequence[str], rows: StagedRows
) -> tuple[pa.DataFrameSchema, Mapping[_Verdict, list[int]]]:
    """Build the one schema of all row checks, and say which checks (by index) each of its verdicts decides.

    Columns go by their position: polars takes a column named `*` or `^a.*$` for a pattern, and pandera adds columns.
    """
    import pandera.polars as pa

    types = {column.name: column.type for column in rows.columns}
    owners: dict[_Verdict, list[int]] = defaultdict(list)
    built: dict[str, list[pa.Check]] = {}
    for index, check in enumerate(checks):
        known, name = BY_NAME[check.name], _spelling(check.column, rows)
        position = str(columns.index(name))
        of_column = built.setdefault(position, [])
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


def _read_frames(batches: Iterable[Any], columns: Sequence[str]) -> Iterator[pl.DataFrame]:
    """Read batches as frames of a worthwhile size, whose columns are named by their position in `columns`."""
    import polars as pl

    pending: list[pl.DataFrame] = []
    for batch in batches:
        frame = pl.DataFrame(batch)
        names = {name.casefold(): name for name in frame.columns}
        series = [frame.get_column(names.get(name.casefold(), name)) for name in columns]
        pending.append(pl.DataFrame([_readable(one).alias(str(position)) for position, one in enumerate(series)]))
        if sum(part.height for part in pending) >= _ROWS_PER_CALL:
            yield pl.concat(pending)
            pending = []
    if any(part.height for part in pending):
        yield pl.concat(pending)


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


def _validate(schema: pa.DataFrameSchema, frame: pl.DataFrame) -> list[tuple[_Verdict, pl.Series | str]]:
    """Validate a frame; give each verdict that is not a pass with the indices of the failing rows, or with an error."""
    import polars as pl
    from pandera.config import config_context
    from pandera.constants import CHECK_OUTPUT_KEY
    from pandera.errors import SchemaErrors

    comparable = pl.DataFrame([_comparable(frame.get_column(name), column) for name, column in schema.columns.items()])
    try:
        # An environment variable can reduce pandera to the schema or turn it off: that would be a silent pass.
        with config_context(validation_enabled=True, validation_depth="SCHEMA_AND_DATA"):
            schema.validate(comparable, lazy=True)
    except SchemaErrors as exc:
        # `check_output` has every row; `failure_cases` would be the values as text.
        return [
            (
                (error.schema.name, error.check_index),
                _one_line(error.failure_cases)
                if error.check_output is None
                else error.check_output.get_column(CHECK_OUTPUT_KEY).not_().arg_true(),
            )
            for error in exc.schema_errors
        ]
    return []


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


# --- table checks: one query -----------------------------------------------------------------------------------------


def _check_table(check: Check, rows: StagedRows) -> CheckResult:
    """Decide one check by SQL over all rows."""
    started = perf_counter()
    checked, violations = _violations(check, rows)
    try:
        (counts,) = rows.query(
            f"SELECT (SELECT count(*) FROM {rows.relation}) AS total, (SELECT count(*) FROM ({violations})) AS failures"
        )
        missing = _missing_values(check, rows) if check.name == "unique_values_eq" else []
        total, failing = int(str(counts["total"])), int(str(counts["failures"]))
        order = ", ".join(quote(name) for name in dict.fromkeys([*checked, *rows.key]))
        sample = rows.query(f"SELECT * FROM ({violations}) ORDER BY {order} LIMIT {_SAMPLE}") if failing else []
    except FsbuildError as exc:  # the check names a column of another node that is not there, say
        return CheckResult(check, "error", message=str(exc), elapsed_s=perf_counter() - started)
    failures = failing + len(missing)
    message = f"missing values: {listing(missing)}" if missing else ""
    elapsed_s = perf_counter() - started
    return CheckResult(check, _status(check, failures), failures, total, tuple(sample), elapsed_s, message)


def _violations(check: Check, rows: StagedRows) -> tuple[list[str], str]:
    """Write the query for the rows that fail a table check; name the columns that it is about.

    A value of `unique` counts where all its columns are there, as in a UNIQUE constraint.
    """
    listed: Any = check.arguments.get("columns", [check.column])
    columns = [_spelling(str(name), rows) for name in listed]
    shown = ", ".join(f"child.{quote(name)}" for name in dict.fromkeys([*rows.key, *columns]))
    if check.name == "unique":
        value = ", ".join(quote(name) for name in columns)
        is_there = " AND ".join(f"{quote(name)} IS NOT NULL" for name in columns)
        groups = f"SELECT {value}, count(*) AS occurrences FROM {rows.relation} WHERE {is_there} GROUP BY {value}"
        same = " AND ".join(f"child.{quote(name)} = repeated.{quote(name)}" for name in columns)
        return columns, (
            f"SELECT {shown}, repeated.occurrences FROM {rows.relation} AS child "
            f"JOIN ({groups} HAVING count(*) > 1) AS repeated ON {same}"
        )
    value, given = f"child.{quote(columns[0])}", ""
    if check.name == "relationships":
        # Outside the query, so that a column that the parent lacks is an error and never the child's of that name.
        parent, column = rows.references(str(check.arguments["to"])), quote(str(check.arguments["field"]))
        given = f"WITH fsbuild_parent AS (SELECT {column} AS value FROM {parent}) "
        is_wrong = f"NOT EXISTS (SELECT 1 FROM fsbuild_parent WHERE fsbuild_parent.value = {value})"
    else:
        expected = _expected_values(check, rows)
        is_wrong = f"{value} NOT IN ({', '.join(expected)})" if expected else "TRUE"
    return columns, f"{given}SELECT {shown} FROM {rows.relation} AS child WHERE {value} IS NOT NULL AND {is_wrong}"


def _missing_values(check: Check, rows: StagedRows) -> list[str]:
    """Name the values of `unique_values_eq` that no row has."""
    values = _expected_values(check, rows)
    if not values:
        return []
    column = quote(_spelling(check.column, rows))
    counts = ", ".join(f"count(*) FILTER (WHERE {column} = {value}) AS n{at}" for at, value in enumerate(values))
    (found,) = rows.query(f"SELECT {counts} FROM {rows.relation}")
    return [value for value, count in zip(values, found.values(), strict=True) if not count]


def _expected_values(check: Check, rows: StagedRows) -> list[str]:
    """Write the values of `unique_values_eq` as SQL: whole and decimal numbers as such, all else as the text of one.

    Text takes the type of the column that it is compared with, and a number does not, so 1.5 is not rounded to an
    INTEGER.
    """
    types = {column.name: column.type for column in rows.columns}
    values = arguments_of(check, types.get(_spelling(check.column, rows), ""))["values"]
    return list(
        dict.fromkeys(
            f"{v:f}" if isinstance(v, Decimal) else str(v) if type(v) is int else literal(str(v)) for v in values
        )
    )


# --- shared ----------------------------------------------------------------------------------------------------------


def _spelling(name: str | None, rows: StagedRows) -> str:
    """Spell a column's name as the rows do: names are equal without regard to case, as in SQL."""
    return next((c.name for c in rows.columns if c.name.casefold() == str(name).casefold()), str(name))


def _status(check: Check, failures: int) -> Status:
    if not failures:
        return "pass"
    return "warn" if check.severity == "warn" else "fail"


def _one_line(error: object) -> str:
    return textwrap.shorten(str(error), 300)
