"""The JSON Schema that editors check YAML by lets pass what the loader lets pass, and no words that it refuses."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from fsbuild.cli import cli
from fsbuild.config import parse_config
from fsbuild.errors import Place
from fsbuild.load.json_schema import property_file_schema

ROOT = Path(__file__).resolve().parent.parent
SCHEMA = property_file_schema()
VALIDATOR = Draft202012Validator(SCHEMA)
CONFIG = Draft202012Validator({**SCHEMA["$defs"]["config"], "$defs": SCHEMA["$defs"]})
KEYS = sorted(SCHEMA["$defs"]["config"]["properties"])
EXAMPLE = """
version: 2
entities:
  - {name: carrier, description: an airline, keys: [{name: carrier, type: varchar}]}
models:
  - name: carrier_delay_7d
    config: {entity: carrier, event_time: departed_at, ttl: 30 days, enabled: "{{ var('on') }}"}
    columns:
      - name: delay_mean_7d
        unit: minutes
        data_tests: [not_null, {in_range: {min_value: 0, config: {severity: warn}}}]
feature_views:
  - name: delay_risk
    features: ['carrier_delay_7d:*', {model: origin_weather, columns: [temp], rename: {temp: warmth}}]
"""
values = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.floats(0, 1) | st.sampled_from(["a", "table", "1 day", "day"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["model", "psi", "a"]), inner),
    max_leaves=3,
)


def mistakes(written: object) -> list[str]:
    return [f"{error.json_path}: {error.message}" for error in VALIDATOR.iter_errors(written)]


def with_change(**change: object) -> dict[str, Any]:
    """Give the example with other keys for its model."""
    example: dict[str, Any] = yaml.safe_load(EXAMPLE)
    example["models"][0].update(change)
    return example


def test_the_command_prints_a_schema_that_is_one() -> None:
    printed = CliRunner().invoke(copy.deepcopy(cli), ["json-schema"])

    schema = json.loads(printed.stdout)
    Draft202012Validator.check_schema(schema)
    assert schema == SCHEMA


def test_what_the_documents_show_is_right() -> None:
    assert mistakes(yaml.safe_load(EXAMPLE)) == []


@pytest.mark.parametrize("file", sorted((ROOT / "project_template").rglob("*.yml")), ids=lambda file: str(file.name))
def test_the_template_is_right(file: Path) -> None:
    if file.name not in ("fsbuild_project.yml", "profiles.yml"):
        assert mistakes(yaml.safe_load(file.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize(
    "change",
    [
        {"discription": "a word"},
        {"config": {"entitty": "carrier"}},
        {"config": {"materialized": "tabel"}},
        {"config": {"enabled": "perhaps"}},
        {"config": {"lookback": "three"}},
        {"columns": [{"description": "no name"}]},
        {"columns": {"a": "no list"}},
        {"data_tests": "not_null"},
        {"data_tests": [{"not_null": {"config": {"severity": "fatal"}}}]},
    ],
)
def test_a_mistake_is_found(change: Mapping[str, object]) -> None:
    assert mistakes(with_change(**change))


@given(st.sampled_from(KEYS), values)
def test_whatever_the_loader_reads_the_schema_allows(key: str, value: object) -> None:
    _, problems = parse_config({key: value}, lambda _: Place("m.sql"))

    assert problems or CONFIG.is_valid({key: value})


@pytest.mark.parametrize("key", KEYS)
def test_both_refuse_what_no_key_can_be(key: str) -> None:
    nonsense = {key: [[1], {"a": 2}]}

    assert parse_config(nonsense, lambda _: Place("m.sql"))[1]
    assert not CONFIG.is_valid(nonsense)
