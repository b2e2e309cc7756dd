"""Metrics in, as YAML has them, and those that measures make of themselves; their entries in the manifest out.

Nothing is computed with them here: they are handed on, with every key that dbt gives them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from fsbuild.artifacts.manifest.columns import words
from fsbuild.artifacts.manifest.described import Described, Said, named
from fsbuild.artifacts.manifest.shapes import Entry, depends_on

_STANDARD_GRAINS = (
    *("nanosecond", "microsecond", "millisecond", "second", "minute", "hour", "day", "week", "month", "quarter"),
    "year",
)


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
        "config": {"enabled": True, "meta": (measure.get("config") or {}).get("meta", {})},
    }


def _metric(described: Described, said: Said) -> Entry:
    data, config = said.data, said.config()
    kind, params = str(data.get("type")).lower(), data.get("type_params") or {}
    meta = config.get("meta", {})
    return named(described, said, "metric") | {
        "description": said.description,
        "label": data.get("label"),
        "type": kind,
        "type_params": _type_params(kind, params),
        "filter": where(data.get("filter")),
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
        "filter": where(given.get("filter")),
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
        "filter": where(given.get("filter")),
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


def where(said: object) -> Entry | None:
    """One filter, or all of several."""
    if said is None:
        return None
    return {"where_filters": [{"where_sql_template": one} for one in words(said)]}
