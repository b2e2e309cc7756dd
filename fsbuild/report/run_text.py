"""The events of a run in, the lines that a person reads out.

    [ 4/11] OK     incremental  carrier_delay_7d                 12,304 rows    0.12s

Every node that ends has one such line; below it stands what went wrong with it. The last line counts everything.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from textwrap import indent

from fsbuild.errors import listing
from fsbuild.report.paint import Paint, Tone
from fsbuild.report.problems import problem_text
from fsbuild.report.table import display_width, format_table, pad, visible
from fsbuild.values import (
    CheckResult,
    Event,
    NodeFinished,
    NodeResult,
    NodeStarted,
    RunFinished,
    RunResult,
    Status,
    UnitTestResult,
)

_WORDS: Mapping[Status, tuple[str, Tone]] = {
    "success": ("OK", "green"),
    "unchanged": ("SAME", "dim"),
    "warn": ("WARN", "yellow"),
    "error": ("ERROR", "red"),
    "skipped": ("SKIP", "yellow"),
    "pass": ("PASS", "green"),
    "fail": ("FAIL", "red"),
}
_COUNTED: Mapping[Status, str] = {
    "success": "ok",
    "pass": "passed",
    "unchanged": "unchanged",
    "warn": "warn",
    "fail": "failed",
    "error": "error",
    "skipped": "skipped",
}
_FAILED: frozenset[Status] = frozenset({"error", "fail"})
_COMMANDS_OF_CHECKS = frozenset({"build", "test"})
_WORD_WIDTH, _KIND_WIDTH, _AMOUNT_WIDTH, _ELAPSED_WIDTH = 5, 12, 14, 6
_NAME_WIDTH = 28  # at least; it grows with the longest name so far
_LINES_IN_SIGHT = 20
_MINUTE_S, _HOUR_S = 60, 3600


def elapsed_text(elapsed_s: float, digits: int = 2) -> str:
    """Write a duration as people say it: `0.12s`, `1m 05s`, `2h 07m`."""
    if round(elapsed_s, digits) < _MINUTE_S:
        return f"{elapsed_s:.{digits}f}s"
    seconds = round(elapsed_s)
    if seconds < _HOUR_S:
        return f"{seconds // _MINUTE_S}m {seconds % _MINUTE_S:02}s"
    return f"{seconds // _HOUR_S}h {seconds % _HOUR_S // _MINUTE_S:02}m"


def progress_text(done: int, total: int) -> str:
    """Write how far a run is, always equally wide: `[ 4/11]`."""
    return f"[{done:>{len(str(total))}}/{total}]"


class RunText:
    """Tells of one run; remembers the width of its names, and how many lines ago something failed."""

    def __init__(self, verbosity: int, paint: Paint) -> None:
        self._verbosity = verbosity
        self._paint = paint
        self._has_check_lines = verbosity > 0
        self._name_width = _NAME_WIDTH
        self._line_count = 0
        self._failures: list[tuple[int, NodeResult]] = []

    def lines(self, event: Event) -> list[str]:
        """Say what an event tells a person; nothing, for some."""
        if isinstance(event, NodeStarted):
            self._widen(event.name)
            return []
        if isinstance(event, NodeFinished):
            lines = self._node_lines(event)
        elif isinstance(event, RunFinished):
            lines = self._last_lines(event.result)
        else:
            self._has_check_lines = self._verbosity > 0 or event.command in _COMMANDS_OF_CHECKS
            run_id = f", run {event.run_id}" if self._verbosity > 0 else ""
            said = f"{event.command}: {_count(event.total, 'node')}, {_count(event.threads, 'thread')}"
            lines = [] if self._verbosity < 0 else [self._paint(f"{said}, target {event.target}{run_id}", "dim")]
        self._line_count += len(lines)
        return lines

    def _widen(self, name: str) -> None:
        self._name_width = max(self._name_width, display_width(visible(name)))

    # --- a node ------------------------------------------------------------------------------------------------------

    def _node_lines(self, event: NodeFinished) -> list[str]:
        result = event.result
        self._widen(result.name)
        if result.status in _FAILED:
            self._failures.append((self._line_count, result))
        elif self._verbosity < 0:
            return []
        progress = progress_text(event.index, event.total)
        cells = [self._word(result.status), pad(result.kind, _KIND_WIDTH), pad(visible(result.name), self._name_width)]
        lines = [f"{progress} {'  '.join([*cells, *self._outcome(result)]).rstrip()}"]
        margin = " " * (len(progress) + 1)
        for problem in result.problems:
            lines.extend(indent(problem_text(problem), margin).split("\n"))
        for test in result.unit_tests:
            if test.status != "pass":
                lines.extend(indent(self._failed_unit_test(test), margin).split("\n"))
            elif self._has_check_lines and self._verbosity >= 0:
                lines.append(f"{margin}{self._word('pass')}  {visible(f'unit test {test.name}')}")
        for check in result.checks:
            if check.status != "pass":
                lines.extend(indent(self._failed_check(check), margin).split("\n"))
            elif self._has_check_lines and self._verbosity >= 0:
                subject = ".".join(filter(None, (result.name, check.check.column)))
                lines.append(f"{margin}{self._word('pass')}  {visible(f'{check.check.label} {subject}')}")
        return lines

    def _outcome(self, result: NodeResult) -> Iterable[str]:
        """The end of a node's line: how much, how long, and what else there is to say."""
        if result.status == "skipped":
            yield self._paint(visible(result.message), "dim")
        elif result.status == "unchanged":
            yield self._paint(visible(result.message), "dim") if self._verbosity > 0 else ""
        else:
            yield pad(_amount(result), _AMOUNT_WIDTH, to_right=True)
            yield f"{elapsed_text(result.elapsed_s):>{_ELAPSED_WIDTH}}"
            if self._verbosity > 0 and result.version is not None:
                yield self._paint(f"version {result.version}", "dim")
            # A problem's message is told with the problem.
            if result.message and not result.problems and (self._verbosity > 0 or result.status in _FAILED):
                yield visible(result.message)

    def _failed_check(self, result: CheckResult) -> str:
        lines = [f"{self._word(result.status)}  {verdict_text(result)}"]
        if result.sample:
            columns = list(dict.fromkeys(name for row in result.sample for name in row))
            left_out = result.failures - len(result.sample)
            note = f"and {left_out:,} more" if left_out > 0 else None
            table = format_table(columns, [[row.get(c) for c in columns] for row in result.sample], limit_note=note)
            lines.append(indent(table, " " * (_WORD_WIDTH + 2)))
        if (where := whereabouts(result)) is not None:
            lines.append(" " * (_WORD_WIDTH + 2) + self._paint(where, "dim"))
        return "\n".join(lines)

    def _failed_unit_test(self, result: UnitTestResult) -> str:
        lines = [f"{self._word(result.status)}  {_unit_verdict(result)}"]
        lines.extend(problem_text(problem) for problem in result.problems)
        if result.difference:
            columns = list(dict.fromkeys(name for _, row in result.difference for name in row))
            rows = [[row.get(column) for column in columns] for _, row in result.difference]
            signs = (" ", " ", *(sign for sign, _ in result.difference))
            table = format_table(columns, rows).split("\n")
            lines.extend(f"{sign} {line}" for sign, line in zip(signs, table, strict=True))
            left_out = result.missing + result.surplus - len(result.difference)
            lines.extend([f"  and {left_out:,} more"] if left_out > 0 else [])
        return "\n".join([lines[0], *(indent(line, " " * (_WORD_WIDTH + 2)) for line in lines[1:])])

    def _word(self, status: Status) -> str:
        word, tone = _WORDS[status]
        return self._paint(word, tone) + " " * (_WORD_WIDTH - len(word))

    # --- the end -----------------------------------------------------------------------------------------------------

    def _last_lines(self, result: RunResult) -> list[str]:
        lines = []
        if self._failures and self._line_count - self._failures[0][0] > _LINES_IN_SIGHT:
            lines = ["", self._paint(f"{_count(len(self._failures), 'failure')}:", "bold")]
            width = max(display_width(visible(failed.name)) for _, failed in self._failures)
            for _, failed in self._failures:
                name = pad(visible(failed.name), width)
                lines.append(f"  {self._word(failed.status)}  {name}  {_headline(failed)}".rstrip())
        last = _interrupted_text(result) if result.interrupted else self._done_text(result)
        return [*lines, last]

    def _done_text(self, result: RunResult) -> str:
        counts = Counter(node.status for node in result.results)
        told = [self._counted(status, counts[status]) for status in _COUNTED if counts[status]]
        nodes = f"{', '.join(told)} of {_count(len(result.results), 'node')}" if told else "nothing to do"
        checks = Counter(_COUNTED[check.status] for node in result.results for check in node.checks)
        failed = checks["failed"] + checks["error"]
        parts = [
            f"{_count(checks['passed'], 'check')} passed" if checks else "",
            f"{checks['warn']:,} warned" if checks["warn"] else "",
            f"{failed:,} failed" if failed else "",
        ]
        tests = Counter(_COUNTED[test.status] for node in result.results for test in node.unit_tests)
        failed_tests = tests["failed"] + tests["error"]
        parts += [
            f"{_count(tests['passed'], 'unit test')} passed" if tests else "",
            f"{failed_tests:,} failed" if failed_tests else "",
        ]
        head = self._paint(f"Done in {elapsed_text(result.elapsed_s)}", "bold")
        return ", ".join([f"{head}: {nodes}", *filter(None, parts)])

    def _counted(self, status: Status, count: int) -> str:
        word = "errors" if status == "error" and count > 1 else _COUNTED[status]
        return self._paint(f"{count:,} {word}", _WORDS[status][1])


def _amount(result: NodeResult) -> str:
    if result.rows is not None:
        # Aligned by the number, so one row leaves the place of the plural's s.
        return _count(result.rows, "row") + " " * (result.rows == 1)
    if result.status not in ("pass", "fail"):
        return ""
    if result.unit_tests and result.checks:
        return _count(len(result.unit_tests) + len(result.checks), "test")
    return _count(len(result.unit_tests), "unit test") if result.unit_tests else _count(len(result.checks), "check")


def _unit_verdict(result: UnitTestResult) -> str:
    """Say how a unit test failed, in one line."""
    if result.status == "error":
        return visible(f"unit test {result.name} cannot be run ({result.place})")
    counts = (
        f"{_count(result.missing, 'row')} missing" if result.missing else "",
        f"{_count(result.surplus, 'row')} too many" if result.surplus else "",
    )
    after = f" after batch {result.batch}" if result.batch is not None else ""
    return visible(f"unit test {result.name}{after}: {', '.join(filter(None, counts))} ({result.place})")


def verdict_text(result: CheckResult) -> str:
    """Say what a check found wrong, in one line."""
    check = result.check
    subject = f"check {check.label}" + (f" on {check.column}" if check.column else "")
    if result.status == "error":
        found = f"cannot be decided: {result.message}"
        return visible(f"{subject} {found} ({check.place})")
    # What is missing from a table is no row of it.
    told = f"{result.failures:,} of {_count(result.rows, 'row')}"
    found = f"{told} failed" if result.failures <= result.rows else _count(result.failures, "failure")
    more = f"; {result.message}" if result.message else ""
    return visible(f"{subject}: {found}{more} ({check.place})")


def whereabouts(result: CheckResult) -> str | None:
    """Say where all rows are that fail a check, or None."""
    if result.stored_in is not None:
        return visible(f"all of them: fsbuild show {result.stored_in.identifier}")
    return visible(f"all of them: {result.query_file}") if result.query_file else None


def _headline(result: NodeResult) -> str:
    """What went wrong with a node, in one line."""
    told = [problem_text(problem).split("\n")[0] for problem in result.problems]
    told.extend(verdict_text(check) for check in result.checks if check.status in _FAILED)
    told.extend(_unit_verdict(test) for test in result.unit_tests if test.status in _FAILED)
    if len(told) > 1:
        return f"{told[0]} and {len(told) - 1} more"
    return told[0] if told else visible(result.message)


def _interrupted_text(result: RunResult) -> str:
    def names(nodes: Iterable[NodeResult]) -> Sequence[str]:
        return [visible(node.name) for node in nodes]

    ended = [node for node in result.results if node.status in ("pass", "fail")]
    done = {
        "published": names(node for node in result.results if node.version is not None),
        "checked": names(ended),
        "failed": names(node for node in result.results if node.status == "error"),
        "not run:": names(node for node in result.results if node.status == "skipped"),
    }
    told = [f"{what} {listing(some)}" for what, some in done.items() if some]
    if not done["published"] and not ended:
        told.insert(0, "published nothing")
    return f"Interrupted after {elapsed_text(result.elapsed_s)}: {'; '.join(told)}"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
