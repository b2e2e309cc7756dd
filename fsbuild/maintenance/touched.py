"""A resolved query and columns of its result in, queries for the values of these columns that changes may touch, out.

What is proven, for a relation R, columns C and changes of the inputs: where a value v of C is not among the touched
ones, R has the same rows with C = v before and after. It holds for an input, whose changed rows are at hand, and each
operator keeps it:

- a projection or filter of rows; a deterministic expression over C;
- GROUP BY and DISTINCT ON, where C is among what they group by; set operations, column by column;
- windows, where C is among what they partition by; otherwise the rows of a touched partition are touched with it;
- a join, where C comes of one side (of the preserved one, if the join is an outer one). Changes of the other side touch
  the values that equal them, or those of the rows that they are joined to: rows with C = v are the same before and
  after on the side of C, so that reading that side as it is now is enough;
- a subquery in an expression, as a join to the rows that its correlated equalities choose.

Everything else is refused, with the reason.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from sqlglot import exp

from fsbuild.maintenance.clauses import (
    Joined,
    Pair,
    Row,
    bare,
    blocked,
    equalities,
    has,
    inputs_in,
    is_over,
    is_same_type,
    partition_of,
    projection,
    row_of,
)
from fsbuild.maintenance.resolve import UnprovableError

# For each input, the queries for what its changes touch, with the columns k0, k1, …; or why that cannot be told.
Side = tuple[exp.Expr | None, exp.Expr | None]
Touched = dict[str, "list[exp.Select] | str"]


@dataclass(slots=True)
class Changes:
    """Names the changed rows of an input; `widened` counts where whole partitions are touched for single rows."""

    of: Callable[[str], exp.Table]
    widened: int = 0


def touched_values(query: exp.Expr, names: Sequence[str], changes: Changes) -> Touched:
    """Tell which values of the columns `names` changes of each input touch; `changes` names the changed rows."""
    while isinstance(query, exp.Subquery) and not query.args.get("joins"):
        query = query.this
    try:
        if isinstance(query, exp.SetOperation):
            return _touched_set(query, names, changes)
        if isinstance(query, exp.Select):
            return _touched_select(query, names, changes)
    except UnprovableError as exc:
        return dict.fromkeys(inputs_in(query), str(exc))
    return dict.fromkeys(inputs_in(query), f"it has a {query.key.upper()}")


def _touched_set(query: exp.SetOperation, names: Sequence[str], changes: Changes) -> Touched:
    if query.args.get("by_name") or query.args.get("limit") or query.args.get("offset"):
        raise UnprovableError("it combines queries by name, or limits what it combines")
    branches = [_unwrapped(query.this), _unwrapped(query.expression)]
    positions = [_position(branches[0], name) for name in names]
    found = []
    for branch in branches:
        columns = branch.selects
        found.append(touched_values(branch, [columns[at].alias_or_name for at in positions], changes))
    for at in positions:
        if not is_same_type(branches[0].selects[at], branches[1].selects[at]):
            raise UnprovableError(
                f"column '{branches[0].selects[at].alias_or_name}' has several types in a set operation"
            )
    return _merged(found)


def _unwrapped(query: exp.Expr) -> exp.Query:
    while isinstance(query, exp.Subquery):
        query = query.this
    if not isinstance(query, exp.Query):
        raise UnprovableError("it combines something that is no query")
    return query


def _position(query: exp.Query, name: str) -> int:
    found = [at for at, column in enumerate(query.selects) if column.alias_or_name == name]
    if len(found) != 1:
        raise UnprovableError(f"column '{name}' is there {len(found)} times")
    return found[0]


def _touched_select(select: exp.Select, names: Sequence[str], changes: Changes) -> Touched:
    row = row_of(select)
    keys = [projection(select, name) for name in names]
    partition = partition_of(select)
    is_direct = partition is None or all(has(partition, key) for key in keys)
    needed = keys if is_direct or partition is None else [*keys, *partition]
    for key in needed:
        if (reason := blocked(select, key)) is not None:
            raise UnprovableError(reason)
        if not is_over(key, row.aliases(len(row.joined))):
            raise UnprovableError("the key is not computed from columns alone")
    touched = _touched_rows(select, row, keys, changes)
    if is_direct or partition is None:
        return touched
    if not partition:
        raise UnprovableError("it has a window over all rows")
    # The rows of a touched partition are touched with it.
    changes.widened += 1
    inside = _touched_rows(select, row, partition, changes)
    pairs: list[Pair] = [(part, part, exp.NullSafeEQ) for part in partition]
    return _merged([touched, _joined(inside, inside, pairs, keys, lambda: _from(row.joined, row))])


def _touched_rows(select: exp.Select, row: Row, keys: Sequence[exp.Expr], changes: Changes) -> Touched:
    """What is touched in the rows of FROM that WHERE lets through."""
    found = [_touched_row(row, len(row.joined), keys, changes)]
    found += [_touched_by_subquery(query, row, keys, changes) for query in _subqueries(select)]
    return _merged(found)


# --- joins -----------------------------------------------------------------------------------------------------------


def _touched_row(row: Row, count: int, keys: Sequence[exp.Expr], changes: Changes) -> Touched:
    """What is touched in the join of the first `count` relations."""
    one = row.joined[count - 1]
    if count == 1:
        return _touched_relation(one, keys, changes)
    left, right = sides(row, count, keys)
    before = dict.fromkeys(i for joined in row.joined[: count - 1] for i in inputs_in(joined.node))
    found: list[Touched] = []
    if before and left is not None:
        found.append(_touched_row(row, count - 1, left, changes))
    elif before and right is not None:
        pairs = [(own, outer, kind) for outer, own, kind in one.pairs]
        touched = _touched_row(row, count - 1, [outer for outer, _, _ in one.pairs], changes) if pairs else {}
        found.append(_joined(touched, before, pairs, right, lambda: _from([one])))
    if inputs_in(one.node) and right is not None:
        found.append(_touched_relation(one, right, changes))
    elif inputs_in(one.node) and left is not None:
        touched = _touched_relation(one, [own for _, own, _ in one.pairs], changes) if one.pairs else {}
        found.append(
            _joined(touched, inputs_in(one.node), one.pairs, left, lambda: _from(row.joined[: count - 1], row))
        )
    return _merged(found)


def sides(
    row: Row, count: int, keys: Sequence[exp.Expr]
) -> tuple[Sequence[exp.Expr] | None, Sequence[exp.Expr] | None]:
    """Express keys of a join by columns of what is before it, and of the joined relation; None where that cannot be.

    Raises:
        UnprovableError: neither side has them, or not the side that the join preserves.
    """
    one = row.joined[count - 1]
    both = [side_of(key, one, row.aliases(count - 1)) for key in keys]
    left = [side for side, _ in both if side is not None]
    right = [side for _, side in both if side is not None]
    needed = {"inner": ((left,), (right,)), "right": ((right,),), "full": ((left, right),)}.get(one.kind, ((left,),))
    if not any(all(len(side) == len(keys) for side in choice) for choice in needed):
        raise UnprovableError(f"the key does not come of one side of the join with {one.alias}")
    return left if len(left) == len(keys) else None, right if len(right) == len(keys) else None


def side_of(key: exp.Expr, one: Joined, before: frozenset[str]) -> Side:
    """Express a key by columns before a join, and by columns of the joined relation: where it equals, or decides."""
    own = frozenset({one.alias})
    if isinstance(key, exp.Coalesce) and (merged := _merged_side(key, one, before, own)) is not None:
        return merged
    if one.kind == "full":
        return None, None
    # A column of the side that an outer join does not preserve is NULL in the rows that the join adds.
    if is_over(key, before) and one.kind != "right":
        same = [inner for outer, inner, _ in one.pairs if outer == key and is_same_type(outer, inner)]
        return key, same[0] if same else None
    if is_over(key, own) and one.kind in ("inner", "right"):
        same = [outer for outer, inner, _ in one.pairs if inner == key and is_same_type(outer, inner)]
        return same[0] if same else None, key
    return None, None


def _merged_side(key: exp.Coalesce, one: Joined, before: frozenset[str], own: frozenset[str]) -> Side | None:
    """The sides of a COALESCE of columns that a join equates; None where it is none."""
    parts = [bare(part) for part in (key.this, *key.expressions)]
    outer_parts = [part for part in parts if is_over(part, before)]
    mine = [part for part in parts if is_over(part, own)]
    if len(mine) != 1 or not outer_parts or len(outer_parts) + 1 != len(parts):
        return None
    rest = exp.Coalesce(this=outer_parts[0], expressions=outer_parts[1:]) if len(outer_parts) > 1 else outer_parts[0]
    for outer, inner, _ in one.pairs:
        if inner == mine[0] and outer in (outer_parts[0], rest) and is_same_type(outer, inner):
            return rest, inner
    return None


def _joined(
    touched: Touched,
    inputs: Iterable[str],
    pairs: Sequence[Pair],
    keys: Sequence[exp.Expr],
    rows: Callable[[], exp.Select],
) -> Touched:
    """The keys of the rows that are joined to touched values."""
    found: Touched = {}
    for name in inputs:
        queries = touched.get(name, "it is joined without an equality")
        found[name] = (
            queries if isinstance(queries, str) else [_matching(rows(), query, pairs, keys) for query in queries]
        )
    return found


def _matching(rows: exp.Select, query: exp.Select, pairs: Sequence[Pair], keys: Sequence[exp.Expr]) -> exp.Select:
    source = exp.Subquery(
        this=query.copy(), alias=exp.TableAlias(this=exp.to_identifier("fsbuild_touched", quoted=True))
    )
    on = exp.and_(
        *(
            kind(this=outer.copy(), expression=exp.column(f"k{at}", table="fsbuild_touched", quoted=True))
            for at, (outer, _, kind) in enumerate(pairs)
        )
    )
    rows.append("joins", exp.Join(this=source, kind="SEMI", on=on))
    return keyed(rows, keys)


def keyed(rows: exp.Select, keys: Sequence[exp.Expr]) -> exp.Select:
    """Select keys as k0, k1, …, each value once."""
    rows.set("expressions", [exp.alias_(key.copy(), f"k{at}", quoted=True) for at, key in enumerate(keys)])
    rows.set("distinct", exp.Distinct())
    return rows


def _from(joined: Sequence[Joined], row: Row | None = None) -> exp.Select:
    """A SELECT over the first relations of a FROM clause, or over a single one."""
    rows = exp.Select()
    rows.set("from_", exp.From(this=joined[0].node.copy()))
    for join in (row.select.args.get("joins") or ())[: len(joined) - 1] if row is not None else ():
        rows.append("joins", join.copy())
    return rows


def _touched_relation(one: Joined, keys: Sequence[exp.Expr], changes: Changes) -> Touched:
    """What is touched in a relation of a FROM clause."""
    node = one.node
    if isinstance(node, exp.Table) and "input" in node.meta:
        name = str(node.meta["input"])
        table = changes.of(name)
        table.set("alias", exp.TableAlias(this=exp.to_identifier(one.alias, quoted=True)))
        return {name: [keyed(exp.Select().from_(table, copy=False), keys)]}
    if not inputs_in(node):
        return {}
    columns = list(dict.fromkeys(column.name for key in keys for column in key.find_all(exp.Column)))
    touched = touched_values(node, columns, changes)
    alias = exp.TableAlias(
        this=exp.to_identifier(one.alias, quoted=True),
        columns=[exp.to_identifier(name, quoted=True) for name in columns],
    )
    return {
        name: queries
        if isinstance(queries, str)
        else [
            keyed(exp.Select().from_(exp.Subquery(this=query, alias=alias.copy()), copy=False), keys)
            for query in queries
        ]
        for name, queries in touched.items()
    }


# --- subqueries in expressions ---------------------------------------------------------------------------------------


def _subqueries(select: exp.Select) -> list[exp.Query]:
    """The queries in a SELECT's expressions that read inputs."""
    found: list[exp.Query] = []
    pending = [
        node for name, clause in select.args.items() if name not in ("from_", "joins") for node in _nodes(clause)
    ]
    for node in pending:
        if isinstance(node, exp.Query):
            if inputs_in(node):
                found.append(node)
        else:
            pending.extend(node.iter_expressions())
    return found


def _nodes(clause: object) -> list[exp.Expr]:
    listed = clause if isinstance(clause, list) else [clause]
    return [node for node in listed if isinstance(node, exp.Expr)]


def _touched_by_subquery(query: exp.Query, row: Row, keys: Sequence[exp.Expr], changes: Changes) -> Touched:
    parent, inner = query.parent, _unwrapped(query)
    inputs = inputs_in(query)
    if not isinstance(inner, exp.Select):
        return dict.fromkeys(inputs, "it has a set operation in a subquery")
    outer = row.aliases(len(row.joined))
    if isinstance(parent, exp.In):
        if not _is_condition(parent, row.select) or not is_over(parent.this, outer):
            return dict.fromkeys(inputs, "it has an IN whose being false or NULL counts")
        pairs: list[Pair] = [(bare(parent.this), exp.Null(), exp.EQ)]
        touched = touched_values(inner, [inner.selects[0].alias_or_name], changes)
    elif isinstance(parent, exp.Exists) or isinstance(query, exp.Subquery):
        inside = row_of(inner)
        own = inside.aliases(len(inside.joined))
        pairs = equalities(inner, outer, own)
        if outer & own or not pairs or _subqueries(inner):
            return dict.fromkeys(inputs, "it has a subquery that is not tied to the key by an equality")
        touched = _touched_row(inside, len(inside.joined), [own for _, own, _ in pairs], changes)
    else:
        return dict.fromkeys(inputs, "it has a subquery of a kind that is not understood")
    return _joined(touched, inputs, pairs, keys, lambda: _from(row.joined, row))


def _is_condition(node: exp.Expr, select: exp.Select) -> bool:
    """Whether a node is one of the conditions that WHERE joins by AND."""
    parent = node.parent
    while isinstance(parent, exp.Paren | exp.And):
        parent = parent.parent
    return isinstance(parent, exp.Where) and parent.parent is select


def _merged(several: Iterable[Touched]) -> Touched:
    merged: Touched = {}
    for touched in several:
        for name, queries in touched.items():
            present = merged.get(name, [])
            merged[name] = (
                queries if isinstance(queries, str) else present if isinstance(present, str) else [*present, *queries]
            )
    return merged
