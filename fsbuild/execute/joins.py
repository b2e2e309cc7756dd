"""Joins of features, step by step: what a step needs is given back to the engine before the next begins."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from fsbuild.execute.bindings import Bindings, is_inlined
from fsbuild.execute.work import Warehouse
from fsbuild.recipes import Ingredient, Recipe, StagedQuery, content_hash
from fsbuild.values import CompiledModel


@contextmanager
def kept_stages(query: StagedQuery, warehouse: Warehouse) -> Iterator[None]:
    """Keep the steps that a query reads for a while."""
    try:
        for relation, sql in query.stages:
            warehouse.keep(relation, sql)
        yield
    finally:
        for relation, _ in query.stages:
            warehouse.drop(relation)


def write_recipe(model: CompiledModel, query: StagedQuery, staged: str, bindings: Bindings) -> Recipe:
    """Write down how the rows that are staged came about."""
    (said,) = bindings.tools.warehouse.rows(content_hash(staged, [column.name for column in model.columns]))
    return Recipe(
        now=bindings.work.now.isoformat(),
        ingredients=tuple(dict.fromkeys(_ingredients(model, bindings))),
        stages=tuple((relation.schema, relation.identifier, sql) for relation, sql in query.stages),
        sql=query.sql,
        content=str(said["content"]),
        rows=int(str(said["n"])),
    )


def _ingredients(model: CompiledModel, bindings: Bindings) -> Iterator[Ingredient]:
    """What a model reads, and before each view what that reads."""
    work = bindings.work
    for name in model.rendered.depends_on:
        relation = bindings.relation(name)
        view = work.models.get(name)
        source = work.sources.get(name)
        if view is not None and is_inlined(view):
            yield from _ingredients(view, bindings)
            yield Ingredient(relation.schema, relation.identifier, query=view.select)
        elif source is not None and source.kind == "files":
            yield Ingredient(relation.schema, relation.identifier, bindings.token(name), source=name)
        else:
            yield Ingredient(
                relation.schema,
                relation.identifier,
                bindings.token(name),
                bindings.state(name).version,
                source.location if source is not None else None,
            )
