"""Reads of tables as they were in, a source for each out: a Delta table at one version, as any other source may be.

`ref('m', as_of=…)` is the version of that moment. It is looked up in every run, and is always the same one once the
moment has passed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from fsbuild.errors import FsbuildError, Place, Problem, RenderError, in_order
from fsbuild.pipeline.points import parse_moment, version_of
from fsbuild.store import Lake
from fsbuild.values import INLINED, Pin, Project, RenderedModel, Source


def pinned_sources(project: Project, models: Mapping[str, RenderedModel]) -> tuple[Source, ...]:
    """Make a source of every read of a model's or seed's table as it was.

    Raises:
        RenderError: a node has no table, or its table no such version; all of them at once.
    """
    lake = Lake(project.target.lake, project.target.storage_options)
    seeds = {seed.unique_id: seed.relation for seed in project.seeds}
    found: dict[str, Source] = {}
    problems: list[Problem] = []
    for model in models.values():
        for pin in model.pins:
            place = _place(model, pin)
            node = models.get(pin.node_id)
            if node is not None and node.config.materialized in INLINED:
                name = pin.name.partition("@")[0]
                message = f"'{name}' is of the kind '{node.config.materialized}': it has no versions to read"
                problems.append(Problem(message, place, hint=f"make it a table, or write ref('{name}')"))
                continue
            relation = node.relation if node is not None else seeds[pin.node_id]
            uri = lake.uri(relation)
            if lake.state_at(uri) is None:
                name = pin.name.partition("@")[0]
                hint = f"let models read ref('{name}') until it has been built"
                problems.append(Problem(f"'{name}' has no table yet, and so no versions to read", place, hint=hint))
                continue
            try:
                version = version_of(lake, uri, parse_moment(pin.at) if isinstance(pin.at, str) else pin.at)
            except FsbuildError as exc:
                problems.extend(Problem(one.message, place, hint=one.hint) for one in exc.problems)
                continue
            found[pin.unique_id] = Source(
                pin.unique_id, "pinned", pin.name, "delta", uri, pin.relation, place, version=version
            )
    if problems:
        raise RenderError(in_order(problems))
    return tuple(found.values())


def _place(model: RenderedModel, pin: Pin) -> Place:
    """The line of a model's file that says so, or the file."""
    name = re.escape(pin.name.partition("@")[0])
    found = re.search(rf"ref\([^)]*['\"]{name}['\"]\s*,\s*(version|as_of)\s*=", model.model.raw_sql)
    return Place(model.model.path, model.model.raw_sql.count("\n", 0, found.start()) + 1 if found else None)
