"""Rows that fail are kept out of their table and lost nowhere: both tables are what plain rules make of what comes."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable, write_deltalake
from hypothesis import given, settings
from hypothesis import strategies as st

from fsbuild import Project
from fsbuild.errors import FsbuildError
from fsbuild.values import NodeResult
from tests.conftest import Files, history_of, read_delta, write_files

Make = Callable[[Files], Path]
Row = tuple[int | None, int, int | None]  # id, day, value
CHECKS = """
models:
  - name: m
    columns:
      - name: id
        data_tests: [not_null: {severity: quarantine}, unique: {severity: quarantine}]
      - name: value
        data_tests: [in_range: {min_value: 0, max_value: 9, severity: quarantine}]
"""
CONFIGS = {
    "table": "materialized='table'",
    "append": "materialized='incremental', incremental_strategy='append'",
    "merge": "materialized='incremental', unique_key='id'",
    "delete+insert": "materialized='incremental', incremental_strategy='delete+insert', unique_key='day'",
    "insert_overwrite": "materialized='incremental', incremental_strategy='insert_overwrite', partition_by=['day']",
}


def project(config: str, checks: str = CHECKS) -> dict[str, str]:
    return {
        "models/m.sql": f"{{{{ config({config}) }}}}\nselect id, day, value from {{{{ source('raw', 'batch') }}}}\n",
        "models/sources.yml": "sources: [{name: raw, tables: [{name: batch, meta: {external_location: b.parquet}}]}]\n",
        "models/m.yml": checks,
    }


def write_batch(root: Path, rows: Sequence[Row]) -> None:
    columns = zip(*rows, strict=True) if rows else ([], [], [])
    named = zip(("id", "day", "value"), columns, strict=True)
    pq.write_table(pa.table({name: pa.array(values, pa.int32()) for name, values in named}), root / "b.parquet")


def run(root: Path, rows: Sequence[Row]) -> NodeResult:
    write_batch(root, rows)
    (result,) = Project(root).run().results
    return result


def published(root: Path, name: str = "m") -> list[Row]:
    if not (root / "lake/main" / name).exists():
        return []
    return sorted(((row["id"], row["day"], row["value"]) for row in read_delta(root, name)), key=repr)  # type: ignore[misc]


def is_bad(row: Row, others: Sequence[Row]) -> bool:
    """Whether a row fails a check beside the `others`, of which it is one."""
    number, _, value = row
    return number is None or (value is not None and not 0 <= value <= 9) or [one[0] for one in others].count(number) > 1


def oracle(strategy: str, batches: Sequence[Sequence[Row]]) -> tuple[list[Row], list[Row]]:
    """What is in the table and what beside it, in plain loops."""
    table: list[Row] = []
    aside: list[Row] = []
    for batch in batches:
        come, out = list(batch), list[Row]()
        days = {day for _, day, _ in batch}
        while True:
            ids = {number for number, _, _ in come}
            stay = {
                "table": [],
                "append": table,
                "merge": [row for row in table if row[0] not in ids],
            }.get(strategy, [row for row in table if row[1] not in days])
            bad = [row for row in come if is_bad(row, [*stay, *come])]
            if not bad:
                break
            come = [row for row in come if row not in bad]
            out += bad
        again = {number for number, _, _ in batch} - {None}
        if strategy == "table":
            aside = []
        elif strategy in ("append", "merge"):
            aside = [row for row in aside if row[0] not in again]
        else:
            aside = [row for row in aside if row[1] not in days]
            if strategy == "insert_overwrite":  # the rows have an id, whatever their partition is
                aside = [row for row in aside if row[0] not in again]
        table, aside = [*stay, *come], [*aside, *out]
    return sorted(table, key=repr), sorted(aside, key=repr)


rows = st.tuples(st.none() | st.integers(0, 4), st.integers(1, 3), st.none() | st.sampled_from([0, 5, -1, 10]))
batches = st.lists(st.lists(rows, max_size=5), min_size=1, max_size=3)


@pytest.mark.parametrize("strategy", CONFIGS)
@given(batches)
@settings(max_examples=8)
def test_every_row_is_in_the_table_or_beside_it(strategy: str, batches: list[list[Row]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        write_files(root, {"fsbuild_project.yml": "name: shop\n", **project(CONFIGS[strategy])})
        for number in range(len(batches)):
            result = run(root, batches[number])
            table, aside = oracle(strategy, batches[: number + 1])
            assert not result.problems, result.problems
            assert (published(root), published(root, "m__quarantine")) == (table, aside)


def test_a_row_that_is_kept_out_says_why_when_and_in_which_run(make_project: Make) -> None:
    root = make_project(project(CONFIGS["merge"]))

    result = run(root, [(1, 1, 5), (2, 1, -1), (3, 1, 1), (3, 2, 2)])

    assert (result.status, result.rows, result.message) == ("warn", 1, "3 rows kept out, in m__quarantine")
    rows = read_delta(root, "m__quarantine")
    assert [(row["id"], row["value"], row["fsbuild_failed_checks"]) for row in rows] == [
        (2, -1, ["value.in_range"]),
        (3, 1, ["id.unique"]),
        (3, 2, ["id.unique"]),
    ]
    commit = history_of(root, "m")[0]
    assert {row["fsbuild_run_id"] for row in rows} == {commit["fsbuild.run_id"]}
    assert {(check.check.name, check.status, check.failures) for check in result.checks} == {
        ("not_null", "pass", 0),
        ("unique", "warn", 2),
        ("in_range", "warn", 1),
    }


def test_repaired_rows_are_merged_and_leave_the_quarantine(make_project: Make) -> None:
    root = make_project(project(CONFIGS["merge"]))
    run(root, [(1, 1, 5), (2, 1, -1), (None, 1, 1)])

    result = run(root, [(2, 1, 1)])

    assert published(root) == [(1, 1, 5), (2, 1, 1)]
    assert published(root, "m__quarantine") == [(None, 1, 1)]
    assert result.status == "success"


def test_too_many_bad_rows_keep_the_table_and_the_quarantine_as_they_were(make_project: Make) -> None:
    checks = CHECKS.replace("max_value: 9, severity", "max_value: 9, error_if: '> 50%', severity")
    root = make_project(project(CONFIGS["merge"], checks))
    run(root, [(1, 1, 5), (2, 1, -1)])

    result = run(root, [(3, 1, -1), (4, 1, 10), (5, 1, 5)])

    assert (result.status, result.version) == ("error", None)
    assert published(root) == [(1, 1, 5)]
    assert published(root, "m__quarantine") == [(2, 1, -1)]


def test_what_a_run_kept_out_that_did_not_get_to_publish_is_written_over(make_project: Make) -> None:
    """The quarantine is written first: a crash between the two commits must leave nothing behind in it."""
    root = make_project(project(CONFIGS["append"]))
    run(root, [(1, 1, 5), (2, 1, -1)])
    write_batch(root, [(3, 1, -1), (4, 1, 4)])
    crash = (
        "import os\nfrom fsbuild import Project\nfrom fsbuild.store import Lake\nwrite = Lake.write\n"
        "def crash(self, write_, relation, *rest):\n"
        "    return write(self, write_, relation, *rest) if 'quarantine' in str(relation) else os._exit(9)\n"
        "Lake.write = crash\nProject('.').run()\n"
    )
    ended = subprocess.run([sys.executable, "-c", crash], cwd=root, check=False)
    assert (ended.returncode, published(root)) == (9, [(1, 1, 5)])

    (result,) = Project(root).run().results

    assert result.status == "warn"
    assert published(root) == [(1, 1, 5), (4, 1, 4)]
    assert published(root, "m__quarantine") == [(2, 1, -1), (3, 1, -1)]


def test_other_rules_about_what_is_kept_out_make_the_table_anew(make_project: Make) -> None:
    root = make_project(project(CONFIGS["table"]))
    run(root, [(1, 1, 5), (2, 1, -1)])
    (root / "models/m.yml").write_text(CHECKS.replace("min_value: 0", "min_value: -1"))

    (result,) = Project(root).run().results

    assert result.status == "success"
    assert (published(root), published(root, "m__quarantine")) == ([(1, 1, 5), (2, 1, -1)], [])


def test_a_table_whose_rows_are_all_good_has_nothing_beside_it(make_project: Make) -> None:
    root = make_project(project(CONFIGS["table"]))

    run(root, [(1, 1, 5)])

    assert not (root / "lake/main/m__quarantine").exists()


def test_show_prints_what_is_kept_out(make_project: Make) -> None:
    root = make_project(project(CONFIGS["merge"]))
    run(root, [(1, 1, 5), (2, 1, -1)])

    shown = Project(root).show("m__quarantine")

    assert shown.columns[:3] == ("id", "day", "value")
    assert shown.rows[0][:4] == (2, 1, -1, ["value.in_range"])
    assert len(Project(root).show("m__quarantine", version=0).rows) == 1


def test_an_unrepaired_row_stays_when_its_input_is_computed_again_by_auto(make_project: Make) -> None:
    files = project("materialized='incremental', incremental_strategy='auto', unique_key='id'")
    files["models/sources.yml"] = "sources: [{name: raw, tables: [{name: batch, meta: {delta_table_path: batch}}]}]\n"
    root = make_project(files)

    def write(rows: Sequence[Row]) -> None:
        columns = zip(("id", "day", "value"), zip(*rows, strict=True), strict=True)
        data = pa.table({name: pa.array(values, pa.int32()) for name, values in columns})
        feed = {"delta.enableChangeDataFeed": "true"}
        if (root / "batch").exists():
            merge = DeltaTable(root / "batch").merge(data, "t.id = s.id", source_alias="s", target_alias="t")
            merge.when_matched_update_all().when_not_matched_insert_all().execute()
        else:
            write_deltalake(root / "batch", data, configuration=feed)

    write([(1, 1, 5), (2, 1, -1), (3, 1, 1)])
    Project(root).run()
    write([(3, 1, 10), (4, 1, 4)])
    Project(root).run()
    assert (published(root), published(root, "m__quarantine")) == ([(1, 1, 5), (4, 1, 4)], [(2, 1, -1), (3, 1, 10)])

    write([(2, 1, 2)])
    Project(root).run()

    assert (published(root), published(root, "m__quarantine")) == ([(1, 1, 5), (2, 1, 2), (4, 1, 4)], [(3, 1, 10)])


@pytest.mark.parametrize(
    ("config", "checks", "said"),
    [
        ("materialized='view'", CHECKS, "no row can be kept out of 'm', which is of the kind 'view'"),
        (
            "materialized='table'",
            CHECKS.replace("not_null: {", "at_least_one: {"),
            "at_least_one is about the table, of which no row can be put aside",
        ),
    ],
)
def test_what_cannot_be_kept_out_is_said_before_anything_runs(
    make_project: Make, config: str, checks: str, said: str
) -> None:
    root = make_project(project(config, checks))
    write_batch(root, [(1, 1, 1)])

    with pytest.raises(FsbuildError) as caught:
        Project(root).run()

    assert said in str(caught.value)
