"""A model on demand: features that are computed, row by row, from the values of a request and from stored features.

    {{ config(materialized='on_demand', request={'distance': 'double'}, features=['carrier_delay_7d']) }}
    select distance / 8 + dep_delay_mean_7d as expected_minutes from {{ request() }}

The list of the SELECT is the definition, wherever it is computed: over the rows of a training set, where the request is
the spine, and for one request by a server. So it must be about one row at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from fsbuild.errors import BindError, Place, Problem
from fsbuild.features.point_in_time import ROW
from fsbuild.values import REQUEST, ColumnType, RenderedModel, RenderedSql, quote

ColumnsOf = Callable[[str], Sequence[ColumnType]]


def request_relation(columns: Iterable[ColumnType]) -> str:
    """Write the request as a relation without rows."""
    values = ", ".join(f"CAST(NULL AS {column.type}) AS {quote(column.name)}" for column in columns)
    return f"(SELECT {values} WHERE false)"


def bind_request(
    model: RenderedModel, taken: Sequence[ColumnType], columns_of: ColumnsOf, select_list: Callable[[str], str]
) -> tuple[RenderedSql, list[Problem]]:
    """Put a relation with the request's columns and the features taken into a model's SQL, and judge what it does."""
    name, place, problems = model.model.name, Place(model.model.path), list[Problem]()
    values = [ColumnType(column, kind) for column, kind in model.config.request.items()]
    seen: set[str] = set()
    for column in (*values, *taken):
        if column.name.lower() in seen:
            message = f"'{name}' is computed from two columns that are called '{column.name}'"
            problems.append(Problem(message, place, hint="rename one of them, or give the features a prefix"))
        seen.add(column.name.lower())
    if not seen:
        hint = "config(request={'distance': 'double'}, features=['carrier_delay_7d'])"
        problems.append(Problem(f"'{name}' is computed from nothing", place, hint=hint))
    if problems:
        return model.sql, problems
    relation = request_relation((*values, *taken))
    try:
        listed = select_list(model.sql.text)
        columns_of(f"SELECT * FROM {relation}")
    except (ValueError, BindError) as exc:
        said = exc.message.splitlines()[0] if isinstance(exc, BindError) else str(exc)
        hint = "select expressions from {{ request() }}: select distance * 2 as twice from {{ request() }}"
        return model.sql, [Problem(f"'{name}' {said}", place, hint=hint)]
    sql = RenderedSql(model.sql.text.replace(REQUEST, relation), model.sql.lines)
    if _binds(f"SELECT {listed} FROM {relation}", columns_of) and not _binds(
        f"SELECT {ROW}, {listed} FROM (SELECT 1 AS {ROW}, * FROM {relation})", columns_of
    ):
        hint = "compute aggregates in a feature model, and take these features"
        problems.append(Problem(f"'{name}' aggregates, and is computed from one row at a time", place, hint=hint))
    return sql, problems


def _binds(sql: str, columns_of: ColumnsOf) -> bool:
    try:
        columns_of(sql)
    except BindError:
        return False
    return True
