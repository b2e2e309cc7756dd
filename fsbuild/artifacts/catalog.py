"""What tables there are, with their columns, in; dbt's `catalog.json` (version 1) out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from fsbuild.artifacts.writing import Invocation
from fsbuild.values import ColumnType, Relation

_SCHEMA = "catalog/v1"
_NO_STATS = {
    "id": "has_stats",
    "label": "Has Stats?",
    "value": False,
    "include": False,
    "description": "Indicates whether there are statistics for this table",
}


@dataclass(frozen=True, slots=True)
class CatalogTable:
    """A table or view that can be read: of a node, or of a source."""

    unique_id: str
    relation: Relation
    kind: Literal["BASE TABLE", "VIEW"]
    columns: Sequence[ColumnType]
    owner: str | None = None


def catalog(tables: Iterable[CatalogTable], invocation: Invocation, database: str) -> dict[str, object]:
    """Describe tables and views."""
    entries = {table.unique_id: _entry(table, database) for table in tables}
    return {
        "metadata": invocation.metadata(_SCHEMA),
        "nodes": {name: entry for name, entry in entries.items() if not name.startswith("source.")},
        "sources": {name: entry for name, entry in entries.items() if name.startswith("source.")},
        "errors": None,
    }


def _entry(table: CatalogTable, database: str) -> dict[str, object]:
    return {
        "metadata": {
            "type": table.kind,
            "schema": table.relation.schema,
            "name": table.relation.identifier,
            "database": database,
            "comment": None,
            "owner": table.owner,
        },
        "columns": {
            column.name: {"type": column.type, "index": index, "name": column.name, "comment": None}
            for index, column in enumerate(table.columns, start=1)
        },
        "stats": {"has_stats": _NO_STATS},
        "unique_id": table.unique_id,
    }
