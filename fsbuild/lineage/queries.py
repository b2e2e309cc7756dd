"""A query and the scope around it in, the columns that it has and the cells that steer its rows out.

The invariant: every clause of a SELECT is traced or refused. A CTE that is read twice is traced once, and a recursive
one until another round adds nothing.
"""

from __future__ import annotations

import functools

from sqlglot import exp

from fsbuild.lineage.expressions import find_origins, steer
from fsbuild.lineage.pivots import trace_pivot
from fsbuild.lineage.projections import has_aggregate, order_and_limit, project, steer_by
from fsbuild.lineage.relations import trace_item, trace_join, trace_relation
from fsbuild.lineage.scopes import (
    FILTERS,
    GROUPS,
    Column,
    Scope,
    Traced,
    UnknownError,
    merge,
    name_source,
    rename,
    steered,
)

# The clauses of a SELECT that are traced; `sample` picks rows without looking at them.
_CLAUSES = {
    *("with_", "expressions", "from_", "joins", "where", "group", "having", "qualify", "windows", "distinct"),
    *("order", "limit", "offset", "sample"),
}


def trace_query(query: exp.Expr, outer: Scope, recursive: exp.TableAlias | None = None) -> Traced:
    """Trace a query within what is around it; `recursive` is the name by which a recursive CTE reads itself."""
    env = outer
    if (with_ := query.args.get("with_")) is not None:
        for cte in with_.expressions:
            trace = functools.cache(functools.partial(_trace_cte, cte, env, bool(with_.args.get("recursive"))))
            env = env.child({**env.ctes, cte.alias.lower(): trace})
    if isinstance(query, exp.Select):
        return _trace_select(query, env)
    scope = env.child()
    if isinstance(query, exp.SetOperation):
        traced = _trace_set_operation(query, env, recursive)
    elif isinstance(query, exp.Subquery):
        traced = trace_query(query.this, env)
    elif isinstance(query, exp.Values):
        rows = [[find_origins(value, scope) for value in row.expressions] for row in query.expressions]
        columns = [Column(f"col{i}", merge(*cells)) for i, cells in enumerate(zip(*rows, strict=True))]
        traced = Traced(columns, scope.steering)
    elif isinstance(query, exp.Pivot):
        traced = trace_pivot(query, trace_relation(query.this, env)[2], env)
    else:
        raise UnknownError(f"{query.key.upper()} is not understood")
    scope = env.child()
    scope.sources.append(name_source(None, "", traced.columns))
    scope.steer(traced.steering)
    order_and_limit(query, traced.columns, scope)
    return Traced(traced.columns, scope.steering)


def _trace_cte(cte: exp.CTE, env: Scope, is_recursive: bool) -> Traced:  # noqa: FBT001 - bound by partial
    alias = cte.args["alias"]
    if cte.args.get("key_expressions"):
        raise UnknownError("a recursive query with USING KEY is not understood")
    return rename(trace_query(cte.this, env, alias if is_recursive else None), alias)


def _trace_set_operation(query: exp.SetOperation, env: Scope, recursive: exp.TableAlias | None) -> Traced:
    left = trace_query(query.this, env)
    if recursive is None:
        return _combine(query, left, trace_query(query.expression, env))
    # A recursive CTE is the fixed point: its rows may pass through the recursive part any number of times.
    while True:
        itself = functools.partial(rename, left, recursive)
        scope = env.child({**env.ctes, recursive.name.lower(): itself})
        traced = _combine(query, left, trace_query(query.expression, scope))
        if traced == left:
            return traced
        left = traced


def _combine(query: exp.SetOperation, left: Traced, right: Traced) -> Traced:
    """Combine two relations by the position of their columns, or by name; the names are the left one's."""
    steering = merge(left.steering, right.steering)
    if query.args.get("by_name"):
        right_names, left_names = [c.key for c in right.columns], [c.key for c in left.columns]
        if None in (*left_names, *right_names):
            raise UnknownError("UNION BY NAME of columns without a name")
        added = [column for column in right.columns if column.key not in left_names]
        pairs = [(c, right.columns[right_names.index(c.key)] if c.key in right_names else None) for c in left.columns]
        pairs += [(column, None) for column in added]
    elif len(left.columns) == len(right.columns):
        pairs = list(zip(left.columns, right.columns, strict=True))
    else:
        raise UnknownError(f"the sides of a {query.key} have different numbers of columns")
    is_union = isinstance(query, exp.Union)
    if query.args.get("distinct") or not is_union:
        # A union drops duplicates as grouping does; EXCEPT and INTERSECT keep rows by what the other side has.
        compared = merge(*(column.origins for column in (*left.columns, *right.columns)))
        steering = merge(steering, steered(compared, GROUPS if is_union else FILTERS))
    columns = [Column(a.name, merge(a.origins, b.origins) if b and is_union else a.origins) for a, b in pairs]
    return Traced(columns, steering)


def _trace_select(select: exp.Select, env: Scope) -> Traced:
    scope, args = env.child(), select.args
    if (from_ := args.get("from_")) is not None:
        scope.columns = trace_item(from_.this, scope)
    for join in args.get("joins") or ():
        scope.columns = trace_join(scope.columns, join, scope)
    if strange := {clause for clause, value in args.items() if value} - _CLAUSES:
        raise UnknownError(f"the clause {min(strange).upper()} is not understood")
    scope.windows = {window.name.lower(): window for window in args.get("windows") or ()}
    projected = [(projection, project(projection, scope)) for projection in select.expressions]
    columns = [column for _, made in projected for column in made]
    for clause in ("where", "having", "qualify"):
        steer(args.get(clause), scope)
    # HAVING prefers an alias to a column that is not grouped by; both are taken, as that is the engine's to know.
    if (having := args.get("having")) is not None:
        names = {column.name.lower() for column in having.find_all(exp.Column)}
        for name in names:
            scope.steer(scope.aliases.get(name, {}))
    if (group := args.get("group")) is not None:
        keys = [c for made in projected if group.args.get("all") and not has_aggregate(made[0]) for c in made[1]]
        for column in keys:
            scope.steer(column.origins, GROUPS)
        steer_by(group.expressions, columns, scope, GROUPS)
    if (distinct := args.get("distinct")) is not None:
        on = distinct.args.get("on")
        steer_by(on.expressions if on else [exp.var("ALL")], columns, scope, GROUPS)
    order_and_limit(select, columns, scope)
    return Traced(columns, scope.steering)
