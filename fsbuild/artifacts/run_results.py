"""How a command ended in, dbt's `run_results.json` (v6) out: an entry for each node, and in `build` for each test.

`test` has entries for tests alone. In `run` the checks gate what is published and are no results of their own, as dbt
counts them.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence

from fsbuild.artifacts.manifest import CheckKey, Described, check_key, described_tests
from fsbuild.artifacts.writing import Invocation, timing
from fsbuild.errors import Problem
from fsbuild.values import CheckResult, NodeResult, RenderedModel, RunResult, UnitTestResult

_SCHEMA = "run-results/v6"
_TESTING = frozenset({"build", "test"})
_OF_NODES: Mapping[str, str] = {"unchanged": "success", "warn": "success", "fail": "error", "pass": "success"}
# What dbt says of what went well.
_SAID: Mapping[str, str] = {"success": "OK"}
Entry = dict[str, object]


def run_results(result: RunResult, invocation: Invocation, described: Described | None = None) -> dict[str, object]:
    """Describe how a command ended; `described` is what its manifest tells of, None where that is not known."""
    has_tests = described is not None and any(node.checks or _is_left(node) for node in result.results)
    tests = described_tests(described) if described is not None and has_tests else {}
    entries = [
        *(entry for node in result.results for entry in _entries(node, result.command, described, tests)),
        *(_idle_entries(result, described) if described is not None and result.command == "build" else ()),
    ]
    return _ended(entries, invocation, result.elapsed_s)


def compile_results(described: Described, invocation: Invocation, elapsed_s: float) -> dict[str, object]:
    """Describe what a command only made ready: the nodes that it is about, and their tests."""
    nodes = {**described.models, **{seed.unique_id: None for seed in described.project.seeds}}
    ready = [
        _entry(name, "success", 0.0, **(_query(described, model) if model is not None else {}))
        for name, model in nodes.items()
        if name in described.compiled and (model is None or model.config.materialized != "ephemeral")
    ]
    ready += [
        _entry(str(test["unique_id"]), "success", 0.0, compiled=True, compiled_code=test.get("compiled_code"))
        for key, test in described_tests(described).items()
        if key[0] in described.compiled
    ]
    return _ended(ready, invocation, elapsed_s)


def operation_results(macro: str, problems: Sequence[Problem], invocation: Invocation) -> dict[str, object]:
    """Describe how a macro ended that was called by itself, by its unique id."""
    elapsed_s = (dt.datetime.now(dt.UTC) - invocation.started_at).total_seconds()
    message = "; ".join(problem.message for problem in problems) or None
    entry = _entry(
        macro,
        "error" if problems else "success",
        elapsed_s,
        message=message,
        failures=0,
        compiled=False,
        timing=timing(invocation.started_at, elapsed_s),
    )
    return _ended([entry], invocation, elapsed_s)


def _ended(entries: Sequence[Entry], invocation: Invocation, elapsed_s: float) -> dict[str, object]:
    return {
        "metadata": invocation.metadata(_SCHEMA),
        "results": entries,
        "elapsed_time": elapsed_s,
        "args": _arguments(invocation),
    }


def _arguments(invocation: Invocation) -> dict[str, object]:
    command = invocation.command
    return {"which": command, "invocation_command": f"fsbuild {command}", **invocation.arguments}


def _entries(
    node: NodeResult,
    command: str,
    described: Described | None,
    tests: Mapping[CheckKey, Mapping[str, object]],
) -> Iterator[Entry]:
    if command != "test" and node.resource_type != "source":
        yield _node_entry(node, described)
    if command in _TESTING:
        for found in node.checks:
            # What a contract says is no test, and what no test is has no entry in the manifest.
            if (test := tests.get(check_key(found.check, node.unique_id))) is not None:
                yield _check_entry(found, test)
        if command == "build" and _is_left(node) and not node.checks:
            yield from (
                _entry(str(test["unique_id"]), "skipped", 0.0)
                for key, test in tests.items()
                if key[0] == node.unique_id
            )
        yield from (_unit_test_entry(test) for test in node.unit_tests)


def _is_left(node: NodeResult) -> bool:
    """Whether a node is not what it is to be, as it failed or was not its turn."""
    return node.status in ("error", "fail", "skipped")


def _idle_entries(result: RunResult, described: Described) -> Iterator[Entry]:
    """Exposures and saved queries: with them nothing is done, or not even that where something above failed."""
    left = {node.unique_id for node in result.results if _is_left(node)}
    for exposure in described.project.exposures:
        if exposure.unique_id in described.compiled:
            is_skipped = not left.isdisjoint(exposure.depends_on)
            told = {} if is_skipped else {"message": "NO-OP", "failures": 0}
            yield _entry(exposure.unique_id, "skipped" if is_skipped else "no-op", 0.0, **told)
    for said in described.entries("saved_queries"):
        unique_id = f"saved_query.{described.project.name}.{said.data.get('name')}"
        if unique_id in described.compiled:
            yield _entry(unique_id, "no-op", 0.0, message="NO-OP", failures=0)


def _node_entry(node: NodeResult, described: Described | None) -> Entry:
    model = described.models.get(node.unique_id) if described is not None else None
    rows = {"rows_affected": node.rows} if node.rows is not None else {}
    status = _OF_NODES.get(node.status, node.status)
    if status == "error" and any(test.status in ("fail", "error") for test in node.unit_tests):
        status = "skipped"  # what fails in dbt is the unit test, and its model is not built
    return _entry(
        node.unique_id,
        status,
        node.elapsed_s,
        message="; ".join(problem.message for problem in node.problems) or node.message or _SAID.get(status),
        adapter_response={"_message": node.status, **rows},
        timing=timing(node.started_at, node.elapsed_s),
        **(_query(described, model) if described is not None and model is not None else {}),
    )


def _query(described: Described, model: RenderedModel) -> Entry:
    return {
        "compiled": True,
        "compiled_code": described.qualified(model.sql.text),
        "relation_name": described.name_of(model.relation),
    }


def _check_entry(found: CheckResult, test: Mapping[str, object]) -> Entry:
    told = found.message or (f"Got {found.failures} results" if found.failures else None)
    return _entry(
        str(test["unique_id"]),
        found.status,
        found.elapsed_s,
        timing=timing(found.started_at, found.elapsed_s),
        message=told,
        failures=found.failures if found.status not in ("error", "skipped") else None,
        compiled=test.get("compiled", False),
        compiled_code=test.get("compiled_code"),
        relation_name=str(found.stored_in) if found.stored_in is not None else None,
    )


def _unit_test_entry(found: UnitTestResult) -> Entry:
    wrong = found.missing + found.surplus
    told = "; ".join(problem.message for problem in found.problems) or (f"{wrong} rows differ" if wrong else None)
    failures = None if found.status == "error" else wrong
    told_when = timing(found.started_at, found.elapsed_s)
    return _entry(
        found.unique_id,
        found.status,
        found.elapsed_s,
        timing=told_when,
        message=told,
        failures=failures,
        compiled=True,
    )


def _entry(unique_id: str, status: str, elapsed_s: float, **told: object) -> Entry:
    """An entry with every key that the schema has."""
    known: Entry = {
        "status": status,
        "timing": [],
        "thread_id": "fsbuild",
        "execution_time": elapsed_s,
        "adapter_response": {},
        "message": None,
        "failures": None,
        "unique_id": unique_id,
        "compiled": None,
        "compiled_code": None,
        "relation_name": None,
        "batch_results": None,
    }
    return known | told
