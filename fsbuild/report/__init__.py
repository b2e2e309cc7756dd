"""The report stage: the events of a run in; lines for a person, or JSON for a program, out to one stream.

An event's lines are written together and whole, in the order of the events, whichever threads those come from. Only a
terminal ever gets a control character, and only the live footer needs rich.
"""

from __future__ import annotations

import datetime as dt
import logging
import os
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Literal, TextIO

from fsbuild.errors import Problem
from fsbuild.report.footer import Footer
from fsbuild.report.json_lines import JsonLines, LogLines, problem_line
from fsbuild.report.lineage import TraceForm, format_trace
from fsbuild.report.paint import ansi, plain
from fsbuild.report.plan import format_plan
from fsbuild.report.problems import format_problems
from fsbuild.report.run_text import RunText
from fsbuild.report.table import format_table
from fsbuild.values import Event

__all__ = [
    "TraceForm",
    "format_plan",
    "format_problems",
    "format_table",
    "format_trace",
    "is_colored",
    "listen_to_logs",
    "make_reporter",
    "tell_problems",
]


@contextmanager
def make_reporter(
    log_format: Literal["text", "json"],
    verbosity: Literal[-1, 0, 1] = 0,
    stream: TextIO | None = None,
    *,
    clock: Callable[[], dt.datetime] = lambda: dt.datetime.now(dt.UTC),
) -> Iterator[Callable[[Event], None]]:
    """Tell of a run on a stream (stderr) as its events come in, from any thread.

    `verbosity` is -1 for failures and the last line only, 1 for reasons, versions and every check too; JSON always
    tells everything. `clock` dates the JSON lines.
    """
    out = sys.stderr if stream is None else stream
    if log_format == "json":
        encode = JsonLines(clock).encode
        yield _one_at_a_time(lambda event: _write(out, [encode(event)]))
        return
    text = RunText(verbosity, ansi if is_colored(out) else plain)
    if verbosity < 0 or not _can_redraw(out):
        yield _one_at_a_time(lambda event: _write(out, text.lines(event)))
        return
    footer = Footer(out, lambda lines: _write(out, lines), has_color=is_colored(out))
    try:
        yield _one_at_a_time(lambda event: footer.tell(event, text.lines(event)))
    finally:
        footer.close()


def tell_problems(
    problems: Sequence[Problem],
    log_format: Literal["text", "json"],
    stream: TextIO,
    *,
    clock: Callable[[], dt.datetime] = lambda: dt.datetime.now(dt.UTC),
) -> None:
    """Tell of what went wrong outside of a run: all problems as one text, or each as a line of JSON."""
    if log_format == "json":
        _write(stream, [problem_line(problem, clock()) for problem in problems])
    else:
        _write(stream, [format_problems(problems, color=is_colored(stream))])


def listen_to_logs(log_format: Literal["text", "json"], verbosity: Literal[-1, 0, 1], stream: TextIO) -> None:
    """Write what fsbuild logs to a stream: errors (-1), what is worth knowing (0), all (1); of others the warnings."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(LogLines() if log_format == "json" else logging.Formatter("%(message)s"))
    logging.basicConfig(handlers=[handler], level=logging.WARNING)
    logging.getLogger("fsbuild").setLevel({-1: logging.ERROR, 0: logging.INFO, 1: logging.DEBUG}[verbosity])


def is_colored(stream: TextIO) -> bool:
    """Whether what a person reads on the stream may have colours: a terminal, unless NO_COLOR says otherwise."""
    return _can_redraw(stream) and not os.environ.get("NO_COLOR")


def _can_redraw(stream: TextIO) -> bool:
    """Whether the stream is a terminal that somebody watches; a CI that pretends to be one keeps every frame."""
    is_dumb = os.environ.get("TERM", "dumb") in ("dumb", "unknown")
    return stream.isatty() and not is_dumb and not os.environ.get("CI")


def _one_at_a_time(tell: Callable[[Event], None]) -> Callable[[Event], None]:
    lock = threading.Lock()

    def told(event: Event) -> None:
        with lock:
            tell(event)

    return told


def _write(stream: TextIO, lines: list[str]) -> None:
    if lines:
        stream.write("".join(f"{line}\n" for line in lines))
        stream.flush()
