"""What is measured, as data: acts of steps, each act played on a project that was written afresh.

A step finds the state that the step before it has left, so "nothing changed" means exactly: right after the
step above. An act opens with no `target/`, no lake and no database file: its first step is cold.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

__all__ = ["ACTS", "Act", "Step", "steps_named"]


@dataclass(frozen=True, slots=True)
class Step:
    """One row of the table: its name, what it shows, and the arguments given to each tool."""

    name: str
    title: str
    commands: Mapping[str, tuple[str, ...]]
    publishes: bool = False
    edits: bool = False


@dataclass(frozen=True, slots=True)
class Act:
    """Steps in the order in which they are played."""

    project: Literal["layers", "library"]
    steps: tuple[Step, ...]


def _both(*arguments: str) -> dict[str, tuple[str, ...]]:
    return {"fsbuild": arguments, "dbt": arguments}


_COMPILE = ("compile",)
ACTS = (
    Act(
        "library",
        (
            Step("version", "`--version`", _both("--version")),
            Step("help", "`--help`", _both("--help")),
        ),
    ),
    Act(
        "layers",
        (
            # dbt's parse reads the project and draws the graph; fsbuild has one command for all of it.
            Step("parse", "parse, cold", {"fsbuild": _COMPILE, "dbt": ("parse", "--no-partial-parse")}),
            Step("reparse", "parse, nothing changed", {"fsbuild": _COMPILE, "dbt": ("parse",)}),
        ),
    ),
    Act(
        "layers",
        (
            Step("compile", "compile, cold", {"fsbuild": _COMPILE, "dbt": ("compile", "--no-partial-parse")}),
            Step("recompile", "compile, nothing changed", _both("compile")),
        ),
    ),
    Act(
        "layers",
        (
            Step("run", "run, cold", _both("run"), publishes=True),
            Step("rerun", "run, nothing to do", _both("run"), publishes=True),
            # dbt's best answer to an edit: keep the manifest of the last run, run what differs from it.
            Step(
                "edit",
                "run, one model edited",
                {"fsbuild": ("run",), "dbt": ("run", "--select", "state:modified+", "--state", "state")},
                publishes=True,
                edits=True,
            ),
        ),
    ),
    Act(
        "library",
        (
            Step("build", "build of 3 seeds, 5 models, 20 tests, cold", _both("build"), publishes=True),
            Step("rebuild", "the same build, nothing changed", _both("build"), publishes=True),
        ),
    ),
)


def steps_named(acts: Sequence[Act] = ACTS) -> tuple[str, ...]:
    """The names of all steps, in order."""
    return tuple(step.name for act in acts for step in act.steps)
