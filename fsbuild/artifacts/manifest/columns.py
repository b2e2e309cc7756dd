"""The columns that YAML describes in, the manifest's out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from fsbuild.artifacts.manifest.described import Described, Said
from fsbuild.artifacts.manifest.shapes import Entry, constraint

# What fsbuild knows of a column and dbt does not.
_OWN_KEYS = ("pii", "unit")


def columns_of(described: Described, said: Said) -> dict[str, Entry]:
    """Describe the columns of a node by their names."""
    written = said.written.get("columns") or ()
    return {
        str(column["name"]): _column(described, column, written[at])
        for at, column in enumerate(said.data.get("columns") or ())
        if "name" in column
    }


def _column(described: Described, column: Mapping[str, Any], written: Mapping[str, Any]) -> Entry:
    config = column.get("config") or {}
    meta = {**(column.get("meta") or {}), **(config.get("meta") or {})}
    own = {key: column[key] for key in _OWN_KEYS if key in column}
    meta |= {"fsbuild": own} if own else {}
    tags = sorted({*words(column.get("tags")), *words(config.get("tags"))})
    return {
        "name": str(column["name"]),
        "description": str(column.get("description") or ""),
        "meta": meta,
        "data_type": column.get("data_type"),
        "constraints": [constraint(one, of_model=False) for one in column.get("constraints") or ()],
        "quote": column.get("quote"),
        "config": {"meta": meta, "tags": tags},
        "tags": tags,
        "granularity": column.get("granularity"),
        "doc_blocks": described.doc_blocks(written.get("description")),
    }


def words(written: object) -> Iterator[str]:
    """Words that are written as one or as a list."""
    if isinstance(written, str):
        yield written
    elif isinstance(written, list | tuple):
        yield from map(str, written)
