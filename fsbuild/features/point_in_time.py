"""A point-in-time join, resolved -> SQL: for each row of a spine, what was known of its entities at its time.

Every feature table is looked up by itself, in two steps. The first finds, for each row of the spine, the event time of
the value that counts, from keys and times alone. It is one ASOF join, whatever the rules are: a row may be used from
the moment on at which it has happened (`event time + offset`) and is known (`known time`); the greater of the two is
one time, `usable`, and the latest event time among the rows usable so far is a running maximum. Only where the cut-off
of knowledge is a column of its own there are two bounds, and rows and spine are joined and aggregated.

The second step fetches the rows of just these keys and event times. Among them the latest known one wins, then the one
with the greatest tie-break; equal rows count once, and rows that differ and that nothing tells apart are an error.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from fsbuild.features.steps import Step, expand_steps
from fsbuild.values import ColumnType, Expansion, Relation, literal, quote

# The column that numbers the rows of a spine.
ROW = "fsbuild_row"
ZONED = "TIMESTAMP WITH TIME ZONE"


@dataclass(frozen=True, slots=True)
class Spine:
    """The rows that features are joined to: SQL for FROM, its columns, and those of the times."""

    sql: str
    columns: tuple[ColumnType, ...]
    at: ColumnType | None
    known_at: ColumnType | None = None


@dataclass(frozen=True, slots=True)
class Lookup:
    """One feature table in one role: `keys` pairs a column of the spine with one of the table.

    `columns` pairs a column of the table with its name in the result, None where others are only computed from it.
    `ttl` and `offset` are in microseconds.
    """

    name: str
    relation: Relation
    keys: tuple[tuple[str, str], ...]
    columns: tuple[tuple[str, str | None], ...]
    event_time: ColumnType | None = None
    known_time: ColumnType | None = None
    tie_break: tuple[str, ...] = ()
    ttl: int | None = None
    offset: int = 0
    is_exclusive: bool = False


@dataclass(frozen=True, slots=True)
class Computed:
    """Features on demand: the list of a SELECT, and what stands for each of its columns.

    `values` has those of the spine with the type that they are cast to, `taken` the number of a lookup, counted from 0,
    and that of its column. `columns` pairs a column of the SELECT with its name in the result.
    """

    name: str
    select_list: str
    values: tuple[tuple[str, str, str], ...]
    taken: tuple[tuple[str, int, int], ...]
    columns: tuple[tuple[str, str], ...]


def write_point_in_time(
    prefix: str, spine: Spine, lookups: Sequence[Lookup], computed: Sequence[Computed] = ()
) -> Expansion:
    """Write the query: the spine's rows and columns, each row once, then the columns of the lookups in their order.

    What is computed from these and the spine comes last.
    """
    steps = [number_rows(spine)]
    selected = [f"spine.{quote(column.name)}" for column in spine.columns]
    joins = []
    for number, lookup in enumerate(lookups, 1):
        steps.extend(_LookupSteps(number, lookup, spine).steps())
        selected += [f"found_{number}.c{i} AS {quote(out)}" for i, (_, out) in enumerate(lookup.columns) if out]
        joins.append(f"\nLEFT JOIN found_{number} ON found_{number}.{ROW} = spine.{ROW}")
    found = "".join(joins)
    for number, one in enumerate(computed, 1):
        values = [f"CAST(spine.{quote(column)} AS {kind}) AS {quote(name)}" for name, column, kind in one.values]
        values += [f"found_{lookup + 1}.c{i} AS {quote(name)}" for name, lookup, i in one.taken]
        row = f"SELECT {', '.join([f'spine.{ROW}', *values])}\nFROM spine{found}"
        sql = f"SELECT {ROW}, {one.select_list}\nFROM (\n{row}\n)"
        steps.append(Step(f"computed_{number}", sql, note=one.name))
        selected += [f"computed_{number}.{quote(column)} AS {quote(out)}" for column, out in one.columns]
        joins.append(f"\nLEFT JOIN computed_{number} ON computed_{number}.{ROW} = spine.{ROW}")
    return expand_steps(prefix, steps, f"SELECT {', '.join(selected)}\nFROM spine{''.join(joins)}")


def number_rows(spine: Spine) -> Step:
    """The step that computes the spine, once, and gives its rows numbers."""
    return Step("spine", f"SELECT row_number() OVER () AS {ROW}, *\nFROM {spine.sql}")


def instant(sql: str, kind: str) -> str:
    """Write a time so that it compares with every other of its kind: in microseconds, those below cut off."""
    if kind in ("TIMESTAMP", ZONED):
        return sql
    if kind == "TIMESTAMP_NS":
        # A cast rounds towards 1970.
        cast = f"CAST({sql} AS TIMESTAMP)"
        return f"({cast} - to_microseconds(CAST(CAST({cast} AS TIMESTAMP_NS) > {sql} AS BIGINT)))"
    return f"CAST({sql} AS TIMESTAMP)"


def shifted(sql: str, microseconds: int) -> str:
    """Write a time that is moved; a day is always 24 hours."""
    if microseconds == 0:
        return sql
    sign = "+" if microseconds > 0 else "-"
    return f"{sql} {sign} to_microseconds({abs(microseconds)})"


@dataclass(frozen=True, slots=True)
class _LookupSteps:
    """The steps of one lookup."""

    number: int
    lookup: Lookup
    spine: Spine

    def steps(self) -> Iterator[Step]:
        """Write them in order; the last is `found_…`, with at most one row for each row of the spine."""
        n = self.number
        yield Step(f"rows_{n}", self._rows(), is_kept=False, note=self.lookup.name)
        yield Step(f"moments_{n}", self._moments())
        yield Step(f"found_{n}", self._found())

    @property
    def _keys(self) -> list[str]:
        return [f"k{i}" for i in range(len(self.lookup.keys))]

    @property
    def _values(self) -> list[str]:
        return [f"c{i}" for i in range(len(self.lookup.columns))]

    @property
    def _order(self) -> list[str]:
        """What rows of one event time are ordered by."""
        known = ["known_time"] if self.lookup.known_time else []
        return [*known, *(f"t{i}" for i in range(len(self.lookup.tie_break)))]

    @property
    def _match(self) -> list[str]:
        """The columns in which a row and a moment are equal."""
        return [*self._keys, "event_time"] if self.lookup.event_time else self._keys

    @property
    def _at(self) -> str:
        """The spine's time."""
        return instant(f"spine.{quote(self.spine.at.name)}", self.spine.at.type) if self.spine.at else "NULL"

    @property
    def _cut(self) -> str:
        """The spine's cut-off of knowledge."""
        known_at = self.spine.known_at
        return instant(f"spine.{quote(known_at.name)}", known_at.type) if known_at else self._at

    def _rows(self) -> str:
        """The rows that can be used at all: of a known entity, with all their times."""
        lookup = self.lookup
        selected = [f"{quote(column)} AS k{i}" for i, (_, column) in enumerate(lookup.keys)]
        needed = [quote(column) for _, column in lookup.keys]
        for name, column in (("event_time", lookup.event_time), ("known_time", lookup.known_time)):
            if column is not None:
                selected.append(f"{instant(quote(column.name), column.type)} AS {name}")
                needed.append(quote(column.name))
        selected += [f"{quote(column)} AS t{i}" for i, column in enumerate(lookup.tie_break)]
        selected += [f"{quote(column)} AS c{i}" for i, (column, _) in enumerate(lookup.columns)]
        given = " AND ".join(f"{column} IS NOT NULL" for column in needed)
        return f"SELECT {', '.join(selected)}\nFROM {lookup.relation}\nWHERE {given}"

    def _moments(self) -> str:
        """The rows of the spine with the event time that counts for each."""
        lookup, rows = self.lookup, f"rows_{self.number}"
        keys = [f"spine.{quote(column)} AS k{i}" for i, (column, _) in enumerate(lookup.keys)]
        cut = [f"{self._cut} AS cut"] if lookup.known_time else []
        selected = ", ".join([f"spine.{ROW}", *keys, *cut])
        if lookup.event_time is None:
            needed = [f"spine.{quote(column)}" for column, _ in lookup.keys] + ([self._at] if self.spine.at else [])
            given = " AND ".join(f"{column} IS NOT NULL" for column in needed)
            return f"SELECT {selected}\nFROM spine\nWHERE {given}"
        same = " AND ".join(f"spine.{quote(column)} = r.k{i}" for i, (column, _) in enumerate(lookup.keys))
        bound = shifted(self._at, -lookup.offset)
        fresh = (
            "" if lookup.ttl is None else f"\nWHERE r.event_time >= {shifted(self._at, -lookup.offset - lookup.ttl)}"
        )
        if lookup.known_time and self.spine.known_at:
            happened = f"r.event_time {'<' if lookup.is_exclusive else '<='} {bound}"
            joined = f"{rows} AS r ON {same} AND {happened} AND r.known_time <= {self._cut}"
            return f"SELECT {selected}, max(r.event_time) AS event_time\nFROM spine\nJOIN {joined}{fresh}\nGROUP BY ALL"
        if lookup.known_time:
            # A row may be used just so much later than it happened, counted in the steps that times have.
            happened = shifted("event_time", lookup.offset + int(lookup.is_exclusive))
            latest = f"max(event_time) OVER (PARTITION BY {', '.join(self._keys)} ORDER BY usable) AS event_time"
            usable = f"SELECT *, greatest({happened}, known_time) AS usable FROM {rows}"
            rows = f"(\n    SELECT {', '.join(self._keys)}, usable, {latest}\n    FROM ({usable})\n)"
            bound, compared, time = self._at, ">=", "r.usable"
        else:
            compared, time = ">" if lookup.is_exclusive else ">=", "r.event_time"
        joined = f"{rows} AS r ON {same} AND {bound} {compared} {time}"
        return f"SELECT {selected}, r.event_time\nFROM spine\nASOF JOIN {joined}{fresh}"

    def _found(self) -> str:
        """The values that count: of the rows at the moments found, the one that is known last, then by tie-break."""
        lookup, n = self.lookup, self.number
        known = "\nWHERE r.known_time <= m.cut" if lookup.known_time else ""
        joined = f"FROM moments_{n} AS m\nJOIN rows_{n} AS r USING ({', '.join(self._match)}){known}"
        # Rows that are alike in all that orders them: they must agree.
        values = ", ".join(f"r.{value}" for value in self._values)
        first = ", ".join(f"first(r.{value}) AS {value}" for value in self._values)
        told = ", ".join(f"any_value({'m' if not lookup.event_time else 'r'}.{c}) AS {c}" for c in self._match)
        alike = ", ".join([f"m.{ROW}", *(f"r.{column}" for column in self._order)])
        differ = f"min(hash({values})) <> max(hash({values}))"
        tied = f"CASE WHEN {differ} THEN count(*) END AS tied"
        distinct = f"SELECT {alike}, {told}, {first}, {tied}\n{joined}\nGROUP BY {alike}"
        result = ", ".join([ROW, *self._values])
        if not self._order:
            return f"SELECT {result}\nFROM (\n{distinct}\n)\nWHERE {self._no_tie('tied', '{}')}"
        # A NULL in a tie-break is the least of its values.
        order = [part for column in self._order for part in (f"{column} IS NOT NULL", column)]
        best = f"struct_pack({', '.join(f'o{i} := {part}' for i, part in enumerate(order))})"
        best = "known_time" if self._order == ["known_time"] else best
        picked = ", ".join(f"arg_max_null({value}, {best}) AS {value}" for value in self._values)
        no_tie = self._no_tie(f"arg_max_null(tied, {best})", f"arg_max_null({{}}, {best})")
        return f"SELECT {ROW}, {picked}\nFROM (\n{distinct}\n)\nGROUP BY {ROW}\nHAVING {no_tie}"

    def _no_tie(self, tied: str, of_group: str) -> str:
        """A condition that always holds, or is an error that names the tie."""
        lookup = self.lookup
        told = [(column, key) for (_, column), key in zip(lookup.keys, self._keys, strict=True)]
        told += [(lookup.event_time.name, "event_time")] if lookup.event_time else []
        least = f" with the same {', '.join(lookup.tie_break)}" if lookup.tie_break else ""
        parts = [literal(f"tie in the features of {lookup.name}: "), tied, literal(f" rows{least} differ at ")]
        for index, (name, value) in enumerate(told):
            parts += [literal(f"{', ' if index else ''}{name} = "), of_group.format(value)]
        parts.append(literal(f"; say by tie_break in the config of {lookup.name} which of them counts"))
        return f"CASE WHEN {tied} IS NULL THEN true ELSE error(concat({', '.join(parts)})) END"
