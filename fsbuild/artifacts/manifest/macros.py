"""The files of macros in, the project's own macros and docs blocks in the manifest out.

A macro's text is what is between its tags, and these; what another one calls is told by its text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fsbuild.artifacts.manifest.calls import MacroNames, jinja_of
from fsbuild.artifacts.manifest.described import Described, patch_path
from fsbuild.artifacts.manifest.shapes import Entry, depends_on
from fsbuild.values import SourceFile

# A comment, which may hold anything, or a tag of a block that is a macro.
_TAG = re.compile(
    r"\{#.*?#\}|(?P<space>\s*(?=\{%-))?\{%[-+]?\s*"
    r"(?:(?P<kind>macro|test|data_test|materialization)\s+(?P<name>\w+)(?P<rest>[^%]*)"
    r"|(?P<end>endmacro|endtest|enddata_test|endmaterialization))\s*[-+]?%\}",
    re.DOTALL,
)
_ADAPTER = re.compile(r"adapter\s*=\s*['\"](\w+)['\"]")


@dataclass(frozen=True, slots=True)
class MacroText:
    """A macro of the project: its name, as dbt calls it, and its text."""

    name: str
    path: str
    text: str
    is_materialization: bool = False


def read_macros(files: Sequence[SourceFile]) -> tuple[MacroText, ...]:
    """Find the macros of files."""
    return tuple(macro for file in files for macro in _macros(file))


def _macros(file: SourceFile) -> Iterator[MacroText]:
    begin: re.Match[str] | None = None
    for tag in _TAG.finditer(file.text):
        if tag["kind"] and begin is None:
            begin = tag
        elif tag["end"] and begin is not None and tag["end"] == f"end{begin['kind']}":
            yield MacroText(
                _name(begin), file.path, file.text[begin.start() : tag.end()], begin["kind"] == "materialization"
            )
            begin = None


def _name(tag: re.Match[str]) -> str:
    if tag["kind"] in ("test", "data_test"):
        return f"test_{tag['name']}"
    if tag["kind"] == "materialization":
        adapter = _ADAPTER.search(tag["rest"])
        return f"materialization_{tag['name']}_{adapter[1] if adapter else 'default'}"
    return tag["name"]


def macro_nodes(described: Described, macros: Sequence[MacroText], names: MacroNames) -> Iterator[Entry]:
    """Describe the macros of the project."""
    project = described.project.name
    for macro in macros:
        said = described.said_of("macros", macro.name)
        unique_id = f"macro.{project}.{macro.name}"
        config = said.config()
        docs = {"show": True, "node_color": None, **config.get("docs", {})}
        inside = macro.text[macro.text.index("%}") :]
        called = [name for name in names.called_in(jinja_of(inside)) if name != unique_id]
        yield {
            "name": macro.name,
            "resource_type": "macro",
            "package_name": project,
            "path": macro.path,
            "original_file_path": macro.path,
            "unique_id": unique_id,
            "macro_sql": macro.text,
            "depends_on": {"macros": depends_on((), called)["macros"]},
            "description": said.description,
            "meta": config.get("meta", {}),
            "docs": docs,
            "config": {"meta": config.get("meta", {}), "docs": docs},
            "patch_path": patch_path(said, project),
            "arguments": [_argument(one) for one in said.data.get("arguments") or ()],
            "created_at": described.now,
            "supported_languages": ["sql"] if macro.is_materialization else None,
        }


def _argument(said: Mapping[str, Any]) -> Entry:
    return {
        "name": str(said.get("name")),
        "type": said.get("type"),
        "description": str(said.get("description") or ""),
    }


def docs_nodes(described: Described) -> Iterator[Entry]:
    """Describe the docs blocks of the project."""
    project = described.project.name
    for block in described.project.docs_blocks:
        yield {
            "name": block.name,
            "resource_type": "doc",
            "package_name": project,
            "path": described.yaml_path(block.path),
            "original_file_path": block.path,
            "unique_id": f"doc.{project}.{block.name}",
            "block_contents": block.text,
        }
