"""The checks that users of dbt_utils know, and what a number of failures means: what passes and what does not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsbuild.check import find_failing, problems_of, run_checks
from fsbuild.values import Check, ColumnType, Severity, Threshold
from tests.test_check import COLUMNS, PLACE, check, staged

ROWS = "SELECT * FROM (VALUES (1, 'a', 10), (2, 'b', 20), (2, NULL, 30)) AS t(x, w, n)"
RANGES = "SELECT * FROM (VALUES ('p', 1, 3), ('p', 3, 5), ('q', 2, 9)) AS t(g, x, hi)"


def found(one: Check, sql: str = ROWS) -> tuple[str, int, list[Mapping[str, object]]]:
    (result,) = run_checks([one], staged(sql))
    assert result.status != "error", result.message
    return result.status, result.failures, list(result.sample)


@pytest.mark.parametrize(
    ("one", "sql", "failures"),
    [
        (check("expression_is_true", None, expression="x + n > 11"), ROWS, 1),
        (check("expression_is_true", None, expression="w <> 'z'"), ROWS, 0),
        (check("expression_is_true", expression=">= 2"), ROWS, 1),
        (check("accepted_range", min_value=2), ROWS, 1),
        (check("accepted_range", min_value=1, max_value="1 + 1", inclusive=False), ROWS, 3),
        (check("accepted_range", "n", max_value="x * 10 + 5"), ROWS, 1),
        (check("not_accepted_values", values=[2, 7]), ROWS, 2),
        (check("not_accepted_values", "w", values=["a"]), ROWS, 1),
        (check("not_empty_string", "w"), "SELECT unnest(['', ' ', 'a', NULL]) AS w", 2),
        (check("not_empty_string", "w", trim_whitespace=False), "SELECT unnest(['', ' ', 'a', NULL]) AS w", 1),
        (check("unique_combination_of_columns", None, combination_of_columns=["x", "w"]), ROWS, 0),
        (
            check("unique_combination_of_columns", None, combination_of_columns=["x", "w"]),
            "SELECT 1 AS x, NULL AS w FROM range(3)",
            3,
        ),
        (check("relationships_where", to="model.p", field="k", from_condition="n < 30"), f"{ROWS} WHERE x < 3", 0),
        (check("relationships_where", to="model.p", field="k", to_condition="k > 1"), ROWS, 1),
        (check("at_least_one", "w"), ROWS, 0),
        (check("at_least_one", "w", group_by_columns=["n"]), ROWS, 1),
        (check("at_least_one"), "SELECT 1 AS x LIMIT 0", 1),
        (check("not_constant"), ROWS, 0),
        (check("not_constant"), "SELECT 1 AS x FROM range(3)", 1),
        (check("not_constant", "n", group_by_columns=["x"]), ROWS, 1),
        (check("not_null_proportion", "w", at_least=0.6), ROWS, 0),
        (check("not_null_proportion", "w", at_least=0.7), ROWS, 1),
        (check("not_null_proportion", "w", at_least=0, at_most=0.5), ROWS, 1),
        (check("equal_rowcount", None, compare_model="model.p"), ROWS, 0),
        (check("equal_rowcount", None, compare_model="model.p"), f"{ROWS} LIMIT 2", 1),
        (check("fewer_rows_than", None, compare_model="model.p"), f"{ROWS} LIMIT 2", 0),
        (check("fewer_rows_than", None, compare_model="model.p"), ROWS, 1),
        (check("equality", None, compare_model="model.p"), "SELECT unnest([NULL, 2, 1]) AS k", 0),
        (check("equality", None, compare_model="model.p"), "SELECT unnest([1, 2, 2, NULL]) AS k", 1),
        (check("equality", None, compare_model="model.p", exclude_columns=["x"]), "SELECT 7 AS x, 1 AS k", 2),
        (check("equality", None, compare_model="model.p", compare_columns=["k"]), "SELECT 7 AS x, 1 AS k", 2),
        (check("cardinality_equality", to="model.p", field="k"), "SELECT unnest([1, 2, NULL]) AS x", 0),
        (check("cardinality_equality", to="model.p", field="k"), "SELECT unnest([1, 1, 3, NULL]) AS x", 3),
        (check("recency", None, field="x", datepart="day", interval=1), "SELECT now()::TIMESTAMPTZ AS x", 0),
        (
            check("recency", None, field="x", datepart="hour", interval=3),
            "SELECT (now() AT TIME ZONE 'UTC') - INTERVAL 4 HOUR AS x",
            1,
        ),
        (check("recency", None, field="x", datepart="day", interval=1), "SELECT current_date AS x LIMIT 0", 1),
        (
            check("recency", None, field="x", datepart="day", interval=1, ignore_time_component=True),
            "SELECT (now() AT TIME ZONE 'UTC')::DATE - 1 AS x",
            0,
        ),
        (
            check("mutually_exclusive_ranges", None, lower_bound_column="x", upper_bound_column="hi"),
            RANGES,
            2,
        ),
        (
            check("mutually_exclusive_ranges", None, lower_bound_column="x", upper_bound_column="hi", partition_by="g"),
            RANGES,
            0,
        ),
        (
            check(
                "mutually_exclusive_ranges",
                None,
                lower_bound_column="x",
                upper_bound_column="hi",
                partition_by="g",
                gaps="required",
            ),
            RANGES,
            1,
        ),
        (
            check("mutually_exclusive_ranges", None, lower_bound_column="x", upper_bound_column="x"),
            ROWS,
            3,
        ),
        (
            check(
                "mutually_exclusive_ranges",
                None,
                lower_bound_column="n",
                upper_bound_column="n",
                zero_length_range_allowed=True,
            ),
            ROWS,
            0,
        ),
        (check("sequential_values", "n", interval=10), ROWS, 0),
        (check("sequential_values", "n"), ROWS, 2),
        (check("sequential_values", "n", interval=10, group_by_columns=["x"]), ROWS, 0),
        (
            check("sequential_values", interval=1, datepart="day"),
            "SELECT DATE '2013-01-30' + i::INT AS x FROM range(4) t(i)",
            0,
        ),
        (
            check("sequential_values", interval=1, datepart="month"),
            "SELECT unnest([DATE '2013-01-31', DATE '2013-02-28', DATE '2013-04-01']) AS x",
            1,
        ),
    ],
    ids=lambda one: one.label if isinstance(one, Check) else None,
)
def test_a_check_counts_what_is_wrong(one: Check, sql: str, failures: int) -> None:
    status, counted, sample = found(one, sql)

    assert (status, counted) == ("fail" if failures else "pass", failures)
    assert len(sample) == min(failures, 5)


def test_a_failing_table_shows_what_was_measured() -> None:
    assert found(check("equal_rowcount", None, compare_model="model.p"), f"{ROWS} LIMIT 2")[2] == [
        {"rows_here": 2, "rows_there": 3}
    ]
    assert found(check("not_null_proportion", "w", at_least=0.9, group_by_columns=["x"]))[2] == [
        {"x": 2, "proportion": 0.5}
    ]
    assert found(check("sequential_values", "n", interval=20))[2] == [{"n": 20, "before": 10}, {"n": 30, "before": 20}]


@pytest.mark.parametrize(
    ("one", "message", "hint"),
    [
        (check("accepted_range", "id"), "accepted_range: give min_value, max_value or both", None),
        (
            check("recency", None, field="at", datepart="days", interval=1),
            "recency: datepart: 'days' is none of microsecond, millisecond, second, minute, hour, day, week, month",
            None,
        ),
        (check("equal_rowcount", "id", compare_model="m"), "equal_rowcount is about the table", "write it under the"),
        (check("at_least_one", "id", group_by_columns=["nme"]), "is about the unknown column 'nme'", None),
        (check("not_null_proportion", "id", at_least="half"), "at_least: 'half' is not a number", None),
        (check("recency", None, field="att", datepart="day", interval=1), "unknown column 'att'", "did you mean 'at'?"),
        (replace(check("at_least_one", "id"), severity="quarantine"), "no row can be put aside", "severity: error"),
    ],
)
def test_a_check_that_cannot_mean_anything_is_refused(one: Check, message: str, hint: str | None) -> None:
    (problem,) = problems_of([one], COLUMNS)

    assert message in problem.message
    assert hint is None or hint in (problem.hint or "")


@pytest.mark.parametrize(
    ("name", "arguments", "failures"),
    [
        ("not_null", {}, 1),
        ("in_range", {"min_value": 5, "max_value": 9}, 0),
        ("unique", {}, 0),
        ("expression_is_true", {"expression": "= 'a'"}, 0),
    ],
)
def test_only_rows_that_meet_the_condition_are_looked_at(name: str, arguments: dict[str, Any], failures: int) -> None:
    column = {"in_range": "x", "unique": "x"}.get(name, "w")
    where = {"not_null": "n > 10", "in_range": "x > 2", "unique": "n < 30"}.get(name, "x = 1")
    (result,) = run_checks([replace(check(name, column, **arguments), where=where)], staged(ROWS))

    assert result.failures == failures, result.message
    assert result.rows == {"not_null": 2, "in_range": 0, "unique": 2}.get(name, 1)


@pytest.mark.parametrize(
    ("severity", "error_if", "warn_if", "status"),
    [
        ("error", None, None, "fail"),
        ("warn", None, None, "warn"),
        ("quarantine", None, None, "warn"),
        ("error", Threshold(">", 1), None, "warn"),
        ("error", Threshold(">=", 1), None, "fail"),
        ("error", Threshold(">", 1), Threshold(">", 1), "pass"),
        ("error", Threshold(">", 30, is_share=True), None, "fail"),
        ("error", Threshold(">", 34, is_share=True), None, "warn"),
        ("warn", Threshold(">", 0), Threshold("=", 2), "pass"),
        ("quarantine", Threshold(">", 0), None, "fail"),
        ("quarantine", Threshold(">", 50, is_share=True), None, "warn"),
    ],
)
def test_thresholds_say_what_a_number_of_failures_means(
    severity: Severity, error_if: Threshold | None, warn_if: Threshold | None, status: str
) -> None:
    one = replace(check("not_null", "w"), severity=severity, error_if=error_if, warn_if=warn_if)
    other = replace(check("unique", "w"), severity=severity, error_if=error_if, warn_if=warn_if)

    assert found(one)[0] == status
    assert found(other, f"{ROWS} UNION ALL SELECT 7, 'a', 7")[0] != "pass" or status == "pass"


rows = st.lists(st.tuples(st.none() | st.integers(0, 3), st.none() | st.sampled_from("ab")), max_size=8)


@given(rows, rows, st.sampled_from([None, "w IS NOT NULL"]))
def test_failing_rows_are_told_by_their_numbers(
    mine: list[tuple[int | None, str | None]], others: list[tuple[int | None, str | None]], where: str | None
) -> None:
    """Rows that come, beside others that are there: each is told with the checks that it fails."""

    def values(some: list[tuple[int | None, str | None]]) -> str:
        listed = ", ".join(f"({x or 'NULL' if x != 0 else 0}, {f'{w!r}' if w else 'NULL'})" for x, w in some)
        given = "" if some else " WHERE FALSE"
        return f"SELECT x::INT AS x, w::VARCHAR AS w FROM (VALUES {listed or '(NULL, NULL)'}) t(x, w){given}"

    checks = [
        check("not_null", "w"),
        check("in_range", min_value=1, max_value=2),
        check("unique"),
        check("relationships", to="model.p", field="k"),
        Check("expression_is_true", None, {"expression": "x < 3"}, PLACE, title="small"),
    ]
    checks = [replace(one, severity="quarantine", where=where) for one in checks]
    asked = replace(
        staged(values(mine)),
        relation=f"({values(mine)} UNION ALL {values(others)})",
        columns=[ColumnType("x", "INTEGER"), ColumnType("w", "VARCHAR")],
        row_id="rowid",
    )

    results, failed = find_failing(checks, asked)

    looked_at = [row for row in [*mine, *others] if where is None or row[1] is not None]
    expected = {}
    for number, (x, w) in enumerate(mine):
        if where is not None and w is None:
            continue
        fails = {
            "w.not_null": w is None,
            "x.in_range": x is not None and not 1 <= x <= 2,
            "x.unique": x is not None and [other for other, _ in looked_at].count(x) > 1,
            "x.relationships": x is not None and x not in (1, 2),
            "small": x is not None and x >= 3,
        }
        if any(fails.values()):
            expected[number] = [name for name, is_so in fails.items() if is_so]
    assert [result.message for result in results if result.status == "error"] == []
    assert {number: sorted(names) for number, names in failed.items()} == {n: sorted(f) for n, f in expected.items()}
    assert [result.failures for result in results] == [
        sum(name in names for names in failed.values())
        for name in ("w.not_null", "x.in_range", "x.unique", "x.relationships", "small")
    ]
