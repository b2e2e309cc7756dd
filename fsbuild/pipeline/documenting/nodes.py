"""The page of a node, and what lineage shows of it."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

from fsbuild.pipeline.compiling import Compiled
from fsbuild.pipeline.documenting.columns import Columns, column_page
from fsbuild.pipeline.documenting.facts import Facts
from fsbuild.pipeline.documenting.links import Links, folder_of
from fsbuild.pipeline.documenting.spans import column_spans, shown_sql
from fsbuild.pipeline.documenting.tables import versions_of
from fsbuild.recipes import RECIPE
from fsbuild.site.pages import ColumnPage, GraphNode, NodePage, Origin, PinnedInput
from fsbuild.values import CompiledModel, ModelConfig, Seed, Source, TableState


def node_pages(compiled: Compiled, links: Links, columns: Columns, facts: Facts) -> dict[str, NodePage]:
    """Describe every node, by id."""
    project = compiled.draft.project
    nodes: tuple[Seed | Source, ...] = (*project.seeds, *project.sources)
    declared = {node.unique_id: node for node in nodes}
    pages: dict[str, NodePage] = {}
    shown = _shown_columns(compiled, links, columns, facts)
    for unique_id in compiled.draft.graph.order:
        page = pages[unique_id] = _node_page(unique_id, compiled, links, shown, facts)
        match declared.get(unique_id):
            case Seed() as seed:
                _add_seed(page, seed)
            case Source() as source:
                _add_source(page, source, project.root)
    return pages


def _shown_columns(compiled: Compiled, links: Links, columns: Columns, facts: Facts) -> dict[str, list[ColumnPage]]:
    """Describe the columns of every node, by id."""
    spans = column_spans(compiled)
    return {
        name: [
            column_page(column, links, spans.get(name, {}).get(column.name), facts.measured.get(name))
            for column in known.values()
        ]
        for name, known in columns.items()
    }


def _node_page(
    unique_id: str, compiled: Compiled, links: Links, columns: Mapping[str, list[ColumnPage]], facts: Facts
) -> NodePage:
    node = compiled.draft.graph.nodes[unique_id]
    model, measured = compiled.models.get(unique_id), facts.measured.get(unique_id)
    page: NodePage = {
        "id": unique_id,
        "name": links.refs[unique_id]["name"],
        "kind": links.refs[unique_id]["kind"],
        "path": node.path,
        "folder": folder_of(node),
        "tags": list(node.tags),
        "keys": [],
        "parents": links.to(links.parents[unique_id]),
        "children": links.to(links.children[unique_id]),
        "columns": columns[unique_id],
        "checks": list(facts.checks.get(unique_id, ())),
        "versions": versions_of(facts.commits.get(unique_id, ())),
    }
    if unique_id in facts.statuses:
        page["status"] = facts.statuses[unique_id]
    if unique_id in facts.freshness:
        page["freshness"] = facts.freshness[unique_id]
    if page["versions"] and "rows" in page["versions"][0]:
        page["rows"] = page["versions"][0]["rows"]
    elif measured is not None:
        page["rows"] = measured.statistics.rows
    if facts.quarantined.get(unique_id):
        page["quarantined"] = facts.quarantined[unique_id]
    if model is not None:
        _add_model(page, model)
        pins = _pins(facts.states.get(unique_id), compiled, links)
        if pins:
            page["pins"] = pins
    return page


def _add_model(page: NodePage, model: CompiledModel) -> None:
    config = model.rendered.config
    page["sql"], page["compiled"] = model.rendered.model.raw_sql, shown_sql(model)
    page["relation"] = f"{model.rendered.relation.schema}.{model.rendered.relation.identifier}"
    if config.materialized == "incremental":
        page["strategy"] = config.strategy
    if model.lineage.unknown is not None:
        page["unknown"] = model.lineage.unknown
    _add_config(page, config)


def _add_config(page: NodePage, config: ModelConfig) -> None:
    page["keys"] = list(config.unique_key)
    texts = {
        "description": config.description,
        "owner": config.owner,
        "event_time": config.event_time,
        "known_time": config.known_time,
        "ttl": config.ttl,
    }
    for key, value in texts.items():
        if value:
            page[key] = value  # type: ignore[literal-required]
    if config.entity:
        page["entity"] = list(config.entity)
    if config.meta:
        page["meta"] = json.loads(json.dumps(dict(config.meta), default=str))


def _add_seed(page: NodePage, seed: Seed) -> None:
    page["relation"] = f"{seed.relation.schema}.{seed.relation.identifier}"
    page["location"] = seed.path
    _add_config(page, seed.config)


def _add_source(page: NodePage, source: Source, root: Path) -> None:
    place = Path(source.location)
    # A path of the machine that made the pages is of no use to who reads them.
    page["location"] = place.relative_to(root).as_posix() if place.is_relative_to(root) else source.location
    if source.description:
        page["description"] = source.description
    if source.event_time:
        page["event_time"] = source.event_time


def _pins(state: TableState | None, compiled: Compiled, links: Links) -> list[PinnedInput]:
    """The versions that a training set was made from."""
    if state is None or RECIPE not in state.extra:
        return []
    ids = {
        (model.rendered.relation.schema, model.rendered.relation.identifier): name
        for name, model in compiled.models.items()
    }
    ids |= {(one.relation.schema, one.relation.identifier): name for name, one in compiled.known.items()}
    return [
        {"node": links.refs[ids[place]], "version": one["version"]}
        for one in json.loads(state.extra[RECIPE])["ingredients"]
        if one.get("version") is not None and (place := (one["schema"], one["identifier"])) in ids
    ]


def graph_nodes(compiled: Compiled, links: Links, columns: Columns, facts: Facts) -> dict[str, GraphNode]:
    """What lineage shows of every node, with the edges of its columns in both directions."""
    nodes = compiled.draft.graph.nodes
    below = _edges_below(compiled)
    found: dict[str, GraphNode] = {}
    for unique_id, ref in links.refs.items():
        model, node = compiled.models.get(unique_id), nodes.get(unique_id)
        above: dict[str, list[Origin]] = defaultdict(list)
        for edge in model.lineage.edges if model is not None else ():
            above[edge.column].append({"id": edge.input_id, "column": edge.input_column, "kind": edge.kind})
        page: GraphNode = {
            "name": ref["name"],
            "kind": ref["kind"],
            "folder": folder_of(node) if node is not None else "",
            "tags": list(node.tags) if node is not None else [],
            "parents": links.to(links.parents[unique_id]),
            "children": links.to(links.children[unique_id]),
            "columns": [
                {
                    "name": column.name,
                    "type": column.type,
                    "from": above.get(column.name, []),
                    "to": below.get((unique_id, name), []),
                }
                for name, column in columns.get(unique_id, {}).items()
            ],
            "rows_from": above.get("*", []),
        }
        if unique_id in facts.statuses:
            page["status"] = facts.statuses[unique_id]
        if model is not None and model.lineage.unknown is not None:
            page["unknown"] = model.lineage.unknown
        found[unique_id] = page
    return found


def _edges_below(compiled: Compiled) -> dict[tuple[str, str], list[Origin]]:
    """The columns that depend on each column, by node and name in lower case."""
    found: dict[tuple[str, str], list[Origin]] = defaultdict(list)
    for unique_id, model in compiled.models.items():
        for edge in model.lineage.edges:
            end: Origin = {"id": unique_id, "column": edge.column, "kind": edge.kind}
            found[edge.input_id, edge.input_column.lower()].append(end)
    return found
