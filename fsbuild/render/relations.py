"""A relation as a template handles it: what `ref()`, `source()` and `this` are, with dbt's names and dbt's meanings.

{{ this }}                          "main"."totals"
{{ this.include(schema=false) }}    "totals"
{{ this.quote(schema=false) }}      main."totals"

In a microbatch model, what has an event time is read one batch at a time; `render()` reads all of it:

{{ ref('events') }}                 (select * from "main"."events" where "at" >= getvariable(…) and "at" < …)
{{ ref('events').render() }}        "main"."events"
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from fsbuild.values import BATCH_END, BATCH_START, Relation, literal, quote

# What DuckDB calls the database that it computes in, and dbt-duckdb that of a target without a file.
DATABASE = "memory"
_PARTS = ("database", "schema", "identifier")


@dataclass(frozen=True, slots=True)
class TemplateRelation(Mapping[str, Any]):
    """A relation that can be written in parts, with or without quotes; the database is left out unless asked for.

    As in dbt it is a mapping of its parts too; packages tell by its `metadata` that it is a relation.
    """

    schema: str
    identifier: str
    type: str | None = None
    shown: frozenset[str] = frozenset({"schema", "identifier"})
    quoted: frozenset[str] = frozenset(_PARTS)
    event_time: str | None = None

    @classmethod
    def of(cls, relation: Relation, event_time: str | None = None) -> TemplateRelation:
        """Make a template's relation of one of ours; with an event time, of the batch's rows in it."""
        return cls(relation.schema, relation.identifier, event_time=event_time)

    @property
    def database(self) -> str:
        """The database that every relation is in."""
        return DATABASE

    @property
    def is_table(self) -> bool:
        """Whether it is a table of the lake."""
        return self.type == "table"

    @property
    def is_view(self) -> bool:
        """Whether it is a view, which is computed where it is read."""
        return self.type == "view"

    @property
    def is_cte(self) -> bool:
        """Whether it is an ephemeral model: never, those have names too."""
        return False

    @property
    def name(self) -> str:
        """The identifier."""
        return self.identifier

    @property
    def table(self) -> str:
        """The identifier."""
        return self.identifier

    def include(
        self, *, database: bool | None = None, schema: bool | None = None, identifier: bool | None = None
    ) -> TemplateRelation:
        """Choose the parts that are written; None leaves a part as it is."""
        return replace(self, shown=_chosen(self.shown, database, schema, identifier))

    def quote(
        self, *, database: bool | None = None, schema: bool | None = None, identifier: bool | None = None
    ) -> TemplateRelation:
        """Choose the parts that are quoted; None leaves a part as it is."""
        return replace(self, quoted=_chosen(self.quoted, database, schema, identifier))

    def incorporate(
        self,
        *,
        path: Mapping[str, str] | None = None,
        type: str | None = None,  # noqa: A002 - dbt's name
    ) -> TemplateRelation:
        """Another relation, of which a part or the type differs."""
        schema, identifier = ((path or {}).get(part) or getattr(self, part) for part in ("schema", "identifier"))
        return replace(self, schema=schema, identifier=identifier, type=type or self.type)

    def replace_path(self, **parts: str) -> TemplateRelation:
        """Another relation, of which a part differs."""
        return self.incorporate(path=parts)

    def information_schema(self, _view_name: str | None = None) -> str:
        """The schema that describes all tables."""
        return "information_schema"

    def __getitem__(self, key: str) -> Any:  # noqa: ANN401 - its parts differ in type
        if key == "metadata":
            return {"type": "DuckDBRelation"}
        if key not in (*_PARTS, "type"):
            raise KeyError(key)
        return getattr(self, key)

    def __iter__(self) -> Iterator[str]:
        return iter((*_PARTS, "type", "metadata"))

    def __len__(self) -> int:
        return len(_PARTS) + 2

    def without_identifier(self) -> TemplateRelation:
        """Leave out the identifier."""
        return self.include(identifier=False)

    def render(self) -> str:
        """Write the relation, as printing it does; all rows of it in a microbatch model too."""
        parts = ((part, str(getattr(self, part))) for part in _PARTS if part in self.shown)
        return ".".join(quote(name) if part in self.quoted else name for part, name in parts)

    def __str__(self) -> str:
        if self.event_time is None or "identifier" not in self.shown:
            return self.render()
        column, start, end = quote(self.event_time), literal(BATCH_START), literal(BATCH_END)
        condition = f"{column} >= getvariable({start}) and {column} < getvariable({end})"
        return f"(select * from {self.render()} where {condition})"


def _chosen(before: frozenset[str], *wishes: bool | None) -> frozenset[str]:
    wanted = dict(zip(_PARTS, wishes, strict=True))
    return frozenset(part for part in _PARTS if (part in before if wanted[part] is None else wanted[part]))
