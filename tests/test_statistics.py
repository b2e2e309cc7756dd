"""Statistics say what a table holds, as plain Python would count it; drift says how far that has moved."""

from __future__ import annotations

import datetime as dt
import itertools
import json
import math
import statistics
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest
from deltalake import write_deltalake
from hypothesis import given, settings
from hypothesis import strategies as st

from fsbuild import FsbuildError, Project
from fsbuild.features import compare_tables, measure_table
from fsbuild.values import ColumnStatistics, ColumnType, Drift, TableStatistics
from tests.conftest import Files, read_delta, write_files

Make = Callable[[Files], Path]

COLUMNS = {"whole": "BIGINT", "real": "DOUBLE", "word": "VARCHAR", "flag": "BOOLEAN", "at": "TIMESTAMP", "l": "INT[]"}
MOMENTS = st.datetimes(dt.datetime(2000, 1, 1), dt.datetime(2030, 1, 1))  # noqa: DTZ001 - as the lake keeps them
ROWS = st.lists(
    st.tuples(
        st.none() | st.integers(-(10**6), 10**6),
        st.none() | st.floats(-1e6, 1e6) | st.sampled_from([math.nan, math.inf, -math.inf]),
        st.none() | st.sampled_from(["a", "b", "it's", ""]) | st.text(max_size=3),
        st.none() | st.booleans(),
        st.none() | MOMENTS,
        st.none() | st.lists(st.integers(0, 3), max_size=2),
    ),
    max_size=60,
)


def measured(rows: Sequence[tuple[object, ...]], before: TableStatistics | None = None) -> TableStatistics:
    with duckdb.connect() as connection:
        declared = ", ".join(f'"{name}" {kind}' for name, kind in COLUMNS.items())
        connection.execute(f"CREATE TABLE t ({declared})")
        if rows:
            connection.executemany("INSERT INTO t VALUES (?, ?, ?, ?, ?, ?)", rows)

        def query(sql: str) -> list[dict[str, object]]:
            found: list[dict[str, object]] = connection.sql(sql).to_arrow_table().to_pylist()
            return found

        columns = [ColumnType(name, "INTEGER[]" if name == "l" else kind) for name, kind in COLUMNS.items()]
        return measure_table(query, "t", columns, before)


def column_of(table: TableStatistics, name: str) -> ColumnStatistics:
    return next(column for column in table.columns if column.name == name)


def numbers(rows: Sequence[tuple[object, ...]], at: int) -> list[float]:
    """The finite values of a column as numbers."""
    found = [row[at] for row in rows if row[at] is not None]
    as_numbers = [
        value.replace(tzinfo=dt.UTC).timestamp() if isinstance(value, dt.datetime) else float(str(value))
        for value in found
    ]
    return [value for value in as_numbers if math.isfinite(value)]


# --- against plain Python --------------------------------------------------------------------------------------------


@given(rows=ROWS, earlier=ROWS)
@settings(max_examples=40)
def test_statistics_are_what_plain_python_counts(
    rows: list[tuple[object, ...]], earlier: list[tuple[object, ...]]
) -> None:
    table = measured(rows, measured(earlier))

    assert table.rows == len(rows)
    for at, name in enumerate(COLUMNS):
        column, known = column_of(table, name), [row[at] for row in rows if row[at] is not None]
        assert column.count == len(known)
        if name == "l":
            continue
        finite = numbers(rows, at) if name in ("whole", "real", "at") else []
        if finite:
            assert column.mean == pytest.approx(statistics.fmean(finite), rel=1e-9, abs=1e-6)
        if len(finite) > 1:
            assert column.stddev == pytest.approx(statistics.stdev(finite), rel=1e-6, abs=1e-3)
        if column.counts:
            borders = [-math.inf, *column.edges, math.inf]
            pairs = itertools.pairwise(borders)
            assert list(column.counts) == [sum(low < value <= high for value in finite) for low, high in pairs]
        if column.values and column.distinct is not None and column.distinct == len(column.values):
            assert sum(count for _, count in column.values) == len(known)
        if name == "word" and column.values:
            assert all(count == known.count(value) for value, count in column.values)


@given(rows=ROWS, later=ROWS)
@settings(max_examples=20)
def test_bins_stay_what_they_were(rows: list[tuple[object, ...]], later: list[tuple[object, ...]]) -> None:
    before = measured(rows)
    after = measured(later, before)

    for column in before.columns:
        assert column_of(after, column.name).edges == column.edges or not column.edges or not after.rows


def test_a_histogram_has_twenty_bins_of_one_width_and_few_values_are_counted_one_by_one() -> None:
    at = dt.datetime(2020, 1, 1)  # noqa: DTZ001 - as the lake keeps it
    table = measured([(i, i / 7, f"w{i % 3}", i % 2 == 0, at + dt.timedelta(days=i), [i]) for i in range(1000)])

    whole, word = column_of(table, "whole"), column_of(table, "word")
    assert whole.counts == (50,) * 20
    assert whole.quantiles[3] == pytest.approx(499.5, abs=2)
    assert word.values == (("w0", 334), ("w1", 333), ("w2", 333))
    assert column_of(table, "flag").values == (("false", 500), ("true", 500))
    assert (word.minimum, word.maximum, word.distinct) == ("w0", "w2", 3)


# --- drift -----------------------------------------------------------------------------------------------------------


def binned(*counts: int) -> TableStatistics:
    edges = tuple(float(i) for i in range(len(counts) - 1))
    return TableStatistics(sum(counts), (ColumnStatistics("x", "DOUBLE", sum(counts), edges=edges, counts=counts),))


def valued(rows: int, **counts: int) -> TableStatistics:
    known = sum(counts.values())
    return TableStatistics(rows, (ColumnStatistics("x", "VARCHAR", known, values=tuple(counts.items())),))


def test_drift_is_what_the_formulas_say() -> None:
    (drift,) = compare_tables(binned(50, 50), binned(80, 20))

    assert drift.psi == pytest.approx(0.3 * math.log(0.8 / 0.5) + -0.3 * math.log(0.2 / 0.5))
    assert drift.ks == pytest.approx(0.3)
    middle = (0.65, 0.35)
    divergence = [
        sum(p * math.log2(p / m) for p, m in zip(shares, middle, strict=True)) for shares in ((0.5, 0.5), (0.8, 0.2))
    ]
    assert drift.js == pytest.approx(math.sqrt(sum(divergence) / 2))


def test_what_has_not_moved_has_no_drift_and_what_has_nothing_in_common_the_most() -> None:
    assert compare_tables(binned(3, 4, 5), binned(6, 8, 10)) == (Drift("x", 0.0, 0.0, 0.0, 0.0),)
    (drift,) = compare_tables(valued(10, a=10), valued(10, b=10))
    assert (drift.js, drift.ks) == (1.0, None)
    assert drift.psi > 10


def test_the_share_of_nulls_is_told_beside_the_distribution() -> None:
    (drift,) = compare_tables(valued(10, a=10), valued(10, a=4))
    assert drift.psi == 0
    assert drift.missing == pytest.approx(0.6)


# --- in runs ---------------------------------------------------------------------------------------------------------

SHOP = {
    "models/_features.yml": """
entities:
  - name: item
    keys: [{name: id, type: bigint}]
models:
  - name: prices
    config: {materialized: table, entity: item, event_time: at}
""",
    "models/prices.sql": """
select range as id, date '2020-01-01' as at, range * {{ var('by', 1) }} as price from range(100)
""",
    "models/bought.sql": """
{{ config(materialized='training_set', event_time='day', features=[{'model': 'prices', 'prefix': 'item_'}]) }}
select range as id, date '2020-01-02' as day from range(50)
""",
    "models/other.sql": "{{ config(materialized='table') }} select 1 as id",
}


def run(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "fsbuild", *arguments]
    return subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)


def test_a_run_measures_feature_models_and_training_sets_in_one_commit(make_project: Make) -> None:
    root = make_project(SHOP)
    Project(root).run()

    rows = read_delta(root, "fsbuild_stats")

    assert {row["node"] for row in rows} == {"model.shop.prices", "model.shop.bought"}
    (price,) = (row for row in rows if row["column"] == "price")
    assert (price["version"], price["rows"], price["count"], price["mean"], price["maximum"]) == (
        1,
        100,
        100,
        49.5,
        "99",
    )
    assert len(list((root / "lake/main/fsbuild_stats/_delta_log").glob("*.json"))) == 1


def test_a_run_whose_statistics_cannot_be_written_says_so_and_has_published(
    make_project: Make, caplog: pytest.LogCaptureFixture
) -> None:
    root = make_project(SHOP)
    other = pa.table({"node": pa.array([], pa.string()), "version": pa.array([], pa.int64())})
    write_deltalake(root / "lake/main/fsbuild_stats", other)

    result = Project(root).run()

    assert result.is_success
    assert len(read_delta(root, "prices")) == 100
    assert "the statistics of this run were not written" in caplog.text


def test_the_statistics_of_a_version_are_those_of_its_run_or_measured_now(make_project: Make) -> None:
    root = make_project(SHOP)
    Project(root).run()
    Project(root, variables={"by": 2}).run()

    project = Project(root)
    assert [column_of(project.stats("prices", version=v).statistics, "price").mean for v in (1, None)] == [49.5, 99]
    assert project.stats("other").statistics.rows == 1
    with pytest.raises(FsbuildError, match="there is no model, seed or source 'nowhere'"):
        project.stats("nowhere")


def test_drift_between_versions_and_from_a_training_set(make_project: Make) -> None:
    root = make_project(SHOP)
    Project(root).run()
    Project(root, variables={"by": 2}).run(select="prices")

    since = Project(root).drift("prices", 1)
    trained = Project(root).drift("prices", "bought")

    assert {drift.name: drift.psi > 0.25 for drift in since.drifts} == {"id": False, "at": False, "price": True}
    assert {drift.name: drift.psi > 0.25 for drift in trained.drifts} == {"price": True}
    with pytest.raises(FsbuildError, match="the training set 'bought' has no feature of 'other'"):
        Project(root).drift("other", "bought")


@pytest.mark.parametrize(("severity", "status", "published"), [("warn", "warn", 198), ("error", "error", 97)])
def test_drift_beyond_its_limit_warns_or_keeps_rows_from_being_published(
    make_project: Make, severity: str, status: str, published: int
) -> None:
    root = make_project(SHOP)
    config = f"event_time: at, drift: {{psi: 0.25, severity: {severity}}}"
    write_files(root, {"models/_features.yml": SHOP["models/_features.yml"].replace("event_time: at", config)})
    Project(root).run(select="prices")

    result = Project(root, variables={"by": 2}).run(select="prices")

    assert {node.status for node in result.results} == {status}
    assert published in {row["price"] for row in read_delta(root, "prices")}
    (moved,) = (check for check in result.results[0].checks if check.failures)
    assert moved.check.label == "drift_psi(at_most=0.25)"
    assert moved.check.column == "price"


def test_stats_prints_a_line_for_each_column_json_or_drift_with_an_exit_code(make_project: Make) -> None:
    root = make_project(SHOP)
    run(root, "run", "-q")
    run(root, "run", "-q", "--vars", "by: 2")

    shown = run(root, "stats", "prices")
    as_json = json.loads(run(root, "stats", "prices", "--output", "json").stdout)
    moved = run(root, "stats", "prices", "--compare", "1", "--max-psi", "0.25")
    pairs = run(root, "stats", "prices", "--correlations", "--output", "csv")

    assert [line.split()[0] for line in shown.stdout.splitlines()[2:]] == ["id", "at", "price"]
    # The bins are those of the first version, which half of the values are beyond.
    assert shown.stdout.splitlines()[-1].endswith(" " + "▁" * 19 + "█")
    assert {column["name"]: column["count"] for column in as_json["columns"]} == {"id": 100, "at": 100, "price": 100}
    assert (moved.returncode, moved.stderr) == (1, "psi is greater than 0.25: price\n")
    assert pairs.stdout == "column,other,correlation\nid,price,1.0\n"


@pytest.mark.parametrize(
    ("drift", "said"),
    [
        ("{psi: much}", "and the limit of psi is no number from 0 on"),
        ("{psy: 1}", "and 'psy' is none of psi, ks, js and severity"),
        ("{psi: 1, severity: bad}", "whose severity is neither warn nor error"),
    ],
)
def test_limits_that_have_no_meaning(make_project: Make, drift: str, said: str) -> None:
    config = f"event_time: at, drift: {drift}"
    root = make_project({"models/_features.yml": SHOP["models/_features.yml"].replace("event_time: at", config)})
    write_files(root, {"models/prices.sql": SHOP["models/prices.sql"]})
    with pytest.raises(FsbuildError, match=said):
        Project(root).compile()
