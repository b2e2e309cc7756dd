"""The render stage: models in, SQL without Jinja out, with what each model reads and how it is configured.

The only stage that knows jinja2. Every model is rendered twice, as in dbt: once to learn its configuration and what it
reads (`execute` is false), and once, when all names are known, for its SQL; a model that asks `is_incremental()` a
third time for the SQL of an increment. All problems of all models are collected and raised together.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

import jinja2
from jinja2 import nodes
from jinja2.runtime import Context, Macro

from fsbuild.config import is_reserved, merge_layers, parse_config
from fsbuild.errors import Place, Problem, RenderError, in_order, suggest
from fsbuild.render.context import (
    CONSTANTS,
    MacroReturn,
    ModelContext,
    Names,
    TemplateError,
    env_var,
    template_names,
    variables_function,
)
from fsbuild.render.source_lines import SourceLines, read_marks
from fsbuild.values import Model, ModelConfig, Moment, Project, Relation, RenderedModel, RenderedSql

__all__ = ["evaluate_text", "render_models"]

_EXPRESSION = re.compile(r"\{\{-?(?P<expression>(?:(?!\}\}|\{\{).)*?)-?\}\}", re.DOTALL)
_UNDEFINED = re.compile(r"'(?P<name>\w+)' is undefined")


class _MacroContext(Context):
    """Jinja's context, in which `{{ return(x) }}` ends the innermost macro with the value x."""

    def call(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
        """Call what a template calls."""
        if not isinstance(function, Macro):
            return super().call(function, *args, **kwargs)
        try:
            return super().call(function, *args, **kwargs)
        except MacroReturn as returned:
            return returned.value


@dataclass(frozen=True, slots=True)
class _Templates:
    """The environment, and the project's macros ready to be bound to a model's context."""

    environment: jinja2.Environment
    macro_files: tuple[jinja2.Template, ...]
    macro_names: frozenset[str]
    constants: Mapping[str, object]
    project_name: str
    uses_macro: re.Pattern[str] | None

    def names_for(self, text: str, context: ModelContext) -> dict[str, object]:
        """All names that a template sees; macros only where the text names one, since binding them takes time."""
        names = {**self.constants, **template_names(context)}
        if self.uses_macro is None or not self.uses_macro.search(text):
            return names
        macros: dict[str, object] = {}
        names["adapter"] = _Adapter(macros)
        package = SimpleNamespace()
        names[self.project_name] = package
        for template in self.macro_files:
            # Macros look names up in `names` when they are called, so files may use each other's in any order.
            module = template.make_module(names, shared=True)
            found = {name: value for name, value in vars(module).items() if isinstance(value, Macro)}
            macros.update(found)
            names.update(found)
            vars(package).update(found)
        return names


class _Adapter:
    """The part of dbt's `adapter` that macros use: `dispatch`."""

    def __init__(self, macros: Mapping[str, object]) -> None:
        self._macros = macros

    def dispatch(self, macro_name: str, macro_namespace: str | None = None) -> object:
        """Find `duckdb__name`, else `default__name`."""
        del macro_namespace  # the project's own macros are the only ones
        for prefix in ("duckdb__", "default__"):
            if prefix + macro_name in self._macros:
                return self._macros[prefix + macro_name]
        raise TemplateError(f"no macro 'duckdb__{macro_name}' or 'default__{macro_name}'")


@dataclass(frozen=True, slots=True)
class _Parsed:
    """A model after its first rendering: its template, configuration and relation."""

    model: Model
    template: jinja2.Template
    raw_config: Mapping[str, Any]
    config: ModelConfig
    relation: Relation
    depends_on: tuple[str, ...]


def render_models(
    project: Project, moment: Moment, relation_of: Callable[[Model, ModelConfig], Relation]
) -> tuple[RenderedModel, ...]:
    """Render all enabled models of a project.

    `relation_of` names the relation of a model whose configuration is known.

    Raises:
        RenderError: templates are wrong; all problems at once.
    """
    problems: list[Problem] = []
    templates = _prepare(project, moment, problems)
    sources = {(s.source_name, s.name): (s.unique_id, s.relation) for s in project.sources}
    provisional: dict[str, tuple[str, Relation]] = {
        seed.name: (seed.unique_id, seed.relation) for seed in project.seeds
    }
    provisional |= {m.name: (m.unique_id, Relation(project.target.schema, m.name)) for m in project.models}
    parsed = []
    for model in project.models:
        one = _parse(model, templates, Names(provisional, sources), project, relation_of, problems)
        if one is not None:
            parsed.append(one)
    enabled = [one for one in parsed if one.config.enabled]
    disabled = frozenset(one.model.name for one in parsed if not one.config.enabled)
    final = {name: found for name, found in provisional.items() if name not in disabled}
    final |= {one.model.name: (one.model.unique_id, one.relation) for one in enabled}
    names = Names(final, sources, disabled)
    rendered = [_finish(one, templates, names, project, problems) for one in enabled]
    _check_relations(enabled, project, problems)
    if problems:
        raise RenderError(in_order(problems))
    return tuple(model for model in rendered if model is not None)


def evaluate_text(text: str, variables: Mapping[str, object], place: Place) -> Any:  # noqa: ANN401 - any YAML value
    """Render a YAML string; one that is a single `{{ expression }}` keeps the expression's type.

    Raises:
        RenderError: the text is not a template, or asks for a variable that is not set.
    """
    names = {**CONSTANTS, "var": variables_function(variables), "env_var": env_var}
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, autoescape=False)  # noqa: S701 - YAML, not HTML
    # What a later stage resolves by itself stays as written.
    if re.match(r"\s*\{\{\s*(ref|source|doc)\(", text):
        return text.strip().removeprefix("{{").removesuffix("}}").strip()
    try:
        whole = _EXPRESSION.fullmatch(text.strip())
        if whole is None:
            return environment.from_string(text).render(names)
        value = environment.compile_expression(whole["expression"], undefined_to_none=False)(names)
        if isinstance(value, jinja2.Undefined):
            str(value)  # says what is undefined
    except TemplateError as exc:
        raise RenderError(Problem(exc.message, place, hint=exc.hint)) from exc
    except jinja2.TemplateError as exc:
        raise RenderError(Problem(str(exc.message or exc), place)) from exc
    except Exception as exc:
        raise RenderError(Problem(f"{type(exc).__name__}: {exc}", place)) from exc
    return value


def _prepare(project: Project, moment: Moment, problems: list[Problem]) -> _Templates:
    environment = jinja2.Environment(
        undefined=jinja2.StrictUndefined,
        extensions=["jinja2.ext.do", "jinja2.ext.loopcontrols", SourceLines],
        autoescape=False,  # noqa: S701 - SQL, not HTML
        cache_size=0,
    )
    environment.context_class = _MacroContext
    target = project.target
    constants = {
        **environment.globals,
        **environment.globals,
        **CONSTANTS,
        "var": variables_function(project.variables),
        "target": {
            "name": target.name,
            "schema": target.schema,
            "type": "duckdb",
            "profile_name": target.profile,
            "threads": target.threads,
        },
        "project_name": project.name,
        "run_started_at": moment.started_at,
        "invocation_id": moment.run_id,
        "adapter": _Adapter({}),
    }
    files: list[jinja2.Template] = []
    names: set[str] = set()
    for file in project.macros:
        try:
            tree = environment.parse(file.text, name=file.path, filename=file.path)
            names.update(macro.name for macro in tree.find_all(nodes.Macro))
            code = environment.compile(tree, name=file.path, filename=file.path)
            files.append(jinja2.Template.from_code(environment, code, {}))
        except jinja2.TemplateSyntaxError as exc:
            problems.append(_syntax_problem(exc, file.path, file.text))
    words = "|".join(re.escape(name) for name in sorted({*names, project.name}))
    pattern = re.compile(rf"\b(?:{words}|adapter)\b") if names else None
    return _Templates(environment, tuple(files), frozenset(names), constants, project.name, pattern)


def _parse(  # noqa: PLR0913 - the two halves of one loop body
    model: Model,
    templates: _Templates,
    names: Names,
    project: Project,
    relation_of: Callable[[Model, ModelConfig], Relation],
    problems: list[Problem],
) -> _Parsed | None:
    """Render a model for the first time, to learn what it reads and how it is configured."""
    try:
        code = templates.environment.compile(model.raw_sql, name=model.path, filename=model.path)
    except jinja2.TemplateSyntaxError as exc:
        problems.append(_syntax_problem(exc, model.path, model.raw_sql))
        return None
    template = jinja2.Template.from_code(templates.environment, code, {})
    context = ModelContext(
        names,
        project.variables,
        Relation(project.target.schema, model.name),
        model.config,
        is_executing=False,
        is_incremental=False,
    )
    if _render(model, template, context, templates, problems) is None:
        return None
    try:
        raw = merge_layers([model.config, context.told_config])
    except ValueError as exc:
        problems.append(Problem(f"config 'tags' is {exc}", Place(model.path)))
        return None
    told = set(context.told_config)
    config, found = parse_config(raw, lambda key: _config_place(model, key) if key in told else model.place)
    problems.extend(found)
    return _Parsed(model, template, raw, config, relation_of(model, config), tuple(context.depends_on))


def _finish(
    one: _Parsed, templates: _Templates, names: Names, project: Project, problems: list[Problem]
) -> RenderedModel | None:
    """Render a model for its SQL."""

    def render(*, is_incremental: bool) -> tuple[RenderedSql | None, ModelContext]:
        context = ModelContext(
            names, project.variables, one.relation, one.raw_config, is_executing=True, is_incremental=is_incremental
        )
        return _render(one.model, one.template, context, templates, problems), context

    sql, context = render(is_incremental=False)
    if sql is None:
        return None
    depends_on = dict.fromkeys([*one.depends_on, *context.depends_on])
    incremental = None
    if context.asked_incremental and one.config.materialized == "incremental":
        incremental, second = render(is_incremental=True)
        if incremental is None:
            return None
        depends_on |= second.depends_on
    return RenderedModel(one.model, one.config, one.relation, sql, incremental, tuple(depends_on))


def _render(
    model: Model, template: jinja2.Template, context: ModelContext, templates: _Templates, problems: list[Problem]
) -> RenderedSql | None:
    """Evaluate a template in a context; None, with the problem noted, where that fails."""

    def note(message: str, hint: str | None) -> None:
        place = _template_place(sys._getframe(), model.path)  # noqa: SLF001 - the template's line is on the stack
        problems.append(_with_excerpt(Problem(message, place, hint=hint), model))

    # Only the last rendering knows every name, so only it reports the unknown ones.
    if context.is_executing:
        context.note = note
    names = templates.names_for(model.raw_sql, context)
    try:
        marked = "".join(template.root_render_func(template.new_context(names, shared=True)))
    except TemplateError as exc:
        problem = Problem(exc.message, _error_place(exc, model.path), hint=exc.hint)
    except MacroReturn as exc:
        problem = Problem("return() outside of a macro", _error_place(exc, model.path), hint="write the value: {{ … }}")
    except jinja2.UndefinedError as exc:
        match = _UNDEFINED.match(exc.message or "")
        hint = suggest(match["name"], names) if match else None
        problem = Problem(f"{exc.message}", _error_place(exc, model.path), hint=hint)
    except Exception as exc:  # noqa: BLE001 - a template can call anything; what it raises is the template's mistake
        problem = Problem(f"{type(exc).__name__}: {exc}", _error_place(exc, model.path))
    else:
        return read_marks(marked)
    problems.append(_with_excerpt(problem, model))
    return None


# --- places ----------------------------------------------------------------------------------------------------------


def _template_place(frame: Any, fallback: str) -> Place:  # noqa: ANN401 - a frame, or None
    """The line of the innermost template on the stack above a frame."""
    while frame is not None:
        template = frame.f_globals.get("__jinja_template__")
        if template is not None:
            return Place(template.name, template.get_corresponding_lineno(frame.f_lineno))
        frame = frame.f_back
    return Place(fallback)


def _error_place(exc: BaseException, fallback: str) -> Place:
    """The line of the innermost template in a traceback."""
    place = Place(fallback)
    trace = exc.__traceback__
    while trace is not None:
        template = trace.tb_frame.f_globals.get("__jinja_template__")
        if template is not None:
            place = Place(template.name, template.get_corresponding_lineno(trace.tb_lineno))
        trace = trace.tb_next
    return place


def _with_excerpt(problem: Problem, model: Model) -> Problem:
    lines = model.raw_sql.splitlines()
    place = problem.place
    if place is None or place.file != model.path or place.line is None or place.line > len(lines):
        return problem
    return replace(problem, excerpt=lines[place.line - 1])


def _syntax_problem(exc: jinja2.TemplateSyntaxError, path: str, text: str) -> Problem:
    lines = text.splitlines()
    excerpt = lines[exc.lineno - 1] if exc.lineno <= len(lines) else None
    column = next((excerpt.find(mark) + 1 for mark in ("{%", "{{", "{#") if mark in excerpt), None) if excerpt else None
    return Problem(f"Jinja: {exc.message}", Place(path, exc.lineno, column), excerpt=excerpt)


def _config_place(model: Model, key: str) -> Place:
    """The line on which `key=` is written inside a model's file."""
    match = re.search(rf"\b{re.escape(key)}\s*=", model.raw_sql)
    return Place(model.path, model.raw_sql.count("\n", 0, match.start()) + 1 if match else None)


def _check_relations(enabled: Iterable[_Parsed], project: Project, problems: list[Problem]) -> None:
    """Refuse two nodes of one name, which would be written to the same table, and names that no schema can have."""
    taken: dict[tuple[str, str], str] = {}
    nodes = [
        *((f"source {s.source_name}.{s.name}", s.relation, s.place) for s in project.sources),
        *((seed.path, seed.relation, Place(seed.path)) for seed in project.seeds),
        *((one.model.path, one.relation, Place(one.model.path)) for one in enabled),
    ]
    for node, relation, place in nodes:
        other = taken.setdefault(_folded(relation), node)
        name = f"{relation.schema}.{relation.identifier}"
        if other != node:
            message = f"'{name}' is written by {other} too" if "/" in other else f"'{name}' is the name of {other} too"
            problems.append(Problem(message, place, hint="give one of them another alias or schema"))
        elif is_reserved(relation.schema):
            message = f"'{name}' is in a schema that the engine keeps for itself"
            problems.append(Problem(message, place, hint="give it another schema"))


def _folded(relation: Relation) -> tuple[str, str]:
    """A relation as the engine tells it apart from others: without regard to case."""
    return relation.schema.lower(), relation.identifier.lower()
