"""The load stage: what a folder's files say, with the file and line of everything that is wrong with them."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from fsbuild.errors import FsbuildError, Place, Problem, UsageError
from fsbuild.load import Overrides, find_root, load_project
from fsbuild.render import evaluate_text
from fsbuild.values import Column, Project, Source
from tests.conftest import Files, write_files

Make = Callable[[Files], Path]


def load(root: Path, overrides: Overrides | None = None) -> Project:
    return load_project(root, overrides or Overrides(), evaluate_text)


def told(root: Path, overrides: Overrides | None = None) -> list[str]:
    """What a person is told of a project that is wrong."""
    with pytest.raises(FsbuildError) as caught:
        load(root, overrides)
    return [str(problem) for problem in caught.value.problems]


# --- the project file ------------------------------------------------------------------------------------------------


def test_an_almost_empty_project_has_defaults(make_project: Make) -> None:
    root = make_project({})
    project = load(root)
    assert (project.name, project.root, project.target_path, project.clean_targets) == (
        "shop",
        root,
        "target",
        ("target",),
    )
    assert (project.models, project.seeds, project.sources, project.macros) == ((), (), (), ())
    target = project.target
    assert (target.name, target.schema, target.lake, target.profile) == ("dev", "main", str(root / "lake"), "shop")


def test_the_nearest_project_file_above_is_found(make_project: Make) -> None:
    root = make_project({"models/deep/er/a.sql": "select 1"})
    assert find_root(root / "models/deep/er") == root.resolve()


def test_no_project_file_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no fsbuild_project\.yml or dbt_project\.yml in this folder or above it"):
        find_root(tmp_path)


FOLDERS = {
    "fsbuild_project.yml": """
name: shop
model-paths: [sql, more_sql]
seed-paths: [csv]
macro-paths: [jinja]
target-path: out
clean-targets: [out, logs]
""",
    "sql/a.sql": "select 1",
    "more_sql/sub/b.sql": "select 2",
    "models/ignored.sql": "select 3",
    "csv/s.csv": "id\n1\n",
    "jinja/m.sql": "{% macro m() %}{% endmacro %}",
}


def test_folders_are_where_the_project_file_says(make_project: Make) -> None:
    project = load(make_project(FOLDERS))
    assert {model.unique_id: model.path for model in project.models} == {
        "model.shop.a": "sql/a.sql",
        "model.shop.b": "more_sql/sub/b.sql",
    }
    assert [(seed.unique_id, seed.path) for seed in project.seeds] == [("seed.shop.s", "csv/s.csv")]
    assert [macro.path for macro in project.macros] == ["jinja/m.sql"]
    assert (project.target_path, project.clean_targets) == ("out", ("out", "logs"))


def test_a_dbt_project_is_read_the_same_way_where_it_is_the_only_one(tmp_path: Path) -> None:
    ours = FOLDERS["fsbuild_project.yml"]
    write_files(tmp_path, {**FOLDERS, "dbt_project.yml": ours})
    expected = load(tmp_path)
    (tmp_path / "fsbuild_project.yml").unlink()
    found = load(tmp_path)
    assert (found.models, found.seeds, found.macros) == (expected.models, expected.seeds, expected.macros)
    assert (expected.checks_gate_run, found.checks_gate_run) == (True, False)


@pytest.mark.parametrize(
    ("file", "flags", "is_gating"),
    [
        ("fsbuild_project.yml", "", True),
        ("dbt_project.yml", "", False),
        ("dbt_project.yml", "flags: {gate: always}\n", True),
        ("dbt_project.yml", "flags: {use_colors: true}\n", False),
    ],
)
def test_checks_gate_a_run_unless_the_project_is_dbts(tmp_path: Path, file: str, flags: str, is_gating: bool) -> None:  # noqa: FBT001
    write_files(tmp_path, {file: f"name: shop\n{flags}"})
    assert load(tmp_path).checks_gate_run is is_gating


@pytest.mark.parametrize("file", ["fsbuild_project.yml", "dbt_project.yml"])
@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ("gate: alway", "3: flag 'gate' is 'alway', not 'always'\n  hint: did you mean 'always'?"),
        (
            "gate: true",
            (
                "3: flag 'gate' is True, not 'always'\n"
                "  hint: leave it out, and a project of dbt's runs its data_tests in 'build' and 'test' only"
            ),
        ),
        ("gates: always", "3: unknown flag 'gates'\n  hint: did you mean 'gate'?"),
    ],
)
def test_a_gate_that_is_none_is_a_problem(tmp_path: Path, file: str, flags: str, message: str) -> None:
    write_files(tmp_path, {file: f"name: shop\nflags:\n  {flags}\n"})
    assert told(tmp_path) == [f"{file}:{message}"]


@pytest.mark.parametrize(
    ("text", "messages"),
    [
        ("version: 2\n", ["fsbuild_project.yml:1: 'name' is missing or is not letters, digits and _"]),
        ("version: 2\nname: my-shop\n", ["fsbuild_project.yml:2: 'name' is missing or is not letters, digits and _"]),
        (
            "name: shop\nmodel-path: [x]\nsources: 3\n",
            [
                "fsbuild_project.yml:2: unknown key 'model-path'\n  hint: did you mean 'model-paths'?",
                "fsbuild_project.yml:3: 'sources' is not a mapping",
            ],
        ),
        (
            "name: shop\nmodel-paths: models\nvars: 3\n",
            ["fsbuild_project.yml:2: 'model-paths' is not a list", "fsbuild_project.yml:3: 'vars' is not a mapping"],
        ),
        ("name: shop\n\nname: shop\n", ["fsbuild_project.yml:3: 'name' is written twice"]),
        ("- name: shop\n", ["fsbuild_project.yml:1: the file is not a mapping of keys to values"]),
        ("name: shop\ntarget-path: [1]\n", ["fsbuild_project.yml:2: 'target-path' is not a text"]),
        ("name: shop\nclean-targets: target\n", ["fsbuild_project.yml:2: 'clean-targets' is not a list"]),
    ],
)
def test_mistakes_in_the_project_file(make_project: Make, text: str, messages: list[str]) -> None:
    assert told(make_project({"fsbuild_project.yml": text})) == messages


@pytest.mark.parametrize("kind", ["models", "seeds"])
def test_a_folder_config_that_is_neither_is_a_problem(make_project: Make, kind: str) -> None:
    root = make_project({"fsbuild_project.yml": f"name: shop\n{kind}:\n  shop:\n    staging: table\n"})
    assert told(root) == ["fsbuild_project.yml:4: 'staging' is neither a config nor a folder"]


@pytest.mark.parametrize(
    ("kind", "tree", "message"),
    [
        (
            "models",
            "{shp: {+tags: x}}",
            "'shp' is neither the project's name, nor a package, nor in models/\n  hint: did you mean 'shop'?",
        ),
        (
            "models",
            "{dbt_utils: {+tags: x}}",
            "'dbt_utils' is neither the project's name, nor a package, nor in models/\n  hint: write 'shop'",
        ),
        (
            "models",
            "{stagin: {+tags: x}}",
            "'stagin' is neither the project's name, nor a package, nor in models/\n  hint: did you mean 'staging'?",
        ),
        (
            "models",
            "{shop: {stagin: {+tags: x}}}",
            "'stagin' is neither a folder nor a file there\n  hint: did you mean 'staging'?",
        ),
        (
            "models",
            "{shop: {staging: {b: {+tags: x}}}}",
            "'b' is neither a folder nor a file there",
        ),
        ("seeds", "{shop: {staging: {+tags: x}}}", "'staging' is neither a folder nor a file there"),
        ("models", "{shop: {meta: {owner: x}}}", "'meta' is a config, and no folder of models\n  hint: write '+meta'"),
    ],
)
def test_configs_of_no_folder_are_a_problem(make_project: Make, kind: str, tree: str, message: str) -> None:
    files = {"fsbuild_project.yml": f"name: shop\n{kind}: {tree}\n", "models/staging/a.sql": "select 1"}
    assert told(make_project(files)) == [f"fsbuild_project.yml:2: {message}"]


@pytest.mark.parametrize(
    ("tree", "tags"),
    [
        ("{+tags: all, shop: {+tags: project, staging: {+tags: folder, a: {+tags: file}}}}", "all project folder file"),
        ("{staging: {+tags: folder, a: {+tags: file}}}", "folder file"),
        ("{staging: {+tags: weak}, shop: {+tags: strong}}", "weak strong"),
        ("{shop: {2024: {+tags: number}}}", None),
        ("{2024: {+tags: number}}", None),
    ],
)
def test_folders_are_configured_below_the_projects_name_or_without_it(
    make_project: Make, tree: str, tags: str | None
) -> None:
    files = {
        "fsbuild_project.yml": f"name: shop\nmodels: {tree}\n",
        "models/staging/a.sql": "select 1",
        "models/2024/b.sql": "select 1",
        "models/shop/staging/c.sql": "select 1",
    }
    found = {model.name: model.config.get("tags") for model in load(make_project(files)).models}
    assert (found["a"], found["b"]) == ((tags.split(), found["b"]) if tags else (None, ["number"]))
    assert "folder" not in str(found["c"])


def test_variables_of_the_package_are_stronger_and_the_callers_strongest(make_project: Make) -> None:
    text = "name: shop\nvars:\n  a: 1\n  b: 1\n  c: 1\n  other: {x: 1}\n  shop: {b: 2, c: 2}\n"
    project = load(make_project({"fsbuild_project.yml": text}), Overrides(variables={"c": 3}))
    assert project.variables == {"a": 1, "b": 2, "c": 3, "other": {"x": 1}}


# --- profiles --------------------------------------------------------------------------------------------------------

PROFILES = """
shop:
  target: dev
  outputs:
    dev: {type: duckdb, schema: dev_schema, threads: 3, memory_limit: 1GB, settings: {preserve_insertion_order: false}}
    prod:
      type: duckdb
      lake: "s3://bucket/{{ env_var('FSBUILD_TEST_LAKE', 'nowhere') }}"
      storage_options: {aws_region: eu-1, retries: 3}
"""


def test_the_profile_names_the_default_target(make_project: Make) -> None:
    root = make_project({"profiles.yml": PROFILES})
    target = load(root).target
    assert (target.name, target.schema, target.threads, target.lake) == ("dev", "dev_schema", 3, str(root / "lake"))
    assert target.settings == {"preserve_insertion_order": False, "memory_limit": "1GB"}


def test_another_target_is_asked_for_and_reads_the_environment(
    make_project: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FSBUILD_TEST_LAKE", "flights")
    target = load(make_project({"profiles.yml": PROFILES}), Overrides(target="prod", threads=7)).target
    assert (target.name, target.lake, target.schema, target.threads) == ("prod", "s3://bucket/flights", "main", 7)
    assert target.storage_options == {"aws_region": "eu-1", "retries": "3"}


def test_the_environment_of_a_target_that_is_not_used_is_not_asked_for(make_project: Make) -> None:
    needy = PROFILES.replace(", 'nowhere'", "")
    assert load(make_project({"profiles.yml": needy})).target.name == "dev"


def test_a_profiles_folder_of_its_own(make_project: Make) -> None:
    root = make_project({"elsewhere/profiles.yml": PROFILES, "profiles.yml": "broken: ["})
    assert load(root, Overrides(profiles_dir=root / "elsewhere")).target.schema == "dev_schema"


@pytest.mark.parametrize(
    ("profiles", "overrides", "message"),
    [
        (PROFILES, Overrides(target="prd"), "fsbuild_project.yml|unknown target 'prd'"),
        (PROFILES.replace("shop:", "shopp:"), Overrides(), "profile 'shop' is not in profiles.yml"),
        ("shop: {}\n", Overrides(), "profiles.yml:1: profile 'shop' has no 'outputs'"),
        ("shop:\n  outputs:\n    default: 3\n", Overrides(), "profiles.yml:3: output 'default' is not a mapping"),
        (
            "shop:\n  outputs:\n    default:\n      type: postgres\n",
            Overrides(),
            "profiles.yml:4: type 'postgres' is not 'duckdb'",
        ),
        (
            "shop:\n  outputs:\n    default:\n      type: duckdb\n      threads: many\n",
            Overrides(),
            "profiles.yml:5: 'threads' is 'many', not a number above 0",
        ),
        (
            "shop:\n  outputs:\n    default:\n      type: duckdb\n      shema: x\n",
            Overrides(),
            "profiles.yml:5: unknown key 'shema'",
        ),
        (
            "shop:\n  outputs:\n    default:\n      type: duckdb\n      schema: ../x\n",
            Overrides(),
            "profiles.yml:5: schema '../x' has characters that cannot be a folder's name",
        ),
        (
            "shop:\n  outputs:\n    default: {type: duckdb, schema: TEMP}\n",
            Overrides(),
            "profiles.yml:3: schema 'TEMP' is one that the engine keeps for itself",
        ),
        (
            "shop:\n  outputs:\n    default: {type: duckdb, schema: [x]}\n",
            Overrides(),
            "profiles.yml:3: schema ['x'] is not a text",
        ),
        (None, Overrides(target="prod"), "unknown target 'prod'"),
        (None, Overrides(profiles_dir=Path("/nowhere")), "no profiles.yml in /nowhere"),
        (
            "shop:\n  outputs:\n    dev: {type: duckdb}\n  target: \"{{ env_var('FSBUILD_TEST_UNSET') }}\"\n",
            Overrides(),
            "profiles.yml:4: environment variable 'FSBUILD_TEST_UNSET' is not set",
        ),
    ],
)
def test_mistakes_in_profiles(make_project: Make, profiles: str | None, overrides: Overrides, message: str) -> None:
    (line,) = told(make_project({} if profiles is None else {"profiles.yml": profiles}), overrides)
    assert any(wanted in line for wanted in message.split("|"))


# --- sources ---------------------------------------------------------------------------------------------------------

SOURCES = """
version: 2
sources:
  - name: raw
    schema: landing
    description: What arrives.
    tags: [in]
    meta: {external_location: "data/{name}.parquet"}
    tables:
      - name: flights
        description: One row a flight.
        tags: fast
        columns:
          - {name: id, data_type: bigint, description: The flight.}
      - name: weather
        identifier: wx
        meta: {external_location: "{{ var('data') }}/{schema}/{identifier}_*.csv"}
  - name: lake
    tables:
      - name: planes
        config:
          meta: {delta_table_path: "../tables/{name}", as_of_version: 3}
      - name: remote
        config: {delta_table_path: "s3://bucket/x"}
"""


def source(project: Project, name: str) -> Source:
    return next(one for one in project.sources if one.name == name)


def test_sources_are_files_or_delta_tables_below_the_project(make_project: Make) -> None:
    root = make_project({"models/_sources.yml": SOURCES})
    project = load(root, Overrides(variables={"data": "input"}))

    flights = source(project, "flights")
    assert (flights.unique_id, flights.kind, flights.location) == (
        "source.shop.raw.flights",
        "files",
        "data/flights.parquet",
    )
    assert str(flights.relation) == '"landing"."flights"'
    assert (flights.description, flights.tags) == ("One row a flight.", ("in", "fast"))
    assert flights.place == Place("models/_sources.yml", 9)
    assert flights.columns == (Column("id", Place("models/_sources.yml", 13), "bigint", "The flight."),)
    assert str(source(project, "weather").relation) == '"landing"."wx"'
    assert source(project, "weather").description == "What arrives."
    planes = source(project, "planes")
    assert (planes.kind, planes.location, planes.version) == ("delta", f"{root}/../tables/planes", 3)
    assert (source(project, "remote").location, source(project, "remote").version) == ("s3://bucket/x", None)


def test_a_location_names_the_schema_as_dbt_duckdb_does(make_project: Make) -> None:
    root = make_project({"models/_sources.yml": SOURCES})
    project = load(root, Overrides(variables={"data": "input"}))
    assert source(project, "weather").location == "input/landing/wx_*.csv"


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("- name: t", "models/s.yml:4: source 'raw.t' does not say where its rows are"),
        (
            "- name: t\n      meta: {delta_table_path: x, as_of_version: latest}",
            "models/s.yml:4: as_of_version is 'latest', not a version number",
        ),
        (
            "- name: t\n      meta: {delta_table_path: x, as_of_version: -1}",
            "models/s.yml:4: as_of_version is -1, not a version number",
        ),
        (
            "- name: t\n      meta: {delta_table_path: x, as_of_version: true}",
            "models/s.yml:4: as_of_version is True, not a version number",
        ),
        ("- meta: {external_location: x}", "models/s.yml:4: a source or one of its tables has no name"),
        (
            "- name: t\n      meta: {external_location: x}\n    - name: t\n      meta: {external_location: y}",
            "models/s.yml:6: source 'raw.t' is declared already, at models/s.yml:4",
        ),
        (
            "- name: t\n      meta: {external_location: x}\n      loaded_at_quer: select 1",
            "models/s.yml:6: unknown key 'loaded_at_quer'\n  hint: did you mean 'loaded_at_query'?",
        ),
        (
            "- name: t\n      meta: {external_location: x}\n      descripton: x",
            "models/s.yml:6: unknown key 'descripton'",
        ),
        ("- name: t\n      meta: 3", "models/s.yml:4: source 'raw.t' does not say where its rows are"),
    ],
)
def test_mistakes_in_sources(make_project: Make, table: str, message: str) -> None:
    text = f"sources:\n  - name: raw\n    tables:\n    {table}\n"
    (line,) = told(make_project({"models/s.yml": text}))
    assert line.splitlines()[0] == message or line.startswith(message)


# --- models and YAML -------------------------------------------------------------------------------------------------


def test_checks_and_columns_have_their_place(make_project: Make) -> None:
    text = """
models:
  - name: orders
    data_tests:
      - unique_combination: {columns: [a]}
    columns:
      - name: customer
        description: " Who bought. "
        data_tests:
          - not_null
          - relationships:
              to: ref('customers')
              field: id
              config: {severity: warn}
          - accepted_values:
              arguments: {values: [1, 2]}
              severity: error
          - test_name: in_range
            min_value: 0
          - unique: {config: {enabled: false}}
"""
    files = {"models/orders.sql": "select 1", "models/m.yml": text, "seeds/customers.csv": "id\n1\n"}
    (model,) = load(make_project(files)).models
    assert model.place == Place("models/m.yml", 2)
    assert model.columns == (Column("customer", Place("models/m.yml", 6), None, "Who bought."),)
    assert [(c.name, c.column, dict(c.arguments), c.severity, c.place.line) for c in model.checks] == [
        ("unique_combination", None, {"columns": ["a"]}, "error", 4),
        ("not_null", "customer", {}, "error", 9),
        ("relationships", "customer", {"to": "seed.shop.customers", "field": "id"}, "warn", 10),
        ("accepted_values", "customer", {"values": [1, 2]}, "error", 14),
        ("in_range", "customer", {"min_value": 0}, "error", 17),
    ]


def test_a_jinja_reference_in_a_check_is_read_as_dbt_does(make_project: Make) -> None:
    text = """
models:
  - name: orders
    columns:
      - name: customer
        data_tests:
          - relationships: {to: "{{ ref('orders') }}", field: id}
"""
    (model,) = load(make_project({"models/orders.sql": "select 1", "models/m.yml": text})).models
    assert model.checks[0].arguments["to"] == "model.shop.orders"


@pytest.mark.parametrize(
    ("text", "messages"),
    [
        (
            "models:\n  - name: ordres\n",
            ["m.yml:2: model 'ordres' is described here, but there is no file of that name\n  hint: did you mean"],
        ),
        (
            "models:\n  - name: orders\n  - name: orders\n",
            ["m.yml:3: model 'orders' is described already, at models/m.yml:2"],
        ),
        ("models:\n  - description: x\n", ["m.yml:2: an entry of 'models' has no name"]),
        (
            "models:\n  - orders\n",
            ["m.yml:2: an entry of 'models' is not a mapping"],
        ),
        ("models: {orders: 1}\n", ["m.yml:1: 'models' is not a list\n  hint: write 'models:' and '- name: …' below"]),
        ("modls: []\n", ["m.yml:1: unknown key 'modls'\n  hint: did you mean 'models'?"]),
        (
            "metrics:\n  - name: sold\n    kind: simple\n    label: Sold\n",
            [
                "m.yml:2: the metric 'sold' has no type\n  hint: type: simple",
                "m.yml:3: unknown key 'kind'",
            ],
        ),
        (
            "groups:\n  - name: sales\n  - name: sales\n    owner: {name: ann}\n",
            [
                "m.yml:2: the group 'sales' has no owner\n  hint: owner: {name: ann, email: ann@example.com}",
                "m.yml:3: 'sales' is declared already, at models/m.yml:2",
            ],
        ),
        (
            "unit_tests: [{name: t, model: ordres, expect: {rows: []}}]\n",
            ["m.yml:1: unknown model 'ordres'\n  hint: did"],
        ),
        (
            "models:\n  - name: orders\n    descr: x\n    latest_version: 3\n    versions: [{v: 1}, {v: 1}, {w: 2}]\n",
            [
                "m.yml:3: unknown key 'descr'",
                "m.yml:4: latest_version is 3, which is no version of 'orders'",
                "m.yml:5: version 1 of 'orders' is declared already",
                "m.yml:5: unknown key 'w'",
                "m.yml:5: a version of 'orders' has no number or name\n  hint: write v: 1",
                "m.yml:5: version 1 of model 'orders' is described here, but there is no file 'orders_v1.sql'",
            ],
        ),
        (
            "models:\n  - name: orders\n    columns:\n      - description: x\n",
            ["m.yml:4: a column has no name"],
        ),
        (
            "models:\n  - name: orders\n    data_tests:\n      - not_null\n      - [unique]\n      - a: 1\n",
            [
                "m.yml:5: a test is neither a name nor one name with its arguments",
                "m.yml:6: the arguments of 'a' have no names",
            ],
        ),
        (
            "models:\n  - name: orders\n    tests:\n      - a: {severity: loud}\n      - b: {config: {fail_cal: x}}\n",
            [
                "m.yml:4: severity is 'loud', not error, warn or quarantine",
                "m.yml:5: fsbuild does not support the test config 'fail_cal'\n  hint: did you mean 'fail_calc'?",
            ],
        ),
        (
            "models:\n  - name: orders\n    data_tests:\n      - relationships: {to: ref('order'), field: x}\n",
            ["m.yml:4: unknown ref 'order'\n  hint: did you mean 'orders'?"],
        ),
        (
            "models:\n  - name: orders\n    data_tests:\n      - relationships: {to: \"ref('x', 'orders')\"}\n",
            [("m.yml:4: there is no package 'x'\n  hint: packages are declared in packages.yml")],
        ),
        ("models:\n  - name: orders\n    tags: 5\n", ["m.yml:2: config 'tags' is not a name or a list of names"]),
        ("models: [\n", ["m.yml:2:1: not valid YAML"]),
        ("models:\n  - name: orders\n    description: !secret x\n", ["m.yml:3"]),
        ("models:\n  - name: orders\n    meta: {since: 2024-13-45}\n", ["m.yml:3"]),
        ("models:\n  - name: orders\n    description: {{ var('x') }}\n", ["m.yml:3"]),
        ('models:\n  - name: orders\n    description: "{{ nope }}"\n', ["m.yml:3: 'nope' is undefined"]),
        (
            "models:\n  - name: orders\n    description: \"{{ var('nope') }}\"\n",
            ["m.yml:3: variable 'nope' is not set"],
        ),
        ('models:\n  - name: orders\n    description: "{{ 1 + }}"\n', ["m.yml:3"]),
        ("models:\n  - name: orders\n    config: table\n", ["m.yml:3"]),
    ],
)
def test_mistakes_in_yaml(make_project: Make, text: str, messages: list[str]) -> None:
    found = told(make_project({"models/orders.sql": "select 1", "models/m.yml": text}))
    assert len(found) == len(messages)
    for line, message in zip(found, messages, strict=True):
        assert line.startswith(f"models/{message}")


def test_a_merge_key_may_be_overridden(make_project: Make) -> None:
    text = """
models:
  - name: a
    config: &base {materialized: table, owner: me}
  - name: b
    config:
      <<: *base
      owner: you
"""
    a, b = load(make_project({"models/a.sql": "", "models/b.sql": "", "models/m.yml": text})).models
    assert a.config == {"materialized": "table", "owner": "me"}
    assert b.config == {"materialized": "table", "owner": "you"}


def test_all_problems_of_all_files_are_told_at_once_in_order(make_project: Make) -> None:
    files = {
        "models/b.yml": "modls: []\n",
        "models/a.yml": "models:\n  - name: x\n    y: 1\n",
        "models/x y.sql": "",
        "seeds/s.csv": "a,b\n1\n",
    }
    places = [line.split(": ")[0] for line in told(make_project(files))]
    assert places == ["models/a.yml:2", "models/a.yml:3", "models/b.yml:1", "models/x y.sql", "seeds/s.csv:2"]


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"models/a.sql": "", "models/sub/a.sql": ""}, "models/sub/a.sql: model 'a' exists already, in models/a.sql"),
        ({"models/a.sql": "", "seeds/a.csv": "i\n"}, "models/a.sql: 'a' is the name of a model and of a seed"),
        ({"models/Orders.sql": "", "models/orders.sql": ""}, "models/orders.sql: "),
    ],
    ids=["models", "model and seed", "only the case differs"],
)
def test_two_nodes_of_one_name(make_project: Make, files: Files, message: str) -> None:
    (line,) = told(make_project(files))
    assert line.startswith(message)


def test_a_byte_that_is_not_utf8_is_told_with_its_line(make_project: Make) -> None:
    root = make_project({"models/a.sql": "select\n"})
    (root / "models/a.sql").write_bytes(b"select\n  '\xe9'\n")
    assert told(root) == ["models/a.sql:2: not UTF-8: byte 0xe9\n  hint: save the file as UTF-8"]


def test_a_byte_order_mark_is_not_part_of_the_text(make_project: Make) -> None:
    root = make_project({})
    write_files(root, {"models/a.sql": "\ufeffselect 1"})
    assert load(root).models[0].raw_sql == "select 1"


# --- seeds -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("id,name\n1,a\n2,b\n", []),
        ('id,name\n1,"a,b"\n', []),
        ('id,name\n1,"a\nb"\n2,c\n', []),
        ("id,name\n1,a\n\n", []),
        ("id,name\r\n1,a\r\n", []),
        ("id,name\n1,a\u2028b\n2,c\x85d\n3,e\x0cf\n", []),
        ("", ["s.csv:1: the seed is empty"]),
        ("id,\n1,2\n", ["s.csv:1: a column has no name"]),
        ("id,id\n1,2\n", ["s.csv:1: column 'id' is there twice"]),
        ("id,ID\n1,2\n", ["s.csv:1: column 'ID' is there twice"]),
        ("id,name\n1,a\n2\n3,c,d\n", ["s.csv:3: 1 fields, where the header has 2 (and 1 more such lines)"]),
        ('id,name\n1,"a\nb"\n2,c,d\n', ["s.csv:4: 3 fields, where the header has 2"]),
        ('id,name\r\n1,"a\nb"\r\n2,c\r\n', []),
        ("id,name\r\n1,a\r\n2,b\n3,c\n", ["s.csv:3: a row ends in LF, and those before it in CR LF"]),
    ],
    ids=[
        "plain",
        "quoted separator",
        "quoted line break",
        "empty line",
        "windows",
        "unicode separators are no line breaks",
        "empty",
        "no name",
        "twice",
        "twice but for case",
        "ragged",
        "ragged after a line break",
        "another line end inside a field",
        "two kinds of line ends",
    ],
)
def test_seeds_are_tables_of_equal_rows(make_project: Make, text: str, lines: list[str]) -> None:
    root = make_project({})
    (root / "seeds").mkdir()
    (root / "seeds/s.csv").write_bytes(text.encode())
    if not lines:
        assert [seed.name for seed in load(root).seeds] == ["s"]
        return
    found = told(root)
    assert [line.splitlines()[0] for line in found] == [f"seeds/{line}" for line in lines]


def test_a_ragged_row_is_shown(make_project: Make) -> None:
    (line,) = told(make_project({"seeds/s.csv": "id,name\n1,a,b\n"}))
    assert line.splitlines()[1:] == [
        "  2 | 1,a,b",
        "  hint: a field that holds the separator is written in double quotes",
    ]


def test_a_seed_has_its_configuration_and_a_fingerprint_of_its_bytes(make_project: Make) -> None:
    files = {
        "fsbuild_project.yml": "name: shop\nseeds: {+schema: ref, +delimiter: ;}\n",
        "seeds/s.csv": "id;n\n1;2\n",
        "seeds/s.yml": "seeds:\n  - name: s\n    config: {column_types: {id: VARCHAR}, alias: t}\n",
    }
    root = make_project(files)
    (seed,) = load(root).seeds
    assert str(seed.relation) == '"main_ref"."t"'
    assert (seed.config.delimiter, seed.config.column_types) == (";", {"id": "VARCHAR"})
    write_files(root, {"seeds/s.csv": "id;n\n1;3\n"})
    assert load(root).seeds[0].fingerprint != seed.fingerprint


def test_a_disabled_seed_is_left_out(make_project: Make) -> None:
    yml = "seeds:\n  - name: s\n    config: {enabled: false}\n"
    assert load(make_project({"seeds/s.csv": "id\n1\n", "seeds/s.yml": yml})).seeds == ()


# --- whatever is written ---------------------------------------------------------------------------------------------

KEYS = [
    *("models", "seeds", "sources", "name", "tables", "columns", "data_tests", "config", "meta", "tags", "arguments"),
    *("external_location", "delta_table_path", "column_types", "relationships", "to", "severity", "materialized", "a"),
]
values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(0, 3), st.sampled_from([*KEYS, "s", "{{ 1 }}", "ref('a')", ""])),
    lambda inner: st.one_of(
        st.lists(inner, max_size=2), st.dictionaries(st.one_of(st.sampled_from(KEYS), st.just(1)), inner, max_size=3)
    ),
    max_leaves=6,
)


@st.composite
def documents(draw: st.DrawFn) -> dict[str, Any]:
    """YAML that is right but for some of its values."""

    def perhaps(right: Any) -> Any:  # noqa: ANN401
        return draw(values) if draw(st.integers(0, 5)) == 0 else right

    column = {"name": perhaps("id"), "data_tests": perhaps([perhaps({"in_range": perhaps({"config": perhaps({})})})])}
    node = {
        "config": perhaps({draw(st.sampled_from(KEYS)): draw(values)}),
        "meta": perhaps({}),
        "columns": perhaps([column]),
        "tags": perhaps("x"),
    }
    table = {
        "name": perhaps("t"),
        "meta": perhaps({"external_location": perhaps("x.csv")}),
        "columns": perhaps([column]),
    }
    return {
        "models": perhaps([perhaps({"name": perhaps("a"), **node})]),
        "seeds": perhaps([perhaps({"name": perhaps("s"), **node})]),
        "sources": perhaps([perhaps({"name": "raw", "config": perhaps({}), "tables": perhaps([perhaps(table)])})]),
    }


@given(documents(), st.dictionaries(st.sampled_from(["models", "seeds", "vars", "flags", "clean-targets"]), values))
@settings(
    max_examples=80,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # to look for a smaller example takes a minute
    suppress_health_check=[HealthCheck.too_slow],
)
def test_whatever_yaml_says_it_is_a_project_or_has_problems(document: dict[str, Any], project: dict[str, Any]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        write_files(
            root,
            {
                "fsbuild_project.yml": yaml.safe_dump({"name": "shop", **project}),
                "models/a.sql": "select 1",
                "models/m.yml": yaml.safe_dump(document),
                "seeds/s.csv": "id\n1\n",
            },
        )
        problems: tuple[Problem, ...] = ()
        try:
            load(root)
        except FsbuildError as exc:
            problems = exc.problems
        assert all(problem.place is not None for problem in problems)


def test_dbts_variables_are_taken_as_they_are_written(tmp_path: Path) -> None:
    write_files(
        tmp_path, {"dbt_project.yml": "name: shop\ndbt-cloud: {project-id: 1}\nvars: {day: '{{ nowhere() }}'}\n"}
    )
    assert load(tmp_path).variables == {"day": "{{ nowhere() }}"}
