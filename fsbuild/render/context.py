"""What a model's template can call: dbt's names, with dbt's meanings.

A `ModelContext` is made for one rendering of one model. What the template tells (its configuration, what it reads) is
noted there and read by `render`. "Now" is the start of the run, so one run sees one moment.
"""

from __future__ import annotations

import ast
import datetime as dt
import hashlib
import itertools
import json
import logging
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import yaml

from fsbuild.errors import suggest
from fsbuild.render.nodes import ProjectGraph
from fsbuild.render.relations import DATABASE, TemplateRelation
from fsbuild.values import FeatureView, Join, Pin, Relation, Target
from fsbuild.version import DBT_VERSION

log = logging.getLogger("fsbuild.jinja")


class TemplateError(Exception):
    """A template did something wrong that only its text can put right."""

    def __init__(self, message: str, hint: str | None = None) -> None:
        self.message, self.hint = message, hint
        super().__init__(message)


class MacroReturn(Exception):  # noqa: N818 - not an error: how `return(value)` leaves a macro
    """Carries the value of `{{ return(value) }}` out of a macro."""

    def __init__(self, value: object) -> None:
        self.value = value
        super().__init__()


@dataclass(frozen=True, slots=True)
class Names:
    """The relations that a project's templates can refer to, with their unique ids."""

    project: str
    nodes: Mapping[str, tuple[str, Relation]]
    sources: Mapping[tuple[str, str], tuple[str, Relation]]
    disabled: frozenset[str] = frozenset()
    # The column that says when a row was true, by unique id, of nodes that have one.
    event_times: Mapping[str, str] = field(default_factory=dict)
    feature_views: Mapping[str, FeatureView] = field(default_factory=dict)
    # The models whose features a model on demand is computed from, by its name.
    computed: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(slots=True)
class ModelContext:
    """One rendering of one template: what it may see, and what it has told so far."""

    names: Names
    variables: Mapping[str, object]
    this: Relation
    config: Mapping[str, Any]
    model: Mapping[str, Any]
    graph: ProjectGraph
    is_executing: bool
    is_incremental: bool
    told_config: dict[str, Any] = field(default_factory=dict)
    depends_on: dict[str, None] = field(default_factory=dict)
    pins: dict[str, Pin] = field(default_factory=dict)
    # Whether the template is that of one batch, which reads the batch's rows of what has an event time.
    is_batched: bool = False
    batched: dict[str, str] = field(default_factory=dict)
    asked_incremental: bool = False
    # The joins of features that it asks for, by the names that stand for them.
    joins: dict[str, Join] = field(default_factory=dict)
    # Called with each problem that need not stop the rendering, so that one reading finds them all.
    note: Callable[[str, str | None], None] = lambda _message, _hint: None

    def ref(self, *names: str, **keywords: object) -> TemplateRelation:
        """`ref('model')` or `ref('project', 'model')`; with `version=3` or `as_of='2013-02-01'`, as it was."""
        for keyword in keywords:
            if keyword not in ("version", "as_of"):
                raise TemplateError(f"ref() does not support '{keyword}' yet")
        at = _point(**keywords)
        if len(names) not in (1, 2) or not all(isinstance(name, str) for name in names):
            raise TemplateError("ref() needs the name of a model", hint="ref('stg_orders')")
        package, name = (self.names.project, *names)[-2:]
        if package != self.names.project:
            hint = f"write ref('{name}') or ref('{self.names.project}', '{name}'); there are no packages yet"
            self.note(f"there is no package '{package}'", hint)
            return TemplateRelation(package, name)
        found = self.names.nodes.get(name)
        if found is None:
            if name in self.names.disabled:
                self.note(f"'{name}' is disabled", "set enabled: true, or leave it out")
            else:
                near = suggest(name, self.names.nodes)
                if near is None and any(name == table for _, table in self.names.sources):
                    near = "a source is read with source('source', 'table')"
                self.note(f"unknown model or seed '{name}'", near)
            return TemplateRelation("unknown", name)
        self.depends_on[found[0]] = None
        if at is None:
            return self._read(*found)
        return TemplateRelation.of(self._pin(name, found[0], found[1], at))

    def _pin(self, name: str, unique_id: str, relation: Relation, at: int | str) -> Relation:
        """Note that a node is read as it was; return the name that stands for it then."""
        label = f"v{at}" if isinstance(at, int) else at
        pinned = Relation(relation.schema, f"{relation.identifier}@{label}")
        pin = Pin(f"source.{self.names.project}.pinned.{name}@{label}", f"{name}@{label}", unique_id, pinned, at)
        self.pins[pin.unique_id] = pin
        self.depends_on[pin.unique_id] = None
        return pinned

    def source(self, *names: str) -> TemplateRelation:
        """`source('source', 'table')`."""
        if len(names) != 2:  # noqa: PLR2004 - a source and a table
            raise TemplateError("source() needs two names", hint="source('shop', 'orders')")
        found = self.names.sources.get((names[0], names[1]))
        if found is None:
            wanted, known = ".".join(names), [".".join(pair) for pair in self.names.sources]
            self.note(f"unknown source '{wanted}'", suggest(wanted, known))
            return TemplateRelation(*names)
        return self._read(*found)

    def _read(self, unique_id: str, relation: Relation) -> TemplateRelation:
        """Note that a node is read; in a microbatch model one that has an event time is read batch by batch."""
        self.depends_on[unique_id] = None
        event_time = self.names.event_times.get(unique_id) if self.is_batched else None
        if event_time is not None:
            self.batched[unique_id] = event_time
        return TemplateRelation.of(relation, event_time)

    def ask_incremental(self) -> bool:
        """`is_incremental()`."""
        self.asked_incremental = True
        return self.is_incremental

    def tell_config(self, *mappings: Mapping[str, Any], **values: Any) -> str:  # noqa: ANN401 - any YAML value
        """`config(key=value)`."""
        for mapping in (*mappings, values):
            self.told_config.update(mapping)
        return ""

    def get_config(self, key: str, default: object = None) -> object:
        """`config.get('key', default)`."""
        return {**self.config, **self.told_config}.get(key, default)

    def require_config(self, key: str) -> object:
        """`config.require('key')`."""
        value = self.get_config(key)
        if value is None and self.is_executing:
            raise TemplateError(f"config '{key}' is required here, and is not set")
        return value


def _point(version: object = None, as_of: object = None) -> int | str | None:
    """Read what `ref()` says of the moment: a version, an ISO moment, or None for now."""
    if version is not None and as_of is not None:
        raise TemplateError("ref() takes either a version or as_of", hint="ref('stg_orders', version=3)")
    if version is not None and (not isinstance(version, int) or isinstance(version, bool) or version < 0):
        hint = "ref('stg_orders', version=3): 'fsbuild history' lists the versions"
        raise TemplateError(f"ref(): version is the number of a Delta version, and not {version!r}", hint)
    if isinstance(as_of, dt.date):
        return as_of.isoformat()
    if as_of is not None and not isinstance(as_of, str):
        raise TemplateError(
            f"ref(): as_of is a date or time, and not {as_of!r}", "ref('stg_orders', as_of='2013-02-01')"
        )
    return as_of if as_of is not None else version


class Flags(dict[str, object]):
    """`flags`: how the command was called."""


class TargetNames(dict[str, object]):
    """`target`: where the run goes."""


class Modules(SimpleNamespace):
    """`modules`: the Python modules that templates may use."""


def target_names(target: Target) -> TargetNames:
    """Describe a target as templates see it."""
    return TargetNames(
        name=target.name,
        schema=target.schema,
        database=DATABASE,
        type="duckdb",
        profile_name=target.profile,
        threads=target.threads,
    )


class _Callable:
    """A function with functions as attributes, as dbt's `config` and `var` are."""

    def __init__(self, function: Callable[..., Any], **attributes: Callable[..., Any]) -> None:
        self._function = function
        self.__dict__.update(attributes)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - passes through
        return self._function(*args, **kwargs)


def variables_function(variables: Mapping[str, object]) -> _Callable:
    """Make `var('name', default)` over the variables in force."""

    def var(name: str, *default: object) -> object:
        if name in variables:
            return variables[name]
        if default:
            return default[0]
        hint = suggest(name, variables) or f"set it below 'vars:' in the project file, or with --vars '{name}: …'"
        raise TemplateError(f"variable '{name}' is not set", hint)

    return _Callable(var, has_var=lambda name: name in variables)


def env_var_function(overrides: Mapping[str, str]) -> Callable[..., str]:
    """Make `env_var('NAME', default)` over the process's environment and what is put in the place of some of it."""
    return lambda name, *default: overrides[name] if name in overrides else env_var(name, *default)


def env_var(name: str, *default: str) -> str:
    """`env_var('NAME', default)`: a variable of the process's environment."""
    if name in os.environ:
        return os.environ[name]
    if default:
        return default[0]
    raise TemplateError(f"environment variable '{name}' is not set", f"export {name}=…, or give a default")


def _raise_compiler_error(message: str, *_node: object) -> None:
    raise TemplateError(str(message))


def _return(value: object = None) -> None:
    raise MacroReturn(value)


def _log(message: object, info: bool = False) -> str:  # noqa: FBT001, FBT002 - dbt's signature
    log.log(logging.INFO if info else logging.DEBUG, "%s", message)
    return ""


def _from_json(text: str, default: object = None) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return default


def _from_yaml(text: str, default: object = None) -> object:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        return default


CONSTANTS: Mapping[str, object] = {
    "env_var": env_var,
    "log": _log,
    "print": _log,
    "return": _return,
    "exceptions": SimpleNamespace(
        raise_compiler_error=_raise_compiler_error, warn=lambda message: _log(message, info=True)
    ),
    "modules": Modules(datetime=dt, re=re, itertools=itertools),
    "dbt_version": DBT_VERSION,
    "fromjson": _from_json,
    "tojson": lambda value, default=None, sort_keys=False: json.dumps(value, sort_keys=sort_keys, default=default),
    "fromyaml": _from_yaml,
    "toyaml": lambda value, _default=None, sort_keys=False: yaml.safe_dump(value, sort_keys=sort_keys),
    "set": lambda values, default=None: set(values) if values is not None else default,
    "zip": lambda *values: list(zip(*values, strict=False)),
    "set_strict": set,
    "zip_strict": lambda *values: list(zip(*values, strict=False)),
    "local_md5": lambda text: hashlib.md5(text.encode(), usedforsecurity=False).hexdigest(),
}


def _as_is(value: object) -> object:
    return value


def _as_native(value: object) -> object:
    try:
        return ast.literal_eval(value) if isinstance(value, str) else value
    except (ValueError, SyntaxError):
        return value


def _as_bool(value: object) -> bool:
    found = {"true": True, "false": False}.get(value.lower()) if isinstance(value, str) else value
    if not isinstance(found, bool):
        raise TemplateError(f"as_bool: {value!r} is not true or false")
    return found


def _as_number(value: object) -> int | float:
    found = _as_native(value)
    if not isinstance(found, int | float) or isinstance(found, bool):
        raise TemplateError(f"as_number: {value!r} is not a number")
    return found


# dbt's filters that give a value of YAML its type. In SQL all is text, and they change nothing.
YAML_FILTERS: Mapping[str, Callable[[Any], Any]] = {
    "as_text": str,
    "as_bool": _as_bool,
    "as_number": _as_number,
    "as_native": _as_native,
}
SQL_FILTERS: Mapping[str, Callable[[Any], Any]] = dict.fromkeys(YAML_FILTERS, _as_is)


def template_names(context: ModelContext) -> dict[str, object]:
    """The names that differ from one rendering to the next."""
    config = _Callable(context.tell_config, get=context.get_config, require=context.require_config)
    return {
        "ref": context.ref,
        "source": context.source,
        "config": config,
        # What a project's own macro `ref` calls in turn.
        "builtins": {"ref": context.ref, "source": context.source, "config": config},
        "is_incremental": context.ask_incremental,
        "execute": context.is_executing,
        "this": TemplateRelation.of(context.this),
        "schema": context.this.schema,
        "database": DATABASE,
        "model": context.model,
        "graph": context.graph,
    }
