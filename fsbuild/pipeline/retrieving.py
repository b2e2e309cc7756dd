"""A query over a project's tables in; what it takes to compute its rows, at fixed versions, out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fsbuild.errors import Place
from fsbuild.pipeline.compiling import Compiled, compile_draft
from fsbuild.pipeline.drafting import Draft
from fsbuild.pipeline.inputs import pin_inputs
from fsbuild.pipeline.running import RunOptions, set_agenda, tools_for, work_on
from fsbuild.pipeline.state import read_lake
from fsbuild.recipes import StagedQuery, in_stages
from fsbuild.values import ColumnType, Model, Moment, Relation, Source

if TYPE_CHECKING:
    from fsbuild.engine import Warehouse
    from fsbuild.execute import Work

# The source of the rows that a caller brings along.
GIVEN = ("given", "spine")


@dataclass(frozen=True, slots=True)
class Retrieval:
    """A query that is known to bind: its text as one piece and in stages, its columns, and what it reads."""

    name: str
    sql: str
    query: StagedQuery
    columns: tuple[ColumnType, ...]
    compiled: Compiled
    work: Work


@dataclass(frozen=True, slots=True)
class Input:
    """A table that a retrieval reads, with the version; None for files."""

    name: str
    version: int | None


def given_source(project_name: str, file: Path) -> Source:
    """The source that stands for rows that a caller brings along in a file."""
    source, table = GIVEN
    unique_id = f"source.{project_name}.{source}.{table}"
    return Source(unique_id, source, table, "files", str(file), Relation(source, table), Place("the spine"))


def prepare_retrieval(draft: Draft, unique_id: str, options: RunOptions, moment: Moment) -> Retrieval:
    """Compile a model that has no file, and fix the versions of what it reads.

    Raises:
        FsbuildError: the query is wrong, or a table is not there in the version that is asked for.
    """
    compiled = compile_draft(draft)
    agenda = set_agenda("run", compiled, [unique_id])
    lake = pin_inputs(agenda, compiled, read_lake(draft), options)
    model = compiled.models[unique_id]
    query = in_stages(model.rendered.expansions, model.select)
    work = work_on("show", compiled, lake, moment)
    return Retrieval(unique_id, model.select, query, model.columns, compiled, work)


def inputs_of(retrieval: Retrieval) -> Sequence[Input]:
    """List what a retrieval reads, views looked through, in the order of names."""
    from fsbuild.execute.work import describe

    work = retrieval.work
    states = {name: work.states.get(name) for name in work.inputs[retrieval.name]}
    found = [Input(describe(name, work).name, state.version if state else None) for name, state in states.items()]
    return sorted(found, key=lambda one: one.name)


def bind_inputs(retrieval: Retrieval, warehouse: Warehouse) -> None:
    """Make readable what a retrieval reads."""
    from fsbuild.execute import Execution

    execution = Execution(retrieval.work, tools_for(retrieval.compiled, warehouse, lambda _event: None))
    for name in retrieval.compiled.models[retrieval.name].rendered.depends_on:
        execution.bindings.bind(name)


def inline_model(name: str, sql: str, config: dict[str, object]) -> Model:
    """A model that has no file."""
    return Model(f"model.{name}", name, name, sql, config, Place(name))
