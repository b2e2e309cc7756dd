"""Two versions of a table in, the rows that were added, removed and changed between them out. The engine compares.

Rows are told apart by a key. Without one, or where it is not a key in both versions, a changed row is one that was
removed and one that was added. A column that only one version has is told and not compared.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from fsbuild.errors import Problem, UsageError
from fsbuild.values import STAGING, ColumnType, Relation, quote


@dataclass(frozen=True, slots=True)
class Change:
    """A value that differs: as it was, and as it is."""

    old: object
    new: object

    def __str__(self) -> str:
        old, new = ("NULL" if value is None else value for value in (self.old, self.new))
        return f"{old} → {new}"


@dataclass(frozen=True, slots=True)
class Difference:
    """How many rows differ, and the first of them.

    A row of `rows` is `added`, `removed` or `changed`, then a value for each of `columns`, which are the key and the
    columns that both versions have; in a changed row, what differs is a `Change`. `notes` are about columns and keys.
    """

    added: int
    removed: int
    changed: int
    columns: tuple[str, ...]
    rows: tuple[tuple[object, ...], ...]
    notes: tuple[str, ...] = ()


class Warehouse(Protocol):
    """What comparing needs of the engine."""

    def keep(self, relation: Relation, sql: str) -> int:
        """Keep the rows of a query under a name."""

    def rows(self, sql: str) -> list[dict[str, object]]:
        """Compute a small result."""

    def columns(self, sql: str) -> tuple[ColumnType, ...]:
        """Tell the columns of a query."""


def compare_versions(
    warehouse: Warehouse, old: Relation, new: Relation, key: Sequence[str] = (), limit: int | None = None
) -> Difference:
    """Compare two relations that can be read; the rows that differ come in the order of their key.

    Raises:
        UsageError: they have no column in common.
    """
    before, after = (warehouse.columns(f"SELECT * FROM {relation}") for relation in (old, new))
    types = {column.name: column.type for column in before}
    common = [column for column in after if column.name in types]
    if not common:
        hint = "compare versions between which the table was not made anew"
        raise UsageError(Problem("the two versions have no column in common", hint=hint))
    notes = _column_notes(before, after)
    wanted = {name.lower() for name in key}
    identity = [column.name for column in common if column.name.lower() in wanted]
    if key and (problem := _key_problem(warehouse, (old, new), key, identity)) is not None:
        identity = []
        notes.append(f"{problem}: a changed row is shown as removed and added")
    # Values of two types are compared as text: the engine cannot be trusted to cast the one to the other.
    texts = {column.name for column in common if types[column.name] != column.type}
    names = [*identity, *(column.name for column in common if column.name not in identity)]
    differing = Relation(STAGING, "difference")
    sql = _by_key(old, new, names, identity, texts) if identity else _by_row(old, new, names, texts)
    warehouse.keep(differing, sql)
    counts = {
        row["change"]: int(str(row["n"]))
        for row in warehouse.rows(f"SELECT change, count(*) AS n FROM {differing} GROUP BY change")
    }
    ordered = ", ".join(f"k{at}" for at in range(len(names)))
    found = warehouse.rows(
        f"SELECT * FROM {differing} ORDER BY {ordered}, change DESC" + ("" if limit is None else f" LIMIT {limit}")
    )
    rows = tuple(_shown(row, len(names)) for row in found)
    added, removed, changed = (counts.get(change, 0) for change in ("added", "removed", "changed"))
    return Difference(added, removed, changed, tuple(names), rows, tuple(notes))


def _column_notes(before: Sequence[ColumnType], after: Sequence[ColumnType]) -> list[str]:
    old, new = ({column.name: column.type for column in columns} for columns in (before, after))
    notes = [f"column {name} was added ({new[name]}); it is not compared" for name in new if name not in old]
    notes += [f"column {name} was removed ({old[name]}); it is not compared" for name in old if name not in new]
    notes += [
        f"column {name} is {new[name]} and was {old[name]}; its values are compared as text"
        for name in new
        if name in old and new[name] != old[name]
    ]
    return notes


def _key_problem(
    warehouse: Warehouse, relations: Sequence[Relation], key: Sequence[str], identity: Sequence[str]
) -> str | None:
    """Why rows cannot be told apart by a key, or None."""
    shown = ", ".join(key)
    if len(identity) < len(key):
        return f"not both versions have the key ({shown})"
    named = ", ".join(quote(name) for name in identity)
    for relation in relations:
        if warehouse.rows(f"SELECT 1 FROM {relation} GROUP BY {named} HAVING count(*) > 1 LIMIT 1"):
            return f"the key ({shown}) is not unique in both versions"
    return None


def _by_key(old: Relation, new: Relation, names: Sequence[str], identity: Sequence[str], texts: set[str]) -> str:
    """Write the query for the rows that differ: `k0…` are the values to be shown, `o0…` those of old, `d0…` claims."""
    on = " AND ".join(f"{_value('o', n, texts)} IS NOT DISTINCT FROM {_value('n', n, texts)}" for n in identity)
    is_old, is_new = "o.fsbuild_is_there IS NOT NULL", "n.fsbuild_is_there IS NOT NULL"
    parts = [f"CASE WHEN NOT ({is_old}) THEN 'added' WHEN NOT ({is_new}) THEN 'removed' ELSE 'changed' END AS change"]
    claims = []
    for at, name in enumerate(names):
        left, right = (_value(side, name, texts) for side in "on")
        claims.append(f"{left} IS DISTINCT FROM {right}")
        parts.append(f"CASE WHEN {is_new} THEN {right} ELSE {left} END AS k{at}")
        parts.append(f"{left} AS o{at}, {is_old} AND {is_new} AND {claims[-1]} AS d{at}")
    there = "SELECT *, true AS fsbuild_is_there FROM"
    return (
        f"SELECT {', '.join(parts)} FROM ({there} {old}) AS o FULL JOIN ({there} {new}) AS n ON {on} "
        f"WHERE NOT ({is_old}) OR NOT ({is_new}) OR {' OR '.join(claims)}"
    )


def _by_row(old: Relation, new: Relation, names: Sequence[str], texts: set[str]) -> str:
    """Write the query for the rows that one version has more often than the other."""
    values = ", ".join(f"{_value('t', name, texts)} AS k{at}" for at, name in enumerate(names))
    one, other = (f"SELECT {values} FROM {relation} AS t" for relation in (old, new))
    return (
        f"SELECT 'removed' AS change, * FROM ({one} EXCEPT ALL {other}) "
        f"UNION ALL SELECT 'added', * FROM ({other} EXCEPT ALL {one})"
    )


def _value(side: str, name: str, texts: set[str]) -> str:
    written = f"{side}.{quote(name)}"
    return f"CAST({written} AS VARCHAR)" if name in texts else written


def _shown(row: dict[str, object], width: int) -> tuple[object, ...]:
    values = (Change(row[f"o{at}"], row[f"k{at}"]) if row.get(f"d{at}") else row[f"k{at}"] for at in range(width))
    return (row["change"], *values)
