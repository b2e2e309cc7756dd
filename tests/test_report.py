"""The report stage: what a person and a program read of a run, on a pipe and on a real terminal."""

from __future__ import annotations

import datetime as dt
import fcntl
import io
import json
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Literal

import pytest

from fsbuild.errors import Place, Problem
from fsbuild.report import format_plan, format_problems, format_table, is_colored, make_reporter
from fsbuild.report.run_text import elapsed_text
from fsbuild.values import (
    Check,
    CheckResult,
    Event,
    NodeFinished,
    NodeResult,
    NodeStarted,
    Plan,
    RunFinished,
    RunResult,
    RunStarted,
    Step,
)

GOLDEN = Path(__file__).parent / "golden" / "report"
NOON = dt.datetime(2013, 1, 14, 12, tzinfo=dt.UTC)
PLACE = Place("models/features.yml", 14, 9)

NOT_NULL = Check("not_null", "carrier", {}, PLACE)
IN_RANGE = Check("in_range", "dep_delay", {"min_value": 0}, replace(PLACE, line=18))
UNIQUE = Check("unique", None, {"columns": ["carrier", "day"]}, replace(PLACE, line=4))
LATE_ROWS = tuple(
    {"carrier": carrier, "day": dt.date(2013, 1, day), "dep_delay": delay}
    for carrier, day, delay in (("UA", 3, Decimal("-3.5")), ("A\x1b[31mA", 14, Decimal("-12.0")), (None, 1, -1))
)
MISSPELT = Problem(
    "there is no column 'carier' in stg_flights",
    Place("models/features/plane_delay_30d.sql", 14, 9),
    hint="did you mean 'carrier'?",
    excerpt="\tselect carier, count(*) as flights",
)

AIRLINES = NodeResult("seed.f.airlines", "airlines", "seed", "seed", "success", 0.02, rows=1, version=0)
STG_FLIGHTS = NodeResult("model.f.stg_flights", "stg_flights", "model", "view", "success", 0.001, message="a view")
STG_WEATHER = NodeResult(
    "model.f.stg_weather", "stg_weather", "model", "table", "unchanged", message="nothing that it reads has changed"
)
CARRIER = NodeResult(
    "model.f.carrier_delay_7d",
    "carrier_delay_7d",
    "model",
    "incremental",
    "success",
    0.12,
    rows=12304,
    version=3,
    checks=(CheckResult(NOT_NULL, "pass", rows=12304), CheckResult(UNIQUE, "pass", rows=12304)),
)
WEATHER = NodeResult(
    "model.f.origin_airport_weather_24h",
    "origin_airport_weather_24h",
    "model",
    "table",
    "warn",
    0.4,
    rows=8_703,
    version=1,
    checks=(CheckResult(replace(NOT_NULL, column="temp", severity="warn"), "warn", 1, 8_703),),
)
PLANE = NodeResult(
    "model.f.plane_delay_30d",
    "plane_delay_30d",
    "model",
    "table",
    "error",
    0.01,
    message=MISSPELT.message,
    problems=(MISSPELT,),
)
ROUTE = NodeResult(
    "model.f.route_delay_7d",
    "route_delay_7d",
    "model",
    "table",
    "error",
    65.2,
    rows=3_400,
    message="its checks failed; nothing was published",
    checks=(
        CheckResult(NOT_NULL, "pass", rows=3_400),
        CheckResult(IN_RANGE, "fail", 12, 3_400, LATE_ROWS),
        CheckResult(
            Check("unique_values_eq", "origin", {"values": ["EWR", "LGA"]}, PLACE),
            "fail",
            1,
            0,
            message="missing values: 'LGA'",
        ),
        CheckResult(UNIQUE, "error", message="no such table"),
    ),
)
TRAINING = NodeResult(
    "model.f.training_rows", "training_rows", "model", "table", "skipped", message="plane_delay_30d failed"
)
RESULTS = (AIRLINES, STG_FLIGHTS, STG_WEATHER, CARRIER, WEATHER, PLANE, ROUTE, TRAINING)


def events_of(results: Sequence[NodeResult], command: str = "run", *, interrupted: bool = False) -> list[Event]:
    events: list[Event] = [RunStarted(command, "3f2a", len(results), "dev", 4)]
    for index, result in enumerate(results, start=1):
        if result.status != "skipped":
            events.append(NodeStarted(result.unique_id, result.name, result.kind))
        events.append(NodeFinished(result, index, len(results)))
    return [*events, RunFinished(RunResult(command, "3f2a", 1.24, tuple(results), interrupted))]


def told(
    events: Sequence[Event], log_format: Literal["text", "json"] = "text", verbosity: Literal[-1, 0, 1] = 0
) -> str:
    stream = io.StringIO()
    with make_reporter(log_format, verbosity, stream, clock=lambda: NOON) as report:
        for event in events:
            report(event)
    return stream.getvalue()


def assert_golden(name: str, text: str) -> None:
    if os.environ.get("FSBUILD_UPDATE_GOLDEN"):
        GOLDEN.mkdir(parents=True, exist_ok=True)
        (GOLDEN / name).write_text(text, encoding="utf-8")
    assert text == (GOLDEN / name).read_text(encoding="utf-8")


# --- plain text ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "verbosity"), [("run", 0), ("run_verbose", 1), ("run_quiet", -1)])
def test_tells_of_a_run_line_by_line(name: str, verbosity: Literal[-1, 0, 1]) -> None:
    assert_golden(f"{name}.txt", told(events_of(RESULTS), verbosity=verbosity))


def test_build_names_every_check() -> None:
    assert_golden("build.txt", told(events_of(RESULTS, "build")))


def test_test_counts_the_checks_of_each_node() -> None:
    results = (
        replace(CARRIER, status="pass", rows=None, version=None),
        replace(ROUTE, status="fail", rows=None, message=""),
    )
    assert_golden("test.txt", told(events_of(results, "test")))


def test_an_interrupted_run_says_what_was_published_and_what_was_not_run() -> None:
    stopped = [replace(node, status="skipped", message="the run stopped before it") for node in (WEATHER, TRAINING)]
    stopped = [replace(node, rows=None, version=None, checks=()) for node in stopped]
    assert_golden("interrupted.txt", told(events_of((AIRLINES, STG_FLIGHTS, CARRIER, *stopped), interrupted=True)))


def test_an_interrupted_run_may_have_published_nothing() -> None:
    assert told(events_of((TRAINING,), interrupted=True)).splitlines()[-1] == (
        "Interrupted after 1.24s: published nothing; not run: training_rows"
    )


def test_failures_that_scrolled_away_are_told_again() -> None:
    text = told(events_of((PLANE, ROUTE, *[AIRLINES] * 20)))
    assert_golden("failures_again.txt", text[text.index("\n\n") + 2 :])


def test_failures_in_sight_are_told_once() -> None:
    assert "failures:" not in told(events_of((PLANE, ROUTE)))


def test_an_empty_run_has_a_last_line_too() -> None:
    assert told(events_of(())).splitlines()[-1] == "Done in 1.24s: nothing to do"


def test_a_longer_name_moves_the_columns_for_good() -> None:
    lines = told(events_of((replace(AIRLINES, name="n" * 40), AIRLINES))).splitlines()[1:3]
    assert len({line.index("1 row") for line in lines}) == 1


@pytest.mark.parametrize(
    ("elapsed_s", "text"),
    [(0, "0.00s"), (59.99, "59.99s"), (59.999, "1m 00s"), (65.2, "1m 05s"), (3600, "1h 00m"), (7620, "2h 07m")],
)
def test_durations_read_as_people_say_them(elapsed_s: float, text: str) -> None:
    assert elapsed_text(elapsed_s) == text


def test_a_pipe_gets_no_control_characters_and_needs_no_rich() -> None:
    code = "import sys; sys.path.insert(0, '.'); from tests.test_report import *; print(told(events_of(RESULTS)));"
    code += "assert 'rich' not in sys.modules"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", done.stdout)


# --- JSON ------------------------------------------------------------------------------------------------------------


def test_json_has_one_object_for_each_event() -> None:
    assert_golden("run.jsonl", told(events_of(RESULTS), "json"))


def test_json_is_json_whatever_the_rows_hold() -> None:
    row: dict[str, object] = {"nan": float("nan"), "bytes": b"\xff", "at": NOON, "list": [Decimal("1.5")], "\ud800": 1}
    check = CheckResult(NOT_NULL, "fail", 1, 1, (row,))
    line = told(events_of((replace(CARRIER, checks=(check,)),)), "json").splitlines()[2]
    parsed = json.loads(line, parse_constant=pytest.fail)
    assert parsed["result"]["checks"][0]["sample"] == [
        {"nan": "nan", "bytes": "b'\\xff'", "at": "2013-01-14T12:00:00+00:00", "list": ["1.5"], "\ud800": 1}
    ]


# --- threads ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_lines_of_many_threads_stay_whole(log_format: Literal["text", "json"]) -> None:
    stream = io.StringIO()
    results = [replace(AIRLINES, name=f"node_{at}", unique_id=f"seed.f.node_{at}") for at in range(400)]
    with make_reporter(log_format, 0, stream) as report, ThreadPoolExecutor(16) as pool:

        def tell(index: int) -> None:
            report(NodeStarted(results[index].unique_id, results[index].name, "seed"))
            report(NodeFinished(results[index], index + 1, len(results)))

        list(pool.map(tell, range(len(results))))

    lines = stream.getvalue().splitlines()
    if log_format == "json":
        lines = [line for line in lines if json.loads(line)["event"] == "node_finished"]
        assert sorted(json.loads(line)["index"] for line in lines) == list(range(1, 401))
    else:
        assert all(re.fullmatch(r"\[[ \d]{3}/400\] OK     seed          node_\d+ +1 row    0\.02s", x) for x in lines)
    assert len(lines) == 400


# --- a real terminal -------------------------------------------------------------------------------------------------

ROOT = Path(__file__).parent.parent
_PLAY = """
import sys, time
sys.path.insert(0, ".")
from tests.test_report import RESULTS, events_of
from fsbuild.report import make_reporter
with make_reporter("text", 0) as report:
    for event in events_of(RESULTS):
        time.sleep(0.04)
        report(event)
"""


def on_terminal(code: str = _PLAY, **environment: str) -> str:
    """Run Python code with a terminal of 100 columns as its stderr, and return what the terminal was sent."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 100, 0, 0))
    known = {key: value for key, value in os.environ.items() if key not in ("CI", "NO_COLOR", "COLUMNS", "LINES")}
    with subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, stderr=theirs, env={**known, "TERM": "xterm-256color", **environment}
    ) as process:
        os.close(theirs)
        sent = b""
        while part := _read(ours):
            sent += part
    os.close(ours)
    assert process.returncode == 0, sent.decode()
    return sent.decode()


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65_536)
    except OSError:  # Linux says so when the other end is closed
        return b""


def screen_after(sent: str) -> str:
    """What a terminal without a bottom shows in the end; knows the codes that rich uses here, and no others."""
    screen: dict[int, list[str]] = {0: []}
    row = column = 0
    for code, count, final, character in re.findall(r"(\x1b\[(\??[\d;]*)([A-Za-z]))|([\s\S])", sent):
        if final == "A":
            row -= int(count or 1)
        elif final == "K":
            assert count == "2", code
            screen[row] = []
        elif code:
            assert final in "mhl", code
        elif character == "\r":
            column = 0
        elif character == "\n":
            row += 1
            screen.setdefault(row, [])
        else:
            line = screen[row]
            line.extend(" " * (column + 1 - len(line)))
            line[column] = character
            column += 1
    return "".join("".join(screen[at]).rstrip() + "\n" for at in sorted(screen)).rstrip("\n") + "\n"


def test_the_footer_leaves_only_the_lines() -> None:
    sent = on_terminal()
    assert screen_after(sent) == told(events_of(RESULTS))
    assert "━" in sent
    assert sent.count("\x1b[?25l") == sent.count("\x1b[?25h") == 1  # the cursor is back
    assert "\x1b[32mOK\x1b[0m" in sent


def test_no_color_has_a_footer_without_colours() -> None:
    sent = on_terminal(NO_COLOR="1")
    assert "━" in sent
    assert not re.search(r"\x1b\[[\d;]*m", sent)


@pytest.mark.parametrize("environment", [{"TERM": "dumb"}, {"CI": "true"}])
def test_nothing_is_redrawn_where_nobody_looks(environment: dict[str, str]) -> None:
    assert on_terminal(**environment).replace("\r\n", "\n") == told(events_of(RESULTS))


def test_leaving_early_takes_the_footer_away_and_loses_no_line() -> None:
    code = _PLAY.replace("in events_of(RESULTS)", "in events_of(RESULTS)[:9]") + "    sys.exit(0)\n"
    assert screen_after(on_terminal(code)) == told(events_of(RESULTS)[:9])


def test_a_short_run_on_a_terminal_does_not_wait_for_rich() -> None:
    code = _PLAY.replace("time.sleep(0.04)", "pass") + "assert 'rich' not in sys.modules\n"
    assert "\x1b[32mOK\x1b[0m" in on_terminal(code)


def test_a_stream_that_is_no_terminal_has_no_colours() -> None:
    assert not is_colored(io.StringIO())


# --- plan, problems, tables ------------------------------------------------------------------------------------------


def test_a_plan_has_a_reason_for_each_step_and_counts_them() -> None:
    steps = (
        Step("seed.f.airlines", "load", "its file or column types changed", ""),
        Step("model.f.stg_flights", "view", "computed by the queries that read it", ""),
        Step("model.f.stg_weather", "keep", "nothing that it reads has changed", ""),
        Step("model.f.carrier_delay_7d", "increment", "airlines runs before it", "", is_conditional=True),
        Step("model.f.plane_delay_30d", "create", "there is no table yet", ""),
    )
    nodes = {result.unique_id: (result.name, result.kind) for result in RESULTS}
    assert_golden("plan.txt", format_plan(Plan(steps), nodes) + "\n")
    assert format_plan(Plan(()), {}) == "Plan: nothing to do"


def test_problems_are_told_together_and_counted() -> None:
    ragged = Problem("row 3 has 4 fields, not 3", Place("seeds/airlines.csv", 3))
    assert_golden("problems.txt", format_problems([MISSPELT, ragged], color=False) + "\n")
    assert format_problems([ragged], color=True).startswith("\x1b[1;31merror:\x1b[0m seeds/airlines.csv:3: row 3")


def test_a_problem_cannot_command_the_terminal() -> None:
    assert format_problems([Problem("odd \x1b]0;name\x07")], color=False) == r"error: odd \x1b]0;name\x07"


def test_a_table_aligns_numbers_to_the_right() -> None:
    rows = [("UA", 12.5, True), (None, Decimal(3), None), ("line\nbreak", None, False)]
    assert format_table(["carrier", "delay", "is_late"], rows, limit_note="first 3 rows").splitlines() == [
        "carrier      delay  is_late",
        "-----------  -----  -------",
        "UA            12.5  true",
        "NULL             3  NULL",
        r"line\nbreak   NULL  false",
        "first 3 rows",
    ]


def test_a_table_counts_the_cells_of_wide_and_combining_characters() -> None:
    assert format_table(["name", "n"], [("東京", 1), ("cafe\u0301", 22)]).splitlines()[2:] == [
        "東京   1",
        "cafe\u0301  22",
    ]


@pytest.mark.parametrize(
    ("value", "shown"), [("x" * 60, "x" * 60), ("x" * 61, "x" * 59 + "…"), ("東" * 31, "東" * 29 + "…")]
)
def test_long_cells_are_cut(value: str, shown: str) -> None:
    assert format_table(["text"], [(value,)]).splitlines()[-1] == shown


def test_a_table_without_rows_says_so() -> None:
    assert format_table(["a"], []) == "a\n-\n(no rows)"
