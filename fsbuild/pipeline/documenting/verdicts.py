"""The checks of nodes, with how each ended last."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from fsbuild.check_history import CHECK_HISTORY
from fsbuild.pipeline.drafting import Draft
from fsbuild.pipeline.state import open_lake
from fsbuild.site.pages import CheckPage
from fsbuild.values import Check, Relation

if TYPE_CHECKING:
    from fsbuild.engine import Warehouse

# Statuses that say that something is wrong.
WRONG = ("error", "fail", "warn")
# The worst first.
_ORDER = ("error", "fail", "warn", "quarantine", "pass", "skipped")
_LAST = """
SELECT node, "column", "check", last.status AS status, last.failures AS failures, last.rows AS rows,
    last.message AS message, strftime(last.moment AT TIME ZONE 'UTC', '%Y-%m-%dT%H:%M:%SZ') AS checked_at
FROM (
    SELECT node, "column", "check", max_by(
        {{status: status, failures: failures, rows: "rows", message: message, moment: checked_at}}, checked_at
    ) AS last
    FROM {relation} GROUP BY ALL
)
"""
Verdicts = Mapping[tuple[str, str | None, str], Mapping[str, Any]]


def read_verdicts(draft: Draft, warehouse: Warehouse) -> Verdicts:
    """Read how each check ended last, by node, column and name."""
    lake, relation = open_lake(draft.project), Relation(draft.project.target.schema, CHECK_HISTORY)
    state = lake.state(relation)
    if state is None:
        return {}
    warehouse.bind_table(relation, lake.uri(relation), state.version)
    rows: list[dict[str, Any]] = warehouse.rows(_LAST.format(relation=relation))
    return {(row["node"], row["column"], row["check"]): row for row in rows}


def check_pages(unique_id: str, checks: Iterable[Check], verdicts: Verdicts, private: Iterable[str]) -> list[CheckPage]:
    """Describe the checks of a node, those that fail first.

    Of a `private` column nothing is told that may quote values: neither a message nor the arguments of a check. A check
    of whole rows looks at private columns too.
    """
    hidden = {name.lower() for name in private}
    pages = []
    for check in checks:
        name = check.title or check.label
        is_hidden = bool(hidden) and (check.column is None or check.column.lower() in hidden)
        shown = check.title or (check.name if is_hidden else check.label)
        page: CheckPage = {"name": shown, "severity": check.severity}
        if check.column:
            page["column"] = check.column
        found = verdicts.get((unique_id, check.column, name))
        if found is not None:
            page["status"] = found["status"]
            page["failures"], page["rows"], page["checked_at"] = found["failures"], found["rows"], found["checked_at"]
            if found["message"] and not is_hidden:
                page["message"] = found["message"]
        pages.append(page)
    return sorted(pages, key=lambda page: _rank(page.get("status", "")))


def worst(statuses: Iterable[str]) -> str | None:
    """The status that says most of what is wrong."""
    return min(statuses, key=_rank, default=None)


def sentence(page: CheckPage) -> str:
    """Say how a check ended that is not passed."""
    subject = page["name"] + (f" on {page['column']}" if page.get("column") else "")
    told = f"{subject}: {page.get('failures', 0):,} of {page.get('rows', 0):,} rows"
    return page.get("message") or told


def _rank(status: str) -> int:
    return _ORDER.index(status) if status in _ORDER else len(_ORDER)
