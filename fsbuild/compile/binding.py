"""A model's SQL in, its columns as the engine binds them out, or problems at their places in the template.

The binder names one mistake at a time. Where that is an unknown column, NULL is read in its place and the query is
bound again, so that a person is told of all of them at once.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Protocol

from fsbuild.errors import BindError, Place, Problem, suggest
from fsbuild.values import BoundColumn, Relation, RenderedModel, RenderedSql, literal

# How often a model's SQL is repaired to find its next mistake.
_REPAIRS = 25
_UNKNOWN_COLUMN = re.compile(r'Referenced column "|(Table |Values list )?"[^"]*" does not have a column named "')
_REFERENCE = re.compile(r'("(?:[^"]|"")*"|\w+)(\s*\.\s*("(?:[^"]|"")*"|\w+))*')
# What DuckDB takes for a SELECT, and cannot read as a part of another query.
_COMMANDS = ("SUMMARIZE", "DESCRIBE", "DESC", "SHOW")
_QUALIFIED = re.compile(r'(?:Table )?"([^"]+)" does not have a column named "([^"]+)"')


class Binder(Protocol):
    """What compiling needs of the engine."""

    @property
    def volatile_functions(self) -> frozenset[str]:
        """The functions whose answers change from one moment to the next."""

    @property
    def random_functions(self) -> frozenset[str]:
        """Those of them that are left to chance."""

    def declare(self, relation: Relation, columns: Iterable[tuple[str, str]], otherwise: str | None = None) -> None:
        """Let a name stand for an empty table; for a query where the types of its columns cannot be written down."""

    def undeclare(self, relation: Relation) -> None:
        """Drop an empty table again."""

    def hiding(self, relations: Iterable[Relation]) -> AbstractContextManager[None]:
        """Forget relations, where they are known, for a while."""

    def columns_of(self, sql: str) -> tuple[BoundColumn, ...]:
        """Tell a query's columns, or raise a BindError."""


def command_problem(sql: RenderedSql, model: RenderedModel, first: tuple[str, int], compiled: str) -> Problem | None:
    """Refuse a command that DuckDB takes for a SELECT; `first` is the query's first word and its position."""
    word, position = first
    if word.upper() not in _COMMANDS:
        return None
    message = f"a model is a SELECT statement, and this is {word.upper()}"
    problem = _located(BindError(message), position, sql, model, compiled)
    return replace(problem, hint=f"select from it: SELECT * FROM ({word.upper()} …)")


def undeclared_reads(
    sql: RenderedSql, model: RenderedModel, others: Mapping[str, Relation], binder: Binder, compiled: str
) -> list[Problem]:
    """Tell which of `others`, relations by unique id, a query reads by their names: it does not depend on them.

    The binder judges, as a name in the text may be that of a column or of a common table expression.
    """
    problems: list[Problem] = []
    hidden = dict(others)
    while hidden:
        try:
            with binder.hiding(hidden.values()):
                binder.columns_of(sql.text)
        except BindError as exc:
            unique_id = _named(exc, sql.text, hidden)
            if unique_id is None or exc.position is None:
                break
            relation = hidden.pop(unique_id)
            kind, _, name = unique_id.split(".", 2)
            words = name.rsplit(".", 1) if kind == "source" else [name]
            function = "source" if kind == "source" else "ref"
            written = f"{function}({', '.join(literal(word) for word in words)})"
            message = f"reads {relation.schema}.{relation.identifier} without {function}()"
            problem = _located(BindError(message), exc.position, sql, model, compiled)
            problems.append(
                replace(problem, hint=f"write {{{{ {written} }}}}, so that it is there before this model runs")
            )
        else:
            break
    return problems


def _named(exc: BindError, text: str, relations: Mapping[str, Relation]) -> str | None:
    """Find the relation whose name stands where a query was refused."""
    reference = _REFERENCE.match(text, exc.position) if exc.position is not None else None
    parts = [part.strip('"').lower() for part in re.findall(r'"(?:[^"]|"")*"|\w+', reference[0])] if reference else []
    for unique_id, relation in relations.items():
        if parts[-2:] in ([relation.identifier.lower()], [relation.schema.lower(), relation.identifier.lower()]):
            return unique_id
    return None


def bind_sql(
    sql: RenderedSql, model: RenderedModel, binder: Binder, compiled: str, problems: list[Problem]
) -> tuple[BoundColumn, ...] | None:
    """Tell a query's columns, or None where it has problems, which are added in the order of the text.

    Where a column is unknown, NULL is read in its place and the rest is bound, so that every one is found.
    """
    text = sql.text
    found: list[tuple[int, Problem]] = []
    repairs: list[_Repair] = []
    while len(repairs) < _REPAIRS:
        try:
            bound = binder.columns_of(text)
        except BindError as exc:
            if repairs and not _UNKNOWN_COLUMN.match(exc.message):
                break  # this may come of the NULL that was put there
            position = _original(exc.position, repairs) if exc.position is not None else _search(exc.message, sql.text)
            found.append((position or 0, _located(exc, position, sql, model, compiled)))
            repair = _repair(text, exc)
            if repair is None:
                break
            text = text[: repair.start] + "NULL" + text[repair.end :]
            repairs.append(repair)
        else:
            if not repairs:
                return bound
            break
    problems.extend(problem for _, problem in sorted(found, key=lambda pair: pair[0]))
    return None


@dataclass(frozen=True, slots=True)
class _Repair:
    """A column reference, from `start` to `end` in the text, that was replaced by NULL."""

    start: int
    end: int


def _repair(text: str, exc: BindError) -> _Repair | None:
    """Find the column reference that an error is about; None where it is about something else."""
    if exc.position is None or not _UNKNOWN_COLUMN.match(exc.message):
        return None
    reference = _REFERENCE.match(text, exc.position)
    return _Repair(*reference.span()) if reference else None


def _search(message: str, text: str) -> int | None:
    """Find the qualified column that a message names, where it stands in the text once."""
    named = _QUALIFIED.match(message)
    found = list(re.finditer(rf'\b{re.escape(named[1])}\s*\.\s*"?{re.escape(named[2])}\b', text)) if named else []
    return found[0].start() if len(found) == 1 else None


def _original(position: int, repairs: Sequence[_Repair]) -> int:
    """Where a position in a repaired text is in the text as it was written."""
    for repair in reversed(repairs):
        if position > repair.start:
            position = max(repair.start, position + (repair.end - repair.start) - len("NULL"))
    return position


def _located(exc: BindError, position: int | None, sql: RenderedSql, model: RenderedModel, compiled: str) -> Problem:
    """Give a binder's error its place in the template, and the one in the compiled file."""
    # DuckDB calls a common table expression a "Values list".
    message, _, rest = exc.message.removeprefix("Values list ").partition("\n")
    detail_lines = [line.strip() for line in rest.splitlines() if line.strip() and "Candidate bindings" not in line]
    hint = suggest(exc.name or _quoted_name(message), exc.candidates)
    if hint is None and exc.candidates and "column" in message:
        hint = f"the columns are {', '.join(exc.candidates[:8])}"
    if position is None:
        return Problem(message, Place(model.model.path), hint=hint)
    before = sql.text[:position]
    row, column = before.count("\n"), len(before) - (before.rfind("\n") + 1)
    line = sql.lines[min(row, len(sql.lines) - 1)]
    source = model.model.raw_sql.splitlines()
    excerpt = source[line - 1] if line <= len(source) else None
    word = _word_at(sql.text, position)
    # The column in the template is only known where the word stands there once, or where nothing was inserted.
    at = None
    if excerpt is not None and word:
        if excerpt[column : column + len(word)] == word:
            at = column + 1
        elif excerpt.count(word) == 1:
            at = excerpt.find(word) + 1
    detail = "\n".join([*detail_lines, f"compiled: {compiled}:{row + 1}:{column + 1}"])
    return Problem(message, Place(model.model.path, line, at), hint=hint, excerpt=excerpt, detail=detail)


def _quoted_name(message: str) -> str:
    return message.rpartition('named "')[2].partition('"')[0] if 'named "' in message else ""


def _word_at(text: str, position: int) -> str:
    end = position
    while end < len(text) and not text[end].isspace() and text[end] not in ",()":
        end += 1
    return text[position:end]
