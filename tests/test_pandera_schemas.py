"""Schemas written with pandera, in Python or YAML, are checks like any other: their verdicts are pandera's own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandera.polars as pa
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pandera.errors import SchemaErrors

from fsbuild import Project
from fsbuild.check import read_schema, run_checks
from fsbuild.errors import FsbuildError, Place
from fsbuild.values import Check, NodeResult
from tests.conftest import Files, read_delta
from tests.test_check import staged

Make = Callable[[Files], Path]
PYTHON = """
import pandera.polars as pa
import polars as pl

from checks.words import CARRIERS


class Delay(pa.DataFrameModel):
    carrier: str = pa.Field(isin=CARRIERS)
    delay: float = pa.Field(ge=-60, nullable=True)
    n: int = pa.Field(unique=True)

    @pa.check("delay")
    def is_below_thrice_the_mean(cls, data: pa.PolarsData) -> pl.LazyFrame:
        return data.lazyframe.select(pl.col(data.key) <= 3 * pl.col(data.key).mean())

    @pa.check("n", element_wise=True)
    def is_no_13(cls, n: int) -> bool:
        return n != 13

    @pa.dataframe_check
    def delay_is_less_than_n(cls, data: pa.PolarsData) -> pl.LazyFrame:
        return data.lazyframe.select(pl.col("delay") < pl.col("n"))

    class Config:
        strict = True
"""
SHOP = {
    "checks/flights.py": PYTHON,
    "checks/words.py": "CARRIERS = ['AA', 'UA']\n",
    "seeds/rows.csv": "carrier,delay,n\nAA,1.5,100\nUA,,200\n",
    "models/delays.sql": """
{{ config(materialized='table', pandera='checks.flights:Delay') }}
select carrier, delay::double as delay, n::bigint as n from {{ ref('rows') }}
""",
}


def run(root: Path, rows: str | None = None) -> NodeResult:
    if rows is not None:
        (root / "seeds/rows.csv").write_text("carrier,delay,n\n" + rows)
    return next(result for result in Project(root).run().results if result.name == "delays")


def failed(result: NodeResult) -> dict[str, int]:
    return {check.check.label: check.failures for check in result.checks if check.status != "pass"}


def problems_of(root: Path) -> list[str]:
    with pytest.raises(FsbuildError) as caught:
        Project(root).run()
    return [f"{problem.place}: {problem.message}" for problem in caught.value.problems]


def test_a_python_schema_gates_what_is_published(make_project: Make) -> None:
    root = make_project(SHOP)
    first = run(root)
    assert (first.status, len(first.checks)) == ("success", 8)

    result = run(root, "AA,1.5,100\nXX,-70,13\nUA,9,3\n,2,100\n")

    assert result.status == "error"
    assert failed(result) == {
        "isin(allowed_values=['AA', 'UA'])": 1,
        "not_null": 1,
        "greater_than_or_equal_to(min_value=-60)": 1,
        "unique(nulls_are_equal=True)": 2,
        "is_no_13": 1,
        "delay_is_less_than_n": 1,
        "is_below_thrice_the_mean": 3,
    }
    assert [row["n"] for row in read_delta(root, "delays")] == [100, 200]


def test_yaml_beside_the_model_is_stronger_than_its_schema(make_project: Make) -> None:
    checks = """
models:
  - name: delays
    columns:
      - name: carrier
        data_tests: [isin: {allowed_values: [AA, UA, XX]}]
      - name: delay
        data_tests: [greater_than_or_equal_to: {min_value: -60, severity: quarantine}]
"""
    root = make_project(SHOP | {"models/delays.yml": checks})

    result = run(root, "AA,50,100\nXX,-70,200\n")

    assert (result.status, failed(result)) == ("warn", {"greater_than_or_equal_to(min_value=-60)": 1})
    assert [row["n"] for row in read_delta(root, "delays")] == [100]


def test_metadata_says_what_happens_to_rows_that_fail(make_project: Make) -> None:
    schema = """
import pandera.polars as pa

rule = pa.Check(lambda n: n != 13, element_wise=True, name="is_no_13")
aside = {"fsbuild": {"severity": "quarantine"}}
Delay = pa.DataFrameSchema({"n": pa.Column(int, [rule, pa.Check.gt(0, raise_warning=True)], metadata=aside)})
"""
    root = make_project(SHOP | {"checks/flights.py": schema})

    result = run(root, "AA,1,100\nXX,2,13\nAA,3,0\n")

    assert (result.status, failed(result)) == ("warn", {"is_no_13": 1, "greater_than(min_value=0)": 1})
    assert sorted(str(row["n"]) for row in read_delta(root, "delays")) == ["0", "100"]
    assert [row["fsbuild_failed_checks"] for row in read_delta(root, "delays__quarantine")] == [["n.is_no_13"]]


def test_a_schema_in_pandera_s_yaml(make_project: Make) -> None:
    schema = pa.DataFrameSchema(
        {
            "carrier": pa.Column(str, pa.Check.str_length(2, 2)),
            "delay": pa.Column(float, pa.Check.in_range(-60, 600), nullable=True),
            "^n.*$": pa.Column(int, unique=True, regex=True),
        }
    )
    model = SHOP["models/delays.sql"].replace("checks.flights:Delay", "checks/delays.yml")
    root = make_project(SHOP | {"checks/delays.yml": str(schema.to_yaml()), "models/delays.sql": model})
    assert run(root).status == "success"

    result = run(root, "AAA,700,1\nUA,5,1\n")

    assert failed(result) == {
        "str_length(min_value=2, max_value=2)": 1,
        "in_range(min_value=-60, max_value=600, include_min=True, include_max=True)": 1,
        "unique(nulls_are_equal=True)": 2,
    }


def test_an_edited_function_checks_what_is_published_again(make_project: Make) -> None:
    root = make_project(SHOP)
    run(root)
    assert run(root).status == "unchanged"
    (root / "checks/flights.py").write_text(PYTHON.replace("n != 13", "n != 100"))

    result = run(root)

    assert (result.status, failed(result)) == ("error", {"is_no_13": 1})


@pytest.mark.parametrize(
    ("files", "said"),
    [
        (
            {"checks/flights.py": "import pandera.polars as pa\n\nx = nothing\n"},
            "checks/flights.py:3: checks/flights.py cannot be imported: NameError: name 'nothing' is not defined",
        ),
        (
            {"checks/flights.py": "class Delay:\n  x = = 1\n"},
            "checks/flights.py:2: checks/flights.py cannot be imported",
        ),
        ({"checks/flights.py": "class Dely: pass\n"}, "'Delay' in checks/flights.py is no DataFrameModel or"),
        (
            {"models/delays.sql": SHOP["models/delays.sql"].replace("checks.flights:", "checks.flight:")},
            "there is no schema 'checks.flight:Delay'",
        ),
        (
            {"models/delays.sql": SHOP["models/delays.sql"].replace("checks.flights:Delay", "checks/x.yml")},
            "cannot read the schema 'checks/x.yml': No such file",
        ),
        (
            {"models/delays.sql": SHOP["models/delays.sql"].replace("checks.flights:", "rules.flights:")},
            "the schema 'rules.flights:Delay' is not in the folder checks/",
        ),
        (
            {
                "checks/x.yml": "columns: [a]\n",
                "models/delays.sql": SHOP["models/delays.sql"].replace("checks.flights:Delay", "checks/x.yml"),
            },
            "checks/x.yml is no schema of pandera",
        ),
        (
            {"models/delays.sql": SHOP["models/delays.sql"].replace("delay::double as delay", "1 as dely")},
            "the model has no column 'delay'",
        ),
        (
            {"models/delays.sql": SHOP["models/delays.sql"].replace("select carrier", "select 1 as more, carrier")},
            "the model's column 'more' is not in the schema, which is strict",
        ),
        (
            {"models/delays.sql": SHOP["models/delays.sql"].replace("n::bigint", "n::varchar")},
            "'n' is String in the model, and Int64 in the schema",
        ),
        ({"checks/flights.py": PYTHON + "        coerce = True\n"}, "'coerce' is not supported"),
        (
            {"checks/flights.py": PYTHON.replace("ge=-60", "str_startswith='a'")},
            "str_startswith does not fit the column 'delay' of type DOUBLE",
        ),
    ],
)
def test_mistakes_are_told_before_anything_runs(make_project: Make, files: Files, said: str) -> None:
    root = make_project({**SHOP, **files})

    told = problems_of(root)

    assert any(said in problem for problem in told), told
    assert not (root / "lake").exists()


def test_a_function_that_raises_is_an_error_and_no_pass(make_project: Make) -> None:
    root = make_project(SHOP | {"checks/flights.py": PYTHON.replace("n != 13", "n / 0")})

    result = run(root)

    assert result.status == "error"
    assert [check.status for check in result.checks if check.check.name == "is_no_13"] == ["error"]


# --- equality with pandera on the same table --------------------------------------------------------------------------

numbers = st.none() | st.integers(-3, 3)
tables = st.lists(
    st.tuples(
        numbers,
        st.none() | st.sampled_from([0.5, -1.0, 2.0, float("nan")]),
        st.none() | st.sampled_from(["a", "ab", ""]),
    ),
    max_size=8,
)
column_checks = {
    "i": [
        pa.Check.ge(0),
        pa.Check.lt(3),
        pa.Check.isin([0, 1, 2]),
        pa.Check.notin([1]),
        pa.Check.in_range(-1, 2),
        pa.Check.ne(3),
        pa.Check.eq(1),
        pa.Check(lambda x: x % 2 == 0, element_wise=True, name="even"),
        pa.Check(lambda data: data.lazyframe.select(pl.col(data.key) <= pl.col(data.key).mean() + 1), name="near"),
        pa.Check(lambda data: data.lazyframe.select(pl.col(data.key).sum() < 5), name="small_sum"),
    ],
    "f": [pa.Check.gt(0.5), pa.Check.le(2.0)],
    "s": [
        pa.Check.str_startswith("a"),
        pa.Check.str_length(1, 1),
        pa.Check.str_matches("a"),
        pa.Check.str_contains("b"),
    ],
}
schemas = st.fixed_dictionaries(
    {
        name: st.builds(
            lambda checks, nullable, unique, name=name: pa.Column(
                {"i": pl.Int64, "f": pl.Float64, "s": pl.String}[name], checks, nullable=nullable, unique=unique
            ),
            st.lists(st.sampled_from(checks), max_size=3, unique_by=id),
            st.booleans(),
            st.booleans() if name == "i" else st.just(value=False),
        )
        for name, checks in column_checks.items()
    }
)


@given(tables, schemas, st.integers(1, 3))
@settings(max_examples=150)
def test_verdicts_are_those_of_pandera_on_the_whole_table(
    rows: list[tuple[int | None, float | None, str | None]], columns: dict[str, pa.Column], batch: int
) -> None:
    schema = pa.DataFrameSchema(columns)
    types = {"i": "BIGINT", "f": "DOUBLE", "s": "VARCHAR"}
    values = ", ".join(
        f"({'NULL' if i is None else i}, {'NULL' if f is None else repr(str(f))}, {'NULL' if s is None else repr(s)})"
        for i, f, s in rows
    )
    selected = ", ".join(f"{name}::{kind} AS {name}" for name, kind in types.items())
    sql = f"SELECT {selected} FROM (VALUES {values or '(NULL, NULL, NULL)'}) t(i, f, s)" + ("" if rows else " LIMIT 0")
    frame = pl.DataFrame(rows, schema={"i": pl.Int64, "f": pl.Float64, "s": pl.String}, orient="row")
    asked = staged(sql, batch=batch)

    checks = _read(schema, frame)
    found = {(one.check.column, one.check.name): one for one in run_checks(checks, asked)}

    expected = _pandera_verdicts(schema, frame)
    assert {key: one.message for key, one in found.items() if one.status == "error"} == {}
    assert {key for key, one in found.items() if one.status == "fail"} == expected
    for key, one in found.items():
        assert (one.status == "pass") == (key not in expected)


def _read(schema: pa.DataFrameSchema, frame: pl.DataFrame) -> tuple[Check, ...]:
    """Read a schema that is in no file."""
    from unittest.mock import patch

    with patch("fsbuild.check.schemas._load", lambda *_: schema):
        reading = read_schema("checks.x:X", Path(), frame.to_arrow().schema, Place("m.yml"))
    assert reading.problems == ()
    return reading.checks


def _pandera_verdicts(schema: pa.DataFrameSchema, frame: pl.DataFrame) -> set[tuple[str, str]]:
    """What pandera itself finds wrong, by our names."""
    try:
        schema.validate(frame, lazy=True)
    except SchemaErrors as exc:
        reasons = {"series_contains_nulls": "not_null", "series_contains_duplicates": "unique"}
        return {
            (
                str(error.schema.name),
                reasons.get(error.reason_code.name.lower(), str(getattr(error.check, "name", error.check))),
            )
            for error in exc.schema_errors
        }
    return set()
