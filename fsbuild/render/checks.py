"""Checks that a project writes itself in, their SQL out: generic tests, which are macros, and singular ones, files.

    {% test is_even(model, column_name) %}
        select * from {{ model }} where {{ column_name }} % 2 <> 0
    {% endtest %}

A query tells what is wrong, row by row. The tables that it reads have the names of `checked_relation` in it: which rows
these are, those that are published or those that are about to be, is known where the check is decided.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any

import jinja2

from fsbuild.check_settings import CHECK_KEYS, read_check_settings
from fsbuild.errors import Place, Problem, suggest
from fsbuild.render.context import ModelContext, Names
from fsbuild.render.macros import call_macro
from fsbuild.render.mistakes import syntax_problem, template_problem
from fsbuild.render.nodes import ProjectGraph
from fsbuild.render.relations import TemplateRelation
from fsbuild.render.source_lines import read_marks
from fsbuild.render.templates import Templates
from fsbuild.values import Check, Project, Relation, SourceFile, checked_relation, package_of

_PREFIX = "test_"


class CheckTexts:
    """Writes the SQL of checks; problems are added to a list."""

    def __init__(
        self, project: Project, templates: Templates, names: Names, graph: ProjectGraph, problems: list[Problem]
    ) -> None:
        self._project, self._templates, self._graph, self._problems = project, templates, graph, problems
        nodes = _checked(names.nodes)
        packages = {package: _checked(found) for package, found in names.packages.items()}
        sources = {pair: (unique_id, checked_relation(unique_id)) for pair, (unique_id, _) in names.sources.items()}
        self._names = replace(names, nodes=nodes, packages=packages, sources=sources, event_times={})

    def of_node(self, unique_id: str, checks: Iterable[Check]) -> tuple[Check, ...]:
        """The checks of a node, those with their SQL that are macros of the project."""
        return tuple(self._generic(unique_id, check) if self._macro(unique_id, check) else check for check in checks)

    def _macro(self, unique_id: str, check: Check) -> tuple[str, str] | None:
        """The macro of a check, `package.name` or `name`, where the project or a package has one."""
        package, _, name = check.name.rpartition(".")
        macros = self._templates.macros
        return (
            macros.in_package(package, _PREFIX + name)
            if package
            else macros.find(_PREFIX + name, package_of(unique_id))
        )

    def singular(self, files: Iterable[SourceFile]) -> Iterator[Check]:
        """The checks that are files of their own; all that they read are their references."""
        for file in files:
            check = self._singular(file)
            if check is not None:
                yield check

    def _generic(self, unique_id: str, check: Check) -> Check:
        context = self._context(checked_relation(unique_id), package_of(unique_id))
        names = self._templates.scope_of(context)
        package, _, name = check.name.rpartition(".")
        macro: Any = names.of_package(package, _PREFIX + name) if package else names[_PREFIX + name]
        arguments = {
            key: TemplateRelation.of(checked_relation(str(value))) if value in check.references else value
            for key, value in check.arguments.items()
        }
        given: dict[str, object] = {"model": TemplateRelation.of(checked_relation(unique_id)), **arguments}
        if check.column is not None:
            given["column_name"] = check.column
        place = check.place

        def note(message: str, hint: str | None) -> None:
            self._problems.append(Problem(f"{check.name}: {message}", place, hint=hint))

        context.note = note
        try:
            text = read_marks(str(call_macro(macro, **given))).text
        except Exception as exc:  # noqa: BLE001 - a template can call anything; what it raises is the template's mistake
            problem = template_problem(exc, names, place.file, "")
            self._problems.append(replace(problem, message=f"{check.name}: {problem.message}", place=place))
            return check
        others = (name for name in context.depends_on if name != unique_id)
        references = tuple(dict.fromkeys([*check.references, *others]))
        return self._configured(replace(check, sql=text, references=references), context.told_config)

    def _singular(self, file: SourceFile) -> Check | None:
        environment, place = self._templates.environment, Place(file.path)
        try:
            code = environment.compile(file.text, name=file.path, filename=file.path)
        except jinja2.TemplateSyntaxError as exc:
            self._problems.append(syntax_problem(exc, file.path, file.text))
            return None
        template = jinja2.Template.from_code(environment, code, {})
        context = self._context(Relation(self._project.target.schema, PurePosixPath(file.path).stem), file.package)
        context.note = lambda message, hint: self._problems.append(Problem(message, place, hint=hint))
        names = self._templates.scope_of(context)
        try:
            text = read_marks("".join(template.root_render_func(template.new_context(names, shared=True)))).text
        except Exception as exc:  # noqa: BLE001 - a template can call anything; what it raises is the template's mistake
            self._problems.append(template_problem(exc, names, file.path, file.text))
            return None
        if context.told_config.get("enabled") is False:
            return None
        if not context.depends_on:
            hint = "select * from {{ ref('model') }} where …"
            self._problems.append(Problem("a test reads no model, seed or source", place, hint=hint))
            return None
        name = PurePosixPath(file.path).stem
        check = Check(name, None, {}, place, sql=text, references=tuple(context.depends_on), title=name)
        return self._configured(check, context.told_config)

    def _context(self, this: Relation, package: str) -> ModelContext:
        variables = self._project.variables_of(package)
        return ModelContext(
            self._names, variables, this, {}, {}, self._graph, is_executing=True, is_incremental=False, here=package
        )

    def _configured(self, check: Check, told: Mapping[str, object]) -> Check:
        """A check with what its own text says of it, where the YAML says nothing."""
        settings, mistakes, unknown = read_check_settings(told)
        self._problems.extend(Problem(f"{check.name}: {mistake}", check.place) for mistake in mistakes)
        for key in unknown:
            hint = suggest(key, (*CHECK_KEYS, "enabled"))
            self._problems.append(Problem(f"fsbuild does not support the test config '{key}'", check.place, hint=hint))
        found = {key: value for key, value in settings.items() if key not in check.said}
        return replace(check, told=told, **found)


def _checked(nodes: Mapping[str, tuple[str, Relation]]) -> dict[str, tuple[str, Relation]]:
    """Nodes by name, each with the relation whose rows are checked."""
    return {name: (unique_id, checked_relation(unique_id)) for name, (unique_id, _) in nodes.items()}
