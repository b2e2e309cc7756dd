"""Chosen nodes in; their tables better stored, or without the files that nobody needs, out. No row changes.

Views and sources among the chosen are passed over, and so is what has not been built yet.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fsbuild.errors import FsbuildError, Problem, StoreError
from fsbuild.pipeline.drafting import Draft
from fsbuild.pipeline.nodes import has_table, relation_of, shown_name
from fsbuild.pipeline.state import open_lake
from fsbuild.pipeline.training import training_recipes
from fsbuild.values import ModelConfig

if TYPE_CHECKING:
    from fsbuild.store import Lake, Optimized, UnusedFile


@dataclass(frozen=True, slots=True)
class Stored:
    """What was done with how a table is stored, and the columns that its rows are ordered by."""

    name: str
    zorder: tuple[str, ...]
    done: Optimized


@dataclass(frozen=True, slots=True)
class Unused:
    """The files of a table that nobody needs, and the versions that are kept for the tables below it."""

    name: str
    files: tuple[UnusedFile, ...]
    kept: tuple[int, ...]


def optimize_tables(draft: Draft, chosen: Sequence[str], zorder: Sequence[str], run_id: str) -> Iterator[Stored]:
    """Put the rows of each chosen table into few large files, near each other by `zorder`.

    Without it, they are near each other by the model's `cluster_by`, or by its event time.

    Raises:
        StoreError: a table has no such column; all of them at once, and nothing was done.
    """
    lake = open_lake(draft.project)
    tables = dict(_tables(draft, chosen, lake))
    problems: list[Problem] = []
    for uri in tables.values() if zorder else ():
        try:
            lake.refuse_unknown_columns(uri, zorder)
        except FsbuildError as exc:
            problems.extend(exc.problems)
    if problems:
        raise StoreError(problems)
    for unique_id, uri in tables.items():
        model = draft.models.get(unique_id)
        config = model.config if model is not None else ModelConfig()
        columns = tuple(zorder) or config.cluster_by or ((config.event_time,) if config.event_time else ())
        done = lake.optimize(uri, columns, run_id, small_files=config.grows)
        yield Stored(shown_name(draft.graph.nodes[unique_id]), columns, done)


def vacuum_tables(
    draft: Draft, chosen: Sequence[str], retention_hours: int | None, run_id: str, *, is_dry_run: bool = True
) -> Iterator[Unused]:
    """List the unused files of each chosen table, and delete them unless that is only a rehearsal.

    A file stays that a version needs from which the rows that changed since a table below was computed are told, one
    that a model names, or one that a training set was made from.

    Raises:
        StoreError: the retention is shorter than a table's own; all of them at once, and nothing was deleted.
    """
    lake = open_lake(draft.project)
    tables = dict(_tables(draft, chosen, lake))
    built = [lake.state(relation_of(draft, name)) for name in draft.graph.order if has_table(draft, name)]
    ingredients = [i for _, recipe in training_recipes(draft, lake) for i in recipe.ingredients if i.location is None]
    found: list[Unused] = []
    problems: list[Problem] = []
    for unique_id, uri in tables.items():
        read = [state.inputs[unique_id] for state in built if state is not None and unique_id in state.inputs]
        pinned = [s.version for s in draft.project.sources if s.location == uri and s.version is not None]
        of_training_sets = [i.version for i in ingredients if i.relation == relation_of(draft, unique_id)]
        kept = sorted({*lake.needed_versions(uri, read), *pinned, *(v for v in of_training_sets if v is not None)})
        try:
            files = lake.unused_files(uri, retention_hours, kept)
        except FsbuildError as exc:
            problems.extend(exc.problems)
        else:
            found.append(Unused(shown_name(draft.graph.nodes[unique_id]), tuple(files), tuple(kept)))
    if problems:
        raise StoreError(problems)
    for one, uri in zip(found, tables.values(), strict=True):
        if one.files and not is_dry_run:
            lake.vacuum(uri, retention_hours, one.kept, run_id)
        yield one


def _tables(draft: Draft, chosen: Sequence[str], lake: Lake) -> Iterator[tuple[str, str]]:
    """The chosen nodes that have a table, each with its place."""
    for name in chosen:
        if has_table(draft, name) and lake.state(relation := relation_of(draft, name)) is not None:
            yield name, lake.uri(relation)
