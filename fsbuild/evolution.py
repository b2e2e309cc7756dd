"""The columns of a table and those of its model's query in, the columns that the table goes on with out.

Pure. A type may become a wider one, which holds every value that the narrower one does; nothing is ever cut off. What
is done about columns is done about the fields of structs too, wherever they are.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fsbuild.errors import listing
from fsbuild.nested_types import canonical, join_types
from fsbuild.values import ColumnType, SchemaChange

_WHOLE = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT")
# Types that are not whole numbers, with the wider ones that hold all of their values.
_WIDER: Mapping[str, tuple[str, ...]] = {
    "TINYINT": ("FLOAT", "DOUBLE"),
    "SMALLINT": ("FLOAT", "DOUBLE"),
    "INTEGER": ("DOUBLE",),
    "FLOAT": ("DOUBLE",),
    "DATE": ("TIMESTAMP",),
}
_DECIMAL = re.compile(r"DECIMAL\((\d+),(\d+)\)")


@dataclass(frozen=True, slots=True)
class Evolution:
    """How a table goes on: `change` says what is different, `columns` what it will have, `refusal` why it cannot."""

    change: str
    columns: tuple[ColumnType, ...] = ()
    refusal: str | None = None


def evolve(policy: SchemaChange, present: Sequence[ColumnType], wanted: Sequence[ColumnType]) -> Evolution | None:
    """Decide how a table with the columns `present` goes on when its query has the columns `wanted`; None: as it is."""
    old, new = ({column.name.lower(): column for column in columns} for columns in (present, wanted))
    added = [column for name, column in new.items() if name not in old]
    removed = [column for name, column in old.items() if name not in new]
    retyped = [
        (old[name], new[name]) for name in old if name in new and canonical(old[name].type) != canonical(new[name].type)
    ]
    if not added and not removed and not retyped:
        return None
    change = "; ".join(
        [
            *(f"added {column.name} {column.type}" for column in added),
            *(f"removed {column.name} {column.type}" for column in removed),
            *(f"{before.name} was {before.type} and is {after.type}" for before, after in retyped),
        ]
    )
    if policy == "fail":
        return Evolution(change, refusal="on_schema_change is 'fail'")
    if policy == "ignore":
        missing = listing([column.name for column in removed])
        refusal = f"on_schema_change is 'ignore', and the query has no {missing} any more" if removed else None
        return Evolution(change, tuple(present), refusal)
    types: dict[str, str] = {}
    for before, after in retyped:
        wider = join_types(before.type, after.type, _wider, keep=policy == "append_new_columns")
        if wider is None:
            return Evolution(change, refusal=f"{after.type} does not hold every {before.type}")
        types[before.name.lower()] = wider
    columns = [*present, *added] if policy == "append_new_columns" else wanted
    return Evolution(change, tuple(ColumnType(c.name, types.get(c.name.lower(), c.type)) for c in columns))


def _wider(one: str, other: str) -> str | None:
    """The one of two types that holds all values of both, or None."""
    for narrow, wide in ((one, other), (other, one)):
        if narrow in _WHOLE and wide in _WHOLE and _WHOLE.index(narrow) <= _WHOLE.index(wide):
            return wide
        if wide in _WIDER.get(narrow, ()):
            return wide
        decimals = _DECIMAL.fullmatch(narrow), _DECIMAL.fullmatch(wide)
        if decimals[0] and decimals[1]:
            (p, s), (q, t) = ([int(digits) for digits in match.groups()] for match in decimals if match)
            if t >= s and q - t >= p - s:
                return wide
    return None
