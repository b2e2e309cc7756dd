"""A binder that opens the engine when it is first asked: a project whose answers are all kept does without it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from fsbuild.values import BoundColumn, Project, Relation, Source

if TYPE_CHECKING:
    import pyarrow as pa

    from fsbuild.engine import Binder


class LateBinder:
    """What `engine.Binder` does, from the first question on."""

    def __init__(self, open_binder: Callable[[], Binder]) -> None:
        self._open = open_binder
        self._opened: Binder | None = None
        self._declared: list[tuple[Relation, Iterable[tuple[str, str]], str | None]] = []

    @property
    def binder(self) -> Binder:
        """The engine's binder, which knows all that was declared."""
        if self._opened is None:
            self._opened = self._open()
            for declared in self._declared:
                self._opened.declare(*declared)
        return self._opened

    @property
    def volatile_functions(self) -> frozenset[str]:
        """The functions whose answers change from one moment to the next."""
        return self.binder.volatile_functions

    @property
    def random_functions(self) -> frozenset[str]:
        """Those of them that are left to chance."""
        return self.binder.random_functions

    def declare(self, relation: Relation, columns: Iterable[tuple[str, str]], otherwise: str | None = None) -> None:
        """Let a name stand for an empty table."""
        if self._opened is None:
            self._declared.append((relation, columns, otherwise))
        else:
            self._opened.declare(relation, columns, otherwise)

    def undeclare(self, relation: Relation) -> None:
        """Forget an empty table again."""
        self.binder.undeclare(relation)

    def hiding(self, relations: Iterable[Relation]) -> AbstractContextManager[None]:
        """Forget relations for a while."""
        return self.binder.hiding(relations)

    def columns_of(self, sql: str) -> tuple[BoundColumn, ...]:
        """Tell the columns of a query."""
        return self.binder.columns_of(sql)

    def arrow_schema(self, relation: Relation) -> pa.Schema:
        """Tell the columns of a relation as Arrow has them."""
        return self.binder.arrow_schema(relation)

    def unreadable(self, cells: Sequence[tuple[str, str]]) -> list[bool]:
        """Tell which values cannot be read as what they are to be."""
        return self.binder.unreadable(cells)

    def source_columns(self, source: Source, version: int | None = None) -> tuple[BoundColumn, ...]:
        """Tell the columns of a source from its files' own schema."""
        return self.binder.source_columns(source, version)


def binder_over(project: Project, sources: Sequence[Source] = ()) -> LateBinder:
    """What binds queries as a project's target does, and can read the schemas of `sources`."""

    def opened() -> Binder:
        from fsbuild.engine import Binder

        return Binder(project.root, project.target.settings, sources)

    return LateBinder(opened)
