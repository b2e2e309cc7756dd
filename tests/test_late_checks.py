"""Data tests whose templates ask the lake are decided once what they read is published."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import deltalake
import pytest

from fsbuild import Project
from fsbuild.errors import FsbuildError
from fsbuild.values import RunResult

Make = Callable[[Mapping[str, str]], Path]

SHOP = {
    "fsbuild_project.yml": "name: shop\nmodels: {+materialized: table}\n",
    "seeds/payments.csv": "id,method\n1,card\n2,cash\n3,card\n",
    "models/staged.sql": "select id, method from {{ ref('payments') }}",
    "models/copied.sql": "select {{ var('copied', 'id, method') }} from {{ ref('staged') }}",
    "models/below.sql": "select count(*) as n from {{ ref('copied') }}",
    "models/models.yml": (
        "models:\n  - name: copied\n    data_tests: [{same_as: {other: ref('staged')}}]\n    columns:\n"
        "      - {name: id, data_tests: [not_null]}\n"
    ),
    # As dbt_utils.equality: what is compared is known when the columns are.
    "tests/generic/same_as.sql": (
        "{% test same_as(model, other) %}\n"
        "{%- if not execute -%}{{ return('') }}{%- endif -%}\n"
        "{%- set columns = adapter.get_columns_in_relation(other) | map(attribute='quoted') | join(', ') -%}\n"
        "select {{ columns }} from {{ model }} except select {{ columns }} from {{ other }}\n"
        "union all (select {{ columns }} from {{ other }} except select {{ columns }} from {{ model }})\n"
        "{% endtest %}"
    ),
    # As a singular test that counts.
    "tests/as_many.sql": (
        "{% set n = run_query('select count(*) from ' ~ ref('staged')).rows[0][0] if execute else 0 %}\n"
        "select n from {{ ref('below') }} where n <> {{ n }}"
    ),
}


def verdicts(result: RunResult) -> dict[str, list[tuple[str, str]]]:
    return {one.name: [(c.check.name, c.status) for c in one.checks] for one in result.results if one.checks}


@pytest.mark.parametrize("command", ["build", "test"])
def test_they_are_decided_like_others(make_project: Make, command: str) -> None:
    root = make_project(SHOP)
    assert Project(root).build().is_success
    result = getattr(Project(root), command)()
    assert result.is_success
    found = verdicts(result)
    assert found == {"copied": [("not_null", "pass"), ("same_as", "pass")], "below": [("as_many", "pass")]}
    told = json.loads((root / "target/run_results.json").read_text())["results"]
    assert {"same_as_copied_ref_staged_", "as_many"} <= {one["unique_id"].split(".")[2] for one in told}


def test_one_that_fails_keeps_what_is_below_from_running(make_project: Make) -> None:
    root = make_project(SHOP)
    result = Project(root, variables={"copied": "id + 1 as id, method"}).build()
    statuses = {one.name: one.status for one in result.results}
    assert statuses == {"payments": "success", "staged": "success", "copied": "error", "below": "skipped"}
    assert [one.failures for r in result.results for one in r.checks if one.check.name == "same_as"] == [6]
    # It cannot gate: what it asks about has to be there.
    assert (root / "lake/main/copied").is_dir()
    assert not (root / "lake/main/below").exists()
    ids = deltalake.DeltaTable(str(root / "lake/main/copied")).to_pyarrow_table()["id"].to_pylist()
    assert sorted(ids) == [2, 3, 4]
    again = Project(root, variables={"copied": "id + 1 as id, method"}).test()
    assert verdicts(again)["copied"] == [("not_null", "pass"), ("same_as", "fail")]


def test_one_that_is_wrong_is_an_error_of_its_own(make_project: Make) -> None:
    files = {
        **SHOP,
        "tests/as_many.sql": "select {{ run_query('select nothing from ' ~ ref('staged')) }} from {{ ref('below') }}",
    }
    result = Project(make_project(files)).build()
    (check,) = next(one for one in result.results if one.name == "below").checks
    assert check.status == "error"
    assert 'Referenced column "nothing" not found' in str(check.message)


def test_in_a_project_of_dbt_a_check_that_is_wrong_fails_alone(make_project: Make) -> None:
    files = {
        "dbt_project.yml": "name: shop\n",
        "models/a.sql": "select 1 as x",
        "models/b.sql": "select x from {{ ref('a') }}",
        "models/a.yml": (
            "models:\n  - name: a\n    columns: [{name: x, data_tests: [{not_null: {where: 'y > 0'}}, unique]}]\n"
        ),
        "tests/wrong.sql": "select x from {{ ref('a') }} where {{ nobody.knows }}",
    }
    root = make_project(files)
    own = root / "fsbuild_project.yml"
    own.unlink()
    assert Project(root).run().is_success
    found = verdicts(Project(root).test())
    assert found == {"a": [("not_null", "error"), ("unique", "pass"), ("wrong", "error")]}
    (root / "dbt_project.yml").rename(own)
    with pytest.raises(FsbuildError, match="nobody"):
        Project(root).run()
