"""A unit test and the models in, what the test is about out: what the model reads, and what may be given in its place.

An ephemeral model between the tested one and its inputs is computed where the test does not give its rows; so is a
view, where the test gives rows of what stands behind it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from fsbuild.errors import Problem, in_order
from fsbuild.pipeline.drafting import Draft, unit_tests_of
from fsbuild.pipeline.late_binding import LateBinder, binder_over
from fsbuild.values import INLINED, STORED, ColumnType, CompiledModel, FixtureRows, RenderedModel, UnitTest

if TYPE_CHECKING:
    from fsbuild.compile import KnownRelation
    from fsbuild.unit_tests import Judge, Subject

Columns = Mapping[str, Sequence[ColumnType]]


def unit_test_problems(
    draft: Draft, models: Mapping[str, CompiledModel], known: Mapping[str, KnownRelation], binder: LateBinder
) -> list[Problem]:
    """Tell what is wrong with all unit tests of a project that compiles.

    Of a test whose overrides change SQL, the columns and inputs are only known when it is about to run.
    """
    tests = unit_tests_of(draft)
    if not tests:
        return []
    columns = known_columns(models, known)
    subjects = [
        (test, subject_of(test, draft, draft.models, columns, is_known=not changes_sql(test, draft))) for test in tests
    ]
    if any(rows.sql is not None for test in tests for rows in _all_rows(test)):
        # The project's binder knows tables that the query of a fixture must not read.
        binder = binder_over(draft.project)
    return judged(subjects, binder)[1]


def _all_rows(test: UnitTest) -> Iterator[FixtureRows]:
    for batch in test.batches:
        yield batch.expect
        yield from (one.rows for one in batch.given)


def judged(subjects: Iterable[tuple[UnitTest, Subject]], binder: LateBinder) -> tuple[list[UnitTest], list[Problem]]:
    """Judge unit tests; those that are right come back complete."""
    from fsbuild.unit_tests import judge_tests

    return judge_tests(subjects, judge_with(binder))


def judge_with(binder: LateBinder) -> Judge:
    """What the engine has to say about the rows of unit tests."""
    from fsbuild.unit_tests import Judge

    return Judge(
        lambda sql: [ColumnType(column.name, column.type) for column in binder.columns_of(sql)], binder.unreadable
    )


def known_columns(
    models: Mapping[str, CompiledModel], known: Mapping[str, KnownRelation]
) -> dict[str, Sequence[ColumnType]]:
    """The columns of every node of a project."""
    columns: dict[str, Sequence[ColumnType]] = {name: one.columns for name, one in known.items()}
    return columns | {name: model.columns for name, model in models.items()}


def changes_sql(test: UnitTest, draft: Draft) -> bool:
    """Whether a model has to be rendered again for a test: `is_incremental` alone chooses between what is rendered."""
    overrides = test.overrides
    model = draft.models[test.model_id]
    chosen = {"is_incremental"} if model.config.materialized == "incremental" else set()
    return bool(overrides.variables or overrides.env_vars or set(overrides.macros) - chosen)


def subject_of(
    test: UnitTest, draft: Draft, rendered: Mapping[str, RenderedModel], columns: Columns, *, is_known: bool = True
) -> Subject:
    """Describe what a test is about; `is_known` where the columns are those that the model has in the test."""
    from fsbuild.unit_tests import Subject

    model = rendered[test.model_id]
    pinned = {pin.unique_id for one in rendered.values() for pin in one.pins}
    _, leaves = reach(test, rendered)
    return Subject(
        name=model.model.name,
        materialized=model.config.materialized,
        is_table=model.config.materialized in STORED,
        inputs={name: columns[name] for name in _readable(test.model_id, rendered) if name in columns},
        required=[name for name in leaves if name not in pinned],
        written={name: _written(name, draft) for name in columns if name not in pinned},
        columns=columns[test.model_id] if is_known else None,
        this=columns[test.model_id],
        reads_itself=str(model.relation) in tried_sql(test, model),
    )


def tried_sql(test: UnitTest, model: RenderedModel) -> str:
    """The SQL that a test tries, as it is rendered."""
    increment = model.incremental_sql if test.is_incremental else None
    return (increment or model.sql).text


def reach(test: UnitTest, rendered: Mapping[str, RenderedModel]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """List the models that are computed between a tested one and its inputs, parents first, and these inputs."""
    given = {one.unique_id for batch in test.batches for one in batch.given} - {test.model_id}
    between, leaves = dict[str, None](), dict[str, None]()

    def visit(name: str) -> None:
        for parent in rendered[name].depends_on:
            if parent in between or parent in leaves:
                continue
            if parent not in given and _is_computed(parent, rendered, given):
                visit(parent)
                between[parent] = None
            else:
                leaves[parent] = None

    visit(test.model_id)
    return tuple(between), tuple(leaves)


def _is_computed(name: str, rendered: Mapping[str, RenderedModel], given: Collection[str]) -> bool:
    """Whether a parent of which no rows are given is computed from what stands behind it."""
    kind = rendered[name].config.materialized if name in rendered else ""
    if kind == "view":
        return any(behind in given for behind in _readable(name, rendered))
    return kind in INLINED


def _readable(name: str, rendered: Mapping[str, RenderedModel]) -> Iterator[str]:
    """All that a model reads, what stands behind views and ephemeral models included, each once."""
    pending, seen = [*rendered[name].depends_on], set[str]()
    for parent in pending:
        if parent not in seen:
            seen.add(parent)
            yield parent
            if parent in rendered and rendered[parent].config.materialized in INLINED:
                pending.extend(rendered[parent].depends_on)


def _written(unique_id: str, draft: Draft) -> str:
    """Write how a model refers to a node."""
    node = draft.graph.nodes[unique_id]
    return f"source('{node.source_name}', '{node.name}')" if node.resource_type == "source" else f"ref('{node.name}')"


def in_test(test: UnitTest, problems: Iterable[Problem]) -> list[Problem]:
    """Say of problems of a model that they are those that it has in a unit test."""
    where = f"in unit test '{test.name}' ({test.place})"
    return [replace(one, detail=f"{one.detail}\n{where}" if one.detail else where) for one in in_order(problems)]
