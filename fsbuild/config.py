"""A node's configuration: the layers that a user wrote -> one `ModelConfig`, or the problems with them.

The keys are the fields of `values.ModelConfig`; nothing else is accepted, so a typing mistake is never ignored.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import json
import re
import types
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from fsbuild.batches import parse_moment
from fsbuild.durations import parse_duration
from fsbuild.errors import Place, Problem, suggest
from fsbuild.feature_requests import REFERENCE_KEYS, RequestError, parse_features
from fsbuild.values import FeatureReference, ModelConfig

# Keys that dbt knows and that change nothing about what fsbuild computes or publishes.
WITHOUT_EFFECT = frozenset({"access", "docs", "grants", "group", "persist_docs", "quote_columns", "target_database"})
_FOLDER_NAME = re.compile(r"\w[\w.-]*")
_ADDED = frozenset({"tags"})
_HOOKS = frozenset({"pre_hook", "post_hook"})
# dbt's other names of keys.
_OTHER_NAMES = {"pre-hook": "pre_hook", "post-hook": "post_hook", "invalidate_hard_deletes": "hard_deletes"}
_MERGED = frozenset({"meta", "contract", "column_types", "docs", "snapshot_meta_column_names", "request"})
_KINDS: Mapping[Any, tuple[Any, str]] = {
    bool: (bool, "true or false"),
    int: (int, "a whole number"),
    str: (str | int | float, "a text"),
}
# The engine's own schemas and databases, and the schema in which the rows of a run are staged.
_RESERVED = frozenset({"information_schema", "pg_catalog", "temp", "system", "memory", "fsbuild_staging"})
# What may stand in the place of any value: nothing, or a Jinja expression.
_ANYTHING = ({"type": "null"}, {"type": "string", "pattern": r"\{\{"})
_FIELDS = {field.metadata.get("key", field.name): field for field in dataclasses.fields(ModelConfig)}
_TYPES = get_type_hints(ModelConfig)


def folder_mistake(name: str) -> str | None:
    """Say why a schema or a table, which are folders of the lake, cannot have a name; None where it can.

    >>> folder_mistake("../x")
    "has characters that cannot be a folder's name"
    """
    if not _FOLDER_NAME.fullmatch(name):
        return "has characters that cannot be a folder's name"
    return "is the folder of a Delta table's log" if name == "_delta_log" else None


def is_reserved(schema: str) -> bool:
    """Whether the engine keeps the name of a schema for itself."""
    return schema.lower() in _RESERVED


def is_config_key(key: str) -> bool:
    """Whether a word is a configuration key, written with or without its `+`."""
    name = key.removeprefix("+")
    return name in _FIELDS or name in WITHOUT_EFFECT or name in _OTHER_NAMES


def key_problem(key: str, place: Place) -> Problem | None:
    """Say what is wrong with a configuration key, or None."""
    if is_config_key(key):
        return None
    name = key.removeprefix("+")
    hint = suggest(name, _FIELDS)
    return Problem(f"unknown config '{key}'", place, hint=hint, is_minor=True)


def merge_layers(layers: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Merge configuration layers, the weakest first: tags add up, mappings merge, anything else is replaced."""
    merged: dict[str, Any] = {}
    for layer in layers:
        for written, value in layer.items():
            key, value = _renamed(str(written).removeprefix("+"), value)  # noqa: PLW2901 - by today's name
            if key in _HOOKS:
                merged[key] = [*merged.get(key, []), *hook_texts(value)]
            elif key in _ADDED:
                merged[key] = [*merged.get(key, []), *_words(value)]
            elif key in _MERGED and isinstance(value, Mapping):
                below = merged.get(key) or {}
                # What is no mapping stays, for `parse_config` to report: a stronger layer does not hide a mistake.
                merged[key] = {**below, **value} if isinstance(below, Mapping) else below
            else:
                merged[key] = value
    return merged


def _renamed(name: str, value: Any) -> tuple[str, Any]:  # noqa: ANN401 - YAML holds anything
    """A configuration by the name and the value that dbt gives it today."""
    if name == "invalidate_hard_deletes":
        return "hard_deletes", "invalidate" if value else "ignore"
    return _OTHER_NAMES.get(name, name), value


def hook_texts(written: object) -> list[object]:
    """The SQL of hooks: a text, a mapping with `sql`, one of these as JSON, or a list of them."""
    if isinstance(written, list | tuple):
        return [text for one in written for text in hook_texts(one)]
    if isinstance(written, str) and written.lstrip().startswith('{"'):
        with contextlib.suppress(ValueError):
            written = json.loads(written)
    return [written["sql"] if isinstance(written, Mapping) and "sql" in written else written]


def parse_config(raw: Mapping[str, Any], place_of: Callable[[str], Place]) -> tuple[ModelConfig, tuple[Problem, ...]]:
    """Turn merged configuration into a `ModelConfig`; keys with a problem keep their default.

    `place_of` gives the place where a key was written.
    """
    values: dict[str, Any] = {}
    problems: list[Problem] = []
    for key, value in raw.items():
        if key in WITHOUT_EFFECT or value is None:
            continue
        if (unknown := key_problem(key, place_of(key))) is not None:
            problems.append(unknown)
            continue
        try:
            values[_FIELDS[key].name] = _parse_value(key, value)
        except RequestError as exc:
            problems.append(Problem(f"config '{key}': {exc.message}", place_of(key), hint=exc.hint))
        except ValueError as exc:
            problems.append(Problem(f"config '{key}' is {value!r}, {exc}", place_of(key)))
    return ModelConfig(**values), tuple(problems)


def config_schema() -> dict[str, Any]:
    """What `parse_config` reads, as a JSON Schema; a text with a Jinja expression may stand for anything."""
    properties = {
        key: {"description": field.metadata["doc"], "anyOf": [_schema_of(_TYPES[field.name]), *_ANYTHING]}
        for key, field in _FIELDS.items()
    }
    known = "|".join((*_FIELDS, *sorted(WITHOUT_EFFECT)))
    return {
        "type": ["object", "null"],
        "properties": properties,
        "patternProperties": {f"^\\+?({known})$": {}},
        "additionalProperties": False,
    }


def feature_schema() -> dict[str, Any]:
    """What `parse_features` reads, as a JSON Schema."""
    names = {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}
    renamed = {"type": "object", "additionalProperties": {"type": "string"}}
    kinds: Mapping[str, Any] = {
        "model": {"type": "string"},
        "columns": names,
        "keys": renamed,
        "rename": renamed,
        "exclusive": {"type": "boolean"},
    }
    properties = {key: kinds.get(key, {"type": "string"}) for key in REFERENCE_KEYS}
    mapping = {"type": "object", "properties": properties, "required": ["model"], "additionalProperties": False}
    feature = {"anyOf": [{"type": "string"}, mapping]}
    return {"anyOf": [feature, {"type": "array", "items": feature, "minItems": 1}]}


def _parse_value(key: str, value: Any) -> Any:  # noqa: ANN401 - YAML holds anything
    if key == "begin" and isinstance(value, dt.date):
        value = value.isoformat()  # YAML reads 2013-01-01 as a date
    parsed = _coerce(value, _TYPES[_FIELDS[key].name])
    if key == "begin":
        try:
            parse_moment(parsed)
        except ValueError:
            raise ValueError("not a date or a time such as 2013-01-31 or 2013-01-31 06:00") from None
    if key == "ttl":
        parse_duration(parsed)
    if key == "drift":
        _check_drift(parsed)
    if key == "contract":
        _check_contract(parsed)
    if key == "lookback" and parsed < 0:
        raise ValueError("less than 0")
    if key == "delimiter" and (len(parsed) != 1 or parsed in '"\r\n'):
        raise ValueError("not one character that can stand between fields")
    if key in ("schema", "target_schema", "alias") and (mistake := folder_mistake(parsed)) is not None:
        raise ValueError(f"which {mistake}; use letters, digits, '_', '-' and '.'")
    return parsed


def _schema_of(kind: Any) -> dict[str, Any]:  # noqa: ANN401 - what a type annotation can be
    origin = get_origin(kind)
    if origin in (Union, types.UnionType):
        return _schema_of(next(arg for arg in get_args(kind) if arg is not type(None)))
    if origin is Literal:
        return {"enum": list(get_args(kind))}
    if origin is tuple and get_args(kind)[0] is FeatureReference:
        return feature_schema()
    if origin is tuple:
        return {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}
    if origin is Mapping:
        texts = {"additionalProperties": {"type": "string"}} if get_args(kind)[1] is str else {}
        return {"type": "object", **texts}
    return {"type": {bool: "boolean", int: "integer", str: ["string", "number"]}[kind]}


def _check_drift(limits: Mapping[str, Any]) -> None:
    for name, limit in limits.items():
        if name == "severity":
            if limit not in ("warn", "error"):
                raise ValueError("whose severity is neither warn nor error")
        elif name not in ("psi", "ks", "js"):
            raise ValueError(f"and '{name}' is none of psi, ks, js and severity")
        elif isinstance(limit, bool) or not isinstance(limit, int | float) or limit < 0:
            raise ValueError(f"and the limit of {name} is no number from 0 on")


def _check_contract(written: Mapping[str, Any]) -> None:
    for name, value in written.items():
        if name not in ("enforced", "alias_types"):
            raise ValueError(f"and '{name}' is neither enforced nor alias_types")
        if not isinstance(value, bool):
            raise ValueError(f"whose '{name}' is neither true nor false")  # noqa: TRY004 - worded by the caller


def _coerce(value: Any, kind: Any) -> Any:  # noqa: ANN401 - YAML holds anything
    """Convert a YAML value to a field's type; a ValueError's text completes the sentence `config 'x' is 3, …`."""
    origin = get_origin(kind)
    if origin in (Union, types.UnionType):
        return _coerce(value, next(arg for arg in get_args(kind) if arg is not type(None)))
    if origin is Literal:
        if value not in get_args(kind):
            hint = suggest(str(value), get_args(kind))
            raise ValueError(f"not one of {', '.join(get_args(kind))}" + (f"; {hint}" if hint else ""))
        return value
    if origin is tuple and get_args(kind)[0] is FeatureReference:
        return parse_features(value)
    if origin is tuple:
        return tuple(dict.fromkeys(_words(value)))
    if origin is Mapping:
        return _coerce_mapping(value, get_args(kind)[1])
    expected, described = _KINDS[kind]
    # True is an int to Python, but no text to whoever wrote it.
    if not isinstance(value, expected) or (isinstance(value, bool) and kind is not bool):
        raise ValueError(f"not {described}")
    return value if kind in (bool, int) else str(value)


def _coerce_mapping(value: Any, kind: Any) -> dict[str, Any]:  # noqa: ANN401 - YAML holds anything
    if not isinstance(value, Mapping):
        raise ValueError("not a mapping of names to values")  # noqa: TRY004 - the caller words all of these alike
    if kind is str and not all(isinstance(text, str) for text in value.values()):
        raise ValueError("not a mapping of names to texts")
    return {str(name): item for name, item in value.items()}


def _words(value: Any) -> list[str]:  # noqa: ANN401 - YAML holds anything
    if isinstance(value, str):
        return [value]
    if isinstance(value, list | tuple) and all(isinstance(word, str) for word in value):
        return list(value)
    raise ValueError("not a name or a list of names")
