"""Checks of a load against what came into its table before: how many rows, how old, how their values are spread."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsbuild import Project
from fsbuild.check import run_checks
from fsbuild.errors import FsbuildError, Place
from fsbuild.values import Check, CheckResult, ColumnType, Drift, Load, Past, StagedRows
from tests.conftest import Files, read_delta

Make = Callable[[Files], Path]
NOON = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)
TABLE = {
    "models/events.sql": """
{{ config(materialized='table', event_time='seen_at') }}
select n, case when n % 2 = 0 then 'even' else '{{ var('word', 'odd') }}' end as kind,
  timestamptz '{{ var('newest', '2026-03-01 12:00:00+00') }}' - to_minutes(n) as seen_at
from range({{ var('rows', 100) }}) as t(n)
""",
    "models/events.yml": "models: [{name: events, data_tests: [volume]}]\n",
}
INCREMENT = {
    "models/events.sql": """
{{ config(materialized='incremental', event_time='seen_at') }}
select n, timestamptz '2026-03-01 12:00:00+00' as seen_at from range({{ var('rows', 100) }}) as t(n)
""",
    "models/events.yml": TABLE["models/events.yml"],
}


def judge(name: str, past: Past, **arguments: object) -> CheckResult:
    """Decide one check of a load."""
    column = "x" if name == "distribution" else None
    columns = [ColumnType("x", "DOUBLE")]
    rows = StagedRows("t", "t", columns, lambda _: (), lambda _: (), str, past=lambda: past)
    (result,) = run_checks([Check(name, column, arguments, Place("m.yml", 1))], rows)
    return result


def sized(sizes: Sequence[int], *, is_whole: bool) -> Past:
    """Loads of these sizes, the first of which is judged, the latest first."""
    now, *before = [Load(size, NOON, None, is_whole) for size in sizes]
    return Past(now, tuple(before))


def aged(hours: Sequence[float]) -> Past:
    """Loads whose newest event was so old, the first of which is judged, the latest first."""
    now, *before = [Load(1, NOON, NOON - dt.timedelta(hours=age), is_whole=False) for age in hours]
    return Past(now, tuple(before))


@pytest.mark.parametrize(
    ("sizes", "is_whole", "arguments", "is_odd"),
    [
        ([100, 101, 99, 100, 102, 98], False, {}, False),
        ([50, 101, 99, 100, 102, 98], False, {}, True),
        ([200, 101, 99, 100, 102, 98], False, {}, True),
        ([0, 101, 99, 100, 102, 98], False, {}, True),
        ([109, 100, 100, 100, 100, 100], False, {}, False),
        ([111, 100, 100, 100, 100, 100], False, {}, True),
        ([111, 100, 100, 100, 100, 100], False, {"tolerance": 0.2}, False),
        ([111, 100, 100, 100, 100, 100], False, {"only": "drop"}, False),
        ([89, 100, 100, 100, 100, 100], False, {"only": "spike"}, False),
        ([89, 100, 100, 100, 100, 100], False, {"only": "drop"}, True),
        # One odd load among those before does not make the next one usual.
        ([50, 100, 5, 100, 100, 100, 100], False, {}, True),
        # A whole table that grows by as much as ever, by much more, and one that shrinks.
        ([600, 500, 400, 300, 200, 100], True, {}, False),
        ([900, 500, 400, 300, 200, 100], True, {}, True),
        ([400, 500, 400, 300, 200, 100], True, {}, True),
        # Too few to say what is usual.
        ([1, 100, 100, 100, 100], False, {}, False),
        ([1, 100, 100, 100, 100], False, {"at_least": 4}, True),
        ([1, 100, 100, 1, 1, 1, 1, 1], False, {"loads": 3, "at_least": 3}, True),
    ],
)
def test_volume(sizes: list[int], is_whole: bool, arguments: dict[str, object], is_odd: bool) -> None:  # noqa: FBT001
    result = judge("volume", sized(sizes, is_whole=is_whole), **arguments)

    assert (result.status, result.failures) == (("fail", 1) if is_odd else ("pass", 0))
    assert bool(result.message) == is_odd


@given(sizes=st.lists(st.integers(0, 10_000), min_size=5, max_size=40), now=st.integers(0, 20_000))
def test_volume_is_what_its_words_say(sizes: list[int], now: int) -> None:
    """As many rows come as usual: within three spreads, or a tenth, of the median of the last thirty."""
    last = sizes[:30]
    middle = median(last)
    spread = 1.4826 * median([abs(size - middle) for size in last])
    is_usual = abs(now - middle) <= max(3 * spread, 0.1 * middle)

    assert (judge("volume", sized([now, *sizes], is_whole=False)).status == "pass") == is_usual


@pytest.mark.parametrize(
    ("hours", "arguments", "is_odd"),
    [
        ([2, 2, 2, 2, 2, 2], {}, False),
        ([2.9, 2, 2, 2, 2, 2], {}, False),
        ([3.1, 2, 2, 2, 2, 2], {}, True),
        ([0, 2, 2, 2, 2, 2], {}, False),
        ([3.1, 2, 2, 2, 2, 2], {"tolerance": 1}, False),
        ([30, 1, 20, 5, 10, 24], {}, False),
        ([30, 2, 2], {}, False),
    ],
)
def test_freshness(hours: list[float], arguments: dict[str, object], is_odd: bool) -> None:  # noqa: FBT001
    assert (judge("freshness", aged(hours), **arguments).status == "fail") == is_odd


def test_freshness_says_how_old_and_how_old_is_usual() -> None:
    assert judge("freshness", aged([50, 2, 2, 2, 2, 2])).message == (
        "the newest event is 2.1 days old, where 2.0 hours are usual, and at most 3.0 hours (by 5 loads)"
    )


@pytest.mark.parametrize(
    ("arguments", "is_odd"),
    [({}, True), ({"psi": 0.5}, False), ({"ks": 0.1}, True), ({"js": 0.4}, False), ({"psi": 0.5, "js": 0.1}, True)],
)
def test_distribution(arguments: dict[str, object], is_odd: bool) -> None:  # noqa: FBT001
    past = Past(Load(10, NOON, None, is_whole=True), (), lambda: [Drift("x", 0.3, 0.2, 0.3, 0.0)])

    assert (judge("distribution", past, **arguments).status == "fail") == is_odd


def test_a_load_that_is_much_smaller_than_usual_is_not_published(make_project: Make) -> None:
    root = make_project(TABLE)
    for rows in range(100, 106):
        assert Project(root, variables={"rows": rows}).run().is_success

    (result,) = Project(root, variables={"rows": 40}).run().results

    assert (result.status, len(read_delta(root, "events"))) == ("error", 105)
    assert result.checks[0].message == "40 rows, where 106 are usual, give or take 10 (by 6 loads)"
    (published,) = Project(root).test().results
    assert published.status == "pass"


def test_of_an_increment_its_own_rows_are_counted(make_project: Make) -> None:
    """The first load is the whole table, and no measure of those that follow."""
    files = INCREMENT | {"models/events.yml": "models: [{name: events, data_tests: [volume: {at_least: 3}]}]\n"}
    files["models/events.sql"] = files["models/events.sql"].replace(
        "range({{ var('rows', 100) }})", "{{ source('raw', 'numbers') }}"
    )
    files["models/events.sql"] = files["models/events.sql"].replace("as t(n)", "as t")
    files["models/raw.yml"] = (
        "sources: [{name: raw, tables: [{name: numbers, meta: {external_location: 'numbers/*.csv'}}]}]\n"
    )
    root = make_project(files)
    (root / "numbers").mkdir()

    def load(number: int, rows: int) -> str:
        (root / "numbers" / f"{number}.csv").write_text("n\n" + "".join(f"{n}\n" for n in range(rows)))
        (root / "models/events.sql").write_text(
            files["models/events.sql"].replace("as t", f"as t {{% if is_incremental() %}} limit {rows} {{% endif %}}")
        )
        (result,) = Project(root).run().results
        return result.status

    assert [load(number, rows) for number, rows in enumerate([1000, 10, 10, 10, 11])] == ["success"] * 5
    assert load(5, 2) == "error"
    assert load(6, 10) == "success"


def test_values_that_are_spread_otherwise_are_not_published(make_project: Make) -> None:
    yml = "models: [{name: events, columns: [{name: kind, data_tests: [distribution: {psi: 0.1}]}]}]\n"
    root = make_project(TABLE | {"models/events.yml": yml})
    assert Project(root).run().is_success
    assert Project(root, variables={"rows": 110}).run().is_success

    (result,) = Project(root, variables={"word": "strange"}).run().results

    assert (result.status, [check.check.name for check in result.checks]) == ("error", ["distribution"])
    assert "since the version before, and at most 0.1 is allowed" in result.checks[0].message
    assert {row["kind"] for row in read_delta(root, "events")} == {"even", "odd"}


def test_rows_that_stay_out_make_a_table_stale(make_project: Make) -> None:
    yml = "models: [{name: events, data_tests: [freshness: {at_least: 2, config: {severity: warn}}]}]\n"
    root = make_project(TABLE | {"models/events.yml": yml})
    now = dt.datetime.now(dt.UTC)
    for rows, hours in ((10, 1), (11, 1), (12, 1), (13, 9)):
        newest = (now - dt.timedelta(hours=hours)).isoformat(" ")
        (result,) = Project(root, variables={"rows": rows, "newest": newest}).run().results

    assert result.status == "warn"
    assert result.checks[0].message.startswith("the newest event is 9.0 hours old, where 1.0 hours are usual")


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (
            {"models/events.sql": "select 1 as n"},
            "volume is about what runs write into a table, and 'events' has none",
        ),
        (
            {
                "models/events.sql": "{{ config(materialized='table') }} select 1 as n",
                "models/events.yml": "models: [{name: events, data_tests: [freshness]}]",
            },
            "freshness needs to know when a row of 'events' was true",
        ),
        (
            {"models/events.yml": "models: [{name: events, data_tests: [volume: {config: {severity: quarantine}}]}]"},
            "volume is about the table, of which no row can be put aside",
        ),
        (
            {"models/events.yml": "models: [{name: events, data_tests: [volume: {only: dropp}]}]"},
            "volume: only: 'dropp' is none of drop, spike",
        ),
    ],
)
def test_mistakes_are_told_before_anything_runs(make_project: Make, files: Files, expected: str) -> None:
    with pytest.raises(FsbuildError) as caught:
        Project(make_project(TABLE | dict(files))).compile()

    assert [problem.message for problem in caught.value.problems] == [expected]
