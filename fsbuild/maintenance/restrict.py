"""A resolved query and keys of its result in, the same query over only those rows of its inputs that the keys need out.

The result is filtered by the keys in any case; restricting the inputs only saves work. It is done where it changes
nothing about the rows that have such a key.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlglot import exp

from fsbuild.maintenance.clauses import (
    Joined,
    Row,
    blocked,
    has,
    inputs_in,
    is_over,
    is_same_type,
    partition_of,
    projection,
    row_of,
)
from fsbuild.maintenance.resolve import UnprovableError
from fsbuild.maintenance.touched import side_of

Keys = Mapping[int, exp.Expr]  # by the number of the key column
_KEYS = "fsbuild_keys"


def restrict_query(query: exp.Expr, names: Mapping[int, str], keys: exp.Table) -> None:
    """Restrict a query's inputs, in place, to rows that can have one of the `keys` (k0, k1 and so on)."""
    while isinstance(query, exp.Subquery):
        query = query.this
    if isinstance(query, exp.SetOperation):
        if any(query.args.get(clause) for clause in ("by_name", "limit", "offset")):
            return
        left, right = query.this.selects, query.expression.selects
        columns = [column.alias_or_name for column in left]
        positions = {at: columns.index(name) for at, name in names.items() if columns.count(name) == 1}
        positions = {at: p for at, p in positions.items() if is_same_type(left[p], right[p])}
        for branch in (query.this, query.expression):
            restrict_query(branch, {at: branch.selects[p].alias_or_name for at, p in positions.items()}, keys)
    elif isinstance(query, exp.Select):
        try:
            row = row_of(query)
            projected = {at: projection(query, name) for at, name in names.items()}
        except UnprovableError:
            return
        aliases = row.aliases(len(row.joined))
        kept = {at: key for at, key in projected.items() if blocked(query, key) is None and is_over(key, aliases)}
        partition = partition_of(query)
        if partition is None:
            _restrict_row(row, len(row.joined), kept, keys)
        elif inside := {at: key for at, key in kept.items() if has(partition, key)}:
            _restrict_row(row, len(row.joined), inside, keys)
        elif kept and partition and all(is_over(part, aliases) and not blocked(query, part) for part in partition):
            _restrict_partitions(query, kept, partition, keys)


def _restrict_partitions(select: exp.Select, wanted: Keys, partition: Sequence[exp.Expr], keys: exp.Table) -> None:
    """Keep the rows of the partitions in which a row has one of the keys."""
    rows = exp.Select(expressions=[exp.alias_(part.copy(), f"p{at}", quoted=True) for at, part in enumerate(partition)])
    rows.set("from_", select.args["from_"].copy())
    rows.set("joins", [*(join.copy() for join in select.args.get("joins") or ()), semi_join(keys, wanted)])
    rows.set("distinct", exp.Distinct())
    alias = "fsbuild_partitions"
    named = exp.TableAlias(this=exp.to_identifier(alias, quoted=True))
    on = exp.and_(
        *(
            exp.NullSafeEQ(this=part.copy(), expression=exp.column(f"p{at}", table=alias, quoted=True))
            for at, part in enumerate(partition)
        )
    )
    select.append("joins", exp.Join(this=exp.Subquery(this=rows, alias=named), kind="SEMI", on=on))


def _restrict_row(row: Row, count: int, wanted: Keys, keys: exp.Table) -> None:
    if not wanted or not count:
        return
    one = row.joined[count - 1]
    if count == 1:
        _restrict_relation(one, wanted, keys)
        return
    both = {at: side_of(key, one, row.aliases(count - 1)) for at, key in wanted.items()}
    left = {at: side for at, (side, _) in both.items() if side is not None}
    right = {at: side for at, (_, side) in both.items() if side is not None}
    if one.kind == "full":
        # A row of one side that loses its match would be there alone.
        left = {at: side for at, side in left.items() if at in right}
        right = {at: side for at, side in right.items() if at in left}
    elif one.kind == "right":
        left = {at: side for at, side in left.items() if at in right}
    elif one.kind != "inner":
        right = {at: side for at, side in right.items() if at in left}
    _restrict_row(row, count - 1, left, keys)
    _restrict_relation(one, right, keys)


def _restrict_relation(one: Joined, wanted: Keys, keys: exp.Table) -> None:
    if not wanted or not inputs_in(one.node):
        return
    if isinstance(one.node, exp.Table):
        alias = one.node.args["alias"].copy()
        rows = exp.Select(expressions=[exp.Column(this=exp.Star(), table=exp.to_identifier(one.alias, quoted=True))])
        rows.set("from_", exp.From(this=one.node.copy()))
        rows.append("joins", semi_join(keys, wanted))
        one.node.replace(exp.Subquery(this=rows, alias=alias))
        return
    names = {at: key.name for at, key in wanted.items() if isinstance(key, exp.Column)}
    if names:
        restrict_query(one.node, names, keys)


def without_nulls(query: exp.Query) -> exp.Query:
    """Compare with the keys, in place, as can be done where none of them is NULL."""
    for same in list(query.find_all(exp.NullSafeEQ)):
        if isinstance(same.expression, exp.Column) and same.expression.table == _KEYS:
            same.replace(exp.EQ(this=same.this, expression=same.expression))
    return query


def semi_join(keys: exp.Table, wanted: Keys) -> exp.Join:
    """Join that keeps the rows with one of the keys."""
    some = exp.Select(expressions=[exp.column(f"k{at}", quoted=True) for at in wanted], distinct=exp.Distinct()).from_(
        keys.copy()
    )
    on = exp.and_(
        *(
            exp.NullSafeEQ(this=key.copy(), expression=exp.column(f"k{at}", table=_KEYS, quoted=True))
            for at, key in wanted.items()
        )
    )
    named = exp.TableAlias(this=exp.to_identifier(_KEYS, quoted=True))
    return exp.Join(this=exp.Subquery(this=some, alias=named), kind="SEMI", on=on)
