"""The strategy `microbatch`: the batches that are due in, each computed, checked and published by itself, out.

A batch is replaced as a whole, so that one that is computed twice is there once. What is done travels in the commits:
when a batch fails, those before it stay published, and the next run goes on there. A table that is made, or made anew,
is published in one commit, so that nobody reads half of it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from fsbuild.batches import (
    BATCHES,
    Calendar,
    Progress,
    Span,
    calendar_of,
    listed,
    merged,
    parse_moment,
    read_progress,
    shown,
)
from fsbuild.errors import FsbuildError, NoChangesError, Problem
from fsbuild.execute.auto import keep_changes
from fsbuild.execute.bindings import Bindings
from fsbuild.execute.strategies import Entry, Target
from fsbuild.execute.work import Warehouse
from fsbuild.values import (
    INLINED,
    CheckResult,
    CompiledModel,
    NodeResult,
    Relation,
    ReplaceWhere,
    Status,
    changes_relation,
    quote,
)

_SAMPLE_ROWS = 5
# From the best to the worst, to tell how a check ended over many batches.
_VERDICTS: Sequence[Status] = ("skipped", "pass", "warn", "fail", "error")


@dataclass(frozen=True, slots=True)
class Axis:
    """The column that places rows in time, and how moments are written for it."""

    column: str
    type: str

    def holds(self, span: Span) -> str:
        """The condition of the engine's SQL for rows in a stretch of time."""
        kind = {"DATE": "DATE", "TIMESTAMP": "TIMESTAMP"}.get(self.type, "TIMESTAMPTZ")
        return " AND ".join(
            f"{quote(self.column)} {compare} {kind} '{self._text(moment)}'"
            for compare, moment in ((">=", span.start), ("<", span.end))
        )

    def predicate(self, span: Span) -> str:
        """The same for Delta, which takes plain texts."""
        start, end = self._text(span.start), self._text(span.end)
        return f"{quote(self.column)} >= '{start}' AND {quote(self.column)} < '{end}'"

    def _text(self, moment: dt.datetime) -> str:
        if self.type == "DATE":
            return moment.strftime("%Y-%m-%d")
        return moment.strftime("%Y-%m-%d %H:%M:%S") + ("" if self.type == "TIMESTAMP" else "Z")


@dataclass(frozen=True, slots=True)
class Replacing:
    """The staged rows are all that the table shall have for one batch; `pending` is computed after it."""

    target: Target
    axis: Axis
    batch: Span
    pending: tuple[Span, ...]
    warehouse: Warehouse

    def checked(self) -> str:
        """The staged rows."""
        return str(self.target.staged)

    def whole(self) -> str:
        """The table's rows of other batches, but for those that are about to be computed anew, and the staged ones."""
        return f"({self.others()} UNION ALL SELECT {self.target.names} FROM {self.target.staged})"

    def others(self) -> str:
        """The table's rows of other batches."""
        outside = self._outside(merged([self.batch, *self.pending]))
        return f"(SELECT {self.target.names} FROM {self.target.relation} WHERE {outside})"

    def kept(self, aside: str) -> str:
        """Those of other batches."""
        return f"(SELECT * FROM {aside} WHERE {self._outside([self.batch])})"

    def entry(self, count: int) -> Entry:
        """All of them in the place of the batch's rows, or nothing where these are the same."""
        names, sql = self.target.names, f"SELECT * FROM {self.target.staged}"
        present = f"SELECT {names} FROM {self.target.relation} WHERE {self.axis.holds(self.batch)}"
        new = f"SELECT {names} FROM {self.target.staged}"
        differing = f"(({present}) EXCEPT ALL ({new})) UNION ALL (({new}) EXCEPT ALL ({present}))"
        if not self.warehouse.rows(f"SELECT 1 AS found FROM ({differing}) LIMIT 1"):
            return Entry(None, sql, 0)
        return Entry(ReplaceWhere(self.axis.predicate(self.batch)), sql, count)

    def _outside(self, spans: Sequence[Span]) -> str:
        return " AND ".join(f"({self.axis.holds(span)}) IS NOT TRUE" for span in spans)


@dataclass(frozen=True, slots=True)
class BatchLoad:
    """One publication: how its rows are staged, what is remembered with it, and the batch where it is one."""

    stage: Callable[[Relation], int]
    extra: Mapping[str, str]
    axis: Axis
    batch: Span | None = None
    pending: tuple[Span, ...] = ()
    is_first: bool = True

    def strategy(self, target: Target, warehouse: Warehouse) -> Replacing | None:
        """How the rows enter the table; None where they are the table."""
        return None if self.batch is None else Replacing(target, self.axis, self.batch, self.pending, warehouse)


# Publishes rows, or (with None) only what is to be remembered.
Publish = Callable[[BatchLoad], NodeResult]


@dataclass(frozen=True, slots=True)
class Batches:
    """The batches of a model in one run: those to compute now, and those that are due and left to a later run."""

    model: CompiledModel
    warehouse: Warehouse
    calendar: Calendar
    axis: Axis
    progress: Progress
    now: tuple[Span, ...]
    later: tuple[Span, ...] = ()

    # --- all at once -------------------------------------------------------------------------------------------------

    def build(self, publish: Publish) -> NodeResult:
        """Compute all batches and publish them as the table."""
        done = merged(batch for batch in self.now if batch.end <= self.calendar.now)
        progress = Progress(done, merged(self.later))
        load = BatchLoad(self._stage_all, {BATCHES: str(progress)}, self.axis)
        return self._told(publish(load), self.now)

    def _stage_all(self, staged: Relation) -> int:
        self.warehouse.keep(staged, f"SELECT * FROM (\n{self.model.select}\n) WHERE false")
        count = 0
        for batch in self.now:
            try:
                added = self._compute(batch, partial(self.warehouse.add, staged))
                if added:
                    self._refuse_strays(batch, staged, count)
                count += added
            except FsbuildError as exc:
                raise self._named(exc, batch) from exc
        return count

    # --- one by one --------------------------------------------------------------------------------------------------

    def run(self, publish: Publish, record: Callable[[Mapping[str, str]], int]) -> NodeResult | None:
        """Compute, check and publish each batch; None where there is none.

        `record` makes a commit of nothing but what is remembered, for batches that are as they were.
        """
        # Progress that is not in a commit yet, because the batches so far are in the table as they were computed.
        progress, is_unrecorded, results = self.progress, False, list[NodeResult]()
        for at, batch in enumerate(self.now):
            pending = (*self.now[at + 1 :], *self.later)
            following = progress.after(batch, pending, self.calendar.now)
            load = BatchLoad(
                partial(self._stage_one, batch),
                {BATCHES: str(following)},
                self.axis,
                batch,
                self.now[at + 1 :],
                is_first=at == 0,
            )
            try:
                result = publish(load)
            except FsbuildError as exc:
                if is_unrecorded:
                    record({BATCHES: str(progress)})
                raise self._named(exc, batch) from exc
            if result.status == "error":
                if is_unrecorded:
                    record({BATCHES: str(progress)})
                name = shown(batch, self.calendar.size)
                message = f"the checks of batch {name} failed; it was not published"
                if at:
                    message += f", and {at} before it were"
                return replace(result, message=message)
            results.append(result)
            progress, is_unrecorded = following, result.version is None
        if not results:
            return None
        versions = [result.version for result in results if result.version is not None]
        version = record({BATCHES: str(progress)}) if is_unrecorded else versions[-1]
        last = replace(
            results[-1],
            rows=sum(result.rows or 0 for result in results),
            version=version,
            status="warn" if any(result.status == "warn" for result in results) else results[-1].status,
            checks=_summed([result.checks for result in results]),
        )
        return self._told(last, self.now)

    def _stage_one(self, batch: Span, staged: Relation) -> int:
        count = self._compute(batch, partial(self.warehouse.keep, staged))
        if count:
            self._refuse_strays(batch, staged, 0)
        return count

    # --- one batch ---------------------------------------------------------------------------------------------------

    def _compute(self, batch: Span, keep: Callable[[str], int]) -> int:
        """Run the model's query for the rows of one batch."""
        kind = "TIMESTAMP" if self.calendar.size == "hour" else "DATE"
        start, end = (f"{kind} '{at.strftime('%Y-%m-%d %H:%M:%S')}'" for at in (batch.start, batch.end))
        self.warehouse.set_batch(start, end)
        try:
            return keep(self.model.select)
        finally:
            self.warehouse.set_batch()

    def _refuse_strays(self, batch: Span, staged: Relation, before: int) -> None:
        """Refuse rows of a batch's query that belong to another batch, or to none; `before` are those of others.

        Raises:
            FsbuildError: with some of the rows.
        """
        rows = self.warehouse.rows(
            f"SELECT *, count(*) OVER () AS fsbuild_count FROM {staged} "
            f"WHERE rowid >= {before} AND ({self.axis.holds(batch)}) IS NOT TRUE LIMIT {_SAMPLE_ROWS}"
        )
        if rows:
            name = shown(batch, self.calendar.size)
            detail = "\n".join(", ".join(f"{k}={v}" for k, v in row.items() if k != "fsbuild_count") for row in rows)
            message = f"rows whose {self.axis.column} is not in their batch, {name}: {rows[0]['fsbuild_count']}"
            hint = (
                "give what the model reads an event_time too, or filter its rows by getvariable('fsbuild_batch_start')"
            )
            raise FsbuildError(Problem(message, detail=detail, hint=hint))

    def _named(self, exc: FsbuildError, batch: Span) -> FsbuildError:
        """Say in which batch something went wrong."""
        name = shown(batch, self.calendar.size)
        return FsbuildError(replace(one, message=f"batch {name}: {one.message}") for one in exc.problems)

    def _told(self, result: NodeResult, batches: Sequence[Span]) -> NodeResult:
        if result.status == "error":
            return result
        count = f"{len(batches):,} batch{'' if len(batches) == 1 else 'es'}"
        return replace(result, message=f"{count}: {listed(batches, self.calendar.size)}" if batches else "no batches")


def find_batches(model: CompiledModel, bindings: Bindings, *, is_increment: bool) -> Batches:
    """Tell which batches of a model are to be computed."""
    config, work = model.rendered.config, bindings.work
    calendar = calendar_of(config, work.now)
    column = str(config.event_time).lower()
    axis = next(Axis(found.name, found.type) for found in model.columns if found.name.lower() == column)
    if not is_increment:
        computed = tuple(calendar.batches(work.window))
        later = tuple(batch for batch in calendar.latest(0) if batch not in computed)
        return Batches(model, bindings.tools.warehouse, calendar, axis, Progress(), computed, later)
    progress = read_progress(work.states[model.unique_id].extra.get(BATCHES))
    due = set(calendar.missing(progress))
    # A run of a window leaves to a later one what a run of everything would have done.
    if work.window is None or due or bindings.changed_inputs(model.unique_id):
        due |= {*calendar.latest(config.lookback), *_touched(model, bindings, calendar)}
    computed = tuple(calendar.batches(work.window)) if work.window is not None else tuple(sorted(due))
    later = tuple(sorted(due.difference(computed)))
    return Batches(model, bindings.tools.warehouse, calendar, axis, progress, computed, later)


def _touched(model: CompiledModel, bindings: Bindings, calendar: Calendar) -> set[Span]:
    """The batches that rows fall into which were added, removed or changed since the model read its inputs.

    Only the rows of tables with a change feed can be told; of all others the batches that are due anyway must do.
    """
    unique_id, work = model.unique_id, bindings.work
    times = input_times(model, work.models)
    found: set[Span] = set()
    for name in bindings.changed_inputs(unique_id):
        if name not in times:
            continue
        try:
            keep_changes(unique_id, name, work.states[unique_id].inputs.get(name, ""), bindings)
        except NoChangesError:
            continue
        changes = changes_relation(unique_id, name)
        starts = bindings.tools.warehouse.rows(
            f"SELECT DISTINCT CAST(date_trunc('{calendar.size}', {quote(times[name])}) AS TIMESTAMP)::VARCHAR AS start "
            f"FROM {changes} WHERE {quote(times[name])} IS NOT NULL"
        )
        bindings.tools.warehouse.drop(changes)
        found.update(calendar.around(parse_moment(str(row["start"])) for row in starts))
    return found


def input_times(model: CompiledModel, models: Mapping[str, CompiledModel]) -> dict[str, str]:
    """Tell of the tables that a model reads batch by batch by which column a row of theirs belongs to a batch.

    Behind a view it is the column that the view's event time is a copy of; there is none where the view aggregates.
    """
    found: dict[str, str] = {}
    for parent, parent_column in model.rendered.batched.items():
        name, column = parent, parent_column
        while name in models and models[name].rendered.config.materialized in INLINED:
            lineage = models[name].lineage
            origins = [edge for edge in lineage.edges if edge.column.lower() == column.lower()]
            # A column that something steers alone has an edge for that too, and is no mere copy.
            is_plain = not any(edge.kind == "aggregated" for edge in lineage.edges)
            if lineage.unknown or not is_plain or len(origins) != 1 or origins[0].kind != "copied":
                break
            name, column = origins[0].input_id, origins[0].input_column
        else:
            found[name] = column
    return found


def _summed(batches: Sequence[tuple[CheckResult, ...]]) -> tuple[CheckResult, ...]:
    """Put together how each check ended in every batch."""
    found: dict[str, CheckResult] = {}
    for result in (result for results in batches for result in results):
        key = f"{result.check.column} {result.check.label} {result.check.place}"
        before = found.get(key)
        found[key] = result if before is None else _sum(before, result)
    return tuple(found.values())


def _sum(one: CheckResult, other: CheckResult) -> CheckResult:
    worse = max(one, other, key=lambda result: _VERDICTS.index(result.status))
    return replace(
        worse,
        failures=one.failures + other.failures,
        rows=one.rows + other.rows,
        sample=(*one.sample, *other.sample)[:_SAMPLE_ROWS],
        elapsed_s=one.elapsed_s + other.elapsed_s,
    )
