"""Who runs when: parents first, every node once, and exactly the descendants of what failed are left out."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fsbuild.errors import Place
from fsbuild.execute.order import order_steps
from fsbuild.execute.schedule import Jobs, run_jobs
from fsbuild.execute.work import Work
from fsbuild.values import (
    Check,
    CompiledModel,
    Lineage,
    Model,
    ModelConfig,
    NodeResult,
    Relation,
    RenderedModel,
    RenderedSql,
    Status,
    Step,
)

Reads = Mapping[str, Sequence[str]]


@dataclass
class Recorder:
    """Runs jobs that do nothing but fail where they are told to, and writes down when each began and ended."""

    parents: Reads
    statuses: Mapping[str, Status] = field(default_factory=dict)
    stop: threading.Event = field(default_factory=threading.Event)
    began: dict[str, int] = field(default_factory=dict)
    ended: dict[str, int] = field(default_factory=dict)
    blamed: dict[str, str | None] = field(default_factory=dict)
    most_at_once: int = 0
    _clock: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def _tick(self) -> int:
        self._clock += 1
        return self._clock

    def _run(self, name: str) -> NodeResult:
        with self._lock:
            self.began[name] = self._tick()
            self.most_at_once = max(self.most_at_once, len(self.began) - len(self.ended))
        time.sleep(0)
        with self._lock:
            self.ended[name] = self._tick()
        return NodeResult(name, name, "model", "table", self.statuses.get(name, "success"))

    def _skip(self, name: str, ancestor: str | None) -> NodeResult:
        self.blamed[name] = ancestor
        return NodeResult(name, name, "model", "table", "skipped")

    def run(self, threads: int, *, fail_fast: bool = False) -> list[NodeResult]:
        jobs = Jobs(self.parents, self._run, self._skip, self.stop)
        return list(run_jobs(jobs, threads, fail_fast=fail_fast))


def ancestors(name: str, parents: Reads) -> set[str]:
    near = {parent for parent in parents[name] if parent in parents}
    return near | {far for parent in near for far in ancestors(parent, parents)}


@st.composite
def dags(draw: st.DrawFn) -> dict[str, list[str]]:
    """Graphs without a cycle, their nodes listed in any order; some parents are not part of the run."""
    names = [f"n{i}" for i in range(draw(st.integers(0, 9)))]
    reads = {
        name: draw(st.lists(st.sampled_from([*names[:i], "elsewhere"]), max_size=3, unique=True))
        for i, name in enumerate(names)
    }
    return {name: reads[name] for name in draw(st.permutations(names))}


FAILURES: st.SearchStrategy[Status] = st.sampled_from(["error", "fail", "warn", "unchanged"])


@given(dags(), st.data(), st.integers(1, 4))
@settings(deadline=None)
def test_exactly_the_descendants_of_failures_are_skipped_and_nothing_starts_early(
    parents: dict[str, list[str]], data: st.DataObject, threads: int
) -> None:
    statuses: dict[str, Status] = {name: data.draw(FAILURES) for name in parents if data.draw(st.integers(0, 3)) == 0}
    recorder = Recorder(parents, statuses)

    results = recorder.run(threads)

    assert sorted(result.unique_id for result in results) == sorted(parents)
    failed = {name for name, status in statuses.items() if status in ("error", "fail")} & recorder.ended.keys()
    doomed = {name for name in parents if ancestors(name, parents) & failed}
    assert set(recorder.blamed) == doomed
    assert all(recorder.blamed[name] in ancestors(name, parents) & failed for name in doomed)
    assert set(recorder.ended) == set(parents) - doomed
    for name, began in recorder.began.items():
        assert all(recorder.ended[parent] < began for parent in ancestors(name, parents))
    position = {result.unique_id: index for index, result in enumerate(results)}
    assert all(position[parent] < position[name] for name in parents for parent in ancestors(name, parents))
    assert recorder.most_at_once <= threads


@given(dags(), st.data(), st.integers(1, 3))
@settings(deadline=None)
def test_fail_fast_starts_nothing_after_a_failure(
    parents: dict[str, list[str]], data: st.DataObject, threads: int
) -> None:
    statuses: dict[str, Status] = {name: "error" for name in parents if data.draw(st.integers(0, 3)) == 0}
    recorder = Recorder(parents, statuses)

    results = recorder.run(threads, fail_fast=True)

    assert sorted(result.unique_id for result in results) == sorted(parents)
    failed = set(statuses) & recorder.ended.keys()
    first = next((index for index, result in enumerate(results) if result.status == "error"), len(results))
    late = [result for result in results[first:] if result.status != "skipped"]
    assert len(late) <= threads
    for name, ancestor in recorder.blamed.items():
        assert ancestor is None or ancestor in ancestors(name, parents) & failed
        assert ancestor is not None or not ancestors(name, parents) & failed, f"{name} is not told what failed"


def test_a_stopped_run_starts_nothing_and_has_a_result_for_everything() -> None:
    recorder = Recorder({"a": [], "b": ["a"]})
    recorder.stop.set()
    assert [result.status for result in recorder.run(2)] == ["skipped", "skipped"]
    assert recorder.blamed == {"a": None, "b": None}


def test_what_is_ready_together_runs_together() -> None:
    barrier = threading.Barrier(3, timeout=10)

    def run(name: str) -> NodeResult:
        barrier.wait()
        return NodeResult(name, name, "model", "table", "success")

    jobs = Jobs({"a": [], "b": [], "c": []}, run, lambda name, _: run(name), threading.Event())
    assert len(list(run_jobs(jobs, 3))) == 3


# --- what a step waits for -------------------------------------------------------------------------------------------

Kind = Literal["table", "view", "ephemeral"]


def model(name: str, reads: Sequence[str], refers_to: Sequence[str], kind: Kind) -> CompiledModel:
    place = Place(f"models/{name}.sql")
    checks = tuple(Check("relationships", "id", {"to": to, "field": "id"}, place, references=(to,)) for to in refers_to)
    source = Model(name, name, place.file, "", {}, place, (), checks)
    config, relation = ModelConfig(materialized=kind), Relation("main", name)
    rendered = RenderedModel(source, config, relation, RenderedSql("", (1,)), None, tuple(reads))
    return CompiledModel(rendered, (), "", None, name, Lineage)


def order(
    reads: Reads, refers: Reads, kinds: Mapping[str, Kind] | None = None, *, is_checking: bool = True
) -> tuple[dict[str, tuple[str, ...]], dict[str, frozenset[str]]]:
    kinds = kinds or {}
    models = {name: model(name, reads[name], refers.get(name, ()), kinds.get(name, "table")) for name in reads}
    work = Work("run", "r", "dev", 1, models, {}, {}, {}, {}, {}, {}, is_checking=is_checking)
    steps = {name: Step(name, "create", "", "") for name in reads if kinds.get(name) != "ephemeral"}
    return order_steps(steps, work)


@pytest.mark.parametrize(
    ("reads", "refers", "kinds", "waits", "deferred"),
    [
        ({"a": [], "b": ["a"]}, {}, {}, {"a": (), "b": ("a",)}, {}),
        ({"a": [], "e": ["a"], "b": ["e"]}, {}, {"e": "ephemeral"}, {"a": (), "b": ("a",)}, {}),
        ({"a": [], "b": []}, {"a": ["b"]}, {}, {"a": ("b",), "b": ()}, {}),
        ({"a": [], "b": ["a"]}, {"a": ["b"]}, {}, {"a": (), "b": ("a",)}, {"a": frozenset("b")}),
        ({"a": []}, {"a": ["a"]}, {}, {"a": ()}, {"a": frozenset("a")}),
        ({"a": [], "b": []}, {"a": ["b"], "b": ["a"]}, {}, {"a": ("b",), "b": ()}, {"b": frozenset("a")}),
        ({"a": []}, {"a": ["elsewhere"]}, {}, {"a": ()}, {}),
        ({"a": [], "b": [], "e": ["b"]}, {"a": ["e"]}, {"e": "ephemeral"}, {"a": ("b",), "b": ()}, {}),
        ({"a": [], "e": ["a"]}, {"a": ["e"]}, {"e": "ephemeral"}, {"a": ()}, {"a": frozenset("e")}),
    ],
    ids=[
        "what it reads",
        "what it reads through an ephemeral model",
        "what its checks refer to",
        "not for its own descendant",
        "not for itself",
        "one of two that refer to each other",
        "not for what is not part of the run",
        "what its checks refer to through an ephemeral model",
        "not for its own descendant through an ephemeral model",
    ],
)
def test_a_step_waits_for(
    reads: Reads,
    refers: Reads,
    kinds: dict[str, Kind],
    waits: dict[str, tuple[str, ...]],
    deferred: dict[str, frozenset[str]],
) -> None:
    assert order(reads, refers, kinds) == (waits, deferred)


def test_a_run_that_does_not_check_waits_for_no_reference() -> None:
    assert order({"a": [], "b": []}, {"a": ["b"]}, is_checking=False) == ({"a": (), "b": ()}, {})


@given(dags(), st.data())
@settings(deadline=None)
def test_references_between_tables_never_deadlock(reads: dict[str, list[str]], data: st.DataObject) -> None:
    refers = {name: data.draw(st.lists(st.sampled_from(sorted(reads)), max_size=2, unique=True)) for name in reads}

    waits, deferred = order(reads, refers)

    assert {result.status for result in Recorder(waits).run(2)} <= {"success"}
    for name, parents in reads.items():
        assert {parent for parent in parents if parent in reads} <= set(waits[name])
        for referred in refers[name]:
            assert (referred in waits[name]) != (referred in deferred.get(name, ())) or referred in parents
