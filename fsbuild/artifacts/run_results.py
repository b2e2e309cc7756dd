"""How a command ended in, dbt's `run_results.json` (v6) out: an entry for each node, and in `build` for each test.

`test` has entries for tests alone. In `run` the checks gate what is published and are no results of their own, as dbt
counts them.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterator, Mapping

from fsbuild.artifacts.writing import Invocation, iso
from fsbuild.dbt_names import test_name
from fsbuild.values import CheckResult, NodeResult, RenderedModel, RunResult, UnitTestResult

_SCHEMA = "run-results/v6"
_TESTING = frozenset({"build", "test"})
_OF_NODES: Mapping[str, str] = {"unchanged": "success", "warn": "success", "fail": "error", "pass": "success"}
Entry = dict[str, object]


def run_results(
    result: RunResult, invocation: Invocation, project: str, models: Mapping[str, RenderedModel]
) -> dict[str, object]:
    """Describe how a command ended; `models` by unique id give the SQL, where it is known."""
    return {
        "metadata": invocation.metadata(_SCHEMA),
        "results": [entry for node in result.results for entry in _entries(node, result.command, project, models)],
        "elapsed_time": result.elapsed_s,
        "args": {"which": result.command, "invocation_command": f"fsbuild {result.command}"},
    }


def _entries(node: NodeResult, command: str, project: str, models: Mapping[str, RenderedModel]) -> Iterator[Entry]:
    if command != "test":
        yield _node_entry(node, models.get(node.unique_id))
    if command in _TESTING:
        yield from (_check_entry(check, node, project) for check in node.checks)
        yield from (_unit_test_entry(test) for test in node.unit_tests)


def _node_entry(node: NodeResult, model: RenderedModel | None) -> Entry:
    rows = {"rows_affected": node.rows} if node.rows is not None else {}
    return _entry(
        node.unique_id,
        _OF_NODES.get(node.status, node.status),
        node.elapsed_s,
        message="; ".join(problem.message for problem in node.problems) or node.message or None,
        adapter_response={"_message": node.status, **rows},
        timing=_timing(node),
        compiled=True if model is not None else None,
        compiled_code=model.sql.text if model is not None else None,
        relation_name=str(model.relation) if model is not None else None,
    )


def _timing(node: NodeResult) -> list[dict[str, str]]:
    """When work on a node began and ended; nothing of one that was skipped."""
    if node.started_at is None:
        return []
    ended_at = node.started_at + dt.timedelta(seconds=node.elapsed_s)
    return [{"name": "execute", "started_at": iso(node.started_at), "completed_at": iso(ended_at)}]


def _check_entry(found: CheckResult, node: NodeResult, project: str) -> Entry:
    name = test_name(found.check, node.name)
    told = found.message or (f"Got {found.failures} results" if found.failures else None)
    return _entry(
        test_id(name, found, project),
        found.status,
        found.elapsed_s,
        message=told,
        failures=found.failures if found.status not in ("error", "skipped") else None,
        relation_name=str(found.stored_in) if found.stored_in is not None else None,
    )


def _unit_test_entry(found: UnitTestResult) -> Entry:
    wrong = found.missing + found.surplus
    told = "; ".join(problem.message for problem in found.problems) or (f"{wrong} rows differ" if wrong else None)
    failures = None if found.status == "error" else wrong
    return _entry(found.unique_id, found.status, found.elapsed_s, message=told, failures=failures)


def test_id(name: str, found: CheckResult, project: str) -> str:
    """Name a test for good: two of one name differ in where they stand."""
    if found.check.sql is not None and found.check.place.file.endswith(".sql"):
        return f"test.{project}.{name}"
    label = hashlib.md5(f"{name}{found.check.label}".encode(), usedforsecurity=False).hexdigest()[-10:]
    return f"test.{project}.{name}.{label}"


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
