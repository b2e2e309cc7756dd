"""The rules of point-in-time joins and of window features, one test for each; all times are hours of one day."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import duckdb
import pytest

from tests.feature_joins import Row, Table, point_in_time, window_features

DAY = dt.datetime.fromisoformat("2020-01-01")
TYPES = {
    "carrier": "VARCHAR",
    "origin": "VARCHAR",
    "dest": "VARCHAR",
    **dict.fromkeys(("ts", "known", "at", "cut_off"), "TIMESTAMP"),
    "version": "INTEGER",
    "author": "VARCHAR",
    "mean": "INTEGER",
    "most": "INTEGER",
}
TIE = "tie in the features of delay"


def hour(number: int) -> dt.datetime:
    return DAY + dt.timedelta(hours=number)


def table(names: str, *rows: Row, name: str = "delay", **declared: Any) -> Table:  # noqa: ANN401
    """Make a table of these columns, carrier AA's if they begin with no key; what they mean is told by their names."""
    columns = names.split()
    if columns[0] not in ("carrier", "origin"):
        columns, rows = ["carrier", *columns], tuple(("AA", *row) for row in rows)
    types = {column: TYPES[column] for column in columns}
    told = {
        "keys": tuple(column for column in columns if column in ("carrier", "origin")),
        "event_time": "ts" if "ts" in columns else None,
        "known_time": "known" if "known" in columns else None,
        "tie_break": tuple(column for column in ("version", "author") if column in columns),
    }
    return Table(name, types, in_hours(types, rows), **told | declared)


def spine(names: str, *rows: Row) -> Table:
    """Make a spine, of carrier AA if its columns begin with the time."""
    return replace(table(names, *rows, name="spine"), keys=(), tie_break=())


def in_hours(types: Mapping[str, str], rows: tuple[Row, ...]) -> list[Row]:
    return [
        tuple(
            hour(value) if kind == "TIMESTAMP" and value is not None else value
            for kind, value in zip(types.values(), row, strict=True)
        )
        for row in rows
    ]


def values(delay: Table, asking: Table, feature: object = "delay:mean") -> list[object]:
    """Tell the last feature of each row of a spine, in the order of its columns."""
    known_at = "cut_off" if "cut_off" in asking.columns else None
    found = point_in_time(asking, [delay], features=[feature], at="at", known_at=known_at)
    return [row[-1] for row in sorted(found, key=repr)]


def value(delay: Table, at: int | None, **how: Any) -> object:  # noqa: ANN401
    """Tell AA's mean at an hour; `how` is said of the feature."""
    (found,) = values(delay, spine("at", (at,)), {"model": "delay", "columns": ["mean"], **how})
    return found


def value_known(delay: Table, at: int | None, cut_off: int | None, **how: Any) -> object:  # noqa: ANN401
    """Tell AA's mean at an hour, as it was known at another."""
    (found,) = values(delay, spine("at cut_off", (at, cut_off)), {"model": "delay", "columns": ["mean"], **how})
    return found


# Event times


def test_the_latest_value_until_then_is_joined() -> None:
    assert value(table("ts mean", (1, 10), (3, 30), (9, 90)), 5) == 30


def test_the_bound_is_inclusive() -> None:
    assert value(table("ts mean", (1, 10), (5, 50)), 5) == 50


def test_exclusive_is_strictly_before() -> None:
    assert value(table("ts mean", (1, 10), (5, 50)), 5, exclusive=True) == 10


def test_a_value_of_the_future_is_not_joined() -> None:
    assert value(table("ts mean", (6, 60)), 5) is None


def test_a_null_is_a_value_and_hides_those_before() -> None:
    assert value(table("ts mean", (1, 10), (3, None)), 5) is None


def test_a_value_older_than_its_ttl_is_missing() -> None:
    assert value(table("ts mean", (1, 10), ttl="3 hours"), 5) is None


def test_the_bound_of_a_ttl_is_inclusive() -> None:
    assert value(table("ts mean", (2, 20), ttl="3 hours"), 5) == 20


def test_a_feature_row_without_event_time_is_never_used() -> None:
    assert value(table("ts mean", (None, 0)), 5) is None


def test_nanoseconds_of_a_spine_are_cut_off_towards_the_past() -> None:
    moments = ("1969-12-31 23:59:59.999998", "1969-12-31 23:59:59.999999")
    delay = Table(
        "delay", {"k": "INTEGER", "ts": "TIMESTAMP", "mean": "INTEGER"}, [(1, moments[0], 1), (1, moments[1], 2)]
    )
    asking = Table("spine", {"k": "INTEGER", "at": "TIMESTAMP_NS"}, [(1, f"{moments[0]}999")])

    assert values(replace(delay, keys=("k",), event_time="ts"), asking) == [1]


# Offsets


def test_an_offset_moves_the_bound_back() -> None:
    assert value(table("ts mean", (3, 30), (4, 40), (5, 50)), 5, offset="1 hour") == 40


def test_an_offset_and_exclusive_go_together() -> None:
    assert value(table("ts mean", (3, 30), (4, 40), (5, 50)), 5, offset="1 hour", exclusive=True) == 30


def test_an_offset_moves_the_ttl_back() -> None:
    assert value(table("ts mean", (2, 20), ttl="2 hours"), 5, offset="1 hour") == 20
    assert value(table("ts mean", (1, 10), ttl="2 hours"), 5, offset="1 hour") is None


def test_an_offset_leaves_the_knowledge_cut_off() -> None:
    assert value(table("ts known mean", (4, 5, 40)), 5, offset="1 hour") == 40


# Known times


def test_a_correction_does_not_leak() -> None:
    assert value(table("ts known mean", (1, 1, 10), (1, 6, 11)), 5) == 10


def test_a_correction_is_used_once_it_is_known() -> None:
    assert value(table("ts known mean", (1, 1, 10), (1, 6, 11)), 6) == 11


def test_a_late_value_is_used_from_then_on() -> None:
    delay = table("ts known mean", (1, 1, 10), (3, 7, 30))

    assert (value(delay, 6), value(delay, 7)) == (10, 30)


def test_a_late_value_does_not_hide_a_newer_one() -> None:
    assert value(table("ts known mean", (1, 4, 10), (3, 3, 30)), 5) == 30


def test_known_at_moves_the_cut_off() -> None:
    delay = table("ts known mean", (1, 1, 10), (1, 6, 11))

    assert (value_known(delay, 5, 6), value_known(delay, 7, 5)) == (11, 10)


def test_known_at_leaves_the_event_time() -> None:
    assert value_known(table("ts known mean", (6, 6, 60)), 5, 9) is None


def test_without_a_cut_off_nothing_is_known() -> None:
    assert value_known(table("ts known mean", (1, 1, 10)), 5, None) is None


def test_a_cut_off_is_nothing_to_features_without_known_time() -> None:
    assert value_known(table("ts mean", (1, 10)), 5, None) == 10


def test_a_feature_row_without_known_time_is_never_known() -> None:
    assert value(table("ts known mean", (1, 1, 10), (3, None, 30)), 5) == 10


def test_without_event_time_the_latest_known_wins() -> None:
    assert value(table("known mean", (1, 10), (3, 30), (6, 60)), 5) == 30


def test_without_event_time_the_tie_break_follows_the_known_time() -> None:
    assert value(table("known version mean", (3, 1, 31), (3, 2, 32), (1, 9, 19)), 5) == 32


# Ties


def test_a_tie_is_an_error_that_names_it() -> None:
    with pytest.raises(duckdb.Error, match=TIE):
        value(table("ts mean", (1, 10), (1, 11)), 5)


def test_a_null_and_a_value_tie() -> None:
    with pytest.raises(duckdb.Error, match=TIE):
        value(table("ts mean", (1, 10), (1, None)), 5)


def test_rows_known_at_the_same_time_tie() -> None:
    with pytest.raises(duckdb.Error, match=TIE):
        value(table("ts known mean", (1, 2, 10), (1, 2, 11)), 5)


def test_the_known_time_comes_before_the_tie_break() -> None:
    assert value(table("ts known version mean", (1, 1, 9, 10), (1, 2, 1, 11)), 5) == 11


def test_a_tie_break_decides() -> None:
    assert value(table("ts version mean", (1, 2, 12), (1, 1, 11)), 5) == 12


def test_null_is_the_least_of_a_tie_break() -> None:
    assert value(table("ts version mean", (1, None, 10), (1, -1, 11)), 5) == 11


def test_nulls_of_a_tie_break_tie() -> None:
    with pytest.raises(duckdb.Error, match=TIE):
        value(table("ts version mean", (1, None, 10), (1, None, 11)), 5)


def test_columns_of_a_tie_break_compare_one_after_the_other() -> None:
    assert value(table("ts version author mean", (1, 2, "a", 10), (1, 1, "z", 11), (1, 2, "b", 12)), 5) == 12


def test_a_tie_is_none_if_it_does_not_win() -> None:
    assert value(table("ts mean", (1, 10), (1, 11), (3, 30), (6, 60), (6, 61)), 5) == 30


def test_a_tie_of_another_entity_is_none() -> None:
    assert value(table("carrier ts mean", ("UA", 1, 10), ("UA", 1, 11), ("AA", 1, 12)), 5) == 12


def test_a_tie_that_is_not_known_yet_is_none() -> None:
    assert value(table("ts known mean", (1, 1, 10), (1, 6, 11), (1, 6, 12)), 5) == 10


def test_a_tie_older_than_its_ttl_is_none() -> None:
    assert value(table("ts mean", (1, 10), (1, 11), ttl="1 hour"), 5) is None


def test_equal_rows_count_once() -> None:
    assert value(table("ts mean", (1, 10), (1, 10)), 5) == 10


def test_rows_that_differ_in_what_is_not_asked_for_count_once() -> None:
    assert value(table("ts mean most", (1, 10, 20), (1, 10, 21)), 5) == 10


def test_all_that_is_asked_of_a_role_ties() -> None:
    delay = table("ts mean most", (1, 10, 20), (1, 10, 21))

    with pytest.raises(duckdb.Error, match=TIE):
        point_in_time(spine("at", (5,)), [delay], features=["delay:mean", "delay:most"], at="at")


# Rows without times, and rows of the spine


def test_every_row_of_a_spine_appears_as_often_as_it_is_there() -> None:
    delay = table("ts mean", (1, 10), (1, 10))

    assert values(delay, spine("at", (5,), (5,), (0,))) == [None, 10, 10]


def test_unseen_entities_and_null_keys_have_no_features() -> None:
    delay = table("carrier ts mean", ("AA", 1, 10), (None, 1, 11))

    assert values(delay, spine("carrier at", ("AA", 5), ("UA", 5), (None, 5))) == [10, None, None]


def test_one_null_in_a_composite_key_is_a_null_key() -> None:
    delay = table("carrier origin ts mean", ("AA", "JFK", 1, 10), ("AA", None, 1, 11))

    assert values(delay, spine("carrier origin at", ("AA", "JFK", 5), ("AA", None, 5))) == [10, None]


def test_keys_are_equal_whatever_their_widths() -> None:
    delay = Table("delay", {"k": "TINYINT", "mean": "INTEGER"}, [(1, 10), (2, 20)], keys=("k",))
    asking = Table("spine", {"k": "BIGINT", "at": "TIMESTAMP"}, [(2, DAY), (258, DAY)])

    assert values(delay, asking) == [20, None]


def test_a_spine_row_without_time_has_no_features_of_a_time() -> None:
    assert value(table("ts mean", (1, 10)), None) is None
    assert value(table("known mean", (1, 10)), None) is None


def test_a_spine_row_without_time_has_none_either_if_it_has_a_cut_off() -> None:
    assert value_known(table("ts known mean", (1, 1, 10)), None, 5) is None
    assert value_known(table("known mean", (1, 10)), None, 5) is None


def test_features_without_times_are_joined_whatever_the_time_is_but_not_without_one() -> None:
    delay = table("mean", (10,))

    assert sorted(values(delay, spine("at", (0,), (9,), (None,))), key=str) == [10, 10, None]


def test_the_tie_break_decides_about_features_without_times() -> None:
    assert value(table("version mean", (1, 10), (3, 30), (2, 20)), 5) == 30


def test_features_without_times_tie() -> None:
    with pytest.raises(duckdb.Error, match=TIE):
        value(table("mean", (10,), (11,)), 5)


# What is asked for


def test_a_model_stands_for_its_values() -> None:
    delay = table("most ts known version mean", (20, 1, 1, 1, 10))

    for feature in ("delay", "delay:*", {"model": "delay"}):
        (row,) = point_in_time(spine("at", (5,)), [delay], features=[feature], at="at")
        assert row == ("AA", hour(5), 20, 10)


def test_keys_can_have_other_names_in_the_spine() -> None:
    weather = table("origin ts mean", ("JFK", 1, 10), ("LAX", 1, 20), name="weather")
    features = ["weather:mean", {"model": "weather", "keys": {"origin": "dest"}, "prefix": "dest_"}]

    (row,) = point_in_time(spine("origin dest at", ("JFK", "LAX", 5)), [weather], features=features, at="at")

    assert row == ("JFK", "LAX", hour(5), 10, 20)


def test_one_key_of_several_can_have_another_name() -> None:
    delay = table("carrier origin ts mean", ("AA", "JFK", 1, 10), ("AA", "LAX", 1, 20))
    feature = {"model": "delay", "keys": {"origin": "dest"}, "rename": {"mean": "mean_there"}}

    assert values(delay, spine("carrier origin dest at", ("AA", "JFK", "LAX", 5)), feature) == [20]


def test_columns_of_one_role_stand_together() -> None:
    tables = [table("ts mean most", (1, 10, 20)), table("ts mean", (1, 30), name="load")]
    features = ["delay:most", {"model": "load", "prefix": "load_"}, "delay:mean"]

    (row,) = point_in_time(spine("at", (5,)), tables, features=features, at="at")

    assert row == ("AA", hour(5), 20, 10, 30)


def test_roles_of_one_table_have_bounds_of_their_own() -> None:
    delay = table("ts mean", (3, 30), (4, 40), (5, 50))
    earlier = [
        {"model": "delay", "prefix": "a_", "offset": "1 hour"},
        {"model": "delay", "prefix": "b_", "exclusive": True, "offset": "1 hour"},
    ]

    (row,) = point_in_time(spine("at", (5,)), [delay], features=["delay", *earlier], at="at")

    assert row == ("AA", hour(5), 50, 40, 30)


# Without a spine


def as_of(*tables: Table, time: int, features: tuple[object, ...] = ("delay",)) -> list[Row]:
    return sorted(point_in_time(None, tables, features=features, as_of=str(hour(time))))


def between(delay: Table, start: int, end: int) -> list[Row]:
    return sorted(point_in_time(None, [delay], features=["delay"], start=str(hour(start)), end=str(hour(end))))


def test_as_of_a_moment_each_key_has_one_row() -> None:
    delay = table("carrier ts mean", ("AA", 1, 10), ("AA", 5, 50), ("UA", 2, 20), ("DL", 6, 60), (None, 1, 0))

    assert as_of(delay, time=5) == [("AA", hour(5), 50), ("UA", hour(5), 20)]


def test_as_of_a_moment_keys_of_all_tables_are_there() -> None:
    load = table("carrier mean", ("UA", 20), name="load")
    features = ("delay", {"model": "load", "prefix": "load_"})

    found = as_of(table("ts mean", (1, 10)), load, time=5, features=features)

    assert found == [("AA", hour(5), 10, None), ("UA", hour(5), None, 20)]


def test_as_of_a_moment_only_what_was_known_counts() -> None:
    delay = table("carrier ts known mean", ("AA", 1, 1, 10), ("AA", 1, 6, 11), ("UA", 1, 6, 20))

    assert as_of(delay, time=5) == [("AA", hour(5), 10)]


def test_as_of_a_moment_a_value_older_than_its_ttl_is_missing() -> None:
    assert as_of(table("ts mean", (1, 10), ttl="1 hour"), time=5) == [("AA", hour(5), None)]


def test_as_of_a_moment_values_tie() -> None:
    with pytest.raises(duckdb.Error, match=TIE):
        as_of(table("ts mean", (1, 10), (1, 11)), time=5)


def test_values_between_moments_begin_at_the_first_and_end_before_the_last() -> None:
    delay = table("ts mean", (1, 10), (2, 20), (2, 20), (4, 40), (5, 50), (None, 0))

    assert between(delay, 2, 5) == [("AA", hour(2), 20), ("AA", hour(4), 40)]


def test_values_between_moments_are_those_known_now() -> None:
    delay = table("ts known mean", (2, 2, 20), (2, 9, 21), (2, None, 22), (3, None, 30))

    assert between(delay, 2, 5) == [("AA", hour(2), 21), ("AA", hour(3), 30)]


def test_values_between_moments_have_no_ttl() -> None:
    assert between(table("ts mean", (1, 10), ttl="1 hour"), 0, 9) == [("AA", hour(1), 10)]


def test_values_between_moments_tie() -> None:
    with pytest.raises(duckdb.Error, match=TIE):
        between(table("ts mean", (1, 10), (1, 11)), 0, 9)
    assert between(table("ts mean", (1, 10), (1, 11), (2, 20)), 2, 9) == [("AA", hour(2), 20)]


# Windows


def aggregate(events: Table, asking: Table, function: str, **how: object) -> object:
    """Compute one aggregate of the means for the one row of a spine."""
    (row,) = window_features(
        asking,
        events,
        at="at",
        keys={"carrier": "carrier"},
        event_time="ts",
        aggregates={"found": {"function": function, "column": "mean", **how}},
        known_time=events.known_time,
        known_at="cut_off" if "cut_off" in asking.columns else None,
        tie_break=events.tie_break,
    )
    return row[-1]


AT_5 = spine("at", (5,))


def test_a_window_begins_with_its_first_moment_and_ends_before_its_last() -> None:
    events = table("ts mean", (1, 1), (2, 10), (4, 100), (5, 1000))

    assert aggregate(events, AT_5, "sum", window="3 hours") == 110


def test_without_a_window_all_events_before_count() -> None:
    assert aggregate(table("ts mean", (0, 1), (4, 10), (5, 100)), AT_5, "sum") == 11


def test_only_known_events_count() -> None:
    events = table("ts known mean", (1, 5, 1), (1, 6, 10), (1, None, 100))

    assert aggregate(events, AT_5, "sum") == 1
    assert aggregate(events, spine("at cut_off", (5, 6)), "sum") == 11
    assert aggregate(events, spine("at cut_off", (5, None)), "sum") is None


def test_duplicates_count_as_often_as_they_are_there() -> None:
    assert aggregate(table("ts mean", (1, 10), (1, 10), (1, 11)), AT_5, "sum") == 31


def test_nulls_are_not_counted_but_their_rows_are() -> None:
    events = table("ts mean", (1, 10), (2, None), (3, 20))

    assert aggregate(events, AT_5, "count") == 2
    assert aggregate(events, AT_5, "count", column=None) == 3
    assert aggregate(events, AT_5, "avg") == pytest.approx(15)


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        ("count", 3),
        ("sum", 40),
        ("avg", pytest.approx(40 / 3)),
        ("min", 10),
        ("max", 20),
        ("stddev", pytest.approx(33.333333333**0.5)),
        ("approx_count_distinct", 2),
    ],
)
def test_aggregates_are_those_of_sql(function: str, expected: object) -> None:
    assert aggregate(table("ts mean", (1, 10), (2, 10), (3, 20)), AT_5, function) == expected


@pytest.mark.parametrize("asking", [AT_5, spine("carrier at", (None, 5)), spine("at", (None,))])
@pytest.mark.parametrize("function", ["count", "approx_count_distinct", "sum", "avg", "min", "max", "stddev", "last_n"])
def test_over_no_events_counts_are_zero_and_the_others_null(function: str, asking: Table) -> None:
    events = table("carrier ts mean", (None, 1, 10), ("AA", None, 20), ("AA", 6, 30), ("UA", 1, 40))
    how = {"n": 2} if function == "last_n" else {}

    found = aggregate(events, asking, function, **how)

    assert found == (0 if "count" in function else None)


def test_one_value_has_no_standard_deviation() -> None:
    assert aggregate(table("ts mean", (1, 10)), AT_5, "stddev") is None


def test_the_last_values_are_the_newest_first() -> None:
    events = table("ts mean", (1, 10), (2, 20), (3, None), (4, 40), (5, 50))

    assert aggregate(events, AT_5, "last_n", n=2) == [40, 20]
    assert aggregate(events, AT_5, "last_n", n=9) == [40, 20, 10]


def test_the_last_values_are_ordered_by_all_that_says_when() -> None:
    rows = [(1, 1, 9, 10), (1, 2, None, 11), (1, 2, 1, 12), (1, 2, 1, 13)]

    assert aggregate(table("ts known version mean", *rows), AT_5, "last_n", n=4) == [13, 12, 11, 10]


def test_windows_of_one_join_are_each_their_own() -> None:
    aggregates = {
        "hours": {"function": "count", "window": "2 hours"},
        "ever": {"function": "count"},
        "last": {"function": "last_n", "column": "mean", "window": "2 hours", "n": 1},
    }
    found = window_features(
        AT_5,
        table("ts mean", (1, 10), (4, 40)),
        at="at",
        keys={"carrier": "carrier"},
        event_time="ts",
        aggregates=aggregates,
    )

    assert found == [("AA", hour(5), 1, 2, [40])]


def test_every_row_of_a_spine_has_its_windows() -> None:
    found = window_features(
        spine("origin dest at", ("x", "AA", 5), ("x", "AA", 5), ("x", "UA", 5)),
        table("ts mean", (1, 10), (4, 40)),
        at="at",
        keys={"carrier": "dest"},
        event_time="ts",
        aggregates={"count": {"function": "count"}},
    )

    assert sorted(found) == [("x", "AA", hour(5), 2), ("x", "AA", hour(5), 2), ("x", "UA", hour(5), 0)]
