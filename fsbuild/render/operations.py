"""Templates that are rendered while a run goes on: hooks, late checks, and the macros that `run-operation` calls.

They are not part of what a model is: they are rendered when it is their turn, and can ask the lake.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import jinja2

from fsbuild.errors import OperationError, Place, Problem, RenderError, suggest
from fsbuild.render.checks import CheckTexts
from fsbuild.render.context import Lake, ModelContext, Names
from fsbuild.render.macros import Scope, call_macro
from fsbuild.render.mistakes import syntax_problem, template_problem
from fsbuild.render.nodes import KnownNode, ProjectGraph, config_values, describe_node
from fsbuild.render.source_lines import read_marks
from fsbuild.render.templates import prepare_templates
from fsbuild.values import Check, Moment, Project, Relation, RenderedModel, SourceFile, package_of


class Operations:
    """Renders templates of a project whose models are rendered."""

    def __init__(  # noqa: PLR0913 - what templates see
        self,
        project: Project,
        models: Iterable[RenderedModel],
        names: Names,
        moment: Moment,
        flags: Mapping[str, object],
        lake: Lake,
        say: Callable[[str], None] | None = None,
    ) -> None:
        """Prepare the templates of a project; `say` is told what they print, which is logged without.

        Raises:
            RenderError: macros are wrong.
        """
        problems: list[Problem] = []
        self._project, self._names, self._lake, self._say = project, names, lake, say
        self._templates = prepare_templates(project, moment, flags, problems)
        if problems:
            raise RenderError(problems)
        known = [KnownNode(seed, config_values(seed.config), seed.relation) for seed in project.seeds]
        self._models = {one.unique_id: one for one in models}
        known += [KnownNode(m.model, config_values(m.config), m.relation, m.depends_on) for m in self._models.values()]
        self._graph = ProjectGraph(project, known)

    def hook(self, text: str, unique_id: str) -> str:
        """The SQL of a hook of a model.

        Raises:
            RenderError: the template is wrong.
        """
        one = self._models[unique_id]
        known = KnownNode(one.model, config_values(one.config), one.relation, one.depends_on)
        config = {**one.model.config, **config_values(one.config)}
        package = package_of(unique_id)
        scope = self._scope(package, one.relation, config, describe_node(known, self._project))
        return self._render(SourceFile(one.model.path, text, package), scope)

    def run_hook(self, hook: SourceFile, given: Mapping[str, object]) -> str:
        """The SQL of a hook of the run; `given` are names that are known at its end.

        Raises:
            RenderError: the template is wrong.
        """
        scope = self._scope(hook.package, Relation(self._project.target.schema, ""), {}, {})
        scope.update(given)
        return self._render(hook, scope)

    def late_checks(self, unique_id: str, checks: Iterable[Check]) -> tuple[Check, ...]:
        """Those of the checks of a node that ask for its rows, each with its SQL or its problem."""
        problems: list[Problem] = []
        texts = CheckTexts(self._project, self._templates, self._names, self._graph, problems, self._lake)
        return tuple(texts.again(unique_id, check) for check in checks if check.is_late)

    def call(self, name: str, arguments: Mapping[str, object]) -> object:
        """Call a macro, `name` or `package.name`.

        Raises:
            RenderError: there is none.
            OperationError: it is wrong, or says that something is.
        """
        scope = self._scope("", Relation(self._project.target.schema, ""), {}, {})
        package, _, macro = name.rpartition(".")
        macros = self._templates.macros
        found = macros.in_package(package, macro) if package else macros.find(macro, self._project.name)
        if found is None:
            hint = suggest(macro, macros.files.get(package or self._project.name, ()))
            raise RenderError(Problem(f"there is no macro '{name}'", hint=hint))
        function: Any = scope.of_package(package, macro) if package else scope[macro]
        try:
            return call_macro(function, **arguments)
        except Exception as exc:
            place = macros.places[found[0]][found[1]]
            raise OperationError(template_problem(exc, scope, place.file, "")) from exc

    def macro_id(self, name: str) -> str:
        """The unique id of a macro, `name` or `package.name`, as artifacts have it."""
        package, _, macro = name.rpartition(".")
        found = self._templates.macros.find(macro, package or self._project.name)
        return f"macro.{package or (found[0] if found else self._project.name)}.{macro}"

    def _print(self, message: object) -> str:
        assert self._say is not None  # noqa: S101 - it is put in only then
        self._say(str(message))
        return ""

    def _scope(self, package: str, this: Relation, config: Mapping[str, Any], model: Mapping[str, Any]) -> Scope:
        variables = self._project.variables_of(package)
        scope = self._templates.scope_of(
            ModelContext(
                self._names,
                variables,
                this,
                config,
                model,
                self._graph,
                is_executing=True,
                is_incremental=False,
                here=package,
                lake=self._lake,
            )
        )
        if self._say is not None:
            scope["print"] = self._print
        return scope

    def _render(self, hook: SourceFile, scope: Scope) -> str:
        environment = self._templates.environment
        try:
            code = environment.compile(hook.text, name=hook.path, filename=hook.path)
            template = jinja2.Template.from_code(environment, code, {})
            return read_marks("".join(template.root_render_func(template.new_context(scope, shared=True)))).text
        except jinja2.TemplateSyntaxError as exc:
            raise RenderError(syntax_problem(exc, hook.path, hook.text)) from exc
        except Exception as exc:
            problem = template_problem(exc, scope, hook.path, hook.text)
            raise RenderError(Problem(f"a hook: {problem.message}", Place(hook.path), problem.hint)) from exc
