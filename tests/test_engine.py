"""The engine stage: types that keep their values in a Delta table, one fixed now, files found below the project."""

from __future__ import annotations

import csv
import datetime as dt
import io
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Literal

import duckdb
import pytest
import yaml
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from fsbuild.engine import Binder, Warehouse
from fsbuild.engine.connection import open_duckdb
from fsbuild.engine.sources import file_states, files_token, local_files, scan, scan_seed
from fsbuild.engine.types import stored_type
from fsbuild.errors import BindError, EngineError, FsbuildError, Place
from fsbuild.load import Overrides, load_project
from fsbuild.pipeline import compile_draft, draft_project
from fsbuild.render import evaluate_text
from fsbuild.store import Lake
from fsbuild.values import Commit, Overwrite, Relation, Source, TableRows, staged_relation
from tests.conftest import Files, write_files
from tests.test_render import MOMENT

Make = Callable[[Files], Path]
NOW = dt.datetime(2024, 2, 29, 23, 59, 58, 123456, tzinfo=dt.UTC)


@pytest.fixture
def warehouse(tmp_path: Path) -> Iterator[Warehouse]:
    opened = Warehouse(tmp_path, {}, NOW)
    yield opened
    opened.close()


# --- types -----------------------------------------------------------------------------------------------------------

# A DuckDB type, what it is stored as, and values that are hard to keep.
TYPES = [
    ("BOOLEAN", "BOOLEAN", ["true", "false"]),
    ("TINYINT", "TINYINT", ["-128", "127"]),
    ("SMALLINT", "SMALLINT", ["-32768", "32767"]),
    ("INTEGER", "INTEGER", ["-2147483648", "2147483647"]),
    ("BIGINT", "BIGINT", ["-9223372036854775808", "9223372036854775807"]),
    ("HUGEINT", "BIGINT", ["-9223372036854775808", "9223372036854775807"]),
    ("UTINYINT", "SMALLINT", ["0", "255"]),
    ("USMALLINT", "INTEGER", ["0", "65535"]),
    ("UINTEGER", "BIGINT", ["0", "4294967295"]),
    ("UBIGINT", "DECIMAL(20,0)", ["0", "18446744073709551615"]),
    ("UHUGEINT", "DECIMAL(38,0)", ["0", "99999999999999999999999999999999999999"]),
    ("FLOAT", "FLOAT", ["'nan'", "'inf'", "'-inf'", "1.5", "-0.0", "3.4028235e38"]),
    ("DOUBLE", "DOUBLE", ["'nan'", "'inf'", "'-inf'", "0.1", "-0.0", "1.7976931348623157e308", "5e-324"]),
    ("DECIMAL(4,1)", "DECIMAL(4,1)", ["-999.9", "999.9", "0"]),
    ("DECIMAL(18,3)", "DECIMAL(18,3)", ["-999999999999999.999", "0.001"]),
    ("DECIMAL(38,10)", "DECIMAL(38,10)", ["9999999999999999999999999999.9999999999"]),
    ("VARCHAR", "VARCHAR", ["''", "'it''s'", "'é😀\u2028'", "chr(10) || chr(9)", "repeat('x', 5000)", "'NULL'"]),
    ("JSON", "VARCHAR", ["'{\"a\": [1, null]}'"]),
    ("BLOB", "BLOB", ["''", "'\\x00\\xFF'"]),
    ("UUID", "VARCHAR", ["'00000000-0000-0000-0000-0000000000ff'"]),
    ("ENUM('a', 'it''s')", "VARCHAR", ["'a'", "'it''s'"]),
    ("DATE", "DATE", ["'0001-01-01'", "'9999-12-31'", "'1969-12-31'"]),
    ("TIMESTAMP", "TIMESTAMP", ["'0001-01-01 00:00:00'", "'9999-12-31 23:59:59.999999'", "'1969-12-31 23:59:59.5'"]),
    ("TIMESTAMP_S", "TIMESTAMP", ["'2024-01-01 01:02:03'"]),
    ("TIMESTAMP_MS", "TIMESTAMP", ["'2024-01-01 01:02:03.456'"]),
    ("TIMESTAMP_NS", "TIMESTAMP", ["'2024-01-01 01:02:03.456789'"]),
    ("TIMESTAMPTZ", "TIMESTAMP WITH TIME ZONE", ["'2024-01-01 01:02:03.456789+02'", "'0001-01-01 00:00:00+00'"]),
    ("INTEGER[]", "INTEGER[]", ["[]", "[1, NULL, 3]"]),
    ("INTEGER[][]", "INTEGER[][]", ["[[1], [], NULL]"]),
    ("UTINYINT[2]", "SMALLINT[]", ["[1, 255]"]),
    ('STRUCT(a INTEGER, "B c" HUGEINT)', 'STRUCT("a" INTEGER, "B c" BIGINT)', ["{'a': 1, 'B c': NULL}"]),
    ("MAP(VARCHAR, UINTEGER)", "MAP(VARCHAR, BIGINT)", ["map {'k': 1, 'l': NULL}", "map {}"]),
    (
        "STRUCT(x MAP(INTEGER, STRUCT(y DATE)[]))",
        'STRUCT("x" MAP(INTEGER, STRUCT("y" DATE)[]))',
        ["{'x': map {1: [{'y': DATE '2024-01-01'}]}}"],
    ),
]
NOT_STORED = [
    *("TIME", "TIMETZ", "INTERVAL", "BIT", "UNION(a INTEGER, b VARCHAR)", "TIME[]", "MAP(VARCHAR, INTERVAL)"),
    "STRUCT(a STRUCT(b TIME))",
]


def values_of(kind: str, values: list[str]) -> str:
    rows = ", ".join(f"({number}, CAST({value} AS {kind}))" for number, value in enumerate([*values, "NULL"]))
    return f"SELECT id, v FROM (VALUES {rows}) AS t(id, v)"


def connect_delta() -> duckdb.DuckDBPyConnection:
    return open_duckdb(Path(), {}, extensions=["delta"])


@pytest.mark.parametrize(("kind", "stored", "values"), TYPES, ids=[kind for kind, _, _ in TYPES])
def test_every_stored_type_keeps_its_values_through_a_delta_table(
    tmp_path: Path, warehouse: Warehouse, kind: str, stored: str, values: list[str]
) -> None:
    query = values_of(kind, values)
    (_, column) = Binder(tmp_path, {}).columns_of(query)
    assert column.stored_type == stored
    cast = f"SELECT id, CAST(v AS {stored}) AS v FROM ({query})"
    warehouse.keep(staged_relation("m"), cast)
    relation, lake = Relation("main", "m"), Lake(str(tmp_path / "lake"), {})
    rows = TableRows(lambda: warehouse.stream(f"SELECT * FROM {staged_relation('m')}"), ("id", "v"), len(values) + 1)
    version = lake.write(Overwrite(), relation, rows, Commit("m", "r", "f", {}, None, len(values) + 1))

    warehouse.bind_table(relation, lake.uri(relation), version)

    assert warehouse.columns(f"SELECT v FROM {relation}")[0].type.replace('"', "") == stored.replace('"', "")
    read = f"SELECT id, v FROM {relation}"
    lost = f"({read} EXCEPT ALL ({cast})) UNION ALL (({cast}) EXCEPT ALL {read})"
    assert warehouse.rows(f"SELECT id, v::VARCHAR AS v FROM ({lost})") == []
    outside = (
        connect_delta().execute(f"SELECT v::VARCHAR FROM delta_scan('{lake.uri(relation)}') ORDER BY id").fetchall()
    )
    assert (
        outside
        == duckdb.connect().execute(f"SET TimeZone = 'UTC'; SELECT v::VARCHAR FROM ({cast}) ORDER BY id").fetchall()
    )


@pytest.mark.parametrize("kind", NOT_STORED)
def test_what_delta_has_no_type_for_is_not_stored(kind: str) -> None:
    assert stored_type(duckdb.connect().sql(f"SELECT NULL::{kind} AS x").types[0]) is None


def test_a_struct_without_names_is_not_stored() -> None:
    assert stored_type(duckdb.connect().sql("SELECT row(1, 2) AS x").types[0]) is None


@pytest.mark.parametrize(
    ("kind", "value"),
    [("HUGEINT", "9223372036854775808"), ("UHUGEINT", "340282366920938463463374607431768211455")],
)
def test_a_number_that_does_not_fit_is_refused(warehouse: Warehouse, kind: str, value: str) -> None:
    stored = stored_type(duckdb.connect().sql(f"SELECT NULL::{kind} AS x").types[0])
    with pytest.raises(EngineError):
        warehouse.keep(staged_relation("m"), f"SELECT CAST({value}::{kind} AS {stored}) AS x")


def test_a_nanosecond_that_does_not_fit_is_refused_and_not_cut_off(make_project: Make, warehouse: Warehouse) -> None:
    sql = "{{ config(materialized='table') }}select TIMESTAMP_NS '2024-01-01 00:00:00.123456789' as x"
    root = make_project({"models/a.sql": sql})
    (model,) = compile_draft(draft_project(root, Overrides(), MOMENT)).models.values()
    with pytest.raises(FsbuildError):
        warehouse.keep(staged_relation("m"), model.select)


# --- now -------------------------------------------------------------------------------------------------------------

CLOCKS = [
    *("now()", "current_timestamp", "get_current_timestamp()", "transaction_timestamp()", "current_date", "today()"),
    *("localtimestamp", "current_localtimestamp()"),
]


@pytest.mark.parametrize("clock", CLOCKS)
def test_now_is_the_start_of_the_run_and_has_the_engines_own_type(
    tmp_path: Path, warehouse: Warehouse, clock: str
) -> None:
    (row,) = warehouse.rows(f"SELECT {clock} AS x, typeof({clock}) AS kind")
    (bound,) = Binder(tmp_path, {}).columns_of(f"SELECT {clock} AS x")
    assert row["kind"] == bound.type
    expected = {"DATE": NOW.date(), "TIMESTAMP": NOW.replace(tzinfo=None)}.get(bound.type, NOW)
    assert row["x"] == expected


def test_the_age_of_a_date_is_counted_from_the_start_of_the_run(warehouse: Warehouse) -> None:
    (row,) = warehouse.rows("SELECT age(TIMESTAMP '2024-02-01')::VARCHAR AS x")
    assert row["x"] == "28 days"


def test_times_are_in_utc_whatever_the_machine_says(warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "America/New_York")
    (row,) = warehouse.rows(
        "SELECT TIMESTAMPTZ '2024-01-01 00:00:00+00'::VARCHAR AS x, current_setting('TimeZone') AS z"
    )
    assert row == {"x": "2024-01-01 00:00:00+00", "z": "UTC"}


def test_a_variable_of_the_program_is_not_a_table(tmp_path: Path) -> None:
    secret = duckdb.sql("select 1 as x").to_arrow_table()
    with pytest.raises(BindError, match="secret"):
        Binder(tmp_path, {}).columns_of("SELECT * FROM secret")
    assert secret.num_rows == 1


# --- binding ---------------------------------------------------------------------------------------------------------


def test_a_binder_knows_what_was_declared_and_forgets_what_was_undeclared(tmp_path: Path) -> None:
    binder, relation = Binder(tmp_path, {}), Relation('odd "schema"', "t a")
    binder.declare(relation, [("id", "BIGINT"), ("odd name", "STRUCT(x DATE)[]")])
    assert [(c.name, c.type) for c in binder.columns_of(f"SELECT * FROM {relation}")] == [
        ("id", "BIGINT"),
        ("odd name", "STRUCT(x DATE)[]"),
    ]
    binder.undeclare(relation)
    with pytest.raises(BindError):
        binder.columns_of(f"SELECT * FROM {relation}")


def test_what_is_hidden_is_there_again_afterwards_whether_it_was_made_before_or_not(tmp_path: Path) -> None:
    binder = Binder(tmp_path, {})
    a, b, c = (Relation("raw", name) for name in ("a", "b x", "c"))
    for relation in (a, b, c):
        binder.declare(relation, [("x", "INTEGER")])
    assert binder.columns_of("SELECT * FROM raw.a")
    for hidden in ((a, b), (a,), (b,), (c,)):
        with binder.hiding(hidden):
            for relation in (a, b, c):
                if relation in hidden:
                    with pytest.raises(BindError):
                        binder.columns_of(f"SELECT * FROM {relation}")
                else:
                    assert binder.columns_of(f"SELECT * FROM {relation}")
    assert len(binder.columns_of(f"SELECT * FROM {a}, {b}, {c}")) == 3


def test_a_table_whose_types_have_no_names_is_its_query(tmp_path: Path) -> None:
    binder = Binder(tmp_path, {})
    binder.declare(Relation("main", "a"), [("x", "INTEGER")])
    binder.declare(Relation("main", "v"), [("r", "STRUCT(INTEGER, INTEGER)")], "SELECT row(x, 1) AS r FROM a")
    binder.declare(Relation("main", "w"), [("r", "STRUCT(INTEGER, INTEGER)")], "SELECT r FROM v")
    assert [column.type for column in binder.columns_of("SELECT r FROM w")] == ["STRUCT(INTEGER, INTEGER)"]
    with binder.hiding([Relation("main", "a")]), pytest.raises(BindError):
        binder.columns_of("SELECT * FROM a")
    assert binder.columns_of("SELECT * FROM a, v, w")


def test_a_table_that_nothing_names_is_suggested_all_the_same(tmp_path: Path) -> None:
    binder = Binder(tmp_path, {})
    binder.declare(Relation("main", "orders"), [("x", "INTEGER")])
    with pytest.raises(BindError, match="orders"):
        binder.columns_of("SELECT * FROM ordrs")


def test_schemas_that_differ_in_case_alone_are_one(tmp_path: Path, warehouse: Warehouse) -> None:
    binder = Binder(tmp_path, {})
    for number, schema in enumerate(("Main", "raw", "RAW")):
        binder.declare(Relation(schema, f"t{number}"), [("x", "INTEGER")])
        warehouse.bind_query(Relation(schema, f"t{number}"), "SELECT 1 AS x")
    assert binder.columns_of('SELECT * FROM raw.t2, "main".t0')
    assert warehouse.rows('SELECT count(*) AS n FROM raw.t2, "main".t0') == [{"n": 1}]


@pytest.mark.parametrize("before", ["", "é", "😀", "ß\n", "€" * 5])
def test_a_position_counts_characters(tmp_path: Path, before: str) -> None:
    sql = f"SELECT '{before}' AS x, nope FROM (SELECT 1 AS a)"
    with pytest.raises(BindError) as caught:
        Binder(tmp_path, {}).columns_of(sql)
    assert caught.value.position == sql.index("nope")


def test_a_query_that_goes_wrong_only_when_it_runs_binds(tmp_path: Path, warehouse: Warehouse) -> None:
    sql = "SELECT CAST('x' AS INTEGER) AS a"
    assert Binder(tmp_path, {}).columns_of(sql)[0].type == "INTEGER"
    with pytest.raises(EngineError, match="Could not convert string 'x' to INT32"):
        warehouse.keep(staged_relation("m"), sql)


def test_a_wrong_setting_is_told(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="setting 'no_such_setting' of the profile"):
        Binder(tmp_path, {"no_such_setting": 1})


# --- sources ---------------------------------------------------------------------------------------------------------


def files_source(location: str) -> Source:
    return Source("s", "raw", "t", "files", location, Relation("raw", "t"), Place("models/s.yml", 3))


@pytest.mark.parametrize(
    ("location", "written"),
    [
        ("data/a.parquet", "read_parquet('data/a.parquet')"),
        ("data/*.CSV", "read_csv('data/*.CSV')"),
        ("a.csv.gz", "read_csv('a.csv.gz')"),
        ("a.ndjson", "read_json('a.ndjson')"),
        ("read_csv('a.txt', delim = '|')", "read_csv('a.txt', delim = '|')"),
        ("it's.csv", "read_csv('it''s.csv')"),
        ("data (1).csv", "read_csv('data (1).csv')"),
        ("range(5)", "range(5)"),
    ],
)
def test_a_source_is_read_by_what_its_name_ends_in(location: str, written: str) -> None:
    assert scan(files_source(location)) == written


@pytest.mark.parametrize(
    ("location", "written"),
    [
        ("read_csv('a.txt', delim = '|')", "read_csv('/p/a.txt', delim = '|')"),
        ("read_parquet(['a.parquet', '/b/*.parquet'])", "read_parquet(['/p/a.parquet', '/b/*.parquet'])"),
        (
            "READ_JSON( [ 'it''s.json' ] , columns = {a: 'INT'})",
            "READ_JSON( [ '/p/it''s.json' ] , columns = {a: 'INT'})",
        ),
        ("sqlite_scan('a.db', 't')", "sqlite_scan('/p/a.db', 't')"),
        ("postgres_scan('host=x', 'main', 't')", "postgres_scan('host=x', 'main', 't')"),
        ("read_csv('https://x/a.csv')", "read_csv('https://x/a.csv')"),
        ("read_csv('a' || '.csv')", "read_csv('a' || '.csv')"),
    ],
)
def test_all_files_of_a_function_are_the_projects(location: str, written: str) -> None:
    assert scan(files_source(location), root=Path("/p")) == written


@pytest.mark.parametrize(
    ("pinned", "asked", "at"), [(None, None, ""), (3, None, ", version => 3"), (3, 4, ", version => 4")]
)
def test_a_delta_source_is_read_at_its_version(pinned: int | None, asked: int | None, at: str) -> None:
    source = Source("s", "raw", "t", "delta", "/x", Relation("raw", "t"), Place("s.yml"), pinned)
    assert scan(source, asked) == f"delta_scan('/x'{at})"


@pytest.mark.parametrize(
    ("location", "names"),
    [
        ("a.csv", ["a.csv"]),
        ("*.csv", ["a.csv", "b.csv"]),
        ("**/*.csv", ["a.csv", "b.csv", "sub/c.csv"]),
        ("read_csv('sub/c.csv')", ["sub/c.csv"]),
        ("read_csv('a.csv', delim='|', columns={'x': 'INT'}, types = list_value('(', ')'))", ["a.csv"]),
        ("read_csv(['a.csv','**/*.csv'], union_by_name=true)", ["a.csv", "b.csv", "sub/c.csv"]),
        ("read_csv(['sub/c.csv', 'b.csv'])", ["b.csv", "sub/c.csv"]),
        ("read_csv(['a.csv', 'https://x/b.csv'])", None),
        ("read_csv('a' || '.csv')", None),
        ("read_csv(list_value('a.csv', 'b.csv'))", None),
        ("read_csv('a.csv'), read_csv('b.csv')", None),
        ("read_csv('a.csv', names = (select x from read_csv('b.csv')))", None),
        ("sqlite_scan('a.csv', 't')", None),
        ("delta_scan('sub')", None),
        ("nope.csv", []),
        ("https://x/a.csv", None),
        ("range(5)", None),
    ],
)
def test_the_files_of_a_source(tmp_path: Path, location: str, names: list[str] | None) -> None:
    write_files(tmp_path, {"a.csv": "x\n1\n", "b.csv": "x\n2\n", "sub/c.csv": "x\n3\n"})
    found = local_files(files_source(location), tmp_path)
    assert (None if found is None else [str(file.relative_to(tmp_path)) for file in found]) == names


def test_a_token_tells_files_apart_by_name_size_and_time(tmp_path: Path) -> None:
    write_files(tmp_path, {"a.csv": "x\n1\n"})
    file = tmp_path / "a.csv"
    first = files_token(file_states([file], tmp_path))
    assert files_token(file_states([file], tmp_path)) == first
    file.write_text("x\n12\n", encoding="utf-8")
    second = files_token(file_states([file], tmp_path))
    assert len({first, second, files_token({})}) == 3


def test_every_file_has_a_state_of_its_own(tmp_path: Path) -> None:
    write_files(tmp_path / "p", {"a.csv": "x\n1\n", "sub/b.csv": "x\n"})
    write_files(tmp_path, {"c.csv": "x\n"})
    files = [tmp_path / "p/a.csv", tmp_path / "p/sub/b.csv", tmp_path / "c.csv"]
    first = file_states(files, tmp_path / "p")
    assert list(first) == ["a.csv", "sub/b.csv", (tmp_path / "c.csv").as_posix()]
    assert first["a.csv"] == f"4-{files[0].stat().st_mtime_ns}"
    files[1].write_text("x\n2\n", encoding="utf-8")
    second = file_states(files, tmp_path / "p")
    assert {name for name in first if first[name] != second[name]} == {"sub/b.csv"}


@pytest.mark.parametrize("folder", ["plain", "with space", "brackets [1]", "a,b", "it's", "ünï", "star*"])
def test_files_are_found_whatever_the_projects_folder_is_called(tmp_path: Path, folder: str) -> None:
    root = tmp_path / folder
    write_files(root, {"data/a.csv": "x\n1\n"})
    source = files_source("data/*.csv")
    assert local_files(source, root) == [root / "data/a.csv"]
    assert [column.name for column in Binder(root, {}).source_columns(source)] == ["x"]


@pytest.mark.parametrize("location", ["data/a.csv", "data/*.csv", "read_csv('data/a.csv')"])
def test_files_are_the_projects_and_not_those_of_the_folder_that_the_command_runs_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, location: str
) -> None:
    root, elsewhere = tmp_path / "project", tmp_path / "elsewhere"
    write_files(root, {"data/a.csv": "mine\n1\n"})
    write_files(elsewhere, {"data/a.csv": "theirs\n1\n"})
    monkeypatch.chdir(elsewhere)
    assert [column.name for column in Binder(root, {}).source_columns(files_source(location))] == ["mine"]


def seed_rows(root: Path, seed_csv: str, columns: Sequence[str]) -> list[dict[str, object]]:
    """Load a seed whose columns are all texts."""
    types = yaml.safe_dump({"name": "shop", "seeds": {"+column_types": dict.fromkeys(columns, "VARCHAR")}})
    write_files(root, {"fsbuild_project.yml": types})
    (root / "seeds").mkdir(exist_ok=True)
    (root / "seeds/s.csv").write_bytes(seed_csv.encode())
    (seed,) = load_project(root, Overrides(), evaluate_text).seeds
    warehouse = Warehouse(root, {}, NOW)
    rows = warehouse.rows(scan_seed(seed, root))
    warehouse.close()
    return rows


fields = st.one_of(
    st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=5),
    st.text(st.sampled_from(" ab01#,;|\t\"'\\\\\n\r"), max_size=6),
)


@given(
    st.integers(1, 3).flatmap(lambda width: st.lists(st.lists(fields, min_size=width, max_size=width), min_size=1)),
    st.sampled_from(["\n", "\r\n"]),
    st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
)
@settings(max_examples=30, deadline=None)
def test_a_seed_has_the_rows_and_texts_that_python_reads(
    tmp_path_factory: pytest.TempPathFactory,
    rows: list[list[str]],
    end: str,
    quoting: Literal[0, 1],
) -> None:
    columns = [f"c{number}" for number in range(len(rows[0]))]
    written = io.StringIO(newline="")
    csv.writer(written, lineterminator=end, quoting=quoting).writerows([columns, *rows])
    assume(list(csv.reader(io.StringIO(written.getvalue(), newline=""))) == [columns, *rows])

    found = seed_rows(tmp_path_factory.mktemp("seed"), written.getvalue(), columns)

    assert [list(row.values()) for row in found] == [[text or None for text in row] for row in rows]


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("id,t\n1,a\n#2,b\n3,c\n", [("1", "a"), ("#2", "b"), ("3", "c")]),
        ("id,t\n# 1,a\n# 2,b\n", [("# 1", "a"), ("# 2", "b")]),
        ('id,t\n,""\n" ", x \n', [(None, None), (" ", " x ")]),
        ("id,t\n\n1,a\n\n", [("1", "a")]),
    ],
    ids=["one number sign", "only number signs", "an empty field is NULL", "empty lines"],
)
def test_no_line_of_a_seed_is_taken_for_anything_but_a_row(
    tmp_path: Path, text: str, rows: list[tuple[str | None, ...]]
) -> None:
    assert [tuple(row.values()) for row in seed_rows(tmp_path, text, ["id", "t"])] == rows
