"""A window join, resolved -> SQL: aggregates over the events before each moment of a spine, exact at every moment.

An event counts at a moment `t` when it happened in `[t - window, t)` and was known at `t`. Events are joined to the
spine's rows by their keys and, so that no more pairs are looked at than about two windows' worth, by the stretch of
time that they fall in: as long as the longest window, so that a window lies in one stretch or in two.

What has no window counts every event so far. There, a running aggregate of the events in the order in which they come
to count, and one ASOF join, do without pairs; only a cut-off of knowledge that is a column of its own needs them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from fsbuild.durations import parse_duration
from fsbuild.features.point_in_time import ROW, Spine, instant, number_rows, shifted
from fsbuild.features.steps import Step, expand_steps
from fsbuild.values import ColumnType, Expansion, WindowAggregate, quote


@dataclass(frozen=True, slots=True)
class Events:
    """What happened: SQL for FROM, pairs of a column of the spine and the key of the events, and their times."""

    sql: str
    keys: tuple[tuple[str, str], ...]
    event_time: ColumnType
    known_time: ColumnType | None = None
    tie_break: tuple[str, ...] = ()


def write_windows(prefix: str, spine: Spine, events: Events, aggregates: Sequence[WindowAggregate]) -> Expansion:
    """Write the query: the spine's rows and columns, each row once, then the aggregates in their order."""
    return _Writer(spine, events, tuple(aggregates)).expansion(prefix)


@dataclass(frozen=True, slots=True)
class _Writer:
    spine: Spine
    events: Events
    aggregates: tuple[WindowAggregate, ...]

    def expansion(self, prefix: str) -> Expansion:
        """Write all steps."""
        needs_pairs = bool(self.events.known_time and self.spine.known_at)
        running = [one for one in self.aggregates if one.window is None and not needs_pairs]
        paired = [one for one in self.aggregates if one not in running]
        steps = [
            number_rows(self.spine),
            Step("moments", self._moments(), is_kept=False),
            Step("events", self._events(), is_kept=False),
        ]
        joins = ""
        if paired:
            steps.append(Step("windows", self._windows(paired)))
            joins += f"\nLEFT JOIN windows ON windows.{ROW} = spine.{ROW}"
        if running:
            steps.append(Step("history", self._history(running)))
            joins += f"\nLEFT JOIN history ON history.{ROW} = spine.{ROW}"
        selected = [f"spine.{quote(column.name)}" for column in self.spine.columns]
        for one in self.aggregates:
            value = f"{'history' if one in running else 'windows'}.{self._name(one)}"
            value = f"coalesce({value}, 0)" if one.function in ("count", "approx_count_distinct") else value
            selected.append(f"{value} AS {quote(one.name)}")
        return expand_steps(prefix, steps, f"SELECT {', '.join(selected)}\nFROM spine{joins}")

    @property
    def _keys(self) -> list[str]:
        return [f"k{i}" for i in range(len(self.events.keys))]

    def _moments(self) -> str:
        at, known_at = self.spine.at, self.spine.known_at
        if at is None:
            raise ValueError("a window join needs a time")
        keys = [f"{quote(column)} AS k{i}" for i, (column, _) in enumerate(self.events.keys)]
        moment = f"{instant(quote(at.name), at.type)} AS moment"
        cut = [f"{instant(quote(known_at.name), known_at.type)} AS cut"] if known_at else []
        return f"SELECT {', '.join([ROW, *keys, moment, *cut])}\nFROM spine"

    def _events(self) -> str:
        """The events that can count: with a key, their times, and the values that are aggregated."""
        events = self.events
        selected = [f"{quote(column)} AS k{i}" for i, (_, column) in enumerate(events.keys)]
        selected.append(f"{instant(quote(events.event_time.name), events.event_time.type)} AS event_time")
        needed = [*(column for _, column in events.keys), events.event_time.name]
        if events.known_time is not None:
            selected.append(f"{instant(quote(events.known_time.name), events.known_time.type)} AS known_time")
            needed.append(events.known_time.name)
        selected += [f"{quote(column)} AS t{i}" for i, column in enumerate(events.tie_break)]
        selected += [f"{quote(column)} AS v{i}" for i, column in enumerate(self._columns)]
        given = " AND ".join(f"{quote(column)} IS NOT NULL" for column in needed)
        return f"SELECT {', '.join(selected)}\nFROM {events.sql}\nWHERE {given}"

    @property
    def _columns(self) -> list[str]:
        return list(dict.fromkeys(one.column for one in self.aggregates if one.column is not None))

    def _windows(self, aggregates: Iterable[WindowAggregate]) -> str:
        """Pairs of a moment and an event in its longest window, aggregated."""
        found = list(aggregates)
        lengths = [parse_duration(one.window) if one.window is not None else None for one in found]
        longest = None if None in lengths else max(length for length in lengths if length is not None)
        conditions = ["e.event_time < m.moment"]
        if self.events.known_time is not None:
            conditions.append(f"e.known_time <= {'m.cut' if self.spine.known_at else 'm.moment'}")
        values = [
            f"{self._aggregate(one)} FILTER (WHERE e.event_time >= {shifted('m.moment', -length)}) AS {self._name(one)}"
            if length is not None and length != longest
            else f"{self._aggregate(one)} AS {self._name(one)}"
            for one, length in zip(found, lengths, strict=True)
        ]
        moments, events, keys = "moments AS m", "events AS e", list(self._keys)
        if longest is not None:
            conditions.append(f"e.event_time >= {shifted('m.moment', -longest)}")
            stretch = f"time_bucket(to_microseconds({longest}), {{}})"
            here, before = stretch.format("moment"), stretch.format(shifted("moment", -longest))
            moments = f"(SELECT *, unnest([{here}, {before}]) AS stretch FROM moments) AS m"
            events = f"(SELECT *, {stretch.format('event_time')} AS stretch FROM events) AS e"
            keys.append("stretch")
        return (
            f"SELECT m.{ROW}, {', '.join(values)}\nFROM {moments}\nJOIN {events} USING ({', '.join(keys)})\n"
            f"WHERE {' AND '.join(conditions)}\nGROUP BY m.{ROW}"
        )

    def _history(self, aggregates: Iterable[WindowAggregate]) -> str:
        """The aggregates of all events that have come to count so far."""
        found = list(aggregates)
        counts = shifted("e.event_time", 1)
        counts = f"greatest({counts}, e.known_time)" if self.events.known_time is not None else counts
        over = f"OVER (PARTITION BY {', '.join(self._keys)} ORDER BY {counts})"
        values = ", ".join(f"{self._aggregate(one)} {over} AS {self._name(one)}" for one in found)
        names = ", ".join(f"h.{self._name(one)}" for one in found)
        same = " AND ".join(f"m.{key} = h.{key}" for key in self._keys)
        return (
            f"SELECT m.{ROW}, {names}\nFROM moments AS m\nASOF JOIN (\n"
            f"    SELECT {', '.join(self._keys)}, {counts} AS counts_from, {values}\n    FROM events AS e\n"
            f") AS h ON {same} AND m.moment >= h.counts_from"
        )

    def _name(self, one: WindowAggregate) -> str:
        return f"a{self.aggregates.index(one)}"

    def _aggregate(self, one: WindowAggregate) -> str:
        value = f"e.v{self._columns.index(one.column)}" if one.column is not None else "*"
        if one.function != "last_n":
            return f"{one.function}({value})"
        known = ["e.known_time"] if self.events.known_time is not None else []
        # A NULL in a tie-break is the least of its values.
        ties = [part for i in range(len(self.events.tie_break)) for part in (f"e.t{i} IS NOT NULL", f"e.t{i}")]
        times = ["e.event_time", *known, *ties]
        # Equal times are told apart by the values themselves: what is not told apart is the same.
        order = ", ".join(f"o{i} := {part}" for i, part in enumerate([*times, value]))
        return f"arg_max({value}, struct_pack({order}), {one.n})"
