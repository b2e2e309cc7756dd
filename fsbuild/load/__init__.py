"""The load stage: a project's folder in, a `Project` of values with file and line out.

The only stage that reads the project's files. All problems of a project are collected and raised together.
"""

from __future__ import annotations

from pathlib import Path

from fsbuild.errors import FsbuildError, ProjectError, in_order
from fsbuild.load.docs_blocks import OVERVIEW
from fsbuild.load.documents import Section
from fsbuild.load.nodes import read_nodes
from fsbuild.load.reading import Reading
from fsbuild.load.settings import (
    PATH_KEYS,
    PROJECT_FILES,
    Evaluate,
    Overrides,
    evaluate_configs,
    find_root,
    read_project_file,
    read_target,
)
from fsbuild.values import SCHEMA_FOLDER, Project

__all__ = ["PATH_KEYS", "PROJECT_FILES", "Evaluate", "Overrides", "find_root", "load_project"]


def load_project(root: Path, overrides: Overrides, evaluate: Evaluate) -> Project:
    """Read the project in the folder `root`; `evaluate` renders Jinja expressions inside YAML.

    Raises:
        ProjectError: files of the project are wrong; all problems at once.
        UsageError: the target that was asked for does not exist.
    """
    section, variables = read_project_file(root, overrides, evaluate)
    target = read_target(root, section, overrides, evaluate)
    section = evaluate_configs(section, target, overrides, evaluate)
    reading = Reading(root, section, target, variables, evaluate)
    try:
        nodes = read_nodes(reading)
    except FsbuildError as exc:
        raise ProjectError(in_order([*reading.problems, *exc.problems])) from exc
    if reading.problems:
        raise ProjectError(in_order(reading.problems))
    target_path = str(section.get("target-path", "target"))
    return Project(
        name=str(section.get("name")),
        root=root,
        target=target,
        target_path=target_path,
        clean_targets=tuple(section.get("clean-targets") or [target_path]),
        variables=variables,
        models=nodes.models,
        seeds=nodes.seeds,
        sources=nodes.sources,
        macros=nodes.macros,
        tests=nodes.tests,
        entities=nodes.entities,
        feature_views=nodes.feature_views,
        exposures=nodes.exposures,
        overview=reading.docs.get(OVERVIEW, ""),
        checks_gate_run=_checks_gate_run(section),
        is_of_dbt=_is_of_dbt(section),
        folders=tuple(
            dict.fromkeys(
                [SCHEMA_FOLDER, *(folder for key, default in PATH_KEYS.items() for folder in section.get(key, default))]
            )
        ),
    )


def _checks_gate_run(section: Section) -> bool:
    """Whether `run` checks before it publishes; in a project read from dbt's own file only where it is asked for."""
    flags = section.get("flags") or {}
    return not _is_of_dbt(section) or flags.get("gate") == "always"


def _is_of_dbt(section: Section) -> bool:
    return section.file == "dbt_project.yml"
