"""Judge and read the arguments of checks, before anything runs.

In: checks as YAML gives them, columns with the engine's types. Out: the problems, or the arguments as values that
compare exactly with the column. Protects: an argument either becomes such a value or is refused; it is never compared
approximately, or as text with a number.
"""

from __future__ import annotations

import ctypes
import re
from datetime import UTC, date, datetime, time
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

from fsbuild.check.names import BY_NAME, CHECKS
from fsbuild.errors import Problem, listing, suggest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from fsbuild.check.names import Argument, CheckName, TypeKind
    from fsbuild.values import Check, ColumnType

_KINDS: Mapping[str, TypeKind] = {
    **dict.fromkeys(("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "DECIMAL", "NUMERIC"), "exact"),
    **dict.fromkeys(("UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT", "INT"), "exact"),
    **dict.fromkeys(("FLOAT", "REAL"), "single"),
    "DOUBLE": "double",
    **dict.fromkeys(("VARCHAR", "TEXT", "STRING", "CHAR", "UUID", "ENUM", "JSON"), "text"),
    "BOOLEAN": "boolean",
    "DATE": "date",
    "TIME": "time",
    **dict.fromkeys(("TIMESTAMP", "DATETIME", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS"), "timestamp"),
    **dict.fromkeys(("TIMESTAMP WITH TIME ZONE", "TIMESTAMPTZ"), "instant"),
}
_MEANS: Mapping[str, str] = {
    "flag": "true or false",
    "length": "a whole number",
    "number": "a number",
    "values": "a list",
    "columns": "a list of columns",
}
_PYTHON: Mapping[str, type | tuple[type, ...]] = {
    "flag": bool,
    "length": int,
    "number": (int, float),
    "values": list,
    "columns": list,
    "sql": (str, int, float),
}


def problems_of(checks: Sequence[Check], columns: Sequence[ColumnType]) -> tuple[Problem, ...]:
    """Find the checks that cannot mean anything for a node with these columns, without running any.

    Columns have DuckDB types; where there are none they are unknown, and only names and arguments are judged.
    """
    return tuple(
        Problem(message, check.place, hint=hint) for check in checks for message, hint in _mistakes(check, columns)
    )


def arguments_of(check: Check, type_name: str) -> dict[str, Any]:
    """Give the arguments of a check as the values to compare a column of the type with; ValueError says what is wrong.

    The names are the project's. An optional argument that is NULL is left out.
    """
    values: dict[str, Any] = {}
    for argument in BY_NAME[check.name].arguments:
        if argument.name in check.arguments:
            try:
                values[argument.name] = _read(argument, check.arguments[argument.name], type_name)
            except ValueError as exc:
                raise ValueError(f"{argument.name}: {exc}") from exc
    return {name: value for name, value in values.items() if value is not None}


def _mistakes(check: Check, columns: Sequence[ColumnType]) -> Iterator[tuple[str, str | None]]:
    """Yield the message and the hint of each mistake in one check."""
    if check.sql is not None:
        if check.severity == "quarantine":
            message = f"{check.name} is a query of its own, of which no row can be put aside"
            yield message, "write severity: error, or warn, or expression_is_true in its place"
        return
    if check.fail_calc is not None and (check.custom is not None or not _is_query(check)):
        yield f"{check.name} is no query, of which fail_calc could count the rows", "leave fail_calc out"
    if check.custom is not None:
        return
    known = BY_NAME.get(check.name)
    if known is None:
        yield f"unknown check '{check.name}'", suggest(check.name, BY_NAME) or f"there are {listing(list(CHECKS), 99)}"
        return
    misnamed = [*_misnamed_arguments(check, known), *_misnamed_columns(check, known, columns)]
    yield from misnamed
    if misnamed:
        return
    if check.severity == "quarantine" and not known.tells_rows:
        yield f"{check.name} is about the table, of which no row can be put aside", "write severity: error, or warn"
    name = (check.column or "").casefold()
    type_name = next((column.type for column in columns if column.name.casefold() == name), "")
    kind = kind_of(type_name)
    if kind is not None and kind not in known.fits:
        yield f"{check.name} does not fit the column '{check.column}' of type {type_name}", None
        return
    try:
        _refuse_contradiction(check.name, arguments_of(check, type_name))
    except ValueError as exc:
        yield f"{check.name}: {exc}", None


def _is_query(check: Check) -> bool:
    known = BY_NAME.get(check.name)
    return known is None or not (known.pandera or known.scope == "history")


def _misnamed_arguments(check: Check, known: CheckName) -> Iterator[tuple[str, str | None]]:
    names = [argument.name for argument in known.arguments]
    for name in check.arguments:
        if name not in names:
            takes = f"it takes {listing(names)}" if names else "it takes none"
            yield f"{check.name} has no argument '{name}'", suggest(name, names) or takes
    for argument in known.arguments:
        if argument.is_required and argument.name not in check.arguments:
            yield f"{check.name} needs the argument '{argument.name}'", None


def _misnamed_columns(
    check: Check, known: CheckName, columns: Sequence[ColumnType]
) -> Iterator[tuple[str, str | None]]:
    listed = known.name == "unique" and check.arguments.get("columns")
    if check.column is None and (known.about == "column" or (known.name == "unique" and not listed)):
        yield f"{check.name} is about a column", "write it under the column's name"
    elif check.column is not None and listed:
        yield f"{check.name} names `columns` under the column '{check.column}'", "write it under the node instead"
    elif check.column is not None and known.about == "table":
        yield f"{check.name} is about the table", "write it under the node instead of a column"
    about = [check.column] if check.column is not None else []
    for argument in known.arguments:
        named = check.arguments.get(argument.name)
        if argument.kind in ("column", "columns"):
            about += named if isinstance(named, list) else [named] if isinstance(named, str) else []
    names = {column.name.casefold(): column.name for column in columns}
    for name in map(str, about):
        if names and name.casefold() not in names:
            yield f"{check.name} is about the unknown column '{name}'", suggest(name, names.values())


def _refuse_contradiction(name: str, values: Mapping[str, Any]) -> None:
    """Refuse, as pandera does when it builds the check, arguments that no value could satisfy together."""
    if name == "accepted_range":
        if not values.keys() & {"min_value", "max_value"}:
            raise ValueError("give min_value, max_value or both")
        return  # the bounds are SQL
    low, high = values.get("min_value"), values.get("max_value")
    if name == "str_length" and ("exact_value" in values) == (low is not None or high is not None):
        raise ValueError("give either exact_value, or min_value, max_value or both")
    if low is None or high is None:
        return
    includes_both = values.get("include_min", True) and values.get("include_max", True)
    try:
        is_empty = high < low or (high == low and not includes_both)
    except TypeError as exc:
        raise ValueError(f"{low!r} and {high!r} do not compare") from exc
    if is_empty:
        raise ValueError(f"no value lies between {low} and {high}")


def _read(argument: Argument, value: object, type_name: str) -> object:
    """Turn an argument into what the check compares with; ValueError says why it can't be."""
    if argument.kind == "value":
        return convert(value, type_name)
    if argument.kind == "values" and isinstance(value, list | tuple):
        return convert_all(value, type_name)
    if argument.kind == "ignored" or (value is None and not argument.is_required):
        return None
    wanted = _PYTHON.get(argument.kind, str)
    if not isinstance(value, wanted) or (wanted is not bool and isinstance(value, bool)):
        raise ValueError(f"{value!r} is not {_MEANS.get(argument.kind, 'text')}")
    if argument.kind == "choice" and value not in argument.choices:
        raise ValueError(f"{value!r} is none of {listing(argument.choices, 99)}")
    if argument.kind == "pattern":
        try:
            re.compile(anchored(str(value)))
        except re.error as exc:
            raise ValueError(f"{value!r} is not a regular expression: {exc}") from exc
    return value


def anchored(pattern: str) -> str:
    """Anchor all of a pattern at the start: pandera's polars backend puts `^` before `a|b`, which anchors only `a`."""
    flags = re.match(r"\(\?[a-zA-Z]+\)", pattern)
    cut = flags.end() if flags else 0
    return f"{pattern[:cut]}^(?:{pattern[cut:]})"


def kind_of(type_name: str) -> TypeKind | None:
    """Tell the kind of a DuckDB type; None where the type is not known ("").

    An opaque value, nested or binary, can be there and can equal another one, and that is all.

    >>> kind_of("DECIMAL(18,3)"), kind_of("STRUCT(a INTEGER)"), kind_of("INTEGER[]"), kind_of("")
    ('exact', 'opaque', 'opaque', None)
    """
    base = "" if type_name.endswith("]") else type_name.partition("(")[0].strip().upper()
    return _KINDS.get(base, "opaque") if type_name else None


def convert(value: object, type_name: str) -> object:
    """Turn one argument into the value that compares with a column of the type; ValueError where there is none.

    Text becomes what it spells (`'2013-01-01'` a date), as in dbt, which quotes every value. A time without a zone
    is taken as UTC where the column has one, whatever the machine's zone, so that a check means the same everywhere.
    """
    kind = kind_of(type_name)
    if value is None:
        raise ValueError("NULL compares with nothing; leave it out, NULLs pass every check but not_null")
    if kind == "boolean":
        if isinstance(value, bool) or str(value).lower() in ("true", "false"):
            return value if isinstance(value, bool) else str(value).lower() == "true"
    elif isinstance(value, bool) and kind is not None:
        raise ValueError(f"{value} is not of type {type_name}; if text was meant, quote it in the YAML")
    elif kind in ("exact", "single", "double"):
        return _number(value, kind, type_name)
    elif kind in ("date", "time", "timestamp", "instant"):
        return _moment(value, kind, type_name)
    elif not isinstance(value, list | tuple | dict | set):
        return str(value) if kind == "text" else value
    raise ValueError(f"{value!r} is not " + (f"of type {type_name}" if type_name else "a single value"))


def convert_all(values: Sequence[object], type_name: str) -> list[object]:
    """Turn a list argument into values of one Python type (polars refuses mixed lists); ValueError as `convert`."""
    converted = [convert(value, type_name) for value in values]
    if any(isinstance(value, Decimal) for value in converted):
        return [Decimal(value) if isinstance(value, int) else value for value in converted]
    return converted


def _number(value: object, kind: TypeKind, type_name: str) -> int | float | Decimal:
    try:
        number = Decimal(str(value).strip())
    except InvalidOperation:
        raise ValueError(f"{value!r} is not of type {type_name}") from None
    if kind == "single":  # 0.1 has to equal the 0.1 of the column, which is rounded to 32 bits
        return ctypes.c_float(float(number)).value
    if kind == "double" or not number.is_finite():
        return float(number)
    return int(number) if number == number.to_integral_value() else number


def _moment(value: object, kind: TypeKind, type_name: str) -> date | datetime | time:
    try:
        if kind == "time":
            return value if isinstance(value, time) else time.fromisoformat(str(value))
        moment = datetime.fromisoformat(str(value).strip())
    except ValueError:
        raise ValueError(f"{value!r} is not of type {type_name}") from None
    if kind == "date":
        if moment.time() != time(0) or moment.tzinfo is not None:
            raise ValueError(f"{value!r} has a time of day, the column is of type {type_name}")
        return moment.date()
    moment = moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    return moment if kind == "instant" else moment.replace(tzinfo=None)
