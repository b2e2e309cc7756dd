"""The `splits` of a training set in, SQL that says of each row which split it is in out.

    splits: {by: tailnum, train: 0.8, test: 0.2}                      shares of the planes: all rows of one together
    splits: {by: time, train: 2013-01-20, test: 2013-02-01}           the end of each, which is not in it

Nothing is left to chance: a key is in the split that a hash of its text says, today and in a year.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence

from fsbuild.batches import parse_moment
from fsbuild.errors import suggest
from fsbuild.feature_requests import RequestError, parse_names
from fsbuild.features.point_in_time import ZONED, instant
from fsbuild.values import ColumnType, literal, quote

_EXAMPLE = "splits: {by: tailnum, train: 0.8, test: 0.2}, or {by: time, train: 2013-01-20, test: 2013-02-01}"
_WHOLE = 2**64


def write_split(written: Mapping[str, object], spine: Sequence[ColumnType], at: ColumnType) -> str:
    """Write the expression of a row's split.

    Raises:
        RequestError: the splits cannot be made of this spine.
    """
    parts = {name: value for name, value in written.items() if name != "by"}
    if "by" not in written or not parts:
        raise RequestError("splits do not say by what rows are split, or into what", _EXAMPLE)
    if written["by"] == "time":
        return _by_time(parts, at)
    return _by_key(parts, parse_names(written["by"], "'by' of splits"), spine)


def _by_time(parts: Mapping[str, object], at: ColumnType) -> str:
    kind = ZONED if at.type == ZONED else "TIMESTAMP"
    cases, before = list[str](), None
    for name, end in parts.items():
        text = end.isoformat() if isinstance(end, dt.date) else str(end)
        try:
            moment = parse_moment(text)
        except ValueError as exc:
            raise RequestError(f"the split '{name}' ends at {text!r}, which is no date or time", _EXAMPLE) from exc
        if before is not None and moment <= before:
            raise RequestError(f"the split '{name}' ends before the one in front of it", _EXAMPLE)
        before = moment
        cases.append(f"WHEN {instant(quote(at.name), at.type)} < CAST({literal(text)} AS {kind}) THEN {literal(name)}")
    return f"CASE {' '.join(cases)} END"


def _by_key(parts: Mapping[str, object], keys: Sequence[str], spine: Sequence[ColumnType]) -> str:
    by_name = {column.name.lower(): column.name for column in spine}
    for key in keys:
        if key.lower() not in by_name:
            near = suggest(key, by_name.values())
            raise RequestError(f"rows are split by '{key}', which is no column of the training set's SQL", near)
    shares = list(parts.values())
    if not all(isinstance(share, int | float) and not isinstance(share, bool) and share > 0 for share in shares):
        raise RequestError("the shares of splits are not all numbers above 0", _EXAMPLE)
    total = sum(float(str(share)) for share in shares)
    if not 0 < total <= 1 + 1e-9:
        raise RequestError(f"the shares of splits add up to {total:g}, which is more than 1", _EXAMPLE)
    texts = ", ".join(f"coalesce(CAST({quote(by_name[key.lower()])} AS VARCHAR), '')" for key in keys)
    number = f"md5_number_lower(concat_ws(chr(31), {texts}))"
    cases, until = list[str](), 0.0
    for name, share in parts.items():
        until += float(str(share))
        bound = min(round(until * _WHOLE), _WHOLE)
        cases.append(f"WHEN CAST({number} AS HUGEINT) < {bound} THEN {literal(name)}")
    return f"CASE {' '.join(cases)} END"
