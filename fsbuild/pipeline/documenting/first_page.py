"""The first page of the site: what calls for attention, and what there is of everything."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator

from fsbuild.pipeline.compiling import Compiled, declared_features
from fsbuild.pipeline.documenting.columns import Columns
from fsbuild.pipeline.documenting.coverage import described_nodes
from fsbuild.pipeline.documenting.facts import Facts
from fsbuild.pipeline.documenting.links import Links, folder_of
from fsbuild.pipeline.documenting.tables import iso, last_change
from fsbuild.pipeline.documenting.verdicts import WRONG, sentence
from fsbuild.site.pages import (
    Attention,
    AttentionList,
    EntityPage,
    ExposurePage,
    FeatureViewPage,
    ProjectPage,
    Ref,
    SourceGroup,
    SourceTable,
)
from fsbuild.values import Moment
from fsbuild.version import __version__

# How much of what calls for attention is listed.
_LISTED = 20


def project_page(compiled: Compiled, links: Links, columns: Columns, facts: Facts, moment: Moment) -> ProjectPage:
    """Describe a project."""
    project, nodes = compiled.draft.project, compiled.draft.graph.nodes.values()
    described, known = described_nodes(compiled), [one for of_node in columns.values() for one in of_node.values()]
    counts = Counter(ref["kind"] for ref in links.refs.values())
    counts["columns"] = len(known)
    counts["checks"] = sum(map(len, facts.checks.values()))
    counts["entities"], counts["feature_views"] = len(project.entities), len(project.feature_views)
    page: ProjectPage = {
        "schema": 1,
        "name": project.name,
        "generated_at": iso(moment.started_at),
        "version": __version__,
        "target": project.target.name,
        "counts": dict(counts),
        "attention": {
            "failing": _listed(_failing(links, facts)),
            "stale": _listed(_stale(links, facts)),
            "changed": _listed(_changed(links, facts)),
        },
        "tags": sorted({tag for node in nodes for tag in node.tags}),
        "folders": sorted(set(map(folder_of, nodes))),
        "entities": list(_entities(compiled, links)),
        "feature_views": list(_feature_views(compiled, links)),
        "training_sets": [ref for ref in links.refs.values() if ref["kind"] == "training_set"],
        "sources": list(_sources(compiled, links, facts)),
        "exposures": list(_exposures(compiled, links)),
        "coverage": {
            "nodes": _share(sum(map(bool, described.values())), len(described)),
            "columns": _share(sum(bool(one.description) for one in known), len(known)),
        },
    }
    if project.overview:
        page["about"] = project.overview
    return page


def _share(part: int, whole: int) -> float:
    return round(part / whole, 4) if whole else 1.0


def _listed(found: Iterable[Attention]) -> AttentionList:
    items = list(found)
    return {"total": len(items), "items": items[:_LISTED]}


def _failing(links: Links, facts: Facts) -> Iterator[Attention]:
    """The nodes of which something failed, errors before warnings."""
    found: list[tuple[int, Attention]] = []
    for name, status in facts.statuses.items():
        if status not in WRONG or name not in links.refs:
            continue
        wrong = [page for page in facts.checks.get(name, ()) if page.get("status") in WRONG]
        why = sentence(wrong[0]) if wrong else "its last run failed"
        item = _attention(links.refs[name], why)
        if wrong and "checked_at" in wrong[0]:
            item["at"] = wrong[0]["checked_at"]
        found.append((WRONG.index(status) // 2, item))
    yield from (item for _, item in sorted(found, key=lambda pair: (pair[0], pair[1]["name"])))


def _stale(links: Links, facts: Facts) -> Iterator[Attention]:
    for name, freshness in facts.freshness.items():
        if freshness["status"] in ("warn", "error") and name in links.refs:
            item = _attention(links.refs[name], freshness.get("why", "its newest rows are too old"))
            if "as_of" in freshness:
                item["at"] = freshness["as_of"]
            yield item


def _changed(links: Links, facts: Facts) -> Iterator[Attention]:
    changes = {name: last_change(commits) for name, commits in facts.commits.items()}
    latest = sorted(((at[0], name, at[1]) for name, at in changes.items() if at is not None), reverse=True)
    for at, name, told in latest:
        item = _attention(links.refs[name], told)
        item["at"] = iso(at)
        yield item


def _attention(ref: Ref, why: str) -> Attention:
    return {"id": ref["id"], "name": ref["name"], "kind": ref["kind"], "why": why}


def _entities(compiled: Compiled, links: Links) -> Iterator[EntityPage]:
    about: dict[str, list[str]] = defaultdict(list)
    names = {name: model.columns for name, model in compiled.models.items()}
    for declared, _ in declared_features(compiled.draft, names | {n: one.columns for n, one in compiled.known.items()}):
        for name in declared.config.entity:
            about[name].append(declared.unique_id)
    for entity in compiled.draft.project.entities:
        page: EntityPage = {
            "name": entity.name,
            "keys": [{"name": key.name, "type": key.type} for key in entity.keys],
            "tags": list(entity.tags),
            "models": links.to(about[entity.name]),
        }
        if entity.description:
            page["description"] = entity.description
        if entity.owner:
            page["owner"] = entity.owner
        yield page


def _feature_views(compiled: Compiled, links: Links) -> Iterator[FeatureViewPage]:
    ids = {ref["name"]: name for name, ref in links.refs.items()}
    for view in compiled.draft.project.feature_views:
        page: FeatureViewPage = {
            "name": view.name,
            "tags": list(view.tags),
            "features": [
                {"node": links.refs[ids[one.model]], "columns": list(one.columns)}
                for one in view.features
                if one.model in ids
            ],
        }
        if view.description:
            page["description"] = view.description
        if view.owner:
            page["owner"] = view.owner
        yield page


def _sources(compiled: Compiled, links: Links, facts: Facts) -> Iterator[SourceGroup]:
    groups: dict[str, SourceGroup] = {}
    for source in compiled.draft.project.sources:
        group = groups.setdefault(source.source_name, {"name": source.source_name, "tables": []})
        ref = links.refs[source.unique_id]
        table: SourceTable = {"id": ref["id"], "name": source.name, "kind": ref["kind"]}
        if source.description:
            table["description"] = source.description
        if source.unique_id in facts.freshness:
            table["freshness"] = facts.freshness[source.unique_id]
        group["tables"].append(table)
    yield from groups.values()


def _exposures(compiled: Compiled, links: Links) -> Iterator[ExposurePage]:
    for exposure in compiled.draft.project.exposures:
        page: ExposurePage = {
            "id": exposure.unique_id,
            "name": exposure.name,
            "type": exposure.type,
            "depends_on": links.to(exposure.depends_on),
        }
        for key in ("label", "description", "owner", "url", "maturity"):
            if value := getattr(exposure, key):
                page[key] = value
        yield page
