"""What a run reads and does not build, at other versions than the present ones: `--as-of` and `--input`.

Only what is read changes. The tables that the run builds are built upon as they are.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from fsbuild.errors import FsbuildError, Problem, UsageError
from fsbuild.pipeline.compiling import Compiled
from fsbuild.pipeline.drafting import Draft
from fsbuild.pipeline.nodes import find_node, has_table, readable_place, shown_name
from fsbuild.pipeline.points import version_of
from fsbuild.pipeline.running import Agenda, RunOptions
from fsbuild.pipeline.state import LakeState, open_lake

if TYPE_CHECKING:
    from fsbuild.store import Lake


def pin_inputs(agenda: Agenda, compiled: Compiled, present: LakeState, options: RunOptions) -> LakeState:
    """Put the versions that the options ask for in the place of the present ones.

    Raises:
        UsageError: an input is not one of the run's, is no table, or has no such version; all of them at once.
    """
    if options.as_of is None and not options.inputs:
        return present
    draft, lake = compiled.draft, open_lake(compiled.draft.project)
    read = [name for name in _inputs(agenda, compiled) if name not in options.repeated]
    asked = {find_node(draft, name): version for name, version in options.inputs.items()}
    problems = [_stranger(name, agenda, draft) for name in asked if name not in read and not options.repeated]
    states, tokens = dict(present.states), dict(present.tokens)
    for name in read:
        point = asked.get(name, options.as_of)
        if point is None or (name not in asked and _has_own_version(name, draft)):
            continue
        try:
            uri = _place(name, draft, lake)
            version = version_of(lake, uri, point)
            state = lake.state_at(uri, version)
        except FsbuildError as exc:
            problems.extend(exc.problems)
        else:
            if state is not None:
                states[name], tokens[name] = replace(state, version=version), state.token
    if problems:
        raise UsageError(problems)
    return LakeState(states, tokens, present.files)


def _inputs(agenda: Agenda, compiled: Compiled) -> Iterator[str]:
    """The tables, sources and seeds that the run reads and does not build, in the order of the graph."""
    from fsbuild.plan import physical_inputs

    read = {name for one in agenda.wanted if one in compiled.models for name in physical_inputs(one, compiled.models)}
    return (name for name in compiled.draft.graph.order if name in read and name not in agenda.order)


def _has_own_version(name: str, draft: Draft) -> bool:
    """Whether the project says which version of a source is read."""
    return any(one.version is not None for one in draft.project.sources if one.unique_id == name)


def _place(name: str, draft: Draft, lake: Lake) -> str:
    node = draft.graph.nodes[name]
    if node.resource_type == "source" and not any(
        one.kind == "delta" for one in draft.project.sources if one.unique_id == name
    ):
        hint = "choose models that read none of it, or write --input NAME=VERSION for each table that is read"
        message = f"'{shown_name(node)}' is read from files, of which only the present ones are known"
        raise UsageError(Problem(message, node.place, hint))
    return readable_place(draft, name, lake)


def _stranger(name: str, agenda: Agenda, draft: Draft) -> Problem:
    """Say why an input that was asked for is none of the run's."""
    node = draft.graph.nodes[name]
    shown = shown_name(node)
    if node.resource_type != "source" and not has_table(draft, name):
        return Problem(f"--input {shown}: it is of the kind '{node.materialized}', which has no versions", node.place)
    if name in agenda.order:
        return Problem(f"--input {shown}: this run builds it", node.place, "leave it out with --exclude")
    return Problem(f"--input {shown}: no model of this run reads it", node.place)
