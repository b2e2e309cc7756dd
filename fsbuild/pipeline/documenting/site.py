"""Everything that the site shows, put together from what the project says, what its lake holds and what runs left."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from fsbuild.pipeline.compiling import Compiled
from fsbuild.pipeline.documenting.columns import Columns, has_private, known_columns
from fsbuild.pipeline.documenting.coverage import described_nodes
from fsbuild.pipeline.documenting.facts import Facts, Present, gather_facts
from fsbuild.pipeline.documenting.first_page import project_page
from fsbuild.pipeline.documenting.links import Links
from fsbuild.pipeline.documenting.nodes import graph_nodes, node_pages
from fsbuild.pipeline.documenting.tables import read_last_run, runs_of, writes_of
from fsbuild.pipeline.documenting.verdicts import WRONG
from fsbuild.pipeline.state import LakeState
from fsbuild.site.pages import CheckEntry, SearchEntry, SiteContent
from fsbuild.values import INLINED, Moment

if TYPE_CHECKING:
    from fsbuild.engine import Warehouse


def site_content(compiled: Compiled, lake: LakeState, warehouse: Warehouse, moment: Moment) -> SiteContent:
    """Gather what the site shows of a project."""
    draft, links = compiled.draft, Links.of(compiled.draft)
    columns = known_columns(compiled)
    last = read_last_run(draft.project.root / draft.project.target_path, links, _quoting(compiled, columns))
    facts = gather_facts(compiled, columns, last, Present(lake, warehouse, moment))
    writes = (write for name, commits in facts.commits.items() for write in writes_of(name, commits))
    return SiteContent(
        project=project_page(compiled, links, columns, facts, moment),
        nodes=node_pages(compiled, links, columns, facts),
        graph=graph_nodes(compiled, links, columns, facts),
        search=list(_search_entries(compiled, links, columns)),
        checks=_check_entries(links, facts),
        runs=runs_of(writes, links, last),
    )


def _quoting(compiled: Compiled, columns: Columns) -> set[str]:
    """The nodes with private columns, and those that read some: what the engine says of a mistake may quote a value.

    A view or an ephemeral model is computed where it is read, with all that it reads itself.
    """
    graph, found = compiled.draft.graph, set[str]()
    for name in graph.order:
        for one in (name, *graph.parents(name)):
            is_computed_here = one in found and graph.nodes[one].materialized in INLINED
            if is_computed_here or has_private(one, columns):
                found.add(name)
    return found


def _search_entries(compiled: Compiled, links: Links, columns: Columns) -> Iterator[SearchEntry]:
    described, nodes = described_nodes(compiled), compiled.draft.graph.nodes
    for name, ref in links.refs.items():
        entry: SearchEntry = {"id": name, "name": ref["name"], "kind": ref["kind"]}
        if described.get(name):
            entry["description"] = described[name]
        if name in nodes and nodes[name].tags:
            entry["tags"] = list(nodes[name].tags)
        yield entry
        for column in columns.get(name, {}).values():
            found: SearchEntry = {"id": name, "name": column.name, "kind": "column", "column": column.name}
            found["of"] = ref["name"]
            if column.description and not column.from_id:
                found["description"] = column.description
            yield found
    project = compiled.draft.project
    for kind, named in (("entity", project.entities), ("feature_view", project.feature_views)):
        for one in named:
            entry = {"id": f"{kind}:{one.name}", "name": one.name, "kind": kind, "tags": list(one.tags)}
            if one.description:
                entry["description"] = one.description
            yield entry


def _check_entries(links: Links, facts: Facts) -> list[CheckEntry]:
    """All checks, those that fail first."""
    entries: list[CheckEntry] = [
        {**page, "node": links.refs[name]} for name, pages in facts.checks.items() for page in pages
    ]
    return sorted(entries, key=lambda entry: entry.get("status") not in WRONG)
