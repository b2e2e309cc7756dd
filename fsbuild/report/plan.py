"""A plan in; what will be done with each node, and why, out as aligned lines."""

from __future__ import annotations

from collections.abc import Mapping

from fsbuild.report.table import display_width, pad, visible
from fsbuild.values import Plan, Step


def format_plan(plan: Plan, nodes: Mapping[str, tuple[str, str]]) -> str:
    """Say for each step its action and the reason, and count them; `nodes` has name and kind by unique id."""
    cells = [(step.action, *nodes[step.unique_id][::-1], _reason(step)) for step in plan.steps]
    widths = [max((display_width(row[at]) for row in cells), default=0) for at in range(3)]
    lines = ["  ".join([*map(pad, row, widths), visible(row[-1])]) for row in cells]
    return "\n".join([*lines, _total(plan)])


def _reason(step: Step) -> str:
    return f"{step.reason}; left alone if that publishes nothing new" if step.is_conditional else step.reason


def _total(plan: Plan) -> str:
    counts = dict.fromkeys(("to run", "to run if their inputs change", "unchanged", "inlined"), 0)
    for step in plan.steps:
        counts[_outlook(step)] += 1
    said = ", ".join(f"{count} {outlook}" for outlook, count in counts.items() if count)
    return f"Plan: {said or 'nothing to do'}"


def _outlook(step: Step) -> str:
    if step.action == "keep":
        return "unchanged"
    if step.action in ("view", "inline"):
        return "inlined"
    return "to run if their inputs change" if step.is_conditional else "to run"
