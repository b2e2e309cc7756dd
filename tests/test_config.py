"""Configuration: layers add up, merge or replace as their key says, and nothing that is written is ignored."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsbuild.config import WITHOUT_EFFECT, key_problem, merge_layers, parse_config
from fsbuild.errors import FsbuildError, Place, Problem
from fsbuild.load import Overrides
from fsbuild.pipeline import draft_project
from fsbuild.values import ModelConfig, Moment
from tests.conftest import Files
from tests.test_render import MOMENT

Make = Callable[[Files], Path]
HERE = Place("models/a.sql", 3)


def parse(raw: Mapping[str, Any]) -> ModelConfig:
    config, problems = parse_config(raw, lambda _key: HERE)
    assert problems == ()
    return config


def problem_with(raw: Mapping[str, Any]) -> Problem:
    config, (problem,) = parse_config(raw, lambda _key: HERE)
    assert config == ModelConfig()
    return problem


# --- merging ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("layers", "merged"),
    [
        ([], {}),
        ([{"materialized": "view"}, {"materialized": "table"}], {"materialized": "table"}),
        ([{"+materialized": "table"}], {"materialized": "table"}),
        ([{"tags": "a"}, {"+tags": ["b", "c"]}, {"tags": "a"}], {"tags": ["a", "b", "c", "a"]}),
        ([{"meta": {"a": 1, "b": 1}}, {"+meta": {"b": 2}}], {"meta": {"a": 1, "b": 2}}),
        (
            [{"column_types": {"a": "INT"}}, {"column_types": {"b": "DATE"}}],
            {"column_types": {"a": "INT", "b": "DATE"}},
        ),
        ([{"unique_key": ["a", "b"]}, {"unique_key": "c"}], {"unique_key": "c"}),
    ],
    ids=["nothing", "replaced", "plus", "tags add", "meta merges", "types merge", "lists are replaced"],
)
def test_layers(layers: list[dict[str, Any]], merged: dict[str, Any]) -> None:
    assert merge_layers(layers) == merged


def test_a_tag_that_is_there_twice_counts_once() -> None:
    assert parse({"tags": ["a", "b", "a"]}).tags == ("a", "b")


@pytest.mark.parametrize(
    "layers", [[{"meta": "text"}, {"meta": {"a": 1}}], [{"column_types": 1}, {"column_types": {}}]]
)
def test_a_mapping_over_something_else_does_not_crash(layers: list[dict[str, Any]]) -> None:
    assert merge_layers(layers).keys() == layers[1].keys()


words = st.sampled_from("abc")
layer = st.fixed_dictionaries(
    {},
    optional={
        "tags": st.one_of(words, st.lists(words)),
        "meta": st.dictionaries(words, st.integers()),
        "owner": words,
        "+alias": words,
    },
)


@given(st.lists(layer, max_size=4))
def test_every_key_follows_its_own_rule(layers: list[dict[str, Any]]) -> None:
    merged = merge_layers(layers)

    tags: list[str] = []
    meta: dict[str, int] = {}
    for one in layers:
        tags += [one["tags"]] if isinstance(one.get("tags"), str) else one.get("tags", [])
        meta |= one.get("meta", {})
    assert merged.get("tags", []) == tags
    assert merged.get("meta", {}) == meta
    assert merged.get("owner") == next((one["owner"] for one in reversed(layers) if "owner" in one), None)
    assert merged.get("alias") == next((one["+alias"] for one in reversed(layers) if "+alias" in one), None)


# --- values ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "field", "value"),
    [
        ({"materialized": "incremental"}, "materialized", "incremental"),
        ({"unique_key": "id"}, "unique_key", ("id",)),
        ({"unique_key": ["a", "b"]}, "unique_key", ("a", "b")),
        ({"full_refresh": False}, "full_refresh", False),
        ({"full_refresh": None}, "full_refresh", None),
        ({"schema": 2024}, "schema", "2024"),
        ({"meta": {"a": [1]}}, "meta", {"a": [1]}),
        ({"enabled": False}, "enabled", False),
    ],
)
def test_values_take_their_type(raw: dict[str, Any], field: str, value: object) -> None:
    assert getattr(parse(raw), field) == value


def test_keys_of_dbt_without_effect_are_accepted() -> None:
    assert parse(dict.fromkeys(WITHOUT_EFFECT, "anything")) == ModelConfig()


@pytest.mark.parametrize(
    ("raw", "message", "hint"),
    [
        ({"materialised": "table"}, "unknown config 'materialised'", "did you mean 'materialized'?"),
        ({"zzz": 1}, "unknown config 'zzz'", None),
        (
            {"materialized": "tabel"},
            (
                "config 'materialized' is 'tabel', not one of table, view, ephemeral, incremental, snapshot, "
                "training_set, on_demand; did you mean 'table'?"
            ),
            None,
        ),
        ({"materialized": ["table"]}, "config 'materialized' is ['table'], not one of table, view", None),
        ({"enabled": "no"}, "config 'enabled' is 'no', not true or false", None),
        ({"unique_key": [1]}, "config 'unique_key' is [1], not a name or a list of names", None),
        ({"meta": "x"}, "config 'meta' is 'x', not a mapping of names to values", None),
        ({"alias": ["x"]}, "config 'alias' is ['x'], not a text", None),
        ({"alias": True}, "config 'alias' is True, not a text", None),
        (
            {"alias": "../x"},
            (
                "config 'alias' is '../x', which has characters that cannot be a folder's name;"
                " use letters, digits, '_', '-' and '.'"
            ),
            None,
        ),
        (
            {"schema": "a/b"},
            (
                "config 'schema' is 'a/b', which has characters that cannot be a folder's name;"
                " use letters, digits, '_', '-' and '.'"
            ),
            None,
        ),
        ({"delimiter": "||"}, "config 'delimiter' is '||'", None),
        ({"delimiter": ""}, "config 'delimiter' is ''", None),
        ({"column_types": {"id": 5}}, "config 'column_types' is {'id': 5}", None),
    ],
)
def test_a_wrong_value_is_a_problem_at_its_place(raw: dict[str, Any], message: str, hint: str | None) -> None:
    problem = problem_with(raw)
    assert problem.message.startswith(message)
    assert problem.hint == hint
    assert problem.place == HERE


def test_all_wrong_keys_are_told_at_once_and_the_right_ones_kept() -> None:
    config, problems = parse_config({"enabled": 1, "materialized": "table", "x": 1}, Place)
    assert config == ModelConfig(materialized="table")
    assert [problem.place for problem in problems] == [Place("enabled"), Place("x")]


def test_every_field_is_a_key_that_may_be_written_with_a_plus() -> None:
    for field in dataclasses.fields(ModelConfig):
        key = field.metadata.get("key", field.name)
        assert key_problem(key, HERE) is None
        assert key_problem(f"+{key}", HERE) is None
        assert field.metadata["doc"]


@pytest.mark.parametrize(
    ("raw", "strategy"),
    [
        ({}, "append"),
        ({"unique_key": "id"}, "merge"),
        ({"unique_key": "id", "incremental_strategy": "append"}, "append"),
    ],
)
def test_the_strategy_follows_from_the_key_where_none_is_named(raw: dict[str, Any], strategy: str) -> None:
    assert parse(raw).strategy == strategy


# --- the layers of a project -----------------------------------------------------------------------------------------

LAYERS = {
    "fsbuild_project.yml": """
name: shop
models:
  +tags: all
  +owner: everybody
  +meta: {a: 1, b: 1}
  shop:
    +materialized: table
    marts:
      +tags: [mart]
      +schema: marts
      daily:
        materialized: ephemeral
        orders:
          +alias: day_orders
""",
    "models/stg.sql": "select 1 as id",
    "models/marts/plain.sql": "select 1 as id",
    "models/marts/daily/orders.sql": "{{ config(tags='own', owner='me', meta={'b': 3}) }} select 1 as id",
    "models/marts/daily/_models.yml": """
models:
  - name: orders
    description: Orders of a day.
    meta: {b: 2, c: 2}
    tags: [yaml]
    config:
      materialized: incremental
      tags: yaml_config
""",
}


def configs(root: Path, moment: Moment = MOMENT) -> dict[str, ModelConfig]:
    draft = draft_project(root, Overrides(), moment)
    return {model.model.name: model.config for model in draft.models.values()}


def test_folders_then_yaml_then_config_the_later_the_stronger(make_project: Make) -> None:
    found = configs(make_project(LAYERS))

    assert found["stg"] == ModelConfig(
        materialized="table", tags=("all",), owner="everybody", meta={"a": 1, "b": 1}, schema=None
    )
    assert found["plain"].schema == "marts"
    assert found["plain"].tags == ("all", "mart")
    orders = found["orders"]
    assert (orders.materialized, orders.alias, orders.schema) == ("incremental", "day_orders", "marts")
    assert orders.tags == ("all", "mart", "yaml", "yaml_config", "own")
    assert orders.owner == "me"
    assert orders.meta == {"a": 1, "b": 3, "c": 2}
    assert orders.description == "Orders of a day."


def test_a_custom_schema_is_appended_and_an_alias_names_the_table(make_project: Make) -> None:
    draft = draft_project(make_project(LAYERS), Overrides(), MOMENT)
    relations = {model.model.name: str(model.relation) for model in draft.models.values()}
    assert relations == {
        "stg": '"main"."stg"',
        "plain": '"main_marts"."plain"',
        "orders": '"main_marts"."day_orders"',
    }


@pytest.mark.parametrize(
    ("files", "told"),
    [
        (
            {"fsbuild_project.yml": "name: shop\nmodels:\n  shop:\n    +materialised: table\n"},
            ["fsbuild_project.yml:4: unknown config '+materialised'\n  hint: did you mean 'materialized'?"],
        ),
        (
            {"fsbuild_project.yml": "name: shop\nseeds:\n  +delimitr: x\n", "seeds/s.csv": "id\n1\n"},
            ["fsbuild_project.yml:3: unknown config '+delimitr'\n  hint: did you mean 'delimiter'?"],
        ),
        (
            {"models/_m.yml": "models:\n  - name: a\n    config:\n      tag: x\n      enabled: true\n"},
            ["models/_m.yml:4: unknown config 'tag'\n  hint: did you mean 'tags'?"],
        ),
        (
            {"models/a.sql": "-- first\n{{ config(\n  materialized='table',\n  unique_keys='id'\n) }} select 1 as id"},
            ["models/a.sql:4: unknown config 'unique_keys'\n  hint: did you mean 'unique_key'?"],
        ),
        (
            {"models/a.sql": "{{ config(tags=5) }} select 1 as id"},
            ["models/a.sql: config 'tags' is not a name or a list of names"],
        ),
    ],
    ids=["folder", "seed folder", "yaml", "config()", "config() tags"],
)
def test_an_unknown_key_is_told_where_it_is_written_and_once(make_project: Make, files: Files, told: list[str]) -> None:
    root = make_project({"models/a.sql": "select 1 as id", **files})
    with pytest.raises(FsbuildError) as caught:
        configs(root)
    assert [str(problem) for problem in caught.value.problems] == told
