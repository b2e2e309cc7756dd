"""Nodes with their parents in, results in the order in which they end out.

A node runs as soon as its parents are done. What fails takes its descendants with it, and nothing else.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import threading

    from fsbuild.values import NodeResult

_FAILED = frozenset({"error", "fail", "skipped"})


@dataclass(frozen=True, slots=True)
class Jobs:
    """What there is to do, and how: `run` does a node's work, `skip` makes the result of one that is left out.

    `parents` lists every node with those that it waits for. `skip` gets the node that failed, or nothing where the run
    stopped. Once `stop` is set, nothing new starts.
    """

    parents: Mapping[str, Sequence[str]]
    run: Callable[[str], NodeResult]
    skip: Callable[[str, str | None], NodeResult]
    stop: threading.Event


def run_jobs(jobs: Jobs, threads: int, *, fail_fast: bool = False) -> Iterator[NodeResult]:
    """Run all jobs and yield their results as they end; every node has exactly one, also where the run stops early."""
    queue = _Queue(jobs)
    running: dict[Future[NodeResult], str] = {}
    with ThreadPoolExecutor(threads, thread_name_prefix="fsbuild") as pool:
        while running or (queue.ready and not jobs.stop.is_set()):
            while queue.ready and len(running) < threads and not jobs.stop.is_set():
                name = queue.ready.popleft()
                running[pool.submit(jobs.run, name)] = name
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                result = future.result()
                if fail_fast and result.status in _FAILED:
                    jobs.stop.set()
                yield from queue.settle(running.pop(future), result)
    yield from queue.leave()


class _Queue:
    """Which nodes are ready, which wait, and for whose failure a node is skipped."""

    def __init__(self, jobs: Jobs) -> None:
        self._skip = jobs.skip
        self._waiting = {name: {p for p in parents if p in jobs.parents} for name, parents in jobs.parents.items()}
        self._children: dict[str, list[str]] = {name: [] for name in jobs.parents}
        for name, parents in self._waiting.items():
            for parent in parents:
                self._children[parent].append(name)
        self._unsettled = dict.fromkeys(jobs.parents)
        self._blamed: dict[str, str] = {}
        self.ready = deque(name for name, parents in self._waiting.items() if not parents)

    def settle(self, name: str, result: NodeResult) -> Iterator[NodeResult]:
        """Yield a result, and those of the descendants that it lets down; make ready those that waited for it."""
        ended = [(name, result)]
        for done, outcome in ended:
            del self._unsettled[done]
            yield outcome
            if outcome.status in _FAILED:
                self._blamed.setdefault(done, done)
            for child in self._children[done]:
                self._waiting[child].discard(done)
                if done in self._blamed:
                    self._blamed.setdefault(child, self._blamed[done])
                if self._waiting[child]:
                    continue
                if child in self._blamed:
                    ended.append((child, self._skip(child, self._blamed[child])))
                else:
                    self.ready.append(child)

    def leave(self) -> Iterator[NodeResult]:
        """Yield the results of what is not going to run."""
        for name in [*self._blamed]:
            self._blame_descendants(name)
        for name in self._unsettled:
            yield self._skip(name, self._blamed.get(name))

    def _blame_descendants(self, name: str) -> None:
        pending = [name]
        for parent in pending:
            for child in self._children[parent]:
                if child not in self._blamed:
                    self._blamed[child] = self._blamed[name]
                    pending.append(child)
