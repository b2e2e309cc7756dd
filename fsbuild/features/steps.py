"""A query in named steps: as one text, or step by step, each kept before the next begins.

One text is what a person reads and what lineage is traced in. Step by step takes less memory: what a step needed is
given back before the next one starts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fsbuild.values import Expansion, Relation, staged_relation


@dataclass(frozen=True, slots=True)
class Step:
    """A named query, which later ones read by its name; one that is not `is_kept` is computed by each that reads it.

    A `note` says in a line what it is for.
    """

    name: str
    sql: str
    is_kept: bool = True
    note: str = ""

    @property
    def clause(self) -> str:
        """The step as a part of a WITH clause."""
        note = f"-- {' '.join(self.note.split())}\n" if self.note else ""
        return f"{note}{self.name} AS {'MATERIALIZED ' if self.is_kept else ''}(\n{self.sql}\n)"


def expand_steps(prefix: str, steps: Sequence[Step], last: str) -> Expansion:
    """Write a query of which `last` reads the steps; `prefix` makes the names of what is kept the model's own."""
    stages = tuple(
        (_place(prefix, step), _with(_read_from_stages(prefix, steps[:index], step.sql), step.sql))
        for index, step in enumerate(steps)
        if step.is_kept
    )
    inline = _with([step.clause for step in steps], last)
    return Expansion(f"(\n{inline}\n)", stages, f"(\n{_with(_read_from_stages(prefix, steps, last), last)}\n)")


def _read_from_stages(prefix: str, steps: Sequence[Step], sql: str) -> list[str]:
    """The clauses that a query needs to find the steps before it: those that are kept in their places."""
    clauses: list[str] = []
    for step in reversed(steps):
        if step.name in sql:
            clauses.insert(0, f"{step.name} AS (SELECT * FROM {_place(prefix, step)})" if step.is_kept else step.clause)
            sql += "" if step.is_kept else step.sql
    return clauses


def _place(prefix: str, step: Step) -> Relation:
    return staged_relation(f"{prefix} {step.name}")


def _with(clauses: Sequence[str], sql: str) -> str:
    joined = ",\n".join(clauses)
    return f"WITH {joined}\n{sql}" if clauses else sql
