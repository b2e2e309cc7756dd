"""The command line: what goes where, with which exit code, and how soon."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import fsbuild
from tests.conftest import Files

Make = Callable[[Files], Path]

SHOP = {
    "seeds/orders.csv": "id,amount\n1,5\n2,\n",
    "models/totals.sql": "{{ config(materialized='table', tags=['money']) }}\nselect * from {{ ref('orders') }}\n",
    "models/view_of_it.sql": "select id from {{ ref('totals') }} where id > {{ var('least', 0) }}\n",
}


def fsbuild_(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "fsbuild", *arguments]
    return subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_help_and_version_import_nothing_heavy(option: str) -> None:
    program = f"""
import sys
from fsbuild.cli import main
try:
    main([{option!r}])
except SystemExit as exc:
    assert exc.code == 0
heavy = "duckdb deltalake sqlglot jinja2 networkx pandera polars pyarrow yaml rich numpy".split()
assert not set(heavy) & set(sys.modules), set(heavy) & set(sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout


def test_a_run_says_everything_on_stderr_without_control_characters(make_project: Make) -> None:
    done = fsbuild_(make_project(SHOP), "run")

    assert (done.returncode, done.stdout) == (0, "")
    assert "\x1b" not in done.stderr
    assert done.stderr.splitlines()[-1].startswith("Done in ")
    assert any("OK" in line and "totals" in line and "2 rows" in line for line in done.stderr.splitlines())


def test_quiet_says_only_how_it_ended(make_project: Make) -> None:
    done = fsbuild_(make_project(SHOP), "run", "-q")

    (line,) = done.stderr.splitlines()
    assert line.startswith("Done in ")


def test_json_log_is_one_object_a_line(make_project: Make) -> None:
    done = fsbuild_(make_project(SHOP), "run", "--log-format", "json")

    events = [json.loads(line) for line in done.stderr.splitlines()]
    assert events[0]["event"] == "run_started"
    assert events[-1]["event"] == "run_finished"
    assert {e["result"]["name"] for e in events if e["event"] == "node_finished"} == {"orders", "totals", "view_of_it"}


@pytest.mark.parametrize(
    ("arguments", "code", "expected"),
    [
        (
            ["compile"],
            2,
            {
                "level": "error",
                "message": "unknown model or seed 'totls'",
                "place": {"file": "models/wrong.sql", "line": 1, "column": None},
                "hint": "did you mean 'totals'?",
            },
        ),
        (["run", "--target", "prod"], 2, {"level": "error", "message": "unknown target 'prod'", "place": None}),
        (["show"], 2, {"level": "error", "message": "name a node, or give a query with --inline"}),
        (["run", "--vars", "["], 2, {"level": "error"}),
    ],
    ids=["a wrong model", "a wrong target", "a wrong call", "a wrong value"],
)
def test_json_log_has_problems_as_lines(
    make_project: Make, arguments: list[str], code: int, expected: dict[str, object]
) -> None:
    root = make_project({**SHOP, "models/wrong.sql": "select * from {{ ref('totls') }}\n"})

    done = fsbuild_(root, *arguments, "--log-format", "json")

    (line,) = map(json.loads, done.stderr.splitlines())
    assert (done.returncode, done.stdout, line["event"]) == (code, "", "problem")
    assert {name: line[name] for name in expected} == expected
    assert line["time"].endswith("Z")


def test_json_log_has_what_is_said_beside_a_run_as_lines(make_project: Make) -> None:
    root = make_project({**SHOP, "models/says.sql": "select 1 as id {{ log('hello', info=true) }}\n"})

    done = fsbuild_(root, "compile", "--select", "tag:none", "--log-format", "json")

    said = [json.loads(line) for line in done.stderr.splitlines()]
    assert {line["event"] for line in said} == {"log"}
    assert {(line["level"], line["message"]) for line in said} >= {
        ("info", "hello"),
        ("warning", "the selector 'tag:none' matches nothing"),
    }


def test_show_prints_rows_as_a_table_json_or_csv(make_project: Make) -> None:
    root = make_project(SHOP)
    fsbuild_(root, "run", "-q")

    as_json = fsbuild_(root, "show", "totals", "--output", "json")
    as_csv = fsbuild_(root, "show", "totals", "--output", "csv")
    inline = fsbuild_(root, "show", "--inline", "select sum(amount) as total from {{ ref('totals') }} -- all of it")
    view = fsbuild_(root, "show", "view_of_it", "--vars", "least: 1", "--limit", "1")

    assert [json.loads(line) for line in as_json.stdout.splitlines()] == [
        {"id": 1, "amount": 5},
        {"id": 2, "amount": None},
    ]
    assert list(csv.reader(io.StringIO(as_csv.stdout))) == [["id", "amount"], ["1", "5"], ["2", ""]]
    assert inline.stdout.split() == ["total", "-----", "5"]
    assert view.stdout.split() == ["id", "--", "2"]
    assert {as_json.stderr, as_csv.stderr, inline.stderr, view.stderr} == {""}


@pytest.mark.skipif(not Path("/proc/self/stat").is_file(), reason="asks Linux whether the query runs already")
@pytest.mark.parametrize(
    "sql",
    [
        "select sum(a.range * b.range) from range(200000) a, range(200000) b",
        "select a.range from range(200000) a, range(200000) b where a.range * b.range = -1",
    ],
    ids=["before the first row", "between rows"],
)
def test_ctrl_c_ends_show_with_one_line(make_project: Make, sql: str) -> None:
    root = make_project({})
    command = [sys.executable, "-m", "fsbuild", "show", "--inline", sql]
    with subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        _wait_for_a_busy_process(process.pid)
        process.send_signal(signal.SIGINT)
        shown, said = process.communicate(timeout=120)

    assert (process.returncode, shown, said.split("\n")) == (1, "", ["", "Interrupted", ""])


def _wait_for_a_busy_process(pid: int) -> None:
    """Wait until a process has computed for longer than starting takes."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        if int(fields[11]) / os.sysconf("SC_CLK_TCK") > 3:
            return
        time.sleep(0.1)


def test_compile_prints_the_sql_of_what_is_selected_and_touches_no_data(make_project: Make) -> None:
    root = make_project(SHOP)

    done = fsbuild_(root, "compile", "--select", "view_of_it")

    assert done.stdout == 'select id from "main"."totals" where id > 0\n'
    assert (root / "target/compiled/shop/models/view_of_it.sql").is_file()
    assert not (root / "lake").exists()


def test_ls_lists_names_paths_or_json(make_project: Make) -> None:
    root = make_project(SHOP)

    assert fsbuild_(root, "ls").stdout.split() == ["shop.orders", "shop.totals", "shop.view_of_it"]
    assert fsbuild_(root, "ls", "-s", "tag:money", "--output", "path").stdout.split() == ["models/totals.sql"]
    (node,) = fsbuild_(root, "ls", "--resource-type", "seed", "--output", "json").stdout.splitlines()
    assert json.loads(node)["unique_id"] == "seed.shop.orders"


def test_plan_and_dry_run_are_the_same_report_and_run_nothing(make_project: Make) -> None:
    root = make_project(SHOP)

    plan, dry_run = fsbuild_(root, "plan"), fsbuild_(root, "run", "--dry-run")

    assert plan.stdout == dry_run.stdout
    assert "there is no table yet" in plan.stdout
    assert not (root / "lake").exists()


def test_build_reports_each_check_as_a_result(make_project: Make) -> None:
    checks = "models:\n  - name: totals\n    columns:\n      - name: amount\n        data_tests: [not_null]\n"
    done = fsbuild_(make_project({**SHOP, "models/_models.yml": checks}), "build")

    assert done.returncode == 1
    assert any(line.split()[:3] == ["FAIL", "check", "not_null"] for line in done.stderr.splitlines())


def test_clean_removes_the_target_folder_and_never_the_lake(make_project: Make) -> None:
    root = make_project(SHOP)
    fsbuild_(root, "run", "-q")

    assert fsbuild_(root, "clean").returncode == 0

    assert not (root / "target").exists()
    assert (root / "lake/main/totals/_delta_log").is_dir()


def test_clean_refuses_what_is_not_its_own(make_project: Make) -> None:
    root = make_project({**SHOP, "fsbuild_project.yml": "name: shop\nclean-targets: [target, '..', lake]\n"})
    fsbuild_(root, "run", "-q")

    done = fsbuild_(root, "clean")

    assert done.returncode == 2
    assert (root / "lake/main/totals").is_dir()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["run", "--select", "totls"], "did you mean 'totals'?"),
        (["run", "--target", "prod"], "unknown target 'prod'"),
        (["run", "--vars", "[1]"], "write a mapping"),
        (["show"], "name a node, or give a query"),
        (["show", "totls"], "did you mean 'totals'?"),
        (["history", "view_of_it"], "it has no table"),
        (["run", "--project-dir", "/nowhere"], "no fsbuild_project.yml"),
        (["run", "--threads", "0"], "0 is not in the range"),
        (["runn"], "No such command 'runn'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_usage_exits_with_2_and_says_what_to_do(make_project: Make, arguments: list[str], told: str) -> None:
    done = fsbuild_(make_project(SHOP), *arguments)

    assert done.returncode == 2
    assert told in done.stderr
    assert "Traceback" not in done.stderr


def test_history_names_the_run_of_each_version(make_project: Make) -> None:
    root = make_project(SHOP)
    fsbuild_(root, "run", "-q")
    fsbuild_(root, "run", "-q", "--full-refresh")

    versions = [
        json.loads(line) for line in fsbuild_(root, "history", "totals", "--output", "json").stdout.splitlines()
    ]

    assert [version["version"] for version in versions] == [1, 0]
    assert versions[0]["run_id"] != versions[1]["run_id"]


def test_debug_says_that_all_is_well(make_project: Make) -> None:
    done = fsbuild_(make_project(SHOP), "debug")

    assert done.returncode == 0
    assert "every model binds" in done.stdout


def test_init_refuses_a_folder_that_is_not_empty(make_project: Make) -> None:
    root = make_project(SHOP)

    done = fsbuild_(root, "init", "models")

    assert done.returncode == 2
    assert "models is not empty" in done.stderr


def test_the_public_names_are_these() -> None:
    assert sorted(fsbuild.__all__) == ["FsbuildError", "Project", "__version__"]
    for name in fsbuild.__all__:
        assert getattr(fsbuild, name) is not None
    with pytest.raises(AttributeError):
        _ = fsbuild.nothing
