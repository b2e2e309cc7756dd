"""Sources with a `freshness` in, how old each is out: by a column, by its table's log, or by its files."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import replace
from time import perf_counter
from typing import TYPE_CHECKING

from fsbuild.artifacts.sources import FreshnessStatus, SourceAge
from fsbuild.errors import FsbuildError, Problem
from fsbuild.pipeline.drafting import Draft
from fsbuild.pipeline.state import open_lake
from fsbuild.values import THIS, Freshness, Source, quote

if TYPE_CHECKING:
    from fsbuild.engine import Warehouse


def source_ages(draft: Draft, chosen: Sequence[str], warehouse: Warehouse, now: dt.datetime) -> tuple[SourceAge, ...]:
    """Tell how old the chosen sources are that have a `freshness`, in the order of the graph."""
    sources = {source.unique_id: source for source in draft.project.sources}
    return tuple(
        _age(draft, source, source.freshness, warehouse, now)
        for name in chosen
        if (source := sources.get(name)) is not None and source.freshness is not None
    )


def _age(draft: Draft, source: Source, freshness: Freshness, warehouse: Warehouse, now: dt.datetime) -> SourceAge:
    started = perf_counter()
    name = f"{source.source_name}.{source.name}"
    found = SourceAge(name, source.unique_id, "runtime error", freshness, started_at=dt.datetime.now(dt.UTC))
    try:
        loaded_at, told_by = _loaded_at(draft, source, freshness, warehouse)
    except FsbuildError as exc:
        return replace(found, message=exc.problems[0].message.splitlines()[0])
    if loaded_at is None:
        return replace(found, status="error", told_by=told_by, message="it has no rows")
    age = now - loaded_at
    status: FreshnessStatus = "pass"
    if freshness.error_after is not None and age > freshness.error_after:
        status = "error"
    elif freshness.warn_after is not None and age > freshness.warn_after:
        status = "warn"
    elapsed_s = perf_counter() - started
    return replace(
        found, status=status, loaded_at=loaded_at, age_s=age.total_seconds(), told_by=told_by, elapsed_s=elapsed_s
    )


def _loaded_at(
    draft: Draft, source: Source, freshness: Freshness, warehouse: Warehouse
) -> tuple[dt.datetime | None, str]:
    """When the newest row came, and what says so; a time without a zone is one of UTC."""
    if freshness.query is not None:
        warehouse.bind_source(source, source.version)
        asked = freshness.query.replace(THIS, str(source.relation)).strip().rstrip(";")
        return _newest(f"SELECT epoch_us(CAST(({asked}) AS TIMESTAMPTZ)) AS newest", warehouse), "its query"
    if freshness.field is not None or freshness.filter is not None:
        return _by_column(source, freshness, warehouse), str(freshness.field)
    if source.kind == "delta":
        lake = open_lake(draft.project)
        latest = lake.state_at(source.location)
        changed = lake.last_change(source.location, latest.version) if latest is not None else None
        if changed is None:
            raise FsbuildError(Problem(f"there is no table at {source.location}"))
        return lake.committed_at(source.location, changed), "its log"
    from fsbuild.engine.sources import local_files

    files = local_files(source, draft.project.root)
    if files is None:
        message = "the times of its files cannot be told; name a column with loaded_at_field"
        raise FsbuildError(Problem(message))
    times = [file.stat().st_mtime for file in files]
    return (dt.datetime.fromtimestamp(max(times), dt.UTC) if times else None), "its files"


def _by_column(source: Source, freshness: Freshness, warehouse: Warehouse) -> dt.datetime | None:
    if freshness.field is None:
        raise FsbuildError(Problem("a filter needs a column: name it with loaded_at_field"))
    warehouse.bind_source(source, source.version)
    given = f" WHERE ({freshness.filter})" if freshness.filter else ""
    field = freshness.field if "(" in freshness.field or "::" in freshness.field else quote(freshness.field)
    return _newest(
        f"SELECT epoch_us(CAST(max({field}) AS TIMESTAMPTZ)) AS newest FROM (SELECT * FROM {source.relation}{given})",
        warehouse,
    )


def _newest(sql: str, warehouse: Warehouse) -> dt.datetime | None:
    (row,) = warehouse.rows(sql)
    newest = row["newest"]
    return None if newest is None else dt.datetime.fromtimestamp(int(str(newest)) / 1_000_000, dt.UTC)
