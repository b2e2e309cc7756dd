"""A node with its description in, the line that `fsbuild ls` prints of it out; as in dbt."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from fsbuild.values import GraphNode

# Of what has a selector of its own: `exposure:shop.weekly`.
_PREFIXED = frozenset({"exposure", "metric", "saved_query", "semantic_model", "unit_test"})
_KEYS = frozenset({"alias", "name", "package_name", "depends_on", "tags", "config", "resource_type", "source_name"})
_KEYS |= {"original_file_path", "unique_id"}


def listed(node: GraphNode, output: str, keys: Sequence[str] = ()) -> str:
    """Print a node as what selects it (`selector`), as its `name`, `path`, or as `json` with some keys or dbt's ten."""
    if output == "json":
        return json.dumps(_chosen(node.entry, keys))
    if output == "path":
        return node.path
    if output == "name":
        version = node.entry.get("version")
        name = node.name if version is None else f"{node.name}.v{version}"
        return f"{node.source_name}.{node.name}" if node.resource_type == "source" else name
    if node.resource_type == "source":
        return f"source:{node.fqn[0]}.{node.source_name}.{node.name}"
    if node.resource_type == "unit_test":  # which of a model's versions it is about stands in its id alone
        return f"unit_test:{node.fqn[0]}.{node.unique_id.rpartition('.')[2]}"
    return f"{node.resource_type}:{node.fqn[0]}.{node.name}" if node.resource_type in _PREFIXED else ".".join(node.fqn)


def _chosen(entry: Mapping[str, Any], keys: Sequence[str]) -> dict[str, Any]:
    if not keys:
        return {key: value for key, value in entry.items() if key in _KEYS}
    found = {}
    for key in keys:
        value: Any = entry
        for part in key.split("."):
            value = value.get(part) if isinstance(value, Mapping) else None
        if value is not None or key in entry:
            found[key] = value
    return found
