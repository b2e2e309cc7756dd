"""A run in several waves, for projects with models whose templates ask for rows of what they read.

Such a model has no SQL until what it reads is there. So what does not wait for it runs first; then the templates are
rendered again, and can ask. To who listens it is one run: `OneRun` makes one stream of events of those of the waves.

A model that is wrong waits for ever, in a project of dbt's: as there, it fails when it is its turn, what reads it is
skipped, and the others run. In a project of our own a mistake is told before anything runs.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from fsbuild.errors import CompileError, FsbuildError, Problem
from fsbuild.pipeline.compiling import Compiled
from fsbuild.pipeline.drafting import Draft, graph_nodes
from fsbuild.pipeline.nodes import has_table, node_of, shown_name
from fsbuild.pipeline.state import open_lake
from fsbuild.values import (
    Event,
    NodeFinished,
    NodeResult,
    Relation,
    RenderedModel,
    RunFinished,
    RunResult,
    RunStarted,
    Status,
)

if TYPE_CHECKING:
    from fsbuild.engine import Warehouse
    from fsbuild.execute import Execution

_FAILED: Collection[Status] = frozenset({"error", "fail", "skipped"})


def waiting_nodes(draft: Draft) -> frozenset[str]:
    """The models that have no SQL yet, and all that reads them or checks itself against them."""
    found = {name for name, model in draft.models.items() if model.is_waiting}
    for name in draft.graph.order if found else ():
        model = draft.models.get(name)
        checks = model.model.checks if model is not None else ()
        reads = {*draft.graph.parents(name), *(one for check in checks for one in check.references)}
        if reads & found:
            found.add(name)
    return frozenset(found)


def without(draft: Draft, waiting: Collection[str]) -> Draft:
    """A draft without the models that wait."""
    from fsbuild.graph import build_graph

    models = {name: model for name, model in draft.models.items() if name not in waiting}
    project = replace(draft.project, models=tuple(m for m in draft.project.models if m.unique_id not in waiting))
    return Draft(project, models, build_graph(graph_nodes(project, models.values())))


@dataclass(frozen=True, slots=True)
class Settled:
    """A project of which is compiled what can be; in the whole draft the others are waiting."""

    draft: Draft
    compiled: Compiled

    @property
    def is_asking(self) -> bool:
        """Whether a model waits for rows, and not for somebody who mends it or what it reads."""
        wrong = [name for name, model in self.draft.models.items() if model.problems]
        let_down = below(self.draft, wrong)
        return any(model.is_waiting and name not in let_down for name, model in self.draft.models.items())

    def problems(self, names: Iterable[str]) -> list[Problem]:
        """What is wrong with models, or with what they read."""
        known = [name for name in names if name in self.draft.graph.nodes]
        wanted = {*known, *self.draft.graph.ancestors(*known)}
        return [problem for name, model in self.draft.models.items() if name in wanted for problem in model.problems]


def settle(draft: Draft, compile_: Callable[[Draft], Compiled]) -> Settled:
    """Compile what waits for nothing.

    Raises:
        CompileError: something is wrong, and it is not a project of dbt's, or the matter of no model alone.
    """
    while True:
        waiting = waiting_nodes(draft)
        part = without(draft, waiting) if waiting else draft
        try:
            return Settled(draft, compile_(part))
        except CompileError as exc:
            if not draft.project.is_of_dbt:
                raise
            found: dict[str, list[Problem]] = {}
            for problem in exc.problems:
                about = node_of(part, problem)
                touched = [about] if about in part.models else part.graph.children(about) if about else []
                if not touched:
                    raise
                for name in touched:
                    found.setdefault(name, []).append(problem)
            draft = replace(draft, models={**draft.models, **{n: _wrong(draft.models[n], p) for n, p in found.items()}})


def _wrong(model: RenderedModel, problems: Sequence[Problem]) -> RenderedModel:
    return replace(model, is_waiting=True, problems=tuple(problems))


def _is_wrong(draft: Draft, unique_id: str) -> bool:
    model = draft.models.get(unique_id)
    return model is not None and bool(model.problems)


def below(draft: Draft, failed: Collection[str]) -> frozenset[str]:
    """Nodes that failed, and all that reads them."""
    found = set(failed)
    for name in draft.graph.order if found else ():
        if found.intersection(draft.graph.parents(name)):
            found.add(name)
    return frozenset(found)


def is_run(command: str, draft: Draft, unique_id: str) -> bool:
    """Whether a command has a result of a node."""
    node = draft.graph.nodes.get(unique_id)
    if node is None or node.materialized == "ephemeral" or node.resource_type not in ("model", "snapshot"):
        return False
    return command == "build" or (node.resource_type == "snapshot") == (command == "snapshot")


class Answers:
    """What templates ask, answered from the tables of a lake and from the views upon them."""

    def __init__(self, draft: Draft, waiting: Collection[str], execution: Execution, warehouse: Warehouse) -> None:
        """Answer from what of a draft is ready, and from the tables that those nodes have that wait."""
        self._execution, self._warehouse = execution, warehouse
        lake = open_lake(draft.project)
        own = {name: draft.models[name].relation for name in waiting if has_table(draft, name)}
        self._tables = {relation: state for relation in own.values() if (state := lake.state(relation)) is not None}
        self._uris = {relation: lake.uri(relation) for relation in self._tables}
        self._nodes = {n: execution.bindings.relation(n) for n in draft.graph.order if n not in waiting}
        self._kinds = {name: node.materialized for name, node in draft.graph.nodes.items()}

    @property
    def _present(self) -> Collection[str]:
        """The nodes that have a table."""
        bindings = self._execution.bindings
        return bindings.states.keys() | bindings.published.keys()

    def query(self, sql: str, reads: Sequence[str]) -> tuple[Sequence[str], Sequence[Sequence[Any]]]:
        """The columns and the rows of a query."""
        found: list[tuple[Sequence[str], Sequence[Sequence[Any]]]] = []

        def ask() -> None:
            table = self._warehouse.table(sql)
            columns = [column.to_pylist() for column in table.columns]
            found.append((table.column_names, list(zip(*columns, strict=True))))

        self._asked(sql, reads, ask)
        return found[0]

    def columns(self, sql: str, reads: Sequence[str]) -> Sequence[tuple[str, str]]:
        """The names and the types of a query's columns."""
        found: list[tuple[str, str]] = []
        self._asked(sql, reads, lambda: found.extend((one.name, one.type) for one in self._warehouse.columns(sql)))
        return found

    def has_table(self, relation: Relation) -> bool:
        """Whether there is a table of that name."""
        return relation in self._tables or any(
            relation == one and self._is_there(name) for name, one in self._nodes.items()
        )

    def relations(self, schema: str) -> Sequence[tuple[str, str]]:
        """The tables and views of a schema."""
        return [(one.identifier, "table") for one in self._tables if one.schema.lower() == schema.lower()] + [
            (relation.identifier, "view" if self._kinds[name] == "view" else "table")
            for name, relation in self._nodes.items()
            if relation.schema.lower() == schema.lower() and self._is_there(name)
        ]

    def _is_there(self, unique_id: str) -> bool:
        kind = self._kinds[unique_id]
        return kind in ("view", "source") or (kind != "ephemeral" and unique_id in self._present)

    def _asked(self, sql: str, reads: Sequence[str], ask: Callable[[], None]) -> None:
        """Let the names of a query stand for what they mean, and ask.

        Raises:
            TemplateError: what it reads is not there, or it is not SQL.
        """
        from fsbuild.render.context import TemplateError

        text = sql.lower()
        is_catalog = "information_schema" in text
        named = [name for name, relation in self._nodes.items() if is_catalog or relation.identifier.lower() in text]
        try:
            for name in dict.fromkeys([*reads, *named]):
                if name in self._nodes and (name in reads or self._is_there(name)):
                    self._execution.bind(name)
            for relation, state in self._tables.items():
                if is_catalog or relation.identifier.lower() in text:
                    self._warehouse.bind_table(relation, self._uris[relation], state.version)
            ask()
        except FsbuildError as exc:
            raise TemplateError(exc.problems[0].message, exc.problems[0].hint) from exc


class OneRun:
    """Waves in, one run out: its events, and its result."""

    def __init__(self, emit: Callable[[Event], None], expected: int) -> None:
        """Tell `emit` of everything; `expected` are the nodes that wait, and have no event of their own yet."""
        self._emit, self._expected = emit, expected
        self._started: RunStarted | None = None
        self._results: list[NodeResult] = []
        self._ended: list[RunResult] = []

    def hear(self, event: Event) -> None:
        """Tell of an event of a wave as one of the whole."""
        if isinstance(event, RunStarted):
            if self._started is None:
                self._started = replace(event, total=event.total + self._expected)
                self._emit(self._started)
        elif isinstance(event, NodeFinished):
            self._finished(event.result)
        elif isinstance(event, RunFinished):
            self._ended.append(event.result)
        else:
            self._emit(event)

    def _finished(self, result: NodeResult) -> None:
        self._results.append(result)
        total = max(self._started.total if self._started is not None else 0, len(self._results))
        self._emit(NodeFinished(result, len(self._results), total))

    @property
    def failed(self) -> frozenset[str]:
        """The nodes that failed so far."""
        return frozenset(one.unique_id for one in self._results if one.status in _FAILED)

    @property
    def done(self) -> frozenset[str]:
        """The nodes that have a result."""
        return frozenset(one.unique_id for one in self._results)

    @property
    def is_interrupted(self) -> bool:
        """Whether a wave was interrupted."""
        return any(one.interrupted for one in self._ended)

    def leave(self, draft: Draft, names: Iterable[str]) -> None:
        """Give nodes that are not going to run a result: those whose templates are wrong fail, others are skipped."""
        for name in names:
            node, found = draft.graph.nodes[name], draft.models[name].problems
            status: Status = "error" if found else "skipped"
            message = found[0].message if found else self._reason(draft, name)
            result = NodeResult(name, shown_name(node), node.resource_type, node.materialized, status, message=message)
            self._finished(replace(result, problems=found))

    def _reason(self, draft: Draft, unique_id: str) -> str:
        """Why a node was not run that nothing is wrong with."""
        above, failed = draft.graph.ancestors(unique_id), self.failed
        wrong = [name for name in draft.graph.order if name in above and (name in failed or _is_wrong(draft, name))]
        return f"{shown_name(draft.graph.nodes[wrong[0]])} failed" if wrong else "the run stopped before it"

    def end(self) -> RunResult:
        """The result of the whole."""
        first, last = self._ended[0], self._ended[-1]
        elapsed_s = sum(one.elapsed_s for one in self._ended)
        result = RunResult(first.command, last.run_id, elapsed_s, tuple(self._results), self.is_interrupted)
        self._emit(RunFinished(result))
        return result
