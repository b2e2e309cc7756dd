"""A string of a YAML file in, the value that its Jinja expression has out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import jinja2

from fsbuild.errors import Place, Problem, RenderError
from fsbuild.render.context import CONSTANTS, YAML_FILTERS, env_var, target_names, variables_function
from fsbuild.render.mistakes import explain
from fsbuild.values import Target

_EXPRESSION = re.compile(r"\{\{-?(?P<expression>(?:(?!\}\}|\{\{).)*?)-?\}\}", re.DOTALL)
_NO_TARGET = {"target": "it is known below 'models:' and 'seeds:' of the project file, and in the YAML beside models"}


def evaluate_text(text: str, variables: Mapping[str, object], place: Place, target: Target | None = None) -> Any:  # noqa: ANN401 - any YAML value
    """Render a YAML string; one that is a single `{{ expression }}` keeps the expression's type.

    Raises:
        RenderError: the text is not a template, or asks for what is not there.
    """
    names: dict[str, object] = {**CONSTANTS, "var": variables_function(variables), "env_var": env_var}
    if target is not None:
        names["target"] = target_names(target)
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, autoescape=False)  # noqa: S701 - YAML, not HTML
    environment.filters.update(YAML_FILTERS)
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
    except Exception as exc:
        message, hint = explain(exc, names, _NO_TARGET)
        raise RenderError(Problem(message, place, hint=hint)) from exc
    return value
