"""An expression and the scope around it in, what its value is made of and what steers it out.

The invariant: every part of an expression is a value, steers, or is refused. What is in no table here counts as a
transformation of all that is in it, so that a function that we have never heard of loses no edge.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlglot import exp
from sqlglot.helper import ensure_list

from fsbuild.lineage.scopes import (
    AGGREGATED,
    COPIED,
    FILTERS,
    ORDERS,
    PARTITIONS,
    TRANSFORMED,
    VALUES,
    Column,
    Origins,
    Scope,
    UnknownError,
    look_up,
    merge,
    steered,
)

# Aggregates of DuckDB that sqlglot reads as plain functions; a test compares them with the engine's own list.
AGGREGATES = {
    *("arbitrary", "arg_max_null", "arg_max_nulls_last", "arg_min_null", "arg_min_nulls_last", "bitstring_agg"),
    *("count_star", "entropy", "favg", "fill", "fsum", "histogram", "histogram_exact", "kahan_sum", "kurtosis_pop"),
    *("mad", "mean", "product", "rank_dense", "reservoir_quantile", "sem", "sum_no_overflow", "sumkahan"),
}
# What steers a window, and how; `spec` bounds the frame of rows that it sees.
_OVER = (("partition_by", PARTITIONS), ("order", ORDERS), ("spec", FILTERS))
# What `unnest` makes one column of; a struct would become one column for each of its fields.
_LISTS = (exp.Array, exp.ArrayAgg, exp.ArrayDistinct, exp.ArrayFilter, exp.GenerateSeries, exp.Split, exp.Transform)


def find_origins(expression: exp.Expr, scope: Scope) -> Origins:
    """Find what the value of an expression depends on; only what makes rows on the way steers those of the scope."""
    found: Origins = {}
    stack = [(expression, COPIED)]
    while stack:
        node, rank = stack.pop()
        special = _SPECIAL.get(type(node))
        if special is not None:
            for cell, ways in special(node, scope).items():
                found[cell] = found.get(cell, 0) | (ways | rank if ways & VALUES else ways)
            continue
        rank = max(rank, _strength(node))
        stack += [(child, rank) for child in node.iter_expressions()]
    return found


def steer(expression: exp.Expr | None, scope: Scope, kind: int = FILTERS) -> None:
    """Let all that an expression depends on steer the rows of the scope."""
    if expression is not None:
        scope.steer(find_origins(expression, scope), kind)


def _strength(node: exp.Expr) -> int:
    """What an expression does to the values in it."""
    if isinstance(node, (exp.Paren, exp.Alias)):
        return COPIED
    return AGGREGATED if is_aggregate(node) else TRANSFORMED


def is_aggregate(node: exp.Expr) -> bool:
    """Whether a call makes one value of many rows."""
    is_named_so = isinstance(node, exp.Anonymous) and node.name.lower() in AGGREGATES
    return is_named_so or isinstance(node, (exp.AggFunc, exp.WithinGroup))


def expand_star(star: exp.Expr, scope: Scope) -> list[Column]:
    """Expand `*` or `t.*` with EXCLUDE, REPLACE and RENAME."""
    columns, star = (_row(star, scope), star.this) if isinstance(star, exp.Column) else (scope.columns, star)
    excluded, args = star.args.get("except_") or (), star.args
    if args.get("ilike") or any(isinstance(one, exp.Column) and one.table for one in excluded):
        raise UnknownError("a star with conditions is not understood")
    gone = {one.name.lower() for one in excluded}
    replaced = {one.alias.lower(): find_origins(one.this, scope) for one in args.get("replace") or ()}
    renamed = {one.this.name.lower(): one.alias for one in args.get("rename") or ()}
    return [
        Column(renamed.get(c.key or "", c.name), replaced.get(c.key or "", c.origins))
        for c in columns
        if c.key not in gone
    ]


def _row(star: exp.Column, scope: Scope) -> Sequence[Column]:
    found = [source for source in scope.sources if source.name == star.table.lower()]
    if len(found) != 1:
        raise UnknownError(f"'{star.table}.*' cannot be resolved")
    return found[0].columns


def require_list(argument: exp.Expr, scope: Scope) -> None:
    """Refuse to unnest what may be a struct, which becomes one column for each of its fields."""
    if isinstance(argument, exp.Column):
        types = {(i.unique_id, c.name): c.type for i in scope.inputs.values() for c in i.columns}
        origins = find_origins(argument, scope)
        if origins and all(types[cell].endswith("]") and ways == COPIED for cell, ways in origins.items()):
            return
    elif isinstance(argument, _LISTS):
        return
    raise UnknownError("it unnests what may be a struct")


def _resolve(parts: Sequence[str], scope: Scope) -> Origins:
    found = look_up(parts, scope)
    if found is None:
        raise UnknownError(f"column '{'.'.join(parts)}' cannot be resolved")
    return found


def find_column(node: exp.Column, scope: Scope) -> Origins:
    """Find where a column comes from, or the row that `t.*` is as a value."""
    if isinstance(node.this, exp.Star):
        return merge(*(column.origins for column in _row(node, scope)), at_least=TRANSFORMED)
    return _resolve([part.name.lower() for part in node.parts], scope)


def _dot(node: exp.Expr, scope: Scope) -> Origins:
    """Trace `value.field` and `value.function(…)`, whose value may be a column that is written as mere names."""
    rank, methods, parts = TRANSFORMED, [], []
    while isinstance(node, exp.Dot):
        if isinstance(node.expression, exp.Identifier):
            parts.append(node.expression.name.lower())
        else:
            methods.append(find_origins(node.expression, scope))
            by_name = exp.FUNCTION_BY_NAME.get(node.expression.name.upper())
            is_known_so = by_name is not None and issubclass(by_name, exp.AggFunc)
            rank, parts = AGGREGATED if is_known_so or is_aggregate(node.expression) else rank, []
        node = node.this
    names = [node.name.lower(), *reversed(parts)]
    value = _resolve(names, scope) if isinstance(node, exp.Identifier) else find_origins(node, scope)
    return merge(value, *methods, at_least=rank)


def _subquery(node: exp.Expr, scope: Scope) -> Origins:
    """A query as a value: which rows it has steers that value alone."""
    traced = scope.trace_query(node, scope)
    return merge(*(column.origins for column in traced.columns), traced.steering)


def _exists(node: exp.Expr, scope: Scope) -> Origins:
    """EXISTS is made of nothing; what steers the rows of its query steers it."""
    return scope.trace_query(node.this, scope).steering


def _window(node: exp.Window, scope: Scope) -> Origins:
    return merge(merge(find_origins(node.this, scope), at_least=AGGREGATED), _over(node, scope))


def _over(window: exp.Window, scope: Scope) -> Origins:
    """What steers a window function; a named window means what its definition means where the name is used."""
    found = [
        steered(find_origins(part, scope), kind) for name, kind in _OVER for part in ensure_list(window.args.get(name))
    ]
    if (name := window.args.get("alias")) is not None:
        named = scope.find_window(name.name.lower())
        if named is None:
            raise UnknownError(f"window '{name.name}' cannot be resolved")
        found.append(_over(named, scope))
    return merge(*found)


def _filter(node: exp.Filter, scope: Scope) -> Origins:
    return merge(find_origins(node.this, scope), steered(find_origins(node.expression, scope), FILTERS))


def _order(node: exp.Order, scope: Scope) -> Origins:
    """Trace the ORDER BY in an aggregate: `this` is the value, and there is none WITHIN GROUP (ORDER BY value)."""
    keys = merge(*(find_origins(key, scope) for key in node.expressions))
    return keys if node.this is None else merge(find_origins(node.this, scope), steered(keys, ORDERS))


def _count(node: exp.Expr, scope: Scope) -> Origins:
    """The star of count(*) is not a value."""
    values = [child for child in node.iter_expressions() if not child.is_star]
    return merge(*(find_origins(value, scope) for value in values), at_least=AGGREGATED)


def _unnested(node: exp.Expr, scope: Scope) -> Origins:
    """Unnesting makes as many rows of each row as there are values."""
    origins = merge(*(find_origins(child, scope) for child in node.iter_expressions()), at_least=TRANSFORMED)
    scope.steer(origins)
    return origins


def _lambda(node: exp.Expr, scope: Scope) -> Origins:
    """Trace `x -> x + a`. sqlglot reads the JSON path `a -> '$.b'` as one too, so that `a` may be a column."""
    names = {p.name.lower(): look_up([p.name.lower()], scope) or {} for p in node.expressions}
    inner = dataclasses.replace(scope, merged={**scope.merged, **names})
    return merge(*names.values(), find_origins(node.this, inner), at_least=TRANSFORMED)


def _comprehension(node: exp.Expr, scope: Scope) -> Origins:
    inner = dataclasses.replace(scope, merged={**scope.merged, node.expression.name.lower(): {}})
    inside = [find_origins(part, inner) for part in (node.this, node.args.get("condition")) if part is not None]
    return merge(find_origins(node.args["iterator"], scope), *inside, at_least=TRANSFORMED)


def _columns(node: exp.Columns, scope: Scope) -> Origins:
    """Trace COLUMNS: one of the columns that it stands for, or the first time all of them, noting which they are."""
    if scope.chosen is not None and not node.args.get("unpack"):
        return scope.chosen.origins
    matching = _matching(node.this, scope)
    if not node.args.get("unpack"):
        scope.expanded[:] = matching
    return merge(*(column.origins for column in matching))


def _matching(pattern: exp.Expr, scope: Scope) -> list[Column]:
    if pattern.is_star:
        return expand_star(pattern, scope)
    if isinstance(pattern, exp.Literal) and all(column.name is not None for column in scope.columns):
        return [column for column in scope.columns if re.search(pattern.name, column.name or "")]
    raise UnknownError("COLUMNS of an expression is not understood")


def _refused(node: exp.Expr, _: Scope) -> Origins:
    raise UnknownError(f"{node.sql('duckdb')} is not understood here")


_SPECIAL: Mapping[type[exp.Expr], Callable[[Any, Scope], Origins]] = {
    exp.Column: find_column,
    exp.Dot: _dot,
    exp.Select: _subquery,
    exp.Subquery: _subquery,
    exp.Union: _subquery,
    exp.Intersect: _subquery,
    exp.Except: _subquery,
    exp.Exists: _exists,
    exp.Window: _window,
    exp.Filter: _filter,
    exp.Order: _order,
    exp.Count: _count,
    exp.Explode: _unnested,
    exp.Lambda: _lambda,
    exp.Comprehension: _comprehension,
    exp.Columns: _columns,
    exp.Star: _refused,
    exp.PositionalColumn: _refused,
}
