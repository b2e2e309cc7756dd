"""What this program is: the marks of its own files, and of what is installed beside it; other marks, other answers."""

from __future__ import annotations

import importlib.util
import os
import sys
from functools import cache
from pathlib import Path

from fsbuild.cache import Cache
from fsbuild.values import Project

_KEPT = "compiled.cache"
_LIBRARIES = ("duckdb", "duckdb_extension_delta", "sqlglot", "jinja2", "yaml", "deltalake", "pandera", "polars")


@cache
def program_marks() -> list[object]:
    """This program's files, and the versions of all that is installed beside the libraries that it asks."""
    marks: list[object] = [sys.version]
    for folder, _, names in os.walk(Path(__file__).parents[1]):
        for name in names:
            if name.endswith((".py", ".sql")):
                file = os.path.join(folder, name)  # noqa: PTH118 - asked for hundreds of files at each start
                stat = os.stat(file)  # noqa: PTH116
                marks.append([file, stat.st_size, stat.st_mtime_ns])
    origins = {spec.origin for name in _LIBRARIES if (spec := importlib.util.find_spec(name)) and spec.origin}
    sites = sorted({Path(origin).parents[1] for origin in origins})
    installed = [sorted(entry for entry in os.listdir(site) if entry.endswith(".dist-info")) for site in sites]  # noqa: PTH208
    return [*sorted(marks, key=str), *installed]


def open_cache(project: Project) -> Cache:
    """The answers that this program has kept below a project's target folder."""
    return Cache(project.root / project.target_path / _KEPT, str(program_marks()))
