"""Checks in, the test nodes of the manifest out, under the unique ids that dbt gives them.

A test that YAML declares is named after what is written there: its name, and a hash of that and of its arguments.
What holds because of a contract is no test in dbt, and none here.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from fsbuild.artifacts.manifest.calls import MacroNames, jinja_of, refs_in, sources_in
from fsbuild.artifacts.manifest.columns import words
from fsbuild.artifacts.manifest.described import Described, text_of
from fsbuild.artifacts.manifest.shapes import Entry, config_defaults, depends_on
from fsbuild.artifacts.manifest.test_queries import test_query
from fsbuild.dbt_names import audit_schema, short_name
from fsbuild.values import Check, Model, Seed, Source

Checked = Model | Seed | Source
CheckKey = tuple[object, ...]
# What stands beside the arguments of a test without being one, in the order in which dbt takes it up.
_CONFIG_KEYS = (
    *("severity", "tags", "enabled", "where", "limit", "warn_if", "error_if", "fail_calc", "store_failures"),
    *("store_failures_as", "meta", "database", "schema", "alias"),
)
_BESIDE = ("description", "name")
_OF_DBT = ("unique", "not_null", "accepted_values", "relationships")
_NAME = re.compile(r"(?:([a-zA-Z_]\w*)\.)?([a-zA-Z_]\w*)")
_QUARANTINE = "quarantine"
_PLAIN = ("unique", "not_null")


@dataclass(frozen=True, slots=True)
class _Test:
    """A test as YAML has it, taken apart as dbt does: `kwargs` are its arguments as they are written."""

    name: str
    namespace: str | None
    kwargs: Mapping[str, Any]
    config: Mapping[str, Any]
    title: str
    description: str
    # The words by which it is selected, those of its column among them.
    tags: Sequence[str] = ()


def test_nodes(described: Described, nodes: Sequence[Checked], macros: MacroNames) -> dict[CheckKey, Entry]:
    """Describe the tests of all nodes, by what tells the check from others that each is."""
    found: dict[CheckKey, Entry] = {}
    files = {file.path: text_of(file) for file in described.project.tests}
    for node in nodes:
        for check in node.checks:
            if check.is_constraint:
                continue
            is_file = check.place.file in files
            entry = (
                _singular(described, check, node, files[check.place.file], macros)
                if is_file
                else _generic(described, check, node)
            )
            found[check_key(check, node.unique_id)] = entry | _compiled(described, check, node, entry)
    return found


def check_key(check: Check, unique_id: str) -> CheckKey:
    """What tells a check of a node from all others: where it is written, and what it says."""
    return unique_id, str(check.place), check.path, check.column, check.title or check.label


def primary_keys(tests: Sequence[Entry]) -> dict[str, list[str]]:
    """The columns by which models tell rows apart, as far as tests say: unique and never NULL, or unique at least."""
    unique: dict[str, dict[str, None]] = {}
    present: dict[str, set[str]] = {}
    for test in tests:
        said, node = test.get("test_metadata"), test.get("attached_node")
        if said is None or node is None:
            continue
        column, several = said["kwargs"].get("column_name"), said["kwargs"].get("combination_of_columns")
        columns = [column] if isinstance(column, str) else several if isinstance(several, list) else []
        if said["name"] in ("unique", "unique_combination_of_columns"):
            unique.setdefault(node, {}).update(dict.fromkeys(columns))
        elif said["name"] == "not_null":
            present.setdefault(node, set()).update(columns)
    keys = {node: [one for one in columns if one in present.get(node, ())] for node, columns in unique.items()}
    return {node: found or list(unique[node]) for node, found in keys.items()}


# --- generic ---------------------------------------------------------------------------------------------------------


def _generic(described: Described, check: Check, node: Checked) -> Entry:
    test = _taken_apart(described, check, node)
    is_source = isinstance(node, Source)
    target = f"{node.source_name}_{node.name}" if isinstance(node, Source) else _plain(node)
    kind = "_".join(part for part in (test.namespace, "source" if is_source else "", test.name) if part)
    full = test.title or f"{kind}_{target}_{_flat(test.kwargs)}"
    short = test.title or short_name(full, f"{kind}_{target}")
    config = {**test.config, **({"alias": short} if short != full and "alias" not in test.config else {})}
    metadata = {"name": test.name, "kwargs": dict(test.kwargs), "namespace": test.namespace}
    digest = hashlib.md5(f"{full}{_hashable(metadata)!r}".encode(), usedforsecurity=False).hexdigest()[-10:]
    package = described.package_of(node.unique_id)
    parents = list(dict.fromkeys([*check.references, node.unique_id]))
    if test.name in _PLAIN:
        parents = [node.unique_id]
    call = f"{test.namespace}.test_{test.name}" if test.namespace else f"test_{test.name}"
    raw = f"{{{{ {call}(**_dbt_generic_test_kwargs) }}}}{_config_call(config)}"
    is_called = test.name not in _PLAIN or node.unique_id in described.compiled
    used = [_macro_id(described, test), *(["macro.dbt.get_where_subquery"] if is_called else [])]
    entry = _common(described, package, full, (check.place.file, f"{short}.sql"), config)
    entry |= {
        "alias": config.get("alias") or full,
        "unique_id": f"test.{package}.{full}.{digest}",
        "tags": list(test.tags),
        "description": test.description,
        "raw_code": raw,
        **_query(parents, used, str(test.kwargs)),
        "column_name": check.column,
        "file_key_name": f"{_list_of(node)}.{node.source_name if isinstance(node, Source) else node.name}",
        "attached_node": None if is_source else node.unique_id,
        "test_metadata": metadata,
    }
    return entry


def _taken_apart(described: Described, check: Check, node: Checked) -> _Test:
    said = described.files.get(check.place.file)
    if said is None or not check.path:
        # A check that no YAML declares: one of a pandera schema.
        column = {"column_name": check.column} if check.column else {}
        return _Test(re.sub(r"\W+", "_", check.name), "fsbuild", {**check.arguments, **column}, {}, check.title, "")
    written, data = _followed(said.written, check.path), _followed(said.data, check.path)
    name, arguments = _named(written)
    _, rendered = _named(data)
    config = {**check.defaults, **rendered, **(rendered.get("config") or {})}
    given = {**arguments, **({"column_name": check.column} if check.column else {})}
    beside = {key: value for key, value in given.items() if key not in (*_CONFIG_KEYS, *_BESIDE, "config", "arguments")}
    version = node.version if isinstance(node, Model) else None
    label = f", version='{version.label}'" if version is not None else ""
    target = (
        f"source('{node.source_name}', '{node.name}')" if isinstance(node, Source) else f"ref('{node.name}'{label})"
    )
    kwargs = {**beside, **(arguments.get("arguments") or {}), "model": f"{{{{ get_where_subquery({target}) }}}}"}
    match = _NAME.match(name)
    namespace, short = match.groups() if match else (None, name)
    settings = {key: config[key] for key in _CONFIG_KEYS if config.get(key) is not None}
    rest = {key: value for key, value in (rendered.get("config") or {}).items() if key not in settings}
    described_column = _followed(said.data, check.path[:-2]) if check.column else {}
    tagged: list[Any] = [check.defaults, config, described_column, described_column.get("config") or {}]
    tags = sorted({word for one in tagged for word in words(one.get("tags"))})
    told = str(rendered.get("description") or "")
    return _Test(short, namespace, kwargs, {**settings, **rest}, check.title, told, tags)


def _plain(node: Model | Seed) -> str:
    return node.shown_name if isinstance(node, Model) else node.name


def _followed(data: Any, path: Sequence[str | int]) -> Any:  # noqa: ANN401 - YAML holds anything
    for part in path:
        data = data[part]
    return data


def _named(item: Any) -> tuple[str, dict[str, Any]]:  # noqa: ANN401 - YAML holds anything
    if isinstance(item, str):
        return item, {}
    if "test_name" in item:
        return str(item["test_name"]), {key: value for key, value in item.items() if key != "test_name"}
    name, arguments = next(iter(item.items()))
    return str(name), dict(arguments or {})


def _flat(kwargs: Mapping[str, Any]) -> str:
    """The arguments as a part of a name."""
    parts: list[object] = []
    for key in sorted(kwargs):
        value = kwargs[key]
        if key != "model":
            parts += (
                value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else [value]
            )
    return "__".join(re.sub("[^0-9a-zA-Z_]+", "_", str(part)) for part in parts)


def _hashable(data: Any) -> Any:  # noqa: ANN401 - YAML holds anything
    """Data in the form whose text dbt hashes."""
    if isinstance(data, dict):
        return {key: _hashable(data[key]) for key in sorted(data)}
    return [_hashable(one) for one in data] if isinstance(data, list) else str(data)


def _config_call(config: Mapping[str, Any]) -> str:
    def text(value: object) -> str:
        return '"' + value.replace('"', '\\"') + '"' if isinstance(value, str) else str(value)

    said = ",".join(f"{key}={text(value)}" for key, value in config.items())
    return f"{{{{ config({said}) }}}}" if said else ""


def _macro_id(described: Described, test: _Test) -> str:
    """The macro that a test is, which the project has or dbt."""
    if test.namespace:
        return f"macro.{test.namespace}.test_{test.name}"
    return f"macro.{'dbt' if test.name in _OF_DBT else described.project.name}.test_{test.name}"


def _list_of(node: Checked) -> str:
    return "sources" if isinstance(node, Source) else f"{node.unique_id.split('.', 1)[0]}s"


# --- singular --------------------------------------------------------------------------------------------------------


def _singular(described: Described, check: Check, node: Checked, text: str, macros: MacroNames) -> Entry:
    package, jinja = described.package_of(node.unique_id), jinja_of(text)
    path = described.path_below("tests", check.place.file)
    folders = PurePosixPath(path).parts[:-1]
    entry = _common(described, package, check.name, (check.place.file, path), {**check.defaults, **check.told})
    checksum = hashlib.sha256(text.encode()).hexdigest()
    return entry | {
        "fqn": [package, *folders, check.name],
        "unique_id": f"test.{package}.{check.name}",
        "checksum": {"name": "sha256", "checksum": checksum},
        "raw_code": text,
        **_query(list(dict.fromkeys([*check.references, node.unique_id])), macros.called_in(jinja), jinja),
    }


# --- both ------------------------------------------------------------------------------------------------------------


def _common(described: Described, package: str, name: str, where: tuple[str, str], said: Mapping[str, Any]) -> Entry:
    """What all tests have; `where` are the file that a test is written in and its own path."""
    file, path = where
    config = {**config_defaults("test"), **said}
    config["tags"] = list(words(said.get("tags")))
    if config["severity"] == _QUARANTINE:
        # Rows are kept out and the rest goes on, which dbt knows as a warning.
        config |= {"severity": "warn", "meta": {**config["meta"], "fsbuild": {"severity": _QUARANTINE}}}
    if config["store_failures_as"] is None and config["store_failures"] is not None:
        config["store_failures_as"] = "table" if config["store_failures"] else "ephemeral"
    folders = PurePosixPath(file).parts[1:-1]
    return {
        "database": described.database,
        "schema": audit_schema(described.project.target.schema),
        "name": name,
        "resource_type": "test",
        "package_name": package,
        "path": path,
        "original_file_path": file,
        "unique_id": "",
        "fqn": [package, *folders, name],
        "alias": name,
        "checksum": {"name": "none", "checksum": ""},
        "config": config,
        "tags": config["tags"],
        "description": "",
        "columns": {},
        "meta": config["meta"],
        "group": config["group"],
        "docs": {"show": True, "node_color": None},
        "patch_path": None,
        "build_path": None,
        "unrendered_config": dict(said),
        "created_at": described.now,
        "relation_name": None,
        "raw_code": "",
        "doc_blocks": [],
    }


def _query(parents: Sequence[str], macros: Sequence[str], jinja: str) -> Entry:
    return {
        "language": "sql",
        "refs": refs_in(jinja, parents),
        "sources": sources_in(parents),
        "metrics": [],
        "functions": [],
        "depends_on": depends_on(parents, macros),
        "compiled_path": None,
        "contract": {"enforced": False, "alias_types": True, "checksum": None},
    }


def _compiled(described: Described, check: Check, node: Checked, entry: Entry) -> Entry:
    """The query of a test that a command is about."""
    if node.unique_id not in described.compiled:
        return {}
    sql = test_query(check, node.unique_id, described.relations)
    if sql is None:
        return {}
    sql = described.qualified(sql)
    path = f"{described.project.target_path}/compiled/{entry['package_name']}/{entry['original_file_path']}"
    found: Entry = {"compiled_path": f"{path}/{entry['path']}" if "test_metadata" in entry else path}
    return found | {"compiled": True, "compiled_code": sql, "extra_ctes_injected": True, "extra_ctes": []}
