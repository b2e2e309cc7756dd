"""Runs fsbuild and ends it, as `kill -9` would, before or after a certain call of one of its stages.

    python -m tests.faults CALL before|after NUMBER fsbuild-arguments…

Exits with 9 where it did; otherwise as fsbuild does.
"""

from __future__ import annotations

import importlib
import itertools
import os
import sys
from typing import Any

from fsbuild.cli import main

# Between reading and committing, in their order: what a model's run goes through.
CALLS = {
    "changes": "fsbuild.store:Lake.changes",
    "keep": "fsbuild.engine.warehouse:Warehouse.keep",
    "stream": "fsbuild.engine.warehouse:Warehouse.stream",
    "write": "fsbuild.store:Lake.write",
    "record": "fsbuild.store:Lake.record",
    "properties": "fsbuild.store:Lake.set_properties",
    "state": "fsbuild.store:Lake.state",
}


def arm(call: str, when: str, number: int) -> None:
    """Let the `number`-th call of a function be the last."""
    module, _, path = CALLS[call].partition(":")
    holder, name = path.split(".")
    owner = getattr(importlib.import_module(module), holder)
    function, calls = getattr(owner, name), itertools.count(1)

    def last(*arguments: Any, **named: Any) -> Any:  # noqa: ANN401 - whatever the function takes and gives
        is_last = next(calls) == number
        if is_last and when == "before":
            os._exit(9)
        result = function(*arguments, **named)
        if is_last:
            os._exit(9)
        return result

    setattr(owner, name, last)


if __name__ == "__main__":
    arm(sys.argv[1], sys.argv[2], int(sys.argv[3]))
    main(sys.argv[4:])
