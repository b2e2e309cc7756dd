"""Problems in, one text with all of them out."""

from __future__ import annotations

from collections.abc import Sequence

from fsbuild.errors import Problem
from fsbuild.report.paint import ansi, plain
from fsbuild.report.table import visible


def format_problems(problems: Sequence[Problem], *, color: bool) -> str:
    """Write all problems, a blank line between them, and how many there are when there is more than one."""
    paint = ansi if color else plain
    parts = [f"{paint('error:', 'red')} {problem_text(problem)}" for problem in problems]
    if len(problems) > 1:
        parts.append(paint(f"{len(problems)} problems found", "bold"))
    return "\n\n".join(parts)


def problem_text(problem: Problem) -> str:
    """Write a problem with its place, excerpt and hint; what a file holds cannot command the terminal."""
    return visible(str(problem).expandtabs(4), kept="\n")
