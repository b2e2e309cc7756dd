"""What there is in a project, for a person who looks for it: features by entity, a search over all that has a name."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING

from fsbuild.pipeline.compiling import Compiled, declared_features
from fsbuild.pipeline.drafting import Draft
from fsbuild.pipeline.state import LakeState, open_lake
from fsbuild.stored_statistics import TABLE, Measured, from_rows, latest_query
from fsbuild.values import Column, ColumnType, Model, Relation, Seed

if TYPE_CHECKING:
    from fsbuild.engine import Warehouse


@dataclass(frozen=True, slots=True)
class Feature:
    """A feature, with what is known of it; `as_of` is when its table changed last, `complete` the share of values."""

    entity: str
    model: str
    name: str
    type: str
    unit: str = ""
    description: str = ""
    owner: str | None = None
    as_of: dt.datetime | None = None
    complete: float | None = None
    mean: float | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """Something that has a name; a column is one of `of`."""

    kind: str
    name: str
    of: str = ""
    description: str = ""
    owner: str | None = None
    tags: tuple[str, ...] = ()
    file: str = ""


@dataclass(frozen=True, slots=True)
class Found:
    """An entry that a search has found, and by what."""

    entry: Entry
    matched: str
    rank: int


def list_features(compiled: Compiled, lake: LakeState, warehouse: Warehouse) -> list[Feature]:
    """List all features of a project, those of an entity together."""
    measured = measured_nodes(compiled.draft, warehouse)
    columns: dict[str, Sequence[ColumnType]] = {name: model.columns for name, model in compiled.models.items()}
    columns |= {name: one.columns for name, one in compiled.known.items()}
    nodes: tuple[Model | Seed, ...] = (*compiled.draft.project.models, *compiled.draft.project.seeds)
    described = {node.unique_id: {column.name.lower(): column for column in node.columns} for node in nodes}
    found = []
    for declared, table in declared_features(compiled.draft, columns):
        state, statistics = lake.states.get(declared.unique_id), measured.get(declared.unique_id)
        known = {column.name: column for column in statistics.statistics.columns} if statistics else {}
        rows = statistics.statistics.rows if statistics else 0
        types = {column.name: column.type for column in table.columns}
        for name in table.features:
            said = described.get(declared.unique_id, {}).get(name.lower(), Column(name, declared.place))
            column = known.get(name)
            found.append(
                Feature(
                    entity=", ".join(declared.config.entity),
                    model=declared.name,
                    name=name,
                    type=types[name],
                    unit=said.unit,
                    description=said.description,
                    owner=declared.config.owner,
                    as_of=_moment(state.token) if state is not None else None,
                    complete=column.count / rows if column is not None and rows else None,
                    mean=column.mean if column is not None else None,
                )
            )
    return sorted(found, key=lambda one: (one.entity, one.model))


def search_project(draft: Draft, word: str) -> list[Found]:
    """Find what has a word in its name, its description, its tags or its owner; the best matches first.

    Where nothing has it, names that are like it are found.
    """
    wanted, entries = word.strip().lower(), list(_entries(draft))
    found = [one for entry in entries if (one := _match(entry, wanted)) is not None]
    if not found:
        near = get_close_matches(wanted, [entry.name.lower() for entry in entries], n=5, cutoff=0.6)
        found = [Found(entry, "like it", near.index(n)) for entry in entries if (n := entry.name.lower()) in near]
    return sorted(found, key=lambda one: (one.rank, one.entry.kind == "column", one.entry.name, one.entry.of))


def _match(entry: Entry, wanted: str) -> Found | None:
    name = entry.name.lower()
    for rank, (matched, is_found) in enumerate(
        (
            ("name", name == wanted),
            ("name", name.startswith(wanted)),
            ("name", wanted in name),
            ("tag", any(wanted in tag.lower() for tag in entry.tags)),
            ("owner", wanted in (entry.owner or "").lower()),
            ("description", wanted in entry.description.lower()),
        )
    ):
        if is_found:
            return Found(entry, matched, rank)
    return None


def _entries(draft: Draft) -> Iterator[Entry]:
    """Everything that has a name, each with its columns."""
    project = draft.project
    for entity in project.entities:
        yield Entry("entity", entity.name, "", entity.description, entity.owner, entity.tags, entity.place.file)
    for view in project.feature_views:
        yield Entry("feature view", view.name, "", view.description, view.owner, view.tags, view.place.file)
    for one in draft.models.values():
        node, config = one.model, one.config
        yield Entry(config.materialized, node.name, "", config.description, config.owner, config.tags, node.path)
        yield from _columns(node.name, node.columns, config.owner, node.path)
    for seed in project.seeds:
        config = seed.config
        yield Entry("seed", seed.name, "", config.description, config.owner, config.tags, seed.path)
        yield from _columns(seed.name, seed.columns, config.owner, seed.path)
    for source in project.sources:
        name = f"{source.source_name}.{source.name}"
        yield Entry("source", name, "", source.description, None, source.tags, source.place.file)
        yield from _columns(name, source.columns, None, source.place.file)


def _columns(of: str, columns: Iterable[Column], owner: str | None, file: str) -> Iterator[Entry]:
    for column in columns:
        yield Entry("column", column.name, of, column.description, owner, (), file)


def measured_nodes(draft: Draft, warehouse: Warehouse) -> Mapping[str, Measured]:
    """The latest statistics of all nodes."""
    lake, relation = open_lake(draft.project), Relation(draft.project.target.schema, TABLE)
    state = lake.state(relation)
    if state is None:
        return {}
    warehouse.bind_table(relation, lake.uri(relation), state.version)
    return from_rows(warehouse.rows(latest_query(str(relation))))


def _moment(token: str) -> dt.datetime | None:
    """When the version was committed that a token names."""
    _, _, milliseconds = token.partition("@")
    return dt.datetime.fromtimestamp(int(milliseconds) / 1000, dt.UTC) if milliseconds.isdecimal() else None
