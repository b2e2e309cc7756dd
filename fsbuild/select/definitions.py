"""The definitions of `selectors.yml` in, expressions out.

definition:
union:
- {method: tag, value: nightly, parents: true}
- exclude: [orders]
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fsbuild.errors import Problem, UsageError, suggest
from fsbuild.select.syntax import INDIRECT, Criterion, Difference, Expression, Intersection, Union, read_criterion

_SETS = ("union", "intersection")
_KEYS = ("method", "value", "parents", "parents_depth", "children", "children_depth", "childrens_parents")


def read_definition(name: str, definitions: Mapping[str, Any]) -> Expression:
    """What a selector of `selectors.yml` means; one may stand on another one.

    Raises:
        UsageError: there is no such selector, or its definition is wrong.
    """
    return _read_named(name, definitions, ())


def _read_named(name: str, definitions: Mapping[str, Any], above: Sequence[str]) -> Expression:
    if name not in definitions:
        raise UsageError(Problem(f"selectors.yml has no selector '{name}'", hint=suggest(name, definitions)))
    if name in above:
        raise UsageError(Problem(f"the selectors {' -> '.join([*above, name])} stand on each other"))
    return _Reader(definitions, (*above, name)).read(definitions[name])


class _Reader:
    """Reads one definition, which may name others."""

    def __init__(self, definitions: Mapping[str, Any], names: Sequence[str]) -> None:
        self._definitions, self._names = definitions, names

    def read(self, written: Any) -> Expression:  # noqa: ANN401 - YAML holds anything
        """Read a text, a mapping with one key or with a method, or a set of these."""
        if isinstance(written, str):
            return read_criterion(written)
        if not isinstance(written, Mapping) or not written:
            raise self._wrong(f"{written!r} is no definition")
        key = next((key for key in _SETS if key in written), None)
        if key is not None:
            return self._set(key, written[key])
        if written.get("method") == "selector":
            return _read_named(str(written.get("value")), self._definitions, self._names)
        if len(written) == 1 and "exclude" not in written:
            ((method, value),) = written.items()
            return Criterion(f"{method}:{value}", str(method), str(value))
        return self._criterion(written)

    def _set(self, key: str, written: object) -> Expression:
        if not isinstance(written, list):
            raise self._wrong(f"'{key}' is no list")
        excluded = [one["exclude"] for one in written if isinstance(one, Mapping) and [*one] == ["exclude"]]
        if len(excluded) > 1:
            raise self._wrong(f"'{key}' has more than one exclude")
        parts = [self.read(one) for one in written if not (isinstance(one, Mapping) and [*one] == ["exclude"])]
        kept = Union(parts) if key == "union" else Intersection(parts)
        return self._without(kept, excluded[0]) if excluded else kept

    def _criterion(self, written: Mapping[str, Any]) -> Expression:
        unknown = [key for key in written if key not in (*_KEYS, "indirect_selection", "exclude")]
        if unknown:
            raise self._wrong(f"unknown key '{unknown[0]}'", suggest(str(unknown[0]), _KEYS))
        if "method" not in written or "value" not in written:
            raise self._wrong("a definition has a method and a value")
        indirect = written.get("indirect_selection")
        if indirect not in (None, *INDIRECT):
            raise self._wrong(f"indirect_selection is {indirect!r}, and not one of {', '.join(INDIRECT)}")
        method, value = str(written["method"]), str(written["value"])
        found = Criterion(
            f"{method}:{value}",
            method,
            value,
            _steps(written, "parents"),
            _steps(written, "children"),
            bool(written.get("childrens_parents")),
            indirect,
        )
        return self._without(found, written["exclude"]) if written.get("exclude") else found

    def _without(self, kept: Expression, excluded: object) -> Expression:
        parts = excluded if isinstance(excluded, list) else [excluded]
        return Difference(kept, Union([self.read(one) for one in parts]))

    def _wrong(self, message: str, hint: str | None = None) -> UsageError:
        return UsageError(Problem(f"selector '{self._names[-1]}' of selectors.yml: {message}", hint=hint))


def _steps(written: Mapping[str, Any], key: str) -> int | None:
    depth = written.get(f"{key}_depth")
    return 0 if not written.get(key) else int(depth) if depth is not None else None
