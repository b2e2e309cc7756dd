"""Staged rows in, how they enter their table out: the write, and the rows that the table will have then.

A strategy is two answers: `whole` is asked before the rows are checked, `entry` afterwards. Both are SQL over the
staged rows and the present version of the table, which is the version that the commit is fenced to.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from fsbuild.execute.keys import has_null_keys, refuse_rows_beyond
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


# A merge of so many rows, and of this share of the table, is a table written anew.
_MANY_ROWS = 2_000_000
_MUCH = 0.2


@dataclass(frozen=True, slots=True)
class Target:
    """A table that staged rows enter; its key identifies a row, where it has one. What `grows` is changed later."""

    unique_id: str
    relation: Relation
    columns: Sequence[ColumnType]
    key: tuple[str, ...] = ()
    cluster_by: tuple[str, ...] = ()
    grows: bool = False

    @property
    def staged(self) -> Relation:
        """Where the rows are."""
        return staged_relation(self.unique_id)

    @property
    def names(self) -> str:
        """The columns, as SQL lists them."""
        return ", ".join(quote(column.name) for column in self.columns)

    def overwritten_by(self, rows: str, count: int) -> Entry:
        """The entry by which rows become the table."""
        order = f" ORDER BY {', '.join(map(quote, self.cluster_by))}" if self.cluster_by else ""
        return Entry(Overwrite(small_files=self.grows), f"SELECT {self.names} FROM {rows}{order}", count)


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

    def checked(self) -> str:
        """The rows that come to the table, as a relation."""

    def whole(self) -> str:
        """The rows that the table will have, as a relation."""

    def others(self) -> str | None:
        """The rows that stay beside those that come and may have the key of one; None where none can."""

    def kept(self, aside: str) -> str | None:
        """Of rows that were kept out of the table earlier those that stay so, as a relation; None where all go."""

    def entry(self, count: int) -> Entry:
        """How the `count` staged rows are written."""


@dataclass(frozen=True, slots=True)
class Overwriting:
    """The staged rows are the table."""

    target: Target

    def checked(self) -> str:
        """The staged rows."""
        return str(self.target.staged)

    def whole(self) -> str:
        """The staged rows."""
        return str(self.target.staged)

    def others(self) -> None:
        """No row stays."""

    def kept(self, aside: str) -> None:
        """None: all rows came again."""

    def entry(self, count: int) -> Entry:
        """All of them."""
        return self.target.overwritten_by(str(self.target.staged), count)


@dataclass(frozen=True, slots=True)
class Appending:
    """The staged rows are added."""

    target: Target

    def checked(self) -> str:
        """The staged rows."""
        return str(self.target.staged)

    def whole(self) -> str:
        """The table's rows, and the staged ones."""
        names = self.target.names
        return f"(SELECT {names} FROM {self.target.relation} UNION ALL SELECT {names} FROM {self.target.staged})"

    def others(self) -> str:
        """All of the table's."""
        return str(self.target.relation)

    def kept(self, aside: str) -> str:
        """All."""
        return aside

    def entry(self, count: int) -> Entry:
        """All of them."""
        return Entry(Append(), f"SELECT * FROM {self.target.staged}", count)


@dataclass(frozen=True, slots=True)
class Merging:
    """The staged rows replace those with their key; the others are added."""

    target: Target
    warehouse: Warehouse

    def checked(self) -> str:
        """The staged rows."""
        return str(self.target.staged)

    def whole(self) -> str:
        """The table's rows with other keys, and the staged ones."""
        return _without_keys_of(
            self.target, str(self.target.staged), f"SELECT {self.target.names} FROM {self.checked()}"
        )

    def others(self) -> None:
        """What has the key of a row that comes is replaced."""

    def kept(self, aside: str) -> str:
        """All: whose key comes again is seen later."""
        return aside

    def entry(self, count: int) -> Entry:
        """All of them; Delta leaves those alone that do not differ."""
        literals = bounds(self.warehouse, self.target.staged, self.target.key, self.target.columns)
        return Entry(Upsert(self.target.key, literals), f"SELECT * FROM {self.target.staged}", count)


@dataclass(frozen=True, slots=True)
class ResolvedMerging:
    """A merge with rules: what each staged row does to the table is resolved first, against its present version.

    A row that is older than the one with its key, by `sequence_by`, does nothing. One for which `deleted_when` holds
    deletes. An update sets only some of the columns.
    """

    target: Target
    warehouse: Warehouse
    rules: MergeRules

    def checked(self) -> str:
        """The rows as they are going to be."""
        return f"(SELECT {self.target.names} FROM {self._resolved()} WHERE fsbuild_op = 'upsert')"

    def whole(self) -> str:
        """The table's rows with other keys, and the resolved ones."""
        return _without_keys_of(self.target, str(self._resolved()), f"SELECT * FROM {self.checked()}")

    def others(self) -> None:
        """What has the key of a row that comes is replaced."""

    def kept(self, aside: str) -> str:
        """All: whose key comes again is seen later."""
        return aside

    def entry(self, count: int) -> Entry:
        """The rows that do something."""
        del count
        resolved, target = self._resolved(), self.target
        (found,) = self.warehouse.rows(f"SELECT count(*) AS n FROM {resolved}")
        literals = bounds(self.warehouse, resolved, target.key, target.columns)
        write = Upsert(target.key, literals, self.rules.predicates("t", "s"), has_ops=True)
        return Entry(write, f"SELECT * FROM {resolved}", int(str(found["n"])))

    def resolve(self) -> None:
        """Keep what each staged row does; refuse rows that are there and do not meet the predicates.

        Raises:
            KeyViolationError: a merge by these predicates would write a second row for a key.
        """
        target, rules = self.target, self.rules
        on = " AND ".join(f"s.{quote(name)} = t.{quote(name)}" for name in target.key)
        deleted = f"coalesce(({rules.deleted_when}), false)" if rules.deleted_when else "false"
        stale = "false"
        if rules.sequence_by is not None:
            mine, present = f"s.{quote(rules.sequence_by)}", f"t.{quote(rules.sequence_by)}"
            stale = f"{present} IS NOT NULL AND ({mine} IS NULL OR {mine} < {present})"
        is_there = f"t.{quote(target.key[0])} IS NOT NULL"
        values = ", ".join(
            f"s.{quote(c.name)}"
            if rules.updates(c.name) or c.name in target.key
            else f"CASE WHEN {is_there} THEN t.{quote(c.name)} ELSE s.{quote(c.name)} END AS {quote(c.name)}"
            for c in target.columns
        )
        self.warehouse.keep(
            self._resolved(),
            f"SELECT {values}, CASE WHEN s.fsbuild_deleted THEN 'delete' ELSE 'upsert' END AS fsbuild_op "
            f"FROM (SELECT *, {deleted} AS fsbuild_deleted FROM {target.staged}) AS s "
            f"LEFT JOIN {target.relation} AS t ON {on} "
            f"WHERE NOT ({is_there} AND {stale}) AND ({is_there} OR NOT s.fsbuild_deleted)",
        )
        if conditions := rules.predicates("t", "s"):
            met = " AND ".join(f"({condition})" for condition in conditions)
            refuse_rows_beyond(
                self.warehouse.rows,
                f"SELECT {', '.join(f's.{quote(name)}' for name in target.key)} FROM {self._resolved()} AS s "
                f"JOIN {target.relation} AS t ON {on} WHERE NOT coalesce({met}, false)",
            )

    def _resolved(self) -> Relation:
        return staged_relation(f"{self.target.unique_id} resolved")


@dataclass(frozen=True, slots=True)
class MergeRules:
    """What a merge has to observe beside the key."""

    updated: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    conditions: tuple[str, ...] = ()
    sequence_by: str | None = None
    deleted_when: str | None = None

    def updates(self, name: str) -> bool:
        """Whether an update sets a column."""
        updated, kept = ({one.lower() for one in names} for names in (self.updated, self.kept))
        return name.lower() not in kept and (not updated or name.lower() in updated)

    def predicates(self, target: str, rows: str) -> tuple[str, ...]:
        """The conditions, with names for the table and the rows in the place of dbt's."""
        return tuple(
            re.sub(r"(?i)\bDBT_INTERNAL_SOURCE\b", rows, re.sub(r"(?i)\bDBT_INTERNAL_DEST\b", target, condition))
            for condition in self.conditions
        )


@dataclass(frozen=True, slots=True)
class Replacing:
    """The staged rows are all that the table shall have for some keys: `delete+insert`, `insert_overwrite`, `auto`.

    The keys are in `keys_relation`, for the columns `keys` of the table. Only what differs is written. Rows are told
    apart by the table's unique key; where it has none, all rows of a key are replaced where one of them differs.
    """

    target: Target
    keys: tuple[str, ...]
    warehouse: Warehouse

    def checked(self) -> str:
        """The staged rows."""
        return str(self.target.staged)

    def whole(self) -> str:
        """The table's rows with other keys, and the staged ones."""
        target = self.target
        return f"({self._present('ANTI')} UNION ALL SELECT {target.names} FROM {target.staged})"

    def others(self) -> str | None:
        """The table's rows with other keys; if these are part of what identifies a row, none is like one that comes."""
        replaced, key = ({name.lower() for name in names} for names in (self.keys, self.target.key))
        return None if replaced <= key else f"({self._present('ANTI')})"

    def kept(self, aside: str) -> str:
        """Those with other keys."""
        return f"({self._having(aside, 't.*', 'ANTI')})"

    def entry(self, count: int) -> Entry:
        """Write the rows that are new, other, or gone."""
        del count  # most of the staged rows are in the table already
        target, warehouse = self.target, self.warehouse
        identity = target.key or self.keys
        named = ", ".join(quote(name) for name in identity)
        present, new = self._present("SEMI"), f"SELECT {target.names} FROM {target.staged}"
        differing = staged_relation(f"{target.unique_id} differing")
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
        return Entry(write, sql, int(str(found["n"])) or int(str(removed["n"])))

    def _present(self, join: str) -> str:
        """The table's rows that have one of the keys, or those that have none."""
        names = ", ".join(f"t.{quote(column.name)}" for column in self.target.columns)
        return self._having(str(self.target.relation), names, join)

    def _having(self, rows: str, names: str, join: str) -> str:
        """The rows of a relation that have one of the keys, or those that have none."""
        keys = keys_relation(self.target.unique_id)
        # Only equality lets the engine skip the parts of the table that have other keys.
        same = "IS NOT DISTINCT FROM" if has_null_keys(self.warehouse.rows, keys, len(self.keys)) else "="
        on = " AND ".join(f"t.{quote(name)} {same} k.{quote(f'k{at}')}" for at, name in enumerate(self.keys))
        return f"SELECT {names} FROM {rows} AS t {join} JOIN {keys} AS k ON {on}"


@dataclass(frozen=True, slots=True)
class Rewriting:
    """Another strategy, on a table whose columns change: all of its rows are written anew, in the same commit."""

    target: Target
    inner: Strategy

    def checked(self) -> str:
        """What comes to the table."""
        return self.inner.checked()

    def whole(self) -> str:
        """What the table will have."""
        return self.inner.whole()

    def others(self) -> str | None:
        """What stays."""
        return self.inner.others()

    def kept(self, aside: str) -> str | None:
        """What stays aside."""
        return self.inner.kept(aside)

    def entry(self, count: int) -> Entry:
        """All rows."""
        return self.target.overwritten_by(self.whole(), count)


def is_merge(strategy: Strategy) -> bool:
    """Whether a row of the table goes only where another one with its key comes."""
    inner = strategy.inner if isinstance(strategy, Rewriting) else strategy
    return isinstance(inner, Merging | ResolvedMerging)


def choose_entry(strategy: Strategy, target: Target, warehouse: Warehouse, count: int) -> Entry:
    """How `count` staged rows enter their table: as the strategy says, or with all others in a table written anew.

    A merge holds its rows in memory, and the engine need not.
    """
    entry = strategy.entry(count)
    if isinstance(entry.write, Upsert) and entry.count >= _MANY_ROWS:
        (there,) = warehouse.rows(f"SELECT count(*) AS n FROM {target.relation}")
        if entry.count >= _MUCH * int(str(there["n"])):
            return target.overwritten_by(strategy.whole(), entry.count)
    return entry


def keys_of_staged(target: Target, keys: Sequence[str]) -> str:
    """The query for the keys that the staged rows have, as `Replacing` wants them."""
    named = ", ".join(f"{quote(name)} AS {quote(f'k{at}')}" for at, name in enumerate(keys))
    return f"SELECT DISTINCT {named} FROM {target.staged}"


def _without_keys_of(target: Target, rows: str, added: str) -> str:
    """The table's rows whose key is not among `rows`, and what is added."""
    on = ", ".join(quote(name) for name in target.key)
    return f"(SELECT {target.names} FROM {target.relation} ANTI JOIN {rows} USING ({on}) UNION ALL {added})"


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
