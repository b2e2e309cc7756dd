"""The compile stage: rendered models in, models that are known to bind out, with types, fingerprint and lineage.

Names and types are judged by the engine's own binder over empty tables, so a mistake surfaces before any data is
touched and nothing that the engine accepts is refused. sqlglot reads the SQL for what the binder does not tell: its
canonical form and its column lineage. All problems of all models are collected and raised together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from fsbuild.compile.batched import batch_problems
from fsbuild.compile.binding import Binder, bind_sql, command_problem, undeclared_reads
from fsbuild.compile.columns import column_problems, increment_problems
from fsbuild.compile.reads import Reads
from fsbuild.compile.snapshots import place_problem, read_snapshot, snapshot_columns, snapshot_lineage
from fsbuild.compile.text import (
    file_reads,
    fingerprint,
    select_list,
    select_stored,
    strip,
    text_fingerprint,
    tokenize,
    volatile_calls,
)
from fsbuild.errors import BindError, CompileError, Place, Problem
from fsbuild.lineage import Input, trace_lineage
from fsbuild.values import (
    STORED,
    BoundColumn,
    ColumnType,
    CompiledModel,
    Relation,
    RenderedModel,
    RenderedSql,
    Snapshot,
)

if TYPE_CHECKING:
    from sqlglot.tokenizer_core import Token

__all__ = ["Binder", "KnownRelation", "compile_models", "compile_seed", "select_list"]


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
    return KnownRelation(unique_id, relation, columns, select_stored(sql, tokenize(sql), bound))


def compile_models(
    models: Sequence[RenderedModel],
    known: Iterable[KnownRelation],
    binder: Binder,
    compiled_path: Callable[[RenderedModel], str],
    expand: Callable[[RenderedModel, Mapping[str, Sequence[ColumnType]]], RenderedModel],
) -> tuple[CompiledModel, ...]:
    """Compile models that are given in an order in which parents come first.

    `compiled_path` tells where the SQL will be written, for messages; `expand` writes the joins of features that a
    model asks for, given the columns of its parents by unique id.

    Raises:
        CompileError: the SQL of models is wrong; all problems at once.
    """
    inputs: dict[str, Input] = {}
    known = tuple(known)
    names = _Names.of([*known, *models])
    reads = Reads()
    for one in known:
        binder.declare(one.relation, [(column.name, column.type) for column in one.columns])
        inputs[one.unique_id] = Input(one.unique_id, one.relation, one.columns)
        reads.add_table(one.unique_id, one.relation, one.columns)
    problems: list[Problem] = []
    unproven: list[Problem] = []
    compiled: list[CompiledModel] = []
    for model in models:
        if any(parent not in inputs for parent in model.depends_on):
            continue  # a parent has problems of its own, and no columns to check this model against
        parents = [inputs[parent] for parent in model.depends_on]
        judge = _Judge(binder, names, compiled_path(model), problems)
        expanded = _expand(judge, model, {one.unique_id: one.columns for one in parents}, expand)
        bound = _bind_model(judge, expanded) if expanded is not None else None
        if bound is None:
            continue
        _declare(bound, binder)
        problems.extend(batch_problems(model, bound.columns, {one.unique_id: one.columns for one in parents}))
        inputs[model.unique_id] = Input(model.unique_id, model.relation, bound.columns)
        if not problems:
            one_compiled = _read_model(bound, parents, binder.volatile_functions)
            problems.extend(_chance_problems(one_compiled, binder))
            compiled.append(reads.with_maintenance(one_compiled, unproven))
    if problems or unproven:
        raise CompileError([*problems, *unproven])
    return tuple(compiled)


@dataclass(frozen=True, slots=True)
class _Names:
    """The relations of a project by their identifier in lower case, with their unique ids."""

    by_identifier: Mapping[str, Mapping[str, Relation]]

    @classmethod
    def of(cls, nodes: Iterable[KnownRelation | RenderedModel]) -> _Names:
        """Index sources, seeds and models."""
        found: dict[str, dict[str, Relation]] = {}
        for node in nodes:
            found.setdefault(node.relation.identifier.lower(), {})[node.unique_id] = node.relation
        return cls(found)

    def beside(self, model: RenderedModel, tokens: Iterable[Token]) -> dict[str, Relation]:
        """The relations whose names are words of a query, and which its model has no right to read."""
        words = {token.text.lower() for token in tokens}
        named = [self.by_identifier[word] for word in words & self.by_identifier.keys()]
        allowed = {model.unique_id, *model.depends_on}
        return {name: relation for one in named for name, relation in one.items() if name not in allowed}


@dataclass(frozen=True, slots=True)
class _Judge:
    """What binding a model takes: the binder, what a name may mean, and where problems are told and put."""

    binder: Binder
    names: _Names
    compiled: str
    problems: list[Problem]

    def bind(self, sql: RenderedSql, model: RenderedModel, tokens: Sequence[Token]) -> tuple[BoundColumn, ...] | None:
        """Tell the columns of a query of a model, or None where it has problems."""
        found = [command_problem(sql, model, (tokens[0].text, tokens[0].start), self.compiled)] if tokens else []
        refused = [problem for problem in found if problem is not None]
        if not refused and (others := self.names.beside(model, tokens)):
            refused = undeclared_reads(sql, model, others, self.binder, self.compiled)
        self.problems.extend(refused)
        return None if refused else bind_sql(sql, model, self.binder, self.compiled, self.problems)


def _expand(
    judge: _Judge,
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
class _Bound:
    """A model whose columns are known; `columns` have the types in which they are kept."""

    model: RenderedModel
    tokens: Sequence[Token]
    columns: tuple[ColumnType, ...]
    full: tuple[BoundColumn, ...]
    increment: tuple[BoundColumn, ...] | None
    snapshot: Snapshot | None = None

    @property
    def is_table(self) -> bool:
        """Whether the result is stored."""
        return self.model.config.materialized in STORED


def _bind_model(judge: _Judge, model: RenderedModel) -> _Bound | None:
    """Bind a model's queries; None where its columns cannot be told. Problems need not keep them from being told."""
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
    increment = None
    if model.incremental_sql is not None and not found:
        # An increment also reads its own table.
        binder.declare(model.relation, [(column.name, column.type) for column in columns])
        increment = judge.bind(model.incremental_sql, model, tokenize(model.incremental_sql.text))
        binder.undeclare(model.relation)
        problems.extend(increment_problems(model, columns, increment) if increment else ())
    if model.config.deleted_when is not None and not found:
        problems.extend(_condition_problems(model, binder))
    return None if _has_duplicates(full) else _Bound(model, tokens, columns, full, increment, snapshot)


def _condition_problems(model: RenderedModel, binder: Binder) -> Iterator[Problem]:
    """What the engine has against `deleted_when`."""
    text = strip(model.sql.text, tokenize(model.sql.text))
    try:
        binder.columns_of(f"SELECT CAST(({model.config.deleted_when}) AS BOOLEAN) FROM (\n{text}\n)")
    except BindError as exc:
        hint = "write a condition on the model's columns, for example: deleted_when=\"status = 'gone'\""
        yield Problem(f"deleted_when: {exc.message.splitlines()[0]}", Place(model.model.path), hint=hint)


def _chance_problems(model: CompiledModel, binder: Binder) -> Iterator[Problem]:
    """Refuse a training set whose rows could not be made again."""
    chance = [name for name in model.volatile if name in binder.random_functions]
    if model.rendered.training is not None and chance:
        hint = "take a hash of a key instead, such as hash(flight_id) % 10; the present is fixed and recorded"
        message = f"a training set can be rebuilt, and {', '.join(chance)}() would give other rows then"
        yield Problem(message, Place(model.rendered.model.path), hint=hint)


def _declare(bound: _Bound, binder: Binder) -> None:
    """Let the models that follow read this one."""
    try:
        binder.declare(bound.model.relation, [(column.name, column.type) for column in bound.columns])
    except BindError:
        # A view may have a type that has no name, such as that of row(1, 2).
        binder.declare_query(bound.model.relation, strip(bound.model.sql.text, bound.tokens))


def _has_duplicates(columns: Sequence[BoundColumn]) -> bool:
    return len({column.name.lower() for column in columns}) < len(columns)


def _read_model(bound: _Bound, inputs: Sequence[Input], volatile: frozenset[str]) -> CompiledModel:
    """Read a bound model's text for what the binder does not tell."""
    text, tokens = bound.model.sql.text, bound.tokens
    increment = bound.model.incremental_sql.text if bound.model.incremental_sql else None
    increment_tokens = tokenize(increment) if increment is not None else []
    query = strip(text, tokens)
    select, incremental_select = select_stored(text, tokens, bound.full) if bound.is_table else query, None
    if increment is not None and bound.increment is not None:
        incremental_select = select_stored(increment, increment_tokens, bound.increment)
    if (condition := bound.model.config.deleted_when) is not None:
        # An increment needs the rows that delete; a table that is written as a whole does without them.
        incremental_select = incremental_select or select
        kept = f"WHERE NOT coalesce(({condition}), false)"
        select, query = f"SELECT * FROM (\n{select}\n) {kept}", f"SELECT * FROM (\n{query}\n) {kept}"
    lineage = trace_lineage(query, inputs, bound.columns[: len(bound.full)])
    return CompiledModel(
        rendered=bound.model,
        columns=bound.columns,
        select=select,
        incremental_select=incremental_select,
        fingerprint=fingerprint(bound.model, bound.columns, tokens),
        lineage=snapshot_lineage(bound.snapshot, lineage) if bound.snapshot else lineage,
        volatile=volatile_calls(tokens, volatile),
        increment_fingerprint=text_fingerprint(increment),
        snapshot=bound.snapshot,
        file_reads=tuple(dict.fromkeys([*file_reads(tokens), *file_reads(increment_tokens)])),
    )
