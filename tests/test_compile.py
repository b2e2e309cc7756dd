"""The compile stage: mistakes with their places before any data is touched, and fingerprints that mean something."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from random import Random

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fsbuild.compile import KnownRelation, Seams, compile_models
from fsbuild.compile.text import RESERVED, file_reads, tokenize
from fsbuild.engine import Binder
from fsbuild.errors import CompileError, FsbuildError, Place
from fsbuild.load import Overrides
from fsbuild.pipeline import compile_draft, draft_project
from fsbuild.values import (
    ColumnType,
    CompiledModel,
    Model,
    ModelConfig,
    Relation,
    RenderedModel,
    RenderedSql,
)
from tests.conftest import Files
from tests.test_render import MOMENT

Make = Callable[[Files], Path]
T = KnownRelation(
    "t",
    Relation("main", "t"),
    (ColumnType("a", "INTEGER"), ColumnType("b", "INTEGER"), ColumnType("c", "VARCHAR"), ColumnType("d", "DATE")),
)


def compile_sql(
    sql: str, config: ModelConfig | None = None, *, increment: str | None = None, template: str | None = None
) -> CompiledModel:
    """Compile one table that reads `t`."""

    def rendered_sql(text: str) -> RenderedSql:
        return RenderedSql(text, tuple(range(1, text.count("\n") + 2)))

    model = Model("m", "m", "models/m.sql", template or sql, {}, Place("models/m.sql"))
    rendered = RenderedModel(
        model,
        config or ModelConfig(materialized="table"),
        Relation("main", "m"),
        rendered_sql(sql),
        None if increment is None else rendered_sql(increment),
        ("t",),
    )
    seams = Seams(Binder(Path(), {}), lambda _: "compiled/m.sql", lambda model, _: model)
    (compiled,) = compile_models([rendered], [T], seams)
    return compiled


def told(sql: str, config: ModelConfig | None = None, increment: str | None = None) -> list[str]:
    with pytest.raises(CompileError) as caught:
        compile_sql(sql, config, increment=increment)
    return [str(problem) for problem in caught.value.problems]


def told_of(root: Path) -> list[str]:
    with pytest.raises(FsbuildError) as caught:
        compile_draft(draft_project(root, Overrides(), MOMENT))
    return [str(problem) for problem in caught.value.problems]


def compiled_models(root: Path) -> Mapping[str, CompiledModel]:
    models = compile_draft(draft_project(root, Overrides(), MOMENT)).models
    return {model.rendered.model.name: model for model in models.values()}


# --- fingerprints ----------------------------------------------------------------------------------------------------

# A query word by word: keywords are in capitals, and of the words in a tuple the first one stands there.
WORDS: list[str | tuple[str, str]] = [
    *("WITH", ("q", "r"), "AS", "(", "SELECT", ("a", "b"), "AS", ("x", "y"), ",", "sum", "(", ("b", "a"), ")", "AS"),
    *("n", ",", "coalesce", "(", "min", "(", "c", ")", ",", ("'é x'", "'É x'"), ")", "AS", ('"My-Col"', '"my-col"')),
    *("FROM", "t", "LEFT", "JOIN", "range", "(", ("5", "6"), ")", "AS", "g", "(", "i", ")", "ON", "i", "=", "a"),
    *("WHERE", "a", ("<", ">"), ("1.5", "1.25"), "AND", "NOT", "c", "IS", "NULL", "OR", "d", "=", "DATE"),
    *(
        ("'2024-01-01'", "'2024-01-02'"),
        "GROUP",
        "BY",
        "a",
        ",",
        "b",
        "HAVING",
        "count",
        "(",
        "*",
        ")",
        ">",
        ("0", "1"),
    ),
    *(")", "SELECT", "*", ",", "row_number", "(", ")", "OVER", "(", "PARTITION", "BY", "n", "ORDER", "BY", "n"),
    *("DESC", "NULLS", "LAST", ")", "AS", ("k", "l"), ",", "CASE", "WHEN", "n", "BETWEEN", "1", "AND", ("2", "3")),
    *(
        "THEN",
        ("'-- no'", "'-- nu'"),
        "ELSE",
        "CAST",
        "(",
        "n",
        "AS",
        "VARCHAR",
        ")",
        "END",
        "AS",
        "z",
        ",",
        "CURRENT_DATE",
    ),
    *(
        "AS",
        ("today", "Today"),
        "FROM",
        "PLACEHOLDER",
        "QUALIFY",
        "k",
        "=",
        "1",
        "UNION",
        "ALL",
        "SELECT",
        "*",
        ",",
        "1",
        ",",
        "'z'",
    ),
    *(",", "CURRENT_DATE", "AS", "today", "FROM", "PLACEHOLDER", "ORDER", "BY", "n", "LIMIT", ("9", "8")),
]
CHOICES = [index for index, word in enumerate(WORDS) if isinstance(word, tuple)]
GAPS = [" ", "\n", "\t", "  ", "\r\n", " -- a 'comment'; é\n", " /* a -- comment */ ", "/**/ "]


def query(other: int | None = None) -> list[str]:
    """The query's words, with the other choice at one place."""
    chosen = [word if isinstance(word, str) else word[index == other] for index, word in enumerate(WORDS)]
    names = {"q": "r"} if other is not None and WORDS[other] == ("q", "r") else {}
    if other is not None and WORDS[other] == ("k", "l"):
        chosen = ["l" if word == "k" else word for word in chosen]
    return [names.get("q", "q") if word == "PLACEHOLDER" else word for word in chosen]


@pytest.fixture(scope="module")
def fingerprint() -> str:
    return compile_sql(" ".join(query())).fingerprint


@given(st.randoms(use_true_random=True))
@settings(max_examples=40, deadline=None)
def test_comments_white_space_and_the_case_of_keywords_do_not_count(fingerprint: str, random: Random) -> None:
    text = random.choice(["", *GAPS])
    for word in query():
        change = random.choice([str.upper, str.lower, str.title])
        text += (change(word) if word.isupper() and len(word) > 1 else word) + random.choice(GAPS)
    text += random.choice(["", ";", " ;\n-- end", "-- end", "/* end */;"])
    assert compile_sql(text).fingerprint == fingerprint, text


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("select a from t group by a", "select a from t GROUP\n  BY a"),
        ("select a from t order by a", "select a from t ORDER /* by what? */ BY a"),
        ("select a from t union all select b from t", "select a from t union   all select b from t"),
        ("select current_date as d", "select CURRENT_DATE as d"),
        ("select a from t left join t as u using (a)", "select a from t LEFT\nJOIN t as u using (a)"),
        ("select a from t where c is not null", "select a from t where c IS NOT\tNULL"),
        ("select a from t", "-- a\nselect a from t;"),
        ("select a from t", "SELECT a FROM t -- the end"),
        ("select a+b as n from t", "select a + b as n from t"),
    ],
)
def test_two_ways_to_write_one_query(one: str, other: str) -> None:
    assert compile_sql(one).fingerprint == compile_sql(other).fingerprint


@pytest.mark.parametrize("other", CHOICES, ids=[f"{WORDS[index][0]} to {WORDS[index][1]}" for index in CHOICES])
def test_every_literal_operator_and_name_counts(fingerprint: str, other: int) -> None:
    assert compile_sql(" ".join(query(other))).fingerprint != fingerprint


texts = st.text(st.characters(codec="utf-8", exclude_characters="\x00", exclude_categories=["Cs"]), max_size=6)


@given(texts, texts)
@settings(max_examples=60, deadline=None)
def test_two_strings_have_one_fingerprint_only_if_they_are_the_same(one: str, other: str) -> None:
    first, second = (
        compile_sql(
            "select '" + text.replace("'", "''") + "' as x from t -- " + text.replace("\n", " ").replace("\r", " ")
        )
        for text in (one, other)
    )
    assert (first.fingerprint == second.fingerprint) == (one == other)


@pytest.mark.parametrize(
    ("config", "counts"),
    [
        (
            ModelConfig(materialized="table", description="x", tags=("a",), meta={"a": 1}, owner="me", ttl="1 day"),
            False,
        ),
        (ModelConfig(materialized="table", partition_by=("a",)), True),
        (ModelConfig(materialized="incremental"), True),
        (ModelConfig(materialized="incremental", unique_key=("a",)), True),
        (ModelConfig(materialized="view"), True),
    ],
)
def test_configuration_counts_where_it_changes_the_table(config: ModelConfig, counts: bool) -> None:  # noqa: FBT001
    sql = "select a, b from t"
    assert (compile_sql(sql).fingerprint != compile_sql(sql, config).fingerprint) is counts


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("from (unpivot (select 1 as a, 2 as b) on a, b)", "from (unpivot (select 1 as A, 2 as b) on a, b)"),
        ("select {a: 1}::varchar as x", "select {A: 1}::varchar as x"),
        ("select {date: 1}::varchar as x", "select {Date: 1}::varchar as x"),
        ("select struct_pack(date := 1)::varchar as x", "select struct_pack(Date := 1)::varchar as x"),
        ("select q::varchar as x from (select 1 as end) as q", "select q::varchar as x from (select 1 as End) as q"),
        ("select q::varchar as x from (select 1 date) as q", "select q::varchar as x from (select 1 Date) as q"),
        (
            "with q(a) as (select 1) select q::varchar as x from q",
            "with q(A) as (select 1) select q::varchar as x from q",
        ),
    ],
)
def test_the_case_of_a_name_counts_where_it_becomes_data(one: str, other: str) -> None:
    rows = [duckdb.connect().execute(sql).fetchall() for sql in (one, other)]
    assert rows[0] != rows[1]
    assert compile_sql(one).fingerprint != compile_sql(other).fingerprint


def test_a_word_that_counts_as_a_keyword_is_one_to_the_engine_everywhere() -> None:
    kinds = "select upper(keyword_name) from duckdb_keywords() where keyword_category in ('reserved', 'type_function')"
    assert {(word,) for word in RESERVED} <= {*duckdb.connect().execute(kinds).fetchall()}


def test_names_that_only_look_alike_count() -> None:
    one, other = (compile_sql(f"select {name} as x from (select 1 as ß, 2 as ss) as u") for name in ("ß", "ss"))
    assert one.fingerprint != other.fingerprint


def test_the_increment_counts_too() -> None:
    config = ModelConfig(materialized="incremental")
    one, other = (compile_sql("select a from t", config, increment=f"select a from t where a > {n}") for n in (1, 2))
    assert one.increment_fingerprint != other.increment_fingerprint
    assert one.fingerprint == other.fingerprint, "the history of a table is not lost for another increment"


# --- what is run -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "end", ["", ";", "; ;", "\n;\n", " -- end", "; -- end", " /* end */", "\n-- {end} ; '", "; /* ; */ ;"]
)
@pytest.mark.parametrize("kind", ["table", "view"])
def test_trailing_semicolons_and_comments_do_not_matter(kind: str, end: str) -> None:
    config = ModelConfig(materialized="table" if kind == "table" else "view")
    compiled = compile_sql("-- é\nselect 'a;b' as x, 1::ubigint as n" + end, config)
    rows = duckdb.connect().execute(f"select * from (\n{compiled.select}\n)").fetchall()
    assert rows == [("a;b", 1)]


def test_a_table_is_cast_to_the_types_that_it_is_stored_in_and_a_view_is_not() -> None:
    sql = "select sum(a) as n, '00000000-0000-0000-0000-000000000001'::uuid as u from t"
    table, view = compile_sql(sql), compile_sql(sql, ModelConfig(materialized="view"))
    assert table.columns == (ColumnType("n", "BIGINT"), ColumnType("u", "VARCHAR"))
    assert view.columns == (ColumnType("n", "HUGEINT"), ColumnType("u", "UUID"))
    assert view.select == sql


@pytest.mark.parametrize(
    ("sql", "names"),
    [
        ("select now() as x", ("now",)),
        ("select current_date as x, CURRENT_TIMESTAMP as y", ("current_date", "current_timestamp")),
        ("select Random() as x", ("random",)),
        ("select uuid() as x, gen_random_uuid() as y", ("gen_random_uuid", "uuid")),
        ("select age(d) as x from t", ("age",)),
        ("select 'now()' as x, 1 as random -- now()", ()),
        ("select a as now from t", ()),
        ("select d from t where d < today()", ("today",)),
    ],
)
def test_functions_that_depend_on_the_moment_are_seen(sql: str, names: tuple[str, ...]) -> None:
    assert compile_sql(sql, ModelConfig(materialized="view")).volatile == names


@pytest.mark.parametrize(
    ("sql", "names"),
    [
        ("select * from read_csv('{}/a.csv')", ("read_csv",)),
        ("select * from Read_CSV_auto(['{}/a.csv'])", ("read_csv_auto",)),
        ("select * from glob('{}/*'), t", ("glob",)),
        ("select content from t, read_text('{}/a.csv')", ("read_text",)),
        ("select * from '{}/a.csv'", ("'{}/a.csv'",)),
        ('select a from t join "{}/a.csv" as f using (a)', ("'{}/a.csv'",)),
        ("select t.a from t, '{}/a.csv' as f", ("'{}/a.csv'",)),
        ("select * from t where a in (select a from '{}/a.csv')", ("'{}/a.csv'",)),
        ("select a from t where c in ('x.csv', 'y.csv') and c is distinct from 'z.csv'", ()),
        ("select c glob ('a*.csv') as \"x.csv\", 'read_csv(' as y from t", ()),
        ("select 1 as read_csv, 'a.csv' as b, 'b.csv' from t", ()),
    ],
)
def test_files_that_a_query_reads_by_itself_are_seen(tmp_path: Path, sql: str, names: tuple[str, ...]) -> None:
    (tmp_path / "a.csv").write_text("a\n1\n", encoding="utf-8")
    compiled = compile_sql(sql.replace("{}", str(tmp_path)), ModelConfig(materialized="view"))
    assert compiled.file_reads == tuple(name.replace("{}", str(tmp_path)) for name in names)
    assert compiled.volatile == ()


def test_files_that_only_an_increment_reads_are_seen(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("a\n1\n", encoding="utf-8")
    config = ModelConfig(materialized="incremental")
    increment = f"select t.a from t, read_csv('{tmp_path}/a.csv')"
    assert compile_sql("select a from t", config, increment=increment).file_reads == ("read_csv",)


def test_every_function_of_the_engine_that_reads_files_is_known() -> None:
    tables = "select distinct function_name from duckdb_functions() where function_type = 'table'"
    names = {name for (name,) in duckdb.connect().execute(tables).fetchall()}
    files = {n for n in names if n.startswith(("read_", "parquet_", "sniff_")) or n.endswith("glob")}
    for name in files - {"parquet_bloom_probe"}:
        assert file_reads(tokenize(f"select * from {name}('x')")) == (name,)


def test_every_function_that_the_engine_calls_volatile_is_known() -> None:
    # What is left out tells about the session or steers it; it is not a value that a table would hold.
    session = {"current_connection_id", "current_query", "current_query_id", "current_transaction_id", "currval"}
    session |= {"error", "getvariable", "setseed", "sleep_ms", "stats", "write_log"}
    volatile = (
        duckdb.connect()
        .execute(
            "select distinct function_name from duckdb_functions()"
            " where stability = 'VOLATILE' and function_type = 'scalar'"
        )
        .fetchall()
    )
    assert {name for (name,) in volatile} - session <= Binder.volatile_functions


# --- mistakes --------------------------------------------------------------------------------------------------------


def test_an_unknown_column_is_told_with_its_place_and_the_nearest_one() -> None:
    assert told("select\n  a,\n  cc\nfrom t where a > 0") == [
        (
            'models/m.sql:3:3: Referenced column "cc" not found in FROM clause!\n'
            "  3 |   cc\n"
            "    |   ^\n"
            "  compiled: compiled/m.sql:3:3\n"
            "  hint: did you mean 'c'?"
        )
    ]


columns = st.sampled_from(
    ["a", "b", "nope1", "nope2", "t.nope3", "t.a", "'é'", "'ß € x'", '"no such"', '"ü"', "/* é */ a"]
)


@given(st.lists(columns, min_size=1, max_size=5), st.sampled_from(["", "where nope4 > 1", "order by nope5"]))
@settings(max_examples=60, deadline=None)
def test_every_unknown_column_is_told_once_where_it_is_and_nothing_else(names: list[str], rest: str) -> None:
    lines = [
        "select",
        *(f"  {name} as x{number}," for number, name in enumerate(names)),
        "  1 as one",
        f"from t {rest}",
    ]
    expected = [(number, line.index(name)) for number, line in enumerate(lines) for name in UNKNOWN if name in line]
    if not expected:
        assert compile_sql("\n".join(lines)).columns
        return

    found = told("\n".join(lines))

    assert [tuple(map(int, line.split(": ")[0].split(":")[1:])) for line in found] == [
        (number + 1, column + 1) for number, column in expected
    ]


UNKNOWN = ["nope1", "nope2", "t.nope3", "nope4", "nope5", '"no such"', '"ü"']


@pytest.mark.parametrize(
    "expression",
    [
        *("date_trunc('day', nope)", "extract(year from nope)", "nope['key']", "sum(nope)", "nope::date - d", "-nope"),
        *("nope || 'a'", "strftime(nope, '%Y')", "list_sum(nope)", "a in (nope, 1)", "nope.field", "t.nope.field"),
        *("max(nope) over (partition by nope order by nope)", "case when nope then 1 end", "(select nope)"),
        *("nope between 1 and 2", "nope + nope", "regexp_matches(nope, 'x')", "date_diff('day', nope, d)", "nope[1]"),
    ],
)
def test_an_unknown_column_brings_no_further_mistakes_with_it(expression: str) -> None:
    for line in told(f"select {expression} as x from t"):
        assert "nope" in line.splitlines()[0], line


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("", "models/m.sql: the model has no SQL"),
        ("-- nothing", "models/m.sql: the model has no SQL"),
        ("select 1 as a; select 2 as a", "models/m.sql: a model is one SELECT statement, and this is more than one"),
        ("create table x (a int)", "models/m.sql: a model is a SELECT statement, and this is CREATE"),
        ("select a\nfrom t\nwhere and a", 'models/m.sql:3:7: syntax error at or near "and"'),
        ("select a\nfrom tt", "models/m.sql:2:6: Table with name tt does not exist!"),
        ("select abs(c) as x\nfrom t", "models/m.sql:1:8: No function matches"),
        ("select x.a from t", 'models/m.sql:1:8: Referenced table "x" not found!'),
        ("select 'é' as e,\n  'ü' as u, nope\nfrom t", "models/m.sql:2:13: Referenced column"),
        ("select 'é' as nope1, nope\nfrom t", "models/m.sql:1:22: Referenced column"),
        ("select $1 as x", "models/m.sql"),
        ("select ? as x", "models/m.sql"),
        ("-- why\nsummarize t", "models/m.sql:2:1: a model is a SELECT statement, and this is SUMMARIZE"),
        ("DESCRIBE t", "models/m.sql:1:1: a model is a SELECT statement, and this is DESCRIBE"),
        ("desc select 1", "models/m.sql:1:1: a model is a SELECT statement, and this is DESC"),
        ("show tables", "models/m.sql:1:1: a model is a SELECT statement, and this is SHOW"),
        ("select * from 'nope.parquet'", "models/m.sql"),
        ("select * from read_csv('nope.csv')", "models/m.sql"),
    ],
)
def test_a_mistake_in_sql_is_told_at_its_place(sql: str, message: str) -> None:
    (line,) = told(sql)
    assert line.startswith(message)


@pytest.mark.parametrize(
    ("sql", "config", "message"),
    [
        ("select interval 1 day as x", {}, "column 'x' is INTERVAL, a type that Delta tables do not have"),
        ("select time '12:00' as x", {}, "column 'x' is TIME, a type that Delta tables do not have"),
        ("select row(1, 2) as x", {}, "column 'x' is STRUCT(INTEGER, INTEGER), a type that Delta tables do not have"),
        ("select 1 as x, 2 as X", {}, "two columns are named 'X'"),
        ("select a + 1 from t", {}, "column '(a + 1)' has no usable name"),
        ("select a from t", {"unique_key": ("id",)}, "unique_key column 'id' is not a column of the model"),
        ("select a, b from t", {"partition_by": ("B", "a")}, "partition_by names every column of the model"),
        ("select a from t", {"partition_by": ("id",)}, "partition_by column 'id' is not a column of the model"),
        (
            "select a from t",
            {"materialized": "incremental", "incremental_strategy": "merge"},
            "incremental_strategy 'merge' needs a unique_key",
        ),
    ],
)
def test_what_a_table_cannot_hold_is_told(sql: str, config: dict[str, object], message: str) -> None:
    (line,) = told(sql, ModelConfig(**{"materialized": "table", **config}))  # type: ignore[arg-type]
    assert line.startswith(f"models/m.sql: {message}")


@pytest.mark.parametrize(
    ("increment", "detail"),
    [
        ("select a, b, c from t", "only in the increment: c VARCHAR"),
        ("select a, c as b from t", "only in the increment: b VARCHAR"),
        ("select b, a from t", "only in the increment: the order"),
        ("select a from t", "only in the increment: the order"),
        ("select a, b::hugeint as b from t", "only in the increment: b BIGINT"),
    ],
)
def test_an_increment_has_the_columns_of_a_full_refresh(increment: str, detail: str) -> None:
    (line,) = told("select a, b from t", ModelConfig(materialized="incremental"), increment)
    assert line.startswith(
        "models/m.sql: an increment (is_incremental() is true) has other columns than a full refresh"
    )
    assert detail in line


def test_an_increment_reads_its_own_table_and_is_checked_against_it() -> None:
    config = ModelConfig(materialized="incremental")
    compiled = compile_sql("select a from t", config, increment="select a from t where a > (select max(a) from main.m)")
    assert compiled.incremental_select is not None
    (line,) = told("select a from t", config, "select a from t where a > (select max(bb) from main.m)")
    assert 'Referenced column "bb" not found' in line


# --- projects --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("view", "columns"),
    [
        ("select 1 as a, 'x' as b", ["INTEGER", "VARCHAR"]),
        ("select null as a", ["INTEGER"]),
        ("select {'x': [1::utinyint]} as a, map {'k': 1} as m", ['STRUCT("x" SMALLINT[])', "MAP(VARCHAR, INTEGER)"]),
        ("select 'a'::enum('a', 'it''s') as e, '[1]'::json as j", ["VARCHAR", "VARCHAR"]),
        ("select 1::decimal(4,1) as d, [1, 2]::integer[2] as l", ["DECIMAL(4,1)", "INTEGER[]"]),
        ('select 1 as "a b"', None),
    ],
)
def test_types_come_through_views(make_project: Make, view: str, columns: list[str] | None) -> None:
    star = "*" if columns else '"a b" as a'
    files = {
        "models/v.sql": view,
        "models/a.sql": f"{{{{ config(materialized='table') }}}}select {star} from {{{{ ref('v') }}}}",
    }
    found = compiled_models(make_project(files))["a"].columns
    assert [column.type for column in found] == (columns or ["INTEGER"])


def test_the_second_of_two_columns_of_one_name_is_numbered_in_a_view_as_duckdb_does(make_project: Make) -> None:
    models = compiled_models(make_project({"models/v.sql": "select 1 as a, 2 as a", "models/w.sql": "select 1 as x"}))
    assert [column.name for column in models["v"].columns] == ["a", "a_1"]


def test_a_view_with_an_unnamed_struct_can_be_read(make_project: Make) -> None:
    files = {
        "models/v.sql": "select row(1, 'x') as r",
        "models/a.sql": "{{ config(materialized='table') }}select r[1] as x from {{ ref('v') }}",
    }
    assert [column.type for column in compiled_models(make_project(files))["a"].columns] == ["INTEGER"]


def test_all_mistakes_of_a_project_are_told_at_once_and_none_that_only_follows(make_project: Make) -> None:
    files = {
        "seeds/s.csv": "id\n1\n",
        "models/a.sql": "select nope1 as x, id from {{ ref('s') }}",
        "models/b.sql": "select x, nope2 from {{ ref('a') }}",
        "models/c.sql": "select from where",
        "models/d.sql": "select anything from {{ ref('c') }}",
        "models/m.yml": "models:\n  - name: a\n    columns:\n      - name: idd\n",
        "models/s.yml": "sources:\n  - name: raw\n    tables:\n      - {name: t, meta: {external_location: no.csv}}\n",
        "models/e.sql": "select * from {{ source('raw', 't') }}",
    }
    found = [line.split(": ")[0] for line in told_of(make_project(files))]
    assert found[:2] == ["models/a.sql:1:8", "models/c.sql:1:8"] or len(found) >= 3
    assert any(line.startswith("models/s.yml:4") for line in found)
    assert not any(line.startswith(("models/d.sql", "models/e.sql")) for line in found)


@pytest.mark.parametrize("config", ["config(enabled=false)", "config()"])
def test_a_check_that_refers_to_a_disabled_node_is_told(make_project: Make, config: str) -> None:
    to = "models:\n  - name: a\n    columns:\n      - name: id\n        data_tests:\n"
    files = {
        "models/a.sql": "select 1 as id",
        "models/b.sql": f"{{{{ {config} }}}}select 1 as id",
        "seeds/s.csv": "id\n1\n",
        "models/m.yml": to
        + "          - relationships: {to: ref('b'), field: id}\n"
        + "          - relationships: {to: ref('s'), field: id}\n",
        "seeds/s.yml": f"seeds:\n  - name: s\n    config: {{enabled: {'false' not in config}}}\n",
    }
    root = make_project(files)
    if "false" not in config:
        assert compiled_models(root).keys() == {"a", "b"}
        return
    assert told_of(root) == [
        f"models/m.yml:{line}: 'relationships' refers to '{name}', which is disabled\n"
        "  hint: enable it, or take the test out"
        for line, name in ((6, "b"), (7, "s"))
    ]


def test_a_model_that_is_read_without_ref_is_told_at_its_place(make_project: Make) -> None:
    files = {
        "seeds/s.csv": "id\n1\n",
        "in.csv": "id\n1\n",
        "models/s.yml": "sources: [{name: raw, tables: [{name: t, meta: {external_location: in.csv}}]}]",
        "models/a.sql": "select * from {{ ref('s') }}",
        "models/b.sql": "{{ config(schema='x', alias='c') }}select * from {{ source('raw', 't') }}",
        "models/d.sql": """select s.id
from main.A
join "main_x".c using (id), {{ ref("s") }} as s
join raw.t as y using (id)""",
        "models/e.sql": "select * from main.f",
        "models/f.sql": "select id from {{ ref('a') }}",
    }
    found = [(line.splitlines()[0], line.rpartition("hint: ")[2]) for line in told_of(make_project(files))]
    assert found == [
        (f"models/{place}", f"write {{{{ {call} }}}}, so that it is there before this model runs")
        for place, call in (
            ("d.sql:2:6: reads main.a without ref()", "ref('a')"),
            ("d.sql:3:6: reads main_x.c without ref()", "ref('b')"),
            ("d.sql:4:6: reads raw.t without source()", "source('raw', 't')"),
            ("e.sql:1:15: reads main.f without ref()", "ref('f')"),
        )
    ]


@pytest.mark.parametrize(
    "sql",
    [
        "with a as (select 1 as id) select id from a",
        "select 1 as a, 'a' as b, x.a as c from (select 2 as a) as x",
        "select a.id from {{ ref('s') }} as a",
        'with s as (select id as "a" from {{ ref("s") }}) select a from s',
    ],
)
def test_a_word_that_is_also_the_name_of_a_model_reads_nothing(make_project: Make, sql: str) -> None:
    files = {"seeds/s.csv": "id\n1\n", "models/a.sql": "select row(1) as r", "models/b.sql": sql}
    assert compiled_models(make_project(files)).keys() == {"a", "b"}


def test_an_increment_reads_no_model_without_ref(make_project: Make) -> None:
    sql = "select 1 as id {% if is_incremental() %}from main.a, {{ this }}{% endif %}"
    sql = "{{ config(materialized='incremental') }}" + sql
    (line,) = told_of(make_project({"models/a.sql": "select 1 as id", "models/b.sql": sql}))
    assert "reads main.a without ref()" in line


def test_a_mistake_in_a_macro_s_output_is_told_at_the_line_of_the_model(make_project: Make) -> None:
    files = {
        "seeds/s.csv": "id\n1\n",
        "macros/m.sql": "{% macro cols() %}\nid,\nnope\n{% endmacro %}",
        "models/a.sql": "-- first\nselect\n  {{ cols() }}\nfrom {{ ref('s') }}",
    }
    (line,) = told_of(make_project(files))
    assert line.startswith("models/a.sql:3")
    assert "compiled: target/compiled/shop/models/a.sql:5:1" in line
