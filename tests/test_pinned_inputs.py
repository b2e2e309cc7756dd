"""`--as-of` and `--input`: what a run reads and does not build is read as it was."""

from __future__ import annotations

import copy
import datetime as dt
import json
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
from click.testing import CliRunner
from deltalake import DeltaTable, write_deltalake

from fsbuild import Project
from fsbuild.cli import cli
from fsbuild.errors import FsbuildError
from tests.conftest import Files, history_of, read_delta

Make = Callable[[Files], Path]
FILES = {
    "models/s.yml": "sources: [{name: raw, tables: [{name: events, meta: {delta_table_path: raw/events}}]}]\n",
    "models/doubled.sql": "{{ config(materialized='table') }}select x * 2 as x from {{ source('raw', 'events') }}",
    "models/seen.sql": "select * from {{ ref('doubled') }}",
    "models/total.sql": "{{ config(materialized='table') }}select sum(x) as total from {{ ref('seen') }}",
}


@pytest.fixture
def root(make_project: Make) -> Path:
    """A source of three versions, with 1, 2 and 3 rows, and models of the last one."""
    root = make_project(FILES)
    for number in (1, 2, 3):
        write_deltalake(str(root / "raw/events"), pa.table({"x": [number]}), mode="append")
    assert Project(root).run().is_success
    return root


def total(root: Path) -> object:
    return read_delta(root, "total")[0]["total"]


def committed(root: Path, version: int) -> str:
    (info,) = [one for one in DeltaTable(str(root / "raw/events")).history() if one["version"] == version]
    return json.dumps(info["timestamp"])


def test_a_version_of_a_source_is_read(root: Path) -> None:
    assert total(root) == 12
    assert Project(root).run(inputs={"raw.events": 1}).is_success
    assert total(root) == 6
    info = next(one for one in history_of(root, "doubled") if "fsbuild.inputs" in one)
    assert json.loads(str(info["fsbuild.inputs"]))["source.shop.raw.events"].startswith("1@")


def test_the_next_run_reads_the_present_again(root: Path) -> None:
    Project(root).run(inputs={"raw.events": 0})
    assert Project(root).plan().steps[0].reason == "raw.events has changed"
    Project(root).run()
    assert total(root) == 12


def test_a_moment_stands_for_the_versions_of_all_inputs(root: Path) -> None:
    moment = int(committed(root, 1)) / 1000
    Project(root).run(as_of=dt.datetime.fromtimestamp(moment, dt.UTC))
    assert total(root) == 6


def test_a_model_that_is_not_built_is_read_as_it_was_also_behind_a_view(root: Path) -> None:
    write_deltalake(str(root / "raw/events"), pa.table({"x": [4]}), mode="append")
    Project(root).run(select="doubled")
    Project(root).run(select="total", inputs={"doubled": 0})
    assert total(root) == 12
    Project(root).run(select="total")
    assert total(root) == 20


def test_an_increment_by_changes_goes_back_in_full(make_project: Make) -> None:
    config = "{{ config(materialized='incremental', incremental_strategy='auto', unique_key='x') }}"
    root = make_project(
        {**FILES, "models/kept.sql": f"{config}select x, count(*) n from {{{{ source('raw', 'events') }}}} group by x"}
    )
    for number in (1, 2, 3):
        write_deltalake(str(root / "raw/events"), pa.table({"x": [number]}), mode="append")
    Project(root).run()

    plan = Project(root).plan(select="kept", inputs={"raw.events": 1})
    assert "version 2 was read already, and version 1 is before it: in full" in plan.steps[0].reason
    Project(root).run(inputs={"raw.events": 1})
    assert sorted(int(str(row["x"])) for row in read_delta(root, "kept")) == [1, 2]
    Project(root).run()
    assert sorted(int(str(row["x"])) for row in read_delta(root, "kept")) == [1, 2, 3]


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"raw.event": 1}, "there is no model, seed or source 'raw.event'\n  hint: did you mean 'raw.events'?"),
        ({"raw.events": 9}, "has no version 9"),
        ({"doubled": 0}, "--input doubled: this run builds it\n  hint: leave it out with --exclude"),
        ({"seen": 0}, "--input seen: it is of the kind 'view', which has no versions"),
    ],
)
def test_an_input_that_cannot_be_pinned_is_told(root: Path, inputs: dict[str, int], message: str) -> None:
    with pytest.raises(FsbuildError) as told:
        Project(root).run(inputs=inputs)
    assert message in str(told.value)


def test_an_input_of_no_model_is_told(root: Path) -> None:
    with pytest.raises(FsbuildError, match=r"--input raw.events: no model of this run reads it"):
        Project(root).run(select="total", inputs={"raw.events": 0})


def test_files_have_no_past(make_project: Make) -> None:
    files = {
        "models/s.yml": "sources: [{name: raw, tables: [{name: f, meta: {external_location: f.csv}}]}]\n",
        "models/m.sql": "{{ config(materialized='table') }}select * from {{ source('raw', 'f') }}",
        "f.csv": "x\n1\n",
    }
    root = make_project(files)
    with pytest.raises(FsbuildError, match=r"'raw.f' is read from files, of which only the present ones are known"):
        Project(root).run(as_of="2099-01-01")


def test_a_moment_before_everything_is_told(root: Path) -> None:
    with pytest.raises(FsbuildError, match="2001-01-01"):
        Project(root).run(as_of="2001-01-01")


def test_the_command_line_reads_the_options(root: Path) -> None:
    done = CliRunner().invoke(copy.deepcopy(cli), ["run", "--project-dir", str(root), "--input", "raw.events=0"])
    assert done.exit_code == 0, done.output
    assert total(root) == 2
    planned = CliRunner().invoke(copy.deepcopy(cli), ["plan", "--project-dir", str(root), "--input", "raw.events=0"])
    assert "nothing that it reads has changed" in planned.output
    wrong = CliRunner().invoke(copy.deepcopy(cli), ["run", "--project-dir", str(root), "--input", "raw.events"])
    assert wrong.exit_code == 2
    assert "for example raw.events=3" in wrong.output


@pytest.mark.parametrize("how", ["inputs", "as_of"])
def test_retry_reads_the_same_versions_and_what_the_run_has_built(root: Path, how: str) -> None:
    moment = dt.datetime.fromtimestamp(int(committed(root, 1)) / 1000, dt.UTC)
    given = {"inputs": {"raw.events": 1}, "as_of": None} if how == "inputs" else {"inputs": None, "as_of": moment}
    (root / "models/total.sql").write_text(
        "{{ config(materialized='table') }}select error('no') as total from {{ ref('seen') }}", encoding="utf-8"
    )
    assert not Project(root).run(**given).is_success
    (root / "models/total.sql").write_text(FILES["models/total.sql"], encoding="utf-8")
    assert Project(root).retry().is_success
    assert total(root) == 6
