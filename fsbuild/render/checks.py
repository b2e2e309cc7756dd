"""Checks that a project writes itself in, their SQL out: generic tests, which are macros, and singular ones, files.

    {% test is_even(model, column_name) %}
        select * from {{ model }} where {{ column_name }} % 2 <> 0
    {% endtest %}

A template that asks for rows of what it reads is late: it is rendered once these are published, and cannot gate them.
A query tells what is wrong, row by row. The tables that it reads have the names of `checked_relation` in it: which rows
these are, those that are published or those that are about to be, is known where the check is decided.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any

import jinja2

from fsbuild.check_settings import CHECK_KEYS, read_check_settings
from fsbuild.errors import Place, Problem, suggest
from fsbuild.render.context import Lake, LakeNeeded, ModelContext, Names
from fsbuild.render.macros import DBT, Scope, call_macro
from fsbuild.render.mistakes import syntax_problem, template_problem
from fsbuild.render.nodes import ProjectGraph
from fsbuild.render.relations import TemplateRelation
from fsbuild.render.source_lines import read_marks
from fsbuild.render.templates import Templates
from fsbuild.values import Check, Project, Relation, SourceFile, checked_relation, package_of

_PREFIX = "test_"


class CheckTexts:
    """Writes the SQL of checks; problems are added to a list."""

    def __init__(  # noqa: PLR0913 - what templates see
        self,
        project: Project,
        templates: Templates,
        names: Names,
        graph: ProjectGraph,
        problems: list[Problem],
        lake: Lake | None = None,
    ) -> None:
        """Write them for a project; those that ask are late where there is no lake yet to ask."""
        self._project, self._templates, self._graph, self._problems = project, templates, graph, problems
        self._lake = _CheckedLake(lake, names) if lake is not None else None
        nodes = _checked(names.nodes)
        packages = {package: _checked(found) for package, found in names.packages.items()}
        sources = {pair: (unique_id, checked_relation(unique_id)) for pair, (unique_id, _) in names.sources.items()}
        self._names = replace(names, nodes=nodes, packages=packages, sources=sources, event_times={})

    def of_node(self, unique_id: str, checks: Iterable[Check]) -> tuple[Check, ...]:
        """The checks of a node, those with their SQL that are macros of the project."""
        return tuple(self._generic(unique_id, check) if self._macro(unique_id, check) else check for check in checks)

    def again(self, unique_id: str, check: Check) -> Check:
        """A check that was late, with its SQL or its problem."""
        file = next((one for one in self._project.tests if one.path == check.place.file), None)
        before = len(self._problems)
        done = self._generic(unique_id, check) if file is None else self._singular(file) or check
        if len(self._problems) > before:
            done = replace(done, problem=self._problems[before])
        return replace(done, is_late=False, references=check.references)

    def _macro(self, unique_id: str, check: Check) -> tuple[str, str] | None:
        """The macro of a check, `package.name` or `name`, where the project or a package has one.

        In a project of dbt's its own four tests are the queries that they are there, which count as they do there. A
        query can put no row aside, and what a contract says is looked at row by row.
        """
        package, _, name = check.name.rpartition(".")
        macros = self._templates.macros
        found = (
            macros.in_package(package, _PREFIX + name)
            if package
            else macros.find(_PREFIX + name, package_of(unique_id))
        )
        is_query = self._project.is_of_dbt and not check.is_constraint and check.severity != "quarantine"
        return found if found is None or found[0] != DBT or is_query else None

    def singular(self, files: Iterable[SourceFile]) -> Iterator[Check]:
        """The checks that are files of their own; all that they read are their references."""
        for file in files:
            check = self._singular(file)
            if check is not None:
                yield check

    def _generic(self, unique_id: str, check: Check) -> Check:
        package, _, name = check.name.rpartition(".")
        arguments = {
            key: TemplateRelation.of(checked_relation(str(value))) if value in check.references else value
            for key, value in check.arguments.items()
        }
        given: dict[str, object] = {"model": TemplateRelation.of(checked_relation(unique_id)), **arguments}
        if check.column is not None:
            given["column_name"] = check.column
        place = check.place

        def evaluate(names: Scope) -> str:
            macro: Any = names.of_package(package, _PREFIX + name) if package else names[_PREFIX + name]
            return str(call_macro(macro, **given))

        def wrong(problem: Problem) -> Problem:
            return replace(problem, message=f"{check.name}: {problem.message}", place=place)

        check, context = self._written(check, checked_relation(unique_id), package_of(unique_id), evaluate, wrong)
        others = (name for name in context.depends_on if name != unique_id)
        references = tuple(dict.fromkeys([*check.references, *others]))
        return self._configured(replace(check, references=references), context.told_config)

    def _written(  # noqa: PLR0913 - a check, where its template is, and what evaluates it
        self,
        check: Check,
        this: Relation,
        package: str,
        evaluate: Callable[[Scope], str],
        wrong: Callable[[Problem], Problem],
        source: str = "",
    ) -> tuple[Check, ModelContext]:
        """A check with its SQL, and what its template used; or with why it has none.

        A project of dbt's goes on with one that is wrong: it fails when it is its turn.
        """
        context = self._context(this, package)
        context.note = lambda message, hint: self._problems.append(wrong(Problem(message, check.place, hint=hint)))
        names = self._templates.scope_of(context)
        try:
            return replace(check, sql=read_marks(evaluate(names)).text), context
        except LakeNeeded:
            # What it reads is known without any rows, as in dbt's own first pass.
            context = replace(self._context(this, package), is_executing=False)
            with suppress(Exception):
                evaluate(self._templates.scope_of(context))
            return replace(check, is_late=True), context
        except Exception as exc:  # noqa: BLE001 - a template can call anything; what it raises is the template's mistake
            problem = wrong(template_problem(exc, names, check.place.file, source))
            if self._project.is_of_dbt:
                return replace(check, problem=problem), context
            self._problems.append(problem)
            return check, context

    def _singular(self, file: SourceFile) -> Check | None:
        environment, place = self._templates.environment, Place(file.path)
        try:
            code = environment.compile(file.text, name=file.path, filename=file.path)
        except jinja2.TemplateSyntaxError as exc:
            self._problems.append(syntax_problem(exc, file.path, file.text))
            return None
        template, name = jinja2.Template.from_code(environment, code, {}), PurePosixPath(file.path).stem

        def evaluate(names: Scope) -> str:
            return "".join(template.root_render_func(template.new_context(names, shared=True)))

        check = Check(name, None, {}, place, title=name, defaults=file.defaults)
        this = Relation(self._project.target.schema, name)
        before = len(self._problems)
        check, context = self._written(check, this, file.package, evaluate, lambda problem: problem, file.text)
        if len(self._problems) > before:
            return None
        if {**file.defaults, **context.told_config}.get("enabled") is False:
            return None
        if check.problem is not None and not context.depends_on:
            self._problems.append(check.problem)
            return None
        if not context.depends_on:
            hint = "select * from {{ ref('model') }} where …"
            self._problems.append(Problem("a test reads no model, seed or source", place, hint=hint))
            return None
        settings, mistakes, _ = read_check_settings(file.defaults)
        self._problems.extend(Problem(f"{check.name}: {mistake}", check.place) for mistake in mistakes)
        check = replace(check, references=tuple(context.depends_on), **settings)
        return self._configured(check, context.told_config)

    def _context(self, this: Relation, package: str) -> ModelContext:
        variables = self._project.variables_of(package)
        return ModelContext(
            self._names,
            variables,
            this,
            {},
            {},
            self._graph,
            is_executing=True,
            is_incremental=False,
            here=package,
            lake=self._lake,
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


class _CheckedLake:
    """A lake whose nodes have the names that the SQL of checks has for them."""

    def __init__(self, lake: Lake, names: Names) -> None:
        self._lake = lake
        found = [*names.sources.values(), *(one for nodes in names.packages.values() for one in nodes.values())]
        self._relations = dict(found)

    def query(self, sql: str, reads: Sequence[str]) -> tuple[Sequence[str], Sequence[Sequence[Any]]]:
        return self._lake.query(self._published(sql), reads)

    def columns(self, sql: str, reads: Sequence[str]) -> Sequence[tuple[str, str]]:
        return self._lake.columns(self._published(sql), reads)

    def has_table(self, relation: Relation) -> bool:
        return self._lake.has_table(self._relations.get(relation.identifier, relation))

    def relations(self, schema: str) -> Sequence[tuple[str, str]]:
        if schema != checked_relation("").schema:
            return self._lake.relations(schema)
        return [(name, "table") for name, relation in self._relations.items() if self._lake.has_table(relation)]

    def _published(self, sql: str) -> str:
        """A query over what is published."""
        for name, relation in self._relations.items():
            sql = sql.replace(str(checked_relation(name)), str(relation))
        return sql


def _checked(nodes: Mapping[str, tuple[str, Relation]]) -> dict[str, tuple[str, Relation]]:
    """Nodes by name, each with the relation whose rows are checked."""
    return {name: (unique_id, checked_relation(unique_id)) for name, (unique_id, _) in nodes.items()}
