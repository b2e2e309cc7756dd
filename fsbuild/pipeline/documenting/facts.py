"""What is known of a project beside its files: what its lake holds, and what runs left."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from fsbuild.pipeline.compiling import Compiled
from fsbuild.pipeline.discovery import measured_nodes
from fsbuild.pipeline.documenting.columns import Columns, has_private
from fsbuild.pipeline.documenting.tables import Commits, iso, last_change, newest_event
from fsbuild.pipeline.documenting.verdicts import WRONG, check_pages, read_verdicts, worst
from fsbuild.pipeline.freshness import source_ages
from fsbuild.pipeline.nodes import relation_of, shown_name
from fsbuild.pipeline.running import RunOptions, plan_run, set_agenda
from fsbuild.pipeline.state import LakeState, open_lake
from fsbuild.site.pages import CheckPage, Freshness, RunEntry
from fsbuild.stored_statistics import Measured
from fsbuild.values import STORED, Model, Moment, Seed, Source, TableState, quarantine_relation

if TYPE_CHECKING:
    from fsbuild.engine import Warehouse

# How many commits of a table are read.
_COMMITS = 60
# The key under which a table's commit names the version of the rows kept out of it.
_QUARANTINE = "quarantine"
_STATUSES: Mapping[str, Literal["pass", "warn", "error"]] = {"pass": "pass", "warn": "warn", "error": "error"}


@dataclass(frozen=True, slots=True)
class Present:
    """What there is at a moment: the states of tables, and the engine that reads them."""

    lake: LakeState
    warehouse: Warehouse
    moment: Moment


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a project beside its files: of tables, of checks, of the last run; each by unique id."""

    commits: Mapping[str, Commits]
    states: Mapping[str, TableState]
    measured: Mapping[str, Measured]
    checks: Mapping[str, Sequence[CheckPage]]
    freshness: Mapping[str, Freshness]
    statuses: Mapping[str, str]
    quarantined: Mapping[str, int]


def gather_facts(compiled: Compiled, columns: Columns, last: RunEntry | None, present: Present) -> Facts:
    """Gather what is known of a project beside its files; `last` is how the last command ended."""
    lake, warehouse = present.lake, present.warehouse
    draft, store = compiled.draft, open_lake(compiled.draft.project)
    relations = {seed.unique_id: seed.relation for seed in draft.project.seeds}
    relations |= {name: model.relation for name, model in draft.models.items()}
    commits = {
        name: store.commits(relations[name], _COMMITS)
        for name in lake.states
        if name in compiled.models or name.startswith("seed.")
    }
    verdicts = read_verdicts(draft, warehouse)
    project = draft.project
    nodes: tuple[Model | Seed | Source, ...] = (*project.models, *project.seeds, *project.sources)
    checks = {
        node.unique_id: check_pages(
            node.unique_id,
            node.checks,
            verdicts,
            [column.name for column in columns.get(node.unique_id, {}).values() if column.is_pii],
        )
        for node in nodes
        if node.checks
    }
    statuses = dict.fromkeys(commits, "success")
    statuses |= {one["node"]["id"]: one["status"] for one in last["nodes"]} if last is not None else {}
    for name, pages in checks.items():
        found = worst([page["status"] for page in pages if page.get("status") in WRONG])
        if found is not None and statuses.get(name) != "error":
            statuses[name] = found
    return Facts(
        commits,
        lake.states,
        measured_nodes(draft, warehouse),
        checks,
        _freshness(compiled, columns, present, commits),
        statuses,
        {name: _quarantined(name, compiled, lake) for name in commits},
    )


def _quarantined(unique_id: str, compiled: Compiled, lake: LakeState) -> int:
    """How many rows are kept out of a table."""
    version = lake.states[unique_id].extra.get(_QUARANTINE)
    if version is None:
        return 0
    relation = quarantine_relation(relation_of(compiled.draft, unique_id))
    commits = dict(open_lake(compiled.draft.project).commits(relation, _COMMITS))
    return int(commits.get(int(version), {}).get("fsbuild.rows", 0))


def _freshness(
    compiled: Compiled, columns: Columns, present: Present, commits: Mapping[str, Commits]
) -> dict[str, Freshness]:
    """How up to date tables are, by what a run would do; and sources, by how old their newest rows may be."""
    agenda = set_agenda("run", compiled, compiled.draft.graph.order)
    found: dict[str, Freshness] = {}
    for step in plan_run(agenda, compiled, present.lake, RunOptions(), present.moment).steps:
        model = compiled.models.get(step.unique_id)
        if model is None or model.rendered.config.materialized not in STORED:
            continue
        is_kept = step.action in ("keep", "describe", "check")
        found[step.unique_id] = {"status": "pass"} if is_kept else {"status": "warn", "why": step.reason}
    for name, one in commits.items():
        changed = last_change(one)
        # An event time is a value of its column.
        newest = None if has_private(name, columns) else newest_event(one)
        as_of = newest or (iso(changed[0]) if changed is not None else None)
        if as_of is not None:
            found.setdefault(name, {"status": "pass"})["as_of"] = as_of
    found.update(_source_freshness(compiled, present))
    return found


def _source_freshness(compiled: Compiled, present: Present) -> Iterator[tuple[str, Freshness]]:
    draft = compiled.draft
    ids = {shown_name(node): name for name, node in draft.graph.nodes.items() if node.resource_type == "source"}
    for age in source_ages(draft, draft.graph.order, present.warehouse, present.moment.started_at):
        freshness: Freshness = {"status": _STATUSES.get(age.status, "unknown")}
        if age.loaded_at is not None:
            freshness["as_of"] = iso(age.loaded_at)
        if age.message:
            freshness["why"] = age.message
        yield ids[age.name], freshness
