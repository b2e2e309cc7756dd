"""Two versions of a query in, the output columns whose definitions differ out, and whether those of its rows do.

Every column is written out down to the columns of the inputs, through CTEs and subqueries, and so is all that decides
which rows there are; two texts that are equal mean the same. The invariant: where the rows are the same, a column that
is not named here has the same values as before, given the same inputs. What is not understood counts as another
definition of everything.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from sqlglot import exp
from sqlglot.dialects.duckdb import DuckDB
from sqlglot.errors import SqlglotError

from fsbuild.lineage.projections import has_aggregate
from fsbuild.lineage.scopes import Input, UnknownError
from fsbuild.values import ColumnType


@dataclass(frozen=True, slots=True)
class Version:
    """A query as it is or was: its text, what it reads, and the columns that the engine's binder found."""

    sql: str
    inputs: Sequence[Input]
    columns: Sequence[ColumnType]


@dataclass(frozen=True, slots=True)
class Edited:
    """The columns of the later query that mean something else, or are new; and whether it may have other rows."""

    columns: tuple[str, ...]
    has_other_rows: bool


def compare_definitions(before: Version, after: Version) -> Edited:
    """Find what two versions of a query define differently.

    select id, a + 1 as x from t   ->   select id, a + 2 as x from t              x
    select id, a + 1 as x from t   ->   select id, a + 1 as x from t where a > 0  the rows
    """
    try:
        old, new = _define(before), _define(after)
    except (UnknownError, SqlglotError, RecursionError):
        return Edited(tuple(column.name for column in after.columns), has_other_rows=True)
    meanings = zip(after.columns, new.columns, strict=True)
    was = {known.name.lower(): column.text for known, column in zip(before.columns, old.columns, strict=True)}
    edited = tuple(known.name for known, column in meanings if was.get(known.name.lower()) != column.text)
    return Edited(edited, has_other_rows=old.rows != new.rows)


@dataclass(frozen=True, slots=True)
class _Column:
    name: str | None
    text: str


@dataclass(frozen=True, slots=True)
class _Relation:
    rows: str
    columns: Sequence[_Column]


@dataclass(slots=True)
class _Names:
    """What the names in a query stand for."""

    inputs: Mapping[tuple[str, str], Input]
    ctes: Mapping[str, Callable[[], _Relation]]
    outer: _Names | None = None
    sources: list[tuple[str, _Relation]] = field(default_factory=list)
    aliases: dict[str, str] = field(default_factory=dict)
    windows: Mapping[str, exp.Window] = field(default_factory=dict)

    def find(self, parts: Sequence[str]) -> str | None:
        """Write out all that a name may stand for in the innermost query that knows it."""
        found = []
        for at, part in enumerate(parts):
            named = [relation for name, relation in self.sources if at and name == parts[at - 1]]
            among = named if at else [relation for _, relation in self.sources]
            found += [column.text for relation in among for column in relation.columns if column.name == part]
        found += [self.aliases[parts[0]]] if parts[0] in self.aliases else []
        if not found:
            found = [_digest(relation.columns) for name, relation in self.sources if name in parts]
        if not found:
            return self.outer.find(parts) if self.outer is not None else None
        return _digest([*found, *parts]) if len(found) > 1 or len(parts) > 1 else found[0]

    def find_window(self, name: str) -> exp.Window | None:
        if name in self.windows:
            return self.windows[name]
        return self.outer.find_window(name) if self.outer is not None else None


def _digest(parts: object) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


def _define(version: Version) -> _Relation:
    trees = DuckDB().parse(version.sql)
    if len(trees) != 1 or trees[0] is None:
        raise UnknownError("the text is not one query")
    inputs = {(i.relation.schema.lower(), i.relation.identifier.lower()): i for i in version.inputs}
    found = _query(trees[0], _Names(inputs, {}))
    if len(found.columns) != len(version.columns):
        raise UnknownError("other columns than the engine's")
    return found


# --- queries ---------------------------------------------------------------------------------------------------------


def _query(query: exp.Expr, outer: _Names) -> _Relation:
    env = outer
    if (with_ := query.args.get("with_")) is not None:
        if with_.args.get("recursive"):
            raise UnknownError("recursive queries are not written out")
        for cte in with_.expressions:
            define = functools.cache(functools.partial(_cte, cte, env))
            env = _Names(env.inputs, {**env.ctes, cte.alias.lower(): define}, env)
    if isinstance(query, exp.Select):
        return _select(query, env)
    if isinstance(query, exp.SetOperation):
        found = _set_operation(query, env)
    elif isinstance(query, exp.Subquery):
        found = _query(query.this, env)
    else:
        raise UnknownError(f"{query.key.upper()} is not written out")
    names = _Names(env.inputs, env.ctes, env, [("", found)])
    return _Relation(_rows([found.rows, *_ordering(query, found.columns, names)]), found.columns)


def _cte(cte: exp.CTE, env: _Names) -> _Relation:
    return _renamed(_query(cte.this, env), cte.args.get("alias"))


def _set_operation(query: exp.SetOperation, env: _Names) -> _Relation:
    left, right = _query(query.this, env), _query(query.expression, env)
    columns = [*left.columns]
    if query.args.get("by_name"):
        theirs = {column.name: column.text for column in right.columns}
        columns = [_Column(c.name, _digest([c.text, theirs.pop(c.name, None)])) for c in left.columns]
        columns += [_Column(name, _digest([None, text])) for name, text in theirs.items()]
    elif isinstance(query, exp.Union):
        columns = [_Column(a.name, _digest([a.text, b.text])) for a, b in zip(columns, right.columns, strict=True)]
    compares = query.args.get("distinct") or not isinstance(query, exp.Union)
    compared = [*left.columns, *right.columns] if compares else []
    how = [query.key, query.args.get("distinct"), query.args.get("by_name")]
    return _Relation(_digest([how, left.rows, right.rows, compared]), columns)


def _select(select: exp.Select, env: _Names) -> _Relation:
    names, args = _Names(env.inputs, env.ctes, env), select.args
    names.windows = {window.name.lower(): window for window in args.get("windows") or ()}
    rows: list[object] = []
    visible: Sequence[_Column] = ()
    if (from_ := args.get("from_")) is not None:
        visible = _item(from_.this, names, rows)
    for join in args.get("joins") or ():
        visible = _join(visible, join, names, rows)
    columns: list[_Column] = []
    made: list[tuple[exp.Expr, list[_Column]]] = []
    for projection in select.expressions:
        made.append((projection, _project(projection, visible, names)))
        columns += made[-1][1]
        if any(projection.find_all(exp.Explode)):
            rows.append(made[-1][1])  # a row for each value
    if (group := args.get("group")) is not None:
        keys = [found for projection, found in made if not has_aggregate(projection)]
        rows.append([_keys(group.expressions, columns, names), keys if group.args.get("all") else None])
    if (distinct := args.get("distinct")) is not None:
        on = distinct.args.get("on")
        rows.append(_keys(on.expressions, columns, names) if on else columns)
    counted = {"with_", "expressions", "from_", "joins", "windows", "group", "distinct", "order", "limit", "offset"}
    rows += [[clause, _text(args[clause], names)] for clause in sorted(args.keys() - counted) if args[clause]]
    rows += _ordering(select, columns, names)
    return _Relation(_rows(rows), columns)


def _rows(parts: Sequence[object]) -> str:
    """Put together what decides about rows; those that are handed on as they are stay what they are."""
    return parts[0] if len(parts) == 1 and isinstance(parts[0], str) else _digest(parts)


def _ordering(query: exp.Expr, columns: Sequence[_Column], names: _Names) -> list[object]:
    """An order counts where it decides which rows there are, and within a query that reads them in order."""
    args = query.args
    chooses = args.get("limit") or args.get("offset") or args.get("distinct")
    order = args.get("order") if chooses or query.parent is not None else None
    keys = [_keys([key.this], columns, names) + _text(key, names) for key in order.expressions] if order else None
    if not keys and not chooses:
        return []
    return [["order", keys, _text(args.get("limit"), names), _text(args.get("offset"), names)]]


def _keys(keys: Iterable[exp.Expr], columns: Sequence[_Column], names: _Names) -> str:
    """Write out keys, among them numbers and names of output columns, and ALL."""
    found: list[object] = []
    for key in keys:
        words = {one.name.lower() for one in key.find_all(exp.Column)}
        numbers = {int(one.name) for one in key.find_all(exp.Literal) if one.is_int}
        is_all = isinstance(key, exp.Var) and key.name.upper() == "ALL"
        text = _text(key, names)
        meant = [c.text for at, c in enumerate(columns, start=1) if is_all or at in numbers or c.name in words]
        found.append([text, [other for other in meant if other != text]])
    return _digest(found)


def _project(projection: exp.Expr, visible: Sequence[_Column], names: _Names) -> list[_Column]:
    inner = projection.unalias()
    if isinstance(inner, exp.Star):
        return _star(inner, visible, names)
    if isinstance(inner, exp.Column) and isinstance(inner.this, exp.Star):
        found = [relation.columns for name, relation in names.sources if name == inner.table.lower()]
        if len(found) != 1:
            raise UnknownError("a star that cannot be resolved")
        return _star(inner.this, found[0], names)
    if projection.find(exp.Columns) is not None:
        raise UnknownError("COLUMNS is not written out")
    text = _text(inner, names)
    plain = inner.unnest()
    name = projection.alias or (plain.name if isinstance(plain, exp.Column) else "")
    if inner is not projection:
        names.aliases[name.lower()] = text
    return [_Column(name.lower() or None, text)]


def _star(star: exp.Star, columns: Sequence[_Column], names: _Names) -> list[_Column]:
    args = star.args
    if {key for key, value in args.items() if value} - {"except_", "replace", "rename"}:
        raise UnknownError("a star with conditions is not written out")
    gone = {one.name.lower() for one in args.get("except_") or ()}
    replaced = {one.alias.lower(): _text(one.this, names) for one in args.get("replace") or ()}
    renamed = {one.this.name.lower(): one.alias.lower() for one in args.get("rename") or ()}
    return [
        _Column(renamed.get(c.name or "", c.name), replaced.get(c.name or "", c.text))
        for c in columns
        if c.name not in gone
    ]


# --- relations -------------------------------------------------------------------------------------------------------


def _item(item: exp.Expr, names: _Names, rows: list[object]) -> Sequence[_Column]:
    """Enter an item of FROM; all that decides about its rows is added to `rows`."""
    if isinstance(item, exp.Subquery) and isinstance(item.this, (exp.Table, exp.Subquery)):
        columns = _item(item.this, names, rows)
    else:
        name, relation = _relation(item, names)
        alias = item.args.get("alias")
        relation = _renamed(relation, alias)
        if len({column.name for column in relation.columns}) < len(relation.columns):
            raise UnknownError("columns of one name")
        name = alias.name.lower() if alias is not None and alias.name else name
        names.sources.append((name, relation))
        rows.append(relation.rows)
        columns = relation.columns
    for join in item.args.get("joins") or ():
        columns = _join(columns, join, names, rows)
    return columns


def _relation(item: exp.Expr, names: _Names) -> tuple[str, _Relation]:
    if item.args.get("pivots") or item.args.get("sample"):
        raise UnknownError("PIVOT and samples are not written out")
    if isinstance(item, exp.Table) and isinstance(item.this, exp.Identifier):
        name, schema = item.name.lower(), item.db.lower()
        if not schema and name in names.ctes:
            return name, names.ctes[name]()
        read = names.inputs.get((schema, name))
        if read is None:
            raise UnknownError("it reads what is none of its inputs")
        return name, _Relation(
            read.unique_id, [_Column(c.name.lower(), f"{read.unique_id}.{c.name}") for c in read.columns]
        )
    if isinstance(item, exp.Lateral) and isinstance(item.this, exp.Subquery):
        return "", _query(item.this, names)
    if isinstance(item, exp.Query):
        return "", _query(item, names)
    raise UnknownError(f"{item.key} is not written out")


def _join(left: Sequence[_Column], join: exp.Join, names: _Names, rows: list[object]) -> Sequence[_Column]:
    """Enter the right side of a join; the columns are what `*` means after it."""
    before = len(names.sources)
    right = _item(join.this, names, rows)
    keys = [identifier.name.lower() for identifier in join.args.get("using") or ()]
    if join.method == "NATURAL":
        keys = sorted({c.name for c in left if c.name} & {c.name for c in right if c.name})
    how = [join.method, join.side, join.kind]
    merged = {key: _digest([how, *(c.text for c in (*left, *right) if c.name == key)]) for key in keys}
    rows.append([how, _text(join.args.get("on"), names), merged])
    names.aliases.update(merged)
    kept = [_Column(c.name, merged.get(c.name or "", c.text)) for c in left]
    if join.kind in ("SEMI", "ANTI"):
        del names.sources[before:]
        return kept
    return [*kept, *(c for c in right if c.name not in merged)]


def _renamed(relation: _Relation, alias: exp.TableAlias | None) -> _Relation:
    given = [identifier.name.lower() for identifier in alias.columns] if alias is not None else []
    if len(given) > len(relation.columns):
        raise UnknownError("a relation has fewer columns than names")
    renamed = [_Column(name, column.text) for name, column in zip(given, relation.columns, strict=False)]
    return _Relation(relation.rows, [*renamed, *relation.columns[len(given) :]])


# --- expressions -----------------------------------------------------------------------------------------------------


def _text(node: object, names: _Names) -> str:
    """Write an expression out: names as what they stand for, all else as it is; a mere column is what it copies."""
    written = _written(node, names)
    return written if isinstance(written, str) else _digest(written)


def _written(node: object, names: _Names) -> object:
    if isinstance(node, list):
        return [_written(one, names) for one in node]
    if not isinstance(node, exp.Expr):
        return node
    if isinstance(node, exp.Column):
        return _written_column([part.name.lower() for part in node.parts], node, names)
    if isinstance(node, exp.Query):
        inner = _query(node, names)
        return ["query", inner.rows, [column.text for column in inner.columns]]
    if isinstance(node, exp.Identifier):
        # A parameter of a lambda, a field, or a column: what has the name of a column may be one.
        return [node.name, names.find([node.name.lower()])]
    found: list[object] = [type(node).__name__]
    found += [[key, _written(value, names)] for key, value in sorted(node.args.items()) if value is not None]
    if isinstance(node, exp.Window) and (name := node.args.get("alias")) is not None:
        found.append(_written(names.find_window(name.name.lower()), names))
    return found


def _written_column(parts: Sequence[str], column: exp.Column, names: _Names) -> object:
    if isinstance(column.this, exp.Star):
        return ["row", [relation.columns for name, relation in names.sources if name in parts]]
    found = names.find(parts)
    if found is None:
        raise UnknownError(f"column '{'.'.join(parts)}' cannot be resolved")
    return found
