"""What each model reads, behind views too: a compiled model in, with how it is kept up to date out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from fsbuild.errors import Place, Problem
from fsbuild.values import INLINED, ColumnType, CompiledModel, Relation


@dataclass(slots=True)
class Reads:
    """The relations that are known so far: tables with their columns, and for views the SQL and what they read."""

    tables: dict[str, tuple[Relation, Sequence[ColumnType]]] = field(default_factory=dict)
    views: dict[str, CompiledModel] = field(default_factory=dict)

    def add_table(self, unique_id: str, relation: Relation, columns: Sequence[ColumnType]) -> None:
        """Make a table known to the models that follow."""
        self.tables[unique_id] = (relation, columns)

    def add(self, model: CompiledModel) -> None:
        """Make a model known to those that follow."""
        if model.rendered.config.materialized in INLINED:
            self.views[model.unique_id] = model
        else:
            self.add_table(model.unique_id, model.rendered.relation, model.columns)

    def with_maintenance(self, model: CompiledModel, problems: list[Problem]) -> CompiledModel:
        """Make a model known, and add how it is kept up to date where that is its strategy."""
        self.add(model)
        config = model.rendered.config
        if config.materialized != "incremental" or config.strategy != "auto":
            return model
        from fsbuild.maintenance import derive_maintenance

        tables, views = self._behind(model)
        maintenance = derive_maintenance(model, tables, views)
        place = Place(model.rendered.model.path)
        if model.incremental_select is not None:
            hint = "write the query of a full refresh; what has changed is found by fsbuild"
            problems.append(Problem("strategy 'auto' takes no is_incremental()", place, hint=hint))
        if config.refresh == "incremental":
            problems.extend(_unprovable(model, maintenance.unprovable, place))
        return replace(model, maintenance=maintenance)

    def _behind(
        self, model: CompiledModel
    ) -> tuple[Mapping[str, tuple[Relation, Sequence[ColumnType]]], Mapping[Relation, str]]:
        """The tables that a model reads, and the views between it and them."""
        tables: dict[str, tuple[Relation, Sequence[ColumnType]]] = {}
        views: dict[Relation, str] = {}
        pending = list(model.rendered.depends_on)
        for name in pending:
            if name in self.tables:
                tables[name] = self.tables[name]
            elif (view := self.views[name]).rendered.relation not in views:
                views[view.rendered.relation] = view.select
                pending.extend(view.rendered.depends_on)
        return tables, views


def _unprovable(model: CompiledModel, reasons: Mapping[str, str], place: Place) -> list[Problem]:
    if model.volatile:
        reasons = {**reasons, "": f"it calls {model.volatile[0]}()"}
    hint = "change the query, or let refresh be 'auto': then it is computed in full where it must be"
    return [
        Problem(
            f"refresh is 'incremental', and that it equals a full refresh cannot be proven: {reason}", place, hint=hint
        )
        for reason in dict.fromkeys(reasons.values())
    ]
