"""A SELECT in, what the proof needs of its clauses out: relations, joins, equalities, the operators above them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

from sqlglot import exp

from fsbuild.maintenance.resolve import UnprovableError

Kind = Literal["inner", "left", "right", "full", "semi", "anti"]
Pair = tuple[exp.Expr, exp.Expr, type[exp.Expr]]  # an expression before a join, one of the joined relation, = or IS

# What a key may be computed by: its value depends on nothing but the columns in it.
_SCALAR = (
    *(exp.Column, exp.Identifier, exp.Literal, exp.Cast, exp.DataType, exp.Paren, exp.Coalesce, exp.Add, exp.Sub),
    *(exp.Mul, exp.Lower, exp.Upper, exp.TimestampTrunc, exp.DateTrunc, exp.Year, exp.Month, exp.Day, exp.Var),
    *(exp.Boolean, exp.Null, exp.Neg, exp.DataTypeParam, exp.Extract),
)
_Node = TypeVar("_Node", bound=exp.Expr)
_INTEGERS = frozenset(exp.DataType.INTEGER_TYPES)
_KEY_TYPES = _INTEGERS | {
    *(exp.DType.VARCHAR, exp.DType.TEXT, exp.DType.DATE, exp.DType.TIMESTAMP, exp.DType.TIMESTAMPTZ),
    *(exp.DType.BOOLEAN, exp.DType.DECIMAL, exp.DType.UUID),
}


@dataclass(frozen=True, slots=True)
class Joined:
    """A relation of a FROM clause, and how it is joined to those before it."""

    alias: str
    node: exp.Expr
    kind: Kind
    pairs: tuple[Pair, ...]


@dataclass(frozen=True, slots=True)
class Row:
    """The FROM clause of a SELECT: the relations in their order."""

    select: exp.Select
    joined: tuple[Joined, ...]

    def aliases(self, count: int) -> frozenset[str]:
        """The names of the first `count` relations."""
        return frozenset(one.alias for one in self.joined[:count])


def inputs_in(node: exp.Expr) -> dict[str, None]:
    """The inputs that are read anywhere inside a node."""
    return {str(t.meta["input"]): None for t in node.find_all(exp.Table) if "input" in t.meta}


def row_of(select: exp.Select) -> Row:
    """Read a FROM clause.

    Raises:
        UnprovableError: a join of a kind about which nothing is known.
    """
    from_ = select.args.get("from_")
    if from_ is None:
        return Row(select, ())
    found = [Joined(from_.this.alias_or_name, from_.this, "inner", ())]
    where = select.args.get("where")
    conditions = list(_conjuncts(where.this)) if where is not None else []
    for join in select.args.get("joins") or ():
        before = frozenset(one.alias for one in found)
        alias = join.this.alias_or_name
        on = join.args.get("on")
        kind = _kind(join)
        equal = [*(_conjuncts(on) if on is not None else ())]
        if kind not in ("semi", "anti"):
            # An equality of WHERE between both sides leaves none of the rows that an outer join added.
            equal += [one for one in conditions if kind == "inner" or isinstance(one, exp.EQ)]
        if join.args.get("using"):
            raise UnprovableError("it has a join with USING that cannot be resolved")
        if inputs_in(join.this) and _outside(join.this, frozenset({alias})) & before:
            raise UnprovableError("it has a lateral join")
        if on is not None and any(inputs_in(query) for query in on.find_all(exp.Query)):
            raise UnprovableError("it has a subquery in a join's condition")
        found.append(Joined(alias, join.this, kind, tuple(_pairs(equal, before, frozenset({alias})))))
    if len({one.alias for one in found}) < len(found) or not all(one.alias for one in found):
        raise UnprovableError("two relations of a join have one name")
    return Row(select, tuple(found))


def _kind(join: exp.Join) -> Kind:
    if join.method not in ("", "ASOF"):
        raise UnprovableError(f"it has a {join.method} join")
    for name in ("SEMI", "ANTI"):
        if name in (join.kind, join.side):
            return "semi" if name == "SEMI" else "anti"
    kinds: dict[str, Kind] = {"": "inner", "LEFT": "left", "RIGHT": "right", "FULL": "full"}
    if join.side not in kinds or join.kind not in ("", "INNER", "CROSS", "OUTER"):
        raise UnprovableError(f"it has a {join.side} {join.kind} join")
    if join.method == "ASOF" and join.side not in ("", "LEFT"):
        raise UnprovableError("it has an ASOF join of another kind than LEFT")
    return kinds[join.side]


def equalities(select: exp.Select, outer: frozenset[str], own: frozenset[str]) -> list[Pair]:
    """The equalities of a WHERE clause between relations around a subquery and its own."""
    where = select.args.get("where")
    return list(_pairs(_conjuncts(where.this), outer, own)) if where is not None else []


def _pairs(conditions: Iterable[exp.Expr], before: frozenset[str], own: frozenset[str]) -> Iterator[Pair]:
    for condition in conditions:
        if not isinstance(condition, exp.EQ | exp.NullSafeEQ):
            continue
        for outer, inner in ((condition.this, condition.expression), (condition.expression, condition.this)):
            if is_over(outer, before) and is_over(inner, own):
                yield bare(outer), bare(inner), type(condition)


def _conjuncts(condition: exp.Expr) -> Iterator[exp.Expr]:
    condition = bare(condition)
    if isinstance(condition, exp.And):
        yield from _conjuncts(condition.left)
        yield from _conjuncts(condition.right)
    else:
        yield condition


def bare(node: exp.Expr) -> exp.Expr:
    """An expression without the parentheses and the alias around it."""
    while isinstance(node, exp.Paren | exp.Alias):
        node = node.this
    return node


def is_over(node: exp.Expr, aliases: frozenset[str]) -> bool:
    """Whether an expression is computed from columns of these relations, and from nothing else."""
    tables = {column.table for column in node.find_all(exp.Column)}
    return bool(tables) and tables <= aliases and all(isinstance(part, _SCALAR) for part in node.walk())


def _outside(node: exp.Expr, own: frozenset[str]) -> set[str]:
    """The relations that columns inside a node name and that the node does not have."""
    inside = {t.alias_or_name for t in node.find_all(exp.Table, exp.Subquery, exp.Unnest, exp.Lateral)}
    return {column.table for column in node.find_all(exp.Column)} - inside - own


def is_same_type(one: exp.Expr, other: exp.Expr) -> bool:
    """Whether two expressions that are equal are the same value, so that one can stand for the other."""
    left, right = one.type, other.type
    if left is None or right is None or left.this not in _KEY_TYPES or right.this not in _KEY_TYPES:
        return False
    return left == right or (left.this in _INTEGERS and right.this in _INTEGERS)


def projection(select: exp.Query, name: str) -> exp.Expr:
    """The expression of a column of a SELECT."""
    found = [bare(one) for one in select.expressions if one.alias_or_name == name]
    if len(found) != 1:
        raise UnprovableError(f"column '{name}' is there {len(found)} times")
    return found[0]


def blocked(select: exp.Select, key: exp.Expr) -> str | None:
    """Why the rows of one value of `key` are not made of the rows below with that value alone; None where they are.

    Windows are left out: see `partition_of`.
    """
    args = select.args
    if args.get("limit") or args.get("offset") or args.get("fetch"):
        return "it has a LIMIT over all rows"
    on = args["distinct"].args.get("on") if args.get("distinct") else None
    if on is not None and not has([_unaliased(one, select) for one in on.expressions or [on]], key):
        return f"it has a DISTINCT ON that does not include {_shown(key)}"
    group = args.get("group")
    if group is not None:
        if any(group.args.get(kind) for kind in ("grouping_sets", "cube", "rollup", "totals")):
            return "it groups by several sets of columns"
        if not has(_grouped(select, group), key):
            return f"it groups by other columns than {_shown(key)}"
    elif args.get("having") or any(_of_select(select, exp.AggFunc, outside=exp.Window)):
        return "it aggregates over all rows"
    return None


def partition_of(select: exp.Select) -> Sequence[exp.Expr] | None:
    """What all windows of a SELECT are partitioned by, among other things; None where there is no window."""
    windows = [_partition(window, select) for window in _of_select(select, exp.Window)]
    if not windows:
        return None
    return [part for part in windows[0] if all(has(window, part) for window in windows[1:])]


def _grouped(select: exp.Select, group: exp.Group) -> Sequence[exp.Expr]:
    if not group.args.get("all"):
        return [bare(one) for one in group.expressions]
    return [bare(one) for one in select.expressions if one.find(exp.AggFunc) is None]


def _partition(window: exp.Window, select: exp.Select) -> Sequence[exp.Expr]:
    """What a window is partitioned by; one that stands on a named window has the named one's partition."""
    parts = window.args.get("partition_by") or []
    name = window.args.get("alias")
    if not parts and name is not None:
        named = {one.name.lower(): one for one in select.args.get("windows") or ()}
        if name.name.lower() not in named:
            return []
        return _partition(named[name.name.lower()], select)
    return [bare(part) for part in parts]


def _of_select(select: exp.Select, kind: type[_Node], outside: type[exp.Expr] | None = None) -> Iterator[_Node]:
    """The nodes of a kind in a SELECT's own clauses, not in the queries inside them."""
    pending = [*select.expressions]
    pending += [select.args[name] for name in ("qualify", "having", "order") if select.args.get(name)]
    for node in pending:
        if isinstance(node, exp.Query):
            continue
        if isinstance(node, kind):
            yield node
        children = list(node.iter_expressions())
        if outside is not None and isinstance(node, outside):
            # What a window's function is applied to may be an aggregate; the function itself is none.
            function = node.this
            while isinstance(function, exp.Filter | exp.IgnoreNulls | exp.RespectNulls):
                function = function.this
            children = [part for child in children for part in child.walk() if part.parent is function]
        pending.extend(children)


def _unaliased(node: exp.Expr, select: exp.Select) -> exp.Expr:
    """The expression that stands behind the name of a column of the result."""
    is_name = isinstance(node, exp.Column) and not node.table
    named = [one for one in select.expressions if is_name and one.alias_or_name == node.name]
    return bare(named[0]) if named else node


def has(expressions: Iterable[exp.Expr], key: exp.Expr) -> bool:
    """Whether an expression is among several."""
    return any(bare(one) == key for one in expressions)


def _shown(node: exp.Expr) -> str:
    """An expression as a person would write it."""
    shown = node.copy()
    for column in shown.find_all(exp.Column):
        column.set("table", None)
    return shown.sql("duckdb", identify=False).replace('"', "")
