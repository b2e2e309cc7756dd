"""What is told of checks after a run: their history in a table, and JUnit XML for CI servers."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from fsbuild import Project
from tests.conftest import Files, history_of, read_delta

Make = Callable[[Files], Path]
SHOP = {
    "seeds/numbers.csv": "n,kind\n1,a\n2,b\n4,<c>\n",
    "models/small.sql": "{{ config(materialized='table') }} select n, kind from {{ ref('numbers') }}\n",
    "models/below.sql": "{{ config(materialized='table') }} select n from {{ ref('small') }}\n",
    "models/m.yml": """
models:
  - name: small
    columns:
      - name: n
        data_tests:
          - unique
          - in_range: {min_value: 0, max_value: 3, name: small_enough, severity: "{{ var('severity', 'warn') }}"}
""",
}


def fsbuild(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "fsbuild", *arguments]
    return subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)


def suites_of(file: Path) -> dict[str | None, ET.Element]:
    return {suite.get("name"): suite for suite in ET.parse(file).getroot()}  # noqa: S314 - we wrote it


def test_the_history_of_checks_is_a_table(make_project: Make) -> None:
    root = make_project(SHOP)
    first = Project(root).run()
    tested = Project(root).test()

    rows = read_delta(root, "fsbuild_checks")

    told = ("run_id", "command", "node", "column", "check", "severity", "status", "failures", "rows", "sample")
    assert [tuple(row[name] for name in told) for row in rows] == [
        (run_id, command, "model.shop.small", "n", *rest)
        for run_id, command in sorted([(first.run_id, "run"), (tested.run_id, "test")])
        for rest in (("small_enough", "warn", "warn", 1, 3, '[{"n": 4}]'), ("unique", "error", "pass", 0, 3, None))
    ]
    assert len(Project(root).show("fsbuild_checks").rows) == 4
    assert [commit.get("fsbuild.rows") for commit in history_of(root, "fsbuild_checks")] == ["2", "2"]


def test_a_run_without_checks_writes_no_history(make_project: Make) -> None:
    root = make_project(SHOP | {"models/m.yml": ""})

    Project(root).run()

    assert not (root / "lake/main/fsbuild_checks").exists()


def test_a_failed_run_is_in_the_history_too(make_project: Make) -> None:
    root = make_project(SHOP)

    Project(root, variables={"severity": "error"}).run()

    assert [row["status"] for row in read_delta(root, "fsbuild_checks")] == ["fail", "pass"]
    assert not (root / "lake/main/small").exists()


def test_junit_has_a_suite_for_each_node_and_a_case_for_each_check(make_project: Make) -> None:
    root = make_project(SHOP)

    ended = fsbuild(root, "run", "--junit", "checks.xml", "--vars", "severity: error")

    assert ended.returncode == 1, ended.stderr
    suites = suites_of(root / "checks.xml")
    small = suites["model.shop.small"]
    assert {key: small.get(key) for key in ("tests", "failures", "errors", "skipped")} == {
        "tests": "2",
        "failures": "1",
        "errors": "0",
        "skipped": "0",
    }
    cases = {case.get("name"): case for case in small}
    failure = cases["n.small_enough"].find("failure")
    assert failure is not None
    assert str(failure.get("message")).startswith("check in_range(min_value=0, max_value=3) on n: 1 of 3 rows failed")
    assert "4" in str(failure.text)
    assert len(cases["n.unique"]) == 0
    (below,) = suites["model.shop.below"]
    assert [(one.tag, one.get("message")) for one in below] == [("skipped", "small failed")]


def test_junit_tells_of_errors_and_of_warnings_that_pass(make_project: Make) -> None:
    files = {**SHOP, "models/below.sql": SHOP["models/below.sql"].replace("n from", "error('no <luck>') as n from")}
    root = make_project(files)

    ended = fsbuild(root, "build", "--junit", "checks.xml")

    assert ended.returncode == 1
    suites = suites_of(root / "checks.xml")
    warned = {case.get("name"): [one.tag for one in case] for case in suites["model.shop.small"]}
    assert warned == {"n.small_enough": ["system-out"], "n.unique": []}
    (error,) = suites["model.shop.below"].iter("error")
    assert "no <luck>" in str(error.get("message"))


@pytest.mark.parametrize("file", ["nowhere/checks.xml", "models"])
def test_a_report_that_cannot_be_written_is_an_error(make_project: Make, file: str) -> None:
    root = make_project(SHOP)

    fsbuild(root, "run")
    ended = fsbuild(root, "test", "--junit", file)

    assert ended.returncode == 2
    assert f"cannot write {file}" in ended.stderr


def test_checks_show_says_what_is_enforced_how_and_how_it_ended(make_project: Make) -> None:
    root = make_project(SHOP)
    Project(root).run()

    table = Project(root).checks("small")

    assert table.columns[:5] == ("column", "check", "severity", "limits", "decided_by")
    assert [row[:7] for row in table.rows] == [
        ("n", "unique", "error", None, "a query, the whole table", "models/m.yml:6", "pass"),
        ("n", "small_enough", "warn", None, "pandera, row by row", "models/m.yml:7", "warn"),
    ]
    told = fsbuild(root, "checks", "show", "small", "--output", "csv")
    assert told.stdout.splitlines()[2].startswith("n,small_enough,warn,,")
    assert "'below' has no checks" in fsbuild(root, "checks", "show", "below").stderr


def test_an_inferred_schema_holds_for_what_it_was_inferred_from(make_project: Make) -> None:
    root = make_project(SHOP)
    Project(root).run()

    written = fsbuild(root, "checks", "infer", "small")

    (root / "checks").mkdir()
    (root / "checks/small.yml").write_text(written.stdout)
    (root / "models/small.sql").write_text(
        SHOP["models/small.sql"].replace("materialized='table'", "materialized='table', pandera='checks/small.yml'")
    )
    checks = {(one.check.column, one.check.name): one.status for one in Project(root).run().results[0].checks}
    assert {pair: checks.pop(pair) for pair in list(checks) if pair[1] in ("unique", "in_range")} == {
        ("n", "unique"): "pass",
        ("n", "in_range"): "warn",  # the YAML beside the model is stronger
        ("kind", "unique"): "pass",
    }
    assert checks == {("n", "not_null"): "pass", ("kind", "not_null"): "pass", ("kind", "isin"): "pass"}
