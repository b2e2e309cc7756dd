"""The check stage: rows and what a project says of them in, one verdict for each check out.

In: a node's `Check`s and its rows, those that come and all that its table will have. Out: one `CheckResult` for each
check, with the exact number of failing rows. Protects: a check passes only if every row was looked at; a check that
cannot be decided is an error, never a pass.

Checks of a row are pandera's and run batch by batch as ONE schema (`rows.py`). What needs all rows at once is one SQL
query each (`tables.py`). NULLs pass every check but `not_null`, in dbt and in pandera. NaN is, as in pandera, a missing
value to `not_null`; to every other check it is a value, equal to itself and above all numbers.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

from fsbuild.check.arguments import problems_of
from fsbuild.check.failing import failing_rows
from fsbuild.check.history import check_history
from fsbuild.check.inference import infer_schema
from fsbuild.check.names import BY_NAME, CHECKS
from fsbuild.check.rows import check_rows, check_whole, warm_up
from fsbuild.check.schemas import SchemaMistakeError, SchemaReading, read_schema
from fsbuild.check.tables import check_query, check_table, query_of, violations
from fsbuild.check.verdicts import Finding, spelling, undecided
from fsbuild.values import Check, CheckResult, ColumnType, StagedRows

__all__ = [
    "CHECKS",
    "SchemaMistakeError",
    "SchemaReading",
    "decided_by",
    "failing_rows",
    "find_failing",
    "infer_schema",
    "needs_history",
    "needs_pandera",
    "probe",
    "problems_of",
    "read_schema",
    "run_checks",
    "warm_up",
]


def run_checks(checks: Sequence[Check], rows: StagedRows) -> tuple[CheckResult, ...]:
    """Decide the checks over the rows; the results are in the order of the checks.

    The status is `pass`, `fail`, `warn` or `error` with a message. `failures` counts rows: for `unique` all rows that
    share their value with another one; for `unique_values_eq` the rows with another value, plus one for each value
    that is missing; for a check of a table as a whole what is wrong with it. A failing check has a sample of up to 5:
    key columns and what was checked. Without checks of rows no batch is read and pandera is not imported.
    """
    return tuple(finding.result for finding in _decide(checks, rows))


def find_failing(checks: Sequence[Check], rows: StagedRows) -> tuple[tuple[CheckResult, ...], Mapping[int, list[str]]]:
    """Decide the checks, and tell of each row of `rows.checked` that fails which checks it fails, by its `row_id`."""
    failed: dict[int, list[str]] = {}
    found = list(_decide(checks, rows))
    for finding in found:
        subject = ".".join(filter(None, (finding.result.check.column, finding.result.check.title or finding.label)))
        for row_id in finding.row_ids:
            failed.setdefault(row_id, []).append(subject)
    return tuple(finding.result for finding in found), failed


def probe(check: Check, relation: str, columns: Sequence[ColumnType], references: Callable[[str], str]) -> str | None:
    """Write a query that has the SQL of a check in it, to be bound before anything runs; None where there is none."""
    rows = StagedRows(relation, relation, columns, lambda _: (), lambda _: (), references)
    if check.fail_calc is not None:
        return f"SELECT {check.fail_calc} FROM ({failing_rows(check, rows)})"
    if check.sql is not None:
        return query_of(check, rows)
    known = BY_NAME.get(check.name)
    if check.custom is not None or known is None or known.pandera:
        return f"SELECT 1 FROM {relation} WHERE ({check.where})" if check.where else None
    if not (check.where or check.references or any(argument.kind == "sql" for argument in known.arguments)):
        return None
    return violations(check, rows)


def needs_history(check: Check) -> bool:
    """Whether a check is about what came into a table before."""
    known = BY_NAME.get(check.name)
    return check.sql is None and check.custom is None and known is not None and known.scope == "history"


def needs_pandera(check: Check) -> bool:
    """Whether pandera decides a check, which has to be imported for it."""
    known = BY_NAME.get(check.name)
    return check.custom is not None or (check.sql is None and known is not None and bool(known.pandera))


def decided_by(check: Check) -> str:
    """Say who decides a check, and over what."""
    if check.custom is not None:
        return "pandera, row by row" if check.custom.is_of_rows else "pandera, the whole table"
    if needs_pandera(check):
        return "pandera, row by row"
    if needs_history(check):
        return "the table's history"
    is_of_rows = check.sql is None and BY_NAME[check.name].scope == "row"
    return "a query, row by row" if is_of_rows else "a query, the whole table"


def _decide(checks: Sequence[Check], rows: StagedRows) -> Iterator[Finding]:
    began = dt.datetime.now(dt.UTC)
    rows = replace(rows, key=[spelling(name, rows) for name in rows.key])
    decided: dict[int, Finding] = {}
    of_rows: dict[str | None, dict[int, Check]] = {}
    for index, check in enumerate(checks):
        problems = [check.problem] if check.problem is not None else problems_of([check], rows.columns)
        if check.problem is not None:
            decided[index] = undecided(check, check.problem.message)
        elif check.sql is not None:
            decided[index] = check_query(check, rows)
        elif check.custom is not None and not check.custom.is_of_rows:
            decided[index] = check_whole(check, rows)
        elif problems or not rows.columns:
            message = problems[0].message if problems else "the columns of the rows are not known"
            decided[index] = undecided(check, message)
        elif needs_history(check):
            decided[index] = check_history(check, rows)
        elif needs_pandera(check):
            of_rows.setdefault(check.where, {})[index] = check
        else:
            decided[index] = check_table(check, rows)
    for same in of_rows.values():  # one look at the rows for all checks that are about the same ones
        decided.update(zip(same, check_rows(list(same.values()), rows), strict=True))
    for index in range(len(checks)):
        yield replace(decided[index], result=replace(decided[index].result, started_at=began))
