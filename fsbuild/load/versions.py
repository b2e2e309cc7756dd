"""The `versions:` of models in YAML in, what is said of each version out, by the file that it is in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from fsbuild.errors import Problem, suggest
from fsbuild.load.documents import Section
from fsbuild.load.reading import Properties, Reading
from fsbuild.model_versions import Label, Version, columns_of_version, latest_of, versioned_name

VERSIONS_KEYS = frozenset({"versions", "latest_version"})
VERSION_KEYS = frozenset(
    {"v", "defined_in", "description", "docs", "access", "config", "columns", "data_tests", "tests", "constraints"}
    | {"deprecation_date", "meta", "tags", "group"}
)


@dataclass(frozen=True, slots=True)
class VersionedModel:
    """One version of a model: the name of the model, the unique id of this version, and what YAML says of it."""

    name: str
    unique_id: str
    version: Version
    properties: Properties

    @property
    def ref_names(self) -> Iterator[str]:
        """The names that it is found by: with its version, and without where it is the latest."""
        yield versioned_name(self.name, self.version.label)
        if self.version.is_latest:
            yield self.name


def read_versions(
    reading: Reading, models: Mapping[str, Section], files: Mapping[str, Path]
) -> dict[str, VersionedModel]:
    """Read the versions of all models by the names of their files; problems are added to the reading's."""
    return {
        file: found
        for name, section in models.items()
        if section.get("versions")
        for file, found in _versions(reading, name, section, files)
    }


def _versions(
    reading: Reading, name: str, section: Section, files: Mapping[str, Path]
) -> Iterator[tuple[str, VersionedModel]]:
    problems = reading.problems
    items: dict[Label, Section] = {}
    for item in section.items_of("versions", problems):
        item.check_keys(VERSION_KEYS, problems)
        label = item.get("v")
        if isinstance(label, bool) or not isinstance(label, str | int | float):
            problems.append(Problem(f"a version of '{name}' has no number or name", item.place, hint="write v: 1"))
        elif label in items:
            problems.append(Problem(f"version {label} of '{name}' is declared already", item.place_of("v")))
        else:
            items[label] = item
    said = section.get("latest_version")
    if said is not None and str(said) not in map(str, items):
        place = section.place_of("latest_version")
        problems.append(Problem(f"latest_version is {said}, which is no version of '{name}'", place))
    for label, item in items.items():
        version = Version(label, latest_of([*items], said))
        wanted = str(item.get("defined_in") or f"{name}_v{label}")
        # The latest one may be in the file that has the name of the model.
        file = next((one for one in (wanted, name) if one in files and (one == wanted or version.is_latest)), None)
        if file is None:
            message = f"version {label} of model '{name}' is described here, but there is no file '{wanted}.sql'"
            problems.append(Problem(message, item.place_of("v"), hint=suggest(wanted, files)))
            continue
        unique_id = f"model.{reading.name}.{versioned_name(name, label)}"
        yield file, VersionedModel(name, unique_id, version, _properties(reading, section, item, version))


def _properties(reading: Reading, model: Section, item: Section, version: Version) -> Properties:
    """What holds for a version: what it says itself, and else what the model says."""
    problems = reading.problems
    above, own = ([*one.items_of("columns", problems)] for one in (model, item))
    has_tests = any(item.get(key) is not None for key in ("data_tests", "tests"))
    return Properties(
        (model, item),
        item if has_tests else model,
        item if item.get("constraints") is not None else model,
        tuple(columns_of_version(above, own, lambda one: one.data)),
        version,
    )
