"""A run that would find nothing to do, told before anything is loaded.

What a run would do follows from the project's files, variables, the environment, the logs of tables, the files of
sources, and the program itself. When a run has left nothing to do, the marks of all these are kept below the target
folder, with the results that the next run would have; while every mark is the same, they are its results. The file is
always safe to delete. Where something cannot be marked, nothing is kept.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from glob import escape
from pathlib import Path
from typing import Any

from fsbuild.load import INSTALL_PATH, PACKAGE_FILES, PATH_KEYS, PROJECT_FILES, SELECTOR_FILE, Overrides, home_profiles
from fsbuild.pipeline.compiling import Compiled
from fsbuild.pipeline.drafting import sources_in_use
from fsbuild.pipeline.marks import table_mark
from fsbuild.pipeline.nodes import has_table, relation_of
from fsbuild.pipeline.program import program_marks
from fsbuild.pipeline.state import open_lake
from fsbuild.values import (
    SCHEMA_FOLDER,
    Event,
    NodeFinished,
    NodeResult,
    NodeStarted,
    Plan,
    RunFinished,
    RunResult,
    RunStarted,
)

_FOLDER = "target"
_FILE = "unchanged.json"
_JINJA = re.compile(r"\{[{%].*?[%}]\}", re.DOTALL)
# What makes a template's text, or what it says to a person, differ from run to run.
_MOMENTARY = re.compile(r"\b(?:invocation_id|run_started_at|modules|thread_id|log|print|exceptions)\b")
_ENV_VAR = re.compile(r"\benv_var\b")
_NAMED_ENV_VAR = re.compile(r"\benv_var\s*\(\s*(['\"])(\w+)\1")
_IDLE = frozenset({"keep", "inline", "view"})


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked: which nodes of which project are to be run, with which target and variables.

    `files` are the marks of the project's files at the moment of asking, before anything was read: what is edited later
    is something else. They are those below the folders that the last answer names; of others, the next answer is kept.
    """

    root: Path
    overrides: Overrides
    select: Sequence[str]
    exclude: Sequence[str]
    kept: Mapping[str, Any]
    files: Sequence[Sequence[str]] | None

    @classmethod
    def ask(cls, root: Path, overrides: Overrides, select: Sequence[str], exclude: Sequence[str]) -> Question:
        """Ask now."""
        kept: Mapping[str, Any] = {}
        with suppress(OSError, ValueError):
            read = json.loads((root / _FOLDER / _FILE).read_text(encoding="utf-8"))
            kept = read if isinstance(read, dict) else {}
        folders = kept.get("folders")
        if not isinstance(folders, list) or not all(isinstance(folder, str) for folder in folders):
            folders = sorted({SCHEMA_FOLDER, *(folder for default in PATH_KEYS.values() for folder in default)})
        return cls(root, overrides, tuple(select), tuple(exclude), kept, _file_marks(root, overrides, folders))

    @property
    def file(self) -> Path:
        """Where the answer is kept."""
        return self.root / _FOLDER / _FILE

    def text(self) -> str:
        """The question, and who answers it."""
        given = self.overrides
        asked = [str(self.root), given.target, str(given.profiles_dir), given.threads, self.select, self.exclude]
        return json.dumps([asked, repr(given.variables), program_marks()])


@dataclass(frozen=True, slots=True)
class Recalled:
    """A run that finds nothing to do."""

    target: str
    threads: int
    results: tuple[NodeResult, ...]


def recall(question: Question) -> Recalled | None:
    """Tell how a run ends that finds nothing to do; None where it may find something."""
    try:
        kept = question.kept
        is_same = kept["question"] == question.text() and question.files is not None and kept["files"] == question.files
        if not is_same or kept["marks"] != _marks(question.root, kept["watched"]):
            return None
        return Recalled(kept["target"], kept["threads"], tuple(NodeResult(**result) for result in kept["results"]))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def replay(recalled: Recalled, run_id: str, emit: Callable[[Event], None]) -> RunResult:
    """Tell of the results as a run does."""
    began, results = time.perf_counter(), recalled.results
    emit(RunStarted("run", run_id, len(results), recalled.target, recalled.threads))
    for index, result in enumerate(results, start=1):
        emit(NodeStarted(result.unique_id, result.name, result.kind))
        emit(NodeFinished(result, index, len(results)))
    outcome = RunResult("run", run_id, time.perf_counter() - began, results)
    emit(RunFinished(outcome))
    return outcome


class Watch:
    """The marks of what a run depends on, taken before it is looked at again whether anything is to be done."""

    def __init__(self, question: Question, compiled: Compiled) -> None:
        self._question = question
        self._project = compiled.draft.project
        self._watched = _watched(question, compiled)
        self._marks = None if self._watched is None else _marks(question.root, self._watched)

    @property
    def is_possible(self) -> bool:
        """Whether all of it can be marked."""
        return self._marks is not None

    def keep(self, results: Sequence[NodeResult]) -> None:
        """Keep the results of a run that has nothing to do."""
        if not results or any(result.checks for result in results):
            return  # a view's rows are checked in every run
        target = self._project.target
        kept = {
            "question": self._question.text(),
            "target": target.name,
            "threads": target.threads,
            "folders": self._project.folders,
            "files": self._question.files,
            "watched": self._watched,
            "marks": self._marks,
            "results": [_written(result) for result in results],
        }
        with suppress(OSError):  # a folder that cannot be written to is no reason to fail
            self._question.file.parent.mkdir(parents=True, exist_ok=True)
            beside = self._question.file.with_suffix(".part")
            beside.write_text(json.dumps(kept), encoding="utf-8")
            beside.replace(self._question.file)


def is_idle(plan: Plan) -> bool:
    """Whether a plan has nothing to do but to look at views."""
    return all(step.action in _IDLE for step in plan.steps)


# --- what is watched -------------------------------------------------------------------------------------------------


def _watched(question: Question, compiled: Compiled) -> dict[str, Any] | None:
    """Name everything that a plan depends on; None where there is something that cannot be marked."""
    draft, project = compiled.draft, compiled.draft.project
    models = draft.models.values()
    is_local = "://" not in project.target.lake and project.target_path == _FOLDER
    is_local = is_local and all(one.folder.startswith(f"{INSTALL_PATH}/") for one in project.packages.values())
    if not is_local or any(model.pins or model.config.is_batched for model in models):
        return None
    lake = open_lake(project)
    tables = [lake.uri(relation_of(draft, name)) for name in draft.graph.order if has_table(draft, name)]
    sources = sources_in_use(draft)
    tables += [source.location for source in sources if source.kind == "delta"]
    if question.files is None or any("://" in table for table in tables):
        return None
    variables: set[str] = set()
    for file, _ in question.files:
        names = _environment(Path(file)) if not file.endswith(".csv") else set()
        if names is None:
            return None
        variables |= names
    return {
        "environment": sorted(variables),
        "tables": tables,
        "sources": [
            escape(source.location) if source.kind == "database" else source.location
            for source in sources
            if source.kind != "delta"
        ],
    }


def _environment(file: Path) -> set[str] | None:
    """The environment variables that a file's templates read; None where its text differs from run to run."""
    jinja = " ".join(_JINJA.findall(file.read_text(encoding="utf-8", errors="replace")))
    named = {name for _, name in _NAMED_ENV_VAR.findall(jinja)}
    is_known = len(_ENV_VAR.findall(jinja)) == len(_NAMED_ENV_VAR.findall(jinja))
    return named if is_known and not _MOMENTARY.search(jinja) else None


def _marks(root: Path, watched: Mapping[str, Any]) -> dict[str, Any] | None:
    """The marks of what is watched beside the project's files, as they are now."""
    sources = _sources(root, watched["sources"])
    if sources is None:
        return None
    return {
        "environment": [_hidden(os.environ.get(name)) for name in watched["environment"]],
        "tables": [table_mark(table) for table in watched["tables"]],
        "sources": sources,
    }


def _file_marks(root: Path, overrides: Overrides, folders: Iterable[str]) -> list[list[str]] | None:
    """The files that say what the project is, with what is in them; None where that cannot be told for certain."""
    found = [root / name for name in (*PROJECT_FILES, *PACKAGE_FILES, SELECTOR_FILE, "profiles.yml")]
    found += [overrides.profiles_dir / "profiles.yml"] if overrides.profiles_dir else [home_profiles()]
    # A package that is put beside the others is a new one.
    found += [file for name in PROJECT_FILES for file in root.glob(f"{INSTALL_PATH}/*/{name}")]
    for folder in folders:
        for path, below, names in os.walk(root / folder):
            if any(Path(path, name).is_symlink() for name in below):
                return None  # it may lead out of the folder
            found += [Path(path, name) for name in names]
    try:
        files = sorted({file for file in found if file.is_file()})
        return [[str(file), hashlib.blake2b(file.read_bytes(), digest_size=16).hexdigest()] for file in files]
    except OSError:
        return None


def _sources(root: Path, locations: Sequence[str]) -> list[Any] | None:
    """The states of the files of sources; None where they cannot be listed."""
    if not locations:
        return []
    from fsbuild.engine.sources import file_states, files_at

    found = [files_at(location, root) for location in locations]
    return None if None in found else [file_states(files or [], root) for files in found]


def _hidden(value: str | None) -> str | None:
    """A value of the environment is a secret perhaps."""
    return None if value is None else hashlib.blake2b(value.encode(errors="replace"), digest_size=16).hexdigest()


def _written(result: NodeResult) -> dict[str, object]:
    names = ("unique_id", "name", "resource_type", "kind", "status", "rows", "version", "message")
    return {name: getattr(result, name) for name in names}
