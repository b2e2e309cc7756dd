"""The Python face: a `Project` and what can be done with it. The command line is made of nothing else.

    import fsbuild
    project = fsbuild.Project("flights")
    result = project.run(select="+carrier_delay_7d", full_refresh=True)

`select` and `exclude` are written as on the command line, as one text or as several: a space unites, a comma
intersects; without `select` a call is about everything. Nothing is global: two projects in one process do not know of
each other. Every call reads the project anew.
"""

from __future__ import annotations

import datetime as dt
import functools
import logging
import shutil
import time
import uuid
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Literal, get_args

from fsbuild.artifacts import (
    Invocation,
    SourceAge,
    compile_results,
    operation_results,
    run_results,
    sources_result,
    write_artifact,
)
from fsbuild.batches import Span
from fsbuild.batches import parse_moment as parse_event_time
from fsbuild.errors import CompileError, FsbuildError, Problem, RenderError, UsageError, suggest
from fsbuild.load import Overrides, find_root
from fsbuild.pipeline import (
    NEWEST,
    Added,
    Agenda,
    Answers,
    Choice,
    Compared,
    Compiled,
    Deferral,
    Draft,
    Feature,
    Hooks,
    LakeState,
    LastRun,
    OneRun,
    RunOptions,
    Settled,
    Tracing,
    as_compiled,
    below,
    bound_versions,
    checks_on,
    choose,
    compare_statistics,
    compile_at,
    compile_draft,
    compile_sql,
    content_of,
    correlations,
    defer,
    describe,
    draft_project,
    find_node,
    find_own_table,
    find_statistics,
    find_table,
    find_training_set,
    followed,
    given_source,
    has_hooks,
    infer_checks,
    inline_model,
    is_run,
    keep_chosen_tests,
    late_checks,
    late_writer,
    list_features,
    list_nodes,
    not_begun,
    open_lake,
    operations_of,
    optimize_tables,
    parse_moment,
    pin_inputs,
    plan_run,
    prepare_retrieval,
    prepare_trials,
    read_lake,
    read_last_run,
    readable_place,
    recipe_of,
    relation_of,
    remember_run,
    restamp_manifest,
    restore_tables,
    search_project,
    set_agenda,
    settle,
    show_checks,
    source_ages,
    target_folder,
    tests_graph,
    tools_for,
    trace_changes,
    trace_name,
    trying_out,
    unit_tests_of,
    vacuum_tables,
    version_of,
    versions_between,
    waiting_nodes,
    warming_up,
    work_on,
    write_catalog,
    write_compiled,
    write_manifest,
)
from fsbuild.pipeline.last_run import Command
from fsbuild.pipeline.retrieving import GIVEN
from fsbuild.pipeline.unchanged import Question, Watch, is_idle, recall, replay
from fsbuild.values import Event, GraphNode, Moment, Plan, Relation, ResourceType, RunResult, Seed, Source, literal
from fsbuild.version import __version__

if TYPE_CHECKING:
    from fsbuild.datasets import Dataset
    from fsbuild.difference import Difference
    from fsbuild.engine import Warehouse
    from fsbuild.execute import Execution
    from fsbuild.handles import ModelHandle
    from fsbuild.pipeline.documenting import Coverage
    from fsbuild.render import Asking
    from fsbuild.select import Indirect, Selected
    from fsbuild.stored_statistics import Measured
    from fsbuild.traces import Trace

log = logging.getLogger("fsbuild")
_INLINE = "inline query"
# A page of more bytes than this takes a browser too long to open.
_LARGEST_PAGE = 20_000_000

Selectors = str | Sequence[str]


@dataclass(frozen=True, slots=True)
class Table:
    """A small result: column names and rows."""

    columns: tuple[str, ...]
    rows: tuple[tuple[object, ...], ...]


@dataclass(frozen=True, slots=True)
class Documentation:
    """Documentation as it was written: the first page, and how many files of what size; `changed` were written anew."""

    page: Path
    nodes: int
    files: int
    changed: int
    size: int


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """A version of a training set that was made again; `content` and `published` are hashes of its rows."""

    name: str
    version: int
    rows: int
    content: str
    published: str

    @property
    def is_equal(self) -> bool:
        """Whether the rows are the published ones."""
        return self.content == self.published


def _ignore(_event: Event) -> None:
    """Listen to nothing."""


@dataclass(frozen=True, slots=True)
class _Call:
    """A command that builds: how it was called, and the engine that it works with."""

    command: Command
    options: RunOptions
    warehouse: Warehouse
    selected: Selected


class Project:
    """A project folder, with the target, variables and threads that it is used with.

    `state` is the folder of the artifacts of another run, which the selectors `state:`, `result:` and `source_status:`
    compare with; `indirect_selection` says which data tests come along with the nodes that are chosen. With `defer`,
    what a command reads and does not build is read from the tables of that other run, where the target has none;
    with `favor_state` also where it has.
    """

    def __init__(  # noqa: PLR0913 - what every command can be called with
        self,
        path: str | Path = ".",
        *,
        target: str | None = None,
        profiles_dir: str | Path | None = None,
        variables: Mapping[str, object] | None = None,
        threads: int | None = None,
        state: str | Path | None = None,
        indirect_selection: Indirect = "eager",
        defer: bool = False,
        favor_state: bool = False,
    ) -> None:
        self.root = find_root(Path(path))
        profiles = Path(profiles_dir).resolve() if profiles_dir is not None else None
        self._overrides = Overrides(target, profiles, variables, threads)
        self._state = Path(state).resolve() if state is not None else None
        self._indirect: Indirect = indirect_selection
        self._deferral = _deferral(self._state, favors_state=favor_state) if defer else None
        self._moment = Moment(str(uuid.uuid4()), dt.datetime.now(dt.UTC))

    def __repr__(self) -> str:
        return f"fsbuild.Project({str(self.root)!r})"

    # --- finding -----------------------------------------------------------------------------------------------------

    def features(self, entity: str | None = None) -> tuple[Feature, ...]:
        """List the features of the project, or those about an entity, with when they changed and what they hold."""
        draft = self._draft("features")
        entities = [one.name for one in draft.project.entities]
        if entity is not None and entity not in entities:
            hint = suggest(entity, entities) or f"there are: {', '.join(entities) or 'none'}"
            raise UsageError(Problem(f"there is no entity '{entity}'", hint=hint))
        compiled = compile_draft(draft)
        with self._warehouse(draft) as warehouse:
            found = list_features(compiled, read_lake(draft), warehouse)
        return tuple(one for one in found if entity is None or entity in one.entity.split(", "))

    def search(self, word: str) -> Table:
        """Find models, columns, sources, entities and feature views by name, tag, owner or description."""
        rows = [
            (one.entry.kind, one.entry.name, one.entry.of or None, one.matched, one.entry.description, one.entry.file)
            for one in search_project(self._draft("search"), word)
        ]
        return Table(("kind", "name", "of", "matched", "description", "file"), tuple(rows))

    # --- running -----------------------------------------------------------------------------------------------------

    def run(  # noqa: PLR0913 - the options of the command
        self,
        *,
        select: Selectors = (),
        exclude: Selectors = (),
        full_refresh: bool = False,
        fail_fast: bool = False,
        store_failures: bool = False,
        event_time_start: str | None = None,
        event_time_end: str | None = None,
        as_of: str | dt.datetime | None = None,
        inputs: Mapping[str, int] | None = None,
        on_event: Callable[[Event], None] = _ignore,
    ) -> RunResult:
        """Run models, and load the seeds that they read where those are missing or changed.

        With `store_failures` the rows that fail checks are kept in tables of the schema `…_dbt_test__audit`.

        With a window of event times, microbatch models compute the batches in it and no others. The tables that are
        read and not built are read as they are when the run starts, as they were at the moment `as_of`, or in the
        versions `inputs` by name.
        """
        window = _window(event_time_start, event_time_end)
        options = RunOptions(full_refresh, fail_fast, store_failures, window, _moment_of(as_of), inputs or {})
        question = None
        if options == RunOptions(fail_fast=fail_fast) and self._state is None:
            question = Question.ask(self.root, self._overrides, _listed(select), _listed(exclude))
            if (recalled := recall(question)) is not None and restamp_manifest(question, self._invocation("run")):
                result = replay(recalled, self._moment.run_id, on_event)
                called = LastRun("run", result.run_id, recalled.target, variables=self._overrides.variables or {})
                remember_run(called, result, question.file.parent)
                told = run_results(result, self._invocation("run"))
                write_artifact(told, question.file.parent / "run_results.json")
                return result
        return self._execute("run", self._choosing(select, exclude), options, on_event, question)

    def build(  # noqa: PLR0913 - the options of the command
        self,
        *,
        select: Selectors = (),
        exclude: Selectors = (),
        full_refresh: bool = False,
        fail_fast: bool = False,
        store_failures: bool = False,
        event_time_start: str | None = None,
        event_time_end: str | None = None,
        as_of: str | dt.datetime | None = None,
        inputs: Mapping[str, int] | None = None,
        resource_types: Sequence[str] = (),
        without_types: Sequence[str] = (),
        on_event: Callable[[Event], None] = _ignore,
    ) -> RunResult:
        """Load seeds, run models and snapshots; every check is a result, and gates what it checks.

        A model whose unit tests fail is not built.
        """
        window = _window(event_time_start, event_time_end)
        options = RunOptions(full_refresh, fail_fast, store_failures, window, _moment_of(as_of), inputs or {})
        choose = self._choosing(select, exclude, types=resource_types, without_types=without_types, with_tests=True)
        return self._execute("build", choose, options, on_event)

    def snapshot(
        self,
        *,
        select: Selectors = (),
        exclude: Selectors = (),
        fail_fast: bool = False,
        on_event: Callable[[Event], None] = _ignore,
    ) -> RunResult:
        """Run snapshots, and load the seeds that they read where those are missing or changed."""
        return self._execute("snapshot", self._choosing(select, exclude), RunOptions(fail_fast=fail_fast), on_event)

    def seed(
        self,
        *,
        select: Selectors = (),
        exclude: Selectors = (),
        full_refresh: bool = False,
        fail_fast: bool = False,
        on_event: Callable[[Event], None] = _ignore,
    ) -> RunResult:
        """Load seeds."""
        return self._execute("seed", self._choosing(select, exclude), RunOptions(full_refresh, fail_fast), on_event)

    def test(
        self,
        *,
        select: Selectors = (),
        exclude: Selectors = (),
        store_failures: bool = False,
        on_event: Callable[[Event], None] = _ignore,
    ) -> RunResult:
        """Run unit tests, and check what is published."""
        options = RunOptions(store_failures=store_failures)
        return self._test(self._choosing(select, exclude, with_tests=True), options, on_event)

    def checks(self, name: str) -> Table:
        """The checks of a node: what is looked at, what a failure means, who decides, and how each ended last."""
        compiled = compile_draft(self._draft("checks"))
        with self._warehouse(compiled.draft) as warehouse:
            rows = show_checks(compiled, name, warehouse)
        return Table(("column", "check", "severity", "limits", "decided_by", "written_in", "last", "checked_at"), rows)

    def infer_checks(self, name: str) -> str:
        """A first pandera schema of what a node's table holds, as YAML for `pandera='checks/<name>.yml'`."""
        draft = self._draft("checks")
        with self._warehouse(draft) as warehouse:
            return infer_checks(draft, name, warehouse)

    def source_freshness(self, *, select: Selectors = (), exclude: Selectors = ()) -> tuple[SourceAge, ...]:
        """How old the sources are that have a `freshness`, and what their limits say of it."""
        draft = self._draft("source")
        chosen = self._choose(draft, select, exclude)
        began = time.perf_counter()
        with self._warehouse(draft) as warehouse:
            ages = source_ages(draft, chosen, warehouse, self._moment.started_at)
        found = sources_result(ages, self._invocation("source"), time.perf_counter() - began)
        write_artifact(found, draft.project.root / draft.project.target_path / "sources.json")
        write_manifest(draft, self._invocation("source"), chosen)
        return ages

    def retry(self, *, on_event: Callable[[Event], None] = _ignore) -> RunResult:
        """Repeat the last run, build, seed or test, as it was called, for what failed in it or was skipped.

        Its target and variables are taken over where this project was opened without. A result without nodes says that
        there was nothing to retry.

        Raises:
            UsageError: no command has been remembered.
        """
        last = read_last_run(self._draft_files())
        if not last.undone:
            log.info("nothing to retry: nothing failed in the last 'fsbuild %s', and nothing was skipped", last.command)
            return RunResult(last.command, self._moment.run_id, 0.0, ())
        given = self._overrides
        again = Project(
            self.root,
            target=given.target or last.target,
            profiles_dir=given.profiles_dir,
            variables={**last.variables, **(given.variables or {})},
            threads=given.threads,
        )

        def choose(draft: Draft) -> Selected:
            from fsbuild.select import Selected

            graph, undone = tests_graph(draft), set(last.undone)
            for name in last.undone:
                if name not in graph.nodes:
                    log.warning("'%s' is not retried: the project has it no more", name)
            if last.command == "build":
                tried = set(last.unit_tests)
                undone |= {t.unique_id for t in unit_tests_of(draft) if t.model_id in undone and t.unique_id in tried}
            return Selected(tuple(name for name in graph.order if name in undone))

        if last.command == "test":
            return again._test(choose, RunOptions(store_failures=last.store_failures), on_event)
        window = _window(*last.window) if last.window else None
        options = RunOptions(
            last.full_refresh,
            last.fail_fast,
            last.store_failures,
            window,
            _moment_of(last.as_of),
            last.inputs,
            frozenset(last.statuses),
        )
        return again._execute(last.command, choose, options, on_event)

    def plan(  # noqa: PLR0913 - the options of the command
        self,
        *,
        select: Selectors = (),
        exclude: Selectors = (),
        full_refresh: bool = False,
        event_time_start: str | None = None,
        event_time_end: str | None = None,
        as_of: str | dt.datetime | None = None,
        inputs: Mapping[str, int] | None = None,
        command: Literal["run", "build", "seed", "snapshot"] = "run",
    ) -> Plan:
        """Say for each node what a command would do with it, and why."""
        window = _window(event_time_start, event_time_end)
        options = RunOptions(full_refresh, window=window, as_of=_moment_of(as_of), inputs=inputs or {})
        draft = self._draft(command, options)
        chosen = self._choosing(select, exclude, with_tests=command == "build")(draft).ids
        compiled = compile_draft(draft)
        agenda = set_agenda(command, compiled, chosen)
        return plan_run(
            agenda, compiled, pin_inputs(agenda, compiled, read_lake(draft), options), options, self._moment
        )

    def _execute(
        self,
        command: Command,
        choose: Callable[[Draft], Selected],
        options: RunOptions,
        on_event: Callable[[Event], None],
        question: Question | None = None,
    ) -> RunResult:
        draft = self._draft(command, options, is_settled=False)
        selected = choose(draft)
        chosen = selected.ids
        draft, tested = keep_chosen_tests(self._deferred(draft, chosen), selected, self._invocation(command))
        with self._warehouse(draft) as warehouse:
            call = _Call(command, options, warehouse, selected)
            settled = self._compile_told(command, draft, chosen, _compile, question)
            self._run_hooks(call, settled.compiled, lambda hooks: hooks.start())
            beside = [name for name in draft.graph.order if name in tested and name not in chosen]
            run = OneRun(on_event, len(beside)) if beside and command == "build" else None
            hear = run.hear if run is not None else on_event
            if waiting_nodes(settled.draft):
                result, settled = self._execute_in_waves(call, settled, hear)
            else:
                result = self._carry_out(call, settled.compiled, chosen, hear, question)
            if run is not None:
                self._check_beside(call, settled, beside, run)
                result = run.end()
            self._run_hooks(call, settled.compiled, lambda hooks: hooks.end(result))
        draft = settled.draft if waiting_nodes(settled.draft) else as_compiled(settled.compiled)
        tests = [test.unique_id for test in unit_tests_of(draft) if command == "build" and test.unique_id in chosen]
        self._remember(command, options, result, draft, chosen, tests)
        return result

    def _execute_in_waves(
        self, call: _Call, settled: Settled, on_event: Callable[[Event], None]
    ) -> tuple[RunResult, Settled]:
        """Run what waits for nothing; then templates can ask for rows of it, and what waited for these runs."""
        from fsbuild.render import Asking

        chosen, before, waiting = call.selected.ids, frozenset[str](), waiting_nodes(settled.draft)
        run = OneRun(on_event, len(waiting.intersection(chosen)))
        while waiting != before:
            draft, compiled = settled.draft, settled.compiled
            let_down = below(draft, run.failed)
            names = [name for name in chosen if name in compiled.draft.graph.nodes and name not in run.done | let_down]
            self._carry_out(call, compiled, names, run.hear)
            if not settled.is_asking or run.is_interrupted or (call.options.fail_fast and run.failed):
                break
            with self._reading(compiled) as (execution, warehouse):
                ready = frozenset(compiled.draft.graph.order) - below(draft, run.failed)
                asking = Asking(Answers(draft, waiting, execution, warehouse), ready)
                draft = self._draft(call.command, call.options, asking=asking, is_settled=False)
            draft, _ = keep_chosen_tests(self._deferred(draft, chosen), call.selected, self._invocation(call.command))
            settled = self._compile_told(call.command, draft, chosen, _compile)
            before, waiting = waiting, waiting_nodes(settled.draft)
        left = [name for name in chosen if name not in run.done and is_run(call.command, settled.draft, name)]
        run.leave(settled.draft, left)
        return run.end(), settled

    def _check_beside(self, call: _Call, settled: Settled, nodes: Sequence[str], run: OneRun) -> None:
        """Decide the tests that came along with what was built, and that are those of other nodes."""
        from fsbuild.execute import check_published

        compiled = settled.compiled
        work = work_on("test", compiled, read_lake(compiled.draft), self._moment)
        work = replace(work, command=call.command, store_failures=call.options.store_failures)
        failed = run.failed
        ready = [
            name
            for name in nodes
            if name in compiled.draft.graph.nodes
            and _is_readable(name, compiled.draft)
            and not failed.intersection(one for check in checks_on(compiled.draft, name) for one in check.references)
        ]
        if ready and not run.is_interrupted:
            tools = tools_for(compiled, call.warehouse, run.hear)
            flags = _flags(call.command, call.options)
            late = late_writer(compiled.draft, self._moment, flags, call.warehouse)
            check_published(ready, work, replace(tools, late_checks=late), ready)

    def _run_hooks(self, call: _Call, compiled: Compiled, run: Callable[[Hooks], None]) -> None:
        """Run hooks of the run, where the project has any."""
        if not (compiled.draft.project.on_run_start or compiled.draft.project.on_run_end):
            return
        from fsbuild.execute import Execution

        work = work_on("show", compiled, read_lake(compiled.draft), self._moment)
        execution = Execution(work, tools_for(compiled, call.warehouse, _ignore))
        flags = _flags(call.command, call.options)
        run(Hooks(compiled.draft, self._moment, flags, execution, call.warehouse))

    def _carry_out(
        self,
        call: _Call,
        compiled: Compiled,
        chosen: Sequence[str],
        on_event: Callable[[Event], None],
        question: Question | None = None,
    ) -> RunResult:
        from fsbuild.docs import write_lineage
        from fsbuild.execute import execute_plan

        command, options, warehouse, draft = call.command, call.options, call.warehouse, compiled.draft
        write_lineage(compiled.models.values(), draft.project)
        agenda = set_agenda(command, compiled, chosen)
        lake = pin_inputs(agenda, compiled, read_lake(draft), options)
        plan = plan_run(agenda, compiled, lake, options, self._moment)
        work = work_on(command, compiled, lake, self._moment)
        work = replace(work, fail_fast=options.fail_fast, store_failures=options.store_failures, window=options.window)
        tests = [
            test
            for test in unit_tests_of(draft)
            if command == "build" and test.model_id in agenda.wanted and test.unique_id in chosen
        ]
        trials = prepare_trials(compiled, tests, self._moment)
        with warming_up(plan, work), trying_out(compiled, trials, self._moment) as try_out:
            tools = tools_for(compiled, warehouse, on_event, try_out)
            flags = _flags(command, options)
            if has_hooks(draft):
                tools = replace(tools, hooks=lambda run: Hooks(draft, self._moment, flags, run, warehouse))
            tools = replace(tools, late_checks=late_writer(draft, self._moment, flags, warehouse))
            result = execute_plan(plan, work, tools)
            if question is not None and result.is_success and not has_hooks(draft):
                self._keep_answer(question, agenda, compiled, warehouse)
        return result

    def _keep_answer(self, question: Question, agenda: Agenda, compiled: Compiled, warehouse: Warehouse) -> None:
        """Keep in mind what the next run is going to find, if that is nothing."""
        from fsbuild.execute import execute_plan

        choice = self._choice(question.select, question.exclude)
        if choose(compiled.draft, choice, self._invocation("run")).unmatched:
            return  # of which a person is told in every run
        watch = Watch(question, compiled)
        if watch.is_possible:
            lake = read_lake(compiled.draft)
            plan = plan_run(agenda, compiled, lake, RunOptions(), self._moment)
            if is_idle(plan):
                work = work_on("run", compiled, lake, self._moment)
                watch.keep(execute_plan(plan, work, tools_for(compiled, warehouse, _ignore)).results)

    def _test(
        self, choose: Callable[[Draft], Selected], options: RunOptions, on_event: Callable[[Event], None]
    ) -> RunResult:
        from fsbuild.execute import check_published, checks_of

        whole = self._draft("test")
        selected = choose(whole)
        chosen = selected.ids
        whole, tested = keep_chosen_tests(self._deferred(whole, ()), selected, self._invocation("test"))
        settled = self._compile_told("test", whole, chosen, compile_draft)
        compiled = settled.compiled
        draft = as_compiled(compiled)
        trials = prepare_trials(
            compiled, [one for one in unit_tests_of(draft) if one.unique_id in chosen], self._moment
        )
        work = work_on("test", compiled, LakeState({}, {}), self._moment)
        used = {parent for model in draft.models.values() for parent in model.depends_on}
        late = late_checks(draft)
        checked = {
            name
            for name in dict.fromkeys([*chosen, *tested])
            if name in draft.graph.nodes
            and (checks_of(name, work) or name in late)
            and (name not in work.sources or name in used)
            and _is_readable(name, draft)
        }
        if checked:
            work = work_on("test", compiled, read_lake(draft), self._moment)
        work = replace(work, store_failures=options.store_failures)
        nodes = [name for name in draft.graph.order if name in checked or name in trials]
        wrong = settled.draft.models.keys() - draft.models.keys()
        left = [name for name in chosen if name in wrong and settled.draft.models[name].model.checks]
        run = OneRun(on_event, len(left))
        with self._warehouse(draft) as warehouse, trying_out(compiled, trials, self._moment) as try_out:
            tools = tools_for(compiled, warehouse, run.hear, try_out)
            tools = replace(tools, late_checks=late_writer(draft, self._moment, _flags("test", options), warehouse))
            check_published(nodes, work, tools, checked)
        run.leave(settled.draft, left)
        result = run.end()
        self._remember("test", options, result, settled.draft if left else draft, chosen)
        return result

    def _remember(  # noqa: PLR0913 - what a command was, and what became of it
        self,
        command: Command,
        options: RunOptions,
        result: RunResult,
        draft: Draft,
        chosen: Sequence[str],
        unit_tests: Sequence[str] = (),
    ) -> None:
        """Keep in mind how a command ended, for `retry`."""
        called = LastRun(
            command,
            result.run_id,
            draft.project.target.name,
            options.full_refresh,
            options.fail_fast,
            options.store_failures,
            self._overrides.variables or {},
            window=(str(options.window.start), str(options.window.end)) if options.window else None,
            as_of=str(options.as_of) if options.as_of else None,
            inputs=options.inputs,
            unit_tests=unit_tests,
        )
        folder = draft.project.root / draft.project.target_path
        remember_run(called, result, folder)
        invocation = self._invocation(command)
        told = run_results(result, invocation, describe(draft, invocation, chosen))
        write_artifact(told, folder / "run_results.json")

    def _compile_told(
        self,
        command: str,
        draft: Draft,
        chosen: Sequence[str],
        compile_: Callable[[Draft], Compiled],
        question: Question | None = None,
    ) -> Settled:
        """Compile what can be; the manifest is written however that ends, and the results of a run that does not begin.

        Raises:
            CompileError: something is wrong that stops everything.
        """
        found, invocation = draft, self._invocation(command)
        try:
            settled = settle(draft, compile_)
            found = settled.draft if waiting_nodes(settled.draft) else as_compiled(settled.compiled)
        except FsbuildError as exc:
            if command in get_args(Command):
                told = run_results(not_begun(draft, command, chosen, exc.problems, self._moment.run_id), invocation)
                write_artifact(told, draft.project.root / draft.project.target_path / "run_results.json")
            raise
        finally:
            write_manifest(found, invocation, chosen, question)
        return settled

    def _invocation(self, command: str) -> Invocation:
        given = self._overrides
        arguments = {
            "project_dir": str(self.root),
            "profiles_dir": str(given.profiles_dir or self.root),
            "target": given.target,
            "vars": dict(given.variables or {}),
            "threads": given.threads,
        }
        return Invocation(command, self._moment.run_id, self._moment.started_at, arguments)

    # --- documentation ------------------------------------------------------------------------------------------------

    def generate_docs(self, *, single_file: bool = False) -> Documentation:
        """Write the documentation of the project below its target folder, as pages that open from the file system.

        With `single_file` it is one page, to be sent around.

        Raises:
            UsageError: the one page would be too large for a browser.
        """
        from fsbuild.pipeline.documenting import site_content
        from fsbuild.site import assets, single_page, site_files, write_site

        draft = self._draft("docs")
        trace = functools.partial(compile_draft, is_tracing=True)
        settled = self._compile_told("docs", draft, draft.graph.order, trace)
        for problem in settled.problems(settled.draft.graph.order):
            log.warning("%s", problem)
        compiled, draft = settled.compiled, settled.compiled.draft
        folder = draft.project.root / draft.project.target_path / "docs"
        lake = read_lake(draft)
        write_catalog(compiled, lake, self._invocation("docs"))
        with self._warehouse(draft) as warehouse:
            content = site_content(compiled, lake, warehouse, self._moment)
        shared = assets()
        if not single_file:
            written = write_site(folder, [*shared.items(), *site_files(content)])
            return Documentation(
                folder / "index.html", len(content.nodes), written.files, written.changed, written.size
            )
        page, style, code = (shared[name].decode() for name in ("index.html", "site.css", "site.js"))
        text = single_page(content, page, style, code).encode()
        if len(text) > _LARGEST_PAGE:
            message = f"one page of this project would have {len(text) / 1e6:.0f} MB"
            raise UsageError(Problem(message, hint="leave out --single-file, and send the folder in an archive"))
        file = folder.parent / f"{draft.project.name}-docs.html"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text)
        return Documentation(file, len(content.nodes), 1, 1, len(text))

    def docs_folder(self) -> Path:
        """The folder that the documentation was written to.

        Raises:
            UsageError: it has not been.
        """
        project = self._draft_files()
        folder: Path = project.root / project.target_path / "docs"
        if not (folder / "index.html").is_file():
            shown = folder.relative_to(project.root).as_posix()
            raise UsageError(Problem(f"there is no documentation in {shown}/ yet", hint="fsbuild docs generate"))
        return folder

    def docs_coverage(self, *, select: Selectors = (), exclude: Selectors = ()) -> Coverage:
        """Tell which nodes and columns nobody has described."""
        from fsbuild.pipeline.documenting import coverage_of

        draft = self._draft("docs")
        return coverage_of(compile_draft(draft), self._choose(draft, select, exclude))

    def deps(self) -> tuple[str, ...]:
        """Install the packages that the project declares, and those that these declare; return their names.

        Raises:
            FsbuildError: a package cannot be got.
        """
        from fsbuild.installing import install_package
        from fsbuild.load import declared_packages, install_folder

        folder, names = install_folder(self.root), dict[str, None]()
        pending = [(self.root, entry) for entry in declared_packages(self.root)]
        for root, entry in pending:
            name = install_package(entry.data, root, folder, entry.place)
            if name not in names:
                names[name] = None
                inside = (folder / name).resolve()
                pending += [(inside, one) for one in declared_packages(inside)]
        return tuple(names)

    def run_operation(
        self, macro: str, arguments: Mapping[str, object] | None = None, *, say: Callable[[str], None] | None = None
    ) -> object:
        """Call a macro, `name` or `package.name`, and return what it returns, or its text.

        What it prints goes to `say`, or else to the log.

        Raises:
            FsbuildError: there is no such macro, or it is wrong.
        """
        settled = settle(self._draft("run-operation"), compile_sql)
        draft = settled.draft
        with self._reading(settled.compiled) as (execution, warehouse):
            answers = Answers(draft, waiting_nodes(draft), execution, warehouse)
            operations = operations_of(draft, self._moment, _flags("run-operation", RunOptions()), answers, say)
            problems: Sequence[Problem] = ()
            try:
                return operations.call(macro, arguments or {})
            except FsbuildError as exc:
                problems = exc.problems
                raise
            finally:
                told = operation_results(operations.macro_id(macro), problems, self._invocation("run-operation"))
                write_artifact(told, target_folder(draft) / "run_results.json")

    # --- looking -----------------------------------------------------------------------------------------------------

    def nodes(
        self,
        *,
        select: Selectors = (),
        exclude: Selectors = (),
        resource_types: Sequence[str] = (),
        without_types: Sequence[str] = (),
    ) -> tuple[GraphNode, ...]:
        """List nodes of all types in the order of the graph, tests and exposures after what they are about.

        The `entry` of a node is what `manifest.json` says of it.
        """
        draft, invocation = self._draft("list", is_settled=False), self._invocation("list")
        found = list_nodes(draft, self._choice(select, exclude, resource_types, without_types), invocation)
        write_manifest(draft, invocation, [node.unique_id for node in found])
        return tuple(found)

    def parse(self) -> int:
        """Read and render the project, write `manifest.json`, and return the number of its nodes; no SQL is looked at.

        Raises:
            FsbuildError: its files are wrong, or what they refer to is not there.
        """
        draft = self._draft("parse", is_settled=False)
        write_manifest(draft, self._invocation("parse"), ())
        return len(draft.graph.order)

    def compile_inline(self, sql: str) -> str:
        """Check a query in which `ref()` and `source()` work, and return it without its Jinja.

        Raises:
            FsbuildError: it is wrong, or what it reads.
        """
        settled = settle(self._draft("compile", inline=sql), compile_draft)
        unique_id = find_node(settled.draft, _INLINE)
        if problems := settled.problems([unique_id]):
            raise CompileError(problems)
        return settled.compiled.models[unique_id].rendered.sql.text.strip()

    def compile(self, *, select: Selectors = (), exclude: Selectors = ()) -> dict[str, str]:
        """Check the whole project's SQL, write it below the target folder, and return it by model name."""
        from fsbuild.docs import write_lineage

        began = time.perf_counter()
        draft = self._draft("compile")
        chosen = self._choose(draft, select, exclude)
        settled = self._compile_told("compile", draft, chosen, _compile)
        compiled = settled.compiled
        write_lineage(compiled.models.values(), draft.project)
        if problems := settled.problems(chosen):
            templates = {problem for model in draft.models.values() for problem in model.problems}
            raise (CompileError if templates.isdisjoint(problems) else RenderError)(problems)
        invocation = self._invocation("compile")
        described = describe(as_compiled(compiled), invocation, chosen)
        told = compile_results(described, invocation, time.perf_counter() - began)
        write_artifact(told, target_folder(draft) / "run_results.json")
        models = (compiled.models[name] for name in chosen if name in compiled.models)
        return {model.rendered.model.name: model.rendered.sql.text.strip() for model in models}

    def show(
        self,
        name: str | None = None,
        *,
        inline: str | None = None,
        limit: int | None = 5,
        as_of: str | dt.datetime | None = None,
        version: int | None = None,
    ) -> Table:
        """Return the first rows of a node as it is published, or of a query in which `ref()` and `source()` work.

        With `as_of` (in UTC unless it says otherwise) or `version` they are those that the node's table had then.
        """
        point = as_of if version is None else version
        if point is not None and (inline is not None or None not in (as_of, version)):
            hint = "name one node, and either a time or a version"
            raise UsageError(Problem("a query is shown as of now, and a node as of one moment", hint=hint))
        draft = self._deferred(self._draft("show", inline=inline), ())
        lake = open_lake(draft.project)
        aside = find_own_table(draft, str(name))
        unique_id = find_node(draft, _INLINE if inline is not None else str(name)) if aside is None else ""
        if point is not None or aside is not None:
            uri = lake.uri(aside) if aside is not None else readable_place(draft, unique_id, lake)
            moment = parse_moment(point) if isinstance(point, str) else point
            at = version_of(lake, uri, NEWEST if moment is None else moment)
            with self._warehouse(draft) as warehouse, bound_versions(warehouse, lake, uri, [at]) as (relation,):
                return _first_rows(warehouse, relation, limit)
        settled = settle(draft, compile_draft)
        if problems := settled.problems([unique_id]):
            raise CompileError(problems)
        with self._reading(settled.compiled) as (execution, warehouse):
            return _first_rows(warehouse, execution.bind(unique_id), limit)

    def history(self, name: str, limit: int | None = None) -> Table:
        """Return the versions of a node's table, the latest first, with the run that wrote each."""
        draft = self._draft("history")
        relation = relation_of(draft, find_table(draft, name, "history"))
        columns = ("version", "committed_at", "operation", "rows", "run_id")
        rows = [
            (
                commit.get("version"),
                dt.datetime.fromtimestamp(int(commit["timestamp"]) / 1000, dt.UTC).strftime("%Y-%m-%d %H:%M:%S"),
                commit.get("operation"),
                int(commit["fsbuild.rows"]) if "fsbuild.rows" in commit else None,
                commit.get("fsbuild.run_id"),
            )
            for commit in open_lake(draft.project).history(relation, limit)
        ]
        return Table(columns, tuple(rows))

    def diff(
        self,
        name: str,
        *,
        since: int | str | dt.datetime | None = None,
        until: int | str | dt.datetime | None = None,
        limit: int | None = 20,
    ) -> tuple[Difference, int, int]:
        """Compare two versions of a node's table; return the difference and both versions.

        Each is given as a version, a moment or the id of a run; without them the latest version is compared to the one
        before its rows changed last. Rows are told apart by the model's unique key.
        """
        from fsbuild.difference import compare_versions

        draft = self._draft("diff")
        lake, unique_id = open_lake(draft.project), find_table(draft, name, "versions to compare")
        uri = lake.uri(relation_of(draft, unique_id))
        old, new = versions_between(lake, uri, since, until)
        key = draft.models[unique_id].config.unique_key if unique_id in draft.models else ()
        with self._warehouse(draft) as warehouse, bound_versions(warehouse, lake, uri, [old, new]) as (before, after):
            return compare_versions(warehouse, before, after, key, limit), old, new

    def debug(self) -> Table:
        """Check that the project, its profile, its lake and the engine work; return what was found."""
        from importlib.metadata import version

        draft = self._draft("debug")
        project = draft.project
        with self._warehouse(draft):
            pass
        lake = read_lake(draft)
        compile_draft(draft)
        kinds = [node.resource_type for node in tests_graph(draft).nodes.values()]
        return Table(
            ("what", "found"),
            (
                ("fsbuild", __version__),
                ("duckdb", version("duckdb")),
                ("deltalake", version("deltalake")),
                ("project", f"{project.name} in {project.root}"),
                ("target", f"{project.target.name} of profile {project.target.profile}"),
                ("lake", project.target.lake),
                ("schema", project.target.schema),
                ("threads", project.target.threads),
                (
                    "nodes",
                    ", ".join(f"{kinds.count(kind)} {kind.replace('_', ' ')}s" for kind in get_args(ResourceType)),
                ),
                ("tables built", len(lake.states)),
                ("SQL", "every model binds"),
            ),
        )

    def clean(self) -> tuple[str, ...]:
        """Delete the folders that `clean-targets` names; return those that were there. The lake is never among them."""
        project = self._draft_files()
        removed = []
        for name in project.clean_targets:
            folder = (project.root / name).resolve()
            lake = Path(project.target.lake).resolve()
            if not folder.is_relative_to(project.root.resolve()) or folder == project.root.resolve():
                raise UsageError(Problem(f"clean-targets: '{name}' is not a folder inside the project"))
            if folder == lake or lake.is_relative_to(folder):
                raise UsageError(Problem(f"clean-targets: '{name}' holds the lake's tables", hint="delete it by hand"))
            if folder.is_dir():
                shutil.rmtree(folder)
                removed.append(name)
        return tuple(removed)

    # --- features ----------------------------------------------------------------------------------------------------

    def training_set(
        self,
        spine: object,
        features: Sequence[object] | str,
        *,
        event_time: str,
        known_time: str | None = None,
        as_of: str | dt.datetime | None = None,
    ) -> Dataset:
        """What was known of the entities of a spine at its times; nothing is computed before rows are asked for.

        The spine has the keys of the entities, the column `event_time` with the moment of each row, and anything else,
        such as labels: a pandas or Polars frame, an Arrow table, a DuckDB relation, or SQL in which `ref()` works. What
        counts as known at `event_time` is told by the column `known_time` where that is another moment. `features` are
        written as in a model. The tables are read as they are now, or as they were at the moment `as_of`.

        Raises:
            FsbuildError: the spine lacks a key, there is no such feature, types do not fit, or no table at `as_of`.
        """
        config = {"features": features, "event_time": event_time, "known_at": known_time}
        if isinstance(spine, str):
            return self._retrieve("training set", spine, config, as_of)
        return self._retrieve("training set", f"select * from {{{{ source{GIVEN} }}}}", config, as_of, spine)

    def batch(self, model: str, start: str | dt.date, end: str | dt.date) -> Dataset:
        """All values of a feature model with an event time in `[start, end)`, as they are known now."""
        join = f"point_in_time(features=['{model}'], start='{start}', end='{end}')"
        return self._retrieve(f"{model} from {start} to {end}", f"select * from {{{{ {join} }}}}")

    def features_as_of(self, features: Sequence[object] | str, as_of: str | dt.date) -> Dataset:
        """What was known of all entities at a moment, of tables as they are now."""
        join = f"point_in_time(features={features!r}, as_of='{as_of}')"
        return self._retrieve(f"features as of {as_of}", f"select * from {{{{ {join} }}}}")

    def rebuild_training_set(
        self, name: str, *, version: int | None = None, output: str | Path | None = None
    ) -> Rebuilt:
        """Make a version of a training set again from what it was made from, and compare; the latest by default.

        Nothing is published; with `output` the rows are written to a file.

        Raises:
            FsbuildError: there is no such version, or what it was made from is gone.
        """
        from fsbuild.exports import write_rows

        draft = self._draft("training-set")
        lake = open_lake(draft.project)
        number, recipe = recipe_of(draft, lake, find_training_set(draft, name), version)
        moment = dt.datetime.fromisoformat(recipe.now)
        with self._warehouse(draft, moment) as warehouse, followed(draft, lake, recipe, warehouse) as rows:
            if output is not None:
                write_rows(warehouse, f"SELECT * FROM {rows}", Path(output))
            return Rebuilt(name, number, recipe.rows, content_of(warehouse, rows), recipe.content)

    def export_training_set(
        self, name: str, output: str | Path, *, version: int | None = None, split: str | None = None
    ) -> int:
        """Write the rows of a training set, or of one of its splits, to a file; return how many there are."""
        from fsbuild.exports import write_rows

        draft = self._draft("training-set")
        lake, unique_id = open_lake(draft.project), find_training_set(draft, name)
        splits = [key for key in draft.models[unique_id].config.splits if key != "by"]
        if split is not None and split not in splits:
            none = "config(splits={'by': 'key', 'train': 0.8, 'test': 0.2}) declares some"
            hint = suggest(split, splits) or (f"it has: {', '.join(splits)}" if splits else none)
            raise UsageError(Problem(f"'{name}' has no split '{split}'", hint=hint))
        recipe_of(draft, lake, unique_id, version)
        uri = lake.uri(relation_of(draft, unique_id))
        at = version_of(lake, uri, dt.datetime.now(dt.UTC) if version is None else version)
        where = "" if split is None else f" WHERE split = {literal(split)}"
        with self._warehouse(draft) as warehouse, bound_versions(warehouse, lake, uri, [at]) as (relation,):
            return write_rows(warehouse, f"SELECT * FROM {relation}{where}", Path(output))

    def _retrieve(
        self,
        title: str,
        sql: str,
        config: Mapping[str, object] | None = None,
        as_of: str | dt.datetime | None = None,
        spine: object = None,
    ) -> Dataset:
        """Prepare a query that is no model; `config` makes it a training set."""
        from fsbuild.datasets import Dataset

        with ExitStack() as held:
            settings = {"materialized": "training_set", **config} if config is not None else {}
            model, given = inline_model(_INLINE, sql, settings), None
            if spine is not None:
                from fsbuild.engine.frames import write_frame

                file = Path(held.enter_context(TemporaryDirectory(prefix="fsbuild"))) / "spine.parquet"
                write_frame(spine, file)
                given = given_source(self._draft_files().name, file)
            draft = draft_project(self.root, self._overrides, self._moment, Added(model, given), {"WHICH": "show"})
            # What the caller brings along has no other versions.
            left = frozenset({given.unique_id} if given is not None else ())
            options = RunOptions(as_of=_moment_of(as_of), repeated=left)
            retrieval = prepare_retrieval(draft, model.unique_id, options, self._moment)
            return Dataset(title, retrieval, lambda: self._warehouse(draft), held.pop_all())

    def changes(self, name: str, from_version: int | str, to_version: int | str | None = None) -> Any:  # noqa: ANN401 - a pyarrow.Table, imported by nobody for its type alone
        """The rows that a node's table has won and lost since a version, as an Arrow table.

        Its last column, `_change_type`, says `insert` or `delete`; an updated row is one of each, and one that was only
        moved is none. Versions are numbers, moments or the ids of runs.
        """
        draft = self._draft("changes")
        lake, unique_id = open_lake(draft.project), find_table(draft, name, "versions to compare")
        uri = lake.uri(relation_of(draft, unique_id))
        old, new = versions_between(lake, uri, from_version, to_version)
        with self._warehouse(draft) as warehouse, bound_versions(warehouse, lake, uri, [old, new]) as (before, after):
            return warehouse.table(
                f"SELECT *, 'insert' AS _change_type FROM (FROM {after} EXCEPT ALL FROM {before}) UNION ALL BY NAME "
                f"SELECT *, 'delete' AS _change_type FROM (FROM {before} EXCEPT ALL FROM {after})"
            )

    def model(self, name: str) -> ModelHandle:
        """A model by its name: its SQL, columns, lineage, statistics and history."""
        from fsbuild.handles import ModelHandle

        draft = self._draft("show")
        known = {model.model.name: model.unique_id for model in draft.models.values()}
        if name not in known:
            raise UsageError(Problem(f"there is no model '{name}'", hint=suggest(name, known)))
        return ModelHandle(self, compile_draft(draft).models[known[name]])

    def lineage(
        self,
        name: str,
        *,
        upstream: bool = True,
        downstream: bool = True,
        depth: int | None = None,
        steering: bool = True,
    ) -> Trace:
        """What a column, `model.column`, is made of and what it goes into, across models; or all columns of a model.

        A `depth` limits over how many models a column is traced; a model is traced to its neighbours without one.
        With `steering=False` only values are followed.

        Raises:
            UsageError: there is no such model, seed or source, or it has no such column.
        """
        compiled = compile_draft(self._draft("lineage"), is_tracing=True)
        return trace_name(compiled, name, Tracing(upstream, downstream, depth, steering))

    def changed_lineage(self, *, base: str = "HEAD", depth: int | None = None, steering: bool = True) -> Trace:
        """What is defined otherwise than in a commit of git, column by column, and all that is below it.

        Raises:
            UsageError: the project is in no git repository, or does not compile as it was in the commit.
        """
        compiled = compile_draft(self._draft("lineage"), is_tracing=True)
        before = compile_at(self.root, base, self._overrides, self._draft_at)
        return trace_changes(compiled, before, base, Tracing(depth=depth, steering=steering))

    # --- statistics --------------------------------------------------------------------------------------------------

    def stats(self, name: str, *, version: int | str | None = None) -> Measured:
        """What the columns of a node's table hold, in a version, at a moment or after a run; by default now.

        Runs measure feature models and training sets; what no run has measured is measured by this call.
        """
        draft = self._draft("stats")
        with self._warehouse(draft) as warehouse:
            return find_statistics(draft, name, version, warehouse)

    def drift(self, name: str, other: int | str) -> Compared:
        """How far a node's columns have moved since a version of it, or since a training set that has its features."""
        draft = self._draft("stats")
        compiled = compile_draft(draft)
        with self._warehouse(draft) as warehouse:
            return compare_statistics(draft, name, str(other), compiled.models, warehouse)

    def correlations(self, name: str) -> Table:
        """Pearson's correlation of each pair of a node's columns of numbers."""
        draft = self._draft("stats")
        with self._warehouse(draft) as warehouse:
            _, pairs = correlations(draft, name, warehouse)
        return Table(("column", "other", "correlation"), tuple(pairs))

    # --- keeping tables ----------------------------------------------------------------------------------------------

    def restore(
        self,
        name: str,
        *,
        to_version: int | None = None,
        to_timestamp: str | dt.datetime | None = None,
        to_run: str | None = None,
        downstream: bool = False,
    ) -> Table:
        """Make a node's table what it was in a version, at a moment or after a run; say what was done with each table.

        With `downstream` the tables of all nodes below it become what they were then, too.
        """
        moment = None if to_timestamp is None else parse_moment(to_timestamp)
        points = [point for point in (to_version, moment, to_run) if point is not None]
        if len(points) != 1:
            hint = "give one of --to-version, --to-timestamp and --to-run"
            raise UsageError(Problem(f"what '{name}' is to be restored to has to be said, and once", hint=hint))
        draft = self._draft("restore")
        unique_id = find_table(draft, name, "earlier version to go back to")
        done = restore_tables(draft, unique_id, points[0], self._moment.run_id, has_downstream=downstream)
        rows = [(one.name, one.was, one.restored, one.version, one.message) for one in done]
        return Table(("table", "was_version", "restored_version", "is_version", "what"), tuple(rows))

    def optimize(self, *, select: Selectors = (), exclude: Selectors = (), zorder: Sequence[str] = ()) -> Table:
        """Put the rows of tables into few large files, ordered by `zorder` or the model's event time; tell of each."""
        draft = self._draft("optimize")
        done = optimize_tables(draft, self._choose(draft, select, exclude), zorder, self._moment.run_id)
        rows = [
            (one.name, one.done.before, one.done.after, ", ".join(one.zorder) or None, one.done.version) for one in done
        ]
        return Table(("table", "files_before", "files", "ordered_by", "new_version"), tuple(rows))

    def vacuum(
        self,
        *,
        select: Selectors = (),
        exclude: Selectors = (),
        retention_hours: int | None = None,
        dry_run: bool = True,
    ) -> Table:
        """List the files of tables that nobody needs any more; with `dry_run=False`, delete them.

        Files stay for as long as the table's own retention says, and those that a table below may still have to read.
        """
        draft = self._draft("vacuum")
        chosen, run_id = self._choose(draft, select, exclude), self._moment.run_id
        done = vacuum_tables(draft, chosen, retention_hours, run_id, is_dry_run=dry_run)
        rows = [
            (one.name, len(one.files), sum(file.size for file in one.files), ", ".join(map(str, one.kept)) or None)
            for one in done
        ]
        return Table(("table", "files", "bytes", "kept_versions"), tuple(rows))

    # --- inside ------------------------------------------------------------------------------------------------------

    def _choice(
        self, select: Selectors, exclude: Selectors, types: Sequence[str] = (), without_types: Sequence[str] = ()
    ) -> Choice:
        return Choice(_listed(select), _listed(exclude), types, without_types, self._indirect, self._state)

    def _choose(self, draft: Draft, select: Selectors, exclude: Selectors) -> tuple[str, ...]:
        """Choose nodes that something is computed of."""
        return self._choosing(select, exclude)(draft).ids

    def _choosing(
        self,
        select: Selectors,
        exclude: Selectors,
        *,
        types: Sequence[str] = (),
        without_types: Sequence[str] = (),
        with_tests: bool = False,
    ) -> Callable[[Draft], Selected]:
        """Give what chooses nodes of a draft; with tests, exposures are among them too, which need no work."""
        choice = self._choice(select, exclude, types, without_types)

        def find(draft: Draft) -> Selected:
            found = choose(draft, choice, self._invocation("list"), with_tests=with_tests)
            for selector in found.unmatched:
                log.warning("the selector '%s' matches nothing", selector)
            if with_tests:
                return found
            return replace(found, ids=tuple(name for name in found.ids if name in draft.graph.nodes), has_tests=False)

        return find

    def _deferred(self, draft: Draft, chosen: Collection[str]) -> Draft:
        """A draft that reads what is not chosen where it is to be read."""
        return draft if self._deferral is None else defer(draft, chosen, self._deferral)

    def _draft_files(self) -> Any:  # noqa: ANN401 - values.Project, whose name is this class's
        from fsbuild.load import load_project
        from fsbuild.render import evaluate_text

        return load_project(self.root, self._overrides, evaluate_text)

    def _draft(
        self,
        command: str,
        options: RunOptions | None = None,
        inline: str | None = None,
        asking: Asking | None = None,
        *,
        is_settled: bool = True,
    ) -> Draft:
        """The project, rendered; when it is to be settled, models that ask for rows ask for those that are there."""
        from fsbuild.render import Asking

        added = Added(inline_model(_INLINE, inline, {})) if inline is not None else None
        flags = _flags(command, options or RunOptions())
        draft = draft_project(self.root, self._overrides, self._moment, added, flags, asking)
        before: frozenset[str] = frozenset()
        while is_settled and (waiting := waiting_nodes(draft)) != before:
            settled, before = settle(draft, compile_sql), waiting
            if not settled.is_asking:
                break
            with self._reading(settled.compiled) as (execution, warehouse):
                ready = frozenset(settled.compiled.draft.graph.order)
                now = Asking(Answers(draft, waiting_nodes(settled.draft), execution, warehouse), ready)
                draft = draft_project(self.root, self._overrides, self._moment, added, flags, now)
        problems = [problem for model in draft.models.values() for problem in model.problems]
        if is_settled and problems and not draft.project.is_of_dbt:
            raise FsbuildError(problems)
        return draft

    def _draft_at(self, root: Path, overrides: Overrides) -> Draft:
        """The project as it is in another folder."""
        return draft_project(root, overrides, self._moment, None, _flags("lineage", RunOptions()))

    @contextmanager
    def _warehouse(self, draft: Draft, now: dt.datetime | None = None) -> Iterator[Warehouse]:
        from fsbuild.engine import Warehouse

        scratch = self.root / draft.project.target_path / "scratch"
        settings = {"temp_directory": str(scratch), **draft.project.target.settings}
        places = (draft.project.target.lake, *(source.location for source in draft.project.sources))
        warehouse = Warehouse(self.root, settings, now or self._moment.started_at, places)
        try:
            yield warehouse
        finally:
            warehouse.close()

    @contextmanager
    def _reading(self, compiled: Compiled) -> Iterator[tuple[Execution, Warehouse]]:
        from fsbuild.execute import Execution

        work = work_on("show", compiled, read_lake(compiled.draft), self._moment)
        with self._warehouse(compiled.draft) as warehouse:
            yield Execution(work, tools_for(compiled, warehouse, _ignore)), warehouse


def _deferral(state: Path | None, *, favors_state: bool) -> Deferral:
    if state is None:
        hint = "name the target folder of the other run: --state production/target"
        raise UsageError(Problem("--defer reads the tables of another run, and none is named", hint=hint))
    return Deferral(state, favors_state)


def _flags(command: str, options: RunOptions) -> Mapping[str, object]:
    """What templates see of how they are called."""
    return {"WHICH": command, "FULL_REFRESH": options.full_refresh, "FAIL_FAST": options.fail_fast} | {
        "STORE_FAILURES": options.store_failures,
        "INTROSPECT": True,
    }


def _listed(selectors: Selectors) -> Sequence[str]:
    return [selectors] if isinstance(selectors, str) else selectors


def _moment_of(given: str | dt.datetime | None) -> dt.datetime | None:
    """Read a moment, if there is one."""
    return None if given is None else parse_moment(given)


def _window(start: str | None, end: str | None) -> Span | None:
    """Read the two ends of a window of event times.

    Raises:
        UsageError: one is missing, is no date or time, or the end is not after the start.
    """
    if start is None and end is None:
        return None
    hint = "--event-time-start 2013-01-01 --event-time-end 2013-01-08: the end is the first moment that is not in it"
    if start is None or end is None:
        missing = "event-time-start" if start is None else "event-time-end"
        raise UsageError(Problem(f"{missing} is missing: a window of event times has two ends", hint=hint))
    try:
        found = Span(parse_event_time(start), parse_event_time(end))
    except ValueError as exc:
        raise UsageError(
            Problem(f"a window of event times has an end that is no date or time: {exc}", hint=hint)
        ) from exc
    if found.end <= found.start:
        raise UsageError(Problem(f"event-time-end {end} is not after event-time-start {start}", hint=hint))
    return found


def _first_rows(warehouse: Warehouse, relation: Relation, limit: int | None) -> Table:
    found = warehouse.table(f"SELECT * FROM {relation}" + ("" if limit is None else f" LIMIT {limit}"))
    rows = zip(*(column.to_pylist() for column in found.columns), strict=True)
    return Table(tuple(found.schema.names), tuple(rows))


def _compile(draft: Draft) -> Compiled:
    """Compile a draft, and write the SQL of its models for a person to read; as rendered where it has mistakes."""
    try:
        compiled = compile_draft(draft, is_tracing=True)
    except FsbuildError:
        write_compiled(draft.project, draft.models.values())
        raise
    write_compiled(draft.project, (model.rendered for model in compiled.models.values()))
    return compiled


def _is_readable(unique_id: str, draft: Draft) -> bool:
    """Whether a node has rows of its own to check: an ephemeral model's are its readers'."""
    return draft.graph.nodes[unique_id].materialized != "ephemeral"


__all__ = ["Project", "Seed", "Source", "Table"]
