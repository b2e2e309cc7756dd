"""A rendered project in, dbt's `manifest.json` (version 12) out: what there is and how it hangs together.

Every key that dbt-core 1.11 writes is there, and no other one: what fsbuild knows beside it is in `config.meta.fsbuild`
of a node. Of macros there are the project's; those that dbt brings along are not ours to tell of.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from fsbuild.artifacts.manifest.calls import MacroNames
from fsbuild.artifacts.manifest.declared import exposure_node, source_nodes
from fsbuild.artifacts.manifest.described import Described
from fsbuild.artifacts.manifest.macros import docs_nodes, macro_nodes, read_macros
from fsbuild.artifacts.manifest.metrics import metric_nodes
from fsbuild.artifacts.manifest.nodes import analysis_nodes, disabled_node, model_node, seed_node
from fsbuild.artifacts.manifest.selectors import selector_nodes
from fsbuild.artifacts.manifest.semantics import group_nodes, saved_query_nodes, semantic_model_nodes
from fsbuild.artifacts.manifest.shapes import Entry
from fsbuild.artifacts.manifest.tests import Checked, CheckKey, check_key, primary_keys, test_nodes
from fsbuild.artifacts.manifest.unit_tests import unit_test_nodes
from fsbuild.artifacts.writing import Invocation, iso

__all__ = ["CheckKey", "Described", "check_key", "described_tests", "manifest"]

_SCHEMA = "manifest/v12"


def manifest(described: Described, invocation: Invocation) -> Entry:
    """Describe a project."""
    project = described.project
    texts = read_macros(project.macros)
    macros = MacroNames([macro.name for macro in texts], project.name)
    models = {name: model_node(described, one, macros) for name, one in described.models.items()}
    seeds = {seed.unique_id: seed_node(described, seed) for seed in project.seeds}
    ids = {node["name"]: name for name, node in (*models.items(), *seeds.items())}
    tests = _tests(described, macros)
    _tell_models_of_tests(models, [*tests.values()])
    nodes = models | _by_id(analysis_nodes(described, macros, ids)) | seeds | _by_id(tests.values())
    semantic_models = _by_id(semantic_model_nodes(described, nodes))
    metrics = _by_id(metric_nodes(described, [*semantic_models.values()]))
    found: dict[str, dict[str, Any]] = {
        "nodes": nodes,
        "sources": _by_id(source_nodes(described)),
        "macros": _by_id(macro_nodes(described, texts, macros)),
        "docs": _by_id(docs_nodes(described)),
        "exposures": {one.unique_id: exposure_node(described, one) for one in project.exposures},
        "metrics": metrics,
        "groups": _by_id(group_nodes(described)),
        "selectors": selector_nodes(described),
        "disabled": {
            model.unique_id: [disabled_node(described, model, macros)]
            for model in project.models
            if model.unique_id not in described.models
        },
        "saved_queries": _by_id(saved_query_nodes(described, [*metrics.values()])),
        "semantic_models": semantic_models,
        "unit_tests": _by_id(unit_test_nodes(described)),
        "functions": {},
    }
    return {"metadata": _metadata(described, invocation), **found, **_maps(found)}


def described_tests(described: Described) -> dict[CheckKey, Entry]:
    """Describe the tests alone, by what tells the check from others that each is."""
    macros = read_macros(described.project.macros)
    return _tests(described, MacroNames([macro.name for macro in macros], described.project.name))


def _tests(described: Described, macros: MacroNames) -> dict[CheckKey, Entry]:
    models = [one.model for one in described.models.values()]
    nodes: list[Checked] = [*models, *described.project.seeds, *described.project.sources]
    return test_nodes(described, nodes, macros)


def _metadata(described: Described, invocation: Invocation) -> Entry:
    name = described.project.name
    return invocation.metadata(_SCHEMA) | {
        "project_name": name,
        "project_id": hashlib.md5(name.encode(), usedforsecurity=False).hexdigest(),
        "user_id": None,
        "send_anonymous_usage_stats": False,
        "adapter_type": described.adapter,
        "quoting": {"database": True, "schema": True, "identifier": True, "column": None},
        "run_started_at": iso(invocation.started_at),
    }


def _by_id(entries: Iterable[Entry]) -> dict[str, Entry]:
    return {entry["unique_id"]: entry for entry in entries}


def _tell_models_of_tests(models: Mapping[str, Entry], tests: Sequence[Entry]) -> None:
    """Add what models and their tests know of each other: the primary key, and the group."""
    for name, columns in primary_keys(tests).items():
        if name in models and "primary_key" in models[name]:
            models[name]["primary_key"] = columns
    for model in models.values():
        named = [one["columns"] for one in model.get("constraints", ()) if one["type"] == "primary_key"]
        of_columns = [
            [name]
            for name, column in model["columns"].items()
            if any(one["type"] == "primary_key" for one in column["constraints"])
        ]
        if "primary_key" in model and (named or of_columns):
            model["primary_key"] = (named or of_columns)[0]
    for test in tests:
        if (node := models.get(test.get("attached_node", ""))) is not None:
            test["group"] = node["group"]


def _maps(found: Mapping[str, Mapping[str, Entry]]) -> Entry:
    """Who stands on whom, and who is in which group."""
    kinds = ("nodes", "sources", "exposures", "metrics", "semantic_models", "saved_queries", "unit_tests")
    entries = {name: entry for kind in kinds for name, entry in found[kind].items()}
    parents = {name: sorted(entry.get("depends_on", {}).get("nodes", ())) for name, entry in entries.items()}
    children: dict[str, list[str]] = {name: [] for name in entries}
    for name, above in parents.items():
        for parent in above:
            children.setdefault(parent, []).append(name)
    groups: dict[str, list[str]] = {entry["name"]: [] for entry in found["groups"].values()}
    for name, entry in entries.items():
        if entry.get("group"):
            groups.setdefault(entry["group"], []).append(name)
    children = {name: sorted(below) for name, below in children.items()}
    return {"parent_map": parents, "child_map": children, "group_map": groups}
