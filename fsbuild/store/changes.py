"""Two moments of a table in, the rows that changed between them out: Delta's change data feed.

The moments are a token, which identifies a state that was read once, and a version. Where the feed does not tell all
changes between them, that is said and nothing is guessed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fsbuild.errors import NoChangesError, Problem
from fsbuild.store.log import CHANGE_FEED, commits, open_table, token_of

if TYPE_CHECKING:
    import pyarrow as pa

_TOKEN = re.compile(r"(\d+)@.*")


def read_changes(uri: str, since: str, until: int, storage_options: Mapping[str, str]) -> pa.RecordBatchReader:
    """Stream the rows that changed after the state `since` up to version `until`, as Delta's change data feed has them.

    The last columns are `_change_type` (`insert`, `delete`, `update_preimage`, `update_postimage`), `_commit_version`
    and `_commit_timestamp`.

    Raises:
        NoChangesError: the feed does not have all of them.
    """
    import pyarrow as pa
    from deltalake.exceptions import DeltaError

    if (problem := changes_problem(uri, since, until, storage_options)) is not None:
        raise NoChangesError(Problem(problem))
    table = open_table(uri, storage_options, until)
    if table is None:
        raise NoChangesError(Problem("it is gone"))
    first = _version(since) + 1
    try:
        if first > until:
            return pa.RecordBatchReader.from_stream(table.load_cdf(until, until, predicate="false"))
        return pa.RecordBatchReader.from_stream(table.load_cdf(first, until))
    except (DeltaError, OSError) as exc:
        raise NoChangesError(Problem(f"its change data feed cannot be read: {str(exc).splitlines()[0]}")) from exc


def changes_problem(uri: str, since: str, until: int, storage_options: Mapping[str, str]) -> str | None:
    """Say why the rows that changed after the state `since` up to version `until` cannot be told, or None."""
    match = _TOKEN.fullmatch(since)
    if match is None:
        return "the version that was read last is not known"
    first = int(match[1])
    if first > until:
        return "it is older than the version that was read last"
    found = next((info for version, info in commits(uri, storage_options) if version == first), None)
    if found is None:
        return f"its log does not go back to version {first}, which was read last"
    if token_of(first, found) != since:
        return "it was made anew since it was read last"
    if not _feeds_changes(uri, first, until, storage_options):
        return f"its change data feed is off ({CHANGE_FEED})"
    return None


def _version(token: str) -> int:
    return int(token.partition("@")[0])


def _feeds_changes(uri: str, first: int, until: int, storage_options: Mapping[str, str]) -> bool:
    """Whether the change data feed was on from version `first` up to `until`."""
    if "://" not in uri:
        for version in range(until, -1, -1):
            found = _configuration(Path(uri) / "_delta_log" / f"{version:020}.json")
            if found is not None and found.get(CHANGE_FEED) != "true":
                return False
            if found is not None and version <= first:
                return True
    # The log is elsewhere, or its beginning is in a checkpoint.
    return all(
        (table := open_table(uri, storage_options, version)) is not None
        and table.metadata().configuration.get(CHANGE_FEED) == "true"
        for version in {first, until}
    )


def _configuration(file: Path) -> Mapping[str, Any] | None:
    """The table properties that a commit sets, or None where it sets none."""
    try:
        with file.open(encoding="utf-8") as lines:
            for line in lines:
                if line.startswith('{"metaData"'):
                    found: Mapping[str, Any] = json.loads(line)["metaData"].get("configuration", {})
                    return found
    except FileNotFoundError:
        return None
    return None
