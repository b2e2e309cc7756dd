"""The pipeline: the stages in their order, readable in one place.

    load -> render -> graph -> compile -> plan -> execute

Each function takes what the one before it returned. This is the only module that knows the stages together.
"""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from fsbuild.errors import CompileError, FsbuildError, Place, Problem, StoreError, in_order, suggest
from fsbuild.values import (
    ColumnType,
    CompiledModel,
    GraphNode,
    Model,
    ModelConfig,
    Moment,
    Project,
    Relation,
    RenderedModel,
    Seed,
    Source,
    TableState,
)

if TYPE_CHECKING:
    from fsbuild.compile import KnownRelation
    from fsbuild.engine import Binder
    from fsbuild.graph import Graph
    from fsbuild.load import Overrides
    from fsbuild.store import Lake

# How many table logs are read at once: the files of a local lake are quick, those of a remote one far away.
_REMOTE_READERS = 32


@dataclass(frozen=True, slots=True)
class Draft:
    """A project that is loaded and rendered, with its graph; its SQL is not judged yet."""

    project: Project
    models: Mapping[str, RenderedModel]
    graph: Graph


@dataclass(frozen=True, slots=True)
class Compiled:
    """A project whose SQL is known to bind."""

    draft: Draft
    models: Mapping[str, CompiledModel]
    known: Mapping[str, KnownRelation]


@dataclass(frozen=True, slots=True)
class LakeState:
    """What the lake and the sources hold at one moment: the states of tables, and a token for every input."""

    states: Mapping[str, TableState]
    tokens: Mapping[str, str]


def draft_project(root: Path, overrides: Overrides, moment: Moment, extra: Model | None = None) -> Draft:
    """Load and render a project and build its graph; `extra` is a model that has no file.

    Raises:
        FsbuildError: of the first stage that finds problems, with all problems of that stage.
    """
    from fsbuild.graph import build_graph
    from fsbuild.load import load_project
    from fsbuild.load.reading import relation_of
    from fsbuild.render import evaluate_text, render_models

    project = load_project(root, overrides, evaluate_text)
    if extra is not None:
        project = replace(project, models=(*project.models, extra))

    def relation(model: Model, config: ModelConfig) -> Relation:
        return relation_of(model.name, config.schema, config.alias, project.target.schema)

    rendered = render_models(project, moment, relation)
    models = {model.unique_id: model for model in rendered}
    return Draft(project, models, build_graph(_graph_nodes(project, rendered)))


def compile_draft(draft: Draft) -> Compiled:
    """Type every source, seed and model, and check every check's definition, without touching data.

    Raises:
        FsbuildError: SQL, sources or checks are wrong; all problems at once.
    """
    from fsbuild.check import problems_of
    from fsbuild.compile import compile_models
    from fsbuild.engine import Binder

    project = draft.project
    binder = Binder(project.root, project.target.settings)
    problems: list[Problem] = []
    known = {one.unique_id: one for one in _known_relations(draft, binder, problems)}
    parents_first = [draft.models[name] for name in draft.graph.order if name in draft.models]
    try:
        compiled = compile_models(parents_first, known.values(), binder, lambda model: compiled_path(project, model))
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
    if problems:
        raise CompileError(in_order(problems))
    return Compiled(draft, models, known)


def compiled_path(project: Project, model: RenderedModel) -> str:
    """Where a model's compiled SQL is written, relative to the project's root."""
    return f"{project.target_path}/compiled/{project.name}/{model.model.path}"


def write_compiled(draft: Draft, names: Iterable[str]) -> None:
    """Write the SQL of models below the target folder; what has not changed is left alone."""
    for name in names:
        model = draft.models[name]
        file = draft.project.root / compiled_path(draft.project, model)
        with contextlib.suppress(OSError):
            if file.read_text(encoding="utf-8") == model.sql.text:
                continue
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(model.sql.text, encoding="utf-8")


def open_lake(project: Project) -> Lake:
    """The lake of a project's target."""
    from fsbuild.store import Lake

    return Lake(project.target.lake, project.target.storage_options)


def read_lake(draft: Draft) -> LakeState:
    """Read the state of every table and the present content of every source that models read.

    Raises:
        FsbuildError: a folder of the lake is not a Delta table; all of them at once.
    """
    from fsbuild.engine.sources import files_token, local_files
    from fsbuild.store import read_state

    project, lake = draft.project, open_lake(draft.project)
    tables = {seed.unique_id: lake.uri(seed.relation) for seed in project.seeds}
    tables |= {
        name: lake.uri(model.relation)
        for name, model in draft.models.items()
        if model.config.materialized in ("table", "incremental")
    }
    sources = _sources_in_use(draft)
    tables |= {s.unique_id: s.location for s in sources if s.kind == "delta" and s.version is None}
    problems: list[Problem] = []

    def state_of(uri: str) -> TableState | None:
        try:
            return read_state(uri, project.target.storage_options)
        except FsbuildError as exc:
            problems.extend(exc.problems)
            return None

    if "://" in project.target.lake:
        with ThreadPoolExecutor(_REMOTE_READERS) as pool:
            found = list(pool.map(state_of, tables.values()))
    else:
        found = [state_of(uri) for uri in tables.values()]
    if problems:
        raise StoreError(problems)
    states = {name: state for name, state in zip(tables, found, strict=True) if state is not None}
    tokens = {name: state.token for name, state in states.items()}
    for source in sources:
        if source.kind == "delta" and source.version is not None:
            states[source.unique_id] = TableState(source.version, f"version {source.version}")
            tokens[source.unique_id] = f"version {source.version}"
        elif source.kind == "files":
            files = local_files(source, project.root)
            # What cannot be listed cannot be known to be unchanged: no commit has recorded this token.
            tokens[source.unique_id] = uuid.uuid4().hex if files is None else files_token(files, project.root)
    return LakeState(states, tokens)


# --- what the stages need of each other ------------------------------------------------------------------------------


def _graph_nodes(project: Project, rendered: Iterable[RenderedModel]) -> Iterator[GraphNode]:
    for source in project.sources:
        fqn: tuple[str, ...] = (project.name, source.source_name, source.name)
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
        fqn = (project.name, *_folders(seed.path), seed.name)
        place = Place(seed.path)
        yield GraphNode(seed.unique_id, seed.name, "seed", seed.path, fqn, "seed", seed.config.tags, (), place)
    for one in rendered:
        model = one.model
        fqn = (project.name, *_folders(model.path), model.name)
        yield GraphNode(
            model.unique_id,
            model.name,
            "model",
            model.path,
            fqn,
            one.config.materialized,
            one.config.tags,
            one.depends_on,
            Place(model.path),
        )


def _folders(path: str) -> tuple[str, ...]:
    """The folders of a file below the first one (`models`, `seeds`)."""
    return Path(path).parts[1:-1]


def _sources_in_use(draft: Draft) -> list[Source]:
    used = {parent for model in draft.models.values() for parent in model.depends_on}
    return [source for source in draft.project.sources if source.unique_id in used]


def _known_relations(draft: Draft, binder: Binder, problems: list[Problem]) -> Iterator[KnownRelation]:
    """Type the sources that are read, from their files, and all seeds."""
    from fsbuild.compile import KnownRelation, compile_seed
    from fsbuild.engine.sources import local_files, scan_seed

    project = draft.project
    for source in _sources_in_use(draft):
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
        sql = scan_seed(seed)
        try:
            yield compile_seed(seed.unique_id, seed.relation, sql, binder.columns_of(sql))
        except FsbuildError as exc:
            message = exc.problems[0].message.splitlines()[0]
            problems.append(Problem(f"seed '{seed.name}' cannot be read: {message}", Place(seed.path)))


def _column_problems(project: Project, columns: Mapping[str, Sequence[ColumnType]]) -> Iterator[Problem]:
    """Columns that YAML describes and that the node does not have."""
    nodes: tuple[Model | Seed | Source, ...] = (*project.models, *project.seeds, *project.sources)
    for node in nodes:
        present = {column.name.lower(): column.name for column in columns.get(node.unique_id, ())}
        for column in node.columns if present else ():
            if column.name.lower() not in present:
                message = f"column '{column.name}' is described, but '{node.name}' has no such column"
                yield Problem(message, column.place, hint=suggest(column.name, present.values()))
