"""Models in, with their `access` and `group`; who reads what is not meant for it out, as problems.

A private model is for its own group alone. As in dbt every group is declared, and what is public has a table or a view.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fsbuild.errors import Place, Problem, suggest
from fsbuild.values import Model, Project

_ACCESS = ("private", "protected", "public")


@dataclass(frozen=True, slots=True)
class Accessed:
    """A model, with its configuration and what it reads."""

    model: Model
    config: Mapping[str, Any]
    depends_on: Sequence[str]


def access_problems(project: Project, models: Iterable[Accessed]) -> Iterator[Problem]:
    """Say who reads what it may not, and what is configured that cannot be."""
    by_id = {one.model.unique_id: one for one in models}
    groups = {str(entry.get("name")) for file in project.documents for entry in file.data.get("groups") or ()}
    for one in by_id.values():
        access, group, place = one.config.get("access"), one.config.get("group"), one.model.place
        if access is not None and access not in _ACCESS:
            hint = suggest(str(access), _ACCESS) or f"there are: {', '.join(_ACCESS)}"
            yield Problem(f"access is {access!r}", place, hint=hint)
        if access == "public" and one.config.get("materialized") == "ephemeral":
            hint = "make it a view or a table, or leave access out"
            yield Problem(f"'{one.model.name}' is public, and ephemeral: nobody else can read it", place, hint=hint)
        if group is not None and group not in groups:
            hint = suggest(str(group), groups) or f"groups: [{{name: {group}, owner: {{email: ann@example.com}}}}]"
            yield Problem(f"there is no group '{group}'", place, hint=hint)
        for parent in one.depends_on:
            if parent in by_id and _is_private(by_id[parent], group):
                yield _refused(f"'{one.model.name}'", by_id[parent], Place(one.model.path))
    for exposure in project.exposures:
        for parent in exposure.depends_on:
            if parent in by_id and _is_private(by_id[parent], None):
                yield _refused(f"the exposure '{exposure.name}'", by_id[parent], exposure.place)


def _is_private(parent: Accessed, group: object) -> bool:
    return parent.config.get("access") == "private" and (group is None or group != parent.config.get("group"))


def _refused(who: str, parent: Accessed, place: Place) -> Problem:
    whose = parent.config.get("group")
    message = f"{who} reads '{parent.model.name}', which is private to the group '{whose}'"
    return Problem(message, place, hint=f"put it into the group, or give '{parent.model.name}' access: protected")
