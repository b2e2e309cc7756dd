"""Rows in, an aligned text table out. What a row holds can neither break the table nor reach the terminal as a command.

carrier  delay
-------  -----
UA        12.5
NULL         3
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from decimal import Decimal

_CELL_WIDTH = 60
_JOINER = "\u200d"  # holds an emoji together, and is not printable by itself


def format_table(
    columns: Sequence[str], rows: Sequence[Sequence[object]], *, limit_note: str | None = None, null: str = "NULL"
) -> str:
    """Align rows under their columns: numbers to the right, NULL as `null`, cells of at most 60 characters.

    >>> print(format_table(["carrier", "delay"], [["UA", 12.5], [None, 3]]))
    carrier  delay
    -------  -----
    UA        12.5
    NULL         3
    """
    grid = [
        [cell_text(name) for name in columns],
        *([null if value is None else cell_text(value) for value in row] for row in rows),
    ]
    widths = [max(display_width(line[at]) for line in grid) for at in range(len(columns))]
    to_right = [_is_numeric([row[at] for row in rows]) for at in range(len(columns))]
    grid.insert(1, ["-" * width for width in widths])
    lines = [
        "  ".join(pad(text, width, to_right=right) for text, width, right in zip(line, widths, to_right, strict=True))
        for line in grid
    ]
    if not rows:
        lines.append("(no rows)")
    if limit_note is not None:
        lines.append(limit_note)
    return "\n".join(line.rstrip() for line in lines)


def cell_text(value: object) -> str:
    """Write a value as SQL would show it, on one line, cut where it is too long."""
    if value is None:
        return "NULL"
    return _cut(visible(str(value).lower() if isinstance(value, bool) else str(value)))


def visible(text: str, kept: str = "") -> str:
    r"""Write control characters, but for the `kept` ones, as escapes: a line break is `\n`."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c == _JOINER or c in kept else _escape(c) for c in text)


def pad(text: str, width: int, *, to_right: bool = False) -> str:
    """Fill up with spaces to a width in terminal cells."""
    space = " " * (width - display_width(text))
    return space + text if to_right else text + space


def display_width(text: str) -> int:
    """Count the cells that a text takes on a terminal: two for East Asian wide characters, none for combining ones."""
    return len(text) if text.isascii() else sum(map(_cells, text))


def _cells(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def _escape(character: str) -> str:
    return ascii(character)[1:-1]


def _cut(text: str) -> str:
    if display_width(text) <= _CELL_WIDTH:
        return text
    used = 0
    for at, character in enumerate(text):
        used += _cells(character)
        if used >= _CELL_WIDTH:  # the last cell is the ellipsis
            return text[:at] + "…"
    return text


def _is_numeric(values: Sequence[object]) -> bool:
    there = [value for value in values if value is not None]
    return bool(there) and all(isinstance(v, int | float | Decimal) and not isinstance(v, bool) for v in there)
