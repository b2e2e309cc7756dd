"""Delta tables that change as tables do: hypothesis draws in, commits on real tables out.

Values come from tiny domains, NULL among them, so that rows meet, repeat and fall out of groups. A clean table has a
key that is unique and never NULL, whatever is done to it; any other table may hold anything, whole rows twice included.
"""

from __future__ import annotations

import datetime as dt
import functools
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
from deltalake import ColumnProperties, DeltaTable, WriterProperties, write_deltalake
from deltalake.exceptions import DeltaError
from hypothesis import strategies as st

if TYPE_CHECKING:
    from deltalake.table import TableMerger

Row = tuple[object, ...]

DAY_ONE = dt.datetime(2024, 1, 1)  # noqa: DTZ001 - a TIMESTAMP without a zone is what is written
IDS = st.sampled_from([1, 2, 3, 4, 5, 6])
INTS = st.sampled_from([1, 2, 3, None])
SMALL = st.sampled_from([0, 1, 5, -1, None])
TEXTS = st.sampled_from(["a", "b", "", None])
# The statistics of a file leave NaN out, and DuckDB then skips the file where it looks for great numbers. What fsbuild
# writes has none of such columns; of another program's files this is a limit of the engine.
WRITTEN = WriterProperties(compression="SNAPPY", column_properties={"d": ColumnProperties(statistics_enabled="NONE")})
write = functools.partial(write_deltalake, writer_properties=WRITTEN)
FLOATS = st.sampled_from([0.0, 0.5, -0.0, float("nan"), None])
TIMES = st.sampled_from([*(DAY_ONE + dt.timedelta(days=days) for days in (0, 1, 8)), None])
MAYBE_IDS = st.sampled_from([1, 2, 3, 4, None])


@dataclass(frozen=True, slots=True)
class Input:
    """A source table: its columns, its values by column, and the kinds of its columns for the grammar.

    The first strategy is that of the key where the table is clean.
    """

    name: str
    schema: pa.Schema
    values: tuple[st.SearchStrategy[object], ...]
    kinds: tuple[tuple[str, str], ...]
    clean_key: st.SearchStrategy[object]

    @property
    def key(self) -> str:
        """The column that is the key of a clean table."""
        return self.kinds[0][0]


def _input(
    name: str, clean_key: st.SearchStrategy[object], *columns: tuple[str, pa.DataType, str, st.SearchStrategy[object]]
) -> Input:
    return Input(
        name,
        pa.schema([(column, kind) for column, kind, _, _ in columns]),
        tuple(values for *_, values in columns),
        tuple((column if column.islower() else f'"{column}"', kind) for column, _, kind, _ in columns),
        clean_key,
    )


INPUTS: Mapping[str, Input] = {
    "facts": _input(
        "facts",
        IDS,
        ("id", pa.int64(), "int", MAYBE_IDS),
        ("k", pa.int32(), "int", INTS),
        ("g", pa.string(), "text", TEXTS),
        ("x", pa.int32(), "int", SMALL),
        ("d", pa.float64(), "float", FLOATS),
        ("t", pa.timestamp("us"), "time", TIMES),
    ),
    "dims": _input(
        "dims",
        st.sampled_from([1, 2, 3]),
        ("k", pa.int32(), "int", INTS),
        ("name", pa.string(), "text", st.sampled_from(["n1", "n2", None])),
        ("w", pa.int32(), "int", st.sampled_from([1, 2, None])),
    ),
    "other": _input(
        "other",
        IDS,
        ("id", pa.int64(), "int", MAYBE_IDS),
        ("k", pa.int32(), "int", INTS),
        ("y", pa.int32(), "int", SMALL),
        ("Group", pa.string(), "text", TEXTS),
    ),
}
CHANGES = {
    "facts": (("k", "2"), ("k", "NULL"), ("x", "x + 1"), ("x", "NULL"), ("g", "'b'"), ("d", "0.5"), ("t", "NULL")),
    "dims": (("name", "'n1'"), ("w", "2"), ("w", "NULL"), ("name", "NULL")),
    "other": (("k", "k + 1"), ("k", "NULL"), ("y", "1"), ('"Group"', "'a'"), ("y", "NULL")),
}
DIRTY_CHANGES = {"facts": (("id", "2"), ("id", "NULL")), "dims": (("k", "1"), ("k", "NULL")), "other": (("id", "1"),)}
PLACES = {
    "facts": ("k = 1", "k is null", "id <= 2", "id is null", "x > 0", "g = 'a'", "g is null", "t is null", "true"),
    "dims": ("k = 1", "k = 2", "k is null", "w = 1", "name is null", "true"),
    "other": ("k = 1", "k is null", "id = 1", "y >= 0", "y is null", "true"),
}
# What tables go through every day; a change feed tells all of it.
PLAIN = ("insert", "insert", "insert", "update", "update", "delete", "delete", "repeat", "flash", "merge away")
# What is rare, and what no change feed tells.
RARE = (
    *("empty", "rewrite", "overwrite", "replace where", "compact", "vacuum", "restore", "checkpoint", "forget"),
    *("recreate", "feed off", "feed on", "widen", "delete all"),
)


@dataclass(frozen=True, slots=True)
class Commit:
    """What is done to one table; which of the fields count depends on the act."""

    table: str
    act: str
    rows: tuple[Row, ...] = ()
    where: str = "true"
    column: str = ""
    value: str = ""

    def __str__(self) -> str:
        """The act in words, with what counts for it."""
        if self.act == "update":
            return f"{self.table}: set {self.column} = {self.value} where {self.where}"
        if self.act in ("delete", "replace where"):
            return f"{self.table}: {self.act} {self.where} {list(self.rows) if self.act != 'delete' else ''}".rstrip()
        takes_rows = self.act in ("insert", "flash", "overwrite", "recreate", "widen", "merge away")
        return f"{self.table}: {self.act} {list(self.rows) if takes_rows else ''}".rstrip()


@st.composite
def rows_of(draw: st.DrawFn, name: str, *, is_clean: bool, most: int = 3) -> tuple[Row, ...]:
    given = INPUTS[name]
    values = (given.clean_key, *given.values[1:]) if is_clean else given.values
    rows = draw(st.lists(st.tuples(*values), min_size=draw(st.sampled_from((1, most, 0))), max_size=most))
    if is_clean:
        return tuple({row[0]: row for row in rows}.values())
    twice = draw(st.sampled_from((0, 1)))
    return (*rows, *rows[:twice])


@st.composite
def commits(draw: st.DrawFn, clean: frozenset[str]) -> Commit:
    name = draw(st.sampled_from(sorted(INPUTS)))
    is_clean = name in clean
    is_rare = draw(st.integers(0, 9)) == 9
    changes = CHANGES[name] + (() if is_clean else DIRTY_CHANGES[name])
    column, value = draw(st.sampled_from(changes))
    return Commit(
        name,
        draw(st.sampled_from(RARE if is_rare else PLAIN)),
        draw(rows_of(name, is_clean=is_clean)),
        draw(st.sampled_from(PLACES[name])),
        column,
        value,
    )


@dataclass
class Table:
    """A Delta table that commits are applied to."""

    folder: Path
    given: Input
    is_clean: bool

    def __post_init__(self) -> None:
        self.latest: tuple[Row, ...] = ()
        self.uri = str(self.folder)

    def create(self, rows: Sequence[Row]) -> None:
        self.latest = tuple(rows)
        configuration: dict[str, str | None] = {"delta.enableChangeDataFeed": "true"}
        write(self.uri, self._arrow(rows), configuration=configuration)

    def present(self) -> pa.Table:
        return self._table().to_pyarrow_table()

    def apply(self, commit: Commit) -> None:
        if commit.act in ("insert", "repeat"):
            self._insert(commit.rows if commit.act == "insert" else self.latest)
            self.latest = commit.rows or self.latest
        elif commit.act == "flash":
            ids = ", ".join(str(row[0]) for row in commit.rows if row[0] is not None) or "0"
            self._insert(commit.rows)
            self._table().delete(f"{self.given.key} in ({ids})", writer_properties=WRITTEN)
        elif commit.act == "update":
            self._table().update(
                updates={commit.column: commit.value}, predicate=commit.where, writer_properties=WRITTEN
            )
        elif commit.act in ("delete", "delete all"):
            self._table().delete(commit.where if commit.act == "delete" else None, writer_properties=WRITTEN)
        elif commit.act == "merge away":
            self._merge(commit.rows).when_matched_delete().execute()
        else:
            self._rarely(commit)

    def _rarely(self, commit: Commit) -> None:
        if commit.act == "empty":
            write(self.uri, self._arrow(()), mode="append", schema_mode="merge")
        elif commit.act == "rewrite":
            write(self.uri, self.present(), mode="overwrite")
        elif commit.act == "overwrite":
            write(self.uri, self._arrow(commit.rows), mode="overwrite", schema_mode="overwrite")
        elif commit.act == "replace where":
            self._replace(commit.rows, commit.where)
        elif commit.act == "recreate":
            shutil.rmtree(self.folder)
            self.create(commit.rows)
        elif commit.act == "widen":
            self._insert(())
            wide = self._arrow(()).append_column("extra", pa.array([], pa.int32()))
            write(self.uri, wide, mode="append", schema_mode="merge")
        else:
            self._keep_house(commit.act)

    def _keep_house(self, act: str) -> None:
        """What changes no rows, but for a restore; what was vacuumed cannot be restored."""
        table = self._table()
        if act == "compact":
            table.optimize.compact(writer_properties=WRITTEN)
        elif act == "vacuum":
            table.vacuum(retention_hours=0, enforce_retention_duration=False, dry_run=False)
        elif act in ("feed off", "feed on"):
            is_on = "true" if act == "feed on" else "false"
            table.alter.set_table_properties({"delta.enableChangeDataFeed": is_on})
        elif act == "restore":
            try:
                table.restore(max(0, table.version() - 2))
            except DeltaError:
                return
        elif act in ("checkpoint", "forget"):
            table.create_checkpoint()
            for log in sorted((self.folder / "_delta_log").glob("*.json"))[:-1] if act == "forget" else []:
                log.unlink()

    def _insert(self, rows: Sequence[Row]) -> None:
        if not self.is_clean:
            write(self.uri, self._arrow(rows), mode="append", schema_mode="merge")
        elif rows:
            cells = {f'"{name}"': f's."{name}"' for name in self.given.schema.names}
            merge = self._merge(rows).when_matched_update(updates=cells)
            merge.when_not_matched_insert(updates=cells).execute()

    def _replace(self, rows: Sequence[Row], where: str) -> None:
        """Replace what is at a place in one commit, by rows that are at it."""
        if self.is_clean or where != "k = 1":
            write(self.uri, self.present(), mode="overwrite", predicate="true")
            return
        at = self.given.schema.names.index("k")
        moved = self._arrow((*row[:at], 1, *row[at + 1 :]) for row in rows)
        for name in self.present().schema.names[len(self.given.schema.names) :]:
            moved = moved.append_column(name, pa.nulls(len(moved), pa.int32()))
        write(self.uri, moved, mode="overwrite", predicate=where)

    def _merge(self, rows: Sequence[Row]) -> TableMerger:
        return self._table().merge(
            self._arrow({row[0]: row for row in rows}.values()),
            predicate=f't."{self.given.key}" = s."{self.given.key}"',
            source_alias="s",
            target_alias="t",
            writer_properties=WRITTEN,
        )

    def _table(self) -> DeltaTable:
        return DeltaTable(self.uri)

    def _arrow(self, rows: Iterable[Row]) -> pa.Table:
        names = self.given.schema.names
        return pa.Table.from_pylist([dict(zip(names, row, strict=True)) for row in rows], schema=self.given.schema)
