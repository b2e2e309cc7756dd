"""The packages of a project in, which are projects of their own below `dbt_packages/`, their nodes and macros out.

A package is read as the project is, but for what the project's own file says of it, which is stronger: configurations
below the package's name, and variables, of which those below its name are strongest.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from fsbuild.config import hook_texts
from fsbuild.errors import Problem, ProjectError
from fsbuild.load.data_tests import NodeNames
from fsbuild.load.documents import Section, parse_yaml, read_text
from fsbuild.load.nodes import Nodes, read_nodes
from fsbuild.load.reading import Reading
from fsbuild.load.settings import PROJECT_FILES, Evaluate, Overrides, evaluate_configs, read_project_file
from fsbuild.values import Package, SourceFile

PACKAGE_FILES = ("packages.yml", "dependencies.yml")
INSTALL_PATH = "dbt_packages"


@dataclass(frozen=True, slots=True)
class ReadPackage:
    """A package with its nodes."""

    package: Package
    nodes: Nodes
    on_run_start: tuple[SourceFile, ...] = ()
    on_run_end: tuple[SourceFile, ...] = ()


def install_folder(root: Path) -> Path:
    """The folder that packages are installed into: `packages-install-path` of the project file.

    Raises:
        ProjectError: that file is not as it should be.
    """
    file = next(name for name in PROJECT_FILES if (root / name).is_file())
    return root / str(parse_yaml(read_text(root / file, file), file).get("packages-install-path", INSTALL_PATH))


def declared_packages(root: Path) -> Iterator[Section]:
    """The entries of `packages:` in packages.yml or dependencies.yml.

    Raises:
        ProjectError: a file is not as it should be.
    """
    for name in PACKAGE_FILES:
        if (root / name).is_file():
            section, problems = parse_yaml(read_text(root / name, name), name), list[Problem]()
            yield from section.items_of("packages", problems)
            if problems:
                raise ProjectError(problems)


def package_folders(root: Path) -> list[Path]:
    """The folders of the packages that are installed.

    Raises:
        ProjectError: fewer are installed than are declared.
    """
    folder = install_folder(root)
    found = sorted(file.parent for name in PROJECT_FILES for file in folder.glob(f"*/{name}"))
    declared = list(declared_packages(root))
    if len(found) < len(declared):
        shown = folder.relative_to(root).as_posix()
        message = f"{len(declared)} packages are declared, and {shown}/ has {len(found)}"
        raise ProjectError(Problem(message, declared[0].place, hint="run 'fsbuild deps'"))
    return found


def read_package(  # noqa: PLR0913 - what reading a project needs, and what is above it
    root: Path, folder: Path, above: Reading, overrides: Overrides, evaluate: Evaluate, others: NodeNames
) -> ReadPackage:
    """Read a package; problems are added to those of the project `above`."""
    shown = folder.relative_to(root).as_posix()
    section, own = read_project_file(folder, overrides, evaluate, f"{shown}/")
    section = evaluate_configs(section, above.target, overrides, evaluate)
    name = str(section.get("name"))
    variables = package_variables(name, own, above.project, overrides)
    reading = Reading(
        folder,
        section,
        above.target,
        variables,
        evaluate,
        base=root,
        above=above.project,
        packages=above.packages,
        problems=above.problems,
        yaml_files=above.yaml_files,
    )
    nodes = read_nodes(reading, others)
    hooks = (run_hooks(section, key, name) for key in ("on-run-start", "on-run-end"))
    return ReadPackage(Package(name, shown, variables), nodes, *hooks)


def run_hooks(project: Section, key: str, package: str = "") -> tuple[SourceFile, ...]:
    """The SQL that a project file has for the start or the end of runs."""
    return tuple(
        SourceFile(project.file, text, package) for text in hook_texts(project.get(key, [])) if isinstance(text, str)
    )


def package_variables(
    name: str, own: Mapping[str, object], project: Section, overrides: Overrides
) -> dict[str, object]:
    """The variables of a package, of the project that uses it, of that project for the package, of the call."""
    above = project.get("vars") or {}
    scoped = above.get(name)
    whole = {
        key: value
        for key, value in above.items()
        if not isinstance(value, dict) or key not in (name, project.get("name"))
    }
    return {**own, **whole, **(scoped if isinstance(scoped, dict) else {}), **(overrides.variables or {})}


def package_name(folder: Path) -> str:
    """The name of the package in a folder, as its project file says."""
    file = next(folder / name for name in PROJECT_FILES if (folder / name).is_file())
    return str(parse_yaml(read_text(file, file.name), file.name).get("name"))
