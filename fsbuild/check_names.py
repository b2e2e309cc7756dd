"""The checks that a project may name: one table, read by the validation, by the runner and by the reference page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

ArgumentKind = Literal["value", "values", "flag", "length", "text", "pattern", "columns", "node", "ignored"]
TypeKind = Literal["exact", "single", "double", "text", "boolean", "date", "time", "timestamp", "instant", "opaque"]

_TEXT: tuple[TypeKind, ...] = ("text",)
_ORDERED: tuple[TypeKind, ...] = ("exact", "single", "double", "text", "date", "time", "timestamp", "instant")
_SCALAR: tuple[TypeKind, ...] = (*_ORDERED, "boolean")
_ANY: tuple[TypeKind, ...] = (*_SCALAR, "opaque")


@dataclass(frozen=True, slots=True)
class Argument:
    """An argument of a check; `pandera` is pandera's name for it where that differs."""

    name: str
    kind: ArgumentKind = "value"
    is_required: bool = True
    pandera: str = ""


@dataclass(frozen=True, slots=True)
class CheckName:
    """A check that a project may name: what it says of a row, its arguments, the kinds of type that it fits.

    `pandera` is the name of pandera's check; where it is empty, one SQL query decides over the whole table.
    """

    name: str
    doc: str
    fits: tuple[TypeKind, ...]
    arguments: tuple[Argument, ...] = ()
    pandera: str = ""
    aliases: tuple[str, ...] = ()

    @property
    def is_row_check(self) -> bool:
        """Whether a row alone decides, so that pandera can judge the rows batch by batch."""
        return bool(self.pandera)


def _row(  # the checks that pandera has by the same name
    name: str, doc: str, fits: tuple[TypeKind, ...], *arguments: Argument, alias: str | None = None
) -> CheckName:
    return CheckName(name, doc, fits, arguments, pandera=name, aliases=(alias,) if alias else ())


_MIN, _MAX = Argument("min_value"), Argument("max_value")
_BOUNDS = (Argument("include_min", "flag", is_required=False), Argument("include_max", "flag", is_required=False))
_LENGTHS = tuple(Argument(name, "length", is_required=False) for name in ("min_value", "max_value", "exact_value"))
_ACCEPTED = (Argument("values", "values", pandera="allowed_values"), Argument("quote", "ignored", is_required=False))
_COLUMNS = Argument("columns", "columns", is_required=False)

CHECKS: Mapping[str, CheckName] = {
    check.name: check
    for check in (
        CheckName("not_null", "The value is there: not NULL, and not NaN.", _ANY, pandera="not_null"),
        CheckName("unique", "No other row has the same value, or the same values of `columns`.", _ANY, (_COLUMNS,)),
        CheckName("accepted_values", "The value is one of `values`.", _SCALAR, _ACCEPTED, pandera="isin"),
        CheckName(
            "relationships",
            "The value occurs in the column `field` of the node `to`.",
            _ANY,
            (Argument("to", "node"), Argument("field", "text")),
        ),
        _row("equal_to", "The value equals `value`.", _SCALAR, Argument("value"), alias="eq"),
        _row("not_equal_to", "The value differs from `value`.", _SCALAR, Argument("value"), alias="ne"),
        _row("greater_than", "The value is greater than `min_value`.", _ORDERED, _MIN, alias="gt"),
        _row("greater_than_or_equal_to", "The value is at least `min_value`.", _ORDERED, _MIN, alias="ge"),
        _row("less_than", "The value is less than `max_value`.", _ORDERED, _MAX, alias="lt"),
        _row("less_than_or_equal_to", "The value is at most `max_value`.", _ORDERED, _MAX, alias="le"),
        _row(
            "in_range",
            "The value lies between `min_value` and `max_value`, themselves allowed unless `include_…` says no.",
            _ORDERED,
            *(_MIN, _MAX, *_BOUNDS),
            alias="between",
        ),
        _row("isin", "The value is one of `allowed_values`.", _SCALAR, Argument("allowed_values", "values")),
        _row("notin", "The value is none of `forbidden_values`.", _SCALAR, Argument("forbidden_values", "values")),
        _row("str_matches", "The text starts with a match of `pattern`.", _TEXT, Argument("pattern", "pattern")),
        _row("str_contains", "The text has a match of `pattern` anywhere.", _TEXT, Argument("pattern", "pattern")),
        _row("str_startswith", "The text starts with `string`.", _TEXT, Argument("string", "text")),
        _row("str_endswith", "The text ends with `string`.", _TEXT, Argument("string", "text")),
        _row("str_length", "The text has so many characters.", _TEXT, *_LENGTHS),
        CheckName(
            "unique_values_eq",
            "The column holds all of `values` and no other value.",
            _SCALAR,
            (Argument("values", "values"),),
        ),
    )
}
BY_NAME: Mapping[str, CheckName] = {name: check for check in CHECKS.values() for name in (check.name, *check.aliases)}
