"""A project's macros in, the Jinja environment in which its templates are rendered out."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import jinja2
from jinja2 import nodes
from jinja2.ext import Extension
from jinja2.runtime import Context, Macro

from fsbuild.errors import Place, Problem, suggest
from fsbuild.render.asking import API, Adapter, Statements
from fsbuild.render.context import (
    CONSTANTS,
    SQL_FILTERS,
    Flags,
    ModelContext,
    env_var_function,
    target_names,
    template_names,
    variables_function,
)
from fsbuild.render.joins import Joins
from fsbuild.render.macros import MacroFile, Macros, Scope, builtin_files, call_macro, macro_names
from fsbuild.render.mistakes import syntax_problem
from fsbuild.render.source_lines import SourceLines
from fsbuild.values import Moment, Project, UnitOverrides

if TYPE_CHECKING:
    from jinja2.parser import Parser


class _MacroContext(Context):
    """Jinja's context, in which `{{ return(x) }}` ends the innermost macro with the value x."""

    def call(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
        """Call what a template calls."""
        if not isinstance(function, Macro):
            return super().call(function, *args, **kwargs)
        return call_macro(super().call, function, *args, **kwargs)


class TestBlocks(Extension):
    """A Jinja extension by which `{% test name(model) %}` is the macro `test_name`, as in dbt."""

    tags = {"test", "data_test"}  # noqa: RUF012 - Jinja's own declaration

    def parse(self, parser: Parser) -> nodes.Node:
        """Read a test as a macro."""
        tag = next(parser.stream)
        node = nodes.Macro(lineno=tag.lineno)
        node.name = f"test_{parser.parse_assign_target(name_only=True).name}"
        parser.parse_signature(node)
        node.body = parser.parse_statements((f"name:end{tag.value}",), drop_needle=True)
        return node


class Materializations(Extension):
    """A Jinja extension that reads over `{% materialization %}`: what a table is made of is not up to templates."""

    tags = {"materialization"}  # noqa: RUF012 - Jinja's own declaration

    def parse(self, parser: Parser) -> list[nodes.Node]:
        """Read a materialization, and leave nothing of it."""
        while parser.stream.current.type != "block_end":
            next(parser.stream)
        parser.parse_statements(("name:endmaterialization",), drop_needle=True)
        return []


@dataclass(frozen=True, slots=True)
class Templates:
    """The environment, and the macros ready to be bound to a model's context."""

    environment: jinja2.Environment
    macros: Macros
    constants: Mapping[str, object]
    # What a unit test puts in the place of macros and other names.
    replaced: Mapping[str, object] = field(default_factory=dict)

    def scope_of(self, context: ModelContext) -> Scope:
        """All names that a template sees."""
        joins, statements = Joins(context), Statements(context)
        asked = {
            "point_in_time": joins.point_in_time,
            "window_features": joins.window_features,
            "request": joins.request,
            "statement": statements.statement,
            "load_result": statements.load,
            "store_result": statements.store,
            "var": variables_function(context.variables, is_required=context.is_executing),
        }
        scope = self.scope({**template_names(context), **asked}, context.here, context)
        if self.replaced:
            scope.update(self.replaced)
            project = scope[self.macros.project]
            for name, value in self.replaced.items():
                setattr(project, name, value)
        return scope

    def scope(self, names: Mapping[str, object], here: str, context: ModelContext | None = None) -> Scope:
        """The names that all templates see, and others, in a package."""
        scope = Scope({**self.constants, **names}, self.macros, here or self.macros.project)
        scope["adapter"] = Adapter(scope, context)
        scope["context"] = scope
        return scope


def prepare_templates(
    project: Project,
    moment: Moment,
    flags: Mapping[str, object],
    problems: list[Problem],
    overrides: UnitOverrides | None = None,
) -> Templates:
    """Make the environment and compile the project's macros; what is wrong with them is added to the problems.

    What a unit test overrides is seen as it says: a macro gives its value, whatever it is called with.
    """
    prefix = f"{project.name}."
    given = {name.removeprefix(prefix): value for name, value in overrides.macros.items()} if overrides else {}
    environment = jinja2.Environment(
        undefined=jinja2.StrictUndefined,
        extensions=["jinja2.ext.do", "jinja2.ext.loopcontrols", SourceLines, TestBlocks, Materializations],
        autoescape=False,  # noqa: S701 - SQL, not HTML
        cache_size=0,
    )
    environment.context_class = _MacroContext
    environment.filters.update(SQL_FILTERS)
    constants = {
        **environment.globals,
        **CONSTANTS,
        "target": target_names(project.target),
        "flags": Flags(flags),
        "project_name": project.name,
        "run_started_at": moment.started_at,
        "invocation_id": moment.run_id,
        "api": API,
    }
    macros = _read_macros(project, environment, given, problems)
    if overrides is not None:
        constants["env_var"] = env_var_function(overrides.env_vars)
        known = {*macros.places.get(project.name, ()), *constants, "var", "is_incremental"}
        problems.extend(_unknown_macros(overrides, given, known))
    return Templates(environment, macros, constants, {name: _constantly(value) for name, value in given.items()})


def _read_macros(
    project: Project, environment: jinja2.Environment, given: Collection[str], problems: list[Problem]
) -> Macros:
    """Index all macros; the project's own files are parsed at once, so that their mistakes are told."""
    files: dict[str, dict[str, MacroFile]] = {project.name: {}}
    places: dict[str, dict[str, Place]] = {}
    for source in (*builtin_files(), *project.macros):
        package = source.package or project.name
        found, there = files.setdefault(package, {}), places.setdefault(package, {})
        if package != project.name:
            file = MacroFile(source, environment, None)
            found.update((name, file) for name in macro_names(source.text))
            there.update((name, Place(source.path)) for name in macro_names(source.text))
            continue
        try:
            tree = environment.parse(source.text, name=source.path, filename=source.path)
            # Compiling finds what parsing lets through, such as a block outside of its loop.
            there.update((macro.name, Place(source.path, macro.lineno)) for macro in tree.find_all(nodes.Macro))
            # The other macros of its file would still find a macro that is overridden, and nothing else.
            tree.body = [one for one in tree.body if not (isinstance(one, nodes.Macro) and one.name in given)]
            file = MacroFile(source, environment, tree)
            file.compile()
        except jinja2.TemplateSyntaxError as exc:
            problems.append(syntax_problem(exc, source.path, source.text))
            continue
        found.update((macro.name, file) for macro in tree.find_all(nodes.Macro))
    return Macros(project.name, files, places, project.dispatch)


def _unknown_macros(overrides: UnitOverrides, given: Iterable[str], known: Collection[str]) -> Iterator[Problem]:
    for name in given:
        if name not in known:
            hint = suggest(name, known)
            yield Problem(f"overrides: there is no macro '{name}'", overrides.place, hint=hint)


def _constantly(value: object) -> Callable[..., object]:
    return lambda *_args, **_kwargs: value
