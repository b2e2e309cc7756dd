"""The rows of a snapshot's query in, the rows of its table that begin or end out: slowly changing dimensions of type 2.

    staged: id 1, city Rome    table: id 1, city Bonn, from Monday, to NULL
    ->      id 1, city Bonn, from Monday, to Tuesday    (ends)
            id 1, city Rome, from Tuesday, to NULL      (begins)

Of one key, no two rows are valid at the same moment, at most one is current, and each has an id of its own. A row that
has ended is never written again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from fsbuild.errors import KeyViolationError, Problem, StoreError
from fsbuild.execute.keys import refuse_bad_keys
from fsbuild.execute.strategies import Entry, Target, bounds
from fsbuild.execute.work import Warehouse
from fsbuild.values import ColumnType, CompiledModel, Relation, Snapshot, Upsert, keys_relation, quote

_SAMPLE_ROWS = 5
# What the last commit of a snapshot says of the valid-to of its current rows.
OPEN_END = "snapshot_valid_to_current"


@dataclass(frozen=True, slots=True)
class Snapshotting:
    """The staged rows are those that begin and those that end; all others of the table stay as they are."""

    target: Target
    warehouse: Warehouse
    present: Sequence[ColumnType]
    # The snapshot's key, by which Delta finds the files that it need not read.
    key: tuple[str, ...]

    def checked(self) -> str:
        """The staged rows."""
        return str(self.target.staged)

    def whole(self) -> str:
        """The table's rows that go on as they are, and the staged ones."""
        target, (scd_id,) = self.target, self.target.key
        there = {column.name for column in self.present}
        names = ", ".join(
            f"t.{quote(c.name)}" if c.name in there else f"CAST(NULL AS {c.type}) AS {quote(c.name)}"
            for c in target.columns
        )
        return (
            f"(SELECT {names} FROM {target.relation} AS t ANTI JOIN {target.staged} USING ({quote(scd_id)}) "
            f"UNION ALL SELECT {target.names} FROM {target.staged})"
        )

    def others(self) -> None:
        """A row that stays has an id of its own."""

    def kept(self, aside: str) -> str:
        """All: no row of a snapshot is kept out of it."""
        return aside

    def entry(self, count: int) -> Entry:
        """All staged rows: those that end have the id of a row of the table, those that begin have new ids."""
        target = self.target
        literals = bounds(self.warehouse, target.staged, self.key, target.columns)
        adds = len(target.columns) > len(self.present)
        return Entry(Upsert(target.key, literals, add_columns=adds), f"SELECT * FROM {target.staged}", count)


def stage_source(model: CompiledModel, warehouse: Warehouse) -> Relation:
    """Compute a snapshot's query, and keep its rows; return under which name.

    Raises:
        KeyViolationError: a key is NULL or occurs twice, or a row does not say since when it is what it is.
    """
    snapshot = _snapshot_of(model)
    source = source_relation(model.unique_id)
    warehouse.keep(source, model.select)
    refuse_bad_keys(warehouse.rows, str(source), snapshot.key)
    if snapshot.updated_at is not None:
        _refuse_timeless(warehouse.rows, str(source), snapshot.updated_at)
    return source


def source_relation(unique_id: str) -> Relation:
    """Where the rows of a snapshot's query are kept."""
    return keys_relation(f"{unique_id} source")


def first_rows(model: CompiledModel) -> str:
    """The query for the rows of a snapshot that has no table yet: each row of the source is current."""
    sql = _Sql(_snapshot_of(model), str(source_relation(model.unique_id)), "", ())
    begin = sql.time("s")
    columns = [f"s.{quote(name)}" for name in sql.snapshot.columns]
    meta = sql.meta("s", begin, sql.time("s"), f"CAST({sql.open_end} AS {sql.snapshot.time_type})", "'False'", "0")
    added = [f"{meta[key]} AS {quote(name)}" for key, name in sql.snapshot.added.items()]
    return f"SELECT {', '.join([*columns, *added])} FROM {sql.source} AS s"


def changed_rows(
    model: CompiledModel, present: Sequence[ColumnType], source: Sequence[ColumnType], last_open_end: str
) -> str:
    """The query for the rows that begin and end; `present` are the table's columns, `source` those of the query's rows.

    `last_open_end` is the SQL of the valid-to of current rows when the table was written last.

    Raises:
        StoreError: the table cannot go on as this snapshot.
    """
    snapshot = _snapshot_of(model)
    if problems := _misfits(model, present, source, last_open_end):
        raise StoreError(problems)
    return _Sql(
        snapshot, str(source_relation(model.unique_id)), str(model.rendered.relation), tuple(present)
    ).changed_rows(source)


def _snapshot_of(model: CompiledModel) -> Snapshot:
    if model.snapshot is None:
        raise TypeError(f"{model.unique_id} is no snapshot")
    return model.snapshot


def _refuse_timeless(rows: Callable[[str], list[dict[str, object]]], relation: str, column: str) -> None:
    where = f"{quote(column)} IS NULL"
    found = rows(f"SELECT *, count(*) OVER () AS fsbuild_count FROM {relation} WHERE {where} LIMIT {_SAMPLE_ROWS}")
    if not found:
        return
    shown = (", ".join(f"{key}={value}" for key, value in row.items() if key != "fsbuild_count") for row in found)
    message = f"rows with a NULL in their updated_at ({column}): {found[0]['fsbuild_count']}; nothing was published"
    raise KeyViolationError(Problem(message, detail="\n".join(shown), hint="filter such rows out, or give them a time"))


def _misfits(
    model: CompiledModel, present: Sequence[ColumnType], source: Sequence[ColumnType], last_open_end: str
) -> list[Problem]:
    """Why a table's rows cannot go on as those of a snapshot."""
    snapshot = _snapshot_of(model)
    start_again = "or give the snapshot another alias, and so a table of its own"
    kept = {column.name.lower(): column for column in present}
    added = {name.lower() for key, name in snapshot.names.items() if key != "dbt_is_deleted"}
    problems = [
        Problem(
            f"its table has no column '{name}', which a snapshot's table has",
            hint=f"put snapshot_meta_column_names back as it was, {start_again}",
        )
        for name in sorted(added - set(kept))
    ]
    times = {snapshot.names[key].lower() for key in ("dbt_updated_at", "dbt_valid_from", "dbt_valid_to")}
    wanted = [*source, *(ColumnType(name, snapshot.time_type) for name in sorted(times))]
    for column in wanted:
        there = kept.get(column.name.lower())
        if there is not None and there.type != column.type:
            cast = f"cast it in the query to {there.type}"
            how = "make updated_at and the strategy give that type again" if column.name in times else cast
            problems.append(
                Problem(
                    f"column '{there.name}' is {there.type} in the snapshot's table, and {column.type} now; a history "
                    "is never rewritten",
                    hint=f"{how}, {start_again}",
                )
            )
    if last_open_end != (snapshot.open_end or ""):
        was, now = last_open_end or "NULL", snapshot.open_end or "NULL"
        message = (
            f"dbt_valid_to_current was {was} when the table was written, and is {now}: current rows have the former"
        )
        problems.append(Problem(message, hint=f"put it back, {start_again}"))
    return problems


@dataclass(frozen=True, slots=True)
class _Sql:
    """The SQL of a snapshot over the rows of its query `source` (s) and those of its `table` (c, where current)."""

    snapshot: Snapshot
    source: str
    table: str
    present: tuple[ColumnType, ...]

    @property
    def now(self) -> str:
        """The moment of the run. The engine's times are UTC, and so are those without a zone."""
        return f"CAST(now() AS {self.snapshot.time_type})"

    @property
    def open_end(self) -> str:
        """The valid-to of a current row."""
        return f"({self.snapshot.open_end or 'NULL'}\n)"

    def time(self, rows: str) -> str:
        """Since when a row of the query is what it is."""
        return f"{rows}.{quote(self.snapshot.updated_at)}" if self.snapshot.updated_at else self.now

    def meta(self, rows: str, begin: str, updated_at: str, end: str, is_deleted: str, earlier: str) -> dict[str, str]:  # noqa: PLR0913 - one for each column, and the key's rows
        """The columns that are added to a row that begins, by dbt's names.

        `earlier` counts the rows of the same key that began at the same moment: their ids must differ. Where there
        are none, the id is dbt's.
        """
        parts = [f"CAST({rows}.{quote(name)} AS VARCHAR)" for name in self.snapshot.key]
        if len(parts) > 1:
            # ('a|b', 'c') is not ('a', 'b|c').
            parts = [rf"replace(replace({part}, '\', '\\'), '|', '\|')" for part in parts]
        text = " || '|' || ".join([*parts, f"CAST({begin} AS VARCHAR)"])
        return {
            "dbt_scd_id": f"md5({text} || CASE WHEN {earlier} > 0 THEN '|' || {earlier} ELSE '' END)",
            "dbt_updated_at": updated_at,
            "dbt_valid_from": begin,
            "dbt_valid_to": end,
            "dbt_is_deleted": is_deleted,
        }

    def changed_rows(self, source: Sequence[ColumnType]) -> str:
        """The rows of the table that end now, and those that begin."""
        snapshot = self.snapshot
        names, key = snapshot.names, ", ".join(map(quote, snapshot.key))
        begin, end = quote(names["dbt_valid_from"]), quote(names["dbt_valid_to"])
        is_open = f"({end} IS NULL OR {end} IS NOT DISTINCT FROM CAST({self.open_end} AS {snapshot.time_type}))"
        # When the last row of a key began, or ended where it is not current: the next one cannot begin earlier.
        last = f"max(CASE WHEN {is_open} THEN {begin} ELSE greatest({begin}, {end}) END)"
        lasts = f"lasts AS (SELECT {key}, {last} AS fsbuild_last FROM {self.table} GROUP BY ALL)"
        same = f"{self._same('m', 't')} AND t.{begin} IS NOT DISTINCT FROM m.fsbuild_begin"
        numbered = (
            f"numbered AS (SELECT m.*, count(t.{begin}) AS fsbuild_earlier FROM moves AS m "
            f"LEFT JOIN {self.table} AS t ON {same} GROUP BY ALL)"
        )
        parts = [
            f"current_rows AS (SELECT * FROM {self.table} WHERE {is_open})",
            lasts,
            f"moves AS ({self._moves()})",
            numbered,
        ]
        rows = [self._ending(source), self._beginning(source)]
        if snapshot.hard_deletes == "new_record":
            rows.append(self._marking(source))
        return f"WITH {', '.join(parts)} " + " UNION ALL ".join(rows)

    def _same(self, left: str, right: str) -> str:
        return " AND ".join(f"{left}.{quote(name)} = {right}.{quote(name)}" for name in self.snapshot.key)

    def _moves(self) -> str:
        """The keys whose current row changes, begins or ends, and when."""
        snapshot = self.snapshot
        key = ", ".join(f"s.{quote(name)}" for name in snapshot.key)
        came = f"c.{quote(snapshot.names['dbt_scd_id'])} IS NULL"
        moves = (
            f"SELECT {key}, false AS fsbuild_gone, greatest({self.time('s')}, l.fsbuild_last) AS fsbuild_begin "
            f"FROM {self.source} AS s LEFT JOIN current_rows AS c ON {self._same('s', 'c')} "
            f"LEFT JOIN lasts AS l ON {self._same('s', 'l')} "
            f"WHERE {came} OR {self._is_marked('c')} OR {self._differs()}"
        )
        if snapshot.hard_deletes == "ignore":
            return moves
        gone = ", ".join(f"c.{quote(name)}" for name in snapshot.key)
        last = f"greatest({self.now}, c.{quote(snapshot.names['dbt_valid_from'])})"
        return (
            f"{moves} UNION ALL SELECT {gone}, true, {last} FROM current_rows AS c "
            f"ANTI JOIN {self.source} AS s ON {self._same('s', 'c')} WHERE NOT {self._is_marked('c')}"
        )

    def _is_marked(self, rows: str) -> str:
        """Whether a row of the table says that its key is gone."""
        name = self.snapshot.names.get("dbt_is_deleted")
        there = name is not None and any(column.name.lower() == name.lower() for column in self.present)
        return f"coalesce({rows}.{quote(str(name))} = 'True', false)" if there else "false"

    def _differs(self) -> str:
        """Whether a row of the query is a newer one than the current row of its key."""
        snapshot = self.snapshot
        if not snapshot.compared:
            return f"({self.time('s')} > c.{quote(snapshot.names['dbt_updated_at'])})"
        there = {column.name.lower() for column in self.present}
        return "({})".format(
            " OR ".join(
                f"s.{quote(name)} IS DISTINCT FROM c.{quote(name)}"
                if name.lower() in there
                else f"s.{quote(name)} IS NOT NULL"
                for name in snapshot.compared
            )
        )

    def _select(self, source: Sequence[ColumnType], values: dict[str, str], otherwise: str | None) -> str:
        """List all columns that the table will have: the given values by column, or what `otherwise` has of it."""
        types = {column.name.lower(): column for column in self.present}
        known = set(types)
        for column in (*source, *(ColumnType(name, "VARCHAR") for name in self.snapshot.added.values())):
            types.setdefault(column.name.lower(), column)
        written = []
        for name, column in types.items():
            value = f"{otherwise}.{quote(column.name)}" if otherwise and name in known else "NULL"
            written.append(f"CAST({values.get(name, value)} AS {column.type}) AS {quote(column.name)}")
        return f"SELECT {', '.join(written)}"

    def _ending(self, source: Sequence[ColumnType]) -> str:
        values = {self.snapshot.names["dbt_valid_to"].lower(): "m.fsbuild_begin"}
        return (
            f"{self._select(source, values, 'c')} FROM current_rows AS c JOIN numbered AS m ON {self._same('m', 'c')}"
        )

    def _beginning(self, source: Sequence[ColumnType]) -> str:
        meta = self.meta("s", "m.fsbuild_begin", self.time("s"), self.open_end, "'False'", "m.fsbuild_earlier")
        values = {name.lower(): f"s.{quote(name)}" for name in self.snapshot.columns}
        values |= {name.lower(): meta[key] for key, name in self.snapshot.names.items()}
        rows = f"FROM {self.source} AS s JOIN numbered AS m ON {self._same('m', 's')} WHERE NOT m.fsbuild_gone"
        return f"{self._select(source, values, None)} {rows}"

    def _marking(self, source: Sequence[ColumnType]) -> str:
        """The rows that say that a key is gone, with the values that it had last."""
        meta = self.meta("c", "m.fsbuild_begin", "m.fsbuild_begin", self.open_end, "'True'", "m.fsbuild_earlier")
        values = {name.lower(): meta[key] for key, name in self.snapshot.names.items()}
        rows = f"FROM current_rows AS c JOIN numbered AS m ON {self._same('m', 'c')} WHERE m.fsbuild_gone"
        return f"{self._select(source, values, 'c')} {rows}"
