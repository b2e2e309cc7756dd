"""Groups, semantic models, metrics and saved queries in, as YAML has them; their entries in the manifest out.

Nothing is computed with them here: they are handed on, with every key that dbt gives them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from fsbuild.artifacts.manifest.calls import all_refs
from fsbuild.artifacts.manifest.columns import words
from fsbuild.artifacts.manifest.described import Described, Said
from fsbuild.artifacts.manifest.shapes import Entry, depends_on

_STANDARD_GRAINS = (
    *("nanosecond", "microsecond", "millisecond", "second", "minute", "hour", "day", "week", "month", "quarter"),
    "year",
)


def group_nodes(described: Described) -> Iterator[Entry]:
    """Describe the groups."""
    for said in described.entries("groups"):
        owner, named = said.data.get("owner") or {}, _named(described, said, "group")
        named.pop("fqn")
        meta = said.config().get("meta", {})
        yield named | {
            "owner": {"email": None, "name": None, **owner},
            "description": said.data.get("description"),
            "config": {"meta": meta},
        }


def _named(described: Described, said: Said, kind: str) -> Entry:
    """What everything that YAML declares has."""
    name, project, path = str(said.data.get("name")), described.project.name, described.yaml_path(said.file.path)
    return {
        "name": name,
        "resource_type": kind,
        "package_name": project,
        "path": path,
        "original_file_path": said.file.path,
        "unique_id": f"{kind}.{project}.{name}",
        "fqn": [project, *PurePosixPath(path).parts[:-1], name],
    }


# --- semantic models -------------------------------------------------------------------------------------------------


def semantic_model_nodes(described: Described, nodes: Mapping[str, Entry]) -> Iterator[Entry]:
    """Describe the semantic models, each about one of `nodes`, by unique id."""
    ids = {node["name"]: unique_id for unique_id, node in nodes.items() if not unique_id.startswith("test.")}
    for said in described.entries("semantic_models"):
        data, config = said.data, said.config()
        refs = list(all_refs(str(data.get("model"))))
        parents = [ids[one["name"]] for one in refs if one["name"] in ids]
        yield _named(described, said, "semantic_model") | {
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
    found["expr"] = None if found["expr"] is None else str(found["expr"])
    found["agg_params"] = {**_AGG_PARAMS, **said["agg_params"]} if said.get("agg_params") else None
    if additive:
        shape: Entry = {"name": None, "window_choice": "min", "window_groupings": []}
        found["non_additive_dimension"] = {**shape, **additive}
    return found


# --- metrics ---------------------------------------------------------------------------------------------------------


def metric_nodes(described: Described, semantic_models: Sequence[Entry]) -> Iterator[Entry]:
    """Describe the metrics, with those that measures make of themselves."""
    measures = {one["name"]: model["unique_id"] for model in semantic_models for one in model["measures"]}
    written = list(described.entries("metrics"))
    made = [
        Said(said.file, _of_measure(one), _of_measure(one))
        for said in described.entries("semantic_models")
        for one in said.data.get("measures") or ()
        if one.get("create_metric")
    ]
    nodes = {str(said.data.get("name")): _metric(described, said) for said in (*made, *written)}
    for node in nodes.values():
        inputs = _inputs(node)
        params = node["type_params"]
        params["input_measures"] = _input_measures(node, nodes)
        used = [measures.get(one["name"]) for one in _measures_of(params)]
        parents = [f"metric.{described.project.name}.{name}" for name in inputs if name in nodes]
        node["depends_on"] = depends_on(dict.fromkeys([*(one for one in used if one), *parents]))
        yield node


def _of_measure(measure: Mapping[str, Any]) -> Entry:
    name = measure.get("name")
    described = measure.get("description") or f"Metric created from measure {name}"
    return {
        "name": name,
        "label": measure.get("label") or name,
        "type": "simple",
        "description": described,
        "type_params": {"measure": name, "expr": measure.get("expr") or name},
    }


def _metric(described: Described, said: Said) -> Entry:
    data, config = said.data, said.config()
    kind, params = str(data.get("type")).lower(), data.get("type_params") or {}
    meta = config.get("meta", {})
    return _named(described, said, "metric") | {
        "description": said.description,
        "label": data.get("label"),
        "type": kind,
        "type_params": _type_params(kind, params),
        "filter": _where(data.get("filter")),
        "metadata": None,
        "time_granularity": data.get("time_granularity"),
        "meta": meta,
        "tags": list(words(data.get("tags"))),
        "config": {"enabled": True, "group": config.get("group"), "meta": meta},
        "unrendered_config": data.get("config") or {},
        "sources": [],
        "depends_on": depends_on(),
        "refs": [],
        "metrics": [],
        "created_at": described.now,
        "group": config.get("group"),
    }


def _type_params(kind: str, said: Mapping[str, Any]) -> Entry:
    expression, conversion = said.get("expr"), said.get("conversion_type_params")
    cumulative = said.get("cumulative_type_params") or {}
    return {
        "measure": _input_measure(said.get("measure")),
        "input_measures": [],
        "numerator": _input_metric(said.get("numerator")),
        "denominator": _input_metric(said.get("denominator")),
        "expr": None if expression is None else str(expression),
        "window": _window(said.get("window")),
        "grain_to_date": said.get("grain_to_date"),
        "metrics": [_input_metric(one) for one in said.get("metrics") or ()],
        "conversion_type_params": {
            "base_measure": _input_measure(conversion.get("base_measure")),
            "conversion_measure": _input_measure(conversion.get("conversion_measure")),
            "entity": conversion.get("entity"),
            "calculation": conversion.get("calculation", "conversion_rate"),
            "window": _window(conversion.get("window")),
            "constant_properties": conversion.get("constant_properties"),
        }
        if conversion
        else None,
        "cumulative_type_params": {
            "window": _window(cumulative.get("window") or said.get("window")),
            "grain_to_date": cumulative.get("grain_to_date") or said.get("grain_to_date"),
            "period_agg": cumulative.get("period_agg") or "first",
            "metric": None,
        }
        if kind == "cumulative"
        else None,
        "metric_aggregation_params": None,
    }


def _input_measure(said: object) -> Entry | None:
    if said is None:
        return None
    given = said if isinstance(said, dict) else {"name": said}
    return {
        "name": given.get("name"),
        "filter": _where(given.get("filter")),
        "alias": given.get("alias"),
        "join_to_timespine": given.get("join_to_timespine", False),
        "fill_nulls_with": given.get("fill_nulls_with"),
    }


def _input_metric(said: object) -> Entry | None:
    if said is None:
        return None
    given = said if isinstance(said, dict) else {"name": said}
    return {
        "name": given.get("name"),
        "filter": _where(given.get("filter")),
        "alias": given.get("alias"),
        "offset_window": _window(given.get("offset_window")),
        "offset_to_grain": given.get("offset_to_grain"),
    }


def _window(said: object) -> Entry | None:
    """Read `7 days`."""
    if not isinstance(said, str):
        return None
    count, _, grain = said.strip().lower().partition(" ")
    grain = grain.strip()
    grain = grain[:-1] if grain.endswith("s") and grain[:-1] in _STANDARD_GRAINS else grain
    return {"count": int(count) if count.isdigit() else 0, "granularity": grain}


def _where(said: object) -> Entry | None:
    """One filter, or all of several."""
    if said is None:
        return None
    return {"where_filters": [{"where_sql_template": one} for one in words(said)]}


def _measures_of(params: Entry) -> list[Entry]:
    conversion = params["conversion_type_params"] or {}
    found = (params["measure"], conversion.get("base_measure"), conversion.get("conversion_measure"))
    return [one for one in found if one is not None]


def _inputs(node: Entry) -> list[str]:
    """The metrics that a metric is made of."""
    params = node["type_params"]
    found = [params["numerator"], params["denominator"], *params["metrics"]]
    return [one["name"] for one in found if one is not None]


def _input_measures(node: Entry, nodes: Mapping[str, Entry], above: tuple[str, ...] = ()) -> list[Entry]:
    """The measures that a metric is made of, over other metrics."""
    found = _measures_of(node["type_params"])
    for name in _inputs(node):
        if name in nodes and name not in above:
            found += _input_measures(nodes[name], nodes, (*above, name))
    return [one for at, one in enumerate(found) if one not in found[:at]]


# --- saved queries ---------------------------------------------------------------------------------------------------


def saved_query_nodes(described: Described, metrics: Sequence[Entry]) -> Iterator[Entry]:
    """Describe the saved queries."""
    known = {one["name"]: one["unique_id"] for one in metrics}
    for said in described.entries("saved_queries"):
        data, config, asked = said.data, said.config(), said.data.get("query_params") or {}
        yield _named(described, said, "saved_query") | {
            "query_params": {
                "metrics": list(asked.get("metrics") or ()),
                "group_by": list(asked.get("group_by") or ()),
                "where": _where(asked.get("where")),
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
