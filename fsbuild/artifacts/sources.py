"""How old sources are in, dbt's `sources.json` (v3) out."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from fsbuild.artifacts.writing import Invocation, iso, timing
from fsbuild.values import Freshness

_SCHEMA = "sources/v3"
_PERIODS = (("day", dt.timedelta(days=1)), ("hour", dt.timedelta(hours=1)), ("minute", dt.timedelta(minutes=1)))
FreshnessStatus = Literal["pass", "warn", "error", "runtime error"]


@dataclass(frozen=True, slots=True)
class SourceAge:
    """How old the newest row of a source is, in seconds, and what that means; `message` says why it cannot be told."""

    name: str
    unique_id: str
    status: FreshnessStatus
    limits: Freshness
    loaded_at: dt.datetime | None = None
    age_s: float | None = None
    told_by: str = ""
    message: str = ""
    elapsed_s: float = 0.0
    started_at: dt.datetime | None = None


def sources_result(ages: Iterable[SourceAge], invocation: Invocation, elapsed_s: float) -> dict[str, object]:
    """Describe how old sources are."""
    return {
        "metadata": invocation.metadata(_SCHEMA),
        "results": [_entry(age, invocation.started_at) for age in ages],
        "elapsed_time": elapsed_s,
    }


def _entry(age: SourceAge, now: dt.datetime) -> dict[str, object]:
    if age.loaded_at is None or age.age_s is None:
        return {"unique_id": age.unique_id, "error": age.message, "status": "runtime error"}
    limits = {"warn_after": age.limits.warn_after, "error_after": age.limits.error_after}
    return {
        "unique_id": age.unique_id,
        "max_loaded_at": iso(age.loaded_at),
        "snapshotted_at": iso(now),
        "max_loaded_at_time_ago_in_s": age.age_s,
        "status": age.status,
        "criteria": {**{name: _limit(limit) for name, limit in limits.items()}, "filter": age.limits.filter},
        "adapter_response": {"_message": age.told_by},
        "timing": timing(age.started_at, age.elapsed_s),
        "thread_id": "fsbuild",
        "execution_time": age.elapsed_s,
    }


def _limit(limit: dt.timedelta | None) -> dict[str, object]:
    """Write a limit in the largest unit of which it is a whole number."""
    if limit is None:
        return {"count": None, "period": None}
    name, size = next((name, size) for name, size in _PERIODS if not limit % size)
    return {"count": limit // size, "period": name}
