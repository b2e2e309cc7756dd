"""A project folder in, its models rendered and their graph out; the SQL is not judged yet."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from fsbuild.errors import Place
from fsbuild.values import (
    Check,
    GraphNode,
    Model,
    Moment,
    Project,
    Relation,
    RenderedModel,
    Seed,
    Source,
    UnitTest,
    package_of,
)

if TYPE_CHECKING:
    from fsbuild.graph import Graph
    from fsbuild.load import Overrides
    from fsbuild.render import Asking


@dataclass(frozen=True, slots=True)
class Draft:
    """A project that is loaded and rendered, with its graph; its SQL is not judged yet."""

    project: Project
    models: Mapping[str, RenderedModel]
    graph: Graph


@dataclass(frozen=True, slots=True)
class Added:
    """A model that has no file, and perhaps a source that it reads and the project does not know."""

    model: Model
    source: Source | None = None


def draft_project(  # noqa: PLR0913 - what a project is rendered with
    root: Path,
    overrides: Overrides,
    moment: Moment,
    added: Added | None = None,
    flags: Mapping[str, object] = MappingProxyType({}),
    asking: Asking | None = None,
) -> Draft:
    """Load and render a project, with what a caller adds to it, and build its graph.

    `flags` are for templates, and `asking` is what these can ask of the lake.

    Raises:
        FsbuildError: of the first stage that finds problems, with all problems of that stage.
    """
    from fsbuild.graph import build_graph
    from fsbuild.load import load_project
    from fsbuild.load.reading import relation_of
    from fsbuild.render import evaluate_text, render_models, with_checks

    project = load_project(root, overrides, evaluate_text)
    if added is not None:
        sources = project.sources if added.source is None else (*project.sources, added.source)
        project = replace(project, models=(*project.models, added.model), sources=sources)

    def default(name: str, schema: str | None, alias: str | None) -> Relation:
        return relation_of(name, schema, alias, project.target.schema)

    rendered = render_models(project, moment, default, flags, asking)
    models = {model.unique_id: model for model in rendered.models}
    project = rendered.project
    if any(model.pins for model in rendered.models):
        from fsbuild.pipeline.pinning import pinned_sources

        project = replace(project, sources=(*project.sources, *pinned_sources(project, models)))
    graph = build_graph(graph_nodes(project, rendered.models))
    checks = _without_contract(models.values())
    if rendered.tests:
        checks = _with_tests(project, graph, rendered.tests, checks)
    if checks:
        project, placed = with_checks(project, models.values(), checks)
        models = {model.unique_id: model for model in placed}
    return Draft(project, models, graph)


def _without_contract(models: Iterable[RenderedModel]) -> dict[str, tuple[Check, ...]]:
    """The checks of models that have constraints and no contract that is enforced: as in dbt, these say nothing."""
    return {
        one.unique_id: tuple(check for check in one.model.checks if not check.is_constraint)
        for one in models
        if not one.config.has_contract and any(check.is_constraint for check in one.model.checks)
    }


def _with_tests(
    project: Project, graph: Graph, tests: Iterable[Check], known: Mapping[str, tuple[Check, ...]]
) -> dict[str, tuple[Check, ...]]:
    """The checks of nodes with those that are files added: each to the last node in the graph that it reads."""
    place = {name: number for number, name in enumerate(graph.order)}
    nodes: tuple[Model | Seed | Source, ...] = (*project.models, *project.seeds, *project.sources)
    checks = {node.unique_id: node.checks for node in nodes} | dict(known)
    for test in tests:
        last = max(test.references, key=lambda name: place.get(name, -1))
        others = tuple(name for name in test.references if name != last)
        checks[last] = (*checks[last], replace(test, references=others))
    return checks


def compiled_path(project: Project, model: RenderedModel) -> str:
    """Where a model's compiled SQL is written, relative to the project's root."""
    path = model.model.path
    # A snapshot that YAML declares has no file of its own, and several may share one.
    is_alone = path.endswith(f"/{model.model.name}.sql") or model.model.resource_type != "snapshot"
    path = path if is_alone or "/" not in path else f"{path}/{model.model.name}.sql"
    return f"{project.target_path}/compiled/{project.name}/{path}"


def write_compiled(project: Project, models: Iterable[RenderedModel]) -> None:
    """Write the SQL of models below the target folder; what has not changed is left alone."""
    for model in models:
        file = project.root / compiled_path(project, model)
        with contextlib.suppress(OSError):
            if file.read_text(encoding="utf-8") == model.sql.text:
                continue
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(model.sql.text, encoding="utf-8")


def sources_in_use(draft: Draft) -> list[Source]:
    """List the sources that a model reads."""
    used = {parent for model in draft.models.values() for parent in model.depends_on}
    return [source for source in draft.project.sources if source.unique_id in used]


def unit_tests_of(draft: Draft) -> list[UnitTest]:
    """List the unit tests of the models that are not disabled."""
    return [test for model in draft.models.values() for test in model.model.unit_tests]


def selection_graph(draft: Draft) -> Graph:
    """The graph with the exposures in it, each below what it stands on: what nodes are selected from."""
    from fsbuild.graph import build_graph

    exposures = _exposure_nodes(draft)
    return build_graph([*draft.graph.nodes.values(), *exposures]) if exposures else draft.graph


def _exposure_nodes(draft: Draft) -> list[GraphNode]:
    return [
        GraphNode(
            one.unique_id,
            one.name,
            "exposure",
            one.place.file,
            (draft.project.name, one.name),
            "exposure",
            one.tags,
            tuple(name for name in one.depends_on if name in draft.graph.nodes),
            one.place,
        )
        for one in draft.project.exposures
    ]


def tests_graph(draft: Draft) -> Graph:
    """The graph with exposures, and with unit tests below the models that they are about; for selecting tests."""
    from fsbuild.graph import build_graph

    tests = [
        GraphNode(
            test.unique_id,
            test.name,
            "unit_test",
            test.place.file,
            (draft.project.name, draft.models[test.model_id].model.name, test.name),
            "unit_test",
            test.tags,
            (test.model_id,),
            test.place,
        )
        for test in unit_tests_of(draft)
    ]
    added = [*tests, *_exposure_nodes(draft)]
    return build_graph([*draft.graph.nodes.values(), *added]) if added else draft.graph


def graph_nodes(project: Project, rendered: Iterable[RenderedModel]) -> Iterator[GraphNode]:
    """Describe the nodes of a project as the graph knows them."""
    for source in project.sources:
        fqn: tuple[str, ...] = (package_of(source.unique_id), source.source_name, source.name)
        yield GraphNode(
            source.unique_id,
            source.name,
            "source",
            source.place.file,
            fqn,
            "source",
            source.tags,
            (),
            source.place,
            source.source_name,
        )
    for seed in project.seeds:
        fqn = (package_of(seed.unique_id), *_folders(project, seed), seed.name)
        place = Place(seed.path)
        yield GraphNode(seed.unique_id, seed.name, "seed", seed.path, fqn, "seed", seed.config.tags, (), place)
    for one in rendered:
        model = one.model
        label = (f"v{model.version.label}",) if model.version is not None else ()
        fqn = (package_of(model.unique_id), *_folders(project, model), model.name, *label)
        yield GraphNode(
            model.unique_id,
            model.name,
            model.resource_type,
            model.path,
            fqn,
            one.config.materialized,
            one.config.tags,
            one.depends_on,
            Place(model.path),
            version=model.version,
        )


def _folders(project: Project, node: Model | Seed | Source) -> tuple[str, ...]:
    """The folders of a node's file below the first one (`models`, `seeds`)."""
    path = Path(project.path_in_package(node))
    is_in_block = isinstance(node, Model) and node.is_in_block
    return (*path.parts[1:-1], path.stem) if is_in_block else path.parts[1:-1]
