"""Sources and exposures in, their entries in the manifest out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

from fsbuild.artifacts.manifest.calls import refs_in, sources_in
from fsbuild.artifacts.manifest.columns import columns_of, words
from fsbuild.artifacts.manifest.described import Described, Said
from fsbuild.artifacts.manifest.shapes import Entry, depends_on
from fsbuild.values import Exposure, Source

_QUOTING = {"database": None, "schema": None, "identifier": None, "column": None}
_TIME = {"count": None, "period": None}
_LOADED = ("loaded_at_field", "loaded_at_query")


def source_nodes(described: Described) -> Iterator[Entry]:
    """Describe the tables of sources."""
    known = {source.unique_id: source for source in described.project.sources}
    for source in described.entries("sources"):
        written = source.written.get("tables") or ()
        for at, table in enumerate(source.data.get("tables") or ()):
            unique_id = f"source.{described.project.name}.{source.data.get('name')}.{table.get('name')}"
            if unique_id in known:
                yield _source(described, known[unique_id], source, Said(source.file, table, written[at]))


def _source(described: Described, found: Source, source: Said, table: Said) -> Entry:
    above, own = _config(source.data), _config(table.data)
    meta = {**above.get("meta", {}), **own.get("meta", {})}
    tags = sorted({*words(above.get("tags")), *words(own.get("tags"))})
    freshness = _freshness(above.get("freshness", _NOT_SAID), own.get("freshness", _NOT_SAID))
    loaded = {key: own.get(key) or above.get(key) for key in _LOADED}
    folders = PurePosixPath(described.yaml_path(source.file.path)).parts[:-1]
    unrendered = {**_config(source.written), **_config(table.written)}
    unrendered |= {"meta": meta} if meta else {}
    unrendered |= {"tags": tags} if tags else {}
    return {
        "database": described.database,
        "schema": found.relation.schema,
        "name": found.name,
        "resource_type": "source",
        "package_name": described.package_of(found.unique_id),
        "path": source.file.path,
        "original_file_path": source.file.path,
        "unique_id": found.unique_id,
        "fqn": [described.project.name, *folders, found.source_name, found.name],
        "source_name": found.source_name,
        "source_description": source.description,
        "loader": str(table.data.get("loader") or source.data.get("loader") or ""),
        "identifier": found.relation.identifier,
        "quoting": {**_QUOTING, **(source.data.get("quoting") or {}), **(table.data.get("quoting") or {})},
        **loaded,
        "freshness": freshness,
        "external": table.data.get("external"),
        "description": table.description,
        "columns": columns_of(described, table),
        "meta": meta,
        "source_meta": above.get("meta", {}),
        "tags": tags,
        "config": {
            "enabled": True,
            "event_time": found.event_time,
            "freshness": freshness,
            **loaded,
            "meta": meta,
            "tags": tags,
            "static_analysis": None,
        },
        "patch_path": None,
        "unrendered_config": unrendered | {"freshness": freshness, **loaded},
        "relation_name": described.name_of(found.relation),
        "created_at": described.now,
        "unrendered_database": source.written.get("database"),
        "unrendered_schema": source.written.get("schema"),
        "doc_blocks": described.doc_blocks(table.written.get("description")),
    }


_NOT_SAID: Mapping[str, Any] = {"not": "said"}
_SAID = ("meta", "tags", "freshness", *_LOADED)


def _config(data: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration of a source or a table, below `config` or beside it."""
    beside = {key: data[key] for key in _SAID if key in data}
    return {**beside, **(data.get("config") or {})}


def _freshness(above: Mapping[str, Any] | None, own: Mapping[str, Any] | None) -> Entry | None:
    """What the table says, over what its source says; `null` turns it off."""
    if own is None or (own is _NOT_SAID and above is None):
        return None
    said = {**({} if above is _NOT_SAID else above or {}), **({} if own is _NOT_SAID else own)}
    limits = {key: {**_TIME, **(said.get(key) or {})} for key in ("warn_after", "error_after")}
    return {**limits, "filter": said.get("filter")}


def exposure_node(described: Described, found: Exposure) -> Entry:
    """Describe an exposure."""
    said = described.said_of("exposures", found.name)
    config = {key: said.data[key] for key in ("meta", "tags") if said.data.get(key)} | (said.data.get("config") or {})
    meta, tags = config.get("meta", {}), list(words(config.get("tags")))
    folders = PurePosixPath(described.yaml_path(said.file.path)).parts[:-1]
    owner = said.data.get("owner") or {}
    sources = [name for name in found.depends_on if name.startswith("source.")]
    return {
        "name": found.name,
        "resource_type": "exposure",
        "package_name": described.package_of(found.unique_id),
        "path": described.yaml_path(said.file.path),
        "original_file_path": said.file.path,
        "unique_id": found.unique_id,
        "fqn": [described.project.name, *folders, found.name],
        "type": found.type,
        "owner": {"email": owner.get("email"), "name": owner.get("name")},
        "description": said.description,
        "label": found.label or None,
        "maturity": found.maturity or None,
        "meta": meta,
        "tags": tags,
        "config": {"enabled": True, "tags": tags, "meta": meta},
        "unrendered_config": config,
        "url": found.url or None,
        "depends_on": depends_on(dict.fromkeys([*sources, *found.depends_on])),
        "refs": refs_in(" ".join(map(str, said.data.get("depends_on") or ())), found.depends_on),
        "sources": sources_in(found.depends_on),
        "metrics": [],
        "created_at": described.now,
    }
