"""Nodes with their parents in, results in the order in which they end out.

A node runs as soon as its parents are done. What fails takes its descendants with it, and nothing else. An interrupt
starts nothing new, stops what is running and lets every commit that has begun end.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fsbuild.values import NodeResult

_FAILED = frozenset({"error", "fail", "skipped"})


@dataclass(frozen=True, slots=True)
class Jobs:
    """What there is to do, and how: `run` does a node's work, `skip` makes the result of one that is left out.

    `parents` lists every node, parents first, with those that it waits for. `skip` gets the node that failed, or
    nothing where the run stopped.
    """

    parents: Mapping[str, Sequence[str]]
    run: Callable[[str], NodeResult]
    skip: Callable[[str, str | None], NodeResult]
    interrupt: Callable[[], None]


def run_jobs(jobs: Jobs, threads: int, *, fail_fast: bool = False) -> Iterator[NodeResult]:
    """Run all jobs and yield their results as they end.

    Raises:
        KeyboardInterrupt: after the running jobs have ended; all results have been yielded.
    """
    queue = _Queue(jobs)
    running: dict[Future[NodeResult], str] = {}
    interrupted: KeyboardInterrupt | None = None
    is_stopping = False
    with ThreadPoolExecutor(threads, thread_name_prefix="fsbuild") as pool:
        while running or (queue.ready and not is_stopping):
            try:
                while queue.ready and len(running) < threads and not is_stopping:
                    name = queue.ready.popleft()
                    running[pool.submit(jobs.run, name)] = name
                done, _ = wait(running, return_when=FIRST_COMPLETED)
            except KeyboardInterrupt as exc:
                interrupted, is_stopping = exc, True
                jobs.interrupt()
                continue
            for future in done:
                result = future.result()
                is_stopping = is_stopping or (fail_fast and result.status in _FAILED)
                yield from queue.settle(running.pop(future), result)
    yield from queue.leave()
    if interrupted is not None:
        raise interrupted


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
        for name in self._unsettled:
            yield self._skip(name, self._blamed.get(name))
