"""The files of a project in, the folder with its settings out: readable by fsbuild and by dbt alike.

The two project files have equal content, so neither tool is told anything that the other is not.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

__all__ = ["DATABASE", "LAKE", "SCHEMA", "GeneratedProject", "write_project"]

DATABASE = "warehouse.duckdb"
LAKE = "lake"
SCHEMA = "main"

_PROJECT = """\
name: {name}
version: "1.0"
config-version: 2
profile: {name}
model-paths: [models]
seed-paths: [seeds]
target-path: target
models:
  {name}:
    +materialized: table
"""

# Each tool reads its own place: fsbuild the lake, dbt-duckdb the path of its database file.
_PROFILE = """\
{name}:
  target: dev
  outputs:
    dev:
      type: duckdb
      path: {database}
      lake: {lake}
      schema: {schema}
      threads: 2
"""


@dataclass(frozen=True, slots=True)
class GeneratedProject:
    """A project as values: its files by relative path, and the tables that building it leaves behind."""

    name: str
    files: Mapping[str, str]
    tables: tuple[str, ...]


def write_project(project: GeneratedProject, folder: Path) -> None:
    """Write the project into `folder`, which is emptied first: no state of an earlier run survives."""
    shutil.rmtree(folder, ignore_errors=True)
    settings = _PROJECT.format(name=project.name)
    files = {
        **project.files,
        "dbt_project.yml": settings,
        "fsbuild_project.yml": settings,
        "profiles.yml": _PROFILE.format(name=project.name, database=DATABASE, lake=LAKE, schema=SCHEMA),
    }
    for name, text in files.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8", newline="\n")
