"""An artifact in, its file out: whole, or the one before."""

from __future__ import annotations

import datetime as dt
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from fsbuild.version import DBT_VERSION

log = logging.getLogger("fsbuild")


@dataclass(frozen=True, slots=True)
class Invocation:
    """A command: what it is called, the id of its run, when that began, and how the project was opened for it."""

    command: str
    run_id: str
    started_at: dt.datetime
    arguments: Mapping[str, object] = field(default_factory=dict)

    def metadata(self, schema: str) -> dict[str, object]:
        """The `metadata` of an artifact, by the name and version of its schema: `run-results/v6`."""
        return {
            "dbt_schema_version": f"https://schemas.getdbt.com/dbt/{schema}.json",
            "dbt_version": DBT_VERSION,
            "generated_at": iso(dt.datetime.now(dt.UTC)),
            "invocation_id": self.run_id,
            "invocation_started_at": iso(self.started_at),
            "env": {},
        }


def iso(moment: dt.datetime) -> str:
    """Write a moment as dbt does: `2026-01-31T06:00:00.000000Z`."""
    return moment.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def timing(started_at: dt.datetime | None, elapsed_s: float) -> list[dict[str, str]]:
    """When work began and ended; nothing of what was not worked on."""
    if started_at is None:
        return []
    ended_at = started_at + dt.timedelta(seconds=elapsed_s)
    return [{"name": "execute", "started_at": iso(started_at), "completed_at": iso(ended_at)}]


def write_artifact(artifact: Mapping[str, object], file: Path) -> None:
    """Write an artifact; a file that cannot be written is told, and nothing fails for it."""
    beside = file.with_suffix(".part")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        beside.write_text(json.dumps(artifact, default=str), encoding="utf-8")
        beside.replace(file)
    except OSError as exc:
        log.warning("%s was not written: %s", file.name, exc.strerror)
