"""What templates ask of the lake: `run_query`, `statement`, `adapter.get_relation` and the like, as in dbt.

A template is rendered before anything runs, where possible. One that asks cannot be until what it reads is there:
`ModelContext.lake` is None until then, and asking raises `LakeNeeded`, by which the caller knows that the model waits.
As in dbt nothing is asked while `execute` is false.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

from fsbuild.render.columns import TemplateColumn
from fsbuild.render.context import Absent, ModelContext, TemplateError
from fsbuild.render.macros import Scope
from fsbuild.render.relations import TemplateRelation
from fsbuild.render.results import ResultTable
from fsbuild.values import quote

log = logging.getLogger("fsbuild.jinja")


def _create_relation(
    database: str | None = None,
    schema: str | None = None,
    identifier: str | None = None,
    type: str | None = None,  # noqa: A002 - dbt's name
    **_others: object,
) -> TemplateRelation:
    """`api.Relation.create(…)`."""
    del database  # there is one
    shown = frozenset(part for part, name in (("schema", schema), ("identifier", identifier)) if name)
    return TemplateRelation(str(schema or ""), str(identifier or ""), type, shown)


# `api`: the classes of relations and columns.
API = SimpleNamespace(
    Relation=SimpleNamespace(create=_create_relation, Table="table", View="view", CTE="cte", External="external"),
    Column=TemplateColumn,
)


class Statements:
    """`statement`, `load_result` and `store_result`: the results of one rendering by their names."""

    def __init__(self, context: ModelContext) -> None:
        self._context = context
        self._results: dict[str, Mapping[str, object]] = {}

    def statement(
        self,
        name: str | None = None,
        fetch_result: bool = False,  # noqa: FBT001, FBT002 - dbt's signature
        auto_begin: bool = True,  # noqa: FBT001, FBT002 - dbt's signature
        language: str = "sql",
        caller: Callable[[], str] | None = None,
    ) -> str:
        """Run the SQL of a `call` block, and keep its result by its name."""
        del auto_begin
        if not self._context.is_executing:
            self._context.has_asked = True
            return ""
        if language != "sql":
            raise TemplateError(f"a statement in {language} cannot run here", "write it in SQL")
        sql = str(caller()) if caller is not None else ""
        table = ask(self._context, sql)
        if name is not None:
            self._results[name] = _result(table if fetch_result else ResultTable((), ()))
        return ""

    def load(self, name: str) -> Mapping[str, object] | Absent | None:
        """`load_result('name')`; None where there is no such result."""
        return self._results.get(name) if self._context.is_executing else Absent(name=name)

    def store(self, name: str, response: object, agate_table: ResultTable | None = None) -> str:
        """`store_result('name', response, table)`."""
        self._results[name] = {**_result(agate_table or ResultTable((), ())), "response": response}
        return ""


def _result(table: ResultTable) -> dict[str, object]:
    rows = [tuple(row) for row in table.rows]
    return _Result(response="OK", data=rows, table=table)


class _Result(dict[str, object]):
    """A result, whose parts are keys and attributes."""

    __getattr__ = dict.__getitem__


def ask(context: ModelContext, sql: str) -> ResultTable:
    """Run SQL for a template."""
    return ResultTable(*context.asked("run a query").query(sql, tuple(context.depends_on)))


class Adapter:
    """`adapter`: dispatch, and what the lake has."""

    def __init__(self, scope: Scope, context: ModelContext | None) -> None:
        self._scope, self._context = scope, context

    # --- without the lake ---------------------------------------------------------------------------------------------

    def dispatch(self, macro_name: str, macro_namespace: str | None = None, **_old: object) -> object:
        """Find `duckdb__name`, else `default__name`."""
        return self._scope.dispatch(macro_name, macro_namespace)

    def quote(self, identifier: str) -> str:
        """Quote an identifier."""
        return quote(identifier)

    def quote_as_configured(self, identifier: str, quote_key: str) -> str:
        """Quote an identifier."""
        del quote_key
        return quote(identifier)

    def type(self) -> str:
        """The engine's name."""
        return "duckdb"

    @property
    def behavior(self) -> _Off:
        """Dbt's flags of behaviour, which are all off."""
        return _Off()

    def convert_type(self, table: ResultTable, index: int) -> str:
        """The type of a column of a result."""
        kinds = {type(value) for value in table.columns[index].values_without_nulls()}
        return {frozenset({int}): "integer", frozenset({bool}): "boolean", frozenset({float}): "float8"}.get(
            frozenset(kinds), "text"
        )

    # --- with the lake ------------------------------------------------------------------------------------------------

    def get_relation(
        self, database: str | None = None, schema: str | None = None, identifier: str | None = None
    ) -> TemplateRelation | None:
        """The relation of that name; None where the lake has none."""
        del database
        found = {name.lower(): (name, kind) for name, kind in self._lake("look for a relation").relations(str(schema))}
        name, kind = found.get(str(identifier).lower(), (None, None))
        return TemplateRelation(str(schema), name, kind) if name is not None else None

    def load_relation(self, relation: TemplateRelation) -> TemplateRelation | None:
        """The relation as the lake has it."""
        return self.get_relation(relation.database, relation.schema, relation.identifier)

    def list_relations(self, database: str | None = None, schema: str | None = None) -> list[TemplateRelation]:
        """The relations of a schema."""
        del database
        found = self._lake("list relations").relations(str(schema))
        return [TemplateRelation(str(schema), name, kind) for name, kind in found]

    def list_relations_without_caching(self, schema_relation: TemplateRelation) -> list[TemplateRelation]:
        """The relations of a relation's schema."""
        return self.list_relations(None, schema_relation.schema)

    def check_schema_exists(self, database: str, schema: str) -> bool:
        """Whether the lake has a schema."""
        del database
        return bool(self._lake("look for a schema").relations(schema))

    def get_columns_in_relation(self, relation: TemplateRelation) -> list[TemplateColumn]:
        """The columns of a relation; none where it is not there."""
        if not self._executing:
            return []
        if self.load_relation(relation) is None:
            return []
        return self.get_column_schema_from_query(f"select * from {relation.render()}")

    def get_column_schema_from_query(self, sql: str) -> list[TemplateColumn]:
        """The columns of a query."""
        found = self._lake("look at columns").columns(sql, self._reads)
        return [TemplateColumn.of(name, kind) for name, kind in found]

    def get_missing_columns(
        self, from_relation: TemplateRelation, to_relation: TemplateRelation
    ) -> list[TemplateColumn]:
        """The columns that one relation has and another one has not."""
        there = {column.name.lower() for column in self.get_columns_in_relation(to_relation)}
        return [one for one in self.get_columns_in_relation(from_relation) if one.name.lower() not in there]

    def execute(self, sql: str, auto_begin: bool = False, fetch: bool = False) -> tuple[str, ResultTable]:  # noqa: FBT001, FBT002 - dbt's signature
        """Run SQL."""
        del auto_begin, fetch
        return "OK", ResultTable(*self._lake("run a query").query(sql, self._reads))

    def create_schema(self, relation: TemplateRelation) -> str:
        """Create nothing: the schema of a table is made when it is first written."""
        del relation
        return ""

    def commit(self) -> str:
        """Commit nothing: there is no transaction around a template."""
        return ""

    def expand_target_column_types(self, from_relation: TemplateRelation, to_relation: TemplateRelation) -> str:
        """Expand nothing: texts have no limit."""
        del from_relation, to_relation
        return ""

    def drop_relation(self, relation: TemplateRelation) -> str:
        """Refuse: tables of the lake are not dropped by templates."""
        hint = "fsbuild writes tables as a whole or by their keys; delete the folder of one that nobody needs any more"
        raise TemplateError(f"adapter.drop_relation({relation}): a template cannot drop a table of the lake", hint)

    drop_schema = truncate_relation = rename_relation = drop_relation

    @property
    def _executing(self) -> bool:
        return self._context is not None and self._context.is_executing

    @property
    def _reads(self) -> Sequence[str]:
        return tuple(self._context.depends_on) if self._context is not None else ()

    def _lake(self, purpose: str) -> Any:  # noqa: ANN401 - context.Lake, which is a protocol
        if self._context is None:
            raise TemplateError(f"a template cannot {purpose} here")
        if not self._context.is_executing:
            self._context.has_asked = True
            return _Nothing()
        return self._context.asked(purpose)


class _Off:
    """A flag that is off, and so is all that it is asked for."""

    def __getattr__(self, name: str) -> _Off:
        return self

    def __bool__(self) -> bool:
        return False


class _Nothing:
    """The lake while `execute` is false: it has nothing."""

    def relations(self, _schema: str) -> list[tuple[str, str]]:
        return []

    def columns(self, _sql: str, _reads: Sequence[str]) -> list[tuple[str, str]]:
        return []

    def query(self, _sql: str, _reads: Sequence[str]) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
        return (), []
