"""The steps of a run in, what each waits for out: what it reads, and what its checks refer to.

Pure. A check may refer to a node that itself reads the checked one (orders refer to customers, whose totals are made
of orders). It cannot gate: neither could ever be published first. Such checks are named, and left to `fsbuild test`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from fsbuild.execute.work import Work, holding
from fsbuild.values import Step


def order_steps(steps: Mapping[str, Step], work: Work) -> tuple[dict[str, tuple[str, ...]], dict[str, frozenset[str]]]:
    """Tell for each step the steps that it waits for, and the nodes that its checks refer to in vain."""
    waits = {name: dict.fromkeys(_read_steps(name, steps, work)) for name in steps}
    deferred: dict[str, frozenset[str]] = {}
    for name in steps:
        for referred in _referred(name, work):
            behind = [referred] if referred in steps else [*_read_steps(referred, steps, work)]
            if any(step == name or _waits_for(step, name, waits) for step in behind):
                deferred[name] = deferred.get(name, frozenset()) | {referred}
            else:
                waits[name].update(dict.fromkeys(behind))
    return {name: tuple(parents) for name, parents in waits.items()}, deferred


def _read_steps(unique_id: str, steps: Mapping[str, Step], work: Work) -> Iterator[str]:
    """The steps that a node reads, also through ephemeral models."""
    pending = [*work.models[unique_id].rendered.depends_on] if unique_id in work.models else []
    for parent in pending:
        if parent in steps:
            yield parent
        elif parent in work.models:
            pending.extend(work.models[parent].rendered.depends_on)


def _referred(unique_id: str, work: Work) -> Iterator[str]:
    """The nodes that a node's checks refer to."""
    for check in holding(unique_id, work):
        yield from check.references


def _waits_for(waiting: str, target: str, waits: Mapping[str, Mapping[str, None]]) -> bool:
    """Whether a step waits for another one, directly or not."""
    pending, seen = [waiting], {waiting}
    for name in pending:
        if target in waits[name]:
            return True
        pending.extend(parent for parent in waits[name] if parent not in seen)
        seen.update(waits[name])
    return False
