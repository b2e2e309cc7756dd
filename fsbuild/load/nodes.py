"""The files below a project's folders in, models, seeds, sources and macros out.

A `.sql` file is a model, a `.csv` file is a seed, and the YAML beside them describes both and declares sources.
"""

from __future__ import annotations

import csv
import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fsbuild.config import is_config_key, key_problem, merge_layers, parse_config
from fsbuild.errors import FsbuildError, Place, Problem, suggest
from fsbuild.load.documents import Section, parse_yaml, read_text
from fsbuild.load.settings import PATH_KEYS, Evaluate
from fsbuild.load.data_tests import NodeNames, parse_checks
from fsbuild.values import Check, Column, Model, Relation, Seed, Source, SourceFile, Target

_NAME = re.compile(r"\w[\w.-]*")
_YAML_KEYS = frozenset({"version", "models", "seeds", "sources", "macros", "exposures"})
_YAML_NOT_YET = frozenset(
    {"snapshots", "unit_tests", "data_tests", "semantic_models", "metrics", "groups", "saved_queries", "analyses"}
    | {"entities", "feature_views"}
)
_NODE_KEYS = frozenset({"name", "description", "config", "columns", "data_tests", "tests", "docs", "meta", "tags"})
_NODE_NOT_YET = frozenset({"versions", "latest_version", "constraints", "contract", "unit_tests"})
_COLUMN_KEYS = frozenset(
    {"name", "description", "data_type", "data_tests", "tests", "meta", "tags", "quote", "config", "unit"}
)
_SOURCE_KEYS = frozenset(
    {"name", "description", "schema", "database", "meta", "config", "tags", "tables", "loader", "quoting", "overrides"}
)
_TABLE_KEYS = _NODE_KEYS | {"identifier", "external", "quoting", "loaded_at_field", "loader"}
_FRESHNESS = frozenset({"freshness", "loaded_at_query"})
_DELTA_KEYS = ("delta_table_path", "as_of_version")


@dataclass(frozen=True, slots=True)
class Nodes:
    """Everything below the project's folders."""

    models: tuple[Model, ...]
    seeds: tuple[Seed, ...]
    sources: tuple[Source, ...]
    macros: tuple[SourceFile, ...]


@dataclass(slots=True)
class Reading:
    """What reading a project's nodes needs throughout, and the problems met on the way."""

    root: Path
    project: Section
    target: Target
    variables: Mapping[str, object]
    evaluate: Evaluate
    problems: list[Problem] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The project's name."""
        return str(self.project.get("name"))

    def text(self, file: Path) -> str | None:
        """The file's text, or None with a problem noted."""
        try:
            return read_text(file, self.shown(file))
        except FsbuildError as exc:
            self.problems.extend(exc.problems)
            return None

    def shown(self, file: Path) -> str:
        """The file's path relative to the root."""
        return file.relative_to(self.root).as_posix()

    def files(self, key: str, *suffixes: str) -> Iterator[Path]:
        """The files below the folders of a `…-paths` key that end in one of the suffixes, in order."""
        found = set()
        for folder in self.project.get(key, PATH_KEYS[key]):
            found.update(file for file in (self.root / folder).rglob("*") if file.suffix in suffixes and file.is_file())
        yield from sorted(found)


def read_nodes(reading: Reading) -> Nodes:
    """Read all nodes of a project; problems are added to `reading.problems`."""
    _check_folder_configs(reading, "models")
    _check_folder_configs(reading, "seeds")
    sql_files = _unique_names(reading, "model", list(reading.files("model-paths", ".sql")))
    csv_files = _unique_names(reading, "seed", list(reading.files("seed-paths", ".csv")))
    for name in sql_files.keys() & csv_files.keys():
        message = f"'{name}' is the name of a model and of a seed ({reading.shown(csv_files[name])})"
        reading.problems.append(Problem(message, Place(reading.shown(sql_files[name])), hint="rename one of them"))
    documents = list(_documents(reading))
    properties = {kind: _properties(reading, documents, kind) for kind in ("models", "seeds")}
    sources = [
        (section, source, table)
        for section in documents
        for source in section.items_of("sources", reading.problems)
        for table in source.items_of("tables", reading.problems)
    ]
    names = NodeNames(
        nodes={name: f"model.{reading.name}.{name}" for name in sql_files}
        | {name: f"seed.{reading.name}.{name}" for name in csv_files},
        sources={
            (
                str(source.get("name")),
                str(table.get("name")),
            ): f"source.{reading.name}.{source.get('name')}.{table.get('name')}"
            for _, source, table in sources
        },
    )
    for kind, files in (("models", sql_files), ("seeds", csv_files)):
        for name, section in properties[kind].items():
            if name not in files:
                message = f"{kind[:-1]} '{name}' is described here, but there is no file of that name"
                reading.problems.append(Problem(message, section.place_of("name"), hint=suggest(name, files)))
    models = []
    for name, file in sql_files.items():
        sql = reading.text(file)
        if sql is not None:
            models.append(_model(reading, name, file, sql, properties["models"].get(name), names))
    seeds = [_seed(reading, name, file, properties["seeds"].get(name), names) for name, file in csv_files.items()]
    macros = [
        SourceFile(reading.shown(file), text)
        for file in reading.files("macro-paths", ".sql")
        if (text := reading.text(file)) is not None
    ]
    return Nodes(
        models=tuple(models),
        seeds=tuple(seed for seed in seeds if seed.config.enabled),
        sources=tuple(_sources(reading, sources, names)),
        macros=tuple(macros),
    )


def _unique_names(reading: Reading, kind: str, files: list[Path]) -> dict[str, Path]:
    by_name: dict[str, Path] = {}
    for file in files:
        place = Place(reading.shown(file))
        if not _NAME.fullmatch(file.stem):
            message = f"{kind} name '{file.stem}' has characters that cannot be a folder's name"
            reading.problems.append(Problem(message, place, hint="use letters, digits, '_', '-' and '.'"))
        elif file.stem in by_name:
            message = f"{kind} '{file.stem}' exists already, in {reading.shown(by_name[file.stem])}"
            reading.problems.append(Problem(message, place, hint="rename one of the files"))
        else:
            by_name[file.stem] = file
    return by_name


def _documents(reading: Reading) -> Iterator[Section]:
    folders = ("model-paths", "seed-paths", "macro-paths")
    for file in dict.fromkeys(file for key in folders for file in reading.files(key, ".yml", ".yaml")):
        text = reading.text(file)
        if text is None:
            continue
        try:
            section = parse_yaml(
                text, reading.shown(file), lambda value, place: reading.evaluate(value, reading.variables, place)
            )
        except FsbuildError as exc:
            reading.problems.extend(exc.problems)
            continue
        section.check_keys(_YAML_KEYS, reading.problems, unsupported=_YAML_NOT_YET)
        yield section


def _properties(reading: Reading, documents: Iterable[Section], kind: str) -> dict[str, Section]:
    found: dict[str, Section] = {}
    for document in documents:
        for section in document.items_of(kind, reading.problems):
            name = section.get("name")
            section.check_keys(_NODE_KEYS, reading.problems, unsupported=_NODE_NOT_YET)
            if not isinstance(name, str):
                reading.problems.append(Problem(f"an entry of '{kind}' has no name", section.place))
            elif name in found:
                message = f"{kind[:-1]} '{name}' is described already, at {found[name].place}"
                reading.problems.append(Problem(message, section.place_of("name")))
            else:
                found[name] = section
    return found


# --- configuration from the project file -----------------------------------------------------------------------------


def _check_folder_configs(reading: Reading, kind: str) -> None:
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


def _config_layers(reading: Reading, kind: str, file: Path, section: Section | None) -> dict[str, Any]:
    layers = list(_folder_configs(reading, kind, file))
    if section is not None:
        top = {key: section.get(key) for key in ("meta", "tags", "description") if section.get(key) is not None}
        layers += [top, section.get("config") or {}]
    try:
        return merge_layers(layers)
    except ValueError as exc:
        place = section.place if section is not None else reading.project.place_of(kind)
        reading.problems.append(Problem(f"config 'tags' is {exc}", place))
        return {}


# --- nodes -----------------------------------------------------------------------------------------------------------


def _columns_and_checks(
    reading: Reading, section: Section | None, names: NodeNames
) -> tuple[tuple[Column, ...], tuple[Check, ...]]:
    if section is None:
        return (), ()
    columns: list[Column] = []
    checks: list[Check] = list(parse_checks(section, None, names, reading.problems))
    for item in section.items_of("columns", reading.problems):
        item.check_keys(_COLUMN_KEYS, reading.problems, unsupported={"constraints"})
        name = item.get("name")
        if not isinstance(name, str):
            reading.problems.append(Problem("a column has no name", item.place))
            continue
        data_type = item.get("data_type")
        columns.append(Column(name, str(data_type) if data_type else None, str(item.get("description") or "").strip()))
        checks.extend(parse_checks(item, name, names, reading.problems))
    return tuple(columns), tuple(checks)


def _model(reading: Reading, name: str, file: Path, sql: str, section: Section | None, names: NodeNames) -> Model:
    columns, checks = _columns_and_checks(reading, section, names)
    if section is not None and isinstance(section.get("config"), dict):
        config = section["config"]
        reading.problems.extend(
            problem for key in config.data if (problem := key_problem(str(key), config.place_of(key))) is not None
        )
    return Model(
        unique_id=f"model.{reading.name}.{name}",
        name=name,
        path=reading.shown(file),
        raw_sql=sql,
        config=_config_layers(reading, "models", file, section),
        place=section.place if section is not None else Place(reading.shown(file)),
        columns=columns,
        checks=checks,
    )


def _seed(reading: Reading, name: str, file: Path, section: Section | None, names: NodeNames) -> Seed:
    columns, checks = _columns_and_checks(reading, section, names)
    raw = _config_layers(reading, "seeds", file, section)
    text = reading.text(file)
    where = section["config"] if section is not None and section.get("config") else reading.project
    config, problems = parse_config(raw, where.place_of)
    reading.problems.extend(problems)
    if text is not None:
        reading.problems.extend(_seed_problems(text, reading.shown(file), config.delimiter))
    return Seed(
        unique_id=f"seed.{reading.name}.{name}",
        name=name,
        path=reading.shown(file),
        fingerprint=hashlib.sha256(file.read_bytes()).hexdigest()[:16],
        config=config,
        relation=relation_of(name, config.schema, config.alias, reading.target.schema),
        columns=columns,
        checks=checks,
    )


def _seed_problems(text: str, shown: str, delimiter: str) -> Iterator[Problem]:
    """Report rows that have more or fewer fields than the header, and headers without a name or with one twice."""
    rows = csv.reader(text.splitlines(keepends=True), delimiter=delimiter)
    header = next(rows, [])
    if not header:
        yield Problem("the seed is empty", Place(shown, 1), hint="its first line names the columns")
    for name in dict.fromkeys(header):
        if not name.strip():
            yield Problem("a column has no name", Place(shown, 1))
        elif header.count(name) > 1:
            yield Problem(f"column '{name}' is there twice", Place(shown, 1))
    ragged = [(rows.line_num, len(row)) for row in rows if row and len(row) != len(header)]
    if ragged:
        line, count = ragged[0]
        more = f" (and {len(ragged) - 1} more such lines)" if len(ragged) > 1 else ""
        excerpt = text.splitlines()[line - 1]
        hint = "a field that holds the separator is written in double quotes"
        message = f"{count} fields, where the header has {len(header)}{more}"
        yield Problem(message, Place(shown, line), hint=hint, excerpt=excerpt)


def relation_of(name: str, schema: str | None, alias: str | None, target_schema: str) -> Relation:
    """Name the relation of a node, as dbt does: a custom schema is appended to the target's."""
    return Relation(f"{target_schema}_{schema}" if schema else target_schema, alias or name)


def _sources(
    reading: Reading, sources: Iterable[tuple[Section, Section, Section]], names: NodeNames
) -> Iterator[Source]:
    seen: dict[str, Place] = {}
    for _, source, table in sources:
        source.check_keys(_SOURCE_KEYS, reading.problems, unsupported=_FRESHNESS)
        table.check_keys(_TABLE_KEYS, reading.problems, unsupported=_FRESHNESS)
        source_name, name = source.get("name"), table.get("name")
        if not isinstance(source_name, str) or not isinstance(name, str):
            reading.problems.append(Problem("a source or one of its tables has no name", table.place))
            continue
        unique_id = f"source.{reading.name}.{source_name}.{name}"
        if unique_id in seen:
            message = f"source '{source_name}.{name}' is declared already, at {seen[unique_id]}"
            reading.problems.append(Problem(message, table.place_of("name")))
            continue
        seen[unique_id] = table.place_of("name")
        config = merge_layers([*_source_layers(source), *_source_layers(table)])
        meta = config.get("meta", {})
        columns, checks = _columns_and_checks(reading, table, names)
        location, version = _location(reading, table, source_name, name, meta)
        if location is None:
            continue
        yield Source(
            unique_id=unique_id,
            source_name=source_name,
            name=name,
            kind="delta" if "delta_table_path" in meta else "files",
            location=location,
            relation=Relation(str(source.get("schema") or source_name), str(table.get("identifier") or name)),
            place=table.place_of("name"),
            version=version,
            description=str(table.get("description") or source.get("description") or "").strip(),
            tags=tuple(config.get("tags", ())),
            columns=columns,
            checks=checks,
        )


def _source_layers(section: Section) -> Iterator[dict[str, Any]]:
    """A source's or table's `meta` and `tags`, at the top level or below `config`."""
    for layer in (section.data, section.get("config") or {}):
        yield {key: layer[key] for key in ("meta", "tags") if layer.get(key) is not None}
        # dbt-duckdb also reads the location directly below `config`.
        direct = {key: layer[key] for key in ("external_location", *_DELTA_KEYS) if layer.get(key) is not None}
        yield {"meta": direct} if direct else {}


def _location(
    reading: Reading, table: Section, source_name: str, name: str, meta: Mapping[str, Any]
) -> tuple[str | None, int | None]:
    written = meta.get("delta_table_path", meta.get("external_location"))
    if not isinstance(written, str):
        message = f"source '{source_name}.{name}' does not say where its rows are"
        hint = 'add meta: {external_location: "data/{name}.parquet"} or meta: {delta_table_path: "path"}'
        reading.problems.append(Problem(message, table.place_of("name"), hint=hint))
        return None, None
    version = meta.get("as_of_version")
    if version is not None and (not isinstance(version, int) or isinstance(version, bool) or version < 0):
        reading.problems.append(Problem(f"as_of_version is {version!r}, not a version number", table.place_of("name")))
        version = None
    identifier = str(table.get("identifier") or name)
    location = written.replace("{name}", name).replace("{schema}", source_name).replace("{identifier}", identifier)
    if "delta_table_path" in meta and "://" not in location:
        location = str(reading.root / location)
    return location, version
