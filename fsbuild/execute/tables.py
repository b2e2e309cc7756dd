"""A step in, a published table out.

Every table goes the same road: compute -> stage -> check keys and rows -> commit. What is published is the very rows
that were checked.
"""

from __future__ import annotations

import datetime as dt
import json
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cache
from typing import TypeGuard

from fsbuild.appended import FILES, remember_files
from fsbuild.errors import ConflictError, EvolutionError, Problem
from fsbuild.execute.auto import find_affected
from fsbuild.execute.bindings import Bindings, in_columns
from fsbuild.execute.failures import Failures
from fsbuild.execute.joins import kept_stages, write_recipe
from fsbuild.execute.keys import refuse_bad_keys, refuse_keys_of_others
from fsbuild.execute.microbatch import BatchLoad, find_batches
from fsbuild.execute.past import LOADS, published_past, staged_load
from fsbuild.execute.quarantine import VERSION as QUARANTINE_VERSION
from fsbuild.execute.quarantine import Quarantine, gating, quarantining
from fsbuild.execute.snapshots import (
    OPEN_END,
    Snapshotting,
    changed_rows,
    first_rows,
    stage_source,
)
from fsbuild.execute.statistics import Measuring
from fsbuild.execute.strategies import (
    Appending,
    Entry,
    MergeRules,
    Merging,
    Overwriting,
    Replacing,
    ResolvedMerging,
    Rewriting,
    Strategy,
    Target,
    choose_entry,
    keys_of_staged,
)
from fsbuild.execute.work import Tools, Work, checks_of, describe, key_of
from fsbuild.properties import table_properties
from fsbuild.recipes import RECIPE, StagedQuery, in_stages
from fsbuild.values import (
    CONSTRAINTS,
    Check,
    CheckResult,
    ColumnType,
    Commit,
    CompiledModel,
    Expansion,
    Maintenance,
    NodeResult,
    Overwrite,
    Past,
    Relation,
    Seed,
    Snapshot,
    StagedRows,
    Status,
    Step,
    TableRows,
    TableState,
    TableStatistics,
    keys_relation,
    quarantine_relation,
    quote,
    staged_relation,
)

# Results up to this size stay in the engine until the nodes that read them are done, and are not read back.
_KEPT_ROWS = 200_000
# How often a write is tried whose table was only tidied up meanwhile, and how long the first pause is.
_RETRIES = 5
_PATIENCE_S = 0.05


@dataclass(slots=True)
class Execution:
    """One run in progress. Used by many threads."""

    work: Work
    tools: Tools
    steps: Mapping[str, Step] = field(default_factory=dict)
    # The nodes that a node's checks refer to and that can only be built after it.
    deferred: Mapping[str, frozenset[str]] = field(default_factory=dict)
    # When work on each node began.
    began: dict[str, dt.datetime] = field(default_factory=dict)
    bindings: Bindings = field(init=False)
    measuring: Measuring = field(init=False)

    def __post_init__(self) -> None:
        """Begin with nothing published."""
        self.bindings = Bindings(self.work, self.tools)
        self.measuring = Measuring(self.work, self.tools)
        self.bindings.expect_readers(self.steps)

    # --- steps -------------------------------------------------------------------------------------------------------

    def run_step(self, unique_id: str) -> NodeResult:
        """Do what the plan says for a node.

        Raises:
            ConflictError: another writer made of its table what this run would not have made of it.
        """
        self.began[unique_id] = dt.datetime.now(dt.UTC)
        try:
            return self._try_step(unique_id, _RETRIES)
        finally:
            self.bindings.release_inputs(unique_id)

    def _try_step(self, unique_id: str, retries: int) -> NodeResult:
        """Do a step; where another writer was quicker, look at what it did before going on."""
        try:
            return self._do_step(unique_id)
        except ConflictError:
            present = self.tools.lake.state(self.bindings.relation(unique_id))
            if self._is_done(present, unique_id):
                self.bindings.accept(unique_id, present)
                message = f"another run wrote version {present.version}"
                return replace(describe(unique_id, self.work), status="unchanged", message=message)
            if not retries or not self.bindings.move_on(unique_id, present):
                raise
        time.sleep(_PATIENCE_S * 2 ** (_RETRIES - retries))
        return self._try_step(unique_id, retries - 1)

    def _is_done(self, present: TableState | None, unique_id: str) -> TypeGuard[TableState]:
        """Whether another run has published meanwhile, by the same definition, what this one was about to."""
        before = self.bindings.states.get(unique_id)
        return (
            present is not None
            and present.changed_by is None
            and present.run_id not in (self.work.run_id, before.run_id if before else None)
            and present.fingerprint == self.steps[unique_id].fingerprint
        )

    def _do_step(self, unique_id: str) -> NodeResult:
        step = self.steps[unique_id]
        node = describe(unique_id, self.work)
        action = step.action
        if step.is_conditional and not self.bindings.changed_inputs(unique_id):
            action = "check" if step.has_new_checks else "keep"
            step = replace(step, reason="its parents published nothing new")
        if action == "refuse":
            hint = f"fsbuild run --full-refresh --select {node.name}, or on_schema_change='append_new_columns'"
            raise EvolutionError(Problem(step.reason, hint=hint))
        if action == "keep":
            return replace(node, status="unchanged", message=step.reason)
        if action == "describe":
            self._describe(self.work.models[unique_id])
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
        results = self._check_published(unique_id, checks_of(unique_id, self.work))
        return replace(describe(unique_id, self.work), status=_verdict(results, "pass", "fail"), checks=results)

    def check_late(self, result: NodeResult, checks: Sequence[Check]) -> NodeResult:
        """Check what was published of a node by checks that could not be asked before."""
        found = self._check_published(result.unique_id, checks)
        is_test = self.work.command == "test"
        verdict = _verdict(found, result.status, "fail" if is_test else "error")
        message = result.message if is_test or verdict != "error" else "its checks failed; its rows are published"
        return replace(result, status=verdict, checks=(*result.checks, *found), message=message)

    def _check_published(self, unique_id: str, checks: Sequence[Check]) -> tuple[CheckResult, ...]:
        relation = str(self.bindings.bind(unique_id))
        columns = self.tools.warehouse.columns(f"SELECT * FROM {relation}")
        rows = self._staged_rows(relation, columns, key_of(unique_id, self.work))
        rows = replace(rows, past=lambda: published_past(self.bindings.relation(unique_id), self.tools.lake))
        return self._check(unique_id, rows, checks, is_published=True)

    def _check_present(self, step: Step, node: NodeResult) -> NodeResult:
        """Check the rows of a table that stays as it is, and remember new checks that they have passed."""
        results = self._check_published(step.unique_id, checks_of(step.unique_id, self.work))
        status = _verdict(results, "unchanged", "error")
        if status == "error":
            return replace(node, status=status, checks=results, message="its checks failed; its table stays as it was")
        if step.has_new_checks:
            state = self.bindings.states[step.unique_id]
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
            if step.unique_id in self.work.models:
                self._describe(self.work.models[step.unique_id])
        return replace(node, status=status, checks=results, message=step.reason)

    def _describe(self, model: CompiledModel) -> None:
        """Tell the readers of a table anew what they need to know of it; its rows stay as they are."""
        config, relation = model.rendered.config, model.rendered.relation
        said = table_properties(config, model.rendered.model.checks)
        self.tools.lake.set_properties(relation, said, config.description, self.work.run_id)

    def _check_view(self, unique_id: str, node: NodeResult) -> NodeResult:
        checks = checks_of(unique_id, self.work)
        if not checks:
            return replace(node, status="success", message="a view")
        results = self._check_published(unique_id, checks)
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
            properties=table_properties(config, model.rendered.model.checks),
            partition_by=_as_written(config.partition_by, model.columns),
        )
        files = remember_files(self.work.sources, self.work.inputs[unique_id], self.work.files)
        if config.materialized == "incremental" and files is not None:
            commit = replace(commit, extra={FILES: files})
        # With delete+insert several rows may have one key.
        has_key = config.materialized == "incremental" and config.strategy != "delete+insert"
        load = _Load(
            unique_id=unique_id,
            sql=model.select,
            commit=commit,
            key=_as_written(config.unique_key, model.columns) if has_key else (),
            event_time=config.event_time,
            has_new_checks=step.has_new_checks,
            is_compacted=config.auto_compact,
            joins=model.rendered.expansions,
        )
        if model.snapshot is not None:
            return self._publish_snapshot(model, model.snapshot, load, node)
        if config.is_batched:
            return self._run_batches(model, step, load, node)
        if step.action != "increment":
            return self._publish(load, node)
        self.bindings.bind_present(unique_id, step.columns)
        if config.strategy != "auto":
            load = _increment(load, model)
            if step.columns:
                selected = in_columns(step.columns, {column.name.lower() for column in model.added_columns})
                is_rewrite = _columns_json(step.columns) != self.bindings.states[unique_id].extra.get("columns")
                load = replace(load, sql=f"SELECT {selected} FROM (\n{load.sql}\n)", is_rewrite=is_rewrite)
            return self._publish(load, node)
        return self._maintain(model, load, node)

    def _maintain(self, model: CompiledModel, load: _Load, node: NodeResult) -> NodeResult:
        """Publish what changes of the inputs make of a table with the strategy `auto`."""
        unique_id = model.unique_id
        affected = find_affected(model, self.bindings)
        if affected.reason is not None:
            return self._publish(load, replace(node, message=f"{affected.reason}: in full"))
        maintenance = model.maintenance or Maintenance()
        node = replace(node, message=f"{affected.count:,} affected keys ({', '.join(maintenance.key)})")
        if not affected.count:
            extra = {**self.bindings.states[unique_id].extra, **load.commit.extra}
            remembered = replace(self._fenced(load.commit, 0), extra=extra)
            version = self.tools.lake.record(model.rendered.relation, remembered)
            self.bindings.remember(unique_id, version, keep=False)
            return replace(node, status="success", rows=0, version=version)
        sql = maintenance.recompute_nulls if affected.has_null else maintenance.recompute
        return self._publish(replace(load, sql=sql, strategy="auto", affected=maintenance.key), node)

    def _publish_snapshot(self, model: CompiledModel, snapshot: Snapshot, load: _Load, node: NodeResult) -> NodeResult:
        """Publish the rows of a snapshot that begin and end; all of them where there is no table yet."""
        warehouse, unique_id = self.tools.warehouse, model.unique_id
        load = replace(
            load, commit=replace(load.commit, extra={OPEN_END: snapshot.open_end} if snapshot.open_end else {})
        )
        source = stage_source(model, warehouse)
        try:
            state = self.work.states.get(unique_id)
            if state is None:
                return self._publish(replace(load, sql=first_rows(model)), node)
            present = warehouse.columns(f"SELECT * FROM {self.bindings.bind_present(unique_id)}")
            columns = warehouse.columns(f"SELECT * FROM {source}")
            sql = changed_rows(model, present, columns, state.extra.get(OPEN_END, ""))
            scd_id, *key = _as_written((snapshot.names["dbt_scd_id"], *snapshot.key), (*present, *columns))
            load = replace(load, sql=sql, strategy="snapshot", key=(scd_id,), affected=tuple(key), present=present)
            return self._publish(load, node)
        finally:
            warehouse.drop(source)

    def _run_batches(self, model: CompiledModel, step: Step, load: _Load, node: NodeResult) -> NodeResult:
        """Compute a microbatch model's batches: one by one, or all for a table that begins with them."""
        batches = find_batches(model, self.bindings, is_increment=step.action == "increment")
        event_time = batches.axis.column
        load = replace(load, strategy="microbatch", event_time=event_time)

        def publish(batch: BatchLoad) -> NodeResult:
            if batch.batch is not None:
                self.bindings.bind_present(model.unique_id)
            commit = replace(load.commit, extra={**load.commit.extra, **batch.extra})
            has_new_checks = load.has_new_checks and batch.is_first
            return self._publish(replace(load, batch=batch, commit=commit, has_new_checks=has_new_checks), node)

        def record(extra: Mapping[str, str]) -> int:
            commit = self._fenced(replace(load.commit, extra={**load.commit.extra, **extra}), 0)
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
        query = in_stages(load.joins, load.sql)
        count = load.batch.stage(staged) if load.batch else self._stage(query, staged)
        columns = warehouse.columns(f"SELECT * FROM {staged}")
        target = self._target(load, columns)
        if load.strategy in ("delete+insert", "insert_overwrite"):
            warehouse.keep(keys_relation(unique_id), keys_of_staged(target, load.affected))
        quarantine = self._quarantine(unique_id)
        aside, removed = self._set_aside(quarantine, load, target) if quarantine is not None else ((), 0)
        if _verdict(aside, "success", "error") == "error":
            return self._refused(node, staged, count, aside)
        count -= removed
        if load.key:
            refuse_bad_keys(warehouse.rows, str(staged), load.key)
        strategy = self._strategy(load, target)
        if load.key and (others := strategy.others()) is not None:
            refuse_keys_of_others(warehouse.rows, str(staged), others, load.key)
        results, statistics = self._judge(load, strategy, columns)
        results = (*aside, *results)
        status = _verdict(results, "success", "error")
        if status == "error":
            return self._refused(node, staged, count, results)
        if quarantine is not None:
            load = self._with_quarantine(quarantine, load)
        if removed and quarantine is not None:
            told = f"{removed:,} row{'s' * (removed > 1)} kept out, in {quarantine.relation.identifier}"
            node = replace(node, message="; ".join(filter(None, (node.message, told))))
        entry = choose_entry(strategy, target, warehouse, count)
        if entry.write is None and QUARANTINE_VERSION not in load.commit.extra:
            warehouse.drop(staged)
            return replace(node, status=status, rows=0, checks=results)
        version = self._write(load, query, columns, entry)
        self.measuring.remember(unique_id, version, statistics)
        keep = isinstance(strategy, Overwriting) and count <= _KEPT_ROWS
        self.bindings.remember(unique_id, version, keep=keep)
        return replace(node, status=status, rows=entry.count, version=version, checks=results)

    def _write(self, load: _Load, query: StagedQuery, columns: Sequence[ColumnType], entry: Entry) -> int:
        """Commit the rows that have passed their checks, and what is remembered with them; return the version."""
        lake, warehouse, unique_id = self.tools.lake, self.tools.warehouse, load.unique_id
        staged, relation = str(staged_relation(unique_id)), self.bindings.relation(unique_id)
        commit = self._fenced(load.commit, entry.count, self._event_times(staged, load.event_time))
        commit = replace(commit, extra={**commit.extra, "columns": _columns_json(columns)})
        model = self.work.models.get(unique_id)
        if model is not None and model.rendered.training is not None:
            recipe = write_recipe(model, query, staged, self.bindings)
            commit = replace(commit, extra={**commit.extra, RECIPE: recipe.to_json()})
        if entry.write is None:
            return lake.record(relation, commit)
        names = tuple(column.name for column in columns)
        state = self._state(unique_id)
        present = (state.properties or {}).get(CONSTRAINTS) if state is not None else None
        if present not in (None, commit.properties.get(CONSTRAINTS)):
            loosened = lake.drop_constraints(relation, commit)
            commit = commit if loosened is None else replace(commit, expected_version=loosened)
        version = lake.write(
            entry.write, relation, TableRows(lambda: warehouse.stream(entry.sql), names, entry.count), commit
        )
        with suppress(ConflictError):  # another writer is at the table already; the rows are published all the same
            said = commit.properties, commit.description, self.work.run_id
            version = lake.set_properties(relation, *said) or version
            if load.is_compacted and not isinstance(entry.write, Overwrite):
                version = lake.compact(relation, self.work.run_id) or version
        return version

    def _refused(self, node: NodeResult, staged: Relation, count: int, results: tuple[CheckResult, ...]) -> NodeResult:
        """End a node whose rows failed their checks."""
        self.tools.warehouse.drop(staged)
        message = "its checks failed; nothing was published"
        return replace(node, status="error", rows=count, checks=results, message=message)

    def _quarantine(self, unique_id: str) -> Quarantine | None:
        """The rows that are kept out of a node's table; None where no check keeps any out and none ever did."""
        state = self._state(unique_id)
        written = state.extra.get(QUARANTINE_VERSION) if state is not None else None
        if written is None and not quarantining(checks_of(unique_id, self.work)):
            return None
        relation = quarantine_relation(self.bindings.relation(unique_id))
        base = int(written) if written is not None else None
        return Quarantine(unique_id, relation, key_of(unique_id, self.work), base, self.work, self.tools)

    def _set_aside(self, quarantine: Quarantine, load: _Load, target: Target) -> tuple[tuple[CheckResult, ...], int]:
        """Take the rows that fail out of the staged ones, held against all that the table would have with them."""
        later = self.deferred.get(load.unique_id, frozenset())
        asked = quarantining(checks_of(load.unique_id, self.work))

        def staged(whole: str) -> StagedRows:
            rows = self._staged_rows(str(target.staged), target.columns, quarantine.key, whole=whole)
            return replace(rows, row_id="rowid")

        return quarantine.set_aside(
            [check for check in asked if later.isdisjoint(check.references)],
            staged,
            lambda: self._strategy(load, target),
        )

    def _with_quarantine(self, quarantine: Quarantine, load: _Load) -> _Load:
        """Write the rows that are kept out; where these are others than before, the commit of the table says so."""
        version = quarantine.publish()
        quarantine.close()
        if version == quarantine.base:
            return load
        return replace(load, commit=replace(load.commit, extra={**load.commit.extra, QUARANTINE_VERSION: str(version)}))

    def _state(self, unique_id: str) -> TableState | None:
        """What a node's table is now."""
        return self.bindings.published.get(unique_id) or self.bindings.states.get(unique_id)

    def _stage(self, query: StagedQuery, staged: Relation) -> int:
        """Compute a query and keep its rows."""
        with kept_stages(query, self.tools.warehouse):
            return self.tools.warehouse.keep(staged, query.sql)

    def _judge(
        self, load: _Load, strategy: Strategy, columns: Sequence[ColumnType]
    ) -> tuple[tuple[CheckResult, ...], TableStatistics | None]:
        """Hold the rows that a table is going to have against its checks, and measure them."""
        unique_id, whole = load.unique_id, strategy.whole()
        model = self.work.models.get(unique_id)

        @cache
        def measured() -> TableStatistics | None:
            is_whole = isinstance(strategy, Overwriting)
            return self.measuring.measure(model, whole, columns, is_whole=is_whole) if model is not None else None

        def past() -> Past:
            event_time = model.rendered.config.event_time if model is not None else None
            now = staged_load(strategy.checked(), whole, event_time, self.work.now, self.tools.warehouse)
            before = self.tools.lake.loads(self.bindings.relation(unique_id), LOADS)
            return Past(now, before, lambda: self.measuring.drifts(unique_id, measured()))

        key = key_of(unique_id, self.work) if load.strategy == "snapshot" or not load.key else load.key
        checked = whole if load.has_new_checks else strategy.checked()
        rows = replace(self._staged_rows(checked, columns, key, whole=whole), past=past)
        results = self._check(unique_id, rows, gating(checks_of(unique_id, self.work)))
        if model is None or _verdict(results, "success", "error") == "error":
            return results, None
        return (*results, *self.measuring.judge(model, measured())), measured()

    def _target(self, load: _Load, columns: Sequence[ColumnType]) -> Target:
        """The table that a load's rows enter."""
        model = self.work.models.get(load.unique_id)
        config = model.rendered.config if model is not None else self.work.seeds[load.unique_id].config
        relation = self.bindings.relation(load.unique_id)
        return Target(load.unique_id, relation, columns, load.key, config.cluster_by, config.grows)

    def _strategy(self, load: _Load, target: Target) -> Strategy:
        """How a load's rows enter the table."""
        if load.batch is not None:
            return load.batch.strategy(target, self.tools.warehouse) or Overwriting(target)
        strategy = self._plain_strategy(load, target)
        return Rewriting(target, strategy) if load.is_rewrite else strategy

    def _plain_strategy(self, load: _Load, target: Target) -> Strategy:
        warehouse = self.tools.warehouse
        if load.strategy in ("auto", "delete+insert", "insert_overwrite"):
            return Replacing(target, load.affected, warehouse)
        if load.rules is not None:
            merging = ResolvedMerging(target, warehouse, load.rules)
            merging.resolve()
            return merging
        if load.strategy == "snapshot":
            return Snapshotting(target, warehouse, load.present, load.affected)
        if load.strategy == "merge":
            return Merging(target, warehouse)
        return Appending(target) if load.strategy == "append" else Overwriting(target)

    def _fenced(self, commit: Commit, rows: int, event_times: tuple[str, str] | None = None) -> Commit:
        """Complete a commit by the version that it builds upon, and what is only known now."""
        unique_id = commit.app_id.removeprefix("fsbuild.")
        state = self._state(unique_id)
        extra = commit.extra
        if state is not None and QUARANTINE_VERSION in state.extra:
            extra = {QUARANTINE_VERSION: state.extra[QUARANTINE_VERSION], **extra}
        version = state.version if state is not None else None
        return replace(
            commit,
            expected_version=version,
            rows=rows,
            event_times=event_times,
            extra=extra,
            started_at=self.began.get(unique_id),
        )

    # --- rows --------------------------------------------------------------------------------------------------------

    def _check(
        self, unique_id: str, rows: StagedRows, checks: Sequence[Check], *, is_published: bool = False
    ) -> tuple[CheckResult, ...]:
        """Run checks of a node, but for those that refer to what is only built after it."""
        later = self.deferred.get(unique_id, frozenset())
        now = [check for check in checks if later.isdisjoint(check.references)]
        message = "refers to what is built from these rows; `fsbuild test` checks it"
        skipped = [CheckResult(check, "skipped", message=message) for check in checks if check not in now]
        failures = Failures(unique_id, self.work, self.tools)
        return (*failures.told(self.tools.check(now, rows), rows, is_published=is_published), *skipped)

    def _staged_rows(
        self, relation: str, columns: Sequence[ColumnType], key: Sequence[str], *, whole: str | None = None
    ) -> StagedRows:
        """Rows for the check stage: each row of `relation` is checked, and what spans rows over `whole`."""
        warehouse = self.tools.warehouse

        references = lambda name: str(self.bindings.bind(name))  # noqa: E731 - shorter than a function of its own
        return StagedRows(whole or relation, relation, columns, warehouse.stream, warehouse.rows, references, key)

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
    # The key whose values the rows are about, where that is not `key`.
    affected: tuple[str, ...] = ()
    rules: MergeRules | None = None
    # The columns of a snapshot's table as it is.
    present: tuple[ColumnType, ...] = ()
    event_time: str | None = None
    has_new_checks: bool = False
    batch: BatchLoad | None = None
    is_rewrite: bool = False
    is_compacted: bool = False
    joins: Sequence[Expansion] = ()


def _columns_json(columns: Sequence[ColumnType]) -> str:
    """Columns as a commit remembers them."""
    return json.dumps([(column.name, column.type) for column in columns])


def _increment(load: _Load, model: CompiledModel) -> _Load:
    """A load of the rows of an increment, by the strategy that is configured."""
    config = model.rendered.config
    load = replace(load, sql=model.incremental_select or model.select, strategy=config.strategy)
    if config.strategy in ("delete+insert", "insert_overwrite"):
        keys = config.unique_key if config.strategy == "delete+insert" else config.partition_by
        return replace(load, affected=_as_written(keys, model.columns))
    rules = MergeRules(
        config.merge_update_columns,
        config.merge_exclude_columns,
        config.incremental_predicates,
        config.sequence_by,
        config.deleted_when,
    )
    return replace(load, rules=rules) if rules != MergeRules() else load


def _as_written(names: Sequence[str], columns: Sequence[ColumnType]) -> tuple[str, ...]:
    """Name columns as the table does: the engine ignores the case of a name, and Delta does not."""
    written = {column.name.lower(): column.name for column in reversed(columns)}
    return tuple(written[name.lower()] for name in names)


def _verdict(results: Sequence[CheckResult], good: Status, bad: Status) -> Status:
    statuses = {result.status for result in results}
    if statuses & {"fail", "error"}:
        return bad
    return "warn" if "warn" in statuses else good
