"""Hooks in, their SQL run: before and after a model is built, at the start and at the end of a run.

They run in the engine of the run, beside the lake: what they create there is gone when the run ends, and the tables of
the lake are there to be read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

from fsbuild.errors import FsbuildError, Place, Problem
from fsbuild.pipeline.drafting import Draft
from fsbuild.pipeline.waves import Answers
from fsbuild.render.relations import DATABASE
from fsbuild.values import Moment, NodeResult, RunResult, SourceFile

if TYPE_CHECKING:
    from fsbuild.engine import Warehouse
    from fsbuild.execute import Execution
    from fsbuild.render.operations import Operations


class Hooks:
    """The hooks of a project; their templates are rendered when it is their turn. Used by many threads."""

    def __init__(
        self, draft: Draft, moment: Moment, flags: Mapping[str, object], execution: Execution, warehouse: Warehouse
    ) -> None:
        """Prepare them; what they read is as it is in an execution."""
        self._draft = draft
        self._answers = Answers(draft, (), execution, warehouse)
        self._operations = operations_of(draft, moment, flags, self._answers)

    def before(self, unique_id: str) -> None:
        """Run what comes before a model is built."""
        model = self._draft.models.get(unique_id)
        self._run(unique_id, model.config.pre_hook if model is not None else ())

    def after(self, unique_id: str) -> None:
        """Run what comes after a model was built."""
        model = self._draft.models.get(unique_id)
        self._run(unique_id, model.config.post_hook if model is not None else ())

    def start(self) -> None:
        """Run what comes before a run."""
        self._run_all(self._draft.project.on_run_start, {})

    def end(self, result: RunResult) -> None:
        """Run what comes after a run; its templates know the results, and the schemas that were written to."""
        models = self._draft.models
        schemas = sorted({models[one.unique_id].relation.schema for one in result.results if one.unique_id in models})
        given = {
            "results": [_told(one) for one in result.results],
            "schemas": schemas,
            "database_schemas": [(DATABASE, schema) for schema in schemas],
        }
        self._run_all(self._draft.project.on_run_end, given)

    def _run(self, unique_id: str, texts: Iterable[str]) -> None:
        for text in texts:
            self._execute(self._operations.hook(text, unique_id), self._draft.models[unique_id].model.path)

    def _run_all(self, hooks: Iterable[SourceFile], given: Mapping[str, object]) -> None:
        for hook in hooks:
            self._execute(self._operations.run_hook(hook, given), hook.path)

    def _execute(self, sql: str, path: str) -> None:
        from fsbuild.render.context import TemplateError

        if not sql.strip().strip(";"):
            return
        try:
            self._answers.query(sql, ())
        except TemplateError as exc:
            message = f"a hook: {exc.message}"
            raise FsbuildError(Problem(message, Place(path), exc.hint, detail=sql.strip())) from exc


def _told(result: NodeResult) -> dict[str, object]:
    """A result as the templates of `on-run-end` see it."""
    node = {"unique_id": result.unique_id, "name": result.name, "resource_type": result.resource_type}
    return {
        "node": node,
        "unique_id": result.unique_id,
        "status": result.status,
        "execution_time": result.elapsed_s,
        "message": result.message,
        "failures": None,
    }


def has_hooks(draft: Draft) -> bool:
    """Whether a project has any hooks."""
    configs = [model.config for model in draft.models.values()]
    return bool(
        draft.project.on_run_start
        or draft.project.on_run_end
        or any(config.pre_hook or config.post_hook for config in configs)
    )


def operations_of(
    draft: Draft,
    moment: Moment,
    flags: Mapping[str, object],
    answers: Answers,
    say: Callable[[str], None] | None = None,
) -> Operations:
    """What renders the templates of hooks and operations; `say` is told what they print."""
    from fsbuild.render import final_names
    from fsbuild.render.operations import Operations

    models = draft.models.values()
    return Operations(draft.project, models, final_names(draft.project, tuple(models)), moment, flags, answers, say)
