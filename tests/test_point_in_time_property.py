"""Whatever the rows, the types and the options are: features at a moment are what an oracle of plain loops says.

FSBUILD_EXAMPLES multiplies the number of examples, for a search at length.
"""

from __future__ import annotations

import datetime as dt
import os
import sys
import zoneinfo
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

import duckdb
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from tests import point_in_time_oracle as oracle
from tests.feature_joins import Lab, Row, Table, point_in_time, window_features

BUDGET = int(os.environ.get("FSBUILD_EXAMPLES", "1"))

# Moments that are near each other by every unit, before 1970 too, where cutting off is not rounding towards zero.
GRID = [
    "1969-12-31 23:59:59.999999",
    "2020-01-01 00:00:00.000000",
    "2020-01-01 00:00:00.000001",
    "2020-01-01 00:00:00.001000",
    "2020-01-01 00:00:01.000000",
    "2020-01-01 01:00:00.000000",
    "2020-01-02 00:00:00.000000",
    "2020-01-03 00:00:00.000000",
]
LATER = "2020-01-04 00:00:00.000000"
ZONELESS = ["DATE", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP"]
# Keys that are others where bits are lost: 258 is 2 in eight bits, 2 ** 32 + 1 is 1 in 32.
INTEGERS = {
    "TINYINT": [1, 2],
    "SMALLINT": [1, 1, 2, 258],
    "INTEGER": [1, 1, 2, 258],
    "BIGINT": [1, 1, 2, 2**32 + 1],
}
SPINE_KEYS = {"k": "d", "j": "e"}
VALUES: Mapping[str, Sequence[object]] = {
    "INTEGER": [2, 1, None],
    "VARCHAR": ["a", "b", None],
    "DOUBLE": [0.5, -1.5, 2.0, None],
}
FUNCTIONS = ("count", "sum", "avg", "min", "max", "stddev", "approx_count_distinct", "last_n")


@dataclass(frozen=True)
class Clock:
    """What the times of one join can be: SQL types, and moments."""

    types: list[str]
    moments: list[str]

    @property
    def durations(self) -> list[str]:
        """What lies between its moments, so that bounds are met, and some that people would write."""
        times = [oracle.must(text) for text in self.moments]
        between = {abs(one - other) // dt.timedelta(microseconds=1) for one in times for other in times} - {0}
        return [*(f"{count} microseconds" for count in sorted(between)), "1 hour", "1 day 23 hours"]


@dataclass(frozen=True)
class Case:
    """A join: the arguments of the functions of the harness and of the oracle."""

    tables: list[Table]
    features: list[object]
    spine: Table | None = None
    known_at: str | None = None
    span: tuple[str, str] = ("", "")
    as_of: str = ""


@dataclass(frozen=True)
class WindowCase:
    """A window join: its two tables, and the other arguments of both functions."""

    spine: Table
    events: Table
    options: Mapping[str, Any]


class Zone(zoneinfo.ZoneInfo):
    """A zone as pytz has them, with which DuckDB, and it takes no others, gives Python moments that have a zone."""

    def localize(self, time: dt.datetime) -> dt.datetime:
        return time.replace(tzinfo=self)


@pytest.fixture(autouse=True, scope="module")
def _pytz() -> Iterator[None]:
    duckdb.connect().execute("SELECT ?", [1])  # imports pandas, if it is there, which would take this for pytz too
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "pytz", SimpleNamespace(timezone=Zone, utc=Zone("UTC")))
        yield


def time_of(text: str, kind: str) -> object:
    """Make a moment of a type, cut off where the type ends; a string where Python's datetimes end before it."""
    time = dt.datetime.fromisoformat(text)
    if kind == "TIMESTAMP_NS":
        return f"{text}{'999' if time.second else '000'}"
    if kind == "DATE":
        return time.date()
    if kind == "TIMESTAMPTZ":
        return time.replace(tzinfo=dt.UTC)
    unit = {"TIMESTAMP_S": 1_000_000, "TIMESTAMP_MS": 1_000, "TIMESTAMP": 1}[kind]
    return time.replace(microsecond=time.microsecond // unit * unit)


def values_of(name: str, kind: str, moments: Sequence[str]) -> st.SearchStrategy[object]:
    """Draw what a column can have: few values, so that many are equal, and NULL, rarer where it ends a row's story."""
    if name in ("k", "d"):
        return st.sampled_from([*INTEGERS[kind] * 3, None])
    if name in ("j", "e"):
        return st.sampled_from(["a", "b", "a", "a", None])
    if kind in VALUES:
        return st.sampled_from(VALUES[kind])
    return st.sampled_from([*[time_of(text, kind) for text in moments] * 2, None])


clocks = st.builds(
    Clock,
    st.sampled_from([ZONELESS, ["TIMESTAMP"], ["TIMESTAMPTZ"]]),
    st.lists(st.sampled_from(GRID), min_size=2, max_size=3, unique=True),
)


@st.composite
def rows_of(draw: st.DrawFn, columns: Mapping[str, str], clock: Clock, most: int) -> list[Row]:
    row = st.tuples(*(values_of(name, kind, clock.moments) for name, kind in columns.items()))
    count = draw(st.sampled_from([0, *[2, most // 2, most - 1, most] * 4]))
    rows = draw(st.lists(row, min_size=count, max_size=count))
    return rows + (draw(st.lists(st.sampled_from(rows), max_size=2)) if rows else [])


@st.composite
def tables(
    draw: st.DrawFn, name: str, clock: Clock, keys: tuple[str, ...] | None = None, *, has_events: bool = False
) -> Table:
    """Draw a table of features, whose value columns have names of their own, and in most of which nothing ties."""
    keys = keys or draw(st.sampled_from([("k",), ("j",), ("j", "k")]))
    columns = {key: draw(st.sampled_from(list(INTEGERS))) if key == "k" else "VARCHAR" for key in keys}
    event_time = f"ts_{name}" if has_events or draw(st.integers(0, 3)) else None
    known_time = draw(st.sampled_from([f"known_{name}", None]))
    tie_break = draw(st.sampled_from([(), (), (f"b_{name}",), (f"b_{name}", f"c_{name}")]))
    columns |= {time: draw(st.sampled_from(clock.types)) for time in (event_time, known_time) if time is not None}
    columns |= dict(zip(tie_break, ("INTEGER", "VARCHAR"), strict=False))
    columns |= {f"v_{name}": "INTEGER", f"w_{name}": "VARCHAR"}
    columns = {column: columns[column] for column in draw(st.permutations(list(columns)))}
    ttl = draw(st.sampled_from([None, *clock.durations])) if event_time else None
    rows = draw(rows_of(columns, clock, 12))
    table = Table(name, columns, rows, keys, event_time, known_time, ttl, tie_break)
    if draw(st.sampled_from([True, True, False])):
        return without_ties(table)
    again = draw(st.lists(st.sampled_from(rows), max_size=3)) if rows else []
    return replace(table, rows=[*rows, *(with_other_value(table, row) for row in again)])


def without_ties(table: Table) -> Table:
    """Let rows that only their values differ in have the same values."""
    values = oracle.values_of(table)
    first: dict[Row, Row] = {}
    for row in table.rows:
        first.setdefault(order_of(table, values, row), row)
    return replace(table, rows=[first[order_of(table, values, row)] for row in table.rows])


def with_other_value(table: Table, row: Row) -> Row:
    return tuple(3 if name.startswith("v_") else value for name, value in zip(table.columns, row, strict=True))


def order_of(table: Table, values: Sequence[str], row: Row) -> Row:
    return tuple(value for name, value in zip(table.columns, row, strict=True) if name not in values)


@st.composite
def spines(draw: st.DrawFn, clock: Clock) -> Table:
    """Draw a spine with two columns for each key, its time, and a knowledge cut-off."""
    integers = st.sampled_from(list(INTEGERS))
    finer = ["TIMESTAMP_NS"] * 2 if "TIMESTAMP" in clock.types else []
    at = draw(st.sampled_from([*clock.types, *finer]))
    columns = {"k": draw(integers), "j": "VARCHAR", "d": draw(integers), "e": "VARCHAR", "at": at}
    columns["cut_off"] = draw(st.sampled_from(clock.types))
    columns = {column: columns[column] for column in draw(st.permutations(list(columns)))}
    later = replace(clock, moments=[*clock.moments, LATER, LATER])
    return Table("spine", columns, draw(rows_of(columns, later, 6)))


@st.composite
def requests(
    draw: st.DrawFn, tables: Sequence[Table], clock: Clock, *, is_plain: bool = False, taken: Sequence[str] = ()
) -> list[object]:
    """Draw a list of features in every way to write it; no two get the same name."""
    asked: list[object] = []
    used = set(taken)
    for number in range(draw(st.integers(1, 4))):
        table = draw(st.sampled_from(tables))
        values = oracle.values_of(table)
        others = [name for name in table.columns if name not in values and name not in table.keys]
        columns = draw(st.sampled_from([[], [], values[:1], values[1:], values[::-1], [*values, *others]]))
        feature: dict[str, object] = {"model": table.name, "columns": columns}
        if not is_plain:
            feature |= draw(roles(table, clock))
        names = columns or values
        if used.isdisjoint(names) and not feature.keys() & {"keys", "offset", "exclusive"}:
            used |= set(names)
            text = {0: [table.name, f"{table.name}:*"], 1: [f"{table.name}:{names[0]}"]}.get(len(columns), [feature])
            asked.append(draw(st.sampled_from([*text, feature])))
        elif draw(st.booleans()):
            asked.append(feature | {"prefix": f"p{number}_"})
        else:
            asked.append(feature | {"rename": {name: f"r{number}_{name}" for name in names}})
    return asked


@st.composite
def roles(draw: st.DrawFn, table: Table, clock: Clock) -> dict[str, object]:
    """Draw in which way a table is asked for: by other keys, from earlier, strictly before."""
    role: dict[str, object] = {}
    mapped = {key: SPINE_KEYS[key] for key in table.keys if draw(st.integers(0, 3)) == 0}
    if mapped:
        role["keys"] = mapped
    if table.event_time and draw(st.integers(0, 2)) == 0:
        role["offset"] = draw(st.sampled_from(clock.durations))
    if table.event_time and draw(st.integers(0, 2)) == 0:
        role["exclusive"] = True
    return role


@st.composite
def cases(draw: st.DrawFn) -> Case:
    clock = draw(clocks)
    drawn = [draw(tables(f"m{number}", clock)) for number in range(draw(st.integers(1, 3)))]
    known_at = draw(st.sampled_from([None, "cut_off"]))
    return Case(drawn, draw(requests(drawn, clock)), draw(spines(clock)), known_at)


@st.composite
def cases_of_one_entity(draw: st.DrawFn, most: int, *, has_events: bool = False) -> Case:
    """Draw tables that have the same keys, and features that are asked for by no others."""
    clock = draw(clocks)
    keys = draw(st.sampled_from([("k",), ("j",), ("k", "j")]))
    drawn = [
        draw(tables(f"m{number}", clock, keys, has_events=has_events)) for number in range(draw(st.integers(1, most)))
    ]
    taken = [table.event_time for table in drawn if table.event_time is not None]
    one = draw(st.sampled_from(["1960-01-01 00:00:00", *clock.moments]))
    other = draw(st.sampled_from([LATER, *clock.moments]))
    features = draw(requests(drawn, clock, is_plain=True, taken=taken))
    return Case(drawn, features, span=(min(one, other), max(one, other)), as_of=draw(st.sampled_from(clock.moments)))


@st.composite
def window_cases(draw: st.DrawFn) -> WindowCase:
    clock = draw(clocks)
    columns = {"k": draw(st.sampled_from(list(INTEGERS))), "j": "VARCHAR"}
    columns |= {name: draw(st.sampled_from(clock.types)) for name in ("ts", "known")}
    columns |= {"b": "INTEGER", "c": "VARCHAR", "v": "INTEGER", "x": "DOUBLE"}
    keys = draw(st.sampled_from([("j",), ("k",), ("k", "j")]))
    options: dict[str, object] = {
        "at": "at",
        "keys": {key: draw(st.sampled_from([key, SPINE_KEYS[key]])) for key in keys},
        "event_time": "ts",
        "aggregates": {f"a{number}": draw(aggregates(clock)) for number in range(draw(st.integers(1, 4)))},
        "known_time": draw(st.sampled_from([None, "known"])),
        "tie_break": draw(st.sampled_from([("b",), ("c", "b"), ()])),
    }
    if options["known_time"]:
        options["known_at"] = draw(st.sampled_from([None, "cut_off"]))
    return WindowCase(draw(spines(clock)), Table("events", columns, draw(rows_of(columns, clock, 16))), options)


@st.composite
def aggregates(draw: st.DrawFn, clock: Clock) -> dict[str, object]:
    function = draw(st.sampled_from([*FUNCTIONS, *["last_n"] * 4]))
    aggregate: dict[str, object] = {"function": function}
    column = draw(st.sampled_from(["v", "x", None] if function == "count" else ["v", "x"]))
    window = draw(st.sampled_from([None, None, *clock.durations]))
    if column is not None:
        aggregate["column"] = column
    if window is not None:
        aggregate["window"] = window
    if function == "last_n":
        aggregate["n"] = draw(st.sampled_from([2, 1, 5]))
    return aggregate


def with_spine_as_read(spine: Table, expected: Sequence[Row]) -> list[Row]:
    """Put the spine's columns, as DuckDB gives them, in the place of those that were written."""
    read = Lab([spine]).connection.execute(f"SELECT * FROM {spine.relation}").fetchall()
    return [row + full[len(row) :] for row, full in zip(read, expected, strict=True)]


def in_order(rows: Sequence[Row]) -> list[Row]:
    """Make rows comparable: times without zone, in an order of their own."""
    plain = [tuple(oracle.moment(value) if isinstance(value, dt.date) else value for value in row) for row in rows]
    return sorted(plain, key=repr)


def assert_same(join: Callable[[], list[Row]], expect: Callable[[], list[Row]]) -> None:
    """Check that the join gives the rows of the oracle, or names a tie where the oracle finds one."""
    try:
        expected = expect()
    except oracle.TieError as tie:
        event("a tie")
        with pytest.raises(duckdb.Error, match=f"tie in the features of ({'|'.join(sorted(tie.tables))})"):
            join()
        return
    found = {value for row in expected for value in row[-1:]} - {None}
    event("values" if found else "NULLs" if expected else "no rows")
    assert in_order(join()) == in_order(expected)


@given(cases())
@settings(max_examples=130 * BUDGET)
def test_features_are_the_oracles_at_every_row_of_a_spine(case: Case) -> None:
    spine = case.spine
    assert spine is not None
    options: dict[str, Any] = {"features": case.features, "at": "at", "known_at": case.known_at}

    assert_same(
        lambda: point_in_time(spine, case.tables, **options),
        lambda: with_spine_as_read(spine, oracle.point_in_time(spine, case.tables, **options)),
    )


@given(cases_of_one_entity(most=3))
@settings(max_examples=50 * BUDGET)
def test_features_as_of_a_moment_are_the_oracles(case: Case) -> None:
    time = case.as_of

    assert_same(
        lambda: point_in_time(None, case.tables, features=case.features, as_of=time),
        lambda: oracle.as_of(case.tables, features=case.features, time=time),
    )


@given(cases_of_one_entity(most=1, has_events=True))
@settings(max_examples=50 * BUDGET)
def test_features_between_two_moments_are_the_oracles(case: Case) -> None:
    (table,), (start, end) = case.tables, case.span

    assert_same(
        lambda: point_in_time(None, [table], features=case.features, start=start, end=end),
        lambda: oracle.between(table, features=case.features, start=start, end=end),
    )


@given(window_cases())
@settings(max_examples=100 * BUDGET)
def test_aggregates_before_every_row_of_a_spine_are_the_oracles(case: WindowCase) -> None:
    expected = with_spine_as_read(case.spine, oracle.window_features(case.spine, case.events, **case.options))

    found = window_features(case.spine, case.events, **case.options)

    width = len(case.spine.columns)
    assert in_order([row[:width] for row in found]) == in_order([row[:width] for row in expected])
    for row, right in zip(by_spine(found, width), by_spine(expected, width), strict=True):
        assert row[width:] == tuple(
            pytest.approx(value) if isinstance(value, float) else value for value in right[width:]
        )


def by_spine(rows: Sequence[Row], width: int) -> list[Row]:
    """Order rows by what they have of the spine; where that is equal, so are the aggregates."""
    return sorted(rows, key=lambda row: repr(row[:width]))
