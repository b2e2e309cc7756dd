"""The name of a project in, its folder out: `python -m benchmarks.generate layers FOLDER --models 1000`."""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks.layers import layered_project
from benchmarks.library import library_project
from benchmarks.project import write_project

__all__ = ["main"]


def main(arguments: list[str] | None = None) -> int:
    """Write one of the projects into an empty or new folder, for a look or for another tool."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.generate", description=main.__doc__)
    parser.add_argument("project", choices=("layers", "library"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--models", type=int, default=1000, help="models of 'layers' (default: 1000)")
    given = parser.parse_args(arguments)
    # Writing empties the folder: never one that holds something.
    if given.folder.exists() and any(given.folder.iterdir()):
        parser.error(f"{given.folder} is not empty")
    if given.models < 2:  # noqa: PLR2004 - a model reads two of the layer before
        parser.error("--models is at least 2")
    project = layered_project(given.models) if given.project == "layers" else library_project()
    write_project(project, given.folder)
    print(f"{len(project.files)} files in {given.folder}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
