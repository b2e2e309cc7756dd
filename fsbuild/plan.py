"""The plan stage: what the project says and what the tables' logs say in, an action and its reason for each node out.

Pure: nothing is read and nothing is run here. A node is left alone only when its definition, the definitions of
everything that it reads, and the very versions of its inputs are those that its table's last commit recorded.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from fsbuild.batches import BATCHES, EPOCH, Calendar, Span, calendar_of, listed, merged, read_progress
from fsbuild.errors import Problem, UsageError
from fsbuild.evolution import Evolution, evolve
from fsbuild.properties import table_properties
from fsbuild.values import (
    INLINED,
    Action,
    Check,
    ColumnType,
    CompiledModel,
    Maintenance,
    ModelConfig,
    Plan,
    Seed,
    Step,
    TableState,
)

# When rows are checked: never (dbt's `run`, but for what always holds), when they or their checks change, or in every
# run (`build`).
Checking = Literal["never", "changes", "always"]
_REDEFINED = "its SQL, columns or configuration changed"
# A model's fingerprint is `own.parents.increment.checks`, a seed's `own.checks`.
_INCREMENT = 2


@dataclass(frozen=True, slots=True)
class Situation:
    """What there is: the nodes, the states of their tables (absent: no table), and the inputs as they are now.

    `tokens` identifies the present content of every source, seed and table by unique id; `locations` says where the
    rows of each source are. `feeds` says, by the ids of a model with the strategy `auto` and of an input, why the rows
    of the input that changed cannot be told. `now` ends the newest batch of microbatch models; `window` is the stretch
    of time whose batches they compute where that was asked for.
    """

    models: Mapping[str, CompiledModel]
    seeds: Mapping[str, Seed]
    states: Mapping[str, TableState]
    tokens: Mapping[str, str]
    names: Mapping[str, str]
    locations: Mapping[str, str] = field(default_factory=dict)
    feeds: Mapping[tuple[str, str], str] = field(default_factory=dict)
    now: dt.datetime = EPOCH
    window: Span | None = None


def physical_inputs(unique_id: str, models: Mapping[str, CompiledModel]) -> tuple[str, ...]:
    """List the tables, seeds and sources that a model reads, those behind views and ephemeral models included."""
    found: dict[str, None] = {}
    for parent in _behind_views(unique_id, models):
        if parent not in models or models[parent].rendered.config.materialized not in INLINED:
            found[parent] = None
    return tuple(found)


def _behind_views(unique_id: str, models: Mapping[str, CompiledModel]) -> Iterator[str]:
    """The nodes that a model reads, the views and what they read included, each once, depth first."""
    pending, seen = [*reversed(models[unique_id].rendered.depends_on)], set[str]()
    while pending:
        name = pending.pop()
        if name in seen:
            continue
        seen.add(name)
        yield name
        if name in models and models[name].rendered.config.materialized in INLINED:
            pending.extend(reversed(models[name].rendered.depends_on))


def build_plan(
    situation: Situation,
    order: Iterable[str],
    refreshed: frozenset[str] = frozenset(),
    checking: Checking = "changes",
) -> Plan:
    """Decide what to do with the nodes in `order`, which lists parents first; those in `refreshed` start from nothing.

    Raises:
        UsageError: a selected model reads one that is neither built nor selected; all of them at once.
    """
    planner = _Planner(situation, refreshed, checking)
    problems: list[Problem] = []
    for unique_id in order:
        if unique_id in situation.seeds:
            planner.steps[unique_id] = planner.seed_step(situation.seeds[unique_id])
        elif unique_id in situation.models:
            problems.extend(planner.missing_inputs(unique_id))
            planner.steps[unique_id] = planner.model_step(situation.models[unique_id])
        else:
            planner.steps[unique_id] = Step(unique_id, "check", "its rows are checked before they are read", "")
    problems.extend(planner.problems)
    if problems:
        raise UsageError(dict.fromkeys(problems))
    return Plan(tuple(planner.steps.values()))


@dataclass(frozen=True, slots=True)
class _Planner:
    """A plan in the making: the steps so far, and the definitions of the views that they read."""

    situation: Situation
    refreshed: frozenset[str]
    checking: Checking
    steps: dict[str, Step] = field(default_factory=dict)
    inlined: dict[str, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def seed_step(self, seed: Seed) -> Step:
        """Decide about a seed."""
        state = self.situation.states.get(seed.unique_id)
        types = str(sorted(seed.config.column_types.items()))
        own = _hash(seed.fingerprint, types, seed.config.delimiter)
        fingerprint = f"{own}.{self._checks_part(seed.checks)}"
        reason = None
        if state is None:
            reason = "it is not loaded yet"
        elif state.changed_by is not None:
            reason = f"another program changed its table ({state.changed_by})"
        elif (state.fingerprint or "").partition(".")[0] != own:
            reason = "its file or column types changed"
        elif seed.unique_id in self.refreshed:
            reason = "a full refresh was asked for"
        if reason is not None or state is None:
            return Step(seed.unique_id, "load", reason or "", fingerprint)
        return self._kept(seed.unique_id, seed.checks, state, fingerprint, "its file has not changed")

    def model_step(self, model: CompiledModel) -> Step:
        """Decide about a model whose parents are decided about."""
        unique_id, config = model.unique_id, model.rendered.config
        checks = model.rendered.model.checks
        fingerprint = f"{self._fingerprint(model)}.{self._checks_part(checks)}"
        if config.materialized in INLINED:
            is_tested = checks or (self.checking == "always" and model.rendered.model.unit_tests)
            inlined: Action = "view" if config.materialized == "view" or is_tested else "inline"
            return Step(unique_id, inlined, "computed by the queries that read it", fingerprint)
        state = self.situation.states.get(unique_id)
        if state is None:
            return Step(unique_id, "create", self._with_batches(model, "there is no table yet"), fingerprint)
        return self._table_step(model, state, fingerprint)

    def _table_step(self, model: CompiledModel, state: TableState, fingerprint: str) -> Step:
        """Decide about a table that is there."""
        unique_id, config = model.unique_id, model.rendered.config
        is_increment = config.materialized in ("incremental", "snapshot")
        rebuild = _rebuild_reason(model, state, fingerprint, full_refresh=unique_id in self.refreshed)
        if config.is_batched:
            rebuild = rebuild or self._begin_reason(model, state)
            if rebuild is not None and self.situation.window is not None and config.full_refresh is not False:
                self._refuse_window(model, rebuild)
        evolution = _evolution(model, state) if config.materialized == "incremental" and not config.is_batched else None
        columns = evolution.columns if evolution is not None else ()
        due: str | None = None
        is_conditional = False
        if rebuild == _REDEFINED and evolution is not None:
            due = f"its columns changed: {evolution.change}"
            if evolution.refusal is not None:
                due = f"its columns changed ({evolution.change}), and {evolution.refusal}"
                return Step(unique_id, "refuse", due, fingerprint)
        elif rebuild is not None and not (kept_by := _never_rebuilt(config)):
            return Step(unique_id, "replace", self._with_batches(model, rebuild), fingerprint)
        elif rebuild is not None:
            due = f"{rebuild}, but {kept_by}"
        else:
            due, is_conditional = self._due_reason(model, state, fingerprint)
        if config.is_batched:
            due, is_conditional = self._batches_due(model, state, due, is_conditional=is_conditional)
        if due is None:
            checks = model.rendered.model.checks
            kept = self._kept(unique_id, checks, state, fingerprint, "nothing that it reads has changed")
            if kept.action == "keep" and state.properties not in (None, table_properties(config, checks)):
                return replace(kept, action="describe", reason="what its readers are told of it has changed")
            return kept
        action: Action = "increment" if is_increment else "replace"
        has_new_checks = self._has_new_checks(fingerprint, state)
        step = Step(unique_id, action, due, fingerprint, is_conditional, has_new_checks, columns)
        return self._auto_step(model, state, step) if model.maintenance is not None else step

    def _with_batches(self, model: CompiledModel, reason: str) -> str:
        """Add to the reason for a table that is made which batches it begins with."""
        window = self.situation.window
        if not model.rendered.config.is_batched:
            return reason
        calendar = self._calendar(model)
        whole = [Span(calendar.begin, calendar.newest.end)] if calendar.begin < calendar.newest.end else []
        return f"{reason}; {_batches(list(calendar.batches(window)) if window else whole, calendar)}"

    def _begin_reason(self, model: CompiledModel, state: TableState) -> str | None:
        """Why batches that are done are none any more, or None."""
        calendar, progress = self._calendar(model), read_progress(state.extra.get(BATCHES))
        is_later = any(span.start < calendar.begin for span in (*progress.done, *progress.due))
        return "its begin was moved to a later time" if is_later else None

    def _refuse_window(self, model: CompiledModel, rebuild: str) -> None:
        if model.unique_id in self.refreshed:
            return
        name, place = self.situation.names[model.unique_id], model.rendered.model.place
        message = f"'{name}' has to be rebuilt ({rebuild}), and only some of its batches were asked for"
        hint = "run it without --event-time-start, or start anew from these batches with --full-refresh"
        self.problems.append(Problem(message, place, hint=hint))

    def _calendar(self, model: CompiledModel) -> Calendar:
        return calendar_of(model.rendered.config, self.situation.now)

    def _batches_due(
        self, model: CompiledModel, state: TableState, due: str | None, *, is_conditional: bool
    ) -> tuple[str | None, bool]:
        """Why batches are to be computed and which, and whether that depends on what parents publish."""
        calendar, config = self._calendar(model), model.rendered.config
        if self.situation.window is not None:
            asked = list(calendar.batches(self.situation.window))
            return (_batches(asked, calendar, "asked for") if asked else None), False
        missing = calendar.missing(read_progress(state.extra.get(BATCHES)))
        if due is None and not missing:
            return None, False
        told = _batches([*missing, *calendar.latest(config.lookback)], calendar)
        late = ", and those of rows that came late" if due is not None and model.rendered.batched else ""
        return (f"{due}; {told}{late}" if due is not None else told), is_conditional and not missing

    def _auto_step(self, model: CompiledModel, state: TableState, step: Step) -> Step:
        """Run an increment in full where that it equals a full refresh is not proven, and say why."""
        maintenance = model.maintenance or Maintenance()
        why = self._volatile_reason(model)
        if model.rendered.config.refresh == "full":
            why = "refresh is 'full'"
        for name in () if why else self._changed_inputs(model, state):
            shown = self.situation.names[name]
            if name in maintenance.unprovable:
                why = f"{shown} has changed, and {maintenance.unprovable[name]}"
            elif (problem := self.situation.feeds.get((model.unique_id, name))) is not None:
                why = f"{shown} has changed, and {problem}"
            if why is not None:
                break
        if why is None:
            return replace(
                step, reason=f"{step.reason}; the rows it affects are found by ({', '.join(maintenance.key)})"
            )
        return replace(step, action="replace", reason=f"{why}: in full")

    def _kept(self, unique_id: str, checks: Sequence[Check], state: TableState, fingerprint: str, reason: str) -> Step:
        """Leave a table as it is; its rows are looked at again where the checks are new or a command asks for it."""
        if self._has_new_checks(fingerprint, state):
            return Step(unique_id, "check", "its checks changed", fingerprint, has_new_checks=True)
        if checks and self.checking == "always":
            return Step(unique_id, "check", f"{reason}; its checks are run", fingerprint)
        return Step(unique_id, "keep", reason, fingerprint)

    def _due_reason(self, model: CompiledModel, state: TableState, fingerprint: str) -> tuple[str | None, bool]:
        """Why a table calls for a run, and whether that depends on what its parents publish."""
        if (reason := self._volatile_reason(model)) is not None:
            return reason, False
        if changed := self._changed_inputs(model, state):
            name = changed[0]
            what = "is read for the first time" if name not in state.inputs else "has changed"
            others = f", {len(changed) - 1} more too" if len(changed) > 1 else ""
            return f"{self.situation.names[name]} {what}{others}", False
        if _part(fingerprint, _INCREMENT) != _part(state.fingerprint or "", _INCREMENT):
            return "its is_incremental() SQL changed", False
        for name in physical_inputs(model.unique_id, self.situation.models):
            if self._runs(name):
                return f"{self.situation.names[name]} runs before it", True
        return None, False

    def _changed_inputs(self, model: CompiledModel, state: TableState) -> list[str]:
        """The inputs that are known by now to be others than those that were read."""
        return [
            name
            for name in physical_inputs(model.unique_id, self.situation.models)
            if not self._runs(name) and self.situation.tokens.get(name) != state.inputs.get(name)
        ]

    def _runs(self, unique_id: str) -> bool:
        return unique_id in self.steps and self.steps[unique_id].action not in ("keep", "check", "describe")

    def _volatile_reason(self, model: CompiledModel) -> str | None:
        """Why a model's rows depend on more than its inputs, those of views that it reads included."""
        models = self.situation.models
        for name in (model.unique_id, *_behind_views(model.unique_id, models)):
            if name in models and (name == model.unique_id or models[name].rendered.config.materialized in INLINED):
                for call in models[name].volatile:
                    return f"it calls {call}(), which differs from run to run"
                for file in models[name].file_reads:
                    return f"it reads files by itself ({file}), whose changes cannot be seen; declare a source"
        return None

    def missing_inputs(self, unique_id: str) -> Sequence[Problem]:
        """Name the inputs of a model that are neither there nor going to be."""
        situation = self.situation
        missing = [
            name
            for name in physical_inputs(unique_id, situation.models)
            if name not in self.steps and name not in situation.tokens and name not in situation.states
        ]
        return [
            Problem(
                f"'{situation.names[unique_id]}' reads '{situation.names[name]}', which is neither built nor selected",
                situation.models[unique_id].rendered.model.place,
                hint=self._missing_hint(unique_id, name),
            )
            for name in missing
        ]

    def _missing_hint(self, unique_id: str, missing: str) -> str:
        """Say how a missing input is made: `run` and `snapshot` leave out what is the other's."""
        models, shown = self.situation.models, self.situation.names[unique_id]
        reader, parent = (
            models[name].snapshot is not None if name in models else None for name in (unique_id, missing)
        )
        if parent is None or reader == parent:
            return f"select its parents too: --select +{shown}"
        command = "snapshot" if parent else "run"
        missing_shown = self.situation.names[missing]
        return f"fsbuild {command} --select {missing_shown}, or both together: fsbuild build --select +{shown}"

    def _fingerprint(self, model: CompiledModel) -> str:
        """Identify a model's definition, those of the models that it reads, and its increments' SQL.

        A parent that is built in this run counts as it is defined now, any other as it was when its table was written.
        """
        parents = []
        for parent in model.rendered.depends_on:
            step, state = self.steps.get(parent), self.situation.states.get(parent)
            parent_model = self.situation.models.get(parent)
            if parent_model is None:
                # A seed or a source: its content is an input, and not a definition; another place is another source.
                parents.append(parent + self.situation.locations.get(parent, ""))
            elif parent_model.rendered.config.materialized in INLINED:
                parents.append(self._inlined_definition(parent_model))
            elif step is not None:
                parents.append(_definition(step.fingerprint))
            elif state is not None:
                parents.append(_definition(state.fingerprint or ""))
        # Which rows are kept out is a part of what the table is.
        aside = [check for check in model.rendered.model.checks if check.severity == "quarantine"]
        own = _hash(model.fingerprint, *map(_said, aside)) if aside else model.fingerprint
        return f"{own}.{_hash(*parents)}.{model.increment_fingerprint}"

    def _inlined_definition(self, model: CompiledModel) -> str:
        if model.unique_id not in self.inlined:
            self.inlined[model.unique_id] = _definition(self._fingerprint(model))
        return self.inlined[model.unique_id]

    def _has_new_checks(self, fingerprint: str, state: TableState) -> bool:
        now, then = fingerprint.rpartition(".")[2], (state.fingerprint or "").rpartition(".")[2]
        return now != then if self.checking != "never" else now != then[: len(now)]

    def _checks_part(self, checks: Sequence[Check]) -> str:
        """Identify the checks that the rows pass: those that always hold, then all others where these are looked at."""
        always = _hash(*(_said(check) for check in checks if check.always_gates))
        if self.checking == "never":
            return always
        return always + _hash(*(_said(check) for check in checks if not check.always_gates))


def _rebuild_reason(model: CompiledModel, state: TableState, fingerprint: str, *, full_refresh: bool) -> str | None:
    """Why a table's present content cannot be built upon, or None."""
    if full_refresh or model.rendered.config.full_refresh:
        return "a full refresh was asked for"
    if state.fingerprint is None:
        return "its table was not written by fsbuild"
    if state.changed_by is not None:
        return f"another program changed its table ({state.changed_by})"
    if _definition(state.fingerprint) != _definition(fingerprint):
        is_own = _part(fingerprint, 0) != _part(state.fingerprint, 0)
        return _REDEFINED if is_own else "a model that it reads was redefined"
    return None


def _never_rebuilt(config: ModelConfig) -> str | None:
    """Why a table is never computed from nothing, or None."""
    if config.materialized == "snapshot":
        return "a snapshot's history is kept"
    return "full_refresh is false" if config.materialized == "incremental" and config.full_refresh is False else None


def _evolution(model: CompiledModel, state: TableState) -> Evolution | None:
    """How a table goes on whose model has other columns; None where it has not, or is computed in full anyway."""
    config = model.rendered.config
    if config.strategy == "auto" or "columns" not in state.extra:
        return None
    present = [ColumnType(name, kind) for name, kind in json.loads(state.extra["columns"])]
    return evolve(config.on_schema_change, present, model.added_columns)


def _batches(spans: Sequence[Span], calendar: Calendar, what: str = "due") -> str:
    """Name batches: `3 batches are due: 2013-01-05 … 2013-01-07`."""
    found = [batch for span in merged(spans) for batch in calendar.batches(span)]
    if not found:
        return "no batch has begun yet"
    count = f"{len(found):,} batches are" if len(found) > 1 else "1 batch is"
    return f"{count} {what}: {listed(found, calendar.size)}"


def _definition(fingerprint: str) -> str:
    """The parts of a model's fingerprint that say what its rows are: its own and its parents'."""
    return ".".join(fingerprint.split(".")[:_INCREMENT])


def _part(fingerprint: str, at: int) -> str:
    parts = fingerprint.split(".")
    return parts[at] if at < len(parts) else ""


def _hash(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def _said(check: Check) -> str:
    """All that a check says."""
    rest = {
        name: getattr(check, name) for name in ("where", "error_if", "warn_if", "limit", "fail_calc", "sql", "custom")
    }
    told = [str(check.column), check.label, check.severity, *(f"{k} {v}" for k, v in rest.items() if v is not None)]
    return " ".join(told)
