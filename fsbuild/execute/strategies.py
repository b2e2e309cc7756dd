"""Staged rows in, how they enter their table out: the write, and the rows that the table will have then.

A strategy is two answers: `whole` is asked before the rows are checked, `entry` afterwards. Both are SQL over the
staged rows and the present version of the table, which is the version that the commit is fenced to.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from fsbuild.execute.work import Warehouse
from fsbuild.values import (
    Append,
    ColumnType,
    Overwrite,
    Relation,
    Upsert,
    Write,
    keys_relation,
    literal,
    quote,
    staged_relation,
)

# Types whose literals mean the same in a merge predicate as in the engine.
_NUMBER_TYPES = frozenset({"TINYINT", "SMALLINT", "INTEGER", "BIGINT"})
_LITERAL_TYPES = _NUMBER_TYPES | {"DATE", "VARCHAR"}


@dataclass(frozen=True, slots=True)
class Target:
    """A table that staged rows enter; `key` identifies a row where the table has a key."""

    unique_id: str
    relation: Relation
    columns: Sequence[ColumnType]
    key: tuple[str, ...] = ()

    @property
    def staged(self) -> Relation:
        """Where the rows are."""
        return staged_relation(self.unique_id)

    @property
    def names(self) -> str:
        """The columns, as SQL lists them."""
        return ", ".join(quote(column.name) for column in self.columns)


@dataclass(frozen=True, slots=True)
class Entry:
    """How rows enter a table: the write, the SQL of what is written, and how many rows that are.

    There is no write where the table has these rows already and no commit is needed for them.
    """

    write: Write | None
    sql: str
    count: int


class Strategy(Protocol):
    """How staged rows enter a table."""

    def whole(self) -> str:
        """The rows that the table will have, as a relation."""

    def entry(self, count: int) -> Entry:
        """How the `count` staged rows are written."""


@dataclass(frozen=True, slots=True)
class Overwriting:
    """The staged rows are the table."""

    target: Target

    def whole(self) -> str:
        """The staged rows."""
        return str(self.target.staged)

    def entry(self, count: int) -> Entry:
        """All of them."""
        return Entry(Overwrite(), f"SELECT * FROM {self.target.staged}", count)


@dataclass(frozen=True, slots=True)
class Appending:
    """The staged rows are added."""

    target: Target

    def whole(self) -> str:
        """The table's rows, and the staged ones."""
        names = self.target.names
        return f"(SELECT {names} FROM {self.target.relation} UNION ALL SELECT {names} FROM {self.target.staged})"

    def entry(self, count: int) -> Entry:
        """All of them."""
        return Entry(Append(), f"SELECT * FROM {self.target.staged}", count)


@dataclass(frozen=True, slots=True)
class Merging:
    """The staged rows replace those with their key; the others are added."""

    target: Target
    warehouse: Warehouse

    def whole(self) -> str:
        """The table's rows with other keys, and the staged ones."""
        target = self.target
        on = ", ".join(quote(name) for name in target.key)
        return (
            f"(SELECT {target.names} FROM {target.relation} ANTI JOIN {target.staged} USING ({on}) "
            f"UNION ALL SELECT {target.names} FROM {target.staged})"
        )

    def entry(self, count: int) -> Entry:
        """All of them; Delta leaves those alone that do not differ."""
        literals = bounds(self.warehouse, self.target.staged, self.target.key, self.target.columns)
        return Entry(Upsert(self.target.key, literals), f"SELECT * FROM {self.target.staged}", count)


@dataclass(frozen=True, slots=True)
class Maintaining:
    """The staged rows are all that the table shall have for the keys that changes affect: strategy `auto`.

    Only what differs is written. Rows are told apart by the table's unique key; where it has none, by the affected
    key: then all rows of a key are replaced where one of them differs.
    """

    target: Target
    affected: tuple[str, ...]
    warehouse: Warehouse

    def whole(self) -> str:
        """The table's rows with keys that are not affected, and the staged ones."""
        target = self.target
        return f"({self._present('ANTI')} UNION ALL SELECT {target.names} FROM {target.staged})"

    def entry(self, count: int) -> Entry:
        """Write the rows that are new, other, or gone."""
        del count  # most of the staged rows are in the table already
        target, warehouse = self.target, self.warehouse
        identity = target.key or self.affected
        named = ", ".join(quote(name) for name in identity)
        present = self._present("SEMI")
        new = f"SELECT {target.names} FROM {target.staged}"
        differing = keys_relation(f"{target.unique_id} differing")
        warehouse.keep(
            differing,
            f"WITH present AS ({present}), differing AS ((FROM present EXCEPT ALL {new}) UNION ALL "
            f"({new} EXCEPT ALL FROM present)) SELECT DISTINCT {named} FROM differing",
        )
        same = " AND ".join(f"d.{quote(name)} IS NOT DISTINCT FROM r.{quote(name)}" for name in identity)
        written = f"SELECT r.* FROM ({new}) AS r SEMI JOIN {differing} AS d ON {same}"
        gone = f"FROM {differing} AS r"
        if target.key:
            gone += f" ANTI JOIN {target.staged} AS d ON {same}"
        nothing = ", ".join(
            f"r.{quote(c.name)}" if c.name in identity else f"CAST(NULL AS {c.type}) AS {quote(c.name)}"
            for c in target.columns
        )
        how = "upsert" if target.key else "insert"
        (found,) = warehouse.rows(f"SELECT count(*) AS n FROM ({written})")
        (removed,) = warehouse.rows(f"SELECT count(*) AS n {gone}")
        write = Upsert(identity, bounds(warehouse, differing, identity, target.columns), has_ops=True)
        sql = f"SELECT *, '{how}' AS fsbuild_op FROM ({written}) UNION ALL SELECT {nothing}, 'delete' {gone}"
        rows = int(str(found["n"]))
        return Entry(write, sql, rows or int(str(removed["n"])))

    def _present(self, join: str) -> str:
        """The table's rows that have an affected key, or those that have none."""
        on = " AND ".join(
            f"k.{quote(f'k{at}')} IS NOT DISTINCT FROM t.{quote(name)}" for at, name in enumerate(self.affected)
        )
        names = ", ".join(f"t.{quote(column.name)}" for column in self.target.columns)
        keys = keys_relation(self.target.unique_id)
        return f"SELECT {names} FROM {self.target.relation} AS t {join} JOIN {keys} AS k ON {on}"


def bounds(
    warehouse: Warehouse, relation: Relation, names: Sequence[str], columns: Sequence[ColumnType]
) -> dict[str, tuple[str, str]]:
    """The least and the greatest value of each of some columns, as SQL; columns with a NULL have no bounds."""
    types = {column.name.lower(): column.type for column in columns}
    bounded = [name for name in names if types.get(name.lower()) in _LITERAL_TYPES]
    if not bounded:
        return {}
    parts = ", ".join(
        f"min({quote(name)})::VARCHAR AS low{at}, max({quote(name)})::VARCHAR AS high{at}, "
        f"count(*) - count({quote(name)}) AS nulls{at}"
        for at, name in enumerate(bounded)
    )
    (row,) = warehouse.rows(f"SELECT {parts} FROM {relation}")
    found = {}
    for at, name in enumerate(bounded):
        low, high = row[f"low{at}"], row[f"high{at}"]
        if low is not None and high is not None and not row[f"nulls{at}"]:
            write = str if types[name.lower()] in _NUMBER_TYPES else literal
            found[name] = (write(str(low)), write(str(high)))
    return found
