"""The rows that a unit test expects and those that there are in, what is missing and what is too much out.

Rows are compared as multisets: in any order, and as often as they occur. NULL equals NULL, numbers are equal by value,
floats within a billionth of their size.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Literal

_TOLERANCE = 1e-9
_SHOWN = 10

Row = Mapping[str, object]
Difference = tuple[tuple[Literal["-", "+"], Row], ...]


def compare_rows(expected: Sequence[Row], actual: Sequence[Row]) -> tuple[int, int, Difference]:
    """Count the rows that are missing and those that are too many, and show some of both, the most alike together."""
    missing, surplus = _unmatched(expected, actual)
    return len(missing), len(surplus), _side_by_side(missing, surplus)[:_SHOWN]


def _unmatched(expected: Sequence[Row], actual: Sequence[Row]) -> tuple[list[Row], list[Row]]:
    """The rows of either side that have no partner on the other."""
    # First by what they are to the last digit, which is quick; the rest, which should be little, one with each other.
    exact: dict[str, list[Row]] = {}
    for row in actual:
        exact.setdefault(_key(row), []).append(row)
    left = []
    for row in expected:
        partners = exact.get(_key(row))
        if partners:
            partners.pop()
        else:
            left.append(row)
    surplus = [row for rows in exact.values() for row in rows]
    missing = []
    for row in left:
        at = next((at for at, other in enumerate(surplus) if is_equal(row, other)), None)
        if at is None:
            missing.append(row)
        else:
            del surplus[at]
    return missing, surplus


def is_equal(one: object, other: object) -> bool:
    """Whether two values of one type are the same.

    >>> is_equal({"a": [0.1 + 0.2, None]}, {"a": [0.3, None]})
    True
    """
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, float) or isinstance(other, float):
        return _is_close(one, other)
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(is_equal(value, other[key]) for key, value in one.items())
    if isinstance(one, list) and isinstance(other, list) and _is_map(one) and _is_map(other):
        one, other = sorted(one, key=repr), sorted(other, key=repr)
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(is_equal, one, other))
    return one == other


def _is_close(one: object, other: object) -> bool:
    """Whether two numbers, one of which at least is a float, are equal but for what rounding does."""
    if not isinstance(one, int | float | Decimal) or not isinstance(other, int | float | Decimal):
        return False
    a, b = float(one), float(other)
    return (math.isnan(a) and math.isnan(b)) or math.isclose(a, b, rel_tol=_TOLERANCE)


def _is_map(values: list[object]) -> bool:
    """Whether a list is a map, whose entries have no order: the engine gives them as pairs."""
    return all(isinstance(value, tuple) for value in values)


def _key(row: Row) -> str:
    return repr(sorted(row.items()))


def _side_by_side(missing: Sequence[Row], surplus: Sequence[Row]) -> Difference:
    """Put behind each row that is missing the one that most likely came in its place."""
    shown: list[tuple[Literal["-", "+"], Row]] = []
    left = list(surplus)
    for row in missing:
        shown.append(("-", row))
        if len(shown) >= _SHOWN:
            break
        alike = [sum(is_equal(value, other.get(name)) for name, value in row.items()) for other in left]
        if best := max(alike, default=0):
            shown.append(("+", left.pop(alike.index(best))))
    return (*shown, *(("+", row) for row in left[:_SHOWN]))
