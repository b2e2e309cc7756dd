"""How much of a project is described, and what is not."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from fsbuild.pipeline.compiling import Compiled
from fsbuild.pipeline.documenting.columns import known_columns
from fsbuild.pipeline.nodes import shown_name
from fsbuild.values import Model, Seed, Source


@dataclass(frozen=True, slots=True)
class Undescribed:
    """A node, or one of its columns, that nobody has described; `file` is where it could be."""

    node: str
    column: str | None
    file: str


@dataclass(frozen=True, slots=True)
class Coverage:
    """How many nodes and columns there are, how many of them have a description, and which have none."""

    nodes: int
    described_nodes: int
    columns: int
    described_columns: int
    missing: tuple[Undescribed, ...]

    @property
    def share(self) -> float:
        """The share of all that has a description, from 0 to 1."""
        total = self.nodes + self.columns
        return (self.described_nodes + self.described_columns) / total if total else 1.0


def coverage_of(compiled: Compiled, chosen: Collection[str]) -> Coverage:
    """Count descriptions of the chosen nodes; one that a column has inherited is one."""
    project, graph = compiled.draft.project, compiled.draft.graph
    described = described_nodes(compiled)
    columns = known_columns(compiled)
    nodes: tuple[Model | Seed | Source, ...] = (*project.models, *project.seeds, *project.sources)
    known = {node.unique_id for node in nodes}
    there = [name for name in graph.order if name in chosen and name in known]
    missing: list[Undescribed] = []
    counted = 0
    for name in there:
        node = graph.nodes[name]
        if not described[name]:
            missing.append(Undescribed(shown_name(node), None, node.path))
        for column in columns[name].values():
            counted += 1
            if not column.description:
                missing.append(Undescribed(shown_name(node), column.name, node.path))
    nodes_missing = sum(one.column is None for one in missing)
    return Coverage(
        len(there), len(there) - nodes_missing, counted, counted - (len(missing) - nodes_missing), tuple(missing)
    )


def described_nodes(compiled: Compiled) -> dict[str, str]:
    """The descriptions of nodes by unique id, empty where there is none."""
    project = compiled.draft.project
    found = {name: model.config.description for name, model in compiled.draft.models.items()}
    found |= {seed.unique_id: seed.config.description for seed in project.seeds}
    return found | {source.unique_id: source.description for source in project.sources}
