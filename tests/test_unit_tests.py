"""Unit tests: rows that somebody made up in, what a model makes of them, held against what is expected of it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from fsbuild import Project
from fsbuild.errors import FsbuildError
from fsbuild.unit_tests import compare_rows
from fsbuild.values import RunResult, UnitTestResult
from tests.conftest import Files, write_files
from tests.test_cli import fsbuild_
from tests.test_json_schema import mistakes

MakeProject = Callable[[Files], Path]

SHOP = {
    "seeds/orders.csv": "id,customer,amount,placed_on\n1,ann,20.5,2013-01-01\n",
    "seeds/customers.csv": "customer,country\nann,FI\n",
    "models/big_orders.sql": """
{{ config(materialized='table') }}
select id, customer, amount, amount > {{ var('limit', 100) }} as is_big, country, placed_on
from {{ ref('orders') }} left join {{ ref('customers') }} using (customer)
""",
}


def with_tests(tests: str, others: Files = {}) -> dict[str, str]:  # noqa: B006 - it is only read
    """Give the shop with unit tests."""
    return {**SHOP, **others, "models/tests.yml": "unit_tests:\n" + tests.strip("\n") + "\n"}


def run_tests(root: Path, *select: str) -> RunResult:
    return Project(root).test(select=select or ["test_type:unit"])


def only(result: RunResult) -> UnitTestResult:
    """Give the result of the one unit test."""
    (node,) = result.results
    (test,) = node.unit_tests
    return test


def problems_of(root: Path) -> list[str]:
    with pytest.raises(FsbuildError) as caught:
        run_tests(root)
    return [str(problem) for problem in caught.value.problems]


# --- what is given, what is expected ---------------------------------------------------------------------------------


BIG = """
  - name: over_the_limit_is_big
    model: big_orders
    given:
      - input: ref('orders')
        rows:
          - {id: 1, customer: ann, amount: 100.5}
          - {id: 2, customer: bob, amount: '7'}
          - {id: 3}
      - input: ref('customers')
        format: csv
        rows: |
          customer,country
          ann,FI
          bob,
    expect:
      rows:
        - {id: 3, is_big: null, country: null}
        - {id: 2, is_big: false, country: null}
        - {id: 1, is_big: true, country: FI}
"""


def test_a_model_is_tried_on_made_up_rows_without_any_lake(make_project: MakeProject) -> None:
    root = make_project(with_tests(BIG))

    result = run_tests(root)

    assert only(result).status == "pass"
    assert result.is_success
    assert not (root / "lake").exists()


def test_what_is_wrong_is_told_row_by_row(make_project: MakeProject) -> None:
    root = make_project(with_tests(BIG.replace("id: 2, is_big: false", "id: 2, is_big: true")))

    told = fsbuild_(root, "test", "--select", "test_type:unit")

    assert (told.returncode, told.stdout) == (1, "")
    lines = [line.strip() for line in told.stderr.splitlines()]
    assert "FAIL   unit test over_the_limit_is_big: 1 row missing, 1 row too many (models/tests.yml:2)" in lines
    assert lines[-5:-1] == [
        "id  is_big  country",
        "--  ------  -------",
        "-  2  true    NULL",
        "+  2  false   NULL",
    ]
    assert lines[-1].endswith("1 failed of 1 node, 0 unit tests passed, 1 failed")


def test_at_most_ten_lines_of_a_difference_are_shown() -> None:
    missing, surplus, shown = compare_rows([{"id": id_} for id_ in range(30)], [{"id": id_} for id_ in range(20, 60)])

    assert (missing, surplus, len(shown)) == (20, 30, 10)


@pytest.mark.parametrize(
    ("expected", "actual", "is_same"),
    [
        ([1, 1, 2], [2, 1, 1], True),
        ([1, 1, 2], [1, 2, 2], False),
        ([None], [None], True),
        ([None], [0], False),
        ([0.3], [0.1 + 0.2], True),
        ([0.3], [0.3001], False),
        ([float("nan")], [float("nan")], True),
        ([[1, None]], [[1, None]], True),
        ([[1, 2]], [[2, 1]], False),
        ([{"a": 0.3, "b": [None]}], [{"a": 0.1 + 0.2, "b": [None]}], True),
        ([[("x", 1), ("y", 2)]], [[("y", 2), ("x", 1)]], True),
        ([True], [1], False),
    ],
)
def test_rows_are_compared_as_a_multiset_and_values_by_what_they_are(
    expected: list[object],
    actual: list[object],
    is_same: bool,  # noqa: FBT001 - a parameter of the table above
) -> None:
    missing, surplus, _ = compare_rows([{"v": value} for value in expected], [{"v": value} for value in actual])

    assert (not missing and not surplus) is is_same


def test_fixtures_are_files_of_csv_or_sql(make_project: MakeProject) -> None:
    root = make_project(
        with_tests(
            """
  - name: from_files
    model: big_orders
    given:
      - {input: ref('orders'), format: csv, fixture: two_orders}
      - {input: ref('customers'), format: sql, fixture: ann}
    expect: {format: sql, rows: "select 2 as id, 'FI' as country union all select 1, null"}
""",
            {
                "tests/fixtures/two_orders.csv": "id,customer,placed_on\n1,bob,\n2,ann,2013-01-01\n",
                "tests/fixtures/ann.sql": "select 'ann' as customer, 'FI' as country;\n",
            },
        )
    )

    assert only(run_tests(root)).status == "pass"


def test_values_are_read_as_the_type_of_their_column(make_project: MakeProject) -> None:
    root = make_project(
        {
            "models/typed.sql": """
{{ config(materialized='table') }}
select 1::smallint as n, 1.5::decimal(6, 2) as d, date '2013-01-01' as day, now() as came_at, [1, 2] as list,
    {'a': 1, 'b': 'x'} as struct, map {'k': 1.5::double} as map, 'x'::blob as blob where false
""",
            "models/copied.sql": "{{ config(materialized='table') }} select * from {{ ref('typed') }}",
            "models/tests.yml": """
unit_tests:
  - name: everything
    model: copied
    given:
      - input: ref('typed')
        rows:
          - {n: '7', d: '2.50', day: 2013-01-02, came_at: 2013-01-01 10:00:00, list: [1, null], struct: {a: 1, b: y},
             map: {k: 0.1}, blob: abc}
          - {}
    expect:
      rows:
        - {n: 7.0, d: 2.5, day: '2013-01-02', came_at: '2013-01-01 10:00:00+00', list: '[1, NULL]',
           struct: {a: 1, b: y}, map: {k: 0.1}, blob: abc}
        - {n: null}
""",
        }
    )

    assert only(run_tests(root)).status == "pass"


def test_expecting_no_rows_is_failed_by_any_row(make_project: MakeProject) -> None:
    root = make_project(with_tests(BIG[: BIG.index("    expect:")] + "    expect: {rows: []}\n"))

    test = only(run_tests(root))

    assert (test.status, test.missing, test.surplus) == ("fail", 0, 3)


def test_ephemeral_models_in_between_are_computed_or_replaced(make_project: MakeProject) -> None:
    files = {
        "seeds/orders.csv": "id,amount\n1,20.5\n",
        "models/paid.sql": "{{ config(materialized='ephemeral') }} select amount * 2 as twice from {{ ref('orders') }}",
        "models/totals.sql": "{{ config(materialized='table') }} select sum(twice) as total from {{ ref('paid') }}",
        "models/tests.yml": """
unit_tests:
  - name: through
    model: totals
    given: [{input: ref('orders'), rows: [{amount: 1}, {amount: 2}]}]
    expect: {rows: [{total: 6}]}
  - name: replaced
    model: totals
    given: [{input: ref('paid'), rows: [{twice: 1}, {twice: 2}]}]
    expect: {rows: [{total: 3}]}
  - name: itself
    model: paid
    given: [{input: ref('orders'), rows: [{amount: 1}]}]
    expect: {rows: [{twice: 2}]}
""",
    }
    root = make_project(files)

    tests = [test for node in run_tests(root).results for test in node.unit_tests]

    assert {test.name: test.status for test in tests} == dict.fromkeys(("through", "replaced", "itself"), "pass")


def test_a_view_is_given_itself_or_what_it_reads(make_project: MakeProject) -> None:
    files = {
        "seeds/orders.csv": "id,amount\n1,20.5\n",
        "models/paid.sql": "select amount * 2 as twice from {{ ref('orders') }}",
        "models/totals.sql": "{{ config(materialized='table') }} select sum(twice) as total from {{ ref('paid') }}",
        "models/tests.yml": """
unit_tests:
  - name: by_what_it_reads
    model: totals
    given: [{input: ref('orders'), rows: [{amount: 1}]}]
    expect: {rows: [{total: 2}]}
  - {name: not_at_all, model: totals, given: [], expect: {rows: []}}
""",
    }

    (told,) = problems_of(make_project(files))

    assert told.startswith("models/tests.yml:6: unit test 'not_at_all' does not give ref('paid'), which 'totals' reads")


def test_what_a_model_cannot_compute_is_an_error_of_the_test(make_project: MakeProject) -> None:
    files = {
        "seeds/orders.csv": "id,amount\n1,a\n",
        "models/numbers.sql": "select cast(amount as integer) as n from {{ ref('orders') }}",
        "models/tests.yml": "unit_tests: [{name: t, model: numbers, given: [{input: ref('orders'), rows: "
        "[{amount: much}]}], expect: {rows: [{n: 1}]}}]",
    }
    root = make_project(files)

    test = only(run_tests(root))
    told = fsbuild_(root, "test", "-s", "t").stderr

    assert (test.status, test.difference) == ("error", ())
    assert "Could not convert string 'much' to INT32" in test.problems[0].message
    assert "ERROR  unit test t cannot be run (models/tests.yml:1)" in told


def test_an_earlier_version_of_a_table_has_the_rows_of_the_table(make_project: MakeProject) -> None:
    root = make_project(
        {
            "seeds/orders.csv": "id,amount\n1,20.5\n",
            "models/tests.yml": """
unit_tests:
  - name: both
    model: changes
    given: [{input: ref('orders'), rows: [{id: 1, amount: 5}]}]
    expect: {rows: [{id: 1, more: 0}]}
  - name: both_in_batches
    model: changes
    batches:
      - given: [{input: ref('orders'), rows: [{id: 1, amount: 5}]}]
        expect: {rows: [{id: 1, more: 0}]}
""",
            "models/changes.sql": """
{{ config(materialized='table') }}
select id, now.amount - before.amount as more
from {{ ref('orders') }} as now join {{ ref('orders', version=0) }} as before using (id)
""",
        }
    )
    (root / "models/tests.yml").rename(root / "later.yml")
    (root / "models/changes.sql").rename(root / "later.sql")
    assert Project(root).seed().is_success
    (root / "later.yml").rename(root / "models/tests.yml")
    (root / "later.sql").rename(root / "models/changes.sql")

    (node,) = run_tests(root).results

    assert [test.status for test in node.unit_tests] == ["pass", "pass"]


# --- overrides -------------------------------------------------------------------------------------------------------


def test_variables_of_a_test_are_its_own(make_project: MakeProject) -> None:
    tests = BIG + BIG.replace("over_the_limit", "over_a_lower_limit").replace("is_big: false", "is_big: true").replace(
        "    given:", "    overrides: {vars: {limit: 5}}\n    given:"
    )
    (node,) = run_tests(make_project(with_tests(tests))).results

    assert [test.status for test in node.unit_tests] == ["pass", "pass"]


def test_macros_and_the_environment_are_overridden(make_project: MakeProject) -> None:
    root = make_project(
        {
            "macros/words.sql": "{% macro word(n) %}'word'{% endmacro %}{% macro both() %}{{ word(1) }}{% endmacro %}",
            "models/said.sql": """
select {{ both() }} as a, '{{ env_var("WHO", "nobody") }}' as b, {{ shop.word(2) }} as c
""",
            "models/tests.yml": """
unit_tests:
  - name: other_words
    model: said
    overrides: {macros: {shop.word: "'other'"}, env_vars: {WHO: me}}
    given: []
    expect: {rows: [{a: other, b: me, c: other}]}
""",
        }
    )

    assert only(run_tests(root)).status == "pass"


def test_what_overrides_make_wrong_is_told_of_the_test(make_project: MakeProject) -> None:
    tests = BIG.replace("    given:", "    overrides: {vars: {limit: nothing}, macros: {MACRO}}\n    given:")
    root = make_project(with_tests(tests.replace("MACRO", "")))

    (told,) = problems_of(root)

    assert told.startswith("models/big_orders.sql:2:")
    assert "in unit test 'over_the_limit_is_big' (models/tests.yml:2)" in told

    write_files(root, with_tests(tests.replace("MACRO", "my_macro: 1")))

    (told, *_) = problems_of(root)

    assert told.startswith("models/tests.yml:4: overrides: there is no macro 'my_macro'")


def test_tests_of_wrong_inputs_are_told_with_overrides_too(make_project: MakeProject) -> None:
    tests = BIG.replace("    given:", "    overrides: {vars: {limit: 5}}\n    given:").replace(
        "is_big: true", "is_bg: true"
    )

    (told,) = problems_of(make_project(with_tests(tests)))

    assert told.startswith("models/tests.yml:21: 'big_orders' has no column 'is_bg'")


NEWEST = {
    "seeds/events.csv": "id,came_at\n1,2013-01-01 00:00:00\n",
    "models/newest.sql": """
{{ config(materialized='incremental', unique_key='id') }}
select id, came_at from {{ ref('events') }}
{% if is_incremental() %}
where came_at > (select max(came_at) - to_days({{ var('margin', 0) }}) from {{ this }})
{% endif %}
""",
}


def test_the_sql_of_an_increment_reads_this(make_project: MakeProject) -> None:
    root = make_project(
        {
            **NEWEST,
            "models/tests.yml": """
unit_tests:
  - name: only_newer
    model: newest
    overrides: {macros: {is_incremental: true}}
    given:
      - {input: this, rows: [{id: 1, came_at: 2013-01-01}]}
      - {input: ref('events'), rows: [{id: 1, came_at: 2013-01-01}, {id: 2, came_at: 2013-01-02}]}
    expect: {rows: [{id: 2}]}
  - name: only_newer_than_a_variable
    model: newest
    overrides: {macros: {is_incremental: true}, vars: {margin: 1}}
    given:
      - {input: this, rows: [{came_at: 2013-01-02}]}
      - {input: ref('events'), rows: [{id: 1, came_at: 2013-01-01}, {id: 2, came_at: 2013-01-02}]}
    expect: {rows: [{id: 2}]}
  - name: all_at_first
    model: newest
    given: [{input: ref('events'), rows: [{id: 1, came_at: 2013-01-01}, {id: 2, came_at: 2013-01-02}]}]
    expect: {rows: [{id: 2}, {id: 1}]}
""",
        }
    )

    (node,) = run_tests(root).results

    assert [test.status for test in node.unit_tests] == ["pass", "pass", "pass"]


# --- batches ---------------------------------------------------------------------------------------------------------


def incremental(config: str, tests: str, where: str = "") -> dict[str, str]:
    return {
        "seeds/events.csv": "id,came_at,n\n1,2013-01-01 00:00:00,1\n",
        "models/kept.sql": f"{{{{ config(materialized='incremental', {config}) }}}}\n"
        f"select id, came_at, n from {{{{ ref('events') }}}} {where}",
        "models/tests.yml": "unit_tests:\n" + tests.strip("\n"),
    }


BATCHES = """
  - name: batch_by_batch
    model: kept
    batches:
      - given: [{input: ref('events'), rows: [{id: 1, n: 1}, {id: 2, n: 2}]}]
        expect: {rows: [{id: 1, n: 1}, {id: 2, n: 2}]}
      - given: [{input: ref('events'), replace: true, rows: [{id: 2, n: 3}, {id: 3, n: 3}]}]
        expect: {rows: [EXPECTED]}
"""


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ("unique_key='id'", "{id: 1, n: 1}, {id: 2, n: 3}, {id: 3, n: 3}"),
        ("incremental_strategy='append'", "{id: 1, n: 1}, {id: 2, n: 2}, {id: 2, n: 3}, {id: 3, n: 3}"),
        (
            "incremental_strategy='delete+insert', unique_key='id'",
            "{id: 1, n: 1}, {id: 2, n: 3}, {id: 3, n: 3}",
        ),
        ("incremental_strategy='auto', unique_key='id'", "{id: 2, n: 3}, {id: 3, n: 3}"),
    ],
)
def test_the_strategy_decides_what_a_batch_makes_of_the_table(
    make_project: MakeProject, config: str, expected: str
) -> None:
    root = make_project(incremental(config, BATCHES.replace("EXPECTED", expected)))

    assert only(run_tests(root)).status == "pass"
    assert not (root / "lake").exists()


def test_a_difference_is_told_of_the_batch_after_which_it_is_there(make_project: MakeProject) -> None:
    root = make_project(incremental("unique_key='id'", BATCHES.replace("EXPECTED", "{id: 1, n: 1}, {id: 2, n: 9}")))

    told = fsbuild_(root, "test", "--select", "batch_by_batch")

    assert "unit test batch_by_batch after batch 2: 1 row missing, 2 rows too many" in told.stderr


def test_rows_of_a_batch_are_added_to_those_before(make_project: MakeProject) -> None:
    tests = """
  - name: sums
    model: sums
    batches:
      - given: [{input: ref('events'), rows: [{id: 1, n: 1}, {id: 2, n: 5}]}]
        expect: {rows: [{id: 1, total: 1}, {id: 2, total: 5}]}
      - given: [{input: ref('events'), rows: [{id: 1, n: 10}]}]
        expect: {rows: [{id: 1, total: 11}, {id: 2, total: 5}]}
      - given: []
        expect: {rows: [{id: 1, total: 11}, {id: 2, total: 5}]}
"""
    files = incremental("unique_key='id'", tests)
    files["models/stg.sql"] = "select * from {{ ref('events') }} where n > 0"
    files["models/sums.sql"] = (
        "{{ config(materialized='incremental', incremental_strategy='auto', unique_key='id') }}\n"
        "select id, sum(n) as total from {{ ref('stg') }} group by id"
    )

    assert only(run_tests(make_project(files))).status == "pass"


def test_a_microbatch_model_computes_the_batches_until_the_newest_row(make_project: MakeProject) -> None:
    tests = """
  - name: by_day
    model: daily
    batches:
      - given: [{input: ref('events'), rows: [{came_at: 2013-01-01 05:00:00}, {came_at: 2013-01-02 05:00:00}]}]
        expect: {rows: [{day: 2013-01-01, events: 1}, {day: 2013-01-02, events: 1}]}
      - given: [{input: ref('events'), rows: [{came_at: 2013-01-02 07:00:00}, {came_at: 2013-01-03 00:00:00}]}]
        expect: {rows: [{day: 2013-01-01, events: 1}, {day: 2013-01-02, events: 2}, {day: 2013-01-03, events: 1}]}
  - name: the_query
    model: daily
    given: [{input: ref('events'), rows: [{id: 1, came_at: 2013-01-01 05:00:00}]}]
    expect: {rows: [{day: 2013-01-01, events: 1}]}
"""
    files = incremental("unique_key='id'", tests)
    files["seeds/seeds.yml"] = "seeds: [{name: events, config: {event_time: came_at}}]"
    files["models/daily.sql"] = (
        "{{ config(materialized='incremental', incremental_strategy='microbatch', event_time='day', "
        "begin='2013-01-01') }}\nselect came_at::date as day, count(*) as events from {{ ref('events') }} group by day"
    )
    (node,) = run_tests(make_project(files)).results

    assert [test.status for test in node.unit_tests] == ["pass", "pass"]


def test_a_snapshot_is_tested_by_batches(make_project: MakeProject) -> None:
    root = make_project(
        {
            "seeds/customers.csv": "id,city\n1,Rome\n",
            "snapshots/history.sql": """
{% snapshot history %}
{{ config(unique_key='id', strategy='check', check_cols='all') }} select * from {{ ref('customers') }}
{% endsnapshot %}
""",
            "models/tests.yml": """
unit_tests:
  - name: keeps_what_was
    model: history
    batches:
      - given: [{input: ref('customers'), rows: [{id: 1, city: Rome}]}]
        expect: {rows: [{id: 1, city: Rome, dbt_valid_to: null}]}
      - given: [{input: ref('customers'), replace: true, rows: [{id: 1, city: Bonn}]}]
        expect: {rows: [{city: Rome}, {city: Bonn}]}
""",
        }
    )

    assert only(run_tests(root)).status == "pass"


# --- commands --------------------------------------------------------------------------------------------------------


CHAIN = {
    **with_tests(BIG.replace("id: 2, is_big: false", "id: 2, is_big: true")),
    "models/counts.sql": "{{ config(materialized='table') }} select count(*) as n from {{ ref('big_orders') }}",
    "models/alone.sql": "{{ config(materialized='table') }} select 1 as one",
}


def test_build_does_not_build_a_model_whose_unit_test_fails(make_project: MakeProject) -> None:
    root = make_project(CHAIN)

    result = Project(root).build()

    ended = {node.name: (node.status, node.message) for node in result.results}
    assert ended["big_orders"] == ("error", "its unit tests failed; it was not built")
    assert ended["counts"] == ("skipped", "big_orders failed")
    assert ended["alone"][0] == ended["orders"][0] == "success"
    assert not (root / "lake/main/big_orders").exists()


def test_run_runs_no_unit_tests(make_project: MakeProject) -> None:
    assert Project(make_project(CHAIN)).run().is_success


def test_build_without_unit_tests_is_asked_for_by_excluding_them(make_project: MakeProject) -> None:
    result = Project(make_project(CHAIN)).build(exclude="test_type:unit")

    assert result.is_success
    assert not any(node.unit_tests for node in result.results)


def test_retry_after_a_failed_unit_test_builds_the_rest(make_project: MakeProject) -> None:
    root = make_project(CHAIN)
    Project(root).build()
    write_files(root, {"models/tests.yml": "unit_tests:\n" + BIG.strip("\n")})

    result = Project(root).retry()

    assert {node.name: node.status for node in result.results} == {"big_orders": "success", "counts": "success"}
    assert [len(node.unit_tests) for node in result.results if node.name == "big_orders"] == [1]


def test_retry_leaves_out_the_unit_tests_that_the_build_left_out(make_project: MakeProject) -> None:
    never = "models: [{name: big_orders, columns: [{name: id, data_tests: [less_than: {max_value: 0}]}]}]"
    root = make_project(CHAIN | {"models/never.yml": never})
    assert not Project(root).build(exclude="test_type:unit").is_success

    again = Project(root).retry()

    assert [node.name for node in again.results] == ["big_orders", "counts"]
    assert not any(node.unit_tests for node in again.results)


def test_unit_tests_are_listed_after_their_models(make_project: MakeProject) -> None:
    root = make_project(CHAIN)

    listed = [(node.resource_type, node.name) for node in Project(root).nodes(select="big_orders")]
    assert listed == [("model", "big_orders"), ("unit_test", "over_the_limit_is_big")]
    told = fsbuild_(root, "ls", "--resource-type", "unit_test", "--output", "json")
    assert json.loads(told.stdout)["unique_id"] == "unit_test.shop.big_orders.over_the_limit_is_big"


def test_an_ephemeral_model_is_tested_in_a_build(make_project: MakeProject) -> None:
    files = {
        "models/one.sql": "{{ config(materialized='ephemeral') }} select 1 as one",
        "models/two.sql": "{{ config(materialized='table') }} select one * 2 as two from {{ ref('one') }}",
        "models/tests.yml": "unit_tests: [{name: t, model: one, given: [], expect: {rows: [{one: 2}]}}]",
    }
    result = Project(make_project(files)).build()

    assert {node.name: node.status for node in result.results} == {"one": "error", "two": "skipped"}


WITH_BOTH = {
    **with_tests(BIG),
    "models/big_orders.yml": "models: [{name: big_orders, columns: [{name: id, data_tests: [not_null]}]}]",
    "seeds/orders.yml": "seeds: [{name: orders, columns: [{name: id, data_tests: [unique]}]}]",
}


@pytest.mark.parametrize(
    ("select", "expected"),
    [
        ((), {"big_orders": (1, 1), "orders": (0, 1)}),
        (("test_type:unit",), {"big_orders": (1, 0)}),
        (("test_type:data",), {"big_orders": (0, 1), "orders": (0, 1)}),
        (("over_the_limit_is_big",), {"big_orders": (1, 0)}),
        (("big_orders",), {"big_orders": (1, 1)}),
        (("big_orders,test_type:data",), {"big_orders": (0, 1)}),
        (("orders+",), {"big_orders": (1, 1), "orders": (0, 1)}),
        (("orders",), {"orders": (0, 1)}),
    ],
)
def test_which_tests_run_is_chosen_by_selectors(
    make_project: MakeProject, select: tuple[str, ...], expected: Mapping[str, tuple[int, int]]
) -> None:
    root = make_project(WITH_BOTH)
    assert Project(root).run().is_success

    result = Project(root).test(select=select)

    assert result.is_success
    assert {node.name: (len(node.unit_tests), len(node.checks)) for node in result.results} == expected


def test_a_failed_unit_test_is_told_beside_a_table_that_is_not_there(make_project: MakeProject) -> None:
    result = Project(make_project(WITH_BOTH)).test(select="big_orders")

    (node,) = result.results
    assert node.status == "error"
    assert node.message == "'big_orders' has not been built yet"
    assert [test.status for test in node.unit_tests] == ["pass"]


def test_a_command_without_tests_has_nothing_to_do_about_them(make_project: MakeProject) -> None:
    assert Project(make_project(CHAIN)).run(select="test_type:unit").results == ()


def test_retry_repeats_the_unit_tests_that_failed(make_project: MakeProject) -> None:
    root = make_project(CHAIN)
    assert not run_tests(root).is_success
    write_files(root, {"models/tests.yml": "unit_tests:\n" + BIG.strip("\n")})

    assert only(Project(root).retry()).status == "pass"


def test_programs_are_told_of_unit_tests_too(make_project: MakeProject) -> None:
    root = make_project(CHAIN)

    told = fsbuild_(root, "test", "--log-format", "json", "-s", "test_type:unit")

    events: list[dict[str, Any]] = [json.loads(line) for line in told.stderr.splitlines()]
    (test,) = next(event["result"]["unit_tests"] for event in events if event["event"] == "node_finished")
    assert (test["name"], test["status"], test["missing"], test["surplus"]) == ("over_the_limit_is_big", "fail", 1, 1)
    assert test["difference"][0] == ["-", {"id": 2, "is_big": True, "country": None}]


def test_a_disabled_test_and_that_of_a_disabled_model_do_not_run(make_project: MakeProject) -> None:
    tests = BIG.replace("    model:", "    config: {enabled: false}\n    model:")
    root = make_project(
        with_tests(
            tests + "  - {name: t, model: absent, given: [], expect: {rows: [{one: 2}]}}\n",
            {"models/absent.sql": "{{ config(enabled=false) }} select 1 as one"},
        )
    )

    assert run_tests(root).results == ()


def test_what_the_documents_show_works(make_project: MakeProject) -> None:
    page = (Path(__file__).parents[1] / "docs/unit-tests.md").read_text(encoding="utf-8")
    files = dict(re.findall(r"^```(?:sql|yaml)\n(?:--|#) (\S+)\n(.*?)^```", page, re.MULTILINE | re.DOTALL))
    files["seeds/stg_flights.csv"] = "flight_id,carrier,dep_delay,seats\n1,AA,5,100\n"
    files["seeds/carriers.csv"] = "carrier,name\nAA,American\n"

    result = run_tests(make_project(files))

    assert {test.name for node in result.results for test in node.unit_tests if test.status == "pass"} == {
        "late_is_over_15",
        "late_rows_count_and_corrections_replace",
    }
    assert [mistakes(yaml.safe_load(text)) for name, text in files.items() if name.endswith(".yml")] == [[], []]


# --- what always holds -----------------------------------------------------------------------------------------------


values_of_orders = st.fixed_dictionaries(
    {
        "id": st.none() | st.integers(-5, 5),
        "customer": st.none() | st.sampled_from(["ann", "bob", "", "it's", "null"]),
        "amount": st.none() | st.floats(-1e6, 1e6, allow_subnormal=False) | st.integers(-5, 5),
    }
)


@pytest.fixture(scope="module")
def copies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose model is its input."""
    root = tmp_path_factory.mktemp("copies")
    write_files(
        root,
        {
            "fsbuild_project.yml": "name: shop\n",
            "seeds/orders.csv": "id,customer,amount\n1,ann,20.5\n",
            "models/copies.sql": "{{ config(materialized='table') }} select * from {{ ref('orders') }}",
        },
    )
    return root


@settings(max_examples=40)
@given(rows=st.lists(values_of_orders, max_size=5), data=st.data())
def test_the_right_expectation_passes_and_one_changed_value_fails(
    copies: Path, rows: list[dict[str, object]], data: st.DataObject
) -> None:
    expected = [dict(row) for row in data.draw(st.permutations(rows))]
    wrong = [dict(row) for row in expected]
    if wrong:
        changed = data.draw(st.sampled_from(wrong))
        name = data.draw(st.sampled_from(sorted(changed)))
        changed[name] = {"id": 77, "customer": "somebody else", "amount": 2e9}[name]
    else:
        wrong = [{"id": 1}]
    given_rows = [{"input": "ref('orders')", "rows": rows}]
    tests = [
        {"name": name, "model": "copies", "given": given_rows, "expect": {"rows": expectation}}
        for name, expectation in (("right", expected), ("wrong", wrong))
    ]
    # JSON is YAML, and has no words that YAML reads in two ways.
    write_files(copies, {"models/tests.yml": json.dumps({"unit_tests": tests})})

    (node,) = run_tests(copies).results

    assert {test.name: test.status for test in node.unit_tests} == {"right": "pass", "wrong": "fail"}
    failed = node.unit_tests[-1]
    assert (failed.missing, failed.surplus) == (1, 1 if rows else 0)
