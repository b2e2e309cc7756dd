"""A draft in, a project out whose SQL is known to bind and whose checks are known to fit; no data is touched."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fsbuild.errors import CompileError, FsbuildError, Place, Problem, in_order, suggest
from fsbuild.pipeline.drafting import Draft, compiled_path, sources_in_use
from fsbuild.pipeline.unit_subjects import unit_test_problems
from fsbuild.values import ColumnType, CompiledModel, Model, Project, Seed, Source

if TYPE_CHECKING:
    from fsbuild.compile import KnownRelation
    from fsbuild.engine import Binder
    from fsbuild.features import Declared, Expander, FeatureTable


@dataclass(frozen=True, slots=True)
class Compiled:
    """A project whose SQL is known to bind."""

    draft: Draft
    models: Mapping[str, CompiledModel]
    known: Mapping[str, KnownRelation]


def compile_draft(draft: Draft) -> Compiled:
    """Type every source, seed and model, and check every check's definition, without touching data.

    Raises:
        FsbuildError: SQL, sources or checks are wrong; all problems at once.
    """
    from fsbuild.check import problems_of
    from fsbuild.compile import compile_models
    from fsbuild.engine import Binder

    project = draft.project
    binder = Binder(project.root, project.target.settings, sources_in_use(draft))
    problems: list[Problem] = []
    known = {one.unique_id: one for one in _known_relations(draft, binder, problems)}
    parents_first = [draft.models[name] for name in draft.graph.order if name in draft.models]
    try:
        compiled = compile_models(
            parents_first,
            known.values(),
            binder,
            lambda model: compiled_path(project, model),
            expander(draft, binder).expand,
        )
    except CompileError as exc:
        raise CompileError(in_order([*problems, *exc.problems])) from exc
    models = {model.unique_id: model for model in compiled}
    columns: dict[str, Sequence[ColumnType]] = {name: model.columns for name, model in models.items()}
    columns |= {name: one.columns for name, one in known.items()}
    nodes: tuple[Model | Seed | Source, ...] = (*project.models, *project.seeds, *project.sources)
    for node in nodes:
        if node.checks and node.unique_id in columns:
            problems.extend(problems_of(node.checks, columns[node.unique_id]))
    problems.extend(_column_problems(project, columns))
    problems.extend(_feature_problems(draft, columns))
    problems.extend(_reference_problems(draft))
    problems.extend(unit_test_problems(draft, models, known, binder))
    if problems:
        raise CompileError(in_order(problems))
    return Compiled(draft, models, known)


def expander(draft: Draft, binder: Binder) -> Expander:
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


def _known_relations(draft: Draft, binder: Binder, problems: list[Problem]) -> Iterator[KnownRelation]:
    """Type the sources that are read, from their files, and all seeds."""
    from fsbuild.compile import KnownRelation, compile_seed
    from fsbuild.engine.sources import local_files, scan_seed

    project = draft.project
    for source in sources_in_use(draft):
        name = f"{source.source_name}.{source.name}"
        if source.kind == "files" and local_files(source, project.root) == []:
            hint = f"relative paths start at the project's folder, {project.root.name}/"
            problems.append(Problem(f"source '{name}': no file matches '{source.location}'", source.place, hint=hint))
            continue
        try:
            bound = binder.source_columns(source)
        except FsbuildError as exc:
            message = exc.problems[0].message.splitlines()[0]
            problems.append(Problem(f"source '{name}' cannot be read: {message}", source.place))
            continue
        columns = tuple(ColumnType(column.name, column.type) for column in bound)
        yield KnownRelation(source.unique_id, source.relation, columns)
    for seed in project.seeds:
        sql = scan_seed(seed, project.root)
        try:
            yield compile_seed(seed.unique_id, seed.relation, sql, binder.columns_of(sql))
        except FsbuildError as exc:
            message = exc.problems[0].message.splitlines()[0]
            problems.append(Problem(f"seed '{seed.name}' cannot be read: {message}", Place(seed.path)))


def _reference_problems(draft: Draft) -> Iterator[Problem]:
    """Checks that refer to a node which has no rows."""
    project = draft.project
    names = {model.unique_id: model.name for model in project.models if model.unique_id not in draft.models}
    nodes: tuple[Model | Seed | Source, ...] = (*project.models, *project.seeds, *project.sources)
    present = {node.unique_id for node in nodes if node.unique_id not in names}
    for node in nodes:
        for check in node.checks if node.unique_id in present else ():
            to = check.arguments.get("to") if check.name == "relationships" else None
            if isinstance(to, str) and to and to not in present:
                message = f"'relationships' refers to '{names.get(to, to.rpartition('.')[2])}', which is disabled"
                yield Problem(message, check.place, hint="enable it, or take the test out")


def _column_problems(project: Project, columns: Mapping[str, Sequence[ColumnType]]) -> Iterator[Problem]:
    """Columns that YAML describes and that the node does not have."""
    nodes: tuple[Model | Seed | Source, ...] = (*project.models, *project.seeds, *project.sources)
    for node in nodes:
        present = {column.name.lower(): column.name for column in columns.get(node.unique_id, ())}
        for column in node.columns if present else ():
            if column.name.lower() not in present:
                message = f"column '{column.name}' is described, but '{node.name}' has no such column"
                yield Problem(message, column.place, hint=suggest(column.name, present.values()))
