"""Sources of Parquet files: what is added is told from what is changed, and the table is what all files make."""

from __future__ import annotations

import datetime as dt
import os
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fsbuild import Project
from fsbuild.engine import Warehouse
from fsbuild.errors import Place
from fsbuild.values import NodeResult, Relation, Source
from tests.conftest import Files, read_delta, write_files

Make = Callable[[Files], Path]
Pair = tuple[int, int]
FILES = {
    "models/s.yml": "sources: [{name: raw, tables: [{name: f, meta: {external_location: 'in/*.parquet'}}]}]\n",
    "models/m.sql": "{{ config(materialized='incremental', incremental_strategy='auto', unique_key='k') }}\n"
    "select k, count(*) as n, sum(v)::bigint as total from {{ source('raw', 'f') }} group by k\n",
}


def write_rows(root: Path, name: str, rows: Sequence[Pair]) -> None:
    keys, values = (pa.array([row[at] for row in rows], pa.int64()) for at in (0, 1))
    (root / "in").mkdir(exist_ok=True)
    pq.write_table(pa.table({"k": keys, "v": values}), root / "in" / name)


def run(root: Path) -> NodeResult:
    (node,) = Project(root).run().results
    return node


def found(root: Path) -> dict[int, tuple[int, int]]:
    return {int(str(row["k"])): (int(str(row["n"])), int(str(row["total"]))) for row in read_delta(root, "m")}


@pytest.fixture
def root(make_project: Make) -> Path:
    root = make_project(FILES)
    write_rows(root, "1.parquet", [(1, 1), (2, 2)])
    assert run(root).status == "success"
    return root


def test_only_the_keys_of_added_files_are_computed(root: Path) -> None:
    write_rows(root, "2.parquet", [(2, 5), (3, 3)])
    (step,) = Project(root).plan().steps
    assert (step.action, step.reason) == ("increment", "raw.f has changed; the rows it affects are found by (k)")
    assert run(root).message == "2 affected keys (k)"
    assert found(root) == {1: (1, 1), 2: (2, 7), 3: (1, 3)}
    assert run(root).status == "unchanged"


def test_the_files_are_remembered_where_nothing_came_of_them(root: Path) -> None:
    write_rows(root, "2.parquet", [])
    assert run(root).message == "0 affected keys (k)"
    write_rows(root, "3.parquet", [(1, 1)])
    assert run(root).message == "1 affected keys (k)"
    assert found(root) == {1: (2, 2), 2: (1, 2)}


def test_a_changed_or_removed_file_calls_for_all(root: Path) -> None:
    write_rows(root, "1.parquet", [(1, 8)])
    reason = "raw.f has changed, and files that were read have been changed or removed (in/1.parquet): in full"
    assert [step.reason for step in Project(root).plan().steps] == [reason]
    run(root)
    assert found(root) == {1: (1, 8)}
    write_rows(root, "2.parquet", [(2, 2)])
    (root / "in/1.parquet").unlink()
    run(root)
    assert found(root) == {2: (1, 2)}


def test_text_files_are_read_as_a_whole(make_project: Make) -> None:
    files = {**FILES, "models/s.yml": FILES["models/s.yml"].replace("parquet", "csv"), "in/1.csv": "k,v\n1,1\n"}
    root = make_project(files)
    run(root)
    write_files(root, {"in/2.csv": "k,v\nx,1\n"})
    (step,) = Project(root).plan().steps
    assert step.action == "replace"
    write_files(root, {"in/2.csv": "k,v\n2,1\n"})
    (step,) = Project(root).plan().steps
    assert step.reason.endswith("of files that are no Parquet, or are read by a function, all are read again: in full")


def test_a_file_that_comes_while_a_run_is_at_work_is_of_the_next_one(tmp_path: Path) -> None:
    write_rows(tmp_path, "1.parquet", [(1, 1)])
    source = Source("source.x.raw.f", "raw", "f", "files", "in/*.parquet", Relation("raw", "f"), Place("s.yml"))
    warehouse = Warehouse(tmp_path, {}, dt.datetime.now(dt.UTC))
    write_rows(tmp_path, "2.parquet", [(2, 2)])
    warehouse.bind_source(source, None, ["in/1.parquet"])
    assert warehouse.rows("SELECT k FROM raw.f") == [{"k": 1}]


ROWS = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 3)), max_size=3)
EDITS = st.dictionaries(st.sampled_from(["a", "b", "c", "d", "e"]), ROWS | st.none(), min_size=1, max_size=3)


@given(st.lists(EDITS, min_size=2, max_size=5))
@settings(max_examples=15, deadline=None)
def test_the_table_is_what_all_files_make(batches: Sequence[Mapping[str, list[Pair] | None]]) -> None:
    """Files come, change and go (None); what is there is grouped in plain Python."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        write_files(root, {"fsbuild_project.yml": "name: shop\n", **FILES})
        present: dict[str, list[Pair]] = {"z": [(0, 0)]}
        write_rows(root, "z.parquet", present["z"])
        for number, edits in enumerate(batches):
            for name, rows in edits.items():
                if rows is not None:
                    present[name] = rows
                    write_rows(root, f"{name}.parquet", rows)
                    # Two states of a file that are written at once may have one size and one time.
                    os.utime(root / f"in/{name}.parquet", ns=(number, number))
                elif present.pop(name, None) is not None:
                    (root / f"in/{name}.parquet").unlink()
            assert run(root).status in ("success", "unchanged")
            counts, totals = Counter[int](), Counter[int]()
            for key, value in (row for rows in present.values() for row in rows):
                counts[key] += 1
                totals[key] += value
            assert found(root) == {key: (counts[key], totals[key]) for key in counts}
