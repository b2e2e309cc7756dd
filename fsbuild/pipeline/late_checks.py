"""Checks whose templates ask for rows of what they read: they are written once these are published."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from fsbuild.pipeline.drafting import Draft
from fsbuild.pipeline.hooks import operations_of
from fsbuild.pipeline.waves import Answers
from fsbuild.values import Check, Model, Moment, Seed, Source

if TYPE_CHECKING:
    from fsbuild.engine import Warehouse
    from fsbuild.execute import Execution


def late_checks(draft: Draft) -> Mapping[str, tuple[Check, ...]]:
    """The checks of each node that has late ones."""
    project = draft.project
    nodes: tuple[Model | Seed | Source, ...] = (*project.models, *project.seeds, *project.sources)
    found = {node.unique_id: tuple(check for check in node.checks if check.is_late) for node in nodes}
    return {name: checks for name, checks in found.items() if checks}


def late_writer(
    draft: Draft, moment: Moment, flags: Mapping[str, object], warehouse: Warehouse
) -> Callable[[Execution], Callable[[str], tuple[Check, ...]]]:
    """Give what writes the late checks of a node, which read what an execution has published."""
    late = late_checks(draft)

    def begin(execution: Execution) -> Callable[[str], tuple[Check, ...]]:
        if not late:
            return lambda _unique_id: ()
        operations = operations_of(draft, moment, flags, Answers(draft, (), execution, warehouse))
        return lambda unique_id: operations.late_checks(unique_id, late.get(unique_id, ()))

    return begin
