"""Joins of features, step by step: what a step needs is given back to the engine before the next begins."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from fsbuild.execute.work import Warehouse
from fsbuild.values import Expansion, Relation


@contextmanager
def kept_steps(expansions: Sequence[Expansion], sql: str, warehouse: Warehouse) -> Iterator[str]:
    """Keep the steps of the joins in a query for a while; yield the query that reads them."""
    kept: list[Relation] = []
    used = [expansion for expansion in expansions if expansion.inline in sql]
    try:
        for index, expansion in enumerate(used):
            for relation, stage in expansion.stages:
                warehouse.keep(relation, _reading_steps(stage, used[:index]))
                kept.append(relation)
        yield _reading_steps(sql, used)
    finally:
        for relation in kept:
            warehouse.drop(relation)


def _reading_steps(sql: str, expansions: Sequence[Expansion]) -> str:
    """A query in which joins read their steps; a later join may contain one before it, and goes first."""
    for expansion in reversed(expansions):
        sql = sql.replace(expansion.inline, expansion.staged)
    return sql
