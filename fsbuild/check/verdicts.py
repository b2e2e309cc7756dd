"""What the two ways to decide a check have in common: how columns are spelled, and what a number of failures means."""

from __future__ import annotations

import operator
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from fsbuild.values import Check, CheckResult, StagedRows, Status, Threshold

SAMPLE = 5
_COMPARISONS: Mapping[str, Callable[[float, float], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<>": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_ANY = Threshold("!=", 0)


@dataclass(frozen=True, slots=True)
class Finding:
    """The verdict of one check, and the numbers of the rows that fail it where rows have numbers."""

    result: CheckResult
    row_ids: Sequence[int] = ()

    @property
    def label(self) -> str:
        """The name of the check."""
        return self.result.check.name


def status_of(check: Check, failures: int, rows: int) -> Status:
    """Tell what so many failures among so many rows mean, as dbt does.

    Rows that fail a check of the severity `quarantine` are kept out; there are too many of them only where `error_if`
    says so.
    """
    fails = check.error_if or (None if check.severity == "quarantine" else _ANY)
    if check.severity != "warn" and fails is not None and is_met(fails, failures, rows):
        return "fail"
    return "warn" if is_met(check.warn_if or _ANY, failures, rows) else "pass"


def is_met(threshold: Threshold, failures: int, rows: int) -> bool:
    """Whether a number of failing rows, or their share, is what a threshold says."""
    found = failures if not threshold.is_share else 100 * failures / rows if rows else 0.0
    return _COMPARISONS[threshold.operator](found, threshold.limit)


def undecided(check: Check, message: str, rows: int = 0, elapsed_s: float = 0.0) -> Finding:
    """Say why a check has no verdict."""
    return Finding(CheckResult(check, "error", rows=rows, message=message, elapsed_s=elapsed_s))


def spelling(name: str | None, rows: StagedRows) -> str:
    """Spell a column's name as the rows do: names are equal without regard to case, as in SQL."""
    return next((c.name for c in rows.columns if c.name.casefold() == str(name).casefold()), str(name))


def one_line(error: object) -> str:
    """Put an error into one line."""
    return textwrap.shorten(str(error), 300)
