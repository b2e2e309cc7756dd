"""Features on demand: one definition, computed over the rows of a training set and from any other spine."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from fsbuild import FsbuildError, Project
from tests.conftest import Files, read_delta, write_files

Make = Callable[[Files], Path]

SHOP = {
    "models/_features.yml": """
entities:
  - name: carrier
    keys: [{name: carrier, type: varchar}]
models:
  - name: delay
    config: {materialized: table, entity: carrier, event_time: ts}
""",
    "models/delay.sql": """
select * from (values ('AA', date '2020-01-01', 4.0, 1), ('AA', date '2020-01-05', 8.0, 2)) as t(carrier, ts, mean, n)
""",
    "models/expected.sql": """
{{ config(materialized='on_demand', request={'distance': 'double'},
          features=[{'model': 'delay', 'columns': ['mean'], 'prefix': 'delay_'}]) }}
-- How late it may be when it arrives.
select
    distance / 2 + delay_mean as minutes, -- over the whole way
    delay_mean is distinct from 4 and coalesce(delay_mean, 0) > 5 as is_risky
from {{ request() }}
""",
    "models/late.sql": """
{{ config(materialized='training_set', event_time='day', features=['delay:n', 'expected']) }}
select * from (values
    (1, 'AA', date '2020-01-02', 10), (2, 'AA', date '2020-01-06', 10), (3, 'ZZ', date '2020-01-06', 2)
) as t(id, carrier, day, distance)
""",
}


def problem_of(root: Path, **files: str) -> str:
    write_files(root, {f"models/{name}.sql": text for name, text in files.items()})
    with pytest.raises(FsbuildError) as caught:
        Project(root).compile()
    return str(caught.value)


def test_a_training_set_has_what_is_computed_and_not_what_it_is_computed_from(make_project: Make) -> None:
    root = make_project(SHOP)

    result = Project(root).run()

    assert result.is_success
    assert {node.name for node in result.results} == {"delay", "late"}
    columns = ("id", "n", "minutes", "is_risky")
    assert [tuple(row[name] for name in columns) for row in read_delta(root, "late")] == [
        (1, 1, 9.0, False),
        (2, 2, 13.0, True),
        (3, None, None, False),
    ]
    assert set(read_delta(root, "late")[0]) == {"id", "carrier", "day", "distance", "n", "minutes", "is_risky"}
    assert Project(root).rebuild_training_set("late").is_equal


def test_the_same_definition_is_computed_in_sql_and_from_python(make_project: Make) -> None:
    joined = """
select * from {{ point_in_time(spine="select 'AA' as carrier, date '2020-01-06' as day, 10 as distance", at='day',
    features=[{'model': 'expected', 'columns': ['minutes'], 'prefix': 'x_'}]) }}
"""
    project = Project(make_project({**SHOP, "models/joined.sql": joined}))
    project.run()
    spine = "select 'AA' as carrier, date '2020-01-06' as day, 10 as distance"

    assert project.show("joined").rows[0][-1] == 13.0
    (row,) = project.training_set(spine, ["expected"], event_time="day")
    assert (row["minutes"], row["is_risky"]) == (13.0, True)


def test_an_edit_of_the_definition_makes_training_sets_due(make_project: Make) -> None:
    root = make_project(SHOP)
    Project(root).run()
    write_files(root, {"models/expected.sql": SHOP["models/expected.sql"].replace("/ 2", "/ 5")})

    (step,) = (step for step in Project(root).plan().steps if step.unique_id == "model.shop.late")
    Project(root).run()

    assert step.action == "replace"
    assert read_delta(root, "late")[0]["minutes"] == 6.0


def test_a_feature_on_demand_may_need_nothing_that_is_stored(make_project: Make) -> None:
    root = make_project(
        {
            "models/far.sql": "{{ config(materialized='on_demand', request={'km': 'bigint'}) }}\n"
            "select km > 100 as is_far from {{ request() }}",
            "models/trips.sql": "{{ config(materialized='training_set', event_time='day', features=['far']) }}\n"
            "select 200 as km, date '2020-01-01' as day",
        }
    )
    Project(root).run()

    assert read_delta(root, "trips")[0]["is_far"] is True


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        (
            "select max(distance) as m from {{ request() }}",
            "'expected' aggregates, and is computed from one row at a time",
        ),
        ("select distance from {{ request() }} where distance > 1", "'expected' is not a plain SELECT"),
        ("select distance, row_number() over () as n from {{ request() }}", "'expected' has OVER"),
        ("select unnest([1, distance]) as n from {{ request() }}", "'expected' has UNNEST"),
        ("select distinct distance from {{ request() }}", "'expected' has DISTINCT"),
        (
            "select (from {{ ref('delay') }} limit 1) as m from {{ request() }}",
            "'expected' has a query within its SELECT",
        ),
        ("select distance from {{ ref('delay') }}", "'expected' does not select from {{ request() }} alone"),
        ("select distanze from {{ request() }}", 'Referenced column "distanze" not found'),
    ],
)
def test_what_is_not_about_one_row_is_refused(make_project: Make, sql: str, said: str) -> None:
    head = SHOP["models/expected.sql"].partition("-- How")[0]
    assert said in problem_of(make_project(SHOP), expected=head + sql)


@pytest.mark.parametrize(
    ("spine", "said"),
    [
        (
            "select 'AA' as carrier, date '2020-01-02' as day",
            "the spine has no column 'distance', of which 'expected' is",
        ),
        ("select 'AA' as carrier, date '2020-01-02' as day, 'far' as distance", "'distance' of the spine is VARCHAR"),
        (
            "select date '2020-01-02' as day, 1 as distance",
            "the spine has no column 'carrier', which is a key of 'delay'",
        ),
        (
            "select 'AA' as carrier, date '2020-01-02' as day, 1 as distance, 2 as minutes",
            "two columns are called 'minutes'",
        ),
    ],
)
def test_a_spine_that_does_not_fit_is_refused(make_project: Make, spine: str, said: str) -> None:
    head = "{{ config(materialized='training_set', event_time='day', features=['expected']) }}\n"
    assert said in problem_of(make_project(SHOP), late=head + spine)


def test_one_on_demand_is_not_computed_from_another(make_project: Make) -> None:
    other = "{{ config(materialized='on_demand', features=['expected']) }} select minutes * 2 as m from {{ request() }}"
    assert "'expected' is computed on demand too" in problem_of(make_project(SHOP), other=other)
