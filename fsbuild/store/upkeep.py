"""A table that is there in; the same table out: as it was once, better stored, or without the files that nobody needs.

What these commits say keeps later runs right. A restored table says that it was computed from what the restored version
was computed from; storing rows otherwise says that no row has changed.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from urllib.parse import unquote

from fsbuild.errors import Problem, StoreError, listing
from fsbuild.store.commits import PREFIX, commit_properties, own_properties, upkeep_properties
from fsbuild.store.constraints import constraint_properties, drop_stale, read_constraints
from fsbuild.store.files import file_size, schema_of, writer_properties
from fsbuild.store.log import changes_data, commits, file_system, read_state, token_of_info
from fsbuild.store.table import TablePlace, commit_errors
from fsbuild.values import Commit

if TYPE_CHECKING:
    from deltalake import DeltaTable

_ZORDER = f"{PREFIX}zorder"
# How many files more than needed are worth a commit that puts them together.
_MANY_FILES = 32


@dataclass(frozen=True, slots=True)
class Optimized:
    """How many files a table's rows were in and are in now, and its version then: None where nothing was to be done."""

    before: int
    after: int
    version: int | None


@dataclass(frozen=True, slots=True)
class UnusedFile:
    """A file that no version needs that is to be kept, and its size in bytes."""

    path: str
    size: int


def set_properties(
    place: TablePlace, properties: Mapping[str, str], description: str | None, run_id: str | None
) -> int | None:
    """Set what differs, empty what is no longer wanted; return the table's version then, or None where nothing did."""
    with commit_errors(place.uri):
        table = place.open()
        if table is None:
            return None
        metadata = table.metadata()
        wanted = dict.fromkeys(own_properties(table), "") | dict(properties)
        # deltalake cannot take a property away: an empty one is as good as none.
        changed = {name: value for name, value in wanted.items() if metadata.configuration.get(name, "") != value}
        if description is not None and (metadata.description or "") != description:
            table.alter.set_table_description(description, commit_properties=upkeep_properties(run_id))
        elif not changed:
            return None
        if changed:
            left = {name: value for name, value in wanted.items() if value}
            constraints = read_constraints(changed)
            drop_stale(table, read_constraints(wanted), run_id)
            table.alter.set_table_properties(
                changed | constraint_properties(table, constraints),
                raise_if_not_exists=False,
                commit_properties=upkeep_properties(run_id, properties=json.dumps(left, sort_keys=True)),
            )
        return int(table.version())


def restore(place: TablePlace, version: int, commit: Commit) -> int:
    """Make a table what it was in a version, in one commit; return the table's version then.

    `commit` says who restores and which version is replaced; its `inputs` stand for those of the restored version.
    What else that version was computed from is taken from it. Where another program had changed it, the next run has to
    learn that, and the commit says nothing of it.

    Raises:
        ConflictError: the table is not at the version that is to be replaced.
        StoreError: the files of the version are gone.
    """
    state = read_state(place.uri, place.storage_options, version)
    refuse_missing_files(place, version)
    commit = replace(commit, rows=_rows(place.opened(version)))
    with commit_errors(place.uri):
        table = place.existing(commit)
        if state is not None and state.changed_by is None and state.fingerprint is not None:
            times = _event_times(place, version)
            commit = replace(commit, fingerprint=state.fingerprint, extra=state.extra, event_times=times)
        properties = commit_properties(commit, own_properties(place.opened(version)))
        if not commit.fingerprint:
            # The next run has to learn that the rows are not ours, or not ours alone.
            (properties.custom_metadata or {}).pop(f"{PREFIX}fingerprint")
        table.restore(version, commit_properties=properties)
        return int(table.version())


def refuse_missing_files(place: TablePlace, version: int) -> None:
    """Pass where all files of a version are there.

    Raises:
        StoreError: some are gone.
    """
    table = place.opened(version)
    missing = [path for path, size in _sizes(place, _paths(table)).items() if size is None]
    if missing:
        message = f"version {version} of {place.uri} cannot be read any more: {len(missing)} of its files are gone"
        hint = "they were vacuumed; choose a later version"
        raise StoreError(Problem(message, hint=hint, detail=listing(missing, 3)))


def refuse_unknown_columns(place: TablePlace, columns: Sequence[str]) -> None:
    """Pass where a table has columns of these names.

    Raises:
        StoreError: it has not.
    """
    known = [field.name for field in place.opened().schema().fields]
    unknown = [name for name in columns if name.lower() not in {column.lower() for column in known}]
    if unknown:
        message = f"{place.uri} has no column '{unknown[0]}' to order its rows by"
        raise StoreError(Problem(message, hint=f"its columns are {listing(known)}"))


def compact_small(place: TablePlace, run_id: str) -> int | None:
    """Put small files together where there are many more than there have to be; return the version then, or None.

    Raises:
        ConflictError: another writer is at the table.
    """
    table = place.opened()
    sizes = _file_sizes(table)
    target = file_size(sum(sizes.values()))
    small = Counter(path.rpartition("/")[0] for path, size in sizes.items() if size < target / 2)
    # Each partition has files of its own, and one small file is no fewer.
    if sum(count - 1 for count in small.values()) < _MANY_FILES:
        return None
    version = table.version()
    with commit_errors(place.uri):
        table.optimize.compact(
            target_size=target,
            writer_properties=writer_properties(schema_of(table)),
            commit_properties=upkeep_properties(run_id),
        )
    return int(table.version()) if table.version() != version else None


def optimize(place: TablePlace, zorder: Sequence[str], run_id: str, *, small_files: bool = False) -> Optimized:
    """Put a table's rows into few files, those together that are near in the columns `zorder`, where it has them.

    A table that has been ordered so since its rows changed last is left alone.
    """
    table = place.opened()
    present = {field.name.lower(): field.name for field in table.schema().fields}
    columns = [present[name.lower()] for name in zorder if name.lower() in present]
    # The rows of a file have one value of a partition column already.
    columns = [name for name in columns if name not in table.metadata().partition_columns]
    before, version = len(_paths(table)), table.version()
    if columns and _is_ordered(place, columns):
        return Optimized(before, before, None)
    properties = upkeep_properties(run_id, zorder=",".join(columns))
    target = file_size(sum(_file_sizes(table).values())) if small_files else None
    written = writer_properties(schema_of(table))
    with commit_errors(place.uri):
        if columns:
            table.optimize.z_order(columns, target_size=target, writer_properties=written, commit_properties=properties)
        else:
            table.optimize.compact(target_size=target, writer_properties=written, commit_properties=properties)
    table = place.opened()
    return Optimized(before, len(_paths(table)), table.version() if table.version() != version else None)


def needed_versions(place: TablePlace, tokens: Sequence[str]) -> list[int]:
    """The versions of a table that those need who read it last in the states of these tokens.

    That is the earliest of them and all that follow: what changed since is read from the files of every version.
    """
    infos = list(commits(place))
    read = [version for version, info in infos if token_of_info(version, info) in tokens]
    return sorted(version for version, _ in infos if read and version >= min(read))


def unused_files(place: TablePlace, retention_hours: int | None, kept: Sequence[int]) -> list[UnusedFile]:
    """List the files that no version needs which is kept, and that have been unused for longer than the retention.

    Without `retention_hours` that is the table's own, `delta.deletedFileRetentionDuration` or 168 hours.

    Raises:
        StoreError: the retention is shorter than the table's own.
    """
    table = place.opened()
    with _retention_errors(place.uri):
        paths = table.vacuum(retention_hours, dry_run=True, keep_versions=list(kept))
    sizes = _sizes(place, paths)
    return [UnusedFile(path, size) for path, size in sizes.items() if size is not None]


def vacuum(place: TablePlace, retention_hours: int | None, kept: Sequence[int], run_id: str) -> None:
    """Delete what `unused_files` lists.

    Raises:
        StoreError: the retention is shorter than the table's own.
    """
    table = place.opened()
    with _retention_errors(place.uri):
        table.vacuum(
            retention_hours, dry_run=False, keep_versions=list(kept), commit_properties=upkeep_properties(run_id)
        )


def _paths(table: DeltaTable) -> list[str]:
    """The paths of a table's files below its place."""
    return list(_file_sizes(table))


def _file_sizes(table: DeltaTable) -> dict[str, int]:
    """The bytes of each of a table's files, by its path; the log has paths encoded as in a URL."""
    files = table.get_add_actions()  # pyarrow is not asked for its rows: it would import pandas
    paths, sizes = (files.column(name).to_pylist() for name in ("path", "size_bytes"))
    return {unquote(path): size for path, size in zip(paths, sizes, strict=True)}


def _rows(table: DeltaTable) -> int:
    """How many rows a table has, by what its log says of its files."""
    return sum(count for count in table.get_add_actions().column("num_records").to_pylist() if count is not None)


def _sizes(place: TablePlace, paths: Sequence[str]) -> dict[str, int | None]:
    """The sizes of files below a table's place; None for those that are not there."""
    from pyarrow.fs import FileType

    if not paths:
        return {}
    files = file_system(place)
    infos = files.get_file_info(list(paths))
    return {path: info.size if info.type == FileType.File else None for path, info in zip(paths, infos, strict=True)}


def _event_times(place: TablePlace, until: int) -> tuple[str, str] | None:
    """The event times that the last commit of ours up to a version recorded."""
    for version, info in commits(place):
        if version <= until and f"{PREFIX}fingerprint" in info:
            found = json.loads(info.get(f"{PREFIX}event_times", "null"))
            return (str(found[0]), str(found[1])) if found else None
    return None


def _is_ordered(place: TablePlace, columns: Sequence[str]) -> bool:
    """Whether a table has been ordered by these columns since its rows changed last."""
    for _, info in commits(place):
        if changes_data(info):
            return False
        if info.get("operation") == "OPTIMIZE" and info.get(_ZORDER):
            return bool(info[_ZORDER] == ",".join(columns))
    return False


@contextmanager
def _retention_errors(uri: str) -> Iterator[None]:
    """Say which retention is too short, in the words of this program."""
    with commit_errors(uri):
        try:
            yield
        except Exception as exc:
            found = re.search(r"greater than (\d+) hours, got (\d+)", str(exc))
            if found is None:
                raise
            message = f"a retention of {found[2]} hours is shorter than the {found[1]} hours that {uri} keeps its files"
            hint = "ask for as many hours or more, or set the table's delta.deletedFileRetentionDuration"
            raise StoreError(Problem(message, hint=hint)) from exc
