"""What a person writes to choose nodes in, the nodes of a draft that are meant out, its tests among them.

What selectors ask is mostly what a graph knows anyway. Where they ask for more, or where data tests are chosen one by
one, the graph is that of `manifest.json`: every node in it is described as there.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fsbuild.errors import Place, Problem, UsageError
from fsbuild.pipeline.describing import describe, target_folder
from fsbuild.pipeline.drafting import Draft, selection_graph, tests_graph
from fsbuild.values import Check, GraphNode, Model, ResourceType, Seed, Source

if TYPE_CHECKING:
    from fsbuild.artifacts import Invocation
    from fsbuild.graph import Graph
    from fsbuild.select import Indirect, Previous, Selected

_Macros = Mapping[str, Mapping[str, Any]]
_KINDS = ("nodes", "exposures", "metrics", "semantic_models", "saved_queries", "unit_tests")


@dataclass(frozen=True, slots=True)
class Choice:
    """What is chosen and what is left out, by selectors and by types, and which data tests come along.

    `state` is the folder of the artifacts that selectors compare with.
    """

    select: Sequence[str] = ()
    exclude: Sequence[str] = ()
    types: Collection[str] = ()
    without_types: Collection[str] = ()
    indirect: Indirect = "eager"
    state: Path | None = None

    @property
    def is_of_all(self) -> bool:
        """Whether nothing is said by selectors."""
        return not (self.select or self.exclude)


def choose(draft: Draft, choice: Choice, invocation: Invocation, *, with_tests: bool = False) -> Selected:
    """Choose nodes; exposures and what is only described are among them where tests are.

    Raises:
        UsageError: selectors are wrong.
    """
    return _choose(draft, choice, *_graph(draft, choice, invocation, with_tests=with_tests))


def list_nodes(draft: Draft, choice: Choice, invocation: Invocation) -> list[GraphNode]:
    """Choose nodes of every kind, each with its description.

    Raises:
        UsageError: selectors are wrong.
    """
    graph, macros = _described_graph(draft, invocation)
    if not choice.types:
        choice = replace(choice, without_types={*choice.without_types, *_unasked(draft, choice)})
    return [graph.nodes[name] for name in _choose(draft, choice, graph, macros).ids]


def _unasked(draft: Draft, choice: Choice) -> Iterator[ResourceType]:
    """The types of nodes that are listed only when they are asked for."""
    yield "analysis"
    if not draft.project.is_of_dbt and not any(
        re.search(r"\btest(_name|_type)?:|:test\b", one) for one in choice.select
    ):
        yield "test"


def _choose(draft: Draft, choice: Choice, graph: Graph, macros: _Macros) -> Selected:
    from fsbuild.select import Surroundings, select_nodes

    definitions = _definitions(draft)
    default = [name for name, said in definitions.items() if said.get("default") is True]
    select = [f"selector:{name}" for name in default] if choice.is_of_all else choice.select
    around = Surroundings(
        draft.project.name,
        draft.project.is_of_dbt,
        {name: said.get("definition") for name, said in definitions.items()},
        macros,
        read_previous(choice.state, target_folder(draft)) if choice.state is not None else None,
    )
    found = select_nodes(graph, select, choice.exclude, around=around, indirect=choice.indirect)
    return replace(found, ids=tuple(name for name in found.ids if _is_of_type(graph.nodes[name], choice)))


def _is_of_type(node: GraphNode, choice: Choice) -> bool:
    is_asked = not choice.types or node.resource_type in choice.types or "all" in choice.types
    if "default" in choice.types:
        is_asked = is_asked or node.resource_type != "analysis"
    return is_asked and node.resource_type not in choice.without_types


def _definitions(draft: Draft) -> dict[str, Mapping[str, Any]]:
    """The entries of `selectors.yml` by name."""
    found = (one for file in draft.project.documents for one in file.data.get("selectors") or ())
    return {str(one.get("name")): one for one in found if isinstance(one, Mapping)}


def _graph(draft: Draft, choice: Choice, invocation: Invocation, *, with_tests: bool) -> tuple[Graph, _Macros]:
    from fsbuild.select import needs_description

    files = draft.project.documents
    is_asked = any(file.data.get("selectors") or (with_tests and file.data.get("saved_queries")) for file in files)
    if needs_description([*choice.select, *choice.exclude]) or is_asked or (with_tests and not choice.is_of_all):
        return _described_graph(draft, invocation)
    return (tests_graph(draft) if with_tests else selection_graph(draft)), {}


def _described_graph(draft: Draft, invocation: Invocation) -> tuple[Graph, _Macros]:
    """The graph with everything that a manifest describes, and each node with its description; and the macros."""
    from fsbuild.artifacts.manifest import manifest
    from fsbuild.graph import build_graph

    told = manifest(describe(draft, invocation, ()), invocation)
    entries = {name: entry for kind in (*_KINDS, "sources") for name, entry in told[kind].items()}
    nodes = {name: replace(node, entry=entries.get(name, {})) for name, node in draft.graph.nodes.items()}
    for name, entry in entries.items():
        if name not in nodes:
            nodes[name] = _described(entry, entries)
    return build_graph(nodes.values()), told["macros"]


def _described(entry: Mapping[str, Any], entries: Collection[str]) -> GraphNode:
    """A node of a description, of what stands beside the models."""
    kind: ResourceType = entry["resource_type"]
    depends_on = (entry.get("depends_on") or {}).get("nodes") or ()
    config, path = entry.get("config") or {}, entry["original_file_path"]
    return GraphNode(
        entry["unique_id"],
        entry["name"],
        kind,
        path,
        tuple(entry["fqn"]),
        str(config.get("materialized") or kind),
        tuple(entry.get("tags") or config.get("tags") or ()),
        tuple(name for name in depends_on if name in entries),
        Place(path),
        entry=entry,
    )


def read_previous(folder: Path, target: Path) -> Previous:
    """Read the artifacts of another run, and how fresh the sources are by those of this project.

    Raises:
        UsageError: the folder is not there.
    """
    from fsbuild.select import Previous

    if not folder.is_dir():
        raise UsageError(Problem(f"--state: there is no folder {folder}", hint="name the one with the manifest.json"))
    results = _artifact(folder / "run_results.json").get("results")
    return Previous(
        _artifact(folder / "manifest.json"),
        {one["unique_id"]: one["status"] for one in results} if results is not None else None,
        _freshness(folder),
        _freshness(target),
    )


def _freshness(folder: Path) -> dict[str, str] | None:
    results = _artifact(folder / "sources.json").get("results")
    if results is None:
        return None
    return {one["unique_id"]: one["max_loaded_at"] for one in results if one.get("max_loaded_at")}


def _artifact(file: Path) -> Mapping[str, Any]:
    with suppress(OSError, ValueError):
        found = json.loads(file.read_text(encoding="utf-8"))
        return found if isinstance(found, dict) else {}
    return {}


def keep_chosen_tests(draft: Draft, selected: Selected, invocation: Invocation) -> tuple[Draft, frozenset[str]]:
    """A draft whose nodes have those data tests alone that are chosen, and the nodes that have any.

    What holds in every command is not up to a choice: contracts, the keys of what is merged, quarantine.
    """
    if not selected.has_tests:
        return draft, frozenset()
    from fsbuild.artifacts.manifest import check_key, described_tests
    from fsbuild.render import with_checks

    tests, chosen = described_tests(describe(draft, invocation, ())), frozenset(selected.ids)
    models = [model.model for model in draft.models.values()]
    nodes: tuple[Model | Seed | Source, ...] = (*models, *draft.project.seeds, *draft.project.sources)

    def is_chosen(check: Check, unique_id: str) -> bool:
        entry = tests.get(check_key(check, unique_id))
        return entry is None or entry["unique_id"] in chosen

    kept = {n.unique_id: tuple(c for c in n.checks if c.always_gates or is_chosen(c, n.unique_id)) for n in nodes}
    project, rendered = with_checks(draft.project, draft.models.values(), kept)
    asked = frozenset(n.unique_id for n in nodes if any(is_chosen(check, n.unique_id) for check in n.checks))
    return replace(draft, project=project, models={model.unique_id: model for model in rendered}), asked
