"""How a training set came about, as its commit remembers it: enough to make the same rows again from the lake alone.

A recipe names every relation that the SQL read, with the version of its table, and has the SQL itself with all views
and variables resolved. To follow it, nothing of the project is needed but the files of sources without a Delta table.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass

from fsbuild.values import Expansion, Relation, quote

# The key of `Commit.extra`.
RECIPE = "training_set"


@dataclass(frozen=True, slots=True)
class StagedQuery:
    """A query that reads the results of `stages`, which are kept under their names, one after the other."""

    stages: tuple[tuple[Relation, str], ...]
    sql: str


@dataclass(frozen=True, slots=True)
class Ingredient:
    """A name that SQL reads: a version of a table, a view's `query`, or the files of the source with the id `source`.

    A table without a `location` is one of the lake. `token` identifies the content.
    """

    schema: str
    identifier: str
    token: str = ""
    version: int | None = None
    location: str | None = None
    query: str | None = None
    source: str | None = None

    @property
    def relation(self) -> Relation:
        """The name."""
        return Relation(self.schema, self.identifier)


@dataclass(frozen=True, slots=True)
class Recipe:
    """The ingredients in the order in which they are bound, then steps to keep, then the query of the rows.

    `now` is the moment that the query took for the present; `content` is the hash of the rows that it gave.
    """

    now: str
    ingredients: tuple[Ingredient, ...]
    stages: tuple[tuple[str, str, str], ...]
    sql: str
    content: str = ""
    rows: int = 0

    def to_json(self) -> str:
        """Write it down."""
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Recipe:
        """Read what `to_json` wrote."""
        said = json.loads(text)
        said["ingredients"] = tuple(Ingredient(**one) for one in said["ingredients"])
        said["stages"] = tuple((schema, identifier, sql) for schema, identifier, sql in said["stages"])
        return cls(**said)


def in_stages(expansions: Sequence[Expansion], sql: str) -> StagedQuery:
    """Take a query with joins of features apart into the steps to keep first, and what reads them."""
    used = [expansion for expansion in expansions if expansion.inline in sql]
    stages: list[tuple[Relation, str]] = []
    for index, expansion in enumerate(used):
        stages.extend((relation, _reading_stages(stage, used[:index])) for relation, stage in expansion.stages)
    return StagedQuery(tuple(stages), _reading_stages(sql, used))


def content_hash(relation: str, columns: Sequence[str]) -> str:
    """SQL of a number that tells sets of rows apart, in whatever order they are; equal rows count as often as they are.

    It is the engine's hash: two numbers compare if one version of the engine has made them.
    """
    return (
        f"SELECT count(*) AS n, CAST(sum(hash({', '.join(map(quote, columns))})) AS VARCHAR) AS content FROM {relation}"
    )


def _reading_stages(sql: str, expansions: Sequence[Expansion]) -> str:
    """A query in which joins read their steps; a later join may contain one before it, and goes first."""
    for expansion in reversed(expansions):
        sql = sql.replace(expansion.inline, expansion.staged)
    return sql
