"""The `sources:` of YAML files in, `Source`s out: where each table's rows are, and what is said of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from fsbuild.errors import Place, Problem
from fsbuild.load.data_tests import NodeNames
from fsbuild.load.documents import Section
from fsbuild.load.freshness import read_freshness
from fsbuild.load.layers import merge_or_report, yaml_defaults
from fsbuild.load.reading import Properties, Reading, columns_and_checks
from fsbuild.values import Relation, Source, SourceKind, Target

SOURCE_KEYS = frozenset(
    {"name", "description", "schema", "database", "meta", "config", "tags", "tables", "loader", "quoting", "overrides"}
    | {"freshness", "loaded_at_field", "loaded_at_query"}
)
TABLE_KEYS = frozenset(
    {"name", "description", "config", "columns", "data_tests", "tests", "docs", "meta", "tags"}
    | {"identifier", "external", "quoting", "loaded_at_field", "loaded_at_query", "loader", "freshness"}
)
_DELTA_KEYS = ("delta_table_path", "as_of_version")


def read_sources(reading: Reading, sources: Iterable[tuple[Section, Section]], names: NodeNames) -> Iterator[Source]:
    """Read the tables of sources, each given with its source."""
    seen: dict[str, Place] = {}
    for source, table in sources:
        source.check_keys(SOURCE_KEYS, reading.problems)
        table.check_keys(TABLE_KEYS, reading.problems)
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
        given = yaml_defaults(reading, ("sources",), table.file, source_name, name)
        layers = [given, *_source_layers(source, reading.problems), *_source_layers(table, reading.problems)]
        config = merge_or_report(layers, table.place, reading.problems)
        if config.get("enabled") is False:
            continue
        # Anything but a mapping holds no location, which `_location` reports.
        meta = config["meta"] if isinstance(config.get("meta"), dict) else {}
        columns, checks = columns_and_checks(reading, Properties.of(table, reading.problems), names)
        relation = Relation(str(source.get("schema") or source_name), str(table.get("identifier") or name))
        is_told = isinstance(meta.get("delta_table_path", meta.get("external_location")), str)
        is_own = reading.is_of_dbt and not is_told
        if is_own:
            kind, location, version = *_own_place(reading.target, source, relation), None
        else:
            kind = "delta" if "delta_table_path" in meta else "files"
            location, version = _location(reading, table, source_name, relation, meta)
        if location is None:
            continue
        yield Source(
            unique_id=unique_id,
            source_name=source_name,
            name=name,
            kind=kind,
            location=location,
            relation=relation,
            place=table.place_of("name"),
            version=version,
            description=str(table.get("description") or source.get("description") or "").strip(),
            tags=tuple(config.get("tags", ())),
            event_time=_event_time(reading, table, config, meta),
            columns=columns,
            checks=checks,
            freshness=read_freshness(source, table, reading.problems),
            is_own=is_own,
        )


def _source_layers(section: Section, problems: list[Problem]) -> Iterator[dict[str, Any]]:
    """A source's or table's `meta` and `tags`, at the top level or below `config`."""
    for layer in (section.data, section.mapping("config", problems)):
        yield {key: layer[key] for key in ("meta", "tags", "event_time", "enabled") if layer.get(key) is not None}
        # dbt-duckdb also reads the location directly below `config`.
        direct = {key: layer[key] for key in ("external_location", *_DELTA_KEYS) if layer.get(key) is not None}
        yield {"meta": direct} if direct else {}


def _event_time(reading: Reading, table: Section, config: Mapping[str, Any], meta: Mapping[str, Any]) -> str | None:
    """The column that says when a row was true: `event_time`, below `config` or `meta`."""
    found = config.get("event_time", meta.get("event_time"))
    if found is None or isinstance(found, str):
        return found
    message = f"event_time is {found!r}, not the name of a column"
    reading.problems.append(Problem(message, table.place_of("name")))
    return None


def _own_place(target: Target, source: Section, relation: Relation) -> tuple[SourceKind, str | None]:
    """Where a table is that dbt would look for in its database: in a DuckDB file, or else in the lake."""
    file = target.databases.get(str(source.get("database") or ""))
    if file is not None:
        return "database", file
    return "delta", f"{target.lake.rstrip('/')}/{relation.schema}/{relation.identifier}"


def _location(
    reading: Reading, table: Section, source_name: str, relation: Relation, meta: Mapping[str, Any]
) -> tuple[str | None, int | None]:
    name = str(table.get("name"))
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
    location = written.replace("{name}", name).replace("{schema}", relation.schema)
    location = location.replace("{identifier}", relation.identifier)
    if "delta_table_path" in meta and "://" not in location:
        location = str(reading.root / location)
    return location, version
