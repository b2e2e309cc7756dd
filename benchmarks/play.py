"""Acts in, samples out: every step is run by each tool in turn, in that tool's own copy of the project."""

from __future__ import annotations

import shutil
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.acts import ACTS, Act, Step
from benchmarks.layers import edited_model, layered_project
from benchmarks.library import library_project
from benchmarks.measure import Sample, measure
from benchmarks.project import GeneratedProject, write_project
from benchmarks.tools import Tool
from benchmarks.verify import verify_equal

__all__ = ["Plan", "Samples", "play"]

# (name of the step, name of the tool) -> its samples
Samples = Mapping[tuple[str, str], Sequence[Sample]]


@dataclass(frozen=True, slots=True)
class Plan:
    """What to measure: the tools, the steps to record, the size of the project, and how often."""

    tools: tuple[Tool, ...]
    steps: frozenset[str]
    models: int
    repeats: int
    folder: Path


def play(plan: Plan) -> Samples:
    """Measure everything that the plan names.

    Raises:
        BenchmarkError: a command failed, or the tools did unequal work.
    """
    samples: dict[tuple[str, str], list[Sample]] = defaultdict(list)
    projects = {"layers": layered_project(plan.models), "library": library_project()}
    _warm_up(plan, projects["library"])
    for repetition in range(plan.repeats):
        for act in ACTS:
            _play_act(plan, act, projects[act.project], repetition, samples)
    return samples


def _warm_up(plan: Plan, project: GeneratedProject) -> None:
    """Start each tool once untimed, so that nobody pays for the first reading of its files from the disk."""
    for tool, copy in _copies(plan, project):
        measure([tool.script, "--version"], copy, tool.environment)


def _play_act(
    plan: Plan,
    act: Act,
    project: GeneratedProject,
    repetition: int,
    samples: dict[tuple[str, str], list[Sample]],
) -> None:
    recorded = [number for number, step in enumerate(act.steps) if step.name in plan.steps]
    if not recorded:
        return
    copies = _copies(plan, project)
    # A step that isn't asked for is still run, untimed, where a later one needs the state that it leaves.
    for step in act.steps[: recorded[-1] + 1]:
        # Who goes first changes from one repetition to the next.
        for tool, copy in copies if repetition % 2 == 0 else reversed(copies):
            if step.edits:
                _edit(copy, plan.models, repetition + 1)
            sample = measure([tool.script, *step.commands[tool.name]], copy, tool.environment)
            if step.name in plan.steps:
                samples[step.name, tool.name].append(sample)
                _log(plan, step, tool, repetition, sample)
        if step.publishes:
            verify_equal({tool.name: copy for tool, copy in copies}, plan.tools, project.tables)


def _copies(plan: Plan, project: GeneratedProject) -> list[tuple[Tool, Path]]:
    """Write the project afresh, a copy for each tool; none of them holds any state."""
    copies = [(tool, plan.folder / tool.name / project.name) for tool in plan.tools]
    for _, copy in copies:
        write_project(project, copy)
    return copies


def _edit(copy: Path, models: int, revision: int) -> None:
    file, text = edited_model(models, revision)
    # dbt compares with the manifest of the run before, which its users keep aside.
    (copy / "state").mkdir(exist_ok=True)
    manifest = copy / "target" / "manifest.json"
    if manifest.is_file():
        shutil.copy(manifest, copy / "state")
    (copy / file).write_text(text, encoding="utf-8", newline="\n")


def _log(plan: Plan, step: Step, tool: Tool, repetition: int, sample: Sample) -> None:
    print(
        f"{repetition + 1}/{plan.repeats}  {step.name:<10} {tool.name:<8} "
        f"{sample.wall_s:8.2f} s {sample.peak_mib:7.0f} MiB",
        file=sys.stderr,
        flush=True,
    )
