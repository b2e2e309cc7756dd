"""The checks that a project may name: one table, read by the validation, by the runner and by the reference page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

ArgumentKind = Literal[
    "value",
    "values",
    "flag",
    "length",
    "number",
    "text",
    "pattern",
    "column",
    "columns",
    "node",
    "sql",
    "choice",
    "ignored",
]
# What a check judges: each row by itself; each row with the others; the table; or the table and what it was.
Scope = Literal["row", "related", "table", "history"]
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
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CheckName:
    """A check that a project may name: what it says of a row, its arguments, the kinds of type that it fits.

    `pandera` is the name of pandera's check; where it is empty, one SQL query decides. A check that is about no column,
    or need not be, says so in `about`.
    """

    name: str
    doc: str
    fits: tuple[TypeKind, ...]
    arguments: tuple[Argument, ...] = ()
    pandera: str = ""
    aliases: tuple[str, ...] = ()
    scope: Scope = "row"
    about: Literal["column", "table", "either"] = "column"

    @property
    def tells_rows(self) -> bool:
        """Whether what fails are rows of the table, so that they could be kept out of it."""
        return self.scope in ("row", "related")


def _row(  # the checks that pandera has by the same name
    name: str, doc: str, fits: tuple[TypeKind, ...], *arguments: Argument, alias: str | None = None
) -> CheckName:
    return CheckName(name, doc, fits, arguments, pandera=name, aliases=(alias,) if alias else ())


_MIN, _MAX = Argument("min_value"), Argument("max_value")
_BOUNDS = (Argument("include_min", "flag", is_required=False), Argument("include_max", "flag", is_required=False))
_LENGTHS = tuple(Argument(name, "length", is_required=False) for name in ("min_value", "max_value", "exact_value"))
_ACCEPTED = (Argument("values", "values", pandera="allowed_values"), Argument("quote", "ignored", is_required=False))
_COLUMNS = Argument("columns", "columns", is_required=False)
_GROUPS = Argument("group_by_columns", "columns", is_required=False)
_COMPARED = Argument("compare_model", "node")
_PARENT = (Argument("to", "node"), Argument("field", "text"))
_UNITS = ("microsecond", "millisecond", "second", "minute", "hour", "day", "week", "month", "quarter", "year")
_GAPS = ("allowed", "not_allowed", "required")


def _optional(name: str, kind: ArgumentKind, choices: tuple[str, ...] = ()) -> Argument:
    return Argument(name, kind, is_required=False, choices=choices)


# The names that users of dbt_utils know; one SQL query each.
_DBT_UTILS = (
    CheckName(
        "expression_is_true",
        "The SQL `expression` is not false; under a column it is what follows the column's name.",
        _ANY,
        (Argument("expression", "sql"),),
        about="either",
    ),
    CheckName(
        "accepted_range",
        "The value lies between `min_value` and `max_value`, which are SQL; `inclusive: false` excludes both.",
        _ORDERED,
        (_optional("min_value", "sql"), _optional("max_value", "sql"), _optional("inclusive", "flag")),
    ),
    CheckName("not_accepted_values", "The value is none of `values`.", _SCALAR, (_ACCEPTED[0], _ACCEPTED[1])),
    CheckName(
        "not_empty_string", "The text is not empty, blanks aside.", _TEXT, (_optional("trim_whitespace", "flag"),)
    ),
    CheckName(
        "unique_combination_of_columns",
        "No other row has the same values in these columns; two NULLs are the same.",
        _ANY,
        (Argument("combination_of_columns", "columns"), _optional("quote_columns", "ignored")),
        scope="related",
        about="table",
    ),
    CheckName(
        "relationships_where",
        "The value occurs in `field` of `to`, among the rows that the SQL conditions leave on either side.",
        _ANY,
        (*_PARENT, _optional("from_condition", "sql"), _optional("to_condition", "sql")),
        scope="related",
    ),
    CheckName(
        "mutually_exclusive_ranges",
        "No two ranges of a partition overlap, and none ends before it begins.",
        _ANY,
        (
            *(Argument(f"{side}_bound_column", "column") for side in ("lower", "upper")),
            *(_optional("partition_by", "sql"), _optional("gaps", "choice", _GAPS)),
            _optional("zero_length_range_allowed", "flag"),
        ),
        scope="table",
        about="table",
    ),
    CheckName(
        "sequential_values",
        "Each value is `interval` (of `datepart`) above the one before it.",
        _ORDERED,
        (_optional("interval", "length"), _optional("datepart", "choice", _UNITS), _GROUPS),
        scope="table",
    ),
    CheckName(
        "equality",
        "The node has the rows of `compare_model`, each as often.",
        _ANY,
        (
            *(_COMPARED, _optional("compare_columns", "columns"), _optional("exclude_columns", "columns")),
            _optional("precision", "length"),
        ),
        scope="table",
        about="table",
    ),
    CheckName(
        "equal_rowcount",
        "The node has as many rows as `compare_model`.",
        _ANY,
        (_COMPARED, _GROUPS),
        scope="table",
        about="table",
    ),
    CheckName(
        "fewer_rows_than",
        "The node has fewer rows than `compare_model`.",
        _ANY,
        (_COMPARED, _GROUPS),
        scope="table",
        about="table",
    ),
    CheckName(
        "recency",
        "The newest value of `field` is at most `interval` of `datepart` old.",
        _ANY,
        (
            *(Argument("datepart", "choice", choices=_UNITS), Argument("field", "column")),
            *(Argument("interval", "length"), _optional("ignore_time_component", "flag"), _GROUPS),
        ),
        scope="table",
        about="table",
    ),
    CheckName("at_least_one", "The column has a value that is not NULL.", _ANY, (_GROUPS,), scope="table"),
    CheckName("not_constant", "The column has more than one value.", _ANY, (_GROUPS,), scope="table"),
    CheckName(
        "not_null_proportion",
        "The share of values that are there is from `at_least` to `at_most`.",
        _ANY,
        (Argument("at_least", "number"), _optional("at_most", "number"), _GROUPS),
        scope="table",
    ),
    CheckName(
        "cardinality_equality",
        "Each value occurs as often as in the column `field` of the node `to`.",
        _ANY,
        _PARENT,
        scope="table",
    ),
)
# What a load is held against that came into the table before it.
_HISTORY = (
    CheckName(
        "volume",
        "As many rows come as usual: within `sensitivity` (3) spreads, or `tolerance` (0.1) of what is expected.",
        _ANY,
        (
            *(_optional(name, "number") for name in ("sensitivity", "tolerance")),
            *(_optional(name, "length") for name in ("loads", "at_least")),
            _optional("only", "choice", ("drop", "spike")),
        ),
        scope="history",
        about="table",
    ),
    CheckName(
        "freshness",
        "The newest `event_time` is not older than usual: `sensitivity` (3) spreads, or `tolerance` (0.5) of that age.",
        _ANY,
        (
            *(_optional(name, "number") for name in ("sensitivity", "tolerance")),
            *(_optional(name, "length") for name in ("loads", "at_least")),
        ),
        scope="history",
        about="table",
    ),
    CheckName(
        "distribution",
        "The column's values are spread as before: `psi` (0.25 where no limit is given), `ks` and `js` at most.",
        _SCALAR,
        tuple(_optional(name, "number") for name in ("psi", "ks", "js")),
        scope="history",
    ),
)
CHECKS: Mapping[str, CheckName] = {
    check.name: check
    for check in (
        CheckName("not_null", "The value is there: not NULL, and not NaN.", _ANY, pandera="not_null"),
        CheckName(
            "unique",
            "No other row has the same value, or the same values of `columns`; NULLs differ, unless `nulls_are_equal`.",
            _ANY,
            (_COLUMNS, _optional("nulls_are_equal", "flag")),
            scope="related",
            about="either",
        ),
        CheckName("accepted_values", "The value is one of `values`.", _SCALAR, _ACCEPTED, pandera="isin"),
        CheckName(
            "relationships",
            "The value occurs in the column `field` of the node `to`.",
            _ANY,
            _PARENT,
            scope="related",
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
            scope="table",
        ),
        *_DBT_UTILS,
        *_HISTORY,
    )
}
BY_NAME: Mapping[str, CheckName] = {name: check for check in CHECKS.values() for name in (check.name, *check.aliases)}
