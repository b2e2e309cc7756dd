"""Projects that are read from dbt's own file, with dbt's patience."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import duckdb
import pytest

from fsbuild import Project
from fsbuild.errors import FsbuildError

Make = Callable[[Mapping[str, str]], Path]


def test_what_dbt_lets_pass_is_told_and_let_pass_in_its_projects(
    make_project: Make, caplog: pytest.LogCaptureFixture
) -> None:
    files = {
        "dbt_project.yml": "name: shop\nmodels: {+mood: good}\nsurprise: 1\n",
        "models/a.sql": "{{ config(colour='red') }} select '{{ config.get('mood') }} {{ config.get('colour') }}' as x",
        "models/a.yml": "models:\n  - name: a\n    nam: b\n    columns: [{name: y, description: gone}]\n",
    }
    root = make_project(files)
    (root / "fsbuild_project.yml").unlink()
    assert Project(root).compile()["a"] == "select 'good red' as x"
    told = "\n".join(record.getMessage() for record in caplog.records)
    for mistake in ("unknown key 'surprise'", "unknown config '+mood'", "unknown key 'nam'", "'a' has no such column"):
        assert mistake in told
    (root / "dbt_project.yml").rename(root / "fsbuild_project.yml")
    with pytest.raises(FsbuildError, match="unknown key 'surprise'"):
        Project(root).compile()


def test_hooks_run_around_models_and_runs(make_project: Make) -> None:
    files = {
        "fsbuild_project.yml": (
            "name: shop\n"
            "on-run-start: ['create table log (what text, moment integer)', \"{{ note('start', 0) }}\"]\n"
            "on-run-end:\n"
            "  - \"{{ note('end ' ~ (results | map(attribute='status') | join(' ')) ~ ' ' ~ schemas | join, 9) }}\"\n"
            "  - \"copy (from log order by moment, what) to '{{ var('told') }}'\"\n"
            "models:\n"
            "  +materialized: table\n"
            "  +pre-hook: \"{{ note('before ' ~ this.identifier, 1) }}\"\n"
            "  shop: {+post-hook: [{sql: \"{{ note('after ' ~ this.identifier, 2) }}\", transaction: true}]}\n"
        ),
        "macros/note.sql": "{% macro note(what, at) %}insert into log values ('{{ what }}', {{ at }}){% endmacro %}",
        "models/a.sql": (
            "{{ config(post_hook=\"insert into log select 'rows of a: ' || count(*), 3 from {{ this }}\") }}"
            "from range(4)"
        ),
    }
    root = make_project(files)
    assert Project(root, variables={"told": str(root / "told.csv")}).run().is_success
    assert (root / "told.csv").read_text().splitlines()[1:] == [
        "start,0", "before a,1", "after a,2", "rows of a: 4,3", "end success main,9"
    ]  # fmt: skip


def test_a_hook_that_fails_is_told_with_its_sql(make_project: Make) -> None:
    root = make_project(
        {"models/a.sql": "{{ config(materialized='table', pre_hook='drop table nothing') }} select 1 as x"}
    )
    (result,) = Project(root).run().results
    assert (result.status, str(result.problems[0].place)) == ("error", "models/a.sql")
    assert "a hook: Catalog Error" in result.message
    assert result.problems[0].detail == "drop table nothing"
    assert not (root / "lake/main/a").exists()


def test_a_source_that_the_project_itself_writes_is_what_writes_it(make_project: Make) -> None:
    files = {
        "dbt_project.yml": "name: shop\nmodels: {+materialized: table}\nseeds: {+schema: raw}\n",
        "macros/names.sql": "{% macro generate_schema_name(name, node) %}{{ name or target.schema }}{% endmacro %}",
        "seeds/orders.csv": "id\n1\n2\n",
        "models/sources.yml": "sources: [{name: raw, tables: [{name: orders}]}]\n",
        "models/a.sql": "select * from {{ source('raw', 'orders') }}",
    }
    root = make_project(files)
    (root / "fsbuild_project.yml").unlink()
    assert Project(root).build().is_success
    assert sorted(Project(root).show("a", limit=None).rows) == [(1,), (2,)]
    (root / "seeds/orders.csv").write_text("id\n3\n")
    assert Project(root).build().is_success
    assert Project(root).show("a").rows == ((3,),)


def test_sources_are_read_from_the_profiles_own_database_and_from_others(make_project: Make) -> None:
    files = {
        "dbt_project.yml": "name: shop\nmodels: {+materialized: table}\n",
        "profiles.yml": (
            "shop: {outputs: {dev: {type: duckdb, path: shop.duckdb, attach: [{path: other.duckdb, alias: far}]}}, "
            "target: dev}\n"
        ),
        "models/sources.yml": (
            "sources:\n  - {name: raw, tables: [{name: orders}]}\n"
            "  - {name: far_raw, database: far, schema: main, tables: [{name: events}]}\n"
        ),
        "models/a.sql": "select n, m from {{ source('raw', 'orders') }}, {{ source('far_raw', 'events') }}",
    }
    root = make_project(files)
    (root / "fsbuild_project.yml").unlink()
    for name, sql in (
        ("shop", "create schema raw; create table raw.orders as select 7 as n"),
        ("other", "create table events as select 8 as m"),
    ):
        with duckdb.connect(str(root / f"{name}.duckdb")) as database:
            database.execute(sql)
    assert Project(root).run().is_success
    assert Project(root).show("a").rows == ((7, 8),)
    assert [one.status for one in Project(root).run().results] == ["unchanged"]
    with duckdb.connect(str(root / "other.duckdb")) as database:
        database.execute("update events set m = 9")
    assert Project(root).run().is_success
    assert Project(root).show("a").rows == ((7, 9),)


def test_checks_and_unit_tests_of_such_a_source_are_about_what_writes_it(make_project: Make) -> None:
    files = {
        "dbt_project.yml": "name: shop\nseeds: {+schema: raw}\n",
        "macros/names.sql": "{% macro generate_schema_name(name, node) %}{{ name or target.schema }}{% endmacro %}",
        "seeds/orders.csv": "id\n1\n2\n",
        "models/sources.yml": "sources: [{name: raw, tables: [{name: orders}]}]\n",
        "models/a.sql": "{{ config(materialized='table') }} select id + 1 as id from {{ source('raw', 'orders') }}",
        "models/a.yml": (
            "models:\n  - name: a\n    columns:\n      - name: id\n        data_tests:\n"
            "          - relationships:\n              arguments: {to: \"source('raw', 'orders')\", field: id}\n"
            "              config: {severity: warn}\n"
            "unit_tests:\n  - name: adds_one\n    model: a\n"
            "    given: [{input: \"source('raw', 'orders')\", rows: [{id: 6}]}]\n    expect: {rows: [{id: 7}]}\n"
        ),
    }
    root = make_project(files)
    (root / "fsbuild_project.yml").unlink()
    seed, model = Project(root).build().results
    assert (seed.status, model.status) == ("success", "warn")
    assert [check.failures for check in model.checks] == [1]
    assert [test.status for test in model.unit_tests] == ["pass"]


def test_a_model_in_python_is_told_of(make_project: Make, caplog: pytest.LogCaptureFixture) -> None:
    root = make_project(
        {"dbt_project.yml": "name: shop\n", "models/a.sql": "select 1 as x", "models/b.py": "def model(): ..."}
    )
    (root / "fsbuild_project.yml").unlink()
    assert Project(root).compile() == {"a": "select 1 as x"}
    assert "models/b.py: a model in Python, which is not run" in caplog.text


def test_variables_are_not_templates(make_project: Make) -> None:
    files = {
        "dbt_project.yml": "name: shop\nvars: {day: '{{ today }}'}\n",
        "models/a.sql": "select '{{ var('day') }}' as x",
    }
    root = make_project(files)
    (root / "fsbuild_project.yml").unlink()
    assert Project(root).compile() == {"a": "select '{{ today }}' as x"}


def test_two_sources_may_be_one_table(make_project: Make) -> None:
    files = {
        "models/sources.yml": (
            "sources:\n"
            "  - {name: one, schema: raw, tables: [{name: t, meta: {external_location: t.csv}}]}\n"
            "  - {name: two, schema: raw, tables: [{name: t, meta: {external_location: t.csv}}]}\n"
        ),
        "models/a.sql": "{{ config(materialized='table') }} select * from {{ source('one', 't') }} union all "
        "select * from {{ source('two', 't') }}",
        "t.csv": "n\n7\n",
    }
    root = make_project(files)
    assert Project(root).run().is_success
    assert Project(root).show("a").rows == ((7,), (7,))
