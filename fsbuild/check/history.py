"""Checks of a load against what came into the table before it: its size, its age, how its values are spread.

What is usual is the median of the loads before; how far they stray from it is the median of their distances, scaled so
that for normal noise it is the standard deviation (Rousseeuw and Croux, 1993). A few odd loads among them do not move
either. With fewer than `at_least` loads before it a load passes: nothing is usual yet.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from time import perf_counter
from typing import Any

from fsbuild.check.arguments import arguments_of
from fsbuild.check.verdicts import Finding, spelling, status_of, undecided
from fsbuild.errors import FsbuildError
from fsbuild.values import Check, CheckResult, Load, Past, StagedRows

_LOADS, _AT_LEAST, _SENSITIVITY = 30, 5, 3.0
_TO_DEVIATION = 1.4826
_PSI = 0.25


def check_history(check: Check, rows: StagedRows) -> Finding:
    """Decide one check about a load and what came before it; at most one failure, told in the message."""
    started = perf_counter()
    types = {column.name: column.type for column in rows.columns}
    try:
        if rows.past is None:
            return undecided(check, "what came into the table before is not known")
        past = rows.past()
        arguments = arguments_of(check, types.get(spelling(check.column, rows), ""))
        verdict = _VERDICTS[check.name](check, past, arguments)
    except FsbuildError as exc:
        return undecided(check, str(exc), elapsed_s=perf_counter() - started)
    status = status_of(check, int(verdict.is_odd), past.now.rows)
    elapsed_s = perf_counter() - started
    return Finding(
        CheckResult(check, status, int(verdict.is_odd), past.now.rows, elapsed_s=elapsed_s, message=verdict.told)
    )


@dataclass(frozen=True, slots=True)
class _Verdict:
    is_odd: bool = False
    told: str = ""


@dataclass(frozen=True, slots=True)
class _Usual:
    """What is usual of a number, and how far it may be from that."""

    middle: float
    margin: float

    @classmethod
    def of(cls, found: Sequence[float], base: float, tolerance: float, arguments: Mapping[str, Any]) -> _Usual:
        """The usual among what was found; the margin is at least `tolerance` of `base`."""
        middle = median(found)
        spread = _TO_DEVIATION * median(abs(value - middle) for value in found)
        sensitivity = float(arguments.get("sensitivity", _SENSITIVITY))
        share = float(arguments.get("tolerance", tolerance))
        return cls(middle, max(sensitivity * spread, share * base))


def _volume(_check: Check, past: Past, arguments: Mapping[str, Any]) -> _Verdict:
    """Tell whether a load has another size than is usual.

    Loads that are the whole table grow from one to the next: it is how they grow that is usual.
    """
    before = _before(past, arguments)
    if before is None:
        return _Verdict()
    sizes = [float(load.rows) for load in before]
    base, found = 0.0, sizes
    if past.now.is_whole:
        base, found = sizes[0], [later - earlier for later, earlier in pairwise(sizes)]
    usual = _Usual.of(found, base or median(found), 0.1, arguments)
    expected = base + usual.middle
    distance = past.now.rows - expected
    only = arguments.get("only")
    is_odd = abs(distance) > usual.margin and only != ("spike" if distance < 0 else "drop")
    told = f"{past.now.rows:,} rows, where {expected:,.0f} are usual, give or take {usual.margin:,.0f}"
    return _Verdict(is_odd, f"{told} (by {len(before)} loads)" if is_odd else "")


def _freshness(_check: Check, past: Past, arguments: Mapping[str, Any]) -> _Verdict:
    """Tell whether the newest event of a load is older than is usual when rows come."""
    loads = [load for load in past.before if load.newest is not None]
    before = _before(Past(past.now, tuple(loads), past.drifts), arguments, is_alike=False)
    age_s = _age_s(past.now)
    if before is None or age_s is None:
        return _Verdict()
    ages = [age for age in map(_age_s, before) if age is not None]
    usual = _Usual.of(ages, median(ages), 0.5, arguments)
    is_odd = age_s > usual.middle + usual.margin
    told = f"the newest event is {_shown(age_s)} old, where {_shown(usual.middle)} are usual"
    told = f"{told}, and at most {_shown(usual.middle + usual.margin)} (by {len(before)} loads)"
    return _Verdict(is_odd, told if is_odd else "")


def _distribution(check: Check, past: Past, arguments: Mapping[str, Any]) -> _Verdict:
    """Tell whether the values of a column are spread otherwise than in the version before."""
    drift = next((one for one in past.drifts() or () if one.name.lower() == str(check.column).lower()), None)
    if drift is None:
        return _Verdict()
    limits = {name: float(arguments[name]) for name in ("psi", "ks", "js") if name in arguments} or {"psi": _PSI}
    found = {name: getattr(drift, name) for name in limits}
    beyond = [
        f"{name} is {found[name]:.3f} since the version before, and at most {limit:g} is allowed"
        for name, limit in limits.items()
        if found[name] is not None and found[name] > limit
    ]
    return _Verdict(bool(beyond), "; ".join(beyond))


def _before(past: Past, arguments: Mapping[str, Any], *, is_alike: bool = True) -> list[Load] | None:
    """The loads that a load is held against; None where there are too few."""
    alike = [load for load in past.before if load.is_whole == past.now.is_whole or not is_alike]
    found = alike[: int(arguments.get("loads", _LOADS))]
    return found if len(found) >= max(int(arguments.get("at_least", _AT_LEAST)), 2) else None


def _age_s(load: Load) -> float | None:
    return (load.at - load.newest).total_seconds() if load.newest is not None else None


def _shown(seconds: float) -> str:
    for size, unit in ((86_400, "days"), (3_600, "hours"), (60, "minutes")):
        if seconds >= size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} seconds"


_VERDICTS = {"volume": _volume, "freshness": _freshness, "distribution": _distribution}
