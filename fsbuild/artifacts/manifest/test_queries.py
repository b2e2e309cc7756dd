"""A check in, the query for the rows that fail it out, where it is one that SQL says.

They are the queries of dbt's own four tests, for those who read them; what runs is decided in `check`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from fsbuild.values import Check, Relation, checked_relation, literal


def test_query(check: Check, unique_id: str, relations: Mapping[str, Relation]) -> str | None:
    """Write the query of a check about a node; None where it has none."""
    if check.sql is not None:
        sql = check.sql
        for name in (unique_id, *check.references):
            if name in relations:
                sql = sql.replace(str(checked_relation(name)), str(relations[name]))
        return sql
    write = _QUERIES.get(check.name)
    if write is None or check.column is None:
        return None
    rows = str(relations[unique_id])
    if check.where:
        rows = f"(select * from {rows} where {check.where}) dbt_subquery"
    return write(check, check.column, rows, relations)


def _unique(_check: Check, column: str, rows: str, _relations: Mapping[str, Relation]) -> str:
    return (
        f"select\n    {column} as unique_field,\n    count(*) as n_records\n\nfrom {rows}\n"
        f"where {column} is not null\ngroup by {column}\nhaving count(*) > 1\n"
    )


def _not_null(_check: Check, column: str, rows: str, _relations: Mapping[str, Relation]) -> str:
    return f"select {column}\nfrom {rows}\nwhere {column} is null\n"


def _accepted_values(check: Check, column: str, rows: str, _relations: Mapping[str, Relation]) -> str:
    values = check.arguments.get("values")
    is_text = check.arguments.get("quote") is not False
    listed = ",".join(literal(str(value)) if is_text else json.dumps(value, default=str) for value in _several(values))
    return (
        f"with all_values as (\n\n    select\n        {column} as value_field,\n        count(*) as n_records\n\n"
        f"    from {rows}\n    group by {column}\n\n)\n\n"
        f"select *\nfrom all_values\nwhere value_field not in (\n    {listed}\n)\n"
    )


def _relationships(check: Check, column: str, rows: str, relations: Mapping[str, Relation]) -> str | None:
    parent = relations.get(str(check.arguments.get("to")))
    field = check.arguments.get("field")
    if parent is None or field is None:
        return None
    return (
        f"with child as (\n    select {column} as from_field\n    from {rows}\n    where {column} is not null\n),\n\n"
        f"parent as (\n    select {field} as to_field\n    from {parent}\n)\n\n"
        "select\n    from_field\n\nfrom child\nleft join parent\n    on child.from_field = parent.to_field\n\n"
        "where parent.to_field is null\n"
    )


def _several(values: object) -> list[object]:
    return list(values) if isinstance(values, list | tuple) else []


_QUERIES = {
    "unique": _unique,
    "not_null": _not_null,
    "accepted_values": _accepted_values,
    "relationships": _relationships,
}
