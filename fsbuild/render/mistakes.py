"""What went wrong in a template in, a problem at the template's line out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import jinja2

from fsbuild.errors import Place, Problem
from fsbuild.render.context import LakeNeeded, MacroReturn, TemplateError
from fsbuild.render.macros import BUILTIN
from fsbuild.render.undefined import explain_undefined


def explain(exc: Exception, names: Iterable[str], absent: Mapping[str, str] | None = None) -> tuple[str, str | None]:
    """Word what a template raised, with a hint; `names` are those that it could use, `absent` explains others."""
    if isinstance(exc, TemplateError):
        return exc.message, exc.hint
    if isinstance(exc, LakeNeeded):
        return f"this template cannot {exc}", "the template of a model can, outside of its YAML and its tests"
    if isinstance(exc, MacroReturn):
        return "return() outside of a macro", "write the value: {{ … }}"
    if isinstance(exc, jinja2.UndefinedError):
        return explain_undefined(str(exc.message), names, absent)
    if isinstance(exc, jinja2.TemplateError):
        return str(exc.message or exc), None
    return f"{type(exc).__name__}: {exc}", None


def template_problem(exc: Exception, names: Iterable[str], path: str, text: str) -> Problem:
    """Say what a template raised, at the line of it or of the macro that was being evaluated."""
    message, hint = explain(exc, names)
    return with_excerpt(Problem(message, error_place(exc, path), hint=hint), path, text)


def template_place(frame: Any, fallback: str) -> Place:  # noqa: ANN401 - a frame, or None
    """The line of the innermost template on the stack above a frame."""
    while frame is not None:
        template = frame.f_globals.get("__jinja_template__")
        if template is not None:
            return Place(template.name, template.get_corresponding_lineno(frame.f_lineno))
        frame = frame.f_back
    return Place(fallback)


def error_place(exc: BaseException, fallback: str) -> Place:
    """The line of the innermost template in a traceback; dbt's own macros are not anybody's to mend."""
    place = Place(fallback)
    trace = exc.__traceback__
    while trace is not None:
        template = trace.tb_frame.f_globals.get("__jinja_template__")
        if template is not None and not template.name.startswith(BUILTIN):
            place = Place(template.name, template.get_corresponding_lineno(trace.tb_lineno))
        trace = trace.tb_next
    return place


def with_excerpt(problem: Problem, path: str, text: str) -> Problem:
    """Show the line of a file's text that a problem is on, where it is in that file."""
    lines = text.splitlines()
    place = problem.place
    if place is None or place.file != path or place.line is None or place.line > len(lines):
        return problem
    return replace(problem, excerpt=lines[place.line - 1])


def syntax_problem(exc: jinja2.TemplateSyntaxError, path: str, text: str) -> Problem:
    """Say what is wrong with a template's syntax."""
    lines = text.splitlines()
    excerpt = lines[exc.lineno - 1] if exc.lineno <= len(lines) else None
    column = next((excerpt.find(mark) + 1 for mark in ("{%", "{{", "{#") if mark in excerpt), None) if excerpt else None
    return Problem(f"Jinja: {exc.message}", Place(path, exc.lineno, column), excerpt=excerpt)
