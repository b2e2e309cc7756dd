"""The compile stage: rendered models in, models that are known to bind out, with types, fingerprint and lineage.

Names and types are judged by the engine's own binder over empty tables, so a mistake surfaces before any data is
touched and nothing that the engine accepts is refused. sqlglot reads the SQL for what the binder does not tell: its
canonical form and its column lineage. All problems of all models are collected and raised together.

What was found out of a model before, and follows from nothing that has changed, is not found out again (`kept.py`);
where that goes for all of them, neither library is loaded. Many models are bound before the first of them is read: in
turns, for one model after the other, the engine and sqlglot work at half of the speed that each has by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fsbuild.compile.binding import Binder
from fsbuild.compile.inputs import KnownRelation, Names
from fsbuild.compile.kept import Kept, Shelf
from fsbuild.compile.reads import Reads
from fsbuild.errors import CompileError, Problem
from fsbuild.values import INLINED, BoundColumn, ColumnType, CompiledModel, Relation, RenderedModel

if TYPE_CHECKING:
    from fsbuild.compile.judging import Bound

# How many models are bound before they are read: enough for speed, and few enough for their tokens to be held.
_AT_ONCE = 50

__all__ = ["Binder", "KnownRelation", "Seams", "Shelf", "compile_models", "compile_seed", "select_list"]


@dataclass(frozen=True, slots=True)
class Seams:
    """What compiling takes from elsewhere.

    `compiled_path` tells where a model's SQL will be written, for messages; `expand` writes the joins of features that
    a model asks for, given the columns of its parents by unique id. On the shelves `models` and `lineages` are the
    answers of before. Lineage is traced when it is asked for; at once, where `is_tracing`, is quicker.
    """

    binder: Binder
    compiled_path: Callable[[RenderedModel], str]
    expand: Callable[[RenderedModel, Mapping[str, Sequence[ColumnType]]], RenderedModel]
    models: Shelf | None = None
    lineages: Shelf | None = None
    is_tracing: bool = False


def compile_seed(unique_id: str, relation: Relation, sql: str, bound: Sequence[BoundColumn]) -> KnownRelation:
    """Type a seed's columns as they are stored; `sql` reads its file and has the columns `bound`."""
    from fsbuild.compile.text import select_stored, tokenize

    columns = tuple(ColumnType(column.name, column.stored_type or column.type) for column in bound)
    return KnownRelation(unique_id, relation, columns, select_stored(sql, tokenize(sql), bound))


def select_list(text: str) -> str:
    """Tell what a model on demand computes: the list of a plain SELECT from its request.

    Raises:
        ValueError: it is something else, so that a row could become none, or many; the text says what.
    """
    from fsbuild.compile.text import select_list as read

    return read(text)


def compile_models(
    models: Sequence[RenderedModel], known: Iterable[KnownRelation], seams: Seams
) -> tuple[CompiledModel, ...]:
    """Compile models that are given in an order in which parents come first.

    Raises:
        CompileError: the SQL of models is wrong; all problems at once.
    """
    known = tuple(known)
    stage = _Stage(seams, Kept(Names.of([*known, *models]), seams.models, seams.lineages))
    for one in known:
        stage.add(one)
    for start in range(0, len(models), _AT_ONCE):
        for model in models[start : start + _AT_ONCE]:
            # Otherwise a parent has problems of its own, and no columns to check this model against.
            if all(parent in stage.inputs for parent in model.depends_on):
                stage.find_columns(model)
        stage.read_found()
    return stage.finish()


@dataclass(slots=True)
class _Stage:
    """The models that are compiled so far, and what is wrong with them."""

    seams: Seams
    kept: Kept
    inputs: dict[str, KnownRelation] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    chance: list[Problem] = field(default_factory=list)
    unproven: list[Problem] = field(default_factory=list)
    found: list[CompiledModel | Bound] = field(default_factory=list)
    compiled: list[CompiledModel] = field(default_factory=list)
    reads: Reads = field(default_factory=Reads)

    def add(self, one: KnownRelation) -> None:
        """Let the models that follow read a source or a seed."""
        self.inputs[one.unique_id] = one
        self.seams.binder.declare(one.relation, [(column.name, column.type) for column in one.columns])
        self.kept.add_table(one)
        self.reads.add_table(one.unique_id, one.relation, one.columns)

    def find_columns(self, model: RenderedModel) -> None:
        """Tell a model's columns, or its problems, and let the models that follow read it."""
        parents = [self.inputs[parent] for parent in model.depends_on]
        key = self.kept.key(model)
        found = self.kept.recall(key, model, parents) or self._bind(key, model, parents)
        if found is None:
            return
        # A view may have a type that has no name, such as that of row(1, 2).
        otherwise = found.select if model.config.materialized in INLINED else None
        self.seams.binder.declare(model.relation, [(column.name, column.type) for column in found.columns], otherwise)
        one = KnownRelation(model.unique_id, model.relation, found.columns)
        self.inputs[model.unique_id] = one
        self.kept.add_model(model, one, key)
        if not self.problems:
            self.found.append(found)

    def _bind(self, key: str | None, model: RenderedModel, parents: Sequence[KnownRelation]) -> Bound | None:
        from fsbuild.compile.judging import Judge, bind_model

        judge = Judge(self.seams.binder, self.kept.names, self.seams.compiled_path(model), self.problems)
        return bind_model(judge, model, parents, self.seams.expand, key)

    def read_found(self) -> None:
        """Read the models that were found, up to the first mistake that reading finds."""
        before = len(self.compiled)
        for one in self.found:
            if self.chance:
                break
            if isinstance(one, CompiledModel):
                self.reads.add(one)
                self.compiled.append(one)
            else:
                self.compiled.append(self._read(one))
        self.found.clear()
        for model in self.compiled[before:] if self.seams.is_tracing else ():
            model.trace()

    def finish(self) -> tuple[CompiledModel, ...]:
        """Hand out the models, or tell what is wrong with them."""
        if self.problems or self.chance or self.unproven:
            raise CompileError([*self.problems, *self.chance, *self.unproven])
        return tuple(self.compiled)

    def _read(self, bound: Bound) -> CompiledModel:
        """Read a bound model's text for what the binder does not tell, and keep it where all is right."""
        from fsbuild.compile.judging import chance_problems, is_told_by_text, read_model

        outcome, tokens = (bound.columns, bound.snapshot), bound.tokens if self.seams.is_tracing else ()
        trace = self.kept.tracing(bound.key, bound.model, outcome, bound.inputs, tokens)
        model = read_model(bound, self.seams.binder.volatile_functions, trace)
        self.chance.extend(chance_problems(model, self.seams.binder))
        before = len(self.unproven)
        complete = self.reads.with_maintenance(model, self.unproven)
        if not self.chance and len(self.unproven) == before and is_told_by_text(bound, model):
            self.kept.keep(bound.key, complete, bound.words)
        return complete
