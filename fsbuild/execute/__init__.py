"""The execute stage: a plan in, one checked commit for each table out.

Nothing that fails on the way becomes visible. A node reads its parents as this run published them, or at the versions
that the run found when it began. How a node ends is a result; only a mistake of ours is an exception.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from fsbuild.errors import FsbuildError
from fsbuild.execute.order import order_steps
from fsbuild.execute.schedule import Jobs, run_jobs
from fsbuild.execute.tables import Execution
from fsbuild.execute.work import Tools, Work, checks_of, describe
from fsbuild.values import NodeFinished, NodeResult, NodeStarted, Plan, RunFinished, RunResult, RunStarted

__all__ = ["Execution", "Tools", "Work", "check_published", "checks_of", "execute_plan"]


def execute_plan(plan: Plan, work: Work, tools: Tools) -> RunResult:
    """Carry out a plan and tell how every node ended; errors of nodes are results, not exceptions."""
    steps = {step.unique_id: step for step in plan.steps if step.action != "inline"}
    parents, deferred = order_steps(steps, work)
    return _run(parents, work, tools, Execution(work, tools, steps, deferred).run_step)


def check_published(nodes: Sequence[str], work: Work, tools: Tools) -> RunResult:
    """Check what is published, node by node."""
    return _run(dict.fromkeys(nodes, ()), work, tools, Execution(work, tools).test_node)


def _run(parents: Mapping[str, Sequence[str]], work: Work, tools: Tools, run: Callable[[str], NodeResult]) -> RunResult:
    """Run nodes, which are given parents first, and tell of each as it starts and ends."""
    began = time.perf_counter()
    tools.emit(RunStarted(work.command, work.run_id, len(parents), work.target, work.threads))

    def skip(name: str, ancestor: str | None) -> NodeResult:
        reason = f"{describe(ancestor, work).name} failed" if ancestor else "the run stopped before it"
        return replace(describe(name, work), status="skipped", message=reason)

    def guarded(name: str) -> NodeResult:
        node = describe(name, work)
        started = time.perf_counter()
        tools.emit(NodeStarted(name, node.name, node.kind))
        try:
            result = run(name)
        except FsbuildError as exc:
            result = replace(node, status="error", problems=exc.problems, message=exc.problems[0].message)
        return replace(result, elapsed_s=time.perf_counter() - started)

    results: list[NodeResult] = []
    is_interrupted = False
    jobs = Jobs(parents, guarded, skip, tools.warehouse.interrupt)
    try:
        for result in run_jobs(jobs, work.threads, fail_fast=work.fail_fast):
            results.append(result)
            tools.emit(NodeFinished(result, len(results), len(parents)))
    except KeyboardInterrupt:
        is_interrupted = True
    outcome = RunResult(work.command, work.run_id, time.perf_counter() - began, tuple(results), is_interrupted)
    tools.emit(RunFinished(outcome))
    return outcome
