"""The logs of tables in, their versions and the runs that wrote them out; and what the last command left in a file."""

from __future__ import annotations

import datetime as dt
import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fsbuild.pipeline.documenting.links import Links
from fsbuild.site.pages import RunEntry, RunNode, VersionEntry

_SHOWN = 30
_PREFIX = "fsbuild."
# What Delta's writers count, by what it is to a reader.
_COUNTED = {
    "added": ("num_target_rows_inserted", "num_added_rows"),
    "changed": ("num_target_rows_updated", "num_updated_rows"),
    "removed": ("num_target_rows_deleted", "num_deleted_rows"),
}
Commits = Sequence[tuple[int, Mapping[str, Any]]]


@dataclass(frozen=True, slots=True)
class Written:
    """What one commit of a run did to a node, and when work on it began and ended."""

    unique_id: str
    run_id: str
    started_at: dt.datetime
    ended_at: dt.datetime
    rows: int


def versions_of(commits: Commits) -> list[VersionEntry]:
    """Describe the latest versions of a table, the latest first."""
    found: list[VersionEntry] = []
    total: int | None = None
    for version, info in reversed(commits[:_SHOWN]):
        ended_at = _moment(info)
        entry: VersionEntry = {
            "version": version,
            "at": iso(ended_at),
            "operation": str(info.get("operation", "unknown")),
        }
        metrics = info.get("operationMetrics") or {}
        counts = {key: _count(metrics, names) for key, names in _COUNTED.items()}
        is_whole = _is_whole(info)
        total = _total(counts, total, is_whole=is_whole)
        if total is not None:
            entry["rows"] = total
        if f"{_PREFIX}run_id" in info:
            entry["run_id"] = str(info[f"{_PREFIX}run_id"])
        if not is_whole:
            for key in ("added", "changed", "removed"):
                if counts[key]:
                    entry[key] = counts[key]
        started_at = _started_at(info)
        if started_at is not None:
            entry["elapsed_s"] = round((ended_at - started_at).total_seconds(), 3)
        found.append(entry)
    return found[::-1]


def writes_of(unique_id: str, commits: Commits) -> list[Written]:
    """List what runs wrote into a table, as far as its commits tell when that began."""
    found = []
    for _, info in commits[:_SHOWN]:
        started_at, rows = _started_at(info), info.get(f"{_PREFIX}rows")
        if started_at is not None and rows is not None:
            run_id = str(info[f"{_PREFIX}run_id"])
            found.append(Written(unique_id, run_id, started_at, _moment(info), int(rows)))
    return found


def last_change(commits: Commits) -> tuple[dt.datetime, str] | None:
    """When a commit last changed the rows of a table, and what it did."""
    for _, info in commits:
        if info.get(f"{_PREFIX}data_change") != "false" and (_is_whole(info) or info.get("operationMetrics")):
            counts = {key: _count(info.get("operationMetrics") or {}, names) for key, names in _COUNTED.items()}
            told = [f"{count:,} rows {key}" for key, count in counts.items() if count and not _is_whole(info)]
            rows = info.get(f"{_PREFIX}rows")
            whole = f"{int(rows):,} rows written" if rows is not None else "its rows were changed"
            return _moment(info), ", ".join(told) or whole
    return None


def newest_event(commits: Commits) -> str | None:
    """The latest event time that commits tell of."""
    times = [json.loads(info[key])[1] for _, info in commits if info.get(key := f"{_PREFIX}event_times")]
    return max(times, default=None)


def runs_of(writes: Iterable[Written], links: Links, last: RunEntry | None) -> list[RunEntry]:
    """Put what was written together by run, the latest first; `last` says more of the last one."""
    by_run: dict[str, list[Written]] = defaultdict(list)
    for one in writes:
        by_run[one.run_id].append(one)
    latest = sorted(by_run.items(), key=lambda pair: max(one.ended_at for one in pair[1]), reverse=True)[:_SHOWN]
    runs = [_run(run_id, found, links) for run_id, found in latest]
    if last is None:
        return runs
    return sorted([last, *(run for run in runs if run["id"] != last["id"])], key=lambda r: r["started_at"])[::-1]


def _run(run_id: str, found: Sequence[Written], links: Links) -> RunEntry:
    began = min(one.started_at for one in found)
    nodes: list[RunNode] = [
        {
            "node": links.refs[one.unique_id],
            "status": "success",
            "start_s": _seconds(one.started_at - began),
            "end_s": _seconds(one.ended_at - began),
            "rows": one.rows,
        }
        for one in sorted(found, key=lambda one: one.started_at)
    ]
    elapsed_s = _seconds(max(one.ended_at for one in found) - began)
    return {"id": run_id, "started_at": iso(began), "elapsed_s": elapsed_s, "nodes": nodes}


def read_last_run(folder: Path, links: Links, private: Collection[str]) -> RunEntry | None:
    """Read how the last command ended that ran nodes; None where no file tells.

    What went wrong with one of `private` is not told: the engine may quote a value.
    """
    found = _json(folder / "run_results.json")
    results = [one for one in found.get("results", ()) if one.get("unique_id") in links.refs]
    if not results:
        return None
    metadata, timed = found["metadata"], [one for one in results if one.get("timing")]
    began = dt.datetime.fromisoformat(metadata["invocation_started_at"])
    elapsed_s = float(found["elapsed_time"])
    starts = {one["unique_id"]: dt.datetime.fromisoformat(one["timing"][0]["started_at"]) for one in timed}
    began = min(starts.values(), default=began)
    nodes: list[RunNode] = []
    for one in results:
        start_s = _seconds(starts[one["unique_id"]] - began) if one["unique_id"] in starts else elapsed_s
        end_s = start_s + float(one["execution_time"]) if one["unique_id"] in starts else elapsed_s
        said = one.get("adapter_response") or {}
        node: RunNode = {
            "node": links.refs[one["unique_id"]],
            "status": str(said.get("_message") or one["status"]),
            "start_s": round(start_s, 3),
            "end_s": round(end_s, 3),
        }
        if said.get("rows_affected") is not None:
            node["rows"] = int(said["rows_affected"])
        # What is said of those that ended well is no news.
        is_told = one["status"] not in ("success", "pass") and one["unique_id"] not in private
        if one.get("message") and is_told:
            node["message"] = str(one["message"])
        nodes.append(node)
    nodes.sort(key=lambda node: node["start_s"])
    return {
        "id": str(metadata["invocation_id"]),
        "command": str(found["args"]["which"]),
        "started_at": iso(began),
        "elapsed_s": round(elapsed_s, 3),
        "nodes": nodes,
    }


def iso(moment: dt.datetime) -> str:
    """Write a moment in UTC, to the millisecond."""
    return moment.astimezone(dt.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _json(file: Path) -> dict[str, Any]:
    """Read an artifact; one that is not there, or not whole, says nothing."""
    try:
        found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _is_whole(info: Mapping[str, Any]) -> bool:
    how = info.get("operationParameters") or {}
    return how.get("mode") in ("Overwrite", "ErrorIfExists") and not how.get("predicate")


def _total(counts: Mapping[str, int], before: int | None, *, is_whole: bool) -> int | None:
    """How many rows a table has after a commit, where all commits since it was written as a whole tell."""
    if is_whole:
        return counts["added"]
    return before + counts["added"] - counts["removed"] if before is not None else None


def _count(metrics: Mapping[str, Any], names: Sequence[str]) -> int:
    return next((int(metrics[name]) for name in names if metrics.get(name) is not None), 0)


def _moment(info: Mapping[str, Any]) -> dt.datetime:
    return dt.datetime.fromtimestamp(int(info.get("timestamp", 0)) / 1000, dt.UTC)


def _started_at(info: Mapping[str, Any]) -> dt.datetime | None:
    found = info.get(f"{_PREFIX}started_at")
    return dt.datetime.fromisoformat(str(found)) if found is not None else None


def _seconds(duration: dt.timedelta) -> float:
    return round(max(duration.total_seconds(), 0.0), 3)
