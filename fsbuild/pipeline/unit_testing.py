"""Unit tests of a compiled project in, the verdict on each out.

A test's rows are kept in a DuckDB of their own under the names that the model's SQL reads, and the SQL that would run
is run over them; no lake is touched. Tests with batches run in `increment_testing.py`.
"""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from fsbuild.errors import CompileError, FsbuildError, Problem, UsageError, in_order
from fsbuild.pipeline.compiling import Compiled, expander
from fsbuild.pipeline.drafting import compiled_path
from fsbuild.pipeline.late_binding import LateBinder, binder_over
from fsbuild.pipeline.running import TryOut
from fsbuild.pipeline.unit_subjects import changes_sql, in_test, judged, known_columns, reach, subject_of
from fsbuild.values import (
    ColumnType,
    CompiledModel,
    FixtureRows,
    Moment,
    RenderedModel,
    Status,
    UnitTest,
    UnitTestResult,
    quote,
)

if TYPE_CHECKING:
    from fsbuild.compile import KnownRelation
    from fsbuild.engine import Scratch

Row = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Trial:
    """A unit test that is ready: what is computed, parents first and the tested model last, and what that reads.

    `inputs` are by the unique id of that of which rows are given: a table and its earlier versions have the same.
    """

    test: UnitTest
    models: tuple[CompiledModel, ...]
    inputs: tuple[tuple[str, KnownRelation], ...]

    @property
    def model(self) -> CompiledModel:
        """The model that is tested."""
        return self.models[-1]


def prepare_trials(compiled: Compiled, tests: Sequence[UnitTest], moment: Moment) -> dict[str, list[Trial]]:
    """Make unit tests ready to run, by the unique id of their model.

    Raises:
        FsbuildError: a test is wrong, or its model does not compile with the test's overrides; all of them at once.
    """
    trials: dict[str, list[Trial]] = {}
    if not tests:
        return trials
    problems: list[Problem] = []
    project = compiled.draft.project
    binder = binder_over(project)
    for test in tests:
        try:
            trials.setdefault(test.model_id, []).append(_prepare(test, compiled, binder, moment))
        except FsbuildError as exc:
            problems.extend(exc.problems)
    if problems:
        raise CompileError(in_order(problems))
    return trials


@contextmanager
def trying_out(compiled: Compiled, trials: Mapping[str, Sequence[Trial]], moment: Moment) -> Iterator[TryOut]:
    """Open what unit tests are run in for as long as they may be asked for."""
    if not trials:
        yield lambda _model_id: ()
        return
    from fsbuild.engine import Scratch

    project = compiled.draft.project
    scratch = Scratch(project.root, project.target.settings, moment.started_at)
    try:
        yield lambda model_id: tuple(_try_out(one, compiled, scratch, moment) for one in trials.get(model_id, ()))
    finally:
        scratch.close()


# --- making ready ----------------------------------------------------------------------------------------------------


def _prepare(test: UnitTest, compiled: Compiled, binder: LateBinder, moment: Moment) -> Trial:
    draft, is_new = compiled.draft, changes_sql(test, compiled.draft)
    rendered = _render_again(test, compiled, moment) if is_new else draft.models
    between, leaves = reach(test, rendered)
    known = {name: _known_relation(name, compiled) for name in leaves}
    if test.has_batches:
        known = {name: _stored(test, one, binder) for name, one in known.items()}
    models = tuple(compiled.models[name] for name in (*between, test.model_id))
    if is_new or test.has_batches:
        models = _compile_again(test, compiled, [rendered[name] for name in (*between, test.model_id)], known)
    columns = {**known_columns(compiled.models, compiled.known), **{one.unique_id: one.columns for one in models}}
    (told,), problems = judged([(test, subject_of(test, draft, rendered, columns))], binder)
    if problems:
        raise CompileError(problems)
    # Of a table at an earlier version, the rows are those that are given for the table.
    origins = {pin.unique_id: pin.node_id for one in rendered.values() for pin in one.pins}
    return Trial(told, models, tuple((origins.get(name, name), one) for name, one in known.items()))


def _render_again(test: UnitTest, compiled: Compiled, moment: Moment) -> Mapping[str, RenderedModel]:
    from fsbuild.render import Rendered, render_again

    draft = compiled.draft
    chosen = {test.model_id, *reach(test, draft.models)[0]}
    whole = Rendered(draft.project, tuple(draft.models.values()))
    overrides = test.overrides
    if draft.models[test.model_id].config.materialized == "incremental":
        # Both of its queries are rendered, and the test says which is tried.
        macros = {name: value for name, value in overrides.macros.items() if name != "is_incremental"}
        overrides = replace(overrides, macros=macros)
    try:
        again = render_again(whole, chosen, overrides, moment, {"WHICH": "test"})
    except FsbuildError as exc:
        raise CompileError(in_test(test, exc.problems)) from exc
    return {**draft.models, **{model.unique_id: model for model in again}}


def _compile_again(
    test: UnitTest, compiled: Compiled, rendered: Sequence[RenderedModel], known: Mapping[str, KnownRelation]
) -> tuple[CompiledModel, ...]:
    """Compile the models of one test by themselves, over its inputs."""
    from fsbuild.compile import Seams, compile_models

    draft = compiled.draft
    binder = binder_over(draft.project)
    try:
        seams = Seams(binder, lambda model: compiled_path(draft.project, model), expander(draft, binder).expand)
        return compile_models(rendered, known.values(), seams)
    except FsbuildError as exc:
        raise CompileError(in_test(test, exc.problems)) from exc


def _known_relation(unique_id: str, compiled: Compiled) -> KnownRelation:
    from fsbuild.compile import KnownRelation

    if unique_id in compiled.models:
        model = compiled.models[unique_id]
        return KnownRelation(unique_id, model.rendered.relation, model.columns)
    return replace(compiled.known[unique_id], select="")


def _stored(test: UnitTest, known: KnownRelation, binder: LateBinder) -> KnownRelation:
    """An input with the types in which a Delta table keeps its values."""
    columns = binder.columns_of("SELECT " + ", ".join(f"CAST(NULL AS {column.type})" for column in known.columns))
    kept = []
    for column, bound in zip(known.columns, columns, strict=True):
        if bound.stored_type is None:
            message = f"column '{column.name}' of {known.relation} is {column.type}, which no Delta table can hold"
            hint = "batches are kept in Delta tables: give a view of it, or write the test without batches"
            raise UsageError(Problem(message, test.place, hint=hint))
        kept.append(ColumnType(column.name, bound.stored_type))
    return replace(known, columns=tuple(kept))


# --- running ---------------------------------------------------------------------------------------------------------


def _try_out(trial: Trial, compiled: Compiled, scratch: Scratch, moment: Moment) -> UnitTestResult:
    began, started_at = time.perf_counter(), dt.datetime.now(dt.UTC)
    try:
        if trial.test.has_batches:
            from fsbuild.pipeline.increment_testing import try_batches

            result = try_batches(trial, compiled, moment)
        else:
            result = verdict(trial.test, *_try_query(trial, scratch))
    except FsbuildError as exc:
        test = trial.test
        problems = tuple(replace(one, place=one.place or test.place) for one in exc.problems)
        result = UnitTestResult(test.unique_id, test.name, "error", test.place, problems=problems)
    return replace(result, elapsed_s=time.perf_counter() - began, started_at=started_at)


def _try_query(trial: Trial, scratch: Scratch) -> tuple[list[Row], list[Row]]:
    """Run the model's query over the given rows; return what is expected of it, and what it gives."""
    from fsbuild.unit_tests import expected_names, rows_sql

    (batch,), model = trial.test.batches, trial.model
    given = {one.unique_id: one.rows for one in batch.given}
    nothing = FixtureRows(batch.place)
    tables = [(one.relation, rows_sql(given.get(name, nothing), one.columns)) for name, one in trial.inputs]
    tables.append((model.rendered.relation, rows_sql(given.get(model.unique_id, nothing), model.columns)))
    views = [(one.rendered.relation, one.select) for one in trial.models[:-1]]
    sql = (model.incremental_select if trial.test.is_incremental else None) or model.select
    columns = expected_names(batch.expect, model.columns)
    expected, actual = scratch.rows(tables, views, [rows_sql(batch.expect, columns), chosen_rows(sql, columns)])
    return [*expected], [*actual]


def chosen_rows(sql: str, columns: Sequence[ColumnType]) -> str:
    """Select the columns of a query that are compared, named as they are expected."""
    return f"SELECT {', '.join(quote(column.name) for column in columns)} FROM (\n{sql}\n)"


def verdict(test: UnitTest, expected: Sequence[Row], actual: Sequence[Row], batch: int | None = None) -> UnitTestResult:
    """Compare what a test expects with what there is."""
    from fsbuild.unit_tests import compare_rows

    missing, surplus, difference = compare_rows(expected, actual)
    status: Status = "fail" if missing or surplus else "pass"
    return UnitTestResult(test.unique_id, test.name, status, test.place, missing, surplus, difference, batch)
