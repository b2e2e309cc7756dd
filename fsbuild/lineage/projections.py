"""The items of a SELECT list in, the columns that they make out, and what clauses mean that point at those columns.

The invariant: an output column is found by each way that SQL has to name it - its number, its alias, ALL - so that a
key of GROUP BY, DISTINCT ON or ORDER BY steers by what the column is made of, never by nothing.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence

from sqlglot import exp

from fsbuild.lineage.expressions import expand_star, find_column, find_origins, is_aggregate, require_list, steer
from fsbuild.lineage.scopes import ORDERS, Column, Scope

# What keys stand in, and numbers among them still count columns.
_BRACKETS = (exp.Paren, exp.Tuple, exp.Rollup, exp.Cube, exp.GroupingSets)


def project(projection: exp.Expr, scope: Scope) -> list[Column]:
    """Trace what one item of a SELECT list makes: a column, or several where it has a star or COLUMNS."""
    inner = projection.unalias()
    if isinstance(inner, exp.Star) or (isinstance(inner, exp.Column) and isinstance(inner.this, exp.Star)):
        return expand_star(inner, scope)
    if isinstance(inner, exp.Explode) and projection.find_ancestor(exp.Query) is not projection.root():
        require_list(inner.this, scope)
    origins = find_column(inner, scope) if isinstance(inner, exp.Column) else find_origins(inner, scope)
    if scope.expanded:
        expanded, is_alias = [*scope.expanded], inner is not projection
        scope.expanded.clear()
        each = [(column, find_origins(inner, dataclasses.replace(scope, chosen=column))) for column in expanded]
        return [Column(None if is_alias else column.name, found) for column, found in each]
    if inner is not projection:
        scope.aliases[projection.alias.lower()] = origins
        return [Column(projection.alias, origins)]
    plain = inner.unnest()
    return [Column(plain.name if isinstance(plain, exp.Column) else None, origins)]


def has_aggregate(projection: exp.Expr) -> bool:
    """Whether an item of a SELECT list aggregates, so that GROUP BY ALL does not group by it."""
    return any(is_aggregate(node) for node in projection.walk(prune=lambda node: isinstance(node, exp.Query)))


def order_and_limit(query: exp.Expr, columns: Sequence[Column], scope: Scope) -> None:
    """An order decides about rows together with a limit or DISTINCT ON, and within a query that reads them in order."""
    args = query.args
    chooses = args.get("limit") or args.get("offset") or args.get("distinct")
    if (order := args.get("order")) is not None and (chooses or query.parent is not None):
        keys = [ordered.this for ordered in order.expressions]
        named = {c.key: c for c in reversed(columns)}
        outputs = [named.get(k.name.lower()) if isinstance(k, exp.Column) and not k.table else None for k in keys]
        for column in outputs:
            scope.steer(column.origins if column else {}, ORDERS)
        steer_by([key for key, output in zip(keys, outputs, strict=True) if output is None], columns, scope, ORDERS)
    for clause in ("limit", "offset"):
        steer(args.get(clause), scope)


def steer_by(keys: Iterable[exp.Expr], columns: Sequence[Column], scope: Scope, kind: int) -> None:
    """Let keys steer; a number stands for an output column, ALL for all of them."""
    for key in keys:
        if isinstance(key, _BRACKETS):
            steer_by(key.iter_expressions(), columns, scope, kind)
        elif isinstance(key, exp.Literal) and key.is_int and 0 < int(key.name) <= len(columns):
            scope.steer(columns[int(key.name) - 1].origins, kind)
        elif isinstance(key, exp.Var) and key.name.upper() == "ALL":
            for column in columns:
                scope.steer(column.origins, kind)
        else:
            steer(key, scope, kind)
