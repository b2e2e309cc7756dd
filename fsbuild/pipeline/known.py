"""The sources that models read and the seeds in, their columns and types out; their files are asked, not their rows.

What a file was found to have is kept as long as the file is the same: of a seed that is its content, of a source's
files their sizes and times, and of a Delta table the last commit of its log.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

from fsbuild.cache import Shelf
from fsbuild.errors import FsbuildError, Place, Problem
from fsbuild.pipeline.drafting import Draft, sources_in_use
from fsbuild.pipeline.late_binding import LateBinder
from fsbuild.pipeline.marks import table_mark
from fsbuild.values import ColumnType, Seed, Source

if TYPE_CHECKING:
    from pathlib import Path

    from fsbuild.compile import KnownRelation


def known_relations(draft: Draft, binder: LateBinder, shelf: Shelf, problems: list[Problem]) -> Iterator[KnownRelation]:
    """Type the sources that are read, from their files, and all seeds; what cannot be read is added to the problems."""
    for source in sources_in_use(draft):
        found = _known_source(source, draft.project.root, binder, shelf)
        if isinstance(found, Problem):
            problems.append(found)
        else:
            yield found
    for seed in draft.project.seeds:
        try:
            yield _known_seed(seed, draft.project.root, binder, shelf)
        except FsbuildError as exc:
            message = exc.problems[0].message.splitlines()[0]
            problems.append(Problem(f"seed '{seed.name}' cannot be read: {message}", Place(seed.path)))


def _known_source(source: Source, root: Path, binder: LateBinder, shelf: Shelf) -> KnownRelation | Problem:
    from fsbuild.compile import KnownRelation
    from fsbuild.engine.sources import file_states, local_files, scan

    name = f"{source.source_name}.{source.name}"
    files = local_files(source, root) if source.kind == "files" else None
    if files == []:
        hint = f"relative paths start at the project's folder, {root.name}/"
        return Problem(f"source '{name}': no file matches '{source.location}'", source.place, hint=hint)
    # Taken before the files are looked into: what is written meanwhile is something else.
    mark: object = file_states(files, root) if files is not None else None
    if source.kind == "delta" and "://" not in source.location:
        mark = table_mark(source.location)
    key = shelf.key(source.unique_id, scan(source, root=root), mark) if mark is not None else None
    if key is not None and (kept := shelf.get(key)) is not None:
        return KnownRelation(source.unique_id, source.relation, tuple(ColumnType(*one) for one in json.loads(kept)))
    try:
        bound = binder.source_columns(source)
    except FsbuildError as exc:
        message = exc.problems[0].message.splitlines()[0]
        return Problem(f"source '{name}' cannot be read: {message}", source.place)
    columns = tuple(ColumnType(column.name, column.type) for column in bound)
    if key is not None:
        shelf.put(key, json.dumps([(column.name, column.type) for column in columns]))
    return KnownRelation(source.unique_id, source.relation, columns)


def _known_seed(seed: Seed, root: Path, binder: LateBinder, shelf: Shelf) -> KnownRelation:
    from fsbuild.compile import KnownRelation, compile_seed
    from fsbuild.engine.sources import scan_seed

    sql = scan_seed(seed, root)
    key = shelf.key(seed.unique_id, sql, seed.fingerprint)
    if (kept := shelf.get(key)) is not None:
        columns, select = json.loads(kept)
        return KnownRelation(seed.unique_id, seed.relation, tuple(ColumnType(*one) for one in columns), select)
    known = compile_seed(seed.unique_id, seed.relation, sql, binder.columns_of(sql))
    shelf.put(key, json.dumps([[(column.name, column.type) for column in known.columns], known.select]))
    return known
