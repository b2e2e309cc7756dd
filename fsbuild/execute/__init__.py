"""The execute stage: a plan in, one checked commit for each table out.

Nothing that fails on the way becomes visible. A node reads its parents as this run published them, or at the versions
that the run found when it began. How a node ends is a result; only a mistake of ours is an exception.
"""

from __future__ import annotations

import datetime as dt
import logging
import signal
import threading
import time
import traceback
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace

from fsbuild.check_history import checks_query
from fsbuild.errors import FsbuildError, Place, Problem
from fsbuild.execute.journal import add_rows
from fsbuild.execute.order import order_steps
from fsbuild.execute.schedule import Jobs, run_jobs
from fsbuild.execute.tables import Execution
from fsbuild.execute.work import Tools, Work, checks_of, describe, path_of
from fsbuild.values import (
    NodeFinished,
    NodeResult,
    NodeStarted,
    Plan,
    RunFinished,
    RunResult,
    RunStarted,
    UnitTestResult,
)

__all__ = ["Execution", "Tools", "Work", "check_published", "checks_of", "execute_plan"]

log = logging.getLogger(__name__)


def execute_plan(plan: Plan, work: Work, tools: Tools) -> RunResult:
    """Carry out a plan and tell how every node ended; errors of nodes are results, not exceptions."""
    steps = {step.unique_id: step for step in plan.steps if step.action != "inline"}
    parents, deferred = order_steps(steps, work)
    execution = Execution(work, tools, steps, deferred)
    hooks = tools.hooks(execution) if tools.hooks is not None else None
    late_checks = tools.late_checks(execution) if work.is_checking else None

    def run(name: str, tried: Sequence[UnitTestResult]) -> NodeResult:
        if _has_failed(tried):
            return replace(describe(name, work), status="error", message="its unit tests failed; it was not built")
        is_hooked = hooks is not None and steps[name].action != "keep"
        if hooks is not None and is_hooked:
            hooks.before(name)
        result = execution.run_step(name)
        if result.status in ("error", "fail"):
            return result
        if hooks is not None and is_hooked:
            hooks.after(name)
        checks = late_checks(name) if late_checks is not None else ()
        return execution.check_late(result, checks) if checks else result

    result = _run(parents, work, tools, run)
    _write_down("statistics", execution.measuring.publish)
    _write_down("checks", lambda: _record_checks(result, work, tools))
    return result


def check_published(
    nodes: Sequence[str], work: Work, tools: Tools, checked: Collection[str] | None = None
) -> RunResult:
    """Run the unit tests of nodes, and check what is published of them, or of those that are `checked`."""
    execution = Execution(work, tools)
    late_checks = tools.late_checks(execution)

    def run(name: str, tried: Sequence[UnitTestResult]) -> NodeResult:
        is_checked = checked is None or name in checked
        result = execution.test_node(name) if is_checked else replace(describe(name, work), status="pass")
        if is_checked and (checks := late_checks(name)):
            result = execution.check_late(result, checks)
        return replace(result, status="fail") if _has_failed(tried) else result

    result = _run(dict.fromkeys(nodes, ()), work, tools, run)
    _write_down("checks", lambda: _record_checks(result, work, tools))
    return result


def _record_checks(result: RunResult, work: Work, tools: Tools) -> None:
    """Add how the checks ended to their history."""
    if work.check_history is not None and any(node.checks for node in result.results):
        rows = tools.warehouse.stream(checks_query(result, work.now)).read_all()
        add_rows(rows, work.check_history, work, tools)


def _write_down(what: str, write: Callable[[], None]) -> None:
    """Write what is known of a run that has ended: where that is not possible, the run is as good as it was."""
    try:
        write()
    except FsbuildError as exc:
        log.warning("the %s of this run were not written: %s", what, exc.problems[0].message)


def _has_failed(tried: Sequence[UnitTestResult]) -> bool:
    return any(result.status in ("fail", "error") for result in tried)


def _run(
    parents: Mapping[str, Sequence[str]],
    work: Work,
    tools: Tools,
    run: Callable[[str, Sequence[UnitTestResult]], NodeResult],
) -> RunResult:
    """Run nodes, parents first and each after its unit tests, and tell of each as it starts and ends."""
    began = time.perf_counter()
    tools.emit(RunStarted(work.command, work.run_id, len(parents), work.target, work.threads))

    def skip(name: str, ancestor: str | None) -> NodeResult:
        reason = f"{describe(ancestor, work).name} failed" if ancestor else "the run stopped before it"
        return replace(describe(name, work), status="skipped", message=reason)

    def guarded(name: str) -> NodeResult:
        node = describe(name, work)
        started, started_at = time.perf_counter(), dt.datetime.now(dt.UTC)
        tools.emit(NodeStarted(name, node.name, node.kind))
        tried: tuple[UnitTestResult, ...] = ()
        try:
            tried = tools.try_out(name)
            result = run(name, tried)
        except Exception as exc:  # noqa: BLE001 - whatever happens to one node, the others go on
            result = _failed(node, exc, path_of(name, work))
        elapsed_s = time.perf_counter() - started
        return replace(result, unit_tests=tried, elapsed_s=elapsed_s, started_at=started_at)

    stop = threading.Event()
    results: list[NodeResult] = []
    with _interruptible(stop, tools.warehouse.interrupt) as interrupted:
        for result in run_jobs(Jobs(parents, guarded, skip, stop), work.threads, fail_fast=work.fail_fast):
            results.append(result)
            tools.emit(NodeFinished(result, len(results), len(parents)))
    elapsed_s = time.perf_counter() - began
    outcome = RunResult(work.command, work.run_id, elapsed_s, tuple(results), interrupted.is_set())
    tools.emit(RunFinished(outcome))
    return outcome


@contextmanager
def _interruptible(stop: threading.Event, interrupt: Callable[[], None]) -> Iterator[threading.Event]:
    """Make the first Ctrl-C stop the run in an orderly way: nothing new starts, queries end, commits are finished.

    The second one is Python's own. Only the main thread hears signals; elsewhere this does nothing. The event that is
    yielded tells whether there was one.
    """
    interrupted = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield interrupted
        return
    previous = signal.getsignal(signal.SIGINT)

    def handle(_number: int, _frame: object) -> None:
        signal.signal(signal.SIGINT, previous)
        interrupted.set()
        stop.set()
        interrupt()

    signal.signal(signal.SIGINT, handle)
    try:
        yield interrupted
    finally:
        signal.signal(signal.SIGINT, previous)


def _failed(node: NodeResult, exc: Exception, path: str) -> NodeResult:
    """Make a node's result of what went wrong; every problem gets a place, the node's file where it knows no better."""
    if not isinstance(exc, FsbuildError):
        trace = "".join(traceback.format_exception(exc))
        hint = "this is a bug in fsbuild: please report it with these lines"
        exc = FsbuildError(Problem(f"{type(exc).__name__}: {exc}", detail=trace, hint=hint))
    problems = tuple(replace(problem, place=problem.place or Place(path)) for problem in exc.problems)
    return replace(node, status="error", problems=problems, message=problems[0].message)
