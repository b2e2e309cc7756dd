"""A step in, a published table out.

Every table goes the same road: compute -> stage -> check keys and rows -> commit. What is published is the very rows
that were checked.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

from fsbuild.errors import ConflictError, Problem, UsageError
from fsbuild.execute.keys import refuse_bad_keys
from fsbuild.execute.work import Tools, Work, checks_of, describe, key_of
from fsbuild.values import (
    Append,
    CheckResult,
    ColumnType,
    Commit,
    CompiledModel,
    NodeResult,
    Overwrite,
    Relation,
    Seed,
    StagedRows,
    Status,
    Step,
    TableRows,
    TableState,
    Upsert,
    Write,
    literal,
    quote,
)

# Results up to this size stay in the engine until the nodes that read them are done, and are not read back.
_KEPT_ROWS = 200_000
# Types whose literals mean the same in a merge predicate as in the engine.
_NUMBER_TYPES = frozenset({"TINYINT", "SMALLINT", "INTEGER", "BIGINT"})
_LITERAL_TYPES = _NUMBER_TYPES | {"DATE", "VARCHAR"}


@dataclass(slots=True)
class Execution:
    """One run in progress: what has been published so far, and which names are bound. Used by many threads."""

    work: Work
    tools: Tools
    steps: Mapping[str, Step] = field(default_factory=dict)
    # The nodes that a node's checks refer to and that can only be built after it.
    deferred: Mapping[str, frozenset[str]] = field(default_factory=dict)
    published: dict[str, TableState] = field(default_factory=dict)
    kept: set[str] = field(default_factory=set)
    bound: set[str] = field(default_factory=set)
    lock: threading.RLock = field(default_factory=threading.RLock)
    # How many steps have yet to read each input.
    readers: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        """Count who reads what."""
        for name in self.steps:
            self.readers.update(self.work.inputs.get(name, ()))

    # --- steps -------------------------------------------------------------------------------------------------------

    def run_step(self, unique_id: str) -> NodeResult:
        """Do what the plan says for a node."""
        try:
            return self._do_step(unique_id)
        finally:
            self._release_inputs(unique_id)

    def _do_step(self, unique_id: str) -> NodeResult:
        step = self.steps[unique_id]
        node = describe(unique_id, self.work)
        if step.action == "keep" or (step.is_conditional and self._inputs_are_unchanged(unique_id)):
            message = step.reason if step.action == "keep" else "its parents published nothing new"
            return replace(node, status="unchanged", message=message)
        if step.action == "view":
            return self._check_view(unique_id, node)
        if step.action == "load":
            return self._load_seed(self.work.seeds[unique_id], step, node)
        return self._build_table(self.work.models[unique_id], step, node)

    def test_node(self, unique_id: str) -> NodeResult:
        """Check the rows of a node as they are published."""
        node = describe(unique_id, self.work)
        relation = self.bind(unique_id)
        columns = self.tools.warehouse.columns(f"SELECT * FROM {relation}")
        rows = self._staged_rows(str(relation), columns, key_of(unique_id, self.work))
        results = self._check(unique_id, rows)
        return replace(node, status=_verdict(results, "pass", "fail"), checks=results)

    def _check_view(self, unique_id: str, node: NodeResult) -> NodeResult:
        checks = checks_of(unique_id, self.work) if self.work.is_checking else ()
        if not checks:
            return replace(node, status="success", message="a view")
        relation = self.bind(unique_id)
        columns = self.work.models[unique_id].columns
        results = self._check(unique_id, self._staged_rows(str(relation), columns, key_of(unique_id, self.work)))
        return replace(node, status=_verdict(results, "success", "error"), checks=results)

    def _load_seed(self, seed: Seed, step: Step, node: NodeResult) -> NodeResult:
        sql = self.work.seed_selects[seed.unique_id]
        commit = Commit(
            f"fsbuild.{seed.unique_id}", self.work.run_id, step.fingerprint, {}, None, 0, seed.config.description
        )
        return self._publish(_Table(seed.unique_id, seed.relation, sql, "overwrite", commit), node)

    def _build_table(self, model: CompiledModel, step: Step, node: NodeResult) -> NodeResult:
        config, relation = model.rendered.config, model.rendered.relation
        for name in model.rendered.depends_on:
            self.bind(name)
        is_increment = step.action == "increment"
        sql, strategy = model.select, "overwrite"
        if is_increment:
            sql, strategy = model.incremental_select or model.select, config.strategy
            with self.lock:
                state = self.work.states[model.unique_id]
                self.tools.warehouse.bind_table(relation, self.tools.lake.uri(relation), state.version)
        commit = Commit(
            app_id=f"fsbuild.{model.unique_id}",
            run_id=self.work.run_id,
            fingerprint=step.fingerprint,
            inputs={name: self._token(name) for name in self.work.inputs[model.unique_id]},
            expected_version=None,
            rows=0,
            description=config.description,
            properties=_table_properties(model),
            partition_by=_as_written(config.partition_by, model.columns),
        )
        key = _as_written(config.unique_key, model.columns) if config.materialized == "incremental" else ()
        return self._publish(
            _Table(model.unique_id, relation, sql, strategy, commit, key, config.event_time, step.has_new_checks), node
        )

    def _publish(self, table: _Table, node: NodeResult) -> NodeResult:
        """Compute, stage, check and commit a table."""
        warehouse, unique_id = self.tools.warehouse, table.unique_id
        staged = warehouse.staged(unique_id)
        count = warehouse.stage(unique_id, table.sql)
        columns = warehouse.columns(f"SELECT * FROM {staged}")
        if table.key:
            refuse_bad_keys(warehouse.rows, staged, table.key)
        results: tuple[CheckResult, ...] = ()
        if self.work.is_checking:
            key = table.key or key_of(unique_id, self.work)
            whole = self._whole_table(table, staged, columns)
            rows = self._staged_rows(whole if table.has_new_checks else staged, columns, key, whole=whole)
            results = self._check(unique_id, rows)
        status = _verdict(results, "success", "error")
        if status == "error":
            warehouse.drop_staged(unique_id)
            return replace(
                node, status=status, rows=count, checks=results, message="its checks failed; nothing was published"
            )
        table_rows = TableRows(
            open=lambda: warehouse.stream(f"SELECT * FROM {staged}"),
            columns=tuple(column.name for column in columns),
            count=count,
        )
        state = self.work.states.get(unique_id)
        commit = replace(
            table.commit,
            expected_version=state.version if state else None,
            rows=count,
            event_times=self._event_times(staged, table.event_time),
        )
        version = self.tools.lake.write(self._write(staged, table, columns), table.relation, table_rows, commit)
        with suppress(ConflictError):  # another writer is at the table already; the rows are published all the same
            said = table.commit.properties, table.commit.description, self.work.run_id
            version = self.tools.lake.set_properties(table.relation, *said) or version
        self._remember(table, version, count)
        return replace(node, status=status, rows=count, version=version, checks=results)

    def _remember(self, table: _Table, version: int, count: int) -> None:
        """Let the nodes that follow read what was published; small whole tables from memory."""
        state = self.tools.lake.state(table.relation, version)
        with self.lock:
            self.published[table.unique_id] = state or TableState(version, str(version))
            self.bound.discard(table.unique_id)
            if table.strategy == "overwrite" and count <= _KEPT_ROWS:
                self.kept.add(table.unique_id)
                return
        self.tools.warehouse.drop_staged(table.unique_id)

    def _release_inputs(self, unique_id: str) -> None:
        """Drop the kept rows that nobody is going to read any more."""
        with self.lock:
            inputs = self.work.inputs.get(unique_id, ())
            self.readers.subtract(inputs)
            unread = [name for name in inputs if name in self.kept and self.readers[name] <= 0]
            self.kept.difference_update(unread)
            # Views over these names are bound again too, should a check still refer to them.
            self.bound.difference_update(unread, (n for n in self.work.models if unread and self._is_inlined(n)))
        for name in unread:
            self.tools.warehouse.drop_staged(name)

    def _is_inlined(self, unique_id: str) -> bool:
        return self.work.models[unique_id].rendered.config.materialized in ("view", "ephemeral")

    def _check(self, unique_id: str, rows: StagedRows) -> tuple[CheckResult, ...]:
        """Run a node's checks, but for those that refer to what is only built after it."""
        later = self.deferred.get(unique_id, frozenset())
        checks = checks_of(unique_id, self.work)
        now = [check for check in checks if check.arguments.get("to") not in later]
        message = "refers to what is built from these rows; `fsbuild test` checks it"
        skipped = [CheckResult(check, "skipped", message=message) for check in checks if check not in now]
        return (*self.tools.check(now, rows), *skipped)

    # --- rows --------------------------------------------------------------------------------------------------------

    def _staged_rows(
        self, relation: str, columns: Sequence[ColumnType], key: Sequence[str], *, whole: str | None = None
    ) -> StagedRows:
        """Rows for the check stage: each row of `relation` is checked, and what spans rows over `whole`."""
        warehouse = self.tools.warehouse

        def batches(names: Sequence[str]) -> Iterator[object]:
            yield from warehouse.stream(f"SELECT {', '.join(map(quote, names))} FROM {relation}")

        return StagedRows(whole or relation, columns, batches, warehouse.rows, lambda name: str(self.bind(name)), key)

    def _whole_table(self, table: _Table, staged: str, columns: Sequence[ColumnType]) -> str:
        """The rows that the table will hold after the commit, for checks that span rows."""
        if table.strategy == "overwrite":
            return staged
        names = ", ".join(quote(column.name) for column in columns)
        kept = f"SELECT {names} FROM {table.relation}"
        if table.key:
            on = ", ".join(quote(name) for name in table.key)
            kept += f" ANTI JOIN {staged} USING ({on})"
        return f"({kept} UNION ALL SELECT {names} FROM {staged})"

    def _event_times(self, staged: str, column: str | None) -> tuple[str, str] | None:
        """The first and the last event time among staged rows, as text; None where there is no event time."""
        if column is None:
            return None
        (row,) = self.tools.warehouse.rows(
            f"SELECT min({quote(column)})::VARCHAR AS first, max({quote(column)})::VARCHAR AS last FROM {staged}"
        )
        return (str(row["first"]), str(row["last"])) if row["first"] is not None else None

    def _write(self, staged: str, table: _Table, columns: Sequence[ColumnType]) -> Write:
        """How the staged rows enter the table."""
        if table.strategy == "merge":
            return Upsert(table.key, literals=self._literals(staged, table, columns))
        return Append() if table.strategy == "append" else Overwrite()

    def _literals(self, staged: str, table: _Table, columns: Sequence[ColumnType]) -> dict[str, tuple[str, str]]:
        """The least and the greatest value of each key column, as SQL."""
        types = {column.name.lower(): column.type for column in columns}
        names = [name for name in table.key if types.get(name.lower()) in _LITERAL_TYPES]
        if not names:
            return {}
        parts = ", ".join(
            f"min({quote(name)})::VARCHAR AS low{i}, max({quote(name)})::VARCHAR AS high{i}"
            for i, name in enumerate(names)
        )
        (row,) = self.tools.warehouse.rows(f"SELECT {parts} FROM {staged}")
        bounds = {}
        for index, name in enumerate(names):
            low, high = row[f"low{index}"], row[f"high{index}"]
            if low is not None and high is not None:
                write = str if types[name.lower()] in _NUMBER_TYPES else literal
                bounds[name] = (write(str(low)), write(str(high)))
        return bounds

    # --- names -------------------------------------------------------------------------------------------------------

    def bind(self, unique_id: str) -> Relation:
        """Make a node readable under its name, and what it stands upon; return the name."""
        with self.lock:
            relation = self._relation(unique_id)
            if unique_id in self.bound:
                return relation
            warehouse, work = self.tools.warehouse, self.work
            model = work.models.get(unique_id)
            if unique_id in work.sources:
                state = work.states.get(unique_id)
                warehouse.bind_source(work.sources[unique_id], state.version if state else None)
            elif model is not None and model.rendered.config.materialized in ("view", "ephemeral"):
                for parent in model.rendered.depends_on:
                    self.bind(parent)
                warehouse.bind_query(relation, model.select)
            elif unique_id in self.kept:
                warehouse.bind_staged(relation, unique_id)
            else:
                state = self.published.get(unique_id) or work.states.get(unique_id)
                if state is None:
                    name = describe(unique_id, work).name
                    raise UsageError(Problem(f"'{name}' has not been built yet", hint=f"fsbuild run --select {name}"))
                warehouse.bind_table(relation, self.tools.lake.uri(relation), state.version)
            self.bound.add(unique_id)
            return relation

    def _relation(self, unique_id: str) -> Relation:
        if unique_id in self.work.models:
            return self.work.models[unique_id].rendered.relation
        if unique_id in self.work.seeds:
            return self.work.seeds[unique_id].relation
        return self.work.sources[unique_id].relation

    def _token(self, unique_id: str) -> str:
        """What identifies an input's content as this run reads it."""
        state = self.published.get(unique_id)
        return state.token if state is not None else self.work.tokens.get(unique_id, "")

    def _inputs_are_unchanged(self, unique_id: str) -> bool:
        recorded = self.work.states[unique_id].inputs
        return all(self._token(name) == recorded.get(name) for name in self.work.inputs[unique_id])


@dataclass(frozen=True, slots=True)
class _Table:
    """A table to be published: the query, how its rows enter, and the commit but for what is only known then."""

    unique_id: str
    relation: Relation
    sql: str
    strategy: str
    commit: Commit
    key: tuple[str, ...] = ()
    event_time: str | None = None
    has_new_checks: bool = False


def _as_written(names: Sequence[str], columns: Sequence[ColumnType]) -> tuple[str, ...]:
    """Name columns as the table does: the engine ignores the case of a name, and Delta does not."""
    written = {column.name.lower(): column.name for column in columns}
    return tuple(written[name.lower()] for name in names)


def _table_properties(model: CompiledModel) -> dict[str, str]:
    """What a reader of a feature table needs to know of it."""
    config = model.rendered.config
    written = {
        "fsbuild.unique_key": ",".join(config.unique_key),
        "fsbuild.entity": ",".join(config.entity),
        "fsbuild.event_time": config.event_time or "",
        "fsbuild.known_time": config.known_time or "",
        "fsbuild.ttl": config.ttl or "",
        "fsbuild.owner": config.owner or "",
    }
    return {key: value for key, value in written.items() if value}


def _verdict(results: Sequence[CheckResult], good: Status, bad: Status) -> Status:
    statuses = {result.status for result in results}
    if statuses & {"fail", "error"}:
        return bad
    return "warn" if "warn" in statuses else good
