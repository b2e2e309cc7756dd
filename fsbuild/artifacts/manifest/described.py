"""What a manifest tells of, and what its parts ask of that: names, places, entries of YAML."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePosixPath
from typing import Any

from fsbuild.model_versions import data_of_version
from fsbuild.values import Model, Project, Relation, RenderedModel, SourceFile, YamlFile, quote

_DOC = re.compile(r"""\bdoc\s*\(\s*(?:['"]\w+['"]\s*,\s*)?['"](\w+)['"]\s*\)""")
# Two quoted names with a dot between them, of which the first is not behind another one.
_PAIR = re.compile(r'(?<![.\w"])"(?:[^"]|"")+"\."(?:[^"]|"")+"')
_NO_FILE = YamlFile("", {}, {})
_FOLDERS = {
    "models": "model-paths",
    "seeds": "seed-paths",
    "snapshots": "snapshot-paths",
    "macros": "macro-paths",
    "tests": "test-paths",
    "analyses": "analysis-paths",
}


@dataclass(frozen=True)
class Described:
    """A project, its models as they are rendered, by unique id, and the nodes whose SQL the command is about.

    `analyses` are the project's, with their SQL where it could be told. `now` is when the command began, in seconds
    since 1970.
    """

    project: Project
    models: Mapping[str, RenderedModel]
    compiled: frozenset[str]
    now: float
    database: str
    adapter: str = "duckdb"

    @cached_property
    def settings(self) -> YamlFile:
        """The project file."""
        return self.project.settings or _NO_FILE

    @cached_property
    def relations(self) -> dict[str, Relation]:
        """The relations of models, seeds and sources by unique id."""
        found = {seed.unique_id: seed.relation for seed in self.project.seeds}
        found |= {source.unique_id: source.relation for source in self.project.sources}
        return found | {name: model.relation for name, model in self.models.items()}

    def name_of(self, relation: Relation) -> str:
        """The name of a relation with its database, which readers of SQL tell tables apart by."""
        return f"{quote(self.database)}.{relation}"

    @cached_property
    def _names(self) -> dict[str, str]:
        return {str(relation): self.name_of(relation) for relation in self.relations.values()}

    def qualified(self, sql: str) -> str:
        """SQL with the names of what it reads as `name_of` writes them."""
        return _PAIR.sub(lambda pair: self._names.get(pair[0], pair[0]), sql)

    @cached_property
    def files(self) -> dict[str, YamlFile]:
        """The YAML files by their path."""
        return {file.path: file for file in self.project.documents}

    @cached_property
    def _described(self) -> dict[tuple[str, str], Said]:
        return {(kind, str(said.data.get("name"))): said for kind in _KINDS for said in self.entries(kind)}

    def entries(self, kind: str) -> Iterator[Said]:
        """All that the YAML says below a key: `metrics`."""
        for file in self.project.documents:
            for at, data in enumerate(file.data.get(kind) or ()):
                yield Said(file, data, file.written[kind][at])

    def said_of(self, kind: str, name: str) -> Said:
        """What the YAML says of a node; empty where it says nothing."""
        return self._described.get((kind, name), _NOTHING)

    def said_of_model(self, model: Model) -> Said:
        """What the YAML says of a model or a snapshot, or of the version of a model that it is."""
        said = self.said_of(f"{model.resource_type}s", model.name)
        if model.version is None or not said.file.path:
            return said
        label = model.version.label
        return Said(said.file, data_of_version(said.data, label), data_of_version(said.written, label))

    def package_of(self, unique_id: str) -> str:
        """The package that a node is from."""
        return unique_id.split(".", 2)[1]

    def path_below(self, kind: str, path: str) -> str:
        """The path of a file below the folder that it was found in: `marts/revenue.sql`."""
        for folder in self.settings.data.get(_FOLDERS[kind]) or ():
            base = f"{str(folder).strip('/')}/"
            if path.startswith(base):
                return path[len(base) :]
        return "/".join(PurePosixPath(path).parts[1:]) or path

    def yaml_path(self, path: str) -> str:
        """The path of a YAML file, as dbt writes it: below whichever folder it is in."""
        kind = next((kind for kind, key in _FOLDERS.items() if self._is_below(path, key)), "models")
        return self.path_below(kind, path)

    def _is_below(self, path: str, key: str) -> bool:
        return any(path.startswith(f"{str(folder).strip('/')}/") for folder in self.settings.data.get(key) or ())

    def doc_blocks(self, written: object) -> list[str]:
        """The docs blocks that a description is made of."""
        names = _DOC.findall(written) if isinstance(written, str) and "doc" in written else ()
        known = {block.name for block in self.project.docs_blocks}
        return [f"doc.{self.project.name}.{name}" for name in names if name in known]


@dataclass(frozen=True, slots=True)
class Said:
    """What a YAML file says of something: its data, and how that is written."""

    file: YamlFile
    data: Mapping[str, Any]
    written: Mapping[str, Any]

    def config(self, *, is_written: bool = False) -> dict[str, Any]:
        """Its configuration, below `config` or beside it."""
        data = self.written if is_written else self.data
        beside = {key: data[key] for key in ("meta", "docs", "access", "group") if data.get(key) is not None}
        return {**beside, **(data.get("config") or {})}

    @property
    def description(self) -> str:
        """What it is."""
        return str(self.data.get("description") or "")


_NOTHING = Said(_NO_FILE, {}, {})
_KINDS = ("models", "seeds", "snapshots", "macros", "analyses", "exposures")


def patch_path(said: Said, package: str) -> str | None:
    """Where the YAML of a node is, as dbt writes it."""
    return f"{package}://{said.file.path}" if said.file.path else None


def text_of(file: SourceFile) -> str:
    """The text of a file as dbt keeps it."""
    return file.text.strip()


def named(described: Described, said: Said, kind: str) -> dict[str, Any]:
    """What everything that YAML declares has."""
    name, project, path = str(said.data.get("name")), described.project.name, described.yaml_path(said.file.path)
    return {
        "name": name,
        "resource_type": kind,
        "package_name": project,
        "path": path,
        "original_file_path": said.file.path,
        "unique_id": f"{kind}.{project}.{name}",
        "fqn": [project, *PurePosixPath(path).parts[:-1], name],
    }
