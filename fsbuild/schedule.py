"""Nodes with their parents in, results in the order in which they end out.

A node runs as soon as its parents are done. What fails takes its descendants with it, and nothing else. An interrupt
starts nothing new, stops what is running and lets every commit that has begun end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fsbuild.values import NodeResult

_FAILED = frozenset({"error", "fail", "skipped"})


@dataclass(frozen=True, slots=True)
class Jobs:
    """What there is to do, and how: `run` does a node's work, `skip` makes the result of one that is left out."""

    order: Sequence[str]
    parents: Mapping[str, Sequence[str]]
    run: Callable[[str], NodeResult]
    skip: Callable[[str, str], NodeResult]
    interrupt: Callable[[], None]


def run_jobs(jobs: Jobs, threads: int, *, fail_fast: bool = False) -> Iterator[NodeResult]:
    """Run all jobs and yield their results as they end.

    Raises:
        KeyboardInterrupt: after the running jobs have ended; their results have been yielded.
    """
    planned = set(jobs.order)
    waiting = {name: {p for p in jobs.parents.get(name, ()) if p in planned} for name in jobs.order}
    children: dict[str, list[str]] = {name: [] for name in jobs.order}
    for name, parents in waiting.items():
        for parent in parents:
            children[parent].append(name)
    # The node whose failure a node is skipped for: itself where it failed.
    blamed: dict[str, str] = {}
    running: dict[Future[NodeResult], str] = {}
    ready = [name for name in jobs.order if not waiting[name]]
    settled: set[str] = set()
    is_stopping = False

    def settle(name: str, result: NodeResult) -> Iterator[NodeResult]:
        """Yield a result, and those of the descendants that it lets down."""
        ended = [(name, result)]
        for done_name, done_result in ended:
            settled.add(done_name)
            yield done_result
            if done_result.status in _FAILED:
                blamed.setdefault(done_name, done_name)
            for child in children[done_name]:
                waiting[child].discard(done_name)
                if done_name in blamed:
                    blamed.setdefault(child, blamed[done_name])
                if waiting[child]:
                    continue
                if child in blamed:
                    ended.append((child, jobs.skip(child, blamed[child])))
                else:
                    ready.append(child)

    with ThreadPoolExecutor(threads, thread_name_prefix="fsbuild") as pool:
        while ready or running:
            try:
                while ready and len(running) < threads and not is_stopping:
                    name = ready.pop(0)
                    running[pool.submit(jobs.run, name)] = name
                if not running:
                    break
                done, _ = wait(running, return_when=FIRST_COMPLETED)
            except KeyboardInterrupt:
                is_stopping = True
                jobs.interrupt()
                done = set(wait(running).done)
                for future in done:
                    yield future.result()
                raise
            for future in done:
                result = future.result()
                is_stopping = is_stopping or (fail_fast and result.status in _FAILED)
                yield from settle(running.pop(future), result)
    for name in jobs.order:
        if name not in settled:
            yield jobs.skip(name, "")
