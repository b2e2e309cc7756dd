"""The `data_tests` of a node or column in, `Check`s out: the names that they use are resolved, not yet judged."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from fsbuild.check_settings import CHECK_KEYS, CHECK_KEYS_BESIDE, read_check_settings
from fsbuild.errors import Place, Problem, suggest
from fsbuild.load.documents import Section
from fsbuild.model_versions import versioned_name
from fsbuild.values import Check

# Arguments of which nothing else than a node can be meant.
_NODES = frozenset({"to", "compare_model"})
_REFERENCE = re.compile(
    r"""\s*(ref|source)\(\s*['"]([^'"]+)['"]\s*(?:,\s*['"]([^'"]+)['"]\s*)?"""
    r"""(?:,\s*(?:v|version)\s*=\s*['"]?([\w.]+)['"]?\s*)?\)\s*"""
)
# The package of dbt whose tests are known here without it.
_KNOWN_PACKAGE = "dbt_utils."
# What dbt lets a test say beside its arguments; the rest of its configuration is not supported.
_BESIDE = frozenset(
    {"arguments", "config", "severity", "where", "error_if", "warn_if", "name", "description", "test_name"}
    | {"store_failures", "limit", "fail_calc"}
)
TEST_CONFIG_KEYS = CHECK_KEYS | CHECK_KEYS_BESIDE


@dataclass(frozen=True, slots=True)
class NodeNames:
    """The unique ids that `ref('name')` and `source('name', 'table')` stand for, in a project or a package."""

    nodes: Mapping[str, str]
    sources: Mapping[tuple[str, str], str]
    project: str
    packages: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def joined(self, nodes: Mapping[str, str], sources: Mapping[tuple[str, str], str], project: str) -> NodeNames:
        """These names with those of another project, which are stronger in it."""
        packages = {**self.packages, project: nodes}
        return NodeNames({**self.nodes, **nodes}, {**self.sources, **sources}, project, packages)


def parse_checks(
    section: Section, column: str | None, names: NodeNames, defaults: Mapping[str, Any], problems: list[Problem]
) -> Iterator[Check]:
    """Yield the checks below `data_tests` (or its old name `tests`) of a node or a column.

    `defaults` is what the project file says of tests there.
    """
    for key in ("data_tests", "tests"):
        written = section.get(key)
        if written is None:
            continue
        if not isinstance(written, list):
            problems.append(
                Problem(f"'{key}' is not a list", section.place_of(key), hint="write '- not_null' below it")
            )
            continue
        for index, item in enumerate(written):
            check = _parse_check(section[key][index], item, column, names, defaults, problems)
            if check is not None:
                yield check


def _parse_check(  # noqa: PLR0913 - the test, what it is about, and what counts for it
    section: Section,
    item: object,
    column: str | None,
    names: NodeNames,
    defaults: Mapping[str, Any],
    problems: list[Problem],
) -> Check | None:
    written = _name_and_arguments(section, item, problems)
    if written is None:
        return None
    name, arguments = written
    for key in ("config", "arguments"):
        if not isinstance(arguments.get(key) or {}, dict):
            problems.append(Problem(f"'{key}' of the test '{name}' is not a mapping", section.place))
            return None
    config = {**(arguments.get("config") or {})}
    config.update({key: arguments[key] for key in _BESIDE & TEST_CONFIG_KEYS if key in arguments})
    settings, mistakes, unknown = read_check_settings(config)
    problems.extend(Problem(mistake, section.place) for mistake in mistakes)
    for key in unknown:
        hint = suggest(key, TEST_CONFIG_KEYS)
        problems.append(Problem(f"fsbuild does not support the test config '{key}'", section.place, hint=hint))
    if {**defaults, **config}.get("enabled") is False:
        return None
    preset, mistakes, _ = read_check_settings(defaults)
    problems.extend(Problem(mistake, section.place) for mistake in mistakes)
    beside = {key: value for key, value in arguments.items() if key not in _BESIDE}
    named = {str(key): value for key, value in {**beside, **(arguments.get("arguments") or {})}.items()}
    references: list[str] = []
    for key, value in named.items():
        if isinstance(value, str) and (key in _NODES or _REFERENCE.fullmatch(value)):
            named[key] = resolve_reference(value, names, section.place, problems)
            references.append(str(named[key]))
    return Check(
        name=name.removeprefix(_KNOWN_PACKAGE),
        column=column,
        arguments=named,
        place=section.place,
        references=tuple(dict.fromkeys(references)),
        title=str(arguments.get("name") or ""),
        said=frozenset(settings),
        path=section.path,
        defaults=defaults,
        **{**preset, **settings},
    )


def _name_and_arguments(section: Section, item: object, problems: list[Problem]) -> tuple[str, dict[str, Any]] | None:
    """Take a test apart: `not_null`, or one name with a mapping of its arguments."""
    if isinstance(item, str):
        return item, {}
    if isinstance(item, dict) and "test_name" in item:
        return str(item["test_name"]), {key: value for key, value in item.items() if key != "test_name"}
    if not isinstance(item, dict) or len(item) != 1:
        hint = "write '- not_null', or '- in_range: {min_value: 0}' with the arguments indented below the name"
        problems.append(Problem("a test is neither a name nor one name with its arguments", section.place, hint=hint))
        return None
    name, arguments = next(iter(item.items()))
    if arguments is not None and not isinstance(arguments, dict):
        hint = f"write '{name}: {{argument: value}}'"
        problems.append(Problem(f"the arguments of '{name}' have no names", section.place, hint=hint))
        return None
    return str(name), dict(arguments or {})


def resolve_reference(written: str, names: NodeNames, place: Place, problems: list[Problem]) -> str:
    """Turn `ref('x')` or `source('a', 'x')` into a unique id; empty, with the problem noted, where there is none."""
    match = _REFERENCE.fullmatch(written)
    if match is None:
        problems.append(Problem(f"'{written}' is neither ref('…') nor source('…', '…')", place))
        return ""
    function, first, second, version = match.groups()
    found: str | None
    if function == "source":
        found = names.sources.get((first, second or ""))
        known = [f"{source}.{table}" for source, table in names.sources]
        wanted = f"{first}.{second}"
    else:
        nodes = names.nodes if second is None else names.packages.get(first, {})
        wanted = versioned_name(second or first, version) if version else second or first
        found = nodes.get(wanted)
        known = list(nodes)
        if second is not None and first not in names.packages:
            hint = suggest(first, names.packages) or "packages are declared in packages.yml"
            problems.append(Problem(f"there is no package '{first}'", place, hint=hint))
            return ""
    if found is None:
        problems.append(Problem(f"unknown {function} '{wanted}'", place, hint=suggest(wanted, known)))
        return ""
    return found
