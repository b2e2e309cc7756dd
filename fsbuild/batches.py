"""The batches of a microbatch model: stretches of time in, which of them are due and which are done, out.

Pure arithmetic in UTC. A batch is [start, end) and as long as an hour, a day, a month or a year of the calendar; a span
is one or more batches in a row. What is done travels in the table's own log, as text.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from fsbuild.values import BatchSize, ModelConfig

# The key of `Commit.extra` and `TableState.extra`.
BATCHES = "batches"
# A "now" at which no batch has begun.
EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MONTHS = {"month": 1, "year": 12}
_STEPS = {"hour": dt.timedelta(hours=1), "day": dt.timedelta(days=1)}
_SHOWN = {"hour": "%Y-%m-%d %H:%M", "day": "%Y-%m-%d", "month": "%Y-%m", "year": "%Y"}
_LISTED = 6


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """A stretch of time in UTC: `end` is the first moment that is not in it."""

    start: dt.datetime
    end: dt.datetime


@dataclass(frozen=True, slots=True)
class Progress:
    """What a table's log says of its batches.

    `done` was computed after it had ended; `due` was to be computed anew, and the run did not come to it.
    """

    done: tuple[Span, ...] = ()
    due: tuple[Span, ...] = ()

    def after(self, computed: Span, pending: Iterable[Span], now: dt.datetime) -> Progress:
        """What to remember when a batch has been computed and others still are to be."""
        due = merged(pending)
        done = without([*self.done, *([computed] if computed.end <= now else [])], due)
        return Progress(done, due)

    def __str__(self) -> str:
        spans = {"done": self.done, "due": self.due}
        written = {name: [[_iso(s.start), _iso(s.end)] for s in found] for name, found in spans.items() if found}
        return json.dumps(written)


@dataclass(frozen=True, slots=True)
class Calendar:
    """The batches of a model: from `begin` up to the one that contains `now`, which is `newest`."""

    size: BatchSize
    begin: dt.datetime
    now: dt.datetime
    newest: Span = field(init=False)

    def __post_init__(self) -> None:
        """Align `begin` with the batch that it is in."""
        object.__setattr__(self, "begin", truncate(self.begin, self.size))
        start = truncate(self.now, self.size)
        object.__setattr__(self, "newest", Span(start, shift(start, self.size)))

    def batches(self, within: Span | None = None) -> Iterator[Span]:
        """List the batches, or those that a stretch of time touches, in order."""
        start = self.begin if within is None else max(self.begin, truncate(within.start, self.size))
        end = self.newest.end if within is None else min(self.newest.end, within.end)
        while start < end:
            following = shift(start, self.size)
            yield Span(start, following)
            start = following

    def missing(self, progress: Progress) -> list[Span]:
        """List the batches that have ended and are not done, and those that an earlier run did not come to."""
        ended = Span(self.begin, max(self.begin, self.newest.start))
        gaps = [*without([ended] if ended.start < ended.end else [], progress.done), *progress.due]
        return [batch for span in merged(gaps) for batch in self.batches(span)]

    def latest(self, lookback: int) -> list[Span]:
        """List the newest batch and the `lookback` batches before it."""
        if self.newest.end <= self.begin:
            return []
        start = self.newest.start
        for _ in range(lookback):
            start = max(self.begin, shift(start, self.size, -1))
        return list(self.batches(Span(start, self.newest.end)))

    def around(self, moments: Iterable[dt.datetime]) -> list[Span]:
        """List the batches that moments are in, each once."""
        starts = sorted({truncate(moment, self.size) for moment in moments})
        return [Span(start, shift(start, self.size)) for start in starts if self.begin <= start < self.newest.end]


def calendar_of(config: ModelConfig, now: dt.datetime) -> Calendar:
    """The batches of a microbatch model."""
    return Calendar(config.batch_size, parse_moment(str(config.begin)), now)


def parse_moment(text: str) -> dt.datetime:
    """Read an ISO date or time; without a zone it is UTC.

    Raises:
        ValueError: it is neither.
    """
    found = dt.datetime.fromisoformat(text)
    return found.replace(tzinfo=dt.UTC) if found.tzinfo is None else found.astimezone(dt.UTC)


def truncate(moment: dt.datetime, size: BatchSize) -> dt.datetime:
    """The start of the batch that a moment is in."""
    start = moment.astimezone(dt.UTC).replace(minute=0, second=0, microsecond=0)
    if size == "hour":
        return start
    start = start.replace(hour=0)
    if size == "day":
        return start
    return start.replace(day=1) if size == "month" else start.replace(month=1, day=1)


def shift(start: dt.datetime, size: BatchSize, count: int = 1) -> dt.datetime:
    """The start of a batch that is `count` batches later."""
    if size in _STEPS:
        return start + count * _STEPS[size]
    months = start.year * 12 + start.month - 1 + count * _MONTHS[size]
    return start.replace(year=months // 12, month=months % 12 + 1)


def merged(spans: Iterable[Span]) -> tuple[Span, ...]:
    """Join spans that touch or overlap."""
    found: list[Span] = []
    for span in sorted(spans):
        if found and span.start <= found[-1].end:
            found[-1] = Span(found[-1].start, max(found[-1].end, span.end))
        else:
            found.append(span)
    return tuple(found)


def without(spans: Iterable[Span], removed: Iterable[Span]) -> tuple[Span, ...]:
    """Cut spans out of others."""
    left = list(merged(spans))
    for hole in merged(removed):
        cut = []
        for span in left:
            cut += [Span(span.start, min(span.end, hole.start)), Span(max(span.start, hole.end), span.end)]
        left = [span for span in cut if span.start < span.end]
    return tuple(left)


def read_progress(text: str | None) -> Progress:
    """Read what a commit remembers of batches; nothing where it remembers none."""
    written = json.loads(text or "{}")
    return Progress(_spans(written.get("done", [])), _spans(written.get("due", [])))


def shown(batch: Span, size: BatchSize) -> str:
    """Name a batch as a person does: `2013-01-05`."""
    return batch.start.strftime(_SHOWN[size])


def listed(batches: Sequence[Span], size: BatchSize) -> str:
    """Name batches: those in a row by the first and the last, `2013-01-05 … 2013-01-07`."""
    parts = []
    for span in merged(batches):
        first, last = shown(span, size), shown(Span(shift(span.end, size, -1), span.end), size)
        parts.append(first if first == last else f"{first} … {last}")
    more = f" and {len(parts) - _LISTED} more stretches" if len(parts) > _LISTED else ""
    return ", ".join(parts[:_LISTED]) + more


def _spans(written: Iterable[Sequence[str]]) -> tuple[Span, ...]:
    return tuple(Span(parse_moment(start), parse_moment(end)) for start, end in written)


def _iso(moment: dt.datetime) -> str:
    return moment.replace(tzinfo=None).isoformat()
