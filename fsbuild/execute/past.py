"""What came into a table before: what checks of a load hold it against."""

from __future__ import annotations

import datetime as dt

from fsbuild.errors import Problem, StoreError
from fsbuild.execute.work import Lake, Warehouse
from fsbuild.values import Load, Past, Relation, quote

# How many loads are looked at, at most.
LOADS = 1_000


def staged_load(checked: str, whole: str, event_time: str | None, now: dt.datetime, warehouse: Warehouse) -> Load:
    """Describe rows that are about to enter a table: those that come, and all that it will have with them."""
    newest = f"epoch_us(max({quote(event_time)})::TIMESTAMPTZ)" if event_time else "NULL"
    (found,) = warehouse.rows(
        f"SELECT (SELECT count(*) FROM {checked}) AS rows, (SELECT {newest} FROM {whole}) AS newest"
    )
    moment = None
    if found["newest"] is not None:
        moment = dt.datetime.fromtimestamp(int(str(found["newest"])) / 1e6, dt.UTC)
    return Load(int(str(found["rows"])), now, moment, checked == whole)


def published_past(relation: Relation, lake: Lake) -> Past:
    """Tell of the last load of a table, and of those before it.

    Raises:
        StoreError: no commit of fsbuild has brought rows into it.
    """
    found = lake.loads(relation, LOADS)
    if not found:
        raise StoreError(Problem(f"no commit of fsbuild has brought rows into {relation}", hint="fsbuild run"))
    return Past(found[0], found[1:])
