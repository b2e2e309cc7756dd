"""The compile stage: rendered models in, models that are known to bind out, with types, fingerprint and lineage.

Names and types are judged by the engine's own binder over empty tables, so a mistake surfaces before any data is
touched and nothing that the engine accepts is refused. sqlglot reads the SQL for what the binder does not tell: its
canonical form and its column lineage. All problems of all models are collected and raised together.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from sqlglot.dialects.duckdb import DuckDB
from sqlglot.errors import SqlglotError
from sqlglot.tokenizer_core import Token, TokenType

from fsbuild.errors import BindError, CompileError, Place, Problem, suggest
from fsbuild.lineage import Input, trace_lineage
from fsbuild.values import (
    BoundColumn,
    ColumnType,
    CompiledModel,
    Relation,
    RenderedModel,
    RenderedSql,
    quote,
)

# How often a model's SQL is repaired to find its next mistake.
_REPAIRS = 25
_UNKNOWN_COLUMN = re.compile(r'Referenced column "|(Table |Values list )?"[^"]*" does not have a column named "')
_TABLES = ("table", "incremental")


class Binder(Protocol):
    """What compiling needs of the engine."""

    volatile_functions: frozenset[str]

    def declare(self, relation: Relation, columns: Iterable[tuple[str, str]]) -> None:
        """Make an empty table."""

    def undeclare(self, relation: Relation) -> None:
        """Drop an empty table again."""

    def columns_of(self, sql: str) -> tuple[BoundColumn, ...]:
        """Tell a query's columns, or raise a BindError."""


@dataclass(frozen=True, slots=True)
class KnownRelation:
    """A source or a seed, whose columns are known before anything is compiled; `select` computes a seed's rows."""

    unique_id: str
    relation: Relation
    columns: tuple[ColumnType, ...]
    select: str = ""


def compile_seed(unique_id: str, relation: Relation, sql: str, bound: Sequence[BoundColumn]) -> KnownRelation:
    """Type a seed's columns as they are stored; `sql` reads its file and has the columns `bound`."""
    columns = tuple(ColumnType(column.name, column.stored_type or column.type) for column in bound)
    return KnownRelation(unique_id, relation, columns, _select(sql, _tokens(sql), bound))


def compile_models(
    models: Sequence[RenderedModel],
    known: Iterable[KnownRelation],
    binder: Binder,
    compiled_path: Callable[[RenderedModel], str],
) -> tuple[CompiledModel, ...]:
    """Compile models that are given in an order in which parents come first.

    `compiled_path` tells where the SQL will be written, for messages.

    Raises:
        CompileError: the SQL of models is wrong; all problems at once.
    """
    inputs: dict[str, Input] = {}
    for one in known:
        binder.declare(one.relation, [(column.name, column.type) for column in one.columns])
        inputs[one.unique_id] = Input(one.unique_id, one.relation, one.columns)
    problems: list[Problem] = []
    compiled: list[CompiledModel] = []
    for model in models:
        if any(parent not in inputs for parent in model.depends_on):
            continue  # a parent has problems of its own, and no columns to check this model against
        found = _compile_model(model, binder, compiled_path, [inputs[parent] for parent in model.depends_on])
        problems.extend(found.problems)
        if found.columns is not None:
            binder.declare(model.relation, [(column.name, column.type) for column in found.columns])
            inputs[model.unique_id] = Input(model.unique_id, model.relation, found.columns)
        if found.model is not None:
            compiled.append(found.model)
    if problems:
        raise CompileError(problems)
    return tuple(compiled)


@dataclass(frozen=True, slots=True)
class _Found:
    """What compiling one model came to. `columns` may be known although there are problems."""

    model: CompiledModel | None
    columns: tuple[ColumnType, ...] | None
    problems: tuple[Problem, ...]


def _compile_model(
    model: RenderedModel, binder: Binder, compiled_path: Callable[[RenderedModel], str], inputs: Sequence[Input]
) -> _Found:
    problems: list[Problem] = []

    def bind(sql: RenderedSql) -> tuple[BoundColumn, ...] | None:
        return _bind(sql, model, binder, compiled_path(model), problems)

    bound = bind(model.sql)
    if bound is None:
        return _Found(None, None, tuple(problems))
    is_table = model.config.materialized in _TABLES
    columns = tuple(ColumnType(c.name, (c.stored_type or c.type) if is_table else c.type) for c in bound)
    problems.extend(_column_problems(model, bound) if is_table else ())
    incremental = None
    if model.incremental_sql is not None and not problems:
        # An increment also reads its own table.
        binder.declare(model.relation, [(column.name, column.type) for column in columns])
        incremental = bind(model.incremental_sql)
        binder.undeclare(model.relation)
        if incremental is not None:
            problems.extend(_increment_problems(model, columns, incremental))
    if problems:
        is_declarable = len({column.name.lower() for column in columns}) == len(columns)
        return _Found(None, columns if is_declarable else None, tuple(problems))
    text, increment = model.sql.text, model.incremental_sql.text if model.incremental_sql else None
    tokens = _tokens(text)
    compiled = CompiledModel(
        rendered=model,
        columns=columns,
        select=_select(text, tokens, bound) if is_table else _strip(text, tokens),
        incremental_select=_select(increment, _tokens(increment), incremental) if increment and incremental else None,
        fingerprint=_fingerprint(model, columns, tokens, increment),
        lineage=trace_lineage(_strip(text, tokens), inputs, columns),
        volatile=_volatile(tokens, binder.volatile_functions),
    )
    return _Found(compiled, columns, ())


# --- binding ---------------------------------------------------------------------------------------------------------


def _bind(
    sql: RenderedSql, model: RenderedModel, binder: Binder, compiled: str, problems: list[Problem]
) -> tuple[BoundColumn, ...] | None:
    """Bind a query; where a column is unknown, read NULL in its place and go on, so that every one is found."""
    text = sql.text
    found: list[tuple[int, Problem]] = []
    repairs: list[_Repair] = []
    bound = None
    for _ in range(_REPAIRS):
        try:
            bound = binder.columns_of(text)
        except BindError as exc:
            position = exc.position if exc.position is None else _original(exc.position, repairs)
            found.append((position or 0, _located(exc, position, sql, model, compiled)))
            repair = _repair(text, exc)
            if repair is None:
                break
            text = text[: repair.start] + "NULL" + text[repair.end :]
            repairs.append(repair)
        else:
            break
    problems.extend(problem for _, problem in sorted(found, key=lambda pair: pair[0]))
    return bound


@dataclass(frozen=True, slots=True)
class _Repair:
    """A column reference, from `start` to `end` in the text, that was replaced by NULL."""

    start: int
    end: int


def _repair(text: str, exc: BindError) -> _Repair | None:
    """Find the column reference that an error is about; None where it is about something else."""
    if exc.position is None or not _UNKNOWN_COLUMN.match(exc.message):
        return None
    end = exc.position
    while end < len(text) and (text[end].isalnum() or text[end] in '_."'):
        end += 1
    return _Repair(exc.position, end)


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


def _column_problems(model: RenderedModel, bound: Sequence[BoundColumn]) -> Iterator[Problem]:
    """What a Delta table cannot hold."""
    place = Place(model.model.path)
    seen: dict[str, str] = {}
    for column in bound:
        if column.stored_type is None:
            hint = f"cast it: cast({column.name} as varchar)"
            yield Problem(
                f"column '{column.name}' is {column.type}, a type that Delta tables do not have", place, hint=hint
            )
        if column.name.lower() in seen:
            hint = f"give one of them another name: … as {column.name}_2"
            yield Problem(f"two columns are named '{column.name}'", place, hint=hint)
        seen[column.name.lower()] = column.name
        if any(letter in column.name for letter in " ,;{}()\n\t="):
            yield Problem(f"column {column.name!r} has no usable name", place, hint="name it: … as some_name")
    config = model.config
    roles = {
        "unique_key": config.unique_key,
        "partition_by": config.partition_by,
        "event_time": [config.event_time] if config.event_time else [],
        "known_time": [config.known_time] if config.known_time else [],
    }
    for role, names in roles.items():
        for name in names:
            if name.lower() not in seen:
                message = f"{role} column '{name}' is not a column of the model"
                yield Problem(message, place, hint=suggest(name, seen.values()))
    if config.materialized == "incremental" and config.strategy == "merge" and not config.unique_key:
        yield Problem("incremental_strategy 'merge' needs a unique_key", place, hint="config(unique_key='id')")


def _increment_problems(
    model: RenderedModel, columns: Sequence[ColumnType], increment: Sequence[BoundColumn]
) -> Iterator[Problem]:
    full = [(column.name, column.type) for column in columns]
    part = [(column.name, column.stored_type) for column in increment]
    if full != part:
        differing = [f"{name} {kind}" for name, kind in part if (name, kind) not in full]
        message = "an increment (is_incremental() is true) has other columns than a full refresh"
        detail = f"only in the increment: {', '.join(differing) or 'the order'}"
        yield Problem(message, Place(model.model.path), detail=detail, hint="select the same columns in both")


# --- text ------------------------------------------------------------------------------------------------------------


def _tokens(text: str) -> list[Token]:
    """The tokens of a query without comments and trailing semicolons; none where sqlglot cannot read it."""
    try:
        tokens = DuckDB().tokenize(text)
    except SqlglotError:
        return []
    while tokens and tokens[-1].token_type == TokenType.SEMICOLON:
        tokens.pop()
    return tokens


def _strip(text: str, tokens: Sequence[Token]) -> str:
    """The query without what follows its last token."""
    return text[: tokens[-1].end + 1].lstrip("\n") if tokens else text


def _select(text: str, tokens: Sequence[Token], columns: Sequence[BoundColumn]) -> str:
    """Wrap a query so that its columns have the types in which they are stored."""
    stripped = _strip(text, tokens)
    if all(column.stored_type == column.type for column in columns):
        return stripped
    written = ", ".join(
        quote(c.name) if c.stored_type == c.type else f"CAST({quote(c.name)} AS {c.stored_type}) AS {quote(c.name)}"
        for c in columns
    )
    return f"SELECT {written} FROM (\n{stripped}\n)"


def _canonical(tokens: Sequence[Token], text: str) -> str:
    """The query as its tokens, keywords in capitals: comments, white space and line breaks do not count."""
    if not tokens:
        return text
    written = ((token, text[token.start : token.end + 1]) for token in tokens)
    return " ".join(
        word.upper() if word.isalpha() and token.token_type != TokenType.VAR else word for token, word in written
    )


def _fingerprint(
    model: RenderedModel, columns: Sequence[ColumnType], tokens: Sequence[Token], increment: str | None
) -> str:
    """Identify what a model computes and how it is kept: its canonical SQL, and the configuration that counts."""
    config = model.config
    counted: Mapping[str, object] = {
        "materialized": config.materialized,
        "strategy": config.strategy if config.materialized == "incremental" else None,
        "unique_key": config.unique_key,
        "partition_by": config.partition_by,
        "relation": str(model.relation),
        "columns": [(column.name, column.type) for column in columns],
        "sql": _canonical(tokens, model.sql.text),
        "increment": _canonical(_tokens(increment), increment) if increment else None,
    }
    return hashlib.sha256(json.dumps(counted, sort_keys=True).encode()).hexdigest()[:16]


def _volatile(tokens: Sequence[Token], names: frozenset[str]) -> tuple[str, ...]:
    """The functions that a query calls whose answers change from one moment to the next."""
    without_parentheses = {"current_date", "current_timestamp", "current_time", "localtime", "localtimestamp"}
    found = {
        token.text.lower()
        for index, token in enumerate(tokens)
        if token.token_type not in (TokenType.STRING, TokenType.IDENTIFIER)
        and token.text.lower() in names
        and (
            token.text.lower() in without_parentheses
            or (index + 1 < len(tokens) and tokens[index + 1].token_type == TokenType.L_PAREN)
        )
    }
    return tuple(sorted(found))
