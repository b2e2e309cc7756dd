"""Runs one project through dbt and through fsbuild, each in a copy of its own, and keeps what both left behind.

A project of the judge is a folder with a dbt project and a file `commands`, one command a line:

    build --vars '{kind: web}'     dbt's arguments; those of fsbuild are the same
    LEVEL=2 run                    with a variable of the environment
    use second_day                 copies the folder overlays/second_day over the project
    # a remark

Nothing is known here of how either program works: rows are read from dbt's DuckDB file and the lake's Delta tables,
how a command ended from its exit code and from `target/run_results.json`, what it lists from its output.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import os
import shlex
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import yaml
from deltalake import DeltaTable, QueryBuilder

HERE = Path(__file__).parent
PROJECTS = HERE / "projects"
DBT_PYTHON = HERE.parents[1] / ".venv" / "dbt" / "bin" / "python"
_DATABASE = "judge.duckdb"
_LISTING = frozenset({"ls", "list", "run-operation"})
# dbt keeps on with what it thinks of its own news and users; neither is the subject here.
_QUIET = {"DBT_SEND_ANONYMOUS_USAGE_STATS": "false", "DBT_VERSION_CHECK": "false", "DBT_USE_COLORS": "false"}

Rows = Counter[tuple[object, ...]]


@dataclass(frozen=True, slots=True)
class Command:
    """A line of the file `commands`."""

    arguments: tuple[str, ...]
    environment: Mapping[str, str]

    def __str__(self) -> str:
        return shlex.join([*(f"{name}={value}" for name, value in self.environment.items()), *self.arguments])


@dataclass(frozen=True, slots=True)
class Ending:
    """How one command ended: its exit code, status and failures by unique id, and what it listed, sorted."""

    command: str
    exit_code: int
    results: Mapping[str, tuple[str, object]] | None
    listed: tuple[str, ...]
    told: str


@dataclass(frozen=True, slots=True)
class Content:
    """The columns of a table and its rows, which have no order."""

    columns: tuple[str, ...]
    rows: Rows


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a program left behind: how each command ended, and tables by unique id."""

    endings: tuple[Ending, ...]
    tables: Mapping[str, Content]


@dataclass(frozen=True, slots=True)
class Both:
    """The outcomes of one project."""

    dbt: Outcome
    ours: Outcome


def read_commands(project: Path) -> tuple[Command, ...]:
    """Read the file `commands` of a project."""
    lines = (shlex.split(line, comments=True) for line in (project / "commands").read_text().splitlines())
    return tuple(_command(words) for words in lines if words)


def _command(words: Sequence[str]) -> Command:
    settings = [word for word in words if "=" in word and word.partition("=")[0].isupper()]
    return Command(tuple(words[len(settings) :]), dict(word.split("=", 1) for word in settings))


class DbtServer:
    """A process in dbt's environment that runs commands one after the other."""

    def __init__(self, python: Path) -> None:
        if not python.is_file():
            raise FileNotFoundError(f"{python} is missing: 'make dbt' installs dbt-core and dbt-duckdb there")
        self._process = subprocess.Popen(
            [python, HERE / "dbt_server.py"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._answer()

    def run(self, folder: Path, command: Command) -> int:
        """Run a command; its output is in the files `stdout` and `stderr` of the folder then."""
        request = {
            "folder": str(folder),
            "arguments": list(command.arguments),
            "environment": {**_QUIET, **command.environment},
            "stdout": str(folder / "stdout"),
            "stderr": str(folder / "stderr"),
        }
        pipe = self._process.stdin
        assert pipe is not None
        pipe.write(json.dumps(request) + "\n")
        pipe.flush()
        return int(self._answer())

    def close(self) -> None:
        """End the process."""
        self._process.communicate(timeout=30)

    def _answer(self) -> Any:  # noqa: ANN401 - JSON
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("dbt's process has ended; what it told is above")
        return json.loads(line)


class Fsbuild:
    """Runs fsbuild's commands as a shell does."""

    def run(self, folder: Path, command: Command) -> int:
        """Run a command; its output is in the files `stdout` and `stderr` of the folder then."""
        environment = {**os.environ, **_QUIET, **command.environment}
        with (folder / "stdout").open("w") as stdout, (folder / "stderr").open("w") as stderr:
            arguments = [sys.executable, "-m", "fsbuild", *command.arguments]
            done = subprocess.run(
                arguments, cwd=folder, env=environment, stdout=stdout, stderr=stderr, check=False, timeout=300
            )
        return done.returncode


def compare(project: Path, workspace: Path, dbt: DbtServer) -> Both:
    """Run all commands of a project through both programs."""
    commands = read_commands(project)
    folders = {name: workspace / name for name in ("dbt", "ours")}
    for folder in folders.values():
        shutil.copytree(HERE / "profiles", folder)
        shutil.copytree(project, folder, dirs_exist_ok=True)
    dbts = tuple(_endings(dbt, folders["dbt"], commands))
    ours = tuple(_endings(Fsbuild(), folders["ours"], commands))
    nodes = _nodes_of_dbt(folders["dbt"])
    last = next((command for command in reversed(commands) if "use" not in command.arguments), None)
    return Both(
        Outcome(dbts, dict(_tables_of_dbt(folders["dbt"], nodes))),
        Outcome(ours, dict(_tables_of_ours(folders["ours"], nodes, last))),
    )


def _endings(program: DbtServer | Fsbuild, folder: Path, commands: Sequence[Command]) -> Iterator[Ending]:
    for command in commands:
        if command.arguments[0] == "use":
            shutil.copytree(folder / "overlays" / command.arguments[1], folder, dirs_exist_ok=True)
            continue
        results = folder / "target" / "run_results.json"
        results.unlink(missing_ok=True)
        is_listing = command.arguments[0] in _LISTING
        arguments = (*command.arguments, "--quiet") if is_listing else command.arguments
        exit_code = program.run(folder, Command(arguments, command.environment))
        told = (folder / "stdout").read_text()
        yield Ending(
            command=str(command),
            exit_code=exit_code,
            results=_results(results) if results.is_file() else None,
            listed=tuple(sorted(told.split("\n"))) if is_listing and not exit_code else (),
            told=told + (folder / "stderr").read_text(),
        )


def _results(file: Path) -> dict[str, tuple[str, object]]:
    entries = json.loads(file.read_text())["results"]
    return {entry["unique_id"]: (entry["status"], entry["failures"] or None) for entry in entries}


# --- rows ------------------------------------------------------------------------------------------------------------


def _nodes_of_dbt(folder: Path) -> list[dict[str, Any]]:
    """What dbt's manifest says of the nodes that have rows."""
    manifest = folder / "target" / "manifest.json"
    if not manifest.is_file():
        return []
    nodes = json.loads(manifest.read_text())["nodes"].values()
    return [node for node in nodes if node["resource_type"] in ("model", "seed", "snapshot")]


def _tables_of_dbt(folder: Path, nodes: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, Content]]:
    if not (folder / _DATABASE).is_file():
        return
    # Views over files name them from the project's folder.
    with contextlib.chdir(folder), duckdb.connect(_DATABASE) as connection:
        there = set(connection.sql("select table_schema, table_name from information_schema.tables").fetchall())
        for node in nodes:
            if (node["schema"], node["alias"]) in there:
                relation = connection.sql(f'from "{node["schema"]}"."{node["alias"]}"')
                yield node["unique_id"], _content(relation.columns, relation.fetchall())


def _tables_of_ours(
    folder: Path, nodes: Sequence[Mapping[str, Any]], last: Command | None
) -> Iterator[tuple[str, Content]]:
    for node in nodes:
        place = folder / "lake" / node["schema"] / node["alias"]
        if (place / "_delta_log").is_dir():
            table = DeltaTable(str(place))
            found = pa.table(QueryBuilder().register("t", table).execute("select * from t").read_all())
            yield node["unique_id"], _content(found.column_names, [tuple(row.values()) for row in found.to_pylist()])
        elif node["config"]["materialized"] == "view" and (shown := _shown(folder, node, last)) is not None:
            yield node["unique_id"], shown


def _shown(folder: Path, node: Mapping[str, Any], last: Command | None) -> Content | None:
    """A view's rows, as they are in the circumstances of the last command; None where the program refuses."""
    from fsbuild.api import Project
    from fsbuild.errors import FsbuildError

    given = last.arguments if last is not None else ()
    named = {name: given[given.index(name) + 1] for name in ("--vars", "--target") if name in given}
    variables = yaml.safe_load(named["--vars"]) if "--vars" in named else None
    try:
        name = node["name"] if node.get("version") is None else f"{node['name']}_v{node['version']}"
        table = Project(folder, target=named.get("--target"), variables=variables).show(name, limit=None)
    except FsbuildError:
        return None
    return _content(table.columns, table.rows)


def _content(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> Content:
    return Content(tuple(columns), Counter(tuple(_plain(value) for value in row) for row in rows))


def _plain(value: object) -> object:  # noqa: PLR0911 - a line for each type
    """A value such that equal ones are equal, of whatever types, and can be counted."""
    match value:
        case bool() | None | str() | bytes():
            return value
        case int() | Decimal():
            return Decimal(value).normalize()
        case float():
            return "NaN" if value != value else Decimal(f"{value:.12g}").normalize()  # noqa: PLR0124 - NaN
        case dt.datetime():
            return value.astimezone(dt.UTC).replace(tzinfo=None) if value.tzinfo else value
        case dict():
            return tuple((key, _plain(part)) for key, part in value.items())
        case list() | tuple():
            return tuple(_plain(part) for part in value)
        case _:
            return str(value) if not isinstance(value, dt.date) else value
