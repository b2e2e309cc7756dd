"""What a run works on, and the stages that it works with, as it needs them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from fsbuild.batches import EPOCH, Span
from fsbuild.values import (
    ChangedFile,
    Check,
    CheckResult,
    ColumnType,
    Commit,
    CompiledModel,
    Drift,
    Event,
    Load,
    NodeResult,
    Relation,
    Rows,
    Seed,
    Source,
    StagedRows,
    TableRows,
    TableState,
    TableStatistics,
    UnitTestResult,
    Write,
)

if TYPE_CHECKING:
    import pyarrow as pa

    from fsbuild.execute.tables import Execution


class Warehouse(Protocol):
    """What executing needs of the engine."""

    def keep(self, relation: Relation, sql: str) -> int: ...
    def add(self, relation: Relation, sql: str) -> int: ...
    def keep_rows(self, relation: Relation, rows: pa.Table) -> None: ...
    def remove(self, relation: Relation, condition: str) -> None: ...
    def set_batch(self, start: str | None = None, end: str | None = None) -> None: ...
    def keep_changes(self, relation: Relation, files: Sequence[ChangedFile], columns: Sequence[ColumnType]) -> int: ...
    def drop(self, relation: Relation) -> None: ...
    def stream(self, sql: str) -> pa.RecordBatchReader: ...
    def rows(self, sql: str) -> list[dict[str, object]]: ...
    def bind_table(self, relation: Relation, uri: str, version: int) -> None: ...
    def bind_source(self, source: Source, version: int | None, files: Iterable[str] | None = None) -> None: ...
    def keep_added(
        self, relation: Relation, source: Source, files: Iterable[str], columns: Sequence[ColumnType]
    ) -> int: ...
    def bind_query(self, relation: Relation, sql: str) -> None: ...
    def columns(self, sql: str) -> tuple[ColumnType, ...]: ...
    def interrupt(self) -> None: ...


class Lake(Protocol):
    """What executing needs of the store."""

    def uri(self, relation: Relation) -> str: ...
    def write(self, write: Write, relation: Relation, rows: TableRows, commit: Commit) -> int: ...
    def record(self, relation: Relation, commit: Commit) -> int: ...
    def drop_constraints(self, relation: Relation, commit: Commit) -> int | None: ...
    def state(self, relation: Relation, version: int | None = None) -> TableState | None: ...
    def loads(self, relation: Relation, limit: int) -> tuple[Load, ...]: ...
    def set_properties(
        self,
        relation: Relation,
        properties: Mapping[str, str],
        description: str | None = None,
        run_id: str | None = None,
    ) -> int | None: ...
    def compact(self, relation: Relation, run_id: str) -> int | None: ...
    def changes(self, uri: str, since: str, until: int) -> tuple[ChangedFile, ...]: ...


class NodeHooks(Protocol):
    """What is run before and after a node is built."""

    def before(self, unique_id: str) -> None: ...
    def after(self, unique_id: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Tools:
    """The stages that executing uses."""

    warehouse: Warehouse
    lake: Lake
    check: Callable[[Sequence[Check], StagedRows], tuple[CheckResult, ...]]
    find_failing: Callable[[Sequence[Check], StagedRows], tuple[tuple[CheckResult, ...], Mapping[int, list[str]]]]
    emit: Callable[[Event], None]
    measure: Callable[
        [Callable[[str], Rows], str, Sequence[ColumnType], TableStatistics | None],
        TableStatistics,
    ]
    compare: Callable[[TableStatistics, TableStatistics], tuple[Drift, ...]]
    # Gives the query for the rows that fail a check, where there is one.
    failing_rows: Callable[[Check, StagedRows], str | None] = lambda _check, _rows: None
    # Writes the query for the rows of a node that fail a check, of those that are published or of those that come, to
    # a file for people; names the file, or nothing.
    write_query: Callable[[str, Check, bool], str] = lambda _unique_id, _check, _is_published: ""
    # Runs the unit tests of a node, those that the command is about.
    try_out: Callable[[str], tuple[UnitTestResult, ...]] = lambda _unique_id: ()
    # Gives what runs the hooks of nodes, which read what the execution has published.
    hooks: Callable[[Execution], NodeHooks] | None = None
    # Gives what writes the checks of a node that ask for its rows, once these are published.
    late_checks: Callable[[Execution], Callable[[str], tuple[Check, ...]]] = lambda _execution: lambda _unique_id: ()


@dataclass(frozen=True, slots=True)
class Work:
    """What a run works on. `states` and `tokens` are what the plan was made from, `files` those of sources of files.

    `window` is the stretch of time whose batches microbatch models compute, whatever else is due.
    """

    command: str
    run_id: str
    target: str
    threads: int
    models: Mapping[str, CompiledModel]
    seeds: Mapping[str, Seed]
    seed_selects: Mapping[str, str]
    sources: Mapping[str, Source]
    states: Mapping[str, TableState]
    tokens: Mapping[str, str]
    inputs: Mapping[str, tuple[str, ...]]
    now: dt.datetime = EPOCH
    window: Span | None = None
    # Whether all checks hold, or those alone that hold in every command.
    is_checking: bool = True
    # Whether the rows that fail checks are kept in tables of their own, and the schema of these.
    store_failures: bool = False
    audit_schema: str = ""
    fail_fast: bool = False
    files: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    # The table that has the statistics of others; None where none are taken.
    statistics: Relation | None = None
    # The table that has how checks ended, run by run; None where that is not remembered.
    check_history: Relation | None = None


def describe(unique_id: str, work: Work) -> NodeResult:
    """Say what a node is, as the result of one that has not run."""
    if unique_id in work.models:
        model = work.models[unique_id].rendered
        name, kind = model.model.shown_name, model.model.resource_type
        return NodeResult(unique_id, name, kind, model.config.materialized, "skipped")
    if unique_id in work.seeds:
        return NodeResult(unique_id, work.seeds[unique_id].name, "seed", "seed", "skipped")
    source = work.sources[unique_id]
    return NodeResult(unique_id, f"{source.source_name}.{source.name}", "source", "source", "skipped")


def path_of(unique_id: str, work: Work) -> str:
    """Name the file that a node is written in."""
    if unique_id in work.models:
        return work.models[unique_id].rendered.model.path
    if unique_id in work.seeds:
        return work.seeds[unique_id].path
    return work.sources[unique_id].place.file


def checks_of(unique_id: str, work: Work) -> tuple[Check, ...]:
    """List the checks of a node that hold in this run before its rows are published."""
    return tuple(check for check in holding(unique_id, work) if not check.is_late)


def holding(unique_id: str, work: Work) -> tuple[Check, ...]:
    """List the checks of a node that hold in this run, the late ones too."""
    if unique_id in work.models:
        checks = work.models[unique_id].rendered.model.checks
    elif unique_id in work.seeds:
        checks = work.seeds[unique_id].checks
    else:
        checks = work.sources[unique_id].checks
    return checks if work.is_checking else tuple(check for check in checks if check.always_gates)


def key_of(unique_id: str, work: Work) -> tuple[str, ...]:
    """The columns by which a person finds a row of a node again."""
    if unique_id not in work.models:
        return ()
    model = work.models[unique_id]
    names = {column.name.lower() for column in model.columns}
    unique = [check.column for check in model.rendered.model.checks if check.name == "unique" and check.column]
    return model.rendered.config.unique_key or tuple(name for name in unique[:1] if name.lower() in names)
