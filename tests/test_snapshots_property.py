"""Whatever happens to a source, a snapshot's history is the one that a naive Python oracle writes down."""

from __future__ import annotations

import datetime as dt
import itertools
import tempfile
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from fsbuild import Project
from fsbuild.values import Moment
from tests.conftest import read_delta, write_files

NEVER = dt.datetime(9999, 12, 31)  # noqa: DTZ001 - a table's times are without a zone, and UTC
START = dt.datetime(2025, 1, 1)  # noqa: DTZ001
# What a source says of a key: its plan, and the hours since the start when it changed.
State = Mapping[int, tuple[str | None, int]]


@dataclass(frozen=True)
class Case:
    """A configuration, and the states of the source with the hours at which the snapshot is run."""

    strategy: str
    hard_deletes: str
    time_type: str
    open_end: dt.datetime | None
    states: list[tuple[State, int]]

    def time(self, hours: int) -> dt.datetime:
        moment = START + dt.timedelta(hours=hours)
        return moment.replace(hour=0) if self.time_type == "date" else moment


@dataclass(frozen=True)
class Row:
    plan: str | None
    updated_at: dt.datetime
    begin: dt.datetime
    end: dt.datetime | None
    is_deleted: bool = False


@dataclass
class Oracle:
    """The history of each key, the oldest row first."""

    case: Case
    history: dict[int, list[Row]] = field(default_factory=dict)

    def run(self, state: State, hours: int) -> None:
        case, now = self.case, self.case.time(hours)
        for key, (plan, changed) in state.items():
            updated_at = case.time(changed) if case.strategy == "timestamp" else now
            last = self.history.get(key, [None])[-1]
            if last is None:
                self.begin(key, Row(plan, updated_at, updated_at, case.open_end))
            elif last.end != case.open_end:
                self.begin(key, Row(plan, updated_at, max(updated_at, last.end or NEVER), case.open_end))
            elif last.is_deleted or (
                updated_at > last.updated_at if case.strategy == "timestamp" else plan != last.plan
            ):
                self.follow(key, Row(plan, updated_at, max(updated_at, last.begin), case.open_end))
        for key in self.history.keys() - state.keys():
            last = self.history[key][-1]
            if last.end != case.open_end or last.is_deleted or case.hard_deletes == "ignore":
                continue
            end = max(now, last.begin)
            if case.hard_deletes == "new_record":
                self.follow(key, Row(last.plan, end, end, case.open_end, is_deleted=True))
            else:
                self.history[key][-1] = replace(last, end=end)

    def begin(self, key: int, row: Row) -> None:
        self.history.setdefault(key, []).append(row)

    def follow(self, key: int, row: Row) -> None:
        self.history[key][-1] = replace(self.history[key][-1], end=row.begin)
        self.begin(key, row)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    values = st.tuples(st.sampled_from(["free", "paid", None]), st.integers(0, 60))
    state = st.dictionaries(st.integers(1, 4), values, max_size=4)
    hours = sorted(draw(st.lists(st.integers(0, 60), min_size=2, max_size=5)))
    strategy = draw(st.sampled_from(["timestamp", "check"]))
    return Case(
        strategy,
        draw(st.sampled_from(["ignore", "invalidate", "new_record"])),
        draw(st.sampled_from(["timestamp", "date"])) if strategy == "timestamp" else "timestamp",
        draw(st.sampled_from([None, NEVER])),
        [(draw(state), hour) for hour in hours],
    )


def project_of(case: Case) -> dict[str, str]:
    how = "updated_at='changed_at'" if case.strategy == "timestamp" else "check_cols=['plan']"
    if case.open_end is not None:
        how += ", dbt_valid_to_current=\"timestamp '9999-12-31'\""
    config = f"strategy='{case.strategy}', unique_key='id', hard_deletes='{case.hard_deletes}', {how}"
    query = (
        f"select id::integer as id, plan::varchar as plan, changed_at::{case.time_type} as changed_at "
        "from {{ ref('source') }}"
    )
    types = "{column_types: {plan: varchar, changed_at: timestamp}}"
    return {
        "fsbuild_project.yml": "name: shop\n",
        "seeds/source.yml": f"seeds:\n  - name: source\n    config: {types}\n",
        "snapshots/history.sql": f"{{{{ config({config}) }}}}\n{query}\n",
    }


def csv_of(state: State) -> str:
    lines = [
        f"{key},{plan or ''},{START + dt.timedelta(hours=changed)}" for key, (plan, changed) in sorted(state.items())
    ]
    return "\n".join(["id,plan,changed_at", *lines, ""])


def as_time(value: object) -> object:
    is_date = isinstance(value, dt.date) and not isinstance(value, dt.datetime)
    return dt.datetime.combine(value, dt.time()) if is_date else value  # type: ignore[arg-type]


@given(cases())
@settings(max_examples=20)
def test_a_history_is_the_oracles_after_every_run(case: Case) -> None:
    oracle = Oracle(case)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        write_files(root, project_of(case))
        for number, (state, hours) in enumerate(case.states):
            write_files(root, {"seeds/source.csv": csv_of(state)})
            project = Project(root)
            now = (START + dt.timedelta(hours=hours)).replace(tzinfo=dt.UTC)
            project._moment = Moment(f"run {number}", now)  # noqa: SLF001 - time is not a test's to wait for

            result = project.snapshot()
            oracle.run(state, hours)

            assert result.is_success, [node.problems for node in result.results]
            found = read_delta(root, "history")
            times = ("dbt_updated_at", "dbt_valid_from", "dbt_valid_to")
            spans = Counter(
                (row["id"], row["plan"], *(as_time(row[name]) for name in times), row.get("dbt_is_deleted", "False"))
                for row in found
            )
            assert spans == Counter(
                (key, row.plan, row.updated_at, row.begin, row.end, str(row.is_deleted))
                for key, rows in oracle.history.items()
                for row in rows
            )
            assert_is_history(found, case.open_end)


def assert_is_history(found: list[dict[str, object]], open_end: dt.datetime | None) -> None:
    """Of one key, rows do not overlap and one at most is current; every row has an id of its own."""
    assert len({row["dbt_scd_id"] for row in found}) == len(found)
    for key in {row["id"] for row in found}:
        spans = sorted(
            (as_time(row["dbt_valid_from"]), as_time(row["dbt_valid_to"]) or NEVER) for row in found if row["id"] == key
        )
        assert all(begin <= end for begin, end in spans)  # type: ignore[operator]
        assert all(one[1] <= other[0] for one, other in itertools.pairwise(spans))  # type: ignore[operator]
        assert sum(as_time(row["dbt_valid_to"]) == open_end for row in found if row["id"] == key) <= 1
