"""A draft in, what the lake and the sources hold at this moment out."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fsbuild.appended import FILES, FileStates, added_files
from fsbuild.errors import FsbuildError, NoChangesError, Problem, StoreError
from fsbuild.pipeline.compiling import Compiled
from fsbuild.pipeline.drafting import Draft, sources_in_use
from fsbuild.values import STORED, Project, Source, TableState

if TYPE_CHECKING:
    from fsbuild.store import Lake

# How many table logs are read at once: the files of a local lake are quick, those of a remote one far away.
_REMOTE_READERS = 32


@dataclass(frozen=True, slots=True)
class LakeState:
    """What the lake and the sources hold at one moment: the states of tables, and a token for every input."""

    states: Mapping[str, TableState]
    tokens: Mapping[str, str]
    files: Mapping[str, FileStates] = field(default_factory=dict)


def open_lake(project: Project) -> Lake:
    """The lake of a project's target."""
    from fsbuild.store import Lake

    return Lake(project.target.lake, project.target.storage_options, project.target.elsewhere)


def read_lake(draft: Draft) -> LakeState:
    """Read the state of every table and the present content of every source that models read.

    Raises:
        FsbuildError: a folder of the lake is not a Delta table; all of them at once.
    """
    from fsbuild.engine.sources import file_states, files_token, local_files
    from fsbuild.store import read_state

    project, lake = draft.project, open_lake(draft.project)
    tables = {seed.unique_id: lake.uri(seed.relation) for seed in project.seeds}
    tables |= {
        name: lake.uri(model.relation) for name, model in draft.models.items() if model.config.materialized in STORED
    }
    sources = sources_in_use(draft)
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
    files: dict[str, FileStates] = {}
    for source in sources:
        if source.kind == "delta" and source.version is not None:
            states[source.unique_id] = TableState(source.version, f"version {source.version}")
            tokens[source.unique_id] = f"version {source.version}"
        elif source.kind in ("files", "database"):
            listed = local_files(source, project.root)
            if listed is None:
                # What cannot be listed cannot be known to be unchanged: no commit has recorded this token.
                tokens[source.unique_id] = uuid.uuid4().hex
            else:
                files[source.unique_id] = file_states(listed, project.root)
                tokens[source.unique_id] = files_token(files[source.unique_id])
    return LakeState(states, tokens, files)


def feed_problems(compiled: Compiled, lake: LakeState) -> dict[tuple[str, str], str]:
    """Say for models with the strategy `auto` of which inputs the rows that changed cannot be told, and why."""
    from fsbuild.plan import physical_inputs

    store = open_lake(compiled.draft.project)
    sources = {source.unique_id: source for source in compiled.draft.project.sources}
    relations = {name: model.relation for name, model in compiled.draft.models.items()}
    relations |= {seed.unique_id: seed.relation for seed in compiled.draft.project.seeds}
    problems: dict[tuple[str, str], str] = {}
    for unique_id, model in compiled.models.items():
        if model.maintenance is None or unique_id not in lake.states:
            continue
        for name in physical_inputs(unique_id, compiled.models):
            since = lake.states[unique_id].inputs.get(name, "")
            if lake.tokens.get(name) in (since, None):
                continue
            if name in sources and sources[name].kind != "delta":
                problem = _added_problem(sources[name], lake.states[unique_id].extra.get(FILES), lake.files.get(name))
            else:
                uri = sources[name].location if name in sources else store.uri(relations[name])
                problem = store.changes_problem(uri, since, lake.states[name].version)
            if problem is not None:
                problems[unique_id, name] = problem
    return problems


def _added_problem(source: Source, recorded: str | None, present: FileStates | None) -> str | None:
    """Say why it cannot be told which files were added to a source, or None where it can."""
    try:
        added_files(source, recorded, present)
    except NoChangesError as exc:
        return exc.reason
    return None
