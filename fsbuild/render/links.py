"""Sources that are other nodes: tables which the project itself writes, and sources that were declared before.

What reads such a source depends on the node that it is. dbt finds both under one name in its database, in whatever
order they run; here a node is built before it is read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from fsbuild.values import Check, Model, Project, Relation, UnitTest


@dataclass(frozen=True, slots=True)
class Links:
    """The nodes that sources stand for, by the unique ids of both."""

    nodes: Mapping[str, str]

    @classmethod
    def between(cls, project: Project, written: Iterable[tuple[str, Relation]]) -> Links:
        """Find the sources whose place nobody tells, and whose name one of the nodes has that are written.

        Of sources that are one table, the first stands for the others.
        """
        names = {_folded(relation): unique_id for unique_id, relation in written}
        tables: dict[tuple[tuple[str, str], str], str] = {}
        found: dict[str, str] = {}
        for one in project.sources:
            name = _folded(one.relation)
            if one.is_own and name in names:
                found[one.unique_id] = names[name]
            elif (first := tables.setdefault((name, one.location), one.unique_id)) != one.unique_id:
                found[one.unique_id] = first
        return cls(found)

    def __bool__(self) -> bool:
        return bool(self.nodes)

    def of_ids(self, ids: Iterable[str]) -> tuple[str, ...]:
        """Unique ids, with those of nodes in the place of sources."""
        return tuple(dict.fromkeys(self.nodes.get(one, one) for one in ids))

    def of_sources(
        self, sources: Mapping[tuple[str, str], tuple[str, Relation]]
    ) -> dict[tuple[str, str], tuple[str, Relation]]:
        """What `source()` stands for."""
        return {pair: (self.nodes.get(name, name), relation) for pair, (name, relation) in sources.items()}

    def of_project(self, project: Project) -> Project:
        """A project whose checks and unit tests are about nodes in the place of sources."""
        return replace(
            project,
            models=tuple(self._of_model(model) for model in project.models),
            seeds=tuple(replace(seed, checks=self._of_checks(seed.checks)) for seed in project.seeds),
            sources=tuple(replace(source, checks=self._of_checks(source.checks)) for source in project.sources),
        )

    def _of_model(self, model: Model) -> Model:
        tests = tuple(self._of_unit_test(test) for test in model.unit_tests)
        return replace(model, checks=self._of_checks(model.checks), unit_tests=tests)

    def _of_checks(self, checks: Iterable[Check]) -> tuple[Check, ...]:
        return tuple(
            replace(
                check,
                references=self.of_ids(check.references),
                arguments={
                    key: self.nodes[value] if isinstance(value, str) and value in self.nodes else value
                    for key, value in check.arguments.items()
                },
            )
            if self.nodes.keys() & check.references
            else check
            for check in checks
        )

    def _of_unit_test(self, test: UnitTest) -> UnitTest:
        return replace(
            test,
            batches=tuple(
                replace(
                    batch,
                    given=tuple(
                        replace(given, unique_id=self.nodes.get(given.unique_id, given.unique_id))
                        for given in batch.given
                    ),
                )
                for batch in test.batches
            ),
        )


def _folded(relation: Relation) -> tuple[str, str]:
    """A relation as the engine tells it apart from others: without regard to case."""
    return relation.schema.lower(), relation.identifier.lower()
