"""The names that dbt gives to tests: artifacts and tables of failing rows go by them, and files of queries."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator

from fsbuild.values import Check

_LONGEST = 63


def audit_schema(target_schema: str) -> str:
    """Name the schema for the rows that fail tests."""
    return f"{target_schema}_dbt_test__audit"


def test_name(check: Check, node: str) -> str:
    """Name a check of a node as dbt does; names that are too long for databases end in a hash.

    not_null on id of orders            -> not_null_orders_id
    accepted_values on kind of orders   -> accepted_values_orders_kind__a__b
    """
    if check.title:
        return re.sub(r"[^\w-]+", "_", check.title)
    arguments = {**check.arguments, **({"column_name": check.column} if check.column else {})}
    flat = [str(value) for name in sorted(arguments) for value in _flat(arguments[name])]
    full = f"{check.name}_{node}_" + "__".join(re.sub(r"[^0-9a-zA-Z_]+", "_", text) for text in flat)
    return short_name(full, f"{check.name}_{node}")


def short_name(full: str, begin: str) -> str:
    """Shorten a name that is too long for databases: to its `begin` and a hash."""
    if len(full) <= _LONGEST:
        return full
    label = hashlib.md5(full.encode(), usedforsecurity=False).hexdigest()
    return f"{begin[:30]}_{label}"


def _flat(value: object) -> Iterator[object]:
    if isinstance(value, dict):
        yield from value.values()
    elif isinstance(value, list | tuple):
        yield from value
    else:
        yield value
