"""A model by its name, for people who look at it from Python.

delay = project.model("carrier_delay_7d")
delay.columns, delay.stats(), delay.lineage("late_share_7d")
"""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

from fsbuild.errors import Problem, UsageError, suggest

if TYPE_CHECKING:
    from fsbuild.api import Project, Table
    from fsbuild.stored_statistics import Measured
    from fsbuild.values import ColumnEdge, ColumnType, CompiledModel


class ModelHandle:
    """A model of a project as it compiled when this was made; its table is asked anew each time."""

    def __init__(self, project: Project, compiled: CompiledModel) -> None:
        self._project, self._compiled = project, compiled

    def __repr__(self) -> str:
        config = self._compiled.rendered.config
        return f"<fsbuild model {self.name}: {config.materialized}, {len(self.columns)} columns>"

    def _repr_html_(self) -> str:
        """Its columns with their types and descriptions, for notebooks."""
        described = {column.name.lower(): column.description for column in self._compiled.rendered.model.columns}
        cells = [(column.name, column.type, described.get(column.name.lower(), "")) for column in self.columns]
        body = "".join(f"<tr>{''.join(f'<td>{html.escape(text)}</td>' for text in row)}</tr>" for row in cells)
        caption = html.escape(f"{self.name}: {self.description}" if self.description else self.name)
        head = "<tr><th>column</th><th>type</th><th>description</th></tr>"
        return f"<table><caption>{caption}</caption><thead>{head}</thead><tbody>{body}</tbody></table>"

    @property
    def name(self) -> str:
        """Its name."""
        return self._compiled.rendered.model.name

    @property
    def description(self) -> str:
        """What it is."""
        return self._compiled.rendered.config.description

    @property
    def sql(self) -> str:
        """Its SQL, as it runs."""
        return self._compiled.rendered.sql.text.strip()

    @property
    def columns(self) -> tuple[ColumnType, ...]:
        """Its columns, with SQL types."""
        return self._compiled.columns

    def lineage(self, column: str | None = None) -> tuple[ColumnEdge, ...]:
        """What a column is made of and what steers it, or all of them; `*` stands for which rows there are.

        Raises:
            UsageError: the model has no such column.
        """
        edges = self._compiled.lineage.edges
        if column is None:
            return edges
        names = ["*", *(one.name for one in self.columns)]
        if column.lower() not in {name.lower() for name in names}:
            hint = suggest(column, names)
            raise UsageError(Problem(f"'{self.name}' has no column '{column}'", hint=hint))
        return tuple(edge for edge in edges if edge.column.lower() == column.lower())

    def stats(self, version: int | str | None = None) -> Measured:
        """What its table holds, in a version, at a moment or after a run; by default now."""
        return self._project.stats(self.name, version=version)

    def history(self, limit: int | None = None) -> Table:
        """The versions of its table, the latest first."""
        return self._project.history(self.name, limit)

    def show(self, limit: int | None = 5) -> Table:
        """Its first rows."""
        return self._project.show(self.name, limit=limit)
