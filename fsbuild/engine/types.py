"""DuckDB's types in, the types that their values have once they are in a Delta table out.

Delta has signed integers up to 64 bits, decimals up to 38 digits and microseconds; nothing is rounded or wrapped on
the way: a value that does not fit is an error of the cast.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from duckdb.sqltypes import DuckDBPyType

from fsbuild.values import quote

# Types that are stored under another one. `sum()` of integers is a HUGEINT in DuckDB: a 64-bit integer is what a
# reader of features expects, and a sum beyond it is refused, not wrapped.
_STORED_AS = {
    "utinyint": "SMALLINT",
    "usmallint": "INTEGER",
    "uinteger": "BIGINT",
    "ubigint": "DECIMAL(20,0)",
    "hugeint": "BIGINT",
    "uhugeint": "DECIMAL(38,0)",
    "timestamp_s": "TIMESTAMP",
    "timestamp_ms": "TIMESTAMP",
    "timestamp_ns": "TIMESTAMP",
    "enum": "VARCHAR",
    "uuid": "VARCHAR",
    "varchar": "VARCHAR",  # JSON is a VARCHAR by another name
    "sqlnull": "INTEGER",
}
_AS_IT_IS = frozenset(
    {"boolean", "tinyint", "smallint", "integer", "bigint", "float", "double", "decimal", "blob", "date"}
    | {"timestamp", "timestamp with time zone"}
)
_NESTED: Mapping[str, Callable[[Mapping[str, str | None]], str]] = {
    "list": lambda parts: f"{parts['child']}[]",
    "array": lambda parts: f"{parts['child']}[]",
    "map": lambda parts: f"MAP({parts['key']}, {parts['value']})",
    "struct": lambda parts: f"STRUCT({', '.join(f'{quote(name)} {kind}' for name, kind in parts.items())})",
}


def stored_type(kind: DuckDBPyType) -> str | None:
    """Tell the type in which a Delta table keeps the values of a DuckDB type; None where it cannot.

    >>> import duckdb
    >>> stored_type(duckdb.struct_type({"n": "HUGEINT"}))
    'STRUCT("n" BIGINT)'
    """
    name = kind.id
    if name in _STORED_AS:
        return _STORED_AS[name]
    if name in _AS_IT_IS:
        return str(kind)
    if name not in _NESTED:
        return None
    if any(not part for part, _ in kind.children):
        return None  # the fields of row(1, 2) have no names
    parts = {part: stored_type(child) for part, child in kind.children if isinstance(child, DuckDBPyType)}
    return None if None in parts.values() else _NESTED[name](parts)
