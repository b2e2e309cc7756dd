"""Queries in, columns and types out, without touching data: DuckDB binds them over empty tables.

The binder is the judge of what is right SQL. It must see every relation before a query that reads it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from fsbuild.engine.connection import CLOCK_NAMES, RANDOM_NAMES, bind_error, engine_errors, open_duckdb
from fsbuild.engine.sources import attachment, scan, source_extensions
from fsbuild.engine.types import stored_type
from fsbuild.errors import BindError
from fsbuild.values import BoundColumn, Relation, Source, quote

if TYPE_CHECKING:
    import pyarrow as pa


_WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class _Declared:
    """A relation that a query may read, and is not made before one names it."""

    relation: Relation
    columns: tuple[tuple[str, str], ...]
    otherwise: str | None


class Binder:
    """An empty DuckDB that knows the columns of the project's relations.

    Making a table takes about as long as binding a query: what nothing names is not made. A query that does not bind
    is bound again with all there, so that what is said of it does not depend on that.
    """

    volatile_functions: frozenset[str] = CLOCK_NAMES | RANDOM_NAMES
    random_functions: frozenset[str] = RANDOM_NAMES

    def __init__(self, root: Path, settings: Mapping[str, object], sources: Iterable[Source] = ()) -> None:
        """Open an engine that can read the schemas of `sources`."""
        self._root = root
        self._connection = open_duckdb(root, settings, extensions=source_extensions(sources))
        self._schemas: set[str] = {"main"}
        self._views: set[Relation] = set()
        self._waiting: dict[str, list[_Declared]] = {}  # by the first words of their identifiers
        self._hidden: frozenset[Relation] = frozenset()
        self._made: list[tuple[str, list[_Declared]]] = []

    def declare(self, relation: Relation, columns: Iterable[tuple[str, str]], otherwise: str | None = None) -> None:
        """Let a name stand for an empty table with these columns and types.

        It stands for the query `otherwise` where the columns have types that cannot be written down.
        """
        self._waiting.setdefault(_first_word(relation), []).append(_Declared(relation, tuple(columns), otherwise))

    def undeclare(self, relation: Relation) -> None:
        """Forget an empty table again."""
        word = _first_word(relation)
        waiting = self._waiting.pop(word, [])
        others = [one for one in waiting if one.relation != relation]
        if others:
            self._waiting[word] = others
        if len(others) == len(waiting):
            self._connection.execute(f"DROP TABLE {relation}")

    def _make_all(self, words: Iterable[str]) -> None:
        """Make the relations whose identifiers begin with one of these words, or have none."""
        for word in self._waiting.keys() & {"", *words}:
            declared = self._waiting.pop(word, [])
            self._made.append((word, declared))
            hidden = [one for one in declared if one.relation in self._hidden]
            left = [one for one in declared if one not in hidden]
            try:
                while left:
                    self._make(left[0])
                    del left[0]
            finally:
                if left or hidden:
                    self._waiting[word] = [*left, *hidden]

    def _make(self, one: _Declared) -> None:
        # As in all of SQL, names that differ in case alone are one.
        relation, schema = one.relation, one.relation.schema.lower()
        if schema not in self._schemas:
            self._connection.execute(f"CREATE SCHEMA {quote(relation.schema)}")
            self._schemas.add(schema)
        written = ", ".join(f"{quote(name)} {kind}" for name, kind in one.columns)
        with engine_errors():
            try:
                self._connection.execute(f"CREATE TABLE {relation} ({written})")
            except duckdb.Error:
                if one.otherwise is None:
                    raise
                self._make_all(_words(one.otherwise))
                self._connection.execute(f"CREATE VIEW {relation} AS {one.otherwise}")
                self._views.add(relation)

    @contextmanager
    def hiding(self, relations: Iterable[Relation]) -> Iterator[None]:
        """Forget relations for a while."""
        self._hidden = frozenset(relations)
        schemas, views = {*self._schemas}, {*self._views}
        self._made.clear()
        self._connection.begin()
        try:
            for relation in self._hidden:
                self._connection.execute(f"DROP {'VIEW' if relation in views else 'TABLE'} IF EXISTS {relation}")
            yield
        finally:
            # What was made meanwhile is gone with the rest.
            self._connection.rollback()
            self._waiting.update(reversed(self._made))
            self._hidden, self._schemas, self._views = frozenset(), schemas, views

    def columns_of(self, sql: str) -> tuple[BoundColumn, ...]:
        """Tell the columns of a query.

        Raises:
            BindError: the query is not one SELECT statement, or names or types in it are wrong.
        """
        self._make_all(_words(sql))
        try:
            return self._bind(sql)
        except BindError:
            if not self._waiting:
                raise
        with suppress(BindError):  # of a view on what is hidden
            self._make_all([*self._waiting])
        return self._bind(sql)

    def _bind(self, sql: str) -> tuple[BoundColumn, ...]:
        try:
            statements = self._connection.extract_statements(sql)
            if len(statements) == 1 and statements[0].type == duckdb.StatementType.SELECT:
                bound = self._connection.sql(sql)
                return tuple(
                    BoundColumn(name, str(kind), stored_type(kind))
                    for name, kind in zip(bound.columns, bound.types, strict=True)
                )
        except duckdb.Error as exc:
            # Asked again for the position in the text, which costs too much to ask for every time.
            raise self._explain(sql, exc) from exc
        raise BindError(_not_one_select(statements))

    def arrow_schema(self, relation: Relation) -> pa.Schema:
        """Tell the columns of a relation as Arrow has them."""
        self._make_all(_words(relation.identifier))
        with engine_errors():
            return self._connection.sql(f"SELECT * FROM {relation} LIMIT 0").to_arrow_table().schema

    def unreadable(self, cells: Sequence[tuple[str, str]]) -> list[bool]:
        """Tell for values, as SQL without types, and the types that they are to be, which cannot be read as these."""
        if not cells:
            return []
        tried = ", ".join(f"TRY_CAST({sql} AS {kind}) IS NULL" for sql, kind in cells)
        with suppress(duckdb.Error):  # for one of them; which, is found by asking for each
            found = self._connection.execute(f"SELECT [{tried}]").fetchone()
            # What is wrong inside of a nested value is no error of TRY_CAST, but NULL.
            is_null = found[0] if found is not None else []
            return [
                wrong or (sql.startswith("CAST(") and not self._is_readable(sql, kind))
                for wrong, (sql, kind) in zip(is_null, cells, strict=True)
            ]
        return [not self._is_readable(sql, kind) for sql, kind in cells]

    def _is_readable(self, sql: str, kind: str) -> bool:
        try:
            self._connection.execute(f"SELECT CAST({sql} AS {kind})")
        except duckdb.Error:
            return False
        return True

    def source_columns(self, source: Source, version: int | None = None) -> tuple[BoundColumn, ...]:
        """Tell the columns of a source from its files' own schema.

        Raises:
            EngineError: the files cannot be read as what they are said to be.
        """
        with engine_errors():
            if statement := attachment(source):
                self._connection.execute(statement)
            return self.columns_of(f"SELECT * FROM {scan(source, version, self._root)}")

    def _explain(self, sql: str, otherwise: duckdb.Error) -> BindError:
        """Say what is wrong with a query and where; positions count characters, and DuckDB's count bytes."""
        prefix = "DESCRIBE "
        self._connection.execute("SET errors_as_json = true")
        try:
            self._connection.execute(prefix + sql)
        except duckdb.Error as exc:
            found = bind_error(exc)
        else:
            found = bind_error(otherwise)
        finally:
            self._connection.execute("SET errors_as_json = false")
        if found.position is None:
            return found
        before = (prefix + sql).encode()[: found.position].decode(errors="ignore")
        return BindError(found.message, max(len(before) - len(prefix), 0), found.name, found.candidates)


def _first_word(relation: Relation) -> str:
    return next(_words(relation.identifier), "")


def _words(text: str) -> Iterator[str]:
    """The words in a text, in lower case: a query names a relation by all of its words, the first among them."""
    return (match[0] for match in _WORD.finditer(text.lower()))


def _not_one_select(statements: list[duckdb.Statement]) -> str:
    if not statements:
        return "the model has no SQL"
    if len(statements) > 1:
        return "a model is one SELECT statement, and this is more than one (a PIVOT needs its values written: IN (…))"
    return f"a model is a SELECT statement, and this is {statements[0].type.name}"
