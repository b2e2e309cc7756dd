"""Column lineage of one query: SQL text and its inputs' columns in, one edge per dependency out.

The engine's binder has judged the query already and says which columns come out; this only explains where they come
from. The invariant: **no false silence**. A query has either an edge for everything that can change it, or a reason
why its lineage is unknown; where SQL is ambiguous to us we name one edge too many rather than one too few.

One walk over the syntax tree serves all columns. Every relation (input, CTE, subquery) is traced at most once, into
the columns that it has and the input columns that steer which rows it has.
"""

from __future__ import annotations

import functools
import itertools
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from sqlglot import exp
from sqlglot.dialects.duckdb import DuckDB
from sqlglot.errors import SqlglotError

from fsbuild.values import ColumnEdge, ColumnType, Lineage, Relation

_COPIED, _TRANSFORMED, _AGGREGATED = 0, 1, 2
_KINDS: tuple[Literal["copied", "transformed", "aggregated"], ...] = ("copied", "transformed", "aggregated")
# Aggregates of DuckDB that sqlglot reads as plain functions; a test compares them with the engine's own list.
_AGGREGATES = frozenset(
    "arbitrary arg_max_null arg_max_nulls_last arg_min_null arg_min_nulls_last bitstring_agg count_star entropy favg"
    " fill fsum histogram histogram_exact kahan_sum kurtosis_pop mad mean product rank_dense reservoir_quantile sem"
    " sum_no_overflow sumkahan".split()
)
# What `unnest` makes one column of; a struct would become one column for each of its fields.
_LISTS = (exp.Array, exp.ArrayAgg, exp.ArrayDistinct, exp.ArrayFilter, exp.GenerateSeries, exp.Split, exp.Transform)

_Cell = tuple[str, str]  # an input's unique id, and the name of one of its columns
_Origins = dict[_Cell, int]  # where a value comes from, and the strongest way in which it does


class _UnknownError(Exception):
    """The lineage cannot be known; the message says why."""


@dataclass(frozen=True, slots=True)
class Input:
    """A relation that a query may read."""

    unique_id: str
    relation: Relation
    columns: tuple[ColumnType, ...]


@dataclass(frozen=True, slots=True)
class _Column:
    """A column of a relation; `name` is None where only the engine knows how it names an expression."""

    name: str | None
    origins: _Origins

    @property
    def key(self) -> str | None:
        return None if self.name is None else self.name.lower()


@dataclass(frozen=True, slots=True)
class _Traced:
    """A relation: its columns, and the cells that steer which rows it has."""

    columns: Sequence[_Column]
    filters: Iterable[_Cell] = ()


@dataclass(frozen=True, slots=True)
class _Source:
    """A relation under the name that it has in a FROM clause."""

    schema: str | None
    name: str
    columns: Mapping[str, _Origins]


@dataclass(slots=True)
class _Scope:
    """What the names in a query mean while it is traced; what it does not know, the query around it may."""

    inputs: Mapping[tuple[str, str], Input]
    ctes: Mapping[str, Callable[[], _Traced]] = field(default_factory=dict)
    outer: _Scope | None = None
    sources: list[_Source] = field(default_factory=list)
    merged: dict[str, _Origins] = field(default_factory=dict)  # the columns of USING and NATURAL joins
    aliases: dict[str, _Origins] = field(default_factory=dict)
    columns: list[_Column] = field(default_factory=list)  # what `*` means
    filters: set[_Cell] = field(default_factory=set)

    def child(self, ctes: Mapping[str, Callable[[], _Traced]] | None = None) -> _Scope:
        """A scope within this one."""
        return _Scope(self.inputs, self.ctes if ctes is None else ctes, self)

    def find(self, parts: Sequence[str]) -> tuple[_Origins, bool] | None:
        """Find `[schema.][table.]column[.field…]` here: its origins, and whether it is the whole value."""
        for at, schema in ((1, None), (2, parts[0])):
            if len(parts) > at:
                tables = [s for s in self.sources if s.name == parts[at - 1] and schema in (None, s.schema)]
                if len(tables) == 1 and parts[at] in tables[0].columns:
                    return tables[0].columns[parts[at]], len(parts) == at + 1
        found = self._find_column(parts[0])
        if found is not None:
            return found, len(parts) == 1
        rows = [source.columns.values() for source in self.sources if source.name == parts[0]]
        return (_merge(*itertools.chain.from_iterable(rows)), False) if rows and len(parts) == 1 else None

    def _find_column(self, name: str) -> _Origins | None:
        if name in self.merged:
            return self.merged[name]
        found = [source.columns[name] for source in self.sources if name in source.columns]
        if len(found) > 1:
            raise _UnknownError(f"column '{name}' is ambiguous")
        return found[0] if found else self.aliases.get(name)


def trace_lineage(sql: str, inputs: Sequence[Input], columns: Sequence[ColumnType]) -> Lineage:
    """Trace every output column of a query, and the choice of its rows, back to the columns of its inputs.

    `sql` is a SELECT in DuckDB's dialect that reads the inputs by schema and identifier; `columns` are the ones that
    the engine's binder found. Edges are unique and sorted; of several ways from one column to another the strongest
    counts (aggregated, transformed, copied). What steers which rows there are, and which of them an aggregate or a
    window sees, leads to the column "*". Never raises: what cannot be traced is `unknown`, with the reason.

        SELECT id, max(x) AS top FROM s.t WHERE y > 0 GROUP BY id
        *   <- t.id filters, t.y filters
        id  <- t.id copied
        top <- t.x aggregated
    """
    try:
        trees = DuckDB().parse(sql)
        if len(trees) != 1 or trees[0] is None:
            return Lineage(unknown="the text is not one query")
        by_name = {(i.relation.schema.lower(), i.relation.identifier.lower()): i for i in inputs}
        traced = _trace_query(trees[0], _Scope(by_name))
        _compare(traced.columns, columns)
    except _UnknownError as exc:
        return Lineage(unknown=str(exc))
    except SqlglotError as exc:
        return Lineage(unknown=f"sqlglot cannot read the query: {str(exc).partition(chr(10))[0].rstrip('.')}")
    except RecursionError:
        return Lineage(unknown="the query is nested too deeply")
    except Exception as exc:  # noqa: BLE001 - the engine accepts this query; explaining it must not be what fails
        return Lineage(unknown=f"tracing the query failed: {type(exc).__name__}")
    edges = {ColumnEdge("*", *cell, "filters") for cell in traced.filters}
    for known, column in zip(columns, traced.columns, strict=True):
        edges.update(ColumnEdge(known.name, *cell, _KINDS[rank]) for cell, rank in column.origins.items())
    return Lineage(tuple(sorted(edges, key=lambda e: (e.column, e.input_id, e.input_column, e.kind))))


def _compare(traced: Sequence[_Column], columns: Sequence[ColumnType]) -> None:
    """Refuse an explanation of other columns than the binder's, which may number duplicates: a, a_1."""
    if len(traced) != len(columns):
        raise _UnknownError(f"{len(traced)} columns were traced where the engine finds {len(columns)}")
    for ours, known in zip(traced, columns, strict=True):
        name = known.name.lower()
        if ours.key not in (None, name) and not re.fullmatch(rf"{re.escape(ours.key or '')}_\d+", name):
            raise _UnknownError(f"column '{ours.name}' was traced where the engine finds '{known.name}'")


def _merge(*several: _Origins, at_least: int = _COPIED) -> _Origins:
    merged: _Origins = {}
    for origins in several:
        for cell, rank in origins.items():
            merged[cell] = max(rank, at_least, merged.get(cell, rank))
    return merged


# --- queries ---------------------------------------------------------------------------------------------------------


def _trace_query(query: exp.Expr, outer: _Scope, recursive: exp.TableAlias | None = None) -> _Traced:
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
        traced = _Traced(_trace_item(query, scope), scope.filters)
    elif isinstance(query, exp.Values):
        rows = [[_origins(value, scope) for value in row.expressions] for row in query.expressions]
        traced = _Traced([_Column(f"col{i}", _merge(*cells)) for i, cells in enumerate(zip(*rows, strict=True))])
    elif isinstance(query, exp.Pivot):
        scope.columns = _trace_item(query.this, scope)
        traced = _Traced(_pivot(query, scope), scope.filters)
    else:
        raise _UnknownError(f"{query.key} is not understood")
    scope = _Scope(outer.inputs, env.ctes, outer, [_source(None, "", traced.columns)], filters={*traced.filters})
    _order_and_limit(query, traced.columns, scope)
    return _Traced(traced.columns, scope.filters)


def _trace_cte(cte: exp.CTE, env: _Scope, is_recursive: bool) -> _Traced:  # noqa: FBT001 - bound by partial
    alias = cte.args["alias"]
    return _rename(_trace_query(cte.this, env, alias if is_recursive else None), alias)


def _rename(traced: _Traced, alias: exp.TableAlias | None) -> _Traced:
    """Apply the column names of `AS t(a, b)`."""
    names = [identifier.name for identifier in alias.columns] if alias is not None else []
    if len(names) > len(traced.columns):
        raise _UnknownError("a relation has fewer columns than names")
    renamed = [_Column(name, column.origins) for name, column in zip(names, traced.columns, strict=False)]
    return _Traced([*renamed, *traced.columns[len(names) :]], traced.filters) if names else traced


def _trace_set_operation(query: exp.SetOperation, env: _Scope, recursive: exp.TableAlias | None) -> _Traced:
    left = _trace_query(query.this, env)
    if recursive is None:
        return _combine(query, left, _trace_query(query.expression, env))
    # A recursive CTE is the fixed point: its rows may pass through the recursive part any number of times.
    while True:
        itself = functools.partial(_rename, left, recursive)
        scope = env.child({**env.ctes, recursive.name.lower(): itself})
        traced = _combine(query, left, _trace_query(query.expression, scope))
        if traced == left:
            return traced
        left = traced


def _combine(query: exp.SetOperation, left: _Traced, right: _Traced) -> _Traced:
    """Combine two relations by the position of their columns, or by name; the names are the left one's."""
    filters = {*left.filters, *right.filters}
    if query.args.get("by_name"):
        right_names, left_names = [c.key for c in right.columns], [c.key for c in left.columns]
        if None in (*left_names, *right_names):
            raise _UnknownError("UNION BY NAME of columns without a name")
        added = [column for column in right.columns if column.key not in left_names]
        pairs = [(c, right.columns[right_names.index(c.key)] if c.key in right_names else None) for c in left.columns]
        pairs += [(column, None) for column in added]
    elif len(left.columns) == len(right.columns):
        pairs = list(zip(left.columns, right.columns, strict=True))
    else:
        raise _UnknownError(f"the sides of a {query.key} have different numbers of columns")
    is_union = isinstance(query, exp.Union)
    if query.args.get("distinct") or not is_union:
        filters.update(cell for column in (*left.columns, *right.columns) for cell in column.origins)
    columns = [_Column(a.name, _merge(a.origins, b.origins) if b and is_union else a.origins) for a, b in pairs]
    return _Traced(columns, frozenset(filters))


def _trace_select(select: exp.Select, env: _Scope) -> _Traced:
    scope, args = env.child(), select.args
    if (from_ := args.get("from_")) is not None:
        scope.columns = _trace_item(from_.this, scope)
    for join in args.get("joins") or ():
        scope.columns = _join(scope.columns, join, scope)
    if args.get("laterals"):
        raise _UnknownError("LATERAL VIEW is not understood")
    projected = [(projection, _project(projection, scope)) for projection in select.expressions]
    columns = [column for _, made in projected for column in made]
    for clause in ("where", "having", "qualify"):
        _steer(args.get(clause), scope)
    for window in args.get("windows") or ():
        _steer(window, scope)
    # HAVING prefers an alias to a column that is not grouped by; both are taken, as that is the engine's to know.
    if (having := args.get("having")) is not None:
        names = {column.name.lower() for column in having.find_all(exp.Column)}
        scope.filters.update(cell for name in names for cell in scope.aliases.get(name, ()))
    if (group := args.get("group")) is not None:
        keys = [c for made in projected if group.args.get("all") and not _aggregates(made[0]) for c in made[1]]
        scope.filters.update(cell for column in keys for cell in column.origins)
        _steer_by(group.expressions, columns, scope)
    if (distinct := args.get("distinct")) is not None:
        on = distinct.args.get("on")
        _steer_by(on.expressions if on else [exp.var("ALL")], columns, scope)
    _order_and_limit(select, columns, scope)
    return _Traced(columns, scope.filters)


def _aggregates(projection: exp.Expr) -> bool:
    return any(_is_aggregate(node) for node in projection.walk(prune=lambda node: isinstance(node, exp.Query)))


def _order_and_limit(query: exp.Expr, columns: Sequence[_Column], scope: _Scope) -> None:
    """An order decides about rows together with a limit or DISTINCT ON, and within a query that reads them in order."""
    args = query.args
    chooses = args.get("limit") or args.get("offset") or args.get("distinct")
    if (order := args.get("order")) is not None and (chooses or query.parent is not None):
        keys = [ordered.this for ordered in order.expressions]
        named = {c.key: c for c in reversed(columns)}
        outputs = [named.get(k.name.lower()) if isinstance(k, exp.Column) and not k.table else None for k in keys]
        scope.filters.update(cell for column in outputs if column for cell in column.origins)
        _steer_by([key for key, output in zip(keys, outputs, strict=True) if output is None], columns, scope)
    for clause in ("limit", "offset"):
        _steer(args.get(clause), scope)


def _steer_by(keys: Iterable[exp.Expr], columns: Sequence[_Column], scope: _Scope) -> None:
    """Let keys steer; a number stands for an output column, ALL for all of them."""
    for key in keys:
        if isinstance(key, exp.Literal) and key.is_int and 0 < int(key.name) <= len(columns):
            scope.filters.update(columns[int(key.name) - 1].origins)
        elif isinstance(key, exp.Var) and key.name.upper() == "ALL":
            scope.filters.update(cell for column in columns for cell in column.origins)
        else:
            _steer(key, scope)


def _steer(expression: exp.Expr | None, scope: _Scope) -> None:
    if expression is not None:
        scope.filters.update(_origins(expression, scope))


# --- FROM ------------------------------------------------------------------------------------------------------------


def _source(schema: str | None, name: str, columns: Iterable[_Column]) -> _Source:
    """Name a relation; of two columns with one name the second is called a_1, as the engine does."""
    found: dict[str, _Origins] = {}
    for column in columns:
        if column.key is not None:
            numbered = (f"{column.key}_{i}" for i in itertools.count(1))
            found[next(n for n in itertools.chain((column.key,), numbered) if n not in found)] = column.origins
    return _Source(schema, name, found)


def _trace_item(item: exp.Expr, scope: _Scope) -> list[_Column]:
    """Enter an item of a FROM clause into the scope, with what is joined to it; its columns are what `*` means."""
    if isinstance(item, exp.Subquery) and isinstance(item.this, exp.Table):
        columns = _trace_item(item.this, scope)
    else:
        schema, name, traced = _relation(item, scope)
        alias = item.args.get("alias")
        traced = _rename(traced, alias)
        scope.filters.update(traced.filters)
        source = _source(None if alias and alias.name else schema, (alias and alias.name.lower()) or name, traced.columns)
        scope.sources.append(source)
        names = iter(source.columns)
        columns = [_Column(c.name if c.key == n else n, c.origins) ...]
    return columns
