"""What checks found wrong in, all of it out: the file of its query, and a table that has it where one is wanted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from fsbuild.dbt_names import test_name
from fsbuild.errors import FsbuildError
from fsbuild.execute.work import Tools, Work, describe
from fsbuild.values import (
    Check,
    CheckResult,
    Commit,
    Overwrite,
    Relation,
    StagedRows,
    TableRows,
    staged_relation,
)

_FAILING = frozenset({"fail", "warn"})


@dataclass(frozen=True, slots=True)
class Failures:
    """Tells of the rows of one node that failed checks."""

    unique_id: str
    work: Work
    tools: Tools

    def told(self, results: Sequence[CheckResult], rows: StagedRows, *, is_published: bool) -> tuple[CheckResult, ...]:
        """Complete results by the query for all that failed, and by the table that has it."""
        return tuple(self._told(result, rows, is_published=is_published) for result in results)

    def _told(self, result: CheckResult, rows: StagedRows, *, is_published: bool) -> CheckResult:
        check = result.check
        if result.status in _FAILING:
            result = replace(result, query_file=self.tools.write_query(self.unique_id, check, is_published))
        is_stored = self.work.store_failures if check.store_failures is None else check.store_failures
        if is_stored and result.status in (*_FAILING, "pass"):
            return self._stored(result, rows)
        return result

    def _stored(self, result: CheckResult, rows: StagedRows) -> CheckResult:
        """Keep the rows that fail; where there are none, only a table that is there has to learn of it."""
        place = Relation(self.work.audit_schema, test_name(result.check, self._name))
        state = self.tools.lake.state(place)
        if result.status == "pass" and state is None:
            return result
        try:
            query = self.tools.failing_rows(result.check, rows) or self._found_one_by_one(result.check, rows)
            self._write(place, query, state.version if state is not None else None)
        except FsbuildError as exc:
            told = f"the rows are not kept: {exc.problems[0].message}"
            return replace(result, message="; ".join(filter(None, (result.message, told))))
        finally:
            for kept in self._kept():
                self.tools.warehouse.drop(kept)
        return replace(result, stored_in=place)

    def _found_one_by_one(self, check: Check, rows: StagedRows) -> str:
        """The query for rows that only the check itself can tell: they are kept with numbers, and it names these."""
        numbered, _ = self._kept()
        self.tools.warehouse.keep(numbered, f"SELECT * FROM {rows.checked}")
        _, failed = self.tools.find_failing([check], replace(rows, checked=str(numbered), row_id="rowid"))
        chosen = ", ".join(map(str, failed)) or "NULL"
        return f"SELECT * FROM {numbered} WHERE rowid IN ({chosen})"

    def _write(self, place: Relation, query: str, version: int | None) -> None:
        _, failing = self._kept()
        warehouse = self.tools.warehouse
        count = warehouse.keep(failing, query)
        names = tuple(column.name for column in warehouse.columns(f"SELECT * FROM {failing}"))
        commit = Commit(f"fsbuild.{self.unique_id}.{place.identifier}", self.work.run_id, "", {}, version, count)
        rows = TableRows(lambda: warehouse.stream(f"SELECT * FROM {failing}"), names, count)
        self.tools.lake.write(Overwrite(), place, rows, commit)

    @property
    def _name(self) -> str:
        return describe(self.unique_id, self.work).name

    def _kept(self) -> tuple[Relation, Relation]:
        return staged_relation(f"{self.unique_id} numbered"), staged_relation(f"{self.unique_id} found wrong")
