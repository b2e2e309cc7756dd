"""What features are at a moment, in plain loops over rows: slow, and knowing nothing of the SQL that fsbuild writes.

Rows are looked at one by one, each for each row of the spine. Moments are compared as datetimes of UTC without a zone.
"""

from __future__ import annotations

import datetime as dt
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.feature_joins import Table

Row = tuple[Any, ...]
Record = Mapping[str, Any]


class TieError(Exception):
    """Rows that nothing puts in an order, and that differ, would win; `tables` has the names of all such tables."""

    def __init__(self, tables: Iterable[str]) -> None:
        self.tables = frozenset(tables)
        super().__init__(", ".join(sorted(self.tables)))


@dataclass
class Role:
    """A table as it is asked for, with the columns wanted of it in this way."""

    table: Table
    keys: Mapping[str, str]
    offset: str | None
    exclusive: bool
    columns: list[str] = field(default_factory=list)

    @property
    def bound(self) -> tuple[object, ...]:
        """What two mentions have in common where they are one role."""
        return self.table.name, sorted(self.keys.items()), self.offset, self.exclusive


def point_in_time(
    spine: Table, tables: Sequence[Table], *, features: Sequence[object], at: str, known_at: str | None = None
) -> list[Row]:
    """Join features with a spine; the result is in the spine's order.

    Raises:
        TieError: rows tie for a row of the spine.
    """
    asked = []
    for row in records(spine):
        time, cut_off = moment(row[at]), moment(row[known_at or at])
        asked.append((tuple(row.values()), row, time, cut_off))
    return answer(asked, roles_of(features, tables))


def as_of(tables: Sequence[Table], *, features: Sequence[object], time: str) -> list[Row]:
    """Give the features of each key that has a usable row in any of the tables.

    Raises:
        TieError: rows tie for a key.
    """
    limit = moment(time)
    roles = roles_of(features, tables)
    keys: list[Row] = []
    for table in [role.table for role in roles]:
        for row in records(table):
            key = tuple(row[name] for name in table.keys)
            if None not in key and key not in keys and is_known(table, row, limit) and has_come(table, row, limit):
                keys.append(key)
    names = tables[0].keys
    return answer([((*key, limit), dict(zip(names, key, strict=True)), limit, limit) for key in keys], roles)


def between(table: Table, *, features: Sequence[object], start: str, end: str) -> list[Row]:
    """Give the features of each key at each event time from `start` until before `end`, as they are known now.

    Raises:
        TieError: rows tie for a key and an event time.
    """
    assert table.event_time is not None
    (role,) = roles_of(features, [table])
    groups: dict[Row, list[Record]] = {}
    for row in records(table):
        time = moment(row[table.event_time])
        key = tuple(row[name] for name in table.keys)
        if None not in key and time is not None and must(start) <= time < must(end):
            groups.setdefault((*key, time), []).append(row)
    found = {group: winners(role, rows) for group, rows in groups.items()}
    if any(len(values) > 1 for values in found.values()):
        raise TieError([table.name])
    return [(*group, *values[0]) for group, values in found.items()]


def answer(
    asked: Sequence[tuple[Row, Record, dt.datetime | None, dt.datetime | None]], roles: Sequence[Role]
) -> list[Row]:
    """Put what each role says beside what the rows start with: `asked` has this, keys, time and knowledge cut-off."""
    ties: set[str] = set()
    answers = []
    for first, row, time, cut_off in asked:
        full = first
        for role in roles:
            candidates = [
                feature for feature in records(role.table) if is_candidate(role, feature, row, (time, cut_off))
            ]
            values = winners(role, candidates)
            if len(values) > 1:
                ties.add(role.table.name)
            full += values[0] if values else (None,) * len(role.columns)
        answers.append(full)
    if ties:
        raise TieError(ties)
    return answers


def is_candidate(role: Role, feature: Record, row: Record, when: tuple[dt.datetime | None, dt.datetime | None]) -> bool:
    """Tell whether a row of the features is of the spine row's keys, and was there and known and fresh by then."""
    table, (time, cut_off) = role.table, when
    for key in table.keys:
        wanted = row[role.keys.get(key, key)]
        if wanted is None or feature[key] is None or wanted != feature[key]:
            return False
    if time is None:
        return False
    return is_known(table, feature, cut_off) and is_of_time(role, feature, time)


def is_of_time(role: Role, feature: Record, time: dt.datetime | None) -> bool:
    """Tell whether a row's event time is between the role's bounds, where its table has event times."""
    table = role.table
    if table.event_time is None:
        return True
    happened = moment(feature[table.event_time])
    if happened is None or time is None:
        return False
    latest = time - duration(role.offset) if role.offset else time
    if happened > latest or (role.exclusive and happened == latest):
        return False
    return table.ttl is None or happened >= latest - duration(table.ttl)


def has_come(table: Table, row: Record, limit: dt.datetime | None) -> bool:
    """Tell whether a row is of a moment until then, where its table has moments."""
    if table.event_time is None:
        return True
    happened = moment(row[table.event_time])
    return happened is not None and limit is not None and happened <= limit


def is_known(table: Table, row: Record, cut_off: dt.datetime | None) -> bool:
    """Tell whether a row was known by then, where its table says when."""
    if table.known_time is None:
        return True
    known = moment(row[table.known_time])
    return known is not None and cut_off is not None and known <= cut_off


def winners(role: Role, candidates: Sequence[Record]) -> list[Row]:
    """Give the different values of the candidates that no other is above; more than one are a tie."""
    table = role.table
    times = [name for name in (table.event_time, table.known_time) if name is not None]

    def rank(row: Record) -> list[tuple[bool, Any]]:
        return [least_if_null(moment(row[name])) for name in times] + [
            least_if_null(row[name]) for name in table.tie_break
        ]

    values: list[Row] = []
    for row in candidates:
        if any(rank(other) > rank(row) for other in candidates):
            continue
        value = tuple(row[name] for name in role.columns)
        if value not in values:
            values.append(value)
    return values


def roles_of(features: Sequence[object], tables: Sequence[Table]) -> list[Role]:
    """Read a list of features into its roles, each at its first mention, with the columns in the order of mention."""
    named = {table.name: table for table in tables}
    roles: list[Role] = []
    for feature in features:
        written: Mapping[str, Any]
        if isinstance(feature, Mapping):
            written = feature
        else:
            model, _, column = str(feature).partition(":")
            written = {"model": model, "columns": [column] if column not in ("", "*") else []}
        table = named[written["model"]]
        mentioned = Role(table, written.get("keys", {}), written.get("offset"), written.get("exclusive", False))
        role = next((role for role in roles if role.bound == mentioned.bound), None)
        if role is None:
            role = mentioned
            roles.append(role)
        role.columns.extend(written.get("columns") or values_of(table))
    return roles


def values_of(table: Table) -> list[str]:
    """Name the columns that `*` stands for."""
    others = {*table.keys, table.event_time, table.known_time, *table.tie_break}
    return [name for name in table.columns if name not in others]


def window_features(  # noqa: PLR0913 - the arguments of the function that it is an oracle of
    spine: Table,
    events: Table,
    *,
    at: str,
    keys: Mapping[str, str],
    event_time: str,
    aggregates: Mapping[str, Mapping[str, Any]],
    known_time: str | None = None,
    known_at: str | None = None,
    tie_break: tuple[str, ...] = (),
) -> list[Row]:
    """Aggregate the events before each row of a spine; the result is in the spine's order."""
    order = [name for name in (event_time, known_time) if name is not None]
    answers = []
    for row in records(spine):
        time, cut_off = moment(row[at]), moment(row[known_at or at])
        full = tuple(row.values())
        for aggregate in aggregates.values():
            counted = []
            for event in records(events):
                is_of_key = all(
                    event[key] is not None and row[column] is not None and event[key] == row[column]
                    for key, column in keys.items()
                )
                happened, known = moment(event[event_time]), moment(event[known_time]) if known_time else None
                if not is_of_key or time is None or happened is None or happened >= time:
                    continue
                if "window" in aggregate and happened < time - duration(aggregate["window"]):
                    continue
                if known_time and (known is None or cut_off is None or known > cut_off):
                    continue
                rank = [least_if_null(moment(event[name])) for name in order]
                counted.append((rank + [least_if_null(event[name]) for name in tie_break], event))
            full += (aggregated(aggregate, counted),)
        answers.append(full)
    return answers


def aggregated(aggregate: Mapping[str, Any], counted: Sequence[tuple[list[Any], Record]]) -> object:
    """Aggregate events as SQL does; each has its place in the order of time."""
    function, column = aggregate["function"], aggregate.get("column")
    if column is None:
        return len(counted)
    ranked = [(rank, event[column]) for rank, event in counted if event[column] is not None]
    values = [value for _, value in ranked]
    if function in ("count", "approx_count_distinct"):
        return len(values) if function == "count" else len(set(values))
    if len(values) < (2 if function == "stddev" else 1):
        return None
    if function == "last_n":
        newest_first = sorted(ranked, key=lambda one: (one[0], one[1]), reverse=True)
        return [value for _, value in newest_first[: aggregate["n"]]]
    functions: Mapping[str, Callable[[list[Any]], object]] = {
        "sum": sum,
        "avg": statistics.fmean,
        "min": min,
        "max": max,
        "stddev": statistics.stdev,
    }
    return functions[function](values)


def records(table: Table) -> list[Record]:
    """Give the rows of a table by the names of its columns."""
    return [dict(zip(table.columns, row, strict=True)) for row in table.rows]


def least_if_null(value: object) -> tuple[bool, Any]:
    """Wrap a value so that it can be compared, with NULL below all others."""
    return value is not None, value


def moment(value: object) -> dt.datetime | None:
    """Read a time of any type, as a table has it, in UTC without a zone; what is finer than microseconds is cut off."""
    if value is None:
        return None
    if isinstance(value, str):
        value = dt.datetime.fromisoformat(value[:26])
    if not isinstance(value, dt.datetime):
        assert isinstance(value, dt.date)
        return dt.datetime.combine(value, dt.time())
    return value.astimezone(dt.UTC).replace(tzinfo=None) if value.tzinfo else value


def must(time: str) -> dt.datetime:
    """Read a time that is not NULL."""
    found = moment(time)
    assert found is not None
    return found


def duration(text: str) -> dt.timedelta:
    """Read a duration such as '1 day 12 hours'."""
    words = text.split()
    parts = zip(words[::2], words[1::2], strict=True)
    return sum((dt.timedelta(**{unit.rstrip("s") + "s": int(number)}) for number, unit in parts), dt.timedelta())
