"""The methods of selectors: the value after the colon in, a claim about a node out.

Those of `CORE` ask what every node of a graph has; the others ask how a node is described in `manifest.json`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import PurePosixPath
from typing import Any, get_args

from fsbuild.errors import Problem, UsageError, listing, suggest
from fsbuild.model_versions import is_newer
from fsbuild.select.state import Previous, is_in_state
from fsbuild.values import GraphNode, ResourceType

Claim = Callable[[GraphNode], bool]
_WILDCARDS = frozenset("*?[]")
# What has no place in a folder of names: it is selected by a method of its own.
_BESIDE = frozenset({"source", "exposure", "metric", "semantic_model", "saved_query"})


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What selectors may ask of beside nodes: the project, its macros as described, and what was there before.

    `selectors` are the definitions of `selectors.yml` by name. With `is_lenient`, as in a project of dbt's, a name that
    means nothing is reported and no mistake.
    """

    project: str = ""
    is_lenient: bool = False
    selectors: Mapping[str, Any] = field(default_factory=dict)
    macros: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    previous: Previous | None = None


def claim_of(method: str, value: str, around: Surroundings) -> Claim:
    """What a criterion claims of the nodes that it means.

    Raises:
        UsageError: there is no such method, or it has no such value.
    """
    name, _, rest = method.partition(".")
    if method == "fqn":
        return _fqn(value, has_others=around.is_lenient)
    if method in CORE:
        return CORE[method](value)
    if name == "config" and rest:
        return _config(rest.split("."), value)
    if method == "package":
        return _package(around.project if value == "this" else value)
    if method in ("state", "result", "source_status"):
        return is_in_state(method, value, around.previous, around.macros)
    if method in _DESCRIBED:
        return _DESCRIBED[method](value)
    known = [*CORE, *_DESCRIBED, "package", "config.…", "state", "result", "source_status", "selector"]
    hint = suggest(method, known) or f"the methods are {listing(known, len(known))}"
    raise UsageError(Problem(f"unknown method '{method}' in selector '{method}:{value}'", hint=hint))


def is_described(method: str) -> bool:
    """Whether a method asks how nodes are described."""
    return method not in CORE


# --- of every graph --------------------------------------------------------------------------------------------------


def _fqn(value: str, *, has_others: bool = False) -> Claim:
    """Claim that a node has this name, or lies in the folder of this dotted name, project first or not.

    As in dbt exposures and the like are meant too, where it `has_others`.
    """
    wanted = value.split(".")

    def claim(node: GraphNode) -> bool:
        if node.resource_type == "source" or (node.resource_type in _BESIDE and not has_others):
            return False
        return _is_named(node.fqn, wanted, node) or _is_named(node.fqn[1:], wanted, node)

    return claim


def _is_named(fqn: Sequence[str], wanted: Sequence[str], node: GraphNode) -> bool:
    """Whether a name means a node, its folder, or with a wildcard the rest of its full name, or its own."""
    is_versioned = node.version is not None or node.entry.get("version") is not None
    leaf = fqn[-2] if is_versioned and len(fqn) > 1 else fqn[-1] if fqn else ""
    if leaf == ".".join(wanted) or (is_versioned and "_".join(fqn[-2:]) == "_".join(wanted[-2:])):
        return True
    flat = [part for segment in fqn for part in segment.split(".")]
    if len(flat) < len(wanted):
        return False
    for at, part in enumerate(wanted):
        if not _WILDCARDS.isdisjoint(part):
            rest = fnmatchcase(".".join(flat[at:]), ".".join(wanted[at:]))
            return rest or (len(wanted) == 1 and fnmatchcase(leaf, part))
        if flat[at] != part:
            return False
    return True


def _path(value: str) -> Claim:
    """Claim that a node's file is at this path, below it, or at one that the glob describes; `**` means any depth."""
    pattern = PurePosixPath(value).parts

    def claim(node: GraphNode) -> bool:
        described = str(node.entry.get("patch_path") or "").partition("://")[2]
        return _is_within(PurePosixPath(node.path).parts, pattern) or (
            bool(described) and _is_at(PurePosixPath(described).parts, pattern)
        )

    return claim


def _is_within(path: Sequence[str], pattern: Sequence[str]) -> bool:
    """Whether the pattern describes the path or one of its folders: what is left when it ends lies below."""
    if not pattern:
        return True
    if pattern[0] == "**":
        return any(_is_within(path[skipped:], pattern[1:]) for skipped in range(len(path) + 1))
    return bool(path) and fnmatchcase(path[0], pattern[0]) and _is_within(path[1:], pattern[1:])


def _is_at(path: Sequence[str], pattern: Sequence[str]) -> bool:
    """Whether the pattern describes the path itself."""
    return len(path) >= len(pattern) and _is_within(path, pattern) and not _is_within(path[:-1], pattern)


def _file(value: str) -> Claim:
    """Claim that a node's file has this name, with or without its suffix."""

    def claim(node: GraphNode) -> bool:
        file = PurePosixPath(node.path)
        return fnmatchcase(file.name, value) or fnmatchcase(file.stem, value)

    return claim


def _tag(value: str) -> Claim:
    return lambda node: any(fnmatchcase(tag, value) for tag in node.tags)


def _source(value: str) -> Claim:
    """Claim that a node is a table of a source: `source`, `source.table` or `project.source.table`."""
    match value.split("."):
        case [source]:
            patterns = ("*", source, "*")
        case [source, table]:
            patterns = ("*", source, table)
        case [project, source, table]:
            patterns = (project, source, table)
        case _:
            message = f"selector 'source:{value}' has too many dots"
            raise UsageError(Problem(message, hint="write source:name or source:name.table"))

    def claim(node: GraphNode) -> bool:
        names = (node.fqn[0], node.source_name, node.name)
        return node.resource_type == "source" and all(map(fnmatchcase, names, patterns))

    return claim


def _of_type(kind: ResourceType) -> Callable[[str], Claim]:
    """Claims that a node of a type has a name, `name` or `package.name`."""

    def claim_of_name(value: str) -> Claim:
        package, _, name = value.rpartition(".")

        def claim(node: GraphNode) -> bool:
            is_there = not package or fnmatchcase(node.fqn[0], package)
            return node.resource_type == kind and is_there and fnmatchcase(node.name, name)

        return claim

    return claim_of_name


def _materialized(value: str) -> Claim:
    return lambda node: fnmatchcase(node.materialized, value)


def _resource_type(value: str) -> Claim:
    if value not in get_args(ResourceType):
        hint = suggest(value, get_args(ResourceType)) or f"there are {listing(get_args(ResourceType), 12)}"
        raise UsageError(Problem(f"unknown resource type '{value}' in selector 'resource_type:{value}'", hint=hint))
    return lambda node: node.resource_type == value


# --- of what is described --------------------------------------------------------------------------------------------


def _config(keys: Sequence[str], value: str) -> Claim:
    """Claim that a configuration has a value, or has it among others; `true` and `false` in any case."""
    wanted: list[object] = [value, *({"true": [True], "false": [False]}.get(value.lower(), []))]

    def claim(node: GraphNode) -> bool:
        found: Any = node.entry.get("config")
        for key in keys:
            if not isinstance(found, Mapping) or key not in found:
                return False
            found = found[key]
        if keys == ["severity"]:
            return str(found).lower() == value.lower()
        several = found if isinstance(found, list | tuple) else [found]
        # 1 is equal to True, and not meant by it.
        return any(type(one) is type(other) and one == other for one in several for other in wanted)

    return claim


def _package(value: str) -> Claim:
    return lambda node: fnmatchcase(node.fqn[0], value)


def _group(value: str) -> Claim:
    def claim(node: GraphNode) -> bool:
        group = (node.entry.get("config") or {}).get("group")
        return isinstance(group, str) and fnmatchcase(group, value)

    return claim


def _access(value: str) -> Claim:
    return lambda node: node.resource_type == "model" and node.entry.get("access") == value


def _test_name(value: str) -> Claim:
    def claim(node: GraphNode) -> bool:
        if node.resource_type == "unit_test":
            return fnmatchcase(node.name, value)
        said = node.entry.get("test_metadata")
        return isinstance(said, Mapping) and fnmatchcase(str(said.get("name")), value)

    return claim


def _test_type(value: str) -> Claim:
    known = ("generic", "singular", "data", "unit")
    kind = "generic" if value == "schema" else value
    if kind not in known:
        hint = suggest(value, known) or f"there are {listing(known)}"
        raise UsageError(Problem(f"unknown type of tests '{value}' in selector 'test_type:{value}'", hint=hint))

    def claim(node: GraphNode) -> bool:
        if node.resource_type != "test":
            return kind == "unit" and node.resource_type == "unit_test"
        return kind in ("data", "generic" if "test_metadata" in node.entry else "singular")

    return claim


def _version(value: str) -> Claim:
    known = ("latest", "prerelease", "old", "none")
    if value not in known:
        hint = suggest(value, known) or f"there are {listing(known)}"
        raise UsageError(Problem(f"unknown kind of versions '{value}' in selector 'version:{value}'", hint=hint))

    def claim(node: GraphNode) -> bool:
        if node.resource_type != "model":
            return False
        version, latest = node.entry.get("version"), node.entry.get("latest_version")
        if version is None:
            return value == "none"
        if version == latest:
            return value == "latest"
        return value == ("prerelease" if latest is not None and is_newer(version, latest) else "old")

    return claim


CORE: Mapping[str, Callable[[str], Claim]] = {
    "fqn": _fqn,
    "path": _path,
    "file": _file,
    "tag": _tag,
    "source": _source,
    "exposure": _of_type("exposure"),
    "resource_type": _resource_type,
    "config.materialized": _materialized,
    "config.tags": _tag,
}
_DESCRIBED: Mapping[str, Callable[[str], Claim]] = {
    "group": _group,
    "access": _access,
    "test_name": _test_name,
    "test_type": _test_type,
    "unit_test": _of_type("unit_test"),
    "metric": _of_type("metric"),
    "semantic_model": _of_type("semantic_model"),
    "saved_query": _of_type("saved_query"),
    "version": _version,
}
