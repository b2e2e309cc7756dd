"""A check in, the query for all rows that fail it out, for people to look at and for tables to keep.

What pandera decides has a query too, which says the same of a row: tests hold the two against each other. There is none
for functions of a pandera schema, nor for checks of a load against those before it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from fsbuild.check.arguments import anchored, arguments_of, kind_of
from fsbuild.check.names import BY_NAME
from fsbuild.check.tables import query_of, violations
from fsbuild.check.verdicts import spelling
from fsbuild.values import Check, StagedRows, literal, quote


def failing_rows(check: Check, rows: StagedRows) -> str | None:
    """Write the query for the rows that fail a check; None where SQL cannot tell them.

    in_range(min_value=1, max_value=9) on x   ->   SELECT * FROM rows WHERE NOT ("x" >= 1 AND "x" <= 9)
    """
    if check.sql is not None:
        return query_of(check, rows)
    if check.custom is not None or BY_NAME[check.name].scope == "history":
        return None
    if not BY_NAME[check.name].pandera:
        return violations(check, rows)
    name = spelling(check.column, rows)
    type_name = next((column.type for column in rows.columns if column.name == name), "")
    fails = _fails(check, quote(name), type_name)
    given = f"({check.where}) AND " if check.where else ""
    return f"SELECT * FROM {rows.checked} WHERE {given}{fails}"


def _fails(check: Check, column: str, type_name: str) -> str:
    """The condition that a row meets which fails."""
    known, kind = BY_NAME[check.name], kind_of(type_name)
    if known.name == "not_null":
        return f"({column} IS NULL OR isnan({column}))" if kind in ("single", "double") else f"{column} IS NULL"
    # The text of a UUID, or of one of an ENUM, is what is looked at.
    value = f"CAST({column} AS VARCHAR)" if kind == "text" and type_name != "VARCHAR" else column
    return f"NOT ({_HOLDS[known.name](value, arguments_of(check, type_name))})"


def _constant(value: Any) -> str:  # noqa: ANN401 - what an argument can be
    """Write a value in SQL; one that compares with a column has the column's kind already."""
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, float):
        return f"CAST({literal(repr(value))} AS DOUBLE)"
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, dt.datetime):
        return f"{'TIMESTAMPTZ' if value.tzinfo else 'TIMESTAMP'} {literal(value.isoformat(' '))}"
    if isinstance(value, dt.date | dt.time):
        return f"{'DATE' if isinstance(value, dt.date) else 'TIME'} {literal(value.isoformat())}"
    return str(value) if isinstance(value, int) else literal(str(value))


def _compared(operator: str, argument: str) -> Callable[[str, Mapping[str, Any]], str]:
    return lambda column, values: f"{column} {operator} {_constant(values[argument])}"


def _between(column: str, values: Mapping[str, Any]) -> str:
    low, high = (">=" if values.get("include_min", True) else ">"), ("<=" if values.get("include_max", True) else "<")
    return f"{column} {low} {_constant(values['min_value'])} AND {column} {high} {_constant(values['max_value'])}"


def _among(column: str, allowed: Sequence[Any]) -> str:
    # Where nothing is allowed a value is not among it, and what is missing stays unknown.
    return f"{column} IN ({', '.join(map(_constant, allowed))})" if allowed else f"({column} IS NULL AND NULL)"


def _long(column: str, values: Mapping[str, Any]) -> str:
    signs = {"min_value": ">=", "max_value": "<=", "exact_value": "="}
    return " AND ".join(f"length({column}) {sign} {values[name]}" for name, sign in signs.items() if name in values)


_HOLDS: Mapping[str, Callable[[str, Mapping[str, Any]], str]] = {
    "equal_to": _compared("=", "value"),
    "not_equal_to": _compared("<>", "value"),
    "greater_than": _compared(">", "min_value"),
    "greater_than_or_equal_to": _compared(">=", "min_value"),
    "less_than": _compared("<", "max_value"),
    "less_than_or_equal_to": _compared("<=", "max_value"),
    "in_range": _between,
    "accepted_values": lambda column, values: _among(column, values["values"]),
    "isin": lambda column, values: _among(column, values["allowed_values"]),
    "notin": lambda column, values: f"NOT ({_among(column, values['forbidden_values'])})",
    "str_matches": lambda column, values: f"regexp_matches({column}, {literal(anchored(values['pattern']))})",
    "str_contains": lambda column, values: f"regexp_matches({column}, {literal(values['pattern'])})",
    "str_startswith": lambda column, values: f"starts_with({column}, {literal(values['string'])})",
    "str_endswith": lambda column, values: f"ends_with({column}, {literal(values['string'])})",
    "str_length": _long,
}
