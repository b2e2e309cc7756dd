"""A node and a point in its table's history in, its table as it was then out; those below it too, where that is asked.

Every table is restored in one commit of its own. Nothing is written before it is known that everything can be.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from fsbuild.errors import FsbuildError, Problem, StoreError, listing
from fsbuild.pipeline.drafting import Draft
from fsbuild.pipeline.nodes import has_table, relation_of, shown_name
from fsbuild.pipeline.points import Point, version_of
from fsbuild.pipeline.state import open_lake
from fsbuild.values import Commit, TableState

if TYPE_CHECKING:
    from fsbuild.store import Lake


@dataclass(frozen=True, slots=True)
class Restored:
    """What was done with a table: the version that it was at, the one that it was made again, and the one that is now.

    `restored` is None where there is nothing to go back to; `version` is `was` where the rows were those already.
    """

    name: str
    was: int | None
    restored: int | None
    version: int | None
    message: str


@dataclass(frozen=True, slots=True)
class _Target:
    """A table, as it is and as it shall be again."""

    unique_id: str
    uri: str
    present: TableState | None
    version: int | None
    then: TableState | None

    @property
    def is_due(self) -> bool:
        """Whether the table has to be restored to be what it was."""
        return self.present is not None and self.then is not None and self.present.token != self.then.token


def restore_tables(
    draft: Draft, unique_id: str, point: Point, run_id: str, *, has_downstream: bool = False
) -> tuple[Restored, ...]:
    """Restore a node's table, and those of all nodes below it where `has_downstream` says so; tell of each.

    A table below becomes what it was at that moment, or after that run; where a version was asked for, after the run
    that wrote it. What did not exist then stays as it is.

    Raises:
        UsageError: the node's table has no such version.
        StoreError: the files of a version are gone, and nothing was restored; or another writer is at a table, and the
            message names those that were restored before it.
    """
    lake = open_lake(draft.project)
    below = draft.graph.descendants(unique_id) if has_downstream else frozenset()
    names = [unique_id, *(name for name in draft.graph.order if name in below and has_table(draft, name))]
    uris = {name: lake.uri(relation_of(draft, name)) for name in names}
    versions = _versions_then(lake, uris, unique_id, point)
    targets = [
        _Target(
            name,
            uri,
            lake.state_at(uri),
            versions[name],
            None if versions[name] is None else lake.state_at(uri, versions[name]),
        )
        for name, uri in uris.items()
    ]
    _refuse_missing_files(lake, targets)
    # A restored table is another version of what it was: who was computed from the one is computed from the other.
    renewed: dict[tuple[str, str], str] = {}
    done: list[Restored] = []
    for target in targets:
        try:
            done.append(_restore(lake, target, shown_name(draft.graph.nodes[target.unique_id]), run_id, renewed))
        except FsbuildError as exc:
            names = [one.name for one in done if one.version != one.was]
            raise StoreError(replace(one, hint=_and_done(one.hint, names)) for one in exc.problems) from exc
        now = lake.state_at(target.uri) if target.is_due else None
        if now is not None and target.then is not None:
            renewed[target.unique_id, target.then.token] = now.token
    return tuple(done)


def _and_done(hint: str | None, names: Sequence[str]) -> str | None:
    """Say in a hint which tables have been restored by then."""
    said = f"restored already: {listing(names)}" if names else None
    return "; ".join(part for part in (hint, said) if part) or None


def _versions_then(lake: Lake, uris: Mapping[str, str], unique_id: str, point: Point) -> dict[str, int | None]:
    """The version of each table at a point in the history of one of them; None where a table did not exist yet."""
    version = version_of(lake, uris[unique_id], point)
    found: dict[str, int | None] = {unique_id: version}
    if isinstance(point, dt.datetime):
        moment, run = point, None
    else:
        state = lake.state_at(uris[unique_id], version)
        run = state.run_id if state is not None and state.changed_by is None else None
        moment = lake.committed_at(uris[unique_id], version)
    left = {name: lake.version_of_run(uri, run) for name, uri in uris.items() if run is not None}
    ends = [lake.committed_at(uris[name], at) for name, at in left.items() if at is not None]
    moment = max([moment, *ends])
    for name, uri in uris.items():
        if name not in found:
            of_run = left.get(name)
            found[name] = of_run if of_run is not None else _version_at(lake, uri, moment)
    return found


def _version_at(lake: Lake, uri: str, moment: dt.datetime) -> int | None:
    try:
        return lake.version_at(uri, moment)
    except StoreError:
        return None


def _refuse_missing_files(lake: Lake, targets: Sequence[_Target]) -> None:
    problems: list[Problem] = []
    for target in targets:
        if target.is_due and target.version is not None:
            try:
                lake.refuse_missing_files(target.uri, target.version)
            except StoreError as exc:
                problems.extend(exc.problems)
    if problems:
        hint = "nothing was restored"
        raise StoreError([*problems[:-1], replace(problems[-1], hint=f"{problems[-1].hint}; {hint}")])


def _restore(lake: Lake, target: _Target, name: str, run_id: str, renewed: Mapping[tuple[str, str], str]) -> Restored:
    present, then = target.present, target.then
    if present is None:
        return Restored(name, None, None, None, "there is no table")
    if then is None or target.version is None:
        return Restored(name, present.version, None, present.version, "it did not exist then; left as it is")
    if not target.is_due:
        return Restored(name, present.version, target.version, present.version, "its rows are those already")
    commit = Commit(
        app_id=f"fsbuild.{target.unique_id}",
        run_id=run_id,
        fingerprint="",
        inputs={parent: renewed.get((parent, token), token) for parent, token in then.inputs.items()},
        expected_version=present.version,
        rows=0,
    )
    version = lake.restore(target.uri, target.version, commit)
    return Restored(name, present.version, target.version, version, "restored")
