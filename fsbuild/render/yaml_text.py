"""A string of a YAML file in, the value that its Jinja expression has out."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import jinja2

from fsbuild.errors import Place, Problem, RenderError, suggest
from fsbuild.render.context import CONSTANTS, YAML_FILTERS, TemplateError, env_var, target_names, variables_function
from fsbuild.render.mistakes import explain
from fsbuild.values import Target

_EXPRESSION = re.compile(r"\{\{-?(?P<expression>(?:(?!\}\}|\{\{).)*?)-?\}\}", re.DOTALL)
_NOT_HERE = {
    "target": "it is known below 'models:' and 'seeds:' of the project file, and in the YAML beside models",
    **dict.fromkeys(("run_query", "statement", "load_result", "adapter"), "only the templates of models ask the lake"),
}


def evaluate_text(
    text: str,
    variables: Mapping[str, object],
    place: Place,
    target: Target | None = None,
    docs: Mapping[str, str] | None = None,
) -> Any:  # noqa: ANN401 - any YAML value
    """Render a YAML string; one that is a single `{{ expression }}` keeps the expression's type.

    `docs` are the docs blocks that `doc()` gives, where these are known.

    Raises:
        RenderError: the text is not a template, or asks for what is not there.
    """
    names: dict[str, object] = {**CONSTANTS, "var": variables_function(variables), "env_var": env_var}
    if target is not None:
        names["target"] = target_names(target)
    if docs is not None:
        names["doc"] = _doc_function(docs)
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, autoescape=False)  # noqa: S701 - YAML, not HTML
    environment.filters.update(YAML_FILTERS)
    # What a later stage resolves by itself stays as written.
    if re.match(r"\s*\{\{\s*(ref|source)\(", text):
        return text.strip().removeprefix("{{").removesuffix("}}").strip()
    try:
        whole = _EXPRESSION.fullmatch(text.strip())
        if whole is None:
            return environment.from_string(text).render(names)
        value = environment.compile_expression(whole["expression"], undefined_to_none=False)(names)
        if isinstance(value, jinja2.Undefined):
            str(value)  # says what is undefined
    except Exception as exc:
        message, hint = explain(exc, names, _NOT_HERE)
        raise RenderError(Problem(message, place, hint=hint)) from exc
    return value


def _doc_function(docs: Mapping[str, str]) -> Callable[..., str]:
    def doc(*names: str) -> str:
        """`doc('name')` or `doc('project', 'name')`: the text of a docs block."""
        if not 1 <= len(names) <= 2:  # noqa: PLR2004 - a name, and perhaps a project
            raise TemplateError("doc() takes the name of a docs block")
        if names[-1] not in docs:
            hint = suggest(names[-1], docs) or "write {% docs " + names[-1] + " %} … {% enddocs %} in a .md file"
            raise TemplateError(f"there is no docs block '{names[-1]}'", hint)
        return docs[names[-1]]

    return doc
