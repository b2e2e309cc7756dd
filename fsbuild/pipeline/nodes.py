"""A node's name in, the node and the place of its table out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fsbuild.check_history import CHECK_HISTORY
from fsbuild.dbt_names import audit_schema, test_name
from fsbuild.errors import Problem, UsageError, suggest
from fsbuild.pipeline.drafting import Draft
from fsbuild.stored_statistics import TABLE as STATISTICS
from fsbuild.values import STORED, Check, GraphNode, Model, Relation, Seed, Source, quarantine_relation

if TYPE_CHECKING:
    from fsbuild.store import Lake


def shown_name(node: GraphNode) -> str:
    """Name a node as a person does: a source as `source.table`, a version of a model as `model_v1`."""
    if node.version is not None:
        return node.version.suffixed(node.name)
    return f"{node.source_name}.{node.name}" if node.resource_type == "source" else node.name


def find_node(draft: Draft, name: str) -> str:
    """Find the node of a name: a model, a seed, or a source as `source.table`.

    Raises:
        UsageError: there is none.
    """
    nodes = draft.graph.nodes.items()
    latest = {node.name: unique_id for unique_id, node in nodes if node.version is not None and node.version.is_latest}
    by_name = latest | {shown_name(node): unique_id for unique_id, node in nodes}
    if name not in by_name:
        raise UsageError(Problem(f"there is no model, seed or source '{name}'", hint=suggest(name, by_name)))
    return by_name[name]


def has_table(draft: Draft, unique_id: str) -> bool:
    """Whether a node is one that fsbuild writes a table of."""
    return draft.graph.nodes[unique_id].materialized in (*STORED, "seed")


def find_table(draft: Draft, name: str, lacking: str) -> str:
    """Find the node of a name that fsbuild writes a table of; `lacking` says what follows where there is no table.

    Raises:
        UsageError: there is no such node, or it is a view, an ephemeral model or a source.
    """
    unique_id = find_node(draft, name)
    if not has_table(draft, unique_id):
        node = draft.graph.nodes[unique_id]
        if node.resource_type == "source":
            problem = Problem(f"'{name}' is a source: its table is not ours", node.place, f"{lacking} is of its owner")
            raise UsageError(problem)
        kind = f"{'an' if node.materialized == 'ephemeral' else 'a'} {node.materialized}"
        hint = "name a model that is a table, or make it one with materialized: table"
        raise UsageError(Problem(f"'{name}' is {kind}: it has no table, and so no {lacking}", node.place, hint))
    return unique_id


def relation_of(draft: Draft, unique_id: str) -> Relation:
    """Name a model or seed as SQL does."""
    if unique_id in draft.models:
        return draft.models[unique_id].relation
    return next(seed.relation for seed in draft.project.seeds if seed.unique_id == unique_id)


def checks_on(draft: Draft, unique_id: str) -> tuple[Check, ...]:
    """The checks of a node."""
    if unique_id in draft.models:
        return draft.models[unique_id].model.checks
    others: tuple[Seed | Source, ...] = (*draft.project.seeds, *draft.project.sources)
    return next((one.checks for one in others if one.unique_id == unique_id), ())


def node_of(draft: Draft, problem: Problem) -> str:
    """The node that a problem is about: that of its file, or the one whose YAML is nearest above it; empty for none."""
    if (place := problem.place) is None:
        return ""
    for node in draft.graph.nodes.values():
        if node.path == place.file and node.resource_type != "source":
            return node.unique_id
    written = [(model.model.place, name) for name, model in draft.models.items()]
    written += [(source.place, source.unique_id) for source in draft.project.sources]
    above = [
        (at.line or 0, name) for at, name in written if at.file == place.file and (at.line or 0) <= (place.line or 0)
    ]
    return max(above, default=(0, ""))[1]


def find_own_table(draft: Draft, name: str) -> Relation | None:
    """Find a table that fsbuild writes and that is no node.

    That is `<node>__quarantine`, one about runs, or that of the rows that fail a check, by dbt's name for the check.
    """
    if name in (STATISTICS, CHECK_HISTORY):
        return Relation(draft.project.target.schema, name)
    node = name.removesuffix("__quarantine")
    names = {shown_name(node) for node in draft.graph.nodes.values()}
    if name in names:
        return None
    if node != name and node in names:
        return quarantine_relation(relation_of(draft, find_table(draft, node, "quarantine")))
    project = draft.project
    nodes: tuple[Model | Seed | Source, ...] = (*project.models, *project.seeds, *project.sources)
    if any(test_name(check, one.name) == name for one in nodes for check in one.checks):
        return Relation(audit_schema(project.target.schema), name)
    return None


def readable_place(draft: Draft, unique_id: str, lake: Lake) -> str:
    """Say where the Delta table of a node is; a source may have one too.

    Raises:
        UsageError: the node is a view, an ephemeral model, or a source of files.
    """
    for source in draft.project.sources:
        if source.unique_id == unique_id and source.kind == "delta":
            return source.location
    node = draft.graph.nodes[unique_id]
    if not has_table(draft, unique_id):
        kind = "a source of files" if node.resource_type == "source" else f"of the kind '{node.materialized}'"
        hint = "leave out --version and --as-of"
        raise UsageError(Problem(f"'{shown_name(node)}' is {kind}: it has no versions", node.place, hint))
    return lake.uri(relation_of(draft, unique_id))
