"""The layers of a node's configuration: the project file's folders, from the outermost in, then the YAML beside it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from fsbuild.config import is_config_key, key_problem, merge_layers
from fsbuild.errors import Place, Problem, suggest
from fsbuild.load.documents import Section
from fsbuild.load.reading import Reading


def check_folder_configs(reading: Reading, kind: str) -> None:
    """Report unknown keys anywhere in the project file's `models:` or `seeds:` tree."""

    def walk(section: Section) -> None:
        for key, value in section.data.items():
            if str(key).startswith("+") or (is_config_key(str(key)) and not isinstance(value, dict)):
                problem = key_problem(str(key), section.place_of(key))
                reading.problems.extend([problem] if problem else [])
            elif isinstance(value, dict):
                walk(section[key])
            elif value is not None:
                message = f"'{key}' is neither a config nor a folder"
                reading.problems.append(
                    Problem(message, section.place_of(key), hint=suggest(str(key), ["+materialized"]))
                )

    if reading.project.get(kind):
        walk(reading.project[kind])


def _folder_configs(reading: Reading, kind: str, file: Path) -> Iterator[dict[str, Any]]:
    """The project file's configuration layers for a file, the weakest first."""
    tree: Any = reading.project.get(kind) or {}
    base = next(
        (
            reading.root / folder
            for folder in reading.project.get(f"{kind[:-1]}-paths", [kind])
            if file.is_relative_to(reading.root / folder)
        ),
        reading.root,
    )
    for part in (None, reading.name, *file.relative_to(base).with_suffix("").parts):
        tree = tree if part is None else tree.get(part)
        if not isinstance(tree, dict):
            return
        yield {key: value for key, value in tree.items() if str(key).startswith("+") or not isinstance(value, dict)}


def config_layers(reading: Reading, kind: str, file: Path, section: Section | None) -> dict[str, Any]:
    """Merge the configuration layers of a file, the one in its own `config()` excepted.

    Unknown keys are left out: those of folders are told by `check_folder_configs`, those of the section here.
    """
    layers = list(_folder_configs(reading, kind, file))
    if section is not None:
        top = {key: section.get(key) for key in ("meta", "tags", "description") if section.get(key) is not None}
        config = section.mapping("config", reading.problems)
        layers += [top, config]
        unknown = (key_problem(str(key), section["config"].place_of(key)) for key in config)
        reading.problems.extend(problem for problem in unknown if problem is not None)
    place = section.place if section is not None else reading.project.place_of(kind)
    merged = merge_or_report(layers, place, reading.problems)
    return {key: value for key, value in merged.items() if is_config_key(key)}


def merge_or_report(layers: Iterable[Mapping[str, Any]], place: Place, problems: list[Problem]) -> dict[str, Any]:
    """Merge layers; where that is not possible the answer is empty and the reason a problem."""
    try:
        return merge_layers(layers)
    except ValueError as exc:
        problems.append(Problem(f"config 'tags' is {exc}", place))
        return {}
