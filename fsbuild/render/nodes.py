"""What templates can learn of nodes: `model`, `graph` and the `node` of naming macros, shaped as in dbt's manifest."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import PurePosixPath
from typing import Any

from fsbuild.render.relations import DATABASE
from fsbuild.values import Model, ModelConfig, Project, Relation, Seed, package_of

# The fields of a configuration, by the keys that a user writes.
_FIELDS = {field.metadata.get("key", field.name): field.name for field in dataclasses.fields(ModelConfig)}
_DEFAULTS: Mapping[str, Any] = {key: getattr(ModelConfig(), name) for key, name in _FIELDS.items()}


@dataclasses.dataclass(frozen=True, slots=True)
class KnownNode:
    """A model or seed with what is known of it so far; after the first rendering of all models that is everything."""

    node: Model | Seed
    config: Mapping[str, Any]
    relation: Relation
    depends_on: Sequence[str] = ()


def config_values(config: ModelConfig) -> dict[str, Any]:
    """Write a configuration as a mapping, with every key."""
    return {key: getattr(config, name) for key, name in _FIELDS.items()}


def describe_node(known: KnownNode, project: Project) -> dict[str, Any]:
    """Describe a model or a seed as dbt's manifest does, with the keys that fsbuild can answer for."""
    node, config = known.node, {**_DEFAULTS, **known.config}
    version = node.version if isinstance(node, Model) else None
    label = version.label if version is not None else None
    file = PurePosixPath(project.path_in_package(node))
    return {
        "unique_id": node.unique_id,
        "name": node.name,
        "resource_type": node.resource_type if isinstance(node, Model) else "seed",
        "package_name": package_of(node.unique_id),
        "path": "/".join(file.parts[1:]) or file.as_posix(),
        "original_file_path": file.as_posix(),
        "fqn": [package_of(node.unique_id), *file.parts[1:-1], node.name, *([f"v{label}"] if version else [])],
        "database": DATABASE,
        "schema": known.relation.schema,
        "alias": known.relation.identifier,
        "config": {key: list(value) if isinstance(value, tuple) else value for key, value in config.items()},
        "tags": list(config["tags"]) if not isinstance(config["tags"], str) else [config["tags"]],
        "meta": config["meta"],
        "description": config["description"],
        "depends_on": {"nodes": list(known.depends_on)},
        "version": label,
        "latest_version": version.latest if version is not None else None,
    }


class ProjectGraph:
    """`graph`: the models, seeds and sources of the project by unique id.

    As in dbt it is empty until `execute` is true. Then the models are known as their first rendering told them: their
    final configuration and names, and the parents that they read outside of `if execute`. Reading the graph makes
    nothing a parent.
    """

    def __init__(self, project: Project, known: Sequence[KnownNode]) -> None:
        self._project, self._known = project, known

    @cached_property
    def nodes(self) -> dict[str, dict[str, Any]]:
        """Models and seeds."""
        return {one.node.unique_id: describe_node(one, self._project) for one in self._known}

    @cached_property
    def sources(self) -> dict[str, dict[str, Any]]:
        """Tables of sources."""
        return {
            source.unique_id: {
                "unique_id": source.unique_id,
                "name": source.name,
                "resource_type": "source",
                "package_name": package_of(source.unique_id),
                "source_name": source.source_name,
                "original_file_path": source.place.file,
                "fqn": [self._project.name, source.source_name, source.name],
                "database": DATABASE,
                "schema": source.relation.schema,
                "identifier": source.relation.identifier,
                "config": {"enabled": True, "tags": list(source.tags)},
                "tags": list(source.tags),
                "description": source.description,
            }
            for source in (self._project.sources if self._known else ())
        }
