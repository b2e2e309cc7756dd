"""A rendered model and its inputs in, its columns as the engine binds them out, and then what its text tells.

Nothing of a model is tokenized or parsed twice. What has problems is told where they are, and has no columns where they
cannot be known; a model may have problems and columns, so that those that follow are looked at too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from fsbuild.compile.batched import batch_problems
from fsbuild.compile.binding import Binder, bind_sql, command_problem, undeclared_reads
from fsbuild.compile.columns import column_problems, increment_problems
from fsbuild.compile.inputs import KnownRelation, Names
from fsbuild.compile.snapshots import place_problem, read_snapshot, snapshot_columns, snapshot_lineage
from fsbuild.compile.text import (
    file_reads,
    fingerprint,
    has_unknown_table,
    select_stored,
    strip,
    text_fingerprint,
    tokenize,
    volatile_calls,
)
from fsbuild.errors import BindError, CompileError, Place, Problem
from fsbuild.lineage import Input, Tokenized, trace_lineage
from fsbuild.values import (
    STORED,
    BoundColumn,
    ColumnType,
    CompiledModel,
    Lineage,
    RenderedModel,
    RenderedSql,
    Snapshot,
)

if TYPE_CHECKING:
    from sqlglot.tokenizer_core import Token

Expand = Callable[[RenderedModel, Mapping[str, Sequence[ColumnType]]], RenderedModel]


@dataclass(frozen=True, slots=True)
class Judge:
    """What binding a model takes: the binder, what a name may mean, and where problems are told and put."""

    binder: Binder
    names: Names
    compiled: str
    problems: list[Problem]

    def bind(self, sql: RenderedSql, model: RenderedModel, tokens: Sequence[Token]) -> tuple[BoundColumn, ...] | None:
        """Tell the columns of a query of a model, or None where it has problems."""
        found = [command_problem(sql, model, (tokens[0].text, tokens[0].start), self.compiled)] if tokens else []
        refused = [problem for problem in found if problem is not None]
        if not refused and (others := self.names.beside(model, _words(tokens))):
            refused = undeclared_reads(sql, model, others, self.binder, self.compiled)
        self.problems.extend(refused)
        return None if refused else bind_sql(sql, model, self.binder, self.compiled, self.problems)


def _expand(
    judge: Judge,
    model: RenderedModel,
    columns: Mapping[str, Sequence[ColumnType]],
    expand: Callable[[RenderedModel, Mapping[str, Sequence[ColumnType]]], RenderedModel],
) -> RenderedModel | None:
    """Write the joins that a model asks for; None where that has problems."""
    if model.training is not None and not model.joins:
        # Mistakes in the spine are told at their places in what the analyst wrote.
        tokens = tokenize(model.sql.text)
        if judge.bind(model.sql, model, tokens) is None:
            return None
        text = strip(model.sql.text, tokens)
        blank = model.sql.text[: len(model.sql.text) - len(model.sql.text.lstrip("\n"))].count("\n")
        lines = model.sql.lines[blank : blank + text.count("\n") + 1]
        model = replace(model, sql=RenderedSql(text, lines))
    try:
        return expand(model, columns)
    except CompileError as exc:
        judge.problems.extend(exc.problems)
        return None


@dataclass(frozen=True, slots=True)
class Bound:
    """A model whose columns are known; `columns` have the types in which they are kept.

    `key` is that of what is kept of it, if it can be.
    """

    model: RenderedModel
    inputs: Sequence[KnownRelation]
    key: str | None
    tokens: Sequence[Token]
    increment_tokens: Sequence[Token]
    columns: tuple[ColumnType, ...]
    full: tuple[BoundColumn, ...]
    increment: tuple[BoundColumn, ...] | None
    snapshot: Snapshot | None = None

    @property
    def select(self) -> str:
        """The query without what follows its last token."""
        return strip(self.model.sql.text, self.tokens)

    @property
    def words(self) -> set[str]:
        """All words of its queries."""
        return _words([*self.tokens, *self.increment_tokens])

    @property
    def is_table(self) -> bool:
        """Whether the result is stored."""
        return self.model.config.materialized in STORED


def bind_model(
    judge: Judge, model: RenderedModel, inputs: Sequence[KnownRelation], expand: Expand, key: str | None
) -> Bound | None:
    """Bind a model's queries; None where its columns cannot be told. Problems need not keep them from being told."""
    by_name = {one.unique_id: one.columns for one in inputs}
    expanded = _expand(judge, model, by_name, expand)
    bound = _bind(judge, expanded, inputs, key) if expanded is not None else None
    if bound is not None:
        judge.problems.extend(batch_problems(model, bound.columns, by_name))
    return bound


def _bind(judge: Judge, model: RenderedModel, inputs: Sequence[KnownRelation], key: str | None) -> Bound | None:
    binder, problems, tokens = judge.binder, judge.problems, tokenize(model.sql.text)
    full = judge.bind(model.sql, model, tokens)
    if full is None:
        return None
    is_table = model.config.materialized in STORED
    if not is_table and _has_duplicates(full):
        # The engine numbers the second of two columns of one name where the query is read: id, id_1.
        full = binder.columns_of(f"SELECT * FROM (\n{strip(model.sql.text, tokens)}\n)")
    columns = tuple(ColumnType(c.name, (c.stored_type or c.type) if is_table else c.type) for c in full)
    found = list(column_problems(model, full)) if is_table else []
    if (misplaced := place_problem(model)) is not None:
        found.append(misplaced)
    problems.extend(found)
    snapshot = None
    if model.config.materialized == "snapshot" and not found:
        snapshot = read_snapshot(model, full, binder, problems)
        columns += snapshot_columns(snapshot) if snapshot else ()
    increment: tuple[BoundColumn, ...] | None = None
    increment_tokens: Sequence[Token] = ()
    if model.incremental_sql is not None and not found:
        increment_tokens = tokenize(model.incremental_sql.text)
        # An increment also reads its own table.
        binder.declare(model.relation, [(column.name, column.type) for column in columns])
        increment = judge.bind(model.incremental_sql, model, increment_tokens)
        binder.undeclare(model.relation)
        if increment and not model.has_free_increment:
            problems.extend(increment_problems(model, columns, increment))
    if model.config.deleted_when is not None and not found:
        problems.extend(_condition_problems(model, strip(model.sql.text, tokens), binder))
    if _has_duplicates(full):
        return None
    return Bound(model, inputs, key, tokens, increment_tokens, columns, full, increment, snapshot)


def _condition_problems(model: RenderedModel, query: str, binder: Binder) -> Iterator[Problem]:
    """What the engine has against `deleted_when`."""
    try:
        binder.columns_of(f"SELECT CAST(({model.config.deleted_when}) AS BOOLEAN) FROM (\n{query}\n)")
    except BindError as exc:
        hint = "write a condition on the model's columns, for example: deleted_when=\"status = 'gone'\""
        yield Problem(f"deleted_when: {exc.message.splitlines()[0]}", Place(model.model.path), hint=hint)


def chance_problems(model: CompiledModel, binder: Binder) -> Iterator[Problem]:
    """Refuse a training set whose rows could not be made again."""
    chance = [name for name in model.volatile if name in binder.random_functions]
    if model.rendered.training is not None and chance:
        hint = "take a hash of a key instead, such as hash(flight_id) % 10; the present is fixed and recorded"
        message = f"a training set can be rebuilt, and {', '.join(chance)}() would give other rows then"
        yield Problem(message, Place(model.rendered.model.path), hint=hint)


def _has_duplicates(columns: Sequence[BoundColumn]) -> bool:
    return len({column.name.lower() for column in columns}) < len(columns)


def _words(tokens: Iterable[Token]) -> set[str]:
    return {token.text.lower() for token in tokens}


# --- what the text tells ---------------------------------------------------------------------------------------------


def read_model(bound: Bound, volatile: frozenset[str], trace: Callable[[], Lineage]) -> CompiledModel:
    """Read a bound model's text for what the binder does not tell; `trace` tells its lineage."""
    text, tokens = bound.model.sql.text, bound.tokens
    increment = bound.model.incremental_sql.text if bound.model.incremental_sql else None
    select, incremental_select = select_stored(text, tokens, bound.full) if bound.is_table else bound.select, None
    if increment is not None and bound.increment is not None:
        incremental_select = select_stored(increment, bound.increment_tokens, bound.increment)
    if bound.model.config.deleted_when is not None:
        # An increment needs the rows that delete; a table that is written as a whole does without them.
        incremental_select = incremental_select or select
        select = _kept_rows(select, bound.model)
    stored = tuple(ColumnType(one.name, one.stored_type or one.type) for one in bound.increment or ())
    return CompiledModel(
        rendered=bound.model,
        columns=bound.columns,
        select=select,
        incremental_select=incremental_select,
        fingerprint=fingerprint(bound.model, bound.columns, tokens),
        trace=trace,
        volatile=volatile_calls(tokens, volatile),
        increment_fingerprint=text_fingerprint(increment, bound.increment_tokens),
        snapshot=bound.snapshot,
        file_reads=tuple(dict.fromkeys([*file_reads(tokens), *file_reads(bound.increment_tokens)])),
        increment_columns=stored if stored and stored != bound.columns else None,
    )


def trace_model(
    model: RenderedModel,
    inputs: Iterable[KnownRelation],
    columns: Sequence[ColumnType],
    snapshot: Snapshot | None,
    tokens: Sequence[Token] = (),
) -> Lineage:
    """Trace the columns of a model that is known to bind; `tokens` are those of its query where they are known."""
    text = model.sql.text
    tokens = tokens or tokenize(text)
    query = strip(text, tokens)
    kept = _kept_rows(query, model)
    tokenized = Tokenized(text, tokens) if tokens and kept == query else None
    added = len(snapshot_columns(snapshot)) if snapshot is not None else 0
    read = [Input(one.unique_id, one.relation, one.columns) for one in inputs]
    lineage = trace_lineage(kept, read, columns[: len(columns) - added], tokenized)
    return snapshot_lineage(snapshot, lineage) if snapshot is not None else lineage


def _kept_rows(query: str, model: RenderedModel) -> str:
    """The query without the rows that only say that others are deleted."""
    condition = model.config.deleted_when
    return query if condition is None else f"SELECT * FROM (\n{query}\n) WHERE NOT coalesce(({condition}), false)"


def is_told_by_text(bound: Bound, model: CompiledModel) -> bool:
    """Whether all that was found out of a model follows from its text, its configuration and its inputs alone."""
    if not bound.tokens or model.file_reads:
        return False
    if has_unknown_table(bound.tokens) or has_unknown_table(bound.increment_tokens):
        return False
    config = model.rendered.config
    conditions = [text for text in (config.deleted_when, config.dbt_valid_to_current) if text is not None]
    return not any("from" in _words(tokenize(text)) for text in conditions)
