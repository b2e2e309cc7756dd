r"""Template text in, rendered text with the template line of each of its lines out.

Jinja forgets where its output came from. So every piece of a model's own text carries its line number through the
rendering between two NUL characters, which SQL cannot contain, and they are taken out again afterwards:

    select {{ x }},\n  b   ->   "<1>select 7<1>,\n<2>  b"   ->   "select 7,\n  b", lines (1, 2)

Text whose rendering a template can look at (macros, `call`, `filter`, `set` and named blocks, recursive loops) is not
marked: it takes the line of the place where it comes out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from jinja2.ext import Extension
from jinja2.lexer import Token, TokenStream

from fsbuild.values import RenderedSql

_MARK = re.compile("\x00([0-9]+)\x00")
_CAPTURING = frozenset({"macro", "test", "data_test", "call", "filter", "block", "materialization"})


class SourceLines(Extension):
    """A Jinja extension that marks the text of a template with its line numbers."""

    def filter_stream(self, stream: TokenStream) -> Iterator[Token]:
        """Mark the data tokens that are written straight to the output."""
        captured = 0
        loops: list[bool] = []  # of each loop that is open, whether it is recursive
        for token in stream:
            if token.type == "data":
                yield token if captured else Token(token.lineno, "data", _mark(token.value, token.lineno))
            elif token.type == "block_begin":
                block = [token]
                while block[-1].type != "block_end":
                    block.append(next(stream))
                captured += _opens(block) - _closes(block)
                if block[1].value == "for":
                    loops.append(_is_recursive(block))
                elif block[1].value == "endfor" and loops:
                    captured -= loops.pop()
                yield from block
            else:
                yield token


def _opens(block: list[Token]) -> bool:
    tag = block[1].value
    if tag == "for":
        # A recursive loop may look at what its inner rounds wrote.
        return _is_recursive(block)
    return tag in _CAPTURING or (tag == "set" and not any(token.type == "assign" for token in block))


def _is_recursive(block: list[Token]) -> bool:
    return any(token.type == "name" and token.value == "recursive" for token in block)


def _closes(block: list[Token]) -> bool:
    tag = str(block[1].value)
    return tag.startswith("end") and (tag[3:] in _CAPTURING or tag == "endset")


def _mark(text: str, line: int) -> str:
    first, *rest = text.split("\n")
    marked = [f"\x00{line}\x00{first}"]
    marked.extend(f"\x00{number}\x00{part}" for number, part in enumerate(rest, start=line + 1))
    return "\n".join(marked)


def read_marks(marked: str) -> RenderedSql:
    """Take the marks out of a rendered text and tell the template line of each of its lines."""
    pieces = _MARK.split(marked)  # text, line, text, line, text, …
    lines: list[int] = []
    current = 1
    is_blank = True  # whether the output line that is being read has shown nothing yet
    lines.append(current)
    for index, piece in enumerate(pieces):
        if index % 2:
            current = int(piece)
            if is_blank:
                lines[-1] = current
            continue
        for position, part in enumerate(piece.split("\n")):
            if position:
                lines.append(current)
                is_blank = True
            is_blank = is_blank and not part.strip()
    return RenderedSql("".join(pieces[::2]), tuple(lines))
