"""A step in, a published table out.

Every table goes the same road: compute -> stage -> check keys and rows -> commit. What is published is the very rows
that were checked.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

from fsbuild.errors import ConflictError
from fsbuild.execute.auto import find_affected
from fsbuild.execute.bindings import Bindings
from fsbuild.execute.keys import refuse_bad_keys
from fsbuild.execute.microbatch import BatchLoad, find_batches
from fsbuild.execute.strategies import Appending, Maintaining, Merging, Overwriting, Strategy, Target
from fsbuild.execute.work import Tools, Work, checks_of, describe, key_of
from fsbuild.values import (
    CheckResult,
    ColumnType,
    Commit,
    CompiledModel,
    Maintenance,
    NodeResult,
    Overwrite,
    Relation,
    Seed,
    StagedRows,
    Status,
    Step,
    TableRows,
    quote,
    staged_relation,
)

# Results up to this size stay in the engine until the nodes that read them are done, and are not read back.
_KEPT_ROWS = 200_000


@dataclass(slots=True)
class Execution:
    """One run in progress. Used by many threads."""

    work: Work
    tools: Tools
    steps: Mapping[str, Step] = field(default_factory=dict)
    # The nodes that a node's checks refer to and that can only be built after it.
    deferred: Mapping[str, frozenset[str]] = field(default_factory=dict)
    bindings: Bindings = field(init=False)

    def __post_init__(self) -> None:
        """Begin with nothing published."""
        self.bindings = Bindings(self.work, self.tools)
        self.bindings.expect_readers(self.steps)

    # --- steps -------------------------------------------------------------------------------------------------------

    def run_step(self, unique_id: str) -> NodeResult:
        """Do what the plan says for a node."""
        try:
            return self._do_step(unique_id)
        finally:
            self.bindings.release_inputs(unique_id)

    def _do_step(self, unique_id: str) -> NodeResult:
        step = self.steps[unique_id]
        node = describe(unique_id, self.work)
        action = step.action
        if step.is_conditional and not self.bindings.changed_inputs(unique_id):
            action = "check" if step.has_new_checks else "keep"
            step = replace(step, reason="its parents published nothing new")
        if action == "keep":
            return replace(node, status="unchanged", message=step.reason)
        if action == "check":
            return self._check_present(step, node)
        if action == "view":
            return self._check_view(unique_id, node)
        if action == "load":
            return self._load_seed(self.work.seeds[unique_id], step, node)
        return self._build_table(self.work.models[unique_id], step, node)

    def test_node(self, unique_id: str) -> NodeResult:
        """Check the rows of a node as they are published."""
        results = self._check_published(unique_id)
        return replace(describe(unique_id, self.work), status=_verdict(results, "pass", "fail"), checks=results)

    def _check_published(self, unique_id: str) -> tuple[CheckResult, ...]:
        relation = str(self.bindings.bind(unique_id))
        columns = self.tools.warehouse.columns(f"SELECT * FROM {relation}")
        return self._check(unique_id, self._staged_rows(relation, columns, key_of(unique_id, self.work)))

    def _check_present(self, step: Step, node: NodeResult) -> NodeResult:
        """Check the rows of a table that stays as it is, and remember new checks that they have passed."""
        results = self._check_published(step.unique_id)
        status = _verdict(results, "unchanged", "error")
        if status == "error":
            return replace(node, status=status, checks=results, message="its checks failed; its table stays as it was")
        if step.has_new_checks:
            state = self.work.states[step.unique_id]
            commit = Commit(
                app_id=f"fsbuild.{step.unique_id}",
                run_id=self.work.run_id,
                fingerprint=step.fingerprint,
                inputs=state.inputs,
                expected_version=state.version,
                rows=0,
                extra=state.extra,
            )
            version = self.tools.lake.record(self.bindings.relation(step.unique_id), commit)
            self.bindings.remember(step.unique_id, version, keep=False)
        return replace(node, status=status, checks=results, message=step.reason)

    def _check_view(self, unique_id: str, node: NodeResult) -> NodeResult:
        checks = checks_of(unique_id, self.work) if self.work.is_checking else ()
        if not checks:
            return replace(node, status="success", message="a view")
        results = self._check_published(unique_id)
        return replace(node, status=_verdict(results, "success", "error"), checks=results)

    def _load_seed(self, seed: Seed, step: Step, node: NodeResult) -> NodeResult:
        commit = self._commit(step, {}, description=seed.config.description)
        load = _Load(seed.unique_id, self.work.seed_selects[seed.unique_id], commit)
        return self._publish(load, node)

    def _build_table(self, model: CompiledModel, step: Step, node: NodeResult) -> NodeResult:
        config, unique_id = model.rendered.config, model.unique_id
        for name in model.rendered.depends_on:
            self.bindings.bind(name)
        commit = self._commit(
            step,
            {name: self.bindings.token(name) for name in self.work.inputs[unique_id]},
            description=config.description,
            properties=_table_properties(model),
            partition_by=_as_written(config.partition_by, model.columns),
        )
        is_incremental = config.materialized == "incremental"
        load = _Load(
            unique_id=unique_id,
            sql=model.select,
            commit=commit,
            key=_as_written(config.unique_key, model.columns) if is_incremental else (),
            event_time=config.event_time,
            has_new_checks=step.has_new_checks,
        )
        if config.is_batched:
            return self._run_batches(model, step, load, node)
        if step.action != "increment":
            return self._publish(load, node)
        self.bindings.bind_present(unique_id)
        if config.strategy != "auto":
            load = replace(load, sql=model.incremental_select or model.select, strategy=config.strategy)
            return self._publish(load, node)
        affected = find_affected(model, self.bindings)
        if affected.reason is not None:
            return self._publish(load, replace(node, message=f"{affected.reason}: in full"))
        maintenance = model.maintenance or Maintenance()
        node = replace(node, message=f"{affected.count:,} affected keys ({', '.join(maintenance.key)})")
        if not affected.count:
            version = self.tools.lake.record(model.rendered.relation, self._fenced(commit, 0))
            self.bindings.remember(unique_id, version, keep=False)
            return replace(node, status="success", rows=0, version=version)
        return self._publish(replace(load, sql=maintenance.recompute, strategy="auto", affected=maintenance.key), node)

    def _run_batches(self, model: CompiledModel, step: Step, load: _Load, node: NodeResult) -> NodeResult:
        """Compute a microbatch model's batches: one by one, or all for a table that begins with them."""
        batches = find_batches(model, self.bindings, is_increment=step.action == "increment")
        event_time = batches.axis.column
        load = replace(load, strategy="microbatch", event_time=event_time)

        def publish(batch: BatchLoad) -> NodeResult:
            if batch.batch is not None:
                self.bindings.bind_present(model.unique_id)
            commit = replace(load.commit, extra=batch.extra)
            has_new_checks = load.has_new_checks and batch.is_first
            return self._publish(replace(load, batch=batch, commit=commit, has_new_checks=has_new_checks), node)

        def record(extra: Mapping[str, str]) -> int:
            commit = self._fenced(replace(load.commit, extra=extra), 0)
            version = self.tools.lake.record(model.rendered.relation, commit)
            self.bindings.remember(model.unique_id, version, keep=False)
            return version

        if step.action != "increment":
            return batches.build(publish)
        return batches.run(publish, record) or replace(node, status="unchanged", message="no batch is due")

    def _commit(
        self,
        step: Step,
        inputs: Mapping[str, str],
        description: str,
        properties: Mapping[str, str] | None = None,
        partition_by: tuple[str, ...] = (),
    ) -> Commit:
        return Commit(
            app_id=f"fsbuild.{step.unique_id}",
            run_id=self.work.run_id,
            fingerprint=step.fingerprint,
            inputs=inputs,
            expected_version=None,
            rows=0,
            description=description,
            properties=properties or {},
            partition_by=partition_by,
        )

    def _publish(self, load: _Load, node: NodeResult) -> NodeResult:
        """Compute, stage, check and commit a table."""
        warehouse, unique_id = self.tools.warehouse, load.unique_id
        staged = staged_relation(unique_id)
        count = load.batch.stage(staged) if load.batch else warehouse.keep(staged, load.sql)
        columns = warehouse.columns(f"SELECT * FROM {staged}")
        strategy = self._strategy(load, columns)
        whole = strategy.whole()
        if load.key:
            refuse_bad_keys(
                warehouse.rows, whole if load.strategy in ("append", "auto", "microbatch") else str(staged), load.key
            )
        results: tuple[CheckResult, ...] = ()
        if self.work.is_checking:
            key = load.key or key_of(unique_id, self.work)
            rows = self._staged_rows(whole if load.has_new_checks else str(staged), columns, key, whole=whole)
            results = self._check(unique_id, rows)
        status = _verdict(results, "success", "error")
        if status == "error":
            warehouse.drop(staged)
            message = "its checks failed; nothing was published"
            return replace(node, status=status, rows=count, checks=results, message=message)
        entry = strategy.entry(count)
        if entry.write is None:
            warehouse.drop(staged)
            return replace(node, status=status, rows=0, checks=results)
        names = tuple(column.name for column in columns)
        table_rows = TableRows(lambda: warehouse.stream(entry.sql), names, entry.count)
        commit = self._fenced(load.commit, entry.count, self._event_times(str(staged), load.event_time))
        relation = self.bindings.relation(unique_id)
        version = self.tools.lake.write(entry.write, relation, table_rows, commit)
        with suppress(ConflictError):  # another writer is at the table already; the rows are published all the same
            version = self.tools.lake.set_properties(relation, commit.properties) or version
        keep = isinstance(entry.write, Overwrite) and count <= _KEPT_ROWS
        self.bindings.remember(unique_id, version, keep=keep)
        return replace(node, status=status, rows=entry.count, version=version, checks=results)

    def _strategy(self, load: _Load, columns: Sequence[ColumnType]) -> Strategy:
        """How a load's rows enter the table."""
        target = Target(load.unique_id, self.bindings.relation(load.unique_id), columns, load.key)
        if load.batch is not None:
            return load.batch.strategy(target, self.tools.warehouse) or Overwriting(target)
        if load.strategy == "auto":
            return Maintaining(target, load.affected, self.tools.warehouse)
        if load.strategy == "merge":
            return Merging(target, self.tools.warehouse)
        return Appending(target) if load.strategy == "append" else Overwriting(target)

    def _fenced(self, commit: Commit, rows: int, event_times: tuple[str, str] | None = None) -> Commit:
        """Complete a commit by the version that it builds upon, and what is only known now."""
        unique_id = commit.app_id.removeprefix("fsbuild.")
        state = self.bindings.published.get(unique_id) or self.work.states.get(unique_id)
        return replace(commit, expected_version=state.version if state else None, rows=rows, event_times=event_times)

    # --- rows --------------------------------------------------------------------------------------------------------

    def _check(self, unique_id: str, rows: StagedRows) -> tuple[CheckResult, ...]:
        """Run a node's checks, but for those that refer to what is only built after it."""
        later = self.deferred.get(unique_id, frozenset())
        checks = checks_of(unique_id, self.work)
        now = [check for check in checks if check.arguments.get("to") not in later]
        message = "refers to what is built from these rows; `fsbuild test` checks it"
        skipped = [CheckResult(check, "skipped", message=message) for check in checks if check not in now]
        return (*self.tools.check(now, rows), *skipped)

    def _staged_rows(
        self, relation: str, columns: Sequence[ColumnType], key: Sequence[str], *, whole: str | None = None
    ) -> StagedRows:
        """Rows for the check stage: each row of `relation` is checked, and what spans rows over `whole`."""
        warehouse = self.tools.warehouse

        def batches(names: Sequence[str]) -> Iterator[object]:
            yield from warehouse.stream(f"SELECT {', '.join(map(quote, names))} FROM {relation}")

        references = lambda name: str(self.bindings.bind(name))  # noqa: E731 - shorter than a function of its own
        return StagedRows(whole or relation, columns, batches, warehouse.rows, references, key)

    def _event_times(self, staged: str, column: str | None) -> tuple[str, str] | None:
        """The first and the last event time among staged rows, as text; None where there is no event time."""
        if column is None:
            return None
        (row,) = self.tools.warehouse.rows(
            f"SELECT min({quote(column)})::VARCHAR AS first, max({quote(column)})::VARCHAR AS last FROM {staged}"
        )
        return (str(row["first"]), str(row["last"])) if row["first"] is not None else None

    def bind(self, unique_id: str) -> Relation:
        """Make a node readable under its name; return the name."""
        return self.bindings.bind(unique_id)


@dataclass(frozen=True, slots=True)
class _Load:
    """Rows to be published: the query, how they enter the table, and the commit but for what is only known then."""

    unique_id: str
    sql: str
    commit: Commit
    strategy: str = "overwrite"
    key: tuple[str, ...] = ()
    affected: tuple[str, ...] = ()
    event_time: str | None = None
    has_new_checks: bool = False
    batch: BatchLoad | None = None


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
