"""A node and its configuration in, its relation out: by the project's own macros where it has any, else by default.

    {% macro generate_schema_name(custom_schema_name, node) %}
        {{ custom_schema_name or target.schema }}
    {% endmacro %}

The macros are dbt's, `generate_schema_name` and `generate_alias_name`; they are called once for each model and seed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from fsbuild.config import folder_mistake
from fsbuild.errors import Problem
from fsbuild.render.mistakes import template_problem
from fsbuild.render.nodes import KnownNode, describe_node
from fsbuild.render.templates import Templates, call_macro
from fsbuild.values import ModelConfig, Project, Relation

# (name, custom schema, alias) -> relation
DefaultNames = Callable[[str, str | None, str | None], Relation]
_SCHEMA, _ALIAS, _DATABASE = "generate_schema_name", "generate_alias_name", "generate_database_name"


class Naming:
    """Names relations; the macros are bound once, to names that do not depend on a model."""

    def __init__(self, templates: Templates, default: DefaultNames, project: Project, problems: list[Problem]) -> None:
        self._default, self._project, self._problems = default, project, problems
        self._places = templates.macro_places
        self._names = self._bind(templates) if any(_macro_for(name, self._places) for name in (_SCHEMA, _ALIAS)) else {}
        if place := self._places.get(_DATABASE):
            hint = "leave it out: the schema is the folder of the lake"
            problems.append(Problem(f"the macro '{_DATABASE}' has nothing to name", place, hint=hint))

    def relation_of(self, known: KnownNode, config: ModelConfig) -> Relation:
        """Name the relation of a node; `known.relation` is what it is called so far."""
        default = self._default(known.node.name, config.schema, config.alias)
        schema = self._ask(_SCHEMA, config.schema, known) or default.schema
        known = replace(known, relation=Relation(schema, known.relation.identifier))
        return Relation(schema, self._ask(_ALIAS, config.alias, known) or default.identifier)

    def _bind(self, templates: Templates) -> dict[str, object]:
        """All that the macros may call: the project's macros, and dbt's own ones of the same purpose."""

        def schema_name(custom: str | None = None, _node: object = None) -> str:
            return self._default("", str(custom).strip() if custom else None, None).schema

        def schema_name_for_environment(custom: str | None, _node: object = None) -> str:
            target = self._project.target
            return str(custom).strip() if custom and target.name == "prod" else target.schema

        def alias_name(custom: str | None = None, node: Mapping[str, Any] | None = None) -> str:
            return str(custom).strip() if custom else str((node or {}).get("name", ""))

        own = {
            _SCHEMA: schema_name,
            f"default__{_SCHEMA}": schema_name,
            f"{_SCHEMA}_for_env": schema_name_for_environment,
            _ALIAS: alias_name,
            f"default__{_ALIAS}": alias_name,
        }
        return templates.bind_macros({**templates.constants, **own, "execute": False})

    def _ask(self, name: str, custom: str | None, known: KnownNode) -> str | None:
        """Call the project's macro; None where it has none, or where it fails, which is then a problem."""
        macro_name = _macro_for(name, self._places)
        if macro_name is None:
            return None
        macro: Any = self._names[macro_name]
        place = self._places[macro_name]
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
        message = f"{macro_name}() gives {told!r} for {known.node.path}, which is not the name of a folder"
        self._problems.append(Problem(message, place, hint="use letters, digits, '_', '-' and '.'"))
        return None


def _macro_for(name: str, places: Mapping[str, object]) -> str | None:
    """The macro that the project has instead of dbt's, as dbt looks for it."""
    return next((found for found in (name, f"duckdb__{name}", f"default__{name}") if found in places), None)
