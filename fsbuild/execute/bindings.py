"""The names that SQL reads in a run: each stands for one version of a table, from the first reader to the last.

A node that the run has published is read as it was published; any other as it was when the run began.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

from fsbuild.errors import Problem, UsageError
from fsbuild.execute.work import Tools, Work, describe
from fsbuild.values import INLINED, ColumnType, CompiledModel, Relation, TableState, quote, staged_relation


@dataclass(slots=True)
class Bindings:
    """What has been published so far, and which names are bound. Used by many threads."""

    work: Work
    tools: Tools
    published: dict[str, TableState] = field(default_factory=dict)
    kept: set[str] = field(default_factory=set)
    bound: set[str] = field(default_factory=set)
    lock: threading.RLock = field(default_factory=threading.RLock)
    # How many steps have yet to read each input.
    readers: Counter[str] = field(default_factory=Counter)
    # What each table was when the run began, or when another writer's change of it was seen.
    states: dict[str, TableState] = field(init=False)

    def __post_init__(self) -> None:
        """Begin with what the plan was made from."""
        self.states = dict(self.work.states)

    def expect_readers(self, steps: Iterable[str]) -> None:
        """Count who is going to read what."""
        for name in steps:
            self.readers.update(self.work.inputs.get(name, ()))

    def bind(self, unique_id: str) -> Relation:
        """Make a node readable under its name, and what it stands upon; return the name."""
        with self.lock:
            relation = self.relation(unique_id)
            if unique_id in self.bound:
                return relation
            warehouse, work = self.tools.warehouse, self.work
            model = work.models.get(unique_id)
            if unique_id in work.sources:
                state = self.states.get(unique_id)
                version = state.version if state else None
                warehouse.bind_source(work.sources[unique_id], version, work.files.get(unique_id))
            elif model is not None and is_inlined(model):
                for parent in model.rendered.depends_on:
                    self.bind(parent)
                warehouse.bind_query(relation, model.select)
            elif unique_id in self.kept:
                warehouse.bind_query(relation, f"SELECT * FROM {staged_relation(unique_id)}")
            else:
                warehouse.bind_table(relation, self.uri(unique_id), self.state(unique_id).version)
            self.bound.add(unique_id)
            return relation

    def bind_present(self, unique_id: str, columns: Sequence[ColumnType] = ()) -> Relation:
        """Make the present version of a table that is about to be changed readable under its name.

        With `columns`, it has these: what the table lacks is NULL.
        """
        relation, warehouse = self.relation(unique_id), self.tools.warehouse
        with self.lock:
            if not columns:
                warehouse.bind_table(relation, self.uri(unique_id), self.state(unique_id).version)
                return relation
            table = staged_relation(f"{unique_id} present")
            warehouse.bind_table(table, self.uri(unique_id), self.state(unique_id).version)
            present = {column.name.lower() for column in warehouse.columns(f"SELECT * FROM {table}")}
            warehouse.bind_query(relation, f"SELECT {in_columns(columns, present)} FROM {table}")
        return relation

    def relation(self, unique_id: str) -> Relation:
        """Name a node as SQL does."""
        if unique_id in self.work.models:
            return self.work.models[unique_id].rendered.relation
        if unique_id in self.work.seeds:
            return self.work.seeds[unique_id].relation
        return self.work.sources[unique_id].relation

    def uri(self, unique_id: str) -> str:
        """Where the Delta table of a node is."""
        source = self.work.sources.get(unique_id)
        return source.location if source is not None else self.tools.lake.uri(self.relation(unique_id))

    def state(self, unique_id: str) -> TableState:
        """The version of a node's table that this run reads.

        Raises:
            UsageError: there is no table.
        """
        state = self.published.get(unique_id) or self.states.get(unique_id)
        if state is None:
            name = describe(unique_id, self.work).name
            raise UsageError(Problem(f"'{name}' has not been built yet", hint=f"fsbuild run --select {name}"))
        return state

    def token(self, unique_id: str) -> str:
        """What identifies an input's content as this run reads it."""
        state = self.published.get(unique_id)
        return state.token if state is not None else self.work.tokens.get(unique_id, "")

    def changed_inputs(self, unique_id: str) -> list[str]:
        """The inputs of a model that are others than those that its table was computed from."""
        recorded = self.states[unique_id].inputs
        return [name for name in self.work.inputs[unique_id] if self.token(name) != recorded.get(name)]

    def remember(self, unique_id: str, version: int, *, keep: bool) -> None:
        """Let the nodes that follow read what was published; from memory where the staged rows are kept."""
        state = self.tools.lake.state(self.relation(unique_id), version)
        with self.lock:
            self.published[unique_id] = state or TableState(version, str(version))
            self.bound.discard(unique_id)
            if keep:
                self.kept.add(unique_id)
        if not keep:
            self.tools.warehouse.drop(staged_relation(unique_id))

    def accept(self, unique_id: str, state: TableState) -> None:
        """Let the nodes that follow read what another run published."""
        with self.lock:
            self.published[unique_id] = state
            self.bound.discard(unique_id)
        self.tools.warehouse.drop(staged_relation(unique_id))

    def move_on(self, unique_id: str, present: TableState | None) -> bool:
        """Build upon a later version of a table, if its rows are still those that the plan was made from."""
        before = self.states.get(unique_id)
        if before is None or present is None or present.token != before.token:
            return False
        with self.lock:
            self.states[unique_id] = present
        return True

    def release_inputs(self, unique_id: str) -> None:
        """Drop the kept rows that nobody is going to read any more."""
        with self.lock:
            inputs = self.work.inputs.get(unique_id, ())
            self.readers.subtract(inputs)
            unread = [name for name in inputs if name in self.kept and self.readers[name] <= 0]
            self.kept.difference_update(unread)
            # Views over these names are bound again too, should a check still refer to them.
            models = self.work.models
            self.bound.difference_update(unread, (n for n in models if unread and is_inlined(models[n])))
        for name in unread:
            self.tools.warehouse.drop(staged_relation(name))


def in_columns(columns: Sequence[ColumnType], present: Collection[str]) -> str:
    """Select columns by their types; those that are not `present` (in small letters) as NULL."""
    return ", ".join(
        f"CAST({quote(c.name) if c.name.lower() in present else 'NULL'} AS {c.type}) AS {quote(c.name)}"
        for c in columns
    )


def is_inlined(model: CompiledModel) -> bool:
    """Whether a model is a query in the queries of others, and has no table."""
    return model.rendered.config.materialized in INLINED
