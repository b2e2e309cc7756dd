"""A draft in, a project out whose SQL is known to bind and whose checks are known to fit; no data is touched."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import TYPE_CHECKING

from fsbuild.cache import Shelf
from fsbuild.errors import BindError, CompileError, Place, Problem, in_order, serious, suggest
from fsbuild.pipeline.contracts import contract_problems
from fsbuild.pipeline.drafting import Draft, compiled_path, sources_in_use
from fsbuild.pipeline.known import known_relations
from fsbuild.pipeline.late_binding import LateBinder, binder_over
from fsbuild.pipeline.program import open_cache
from fsbuild.pipeline.unit_subjects import unit_test_problems
from fsbuild.values import (
    INLINED,
    Check,
    ColumnType,
    CompiledModel,
    Model,
    ModelConfig,
    Relation,
    RenderedModel,
    Seed,
    Source,
)

if TYPE_CHECKING:
    from fsbuild.compile import KnownRelation
    from fsbuild.features import Declared, Expander, FeatureTable


log = logging.getLogger("fsbuild")

# A node, the number of a check among those of it, and what is wrong with the check.
_WrongCheck = tuple[Model | Seed | Source, int, Problem]


@dataclass(frozen=True, slots=True)
class Compiled:
    """A project whose SQL is known to bind."""

    draft: Draft
    models: Mapping[str, CompiledModel]
    known: Mapping[str, KnownRelation]


def compile_draft(draft: Draft, *, is_tracing: bool = False) -> Compiled:
    """Type every source, seed and model, and check every check's definition, without touching data.

    Lineage is traced when it is asked for; where `is_tracing`, all of it is traced and kept at once.

    Raises:
        FsbuildError: SQL, sources or checks are wrong; all problems at once.
    """
    project, binder = draft.project, binder_over(draft.project, sources_in_use(draft))
    problems: list[Problem] = []
    models, known = _bind(draft, binder, problems, is_tracing=is_tracing)
    columns: dict[str, Sequence[ColumnType]] = {name: model.columns for name, model in models.items()}
    columns |= {name: one.columns for name, one in known.items()}
    draft, models = _with_checks(draft, models, _schema_checks(draft, columns, binder, problems))
    wrong = _check_problems(draft, columns, binder)
    draft, models = _with_checks(draft, models, _set_aside(draft, wrong, problems))
    problems.extend(_column_problems(draft, columns))
    problems.extend(contract_problems(models.values(), binder))
    problems.extend(_feature_problems(draft, columns))
    problems.extend(_reference_problems(draft))
    problems.extend(unit_test_problems(draft, models, known, binder))
    if stopping := serious(problems, is_lenient=project.is_of_dbt):
        raise CompileError(stopping)
    return Compiled(draft, models, known)


def _with_checks(
    draft: Draft, models: dict[str, CompiledModel], checks: Mapping[str, tuple[Check, ...]]
) -> tuple[Draft, dict[str, CompiledModel]]:
    """Give nodes other checks."""
    if not checks:
        return draft, models
    from fsbuild.render import with_checks

    project, rendered = with_checks(draft.project, draft.models.values(), checks)
    draft = replace(draft, project=project, models={model.unique_id: model for model in rendered})
    return draft, {
        name: replace(one, rendered=replace(one.rendered, model=draft.models[name].model))
        for name, one in models.items()
    }


def _set_aside(draft: Draft, wrong: Iterable[_WrongCheck], problems: list[Problem]) -> dict[str, tuple[Check, ...]]:
    """The checks of nodes, of which those that are wrong say so when they are asked, in a project of dbt's.

    Elsewhere, and where a node cannot do without them, their problems are those of the project.
    """
    found: dict[str, dict[int, Check]] = {}
    for node, number, problem in wrong:
        check = node.checks[number]
        if draft.project.is_of_dbt and not check.always_gates:
            found.setdefault(node.unique_id, dict(enumerate(node.checks)))[number] = replace(check, problem=problem)
            log.warning("%s", problem)
        else:
            problems.append(problem)
    return {name: tuple(checks.values()) for name, checks in found.items()}


def compile_sql(draft: Draft) -> Compiled:
    """Type every source, seed and model, and leave checks alone.

    Raises:
        FsbuildError: SQL or sources are wrong; all problems at once.
    """
    problems: list[Problem] = []
    models, known = _bind(draft, binder_over(draft.project, sources_in_use(draft)), problems)
    if problems:
        raise CompileError(in_order(problems))
    return Compiled(draft, models, known)


def _bind(
    draft: Draft, binder: LateBinder, problems: list[Problem], *, is_tracing: bool = False
) -> tuple[dict[str, CompiledModel], dict[str, KnownRelation]]:
    """Type what models read, whose problems are added, and then the models.

    Raises:
        CompileError: the SQL of models is wrong; all problems at once.
    """
    from fsbuild.compile import Seams, compile_models

    project = draft.project
    settings = sorted(project.target.settings.items(), key=str)
    kept = open_cache(project)
    known = {one.unique_id: one for one in known_relations(draft, binder, Shelf(kept, "known", settings), problems)}
    parents_first = [draft.models[name] for name in draft.graph.order if name in draft.models]
    writing = cache(partial(expander, draft, binder))
    seams = Seams(
        binder,
        lambda model: compiled_path(project, model),
        lambda model, columns: writing().expand(model, columns),
        Shelf(kept, "model", settings),
        Shelf(kept, "lineage", settings),
        is_tracing,
    )
    try:
        compiled = compile_models(parents_first, known.values(), seams)
    except CompileError as exc:
        raise CompileError(in_order([*problems, *exc.problems])) from exc
    finally:
        kept.save()
    return {model.unique_id: model for model in compiled}, known


def expander(draft: Draft, binder: LateBinder) -> Expander:
    """What writes the joins of features."""
    from fsbuild.compile import select_list
    from fsbuild.features import Expander

    entities = {entity.name: entity for entity in draft.project.entities}
    return Expander(
        {one.name: one for one in _declared(draft)},
        entities,
        lambda sql: [ColumnType(column.name, column.type) for column in binder.columns_of(sql)],
        {m.model.name: m for m in draft.models.values() if m.config.materialized == "on_demand"},
        select_list,
    )


def _declared(draft: Draft) -> Iterator[Declared]:
    """What models and seeds say of their features."""
    from fsbuild.features import Declared

    for model in draft.models.values():
        place = model.model.place
        yield Declared(model.unique_id, model.model.name, model.relation, model.config, place)
    for seed in draft.project.seeds:
        yield Declared(seed.unique_id, seed.name, seed.relation, seed.config, Place(seed.path))


def _feature_problems(draft: Draft, columns: Mapping[str, Sequence[ColumnType]]) -> Iterator[Problem]:
    """What is wrong with the keys and times that feature models declare, whoever asks for them."""
    nodes: tuple[RenderedModel | Seed, ...] = (*draft.models.values(), *draft.project.seeds)
    if not any(node.config.entity for node in nodes):
        return
    from fsbuild.features import read_feature_table

    entities = {entity.name: entity for entity in draft.project.entities}
    for one in _declared(draft):
        if one.config.entity and one.unique_id in columns:
            yield from read_feature_table(one, columns[one.unique_id], entities)[1]


def declared_features(
    draft: Draft, columns: Mapping[str, Sequence[ColumnType]]
) -> Iterator[tuple[Declared, FeatureTable]]:
    """List the feature models and seeds of a project that compiles, with the columns that they declare."""
    from fsbuild.features import read_feature_table

    entities = {entity.name: entity for entity in draft.project.entities}
    for one in _declared(draft):
        if one.config.entity:
            yield one, read_feature_table(one, columns[one.unique_id], entities)[0]


def _reference_problems(draft: Draft) -> Iterator[Problem]:
    """Checks that refer to a node which has no rows."""
    project = draft.project
    names = {model.unique_id: model.name for model in project.models if model.unique_id not in draft.models}
    nodes: tuple[Model | Seed | Source, ...] = (*project.models, *project.seeds, *project.sources)
    present = {node.unique_id for node in nodes if node.unique_id not in names}
    for node in nodes:
        for check in node.checks if node.unique_id in present else ():
            for to in check.references:
                if to and to not in present:
                    message = f"'{check.name}' refers to '{names.get(to, to.rpartition('.')[2])}', which is disabled"
                    yield Problem(message, check.place, hint="enable it, or take the test out")


def _schema_checks(
    draft: Draft, columns: Mapping[str, Sequence[ColumnType]], binder: LateBinder, problems: list[Problem]
) -> dict[str, tuple[Check, ...]]:
    """The checks of nodes that have a pandera schema: those of the YAML, and of the schema what that does not say."""
    models = draft.models.values()
    nodes: list[tuple[Model | Seed, ModelConfig, Relation]] = [(one.model, one.config, one.relation) for one in models]
    nodes += [(seed, seed.config, seed.relation) for seed in draft.project.seeds]
    found: dict[str, tuple[Check, ...]] = {}
    for node, config, relation in nodes:
        if config.pandera is None or node.unique_id not in columns:
            continue
        from fsbuild.check import SchemaMistakeError, read_schema

        place = node.place if isinstance(node, Model) else Place(node.path)
        try:
            reading = read_schema(config.pandera, draft.project.root, binder.arrow_schema(relation), place)
        except SchemaMistakeError as exc:
            problems.append(exc.problem)
            continue
        problems.extend(reading.problems)
        said = {_subject(check) for check in node.checks}
        found[node.unique_id] = (*node.checks, *(check for check in reading.checks if _subject(check) not in said))
    return found


def _subject(check: Check) -> tuple[object, ...]:
    """What a check is about: of two that are about the same the one nearer to the model holds."""
    columns = check.arguments.get("columns") if check.column is None else None
    return check.name, (check.column or "").lower(), str(columns)


def _check_problems(
    draft: Draft, columns: Mapping[str, Sequence[ColumnType]], binder: LateBinder
) -> Iterator[_WrongCheck]:
    """What is wrong with checks: their names and arguments, and the SQL in them, which the engine judges."""
    from fsbuild.check import probe, problems_of

    project = draft.project
    nodes: tuple[Model | Seed | Source, ...] = (*project.models, *project.seeds, *project.sources)
    relations = {name: str(model.relation) for name, model in draft.models.items()}
    relations |= {seed.unique_id: str(seed.relation) for seed in project.seeds}
    relations |= {source.unique_id: str(source.relation) for source in project.sources}
    for node in nodes:
        types = columns.get(node.unique_id)
        if any(check.severity == "quarantine" for check in node.checks):
            quarantining = next(n for n, check in enumerate(node.checks) if check.severity == "quarantine")
            yield from ((node, quarantining, problem) for problem in _quarantine_problems(node, draft))
        for number, check in enumerate(node.checks) if types else ():
            if check.is_late or check.problem is not None:
                continue
            problems = [*problems_of([check], types or ()), *_history_problems(node, check, draft)]
            yield from ((node, number, problem) for problem in problems)
            if problems or any(name not in columns for name in check.references):
                continue
            sql = probe(check, relations[node.unique_id], types or (), relations.__getitem__)
            try:
                if sql is not None:
                    binder.columns_of(sql)
            except BindError as exc:
                yield node, number, Problem(f"{check.label}: {exc.message.splitlines()[0]}", check.place)


def _history_problems(node: Model | Seed | Source, check: Check, draft: Draft) -> Iterator[Problem]:
    """Why a check cannot hold the loads of a node against those before them."""
    from fsbuild.check import needs_history

    if not needs_history(check):
        return
    model = draft.models.get(node.unique_id)
    config = model.config if model is not None else node.config if isinstance(node, Seed) else None
    if config is None or config.materialized in INLINED:
        message = f"{check.name} is about what runs write into a table, and '{node.name}' has none"
        hint = "fsbuild source freshness" if isinstance(node, Source) else "make it a table"
        yield Problem(message, check.place, hint=hint)
    elif check.name == "freshness" and config.event_time is None:
        message = f"freshness needs to know when a row of '{node.name}' was true"
        yield Problem(message, check.place, hint="config: {event_time: seen_at}, or the check recency")
    elif check.name == "distribution" and (model is None or config.statistics is False):
        message = f"distribution needs statistics, which '{node.name}' does not have"
        yield Problem(message, check.place, hint="take out statistics: false" if model is not None else None)


def _quarantine_problems(node: Model | Seed | Source, draft: Draft) -> Iterator[Problem]:
    """Why rows that fail cannot be kept out of a node."""
    model, check = draft.models.get(node.unique_id), next(one for one in node.checks if one.severity == "quarantine")
    if isinstance(node, Source):
        yield Problem(
            "no row can be kept out of a source", check.place, hint="quarantine it in the model that reads it"
        )
    elif model is not None and model.config.materialized not in ("table", "incremental"):
        message = f"no row can be kept out of '{node.name}', which is of the kind '{model.config.materialized}'"
        yield Problem(message, check.place, hint="make it a table, or write severity: warn")
    taken = f"{node.name}__quarantine"
    relations = [*(m.relation for m in draft.models.values()), *(seed.relation for seed in draft.project.seeds)]
    if any(relation.identifier == taken for relation in relations):
        yield Problem(f"'{taken}' is the table of the rows kept out of '{node.name}', and a node", check.place)


def _column_problems(draft: Draft, columns: Mapping[str, Sequence[ColumnType]]) -> Iterator[Problem]:
    """Columns that YAML describes and that the node does not have.

    dbt lets them pass unless a contract promises them, so that projects of dbt are only told of them.
    """
    project = draft.project
    nodes: tuple[Model | Seed | Source, ...] = (*project.models, *project.seeds, *project.sources)
    for node in nodes:
        present = {column.name.lower(): column.name for column in columns.get(node.unique_id, ())}
        rendered = draft.models.get(node.unique_id)
        is_promised = rendered is not None and rendered.config.has_contract
        for column in node.columns if present else ():
            if column.name.lower() not in present:
                message = f"column '{column.name}' is described, but '{node.name}' has no such column"
                hint = suggest(column.name, present.values())
                yield Problem(message, column.place, hint=hint, is_minor=not is_promised)
