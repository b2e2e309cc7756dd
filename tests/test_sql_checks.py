"""Checks that a project writes itself: macros with arguments, and files, judged before anything is published."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from fsbuild import Project
from fsbuild.errors import FsbuildError
from fsbuild.values import CheckResult, NodeResult
from tests.conftest import Files, read_delta

Make = Callable[[Files], Path]
SHOP = {
    "seeds/numbers.csv": "n,kind\n1,a\n2,b\n4,b\n",
    "models/even.sql": """
{{ config(materialized='table') }}
select n, kind from {{ ref('numbers') }} where n > {{ var('above', 1) }}
""",
    "models/even.yml": """
models:
  - name: even
    columns:
      - {name: n, data_tests: [is_even]}
""",
    "macros/tests.sql": """
{% test is_even(model, column_name) %}
select {{ column_name }} from {{ model }} where {{ column_name }} % 2 <> 0
{% endtest %}
""",
}


def run(root: Path, above: int = 1) -> dict[str, NodeResult]:
    return {result.name: result for result in Project(root, variables={"above": above}).run().results}


def only(result: NodeResult) -> CheckResult:
    (check,) = result.checks
    return check


def test_a_macro_judges_the_rows_before_they_are_published(make_project: Make) -> None:
    root = make_project(SHOP)
    assert run(root)["even"].status == "success"

    result = run(root, above=0)["even"]

    assert (result.status, only(result).failures, only(result).sample) == ("error", 1, ({"n": 1},))
    assert [row["n"] for row in read_delta(root, "even")] == [2, 4]


def test_a_macro_has_arguments_nodes_among_them_and_settings_of_its_own(make_project: Make) -> None:
    files = SHOP | {
        "macros/tests.sql": """
{% test among(model, column_name, other, but_for=none) %}
{{ config(severity='warn', error_if='> 1') }}
select m.* from {{ model }} as m
where {{ column_name }} not in (select n from {{ other }} where n <> {{ but_for }})
{% endtest %}
""",
        "models/even.yml": """
models:
  - name: even
    columns:
      - {name: n, data_tests: [among: {other: ref('numbers'), but_for: 4}]}
""",
    }
    root = make_project(files)

    result = run(root)["even"]

    assert (result.status, only(result).status, only(result).sample) == ("warn", "warn", ({"n": 4, "kind": "b"},))


def test_what_yaml_says_of_a_check_is_stronger_than_its_macro(make_project: Make) -> None:
    macro = SHOP["macros/tests.sql"].replace("select", "{{ config(severity='warn') }} select", 1)
    root = make_project(SHOP | {"macros/tests.sql": macro})
    assert run(root, above=0)["even"].status == "warn"

    (root / "models/even.yml").write_text(SHOP["models/even.yml"].replace("[is_even]", "[is_even: {severity: error}]"))

    assert run(root, above=-1)["even"].status == "error"


def test_a_condition_says_which_rows_a_macro_sees(make_project: Make) -> None:
    told = SHOP["models/even.yml"].replace("[is_even]", "[is_even: {config: {where: n > 1}}]")
    root = make_project(SHOP | {"models/even.yml": told})

    assert run(root, above=0)["even"].status == "success"


def test_a_macro_of_the_project_takes_the_place_of_a_check_of_that_name(make_project: Make) -> None:
    files = SHOP | {
        "tests/generic/unique.sql": "{% test unique(model, column_name) %} select 1 as no {% endtest %}",
        "models/even.yml": SHOP["models/even.yml"].replace("is_even", "unique"),
    }
    root = make_project(files)

    assert only(run(root)["even"]).sample == ({"no": 1},)


def test_a_file_judges_the_last_of_the_models_that_it_reads(make_project: Make) -> None:
    files = SHOP | {
        "models/odd.sql": "{{ config(materialized='table') }} select n from {{ ref('even') }} where n < 4\n",
        "tests/sums.sql": """
{{ config(error_if='> 1') }}
-- the rows of even that odd lacks
select * from {{ ref('even') }} where n not in (select n from {{ ref('odd') }});
""",
    }
    root = make_project(files)

    results = run(root)

    check = only(results["odd"])
    assert (check.check.title, check.status, check.sample) == ("sums", "warn", ({"n": 4, "kind": "b"},))
    assert [one.check.name for one in results["even"].checks] == ["is_even"]
    results = run(root, above=-3)
    assert (results["even"].status, results["odd"].status) == ("error", "skipped")
    (tested,) = (one for one in Project(root).test(select=["odd"]).results)
    assert only(tested).status == "warn"


def test_a_file_sees_the_rows_that_are_about_to_be_published(make_project: Make) -> None:
    files = SHOP | {"tests/few.sql": "select count(*) as n from {{ ref('even') }} having count(*) > 2\n"}
    files["models/even.yml"] = ""
    root = make_project(files)
    assert run(root)["even"].status == "success"

    result = run(root, above=0)["even"]

    assert (result.status, only(result).sample) == ("error", ({"n": 3},))
    assert len(read_delta(root, "even")) == 2


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"tests/t.sql": "select * from {{ ref('evn') }}"}, "tests/t.sql: unknown model or seed 'evn'"),
        ({"tests/t.sql": "select 1"}, "tests/t.sql: a test reads no model, seed or source"),
        ({"tests/t.sql": "select m from {{ ref('even') }}"}, "tests/t.sql"),
        ({"tests/t.sql": "{{ config(severty='warn') }} select * from {{ ref('even') }}"}, "test config 'severty'"),
        ({"tests/t.sql": "{% if %}"}, "tests/t.sql:1"),
        ({"tests/t.sql": "{{ nothing }} select * from {{ ref('even') }}"}, "'nothing' is"),
        (
            {"models/even.yml": SHOP["models/even.yml"].replace("is_even", "is_even: {by: 3}")},
            "is_even: TypeError: macro 'test_is_even' takes no keyword argument 'by'",
        ),
        (
            {"macros/tests.sql": "{% test is_even(model, column_name) %} select x from {{ model }} {% endtest %}"},
            "is_even:",
        ),
        (
            {"models/even.yml": SHOP["models/even.yml"].replace("is_even", "is_even: {severity: quarantine}")},
            "no row can be put aside",
        ),
    ],
)
def test_mistakes_are_told_before_anything_runs(make_project: Make, files: Files, said: str) -> None:
    root = make_project({**SHOP, **files})

    with pytest.raises(FsbuildError) as caught:
        Project(root).run()

    told = "\n".join(f"{problem.place}: {problem.message}" for problem in caught.value.problems)
    assert said in told
    assert not (root / "lake").exists()
