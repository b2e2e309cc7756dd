"""The plan stage: what the project says and what the tables' logs say in, an action and its reason for each node out.

Pure: nothing is read and nothing is run here. A node is left alone only when its definition, the definitions of
everything that it reads, and the very versions of its inputs are those that its table's last commit recorded.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from fsbuild.errors import Problem, UsageError
from fsbuild.values import Action, Check, CompiledModel, Plan, Seed, Step, TableState

INLINED = frozenset({"view", "ephemeral"})


@dataclass(frozen=True, slots=True)
class Situation:
    """What there is: the nodes, the states of their tables (absent: no table), and the inputs as they are now.

    `tokens` identifies the present content of every source, seed and table by unique id; `locations` says where the
    rows of each source are.
    """

    models: Mapping[str, CompiledModel]
    seeds: Mapping[str, Seed]
    states: Mapping[str, TableState]
    tokens: Mapping[str, str]
    names: Mapping[str, str]
    locations: Mapping[str, str] = field(default_factory=dict)


def physical_inputs(unique_id: str, models: Mapping[str, CompiledModel]) -> tuple[str, ...]:
    """List the tables, seeds and sources that a model reads, those behind views and ephemeral models included."""
    found: dict[str, None] = {}
    for parent in models[unique_id].rendered.depends_on:
        model = models.get(parent)
        if model is not None and model.rendered.config.materialized in INLINED:
            found.update(dict.fromkeys(physical_inputs(parent, models)))
        else:
            found[parent] = None
    return tuple(found)


def build_plan(situation: Situation, order: Iterable[str], refreshed: frozenset[str] = frozenset()) -> Plan:
    """Decide what to do with the nodes in `order`, which lists parents first; those in `refreshed` start from nothing.

    Raises:
        UsageError: a selected model reads one that is neither built nor selected; all of them at once.
    """
    steps: dict[str, Step] = {}
    problems: list[Problem] = []
    for unique_id in order:
        if unique_id in situation.seeds:
            steps[unique_id] = _seed_step(situation.seeds[unique_id], situation, full_refresh=unique_id in refreshed)
        elif unique_id in situation.models:
            model = situation.models[unique_id]
            problems.extend(_missing_inputs(unique_id, situation, steps))
            steps[unique_id] = _model_step(model, situation, steps, full_refresh=unique_id in refreshed)
    if problems:
        raise UsageError(dict.fromkeys(problems))
    return Plan(tuple(steps.values()))


def _seed_step(seed: Seed, situation: Situation, *, full_refresh: bool) -> Step:
    state = situation.states.get(seed.unique_id)
    types = str(sorted(seed.config.column_types.items()))
    fingerprint = _hash(seed.fingerprint, types, seed.config.delimiter, _checks_hash(seed.checks))
    if state is None:
        return Step(seed.unique_id, "load", "it is not loaded yet", fingerprint)
    if state.changed_by is not None:
        return Step(seed.unique_id, "load", f"another program changed its table ({state.changed_by})", fingerprint)
    if state.fingerprint != fingerprint:
        return Step(seed.unique_id, "load", "its file, column types or checks changed", fingerprint)
    if full_refresh:
        return Step(seed.unique_id, "load", "a full refresh was asked for", fingerprint)
    return Step(seed.unique_id, "keep", "its file has not changed", fingerprint)


def _model_step(model: CompiledModel, situation: Situation, steps: Mapping[str, Step], *, full_refresh: bool) -> Step:
    unique_id, config = model.unique_id, model.rendered.config
    fingerprint = _fingerprint(model, situation, steps)
    if config.materialized in INLINED:
        inlined: Action = "view" if config.materialized == "view" else "inline"
        return Step(unique_id, inlined, "computed by the queries that read it", fingerprint)
    state = situation.states.get(unique_id)
    if state is None:
        return Step(unique_id, "create", "there is no table yet", fingerprint)
    rebuild = _rebuild_reason(model, state, fingerprint, full_refresh=full_refresh)
    is_increment = config.materialized == "incremental"
    if rebuild is not None and not (is_increment and config.full_refresh is False):
        return Step(unique_id, "replace", rebuild, fingerprint)
    due, is_conditional = _input_reason(model, state, situation, steps)
    has_new_checks = _checks_part(fingerprint) != _checks_part(state.fingerprint or "")
    if rebuild is not None:
        due, is_conditional = f"{rebuild}, but full_refresh is false", False
    elif has_new_checks:
        due, is_conditional = "its checks changed", False
    if due is None:
        return Step(unique_id, "keep", "nothing that it reads has changed", fingerprint)
    action: Action = "increment" if is_increment else "replace"
    return Step(unique_id, action, due, fingerprint, is_conditional, has_new_checks)


def _rebuild_reason(model: CompiledModel, state: TableState, fingerprint: str, *, full_refresh: bool) -> str | None:
    """Why a table's present content cannot be built upon, or None."""
    if full_refresh or model.rendered.config.full_refresh:
        return "a full refresh was asked for"
    if state.fingerprint is None:
        return "its table was not written by fsbuild"
    if state.changed_by is not None:
        return f"another program changed its table ({state.changed_by})"
    if _definition(state.fingerprint) != _definition(fingerprint):
        own, recorded = fingerprint.partition(".")[0], state.fingerprint.partition(".")[0]
        return "its SQL, columns or configuration changed" if own != recorded else "a model that it reads was redefined"
    return None


def _input_reason(
    model: CompiledModel, state: TableState, situation: Situation, steps: Mapping[str, Step]
) -> tuple[str | None, bool]:
    """Why a table's inputs call for a run, and whether that depends on what its parents publish."""
    computed = tuple(_computed_with(model, situation.models))
    if volatile := [name for one in computed for name in one.volatile]:
        return f"it calls {volatile[0]}(), which differs from run to run", False
    if files := [name for one in computed for name in one.file_reads]:
        return f"it reads files by itself ({files[0]}), whose changes cannot be seen; declare a source", False
    inputs = physical_inputs(model.unique_id, situation.models)
    running = [name for name in inputs if name in steps and steps[name].action != "keep"]
    for name in inputs:
        if name not in running and situation.tokens.get(name) != state.inputs.get(name):
            what = "is read for the first time" if name not in state.inputs else "has changed"
            return f"{situation.names[name]} {what}", False
    if running:
        return f"{situation.names[running[0]]} runs before it", True
    return None, False


def _computed_with(model: CompiledModel, models: Mapping[str, CompiledModel]) -> Iterator[CompiledModel]:
    """The model, and the views and ephemeral models behind it, whose SQL is computed with its own."""
    yield model
    for parent in model.rendered.depends_on:
        if parent in models and models[parent].rendered.config.materialized in INLINED:
            yield from _computed_with(models[parent], models)


def _missing_inputs(unique_id: str, situation: Situation, steps: Mapping[str, Step]) -> Sequence[Problem]:
    model = situation.models[unique_id]
    missing = [
        name
        for name in physical_inputs(unique_id, situation.models)
        if name not in steps and name not in situation.tokens and name not in situation.states
    ]
    return [
        Problem(
            f"'{situation.names[unique_id]}' reads '{situation.names[name]}', which is neither built nor selected",
            model.rendered.model.place,
            hint=f"select its parents too: --select +{situation.names[unique_id]}",
        )
        for name in missing
    ]


def _fingerprint(model: CompiledModel, situation: Situation, steps: Mapping[str, Step]) -> str:
    """Identify a model's definition, those of the models that it reads, and its checks: `own.parents.checks`.

    A parent that is built in this run counts as it is defined now, any other as it was when its table was written.
    """
    parents = []
    for parent in model.rendered.depends_on:
        step, state, parent_model = steps.get(parent), situation.states.get(parent), situation.models.get(parent)
        if parent_model is None:
            # A seed or a source: its content is an input, and not a definition; another place is another source.
            parents.append(parent + situation.locations.get(parent, ""))
        elif parent_model.rendered.config.materialized in INLINED:
            parents.append(_definition(_fingerprint(parent_model, situation, steps)))
        elif step is not None:
            parents.append(_definition(step.fingerprint))
        elif state is not None:
            parents.append(_definition(state.fingerprint or ""))
    return f"{model.fingerprint}.{_hash(*parents)}.{_checks_hash(model.rendered.model.checks)}"


def _definition(fingerprint: str) -> str:
    """The part of a fingerprint that says what the rows are: all but the checks."""
    return fingerprint.rpartition(".")[0]


def _checks_part(fingerprint: str) -> str:
    return fingerprint.rpartition(".")[2]


def _checks_hash(checks: Iterable[Check]) -> str:
    return _hash(*(f"{check.column} {check.label} {check.severity}" for check in checks))


def _hash(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]
