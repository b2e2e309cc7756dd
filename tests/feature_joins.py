"""Joins of features over tables of a few rows: written by fsbuild, run by a DuckDB of our own, both ways.

table = Table("delay", {"carrier": "VARCHAR", "ts": "TIMESTAMP", "mean": "DOUBLE"}, [("AA", at, 1.5)],
              keys=("carrier",), event_time="ts", ttl="30 days")
rows = point_in_time(spine, [table], features=["delay:mean"], at="scheduled_at")
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import duckdb

from fsbuild.errors import Place
from fsbuild.feature_requests import parse_aggregates, parse_features
from fsbuild.features import Declared, Expander
from fsbuild.values import (
    STAGING,
    ColumnType,
    Entity,
    EntityKey,
    Join,
    Model,
    ModelConfig,
    PointInTime,
    Relation,
    RenderedModel,
    RenderedSql,
    WindowJoin,
)

HERE = Place("models/joined.sql")
HOLE = '"fsbuild_join"."0"'
Row = tuple[Any, ...]


@dataclass(frozen=True)
class Table:
    """A table of a few rows, with what is declared of its features; `columns` has SQL types by name."""

    name: str
    columns: Mapping[str, str]
    rows: Sequence[Row]
    keys: tuple[str, ...] = ()
    event_time: str | None = None
    known_time: str | None = None
    ttl: str | None = None
    tie_break: tuple[str, ...] = ()

    @property
    def relation(self) -> Relation:
        """The name that SQL has for it."""
        return Relation("main", self.name)

    @property
    def config(self) -> ModelConfig:
        """What its YAML would say."""
        return ModelConfig(
            entity=(f"entity of {self.name}",) if self.keys else (),
            event_time=self.event_time,
            known_time=self.known_time,
            ttl=self.ttl,
            tie_break=self.tie_break,
        )


@dataclass
class Lab:
    """An engine that holds some tables."""

    tables: Sequence[Table]
    connection: duckdb.DuckDBPyConnection = field(default_factory=duckdb.connect)

    def __post_init__(self) -> None:
        """Fill it."""
        self.connection.execute("SET TimeZone = 'UTC'")
        self.connection.execute(f"CREATE SCHEMA {STAGING}")
        for table in self.tables:
            columns = ", ".join(f'"{name}" {kind}' for name, kind in table.columns.items())
            self.connection.execute(f"CREATE TABLE {table.relation} ({columns})")
            if table.rows:
                marks = ", ".join("?" for _ in table.columns)
                self.connection.executemany(f"INSERT INTO {table.relation} VALUES ({marks})", table.rows)

    def run(self, join: Join) -> list[Row]:
        """Run a join as one text and step by step; both must give the same rows, in whatever order.

        Raises:
            CompileError: it cannot be made.
            duckdb.Error: it fails when it runs: a tie.
        """
        declared = {
            table.name: Declared(f"model.shop.{table.name}", table.name, table.relation, table.config, HERE)
            for table in self.tables
        }
        entities = {
            f"entity of {table.name}": Entity(
                f"entity of {table.name}", tuple(EntityKey(key, table.columns[key]) for key in table.keys), HERE
            )
            for table in self.tables
        }
        columns = {
            f"model.shop.{table.name}": self.columns_of(f"SELECT * FROM {table.relation}") for table in self.tables
        }
        model = Model("model.shop.joined", "joined", HERE.file, "", {}, HERE)
        text = RenderedSql(f"select * from {HOLE}", (1,))
        rendered = RenderedModel(model, ModelConfig(), Relation("main", "joined"), text, None, (), joins={HOLE: join})
        expanded = Expander(declared, entities, self.columns_of).expand(rendered, columns)
        (expansion,) = expanded.expansions
        inline = self.connection.execute(expanded.sql.text).fetchall()
        try:
            for relation, sql in expansion.stages:
                self.connection.execute(f"CREATE TABLE {relation} AS {sql}")
            staged = self.connection.execute(f"SELECT * FROM {expansion.staged}").fetchall()
        finally:
            for relation, _ in expansion.stages:
                self.connection.execute(f"DROP TABLE IF EXISTS {relation}")
        assert sorted(map(repr, inline)) == sorted(map(repr, staged))
        return inline

    def columns_of(self, sql: str) -> list[ColumnType]:
        """Tell the columns of a query."""
        bound = self.connection.sql(sql)
        return [ColumnType(name, str(kind)) for name, kind in zip(bound.columns, bound.types, strict=True)]


def point_in_time(  # noqa: PLR0913 - the arguments of the function that templates call
    spine: Table | None,
    tables: Sequence[Table],
    *,
    features: object,
    at: str | None = None,
    known_at: str | None = None,
    as_of: str | None = None,
    start: str | None = None,
    end: str | None = None,
) -> list[Row]:
    """What `point_in_time(…)` gives in a template, over these tables."""
    lab = Lab([*tables, *([spine] if spine is not None else [])])
    relation = str(spine.relation) if spine is not None else None
    return lab.run(PointInTime(parse_features(features), relation, at, known_at, as_of, start, end))


def window_features(  # noqa: PLR0913 - the arguments of the function that templates call
    spine: Table,
    events: Table,
    *,
    at: str,
    keys: Mapping[str, str],
    event_time: str,
    aggregates: object,
    known_time: str | None = None,
    known_at: str | None = None,
    tie_break: tuple[str, ...] = (),
) -> list[Row]:
    """What `window_features(…)` gives in a template, over these tables; `keys` has the spine's column for each key."""
    computed = parse_aggregates(aggregates)
    join = WindowJoin(
        str(spine.relation), at, str(events.relation), keys, event_time, computed, known_time, known_at, tie_break
    )
    return Lab([spine, events]).run(join)
