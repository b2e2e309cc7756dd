"""What compiling found out of a model before: a rendered model and its inputs in, the compiled model out, or None.

The invariant: an answer is the one that compiling would give. It is kept under the digest of all that it follows from:
the model's SQL and configuration, and the columns of its inputs, so that a change goes on as far as columns differ. An
answer also says which other relations of the project the query's words might have meant; where these are others now,
it does not hold. What nobody can tell from the model is not kept: the joins of features, files that a query reads by
itself, and functions that look into the catalog. Nothing is kept of a model that has problems.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from functools import partial
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Protocol

from fsbuild.compile.inputs import KnownRelation, Names
from fsbuild.values import (
    INLINED,
    ColumnEdge,
    ColumnType,
    CompiledModel,
    Lineage,
    Maintenance,
    ModelConfig,
    RenderedModel,
    Snapshot,
)

if TYPE_CHECKING:
    from sqlglot.tokenizer_core import Token

_CONFIG = attrgetter(*(one.name for one in fields(ModelConfig)))
# Types that are written as they are; of any other one it may matter which query it comes from.
_PLAIN = re.compile(r"[A-Z_ ]+(?:\(\d+,\d+\))?(?:\[\d*\])*")
# Between the parts of an answer; JSON has no such character.
_BETWEEN = "\t"


class Shelf(Protocol):
    """Answers of one kind, by the digest of what they follow from."""

    def key(self, *parts: object) -> str:
        """Identify what an answer follows from."""

    def get(self, key: str) -> str | None:
        """Tell an answer, or None where it has to be worked out."""

    def put(self, key: str, text: str) -> None:
        """Keep an answer."""


@dataclass(frozen=True, slots=True)
class _Known:
    """What the models below a relation follow from: its columns, and for some of them the query behind them.

    `meaning` is None where it cannot be told.
    """

    shape: str
    meaning: str | None
    is_plain: bool


@dataclass(frozen=True, slots=True)
class Kept:
    """The answers of before; without shelves there are none."""

    names: Names
    models: Shelf | None = None
    lineages: Shelf | None = None
    _known: dict[str, _Known] = field(default_factory=dict)

    def add_table(self, one: KnownRelation) -> None:
        """Make a table known to the models that follow."""
        self._known[one.unique_id] = _Known(_shape(one), "", is_plain=True)

    def add_model(self, model: RenderedModel, one: KnownRelation, key: str | None) -> None:
        """Make a model, which is this relation, known to those that follow; `key` is that of its answer."""
        if model.config.materialized not in INLINED:
            self.add_table(one)
            return
        meaning, above = None, [self._known[parent].meaning for parent in model.depends_on]
        if self.models is not None and key is not None and None not in above:
            meaning = self.models.key(key, above)
        is_plain = all(_PLAIN.fullmatch(column.type) for column in one.columns)
        self._known[one.unique_id] = _Known(_shape(one), meaning, is_plain)

    def key(self, model: RenderedModel) -> str | None:
        """Identify all that compiling a model follows from; None where it follows from more than can be told."""
        config = model.config
        if self.models is None or model.joins or model.training is not None or config.materialized == "on_demand":
            return None
        is_auto = config.materialized == "incremental" and config.strategy == "auto"
        above: list[str] = []
        for parent in model.depends_on:
            known = self._known[parent]
            above.append(known.shape)
            if is_auto or not known.is_plain:
                if known.meaning is None:
                    return None
                above.append(known.meaning)
        relation, increment = model.relation, model.incremental_sql
        return self.models.key(
            (model.unique_id, model.model.resource_type, relation.schema, relation.identifier),
            model.sql.text,
            increment.text if increment is not None else None,
            _CONFIG(config),
            above,
            model.batched,
            model.has_free_increment,
        )

    def recall(self, key: str | None, model: RenderedModel, parents: Sequence[KnownRelation]) -> CompiledModel | None:
        """Tell what compiling a model found before; None where it has to be found out."""
        if key is None or self.models is None or (text := self.models.get(key)) is None:
            return None
        found, words = text.split(_BETWEEN)
        answer = json.loads(found)
        if answer["names"] != self.names.digest:
            beside = self.names.beside(model, json.loads(words))
            if answer["beside"] != {name: str(one) for name, one in beside.items()}:
                return None
        columns = tuple(ColumnType(*column) for column in answer["columns"])
        snapshot = _made(Snapshot, answer["snapshot"])
        start, end = answer["select"]
        return CompiledModel(
            model,
            columns,
            answer["text"] or model.sql.text[start:end],
            answer["incremental_select"],
            answer["fingerprint"],
            self.tracing(key, model, (columns, snapshot), parents),
            tuple(answer["volatile"]),
            answer["increment_fingerprint"],
            _made(Maintenance, answer["maintenance"]),
            snapshot,
            increment_columns=tuple(ColumnType(*one) for one in answer["increment_columns"] or ()) or None,
        )

    def keep(self, key: str | None, model: CompiledModel, words: Iterable[str]) -> None:
        """Keep what compiling a model found; `words` are those of its queries."""
        if key is None or self.models is None:
            return
        sql, select, words = model.rendered.sql.text, model.select, sorted(words)
        start = sql.find(select)
        answer = {
            "names": self.names.digest,
            "beside": {name: str(one) for name, one in self.names.beside(model.rendered, words).items()},
            "columns": [(column.name, column.type) for column in model.columns],
            "increment_columns": [(column.name, column.type) for column in model.increment_columns or ()],
            "select": (start, start + len(select)),
            "text": "" if start >= 0 else select,
            "incremental_select": model.incremental_select,
            "fingerprint": model.fingerprint,
            "volatile": model.volatile,
            "increment_fingerprint": model.increment_fingerprint,
            "maintenance": asdict(model.maintenance) if model.maintenance is not None else None,
            "snapshot": asdict(model.snapshot) if model.snapshot is not None else None,
        }
        self.models.put(key, f"{json.dumps(answer)}{_BETWEEN}{json.dumps(words)}")

    def tracing(
        self,
        key: str | None,
        model: RenderedModel,
        outcome: tuple[tuple[ColumnType, ...], Snapshot | None],
        parents: Sequence[KnownRelation],
        tokens: Sequence[Token] = (),
    ) -> Callable[[], Lineage]:
        """Give what tells the lineage of a model, whose columns and history are its `outcome`."""
        return Once(partial(self._trace, key, model, outcome, parents, tokens))

    def _trace(
        self,
        key: str | None,
        model: RenderedModel,
        outcome: tuple[tuple[ColumnType, ...], Snapshot | None],
        parents: Sequence[KnownRelation],
        tokens: Sequence[Token],
    ) -> Lineage:
        shelf = self.lineages
        if shelf is not None and key is not None and (text := shelf.get(key)) is not None:
            return _read_lineage(text, model.depends_on)
        from fsbuild.compile.judging import trace_model

        lineage = trace_model(model, parents, *outcome, tokens)
        if shelf is not None and key is not None:
            shelf.put(key, _write_lineage(lineage, model.depends_on))
        return lineage


class Once:
    """A lineage that is found out when it is first asked for; what that took is let go then."""

    __slots__ = ("_found", "_work")

    def __init__(self, work: Callable[[], Lineage]) -> None:
        self._work: Callable[[], Lineage] | None = work
        self._found = Lineage()

    def __call__(self) -> Lineage:
        """Tell it."""
        if (work := self._work) is not None:
            self._found = work()
            self._work = None
        return self._found


def _shape(one: KnownRelation) -> str:
    relation = one.relation
    return repr((one.unique_id, relation.schema, relation.identifier, [(c.name, c.type) for c in one.columns]))


def _made(cls: Callable[..., Any], said: Mapping[str, object] | None) -> Any:  # noqa: ANN401 - a Snapshot or a Maintenance
    """Make a value of what JSON says of it, where lists are tuples."""
    if said is None:
        return None
    return cls(**{name: tuple(value) if isinstance(value, list) else value for name, value in said.items()})


def _write_lineage(lineage: Lineage, inputs: Sequence[str]) -> str:
    """Write lineage as JSON, with a number in the place of each input's unique id."""
    numbers = {name: number for number, name in enumerate(inputs)}
    edges = [(edge.column, numbers[edge.input_id], edge.input_column, edge.kind) for edge in lineage.edges]
    return json.dumps([lineage.unknown, edges], separators=(",", ":"))


def _read_lineage(text: str, inputs: Sequence[str]) -> Lineage:
    unknown, edges = json.loads(text)
    return Lineage(tuple(ColumnEdge(column, inputs[at], name, kind) for column, at, name, kind in edges), unknown)
