"""Samples in, a Markdown page out: the median of every step, and the ratio of each peer to fsbuild."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Iterator, Sequence
from statistics import median

from benchmarks.acts import ACTS, Step
from benchmarks.play import Plan, Samples

__all__ = ["render_report"]

_OURS = "fsbuild"


def render_report(plan: Plan, samples: Samples) -> str:
    """Render the table with what a reader needs in order to judge it."""
    names = [tool.name for tool in plan.tools]
    peers = [name for name in names if name != _OURS] if _OURS in names else []
    heads = ["work", *(f"{name}, s" for name in names), *(f"{peer} ÷ {_OURS}" for peer in peers)]
    heads += [*(f"{name}, MiB" for name in names), *(f"{peer} ÷ {_OURS}" for peer in peers)]
    rule = ["---", *("--:" for _ in heads[1:])]
    lines = ["# Benchmark results", "", *_facts(plan), "", _row(heads), _row(rule)]
    for project, step in ((act.project, step) for act in ACTS for step in act.steps):
        if step.name in plan.steps:
            sized = f"{plan.models:,} models: " if project == "layers" else ""
            lines.append(_row([f"{sized}{step.title}", *_cells(names, peers, step, samples)]))
    return "\n".join([*lines, ""])


def _facts(plan: Plan) -> Iterator[str]:
    yield f"Medians of {plan.repeats}, whole processes, {os.cpu_count()} cores, {platform.system()},"
    yield f"Python {platform.python_version()}; the tools took turns. What each row means is in `README.md`."
    yield ""
    for tool in plan.tools:
        yield f"- {tool.name}: {tool.versions}"


def _cells(names: Sequence[str], peers: Sequence[str], step: Step, samples: Samples) -> Iterator[str]:
    walls = {name: median(sample.wall_s for sample in samples[step.name, name]) for name in names}
    peaks = {name: median(sample.peak_mib for sample in samples[step.name, name]) for name in names}
    yield from (f"{walls[name]:.2f}" for name in names)
    yield from (f"{walls[peer] / walls[_OURS]:.1f}×" for peer in peers)
    yield from (f"{peaks[name]:.0f}" for name in names)
    yield from (f"{peaks[peer] / peaks[_OURS]:.1f}×" for peer in peers)


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
