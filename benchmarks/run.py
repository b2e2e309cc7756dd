"""The command line in, the table on stdout out.

The exit code is 0 where everything was measured, 1 where a command failed or work was unequal, 2 for usage.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from benchmarks.acts import steps_named
from benchmarks.errors import BenchmarkError
from benchmarks.play import Plan, play
from benchmarks.report import render_report
from benchmarks.tools import NAMES, install

__all__ = ["main"]

_HERE = Path(__file__).resolve().parent


def main(arguments: list[str] | None = None) -> int:
    """Run fsbuild and its peers side by side on the same generated projects."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=main.__doc__)
    parser.add_argument("--models", type=int, default=1000, help="size of the project (default: %(default)s)")
    parser.add_argument("--repeat", type=int, default=3, help="runs of each step (default: %(default)s)")
    parser.add_argument("--only", help=f"some of the steps: {','.join(steps_named())}")
    parser.add_argument("--tools", default=",".join(NAMES), help="some of the tools (default: %(default)s)")
    parser.add_argument("--write", action="store_true", help="also write the table to benchmarks/RESULTS.md")
    given = parser.parse_args(arguments)
    if given.models < 2 or given.repeat < 1:  # noqa: PLR2004 - a model reads two of the layer before
        parser.error("--models is at least 2, --repeat at least 1")
    steps = _chosen(parser, given.only or ",".join(steps_named()), steps_named())
    names = _chosen(parser, given.tools, NAMES)
    try:
        tools = tuple(install(name) for name in names)
        plan = Plan(tools, frozenset(steps), given.models, given.repeat, _HERE / ".work")
        page = render_report(plan, play(plan))
    except BenchmarkError as exc:
        print(f"stopped: {exc}", file=sys.stderr)
        return 1
    print(page)
    if given.write:
        (_HERE / "RESULTS.md").write_text(page, encoding="utf-8")
    return 0


def _chosen(parser: argparse.ArgumentParser, text: str, known: tuple[str, ...]) -> tuple[str, ...]:
    names = [name.strip() for name in text.split(",")]
    for name in names:
        if name not in known:
            parser.error(f"'{name}' is not one of {', '.join(known)}")
    return tuple(name for name in known if name in names)
