"""Column lineage of one query: SQL text and its inputs' columns in, one edge per dependency out.

The engine's binder has judged the query already and says which columns come out; this only explains where they come
from. The invariant: **no false silence**. A query has either an edge for everything that can change it, or a reason
why its lineage is unknown; where SQL is ambiguous to us we name one edge too many rather than one too few.

One walk over the syntax tree serves all columns. Every relation (input, CTE, subquery) is traced at most once, into
the columns that it has and the input columns that steer which rows it has.

The modules stand on each other in one line, and none imports one above it: `queries` on `relations`, `pivots`,
`projections`, `expressions`, `scopes`. A query within an expression is traced by what its scope carries for that.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from sqlglot.dialects.duckdb import DuckDB
from sqlglot.errors import SqlglotError

from fsbuild.lineage.queries import trace_query
from fsbuild.lineage.scopes import (
    AGGREGATED,
    COPIED,
    FILTERS,
    GROUPS,
    JOINS,
    ORDERS,
    PARTITIONS,
    TRANSFORMED,
    Column,
    Input,
    Scope,
    UnknownError,
)
from fsbuild.values import ColumnEdge, ColumnType, EdgeKind, Lineage

if TYPE_CHECKING:
    from sqlglot import exp
    from sqlglot.tokenizer_core import Token

__all__ = ["Input", "Tokenized", "trace_lineage"]

_STRONGEST: tuple[tuple[int, EdgeKind], ...] = (
    (AGGREGATED, "aggregated"),
    (TRANSFORMED, "transformed"),
    (COPIED, "copied"),
)
_STEERING: tuple[tuple[int, EdgeKind], ...] = (
    (FILTERS, "filters"),
    (JOINS, "joins"),
    (GROUPS, "groups"),
    (ORDERS, "orders"),
    (PARTITIONS, "partitions"),
)


@dataclass(frozen=True, slots=True)
class Tokenized:
    """A text that has a query in it, and the tokens of the query where they are in the text."""

    text: str
    tokens: Sequence[Token]


def trace_lineage(
    sql: str, inputs: Sequence[Input], columns: Sequence[ColumnType], tokenized: Tokenized | None = None
) -> Lineage:
    """Trace every output column of a query, and the choice of its rows, back to the columns of its inputs.

    `sql` is a SELECT in DuckDB's dialect that reads the inputs by schema and identifier; `columns` are the ones that
    the engine's binder found; `tokenized` has the tokens of the query where they are known. Edges are unique and
    sorted; `values.ColumnEdge` says what the kinds mean. A kind of steering stays what it is wherever it goes on: rows
    that are filtered by a row number depend on the columns of its window as `partitions` and `orders`. Never raises:
    what cannot be traced is `unknown`, with the reason.

        SELECT id, max(x) AS top FROM s.t WHERE y > 0 GROUP BY id
        *   <- t.id groups, t.y filters
        id  <- t.id copied
        top <- t.x aggregated
    """
    try:
        trees = _parse(sql, tokenized)
        if len(trees) != 1 or trees[0] is None:
            return Lineage(unknown="the text is not one query")
        by_name = {(i.relation.schema.lower(), i.relation.identifier.lower()): i for i in inputs}
        traced = trace_query(trees[0], Scope(by_name, trace_query))
        _compare(traced.columns, columns)
    except UnknownError as exc:
        return Lineage(unknown=str(exc))
    except SqlglotError as exc:
        return Lineage(unknown=f"sqlglot cannot read the query: {str(exc).partition(chr(10))[0].rstrip('.')}")
    except RecursionError:
        return Lineage(unknown="the query is nested too deeply")
    except Exception as exc:  # noqa: BLE001 - the engine accepts this query; explaining it must not be what fails
        return Lineage(unknown=f"tracing the query failed: {type(exc).__name__}")
    edges = {ColumnEdge("*", *cell, kind) for cell, ways in traced.steering.items() for kind in _kinds(ways)}
    for known, column in zip(columns, traced.columns, strict=True):
        edges.update(ColumnEdge(known.name, *cell, kind) for cell, w in column.origins.items() for kind in _kinds(w))
    return Lineage(tuple(sorted(edges, key=lambda e: (e.column, e.input_id, e.input_column, e.kind))))


def _parse(sql: str, tokenized: Tokenized | None) -> list[exp.Expr | None]:
    if tokenized is not None:
        with suppress(SqlglotError):  # which is told with the place in the query
            return DuckDB().parser().parse([*tokenized.tokens], tokenized.text)
    return DuckDB().parse(sql)


@cache
def _kinds(ways: int) -> tuple[EdgeKind, ...]:
    """Name the ways in which something depends on a column: the strongest in which it is made of it, and all others."""
    strongest = [kind for bit, kind in _STRONGEST if ways & bit][:1]
    return (*strongest, *(kind for bit, kind in _STEERING if ways & bit))


def _compare(traced: Sequence[Column], columns: Sequence[ColumnType]) -> None:
    """Refuse an explanation of other columns than the binder's, which may number duplicates: a, a_1."""
    if len(traced) != len(columns):
        raise UnknownError(f"{len(traced)} columns were traced where the engine finds {len(columns)}")
    for ours, known in zip(traced, columns, strict=True):
        name = known.name.lower()
        if ours.key not in (None, name) and not re.fullmatch(rf"{re.escape(ours.key or '')}_\d+", name):
            raise UnknownError(f"column '{ours.name}' was traced where the engine finds '{known.name}'")
