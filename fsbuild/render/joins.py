"""`point_in_time()` and `window_features()`: a template asks for a join of features, and a name stands for its SQL.

What is joined has no columns yet when templates are rendered; compiling puts the SQL in the name's place.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Mapping

from fsbuild.batches import parse_moment
from fsbuild.errors import suggest
from fsbuild.feature_requests import RequestError, parse_aggregates, parse_features, parse_names
from fsbuild.render.context import ModelContext, TemplateError
from fsbuild.values import REQUEST, FeatureReference, Join, ModelConfig, PointInTime, WindowJoin

_SPINE_HINT = "point_in_time(spine=ref('departures'), at='scheduled_at', features=['carrier_delay_7d'])"


class Joins:
    """The functions of one rendering; what they are asked for is noted in its context."""

    def __init__(self, context: ModelContext) -> None:
        self._context = context

    def point_in_time(  # noqa: PLR0913 - what a person says
        self,
        *,
        features: object = (),
        spine: object = None,
        at: object = None,
        known_at: object = None,
        as_of: object = None,
        start: object = None,
        end: object = None,
    ) -> str:
        """A relation: the rows of a spine with what was known of them at their time; or, without one, all entities."""
        references = self._features(features)
        without = [name for name, value in (("as_of", as_of), ("start", start), ("end", end)) if value is not None]
        if spine is not None and without:
            raise TemplateError(f"point_in_time() takes either a spine or {without[0]}", _SPINE_HINT)
        if spine is None and without not in (["as_of"], ["start", "end"]):
            raise TemplateError("point_in_time() needs a spine, as_of, or start and end", _SPINE_HINT)
        first, last = _moment(start, "start"), _moment(end, "end")
        if first is not None and last is not None and parse_moment(first) >= parse_moment(last):
            raise TemplateError(f"end {last} is not after start {first}", "start='2013-01-01', end='2013-02-01'")
        if spine is not None and at is None:
            raise TemplateError("point_in_time() needs at, the column with the moment of each row", _SPINE_HINT)
        return self._ask(
            PointInTime(
                references,
                None if spine is None else _relation(spine),
                _name(at, "at"),
                _name(known_at, "known_at"),
                _moment(as_of, "as_of"),
                first,
                last,
            )
        )

    def window_features(  # noqa: PLR0913 - what a person says
        self,
        *,
        spine: object,
        at: object,
        events: object,
        keys: object,
        event_time: object,
        aggregates: object,
        known_time: object = None,
        known_at: object = None,
        tie_break: object = (),
    ) -> str:
        """A relation: the rows of a spine with aggregates over the events in windows that end at their time."""
        try:
            pairs = keys if isinstance(keys, Mapping) else {name: name for name in parse_names(keys, "keys")}
            computed = parse_aggregates(aggregates)
            ties = parse_names(tie_break, "tie_break") if tie_break else ()
        except RequestError as exc:
            raise TemplateError(exc.message, exc.hint) from exc
        return self._ask(
            WindowJoin(
                _relation(spine),
                _name(at, "at") or "",
                _relation(events),
                {str(key): str(column) for key, column in pairs.items()},
                _name(event_time, "event_time") or "",
                computed,
                _name(known_time, "known_time"),
                _name(known_at, "known_at"),
                ties,
            )
        )

    def request(self) -> str:
        """The relation that a model on demand is computed from: the values of a request and the features it takes."""
        return REQUEST

    def taken(self, config: ModelConfig) -> tuple[FeatureReference, ...]:
        """The features that a model on demand is computed from; none for any other model."""
        is_on_demand = config.materialized == "on_demand"
        return self._features(config.features) if is_on_demand and config.features else ()

    def training_set(self, config: ModelConfig) -> PointInTime | None:
        """The join whose spine a training set's SQL is; None for any other model."""
        if config.materialized != "training_set":
            return None
        features = self._features(config.features) if config.features else ()
        return PointInTime(features, at=config.event_time, known_at=config.known_at)

    def _features(self, written: object) -> tuple[FeatureReference, ...]:
        """Read what features are asked for, and note that their models are read."""
        context = self._context
        try:
            references = parse_features(written, context.names.feature_views)
        except RequestError as exc:
            raise TemplateError(exc.message, exc.hint) from exc
        for reference in references:
            found = context.names.nodes.get(reference.model)
            if found is not None:
                context.depends_on[found[0]] = None
                for name in context.names.computed.get(reference.model, ()):
                    if name in context.names.nodes:
                        context.depends_on[context.names.nodes[name][0]] = None
            elif reference.model in context.names.disabled:
                context.note(f"'{reference.model}' is disabled", "set enabled: true, or leave it out")
            else:
                known = [*context.names.nodes, *context.names.feature_views]
                message = f"there is no model, seed or feature view '{reference.model}' to take features from"
                context.note(message, suggest(reference.model, known))
        return references

    def _ask(self, join: Join) -> str:
        name = hashlib.md5(repr(join).encode(), usedforsecurity=False).hexdigest()[:12]
        placeholder = f'"fsbuild_join"."{name}"'
        self._context.joins[placeholder] = join
        return placeholder


def _relation(written: object) -> str:
    """SQL that can stand behind FROM: a relation as it is, a query in parentheses."""
    text = str(written).strip().rstrip(";").rstrip()
    first = text.split(maxsplit=1)[0].lower() if text else ""
    if not text:
        raise TemplateError("a spine or its events are empty", "give ref('…'), or a SELECT in quotes")
    return f"(\n{text}\n)" if first in ("select", "with", "from", "values") else text


def _name(written: object, what: str) -> str | None:
    if written is None or (isinstance(written, str) and written):
        return written
    raise TemplateError(f"{what} is {written!r}, not the name of a column")


def _moment(written: object, what: str) -> str | None:
    if written is None:
        return None
    text = written.isoformat() if isinstance(written, dt.date) else str(written)
    try:
        parse_moment(text)
    except ValueError as exc:
        raise TemplateError(f"{what} is {text!r}, not a date or a time", f"{what}='2013-01-31 06:00'") from exc
    return text
