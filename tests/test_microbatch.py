"""Tables that are computed batch by batch, as their user sees them: what is published, what is due, what survives."""

from __future__ import annotations

import datetime as dt
import json
import tempfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake
from hypothesis import given, settings
from hypothesis import strategies as st

from fsbuild import FsbuildError, Project, api
from fsbuild.values import Moment, NodeResult, RunResult
from tests.conftest import Files, history_of, read_delta, write_files

Make = Callable[[Files], Path]
Event = tuple[int, str, int]

MODEL = """
{{ config(materialized='incremental', incremental_strategy='microbatch', event_time='day', begin='2013-01-01') }}
select date_trunc('day', seen)::timestamp as day, count(*) as events, sum(value)::bigint as total
from {{ source('raw', 'events') }}
group by all
"""
SOURCES = """
version: 2
sources:
  - name: raw
    tables:
      - name: events
        config: {event_time: seen}
        meta: {delta_table_path: events}
"""
PROJECT = {"models/daily.sql": MODEL, "models/sources.yml": SOURCES}


def at(text: str) -> dt.datetime:
    """A TIMESTAMP without a zone, as it is read back."""
    return dt.datetime.fromisoformat(text)


def events(root: Path, rows: Iterable[Event], *, kind: pa.DataType | None = None) -> None:
    """Write events to the source, which has a change feed."""
    kind = kind or pa.timestamp("us")
    ids, times, values = zip(*rows, strict=True)
    zone = dt.UTC if getattr(kind, "tz", None) else None
    moments = [dt.datetime.fromisoformat(text).replace(tzinfo=zone) for text in times]
    stored = pa.array([m.date() for m in moments]) if pa.types.is_date(kind) else pa.array(moments, kind)
    table = pa.table({"id": pa.array(ids, pa.int64()), "seen": stored, "value": pa.array(values, pa.int64())})
    write_deltalake(
        str(root / "events"),
        table,
        mode="append",
        configuration={"delta.enableChangeDataFeed": "true"} if not (root / "events").exists() else None,
    )


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Set what time it is for the projects that are opened from then on."""
    now = [dt.datetime(2013, 1, 4, 12, tzinfo=dt.UTC)]
    monkeypatch.setattr(api, "Moment", lambda run_id, _now: Moment(run_id, now[0]))

    def set_clock(text: str) -> None:
        now[0] = dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)

    return set_clock


def only(result: RunResult, name: str = "daily") -> NodeResult:
    (found,) = [node for node in result.results if node.name == name]
    return found


def reason(root: Path, name: str = "daily", **options: str) -> str:
    (found,) = [s.reason for s in Project(root).plan(**options).steps if s.unique_id.endswith(f".{name}")]  # type: ignore[arg-type]
    return found


def totals(root: Path, name: str = "daily") -> dict[str, int]:
    return {f"{row['day']:%d}": int(str(row["total"])) for row in read_delta(root, name)}


def commits(root: Path, name: str = "daily") -> list[dict[str, object]]:
    """The commits that a run made for rows or for what it remembers, not for what readers are told of the table."""
    return [commit for commit in history_of(root, name) if commit["operation"] == "WRITE"]


def progress(root: Path, name: str = "daily") -> Mapping[str, list[list[str]]]:
    found: Mapping[str, list[list[str]]] = next(
        json.loads(str(commit["fsbuild.batches"])) for commit in history_of(root, name) if "fsbuild.batches" in commit
    )
    return found


ONE_TO_FOUR = [
    (1, "2013-01-01 10:00", 1),
    (2, "2013-01-02 10:00", 2),
    (3, "2013-01-03 10:00", 4),
    (4, "2013-01-04 10:00", 8),
]


def test_a_first_run_publishes_all_batches_in_one_commit(make_project: Make, clock: Callable[[str], None]) -> None:
    clock("2013-01-04 12:00")
    root = make_project(PROJECT)
    events(root, [*ONE_TO_FOUR, (5, "2012-12-31 10:00", 100)])
    assert reason(root) == "there is no table yet; 4 batches are due: 2013-01-01 … 2013-01-04"

    result = Project(root).run()

    assert result.is_success, result
    assert only(result).message == "4 batches: 2013-01-01 … 2013-01-04"
    assert totals(root) == {"01": 1, "02": 2, "03": 4, "04": 8}
    assert len(commits(root)) == 1
    assert progress(root) == {"done": [["2013-01-01T00:00:00", "2013-01-04T00:00:00"]]}


def test_a_run_with_nothing_new_is_left_alone_until_a_batch_ends(
    make_project: Make, clock: Callable[[str], None]
) -> None:
    clock("2013-01-04 12:00")
    root = make_project(PROJECT)
    events(root, ONE_TO_FOUR)
    Project(root).run()

    assert only(Project(root).run()).status == "unchanged"
    clock("2013-01-06 12:00")
    assert reason(root) == "3 batches are due: 2013-01-04 … 2013-01-06"
    result = Project(root).run()

    assert only(result).status == "success"
    assert totals(root) == {"01": 1, "02": 2, "03": 4, "04": 8}
    assert only(Project(root).run()).status == "unchanged"
    assert len(commits(root)) == 2
    assert progress(root) == {"done": [["2013-01-01T00:00:00", "2013-01-06T00:00:00"]]}


def test_late_rows_reach_their_batches_and_no_others(make_project: Make, clock: Callable[[str], None]) -> None:
    clock("2013-01-04 12:00")
    root = make_project(PROJECT)
    events(root, ONE_TO_FOUR)
    Project(root).run()
    events(root, [(6, "2013-01-01 23:00", 16), (7, "2013-01-04 11:00", 32)])
    assert reason(root) == (
        "raw.events has changed; 2 batches are due: 2013-01-03 … 2013-01-04, and those of rows that came late"
    )

    result = Project(root).run()

    assert only(result).message == "3 batches: 2013-01-01, 2013-01-03 … 2013-01-04"
    assert totals(root) == {"01": 17, "02": 2, "03": 4, "04": 40}
    assert len(commits(root)) == 3
    assert only(Project(root).run()).status == "unchanged"


def test_deleted_and_moved_rows_reach_their_batches_too(make_project: Make, clock: Callable[[str], None]) -> None:
    clock("2013-01-06 12:00")
    root = make_project(PROJECT)
    events(root, ONE_TO_FOUR)
    Project(root).run()
    table = DeltaTable(str(root / "events"))
    table.delete("id = 1")
    table.update(predicate="id = 3", new_values={"seen": at("2013-01-02 11:00")})

    Project(root).run()

    assert totals(root) == {"02": 6, "04": 8}


def test_without_a_change_feed_the_lookback_must_do(make_project: Make, clock: Callable[[str], None]) -> None:
    clock("2013-01-04 12:00")
    files = PROJECT | {"models/sources.yml": SOURCES.replace("delta_table_path: events", "external_location: e.csv")}
    files |= {"models/daily.sql": PROJECT["models/daily.sql"].replace("begin=", "lookback=2, begin=")}
    rows = "id,seen,value\n" + "".join(f"{i},{t},{v}\n" for i, t, v in ONE_TO_FOUR)
    root = make_project(files | {"e.csv": rows})
    Project(root).run()
    (root / "e.csv").write_text(rows + "6,2013-01-01 10:00:00,16\n7,2013-01-02 10:00:00,32\n")

    Project(root).run()

    assert totals(root) == {"01": 1, "02": 34, "03": 4, "04": 8}


def test_a_failing_batch_keeps_those_before_it_and_the_next_run_goes_on_there(
    make_project: Make, clock: Callable[[str], None]
) -> None:
    clock("2013-01-02 12:00")
    guarded = PROJECT["models/daily.sql"].replace(
        "sum(value)::bigint", "sum(case when value < 0 then error('negative') else value end)::bigint"
    )
    root = make_project(PROJECT | {"models/daily.sql": guarded})
    events(root, ONE_TO_FOUR)
    Project(root).run()
    events(root, [(5, "2013-01-03 11:00", -1), (6, "2013-01-01 11:00", 16)])
    clock("2013-01-04 12:00")

    result = Project(root).run()

    assert only(result).status == "error"
    assert only(result).message == "batch 2013-01-03: negative"
    assert totals(root) == {"01": 17, "02": 2}
    assert progress(root)["due"] == [["2013-01-03T00:00:00", "2013-01-05T00:00:00"]]
    DeltaTable(str(root / "events")).delete("value < 0")
    assert only(Project(root).run()).status == "success"
    assert totals(root) == {"01": 17, "02": 2, "03": 4, "04": 8}
    assert only(Project(root).run()).status == "unchanged"


def test_checks_gate_each_batch(make_project: Make, clock: Callable[[str], None]) -> None:
    clock("2013-01-02 12:00")
    column = "{name: total, data_tests: [{in_range: {min_value: 0, max_value: 1000}}]}"
    checks = f"models:\n  - name: daily\n    columns:\n      - {column}\n"
    root = make_project(PROJECT | {"models/daily.yml": checks})
    events(root, ONE_TO_FOUR)
    Project(root).run()
    events(root, [(5, "2013-01-04 11:00", -100)])
    clock("2013-01-05 12:00")

    result = Project(root).run()

    assert only(result).status == "error"
    assert only(result).message == "the checks of batch 2013-01-04 failed; it was not published, and 2 before it were"
    assert totals(root) == {"01": 1, "02": 2, "03": 4}


def test_a_window_computes_its_batches_and_leaves_the_rest_due(
    make_project: Make, clock: Callable[[str], None]
) -> None:
    clock("2013-01-04 12:00")
    root = make_project(PROJECT)
    events(root, ONE_TO_FOUR)
    window = {"event_time_start": "2013-01-02", "event_time_end": "2013-01-03"}

    result = Project(root).run(**window)  # type: ignore[arg-type]

    assert only(result).message == "1 batch: 2013-01-02"
    assert totals(root) == {"02": 2}
    assert reason(root) == "3 batches are due: 2013-01-01, 2013-01-03 … 2013-01-04"
    Project(root).run()
    assert totals(root) == {"01": 1, "02": 2, "03": 4, "04": 8}
    events(root, [(i + 10, t, 100) for i, t, _ in ONE_TO_FOUR])
    assert reason(root, **window) == "1 batch is asked for: 2013-01-02"
    Project(root).run(**window)  # type: ignore[arg-type]
    assert totals(root) == {"01": 1, "02": 102, "03": 4, "04": 8}
    Project(root).run()
    assert totals(root) == {"01": 101, "02": 102, "03": 104, "04": 108}


def test_a_window_and_a_changed_definition_do_not_mix(make_project: Make, clock: Callable[[str], None]) -> None:
    clock("2013-01-04 12:00")
    root = make_project(PROJECT)
    events(root, ONE_TO_FOUR)
    Project(root).run()
    (root / "models/daily.sql").write_text(PROJECT["models/daily.sql"].replace("sum(value)", "sum(value * 2)"))

    with pytest.raises(FsbuildError, match=r"'daily' has to be rebuilt .*only some of its batches"):
        Project(root).run(event_time_start="2013-01-02", event_time_end="2013-01-03")
    assert only(Project(root).run()).message == "4 batches: 2013-01-01 … 2013-01-04"
    assert totals(root) == {"01": 2, "02": 4, "03": 8, "04": 16}


@pytest.mark.parametrize(
    ("begin", "due"),
    [
        ("2012-12-31", "3 batches are due: 2012-12-31, 2013-01-03 … 2013-01-04"),
        ("2013-01-03", "its begin was moved to a later time; 2 batches are due: 2013-01-03 … 2013-01-04"),
    ],
)
def test_begin_can_be_moved(make_project: Make, clock: Callable[[str], None], begin: str, due: str) -> None:
    clock("2013-01-04 12:00")
    root = make_project(PROJECT)
    events(root, [*ONE_TO_FOUR, (5, "2012-12-31 10:00", 100)])
    Project(root).run()
    (root / "models/daily.sql").write_text(PROJECT["models/daily.sql"].replace("2013-01-01", begin))

    assert reason(root) == due
    Project(root).run()

    expected = {"31": 100, "01": 1, "02": 2, "03": 4, "04": 8}
    assert totals(root) == (expected if begin < "2013" else {"03": 4, "04": 8})


@pytest.mark.parametrize(
    ("kind", "size", "begin", "count"),
    [
        (pa.timestamp("us"), "hour", "2013-01-01", 86),
        (pa.timestamp("us", "UTC"), "hour", "2013-01-01", 86),
        (pa.timestamp("us", "UTC"), "day", "2013-01-01", 4),
        (pa.date32(), "day", "2013-01-01", 4),
        (pa.date32(), "month", "2012-11-20", 3),
        (pa.timestamp("us"), "year", "2011-05-01", 3),
    ],
)
def test_every_type_of_time_and_size_of_batch(  # noqa: PLR0913 - what a case consists of
    make_project: Make, clock: Callable[[str], None], kind: pa.DataType, size: str, begin: str, count: int
) -> None:
    clock("2013-01-04 13:00")
    model = (
        "{{ config(materialized='incremental', incremental_strategy='microbatch', event_time='seen', "
        f"begin='{begin}', batch_size='{size}') }}}}\nselect id, seen, value from {{{{ source('raw', 'events') }}}}\n"
    )
    root = make_project(PROJECT | {"models/daily.sql": model})
    events(root, ONE_TO_FOUR, kind=kind)

    result = Project(root).run()

    assert only(result).message.startswith(f"{count} batches: ")
    assert [row["id"] for row in read_delta(root, "daily")] == [1, 2, 3, 4]
    events(root, [(9, "2013-01-04 10:30", 9)], kind=kind)
    assert only(Project(root).run()).status == "success"
    assert [row["id"] for row in read_delta(root, "daily")] == [1, 2, 3, 4, 9]
    assert only(Project(root).run()).status == "unchanged"


def test_rows_outside_of_their_batch_are_refused(make_project: Make, clock: Callable[[str], None]) -> None:
    clock("2013-01-04 12:00")
    shifted = PROJECT["models/daily.sql"].replace("seen)::timestamp", "seen + interval 1 day)::timestamp")
    root = make_project(PROJECT | {"models/daily.sql": shifted})
    events(root, ONE_TO_FOUR)

    result = only(Project(root).run())

    assert result.message == "batch 2013-01-01: rows whose day is not in their batch, 2013-01-01: 1"
    assert "total=1" in str(result.problems[0].detail)
    assert not (root / "lake/main/daily").exists()


def test_render_reads_all_rows_and_other_models_do_too(make_project: Make, clock: Callable[[str], None]) -> None:
    clock("2013-01-02 12:00")
    share = """
{{ config(materialized='incremental', incremental_strategy='microbatch', event_time='day', begin='2013-01-01') }}
select day, total, (select count(*) from {{ ref('daily').render() }}) as days from {{ ref('daily') }}
"""
    every = "{{ config(materialized='table') }}\nselect count(*) as days from {{ ref('daily') }}\n"
    daily = PROJECT["models/daily.sql"]
    root = make_project(PROJECT | {"models/daily.sql": daily, "models/share.sql": share, "models/every.sql": every})
    events(root, ONE_TO_FOUR)

    assert Project(root).run().is_success

    assert [row["days"] for row in read_delta(root, "share")] == [2, 2]
    assert read_delta(root, "every") == [{"days": 2}]
    compiled = (root / "target/compiled/shop/models/share.sql").read_text()
    assert """from (select * from "main"."daily" where "day" >= getvariable('fsbuild_batch_start')""" in compiled


def test_late_rows_are_followed_through_views_and_batched_models(
    make_project: Make, clock: Callable[[str], None]
) -> None:
    clock("2013-01-09 12:00")
    view = """
{{ config(event_time='seen_at') }}
select seen as seen_at, value * 2 as value from {{ source('raw', 'events') }}
"""
    batched = "materialized='incremental', incremental_strategy='microbatch', event_time='day', begin='2013-01-01'"
    head = f"{{{{ config({batched}) }}}}\n"
    total = "date_trunc('day', seen_at)::timestamp as day, sum(value)::bigint as total"
    first = f"{head}select {total} from {{{{ ref('stg') }}}} group by all"
    second = head + "select day, total + 1 as total from {{ ref('first') }}"
    root = make_project(
        {"models/sources.yml": SOURCES, "models/stg.sql": view, "models/first.sql": first, "models/second.sql": second}
    )
    events(root, ONE_TO_FOUR)
    assert Project(root).run().is_success
    events(root, [(5, "2013-01-02 11:00", 16)])

    assert Project(root).run().is_success

    assert totals(root, "first") == {"01": 2, "02": 36, "03": 8, "04": 16}
    assert totals(root, "second") == {"01": 3, "02": 37, "03": 9, "04": 17}


def test_a_key_may_move_from_one_batch_to_another(make_project: Make, clock: Callable[[str], None]) -> None:
    clock("2013-01-05 12:00")
    model = """
{{ config(materialized='incremental', incremental_strategy='microbatch', unique_key='id', event_time='seen',
          begin='2013-01-01') }}
select id, seen, value from {{ source('raw', 'events') }}
"""
    root = make_project(PROJECT | {"models/daily.sql": model})
    events(root, ONE_TO_FOUR)
    assert Project(root).run().is_success
    DeltaTable(str(root / "events")).update(predicate="id = 3", new_values={"seen": at("2013-01-01 11:00")})

    assert Project(root).run().is_success
    assert [(row["id"], f"{row['seen']:%d}") for row in read_delta(root, "daily")] == [
        (1, "01"),
        (2, "02"),
        (3, "01"),
        (4, "04"),
    ]
    events(root, [(2, "2013-01-01 12:00", 1)])
    failed = only(Project(root).run())
    assert failed.status == "error"
    assert "id=2" in str(failed.problems[0].detail)


def test_new_checks_and_a_kept_table_do_not_forget_the_batches(
    make_project: Make, clock: Callable[[str], None]
) -> None:
    clock("2013-01-04 12:00")
    root = make_project(PROJECT)
    events(root, ONE_TO_FOUR)
    Project(root).run()
    checks = "models:\n  - name: daily\n    columns:\n      - {name: total, data_tests: [not_null]}\n"
    (root / "models/daily.yml").write_text(checks)

    assert only(Project(root).run()).status == "unchanged"
    assert only(Project(root).run()).status == "unchanged"
    assert progress(root) == {"done": [["2013-01-01T00:00:00", "2013-01-04T00:00:00"]]}


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (", begin='2013-01-01'", "", "needs a begin"),
        ("event_time='day', ", "", "needs an event_time"),
        ("event_time='day'", "event_time='total'", "event_time column 'total' is BIGINT, not a DATE or TIMESTAMP"),
        ("begin='2013-01-01'", "begin='soon'", "config 'begin' is 'soon', not a date or a time"),
        ("begin=", "batch_size='week', begin=", "config 'batch_size' is 'week', not one of hour, day, month, year"),
        ("begin=", "lookback=-1, begin=", "config 'lookback' is -1, less than 0"),
        ("group by", "{% if is_incremental() %} where true {% endif %} group by", "takes no is_incremental()"),
        ("begin=", "batch_size='hour', begin=", None),
        ("::timestamp", "::date", None),
    ],
)
def test_mistakes_are_told_at_compile_time(make_project: Make, old: str, new: str, message: str | None) -> None:
    root = make_project(PROJECT | {"models/daily.sql": PROJECT["models/daily.sql"].replace(old, new)})
    events(root, ONE_TO_FOUR)

    if message is None:
        Project(root).compile()
        return
    with pytest.raises(FsbuildError) as caught:
        Project(root).compile()
    (problem,) = caught.value.problems
    assert message in problem.message
    assert problem.place is not None
    assert problem.place.file == "models/daily.sql"


def test_the_event_time_of_an_input_is_held_against_its_columns(make_project: Make) -> None:
    root = make_project(PROJECT | {"models/sources.yml": SOURCES.replace("event_time: seen", "event_time: value")})
    events(root, ONE_TO_FOUR)

    with pytest.raises(FsbuildError, match="event_time column 'value' of 'events' is BIGINT"):
        Project(root).compile()


@pytest.mark.parametrize(
    ("start", "end", "message"),
    [
        ("2013-01-02", None, "event-time-end is missing"),
        (None, "2013-01-02", "event-time-start is missing"),
        ("2013-01-02", "2013-01-02", "event-time-end 2013-01-02 is not after"),
        ("soon", "2013-01-02", "no date or time"),
    ],
)
def test_a_window_has_two_ends(make_project: Make, start: str | None, end: str | None, message: str) -> None:
    root = make_project(PROJECT)
    with pytest.raises(FsbuildError, match=message):
        Project(root).run(event_time_start=start, event_time_end=end)


def test_a_window_that_takes_what_is_missing_leaves_the_newest_batch_to_the_next_run(
    make_project: Make, clock: Callable[[str], None]
) -> None:
    clock("2013-01-02 08:00")
    root = make_project(PROJECT)
    events(root, [(1, "2013-01-01 10:00", 1), (2, "2013-01-03 10:00", 2)])  # the second one lies in the future
    Project(root).run()
    clock("2013-01-03 12:00")
    Project(root).run(event_time_start="2013-01-01", event_time_end="2013-01-03")

    Project(root).run()

    assert totals(root) == {"01": 1, "03": 2}


def test_an_update_that_changes_no_value_does_not_hide_late_rows(
    make_project: Make, clock: Callable[[str], None]
) -> None:
    clock("2013-01-04 12:00")
    root = make_project(PROJECT)
    events(root, ONE_TO_FOUR)
    Project(root).run()
    DeltaTable(str(root / "events")).update(predicate="id = 1", updates={"value": "value"})
    events(root, [(5, "2013-01-01 12:00", 16)])

    Project(root).run()

    assert totals(root)["01"] == 17


# --- a property: whatever happened on the way, the table is what its batches make of the present inputs ---------------

DAYS = 5
GUARDED = """
{{ config(materialized='incremental', incremental_strategy='microbatch', event_time='day', begin='2013-01-01',
          lookback=0) }}
select date_trunc('day', seen)::timestamp as day, count(*) as events,
    sum(case when value < 0 then error('negative') else value end)::bigint as total
from {{ source('raw', 'events') }}
group by all
"""
CHECKED = """
models:
  - name: daily
    columns:
      - {name: total, data_tests: [{in_range: {min_value: 0, max_value: 99}}]}
"""
days = st.integers(0, DAYS - 1)
acts = st.one_of(
    # A value of -1 makes the query of its day fail, one of 100 its check.
    st.tuples(
        st.just("add"), st.lists(st.tuples(days, st.sampled_from([0, 1, 2, 3, -1, 100])), min_size=1, max_size=3)
    ),
    st.tuples(st.just("delete"), days),
    st.tuples(st.just("move"), st.tuples(days, days)),
    st.tuples(st.just("run"), st.just(None)),
    st.tuples(st.just("full refresh"), st.just(None)),
    st.tuples(st.just("window"), st.tuples(days, days)),
    st.tuples(st.just("later"), st.integers(6, 30)),
)


class Story:
    """A source and a table as acts change them, and the hours since the first batch began."""

    def __init__(self, root: Path) -> None:
        self.root, self.hours, self.ids = root, 12, 0
        write_files(
            root,
            {"fsbuild_project.yml": "name: shop\n", "models/daily.sql": GUARDED, "models/daily.yml": CHECKED}
            | {"models/sources.yml": SOURCES},
        )
        self.add([(0, 1)])

    def add(self, rows: Iterable[tuple[int, int]]) -> None:
        written = []
        for day, value in rows:
            self.ids += 1
            written.append((self.ids, f"2013-01-0{day + 1} 10:00", value))
        events(self.root, written)

    def act(self, what: str, value: object) -> None:
        source = DeltaTable(str(self.root / "events"))
        if what == "add":
            self.add(value)  # type: ignore[arg-type]
        elif what == "delete":
            source.delete(f"seen = '2013-01-0{int(str(value)) + 1} 10:00:00'")
        elif what == "move" and isinstance(value, tuple):
            moved: dict[str, int | float | str | dt.datetime | bool | list[object]] = {
                "seen": at(f"2013-01-0{value[1] + 1} 10:00")
            }
            source.update(predicate=f"seen = '2013-01-0{value[0] + 1} 10:00:00'", new_values=moved)
        elif what == "run":
            self.run()
        elif what == "full refresh":
            self.run(full_refresh=True)
        elif what == "window" and isinstance(value, tuple):
            first, last = sorted(value)
            self.run(event_time_start=f"2013-01-0{first + 1}", event_time_end=f"2013-01-0{last + 2}")
        elif what == "later":
            self.hours += int(str(value))

    def run(self, **options: object) -> NodeResult:
        now = dt.datetime(2013, 1, 1, tzinfo=dt.UTC) + dt.timedelta(hours=self.hours)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(api, "Moment", lambda run_id, _now: Moment(run_id, now))
            return only(Project(self.root).run(**options))  # type: ignore[arg-type]

    def expected(self) -> dict[dt.datetime, tuple[int, int]]:
        """What all batches make of the present rows, in plain Python."""
        found: dict[dt.datetime, tuple[int, int]] = {}
        newest = at("2013-01-01") + dt.timedelta(days=self.hours // 24)
        for row in DeltaTable(str(self.root / "events")).to_pyarrow_table().to_pylist():
            day = row["seen"].replace(hour=0)
            if day <= newest:
                count, total = found.get(day, (0, 0))
                found[day] = (count + 1, total + row["value"])
        return found


def _play(todo: Iterable[tuple[str, object]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        story = Story(Path(folder))
        for what, value in todo:
            story.act(what, value)
        DeltaTable(str(story.root / "events")).delete("value < 0 or value > 50")

        result = story.run()

        assert result.status in ("success", "unchanged"), result
        rows = read_delta(story.root, "daily")
        assert {row["day"]: (row["events"], row["total"]) for row in rows} == story.expected()
        assert len(rows) == len(story.expected())
        assert story.run().status == "unchanged"


@given(st.lists(acts, max_size=7))
@settings(max_examples=15)
def test_after_a_run_the_table_is_what_its_batches_make_of_the_inputs(todo: list[tuple[str, object]]) -> None:
    _play(todo)


@pytest.mark.slow
@given(st.lists(acts, max_size=12))
@settings(max_examples=100)
def test_after_a_run_the_table_is_what_its_batches_make_of_the_inputs_at_length(
    todo: list[tuple[str, object]],
) -> None:
    _play(todo)
