"""The files below a project's folders in, models, snapshots, seeds, sources and macros out.

A `.sql` file is a model or a snapshot, a `.csv` file is a seed, and the YAML beside them describes all of these and
declares sources, entities, feature views and unit tests.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Literal

from fsbuild.config import folder_mistake
from fsbuild.errors import FsbuildError, Place, Problem, suggest
from fsbuild.load.carried import CARRIED_KEYS, check_carried
from fsbuild.load.data_tests import NodeNames
from fsbuild.load.docs_blocks import read_docs_blocks
from fsbuild.load.documents import Section, parse_yaml
from fsbuild.load.exposures import read_exposures
from fsbuild.load.features import read_entities, read_feature_views
from fsbuild.load.layers import check_folder_configs, config_layers, yaml_defaults
from fsbuild.load.reading import TEST_KINDS, Properties, Reading, columns_and_checks
from fsbuild.load.seeds import read_seed
from fsbuild.load.snapshots import read_snapshots
from fsbuild.load.sources import read_sources
from fsbuild.load.unit_tests import read_unit_tests
from fsbuild.load.versions import VERSIONS_KEYS, read_versions
from fsbuild.model_versions import versioned_name
from fsbuild.values import Entity, Exposure, FeatureView, Model, Seed, Source, SourceFile, UnitTest, YamlFile

FILE_KEYS = frozenset(
    {
        "version",
        "models",
        "seeds",
        "snapshots",
        "sources",
        "macros",
        "exposures",
        "entities",
        "feature_views",
        "unit_tests",
        *CARRIED_KEYS,
    }
)
_YAML_NOT_YET = frozenset({"data_tests"})
NODE_KEYS = frozenset({"name", "description", "config", "columns", "data_tests", "tests", "docs", "meta", "tags"})
MODEL_KEYS = NODE_KEYS | {"constraints", "access", "group", "deprecation_date", "time_spine"} | VERSIONS_KEYS
_NODE_NOT_YET = frozenset({"unit_tests"})


@dataclass(frozen=True, slots=True)
class Nodes:
    """Everything below the project's folders."""

    models: tuple[Model, ...]
    seeds: tuple[Seed, ...]
    sources: tuple[Source, ...]
    macros: tuple[SourceFile, ...]
    tests: tuple[SourceFile, ...]
    entities: tuple[Entity, ...]
    feature_views: tuple[FeatureView, ...]
    exposures: tuple[Exposure, ...]
    names: NodeNames
    analyses: tuple[SourceFile, ...] = ()


def read_nodes(reading: Reading, others: NodeNames) -> Nodes:
    """Read all nodes of a project or a package; problems are added to `reading.problems`.

    `others` are the nodes of packages that were read before, which can be referred to.
    """
    for kind in ("models", "seeds", "snapshots"):
        check_folder_configs(reading, kind)
    sql_files = _unique_names(reading, "model", list(reading.files("model-paths", ".sql")))
    csv_files = _unique_names(reading, "seed", list(reading.files("seed-paths", ".csv")))
    seed_of = {name.lower(): file for name, file in csv_files.items()}
    for name, file in sql_files.items():
        if name.lower() in seed_of:
            message = f"'{name}' is the name of a model and of a seed ({reading.shown(seed_of[name.lower()])})"
            reading.problems.append(Problem(message, Place(reading.shown(file)), hint="rename one of them"))
    documents = list(_documents(reading))
    check_carried(documents, reading.problems)
    properties = {kind: _properties(reading, documents, kind) for kind in ("models", "seeds", "snapshots")}
    snapshots = read_snapshots(reading, properties["snapshots"], {**csv_files, **sql_files})
    sources = [
        (source, table)
        for section in documents
        for source in section.items_of("sources", reading.problems)
        for table in source.items_of("tables", reading.problems)
    ]
    versions = read_versions(reading, properties["models"], sql_files)
    names = others.joined(
        {name: f"model.{reading.name}.{name}" for name in sql_files if name not in versions}
        | {ref_name: one.unique_id for one in versions.values() for ref_name in one.ref_names}
        | {name: f"seed.{reading.name}.{name}" for name in csv_files}
        | {name: f"snapshot.{reading.name}.{name}" for name in snapshots},
        {
            (
                str(source.get("name")),
                str(table.get("name")),
            ): f"source.{reading.name}.{source.get('name')}.{table.get('name')}"
            for source, table in sources
        },
        reading.name,
    )

    def said(kind: str, name: str) -> Properties | None:
        section = properties[kind].get(name)
        return Properties.of(section, reading.problems) if section is not None else None

    there: dict[str, Iterable[str]] = {"models": sql_files, "seeds": csv_files, "snapshots": snapshots}
    for kind, files in there.items():
        for name, section in properties[kind].items():
            if name not in files and "relation" not in section and not section.get("versions"):
                message = f"{kind[:-1]} '{name}' is described here, but there is no file of that name"
                reading.problems.append(Problem(message, section.place_of("name"), hint=suggest(name, files)))
    tests = read_unit_tests(reading, documents, names)
    models = [
        _node(reading, _Written("snapshots", name, one.file, one.sql), said("snapshots", name), names, tests)
        for name, one in snapshots.items()
    ]
    for name, file in sql_files.items():
        sql = reading.text(file)
        if sql is not None and name in versions:
            written = _Written("models", versions[name].name, file, sql)
            models.append(_node(reading, written, versions[name].properties, names, tests))
        elif sql is not None:
            models.append(_node(reading, _Written("models", name, file, sql), said("models", name), names, tests))
    seeds = [read_seed(reading, file, properties["seeds"].get(name), names) for name, file in csv_files.items()]
    for file in reading.files("model-paths", ".py"):
        message, hint = "a model in Python, which is not run", "fsbuild runs SQL: write it as a query"
        reading.problems.append(Problem(message, Place(reading.shown(file)), hint, is_minor=True))
    queries = {kind: list(_test_files(reading, kind)) for kind in ("generic", "singular")}
    macros = [*reading.files("macro-paths", ".sql"), *queries["generic"]]
    return Nodes(
        models=tuple(models),
        seeds=tuple(seed for seed in seeds if seed.config.enabled),
        sources=tuple(read_sources(reading, sources, names)),
        macros=_texts(reading, macros),
        tests=tuple(
            replace(file, defaults=yaml_defaults(reading, TEST_KINDS, file.path, PurePosixPath(file.path).stem))
            for file in _texts(reading, queries["singular"])
        ),
        entities=tuple(read_entities(documents, reading.problems)),
        feature_views=tuple(read_feature_views(documents, names.nodes, reading.problems)),
        exposures=tuple(read_exposures(reading, documents, names)),
        names=names,
        analyses=_texts(reading, reading.files("analysis-paths", ".sql")),
    )


def _test_files(reading: Reading, kind: str) -> Iterator[Path]:
    """The files of tests: those below `generic/` are macros, and those below `fixtures/` rows of unit tests."""
    for file in reading.files("test-paths", ".sql"):
        folders = file.relative_to(reading.root).parts[1:-1]
        if "fixtures" not in folders and ("generic" in folders) == (kind == "generic"):
            yield file


def _texts(reading: Reading, files: Iterable[Path]) -> tuple[SourceFile, ...]:
    return tuple(found for file in files if (found := reading.source_file(file)) is not None)


def _unique_names(reading: Reading, kind: str, files: list[Path]) -> dict[str, Path]:
    by_name: dict[str, Path] = {}
    seen: dict[str, Path] = {}  # by the name in lower case: SQL, and some file systems, do not tell `A` from `a`
    for file in files:
        place = Place(reading.shown(file))
        first = seen.get(file.stem.lower())
        if (mistake := folder_mistake(file.stem)) is not None:
            message = f"{kind} name '{file.stem}' {mistake}"
            reading.problems.append(Problem(message, place, hint="use letters, digits, '_', '-' and '.'"))
        elif first is not None:
            but_for_case = "" if first.stem == file.stem else f" as '{first.stem}'"
            message = f"{kind} '{file.stem}' exists already{but_for_case}, in {reading.shown(first)}"
            reading.problems.append(Problem(message, place, hint="rename one of the files"))
        else:
            by_name[file.stem] = seen[file.stem.lower()] = file
    return by_name


def _documents(reading: Reading) -> Iterator[Section]:
    folders = ("model-paths", "seed-paths", "snapshot-paths", "macro-paths")
    texts = dict.fromkeys(file for key in (*folders, "docs-paths") for file in reading.files(key, ".md"))
    reading.docs_blocks.extend(read_docs_blocks(_texts(reading, texts), reading.problems))
    reading.docs |= {block.name: block.text for block in reading.docs_blocks}
    for file in dict.fromkeys(
        file for key in (*folders, "analysis-paths") for file in reading.files(key, ".yml", ".yaml")
    ):
        text = reading.text(file)
        if text is None:
            continue
        try:
            written = parse_yaml(text, reading.shown(file))
            section = written.evaluated(
                lambda value, place: reading.evaluate(value, reading.variables, place, reading.target, reading.docs)
            )
        except FsbuildError as exc:
            reading.problems.extend(exc.problems)
            continue
        section.check_keys(FILE_KEYS, reading.problems, unsupported=_YAML_NOT_YET)
        reading.yaml_files.append(
            YamlFile(section.file, section.data, written.data, hashlib.sha256(text.strip().encode()).hexdigest())
        )
        yield section


def _properties(reading: Reading, documents: Iterable[Section], kind: str) -> dict[str, Section]:
    found: dict[str, Section] = {}
    for document in documents:
        for section in document.items_of(kind, reading.problems):
            name = section.get("name")
            known = {"models": MODEL_KEYS, "snapshots": NODE_KEYS | {"relation"}}.get(kind, NODE_KEYS)
            section.check_keys(known, reading.problems, unsupported=_NODE_NOT_YET)
            if not isinstance(name, str):
                reading.problems.append(Problem(f"an entry of '{kind}' has no name", section.place))
            elif name in found:
                message = f"{kind[:-1]} '{name}' is described already, at {found[name].place}"
                reading.problems.append(Problem(message, section.place_of("name")))
            else:
                found[name] = section
    return found


@dataclass(frozen=True, slots=True)
class _Written:
    """The query of a model or a snapshot, as it is written."""

    kind: Literal["models", "snapshots"]
    name: str
    file: Path
    sql: str


def _node(
    reading: Reading,
    written: _Written,
    said: Properties | None,
    names: NodeNames,
    tests: Mapping[str, Sequence[UnitTest]],
) -> Model:
    columns, checks = columns_and_checks(reading, said, names)
    version = said.version if said is not None else None
    name = versioned_name(written.name, version.label) if version is not None else written.name
    unique_id = f"{written.kind[:-1]}.{reading.name}.{name}"
    file = written.file if written.file.suffix == ".sql" else written.file.parent / f"{written.name}.sql"
    config = config_layers(reading, written.kind, file, said.sections if said is not None else ())
    return Model(
        unique_id=unique_id,
        name=written.name,
        path=reading.shown(written.file),
        raw_sql=written.sql,
        config=config if written.kind == "models" else {"materialized": "snapshot", **config},
        place=said.sections[-1].place if said is not None else Place(reading.shown(written.file)),
        columns=columns,
        checks=checks,
        unit_tests=tuple(tests.get(unique_id, ())),
        version=version,
    )
