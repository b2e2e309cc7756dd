"""The project template: copied from the package into a folder of the user's."""

from __future__ import annotations

import shutil
from pathlib import Path

from fsbuild.errors import Problem, UsageError

_LEFT_OUT = shutil.ignore_patterns("__pycache__", "lake", "target", "data_year")


def copy_template(folder: Path) -> Path:
    """Copy the template into a new or empty folder, and return the folder.

    Raises:
        UsageError: the folder has something in it, or its name leads to a file.
    """
    if folder.is_file() or (folder.is_dir() and any(folder.iterdir())):
        raise UsageError(Problem(f"{folder} is not empty", hint="name a new folder"))
    shutil.copytree(_template(), folder, dirs_exist_ok=True, ignore=_LEFT_OUT)
    return folder


def _template() -> Path:
    """Where the template is: inside an installed package, or beside the package in a checkout."""
    package = Path(__file__).parent
    return next(path for path in (package / "project_template", package.parent / "project_template") if path.is_dir())
