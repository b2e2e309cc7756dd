"""A relation and its PIVOT or UNPIVOT in, the relation that this makes of it out.

The invariant: the columns are those that the text names. A PIVOT that takes its columns from the data is refused, as
its columns would change with the rows.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from sqlglot import exp

from fsbuild.lineage.expressions import find_origins
from fsbuild.lineage.projections import project
from fsbuild.lineage.scopes import FILTERS, GROUPS, Column, Scope, Traced, UnknownError, merge, name_source, steered


def trace_pivot(pivot: exp.Pivot, traced: Traced, env: Scope) -> Traced:
    """Trace PIVOT or UNPIVOT; without GROUP BY, a PIVOT groups by the columns that it does not use."""
    scope, args = env.child(), pivot.args
    scope.columns, scope.steering = traced.columns, {**traced.steering}
    scope.sources.append(name_source(None, pivot.this.alias_or_name.lower() if pivot.this else "", traced.columns))
    if args.get("unpivot"):
        return _unpivot(pivot, scope)
    fields, aggregates = args.get("fields") or pivot.expressions, args.get("using") or pivot.expressions
    if fields is aggregates or not all(isinstance(one, exp.In) and one.expressions for one in fields):
        raise UnknownError("PIVOT takes its columns from the data")
    # The fields decide which rows an aggregate sees; a row is there for each group whatever they hold.
    chosen = steered(merge(*(find_origins(one.this, scope) for one in fields)), FILTERS)
    values = [merge(find_origins(aggregate, scope), chosen) for aggregate in aggregates]
    used = {c.name.lower() for part in (*aggregates, *(one.this for one in fields)) for c in part.find_all(exp.Column)}
    group = args.get("group")
    groups = (
        [column for key in group.expressions for column in project(key, scope)]
        if group is not None
        else [column for column in traced.columns if column.key not in used]
    )
    scope.steer(merge(*(column.origins for column in groups)), GROUPS)
    made = [
        Column(_made_name(combined, aggregate, len(aggregates)), origins)
        for combined in itertools.product(*(one.expressions for one in fields))
        for aggregate, origins in zip(aggregates, values, strict=True)
    ]
    return Traced([*groups, *made], scope.steering)


def _made_name(combined: Sequence[exp.Expr], aggregate: exp.Expr, count: int) -> str | None:
    """Name a column as the engine does: 1, 1_x, 1_total; None where that is a text that only the engine knows."""
    parts = [_value_name(value) for value in combined]
    if aggregate.alias or count > 1:
        parts.append(aggregate.alias or None)
    return None if None in parts else "_".join(part for part in parts if part is not None)


def _value_name(value: exp.Expr) -> str | None:
    if isinstance(value, exp.Neg) and isinstance(value.this, exp.Literal):
        return f"-{value.name}"
    is_plain = isinstance(value, (exp.Literal, exp.Column, exp.Identifier))
    return value.alias or ("NULL" if isinstance(value, exp.Null) else value.name if is_plain else None)


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
    if not pivot.args.get("include_nulls"):
        scope.steer(value)
    rest = [column for column in scope.columns if column.key not in keys]
    return Traced([*rest, Column(name.name, {}), Column(values[0].name, value)], scope.steering)
