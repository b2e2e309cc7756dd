"""The layers of a node's configuration: the project file's folders, from the outermost in, then the YAML beside it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from fsbuild.config import is_config_key, key_problem, merge_layers
from fsbuild.errors import Place, Problem, suggest
from fsbuild.load.documents import Section

if TYPE_CHECKING:
    from fsbuild.load.reading import Reading

_SUFFIXES = {"models": ".sql", "seeds": ".csv", "snapshots": ".sql"}


def check_folder_configs(reading: Reading, kind: str) -> None:
    """Report what is neither a config nor a folder or file anywhere in the project file's `models:` and the like."""

    def walk(section: Section, below: tuple[str, ...]) -> None:
        for key, value in section.data.items():
            if str(key).startswith("+") or (is_config_key(str(key)) and not isinstance(value, dict)):
                problem = key_problem(str(key), section.place_of(key))
                reading.problems.extend([problem] if problem else [])
            elif not isinstance(value, dict):
                if value is not None:
                    message = f"'{key}' is neither a config nor a folder"
                    hint = suggest(str(key), ["+materialized"])
                    reading.problems.append(Problem(message, section.place_of(key), hint=hint))
            elif len(section.path) == 1 and key == reading.name:
                walk(section[key], ())
            elif len(section.path) == 1 and key in reading.packages:
                continue
            elif str(key) in (known := _names_below(reading, kind, below)):
                walk(section[key], (*below, str(key)))
            else:
                reading.problems.append(_unknown_folder(reading, section, str(key), known))

    if reading.project.get(kind):
        walk(reading.project[kind], ())


def _unknown_folder(reading: Reading, section: Section, key: str, known: Iterable[str]) -> Problem:
    """Say that nothing is configured below a key, and what may have been meant."""
    (kind, *_), place = section.path, section.place_of(key)
    if is_config_key(key):
        return Problem(f"'{key}' is a config, and no folder of {kind}", place, hint=f"write '+{key}'")
    folder = " or ".join(f"{base}/" for base in _bases(reading, str(kind)))
    if len(section.path) > 1:
        return Problem(f"'{key}' is neither a folder nor a file there", place, hint=suggest(key, known))
    hint = suggest(key, [reading.name, *reading.packages, *known]) or f"write '{reading.name}'"
    return Problem(f"'{key}' is neither the project's name, nor a package, nor in {folder}", place, hint=hint)


def _bases(reading: Reading, kind: str) -> list[str]:
    """The folders that hold all models, or all seeds."""
    return [str(folder) for folder in reading.project.get(f"{kind[:-1]}-paths", [kind])]


def _names_below(reading: Reading, kind: str, below: tuple[str, ...]) -> list[str]:
    """The folders, and the files without their suffix, that a folder of models or seeds holds."""
    found = (file for base in _bases(reading, kind) for file in reading.root.joinpath(base, *below).glob("*"))
    return sorted({file.stem if file.suffix == _SUFFIXES[kind] else file.name for file in found})


def _folder_configs(reading: Reading, kind: str, file: Path) -> Iterator[dict[str, Any]]:
    """The configuration layers of project files for a file, the weakest first.

    The folders may be written below the project's name, as in dbt, or without it.
    """
    bases = (reading.root / folder for folder in _bases(reading, kind))
    base = next((folder for folder in bases if file.is_relative_to(folder)), reading.root)
    parts = file.relative_to(base).with_suffix("").parts
    # A folder of the project's name is meant only below that name.
    short = [parts] if parts[0] != reading.name else []
    named = (reading.name, *parts)
    yield from _configs_along(reading.project.get(kind) or {}, [*short, named])
    if reading.above is not None:
        yield from _configs_along(reading.above.get(kind) or {}, [named])


def _configs_along(tree: Mapping[Any, Any], paths: Iterable[Sequence[str]]) -> Iterator[dict[str, Any]]:
    """What is configured at the root of a tree, and on each step of paths into it."""
    yield _configs_of(tree)
    for path in paths:
        below: Any = tree
        for part in path:
            below = next((value for key, value in below.items() if str(key) == part), None)
            if not isinstance(below, dict):
                break
            yield _configs_of(below)


def _configs_of(tree: Mapping[Any, Any]) -> dict[str, Any]:
    return {key: value for key, value in tree.items() if str(key).startswith("+") or not isinstance(value, dict)}


def config_layers(reading: Reading, kind: str, file: Path, sections: Sequence[Section]) -> dict[str, Any]:
    """Merge the configuration layers of a file, the one in its own `config()` excepted.

    `sections` tell of it, the weaker first. Unknown keys are left out: those of folders are told by
    `check_folder_configs`, those of the sections here.
    """
    layers = list(_folder_configs(reading, kind, file))
    for section in sections:
        beside = ("meta", "tags", "description", "docs", "access", "group")
        top = {key: section.get(key) for key in beside if section.get(key) is not None}
        config = section.mapping("config", reading.problems)
        layers += [top, config]
        unknown = (key_problem(str(key), section["config"].place_of(key)) for key in config)
        reading.problems.extend(problem for problem in unknown if problem is not None)
    place = sections[-1].place if sections else reading.project.place_of(kind)
    merged = merge_or_report(layers, place, reading.problems)
    return {key: value for key, value in merged.items() if reading.is_of_dbt or is_config_key(key)}


def yaml_defaults(reading: Reading, kinds: Sequence[str], file: str, *names: str) -> dict[str, Any]:
    """What project files say, below one of some keys, of what a file declares and of nothing that it calls by names.

    `file` is relative to the root of the whole project.
    """
    inside = PurePosixPath(file)
    if reading.base is not None:
        inside = inside.relative_to(reading.root.relative_to(reading.base).as_posix())
    steps = (reading.name, *inside.parts[1:-1], *names)
    trees = [
        project.get(key)
        for project in (reading.project, reading.above)
        for key in kinds
        if project is not None and project.get(key)
    ]
    layers = [layer for tree in trees for layer in _configs_along(tree, [steps])]
    return merge_or_report(layers, Place(file), reading.problems)


def merge_or_report(layers: Iterable[Mapping[str, Any]], place: Place, problems: list[Problem]) -> dict[str, Any]:
    """Merge layers; where that is not possible the answer is empty and the reason a problem."""
    try:
        return merge_layers(layers)
    except ValueError as exc:
        problems.append(Problem(f"config 'tags' is {exc}", place))
        return {}
