"""The `constraints` of a model or column in, `Check`s out: they hold where the model's contract is enforced."""

from __future__ import annotations

from collections.abc import Iterator

from fsbuild.errors import Problem, suggest
from fsbuild.load.data_tests import NodeNames, resolve_reference
from fsbuild.load.documents import Section
from fsbuild.values import Check

CONSTRAINT_KEYS = frozenset(
    {"type", "columns", "expression", "name", "to", "to_columns", "warn_unenforced", "warn_unsupported"}
)
CONSTRAINT_TYPES = ("not_null", "unique", "primary_key", "foreign_key", "check")


def parse_constraints(
    section: Section, column: str | None, names: NodeNames, problems: list[Problem]
) -> Iterator[Check]:
    """Yield what the constraints of a model, or of one of its columns, say of its rows."""
    for item in section.items_of("constraints", problems):
        item.check_keys(CONSTRAINT_KEYS, problems)
        kind, place = item.get("type"), item.place_of("type")
        if kind not in CONSTRAINT_TYPES:
            hint = suggest(str(kind), CONSTRAINT_TYPES) or f"there are: {', '.join(CONSTRAINT_TYPES)}"
            problems.append(Problem(f"a constraint is of the type {kind!r}", place, hint=hint))
            continue
        columns = [column] if column is not None else _columns_of(item, kind, problems)
        if columns is not None:
            yield from _CHECKS[kind](item, columns, names, problems)


def _columns_of(item: Section, kind: str, problems: list[Problem]) -> list[str] | None:
    """The columns that a model's constraint names; None where it has to name some and does not."""
    written = item.get("columns")
    if written is None and kind == "check":
        return []
    if isinstance(written, list) and written and all(isinstance(name, str) for name in written):
        return written
    message = f"a constraint of the type '{kind}' does not name its columns"
    problems.append(Problem(message, item.place, hint="write columns: [id]"))
    return None


def _not_null(item: Section, columns: list[str], _names: NodeNames, _problems: list[Problem]) -> Iterator[Check]:
    for name in columns:
        yield _check(item, "not_null", name)


def _unique(item: Section, columns: list[str], _names: NodeNames, _problems: list[Problem]) -> Iterator[Check]:
    yield _check(item, "unique", columns[0]) if len(columns) == 1 else _check(item, "unique", None, columns=columns)


def _primary_key(item: Section, columns: list[str], names: NodeNames, problems: list[Problem]) -> Iterator[Check]:
    yield from _not_null(item, columns, names, problems)
    yield from _unique(item, columns, names, problems)


def _condition(item: Section, _columns: list[str], _names: NodeNames, problems: list[Problem]) -> Iterator[Check]:
    expression = item.get("expression")
    if isinstance(expression, str) and expression.strip():
        yield _check(item, "expression_is_true", None, expression=expression.strip())
    else:
        hint = 'write expression: "amount >= 0"'
        problems.append(Problem("a constraint of the type 'check' has no expression", item.place, hint=hint))


def _foreign_key(item: Section, columns: list[str], names: NodeNames, problems: list[Problem]) -> Iterator[Check]:
    to, fields = item.get("to"), item.get("to_columns")
    if not isinstance(to, str) or not isinstance(fields, list) or len(fields) != 1 or len(columns) != 1:
        hint = "write to: ref('customers') and to_columns: [id]; a key of several columns cannot be checked"
        problems.append(Problem("a foreign key does not name one column of another node", item.place, hint=hint))
        return
    node = resolve_reference(to, names, item.place_of("to"), problems)
    if node:
        yield _check(item, "relationships", columns[0], to=node, field=str(fields[0]))


_CHECKS = {
    "not_null": _not_null,
    "unique": _unique,
    "primary_key": _primary_key,
    "foreign_key": _foreign_key,
    "check": _condition,
}


def _check(item: Section, name: str, column: str | None, **arguments: object) -> Check:
    references = (str(arguments["to"]),) if "to" in arguments else ()
    title = str(item.get("name") or "")
    return Check(name, column, arguments, item.place, references=references, title=title, is_constraint=True)
