"""How a query's result can be kept up to date: the query in, the SQL of an increment that equals a full refresh out.

View maintenance by affected keys. Of the result's columns some are the key. From the changed rows of each input follow
the values of the key that they may touch (`touched.py` has the proof); the query is computed again for these values
alone (`restrict.py`), and what it gives replaces the rows that the table has for them. Whatever cannot be proven is
said, with the reason, and computed in full.

After: Gupta and Mumick, Maintenance of Materialized Views (1995); Enzyme (arXiv 2603.27775); Snowflake dynamic tables.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlglot import exp

from fsbuild.maintenance.resolve import UnprovableError, resolve_query
from fsbuild.maintenance.restrict import restrict_query, semi_join, without_nulls
from fsbuild.maintenance.touched import Changes, Touched, touched_values
from fsbuild.values import ColumnType, CompiledModel, Maintenance, Relation, changes_relation, keys_relation

__all__ = ["derive_maintenance"]

# A key need not be finer than this: more columns are more to compare.
_MOST_COLUMNS = 4
# Types whose values are equal where they are the same, in DuckDB and in Delta.
_KEY_TYPES = frozenset(
    {"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "VARCHAR", "DATE", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE", "BOOLEAN"}
)


def derive_maintenance(
    model: CompiledModel, tables: Mapping[str, tuple[Relation, Sequence[ColumnType]]], views: Mapping[Relation, str]
) -> Maintenance:
    """Work out how the result of a model's query can be kept up to date.

    `tables` are the inputs by unique id, and `views` the SQL of what is inlined. Never raises: what cannot be proven is
    told as the reason for each input.
    """
    try:
        tree = resolve_query(model.select, tables, views)
        chosen = _choose_key(model, tree)
    except UnprovableError as exc:
        return Maintenance(unprovable=dict.fromkeys(tables, str(exc)))
    except RecursionError:
        return Maintenance(unprovable=dict.fromkeys(tables, "it is nested too deeply"))
    columns = model.columns
    names = {at: tree.selects[position].alias_or_name for at, position in enumerate(chosen.positions)}
    keys = _table(keys_relation(model.unique_id))
    restricted = tree.copy()
    restrict_query(restricted, names, keys)
    recompute = _recompute(restricted, names, columns, keys)
    return Maintenance(
        key=tuple(columns[position].name for position in chosen.positions),
        affected={
            name: "\nUNION\n".join(query.sql("duckdb") for query in queries)
            for name, queries in chosen.touched.items()
            if not isinstance(queries, str)
        },
        unprovable={name: reason for name, reason in chosen.touched.items() if isinstance(reason, str)},
        recompute_nulls=recompute.sql("duckdb"),
        recompute=without_nulls(recompute).sql("duckdb"),
    )


def _choose_key(model: CompiledModel, tree: exp.Query) -> _Choice:
    """Choose the key's columns so that the changes of as many inputs as can be are proven."""
    columns = model.columns
    if len(tree.selects) != len(columns):
        raise UnprovableError("its columns cannot be resolved")

    def choice(positions: Sequence[int]) -> _Choice:
        names = [tree.selects[position].alias_or_name for position in positions]
        changes = Changes(lambda name: _table(changes_relation(model.unique_id, name)))
        return _Choice(tuple(positions), touched_values(tree, names, changes), changes.widened)

    unique = {name.lower() for name in model.rendered.config.unique_key}
    usable = [at for at, one in enumerate(columns) if one.type.partition("(")[0] in _KEY_TYPES]
    if not usable:
        raise UnprovableError("none of its columns can be a key")
    # The unique key's columns come first, so that they win where others prove as much.
    usable.sort(key=lambda at: columns[at].name.lower() not in unique)
    best = max((choice([at]) for at in usable), key=lambda one: one.worth)
    for at in usable if best.worth > (0, 0) else ():
        is_wanted = not unique or columns[at].name.lower() in unique
        if at not in best.positions and is_wanted and len(best.positions) < max(_MOST_COLUMNS, len(unique)):
            finer = choice(sorted([*best.positions, at]))
            best = finer if finer.worth >= best.worth else best
    return best


@dataclass(frozen=True, slots=True)
class _Choice:
    """Columns that may be the key, by position, and what follows from them."""

    positions: tuple[int, ...]
    touched: Touched
    widened: int

    @property
    def worth(self) -> tuple[int, int]:
        """The inputs whose changes are proven; among equals, that the fewest rows are touched is better."""
        return sum(not isinstance(queries, str) for queries in self.touched.values()), -self.widened


def _recompute(tree: exp.Query, names: Mapping[int, str], columns: Sequence[ColumnType], keys: exp.Table) -> exp.Select:
    """The rows of a query's result that have one of the keys, under the names of the model's columns."""
    result = "fsbuild_result"
    select = exp.Select(
        expressions=[
            exp.alias_(exp.column(inner.alias_or_name, table=result, quoted=True), column.name, quoted=True)
            for inner, column in zip(tree.selects, columns, strict=True)
        ]
    )
    alias = exp.TableAlias(this=exp.to_identifier(result, quoted=True))
    select.set("from_", exp.From(this=exp.Subquery(this=tree, alias=alias)))
    wanted = {at: exp.column(name, table=result, quoted=True) for at, name in names.items()}
    select.append("joins", semi_join(keys, wanted))
    return select


def _table(relation: Relation) -> exp.Table:
    return exp.Table(
        this=exp.to_identifier(relation.identifier, quoted=True), db=exp.to_identifier(relation.schema, quoted=True)
    )
