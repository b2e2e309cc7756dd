"""Methods that compare with what was there before: `state`, `result` and `source_status`.

What is written is compared, not what it comes to: a configuration that depends on the environment is the same in two
environments as long as its text is.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from fsbuild.errors import Problem, UsageError, listing, suggest
from fsbuild.values import GraphNode

Entry = Mapping[str, Any]
_STATES = ("new", "old", "modified", "unmodified")
_PARTS = ("body", "configs", "persisted_descriptions", "relation", "macros", "contract")
_KINDS = ("nodes", "sources", "exposures", "metrics", "semantic_models", "saved_queries", "unit_tests")
# Configuration that is no part of what a node is, or that is compared by itself.
_BESIDE = frozenset({"alias", "schema", "database", "tags", "group", "docs", "enabled"})
# What is compared of things that YAML declares, beside their configuration.
_COMPARED: Mapping[str, Collection[str]] = {
    "source": ("database", "schema", "identifier", "fqn", "quoting", "freshness", "loaded_at_field", "external"),
    "exposure": ("fqn", "type", "owner", "maturity", "url", "description", "label", "depends_on"),
    "metric": ("type", "type_params", "description", "label", "filter"),
    "semantic_model": ("model", "description", "entities", "dimensions", "measures", "defaults"),
    "saved_query": ("description", "label", "query_params", "exports"),
    "unit_test": ("checksum",),
}


@dataclass(frozen=True, slots=True)
class Previous:
    """The artifacts of another run: `manifest.json`, and of `run_results.json` and `sources.json` what they tell.

    `fresh` and `fresh_now` are the times of the newest rows of sources, then and in the present target folder.
    """

    manifest: Entry = field(default_factory=dict)
    statuses: Mapping[str, str] | None = None
    fresh: Mapping[str, str] | None = None
    fresh_now: Mapping[str, str] | None = None

    def entry(self, unique_id: str) -> Entry | None:
        """How a node was described; None where it was not there."""
        return next((of[unique_id] for kind in _KINDS if unique_id in (of := self.manifest.get(kind) or {})), None)


def is_in_state(
    method: str, value: str, previous: Previous | None, macros: Mapping[str, Entry]
) -> Callable[[GraphNode], bool]:
    """What a method claims of a node, in comparison with what was there before; `macros` are those of today.

    Raises:
        UsageError: nothing is known of before, or there is no such value.
    """
    if previous is None:
        hint = "name the folder of the artifacts to compare with: --state target-of-production"
        raise UsageError(Problem(f"selector '{method}:{value}' compares with another state", hint=hint))
    if method == "result":
        statuses = _known(previous.statuses, method, value, "run_results.json")
        return lambda node: statuses.get(node.unique_id) == value
    if method == "source_status":
        return _fresher(value, previous)
    known = [*_STATES, *(f"modified.{part}" for part in _PARTS)]
    if value not in known:
        hint = suggest(value, known) or f"there are {listing(known, len(known))}"
        raise UsageError(Problem(f"unknown state '{value}' in selector 'state:{value}'", hint=hint))
    if not previous.manifest:
        _known(None, method, value, "manifest.json")
    comparison = _Comparison(previous, macros)
    if value in ("new", "old"):
        return lambda node: (previous.entry(node.unique_id) is None) == (value == "new")
    if value in ("modified", "unmodified"):
        return lambda node: comparison.is_modified(node) == (value == "modified")
    part = value.partition(".")[2]
    return lambda node: comparison.is_part_modified(part, node)


def _known(found: Mapping[str, str] | None, method: str, value: str, file: str) -> Mapping[str, str]:
    if found is None:
        message = f"selector '{method}:{value}' needs a {file} to compare with"
        raise UsageError(Problem(message, hint=f"--state DIR, a folder with a {file} in it"))
    return found


def _fresher(value: str, previous: Previous) -> Callable[[GraphNode], bool]:
    if value != "fresher":
        raise UsageError(Problem(f"unknown status '{value}' in selector 'source_status:{value}'", hint="write fresher"))
    then = _known(previous.fresh, "source_status", value, "sources.json")
    hint = "fsbuild source freshness"
    if previous.fresh_now is None:
        raise UsageError(Problem("it is not known how fresh the sources are now", hint=hint))
    now = previous.fresh_now
    return lambda node: node.unique_id in now and now[node.unique_id] > then.get(node.unique_id, "")


class _Comparison:
    """Compares nodes with what they were; macros are compared once."""

    def __init__(self, previous: Previous, macros: Mapping[str, Entry]) -> None:
        self._previous, self._macros = previous, macros
        old = previous.manifest.get("macros") or {}
        self._changed = {name for name, one in macros.items() if old.get(name, {}).get("macro_sql") != one["macro_sql"]}
        packages = {name.split(".")[1] for name in macros}
        self._changed |= {name for name in old if name not in macros and name.split(".")[1] in packages}

    def is_modified(self, node: GraphNode) -> bool:
        """Whether a node is new, or another one than it was."""
        old, new = self._previous.entry(node.unique_id), node.entry
        if old is None or self._has_other_macros(new):
            return True
        if (keys := _COMPARED.get(node.resource_type)) is not None:
            return any(old.get(key) != new.get(key) for key in keys) or _configs(old) != _configs(new)
        if node.resource_type == "test" and "test_metadata" in new:
            return old.get("fqn") != new.get("fqn") or _configs(old) != _configs(new)
        parts = ("body", "configs", "persisted_descriptions", "relation", "contract")
        said = ("fqn", "latest_version", "access", "deprecation_date")
        return any(self._differs(part, old, new) for part in parts) or any(old.get(k) != new.get(k) for k in said)

    def is_part_modified(self, part: str, node: GraphNode) -> bool:
        """Whether a part of a node is another one than it was."""
        if part == "macros":
            return self._has_other_macros(node.entry)
        old = self._previous.entry(node.unique_id)
        if node.resource_type in _COMPARED and part not in ("configs", "relation"):
            return False
        return old is None or self._differs(part, old, node.entry)

    def _differs(self, part: str, old: Entry, new: Entry) -> bool:
        if part == "body":
            keys = ("checksum",) if new.get("resource_type") == "seed" else ("raw_code",)
            return any(old.get(key) != new.get(key) for key in keys)
        if part == "configs":
            return _configs(old) != _configs(new)
        if part == "relation":
            return _relation(old) != _relation(new)
        if part == "contract":
            return (old.get("contract") or {}).get("checksum") != (new.get("contract") or {}).get("checksum")
        persisted = (new.get("config") or {}).get("persist_docs") or {}
        is_other = bool(persisted.get("relation")) and old.get("description") != new.get("description")
        return is_other or (bool(persisted.get("columns")) and _descriptions(old) != _descriptions(new))

    def _has_other_macros(self, entry: Entry) -> bool:
        """Whether a macro that a node uses, directly or not, has another text than it had."""
        pending, seen = [*_macros_of(entry)], set[str]()
        for name in pending:
            if name in self._changed:
                return True
            if name not in seen:
                seen.add(name)
                pending.extend(_macros_of(self._macros.get(name, {})))
        return False


def _macros_of(entry: Entry) -> Collection[str]:
    return (entry.get("depends_on") or {}).get("macros") or ()


def _configs(entry: Entry) -> dict[str, Any]:
    """The configuration of a node as it is written, but for what is compared by itself."""
    return {key: value for key, value in (entry.get("unrendered_config") or {}).items() if key not in _BESIDE}


def _relation(entry: Entry) -> list[Any]:
    if entry.get("resource_type") == "source":
        return [entry.get(key) for key in ("database", "schema", "identifier")]
    written = entry.get("unrendered_config") or {}
    return [written.get(key) for key in ("database", "schema", "alias")]


def _descriptions(entry: Entry) -> dict[str, Any]:
    return {name: column.get("description") for name, column in (entry.get("columns") or {}).items()}
