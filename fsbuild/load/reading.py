"""What reading the files of a project needs throughout: where they are, what is said of them, what went wrong."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from fsbuild.errors import FsbuildError, Problem
from fsbuild.load.constraints import parse_constraints
from fsbuild.load.data_tests import NodeNames, parse_checks
from fsbuild.load.documents import Section, read_text
from fsbuild.load.layers import yaml_defaults
from fsbuild.load.settings import PATH_KEYS, Evaluate
from fsbuild.model_versions import Version
from fsbuild.values import Check, Column, DocsBlock, Relation, SourceFile, Target, YamlFile

COLUMN_KEYS = frozenset(
    {"name", "description", "data_type", "data_tests", "tests", "meta", "tags", "quote", "config"}
    | {"constraints", "granularity", "pii", "unit"}
)


# The keys of the project file below which data tests are configured.
TEST_KINDS = ("tests", "data_tests")


@dataclass(slots=True)
class Reading:
    """What reading a project's nodes needs throughout, and the problems met on the way."""

    root: Path
    project: Section
    target: Target
    variables: Mapping[str, object]
    evaluate: Evaluate
    # Of a package: the folder of the project that uses it, and that project's file, whose configuration is stronger.
    base: Path | None = None
    above: Section | None = None
    packages: frozenset[str] = frozenset()
    problems: list[Problem] = field(default_factory=list)
    # The docs blocks, by name.
    docs: dict[str, str] = field(default_factory=dict)
    docs_blocks: list[DocsBlock] = field(default_factory=list)
    # What the YAML files say, in the order in which they are read.
    yaml_files: list[YamlFile] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The project's name."""
        return str(self.project.get("name"))

    @property
    def is_of_dbt(self) -> bool:
        """Whether what is unknown is let pass, as dbt does."""
        return (self.above or self.project).file == "dbt_project.yml"

    def text(self, file: Path) -> str | None:
        """The file's text, or None with a problem noted."""
        try:
            return read_text(file, self.shown(file))
        except FsbuildError as exc:
            self.problems.extend(exc.problems)
            return None

    def shown(self, file: Path) -> str:
        """The file's path relative to the project's root, that of a package too."""
        return file.relative_to(self.base or self.root).as_posix()

    def source_file(self, file: Path) -> SourceFile | None:
        """A file with its text, or None with a problem noted."""
        text = self.text(file)
        if text is None:
            return None
        return SourceFile(self.shown(file), text, self.name if self.base else "")

    def files(self, key: str, *suffixes: str) -> Iterator[Path]:
        """The files below the folders of a `…-paths` key that end in one of the suffixes, in order."""
        found: set[Path] = set()
        for folder in self.project.get(key, PATH_KEYS[key]):
            found.update(file for file in (self.root / folder).rglob("*") if file.suffix in suffixes and file.is_file())
        yield from sorted(found)


@dataclass(frozen=True, slots=True)
class Properties:
    """What YAML says of a node: `sections`, the weaker first, and those that tell of tests, constraints and columns."""

    sections: tuple[Section, ...]
    tests: Section
    constraints: Section
    columns: tuple[Section, ...]
    version: Version | None = None

    @classmethod
    def of(cls, section: Section, problems: list[Problem]) -> Properties:
        """What one section says."""
        return cls((section,), section, section, tuple(section.items_of("columns", problems)))


def columns_and_checks(
    reading: Reading, said: Properties | None, names: NodeNames
) -> tuple[tuple[Column, ...], tuple[Check, ...]]:
    """Read the columns that a node's YAML describes, and the checks of the node and of its columns."""
    if said is None:
        return (), ()
    columns: list[Column] = []
    has_constraints = said.tests.path[0] == "models"
    defaults = yaml_defaults(reading, TEST_KINDS, said.tests.file)
    checks: list[Check] = list(parse_checks(said.tests, None, names, defaults, reading.problems))
    if has_constraints:
        checks.extend(parse_constraints(said.constraints, None, names, reading.problems))
    for item in said.columns:
        item.check_keys(COLUMN_KEYS, reading.problems, unsupported=() if has_constraints else {"constraints"})
        name = item.get("name")
        if not isinstance(name, str):
            reading.problems.append(Problem("a column has no name", item.place))
            continue
        data_type = item.get("data_type")
        description = str(item.get("description") or "").strip()
        written_type = str(data_type) if data_type else None
        pii = item.get("pii")
        if pii is not None and not isinstance(pii, bool):
            reading.problems.append(Problem(f"'pii' is {pii!r}, not true or false", item.place_of("pii")))
            pii = None
        unit = str(item.get("unit") or "")
        columns.append(Column(name, item.place_of("name"), written_type, description, unit, pii))
        checks.extend(parse_checks(item, name, names, defaults, reading.problems))
        if has_constraints:
            checks.extend(parse_constraints(item, name, names, reading.problems))
    return tuple(columns), tuple(checks)


def relation_of(name: str, schema: str | None, alias: str | None, target_schema: str) -> Relation:
    """Name the relation of a node, as dbt does: a custom schema is appended to the target's."""
    return Relation(f"{target_schema}_{schema}" if schema else target_schema, alias or name)
