"""A point in a table's history in, one of its versions out.

A point is a version, a moment or a run. A moment without a time zone is one of UTC; a date is its first moment.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from fsbuild.errors import FsbuildError, Problem, UsageError
from fsbuild.values import Relation

if TYPE_CHECKING:
    from fsbuild.engine import Warehouse
    from fsbuild.store import Lake

Point = int | str | dt.datetime
NEWEST = dt.datetime.max.replace(tzinfo=dt.UTC)


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
    latest = version_of(lake, uri, NEWEST if until is None else until)
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
