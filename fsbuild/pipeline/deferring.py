"""`--defer`: what is not built here and not there is read where another run has it, by the artifacts of that run.

It is read and never written: the lake writes to its own places, whatever it reads.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path

from fsbuild.errors import Problem, UsageError
from fsbuild.pipeline.drafting import Draft
from fsbuild.pipeline.nodes import has_table, relation_of
from fsbuild.pipeline.state import open_lake


@dataclass(frozen=True, slots=True)
class Deferral:
    """The folder of the artifacts of the other run, and whether its tables are read also where there are own ones."""

    state: Path
    is_favored: bool = False


def defer(draft: Draft, chosen: Collection[str], deferral: Deferral) -> Draft:
    """A draft that reads tables of another run in the place of those that are neither chosen nor there.

    Views and ephemeral models are computed by what they are here, over what is read so.

    Raises:
        UsageError: the artifacts do not say where tables are: `fsbuild.json` does, and dbt writes none.
    """
    file = deferral.state / "fsbuild.json"
    try:
        places = dict(json.loads(file.read_text(encoding="utf-8"))["tables"])
    except (OSError, ValueError, KeyError, TypeError) as exc:
        hint = "--state DIR: the target folder of a run of fsbuild, which has a fsbuild.json"
        raise UsageError(Problem(f"--defer: {file} does not tell where tables are", hint=hint)) from exc
    lake = open_lake(draft.project)
    elsewhere = {
        relation: str(places[name])
        for name in draft.graph.order
        if name in places and name not in chosen and has_table(draft, name)
        for relation in [relation_of(draft, name)]
        if deferral.is_favored or lake.state(relation) is None
    }
    target = replace(draft.project.target, elsewhere=elsewhere)
    return replace(draft, project=replace(draft.project, target=target))
