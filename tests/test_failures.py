"""What failed, all of it: the query for it, the table that keeps it, and how failures are counted."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from fsbuild import Project
from fsbuild.cli import cli
from fsbuild.errors import FsbuildError
from fsbuild.values import CheckResult, RunResult
from tests.conftest import Files, history_of, read_delta

Make = Callable[[Files], Path]
AUDIT = "main_dbt_test__audit"
SHOP = {
    "seeds/numbers.csv": "n,kind\n" + "".join(f"{n},{'ab'[n % 2]}\n" for n in range(10)),
    "models/small.sql": """
{{ config(materialized='table') }}
select n, kind, '{{ "{{" }}' as braces from {{ ref('numbers') }} where n < {{ var('below', 3) }}
""",
    "models/small.yml": """
models:
  - name: small
    columns:
      - name: n
        data_tests:
          - in_range: {min_value: 0, max_value: 2}
          - relationships: {to: ref('numbers'), field: n}
""",
}


def fsbuild(root: Path, *arguments: str) -> str:
    result = CliRunner().invoke(copy.deepcopy(cli), [*arguments, "--project-dir", str(root)])
    return result.output


def failing(result: RunResult) -> CheckResult:
    (found,) = [check for node in result.results for check in node.checks if check.status in ("fail", "warn")]
    return found


def test_the_query_for_all_rows_that_fail_is_written_and_runs(make_project: Make) -> None:
    """Of rows that were refused: they are computed by their model's SQL."""
    root = make_project(SHOP)
    project = Project(root, variables={"below": 10})

    found = failing(project.run())

    assert found.query_file == "target/compiled/shop/models/small.yml/in_range_small_n__2__0.sql"
    query = (root / found.query_file).read_text()
    assert query.startswith("-- what of small fails in_range(min_value=0, max_value=2) on n (models/small.yml:6)\n")
    assert [row[0] for row in project.show(inline=query, limit=None).rows] == [3, 4, 5, 6, 7, 8, 9]


def test_of_published_rows_the_query_reads_the_table(make_project: Make) -> None:
    root = make_project(SHOP)
    Project(root).run()
    yml = (root / "models/small.yml").read_text()
    (root / "models/small.yml").write_text(yml.replace("max_value: 2", "max_value: 1"))

    found = failing(Project(root).test())

    query = (root / found.query_file).read_text()
    assert "{{ ref('small') }}" in query
    assert [row[0] for row in Project(root).show(inline=query, limit=None).rows] == [2]


@pytest.mark.parametrize("check", ["unique", "not_null", "accepted_range: {max_value: 3}", "is_odd"])
def test_every_kind_of_check_has_a_query(make_project: Make, check: str) -> None:
    files = SHOP | {
        "models/small.sql": SHOP["models/small.sql"].replace("select n,", "select nullif(n // 2, 1) as n,"),
        "models/small.yml": f"models: [{{name: small, columns: [{{name: n, data_tests: [{check}]}}]}}]\n",
        "macros/odd.sql": "{% test is_odd(model, column_name) %}\n"
        "select * from {{ model }} where {{ column_name }} % 2 = 0\n{% endtest %}\n",
    }
    root = make_project(files)

    found = failing(Project(root, variables={"below": 10}).run())

    shown = Project(root).show(inline=(root / found.query_file).read_text(), limit=None)
    assert len(shown.rows) == found.failures > 0


def test_the_rows_that_fail_are_kept_where_that_is_wanted(make_project: Make) -> None:
    root = make_project(SHOP)

    found = failing(Project(root, variables={"below": 6}).run(store_failures=True))

    name = "in_range_small_n__2__0"
    assert str(found.stored_in) == f'"{AUDIT}"."{name}"'
    assert [row["n"] for row in read_delta(root, name, AUDIT)] == [3, 4, 5]
    assert [row[0] for row in Project(root).show(name).rows] == [3, 4, 5]


def test_a_check_that_passes_again_empties_its_table_and_makes_none(make_project: Make) -> None:
    root = make_project(SHOP)
    Project(root, variables={"below": 6}).run(store_failures=True)

    Project(root).run(store_failures=True)

    assert read_delta(root, "in_range_small_n__2__0", AUDIT) == []
    assert [folder.name for folder in (root / "lake" / AUDIT).iterdir()] == ["in_range_small_n__2__0"]


def test_a_check_says_itself_whether_its_rows_are_kept(make_project: Make) -> None:
    files = SHOP | {
        "models/small.yml": SHOP["models/small.yml"].replace(
            "max_value: 2}", "max_value: 2, config: {store_failures: true}, name: few}"
        )
    }
    root = make_project(files)

    output = fsbuild(root, "run", "--vars", "below: 6")

    assert len(read_delta(root, "few", AUDIT)) == 3
    assert "all of them: fsbuild show few" in output


def test_rows_that_only_pandera_can_tell_are_kept_too(make_project: Make) -> None:
    files = SHOP | {
        "models/small.sql": SHOP["models/small.sql"].replace("'table'", "'table', pandera='checks.small:Small'"),
        "models/small.yml": "models: [{name: small}]\n",
        "checks/small.py": """
import pandera.polars as pa

class Small(pa.DataFrameModel):
    n: int

    @pa.check("n", element_wise=True)
    def is_even(cls, value: int) -> bool:
        return value % 2 == 0
""",
    }
    root = make_project(files)

    found = failing(Project(root, variables={"below": 6}).build(store_failures=True))

    assert found.query_file == ""
    assert found.stored_in is not None
    assert [row["n"] for row in read_delta(root, found.stored_in.identifier, AUDIT)] == [1, 3, 5]


def test_a_retry_keeps_rows_as_the_command_did_that_it_repeats(make_project: Make) -> None:
    root = make_project(SHOP)
    assert "failed" in fsbuild(root, "build", "--store-failures", "--vars", "below: 6")
    fsbuild(root, "retry")

    assert len(history_of(root, "in_range_small_n__2__0", AUDIT)) == 2


def test_a_sample_is_followed_by_where_the_rest_is(make_project: Make) -> None:
    output = fsbuild(make_project(SHOP), "run", "--vars", "below: 10")

    assert "all of them: target/compiled/shop/models/small.yml/in_range_small_n__2__0.sql" in output


@pytest.mark.parametrize(
    ("settings", "failures", "status"),
    [
        ("limit: 4", 4, "fail"),
        ("limit: 4, error_if: '> 5'", 4, "warn"),
        ("fail_calc: 'sum(n)', error_if: '> 40'", 42, "fail"),
        ("fail_calc: 'max(n)', limit: 1, error_if: '> 9'", 3, "warn"),
    ],
)
def test_failures_are_counted_as_a_check_says(make_project: Make, settings: str, failures: int, status: str) -> None:
    yml = SHOP["models/small.yml"].replace(
        "in_range: {min_value: 0, max_value: 2}", "of_few: {config: {" + settings + "}}"
    )
    macro = (
        "{% test of_few(model, column_name) %}\nselect * from {{ model }} where {{ column_name }} > 2\n{% endtest %}"
    )
    root = make_project(SHOP | {"models/small.yml": yml, "macros/few.sql": macro})

    found = failing(Project(root, variables={"below": 10}).run())

    assert (found.failures, found.status) == (failures, status)


def test_a_limit_holds_for_what_pandera_decides(make_project: Make) -> None:
    yml = SHOP["models/small.yml"].replace("max_value: 2}", "max_value: 2, config: {limit: 2}}")

    assert failing(Project(make_project(SHOP | {"models/small.yml": yml}), variables={"below": 10}).run()).failures == 2


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ("limit: 0", "limit is 0, not a number of rows"),
        ("limit: many", "limit is 'many', not a number of rows"),
        ("store_failures: perhaps", "store_failures is 'perhaps', not true or false"),
        ("fail_calc: 'sum(n)'", "in_range is no query, of which fail_calc could count the rows"),
    ],
)
def test_mistakes_are_told_before_anything_runs(make_project: Make, config: str, expected: str) -> None:
    yml = SHOP["models/small.yml"].replace("max_value: 2}", "max_value: 2, config: {" + config + "}}")

    with pytest.raises(FsbuildError) as caught:
        Project(make_project(SHOP | {"models/small.yml": yml})).compile()

    assert [problem.message for problem in caught.value.problems] == [expected]


def test_a_fail_calc_is_bound_before_anything_runs(make_project: Make) -> None:
    yml = SHOP["models/small.yml"].replace(
        "in_range: {min_value: 0, max_value: 2}", "accepted_range: {max_value: 2, config: {fail_calc: 'sum(m)'}}"
    )
    with pytest.raises(FsbuildError, match='"m" not found'):
        Project(make_project(SHOP | {"models/small.yml": yml})).compile()
