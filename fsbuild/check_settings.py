"""What YAML or `config()` says of a check beside its arguments -> values: when its failures count, and how."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, cast

from fsbuild.values import Operator, Severity, Threshold

CHECK_KEYS = frozenset({"severity", "where", "error_if", "warn_if", "store_failures", "limit", "fail_calc"})
# What is accepted and changes nothing here; `enabled` is read where checks are.
CHECK_KEYS_BESIDE = frozenset({"enabled", "tags", "meta", "store_failures_as"})
_SEVERITIES = ("error", "warn", "quarantine")
_THRESHOLD = re.compile(r"\s*(=|!=|<>|<=|>=|<|>)\s*(\d+(?:\.\d+)?)\s*(%?)\s*")


def read_check_settings(written: Mapping[str, object]) -> tuple[dict[str, Any], list[str], list[str]]:
    """Read the settings of a check, by the names of `Check`'s fields; and what is wrong, and the keys not known."""
    found: dict[str, Any] = {}
    mistakes: list[str] = []
    for key in CHECK_KEYS & written.keys():
        value = written[key]
        if value is None:
            continue
        if key == "severity":
            severity = str(value).lower()
            if severity in _SEVERITIES:
                found[key] = cast("Severity", severity)
            else:
                mistakes.append(f"severity is '{severity}', not error, warn or quarantine")
        elif key in ("where", "fail_calc"):
            found[key] = str(value)
        elif key == "store_failures":
            mistakes += [] if isinstance(value, bool) else [f"store_failures is {value!r}, not true or false"]
            found[key] = bool(value)
        elif key == "limit":
            is_count = isinstance(value, int) and not isinstance(value, bool) and value > 0
            mistakes += [] if is_count else [f"limit is {value!r}, not a number of rows"]
            found[key] = value
        elif (threshold := parse_threshold(str(value))) is not None:
            found[key] = threshold
        else:
            mistakes.append(f"{key} is {value!r}; write '> 10', or '> 1%' for a share of the rows")
    return found, mistakes, sorted(str(key) for key in written.keys() - CHECK_KEYS - CHECK_KEYS_BESIDE)


def parse_threshold(text: str) -> Threshold | None:
    """Read how many failures are too many; None where that is not said.

    >>> parse_threshold("> 1.5%")
    Threshold(operator='>', limit=1.5, is_share=True)
    """
    match = _THRESHOLD.fullmatch(text)
    if match is None:
        return None
    operator, limit, percent = match.groups()
    return Threshold(cast("Operator", operator), float(limit), bool(percent))
