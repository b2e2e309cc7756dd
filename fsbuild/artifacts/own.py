"""What fsbuild knows and dbt's artifacts have no place for, in; `fsbuild.json` out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fsbuild.artifacts.writing import Invocation, iso
from fsbuild.values import Project, RenderedModel
from fsbuild.version import __version__


def own_artifact(
    project: Project,
    models: Mapping[str, RenderedModel],
    tables: Mapping[str, str],
    invocation: Invocation,
    selection: Sequence[Sequence[str]] | None,
) -> dict[str, object]:
    """Describe where tables are, and the features that are in them; `selection` is what the command was about."""
    return {
        "metadata": {
            "fsbuild_version": __version__,
            "invocation_id": invocation.run_id,
            "invocation_started_at": iso(invocation.started_at),
            "command": invocation.command,
            "selection": selection,
        },
        "lake": project.target.lake,
        "tables": dict(tables),
        "entities": {one.name: {key.name: key.type for key in one.keys} for one in project.entities},
        "features": {
            name: {
                "entity": list(model.config.entity),
                "event_time": model.config.event_time,
                "known_time": model.config.known_time,
                "ttl": model.config.ttl,
            }
            for name, model in models.items()
            if model.config.entity
        },
        "feature_views": {
            view.name: [{"model": one.model, "columns": list(one.columns)} for one in view.features]
            for view in project.feature_views
        },
    }
