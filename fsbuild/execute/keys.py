"""Rows on their way to a table with a key: they are refused where the key cannot tell them apart."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from fsbuild.errors import KeyViolationError, Problem
from fsbuild.values import Relation, quote

_SAMPLE_ROWS = 5


def refuse_bad_keys(rows: Callable[[str], list[dict[str, object]]], relation: str, key: Sequence[str]) -> None:
    """Refuse rows whose key is NULL or occurs twice.

    Raises:
        KeyViolationError: with some of the rows.
    """
    columns = ", ".join(quote(name) for name in key)
    is_null = " OR ".join(f"{quote(name)} IS NULL" for name in key)
    null_rows = rows(
        f"SELECT *, count(*) OVER () AS fsbuild_count FROM {relation} WHERE {is_null} LIMIT {_SAMPLE_ROWS}"
    )
    duplicates = rows(
        f"SELECT {columns}, count(*) AS row_count, count(*) OVER () AS fsbuild_count FROM {relation} "
        f"WHERE NOT ({is_null}) "
        f"GROUP BY {columns} HAVING count(*) > 1 ORDER BY {columns} LIMIT {_SAMPLE_ROWS}"
    )
    named = _named(key)
    problems = []
    if null_rows:
        hint = "filter such rows out, or give them a key"
        problems.append(_key_problem(f"rows with a NULL in their {named}", null_rows, hint))
    if duplicates:
        hint = "select one row for each key, for example: qualify row_number() over (partition by key order by …) = 1"
        problems.append(_key_problem(f"values of the {named} that occur more than once", duplicates, hint))
    if problems:
        raise KeyViolationError(problems)


def refuse_keys_of_others(
    rows: Callable[[str], list[dict[str, object]]], relation: str, others: str, key: Sequence[str]
) -> None:
    """Refuse rows that have the key of one of the `others`, which stay in the table; no key is NULL.

    Raises:
        KeyViolationError: with some of the keys.
    """
    columns = ", ".join(f"r.{quote(name)}" for name in key)
    same = " AND ".join(f"o.{quote(name)} = r.{quote(name)}" for name in key)
    found = rows(
        f"SELECT {columns}, count(*) OVER () AS fsbuild_count FROM {others} AS o JOIN {relation} AS r ON {same} "
        f"ORDER BY {columns} LIMIT {_SAMPLE_ROWS}"
    )
    if found:
        what = f"rows with the {_named(key)} of another one that stays in the table"
        hint = "leave out what is there already, or merge: config(incremental_strategy='merge')"
        raise KeyViolationError(_key_problem(what, found, hint))


def has_null_keys(rows: Callable[[str], list[dict[str, object]]], keys: Relation, columns: int) -> bool:
    """Whether one of the `keys` (k0, k1 and so on) has a NULL."""
    is_null = " OR ".join(f"k{at} IS NULL" for at in range(columns))
    return bool(rows(f"SELECT 1 AS found FROM {keys} WHERE {is_null} LIMIT 1"))


def refuse_rows_beyond(rows: Callable[[str], list[dict[str, object]]], query: str) -> None:
    """Refuse a merge whose `incremental_predicates` leave out rows that it has to update: `query` selects their keys.

    Raises:
        KeyViolationError: with some of the keys.
    """
    found = rows(f"SELECT *, count(*) OVER () AS fsbuild_count FROM ({query}) LIMIT {_SAMPLE_ROWS}")
    if found:
        hint = "widen the predicates, or leave them out: Delta skips files by the keys in any case"
        raise KeyViolationError(_key_problem("keys whose row does not meet incremental_predicates", found, hint))


def _named(key: Sequence[str]) -> str:
    return f"key ({', '.join(key)})"


def _key_problem(what: str, sample: Sequence[Mapping[str, object]], hint: str) -> Problem:
    count = sample[0]["fsbuild_count"]
    shown = (", ".join(f"{k}={v}" for k, v in row.items() if k != "fsbuild_count") for row in sample)
    return Problem(f"{what}: {count}; nothing was published", detail="\n".join(shown), hint=hint)
