"""The nodes of a project as links, with what they read and what reads them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from fsbuild.pipeline.drafting import Draft
from fsbuild.pipeline.nodes import shown_name
from fsbuild.site.pages import Ref
from fsbuild.values import GraphNode

# Materializations that are called otherwise for what they are.
_KINDS = {"table": "model"}


@dataclass(frozen=True, slots=True)
class Links:
    """Nodes by id, in the order of the graph, and the ids of what reads each; exposures read nodes too."""

    refs: Mapping[str, Ref]
    parents: Mapping[str, tuple[str, ...]]
    children: Mapping[str, Sequence[str]]

    @classmethod
    def of(cls, draft: Draft) -> Links:
        """Link the nodes of a project."""
        nodes = [draft.graph.nodes[name] for name in draft.graph.order]
        refs: dict[str, Ref] = {
            node.unique_id: {"id": node.unique_id, "name": shown_name(node), "kind": _kind(node)} for node in nodes
        }
        parents = {node.unique_id: tuple(name for name in node.depends_on if name in refs) for node in nodes}
        for exposure in draft.project.exposures:
            name = exposure.label or exposure.name
            refs[exposure.unique_id] = {"id": exposure.unique_id, "name": name, "kind": "exposure"}
            parents[exposure.unique_id] = tuple(name for name in exposure.depends_on if name in refs)
        children: dict[str, list[str]] = {name: [] for name in refs}
        for name, above in parents.items():
            for parent in above:
                children[parent].append(name)
        return cls(refs, parents, children)

    def to(self, names: Iterable[str]) -> list[Ref]:
        """Link to nodes, those that are there."""
        return [self.refs[name] for name in names if name in self.refs]


def folder_of(node: GraphNode) -> str:
    """The folder that a node is written in."""
    return node.path.rpartition("/")[0] or "."


def _kind(node: GraphNode) -> str:
    return _KINDS.get(node.materialized, node.materialized)
