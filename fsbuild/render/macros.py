"""Macro files in, the names that a template sees out: macros by package, in dbt's order, bound when they are asked for.

A name is looked for among the macros of the package that the template is in, then among the project's own, then among
the packages themselves, and last among dbt's own, which are in `builtin/`. What a project calls `ref` is therefore what
its templates call. `adapter.dispatch(name, package)` looks for `duckdb__name` and `default__name` in the packages that
`dispatch:` of the project file names, or else in the project and in the package; dbt's own macros dispatch themselves.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
from jinja2.runtime import Macro

from fsbuild.errors import Place, suggest
from fsbuild.render.context import MacroReturn, TemplateError
from fsbuild.values import SourceFile

DBT = "dbt"
# What the names of files with dbt's own macros begin with.
BUILTIN = "<dbt>/"
_PREFIXES = ("duckdb__", "default__")
_HEAD = re.compile(r"\{%[-+]?\s*(?P<kind>macro|test|data_test)\s+(?P<name>\w+)")


def call_macro(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - a macro's value is any
    """Call a macro, or what calls it; what it returns with `return(x)` is its value, otherwise its text."""
    try:
        return function(*args, **kwargs)
    except MacroReturn as returned:
        return returned.value


class MacroFile:
    """A file of macros, compiled when the first of them is asked for."""

    def __init__(self, file: SourceFile, environment: jinja2.Environment, tree: jinja2.nodes.Template | None) -> None:
        """Take a file; `tree` is what it was parsed to, where it was."""
        self._file, self._environment, self._tree = file, environment, tree
        self._template: jinja2.Template | None = None

    def compile(self) -> jinja2.Template:
        """The file as a template.

        Raises:
            jinja2.TemplateSyntaxError: it is none.
        """
        if self._template is None:
            path = self._file.path
            code = self._environment.compile(self._tree or self._file.text, name=path, filename=path)
            self._template = jinja2.Template.from_code(self._environment, code, {})
        return self._template

    def bind(self, names: dict[str, Any]) -> dict[str, Macro]:
        """The macros of the file; they look names up in `names` when they are called."""
        template = self.compile()
        # Not its module, which lacks the names that begin with `_`.
        context = template.new_context(names, shared=True)
        deque(template.root_render_func(context), maxlen=0)
        return {name: value for name, value in context.vars.items() if isinstance(value, Macro)}


@dataclass(frozen=True, slots=True)
class Macros:
    """All macros of a project: their files and places, by package and name.

    `search` are the packages that a dispatch looks through, by the package that it names.
    """

    project: str
    files: Mapping[str, Mapping[str, MacroFile]]
    places: Mapping[str, Mapping[str, Place]]
    search: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def find(self, name: str, here: str) -> tuple[str, str] | None:
        """The package and the name of the macro that a name stands for in a package."""
        for package in (here, self.project):
            if name in self.files.get(package, ()):
                return package, name
        return self.in_package(DBT, name)

    def in_package(self, package: str, name: str) -> tuple[str, str] | None:
        """The macro of a package by its name; each of dbt's own ones is there by the name that it dispatches, too."""
        files = self.files.get(package, {})
        if name in files:
            return package, name
        return (package, f"default__{name}") if package == DBT and f"default__{name}" in files else None

    def dispatched(self, name: str, namespace: str | None) -> tuple[str, str] | None:
        """The macro that `adapter.dispatch(name, namespace)` finds."""
        packages = (self.project, DBT) if namespace is None else self._searched(namespace)
        named = ((package, prefix + name) for package in packages for prefix in _PREFIXES)
        return next((one for one in named if one[1] in self.files.get(one[0], ())), None)

    def _searched(self, namespace: str) -> Sequence[str]:
        return self.search.get(namespace) or (self.project, namespace)

    def no_dispatch(self, name: str, namespace: str | None) -> TemplateError:
        """Say that a dispatch finds nothing, and where it looked."""
        looked = ", ".join(f"'{prefix}{name}'" for prefix in _PREFIXES)
        packages = (self.project,) if namespace is None else self._searched(namespace)
        missing = [one for one in packages if one not in self.files and one != self.project]
        where = " or ".join(f"'{one}'" for one in packages)
        hint = f"there is no package '{missing[0]}': run 'fsbuild deps'" if missing else None
        return TemplateError(f"no macro {looked} in {where}", hint)


class Scope(dict[str, Any]):
    """What a template sees by name: what was put in, and macros, each of which comes in when it is first asked for."""

    def __init__(self, names: Mapping[str, object], macros: Macros, here: str) -> None:
        """Put `names` in, but for those that the project or the package `here` has macros of."""
        super().__init__(names)
        self._macros, self._here = macros, here
        self._modules: dict[MacroFile, dict[str, Macro]] = {}
        for package in {here, macros.project}:
            for name in self.keys() & macros.files.get(package, {}).keys():
                del self[name]

    def __contains__(self, name: object) -> bool:
        return super().__contains__(name) or (isinstance(name, str) and self._knows(name))

    def __missing__(self, name: str) -> object:
        found = self._macros.find(name, self._here)
        if found is not None:
            value: object = self._named(*found, asked=name)
        elif name in self._macros.files:
            value = Package(self, name)
        else:
            raise KeyError(name)
        self[name] = value
        return value

    def _knows(self, name: str) -> bool:
        return self._macros.find(name, self._here) is not None or name in self._macros.files

    def of_package(self, package: str, name: str) -> object:
        """A macro of a package.

        Raises:
            AttributeError: it has none of that name.
        """
        found = self._macros.in_package(package, name)
        if found is None:
            whose = "the project" if package == self._macros.project else f"the package '{package}'"
            raise TemplateError(f"{whose} has no macro '{name}'", suggest(name, self._macros.files[package]))
        return self._named(*found, asked=name)

    def dispatch(self, name: str, namespace: str | None = None) -> Macro:
        """The macro that `adapter.dispatch(name, namespace)` finds."""
        if "." in name:
            hint = "adapter.dispatch('name', 'package')"
            raise TemplateError(f"dispatch() takes the name of a macro without its package, and not '{name}'", hint)
        found = self._macros.dispatched(name, namespace)
        if found is None:
            raise self._macros.no_dispatch(name, namespace)
        return self._bound(*found)

    def _named(self, package: str, name: str, asked: str) -> object:
        if name == asked:
            return self._bound(package, name)
        return lambda *args, **kwargs: call_macro(self.dispatch(asked, DBT), *args, **kwargs)

    def _bound(self, package: str, name: str) -> Macro:
        file = self._macros.files[package][name]
        if file not in self._modules:
            self._modules[file] = file.bind(self)
        return self._modules[file][name]


class Package:
    """A package by its name: its macros are its attributes."""

    def __init__(self, scope: Scope, name: str) -> None:
        self._scope, self._name = scope, name

    def __getattr__(self, name: str) -> object:
        if name.startswith("__"):
            raise AttributeError(name)
        value = self._scope.of_package(self._name, name)
        setattr(self, name, value)
        return value


def macro_names(text: str) -> Iterable[str]:
    """The names of the macros that a file has, read without parsing it; those of tests begin with `test_`."""
    for head in _HEAD.finditer(text):
        yield head["name"] if head["kind"] == "macro" else f"test_{head['name']}"


@cache
def builtin_files() -> tuple[SourceFile, ...]:
    """The files with dbt's own macros."""
    folder = Path(__file__).parent / "builtin"
    return tuple(
        SourceFile(f"{BUILTIN}{file.name}", file.read_text(encoding="utf-8"), DBT)
        for file in sorted(folder.glob("*.sql"))
    )
