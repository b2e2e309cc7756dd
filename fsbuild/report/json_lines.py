"""Events in, one JSON object on one line for each out: its name, the time, the run, and the fields of its value.

What goes wrong outside of a run is the event `problem`, what is said beside it the event `log`; both have a `level`.
Each fact is told once: `run_finished` counts the results by status, and does not repeat them. What JSON has no form
for (times, decimals, NaN) is text.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import logging
import math
from collections import Counter
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from fsbuild.errors import Problem
from fsbuild.values import Check, Event, NodeFinished, NodeStarted, RunFinished, RunResult, RunStarted, Threshold

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

_NAMES = {
    RunStarted: "run_started",
    NodeStarted: "node_started",
    NodeFinished: "node_finished",
    RunFinished: "run_finished",
}

# What is told of every check; the rest where there is something to tell.
_OF_EVERY_CHECK = frozenset({"name", "column", "arguments", "place", "severity"})
# Where in its file a check is written is told by its place; a problem in an event is none that is let pass.
_UNTOLD = frozenset({"path", "told", "is_minor"})


class JsonLines:
    """Encodes the events of one run; remembers its id, which not every event carries."""

    def __init__(self, clock: Callable[[], dt.datetime]) -> None:
        self._clock = clock
        self._run_id: str | None = None

    def encode(self, event: Event) -> str:
        """Write an event as one line of JSON, without the line break."""
        if isinstance(event, RunStarted):
            self._run_id = event.run_id
        told = {"result": _outcome(event.result)} if isinstance(event, RunFinished) else _fields(event)
        return _line(_NAMES[type(event)], self._clock(), {"run_id": self._run_id, **told})


def problem_line(problem: Problem, now: dt.datetime) -> str:
    """Write a problem as one line of JSON, with the fields that it has as a part of a node's result."""
    return _line("problem", now, {"level": "error", **_fields(problem)})


class LogLines(logging.Formatter):
    """Formats what is logged as one line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        """Write a record as one line of JSON, without the line break."""
        said = {"level": record.levelname.lower(), "message": record.getMessage()}
        return _line("log", dt.datetime.fromtimestamp(record.created, dt.UTC), said)


def _line(event: str, now: dt.datetime, told: Mapping[str, object]) -> str:
    time = now.astimezone(dt.UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    return json.dumps({"event": event, "time": time, **told}, allow_nan=False)


def _outcome(result: RunResult) -> dict[str, object]:
    return {
        "command": result.command,
        "run_id": result.run_id,
        "elapsed_s": result.elapsed_s,
        "interrupted": result.interrupted,
        "is_success": result.is_success,
        "counts": dict(Counter(node.status for node in result.results)),
    }


def _fields(value: DataclassInstance) -> dict[str, object]:
    names = (field.name for field in dataclasses.fields(value) if field.name not in _UNTOLD)
    told = {name: _to_json(getattr(value, name)) for name in names}
    if isinstance(value, Check):
        return {name: one for name, one in told.items() if one or name in _OF_EVERY_CHECK}
    return told


def _to_json(value: object) -> object:
    if value is None or isinstance(value, str | bool | int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    if dataclasses.is_dataclass(value) and not isinstance(value, type | Threshold):
        return _fields(value)
    if isinstance(value, Mapping):
        return {str(key): _to_json(one) for key, one in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_to_json(one) for one in value]
    return value.isoformat() if isinstance(value, dt.date | dt.time) else str(value)
