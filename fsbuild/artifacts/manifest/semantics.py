"""Groups, semantic models and saved queries in, as YAML has them; their entries in the manifest out.

Nothing is computed with them here: they are handed on, with every key that dbt gives them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from fsbuild.artifacts.manifest.calls import all_refs
from fsbuild.artifacts.manifest.columns import words
from fsbuild.artifacts.manifest.described import Described, named
from fsbuild.artifacts.manifest.metrics import where
from fsbuild.artifacts.manifest.shapes import Entry, depends_on


def group_nodes(described: Described) -> Iterator[Entry]:
    """Describe the groups."""
    for said in described.entries("groups"):
        owner, entry = said.data.get("owner") or {}, named(described, said, "group")
        del entry["fqn"]
        meta = said.config().get("meta", {})
        yield entry | {
            "owner": {"email": None, "name": None, **owner},
            "description": said.data.get("description"),
            "config": {"meta": meta},
        }


# --- semantic models -------------------------------------------------------------------------------------------------


def semantic_model_nodes(described: Described, nodes: Mapping[str, Entry]) -> Iterator[Entry]:
    """Describe the semantic models, each about one of `nodes`, by unique id."""
    ids = {node["name"]: unique_id for unique_id, node in nodes.items() if not unique_id.startswith("test.")}
    for said in described.entries("semantic_models"):
        data, config = said.data, said.config()
        refs = list(all_refs(str(data.get("model"))))
        parents = [ids[one["name"]] for one in refs if one["name"] in ids]
        yield named(described, said, "semantic_model") | {
            "model": data.get("model"),
            "node_relation": _relation(nodes[parents[0]]) if parents else None,
            "description": data.get("description"),
            "label": data.get("label"),
            "defaults": {"agg_time_dimension": None, **data["defaults"]} if data.get("defaults") else None,
            "entities": [_part(one, _ENTITY) for one in data.get("entities") or ()],
            "measures": [_measure(one) for one in data.get("measures") or ()],
            "dimensions": [_dimension(one) for one in data.get("dimensions") or ()],
            "metadata": None,
            "depends_on": depends_on(parents),
            "refs": refs,
            "created_at": described.now,
            "config": {"enabled": True, "group": None, "meta": {}, **config},
            "unrendered_config": config,
            "primary_entity": data.get("primary_entity"),
            "group": config.get("group"),
        }


def _relation(node: Entry) -> Entry:
    return {
        "alias": node["alias"],
        "schema_name": node["schema"],
        "database": node["database"],
        "relation_name": node["relation_name"],
    }


_PART: Entry = {"name": None, "type": None, "description": None, "label": None}
_ENTITY = _PART | {"role": None, "expr": None}
_DIMENSION = _PART | {"is_partition": False, "type_params": None, "expr": None, "metadata": None}
_MEASURE: Entry = {
    "name": None,
    "agg": None,
    "description": None,
    "label": None,
    "create_metric": False,
    "expr": None,
    "agg_params": None,
    "non_additive_dimension": None,
    "agg_time_dimension": None,
}
_AGG_PARAMS = {"percentile": None, "use_discrete_percentile": False, "use_approximate_percentile": False}


def _part(said: Mapping[str, Any], shape: Entry) -> Entry:
    config = {"meta": {}, **(said.get("config") or {})}
    return {**shape, **{key: value for key, value in said.items() if key in shape}, "config": config}


def _dimension(said: Mapping[str, Any]) -> Entry:
    found, params = _part(said, _DIMENSION), said.get("type_params")
    if params:
        valid = params.get("validity_params")
        valid = {"is_start": False, "is_end": False, **valid} if valid else None
        found["type_params"] = {"time_granularity": params.get("time_granularity"), "validity_params": valid}
    return found


def _measure(said: Mapping[str, Any]) -> Entry:
    found, additive = _part(said, _MEASURE), said.get("non_additive_dimension")
    found["create_metric"] = False  # it has been made, and is told among the metrics
    found["expr"] = None if found["expr"] is None else str(found["expr"])
    found["agg_params"] = {**_AGG_PARAMS, **said["agg_params"]} if said.get("agg_params") else None
    if additive:
        shape: Entry = {"name": None, "window_choice": "min", "window_groupings": []}
        found["non_additive_dimension"] = {**shape, **additive}
    return found


# --- saved queries ---------------------------------------------------------------------------------------------------


def saved_query_nodes(described: Described, metrics: Sequence[Entry]) -> Iterator[Entry]:
    """Describe the saved queries."""
    known = {one["name"]: one["unique_id"] for one in metrics}
    for said in described.entries("saved_queries"):
        data, config, asked = said.data, said.config(), said.data.get("query_params") or {}
        yield named(described, said, "saved_query") | {
            "query_params": {
                "metrics": list(asked.get("metrics") or ()),
                "group_by": list(asked.get("group_by") or ()),
                "where": where(asked.get("where")),
                "order_by": list(asked.get("order_by") or ()),
                "limit": asked.get("limit"),
            },
            "exports": [_export(described, one) for one in data.get("exports") or ()],
            "description": data.get("description"),
            "label": data.get("label"),
            "metadata": None,
            "config": {
                "enabled": True,
                "group": None,
                "meta": {},
                "export_as": None,
                "schema": None,
                "cache": {"enabled": False},
                **config,
            },
            "unrendered_config": config,
            "group": config.get("group"),
            "depends_on": depends_on([known[name] for name in asked.get("metrics") or () if name in known]),
            "created_at": described.now,
            "refs": [],
            "tags": list(words(data.get("tags"))),
        }


def _export(described: Described, said: Mapping[str, Any]) -> Entry:
    config = said.get("config") or {}
    return {
        "name": said.get("name"),
        "config": {
            "export_as": config.get("export_as"),
            "schema_name": config.get("schema") or config.get("schema_name") or described.project.target.schema,
            "alias": config.get("alias") or said.get("name"),
            "database": config.get("database") or described.database,
        },
        "unrendered_config": {key: str(value) for key, value in config.items()},
    }
