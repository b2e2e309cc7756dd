"""What feature tables hold, measured before they are published and written down when the run is over."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from fsbuild.errors import Place
from fsbuild.execute.journal import add_rows
from fsbuild.execute.work import Tools, Work
from fsbuild.stored_statistics import Measured, from_rows, latest_query, to_arrow
from fsbuild.values import (
    Check,
    CheckResult,
    ColumnType,
    CompiledModel,
    Drift,
    TableStatistics,
)

# Tables up to this size are measured whole when an increment changes them.
_SMALL_ROWS = 1_000_000


@dataclass(slots=True)
class Measuring:
    """The statistics of one run. Used by many threads."""

    work: Work
    tools: Tools
    found: list[Measured] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)
    _before: Mapping[str, Measured] | None = None

    def measure(
        self, model: CompiledModel, relation: str, columns: Sequence[ColumnType], *, is_whole: bool
    ) -> TableStatistics | None:
        """Measure the rows that a table is going to have, if that is wanted; None where it is not."""
        if not _is_wanted(model) or self.work.statistics is None:
            return None
        before = self.before(model.unique_id)
        may_be_left_out = model.rendered.config.statistics is None and not _is_judged(model)
        if not is_whole and may_be_left_out and before is not None and before.rows > _SMALL_ROWS:
            return None
        return self.tools.measure(self.tools.warehouse.rows, relation, columns, before)

    def drifts(self, unique_id: str, after: TableStatistics | None) -> Sequence[Drift] | None:
        """Tell how far the columns of a table move from the version before; None where that is not known."""
        before = self.before(unique_id)
        return self.tools.compare(before, after) if before is not None and after is not None else None

    def judge(self, model: CompiledModel, after: TableStatistics | None) -> tuple[CheckResult, ...]:
        """Hold what a table is going to have against the version before it, where the model says how far it may go."""
        limits = model.rendered.config.drift
        drifts = self.drifts(model.unique_id, after) if limits else None
        if after is None or drifts is None:
            return ()
        place = Place(model.rendered.model.path)
        return tuple(result for drift in drifts for result in _verdicts(drift, limits, place, after.rows))

    def remember(self, unique_id: str, version: int, statistics: TableStatistics | None) -> None:
        """Keep in mind what was measured until the run is over."""
        if statistics is not None:
            with self.lock:
                self.found.append(Measured(unique_id, version, statistics))

    def before(self, unique_id: str) -> TableStatistics | None:
        """The latest statistics of a node that an earlier run has written."""
        with self.lock:
            if self._before is None:
                self._before = self._read()
        measured = self._before.get(unique_id)
        return measured.statistics if measured is not None else None

    def publish(self) -> None:
        """Add what was measured to the table of statistics, in one commit."""
        if not self.found or self.work.statistics is None:
            return
        add_rows(to_arrow(self.found, self.work.run_id, self.work.now), self.work.statistics, self.work, self.tools)

    def _read(self) -> Mapping[str, Measured]:
        relation = self.work.statistics
        state = self.tools.lake.state(relation) if relation is not None else None
        if relation is None or state is None:
            return {}
        self.tools.warehouse.bind_table(relation, self.tools.lake.uri(relation), state.version)
        return from_rows(self.tools.warehouse.rows(latest_query(str(relation))))


def _is_wanted(model: CompiledModel) -> bool:
    """Whether a model's columns are measured: where it says so, where they are features, where checks need it."""
    config = model.rendered.config
    is_usual = bool(config.entity or model.rendered.training or _is_judged(model))
    return is_usual if config.statistics is None else config.statistics


def _is_judged(model: CompiledModel) -> bool:
    return any(check.name == "distribution" for check in model.rendered.model.checks)


def _verdicts(drift: Drift, limits: Mapping[str, object], place: Place, rows: int) -> Iterator[CheckResult]:
    is_error = limits.get("severity") == "error"
    for name in ("psi", "ks", "js"):
        limit, found = limits.get(name), getattr(drift, name)
        if limit is None or found is None:
            continue
        check = Check(f"drift_{name}", drift.name, {"at_most": limit}, place, "error" if is_error else "warn")
        if found <= float(str(limit)):
            yield CheckResult(check, "pass", rows=rows)
        else:
            message = f"{name} is {found:.3f} since the version before"
            yield CheckResult(check, "fail" if is_error else "warn", 1, rows, message=message)
