"""A node's name and a point in its table's history in, the table's place and one of its versions out.

A point is a version, a moment or a run. A moment without a time zone is one of UTC; a date is its first moment.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from fsbuild.errors import FsbuildError, Problem, UsageError, suggest
from fsbuild.pipeline.drafting import Draft
from fsbuild.pipeline.running import shown_name
from fsbuild.values import STORED, Relation

if TYPE_CHECKING:
    from fsbuild.engine import Warehouse
    from fsbuild.store import Lake

Point = int | str | dt.datetime


def find_node(draft: Draft, name: str) -> str:
    """Find the node of a name: a model, a seed, or a source as `source.table`.

    Raises:
        UsageError: there is none.
    """
    by_name = {shown_name(node): unique_id for unique_id, node in draft.graph.nodes.items()}
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


def parse_moment(given: str | dt.datetime) -> dt.datetime:
    """Read a moment: an ISO date or time, in UTC where it names no time zone.

    >>> parse_moment("2013-02-01 06:30")
    datetime.datetime(2013, 2, 1, 6, 30, tzinfo=datetime.timezone.utc)

    Raises:
        UsageError: it is none.
    """
    try:
        moment = dt.datetime.fromisoformat(given) if isinstance(given, str) else given
    except ValueError as exc:
        hint = "write 2013-02-01, '2013-02-01 06:30' or 2013-02-01T06:30:00+01:00; UTC unless it says otherwise"
        raise UsageError(Problem(f"'{given}' is not a date or time", hint=hint)) from exc
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=dt.UTC)


def version_of(lake: Lake, uri: str, point: Point) -> int:
    """Find the version of a table that a point means: a number, a moment, or the id of a run.

    Raises:
        UsageError: the table has no such version.
    """
    if isinstance(point, str) and point.isdecimal():
        point = int(point)
    try:
        if isinstance(point, int):
            lake.refuse_unknown_version(uri, point)
            return point
        if isinstance(point, dt.datetime) or _is_moment(point):
            return lake.version_at(uri, parse_moment(point))
    except FsbuildError as exc:
        raise UsageError(exc.problems) from exc
    version = lake.version_of_run(uri, point)
    if version is None:
        hint = "write a version's number, a date or time, or a run's id; 'fsbuild history' lists them"
        raise UsageError(Problem(f"no run '{point}' wrote a version of {uri}", hint=hint))
    return version


def versions_between(lake: Lake, uri: str, since: Point | None, until: Point | None) -> tuple[int, int]:
    """Find the two versions of a table that are meant; by default the latest, and the one before its last change.

    Raises:
        UsageError: there is no such version, or the rows have not changed since the table was made.
    """
    latest = version_of(lake, uri, dt.datetime.max.replace(tzinfo=dt.UTC) if until is None else until)
    if since is not None:
        return version_of(lake, uri, since), latest
    changed = lake.last_change(uri, latest)
    before = None if not changed else lake.last_change(uri, changed - 1)
    if before is None:
        message = f"the rows of {uri} have not changed before version {latest} in its log"
        raise UsageError(Problem(message, hint="'fsbuild history' lists its versions; choose two with --from and --to"))
    return before, latest


@contextmanager
def bound_versions(warehouse: Warehouse, lake: Lake, uri: str, versions: Sequence[int]) -> Iterator[list[Relation]]:
    """Make versions of a Delta table readable; give the name of each.

    Raises:
        StoreError: the files of a version are gone, which shows when they are read.
    """
    relations = [Relation("fsbuild_versions", f"v{version}") for version in versions]
    try:
        for relation, version in zip(relations, versions, strict=True):
            warehouse.bind_table(relation, uri, version)
        yield relations
    except FsbuildError:
        for version in versions:
            lake.refuse_missing_files(uri, version)
        raise


def _is_moment(text: str) -> bool:
    try:
        parse_moment(text)
    except UsageError:
        return False
    return True
