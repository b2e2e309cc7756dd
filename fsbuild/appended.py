"""The files of a source when it was read, and now, in; the files that were added since, out.

Files have no log. That rows were added, and nothing else happened, is known where every file that was read is still
what it was.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping

from fsbuild.errors import NoChangesError, listing
from fsbuild.values import Source

# The name under which a commit says what the files were, by source.
FILES = "files"
# More would make a log of commits into one of files.
_MOST_FILES = 1_000
# Parquet says itself what its columns are; of a text file, types are guessed from all files together.
_PARQUET = re.compile(r"[^()]*\.(?:parquet|parq|pq)", re.IGNORECASE)

FileStates = Mapping[str, str]


def remember_files(
    sources: Mapping[str, Source], names: Iterable[str], present: Mapping[str, FileStates]
) -> str | None:
    """Write down the files of those of the named inputs whose additions can be told; None where there are none."""
    found = {
        name: dict(present[name])
        for name in names
        if name in sources
        and _PARQUET.fullmatch(sources[name].location)
        and len(present.get(name, ())) in range(1, _MOST_FILES)
    }
    return json.dumps(found, sort_keys=True) if found else None


def added_files(source: Source, recorded: str | None, present: FileStates | None) -> tuple[str, ...]:
    """List the files of a source that were added since `recorded`, by the text of `remember_files`.

    Raises:
        NoChangesError: files were changed or removed, or it is not known.
    """
    if not _PARQUET.fullmatch(source.location):
        raise NoChangesError(source.name, "of files that are no Parquet, or are read by a function, all are read again")
    before: FileStates | None = json.loads(recorded or "{}").get(source.unique_id)
    if before is None or not present:
        raise NoChangesError(source.name, "it is not recorded which files were read")
    if others := [name for name, state in before.items() if present.get(name) != state]:
        raise NoChangesError(source.name, f"files that were read have been changed or removed ({listing(others, 1)})")
    added = tuple(name for name in present if name not in before)
    if folders := [name for name in added if "=" in name]:
        raise NoChangesError(source.name, f"folders that name values are read as a whole ({folders[0]})")
    return added
