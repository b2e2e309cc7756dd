"""The name of a tool in, its virtual environment out: made once, and again when what it holds has changed.

Each tool has an environment of its own under `benchmarks/.venvs/`, and all of them run the engine version
that `pyproject.toml` pins, so that the difference measured is the framework's.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.errors import BenchmarkError
from benchmarks.project import LAKE, SCHEMA

__all__ = ["NAMES", "Tool", "install"]

_HERE = Path(__file__).resolve().parent
_ROOT = _HERE.parent
_VENVS = _HERE / ".venvs"
NAMES = ("fsbuild", "dbt")
_DBT = ("dbt-core<1.12", "dbt-duckdb==1.11.*")
_FEAST = ("feast[duckdb]",)
_SHOWN = {
    "fsbuild": ("fsbuild", "duckdb", "deltalake"),
    "dbt": ("dbt-core", "dbt-duckdb", "duckdb"),
    "feast": ("feast", "ibis-framework", "duckdb"),
}
_VERSIONS = """\
import importlib.metadata, sys
print(", ".join(f"{name} {importlib.metadata.version(name)}" for name in sys.argv[1:]))
"""


@dataclass(frozen=True, slots=True)
class Tool:
    """A program to measure: its name, the environment's folder of programs, and what it is in words."""

    name: str
    programs: Path
    versions: str

    @property
    def script(self) -> str:
        """The program that its users type."""
        return str(self.programs / self.name)

    @property
    def python(self) -> str:
        """The interpreter of its environment."""
        return str(self.programs / "python")

    @property
    def environment(self) -> Mapping[str, str]:
        """The variables that it runs with: this process's, without any that configure one of the tools."""
        kept = {
            key: value
            for key, value in os.environ.items()
            if not key.startswith(("DBT_", "FSBUILD_", "PYTHON", "VIRTUAL_ENV"))
        }
        return {**kept, "DBT_SEND_ANONYMOUS_USAGE_STATS": "false", "NO_COLOR": "1"}

    @property
    def lake(self) -> str | None:
        """Where its Delta tables are, relative to the project; None where it writes a database file."""
        return f"{LAKE}/{SCHEMA}" if self.name == "fsbuild" else None


def install(name: str) -> Tool:
    """Make the environment of a tool, or find it ready.

    Raises:
        BenchmarkError: pip could not install it; its output is in the message.
    """
    folder = _VENVS / name
    requirements = {"fsbuild": [str(_ROOT)], "dbt": [*_DBT, _engine()], "feast": [*_FEAST]}[name]
    wanted = "\n".join([sys.version, *requirements, _source_digest() if name == "fsbuild" else ""])
    stamp = folder / "installed.txt"
    python = folder / "bin" / "python"
    if not stamp.is_file() or stamp.read_text(encoding="utf-8") != wanted:
        print(f"installing {name} into {folder.relative_to(_ROOT)}", file=sys.stderr)
        if stamp.is_file() and name == "fsbuild":
            stamp.unlink()
        else:
            shutil.rmtree(folder, ignore_errors=True)
            _run(sys.executable, "-m", "venv", str(folder))
        _run(str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *requirements)
        stamp.write_text(wanted, encoding="utf-8")
    versions = _run(str(python), "-c", _VERSIONS, *_SHOWN[name]).strip()
    return Tool(name, python.parent, versions)


def _engine() -> str:
    project = tomllib.loads((_ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return next(str(line) for line in project["dependencies"] if str(line).startswith("duckdb=="))


def _source_digest() -> str:
    """Digest of everything that the installed package is made of."""
    digest = hashlib.sha256()
    folders = ("fsbuild", "project_template")
    files = [_ROOT / "pyproject.toml", *(file for folder in folders for file in (_ROOT / folder).rglob("*"))]
    for file in sorted(files):
        if file.is_file() and "__pycache__" not in file.parts:
            digest.update(f"{file.relative_to(_ROOT)}\0".encode() + file.read_bytes() + b"\0")
    return digest.hexdigest()


def _run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        output = done.stdout + done.stderr
        raise BenchmarkError(f"`{' '.join(command)}` exited with {done.returncode}:\n{output}")
    return done.stdout
