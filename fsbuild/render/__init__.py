"""The render stage: models in, SQL without Jinja out, with what each model reads and how it is configured.

The only stage that knows jinja2. Every model is rendered twice, as in dbt: once to learn its configuration and what it
reads (`execute` is false), and once, when all names are known, for its SQL; a model that asks `is_incremental()` a
third time for the SQL of an increment. All problems of all models are collected and raised together.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import jinja2

from fsbuild.config import is_reserved, merge_layers, parse_config
from fsbuild.errors import Place, Problem, RenderError, in_order, serious
from fsbuild.feature_requests import parse_features
from fsbuild.render.access import Accessed, access_problems
from fsbuild.render.checks import CheckTexts
from fsbuild.render.context import Lake, LakeNeeded, ModelContext, Names
from fsbuild.render.joins import Joins
from fsbuild.render.links import Links
from fsbuild.render.mistakes import syntax_problem, template_place, template_problem, with_excerpt
from fsbuild.render.naming import DefaultNames, Naming
from fsbuild.render.nodes import KnownNode, ProjectGraph, config_values, describe_node
from fsbuild.render.source_lines import read_marks
from fsbuild.render.templates import Templates, prepare_templates
from fsbuild.render.yaml_text import evaluate_text
from fsbuild.values import (
    Check,
    Join,
    Model,
    ModelConfig,
    Moment,
    Pin,
    Project,
    Relation,
    RenderedModel,
    RenderedSql,
    Seed,
    Source,
    UnitOverrides,
    package_of,
)

__all__ = ["Asking", "Rendered", "evaluate_text", "final_names", "render_again", "render_models", "with_checks"]


@dataclass(frozen=True, slots=True)
class Rendered:
    """A project, its seeds named as its macros say, its models with their SQL, and the checks that are files."""

    project: Project
    models: tuple[RenderedModel, ...]
    tests: tuple[Check, ...] = ()


@dataclass(frozen=True, slots=True)
class Asking:
    """What templates can ask, and the nodes that are there: a model can ask when all that it reads is among them."""

    lake: Lake
    ready: frozenset[str]


@dataclass(frozen=True, slots=True)
class _Rendering:
    """What rendering a project's models needs throughout, and the problems met on the way."""

    project: Project
    templates: Templates
    naming: Naming
    problems: list[Problem]
    asking: Asking | None = None

    def context(self, names: Names, one: Model, **given: Any) -> ModelContext:  # noqa: ANN401 - its other fields
        """The context of one rendering of a model."""
        package = package_of(one.unique_id)
        return ModelContext(names, self.project.variables_of(package), here=package, **given)


@dataclass(frozen=True, slots=True)
class _Parsed:
    """A model after its first rendering: its template, configuration and relation."""

    model: Model
    template: jinja2.Template
    raw_config: Mapping[str, Any]
    config: ModelConfig
    relation: Relation
    depends_on: tuple[str, ...]
    pins: Mapping[str, Pin]
    told_config: Mapping[str, Any]

    @property
    def known(self) -> KnownNode:
        """What templates can learn of the model."""
        return KnownNode(self.model, config_values(self.config), self.relation, self.depends_on)


def render_models(
    project: Project,
    moment: Moment,
    default: DefaultNames,
    flags: Mapping[str, object],
    asking: Asking | None = None,
) -> Rendered:
    """Render all enabled models of a project.

    `default` names relations where the project has no macros for it; `flags` are what templates see of that name. A
    model that asks the lake too early is waiting.

    Raises:
        RenderError: templates are wrong; all problems at once.
    """
    problems: list[Problem] = []
    templates = prepare_templates(project, moment, flags, problems)
    naming = Naming(templates, default, project, problems)
    seeds = [KnownNode(seed, config_values(seed.config), seed.relation) for seed in project.seeds]
    named = tuple(
        replace(seed, relation=naming.relation_of(one, seed.config))
        for seed, one in zip(project.seeds, seeds, strict=True)
    )
    project = replace(project, seeds=named)
    rendering = _Rendering(project, templates, naming, problems, asking)
    provisional = [(seed.name, seed.unique_id, seed.relation) for seed in project.seeds]
    provisional += [
        (name, model.unique_id, Relation(project.target.schema, model.shown_name))
        for model in project.models
        for name in model.ref_names
    ]
    views = {view.name: view for view in project.feature_views}
    names = Names(project.name, {}, _sources(project), feature_views=views)
    names = replace(names, **_by_name(project.name, provisional))
    empty = ProjectGraph(project, ())
    parsed = [one for model in project.models if (one := _parse(model, rendering, names, empty)) is not None]
    enabled = [one for one in parsed if one.config.enabled]
    disabled = frozenset(name for one in parsed if not one.config.enabled for name in one.model.ref_names)
    off = {one.model.unique_id for one in parsed if not one.config.enabled}
    names = _final_names(project, [one for one in provisional if one[1] not in off], enabled, disabled)
    if links := Links.between(project, names.nodes.values()):
        project, names = links.of_project(project), replace(names, sources=links.of_sources(names.sources))
        by_id = {model.unique_id: model for model in project.models}
        enabled = [
            replace(one, model=by_id[one.model.unique_id], depends_on=links.of_ids(one.depends_on)) for one in enabled
        ]
        rendering = replace(rendering, project=project)
    known = [replace(one, relation=seed.relation) for one, seed in zip(seeds, project.seeds, strict=True)]
    graph = ProjectGraph(project, [*known, *(one.known for one in enabled)])
    rendered = [model for one in enabled if (model := _finish(one, rendering, names, graph)) is not None]
    texts = CheckTexts(project, templates, names, graph, problems)
    nodes: list[Model | Seed | Source] = [*(one.model for one in rendered), *project.seeds, *project.sources]
    checks = {node.unique_id: texts.of_node(node.unique_id, node.checks) for node in nodes}
    tests = tuple(texts.singular(project.tests))
    _check_relations(enabled, project, problems)
    problems.extend(access_problems(project, (Accessed(one.model, one.raw_config, one.depends_on) for one in enabled)))
    if stopping := serious(problems, is_lenient=project.is_of_dbt):
        raise RenderError(stopping)
    return Rendered(*with_checks(project, rendered, checks), tests)


def render_again(
    rendered: Rendered, chosen: Collection[str], overrides: UnitOverrides, moment: Moment, flags: Mapping[str, object]
) -> tuple[RenderedModel, ...]:
    """Render some models of a project that is rendered, by their unique ids, as a unit test overrides what they see.

    Raises:
        RenderError: templates are wrong then; all problems at once.
    """
    problems: list[Problem] = []
    project = replace(rendered.project, variables={**rendered.project.variables, **overrides.variables})
    templates = prepare_templates(project, moment, flags, problems, overrides)
    # Everything has its name by now, and keeps it.
    naming = Naming(templates, lambda name, _schema, _alias: Relation(project.target.schema, name), project, [])
    rendering = _Rendering(project, templates, naming, problems)
    names = final_names(project, rendered.models)
    known = [KnownNode(seed, config_values(seed.config), seed.relation) for seed in project.seeds]
    known += [KnownNode(m.model, config_values(m.config), m.relation, m.depends_on) for m in rendered.models]
    graph, found = ProjectGraph(project, known), list[RenderedModel]()
    for model in rendered.models:
        if model.unique_id in chosen:
            one = _parse(model.model, rendering, names, ProjectGraph(project, ()))
            done = _finish(replace(one, relation=model.relation), rendering, names, graph) if one is not None else None
            found += [done] if done is not None else []
    if problems:
        raise RenderError(in_order(problems))
    return tuple(found)


def final_names(project: Project, models: Sequence[RenderedModel]) -> Names:
    """What templates can refer to once all models are rendered."""
    return _final_names(project, [(seed.name, seed.unique_id, seed.relation) for seed in project.seeds], models)


def _sources(project: Project) -> dict[tuple[str, str], tuple[str, Relation]]:
    return {(source.source_name, source.name): (source.unique_id, source.relation) for source in project.sources}


def _by_name(project: str, found: Iterable[tuple[str, str, Relation]]) -> dict[str, Any]:
    """The nodes that names stand for: in each package, and alone, where the project's own are stronger."""
    packages: dict[str, dict[str, tuple[str, Relation]]] = {project: {}}
    for name, unique_id, relation in found:
        packages.setdefault(package_of(unique_id), {})[name] = (unique_id, relation)
    nodes = {name: one for nodes in packages.values() for name, one in nodes.items()} | packages[project]
    return {"nodes": nodes, "packages": packages}


def _final_names(
    project: Project,
    others: Iterable[tuple[str, str, Relation]],
    enabled: Sequence[_Parsed | RenderedModel],
    disabled: frozenset[str] = frozenset(),
) -> Names:
    """What templates can refer to once the models that are `enabled` are known; `others` are nodes beside them."""
    views = {view.name: view for view in project.feature_views}
    found = [(name, one.model.unique_id, one.relation) for one in enabled for name in one.model.ref_names]
    nodes = [*others, *found]
    times = {source.unique_id: source.event_time for source in project.sources}
    times |= {seed.unique_id: seed.config.event_time for seed in project.seeds}
    times |= {one.model.unique_id: one.config.event_time for one in enabled}
    event_times = {name: column for name, column in times.items() if column is not None}
    computed = {
        one.model.name: tuple(reference.model for reference in parse_features(one.config.features, views))
        for one in enabled
        if one.config.materialized == "on_demand" and one.config.features
    }
    names = Names(project.name, {}, _sources(project), disabled, event_times, views, computed)
    return replace(names, **_by_name(project.name, nodes))


def with_checks(
    project: Project, models: Iterable[RenderedModel], checks: Mapping[str, tuple[Check, ...]]
) -> tuple[Project, tuple[RenderedModel, ...]]:
    """Give nodes other checks, by their unique ids."""
    project = replace(
        project,
        models=tuple(replace(one, checks=checks.get(one.unique_id, one.checks)) for one in project.models),
        seeds=tuple(replace(one, checks=checks.get(one.unique_id, one.checks)) for one in project.seeds),
        sources=tuple(replace(one, checks=checks.get(one.unique_id, one.checks)) for one in project.sources),
    )
    by_id = {model.unique_id: model for model in project.models}
    return project, tuple(replace(model, model=by_id.get(model.unique_id, model.model)) for model in models)


def _parse(model: Model, rendering: _Rendering, names: Names, graph: ProjectGraph) -> _Parsed | None:
    """Render a model for the first time, to learn what it reads and how it is configured."""
    project, problems, environment = rendering.project, rendering.problems, rendering.templates.environment
    try:
        code = environment.compile(model.raw_sql, name=model.path, filename=model.path)
    except jinja2.TemplateSyntaxError as exc:
        problems.append(syntax_problem(exc, model.path, model.raw_sql))
        return None
    template = jinja2.Template.from_code(environment, code, {})
    provisional = Relation(project.target.schema, model.shown_name)
    context = rendering.context(
        names,
        model,
        this=provisional,
        config=model.config,
        model=describe_node(KnownNode(model, model.config, provisional), project),
        graph=graph,
        is_executing=False,
        is_incremental=False,
    )
    if _render(model, template, context, rendering) is None:
        return None
    try:
        raw = merge_layers([model.config, context.told_config])
    except ValueError as exc:
        problems.append(Problem(f"config 'tags' is {exc}", Place(model.path)))
        return None
    told = set(context.told_config)
    config, found = parse_config(raw, lambda key: _config_place(model, key) if key in told else model.place)
    if project.is_of_dbt and "on_schema_change" not in raw:
        config = replace(config, on_schema_change="ignore")
    problems.extend(found)
    # What it has features of is read, too.
    Joins(context).training_set(config)
    Joins(context).taken(config)
    known = KnownNode(model, config_values(config), provisional)
    relation = rendering.naming.relation_of(known, config)
    return _Parsed(model, template, raw, config, relation, tuple(context.depends_on), context.pins, context.told_config)


def _finish(one: _Parsed, rendering: _Rendering, names: Names, graph: ProjectGraph) -> RenderedModel | None:
    """Render a model for its SQL; one that asks for rows waits until these are there."""
    asking, before = rendering.asking, len(rendering.problems)
    lake = asking.lake if asking is not None and asking.ready >= set(one.depends_on) else None
    contexts: list[ModelContext] = []

    def render(*, is_incremental: bool) -> RenderedSql | None:
        context = rendering.context(
            names,
            one.model,
            this=one.relation,
            config=one.raw_config,
            model=describe_node(one.known, rendering.project),
            graph=graph,
            is_executing=True,
            is_incremental=is_incremental,
            is_batched=one.config.is_batched,
            lake=lake,
        )
        contexts.append(context)
        return _render(one.model, one.template, context, rendering)

    waiting = RenderedModel(
        one.model, one.config, one.relation, RenderedSql("", ()), None, one.depends_on, is_waiting=True
    )
    try:
        sql, incremental = render(is_incremental=False), None
        # Where its table is looked at, it may not be there yet.
        is_growing = one.config.materialized == "incremental" and (lake is None or lake.has_table(one.relation))
        if contexts[0].asked_incremental and is_growing:
            incremental = render(is_incremental=True)
    except LakeNeeded:
        return waiting
    is_wrong = sql is None or (incremental is None and len(contexts) > 1)
    has_asked = any(context.has_asked for context in contexts)
    if len(rendering.problems) > before and (has_asked or (is_wrong and rendering.project.is_of_dbt)):
        # The others go on: what the rows of this run make of a template is the matter of this one alone, and in a
        # project of dbt everything is that goes wrong when names are known.
        told = tuple(rendering.problems[before:])
        del rendering.problems[before:]
        return replace(waiting, problems=told)
    if sql is None or is_wrong:
        return None
    first = contexts[0]
    training, taken = Joins(first).training_set(one.config), Joins(first).taken(one.config)
    joins: dict[str, Join] = {}
    pins = dict(one.pins)
    depends_on = dict.fromkeys(one.depends_on)
    for context in contexts:
        joins |= context.joins
        pins |= context.pins
        depends_on |= context.depends_on
    return RenderedModel(
        one.model,
        one.config,
        one.relation,
        sql,
        incremental,
        tuple(depends_on),
        tuple(pins.values()),
        first.batched,
        joins,
        training,
        taken=taken,
        raw_config=one.raw_config,
        told_config=one.told_config,
        has_free_increment=rendering.project.is_of_dbt or one.config.on_schema_change != "fail",
    )


def _render(
    model: Model, template: jinja2.Template, context: ModelContext, rendering: _Rendering
) -> RenderedSql | None:
    """Evaluate a template in a context; None, with the problem noted, where that fails."""

    def note(message: str, hint: str | None) -> None:
        place = template_place(sys._getframe(), model.path)  # noqa: SLF001 - the template's line is on the stack
        rendering.problems.append(with_excerpt(Problem(message, place, hint=hint), model.path, model.raw_sql))

    # Only the last rendering knows every name, so only it reports the unknown ones.
    if context.is_executing:
        context.note = note
    names = rendering.templates.scope_of(context)
    try:
        marked = "".join(template.root_render_func(template.new_context(names, shared=True)))
    except LakeNeeded:
        raise
    except jinja2.UndefinedError as exc:
        if context.has_asked and not context.is_executing:
            return RenderedSql("", ())  # it goes on with what it asked for, which there is none of yet
        rendering.problems.append(template_problem(exc, names, model.path, model.raw_sql))
        return None
    except Exception as exc:  # noqa: BLE001 - a template can call anything; what it raises is the template's mistake
        rendering.problems.append(template_problem(exc, names, model.path, model.raw_sql))
        return None
    return read_marks(marked)


def _config_place(model: Model, key: str) -> Place:
    """The line on which `key=` is written inside a model's file."""
    match = re.search(rf"\b{re.escape(key)}\s*=", model.raw_sql)
    return Place(model.path, model.raw_sql.count("\n", 0, match.start()) + 1 if match else None)


def _check_relations(enabled: Iterable[_Parsed], project: Project, problems: list[Problem]) -> None:
    """Refuse two nodes of one name, which would be written to the same table, and names that no schema can have."""
    taken: dict[tuple[str, str], str] = {}
    nodes = [
        *((f"source {s.source_name}.{s.name}", s.relation, s.place) for s in _tables(project.sources)),
        *((seed.path, seed.relation, Place(seed.path)) for seed in project.seeds),
        *((one.model.path, one.relation, Place(one.model.path)) for one in enabled),
    ]
    for node, relation, place in nodes:
        other = taken.setdefault(_folded(relation), node)
        name = f"{relation.schema}.{relation.identifier}"
        if other != node:
            message = f"'{name}' is written by {other} too" if "/" in other else f"'{name}' is the name of {other} too"
            problems.append(Problem(message, place, hint="give one of them another alias or schema"))
        elif is_reserved(relation.schema):
            message = f"'{name}' is in a schema that the engine keeps for itself"
            problems.append(Problem(message, place, hint="give it another schema"))


def _tables(sources: Iterable[Source]) -> Iterable[Source]:
    """Sources whose place somebody tells, of those that are one table the first."""
    found: dict[tuple[Relation, str], Source] = {}
    for source in sources:
        if not source.is_own:
            found.setdefault((source.relation, source.location), source)
    return found.values()


def _folded(relation: Relation) -> tuple[str, str]:
    """A relation as the engine tells it apart from others: without regard to case."""
    return relation.schema.lower(), relation.identifier.lower()
