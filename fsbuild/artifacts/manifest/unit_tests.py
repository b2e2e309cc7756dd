"""Unit tests in, their entries in the manifest out."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

from fsbuild.artifacts.manifest.columns import words
from fsbuild.artifacts.manifest.described import Described, Said
from fsbuild.artifacts.manifest.shapes import Entry, depends_on
from fsbuild.values import FixtureRows, RenderedModel, UnitTest

_OVERRIDES: Entry = {"macros": {}, "vars": {}, "env_vars": {}}
_FORMATS = {"dict": "Dict", "csv": "CSV", "sql": "SQL"}


def unit_test_nodes(described: Described) -> Iterator[Entry]:
    """Describe the unit tests of the models that are not switched off."""
    said = {(str(one.data.get("model")), str(one.data.get("name"))): one for one in described.entries("unit_tests")}
    for model in described.models.values():
        for test in model.model.unit_tests:
            found = said.get((model.model.name, test.name))
            if found is not None:
                yield _unit_test(described, test, model, found)


def _unit_test(described: Described, test: UnitTest, model: RenderedModel, said: Said) -> Entry:
    data, name, path = said.data, model.model.name, described.yaml_path(said.file.path)
    # Of a test in batches, which dbt has not, the first is told.
    batch, first = test.batches[0], (data["batches"][0] if test.has_batches else data)
    given = [{"input": one.written, **_rows(one.rows, first["given"][at])} for at, one in enumerate(batch.given)]
    expect, overrides = _rows(batch.expect, first.get("expect") or {}), data.get("overrides")
    overrides = {**_OVERRIDES, **overrides} if overrides else None
    config = data.get("config") or {}
    meta = {**config.get("meta", {}), **({"fsbuild": {"batches": len(test.batches)}} if test.has_batches else {})}
    project = described.project.name
    return {
        "model": name,
        "given": given,
        "expect": expect,
        "name": test.name,
        "resource_type": "unit_test",
        "package_name": described.package_of(test.unique_id),
        "path": path,
        "original_file_path": said.file.path,
        "unique_id": test.unique_id,
        "fqn": [project, *PurePosixPath(path).parts[:-1], name, test.name],
        "description": said.description,
        "overrides": overrides,
        "depends_on": depends_on([test.model_id]),
        "config": {"tags": list(words(config.get("tags"))), "meta": meta, "enabled": True, "static_analysis": None},
        "checksum": _checksum(name, given, expect, overrides),
        "schema": model.relation.schema,
        "created_at": described.now,
        "versions": _versions(said.data.get("versions")),
        "version": model.model.version.label if model.model.version is not None else None,
    }


def _versions(written: Mapping[str, Any] | None) -> Entry | None:
    return {key: written.get(key) for key in ("include", "exclude")} if written else None


def _rows(rows: FixtureRows, said: Mapping[str, Any]) -> Entry:
    written = rows.sql if rows.sql is not None else [dict(row) for row in rows.rows]
    return {"rows": written, "format": said.get("format", "dict"), "fixture": said.get("fixture")}


def _checksum(model: str, given: list[Entry], expect: Entry, overrides: Entry | None) -> str:
    """The hash by which dbt tells that a unit test has changed: of how its own objects print themselves."""
    inputs = ", ".join(_printed("UnitTestInputFixture", one) for one in given)
    settings = None if overrides is None else _printed("UnitTestOverrides", overrides)
    text = f"{model}-None-[{inputs}]-{_printed('UnitTestOutputFixture', expect)}-{settings}"
    fixtures = "".join(f"-{one['rows']}" for one in given if one["fixture"])
    return hashlib.sha256(f"{text}{fixtures}".encode()).hexdigest()


def _printed(kind: str, values: Entry) -> str:
    def text(key: str, value: object) -> str:
        return f"<UnitTestFormat.{_FORMATS[str(value)]}: {value!r}>" if key == "format" else repr(value)

    return f"{kind}({', '.join(f'{key}={text(key, value)}' for key, value in values.items())})"
