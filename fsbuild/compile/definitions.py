"""A query's text and its columns in, where the text defines each column out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from fsbuild.compile.text import Kind, tokenize

if TYPE_CHECKING:
    from sqlglot.tokenizer_core import Token

_OPENING = frozenset({Kind.L_PAREN, Kind.L_BRACKET, Kind.L_BRACE})
_CLOSING = frozenset({Kind.R_PAREN, Kind.R_BRACKET, Kind.R_BRACE})
_ENDS = frozenset(
    {"FROM", "WHERE", "GROUP", "HAVING", "WINDOW", "QUALIFY", "ORDER", "LIMIT", "OFFSET"}
    | {"UNION", "INTERSECT", "EXCEPT", "USING", "SAMPLE"}
)
Span = tuple[int, int]


def locate_columns(text: str, columns: Sequence[str]) -> dict[str, Span]:
    """Find where the list of the outermost SELECT defines columns, as ranges [start, end) of characters.

    Of a union it is the first SELECT. What a star stands for is found nowhere; beside one, columns are told apart by
    the names that they are given.

        select a, max(b) as top from t   ->   {"a": (7, 8), "top": (10, 23)}
    """
    items = list(_items(text))
    has_star = any(_is_star(item) for item in items)
    if not has_star and len(items) == len(columns):
        return {name: _span(item) for name, item in zip(columns, items, strict=True)}
    known = {name.lower(): name for name in columns}
    named = ((_name(item, text), item) for item in items if not _is_star(item))
    return {known[name.lower()]: _span(item) for name, item in named if name is not None and name.lower() in known}


def _items(text: str) -> Iterator[Sequence[Token]]:
    """The items of the list of the outermost SELECT, without DISTINCT and what that is about."""
    tokens, depth, start, is_listing = tokenize(text), 0, 0, False
    for index, token in enumerate(tokens):
        if token.token_type in _CLOSING:
            depth -= 1
        if depth == 0 and is_listing and (token.token_type == Kind.COMMA or _ends_list(tokens, index, start)):
            if index > start:
                yield tokens[start:index]
            start = index + 1
            if token.token_type != Kind.COMMA:
                return
        elif depth == 0 and not is_listing and token.token_type == Kind.SELECT:
            start, is_listing = _first_item(tokens, index + 1), True
        if token.token_type in _OPENING:
            depth += 1
    if is_listing and len(tokens) > start:
        yield tokens[start:]


def _ends_list(tokens: Sequence[Token], index: int, start: int) -> bool:
    """Whether a word ends the list; as an alias or a part of a name it does not."""
    before = tokens[index - 1].token_type
    is_word = tokens[index].text.upper() in _ENDS and tokens[index].token_type != Kind.STRING
    return is_word and index >= start and before not in (Kind.ALIAS, Kind.DOT)


def _first_item(tokens: Sequence[Token], index: int) -> int:
    """The first token of the list: behind DISTINCT, and behind the parentheses of DISTINCT ON."""
    if index < len(tokens) and tokens[index].text.upper() == "ALL":
        return index + 1
    if index >= len(tokens) or tokens[index].token_type != Kind.DISTINCT:
        return index
    index += 1
    if index < len(tokens) and tokens[index].text.upper() == "ON":
        depth = 0
        for at in range(index + 1, len(tokens)):
            depth += (tokens[at].token_type in _OPENING) - (tokens[at].token_type in _CLOSING)
            if depth == 0:
                return at + 1
    return index


def _is_star(item: Sequence[Token]) -> bool:
    """Whether an item stands for any number of columns: `*`, `t.*`, `* exclude (a)`, `columns(…)`."""
    first = [token.token_type for token in item[:3]]
    is_qualified = first[1:] == [Kind.DOT, Kind.STAR]
    return first[:1] == [Kind.STAR] or is_qualified or item[0].text.upper() == "COLUMNS"


def _name(item: Sequence[Token], text: str) -> str | None:
    """The name that an item gives its column, where it says one."""
    for before, token in pairwise(item):
        if before.token_type == Kind.ALIAS and token is item[-1]:
            return token.text
    if all(token.token_type in (Kind.DOT, Kind.VAR, Kind.IDENTIFIER) for token in item):
        return item[-1].text
    # `x: 1` names its column first.
    is_prefixed = len(item) > 1 and text[item[0].end + 1 : item[1].end + 1].strip() == ":"
    return item[0].text if is_prefixed else None


def _span(item: Sequence[Token]) -> Span:
    return item[0].start, item[-1].end + 1
