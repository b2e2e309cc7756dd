"""The load stage: a project's folder in, a `Project` of values with file and line out.

The only stage that reads the project's files. All problems of a project are collected and raised together.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from fsbuild.errors import FsbuildError, Problem, ProjectError, in_order, serious
from fsbuild.load.data_tests import NodeNames
from fsbuild.load.docs_blocks import OVERVIEW
from fsbuild.load.documents import Section, parse_yaml, read_text
from fsbuild.load.nodes import Nodes, read_nodes
from fsbuild.load.packages import (
    INSTALL_PATH,
    PACKAGE_FILES,
    ReadPackage,
    declared_packages,
    install_folder,
    package_folders,
    package_name,
    read_package,
    run_hooks,
)
from fsbuild.load.reading import Reading
from fsbuild.load.settings import (
    PATH_KEYS,
    PROJECT_FILES,
    Evaluate,
    Overrides,
    evaluate_configs,
    find_root,
    home_profiles,
    read_project_file,
    read_target,
)
from fsbuild.values import SCHEMA_FOLDER, Project, YamlFile

__all__ = [
    "INSTALL_PATH",
    "PACKAGE_FILES",
    "PATH_KEYS",
    "PROJECT_FILES",
    "SELECTOR_FILE",
    "Evaluate",
    "Overrides",
    "declared_packages",
    "find_root",
    "home_profiles",
    "install_folder",
    "load_project",
]


SELECTOR_FILE = "selectors.yml"


def load_project(root: Path, overrides: Overrides, evaluate: Evaluate) -> Project:
    """Read the project in the folder `root`; `evaluate` renders Jinja expressions inside YAML.

    Raises:
        ProjectError: files of the project are wrong; all problems at once.
        UsageError: the target that was asked for does not exist.
    """
    section, variables = read_project_file(root, overrides, evaluate)
    target = read_target(root, section, overrides, evaluate)
    written = parse_yaml(read_text(root / section.file, section.file), section.file).data
    section = evaluate_configs(section, target, overrides, evaluate)
    folders = package_folders(root)
    names = frozenset(package_name(folder) for folder in folders)
    reading = Reading(root, section, target, variables, evaluate, packages=names)
    known, packages = NodeNames({}, {}, ""), list[ReadPackage]()
    try:
        for folder in folders:
            packages.append(read_package(root, folder, reading, overrides, evaluate, known))
            known = packages[-1].nodes.names
        nodes = read_nodes(reading, known)
    except FsbuildError as exc:
        raise ProjectError(in_order([*reading.problems, *exc.problems])) from exc
    is_of_dbt = section.file == "dbt_project.yml"
    if stopping := serious(reading.problems, is_lenient=is_of_dbt):
        raise ProjectError(stopping)
    target_path = str(section.get("target-path", "target"))
    return Project(
        name=str(section.get("name")),
        root=root,
        target=target,
        target_path=target_path,
        clean_targets=tuple(section.get("clean-targets") or [target_path]),
        variables=variables,
        models=_all(packages, nodes, "models"),
        seeds=_all(packages, nodes, "seeds"),
        sources=_all(packages, nodes, "sources"),
        macros=_all(packages, nodes, "macros"),
        tests=_all(packages, nodes, "tests"),
        entities=_all(packages, nodes, "entities"),
        feature_views=_all(packages, nodes, "feature_views"),
        exposures=_all(packages, nodes, "exposures"),
        overview=reading.docs.get(OVERVIEW, ""),
        checks_gate_run=not is_of_dbt or (section.get("flags") or {}).get("gate") == "always",
        is_of_dbt=is_of_dbt,
        settings=YamlFile(section.file, section.data, written),
        documents=(*reading.yaml_files, *_selectors(root)),
        docs_blocks=tuple(reading.docs_blocks),
        analyses=nodes.analyses,
        folders=tuple(
            dict.fromkeys(
                [
                    SCHEMA_FOLDER,
                    *(folder for key, default in PATH_KEYS.items() for folder in section.get(key, default)),
                    *(one.package.folder for one in packages),
                ]
            )
        ),
        packages={one.package.name: one.package for one in packages},
        dispatch=_dispatch(section),
        on_run_start=(*(hook for one in packages for hook in one.on_run_start), *run_hooks(section, "on-run-start")),
        on_run_end=(*(hook for one in packages for hook in one.on_run_end), *run_hooks(section, "on-run-end")),
    )


def _all(packages: Iterable[ReadPackage], nodes: Nodes, kind: str) -> tuple[Any, ...]:
    """What packages have of a kind, and behind it what the project itself has."""
    return tuple(one for each in (*(package.nodes for package in packages), nodes) for one in getattr(each, kind))


def _dispatch(section: Section) -> dict[str, tuple[str, ...]]:
    """The packages that a dispatch looks through, by the package that it names."""
    problems: list[Problem] = []
    found = {
        str(entry.get("macro_namespace")): tuple(entry.get("search_order", ()))
        for entry in section.items_of("dispatch", problems)
    }
    if problems:
        raise ProjectError(problems)
    return found


def _selectors(root: Path) -> Iterator[YamlFile]:
    """The file of selectors, whose Jinja nobody evaluates here."""
    if (root / SELECTOR_FILE).is_file():
        data = parse_yaml(read_text(root / SELECTOR_FILE, SELECTOR_FILE), SELECTOR_FILE).data
        yield YamlFile(SELECTOR_FILE, data, data)
