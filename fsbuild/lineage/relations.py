"""The items and joins of a FROM clause in; out come the columns that `*` means, and the scope knows each relation.

The invariant: a query reads nothing unseen. Whatever is neither an input, a CTE, a subquery nor a function whose
columns are known is refused, and all that decides which rows a relation has - ON, USING, its own filters - steers.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlglot import exp

from fsbuild.lineage.expressions import find_origins, require_list, steer
from fsbuild.lineage.pivots import trace_pivot
from fsbuild.lineage.scopes import (
    COPIED,
    FILTERS,
    JOINS,
    TRANSFORMED,
    Column,
    Origins,
    Scope,
    Traced,
    UnknownError,
    merge,
    name_source,
    rename,
    steered,
)


def trace_item(item: exp.Expr, scope: Scope) -> Sequence[Column]:
    """Enter an item of FROM into the scope, with all that is joined to it; its columns are what `*` means."""
    if isinstance(item, exp.Subquery) and isinstance(item.this, (exp.Table, exp.Subquery)):
        columns = trace_item(item.this, scope)
    else:
        schema, name, traced = trace_relation(item, scope)
        alias = item.args.get("alias")
        traced = rename(traced, alias)
        for pivot in item.args.get("pivots") or ():
            traced, alias = trace_pivot(pivot, traced, scope), pivot.args.get("alias") or alias
        if alias is not None and alias.name:
            schema, name = None, alias.name.lower()
        source = name_source(schema, name, traced.columns)
        scope.sources.append(source)
        scope.steer(traced.steering)
        columns = source.columns
    for join in item.args.get("joins") or ():
        columns = trace_join(columns, join, scope)
    return columns


def trace_relation(item: exp.Expr, scope: Scope) -> tuple[str | None, str, Traced]:
    """Trace what an item of FROM reads: the schema and name by which columns may refer to it, and its columns."""
    if isinstance(item, exp.Table) and isinstance(item.this, exp.Identifier):
        name, schema = item.name.lower(), item.db.lower()
        if not schema and name in scope.ctes:
            return None, name, scope.ctes[name]()
        read = scope.inputs.get((schema, name))
        if read is None or item.catalog:
            raise UnknownError(f"it reads '{item.name}', which is none of its inputs")
        return schema, name, Traced([Column(c.name, {(read.unique_id, c.name): COPIED}) for c in read.columns])
    if isinstance(item, exp.Table):
        return trace_relation(item.this, scope)
    if isinstance(item, exp.Lateral):
        return trace_relation(item.this, scope)
    if isinstance(item, (exp.Unnest, exp.GenerateSeries)):
        return _generated(item, scope)
    if isinstance(item, (exp.Query, exp.Values)):
        return None, "", scope.trace_query(item, scope)
    raise UnknownError(f"the columns of {item.name or item.key}() are not known")


def _generated(item: exp.Unnest | exp.GenerateSeries, scope: Scope) -> tuple[None, str, Traced]:
    """Trace a function that makes rows: its arguments make the values, and how many there are."""
    if isinstance(item, exp.Unnest):
        name, arguments = "unnest", item.expressions
        for argument in arguments:
            require_list(argument, scope)
    else:
        name, arguments = ("range" if item.args.get("is_end_exclusive") else "generate_series"), [item]
    values = [merge(find_origins(argument, scope), at_least=TRANSFORMED) for argument in arguments]
    columns = [Column(name, origins) for origins in values]
    if (offset := item.args.get("offset")) is not None:
        # sqlglot takes the last name of `AS t(a, b)` for the number's.
        columns.append(Column(offset.name if isinstance(offset, exp.Identifier) else "ordinality", {}))
    return None, name, Traced(columns, steered(merge(*values), FILTERS))


def trace_join(left: Sequence[Column], join: exp.Join, scope: Scope) -> Sequence[Column]:
    """Enter the right side of a join into the scope; the columns are what `*` means after it."""
    before = len(scope.sources)
    right = trace_item(join.this, scope)
    steer(join.args.get("on"), scope, JOINS)
    lefts, rights = ({c.key: c.origins for c in reversed(side) if c.key is not None} for side in (left, right))
    keys = [identifier.name.lower() for identifier in join.args.get("using") or ()]
    if join.method == "NATURAL":
        keys = [key for key in lefts if key in rights]
    if any(key not in lefts or key not in rights for key in keys):
        raise UnknownError("a column of USING cannot be found")
    merged = {key: _merge_sides(lefts[key], rights[key], join) for key in keys}
    for key in keys:
        scope.steer(merge(lefts[key], rights[key]), JOINS)
    scope.merged.update(merged)
    kept = [Column(c.name, merged[c.key]) if c.key in merged else c for c in left]
    if join.kind in ("SEMI", "ANTI"):
        del scope.sources[before:]
        return kept
    return [*kept, *(c for c in right if c.key not in merged)]


def _merge_sides(left: Origins, right: Origins, join: exp.Join) -> Origins:
    """What a column of USING is: the side that always has a row, either where they are equal, or a coalesce."""
    if join.side == "FULL":
        return merge(left, right, at_least=TRANSFORMED)
    if join.side == "RIGHT":
        return right
    return left if join.side or join.kind in ("SEMI", "ANTI") or join.method == "ASOF" else merge(left, right)
