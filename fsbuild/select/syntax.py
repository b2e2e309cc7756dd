"""The text of selectors in, expressions out: what is meant, before anybody looks at a graph.

    +orders,tag:daily customers   ->   one of two terms; the first is an intersection of two criteria

Pure. A selector means what it means in dbt, or it is refused by name.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from fsbuild.errors import Problem, UsageError

# Which data tests come along with nodes: those of any node that is chosen, those that read nothing else (`cautious`),
# or nothing but that and what it stands on (`buildable`), or none.
Indirect = Literal["eager", "cautious", "buildable", "empty"]
INDIRECT: tuple[Indirect, ...] = ("eager", "cautious", "buildable", "empty")

# The possessive `?+` keeps what looks like an operator or a method from being read as part of the value: `tag:` is a
# method without a value, not a model of that name.
_SELECTOR = re.compile(
    r"(?P<at>@)?+"
    r"(?:(?P<up>\d*)\+)?+"
    r"(?:(?P<method>[\w.]+):)?+"
    r"(?P<value>[^+@](?:.*?[^+])?)"
    r"(?:\+(?P<down>\d*))?"
)
_WILDCARD = re.compile(r"[*?\[]")
_HINT = "write name, +name, name+, 2+name+1, @name or method:value; a space means or, a comma means and"


@dataclass(frozen=True, slots=True)
class Criterion:
    """One selector, taken apart. `up` and `down` count steps: 0 where there is no `+`, None where it has no number."""

    text: str
    method: str | None
    value: str
    up: int | None = 0
    down: int | None = 0
    is_at: bool = False
    indirect: Indirect | None = None

    @property
    def kind(self) -> str:
        """The method, which a value without one has by its looks."""
        return self.method or default_method(self.value)

    @property
    def is_bare_name(self) -> bool:
        """Whether it is a name alone, which has to be that of something."""
        return self.method is None and self.kind == "fqn" and not _WILDCARD.search(self.value)


@dataclass(frozen=True, slots=True)
class Union:
    """What any of its parts means."""

    parts: Sequence[Expression]


@dataclass(frozen=True, slots=True)
class Intersection:
    """What all of its parts mean; `text` is how it was written."""

    parts: Sequence[Expression]
    text: str = ""


@dataclass(frozen=True, slots=True)
class Difference:
    """What is meant but for what is taken away."""

    kept: Expression
    removed: Expression


Expression = Criterion | Union | Intersection | Difference


def read_terms(arguments: Iterable[str], problems: dict[Problem, None]) -> list[Intersection]:
    """Read the words of a command line: the criteria between the commas of each; what is wrong is added to `problems`.

    An empty argument stays a term of its own, to be refused: `-s "$UNSET"` must not mean all.
    """
    terms = []
    for term in [word for argument in arguments for word in argument.split() or [""]]:
        parts: list[Criterion] = []
        for text in term.split(","):
            try:
                parts.append(read_criterion(text, term))
            except UsageError as exc:
                problems.update(dict.fromkeys(exc.problems))
        terms.append(Intersection(parts, term))
    return terms


def read_criterion(text: str, term: str = "") -> Criterion:
    """Read one selector, which stands in a `term`.

    Raises:
        UsageError: it is none.
    """
    parts = _SELECTOR.fullmatch(text)
    if parts is None:
        where = f" in '{term}'" if term not in ("", text) else ""
        raise UsageError(Problem(f"'{text}' is not a selector{where}", hint=_HINT))
    if parts["at"] and parts["down"] is not None:
        hint = f"'@{parts['value']}' already takes all that reads {parts['value']}"
        raise UsageError(Problem(f"'{text}' is not a selector: '@' before and '+' after exclude each other", hint=hint))
    up, down = _steps(parts["up"]), _steps(parts["down"])
    return Criterion(text, parts["method"], parts["value"], up, down, bool(parts["at"]))


def default_method(value: str) -> str:
    """What a value without a method is: a path where it has a slash, a file by its suffix, else a name."""
    if "/" in value:
        return "path"
    return "file" if value.lower().endswith((".sql", ".py", ".csv")) else "fqn"


def _steps(digits: str | None) -> int | None:
    if digits is None:
        return 0
    return int(digits) if digits else None
