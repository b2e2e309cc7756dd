"""What may be written in the YAML beside models, as a JSON Schema: editors complete it, other programs check it.

It is made of the words that the loader itself reads, so that the two cannot differ in them. What a schema cannot say,
such as that a name exists, is told when a project is loaded.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from fsbuild.config import config_schema, feature_schema
from fsbuild.load.constraints import CONSTRAINT_KEYS, CONSTRAINT_TYPES
from fsbuild.load.data_tests import TEST_CONFIG_KEYS
from fsbuild.load.exposures import EXPOSURE_KEYS, EXPOSURE_TYPES
from fsbuild.load.features import ENTITY_KEYS, KEY_KEYS, VIEW_KEYS
from fsbuild.load.nodes import FILE_KEYS, MODEL_KEYS, NODE_KEYS
from fsbuild.load.reading import COLUMN_KEYS
from fsbuild.load.sources import SOURCE_KEYS, TABLE_KEYS
from fsbuild.load.unit_tests import (
    BATCH_KEYS,
    FORMATS,
    GIVEN_KEYS,
    OVERRIDE_KEYS,
    ROWS_KEYS,
    UNIT_CONFIG_KEYS,
    UNIT_TEST_KEYS,
)

Schema = dict[str, Any]
_NAMES: Schema = {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}
_MAPPING: Schema = {"type": ["object", "null"]}


def property_file_schema() -> Schema:
    """Give the JSON Schema (draft 2020-12) of the YAML files beside models, seeds and snapshots."""
    node = _object(NODE_KEYS, _described() | {"config": {"$ref": "#/$defs/config"}}, ["name"])
    snapshot = _object({*NODE_KEYS, "relation"}, node["properties"] | {"relation": {"type": "string"}}, ["name"])
    table = _object(TABLE_KEYS, _described() | {"config": _MAPPING, "external": _MAPPING}, ["name"])
    source = _object(SOURCE_KEYS, _described() | {"config": _MAPPING, "tables": _list(table)}, ["name", "tables"])
    column = _described() | {
        "data_type": {"type": ["string", "null"]},
        "quote": {"type": "boolean"},
        "constraints": _list(_constraint()),
        "pii": {"type": "boolean"},
    }
    key = _object(KEY_KEYS, {name: {"type": "string"} for name in KEY_KEYS}, ["name", "type"])
    view = _described() | {"features": feature_schema()}
    model = _object(MODEL_KEYS, node["properties"] | {"constraints": _list(_constraint())}, ["name"])
    lists = {
        "models": model,
        "seeds": node,
        "snapshots": snapshot,
        "sources": source,
        "entities": _object(ENTITY_KEYS, _described() | {"keys": _list(key)}, ["name", "keys"]),
        "feature_views": _object(VIEW_KEYS, view, ["name", "features"]),
        "unit_tests": _unit_test(),
        "exposures": _exposure(),
    }
    schema = _object(FILE_KEYS, {name: _list(item) for name, item in lists.items()})
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "fsbuild: models, seeds, snapshots, sources, entities, feature views and unit tests",
        **schema,
        "$defs": {
            "config": config_schema(),
            "column": _object(COLUMN_KEYS, column | {"config": _MAPPING, "unit": {"type": "string"}}, ["name"]),
            "test": _test(),
        },
    }


def _described() -> dict[str, Schema]:
    """The keys that all things with a name may have."""
    tests = {"type": ["array", "null"], "items": {"$ref": "#/$defs/test"}}
    return {
        "name": {"type": "string"},
        "description": {"type": ["string", "null"]},
        "columns": _list({"$ref": "#/$defs/column"}),
        "data_tests": tests,
        "tests": tests,
        "meta": _MAPPING,
        "tags": _NAMES,
    }


def _constraint() -> Schema:
    """What a contract says of rows."""
    names: Schema = {"type": "array", "items": {"type": "string"}}
    said: dict[str, Schema] = {"type": {"enum": list(CONSTRAINT_TYPES)}, "columns": names, "to_columns": names}
    return _object(CONSTRAINT_KEYS, said, ["type"])


def _test() -> Schema:
    """A test: its name alone, or its name with a mapping of arguments."""
    config = _object(TEST_CONFIG_KEYS, {"severity": {"enum": ["error", "warn", "quarantine"]}, "tags": _NAMES})
    arguments = {"type": ["object", "null"], "properties": {"config": config, "arguments": _MAPPING}}
    named = {"type": "object", "minProperties": 1, "maxProperties": 1, "additionalProperties": arguments}
    with_key = {"type": "object", "properties": {"test_name": {"type": "string"}}, "required": ["test_name"]}
    return {"anyOf": [{"type": "string"}, with_key, named]}


def _exposure() -> Schema:
    """What stands on models: a dashboard, a notebook, a model in service."""
    described = _described() | {"type": {"enum": list(EXPOSURE_TYPES)}, "owner": {"type": "object"}}
    return _object(EXPOSURE_KEYS, described, ["name", "type", "owner"])


def _unit_test() -> Schema:
    """A unit test: rows that are given and expected, once or batch by batch."""
    text: Schema = {"type": "string"}
    written: dict[str, Schema] = {
        "format": {"enum": list(FORMATS)},
        "fixture": text,
        "rows": {"type": ["array", "string"]},
    }
    given = _object(GIVEN_KEYS, {**written, "input": text, "replace": {"type": "boolean"}}, ["input"])
    tried: dict[str, Schema] = {"given": _list(given), "expect": _object(ROWS_KEYS, written)}
    batch = _object(BATCH_KEYS, {**tried, "description": text}, ["expect"])
    described = {
        **_described(),
        **tried,
        "model": text,
        "batches": _list(batch),
        "overrides": _object(OVERRIDE_KEYS, dict.fromkeys(OVERRIDE_KEYS, _MAPPING)),
        "config": _object(UNIT_CONFIG_KEYS, {"enabled": {"type": ["boolean", "string"]}, "tags": _NAMES}),
    }
    return _object(UNIT_TEST_KEYS, described, ["name", "model"])


def _object(keys: Collection[str], described: Mapping[str, Schema], required: Collection[str] = ()) -> Schema:
    """A mapping that has no other keys; what is not described may be anything."""
    properties = {key: described.get(key, {}) for key in sorted(keys)}
    schema: Schema = {"type": "object", "properties": properties, "additionalProperties": False}
    return schema | {"required": list(required)} if required else schema


def _list(items: Schema) -> Schema:
    return {"type": ["array", "null"], "items": items}
