"""A query in, the same query out in a form in which every name is resolved.

Views are inlined, stars expanded, columns qualified by the relation that they come from and typed, and CTEs inlined.
What could change its meaning on the way is refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlglot import exp
from sqlglot.dialects.duckdb import DuckDB
from sqlglot.errors import SqlglotError
from sqlglot.optimizer.annotate_types import annotate_types
from sqlglot.optimizer.qualify import qualify
from sqlglot.schema import MappingSchema

from fsbuild.values import ColumnType, Relation

_Key = tuple[str, str]
# Constructs whose rows depend on more than values: a sample, a choice of columns by name, a list that grows.
_REFUSED: Mapping[type[exp.Expr], str] = {
    exp.TableSample: "it takes a sample",
    exp.Pivot: "it pivots",
    exp.Columns: "it chooses columns by a pattern",
    exp.Placeholder: "it has parameters",
}


class UnprovableError(Exception):
    """That an increment equals a full refresh cannot be proven; the message says why."""


def resolve_query(
    sql: str, tables: Mapping[str, tuple[Relation, Sequence[ColumnType]]], views: Mapping[Relation, str]
) -> exp.Query:
    """Resolve a query over `tables` (by unique id) and `views` (the SQL of each); its tables carry `meta["input"]`.

    Raises:
        UnprovableError: the query, or a view that it reads, has something that cannot be resolved with certainty.
    """
    by_view = {_key(relation.schema, relation.identifier): text for relation, text in views.items()}
    tree = _inline_views(_parse(sql), by_view, ())
    for kind, reason in _REFUSED.items():
        if tree.find(kind) is not None:
            raise UnprovableError(reason)
    for select in tree.find_all(exp.Select):
        _refuse_merged_names(select)
    schema: dict[str, Any] = {}
    ids: dict[_Key, str] = {}
    for unique_id, (relation, columns) in tables.items():
        key = _key(relation.schema, relation.identifier)
        ids[key] = unique_id
        schema.setdefault(key[0], {})[key[1]] = {column.name.lower(): column.type for column in columns}
    try:
        known = MappingSchema(schema, dialect=DuckDB())
        resolved = annotate_types(qualify(tree, schema=known, dialect="duckdb"), schema=known, dialect="duckdb")
    except SqlglotError as exc:
        raise UnprovableError(f"its names cannot be resolved: {str(exc).splitlines()[0]}") from exc
    for table in resolved.find_all(exp.Table):
        if (found := ids.get(_key(table.db, table.name))) is not None:
            table.meta["input"] = found
    if not isinstance(resolved, exp.Query):
        raise UnprovableError("it is not a query")
    _inline_ctes(resolved, {})
    return resolved


def _key(schema: str, name: str) -> _Key:
    return schema.lower(), name.lower()


def _parse(sql: str) -> exp.Expr:
    try:
        trees = DuckDB().parse(sql)
    except SqlglotError as exc:
        raise UnprovableError(f"sqlglot cannot read it: {str(exc).splitlines()[0]}") from exc
    if len(trees) != 1 or trees[0] is None:
        raise UnprovableError("it is not one query")
    return trees[0]


def _inline_views(tree: exp.Expr, views: Mapping[_Key, str], within: tuple[_Key, ...]) -> exp.Expr:
    """Put each view's query in the place of its name."""
    for table in list(tree.find_all(exp.Table)):
        key = _key(table.db, table.name)
        if key in views and key not in within:
            query = _inline_views(_parse(views[key]), views, (*within, key))
            alias = table.args.get("alias") or exp.TableAlias(this=exp.to_identifier(table.name))
            table.replace(exp.Subquery(this=query, alias=alias.copy()))
    return tree


def _refuse_merged_names(select: exp.Select) -> None:
    """Refuse USING behind an outer join that may lack the column on its left side: there it means a COALESCE."""
    is_behind_outer = False
    for join in select.args.get("joins") or ():
        if (is_behind_outer or join.method == "ASOF") and (join.args.get("using") or join.method == "NATURAL"):
            raise UnprovableError("it has a join with USING that is an ASOF join, or behind an outer join")
        is_behind_outer = is_behind_outer or join.side in ("RIGHT", "FULL")


def _inline_ctes(query: exp.Expr, around: Mapping[str, exp.Query]) -> None:
    """Put the query of each CTE in the place of its name, in place."""
    known = dict(around)
    with_ = query.args.get("with_") if isinstance(query, exp.Query) else None
    if with_ is not None:
        if with_.args.get("recursive"):
            raise UnprovableError("it is recursive")
        for cte in with_.expressions:
            _inline_ctes(cte.this, known)
            known[cte.alias] = cte.this
        query.set("with_", None)
    for child in list(_nearest(query)):
        if isinstance(child, exp.Table):
            if not child.db and child.name in known:
                alias = child.args.get("alias") or exp.TableAlias(this=exp.to_identifier(child.name))
                child.replace(exp.Subquery(this=known[child.name].copy(), alias=alias.copy()))
        else:
            _inline_ctes(child, known)


def _nearest(query: exp.Expr) -> list[exp.Expr]:
    """The tables and queries inside a node that are not inside another query."""
    found: list[exp.Expr] = []
    pending = list(query.iter_expressions())
    for node in pending:
        is_plain = isinstance(node, exp.Subquery) and node.args.get("with_") is None
        if isinstance(node, exp.Table | exp.Query) and not is_plain:
            found.append(node)
        else:
            pending.extend(node.iter_expressions())
    return found
