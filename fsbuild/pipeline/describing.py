"""A project and what a command is about in, the artifacts that describe it out: manifest, catalog, and our own.

The manifest is written when a command knows what it is about and before it does anything, so that it is there however
the command ends.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from fsbuild.artifacts import Invocation, iso, write_artifact
from fsbuild.artifacts.catalog import CatalogTable, catalog
from fsbuild.artifacts.manifest import Described, manifest
from fsbuild.artifacts.own import own_artifact
from fsbuild.errors import Problem
from fsbuild.pipeline.compiling import Compiled
from fsbuild.pipeline.drafting import Draft
from fsbuild.pipeline.nodes import has_table, node_of, relation_of
from fsbuild.pipeline.state import LakeState, open_lake
from fsbuild.values import INLINED, NodeResult, RunResult

if TYPE_CHECKING:
    from fsbuild.pipeline.unchanged import Question

# The commands that make SQL ready to run, of which the manifest then has the text.
_COMPILING = frozenset({"build", "compile", "docs", "run", "seed", "show", "snapshot", "test"})
_HEAD = 2000
_STAMPS = re.compile(r'"(generated_at|invocation_id|invocation_started_at|run_started_at)": "[^"]*"')


def write_manifest(
    draft: Draft, invocation: Invocation, chosen: Collection[str], question: Question | None = None
) -> None:
    """Write `manifest.json` and `fsbuild.json` below the target folder; `question` is what a plain run asks."""
    folder = target_folder(draft)
    described = describe(draft, invocation, chosen)
    write_artifact(manifest(described, invocation), folder / "manifest.json")
    lake = open_lake(draft.project)
    tables = {name: lake.uri(relation_of(draft, name)) for name in draft.graph.order if has_table(draft, name)}
    selection = None if question is None else [question.select, question.exclude]
    write_artifact(own_artifact(draft.project, draft.models, tables, invocation, selection), folder / "fsbuild.json")


def not_begun(
    draft: Draft, command: str, chosen: Collection[str], problems: Collection[Problem], run_id: str
) -> RunResult:
    """How a command ends that does nothing, as something is wrong: the nodes that are, and those that are left."""
    found: dict[str, list[Problem]] = {}
    for problem in problems:
        found.setdefault(node_of(draft, problem), []).append(problem)
    nodes = (draft.graph.nodes[name] for name in draft.graph.order if name in chosen)
    results = [
        NodeResult(
            node.unique_id,
            node.name,
            node.resource_type,
            node.materialized,
            "error" if node.unique_id in found else "skipped",
            problems=tuple(found.get(node.unique_id, ())),
        )
        for node in nodes
        if node.resource_type != "source"
    ]
    return RunResult(command, run_id, 0.0, tuple(results))


def write_catalog(compiled: Compiled, lake: LakeState, invocation: Invocation) -> None:
    """Write `catalog.json` below the target folder."""
    told = catalog(_tables(compiled, lake), invocation, compiled.draft.project.target.database)
    write_artifact(told, target_folder(compiled.draft) / "catalog.json")


def restamp_manifest(question: Question, invocation: Invocation) -> bool:
    """Say in the manifest that it is of this run, which asks what the last one asked; whether that is possible."""
    folder = question.file.parent
    with suppress(OSError, ValueError, KeyError, TypeError):
        last = json.loads((folder / "fsbuild.json").read_text(encoding="utf-8"))["metadata"]
        if last["command"] != "run" or last["selection"] != [[*question.select], [*question.exclude]]:
            return False
        text = (folder / "manifest.json").read_text(encoding="utf-8")
        stamps = invocation.metadata("manifest/v12") | {"run_started_at": iso(invocation.started_at)}
        head = _STAMPS.sub(lambda stamp: f'"{stamp[1]}": "{stamps[stamp[1]]}"', text[:_HEAD])
        beside = folder / "manifest.part"
        beside.write_text(head + text[_HEAD:], encoding="utf-8")
        beside.replace(folder / "manifest.json")
        return True
    return False


def target_folder(draft: Draft) -> Path:
    """The folder that artifacts are written to."""
    return draft.project.root / draft.project.target_path


def as_compiled(compiled: Compiled) -> Draft:
    """The draft of a compiled project, its models with the SQL that is run: features are joined in it."""
    return replace(compiled.draft, models={name: model.rendered for name, model in compiled.models.items()})


def describe(draft: Draft, invocation: Invocation, chosen: Collection[str]) -> Described:
    """Gather what a manifest tells of; `chosen` are the nodes that the command is about."""
    compiled = frozenset(chosen) if invocation.command in _COMPILING else frozenset[str]()
    database = draft.project.target.database
    return Described(draft.project, draft.models, compiled, invocation.started_at.timestamp(), database)


def _tables(compiled: Compiled, lake: LakeState) -> Iterator[CatalogTable]:
    """The tables that are there, the views, and the sources whose columns are known."""
    draft = compiled.draft
    for name, model in compiled.models.items():
        config = model.rendered.config
        if name in lake.states or config.materialized == "view":
            kind: Literal["BASE TABLE", "VIEW"] = "VIEW" if config.materialized in INLINED else "BASE TABLE"
            yield CatalogTable(name, model.rendered.relation, kind, model.columns, config.owner)
    for seed in draft.project.seeds:
        if seed.unique_id in lake.states and seed.unique_id in compiled.known:
            columns = compiled.known[seed.unique_id].columns
            yield CatalogTable(seed.unique_id, seed.relation, "BASE TABLE", columns, seed.config.owner)
    for source in draft.project.sources:
        if (known := compiled.known.get(source.unique_id)) is not None and ".pinned." not in source.unique_id:
            yield CatalogTable(source.unique_id, source.relation, "BASE TABLE", known.columns)
