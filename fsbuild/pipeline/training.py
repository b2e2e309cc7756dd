"""Training sets that are there: the recipe of a version, and the rows that following it gives today."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from fsbuild.errors import Problem, UsageError, suggest
from fsbuild.pipeline.drafting import Draft
from fsbuild.pipeline.nodes import relation_of
from fsbuild.recipes import RECIPE, Ingredient, Recipe, content_hash
from fsbuild.values import Relation, staged_relation

if TYPE_CHECKING:
    from fsbuild.engine import Warehouse
    from fsbuild.store import Lake

_KEY = f"fsbuild.{RECIPE}"


def find_training_set(draft: Draft, name: str) -> str:
    """Find a training set by its name.

    Raises:
        UsageError: there is none of that name.
    """
    known = {m.model.name: m.unique_id for m in draft.models.values() if m.config.materialized == "training_set"}
    if name not in known:
        hint = suggest(name, known) or f"there are: {', '.join(sorted(known)) or 'none'}"
        raise UsageError(Problem(f"there is no training set '{name}'", hint=hint))
    return known[name]


def training_recipes(draft: Draft, lake: Lake, only: str | None = None) -> Iterator[tuple[int, Recipe]]:
    """List the versions of training sets with their recipes, the latest first; of all of them, or one by unique id."""
    for model in draft.models.values():
        if model.config.materialized != "training_set" or only not in (None, model.unique_id):
            continue
        if lake.state(model.relation) is None:
            continue
        for commit in lake.history(model.relation):
            if _KEY in commit:
                yield int(commit["version"]), Recipe.from_json(commit[_KEY])


def recipe_of(draft: Draft, lake: Lake, unique_id: str, version: int | None) -> tuple[int, Recipe]:
    """Find the recipe of a version of a training set, by default the latest.

    Raises:
        UsageError: there is no such version.
    """
    name = draft.graph.nodes[unique_id].name
    relation = relation_of(draft, unique_id)
    if lake.state(relation) is None:
        raise UsageError(Problem(f"'{name}' has not been built yet", hint=f"fsbuild run --select +{name}"))
    if version is not None:
        lake.refuse_unknown_version(lake.uri(relation), version)
    for number, recipe in training_recipes(draft, lake, unique_id):
        # What follows rows in the log, such as a table's properties, changes none of them.
        if version is None or number <= version:
            return number, recipe
    raise UsageError(Problem(f"no version of '{name}' up to {version} has rows", hint=f"fsbuild history {name}"))


@contextmanager
def followed(draft: Draft, lake: Lake, recipe: Recipe, warehouse: Warehouse) -> Iterator[Relation]:
    """Make the rows of a recipe again; yield the name under which they are kept for a while.

    Raises:
        UsageError: an ingredient is not there any more as it was.
    """
    for one in recipe.ingredients:
        _bind(one, draft, lake, warehouse)
    rows = staged_relation("rebuilt")
    with ExitStack() as stack:
        for schema, identifier, sql in recipe.stages:
            relation = Relation(schema, identifier)
            warehouse.keep(relation, sql)
            stack.callback(warehouse.drop, relation)
        warehouse.keep(rows, recipe.sql)
        stack.callback(warehouse.drop, rows)
        yield rows


def content_of(warehouse: Warehouse, relation: Relation) -> str:
    """The hash of the rows under a name."""
    names = [column.name for column in warehouse.columns(f"SELECT * FROM {relation}")]
    (said,) = warehouse.rows(content_hash(str(relation), names))
    return str(said["content"])


def _bind(one: Ingredient, draft: Draft, lake: Lake, warehouse: Warehouse) -> None:
    """Make an ingredient readable as it was."""
    shown = f"{one.schema}.{one.identifier}"
    if one.query is not None:
        warehouse.bind_query(one.relation, one.query)
    elif one.source is not None:
        _bind_files(one, shown, draft, warehouse)
    else:
        uri = one.location or lake.uri(one.relation)
        state = lake.state_at(uri, one.version)
        if one.version is None or state is None or (one.token and state.token != one.token):
            message = f"version {one.version} of '{shown}' is not there any more: the table was made anew"
            raise UsageError(Problem(message, hint="restore the lake from a copy"))
        lake.refuse_missing_files(uri, one.version)
        warehouse.bind_table(one.relation, uri, one.version)


def _bind_files(one: Ingredient, shown: str, draft: Draft, warehouse: Warehouse) -> None:
    from fsbuild.engine.sources import file_states, files_token, local_files

    source = next((source for source in draft.project.sources if source.unique_id == one.source), None)
    listed = local_files(source, draft.project.root) if source is not None else None
    states = file_states(listed, draft.project.root) if listed is not None else {}
    if source is None or files_token(states) != one.token:
        message = f"the files of '{shown}' are others than the training set was made from, and have no versions"
        raise UsageError(Problem(message, hint="let the training set read a table that is built from them"))
    warehouse.bind_source(source, None, states)
