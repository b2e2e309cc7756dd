"""Models, snapshots, seeds and analyses in, their nodes in the manifest out."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from fsbuild.artifacts.manifest.calls import (
    MacroNames,
    all_refs,
    as_written,
    inside_block,
    jinja_of,
    refs_in,
    sources_in,
)
from fsbuild.artifacts.manifest.columns import columns_of, words
from fsbuild.artifacts.manifest.described import Described, Said, patch_path
from fsbuild.artifacts.manifest.shapes import OWN_KEYS, Entry, Kind, config_defaults, constraint, depends_on
from fsbuild.artifacts.manifest.written import OwnConfig, unrendered_config
from fsbuild.model_versions import Version
from fsbuild.values import Model, Relation, RenderedModel, Seed

_LISTS: Mapping[Kind, str] = {"model": "models", "snapshot": "snapshots", "seed": "seeds", "analysis": "analyses"}
_NO_CONTRACT = {"enforced": False, "alias_types": True, "checksum": None}


@dataclass(frozen=True, slots=True)
class _Written:
    """What nodes of all kinds are made of."""

    unique_id: str
    name: str
    kind: Kind
    file: str
    path: str
    fqn: tuple[str, ...]
    text: str
    checksum: str
    said: Said
    given: Mapping[str, Any]
    told: Mapping[str, Any]


def model_node(described: Described, one: RenderedModel, macros: MacroNames) -> Entry:
    """Describe a model or a snapshot that is rendered."""
    written = _of_model(described, one.model, one.raw_config, one.told_config)
    node = _common(described, written, one.relation)
    if written.kind == "model" and one.config.materialized == "incremental":
        # What is not said is fsbuild's to decide: a change of columns is an error.
        node["config"]["on_schema_change"] = one.config.on_schema_change
    if one.config.materialized == "ephemeral":
        node["relation_name"] = None
    parents = [name for name in one.depends_on if ".pinned." not in name]
    sql = described.qualified(one.sql.text) if one.unique_id in described.compiled else None
    node |= _query(described, written, parents, macros, sql)
    return node | _of_models(node, written.said, one.model.version) if written.kind == "model" else node


def disabled_node(described: Described, model: Model, macros: MacroNames) -> Entry:
    """Describe a model that is switched off, of which no more is known than what is written."""
    told = {} if model.config.get("enabled") is False else {"enabled": False}
    written = _of_model(described, model, {**model.config, **told}, told)
    relation = Relation(described.project.target.schema, model.shown_name)
    node = _common(described, written, relation)
    node |= _query(described, written, (), macros, None)
    return node | _of_models(node, written.said, model.version) if written.kind == "model" else node


def seed_node(described: Described, seed: Seed) -> Entry:
    """Describe a seed."""
    said = described.said_of("seeds", seed.name)
    path = described.path_below("seeds", seed.path)
    fqn = (described.package_of(seed.unique_id), *PurePosixPath(path).parts[:-1], seed.name)
    given = {**_folder_config(described, "seeds", fqn), **said.config()}
    written = _Written(seed.unique_id, seed.name, "seed", seed.path, path, fqn, "", seed.checksum, said, given, {})
    node = _common(described, written, seed.relation)
    node["config"] |= {"delimiter": seed.config.delimiter, "column_types": dict(seed.config.column_types)}
    node["config"]["tags"] = node["tags"] = list(seed.config.tags)
    node["config"]["meta"] = node["meta"] = {**seed.config.meta, **node["config"]["meta"]}
    return node | {"root_path": str(described.project.root), "depends_on": {"macros": []}}


def analysis_nodes(described: Described, macros: MacroNames, ids: Mapping[str, str]) -> Iterator[Entry]:
    """Describe the analyses; `ids` are the unique ids of nodes by their names."""
    project = described.project
    for file in project.analyses:
        name = PurePosixPath(file.path).stem
        said, path = described.said_of("analyses", name), described.path_below("analyses", file.path)
        fqn = (project.name, "analysis", *PurePosixPath(path).parts[:-1], name)
        text = file.text.strip()
        above = _folder_config(described, "models", fqn)
        tags = dict.fromkeys([*words(above.get("tags")), *words(said.config().get("tags"))])
        given = {**above, **said.config(), "tags": [*tags]}
        unique_id = f"analysis.{project.name}.{name}"
        checksum = hashlib.sha256(text.encode()).hexdigest()
        written = _Written(
            unique_id, name, "analysis", file.path, f"analysis/{path}", fqn, text, checksum, said, given, {}
        )
        node = _common(described, written, Relation(project.target.schema, name))
        written_refs = [one["name"] for one in all_refs(jinja_of(text))]
        parents = list(dict.fromkeys(ids[one] for one in written_refs if one in ids))
        yield node | _query(described, written, parents, macros, None)


def _of_model(described: Described, model: Model, given: Mapping[str, Any], told: Mapping[str, Any]) -> _Written:
    kind: Kind = model.resource_type
    said, package = described.said_of_model(model), described.package_of(model.unique_id)
    path = described.path_below(_LISTS[kind], model.path)
    text, folders = model.raw_sql.strip(), PurePosixPath(path).parts[:-1]
    if kind == "snapshot" and not model.path.endswith(".sql"):
        path = f"{path}/{model.name}.sql"
    elif model.is_in_block:
        # dbt finds such a file below its own name, and keeps what is inside of the block.
        folders = (*folders, PurePosixPath(path).stem)
        text = inside_block(text)
    fqn = (package, *folders, model.name, *((f"v{model.version.label}",) if model.version is not None else ()))
    # A snapshot that YAML declares has the hash of its file.
    checksum = said.file.checksum if path.endswith(".yml/" + f"{model.name}.sql") else ""
    checksum = checksum or hashlib.sha256(as_written(model.raw_sql).strip().encode()).hexdigest()
    return _Written(model.unique_id, model.name, kind, model.path, path, fqn, text, checksum, said, given, told)


def _folder_config(described: Described, kind: str, fqn: Sequence[str]) -> dict[str, Any]:
    """What the project file says of a node that has no text of its own."""
    tree = described.settings.data.get(kind)
    return unrendered_config(tree, fqn[0], fqn[1:])


def _common(described: Described, written: _Written, relation: Relation) -> Entry:
    """What nodes of all kinds have."""
    said, config = written.said, _config(written)
    package = described.package_of(written.unique_id)
    tree = described.settings.written.get("models" if written.kind == "analysis" else _LISTS[written.kind])
    own = OwnConfig(said.config(is_written=True), written.told, written.text)
    unrendered = unrendered_config(tree, package, written.fqn[1:], own)
    return {
        "database": described.database,
        "schema": relation.schema,
        "name": written.name,
        "resource_type": written.kind,
        "package_name": package,
        "path": written.path,
        "original_file_path": written.file,
        "unique_id": written.unique_id,
        "fqn": list(written.fqn),
        "alias": relation.identifier,
        "checksum": {"name": "sha256", "checksum": written.checksum},
        "config": config,
        "tags": config["tags"],
        "description": said.description or str(written.given.get("description") or ""),
        "columns": columns_of(described, said),
        "meta": config["meta"],
        "group": config["group"],
        "docs": config["docs"],
        "patch_path": patch_path(said, package),
        "build_path": None,
        "unrendered_config": unrendered,
        "created_at": described.now,
        "relation_name": None if written.kind == "analysis" else described.name_of(relation),
        "raw_code": written.text,
        "doc_blocks": described.doc_blocks(said.written.get("description")),
    }


def _config(written: _Written) -> Entry:
    """The configuration with every key of dbt's; what dbt has no key for stands below `meta.fsbuild`."""
    config, own = config_defaults(written.kind), {}
    for key, value in written.given.items():
        if key in OWN_KEYS:
            own[key] = value
        elif key in ("pre_hook", "post_hook", "pre-hook", "post-hook"):
            config[key.replace("_", "-")] = [_hook(one) for one in (value if isinstance(value, list) else [value])]
        elif isinstance(config.get(key), dict) and isinstance(value, Mapping):
            config[key] = {**config[key], **value}
        elif key == "tags":
            config[key] = list(words(value))
        elif key != "description":
            config[key] = list(value) if isinstance(value, tuple) else value
    if own:
        config["meta"] = {**config["meta"], "fsbuild": own}
    return config


def _hook(written: object) -> Entry:
    """A hook: SQL, or a mapping that says how it is run."""
    said = written if isinstance(written, Mapping) else {"sql": str(written)}
    return {"sql": str(said.get("sql", "")), "transaction": said.get("transaction", True), "index": None}


def _query(
    described: Described, written: _Written, parents: Sequence[str], macros: MacroNames, sql: str | None
) -> Entry:
    """What nodes with a query have."""
    jinja = jinja_of(written.text)
    is_file = written.kind != "snapshot" and sql is not None
    path = f"{described.project.target_path}/compiled/{described.project.name}/{written.file}"
    found: Entry = {
        "language": "sql",
        "refs": refs_in(jinja, parents),
        "sources": sources_in(parents),
        "metrics": [],
        "functions": [],
        "depends_on": depends_on(parents, macros.called_in(jinja)),
        "compiled_path": path if is_file else None,
    }
    if sql is not None:
        found |= {"compiled": True, "compiled_code": sql, "extra_ctes_injected": True, "extra_ctes": []}
    return found | {"contract": _NO_CONTRACT}


def _of_models(node: Entry, said: Said, version: Version | None) -> Entry:
    """What models alone have; the primary key follows from tests, too, and is told by `tests.py`."""
    config = node["config"]
    constraints = [constraint(one, of_model=True) for one in said.data.get("constraints") or ()]
    contract = {**_NO_CONTRACT, **config["contract"]}
    if contract["enforced"]:
        contract["checksum"] = _contract_checksum(node, constraints)
    return {
        "contract": contract,
        "access": config["access"],
        "constraints": constraints,
        "version": version.label if version is not None else None,
        "latest_version": version.latest if version is not None else None,
        "deprecation_date": said.data.get("deprecation_date"),
        "primary_key": [],
        "time_spine": _time_spine(said.data.get("time_spine")),
    }


def _time_spine(written: Mapping[str, Any] | None) -> Entry | None:
    if not written:
        return None
    custom = [{"column_name": None, **one} for one in written.get("custom_granularities") or ()]
    return {
        "standard_granularity_column": written.get("standard_granularity_column"),
        "custom_granularities": custom,
    }


def _contract_checksum(node: Entry, constraints: Sequence[Entry]) -> str:
    """The hash by which dbt tells that a contract has changed: of how its own objects print themselves."""
    parts = []
    for _, column in sorted(node["columns"].items()):
        parts += [f"|{column['name']}", str(column["data_type"]), _printed("Column", column["constraints"])]
    if node["config"]["materialized"] in ("table", "incremental"):
        parts += [node["config"]["materialized"], _printed("Model", constraints)]
    return hashlib.sha256("".join(parts).encode()).hexdigest()


def _printed(level: str, constraints: Sequence[Entry]) -> str:
    def one(said: Entry) -> str:
        kind = f"<ConstraintType.{said['type']}: {said['type']!r}>"
        values = ", ".join(f"{key}={kind if key == 'type' else repr(value)}" for key, value in said.items())
        return f"{level}LevelConstraint({values})"

    return f"[{', '.join(map(one, constraints))}]"
