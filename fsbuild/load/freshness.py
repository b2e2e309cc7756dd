"""The `freshness:` of a source in, a `Freshness` out: how old its newest row may be, as dbt has it."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from typing import Any

from fsbuild.errors import Problem
from fsbuild.load.documents import Section
from fsbuild.values import THIS, Freshness

_KEYS = frozenset({"warn_after", "error_after", "filter"})
_PERIODS = {"minute": dt.timedelta(minutes=1), "hour": dt.timedelta(hours=1), "day": dt.timedelta(days=1)}


def read_freshness(source: Section, table: Section, problems: list[Problem]) -> Freshness | None:
    """Read what a table says, and its source where the table says nothing; `freshness: null` turns it off.

    The keys stand at the top level or below `config`.
    """
    section = _nearest("freshness", source, table)
    if section is None or section.data is None:
        return None
    if not isinstance(section.data, dict):
        problems.append(Problem("'freshness' is not a mapping", section.place, hint=_hint()))
        return None
    section.check_keys(_KEYS, problems)
    field, query = _nearest("loaded_at_field", source, table), _nearest("loaded_at_query", source, table)
    if query is not None and query.data and field is not None and field.data:
        message = "loaded_at_field and loaded_at_query both say when rows came"
        problems.append(Problem(message, query.place, hint="leave one of them out"))
    limits = {key: _limit(section, key, problems) for key in ("warn_after", "error_after")}
    if not any(limits.values()):
        return None
    written = section.get("filter")
    return Freshness(
        limits["warn_after"],
        limits["error_after"],
        str(field.data) if field is not None and field.data else None,
        str(written) if written else None,
        section.place,
        _query(query, problems) if query is not None and query.data else None,
    )


def _nearest(key: str, source: Section, table: Section) -> Section | None:
    """The section below a key, of the table or else of the source."""
    for one in (table, source):
        below = [one["config"]] if isinstance(one.get("config"), dict) else []
        for section in (*below, one):
            if key in section:
                return section[key]
    return None


def _query(section: Section, problems: list[Problem]) -> str:
    """Read a query, with `THIS` where it reads the source."""
    query = re.sub(r"\{\{\s*this\s*\}\}", lambda _: THIS, str(section.data))
    if "{{" in query.replace(THIS, "") or "{%" in query:
        hint = "select max(seen_at) from {{ this }}"
        problems.append(Problem("a loaded_at_query has no other template than {{ this }}", section.place, hint=hint))
    return query


def _limit(section: Section, key: str, problems: list[Problem]) -> dt.timedelta | None:
    """Read `{count: 12, period: hour}`."""
    written: Any = section.get(key)
    if written is None:
        return None
    count, period = (written.get("count"), written.get("period")) if isinstance(written, Mapping) else (None, None)
    if count is None and period is None and isinstance(written, Mapping):
        return None
    is_number = isinstance(count, int) and not isinstance(count, bool) and count >= 0
    if not is_number or period not in _PERIODS:
        problems.append(
            Problem(f"'{key}' is {written!r}, not a count and a period", section.place_of(key), hint=_hint())
        )
        return None
    return int(str(count)) * _PERIODS[str(period)]


def _hint() -> str:
    return "freshness: {warn_after: {count: 12, period: hour}}; a period is a minute, an hour or a day"
