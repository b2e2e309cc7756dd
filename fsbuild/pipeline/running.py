"""A compiled project and the state of its lake in, a plan and all that carrying it out takes out."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fsbuild.batches import Span
from fsbuild.check_history import CHECK_HISTORY
from fsbuild.dbt_names import audit_schema
from fsbuild.pipeline.compiling import Compiled
from fsbuild.pipeline.drafting import Draft
from fsbuild.pipeline.failures import query_writer
from fsbuild.pipeline.nodes import shown_name
from fsbuild.pipeline.state import LakeState, feed_problems, open_lake
from fsbuild.stored_statistics import TABLE
from fsbuild.values import Event, Moment, Plan, Relation, UnitTestResult

if TYPE_CHECKING:
    from fsbuild.engine import Warehouse
    from fsbuild.execute import Tools, Work

# Tells how the unit tests of a model end, by its unique id.
TryOut = Callable[[str], tuple[UnitTestResult, ...]]


@dataclass(frozen=True, slots=True)
class RunOptions:
    """How to run: rebuild tables from nothing, stop at the first failure, compute just the batches of a window.

    What is read and not built is read as it was at the moment `as_of`, or in the versions `inputs` by name; but for the
    nodes of a run that is `repeated`: what it has built is there.
    """

    full_refresh: bool = False
    fail_fast: bool = False
    store_failures: bool = False
    window: Span | None = None
    as_of: dt.datetime | None = None
    inputs: Mapping[str, int] = field(default_factory=dict)
    repeated: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Agenda:
    """What a command is about: the nodes that are wanted, in `order` with the seeds that are read."""

    command: str
    wanted: frozenset[str]
    order: tuple[str, ...]


def set_agenda(command: str, compiled: Compiled, chosen: Sequence[str]) -> Agenda:
    """Tell which of the chosen nodes a command is about, and which seeds it has to look after."""
    from fsbuild.plan import physical_inputs

    draft = compiled.draft
    seeds = {seed.unique_id for seed in draft.project.seeds}
    snapshots = {name for name, model in compiled.models.items() if model.snapshot is not None}
    runnable = {"seed": seeds, "snapshot": snapshots, "run": set(compiled.models) - snapshots}
    wanted = {name for name in chosen if name in runnable.get(command, compiled.models)}
    if command == "build":
        checked = {source.unique_id for source in draft.project.sources if source.checks}
        wanted |= {name for name in chosen if name in seeds or (name in checked and name in compiled.known)}
    read = set(wanted)
    if command in ("run", "snapshot"):
        read |= {seed for name in wanted for seed in physical_inputs(name, compiled.models) if seed in seeds}
        checks = (check for name in wanted for check in compiled.models[name].rendered.model.checks)
        read |= {name for check in checks for name in check.references}
    elsewhere = draft.project.target.elsewhere
    seeds -= {seed.unique_id for seed in draft.project.seeds if seed.relation in elsewhere}
    order = tuple(name for name in draft.graph.order if name in read and (name in wanted or name in seeds))
    return Agenda(command, frozenset(wanted), order)


def plan_run(agenda: Agenda, compiled: Compiled, lake: LakeState, options: RunOptions, moment: Moment) -> Plan:
    """Plan what a command does with its nodes."""
    from fsbuild.plan import Checking, Situation, build_plan

    draft = compiled.draft
    situation = Situation(
        compiled.models,
        {seed.unique_id: seed for seed in draft.project.seeds},
        lake.states,
        lake.tokens,
        {name: shown_name(node) for name, node in draft.graph.nodes.items()},
        {source.unique_id: source.location for source in draft.project.sources},
        feed_problems(compiled, lake),
        moment.started_at,
        options.window,
    )
    is_gate = is_checking(agenda.command, draft)
    checking: Checking = "always" if agenda.command == "build" else "changes" if is_gate else "never"
    plan = build_plan(situation, agenda.order, agenda.wanted if options.full_refresh else frozenset(), checking)
    # A seed that is only read is loaded where it must be, and is not the run's business otherwise.
    return Plan(tuple(step for step in plan.steps if step.unique_id in agenda.wanted or step.action != "keep"))


def work_on(command: str, compiled: Compiled, lake: LakeState, moment: Moment) -> Work:
    """Gather what a command works on."""
    from fsbuild.execute import Work
    from fsbuild.plan import physical_inputs

    project = compiled.draft.project
    return Work(
        command=command,
        run_id=moment.run_id,
        target=project.target.name,
        threads=project.target.threads,
        models=compiled.models,
        seeds={seed.unique_id: seed for seed in project.seeds},
        seed_selects={name: one.select for name, one in compiled.known.items() if one.select},
        sources={source.unique_id: source for source in project.sources},
        states=lake.states,
        tokens=lake.tokens,
        inputs={name: physical_inputs(name, compiled.models) for name in compiled.models},
        now=moment.started_at,
        is_checking=is_checking(command, compiled.draft),
        files=lake.files,
        audit_schema=audit_schema(project.target.schema),
        statistics=Relation(project.target.schema, TABLE),
        check_history=Relation(project.target.schema, CHECK_HISTORY),
    )


def is_checking(command: str, draft: Draft) -> bool:
    """Whether a command holds rows against all of their checks, and not only against those that always hold."""
    return command not in ("run", "snapshot") or draft.project.checks_gate_run


def tools_for(
    compiled: Compiled, warehouse: Warehouse, on_event: Callable[[Event], None], try_out: TryOut = lambda _model_id: ()
) -> Tools:
    """Gather the stages that executing uses; `try_out` runs the unit tests of a model."""
    from fsbuild.check import failing_rows, find_failing, run_checks
    from fsbuild.execute import Tools
    from fsbuild.features import compare_tables, measure_table

    return Tools(
        warehouse,
        open_lake(compiled.draft.project),
        run_checks,
        find_failing,
        on_event,
        measure_table,
        compare_tables,
        failing_rows,
        query_writer(compiled),
        try_out,
    )


@contextmanager
def warming_up(plan: Plan, work: Work) -> Iterator[None]:
    """Load what takes long and will be needed while the first queries run."""
    from fsbuild import check, store
    from fsbuild.execute import checks_of

    written = {step.unique_id for step in plan.steps if step.action in ("create", "replace", "increment", "load")}
    looked_at = written | {step.unique_id for step in plan.steps if step.action == "view"}
    needed = [store.warm_up] if written else []
    if any(check.needs_pandera(one) for name in looked_at for one in checks_of(name, work)):
        needed.append(check.warm_up)
    threads = [threading.Thread(target=load, name="fsbuild-warm-up") for load in needed]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        # A process that ends in the middle of such a load is torn down in disorder.
        for thread in threads:
            thread.join()
