"""A node and its configuration in, its relation out: by the project's own macros where it has any, else by default.

    {% macro generate_schema_name(custom_schema_name, node) %}
        {{ custom_schema_name or target.schema }}
    {% endmacro %}

The macros are dbt's, `generate_schema_name` and `generate_alias_name`; they are called once for each model and seed.
There is one database, which `generate_database_name` has nothing to name of.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from fsbuild.config import folder_mistake
from fsbuild.errors import Problem
from fsbuild.render.macros import call_macro
from fsbuild.render.mistakes import template_problem
from fsbuild.render.nodes import KnownNode, describe_node
from fsbuild.render.templates import Templates
from fsbuild.values import Model, ModelConfig, Project, Relation

# (name, custom schema, alias) -> relation
DefaultNames = Callable[[str, str | None, str | None], Relation]
_SCHEMA, _ALIAS = "generate_schema_name", "generate_alias_name"


class Naming:
    """Names relations; the macros are bound once, to names that do not depend on a model."""

    def __init__(self, templates: Templates, default: DefaultNames, project: Project, problems: list[Problem]) -> None:
        self._default, self._project, self._problems = default, project, problems
        self._macros = templates.macros
        self._names = templates.scope({"execute": False}, project.name)

    def relation_of(self, known: KnownNode, config: ModelConfig) -> Relation:
        """Name the relation of a node; `known.relation` is what it is called so far."""
        name = known.node.shown_name if isinstance(known.node, Model) else known.node.name
        default = self._default(name, config.schema, config.alias)
        schema = config.target_schema or self._ask(_SCHEMA, config.schema, known) or default.schema
        known = replace(known, relation=Relation(schema, known.relation.identifier))
        return Relation(schema, self._ask(_ALIAS, config.alias, known) or default.identifier)

    def _ask(self, name: str, custom: str | None, known: KnownNode) -> str | None:
        """Call the project's macro; None where it has none, or where it fails, which is then a problem."""
        own = self._macros.files.get(self._project.name, {})
        if not any(found in own for found in (name, f"duckdb__{name}", f"default__{name}")):
            return None
        macro: Any = self._names[name]
        places = self._macros.places[self._project.name]
        place = next(places[found] for found in (name, f"duckdb__{name}", f"default__{name}") if found in places)
        try:
            value = call_macro(macro, custom, describe_node(known, self._project))
        except Exception as exc:  # noqa: BLE001 - a template can call anything; what it raises is its mistake
            problem = template_problem(exc, self._names, place.file, "")
            is_placed = problem.place is not None and problem.place.line is not None
            self._problems.append(problem if is_placed else replace(problem, place=place))
            return None
        told = str(value).strip() if isinstance(value, str | int | float) else value
        if isinstance(told, str) and folder_mistake(told) is None:
            return told
        message = f"{name}() gives {told!r} for {known.node.path}, which is not the name of a folder"
        self._problems.append(Problem(message, place, hint="use letters, digits, '_', '-' and '.'"))
        return None
