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
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, Protocol
from zoneinfo import ZoneInfo

import yaml
from jinja2 import ChainableUndefined

from fsbuild.errors import suggest
from fsbuild.model_versions import versioned_name
from fsbuild.render.nodes import ProjectGraph
from fsbuild.render.relations import DATABASE, TemplateRelation
from fsbuild.values import FeatureView, Join, Pin, Relation, Target
from fsbuild.version import DBT_VERSION

log = logging.getLogger("fsbuild.jinja")
_NO_PACKAGE = "packages are declared in packages.yml, and installed by 'fsbuild deps'"


class TemplateError(Exception):
    """A template did something wrong that only its text can put right."""

    def __init__(self, message: str, hint: str | None = None) -> None:
        self.message, self.hint = message, hint
        super().__init__(message)


class LakeNeeded(Exception):  # noqa: N818 - not an error: the model is rendered when what it reads is there
    """A template asks for what the lake holds, and it is too early for that."""


class MacroReturn(Exception):  # noqa: N818 - not an error: how `return(value)` leaves a macro
    """Carries the value of `{{ return(value) }}` out of a macro."""

    def __init__(self, value: object) -> None:
        self.value = value
        super().__init__()


class Absent(ChainableUndefined):
    """What is not known in a first rendering: it is empty, and so is all that it is asked for."""

    def __call__(self, *_args: object, **_keywords: object) -> Absent:  # type: ignore[override]
        """Be as empty as what is called."""
        return self


class Lake(Protocol):
    """What templates can ask: `reads` are the unique ids of what the asking template has named so far."""

    def query(self, sql: str, reads: Sequence[str]) -> tuple[Sequence[str], Sequence[Sequence[Any]]]: ...  # noqa: D102
    def columns(self, sql: str, reads: Sequence[str]) -> Sequence[tuple[str, str]]: ...  # noqa: D102
    def relations(self, schema: str) -> Sequence[tuple[str, str]]: ...  # noqa: D102
    def has_table(self, relation: Relation) -> bool: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class Names:
    """The relations that a project's templates can refer to, with their unique ids.

    `nodes` are what a name alone stands for, `packages` what it stands for in each package.
    """

    project: str
    nodes: Mapping[str, tuple[str, Relation]]
    sources: Mapping[tuple[str, str], tuple[str, Relation]]
    disabled: frozenset[str] = frozenset()
    # The column that says when a row was true, by unique id, of nodes that have one.
    event_times: Mapping[str, str] = field(default_factory=dict)
    feature_views: Mapping[str, FeatureView] = field(default_factory=dict)
    # The models whose features a model on demand is computed from, by its name.
    computed: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    packages: Mapping[str, Mapping[str, tuple[str, Relation]]] = field(default_factory=dict)

    def versions_of(self, name: str) -> Sequence[str]:
        """The versions of a model that has any."""
        prefix = versioned_name(name, "")
        return [one.removeprefix(prefix) for nodes in self.packages.values() for one in nodes if one.startswith(prefix)]

    def find(self, name: str, package: str | None, here: str) -> tuple[str, Relation] | None:
        """What `ref('package', 'name')` or `ref('name')` stands for in a template of the package `here`."""
        if package is not None and package != self.project:
            return self.packages.get(package, {}).get(name)
        own = self.packages.get(here, {}).get(name) if package is None else None
        return own or self.nodes.get(name)


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
    # The package that the template is in, and what it can ask; None while it is too early to ask.
    here: str = ""
    lake: Lake | None = None
    has_asked: bool = False
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
        """`ref('model')` or `ref('project', 'model')`; with `version=3` or `as_of='2013-02-01'`, as it was.

        Of a model that has versions itself, `v=2` or `version=2` is one of these.
        """
        for keyword in keywords:
            if keyword not in ("v", "version", "as_of"):
                raise TemplateError(f"ref() does not support '{keyword}' yet")
        if len(names) not in (1, 2) or not all(isinstance(name, str) for name in names):
            raise TemplateError("ref() needs the name of a model", hint="ref('stg_orders')")
        name, package = names[-1], names[0] if len(names) > 1 else None
        labels = [key for key in ("v", "version") if keywords.get(key) is not None]
        if labels and ("v" in labels or self.names.versions_of(name)):
            label = keywords.pop(labels[0])
            if self.names.find(versioned_name(name, label), package, self.here) is None:
                versions = self.names.versions_of(name)
                of_table = f"the version of its table is ref('{name}', version={label})"
                self.note(f"model '{name}' has no version {label!r}", suggest(str(label), versions) or of_table)
                return TemplateRelation("unknown", name)
            name = versioned_name(name, label)
        keywords.pop("v", None)
        at = _point(**keywords)
        if package is not None and package not in self.names.packages:
            self.note(f"there is no package '{package}'", suggest(package, self.names.packages) or _NO_PACKAGE)
            return TemplateRelation(package, name)
        found = self.names.find(name, package, self.here)
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

    def asked(self, purpose: str) -> Lake:
        """The lake, for a template that wants to ask it something.

        Raises:
            LakeNeeded: it is too early.
        """
        if self.lake is None:
            raise LakeNeeded(purpose)
        self.has_asked = True
        return self.lake

    def ask_incremental(self) -> bool:
        """`is_incremental()`."""
        self.asked_incremental = True
        return self.is_incremental

    def tell_config(self, *mappings: Mapping[str, Any], **values: Any) -> str:  # noqa: ANN401 - any YAML value
        """`config(key=value)`."""
        for mapping in (*mappings, values):
            self.told_config.update(mapping)
        return ""

    def get_config(self, key: str, default: object = None, validator: Callable[[object], None] | None = None) -> object:
        """`config.get('key', default)`."""
        value = {**self.config, **self.told_config}.get(key, default)
        if validator is not None and value is not None:
            validator(value)
        return value

    def require_config(self, key: str, validator: Callable[[object], None] | None = None) -> object:
        """`config.require('key')`."""
        value = self.get_config(key, None, validator)
        if value is None and self.is_executing:
            raise TemplateError(f"config '{key}' is required here, and is not set")
        return value

    def get_meta(self, key: str, default: object = None) -> object:
        """`config.meta_get('key', default)`."""
        meta = self.get_config("meta")
        return meta.get(key, default) if isinstance(meta, Mapping) else default

    def require_meta(self, key: str) -> object:
        """`config.meta_require('key')`."""
        value = self.get_meta(key)
        if value is None and self.is_executing:
            raise TemplateError(f"'{key}' is required below 'meta' here, and is not set")
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


class _Zone(ZoneInfo):
    """A time zone with the methods that pytz gives its zones."""

    @property
    def zone(self) -> str:
        """Its name."""
        return str(self.key)

    def localize(self, moment: dt.datetime, _is_dst: object = None) -> dt.datetime:
        """A time of day in this zone."""
        return moment.replace(tzinfo=self)

    def normalize(self, moment: dt.datetime) -> dt.datetime:
        """A moment as this zone tells it."""
        return moment.astimezone(self)


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


def variables_function(variables: Mapping[str, object], *, is_required: bool = True) -> _Callable:
    """Make `var('name', default)` over the variables in force; where they are not required, those missing are empty."""

    def var(name: str, *default: object) -> object:
        if name in variables:
            return variables[name]
        if default:
            return default[0]
        if not is_required:
            return Absent(name=name)
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


def _not_supported(name: str) -> Callable[..., None]:
    def refuse(*_args: object, **_named: object) -> None:
        raise TemplateError(f"{name}() is not supported")

    return refuse


def _raise_with(kind: str) -> Callable[..., None]:
    """Make one of dbt's `exceptions`, which stop with a message."""

    def stop(*message: object, **_named: object) -> None:
        raise TemplateError(" ".join(str(part) for part in message) or kind.replace("_", " "))

    return stop


def _try_or_compiler_error(message: str, function: Callable[..., object], *args: object, **named: object) -> object:
    try:
        return function(*args, **named)
    except Exception as exc:
        raise TemplateError(message) from exc


def _differences(left: Mapping[str, Sequence[object]], right: Mapping[str, Sequence[object]]) -> dict[str, object]:
    """`diff_of_two_dicts`: what the lists of the first have that those of the second have not, by key."""
    there = {key.casefold(): {str(item).casefold() for item in items} for key, items in right.items()}
    found = {
        key: [item for item in items if str(item).casefold() not in there.get(key.casefold(), set())]
        for key, items in left.items()
    }
    return {key: items for key, items in found.items() if items}


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


# The functions of dbt's `exceptions` beside `raise_compiler_error`.
_EXCEPTIONS = (
    *("column_type_missing", "missing_config", "missing_materialization", "missing_relation", "raise_ambiguous_alias"),
    *("raise_ambiguous_catalog_match", "raise_cache_inconsistent", "raise_contract_error", "raise_database_error"),
    *("raise_dataclass_not_dict", "raise_dependency_error", "raise_duplicate_alias", "raise_duplicate_patch_name"),
    *("raise_duplicate_resource_name", "raise_fail_fast_error", "raise_invalid_property_yml_version"),
    *("raise_not_implemented", "relation_wrong_type", "warn_snapshot_timestamp_data_types"),
)
CONSTANTS: Mapping[str, object] = {
    "env_var": env_var,
    "log": _log,
    "print": _log,
    "return": _return,
    "exceptions": SimpleNamespace(
        raise_compiler_error=_raise_compiler_error,
        warn=lambda message: _log(message, info=True),
        **{name: _raise_with(name) for name in _EXCEPTIONS},
    ),
    "modules": Modules(datetime=dt, re=re, itertools=itertools, pytz=SimpleNamespace(timezone=_Zone, utc=dt.UTC)),
    "debug": lambda: "",
    "diff_of_two_dicts": _differences,
    "try_or_compiler_error": _try_or_compiler_error,
    "render": lambda text: text,
    "write": _not_supported("write"),
    "submit_python_job": _not_supported("submit_python_job"),
    "pre_hooks": (),
    "post_hooks": (),
    "sql_now": lambda: "now()",
    "connection_name": "master",
    "thread_id": "MainThread",
    "dbt_metadata_envs": {},
    "invocation_args_dict": {},
    "selected_resources": [],
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
    config = _Callable(
        context.tell_config,
        get=context.get_config,
        require=context.require_config,
        meta_get=context.get_meta,
        meta_require=context.require_meta,
        persist_relation_docs=lambda: False,
        persist_column_docs=lambda: False,
    )
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
