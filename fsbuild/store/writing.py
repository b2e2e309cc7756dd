"""Rows and how they enter a table in, one Delta commit out.

Nothing is written twice, and nothing becomes visible before its commit. A write that turns out to change nothing leaves
a commit without rows, so that what was consumed is remembered.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fsbuild.store.commits import commit_properties, own_properties, record, upkeep_properties
from fsbuild.store.files import expected_bytes, file_size, schema_of, writer_properties
from fsbuild.store.table import TablePlace, commit_errors
from fsbuild.values import Append, Commit, Overwrite, ReplaceWhere, TableRows, Upsert, Write, quote

if TYPE_CHECKING:
    import pyarrow as pa
    from deltalake import DeltaTable

_CHANGE_FEED = "delta.enableChangeDataFeed"
_FILE_SIZE = "delta.targetFileSize"
# The column that says what is to be done with a row, and never enters a table.
OPERATION = "fsbuild_op"


def write_rows(place: TablePlace, write: Write, rows: TableRows, commit: Commit) -> int:
    """Write rows in one commit; return the table's version then.

    Raises:
        ConflictError: the table is not at the version that the rows were computed for.
        StoreError: Delta refuses the rows.
    """
    match write:
        case Overwrite():
            return _overwrite(place, write, rows, commit)
        case Append():
            return _append(place, write, rows, commit)
        case Upsert():
            return _upsert(place, write, rows, commit)
        case ReplaceWhere():
            return _replace(place, write, rows, commit)


def _overwrite(place: TablePlace, write: Overwrite, rows: TableRows, commit: Commit) -> int:
    from deltalake import write_deltalake

    with commit_errors(place.uri):
        table = place.expected(commit)
        if table is None and place.is_local:
            # From here on the folder is known as ours, also after a crash before the first commit.
            (place.path / "_delta_log").mkdir(parents=True, exist_ok=True)
        wanted = {_CHANGE_FEED: "true"}
        if write.small_files:
            wanted[_FILE_SIZE] = str(file_size(expected_bytes(rows)))
        if table is not None and (changed := wanted.items() - table.metadata().configuration.items()):
            # Of a table that is there, they cannot be set in the same commit.
            table.alter.set_table_properties(dict(changed), commit_properties=upkeep_properties(commit.run_id))
        source = rows.open()
        write_deltalake(
            place.delta_uri if table is None else table,
            source,
            mode="error" if table is None else "overwrite",
            schema_mode=None if table is None else "overwrite",
            partition_by=list(commit.partition_by),
            configuration=wanted if table is None else None,
            description=commit.description or None,
            storage_options=place.options,
            writer_properties=writer_properties(source.schema),
            commit_properties=commit_properties(commit, own_properties(table)),
        )
    return 0 if table is None else int(table.version())


def _append(place: TablePlace, write: Append, rows: TableRows, commit: Commit) -> int:
    from deltalake import write_deltalake

    with commit_errors(place.uri):
        table = place.existing(commit)
        present = _column_names(table)
        brings_columns = write.add_columns and not present.issuperset(rows.columns)
        if rows.count == 0 and not brings_columns:
            return record(place, commit)
        # Delta fills the columns that rows lack only where it may change the schema.
        is_filling = present > set(rows.columns)
        source = rows.open()
        write_deltalake(
            table,
            source,
            mode="append",
            writer_properties=writer_properties(source.schema),
            schema_mode="merge" if brings_columns or is_filling else None,
            commit_properties=commit_properties(commit, own_properties(table)),
        )
        return int(table.version())


def _replace(place: TablePlace, write: ReplaceWhere, rows: TableRows, commit: Commit) -> int:
    from deltalake import write_deltalake

    with commit_errors(place.uri):
        table = place.existing(commit)
        properties = commit_properties(commit, own_properties(table))
        written = writer_properties(schema_of(table))
        if rows.count:
            write_deltalake(
                table,
                rows.open(),
                mode="overwrite",
                predicate=write.predicate,
                writer_properties=written,
                commit_properties=properties,
            )
        else:
            # Unlike an empty overwrite, this makes no commit where nothing matches.
            table.delete(write.predicate, writer_properties=written, commit_properties=properties)
        if table.version() != commit.expected_version:
            return int(table.version())
    return record(place, commit)


def _upsert(place: TablePlace, write: Upsert, rows: TableRows, commit: Commit) -> int:
    with commit_errors(place.uri):
        table = place.existing(commit)
        present = _column_names(table)
        if rows.count:
            _merge(table, write, rows, commit)
            if table.version() != commit.expected_version:
                return int(table.version())
    if write.add_columns and not present.issuperset(rows.columns):
        return _append(place, Append(add_columns=True), _without_rows(rows), commit)
    return record(place, commit)


def _merge(table: DeltaTable, write: Upsert, rows: TableRows, commit: Commit) -> None:
    present, source = _column_names(table), rows.open()
    merger = table.merge(
        source,
        predicate=" AND ".join(_join(write, source.schema)),
        source_alias="s",
        target_alias="t",
        merge_schema=write.add_columns,
        writer_properties=writer_properties([*schema_of(table), *source.schema]),
        commit_properties=commit_properties(commit, own_properties(table)),
    )
    if write.has_ops:
        merger = merger.when_matched_delete(_operation("= 'delete'"))
    if updated := [name for name in rows.columns if name not in write.key]:
        differs = " OR ".join(
            # A column that the table has yet to get cannot be named on its side.
            f"({_column('s', name)} IS DISTINCT FROM {_column('t', name)})"
            if name in present
            else f"({_column('s', name)} IS NOT NULL)"
            for name in updated
        )
        merger = merger.when_matched_update({quote(name): _column("s", name) for name in updated}, differs)
    merger.when_not_matched_insert(
        {quote(name): _column("s", name) for name in rows.columns},
        _operation("<> 'delete'") if write.has_ops else None,
    ).execute()


def _join(write: Upsert, schema: pa.Schema) -> list[str]:
    """Say which rows of the table (t) a row (s) is about."""
    import pyarrow as pa

    on = []
    for name in write.key:
        there, here = _column("t", name), _column("s", name)
        kind = schema.field(name).type
        if pa.types.is_floating(kind):
            # There are many NaN, which are one to DuckDB; deltalake compares their bits.
            nan = f"CAST('NaN' AS {'DOUBLE' if pa.types.is_float64(kind) else 'FLOAT'})"
            there, here = f"nanvl({there}, {nan})", f"nanvl({here}, {nan})"
        # The parentheses are needed: AND would bind tighter.
        on.append(f"({there} IS NOT DISTINCT FROM {here})" if write.has_ops else f"{there} = {here}")
    if write.has_ops:
        on.append(_operation("<> 'insert'"))
    # Literals let Delta skip the files that cannot hold these keys; it derives no such bounds from the source.
    for name, (low, high) in write.literals.items():
        bounds = f"{_column('t', name)} BETWEEN {low} AND {high}"
        on.append(f"({bounds} OR {_column('t', name)} IS NULL)" if write.has_ops and name in write.key else bounds)
    return on + [f"({predicate})" for predicate in write.predicates]


def _column(alias: str, name: str) -> str:
    return f"{alias}.{quote(name)}"


def _operation(comparison: str) -> str:
    return f"{_column('s', OPERATION)} {comparison}"


def _column_names(table: DeltaTable) -> frozenset[str]:
    return frozenset(field.name for field in table.schema().fields)


def _without_rows(rows: TableRows) -> TableRows:
    """The columns alone, without what is to be done with each row."""
    import pyarrow as pa

    def opened() -> pa.RecordBatchReader:
        schema = rows.open().schema
        return pa.RecordBatchReader.from_batches(pa.schema([schema.field(name) for name in rows.columns]), [])

    return TableRows(opened, rows.columns, 0)
