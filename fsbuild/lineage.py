"""Column lineage of one query: SQL text and its inputs' columns in, one edge per dependency out.

The engine's binder has judged the query already and says which columns come out; this only explains where they come
from. The invariant: **no false silence**. A query has either an edge for everything that can change it, or a reason
why its lineage is unknown; where SQL is ambiguous to us we name one edge too many rather than one too few.

One walk over the syntax tree serves all columns. Every relation (input, CTE, subquery) is traced at most once, into
the columns that it has and the input columns that steer which rows it has.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from sqlglot import exp
from sqlglot.dialects.duckdb import DuckDB
from sqlglot.errors import SqlglotError

from fsbuild.values import ColumnEdge, ColumnType, Lineage, Relation

_COPIED, _TRANSFORMED, _AGGREGATED = 0, 1, 2
_KINDS: tuple[Literal["copied", "transformed", "aggregated"], ...] = ("copied", "transformed", "aggregated")
# Aggregates of DuckDB that sqlglot reads as plain functions; a test compares them with the engine's own list.
_AGGREGATES = {
    *("arbitrary", "arg_max_null", "arg_max_nulls_last", "arg_min_null", "arg_min_nulls_last", "bitstring_agg"),
    *("count_star", "entropy", "favg", "fill", "fsum", "histogram", "histogram_exact", "kahan_sum", "kurtosis_pop"),
    *("mad", "mean", "product", "rank_dense", "reservoir_quantile", "sem", "sum_no_overflow", "sumkahan"),
}
# What `unnest` makes one column of; a struct would become one column for each of its fields.
_LISTS = (exp.Array, exp.ArrayAgg, exp.ArrayDistinct, exp.ArrayFilter, exp.GenerateSeries, exp.Split, exp.Transform)
# The clauses of a SELECT that are traced; `sample` picks rows without looking at them.
_CLAUSES = {
    *("with_", "expressions", "from_", "joins", "where", "group", "having", "qualify", "windows", "distinct"),
    *("order", "limit", "offset", "sample"),
}

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
    columns: Sequence[_Column]
    by_key: Mapping[str, _Origins]


@dataclass(slots=True)
class _Scope:
    """What the names in a query mean while it is traced; what it does not know, the query around it may."""

    inputs: Mapping[tuple[str, str], Input]
    ctes: Mapping[str, Callable[[], _Traced]] = field(default_factory=dict)
    outer: _Scope | None = None
    sources: list[_Source] = field(default_factory=list)
    merged: dict[str, _Origins] = field(default_factory=dict)  # the columns of USING and NATURAL joins
    aliases: dict[str, _Origins] = field(default_factory=dict)
    columns: Sequence[_Column] = ()  # what `*` means
    filters: set[_Cell] = field(default_factory=set)
    chosen: _Column | None = None  # what COLUMNS stands for in one of the columns that it expands to
    expanded: list[_Column] = field(default_factory=list)  # what a COLUMNS met on the way expands to

    def child(self, ctes: Mapping[str, Callable[[], _Traced]] | None = None) -> _Scope:
        """A scope within this one."""
        return _Scope(self.inputs, self.ctes if ctes is None else ctes, self)

    def find(self, parts: Sequence[str]) -> tuple[_Origins, bool] | None:
        """Find `[schema.][table.]column[.field…]` here: its origins, and whether it is the whole value."""
        for at, schema in ((1, None), (2, parts[0])):
            if len(parts) > at:
                tables = [s for s in self.sources if s.name == parts[at - 1] and schema in (None, s.schema)]
                if len(tables) == 1 and parts[at] in tables[0].by_key:
                    return tables[0].by_key[parts[at]], len(parts) == at + 1
        found = self._find_column(parts[0])
        if found is not None:
            return found, len(parts) == 1
        row = [c.origins for s in self.sources for c in s.columns if s.name == parts[0] and len(parts) == 1]
        return (_merge(*row), False) if row else None

    def _find_column(self, name: str) -> _Origins | None:
        if name in self.merged:
            return self.merged[name]
        found = [source.by_key[name] for source in self.sources if name in source.by_key]
        if len(found) > 1:
            raise _UnknownError(f"column '{name}' is ambiguous")
        if found or name not in self.aliases:
            return found[0] if found else None
        # An alias, or a column of a query around this one: which of them is the engine's to know.
        around = _look_up([name], self.outer)
        return self.aliases[name] if around is None else _merge(self.aliases[name], around)


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
        traced = _trace_query(query.this, env)
    elif isinstance(query, exp.Values):
        rows = [[_origins(value, scope) for value in row.expressions] for row in query.expressions]
        columns = [_Column(f"col{i}", _merge(*cells)) for i, cells in enumerate(zip(*rows, strict=True))]
        traced = _Traced(columns, scope.filters)
    elif isinstance(query, exp.Pivot):
        traced = _pivot(query, _relation(query.this, env)[2], env)
    else:
        raise _UnknownError(f"{query.key.upper()} is not understood")
    scope = env.child()
    scope.sources.append(_source(None, "", traced.columns))
    scope.filters.update(traced.filters)
    _order_and_limit(query, traced.columns, scope)
    return _Traced(traced.columns, frozenset(scope.filters))


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
    if strange := {clause for clause, value in args.items() if value} - _CLAUSES:
        raise _UnknownError(f"the clause {min(strange).upper()} is not understood")
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
    return _Traced(columns, frozenset(scope.filters))


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
    """Name a relation; of several columns named a the second is called a_1, as the engine does."""
    named: list[_Column] = []
    by_key: dict[str, _Origins] = {}
    for column in columns:
        unique = column
        for i in itertools.count(1):
            if unique.key not in by_key:
                break
            unique = _Column(f"{column.name}_{i}", column.origins)
        named.append(unique)
        if unique.key is not None:
            by_key[unique.key] = unique.origins
    return _Source(schema, name, named, by_key)


def _trace_item(item: exp.Expr, scope: _Scope) -> Sequence[_Column]:
    """Enter an item of FROM into the scope, with all that is joined to it; its columns are what `*` means."""
    if isinstance(item, exp.Subquery) and isinstance(item.this, (exp.Table, exp.Subquery)):
        columns = _trace_item(item.this, scope)
    else:
        schema, name, traced = _relation(item, scope)
        alias = item.args.get("alias")
        traced = _rename(traced, alias)
        for pivot in item.args.get("pivots") or ():
            traced, alias = _pivot(pivot, traced, scope), pivot.args.get("alias") or alias
        if alias is not None and alias.name:
            schema, name = None, alias.name.lower()
        source = _source(schema, name, traced.columns)
        scope.sources.append(source)
        scope.filters.update(traced.filters)
        columns = source.columns
    for join in item.args.get("joins") or ():
        columns = _join(columns, join, scope)
    return columns


def _relation(item: exp.Expr, scope: _Scope) -> tuple[str | None, str, _Traced]:
    """Trace what an item of FROM reads: the schema and name by which columns may refer to it, and its columns."""
    if isinstance(item, exp.Table) and isinstance(item.this, exp.Identifier):
        name, schema = item.name.lower(), item.db.lower()
        if not schema and name in scope.ctes:
            return None, name, scope.ctes[name]()
        read = scope.inputs.get((schema, name))
        if read is None or item.catalog:
            raise _UnknownError(f"it reads '{item.name}', which is none of its inputs")
        return schema, name, _Traced([_Column(c.name, {(read.unique_id, c.name): _COPIED}) for c in read.columns])
    if isinstance(item, exp.Table):
        return _relation(item.this, scope)
    if isinstance(item, exp.Lateral):
        return _relation(item.this, scope)
    if isinstance(item, (exp.Unnest, exp.GenerateSeries)):
        return _generated(item, scope)
    if isinstance(item, (exp.Query, exp.Values)):
        return None, "", _trace_query(item, scope)
    raise _UnknownError(f"the columns of {item.name or item.key}() are not known")


def _generated(item: exp.Unnest | exp.GenerateSeries, scope: _Scope) -> tuple[None, str, _Traced]:
    """Trace a function that makes rows: its arguments make the values, and how many there are."""
    if isinstance(item, exp.Unnest):
        name, arguments = "unnest", item.expressions
        for argument in arguments:
            _require_list(argument, scope)
    else:
        name, arguments = ("range" if item.args.get("is_end_exclusive") else "generate_series"), [item]
    values = [_merge(_origins(argument, scope), at_least=_TRANSFORMED) for argument in arguments]
    columns = [_Column(name, origins) for origins in values]
    if item.args.get("offset"):
        columns.append(_Column("ordinality", {}))
    return None, name, _Traced(columns, _merge(*values))


def _require_list(argument: exp.Expr, scope: _Scope) -> None:
    """Refuse to unnest what may be a struct, which becomes one column for each of its fields."""
    if isinstance(argument, exp.Column):
        types = {(i.unique_id, c.name): c.type for i in scope.inputs.values() for c in i.columns}
        origins = _origins(argument, scope)
        if origins and all(types[cell].endswith("]") and rank == _COPIED for cell, rank in origins.items()):
            return
    elif isinstance(argument, _LISTS):
        return
    raise _UnknownError("it unnests what may be a struct")


def _join(left: Sequence[_Column], join: exp.Join, scope: _Scope) -> Sequence[_Column]:
    before = len(scope.sources)
    right = _trace_item(join.this, scope)
    _steer(join.args.get("on"), scope)
    lefts, rights = ({c.key: c.origins for c in reversed(side) if c.key is not None} for side in (left, right))
    keys = [identifier.name.lower() for identifier in join.args.get("using") or ()]
    if join.method == "NATURAL":
        keys = [key for key in lefts if key in rights]
    if any(key not in lefts or key not in rights for key in keys):
        raise _UnknownError("a column of USING cannot be found")
    merged = {key: _merge_sides(lefts[key], rights[key], join) for key in keys}
    scope.filters.update(cell for key in keys for cell in (*lefts[key], *rights[key]))
    scope.merged.update(merged)
    kept = [_Column(c.name, merged[c.key]) if c.key in merged else c for c in left]
    if join.kind in ("SEMI", "ANTI"):
        del scope.sources[before:]
        return kept
    return [*kept, *(c for c in right if c.key not in merged)]


def _merge_sides(left: _Origins, right: _Origins, join: exp.Join) -> _Origins:
    """What a column of USING is: the side that always has a row, either where they are equal, or a coalesce."""
    if join.side == "FULL":
        return _merge(left, right, at_least=_TRANSFORMED)
    if join.side == "RIGHT":
        return right
    return left if join.side or join.kind in ("SEMI", "ANTI") or join.method == "ASOF" else _merge(left, right)


def _pivot(pivot: exp.Pivot, traced: _Traced, env: _Scope) -> _Traced:
    scope, args = env.child(), pivot.args
    scope.columns, scope.filters = traced.columns, {*traced.filters}
    scope.sources.append(_source(None, pivot.this.alias_or_name.lower() if pivot.this else "", traced.columns))
    if args.get("unpivot"):
        return _unpivot(pivot, scope)
    fields, aggregates = args.get("fields") or pivot.expressions, args.get("using") or pivot.expressions
    if fields is aggregates or not all(isinstance(one, exp.In) and one.expressions for one in fields):
        raise _UnknownError("PIVOT takes its columns from the data")
    values = [_origins(aggregate, scope) for aggregate in aggregates]
    used = {c.name.lower() for part in (*aggregates, *(one.this for one in fields)) for c in part.find_all(exp.Column)}
    group = args.get("group")
    groups = (
        [column for key in group.expressions for column in _project(key, scope)]
        if group is not None
        else [column for column in traced.columns if column.key not in used]
    )
    for one in fields:
        _steer(one.this, scope)
    scope.filters.update(cell for column in groups for cell in column.origins)
    count = math.prod(len(one.expressions) for one in fields)
    names = [i.name for i in args.get("columns") or ()] or [None] * count * len(values)
    made = [_Column(name, origins) for name, origins in zip(names, values * count, strict=True)]
    return _Traced([*groups, *made], scope.filters)


def _unpivot(pivot: exp.Pivot, scope: _Scope) -> _Traced:
    """Turn columns into rows: their names into one column, their values into another; NULLs are left out."""
    into = pivot.args.get("into")
    name, values, chosen = (
        (into.this, into.expressions, pivot.expressions)
        if into is not None
        else (pivot.args["fields"][0].this, pivot.expressions, pivot.args["fields"][0].expressions)
    )
    if len(values) != 1 or any(isinstance(one, exp.Tuple) for one in chosen):
        raise _UnknownError("UNPIVOT into several columns is not understood")
    turned = [column for one in chosen for column in _project(one.unalias(), scope)]
    keys = {column.key for column in turned}
    value = _merge(*(column.origins for column in turned))
    scope.filters.update(value)
    rest = [column for column in scope.columns if column.key not in keys]
    return _Traced([*rest, _Column(name.name, {}), _Column(values[0].name, value)], scope.filters)


# --- expressions -----------------------------------------------------------------------------------------------------


def _project(projection: exp.Expr, scope: _Scope) -> list[_Column]:
    """Trace what one item of a SELECT list makes: a column, or several where it has a star or COLUMNS."""
    inner = projection.unalias()
    if isinstance(inner, exp.Star) or (isinstance(inner, exp.Column) and isinstance(inner.this, exp.Star)):
        return _star(inner, scope)
    if isinstance(inner, exp.Explode) and projection.find_ancestor(exp.Query) is not projection.root():
        _require_list(inner.this, scope)
    origins = _column(inner, scope) if isinstance(inner, exp.Column) else _origins(inner, scope)
    if scope.expanded:
        expanded, is_alias = [*scope.expanded], inner is not projection
        scope.expanded.clear()
        each = [(column, _origins(inner, dataclasses.replace(scope, chosen=column))) for column in expanded]
        return [_Column(None if is_alias else column.name, found) for column, found in each]
    if inner is not projection:
        scope.aliases[projection.alias.lower()] = origins
        return [_Column(projection.alias, origins)]
    plain = inner.unnest()
    return [_Column(plain.name if isinstance(plain, exp.Column) else None, origins)]


def _star(star: exp.Expr, scope: _Scope) -> list[_Column]:
    """Expand `*` or `t.*` with EXCLUDE, REPLACE and RENAME."""
    columns, star = (_row(star, scope), star.this) if isinstance(star, exp.Column) else (scope.columns, star)
    excluded, args = star.args.get("except_") or (), star.args
    if args.get("ilike") or any(isinstance(one, exp.Column) and one.table for one in excluded):
        raise _UnknownError("a star with conditions is not understood")
    gone = {one.name.lower() for one in excluded}
    replaced = {one.alias.lower(): _origins(one.this, scope) for one in args.get("replace") or ()}
    renamed = {one.this.name.lower(): one.alias for one in args.get("rename") or ()}
    return [
        _Column(renamed.get(c.key or "", c.name), replaced.get(c.key or "", c.origins))
        for c in columns
        if c.key not in gone
    ]


def _row(star: exp.Column, scope: _Scope) -> Sequence[_Column]:
    found = [source for source in scope.sources if source.name == star.table.lower()]
    if len(found) != 1:
        raise _UnknownError(f"'{star.table}.*' cannot be resolved")
    return found[0].columns


def _origins(expression: exp.Expr, scope: _Scope) -> _Origins:
    """Find where the value of an expression comes from; what steers it on the way goes into the scope's filters."""
    found: _Origins = {}
    stack = [(expression, _COPIED)]
    while stack:
        node, rank = stack.pop()
        special = _SPECIAL.get(type(node))
        if special is not None:
            for cell, own in special(node, scope).items():
                found[cell] = max(own, rank, found.get(cell, own))
            continue
        rank = max(rank, _strength(node))
        stack += [(child, rank) for child in node.iter_expressions()]
    return found


def _strength(node: exp.Expr) -> int:
    """What an expression does to the values in it."""
    if isinstance(node, (exp.Paren, exp.Alias)):
        return _COPIED
    return _AGGREGATED if _is_aggregate(node) else _TRANSFORMED


def _is_aggregate(node: exp.Expr) -> bool:
    is_named_so = isinstance(node, exp.Anonymous) and node.name.lower() in _AGGREGATES
    return is_named_so or isinstance(node, (exp.AggFunc, exp.WithinGroup))


def _look_up(parts: Sequence[str], scope: _Scope | None) -> _Origins | None:
    """Find what a name means in the innermost scope that knows it."""
    while scope is not None:
        if (found := scope.find(parts)) is not None:
            origins, is_whole = found
            return origins if is_whole else _merge(origins, at_least=_TRANSFORMED)
        scope = scope.outer
    return None


def _resolve(parts: Sequence[str], scope: _Scope) -> _Origins:
    found = _look_up(parts, scope)
    if found is None:
        raise _UnknownError(f"column '{'.'.join(parts)}' cannot be resolved")
    return found


def _column(node: exp.Column, scope: _Scope) -> _Origins:
    if isinstance(node.this, exp.Star):
        return _merge(*(column.origins for column in _row(node, scope)), at_least=_TRANSFORMED)
    return _resolve([part.name.lower() for part in node.parts], scope)


def _dot(node: exp.Expr, scope: _Scope) -> _Origins:
    """Trace `value.field` and `value.function(…)`, whose value may be a column that is written as mere names."""
    rank, methods, parts = _TRANSFORMED, [], []
    while isinstance(node, exp.Dot):
        if isinstance(node.expression, exp.Identifier):
            parts.append(node.expression.name.lower())
        else:
            methods.append(_origins(node.expression, scope))
            by_name = exp.FUNCTION_BY_NAME.get(node.expression.name.upper())
            is_aggregate = _is_aggregate(node.expression) or (by_name is not None and issubclass(by_name, exp.AggFunc))
            rank, parts = _AGGREGATED if is_aggregate else rank, []
        node = node.this
    names = [node.name.lower(), *reversed(parts)]
    value = _resolve(names, scope) if isinstance(node, exp.Identifier) else _origins(node, scope)
    return _merge(value, *methods, at_least=rank)


def _subquery(node: exp.Expr, scope: _Scope) -> _Origins:
    traced = _trace_query(node, scope)
    scope.filters.update(traced.filters)
    return _merge(*(column.origins for column in traced.columns))


def _exists(node: exp.Expr, scope: _Scope) -> _Origins:
    """EXISTS is made of nothing but what steers its query."""
    return dict.fromkeys(_trace_query(node.this, scope).filters, _TRANSFORMED)


def _steered(node: exp.Expr, scope: _Scope) -> _Origins:
    """Trace a window function, an aggregate's FILTER or its ORDER BY: `this` is the value, all else steers it."""
    value = node.this
    rest = [child for child in node.iter_expressions() if child is not value]
    if value is None:  # WITHIN GROUP (ORDER BY value)
        return _merge(*(_origins(child, scope) for child in rest))
    for child in rest:
        _steer(child, scope)
    return _merge(_origins(value, scope), at_least=_AGGREGATED if isinstance(node, exp.Window) else _COPIED)


def _count(node: exp.Expr, scope: _Scope) -> _Origins:
    """The star of count(*) is not a value."""
    values = [child for child in node.iter_expressions() if not child.is_star]
    return _merge(*(_origins(value, scope) for value in values), at_least=_AGGREGATED)


def _unnested(node: exp.Expr, scope: _Scope) -> _Origins:
    """Unnesting makes as many rows of each row as there are values."""
    origins = _merge(*(_origins(child, scope) for child in node.iter_expressions()), at_least=_TRANSFORMED)
    scope.filters.update(origins)
    return origins


def _lambda(node: exp.Expr, scope: _Scope) -> _Origins:
    """Trace `x -> x + a`. sqlglot reads the JSON path `a -> '$.b'` as one too, so that `a` may be a column."""
    names = {p.name.lower(): _look_up([p.name.lower()], scope) or {} for p in node.expressions}
    inner = dataclasses.replace(scope, merged={**scope.merged, **names})
    return _merge(*names.values(), _origins(node.this, inner), at_least=_TRANSFORMED)


def _comprehension(node: exp.Expr, scope: _Scope) -> _Origins:
    inner = dataclasses.replace(scope, merged={**scope.merged, node.expression.name.lower(): {}})
    inside = [_origins(part, inner) for part in (node.this, node.args.get("condition")) if part is not None]
    return _merge(_origins(node.args["iterator"], scope), *inside, at_least=_TRANSFORMED)


def _columns(node: exp.Columns, scope: _Scope) -> _Origins:
    """Trace COLUMNS: one of the columns that it stands for, or the first time all of them, noting which they are."""
    if scope.chosen is not None and not node.args.get("unpack"):
        return scope.chosen.origins
    matching = _matching(node.this, scope)
    if not node.args.get("unpack"):
        scope.expanded[:] = matching
    return _merge(*(column.origins for column in matching))


def _matching(pattern: exp.Expr, scope: _Scope) -> list[_Column]:
    if pattern.is_star:
        return _star(pattern, scope)
    if isinstance(pattern, exp.Literal) and all(column.name is not None for column in scope.columns):
        return [column for column in scope.columns if re.search(pattern.name, column.name or "")]
    raise _UnknownError("COLUMNS of an expression is not understood")


def _refused(node: exp.Expr, _: _Scope) -> _Origins:
    raise _UnknownError(f"{node.sql('duckdb')} is not understood here")


_SPECIAL: Mapping[type[exp.Expr], Callable[[Any, _Scope], _Origins]] = {
    exp.Column: _column,
    exp.Dot: _dot,
    exp.Select: _subquery,
    exp.Subquery: _subquery,
    exp.Union: _subquery,
    exp.Intersect: _subquery,
    exp.Except: _subquery,
    exp.Exists: _exists,
    exp.Window: _steered,
    exp.Filter: _steered,
    exp.Order: _steered,
    exp.Count: _count,
    exp.Explode: _unnested,
    exp.Lambda: _lambda,
    exp.Comprehension: _comprehension,
    exp.Columns: _columns,
    exp.Star: _refused,
    exp.PositionalColumn: _refused,
}
