"""A table's log and a moment, a run or a version in; the version that is meant out."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

from fsbuild.errors import Problem, StoreError
from fsbuild.store.commits import PREFIX
from fsbuild.store.log import changes_data, commits
from fsbuild.store.table import TablePlace


def version_at(place: TablePlace, moment: dt.datetime) -> int:
    """The latest version of a table that was committed at a moment or before it.

    Raises:
        StoreError: there is no table, or none yet at that moment; the message names the first version's.
    """
    first: tuple[int, dict[str, Any]] | None = None
    for version, info in commits(place):
        if committed_at(info) <= moment:
            return version
        first = version, info
    if first is None:
        raise place.is_missing()
    message = f"{place.uri} has no version as old as {shown_time(moment)}"
    hint = f"its first one is version {first[0]}, of {shown_time(committed_at(first[1]))}"
    raise StoreError(Problem(message, hint=hint))


def version_of_run(place: TablePlace, run_id: str) -> int | None:
    """The version that a run left of a table, or None where it wrote none.

    That is its last commit, and the properties that were set in a commit of their own directly after it.
    """
    after: int | None = None
    for version, info in commits(place):
        if info.get(f"{PREFIX}run_id") == run_id:
            return version if after is None else after
        if info.get("operation") != "SET TBLPROPERTIES":
            after = None
        elif after is None:
            after = version
    return None


def refuse_unknown_version(place: TablePlace, version: int) -> None:
    """Pass where a table's log has a version.

    Raises:
        StoreError: it has not; the message names those that it has.
    """
    known = [number for number, _ in commits(place)]
    if not known:
        raise place.is_missing()
    if version not in known:
        hint = f"its log has the versions {known[-1]} to {known[0]}"
        raise StoreError(Problem(f"{place.uri} has no version {version}", hint=hint))


def last_change(place: TablePlace, until: int) -> int | None:
    """The latest version up to `until` whose commit changed rows; None where no commit in the log did."""
    changes = (n for n, info in commits(place) if n <= until and changes_data(info))
    return next(changes, None)


def time_of(place: TablePlace, version: int) -> dt.datetime:
    """When a version of a table was committed.

    Raises:
        StoreError: its log has no such version.
    """
    for number, info in commits(place):
        if number == version:
            return committed_at(info)
    raise StoreError(Problem(f"{place.uri} has no version {version}", hint="'fsbuild history' lists its versions"))


def committed_at(info: Mapping[str, Any]) -> dt.datetime:
    """When a commit was made, by what it says of itself."""
    return dt.datetime.fromtimestamp(int(info.get("timestamp", 0)) / 1000, dt.UTC)


def shown_time(moment: dt.datetime) -> str:
    """Write a moment so that it can be given back: in UTC, to the millisecond that a log knows."""
    return moment.astimezone(dt.UTC).replace(tzinfo=None).isoformat(sep=" ", timespec="milliseconds")
