"""A table's log in, what each commit of ours brought into the table out."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from contextlib import suppress
from itertools import islice
from typing import Any

from fsbuild.batches import parse_moment
from fsbuild.store.commits import PREFIX
from fsbuild.store.log import changes_data, commits
from fsbuild.store.table import TablePlace
from fsbuild.store.travel import committed_at
from fsbuild.values import Load


def read_loads(place: TablePlace, limit: int) -> tuple[Load, ...]:
    """List the latest loads of a table, the latest first; commits that changed no rows are none."""
    found = (_load(info) for _, info in commits(place) if changes_data(info) and f"{PREFIX}rows" in info)
    return tuple(islice(found, limit))


def _load(info: Mapping[str, Any]) -> Load:
    how = info.get("operationParameters", {})
    is_whole = how.get("mode") in ("Overwrite", "ErrorIfExists") and not how.get("predicate")
    return Load(int(info[f"{PREFIX}rows"]), committed_at(info), _newest(info), is_whole)


def _newest(info: Mapping[str, Any]) -> dt.datetime | None:
    """The latest event time among the rows of a commit; None where there is none that a calendar has."""
    times = json.loads(info.get(f"{PREFIX}event_times") or "null")
    with suppress(ValueError):
        return parse_moment(times[1]) if times else None
    return None
