"""What people write to ask for features -> values: `'weather:temp'`, a mapping with the rest, a feature view's name.

Templates, YAML and Python all say it in the same words. Nothing is known here of what exists.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fsbuild.durations import parse_duration
from fsbuild.errors import suggest
from fsbuild.values import FeatureReference, FeatureView, WindowAggregate

REFERENCE_KEYS = ("model", "columns", "keys", "prefix", "rename", "offset", "exclusive")
_AGGREGATE_KEYS = ("function", "column", "window", "n")
FUNCTIONS = ("count", "sum", "avg", "min", "max", "stddev", "approx_count_distinct", "last_n")


class RequestError(ValueError):
    """A request for features says something that has no meaning; the text is a sentence of its own."""

    def __init__(self, message: str, hint: str | None = None) -> None:
        self.message, self.hint = message, hint
        super().__init__(message)


def parse_features(written: object, views: Mapping[str, FeatureView] | None = None) -> tuple[FeatureReference, ...]:
    """Read a list of features; a feature view's name stands for its features.

    Raises:
        RequestError: an entry is neither `'model'`, `'model:*'`, `'model:column'`, a view's name nor a mapping.
    """
    if isinstance(written, str | Mapping | FeatureReference):
        written = [written]
    if not isinstance(written, Sequence) or not written:
        raise RequestError("features is not a list of features", "features=['carrier_delay_7d', 'weather:temp']")
    found: list[FeatureReference] = []
    for item in written:
        reference = _parse_feature(item)
        view = (views or {}).get(reference.model)
        if view is None:
            found.append(reference)
        elif reference == FeatureReference(view.name):
            found.extend(view.features)
        else:
            raise RequestError(
                f"'{view.name}' is a feature view, which stands for all of its features", "name it alone"
            )
    return tuple(found)


def parse_aggregates(written: object) -> tuple[WindowAggregate, ...]:
    """Read the `aggregates` of a window join: a mapping of column names to what is computed.

    Raises:
        RequestError: one of them cannot be computed as it is written.
    """
    example = "aggregates={'delay_mean_7d': {'function': 'avg', 'column': 'dep_delay', 'window': '7 days'}}"
    if not isinstance(written, Mapping) or not written:
        raise RequestError("aggregates is not a mapping of names to what is computed", example)
    return tuple(_parse_aggregate(str(name), item, example) for name, item in written.items())


def parse_names(written: object, what: str) -> tuple[str, ...]:
    """Read one name or a list of names.

    Raises:
        RequestError: it is something else.
    """
    if isinstance(written, str):
        return (written,)
    if isinstance(written, Sequence) and written and all(isinstance(name, str) for name in written):
        return tuple(dict.fromkeys(written))
    raise RequestError(f"{what} is neither a name nor a list of names")


def _parse_feature(item: object) -> FeatureReference:
    if isinstance(item, FeatureReference):
        return item
    if isinstance(item, str):
        name, colon, column = (part.strip() for part in item.partition(":"))
        if not name or (colon and not column):
            raise RequestError(f"'{item}' names no feature", "write 'model', 'model:*' or 'model:column'")
        return FeatureReference(name, () if column in ("", "*") else (column,))
    if not isinstance(item, Mapping):
        raise RequestError(f"{item!r} names no feature", "write 'model:column', or {'model': …, 'columns': […]}")
    _check_keys(item, REFERENCE_KEYS, "a feature")
    model = item.get("model")
    if not isinstance(model, str) or ":" in model:
        raise RequestError("a feature's mapping names no model", "{'model': 'weather', 'columns': ['temp']}")
    columns = item.get("columns", ())
    named = () if columns in ((), [], "*", ["*"], None) else parse_names(columns, f"columns of '{model}'")
    offset = item.get("offset")
    if offset is not None:
        _duration(offset, f"offset of '{model}'")
    exclusive = item.get("exclusive", False)
    if not isinstance(exclusive, bool):
        raise RequestError(f"exclusive of '{model}' is {exclusive!r}, not true or false")
    return FeatureReference(
        model=model,
        columns=named,
        keys=_texts(item, "keys", model, "{'origin': 'dest'}"),
        prefix=str(item.get("prefix") or ""),
        rename=_texts(item, "rename", model, "{'temp': 'origin_temp'}"),
        offset=offset,
        is_exclusive=exclusive,
    )


def _parse_aggregate(name: str, item: object, example: str) -> WindowAggregate:
    if not isinstance(item, Mapping):
        raise RequestError(f"aggregate '{name}' is not a mapping", example)
    _check_keys(item, _AGGREGATE_KEYS, f"aggregate '{name}'")
    function: object = item.get("function")
    column, window, n = item.get("column"), item.get("window"), item.get("n")
    if not isinstance(function, str) or function not in FUNCTIONS:
        near = suggest(str(function), FUNCTIONS)
        raise RequestError(f"aggregate '{name}': function is {function!r}, not one of {', '.join(FUNCTIONS)}", near)
    if column is not None and not isinstance(column, str):
        raise RequestError(f"aggregate '{name}': column is {column!r}, not a name")
    if column is None and function != "count":
        raise RequestError(f"aggregate '{name}': {function} of which column?", f"add 'column' to '{name}'")
    if window is not None and _duration(window, f"aggregate '{name}': window") == 0:
        raise RequestError(f"aggregate '{name}': window is empty")
    if (function == "last_n") != (n is not None):
        hint = "{'function': 'last_n', 'column': …, 'n': 3}"
        raise RequestError(f"aggregate '{name}': 'n' goes with last_n, and with nothing else", hint)
    if n is not None and (not isinstance(n, int) or isinstance(n, bool) or n < 1):
        raise RequestError(f"aggregate '{name}': n is {n!r}, not a whole number from 1 on")
    return WindowAggregate(name, function, column, window, n)


def _duration(written: object, what: str) -> int:
    try:
        return parse_duration(str(written))
    except ValueError as exc:
        raise RequestError(f"{what} is {written!r}, {exc}") from exc


def _check_keys(item: Mapping[object, object], known: Sequence[str], what: str) -> None:
    for key in item:
        if key not in known:
            raise RequestError(f"{what} has the unknown key '{key}'", suggest(str(key), known))


def _texts(item: Mapping[object, object], key: str, model: str, example: str) -> dict[str, str]:
    found = item.get(key) or {}
    if not isinstance(found, Mapping) or not all(isinstance(text, str) for pair in found.items() for text in pair):
        raise RequestError(f"{key} of '{model}' is not a mapping of names to names", example)
    return {str(name): str(text) for name, text in found.items()}
