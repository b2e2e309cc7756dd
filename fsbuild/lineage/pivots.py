"""A relation and its PIVOT or UNPIVOT in, the relation that this makes of it out.

The invariant: the columns are those that the text names. A PIVOT that takes its columns from the data is refused, as
its columns would change with the rows.
"""

from __future__ import annotations

import math

from sqlglot import exp

from fsbuild.lineage.expressions import find_origins, steer
from fsbuild.lineage.projections import project
from fsbuild.lineage.scopes import Column, Scope, Traced, UnknownError, merge, name_source


def trace_pivot(pivot: exp.Pivot, traced: Traced, env: Scope) -> Traced:
    """Trace PIVOT or UNPIVOT; without GROUP BY, a PIVOT groups by the columns that it does not use."""
    scope, args = env.child(), pivot.args
    scope.columns, scope.filters = traced.columns, {*traced.filters}
    scope.sources.append(name_source(None, pivot.this.alias_or_name.lower() if pivot.this else "", traced.columns))
    if args.get("unpivot"):
        return _unpivot(pivot, scope)
    fields, aggregates = args.get("fields") or pivot.expressions, args.get("using") or pivot.expressions
    if fields is aggregates or not all(isinstance(one, exp.In) and one.expressions for one in fields):
        raise UnknownError("PIVOT takes its columns from the data")
    values = [find_origins(aggregate, scope) for aggregate in aggregates]
    used = {c.name.lower() for part in (*aggregates, *(one.this for one in fields)) for c in part.find_all(exp.Column)}
    group = args.get("group")
    groups = (
        [column for key in group.expressions for column in project(key, scope)]
        if group is not None
        else [column for column in traced.columns if column.key not in used]
    )
    for one in fields:
        steer(one.this, scope)
    scope.filters.update(cell for column in groups for cell in column.origins)
    count = math.prod(len(one.expressions) for one in fields)
    names = [i.name for i in args.get("columns") or ()] or [None] * count * len(values)
    made = [Column(name, origins) for name, origins in zip(names, values * count, strict=True)]
    return Traced([*groups, *made], scope.filters)


def _unpivot(pivot: exp.Pivot, scope: Scope) -> Traced:
    """Turn columns into rows: their names into one column, their values into another; NULLs are left out."""
    into = pivot.args.get("into")
    name, values, chosen = (
        (into.this, into.expressions, pivot.expressions)
        if into is not None
        else (pivot.args["fields"][0].this, pivot.expressions, pivot.args["fields"][0].expressions)
    )
    if len(values) != 1 or any(isinstance(one, exp.Tuple) for one in chosen):
        raise UnknownError("UNPIVOT into several columns is not understood")
    turned = [column for one in chosen for column in project(one.unalias(), scope)]
    keys = {column.key for column in turned}
    value = merge(*(column.origins for column in turned))
    scope.filters.update(value)
    rest = [column for column in scope.columns if column.key not in keys]
    return Traced([*rest, Column(name.name, {}), Column(values[0].name, value)], scope.filters)
