"""How long something lasts, as people write it: `30 days`, `1 hour`, `1 day 12 hours`.

Durations have a fixed length, so that adding one and taking it away again ends where it began: there are no months and
no years, and a day is 24 hours.
"""

from __future__ import annotations

import re

_MICROSECONDS = {
    "microsecond": 1,
    "millisecond": 1_000,
    "second": 1_000_000,
    "minute": 60_000_000,
    "hour": 3_600_000_000,
    "day": 86_400_000_000,
    "week": 604_800_000_000,
}
_PART = re.compile(r"(\d+)\s*([a-z]+)")


def parse_duration(text: str) -> int:
    """Read a duration; return it in microseconds.

    Raises:
        ValueError: it is none; the text completes the sentence `ttl is '30 dys', …`.

    >>> parse_duration("1 day 12 hours") // 3_600_000_000
    36
    """
    total, rest = 0, text.strip().lower()
    while match := _PART.match(rest):
        unit = match[2].removesuffix("s")
        if unit in ("month", "year", "quarter"):
            raise ValueError(f"and a {unit} has no fixed length; write days")
        if unit not in _MICROSECONDS:
            break
        total += int(match[1]) * _MICROSECONDS[unit]
        rest = rest[match.end() :].lstrip(" ,")
    if rest or not text.strip():
        raise ValueError("not a duration such as '30 days' or '1 day 12 hours'")
    return total
