"""How a run ended in, a file below the target folder out; the next `retry` reads what is left to do from it.

The state of tables is in their logs. What failed has left nothing there, so that it is remembered here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal, get_args

from fsbuild.errors import Problem, UsageError
from fsbuild.values import Project, RunResult

Command = Literal["run", "build", "seed", "snapshot", "test"]
_FILE = "last_run.json"
_UNDONE = frozenset({"error", "fail", "skipped"})


@dataclass(frozen=True, slots=True)
class LastRun:
    """A command as it was called, and the status of every node that it was about; `unit_tests` are those it tried."""

    command: Command
    run_id: str
    target: str
    full_refresh: bool = False
    fail_fast: bool = False
    store_failures: bool = False
    variables: Mapping[str, object] = field(default_factory=dict)
    statuses: Mapping[str, str] = field(default_factory=dict)
    window: tuple[str, str] | None = None
    as_of: str | None = None
    inputs: Mapping[str, int] = field(default_factory=dict)
    unit_tests: Sequence[str] = ()

    @property
    def undone(self) -> tuple[str, ...]:
        """The nodes that failed or were skipped."""
        return tuple(name for name, status in self.statuses.items() if status in _UNDONE)


def remember_run(called: LastRun, result: RunResult, folder: Path) -> None:
    """Write how a command ended to the target folder. One that cannot be written to is no reason for it to fail."""
    statuses: dict[str, str] = {}
    for node in result.results:
        # What is tried is the unit tests alone, where nothing else of a node was looked at.
        is_only_tried = result.command == "test" and node.unit_tests and not (node.checks or node.problems)
        if not is_only_tried:
            statuses[node.unique_id] = node.status
        if result.command == "test":
            statuses |= {test.unique_id: test.status for test in node.unit_tests}
    file = folder / _FILE
    text = json.dumps({**asdict(called), "statuses": statuses}, indent=2, default=str)
    with suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        beside = file.with_suffix(".part")
        beside.write_text(text + "\n", encoding="utf-8")
        beside.replace(file)


def read_last_run(project: Project) -> LastRun:
    """Read how the last command ended.

    Raises:
        UsageError: no command has been remembered, or not in a form that can be read.
    """
    shown = Path(project.target_path) / _FILE
    hint = "fsbuild run"
    try:
        return _parsed((project.root / shown).read_text(encoding="utf-8"))
    except FileNotFoundError as exc:
        message = f"there is nothing to retry: no run has left its outcome in {shown}"
        raise UsageError(Problem(message, hint=hint)) from exc
    except (OSError, ValueError, TypeError) as exc:
        raise UsageError(Problem(f"{shown} cannot be read as the outcome of a run", hint=hint)) from exc


def _parsed(text: str) -> LastRun:
    last = LastRun(**json.loads(text))
    if last.command not in get_args(Command) or not isinstance(last.statuses, dict):
        raise ValueError(text)
    return last
