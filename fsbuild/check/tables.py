"""Checks that need all rows at once: one SQL query each, whose rows are what is wrong."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from time import perf_counter
from typing import Any

from fsbuild.check.arguments import arguments_of, kind_of
from fsbuild.check.names import BY_NAME
from fsbuild.check.verdicts import SAMPLE, Finding, spelling, status_of, undecided
from fsbuild.errors import FsbuildError, listing
from fsbuild.values import Check, CheckResult, StagedRows, checked_relation, literal, quote

# What the SQL of a check calls the node that it is about.
_CHECKED = re.compile(re.escape(str(checked_relation("?"))).replace(r"\?", '[^"]+'))
_GAPS = {"allowed": "<=", "not_allowed": "=", "required": "<"}


def check_query(check: Check, rows: StagedRows) -> Finding:
    """Decide a check that is a query of the project's own."""
    started = perf_counter()
    try:
        query = query_of(check, rows)
        total, failures = _counts(check, rows.relation, query, rows)
        sample = rows.query(f"SELECT * FROM ({query}) LIMIT {SAMPLE}") if failures else []
    except FsbuildError as exc:
        return undecided(check, str(exc), elapsed_s=perf_counter() - started)
    status = status_of(check, failures, total)
    return Finding(CheckResult(check, status, failures, total, tuple(sample), perf_counter() - started))


def query_of(check: Check, rows: StagedRows) -> str:
    """The SQL of a check that is a query of its own, with the relations in it that its nodes have now."""
    sql = str(check.sql).strip().rstrip(";")
    for name in check.references:
        sql = sql.replace(str(checked_relation(name)), rows.references(name))
    given = f"(SELECT * FROM {rows.relation} WHERE ({check.where}))" if check.where else rows.relation
    return f"\n{_CHECKED.sub(lambda _: given, sql)}\n"


def check_table(check: Check, rows: StagedRows) -> Finding:
    """Decide one check by SQL over all rows."""
    started = perf_counter()
    asked = _ask(check, rows)
    query = asked.query()
    try:
        total, failing = _counts(check, asked.looked_at, query, rows)
        missing = _missing_values(asked) if check.name == "unique_values_eq" else []
        sample = (
            rows.query(f"SELECT * {asked.without_id} FROM ({query}) ORDER BY ALL LIMIT {SAMPLE}") if failing else []
        )
        row_ids = _row_ids(asked, query) if failing and rows.row_id else ()
    except FsbuildError as exc:  # the check names a column of another node that is not there, say
        return undecided(check, str(exc), elapsed_s=perf_counter() - started)
    failures = failing + len(missing)
    message = f"missing values: {listing(missing)}" if missing else ""
    status = status_of(check, failures, total)
    elapsed_s = perf_counter() - started
    return Finding(CheckResult(check, status, failures, total, tuple(sample), elapsed_s, message), row_ids)


def _counts(check: Check, looked_at: str, query: str, rows: StagedRows) -> tuple[int, int]:
    """Count the rows that are looked at, and the failures among what a query selects, as the check counts them."""
    limit = f" LIMIT {check.limit}" if check.limit is not None else ""
    counted = f"SELECT {check.fail_calc or 'count(*)'} FROM (SELECT * FROM ({query}){limit})"
    (counts,) = rows.query(f"SELECT (SELECT count(*) FROM {looked_at}) AS total, ({counted}) AS failures")
    return int(str(counts["total"])), int(float(str(counts["failures"] or 0)))


def violations(check: Check, rows: StagedRows) -> str:
    """Write the query for what fails a check."""
    return _ask(check, rows).query()


def _row_ids(asked: _Asked, query: str) -> list[int]:
    return [int(str(row["fsbuild_row_id"])) for row in asked.rows.query(f"SELECT fsbuild_row_id FROM ({query})")]


@dataclass(frozen=True, slots=True)
class _Asked:
    """A check as the queries need it: its arguments, and the rows that it is about."""

    check: Check
    rows: StagedRows
    values: Mapping[str, Any]

    @property
    def looked_at(self) -> str:
        """The rows that the check looks at, as a relation that may be called `child`."""
        return self._filtered(self.rows.checked if self._is_of_rows else self.rows.relation)

    @property
    def whole(self) -> str:
        """All rows that the table will have."""
        given = f" WHERE ({self.check.where})" if self.check.where else ""
        return f"(SELECT * FROM {self.rows.relation}{given})"

    @property
    def without_id(self) -> str:
        """What keeps the numbers of rows from being shown."""
        return "EXCLUDE (fsbuild_row_id)" if self._is_numbered else ""

    @property
    def _is_of_rows(self) -> bool:
        """Whether only the rows that come are judged, and the others are what they are held against."""
        scope = BY_NAME[self.check.name].scope
        return scope == "row" or (scope == "related" and bool(self.rows.row_id))

    @property
    def _is_numbered(self) -> bool:
        return bool(self.rows.row_id) and BY_NAME[self.check.name].tells_rows

    def _filtered(self, relation: str) -> str:
        numbers = f", {self.rows.row_id} AS fsbuild_row_id" if self._is_numbered else ""
        given = f" WHERE ({self.check.where})" if self.check.where else ""
        return f"(SELECT *{numbers} FROM {relation}{given})"

    def query(self) -> str:
        """Write the query for what fails."""
        return _QUERIES[BY_NAME[self.check.name].name](self)

    def column(self, name: object = None) -> str:
        """A column's name, as SQL writes it; by default that of the check."""
        return quote(spelling(str(name) if name is not None else self.check.column, self.rows))

    def columns(self, argument: str) -> list[str]:
        """The names of columns in an argument."""
        return [self.column(name) for name in self.values.get(argument, ())]

    def shown(self, *columns: str) -> str:
        """The columns of `child` that a person finds a failing row by; all where nothing names some."""
        numbers = ["child.fsbuild_row_id"] if self._is_numbered else []
        named = dict.fromkeys([*(quote(name) for name in self.rows.key), *columns])
        if not named:
            return "child.*"
        return ", ".join([*(f"child.{name}" for name in named), *numbers])

    def other(self, argument: str) -> str:
        """The relation of the node that an argument names."""
        return self.rows.references(str(self.values[argument]))

    def failing(self, condition: str, *columns: str, given: str = "") -> str:
        """The query for the rows for which a condition holds."""
        return f"{given}SELECT {self.shown(*columns)} FROM {self.looked_at} AS child WHERE {condition}"

    def grouped(self, measures: str, having: str) -> str:
        """The query for groups, or for the table as a whole, of which something does not hold."""
        groups = self.columns("group_by_columns")
        by = f" GROUP BY {', '.join(groups)}" if groups else ""
        return f"SELECT {', '.join([*groups, measures])} FROM {self.looked_at} AS child{by} HAVING {having}"


def _ask(check: Check, rows: StagedRows) -> _Asked:
    types = {column.name: column.type for column in rows.columns}
    return _Asked(check, rows, arguments_of(check, types.get(spelling(check.column, rows), "")))


# --- about rows ------------------------------------------------------------------------------------------------------


def _unique(asked: _Asked) -> str:
    """Rows whose value another row has; a value counts where all its columns are there, as in a UNIQUE constraint.

    To pandera two NULLs are one value.
    """
    columns = asked.columns("columns") or [asked.column()]
    if asked.values.get("nulls_are_equal"):
        return _repeated(asked, columns, "", "IS NOT DISTINCT FROM")
    is_there = " AND ".join(f"{name} IS NOT NULL" for name in columns)
    return _repeated(asked, columns, f" WHERE {is_there}", "=")


def _unique_combination(asked: _Asked) -> str:
    """Rows whose combination of values another row has; two NULLs are the same, as in dbt_utils."""
    return _repeated(asked, asked.columns("combination_of_columns"), "", "IS NOT DISTINCT FROM")


def _repeated(asked: _Asked, columns: Sequence[str], given: str, equals: str) -> str:
    value = ", ".join(columns)
    groups = f"SELECT {value}, count(*) AS occurrences FROM {asked.whole}{given} GROUP BY {value} HAVING count(*) > 1"
    same = " AND ".join(f"child.{name} {equals} repeated.{name}" for name in columns)
    return (
        f"SELECT {asked.shown(*columns)}, repeated.occurrences FROM {asked.looked_at} AS child "
        f"JOIN ({groups}) AS repeated ON {same}"
    )


def _relationships(asked: _Asked) -> str:
    """Rows whose value no row of the other node has; two conditions may say which rows are meant."""
    parent, field = asked.other("to"), quote(str(asked.values["field"]))
    among = asked.values.get("to_condition", "TRUE")
    # Outside the query, so that a column that the parent lacks is an error and never the child's of that name.
    given = f"WITH fsbuild_parent AS (SELECT {field} AS value FROM {parent} WHERE ({among})) "
    meant, column = asked.values.get("from_condition", "TRUE"), asked.column()
    is_wrong = (
        f"child.{column} IS NOT NULL AND ({meant}) "
        f"AND NOT EXISTS (SELECT 1 FROM fsbuild_parent WHERE fsbuild_parent.value = child.{column})"
    )
    return asked.failing(is_wrong, column, given=given)


def _unique_values_eq(asked: _Asked) -> str:
    """Rows with a value that is none of those that the column shall have."""
    expected, column = _expected_values(asked), asked.column()
    is_wrong = f"child.{column} NOT IN ({', '.join(expected)})" if expected else "TRUE"
    return asked.failing(f"child.{column} IS NOT NULL AND {is_wrong}", column)


def _not_accepted_values(asked: _Asked) -> str:
    column = asked.column()
    return asked.failing(f"child.{column} IN ({', '.join(_expected_values(asked))})", column)


def _expression(asked: _Asked) -> str:
    """Rows for which an expression is false; under a column it is what follows the column, as in dbt_utils."""
    expression = str(asked.values["expression"])
    if asked.check.column is None:
        return asked.failing(f"NOT ({expression})")
    return asked.failing(f"NOT (child.{asked.column()} {expression})", asked.column())


def _accepted_range(asked: _Asked) -> str:
    column, equal = asked.column(), "=" if asked.values.get("inclusive", True) else ""
    bounds = (("min_value", ">"), ("max_value", "<"))
    held = [f"child.{column} {sign}{equal} ({asked.values[name]})" for name, sign in bounds if name in asked.values]
    return asked.failing(f"NOT ({' AND '.join(held)})", column)


def _not_empty_string(asked: _Asked) -> str:
    column = asked.column()
    text = f"trim(child.{column})" if asked.values.get("trim_whitespace", True) else f"child.{column}"
    return asked.failing(f"{text} = ''", column)


def _exclusive_ranges(asked: _Asked) -> str:
    """Ranges that overlap the next one of their partition, or that end before they begin."""
    lower, upper = (asked.column(asked.values[f"{side}_bound_column"]) for side in ("lower", "upper"))
    partition = asked.values.get("partition_by")
    window = f"({f'PARTITION BY {partition} ' if partition else ''}ORDER BY {lower}, {upper})"
    follows = f"child.{upper} {_GAPS[asked.values.get('gaps', 'allowed')]} child.fsbuild_next"
    begins = "<=" if asked.values.get("zero_length_range_allowed") else "<"
    is_right = f"coalesce(child.{lower} {begins} child.{upper}, FALSE) AND coalesce({follows}, child.fsbuild_is_last)"
    numbered = f"SELECT *, lead({lower}) OVER w AS fsbuild_next, lead(TRUE) OVER w IS NULL AS fsbuild_is_last"
    ranges = f"({numbered} FROM {asked.looked_at} WINDOW w AS {window})"
    return f"SELECT {asked.shown(lower, upper)}, fsbuild_next AS next FROM {ranges} AS child WHERE NOT ({is_right})"


def _sequential_values(asked: _Asked) -> str:
    """Values that are not an interval above the one before them."""
    column, groups = asked.column(), asked.columns("group_by_columns")
    by = f"PARTITION BY {', '.join(groups)} " if groups else ""
    step = str(asked.values.get("interval", 1))
    step = f"to_{asked.values['datepart']}s({step})" if "datepart" in asked.values else step
    before = f"(SELECT *, lag({column}) OVER ({by}ORDER BY {column}) AS fsbuild_before FROM {asked.looked_at})"
    is_wrong = f"NOT (child.{column} = child.fsbuild_before + {step})"
    return f"SELECT {asked.shown(*groups, column)}, fsbuild_before AS before FROM {before} AS child WHERE {is_wrong}"


# --- about the table -------------------------------------------------------------------------------------------------


def _equality(asked: _Asked) -> str:
    """Rows that only one of two nodes has, as often as the other lacks them."""
    chosen = asked.columns("compare_columns") or [quote(column.name) for column in asked.rows.columns]
    left_out = {name.lower() for name in asked.columns("exclude_columns")}
    types = {quote(column.name): column.type for column in asked.rows.columns}
    names = [name for name in chosen if name.lower() not in left_out]
    digits = asked.values.get("precision")
    values = ", ".join(
        f"round({name}, {digits}) AS {name}"
        if digits is not None and kind_of(types[name]) in ("exact", "single", "double")
        else name
        for name in names
    )
    mine, theirs = (f"(SELECT {values} FROM {one})" for one in (asked.whole, asked.other("compare_model")))
    return (
        f"SELECT 'only here' AS side, * FROM ({mine} EXCEPT ALL {theirs}) "
        f"UNION ALL SELECT 'only there', * FROM ({theirs} EXCEPT ALL {mine})"
    )


def _compared_counts(asked: _Asked, is_right: str) -> str:
    """Groups, or the tables as a whole, whose numbers of rows do not compare as they should."""
    groups = asked.columns("group_by_columns")
    by = f" GROUP BY {', '.join(groups)}" if groups else ""
    counted = [
        f"(SELECT {', '.join([*groups, 'count(*) AS n'])} FROM {one}{by})"
        for one in (asked.whole, asked.other("compare_model"))
    ]
    same = " AND ".join(f"a.{name} IS NOT DISTINCT FROM b.{name}" for name in groups) or "TRUE"
    named = "".join(f"coalesce(a.{name}, b.{name}) AS {name}, " for name in groups)
    here, there = "coalesce(a.n, 0)", "coalesce(b.n, 0)"
    return (
        f"SELECT {named}{here} AS rows_here, {there} AS rows_there FROM {counted[0]} AS a FULL JOIN {counted[1]} AS b "
        f"ON {same} WHERE NOT ({here} {is_right} {there})"
    )


def _recency(asked: _Asked) -> str:
    """The newest value, where it is too old or there is none; what has no zone is taken as UTC."""
    field = asked.column(asked.values["field"])
    types = {quote(column.name): column.type for column in asked.rows.columns}
    now = "now()" if kind_of(types[field]) == "instant" else "(now() AT TIME ZONE 'UTC')"
    newest, oldest = f"max({field})", f"{now} - to_{asked.values['datepart']}s({asked.values['interval']})"
    if asked.values.get("ignore_time_component"):
        newest, oldest = f"CAST({newest} AS DATE)", f"CAST({oldest} AS DATE)"
    return asked.grouped(f"{newest} AS most_recent, {oldest} AS threshold", f"coalesce({newest} < {oldest}, TRUE)")


def _at_least_one(asked: _Asked) -> str:
    return asked.grouped("count(*) AS rows", f"count({asked.column()}) = 0")


def _not_constant(asked: _Asked) -> str:
    column = asked.column()
    return asked.grouped(f"any_value({column}) AS value", f"count(DISTINCT {column}) = 1")


def _not_null_proportion(asked: _Asked) -> str:
    share = f"count({asked.column()}) / nullif(count(*), 0)"
    low, high = asked.values["at_least"], asked.values.get("at_most", 1)
    return asked.grouped(f"{share} AS proportion", f"NOT ({share} BETWEEN {low} AND {high})")


def _cardinality_equality(asked: _Asked) -> str:
    """Values that the two nodes do not have equally often."""
    column, field = asked.column(), quote(str(asked.values["field"]))
    mine = f"(SELECT {column} AS value, count(*) AS n FROM {asked.whole} GROUP BY 1)"
    theirs = f"(SELECT {field} AS value, count(*) AS n FROM {asked.other('to')} GROUP BY 1)"
    return (
        f"SELECT coalesce(a.value, b.value) AS value, coalesce(a.n, 0) AS rows_here, coalesce(b.n, 0) AS rows_there "
        f"FROM {mine} AS a FULL JOIN {theirs} AS b ON a.value IS NOT DISTINCT FROM b.value "
        f"WHERE a.n IS DISTINCT FROM b.n"
    )


_QUERIES: Mapping[str, Callable[[_Asked], str]] = {
    "unique": _unique,
    "unique_combination_of_columns": _unique_combination,
    "relationships": _relationships,
    "relationships_where": _relationships,
    "unique_values_eq": _unique_values_eq,
    "not_accepted_values": _not_accepted_values,
    "expression_is_true": _expression,
    "accepted_range": _accepted_range,
    "not_empty_string": _not_empty_string,
    "mutually_exclusive_ranges": _exclusive_ranges,
    "sequential_values": _sequential_values,
    "equality": _equality,
    "equal_rowcount": lambda asked: _compared_counts(asked, "="),
    "fewer_rows_than": lambda asked: _compared_counts(asked, "<"),
    "recency": _recency,
    "at_least_one": _at_least_one,
    "not_constant": _not_constant,
    "not_null_proportion": _not_null_proportion,
    "cardinality_equality": _cardinality_equality,
}


# --- values ----------------------------------------------------------------------------------------------------------


def _missing_values(asked: _Asked) -> list[str]:
    """Name the values of `unique_values_eq` that no row has."""
    values, column = _expected_values(asked), asked.column()
    if not values:
        return []
    counts = ", ".join(f"count(*) FILTER (WHERE {column} = {value}) AS n{at}" for at, value in enumerate(values))
    (found,) = asked.rows.query(f"SELECT {counts} FROM {asked.whole}")
    return [value for value, count in zip(values, found.values(), strict=True) if not count]


def _expected_values(asked: _Asked) -> list[str]:
    """Write the values of an argument as SQL: whole and decimal numbers as such, all else as the text of one.

    Text takes the type of the column that it is compared with, and a number does not, so 1.5 is not rounded to an
    INTEGER.
    """
    return list(
        dict.fromkeys(
            f"{v:f}" if isinstance(v, Decimal) else str(v) if type(v) is int else literal(str(v))
            for v in asked.values["values"]
        )
    )
