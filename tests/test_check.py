"""Checks over real DuckDB rows: what a person writes in YAML, what it says of the rows, and that it is always right."""

from __future__ import annotations

import math
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import duckdb
import pandera.polars as pa
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pandera.errors import SchemaErrors

from fsbuild.check import CHECKS, failing_rows, problems_of, run_checks, warm_up
from fsbuild.errors import EngineError, Place, Problem
from fsbuild.values import Check, CheckResult, ColumnType, StagedRows, quote

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

# FSBUILD_EXAMPLES multiplies the number of examples, for a search at length.
BUDGET = int(os.environ.get("FSBUILD_EXAMPLES", "1"))
PLACE = Place("models/m.yml", 7)
COLUMNS = (ColumnType("id", "BIGINT"), ColumnType("carrier", "VARCHAR"), ColumnType("at", "TIMESTAMP"))


def check(name: str, column: str | None = "x", /, **arguments: object) -> Check:
    return Check(name, column, arguments, PLACE)


def staged(sql: str, *, key: Sequence[str] = (), batch: int = 2048) -> StagedRows:
    """Make a table of the query's rows in a database of its own, beside a parent `p(k)` of 1, 2 and NULL."""
    con = duckdb.connect()
    con.execute("SET TimeZone = 'America/New_York'")
    con.execute(f"CREATE TABLE staged AS {sql}")
    con.execute("CREATE TABLE p AS SELECT unnest([1, 2, NULL]) AS k")

    def stream(sql: str) -> Iterable[Any]:
        reader: Iterable[Any] = con.sql(sql).to_arrow_reader(batch)
        return reader

    def query(sql: str) -> list[dict[str, object]]:
        try:
            result = con.sql(sql)
        except duckdb.Error as exc:
            raise EngineError(Problem(str(exc))) from exc
        return [dict(zip(result.columns, row, strict=True)) for row in result.fetchall()]

    described = con.sql("SELECT * FROM staged")
    types = [ColumnType(n, str(t)) for n, t in zip(described.columns, described.types, strict=True)]
    return StagedRows("staged", "staged", types, stream, query, {"model.p": "p"}.__getitem__, key)


def run(one: Check, sql: str, *, key: Sequence[str] = ()) -> CheckResult:
    (result,) = run_checks([one], staged(sql, key=key))
    return result


# --- before anything runs --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "message", "hint"),
    [
        (check("not_nul", "id"), "unknown check 'not_nul'", "did you mean 'not_null'?"),
        (check("in_rnge", "id"), "unknown check 'in_rnge'", "did you mean 'in_range'?"),
        (check("not_null", "idd"), "not_null is about the unknown column 'idd'", "did you mean 'id'?"),
        (check("not_null", None), "not_null is about a column", "write it under the column's name"),
        (check("not_null", "id", a=1), "not_null has no argument 'a'", "it takes none"),
        (
            check("greater_than", "id", minvalue=1, min_value=1),
            "greater_than has no argument 'minvalue'",
            "did you mean 'min_value'?",
        ),
        (check("in_range", "id", min_value=1), "in_range needs the argument 'max_value'", None),
        (
            check("str_matches", "id", pattern="a"),
            "str_matches does not fit the column 'id' of type BIGINT",
            None,
        ),
        (check("gt", "id", min_value="many"), "gt: min_value: 'many' is not of type BIGINT", None),
        (check("gt", "at", min_value="soon"), "gt: min_value: 'soon' is not of type TIMESTAMP", None),
        (check("isin", "carrier", allowed_values="AA"), "isin: allowed_values: 'AA' is not a list", None),
        (
            check("accepted_values", "carrier", values=["yes", False]),
            "accepted_values: values: False is not of type VARCHAR; if text was meant, quote it in the YAML",
            None,
        ),
        (
            check("accepted_values", "carrier", values=["AA", None]),
            "accepted_values: values: NULL compares with nothing; leave it out, NULLs pass every check but not_null",
            None,
        ),
        (check("eq", "carrier", value=["a"]), "eq: value: ['a'] is not of type VARCHAR", None),
        (check("in_range", "id", min_value=2, max_value=1), "in_range: no value lies between 2 and 1", None),
        (
            check("in_range", "id", min_value=1, max_value=1, include_max=False),
            "in_range: no value lies between 1 and 1",
            None,
        ),
        (
            check("in_range", "id", min_value=1, max_value=2, include_max="no"),
            "in_range: include_max: 'no' is not true or false",
            None,
        ),
        (
            check("str_length", "carrier"),
            "str_length: give either exact_value, or min_value, max_value or both",
            None,
        ),
        (check("str_length", "carrier", max_value="2"), "str_length: max_value: '2' is not a whole number", None),
        (
            check("str_contains", "carrier", pattern="("),
            "str_contains: pattern: '(' is not a regular expression: ",
            None,
        ),
        (check("unique", None), "unique is about a column", "write it under the column's name"),
        (
            check("unique", None, columns=["id", "att"]),
            "unique is about the unknown column 'att'",
            "did you mean 'at'?",
        ),
        (
            check("unique", "id", columns=["id"]),
            "unique names `columns` under the column 'id'",
            "write it under the node instead",
        ),
        (check("relationships", "id", to="model.p"), "relationships needs the argument 'field'", None),
    ],
)
def test_a_check_that_cannot_mean_anything_is_named_with_its_place(one: Check, message: str, hint: str | None) -> None:
    (problem,) = problems_of([one], COLUMNS)
    assert problem.message.startswith(message)
    assert (problem.place, problem.hint) == (PLACE, hint)


def test_all_problems_come_at_once_and_good_checks_have_none() -> None:
    good = [check("NOT_NULL".lower(), "ID"), check("gt", "at", min_value="2013-01-01"), check("unique", "carrier")]
    bad = [check("nope", "id"), check("eq", "id"), check("lt", "idx", max_value=1)]
    assert problems_of(good, COLUMNS) == ()
    assert len(problems_of([*good, *bad], COLUMNS)) == 3


def test_unknown_columns_leave_only_names_and_arguments_to_judge() -> None:
    assert problems_of([check("str_matches", "anything", pattern="a")], ()) == ()
    assert len(problems_of([check("in_range", "anything", min_value=[1], max_value=2)], ())) == 1
    assert len(problems_of([check("in_range", "anything", min_value="a", max_value=2)], ())) == 1


def test_the_table_of_checks_holds_every_pandera_check_that_has_a_meaning_for_sql_rows() -> None:
    theirs = {name for name in pa.Check.REGISTERED_CUSTOM_CHECKS if not name.startswith("_")}
    known = {theirs for one in CHECKS.values() for theirs in (one.pandera, one.name)}
    assert theirs <= known
    assert all(one.doc.endswith(".") for one in CHECKS.values())


def test_neither_importing_nor_judging_nor_table_checks_import_pandera() -> None:
    code = (
        "import sys; import fsbuild.check as c; from fsbuild.values import *; from fsbuild.errors import Place\n"
        "u = Check('unique', 'x', {}, Place('a')); cols = [ColumnType('x', 'BIGINT')]\n"
        "assert not c.problems_of([u, Check('gt', 'x', {'min_value': 1}, Place('a'))], cols)\n"
        "rows = StagedRows('t', 't', cols, None, lambda sql: [{'total': 0, 'failures': 0}], None)\n"
        "assert [r.status for r in c.run_checks([u], rows)] == ['pass']\n"
        "print({'pandera', 'polars', 'duckdb', 'pyarrow'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


# --- what a person sees ----------------------------------------------------------------------------------------------

FLIGHTS = "SELECT * FROM (VALUES (1, 'AA', 5), (2, 'UA', -3), (3, NULL, NULL), (4, 'XX', 900)) AS t(id, x, delay)"


def test_a_failing_check_counts_the_rows_and_shows_some_with_their_key() -> None:
    result = run(check("accepted_values", values=["AA", "UA"], quote=True), FLIGHTS, key=["id"])
    assert (result.status, result.failures, result.rows) == ("fail", 1, 4)
    assert result.sample == ({"id": 4, "x": "XX"},)
    result = run(check("not_null"), FLIGHTS, key=["id"])
    assert (result.status, result.failures, result.sample) == ("fail", 1, ({"id": 3, "x": None},))


def test_severity_warn_warns() -> None:
    result = run(Check("in_range", "delay", {"min_value": 0, "max_value": 60}, PLACE, "warn"), FLIGHTS)
    assert (result.status, result.failures) == ("warn", 2)
    assert result.sample == ({"delay": -3}, {"delay": 900})


def test_results_come_in_the_order_of_the_checks() -> None:
    checks = [
        check("unique", "id"),
        check("not_null", "delay"),
        check("gt", "delay", min_value=0),
        check("lt", "delay", max_value=100),
        check("relationships", "id", to="model.p", field="k"),
        check("not_null", "delay"),
    ]
    results = run_checks(checks, staged(FLIGHTS))
    assert [r.check for r in results] == checks
    assert [r.failures for r in results] == [0, 1, 1, 1, 2, 1]


def test_a_sample_has_at_most_five_rows_and_the_count_is_exact_over_many_batches() -> None:
    rows = staged("SELECT range AS x FROM range(200000)", batch=3000)
    results = run_checks([check("lt", max_value=100_000), check("ne", value=7), check("unique")], rows)
    assert [(r.failures, r.rows) for r in results] == [(100_000, 200_000), (1, 200_000), (0, 200_000)]
    assert [row["x"] for row in results[0].sample] == [100_000, 100_001, 100_002, 100_003, 100_004]


def test_unique_counts_all_rows_of_a_repeated_value_and_ignores_nulls() -> None:
    sql = "SELECT * FROM (VALUES (1, 'a'), (2, 'a'), (3, 'b'), (4, NULL), (5, NULL)) AS t(id, x)"
    result = run(check("unique"), sql, key=["id"])
    assert (result.failures, result.rows) == (2, 5)
    assert result.sample == ({"id": 1, "x": "a", "occurrences": 2}, {"id": 2, "x": "a", "occurrences": 2})


def test_unique_on_several_columns() -> None:
    sql = "SELECT * FROM (VALUES (1, 'a'), (1, 'a'), (1, 'b'), (2, 'a'), (1, NULL), (1, NULL)) AS t(id, x)"
    result = run(check("unique", None, columns=["ID", "x"]), sql)
    assert (result.failures, result.sample[0]) == (2, {"id": 1, "x": "a", "occurrences": 2})


def test_names_are_equal_without_regard_to_case() -> None:
    rows = staged("SELECT 1 AS Id, 5 AS X", key=["ID"])
    results = run_checks([check("lt", max_value=1), check("unique_values_eq", values=[5, "0.0000001"])], rows)
    assert [r.sample for r in results] == [({"Id": 1, "X": 5},), ()]
    assert results[1].message == "missing values: 0.0000001"


def test_relationships_show_the_orphans() -> None:
    sql = "SELECT * FROM (VALUES (10, 1), (20, 3), (30, NULL)) AS t(id, k)"
    result = run(check("relationships", "k", to="model.p", field="k"), sql, key=["id"])
    assert (result.status, result.failures, result.sample) == ("fail", 1, ({"id": 20, "k": 3},))


@pytest.mark.parametrize("field", ["nope", "x"])
def test_a_reference_to_a_column_that_is_not_there_is_an_error(field: str) -> None:
    result = run(check("relationships", "x", to="model.p", field=field), "SELECT 1 AS x")
    assert result.status == "error"
    assert f'"{field}" not found' in result.message


def test_unique_values_eq_counts_other_values_and_names_missing_ones() -> None:
    sql = "SELECT unnest(['a', 'a', 'z', NULL]) AS x"
    assert run(check("unique_values_eq", values=["a", "z"]), sql).status == "pass"
    result = run(check("unique_values_eq", values=["a", "it's"]), sql)
    assert (result.failures, result.sample, result.message) == (2, ({"x": "z"},), "missing values: 'it''s'")
    assert run(check("unique_values_eq", values=[1.5]), "SELECT 2 AS x").failures == 2


# --- values as YAML gives them ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sql_type", "low", "mid", "high"),
    [
        ("TIMESTAMP", "2013-01-01", datetime(2013, 1, 2), date(2013, 1, 3)),  # noqa: DTZ001 - as YAML gives it
        ("TIMESTAMP_NS", "2013-01-01 00:00:00", "2013-01-02T00:00:00Z", "2013-01-03"),
        ("TIMESTAMP_S", "2013-01-01", datetime(2013, 1, 2, tzinfo=UTC), "2013-01-03"),
        ("TIMESTAMP WITH TIME ZONE", "2013-01-01", datetime(2013, 1, 2, tzinfo=UTC), "2013-01-02T19:00:00-05:00"),
        ("DATE", "2013-01-01", date(2013, 1, 2), "2013-01-03 00:00:00"),
        ("TIME", "01:00", "02:00:00", "03:00"),
        ("DECIMAL(18,3)", 1, 1.5, "2.25"),
        ("DECIMAL(4,1)", "0.1", 0.2, Decimal("1e1")),
        ("BIGINT", 9007199254740992, "9007199254740993", 9007199254740994.0),
        ("UTINYINT", "1", 2.0, 250),
        ("HUGEINT", 1, 2, 2**100),
        ("DOUBLE", 0, 0.1, "inf"),
        ("FLOAT", 0, 0.1, 0.2),
        ("VARCHAR", "a", "b", "c"),
        ("UUID", *(f"{n}0000000-0000-0000-0000-000000000000" for n in "123")),
        ("ENUM('a', 'b', 'c')", "a", "b", "c"),
    ],
)
def test_every_type_compares_exactly_with_the_values_of_yaml(
    sql_type: str, low: object, mid: object, high: object
) -> None:
    def sql(value: object) -> str:
        text = f"{value:f}" if isinstance(value, Decimal | float) and value != math.inf else str(value)
        if sql_type == "TIMESTAMP WITH TIME ZONE" and len(text) == len("2013-01-01"):
            text += " 00:00:00+00"
        elif sql_type != "TIMESTAMP WITH TIME ZONE":
            text = text.removesuffix("+00:00")
        return f"'{text}'::{sql_type}"

    rows = staged(f"SELECT unnest([{sql(low)}, {sql(mid)}, {sql(high)}, NULL]) AS x")
    expected = [
        (check("eq", value=mid), 2),
        (check("ne", value=mid), 1),
        (check("gt", min_value=mid), 2),
        (check("ge", min_value=mid), 1),
        (check("lt", max_value=mid), 2),
        (check("le", max_value=mid), 1),
        (check("between", min_value=low, max_value=mid), 1),
        (check("between", min_value=low, max_value=high, include_min=False, include_max=False), 2),
        (check("isin", allowed_values=[low, mid]), 1),
        (check("notin", forbidden_values=[low, mid]), 2),
        (check("accepted_values", values=[low, mid, high]), 0),
        (check("unique_values_eq", values=[low, mid, high]), 0),
        (check("unique"), 0),
        (check("not_null"), 1),
    ]
    results = run_checks([one for one, _ in expected], rows)
    assert [(r.check.name, r.failures, r.message) for r in results] == [(c.name, n, "") for c, n in expected]


def test_a_number_between_two_others_is_not_rounded_to_the_column() -> None:
    rows = staged("SELECT unnest([1, 2, 3]) AS x")
    checks = [check("gt", min_value=1.5), check("isin", allowed_values=[1, 1.5]), check("lt", max_value=math.inf)]
    assert [r.failures for r in run_checks(checks, rows)] == [1, 2, 0]


@pytest.mark.parametrize("sql_type", ["DATE", "TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP WITH TIME ZONE"])
def test_times_that_python_cannot_hold_are_still_compared(sql_type: str) -> None:
    rows = staged(f"SELECT unnest(['20000-01-01', '200000-01-01', '2013-01-01', NULL])::{sql_type} AS x", key=["x"])
    results = run_checks([check("lt", max_value="2020-01-01"), check("not_null")], rows)
    assert [(r.status, r.failures, r.message) for r in results] == [("fail", 2, ""), ("fail", 1, "")]
    assert str(results[0].sample[0]["x"]).startswith("9999-12-31")


@pytest.mark.parametrize("sql_type", ["DATE", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE"])
def test_infinity_is_after_every_time(sql_type: str) -> None:
    rows = staged(f"SELECT unnest(['infinity', '-infinity', '2013-01-01'])::{sql_type} AS x", key=["x"])
    results = run_checks([check("lt", max_value="2020-01-01"), check("gt", min_value="2000-01-01")], rows)
    assert [(r.failures, r.message) for r in results] == [(1, ""), (1, "")]


def test_booleans_and_what_dbt_quotes() -> None:
    rows = staged("SELECT unnest([true, false, NULL]) AS x")
    checks = [check("accepted_values", values=["true"]), check("eq", value=False)]
    assert [r.failures for r in run_checks(checks, rows)] == [1, 1]


@pytest.mark.parametrize(
    "sql", ["[1]", "{'a': 1}", "MAP{'a': 1}", "'\\xFF'::BLOB", "'101'::BIT", "1::BIGNUM", "[{'a': [1]}]"]
)
def test_not_null_and_unique_fit_every_type(sql: str) -> None:
    rows = staged(f"SELECT unnest([{sql}, NULL]) AS x UNION ALL SELECT NULL")
    assert [(r.failures, r.message) for r in run_checks([check("not_null"), check("unique")], rows)] == [
        (2, ""),
        (0, ""),
    ]


def test_nan_is_missing_to_not_null_and_a_value_above_all_others_to_the_rest() -> None:
    rows = staged("SELECT unnest([1.0, 'nan'::DOUBLE, NULL]) AS x")
    checks = [
        check("not_null"),
        check("in_range", min_value=0, max_value=10),
        check("ge", min_value=0),
        check("isin", allowed_values=[1]),
        check("ne", value=5),
        check("unique_values_eq", values=[1, "nan"]),
    ]
    assert [r.failures for r in run_checks(checks, rows)] == [2, 1, 0, 1, 0, 0]


@pytest.mark.parametrize(("pattern", "failures"), [("a|b", 1), ("^a|b", 1), ("(?i)A|B", 1), ("b", 2), (".*b", 1)])
def test_str_matches_anchors_the_whole_pattern(pattern: str, failures: int) -> None:
    result = run(check("str_matches", pattern=pattern), "SELECT unnest(['a', 'b', 'xb', NULL]) AS x")
    assert result.failures == failures


# --- what must not go wrong ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["*", "^x.*$", "check_output", "failure_case", "index", 'a "quoted" one', "ü x", "0", "1"]
)
def test_odd_column_names(name: str) -> None:
    rows = staged(f'SELECT unnest([1, 1, -1, NULL]) AS {quote(name)}, 5 AS xx, 6 AS "check"', key=["xx"])
    checks = [check("ge", name, min_value=0), check("not_null", name), check("unique", name)]
    assert [(r.failures, r.rows, list(r.sample[0])[:2]) for r in run_checks(checks, rows)] == [
        (1, 4, ["xx", name]),
        (1, 4, ["xx", name]),
        (2, 4, ["xx", name]),
    ]


def test_no_rows_and_no_batches_pass_all_but_missing_values() -> None:
    rows = staged("SELECT 1 AS x LIMIT 0")
    checks = [check("gt", min_value=5), check("not_null"), check("unique"), check("unique_values_eq", values=[1])]
    for one in (rows, StagedRows("staged", "staged", rows.columns, lambda _: [], rows.query, rows.references)):
        results = run_checks(checks, one)
        assert [(r.status, r.rows) for r in results] == [("pass", 0), ("pass", 0), ("pass", 0), ("fail", 0)]
    assert run_checks([], rows) == ()


@pytest.mark.parametrize(
    ("one", "sql", "message"),
    [
        (check("str_contains", pattern="(?=a)"), "SELECT 'a' AS x", "look-around"),
        (check("not_null"), "SELECT INTERVAL 1 DAY AS x", "cannot be validated"),
        (check("isin", allowed_values=[1, "a"]), "SELECT 1 AS x", "not of type INTEGER"),
        (check("gt", min_value="a"), "SELECT {'a': 1} AS x", "does not fit"),
        (check("eq", value="a"), "SELECT 'a'::BLOB AS x", "does not fit"),
        (check("nope"), "SELECT 1 AS x", "unknown check"),
    ],
)
def test_a_check_that_cannot_be_decided_is_an_error_and_no_pass(one: Check, sql: str, message: str) -> None:
    result, other = run_checks([one, check("unique")], staged(sql))
    assert (result.status, other.status) == ("error", "pass")
    assert message in result.message
    assert "\n" not in result.message


def test_rows_that_are_not_what_the_columns_say_are_an_error() -> None:
    rows = staged("SELECT 1 AS x")
    (result,) = run_checks([check("str_matches", pattern="a")], replace(rows, columns=[ColumnType("x", "VARCHAR")]))
    assert result.status == "error"
    (result,) = run_checks([check("not_null")], replace(rows, stream=lambda _: [pl.DataFrame({"other": [1]})]))
    assert (result.status, '"x" not found' in result.message) == ("error", True)
    (result,) = run_checks([check("not_null")], replace(rows, columns=[]))
    assert result.status == "error"


def test_pandera_cannot_be_turned_off_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    from pandera.config import CONFIG, ValidationDepth

    monkeypatch.setattr(CONFIG, "validation_enabled", False)
    monkeypatch.setattr(CONFIG, "validation_depth", ValidationDepth.SCHEMA_ONLY)
    assert run(check("gt", min_value=1), "SELECT 1 AS x").status == "fail"


def test_models_are_checked_on_many_threads_at_once() -> None:
    warm_up()
    rows = [staged(f"SELECT range AS x FROM range({n})") for n in range(100, 112)]
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda one: run_checks([check("lt", max_value=50), check("not_null")], one), rows))
    assert [r[0].failures for r in results] == [n - 50 for n in range(100, 112)]


# --- always: an independent oracle, and pandera over the whole table at once ------------------------------------------

ORACLE: dict[str, Callable[..., bool]] = {
    "equal_to": lambda v, value: v == value,
    "not_equal_to": lambda v, value: v != value,
    "greater_than": lambda v, min_value: v > min_value,
    "greater_than_or_equal_to": lambda v, min_value: v >= min_value,
    "less_than": lambda v, max_value: v < max_value,
    "less_than_or_equal_to": lambda v, max_value: v <= max_value,
    "in_range": lambda v, min_value, max_value, include_min=True, include_max=True: (
        (min_value <= v if include_min else min_value < v) and (v <= max_value if include_max else v < max_value)
    ),
    "isin": lambda v, allowed_values: any(v == one for one in allowed_values),
    "notin": lambda v, forbidden_values: all(v != one for one in forbidden_values),
    "str_matches": lambda v, pattern: re.match(pattern, v) is not None,
    "str_contains": lambda v, pattern: re.search(pattern, v) is not None,
    "str_startswith": lambda v, string: v.startswith(string),
    "str_endswith": lambda v, string: v.endswith(string),
    "str_length": lambda v, min_value=0, max_value=10**9: min_value <= len(v) <= max_value,
}
NUMBERS = st.sampled_from([-2, -1, 0, 1, 2, 3])
FLOATS = st.sampled_from([-1.5, 0.0, 0.1, 1.0, 2.0, math.inf, math.nan])
TEXTS = st.text("abé1", max_size=4)
PATTERNS = st.sampled_from(["a", "a|b", "[ab]+1", "é$", "a.*b", ".", "(a|1)b"])
KINDS: dict[str, tuple[str, st.SearchStrategy[Any]]] = {
    "BIGINT": ("BIGINT", NUMBERS),
    "DOUBLE": ("DOUBLE", FLOATS),
    "VARCHAR": ("VARCHAR", TEXTS),
    "DATE": ("DATE", NUMBERS.map(lambda n: date(2013, 1, 10 + n))),
    "DECIMAL": ("DECIMAL(9,2)", NUMBERS.map(lambda n: (Decimal(n) / 4).quantize(Decimal("0.01")))),
    "TIMESTAMP": ("TIMESTAMP", NUMBERS.map(lambda n: datetime(2013, 3, 10, 2 + n, 30))),  # noqa: DTZ001 - has no zone
    "TIMESTAMPTZ": ("TIMESTAMP WITH TIME ZONE", NUMBERS.map(lambda n: datetime(2013, 3, 10, 2 + n, 30, tzinfo=UTC))),
}


@st.composite
def cases(draw: st.DrawFn) -> tuple[str, list[Any], list[Check]]:
    sql_type, value = KINDS[draw(st.sampled_from(sorted(KINDS)))]
    values = draw(st.lists(st.none() | value, max_size=12))
    bound = value.filter(lambda v: v == v)  # noqa: PLR0124 - not NaN
    low, high = sorted(draw(st.lists(bound, min_size=2, max_size=2, unique=True)))
    some = draw(st.lists(bound, max_size=3))
    flags = {"include_min": draw(st.booleans()), "include_max": draw(st.booleans())}
    checks = [
        *(check(name, value=low) for name in ("equal_to", "not_equal_to")),
        *(check(name, min_value=low) for name in ("greater_than", "greater_than_or_equal_to")),
        *(check(name, max_value=high) for name in ("less_than", "less_than_or_equal_to")),
        check("in_range", min_value=low, max_value=high, **flags),
        check("isin", allowed_values=some),
        check("notin", forbidden_values=some),
    ]
    if sql_type == "VARCHAR":
        checks += [
            *(check(name, pattern=draw(PATTERNS)) for name in ("str_matches", "str_contains")),
            *(check(name, string=draw(TEXTS)) for name in ("str_startswith", "str_endswith")),
            check("str_length", min_value=1, max_value=draw(st.integers(1, 4))),
        ]
    return sql_type, values, draw(st.permutations(checks))


def passes(one: Check, value: Any) -> bool:  # noqa: ANN401
    if value is None:
        return True
    if value != value:  # noqa: PLR0124 - NaN is above all numbers, and no argument here is NaN
        return one.name in ("not_equal_to", "greater_than", "greater_than_or_equal_to", "notin")
    return ORACLE[one.name](value, **one.arguments)


def pandera_failures(one: Check, values: Sequence[Any]) -> int:
    """Count what pandera itself reports for the whole column at once."""
    dtype = {date: pl.Date, float: pl.Float64, int: pl.Int64, str: pl.String, Decimal: pl.Decimal(9, 2)}
    there = next((v for v in values if v is not None), 0)
    zone = "UTC" if isinstance(there, datetime) and there.tzinfo else None
    kind: Any = pl.Datetime("us", zone) if isinstance(there, datetime) else dtype[type(there)]
    try:
        pa.DataFrameSchema(
            {"x": pa.Column(nullable=True, checks=getattr(pa.Check, one.name)(**one.arguments))}
        ).validate(pl.DataFrame({"x": pl.Series(values, dtype=kind)}), lazy=True)
    except SchemaErrors as exc:
        return int(exc.failure_cases.height)
    return 0


def literal_of(value: object, sql_type: str) -> str:
    return f"CAST({'NULL' if value is None else repr(str(value))} AS {sql_type})"


@settings(max_examples=40 * BUDGET, deadline=None)
@given(cases(), st.integers(1, 4))
def test_row_checks_agree_with_a_naive_oracle_and_with_pandera(
    case: tuple[str, list[Any], list[Check]], batch: int
) -> None:
    sql_type, values, checks = case
    items = ", ".join(literal_of(value, sql_type) for value in values)
    sql = (
        f"SELECT unnest(list_value({items})::{sql_type}[]) AS x" if values else f"SELECT NULL::{sql_type} AS x LIMIT 0"
    )
    rows = staged(sql, batch=batch)
    for result in run_checks([*checks, check("not_null")], rows):
        assert result.rows == len(values), result.message
        query = failing_rows(result.check, rows)
        assert query is not None
        assert rows.query(f"SELECT count(*) AS n FROM ({query})") == [{"n": result.failures}], query
        if result.check.name == "not_null":
            assert result.failures == sum(v is None or v != v for v in values)  # noqa: PLR0124
            continue
        bad = [v for v in values if not passes(result.check, v)]
        assert (result.failures, result.status) == (len(bad), "fail" if bad else "pass"), result.check.label
        assert [str(row["x"]) for row in result.sample] == [str(value) for value in bad[:5]]
        if result.check.name != "str_matches" and any(v is not None for v in values):
            assert result.failures == pandera_failures(result.check, values)


@settings(max_examples=40 * BUDGET, deadline=None)
@given(st.lists(st.tuples(st.none() | NUMBERS, st.none() | NUMBERS), max_size=10), st.lists(NUMBERS, max_size=3))
def test_table_checks_agree_with_a_naive_oracle(rows: list[tuple[int | None, int | None]], expected: list[int]) -> None:
    values = ", ".join(f"({literal_of(x, 'INT')}, {literal_of(y, 'INT')})" for x, y in rows) or "(NULL::INT, NULL::INT)"
    sql = f"SELECT * FROM (VALUES {values}) AS t(x, y) {'' if rows else 'LIMIT 0'}"
    checks = [
        check("unique"),
        check("unique", None, columns=["x", "y"]),
        check("relationships", to="model.p", field="k"),
        check("unique_values_eq", values=expected),
    ]
    xs = [x for x, _ in rows if x is not None]
    pairs = [pair for pair in rows if None not in pair]
    naive = [
        sum(xs.count(x) > 1 for x in xs),
        sum(pairs.count(pair) > 1 for pair in pairs),
        sum(x not in (1, 2) for x in xs),
        sum(x not in expected for x in xs) + len(set(expected) - set(xs)),
    ]
    results = run_checks(checks, staged(sql))
    assert [(r.failures, r.rows, r.status) for r in results] == [(n, len(rows), "fail" if n else "pass") for n in naive]
