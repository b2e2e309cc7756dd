"""The versions of a model, as YAML declares them: which there are, and what is said of each.

    models:
      - name: orders
        latest_version: 1
        columns: [{name: id}, {name: amount}]
        versions:
          - v: 1
          - v: 2
            defined_in: orders_next
            columns: [{include: all, exclude: [amount]}]

`ref('orders')` means the latest one, and `ref('orders', v=2)` another.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

Label = str | int | float
T = TypeVar("T")
# What a version may say anew; `config` adds to what the model says.
_ANEW = ("description", "docs", "access", "constraints", "data_tests", "tests", "deprecation_date")


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a model, and which of them is meant where nothing is said."""

    label: Label
    latest: Label

    @property
    def is_latest(self) -> bool:
        """Whether it is the one that is meant where nothing is said."""
        return str(self.label) == str(self.latest)

    def suffixed(self, name: str) -> str:
        """The name of its file, and of its table, where nothing else is said.

        >>> Version(1.5, 2).suffixed("orders")
        'orders_v1_5'
        """
        return f"{name}_v{str(self.label).replace('.', '_')}"


def versioned_name(name: str, label: object) -> str:
    """What `ref('orders', v=2)` asks for among names: `orders.v2`."""
    return f"{name}.v{label}"


def latest_of(labels: Sequence[Label], said: Label | None) -> Label:
    """The latest version: the one that is said to be, or the highest, by number where all are numbers."""
    if said is not None:
        return said
    try:
        return max(labels, key=float)
    except ValueError:
        return max(labels, key=str)


def is_newer(one: Label, other: Label) -> bool:
    """Whether a version comes after another: by number where both are numbers, else as words."""
    try:
        return float(one) > float(other)
    except ValueError:
        return str(one) > str(other)


def columns_of_version(above: Sequence[T], own: Sequence[T], data_of: Callable[[T], Mapping[str, Any]]) -> list[T]:
    """The entries of columns that hold for a version: those of the model that it includes, and its own."""
    rules = [data_of(one) for one in own if "include" in data_of(one) or "exclude" in data_of(one)]
    rule = rules[0] if rules else {}
    included, excluded = rule.get("include", "all"), rule.get("exclude") or ()
    named = [one for one in own if "name" in data_of(one)]
    replaced = {data_of(one)["name"] for one in named}
    kept = [
        one
        for one in above
        if (name := data_of(one).get("name")) not in excluded
        and name not in replaced
        and (included in ("all", "*") or name in included)
    ]
    return [*kept, *named]


def data_of_version(model: Mapping[str, Any], label: Label) -> dict[str, Any]:
    """What the YAML of a model says of one of its versions, as if it were a model of its own."""
    said = next(one for one in model["versions"] if one.get("v") == label)
    anew = {key: said[key] for key in _ANEW if said.get(key) is not None}
    config = {**(model.get("config") or {}), **(said.get("config") or {})}
    columns = columns_of_version(model.get("columns") or (), said.get("columns") or (), lambda one: one)
    return {**model, **anew, "config": config, "columns": columns}
