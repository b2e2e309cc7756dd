"""Rows as a unit test writes them in, a query that has them with the types of the columns out.

    [{id: 1, day: 2013-01-01}]  ->  SELECT * FROM (VALUES (CAST('1' AS BIGINT), CAST('2013-01-01' AS DATE), …

Every value travels as text and is read by the engine: `'20'` and 20 are the same number. A column that a row does not
name is NULL of its type.
"""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation

from fsbuild.values import ColumnType, FixtureRows, literal, quote

_WHOLE = frozenset(
    {"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT"}
)
_DECIMAL = re.compile(r"DECIMAL\(\d+,\s*(\d+)\)")
_NESTED = re.compile(r"(STRUCT\(|MAP\(|.*\]$)", re.DOTALL)
_MIDNIGHT = re.compile(r"[T ]00:00(:00(\.0+)?)?$")


def rows_sql(fixture: FixtureRows, columns: Sequence[ColumnType]) -> str:
    """Write a query that has the rows with these columns, in their order; those that are not written are NULL."""
    names = ", ".join(quote(column.name) for column in columns)
    if fixture.sql is not None:
        present = {name.lower() for name in fixture.columns}
        cells = (
            f"CAST({quote(c.name) if c.name.lower() in present else 'NULL'} AS {c.type}) AS {quote(c.name)}"
            for c in columns
        )
        return f"SELECT {', '.join(cells)} FROM (\n{query_text(fixture)}\n)"
    if not fixture.rows:
        nothing = ", ".join(f"CAST(NULL AS {c.type}) AS {quote(c.name)}" for c in columns)
        return f"SELECT {nothing} WHERE false"
    written = []
    for row in fixture.rows:
        values = {name.lower(): value for name, value in row.items()}
        cells = (f"CAST({value_sql(values.get(c.name.lower()), c.type)} AS {c.type})" for c in columns)
        written.append(f"({', '.join(cells)})")
    return f"SELECT * FROM (VALUES {', '.join(written)}) AS t({names})"


def expected_names(fixture: FixtureRows, columns: Sequence[ColumnType]) -> tuple[ColumnType, ...]:
    """List the columns that are compared: those that the expected rows name, or all where they name none."""
    named = {name.lower() for name in fixture.columns}
    return tuple(column for column in columns if column.name.lower() in named) or tuple(columns)


def query_text(fixture: FixtureRows) -> str:
    """The query of a fixture, as it can stand inside another one."""
    return (fixture.sql or "").strip().rstrip(";")


def value_sql(value: object, kind: str) -> str:
    """Write a value so that the engine can read it as one of a type.

    >>> value_sql([1, 2], "INTEGER[]")
    "CAST('[1, 2]' AS JSON)"
    """
    if value is None:
        return "NULL"
    if isinstance(value, list | dict):
        text = literal(json.dumps(value, default=_json_text))
        return f"CAST({text} AS JSON)" if _NESTED.match(kind) else text
    return literal(value_text(value))


def value_text(value: object) -> str:
    """Write a value of YAML or CSV as text.

    >>> value_text(True), value_text(1e3)
    ('true', '1000.0')
    """
    if isinstance(value, bool):
        return str(value).lower()
    return value.isoformat(sep=" ") if isinstance(value, dt.datetime) else str(value)


def loses(value: object, kind: str) -> bool:
    """Whether the engine would round a value, or cut it off, to read it as one of a type.

    >>> loses(20.5, "INTEGER"), loses("20.0", "INTEGER"), loses("1.25", "DECIMAL(4,1)")
    (True, False, True)
    """
    if value is None or isinstance(value, list | dict):
        return False
    if kind == "DATE":
        text = value_text(value).strip()
        return len(text) > len("2013-01-01") and _MIDNIGHT.sub("", text) == text
    scale = _DECIMAL.fullmatch(kind)
    if kind not in _WHOLE and scale is None:
        return False
    digits = int(scale[1]) if scale else 0
    try:
        number = Decimal(value_text(value).strip().replace("_", ""))
        return not number.is_finite() or number != round(number, digits)
    except InvalidOperation:
        return False  # no number at all, which the engine tells


def unknown_names(names: Sequence[str], columns: Sequence[ColumnType]) -> list[str]:
    """List the names that no column has; their case does not count."""
    known = {column.name.lower() for column in columns}
    return [name for name in names if name.lower() not in known]


def column_types(columns: Sequence[ColumnType]) -> Mapping[str, str]:
    """The types of columns by their names in lower case."""
    return {column.name.lower(): column.type for column in columns}


def _json_text(value: object) -> str:
    return value_text(value)
