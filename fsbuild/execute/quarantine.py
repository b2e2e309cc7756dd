"""Rows that fail a check of the severity `quarantine`: kept out of their table, in one of their own beside it.

`<table>__quarantine` has the model's columns, the checks that each row failed, and when and in which run. What comes
to the table later replaces there what it would replace in the table, so that repaired rows leave it.

Protects: a row that came is in the one table or in the other, whatever crashes between their two commits. The commit of
the model's table names the version of this one that belongs to it, and the next run builds upon that version: what was
written by a run that did not get to publish is written over.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from fsbuild.execute.strategies import Strategy, is_merge
from fsbuild.execute.work import Tools, Work
from fsbuild.values import (
    Check,
    CheckResult,
    Commit,
    Overwrite,
    Relation,
    StagedRows,
    TableRows,
    literal,
    quote,
    staged_relation,
)

# What the commit of a model's table calls the version of the table beside it.
VERSION = "quarantine"
FAILED, RUN, TIME = "fsbuild_failed_checks", "fsbuild_run_id", "fsbuild_quarantined_at"


def quarantining(checks: Sequence[Check]) -> tuple[Check, ...]:
    """The checks whose failing rows are kept out of the table."""
    return tuple(check for check in checks if check.severity == "quarantine")


def gating(checks: Sequence[Check]) -> tuple[Check, ...]:
    """The checks by which a table is published or not."""
    return tuple(check for check in checks if check.severity != "quarantine")


@dataclass(frozen=True, slots=True)
class Quarantine:
    """The rows of one load that are kept out of its table, and those of earlier ones; `key` finds a row again.

    `base` is the version of the quarantine that belongs to the present version of the model's table.
    """

    unique_id: str
    relation: Relation
    key: tuple[str, ...]
    base: int | None
    work: Work
    tools: Tools

    def set_aside(
        self, checks: Sequence[Check], staged: Callable[[str], StagedRows], strategy_of: Callable[[], Strategy]
    ) -> tuple[tuple[CheckResult, ...], int]:
        """Take the rows that fail out of the staged ones; return the verdicts, and how many rows that were.

        `strategy_of` says how the rows that are left would enter the table, and `staged` gives them beside all that it
        would have then. Nothing is taken out where too many fail, or where a check cannot be decided.
        """
        strategy = strategy_of()
        results, failed = self.tools.find_failing(checks, staged(strategy.whole()))
        if _is_refused(results):
            return results, 0
        count = self._take_out(failed, is_first=True)
        self._keep_earlier(strategy)
        # The row that a merge would have replaced stays where the new one is kept out, and may be in others' way.
        while failed and is_merge(strategy):
            strategy = strategy_of()
            more, failed = self.tools.find_failing(checks, staged(strategy.whole()))
            results = tuple(
                replace(one, failures=one.failures + other.failures, sample=one.sample or other.sample)
                if other.status in ("pass", "warn")
                else other
                for one, other in zip(results, more, strict=True)
            )
            if _is_refused(results):
                return results, 0
            count += self._take_out(failed)
        where = f"kept out of the table, in {self.relation.identifier}"
        return tuple(replace(one, status="warn", message=where) if one.failures else one for one in results), count

    def _take_out(self, failed: Mapping[int, list[str]], *, is_first: bool = False) -> int:
        """Move rows, given by their numbers with the checks that they fail, from the staged ones to those aside."""
        import pyarrow as pa

        warehouse, staged, ids = self.tools.warehouse, staged_relation(self.unique_id), self._kept("failing")
        names = pa.array(list(failed.values()), pa.list_(pa.string()))
        warehouse.keep_rows(ids, pa.table({"id": pa.array(list(failed), pa.int64()), "checks": names}))
        rows = (
            f"SELECT s.*, i.checks AS {FAILED}, {literal(self.work.run_id)} AS {RUN}, "
            f"TIMESTAMPTZ {literal(self.work.now.isoformat())} AS {TIME} "
            f"FROM {staged} AS s JOIN {ids} AS i ON s.rowid = i.id"
        )
        count = (warehouse.keep if is_first else warehouse.add)(self._kept("aside"), rows)
        warehouse.remove(staged, f"rowid IN (SELECT id FROM {ids})")
        return count

    def publish(self) -> int | None:
        """Write the rows that are kept out now, if these are others than before; return the version, if there is one.

        Raises:
            ConflictError: another run writes them too.
        """
        warehouse, lake, rows = self.tools.warehouse, self.tools.lake, self._kept("quarantine")
        aside, earlier, here = self._kept("aside"), self._kept("earlier"), staged_relation(self.unique_id)
        same = " AND ".join(f"c.{quote(name)} = e.{quote(name)}" for name in self.key)
        repaired = [f"NOT EXISTS (SELECT 1 FROM {came} AS c WHERE {same})" for came in (here, aside) if same]
        stay = f"SELECT e.* FROM {earlier} AS e WHERE {' AND '.join(repaired) or 'TRUE'}"
        count = warehouse.keep(rows, f"SELECT * FROM {aside} UNION ALL BY NAME {stay}")
        state = lake.state(self.relation)
        version = state.version if state is not None else None
        (is_other,) = warehouse.rows(
            f"SELECT (SELECT count(*) FROM {aside}) > 0 OR {count} <> {self._count_before()} AS found"
        )
        if version == self.base and not is_other["found"]:
            return self.base
        names = tuple(column.name for column in warehouse.columns(f"SELECT * FROM {rows}"))
        table_rows = TableRows(lambda: warehouse.stream(f"SELECT * FROM {rows}"), names, count)
        commit = Commit(f"fsbuild.{self.unique_id}.quarantine", self.work.run_id, "", {}, version, count)
        return lake.write(Overwrite(), self.relation, table_rows, commit)

    def close(self) -> None:
        """Forget what was kept for this load."""
        for what in ("failing", "aside", "earlier", "quarantine"):
            self.tools.warehouse.drop(self._kept(what))

    def _keep_earlier(self, strategy: Strategy) -> None:
        """Keep the rows that were set aside earlier and that this load says nothing of."""
        warehouse, stay = self.tools.warehouse, f"{self._kept('aside')} LIMIT 0"
        if self.base is not None:
            warehouse.bind_table(self._bound, self.tools.lake.uri(self.relation), self.base)
            stay = strategy.kept(str(self._bound)) or stay
        warehouse.keep(self._kept("earlier"), f"SELECT * FROM {stay}")

    def _count_before(self) -> str:
        return f"(SELECT count(*) FROM {self._bound})" if self.base is not None else "0"

    @property
    def _bound(self) -> Relation:
        return self._kept("before")

    def _kept(self, what: str) -> Relation:
        return staged_relation(f"{self.unique_id} {what}")


def _is_refused(results: Sequence[CheckResult]) -> bool:
    return any(result.status in ("fail", "error") for result in results)
