"""The text of a DuckDB type in, its parts out, and back: structs, lists, maps and what they are made of."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from fsbuild.values import quote

_LIST = re.compile(r"(.*)(\[\d*\])", re.DOTALL)
_COMPOSED = re.compile(r"(STRUCT|MAP)\((.*)\)", re.DOTALL)
_FIELD = re.compile(r'("(?:[^"]|"")*"|\S+) (.*)', re.DOTALL)


@dataclass(frozen=True, slots=True)
class Nested:
    """A type that is made of others: `kind` is STRUCT, MAP or a list's brackets; the parts of a struct have names."""

    kind: str
    parts: tuple[tuple[str, str], ...]

    def __str__(self) -> str:
        if self.kind.startswith("["):
            return f"{self.parts[0][1]}{self.kind}"
        return f"{self.kind}({', '.join(f'{name} {kind}'.lstrip() for name, kind in self.parts)})"


def parse_nested(text: str) -> Nested | None:
    """Take a type apart; None for one that is not made of others.

    >>> parse_nested('STRUCT("a b" INTEGER, c DECIMAL(4,2)[])')
    Nested(kind='STRUCT', parts=(('"a b"', 'INTEGER'), ('c', 'DECIMAL(4,2)[]')))
    """
    if found := _LIST.fullmatch(text):
        return Nested(found[2], (("", found[1]),))
    if found := _COMPOSED.fullmatch(text):
        parts = tuple(_split(found[2]))
        named = [_FIELD.fullmatch(part) for part in parts] if found[1] == "STRUCT" else []
        return Nested(found[1], tuple((one[1], one[2]) for one in named if one) or tuple(("", part) for part in parts))
    return None


def canonical(text: str) -> str:
    """Write a type so that equal types are equal texts: every name in quotes, and in small letters.

    >>> canonical('STRUCT(A INTEGER)[]') == canonical('STRUCT("a" INTEGER)[]')
    True
    """
    nested = parse_nested(text)
    if nested is None:
        return text
    return str(
        Nested(nested.kind, tuple((quote(_folded(n)) if n else "", canonical(kind)) for n, kind in nested.parts))
    )


def join_types(one: str, other: str, join_plain: Callable[[str, str], str | None], *, keep: bool) -> str | None:
    """The type that holds the values of both; None where there is none. `join_plain` joins those that are not nested.

    Fields that only `other` has are added; those that only `one` has are kept or dropped.
    """
    if canonical(one) == canonical(other):
        return one
    first, second = parse_nested(one), parse_nested(other)
    if first is None or second is None or first.kind != second.kind:
        return join_plain(one, other) if first is None and second is None else None
    if first.kind != "STRUCT":
        pairs = zip(first.parts, second.parts, strict=True)
        joined = [join_types(mine, theirs, join_plain, keep=keep) for (_, mine), (_, theirs) in pairs]
        return None if None in joined else str(Nested(first.kind, tuple(("", str(kind)) for kind in joined)))
    old, new = ({_folded(name): (name, kind) for name, kind in nested.parts} for nested in (first, second))
    if not old.keys() & new.keys():
        return None
    fields: list[tuple[str, str]] = []
    for name in dict.fromkeys([*old, *new] if keep else new):
        written, kind = old.get(name) or new[name]
        found = join_types(kind, new[name][1], join_plain, keep=keep) if name in new else kind
        if found is None:
            return None
        fields.append((written, found))
    return str(Nested("STRUCT", tuple(fields)))


def _folded(name: str) -> str:
    """A name as it counts: without its quotes, in small letters."""
    return (name[1:-1].replace('""', '"') if name.startswith('"') else name).lower()


def _split(text: str) -> Iterator[str]:
    """Split at the commas that are in no parentheses and no quotes."""
    depth, start, is_quoted = 0, 0, False
    for at, letter in enumerate(text):
        if letter == '"':
            is_quoted = not is_quoted
        elif not is_quoted:
            depth += {"(": 1, ")": -1}.get(letter, 0)
            if letter == "," and depth == 0:
                yield text[start:at].strip()
                start = at + 1
    yield text[start:].strip()
