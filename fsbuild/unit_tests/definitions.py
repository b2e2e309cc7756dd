"""Unit tests and the columns of what they are about in, all that is wrong with them out, before anything runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from fsbuild.errors import BindError, Place, Problem, listing, suggest
from fsbuild.unit_tests.rows import column_types, loses, query_text, unknown_names, value_sql, value_text
from fsbuild.values import ColumnType, FixtureRows, UnitBatch, UnitTest

_SHOWN_VALUE = 40


@dataclass(frozen=True, slots=True)
class Subject:
    """What a unit test is about, as it is compiled.

    `columns` are the model's, None where they are only known with the test's overrides. `inputs` has the columns of
    all that may be given, by unique id, and `required` the ids of what has to be; `written` is how each is referred to.
    `reads_itself` says whether the SQL that is tried reads `this`.
    """

    name: str
    materialized: str
    is_table: bool
    inputs: Mapping[str, Sequence[ColumnType]]
    required: Sequence[str]
    written: Mapping[str, str]
    columns: Sequence[ColumnType] | None = None
    this: Sequence[ColumnType] = ()
    reads_itself: bool = False


@dataclass(frozen=True, slots=True)
class Judge:
    """What judging takes of the engine: the columns of a query, and which of some (value, type) cannot be read."""

    columns_of: Callable[[str], Sequence[ColumnType]]
    unreadable: Callable[[Sequence[tuple[str, str]]], Sequence[bool]]


def judge_tests(tests: Iterable[tuple[UnitTest, Subject]], judge: Judge) -> tuple[list[UnitTest], list[Problem]]:
    """Tell all that is wrong with unit tests; those that are right come back with the columns of their queries."""
    judging = _Judging(judge)
    told = [judging.test(test, subject) for test, subject in tests]
    return told, judging.all_problems()


@dataclass(frozen=True, slots=True)
class _Judging:
    """The problems so far, and the values that the engine has yet to read, each with the problem that it may be."""

    judge: Judge
    problems: list[Problem] = field(default_factory=list)
    cells: list[tuple[str, str, Problem]] = field(default_factory=list)

    def all_problems(self) -> list[Problem]:
        """The problems, with those of values: the engine is asked once for all."""
        wrong = self.judge.unreadable([(sql, kind) for sql, kind, _ in self.cells]) if self.cells else []
        return [*self.problems, *(cell[2] for cell, is_wrong in zip(self.cells, wrong, strict=True) if is_wrong)]

    def test(self, test: UnitTest, subject: Subject) -> UnitTest:
        """Judge one test."""
        self.problems.extend(_shape_problems(test, subject))
        batches = []
        for at, batch in enumerate(test.batches):
            if at == 0 and subject.columns is not None:
                self.problems.extend(_missing_inputs(test, batch, subject))
            batches.append(self._batch(test, batch, subject))
        return replace(test, batches=tuple(batches))

    def _batch(self, test: UnitTest, batch: UnitBatch, subject: Subject) -> UnitBatch:
        given = []
        for one in batch.given:
            is_this = one.unique_id == test.model_id
            columns = subject.this if is_this else subject.inputs.get(one.unique_id)
            if is_this and not test.has_batches:
                self.problems.extend(_this_problems(test, one.place, subject))
            if columns is not None:
                given.append(replace(one, rows=self._rows(one.rows, columns, one.written)))
            elif subject.columns is not None:
                known = [subject.written[name] for name in subject.inputs if name in subject.written]
                hint = suggest(one.written, known) or (f"it reads {listing(known)}" if known else "it reads nothing")
                self.problems.append(Problem(f"'{subject.name}' does not read {one.written}", one.place, hint=hint))
        if subject.columns is None:
            return replace(batch, given=tuple(given))
        expect = self._rows(batch.expect, subject.columns, f"'{subject.name}'")
        return replace(batch, given=tuple(given), expect=expect)

    def _rows(self, rows: FixtureRows, columns: Sequence[ColumnType], title: str) -> FixtureRows:
        """Judge rows of something that has these columns; those of a query get to know their columns."""
        if rows.sql is not None:
            try:
                found = tuple(column.name for column in self.judge.columns_of(query_text(rows)))
            except BindError as exc:
                hint = suggest(exc.name or "", exc.candidates) or "the query reads nothing but what is written in it"
                self.problems.append(Problem(exc.message.splitlines()[0], rows.place, hint=hint))
                return rows
            self._columns(found, rows.place, columns, title)
            return replace(rows, columns=found)
        if not rows.rows:
            self._columns(rows.columns, rows.place, columns, title)
        told: set[str] = set()
        for row, place in zip(rows.rows, rows.places, strict=True):
            self._columns([name for name in row if name not in told], place, columns, title)
            told.update(row)
        self._values(rows, columns, title)
        return rows

    def _columns(self, names: Sequence[str], place: Place, columns: Sequence[ColumnType], title: str) -> None:
        known = [column.name for column in columns]
        for name in unknown_names(names, columns):
            hint = suggest(name, known) or f"the columns are {listing(known)}"
            self.problems.append(Problem(f"{title} has no column '{name}'", place, hint=hint))

    def _values(self, rows: FixtureRows, columns: Sequence[ColumnType], title: str) -> None:
        types = column_types(columns)
        for row, place in zip(rows.rows, rows.places, strict=True):
            for name, value in row.items():
                kind = types.get(name.lower())
                if value is None or kind is None or _is_plainly_right(value, kind):
                    continue
                shown = value_text(value)
                shown = shown if len(shown) <= _SHOWN_VALUE else f"{shown[: _SHOWN_VALUE - 1]}…"
                message = f"'{shown}' is no value of column '{name}' of {title}, which is {kind}"
                if loses(value, kind):
                    self.problems.append(Problem(message, place, hint="it would be rounded or cut off"))
                else:
                    self.cells.append((value_sql(value, kind), kind, Problem(message, place)))


def _is_plainly_right(value: object, kind: str) -> bool:
    """Whether nobody has to be asked about a value."""
    if kind == "VARCHAR":
        return not isinstance(value, list | dict)
    return (kind == "BOOLEAN" and isinstance(value, bool)) or (
        kind == "DOUBLE" and isinstance(value, int | float) and not isinstance(value, bool)
    )


def _shape_problems(test: UnitTest, subject: Subject) -> Iterator[Problem]:
    """What does not fit the kind of the model."""
    if subject.materialized == "on_demand":
        hint = "test a training set that has its features"
        yield Problem(f"'{subject.name}' is computed from a request, which no test can give", test.place, hint=hint)
        return
    if not test.has_batches:
        if subject.materialized == "snapshot":
            hint = "write batches: [{given: […], expect: …}], after each of which its table is compared"
            yield Problem(
                f"'{subject.name}' is a snapshot, and what it keeps is told by batches", test.place, hint=hint
            )
        return
    if not subject.is_table:
        hint = "write given and expect without batches"
        message = (
            f"'{subject.name}' is of the kind '{subject.materialized}', and has no table that batches could change"
        )
        yield Problem(message, test.place, hint=hint)
    if "is_incremental" in test.overrides.macros:
        hint = "leave it out: the first batch makes the table, and the others add to it"
        yield Problem("is_incremental is overridden in a test with batches", test.overrides.place, hint=hint)
    for batch in test.batches:
        for one in batch.given:
            if one.unique_id == test.model_id:
                hint = "leave it out: the table is what the batches before made of it"
                yield Problem("'this' is given in a test with batches", one.place, hint=hint)


def _this_problems(test: UnitTest, place: Place, subject: Subject) -> Iterator[Problem]:
    """Why `this` cannot be given."""
    if subject.columns is None or subject.reads_itself:
        return
    hint = None if test.is_incremental else "overrides: {macros: {is_incremental: true}} tries the SQL of an increment"
    yield Problem(f"the SQL of '{subject.name}' that is tried does not read 'this'", place, hint=hint)


def _missing_inputs(test: UnitTest, batch: UnitBatch, subject: Subject) -> Iterator[Problem]:
    """The inputs of which nothing is said; those of batches have to be there from the first on."""
    given = {one.unique_id for one in batch.given}
    missing = [subject.written[name] for name in subject.required if name not in given]
    if subject.reads_itself and not test.has_batches and test.model_id not in given:
        missing.append("this")
    if missing:
        where = "the first batch" if test.has_batches else f"unit test '{test.name}'"
        message = f"{where} does not give {listing(missing)}, which '{subject.name}' reads"
        hint = f"add '- {{input: {missing[0]}, rows: []}}' where there are no rows"
        yield Problem(message, batch.place if test.has_batches else test.place, hint=hint)
