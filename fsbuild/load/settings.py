"""The project file and the profile in, names, paths, variables and the target out."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from fsbuild.config import folder_mistake, is_reserved
from fsbuild.errors import Place, Problem, ProjectError, UsageError, listing, serious, suggest
from fsbuild.load.documents import Section, parse_yaml, read_text
from fsbuild.values import Target

PROJECT_FILES = ("fsbuild_project.yml", "dbt_project.yml")
PATH_KEYS = {
    "model-paths": ["models"],
    "seed-paths": ["seeds"],
    "macro-paths": ["macros"],
    "snapshot-paths": ["snapshots"],
    "test-paths": ["tests"],
    "analysis-paths": ["analyses"],
    "docs-paths": [],
    "asset-paths": [],
}
_TEXT_KEYS = frozenset(
    {"name", "version", "config-version", "profile", "require-dbt-version", "target-path", "clean-targets"}
    | {"packages-install-path", "log-path", "vars", "flags"}
    | {"query-comment", "dispatch", "quoting", "restrict-access", "dbt-cloud"}
    | {"on-run-start", "on-run-end"}
)
_OF_TARGET = ("models", "seeds", "snapshots", "sources", "exposures", "tests", "data_tests")
# What is configured in folders and only told of: nothing here depends on it.
_CARRIED = ("metrics", "semantic-models", "saved-queries", "analyses", "unit_tests", "functions")
_OUTPUT_KEYS = frozenset(
    {"type", "path", "attach", "extensions", "lake", "schema", "database", "threads"}
    | {"settings", "memory_limit", "storage_options"}
)


_SHAPES = {list: "list", dict: "mapping", str: "text"}


class Evaluate(Protocol):
    """Renders one Jinja expression of a YAML file with the project's variables; target and docs blocks where known."""

    def __call__(  # noqa: D102
        self,
        text: str,
        variables: Mapping[str, object],
        place: Place,
        target: Target | None = None,
        docs: Mapping[str, str] | None = None,
    ) -> Any: ...  # noqa: ANN401 - YAML holds anything


@dataclass(frozen=True, slots=True)
class Overrides:
    """What the command line or the caller of the API says about a project, stronger than its files."""

    target: str | None = None
    profiles_dir: Path | None = None
    variables: Mapping[str, object] | None = None
    threads: int | None = None


def find_root(start: Path) -> Path:
    """Find the folder with the project file: `start` or the nearest folder above it.

    Raises:
        UsageError: there is none.
    """
    for folder in (start.resolve(), *start.resolve().parents):
        if any((folder / name).is_file() for name in PROJECT_FILES):
            return folder
    raise UsageError(
        Problem(
            f"no {' or '.join(PROJECT_FILES)} in this folder or above it",
            hint="change to a project's folder, name one with --project-dir, or make one with 'fsbuild init NAME'",
        )
    )


def read_project_file(
    root: Path, overrides: Overrides, evaluate: Evaluate, shown_in: str = ""
) -> tuple[Section, dict[str, object]]:
    """Read the project file; return it with the variables in force. `shown_in` is the folder that messages name.

    What may depend on the target, `models:` and the like, is left to `evaluate_configs`.

    Raises:
        ProjectError: the file has problems, all of them.
    """
    file = next(name for name in PROJECT_FILES if (root / name).is_file())
    given = dict(overrides.variables or {})
    text = read_text(root / file, shown_in + file)
    written = parse_yaml(text, shown_in + file)
    # dbt takes variables as they are written.
    later = (*_OF_TARGET, "vars", "query-comment") if file == "dbt_project.yml" else _OF_TARGET
    section = written.without(*later).evaluated(lambda value, place: evaluate(value, given, place))
    section = replace(section, data={**section.data, **{key: written.data[key] for key in later if key in written}})
    problems: list[Problem] = []
    section.check_keys({*_TEXT_KEYS, *PATH_KEYS, *_OF_TARGET, *_CARRIED}, problems)
    name = section.get("name")
    if not isinstance(name, str) or not name.isidentifier():
        problems.append(Problem("'name' is missing or is not letters, digits and _", section.place_of("name")))
    kinds = {
        **dict.fromkeys((*PATH_KEYS, "clean-targets"), list),
        **dict.fromkeys(("vars", *_OF_TARGET, *_CARRIED, "flags"), dict),
        **dict.fromkeys(("target-path", "profile"), str),
    }
    problems.extend(
        Problem(f"'{key}' is not a {_SHAPES[kind]}", section.place_of(key))
        for key, kind in kinds.items()
        if section.get(key) is not None and not isinstance(section.get(key), kind)
    )
    problems.extend(
        Problem(f"an entry of '{key}' is not a text", section.place_of(key))
        for key, kind in kinds.items()
        if kind is list and isinstance(section.get(key), list) and not all(isinstance(i, str) for i in section.get(key))
    )
    problems.extend(_flag_problems(section))
    if stopping := serious(problems, is_lenient=file == "dbt_project.yml"):
        raise ProjectError(stopping)
    variables = {**(section.get("vars") or {})}
    # dbt scopes variables by package: a mapping under the project's own name holds its variables.
    own = variables.pop(str(name), None)
    variables.update(own if isinstance(own, dict) else {})
    return section, {**variables, **given}


def evaluate_configs(project: Section, target: Target, overrides: Overrides, evaluate: Evaluate) -> Section:
    """Evaluate the configurations of folders, which may depend on the target."""
    given = dict(overrides.variables or {})
    data = {
        key: project[key].evaluated(lambda value, place: evaluate(value, given, place, target)).data
        for key in _OF_TARGET
        if key in project
    }
    return replace(project, data={**project.data, **data})


def _flag_problems(section: Section) -> Iterator[Problem]:
    """Report a `gate` that is none; dbt's own flags are many, and steer nothing here."""
    flags = section.get("flags")
    if not isinstance(flags, dict):
        return
    for key, value in flags.items():
        place = section["flags"].place_of(key)
        if key != "gate" and (hint := suggest(str(key), ["gate"])):
            yield Problem(f"unknown flag '{key}'", place, hint=hint)
        elif key == "gate" and value != "always":
            hint = "leave it out, and a project of dbt's runs its data_tests in 'build' and 'test' only"
            yield Problem(
                f"flag 'gate' is {value!r}, not 'always'", place, hint=suggest(str(value), ["always"]) or hint
            )


def home_profiles() -> Path:
    """The profiles of whoever runs this, as dbt finds them."""
    return Path(os.environ.get("DBT_PROFILES_DIR") or Path.home() / ".dbt") / "profiles.yml"


def read_target(root: Path, project: Section, overrides: Overrides, evaluate: Evaluate) -> Target:
    """Find the target of the run in `profiles.yml`, or the default one where there is no profile.

    Raises:
        ProjectError: the profile has problems.
        UsageError: the target that was asked for is not in it.
    """
    name = str(project.get("profile") or project.get("name"))
    folder = overrides.profiles_dir or root
    file = folder / "profiles.yml"
    if not file.is_file() and overrides.profiles_dir is None and project.file == "dbt_project.yml":
        file = home_profiles()
    if not file.is_file():
        if overrides.profiles_dir is not None:
            raise UsageError(Problem(f"no profiles.yml in {overrides.profiles_dir}", hint="see --profiles-dir"))
        if overrides.target not in (None, "dev"):
            raise UsageError(
                Problem(f"unknown target '{overrides.target}'", hint="without a profiles.yml there is only 'dev'")
            )
        return _target("dev", name, {}, root, overrides)
    shown = file.relative_to(root).as_posix() if file.is_relative_to(root) else str(file)
    section = parse_yaml(read_text(file, shown), shown)
    if name not in section:
        known = [str(key) for key in section.data]
        hint = suggest(name, known) or f"the file has {listing(known)}"
        raise ProjectError(Problem(f"profile '{name}' is not in {shown}", project.place_of("profile"), hint=hint))
    profile = section[name]
    outputs = profile.get("outputs") if isinstance(profile.data, dict) else None
    if not isinstance(outputs, dict) or not outputs:
        raise ProjectError(Problem(f"profile '{name}' has no 'outputs'", profile.place))

    # Only what is used is evaluated: the secrets of `prod` are not in the environment of whoever runs `dev`.
    def rendered(part: Section) -> Section:
        return part.evaluated(lambda value, place: evaluate(value, {}, place))

    named = str(rendered(profile["target"]).data) if profile.get("target") is not None else "default"
    wanted = overrides.target or named
    if wanted not in outputs:
        known = [str(key) for key in outputs]
        hint = suggest(wanted, known) or f"the profile has {listing(known)}"
        raise UsageError(Problem(f"unknown target '{wanted}'", profile.place_of("target"), hint=hint))
    output = rendered(profile["outputs"][wanted])
    problems = _output_problems(output, wanted)
    if problems:
        raise ProjectError(problems)
    return _target(wanted, name, output.data, root, overrides)


def _output_problems(output: Section, name: str) -> list[Problem]:
    problems: list[Problem] = []
    if isinstance(output.data, dict):
        output.check_keys(_OUTPUT_KEYS, problems, unsupported={"secrets", "plugins"})
        if output.get("type") != "duckdb":
            problems.append(Problem(f"type '{output.get('type')}' is not 'duckdb'", output.place_of("type")))
        threads = output.get("threads", 1)
        if not isinstance(threads, int) or threads < 1:
            problems.append(Problem(f"'threads' is {threads!r}, not a number above 0", output.place_of("threads")))
        problems.extend(_schema_problems(output.get("schema", "main"), output.place_of("schema")))
        for key in ("settings", "storage_options"):
            output.mapping(key, problems)
    else:
        problems.append(Problem(f"output '{name}' is not a mapping", output.place))
    return problems


def _schema_problems(schema: object, place: Place) -> Iterator[Problem]:
    """What keeps the target's schema from being a folder of the lake."""
    if not isinstance(schema, str):
        yield Problem(f"schema {schema!r} is not a text", place)
    elif (mistake := folder_mistake(schema)) is not None:
        yield Problem(f"schema '{schema}' {mistake}", place, hint="use letters, digits, '_', '-' and '.'")
    elif is_reserved(schema):
        yield Problem(f"schema '{schema}' is one that the engine keeps for itself", place, hint="choose another name")


def _target(name: str, profile: str, output: Mapping[str, Any], root: Path, overrides: Overrides) -> Target:
    lake = str(output.get("lake", "lake"))
    settings = dict(output.get("settings") or {})
    if "memory_limit" in output:
        settings["memory_limit"] = output["memory_limit"]
    return Target(
        name=name,
        schema=str(output.get("schema", "main")),
        lake=lake if "://" in lake else str(root / lake),
        threads=overrides.threads or int(output.get("threads") or os.cpu_count() or 1),
        profile=profile,
        settings=settings,
        storage_options={key: str(value) for key, value in (output.get("storage_options") or {}).items()},
        databases=dict(_databases(output, root)),
        extensions=tuple(str(one) for one in output.get("extensions") or () if isinstance(one, str)),
        database=str(output.get("database") or _stem(output) or "memory"),
    )


def _stem(output: Mapping[str, Any]) -> str:
    """The name of a profile's file; empty where it has none."""
    written = str(output.get("path") or ":memory:")
    return "" if written.startswith(":memory:") else Path(written).stem


def _databases(output: Mapping[str, Any], root: Path) -> Iterator[tuple[str, str]]:
    """The DuckDB files that a profile names: its own, under its own name too, and those that it attaches."""
    written = str(output.get("path") or ":memory:")
    own = root / written
    if written != ":memory:" and "://" not in written and own.is_file():
        yield from (("", str(own)), (str(output.get("database") or own.stem), str(own)))
    for entry in output.get("attach") or ():
        if isinstance(entry, dict) and "path" in entry and str(entry.get("type", "duckdb")) == "duckdb":
            file = root / str(entry["path"])
            yield str(entry.get("alias") or file.stem), str(file)
