"""A project's macros in, the Jinja environment in which its templates are rendered out."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import jinja2
from jinja2 import nodes
from jinja2.ext import Extension
from jinja2.runtime import Context, Macro

from fsbuild.errors import Place, Problem, suggest
from fsbuild.render.context import (
    CONSTANTS,
    SQL_FILTERS,
    Flags,
    MacroReturn,
    ModelContext,
    TemplateError,
    env_var_function,
    target_names,
    template_names,
    variables_function,
)
from fsbuild.render.joins import Joins
from fsbuild.render.mistakes import syntax_problem
from fsbuild.render.source_lines import SourceLines
from fsbuild.values import Moment, Project, UnitOverrides, quote

if TYPE_CHECKING:
    from jinja2.parser import Parser


class _MacroContext(Context):
    """Jinja's context, in which `{{ return(x) }}` ends the innermost macro with the value x."""

    def call(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
        """Call what a template calls."""
        if not isinstance(function, Macro):
            return super().call(function, *args, **kwargs)
        return call_macro(super().call, function, *args, **kwargs)


def call_macro(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - a macro's value is any
    """Call a macro, or what calls it; what it returns with `return(x)` is its value, otherwise its text."""
    try:
        return function(*args, **kwargs)
    except MacroReturn as returned:
        return returned.value


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


class Package(SimpleNamespace):
    """The project's macros, by the project's name."""


class Adapter:
    """The part of dbt's `adapter` that needs no tables."""

    def __init__(self, names: Mapping[str, object]) -> None:
        self._names = names

    def dispatch(self, macro_name: str, macro_namespace: str | None = None) -> object:
        """Find `duckdb__name`, else `default__name`."""
        del macro_namespace  # the project's own macros are the only ones
        for prefix in ("duckdb__", "default__"):
            if prefix + macro_name in self._names:
                return self._names[prefix + macro_name]
        raise TemplateError(f"no macro 'duckdb__{macro_name}' or 'default__{macro_name}'")

    def quote(self, identifier: str) -> str:
        """Quote an identifier."""
        return quote(identifier)


@dataclass(frozen=True, slots=True)
class Templates:
    """The environment, and the project's macros ready to be bound to a model's context."""

    environment: jinja2.Environment
    macro_files: tuple[jinja2.Template, ...]
    macro_places: Mapping[str, Place]
    constants: Mapping[str, object]
    project_name: str
    uses_macro: re.Pattern[str] | None
    # What a unit test puts in the place of macros and other names.
    replaced: Mapping[str, object] = field(default_factory=dict)

    def names_for(self, text: str, context: ModelContext) -> dict[str, object]:
        """All names that a template sees; macros only where the text names one, since binding them takes time."""
        joins = Joins(context)
        asked = {"point_in_time": joins.point_in_time, "window_features": joins.window_features}
        asked["request"] = joins.request
        names = {**self.constants, **template_names(context), **asked}
        if self.uses_macro is not None and self.uses_macro.search(text):
            names = self.bind_macros(names)
            for name, value in self.replaced.items():
                setattr(names[self.project_name], name, value)
        names.update(self.replaced)
        return names

    def bind_macros(self, names: dict[str, object]) -> dict[str, object]:
        """Add the project's macros, which look names up where they are added."""
        names["adapter"] = Adapter(names)
        package = Package()
        names[self.project_name] = package
        for template in self.macro_files:
            # Macros look names up in `names` when they are called, so files may use each other's in any order.
            module = template.make_module(names, shared=True)
            found = {name: value for name, value in vars(module).items() if isinstance(value, Macro)}
            names.update(found)
            vars(package).update(found)
        return names


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
        extensions=["jinja2.ext.do", "jinja2.ext.loopcontrols", SourceLines, TestBlocks],
        autoescape=False,  # noqa: S701 - SQL, not HTML
        cache_size=0,
    )
    environment.context_class = _MacroContext
    environment.filters.update(SQL_FILTERS)
    constants = {
        **environment.globals,
        **CONSTANTS,
        "var": variables_function(project.variables),
        "target": target_names(project.target),
        "flags": Flags(flags),
        "project_name": project.name,
        "run_started_at": moment.started_at,
        "invocation_id": moment.run_id,
        "adapter": Adapter({}),
    }
    files: list[jinja2.Template] = []
    places: dict[str, Place] = {}
    for file in project.macros:
        try:
            tree = environment.parse(file.text, name=file.path, filename=file.path)
            places |= {macro.name: Place(file.path, macro.lineno) for macro in tree.find_all(nodes.Macro)}
            # The other macros of its file would still find a macro that is overridden, and nothing else.
            tree.body = [one for one in tree.body if not (isinstance(one, nodes.Macro) and one.name in given)]
            code = environment.compile(tree, name=file.path, filename=file.path)
            files.append(jinja2.Template.from_code(environment, code, {}))
        except jinja2.TemplateSyntaxError as exc:
            problems.append(syntax_problem(exc, file.path, file.text))
    words = "|".join(re.escape(name) for name in sorted({*places, project.name}))
    pattern = re.compile(rf"\b(?:{words}|adapter)\b") if places else None
    if overrides is not None:
        constants["env_var"] = env_var_function(overrides.env_vars)
        problems.extend(_unknown_macros(overrides, given, {*places, *constants, "is_incremental"}))
    replaced = {name: _constantly(value) for name, value in given.items()}
    return Templates(environment, tuple(files), places, constants, project.name, pattern, replaced)


def _unknown_macros(overrides: UnitOverrides, given: Iterable[str], known: Collection[str]) -> Iterator[Problem]:
    for name in given:
        if name not in known:
            hint = suggest(name, known)
            yield Problem(f"overrides: there is no macro '{name}'", overrides.place, hint=hint)


def _constantly(value: object) -> Callable[..., object]:
    return lambda *_args, **_kwargs: value
