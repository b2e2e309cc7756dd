"""What can go wrong, as values that a person can act on.

Every error carries one or more `Problem`s: the place, the mistake, the next step. Only the module that owns a
library turns that library's exceptions into these (`raise ... from exc`); a traceback that reaches a user is a bug.
"""

from __future__ import annotations

import difflib
import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

log = logging.getLogger("fsbuild")


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A spot in a file of the project: the path relative to its root, the line and column counted from 1."""

    file: str
    line: int | None = None
    column: int | None = None

    def __str__(self) -> str:
        return ":".join(str(part) for part in (self.file, self.line, self.column) if part is not None)


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake: where it is, what it is, what to do next.

    `excerpt` is the source line that `place` points at; `detail` is further text (rows, a second position). One that
    `is_minor` is what dbt lets pass: a project that is read from dbt's own file is told of it, and goes on.
    """

    message: str
    place: Place | None = None
    hint: str | None = None
    excerpt: str | None = None
    detail: str | None = None
    is_minor: bool = False

    def __str__(self) -> str:
        lines = [f"{self.place}: {self.message}" if self.place else self.message]
        if self.excerpt is not None and self.place is not None and self.place.line is not None:
            number = str(self.place.line)
            lines.append(f"  {number} | {self.excerpt.rstrip()}")
            if self.place.column is not None:
                indent = "".join("\t" if c == "\t" else " " for c in self.excerpt[: self.place.column - 1])
                lines.append(f"  {' ' * len(number)} | {indent}^")
        if self.detail:
            lines.extend(f"  {line}" for line in self.detail.splitlines())
        if self.hint:
            lines.append(f"  hint: {self.hint}")
        return "\n".join(lines)


class FsbuildError(Exception):
    """The base of all errors that fsbuild raises on purpose: a sequence of problems to show."""

    def __init__(self, problems: Problem | Iterable[Problem]) -> None:
        self.problems: tuple[Problem, ...] = (problems,) if isinstance(problems, Problem) else tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class ProjectError(FsbuildError):
    """The project's files cannot be read as a project: YAML, configuration, names, seeds."""


class RenderError(FsbuildError):
    """A template cannot be rendered: Jinja syntax, an unknown ref, a missing variable."""


class OperationError(FsbuildError):
    """A macro that was called by itself failed, or raised an error of its own."""


class GraphError(FsbuildError):
    """The models do not form a graph that can be run: a cycle."""


class CompileError(FsbuildError):
    """A model's SQL is wrong: syntax, an unknown column, a type that does not fit."""


class UsageError(FsbuildError):
    """The command was asked for something that does not exist: a selector, a target, an option's value."""


class EngineError(FsbuildError):
    """The engine could not run a query."""


class BindError(FsbuildError):
    """The engine refuses a query before running it: `position` is the offset in its text, counted from 0.

    `name` is what was not found, and `candidates` what exists instead, where the engine says so.
    """

    def __init__(
        self, message: str, position: int | None = None, name: str | None = None, candidates: Sequence[str] = ()
    ) -> None:
        self.message, self.position, self.name, self.candidates = message, position, name, tuple(candidates)
        super().__init__(Problem(message))


class KeyViolationError(FsbuildError):
    """Rows to be merged have a NULL or a duplicate key."""


class StoreError(FsbuildError):
    """A table could not be read or written."""


class NoChangesError(FsbuildError):
    """The log of a table cannot tell which rows changed: `reason` says why."""

    def __init__(self, uri: str, reason: str) -> None:
        self.reason = reason
        hint = "read all of it instead: 'fsbuild run --full-refresh'"
        super().__init__(Problem(f"cannot tell which rows of {uri} changed: {reason}", hint=hint))


class EvolutionError(FsbuildError):
    """A table cannot go on with the columns that its query has now."""


class ConflictError(FsbuildError):
    """Another writer changed a table between our read and our commit; nothing was written."""


def suggest(word: str, known: Iterable[str]) -> str | None:
    """Name the nearest known word as a hint, or None when nothing is near.

    >>> suggest("custmers", ["orders", "customers"])
    "did you mean 'customers'?"
    """
    near = difflib.get_close_matches(str(word), [str(name) for name in known], n=1, cutoff=0.6)
    return f"did you mean '{near[0]}'?" if near else None


def serious(problems: Iterable[Problem], *, is_lenient: bool) -> list[Problem]:
    """The problems that stop, in order; where minor ones do not, they are logged."""
    found = in_order(problems)
    if not is_lenient:
        return found
    for problem in found:
        if problem.is_minor:
            log.warning("%s", problem)
    return [problem for problem in found if not problem.is_minor]


def in_order(problems: Iterable[Problem]) -> list[Problem]:
    """Sort problems by where they are, each said once."""

    def place(problem: Problem) -> tuple[str, int, int]:
        at = problem.place or Place("")
        return at.file, at.line or 0, at.column or 0

    return sorted(dict.fromkeys(problems), key=place)


def listing(words: Sequence[str], limit: int = 8) -> str:
    """Join words for a message, and count what is left out."""
    shown = ", ".join(words[:limit])
    return f"{shown} and {len(words) - limit} more" if len(words) > limit else shown
