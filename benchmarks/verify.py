"""The projects that the tools have run in; nothing out: it returns only where they all hold equal tables."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks import contents
from benchmarks.errors import BenchmarkError
from benchmarks.project import DATABASE, SCHEMA
from benchmarks.tools import Tool

__all__ = ["verify_equal"]


def verify_equal(projects: Mapping[str, Path], tools: Sequence[Tool], tables: Sequence[str]) -> None:
    """Compare every table of a project between the tools, value by value.

    Raises:
        BenchmarkError: a table is missing, empty, or not the same in all of them.
    """
    found = {tool.name: _contents(tool, projects[tool.name], tables) for tool in tools}
    for table in tables:
        states = {name: found[name][table] for name in found}
        if any(rows == 0 for rows, _ in states.values()):
            raise BenchmarkError(f"table {table} is empty: {_shown(states)}")
        if len(set(states.values())) > 1:
            raise BenchmarkError(f"table {table} is not the same for all tools: {_shown(states)}")


def _contents(tool: Tool, folder: Path, tables: Sequence[str]) -> dict[str, tuple[int, str]]:
    place = ("delta", tool.lake) if tool.lake else ("duckdb", DATABASE)
    command = [tool.python, str(contents.__file__), *place, SCHEMA, *tables]
    done = subprocess.run(
        command, cwd=folder, env=tool.environment, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise BenchmarkError(f"the tables that {tool.name} left can't be read:\n{done.stderr}")
    return {table: (int(rows), str(digest)) for table, (rows, digest) in json.loads(done.stdout).items()}


def _shown(states: Mapping[str, tuple[int, str]]) -> str:
    return ", ".join(f"{name} has {rows} rows ({digest[:12]})" for name, (rows, digest) in states.items())
