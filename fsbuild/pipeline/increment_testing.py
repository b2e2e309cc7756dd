"""A unit test with batches in, the verdict on them out: the real stages at work on a lake in a temporary folder.

The inputs become small Delta tables, to which each batch adds its rows; the model is planned and executed over them as
in any run, so that what is tested is what runs: the strategy, the keys, the changes of the inputs, the commits.
"""

from __future__ import annotations

import datetime as dt
from contextlib import closing
from dataclasses import dataclass, replace
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from fsbuild.errors import FsbuildError
from fsbuild.pipeline.compiling import Compiled
from fsbuild.pipeline.drafting import Draft, graph_nodes
from fsbuild.pipeline.running import Agenda, RunOptions, plan_run, tools_for, work_on
from fsbuild.pipeline.state import open_lake, read_lake
from fsbuild.pipeline.unit_testing import Row, Trial, chosen_rows, verdict
from fsbuild.values import (
    STAGING,
    Append,
    ColumnType,
    Commit,
    CompiledModel,
    Event,
    FixtureRows,
    GivenRows,
    Moment,
    Overwrite,
    Relation,
    Source,
    TableRows,
    UnitBatch,
    UnitTestResult,
    delta_uri,
    literal,
    quote,
)

if TYPE_CHECKING:
    from fsbuild.compile import KnownRelation
    from fsbuild.engine import Warehouse


def try_batches(trial: Trial, compiled: Compiled, moment: Moment) -> UnitTestResult:
    """Give a model one batch after the other, and compare its table after each; the first difference ends it.

    Raises:
        FsbuildError: a run fails.
    """
    with TemporaryDirectory(prefix="fsbuild") as folder:
        laboratory = _Laboratory(trial, _tested_project(trial, compiled, folder), folder)
        result = verdict(trial.test, [], [])
        for at, batch in enumerate(trial.test.batches):
            result = verdict(trial.test, *laboratory.run(at, batch, moment), batch=at + 1)
            if result.status == "fail":
                return result
        return replace(result, batch=None)


def _tested_project(trial: Trial, compiled: Compiled, folder: str) -> Compiled:
    """The project of one model: its lake is in a folder, and all that it reads is a source in the same folder."""
    from fsbuild.graph import build_graph
    from fsbuild.store import Lake

    project, lake = compiled.draft.project, Lake(f"{folder}/inputs", {})
    sources = tuple(
        Source(one.unique_id, "given", f"input_{at}", "delta", lake.uri(_place(at)), one.relation, trial.test.place)
        for at, (_, one) in enumerate(trial.inputs)
    )
    models = {one.unique_id: _bare(one) for one in trial.models}
    project = replace(
        project,
        target=replace(project.target, lake=f"{folder}/lake", threads=1, storage_options={}),
        models=tuple(one.rendered.model for one in models.values()),
        seeds=(),
        sources=sources,
    )
    rendered = {name: one.rendered for name, one in models.items()}
    graph = build_graph(graph_nodes(project, rendered.values()))
    return Compiled(Draft(project, rendered, graph), models, {one.unique_id: one for _, one in trial.inputs})


def _place(at: int) -> Relation:
    """Where the rows of an input are kept."""
    return Relation("given", f"input_{at}")


def _bare(model: CompiledModel) -> CompiledModel:
    """A model without its checks, which may refer to what is not there."""
    return replace(
        model, rendered=replace(model.rendered, model=replace(model.rendered.model, checks=(), unit_tests=()))
    )


@dataclass(frozen=True, slots=True)
class _Laboratory:
    """A project of one model in a folder, run after run."""

    trial: Trial
    compiled: Compiled
    folder: str

    def run(self, at: int, batch: UnitBatch, moment: Moment) -> tuple[list[Row], list[Row]]:
        """Give a batch and run the model; return the rows that are expected in its table then, and those that are."""
        moment = Moment(f"{moment.run_id}-{at + 1}", moment.started_at + dt.timedelta(seconds=at))
        with closing(self._warehouse(moment)) as warehouse:
            given = {one.unique_id: one for one in batch.given}
            for place, (name, known) in enumerate(self.trial.inputs):
                self._give(place, known, given.get(name), warehouse, moment)
            newest = self._newest(warehouse)
            if newest is None:
                self._execute(warehouse, moment)
                return self._rows(batch.expect, warehouse)
        # Another "now" is another engine.
        moment = replace(moment, started_at=newest)
        with closing(self._warehouse(moment)) as warehouse:
            self._execute(warehouse, moment)
            return self._rows(batch.expect, warehouse)

    def _warehouse(self, moment: Moment) -> Warehouse:
        from fsbuild.engine import Warehouse

        project = self.compiled.draft.project
        settings = {"temp_directory": f"{self.folder}/scratch", **project.target.settings}
        return Warehouse(project.root, settings, moment.started_at)

    def _give(
        self, place: int, known: KnownRelation, given: GivenRows | None, warehouse: Warehouse, moment: Moment
    ) -> None:
        """Add a batch's rows to an input, or let them be all that it has."""
        from fsbuild.store import Lake
        from fsbuild.unit_tests import rows_sql

        lake, relation = Lake(f"{self.folder}/inputs", {}), _place(place)
        state = lake.state(relation)
        if given is None and state is not None:
            return
        sql = rows_sql(given.rows if given is not None else FixtureRows(self.trial.test.place), known.columns)
        count = len(warehouse.rows(sql))
        rows = TableRows(lambda: warehouse.stream(sql), tuple(column.name for column in known.columns), count)
        is_new = state is None or (given is not None and given.is_replacing)
        version = state.version if state is not None else None
        commit = Commit(f"fsbuild.{known.unique_id}", moment.run_id, "given", {}, version, count)
        lake.write(Overwrite() if is_new else Append(), relation, rows, commit)

    def _newest(self, warehouse: Warehouse) -> dt.datetime | None:
        """The latest event time among the rows of a model that is computed batch by batch: there its calendar ends.

        Until the present day, which nobody tests, there may be thousands of batches without rows.
        """
        model = self.trial.model.rendered
        if not model.config.is_batched:
            return None
        moments = []
        for place, (_, known) in enumerate(self.trial.inputs):
            column = model.batched.get(known.unique_id)
            if column is not None:
                rows = f"SELECT CAST(max({quote(column)}) AS TIMESTAMP) AS newest FROM {self._input(place)}"
                moments += [row["newest"] for row in warehouse.rows(rows)]
        found = [moment.replace(tzinfo=dt.UTC) for moment in moments if isinstance(moment, dt.datetime)]
        return max(found, default=None)

    def _input(self, place: int) -> str:
        return f"delta_scan({literal(delta_uri(self.compiled.draft.project.sources[place].location))})"

    def _execute(self, warehouse: Warehouse, moment: Moment) -> None:
        """Plan and execute the model as a run does."""
        from fsbuild.execute import execute_plan

        compiled, unique_id = self.compiled, self.trial.model.unique_id
        command = "snapshot" if self.trial.model.snapshot is not None else "run"
        lake = read_lake(compiled.draft)
        agenda = Agenda(command, frozenset({unique_id}), (unique_id,))
        plan = plan_run(agenda, compiled, lake, RunOptions(), moment)
        work = replace(work_on(command, compiled, lake, moment), statistics=None)
        (result,) = execute_plan(plan, work, tools_for(compiled, warehouse, _ignore)).results
        if result.problems:
            raise FsbuildError(result.problems)

    def _rows(self, expect: FixtureRows, warehouse: Warehouse) -> tuple[list[Row], list[Row]]:
        """The rows that are expected in the table, and those that it has."""
        from fsbuild.unit_tests import expected_names, rows_sql

        model, lake = self.trial.model, open_lake(self.compiled.draft.project)
        relation, state = model.rendered.relation, lake.state(model.rendered.relation)
        columns: tuple[ColumnType, ...] = expected_names(expect, model.columns)
        expected: list[Row] = [*warehouse.rows(rows_sql(expect, columns))]
        if state is None:
            return expected, []
        table = Relation(STAGING, "table after the batch")
        warehouse.bind_table(table, lake.uri(relation), state.version)
        return expected, [*warehouse.rows(chosen_rows(f"SELECT * FROM {table}", columns))]


def _ignore(_event: Event) -> None:
    """Nobody is told of the runs of a unit test."""
