"""What the project declares of a feature model, held against the columns that it has.

Keys and times are what joins rely on, so that they are judged where they are declared, before anybody asks for them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from fsbuild.durations import parse_duration
from fsbuild.errors import Place, Problem, suggest
from fsbuild.features.point_in_time import ZONED
from fsbuild.values import ColumnType, Entity, EntityKey, ModelConfig, Relation

TIMES = ("DATE", "TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS", ZONED)
_WHOLE_NUMBERS = frozenset(
    {"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT"}
)


@dataclass(frozen=True, slots=True)
class FeatureTable:
    """A model or seed that features are taken from: its keys and times by the names that its columns have.

    `ttl` is in microseconds.
    """

    name: str
    relation: Relation
    columns: tuple[ColumnType, ...]
    keys: tuple[ColumnType, ...]
    event_time: ColumnType | None = None
    known_time: ColumnType | None = None
    tie_break: tuple[str, ...] = ()
    ttl: int | None = None

    @property
    def features(self) -> tuple[str, ...]:
        """The columns that are neither key, time nor tie-break."""
        beside = {column.name for column in (*self.keys, self.event_time, self.known_time) if column is not None}
        return tuple(c.name for c in self.columns if c.name not in beside and c.name not in self.tie_break)


@dataclass(frozen=True, slots=True)
class Declared:
    """What a node's configuration says of its features, before its columns are known."""

    unique_id: str
    name: str
    relation: Relation
    config: ModelConfig
    place: Place


def read_feature_table(
    declared: Declared, columns: Sequence[ColumnType], entities: Mapping[str, Entity]
) -> tuple[FeatureTable, tuple[Problem, ...]]:
    """Find the columns that the configuration names; what does not fit is a problem."""
    config, problems = declared.config, list[Problem]()
    by_name = {column.name.lower(): column for column in reversed(columns)}

    def find(name: str | None, said: str) -> ColumnType | None:
        if name is None:
            return None
        found = by_name.get(name.lower())
        if found is None:
            message = f"{said} '{name}', and there is no such column"
            problems.append(Problem(message, declared.place, hint=suggest(name, [c.name for c in columns])))
        return found

    keys: list[ColumnType] = []
    for key, entity in _keys(declared, entities, problems):
        found = find(key.name, f"'{declared.name}' is about '{entity}' with the key")
        if found is not None and not comparable(found.type, key.type):
            message = f"'{found.name}' of '{declared.name}' is {found.type}, and entity '{entity}' has it as {key.type}"
            problems.append(Problem(message, declared.place, hint=f"cast({found.name} as {key.type}) in the model"))
        keys += [found] if found is not None else []
    event_time = find(config.event_time, f"event_time of '{declared.name}' is")
    known_time = find(config.known_time, f"known_time of '{declared.name}' is")
    problems.extend(_time_problems(declared, [event_time, known_time]))
    ties = [find(name, f"tie_break of '{declared.name}' is") for name in config.tie_break]
    if config.ttl is not None and config.event_time is None:
        message = f"'{declared.name}' has a ttl and no event_time from which it counts"
        problems.append(Problem(message, declared.place, hint="add event_time, or leave the ttl out"))
    table = FeatureTable(
        name=declared.name,
        relation=declared.relation,
        columns=tuple(columns),
        keys=tuple(keys),
        event_time=event_time,
        known_time=known_time,
        tie_break=tuple(tie.name for tie in ties if tie is not None),
        ttl=parse_duration(config.ttl) if config.ttl is not None else None,
    )
    return table, tuple(problems)


def comparable(one: str, other: str) -> bool:
    """Whether two types are of one kind, so that equal values are equal whichever of them they have.

    >>> comparable("INTEGER", "bigint"), comparable("VARCHAR", "integer")
    (True, False)
    """
    return _kind(one) == _kind(other)


def is_number(kind: str) -> bool:
    """Whether a type is that of numbers."""
    return comparable(kind, "INTEGER") or kind in ("DOUBLE", "FLOAT")


def is_zoned(kind: str) -> bool:
    """Whether a type of time is that of an instant."""
    return kind == ZONED


def _keys(
    declared: Declared, entities: Mapping[str, Entity], problems: list[Problem]
) -> Iterator[tuple[EntityKey, str]]:
    """The keys of a node's entities, each once."""
    seen: set[str] = set()
    for name in declared.config.entity:
        if name not in entities:
            message = f"'{declared.name}' is about the entity '{name}', which is not declared"
            hint = suggest(name, entities) or f"declare it: entities: [{{name: {name}, keys: [{{name: …, type: …}}]}}]"
            problems.append(Problem(message, declared.place, hint=hint))
            continue
        for key in entities[name].keys:
            if key.name.lower() not in seen:
                seen.add(key.name.lower())
                yield key, name


def _time_problems(declared: Declared, times: Iterable[ColumnType | None]) -> Iterator[Problem]:
    found = [time for time in times if time is not None]
    for time in found:
        if time.type not in TIMES:
            message = f"'{time.name}' of '{declared.name}' is {time.type}, not a date or a time"
            yield Problem(message, declared.place, hint=f"cast({time.name} as timestamp) in the model")
        elif time.type == "TIMESTAMP_NS":
            message = f"'{time.name}' of '{declared.name}' counts nanoseconds, and times are compared in microseconds"
            yield Problem(message, declared.place, hint=f"cast({time.name} as timestamp) in the model")
    if len({is_zoned(time.type) for time in found}) > 1:
        message = f"of event_time and known_time of '{declared.name}' one has a time zone and one has none"
        yield Problem(message, declared.place, hint="write timezone('UTC', column) for the one without")


def _kind(written: str) -> str:
    kind = written.strip().upper()
    aliases = {
        "STRING": "VARCHAR",
        "TEXT": "VARCHAR",
        "CHAR": "VARCHAR",
        "BPCHAR": "VARCHAR",
        "INT": "INTEGER",
        "INT1": "TINYINT",
        "INT2": "SMALLINT",
        "INT4": "INTEGER",
        "INT8": "BIGINT",
        "LONG": "BIGINT",
        "SHORT": "SMALLINT",
        "SIGNED": "INTEGER",
        "TIMESTAMPTZ": ZONED,
        "DATETIME": "TIMESTAMP",
        "BOOL": "BOOLEAN",
    }
    kind = aliases.get(kind, kind)
    if kind in _WHOLE_NUMBERS or kind.startswith(("DECIMAL", "NUMERIC")):
        return "a number"
    if kind.startswith(("ENUM", "VARCHAR")):
        return "a text"
    return "a time" if kind in TIMES and kind != ZONED else kind
