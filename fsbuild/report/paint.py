"""Words in, coloured words out: colours carry nothing that the words do not say."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal

Tone = Literal["green", "yellow", "red", "dim", "bold"]
Paint = Callable[[str, Tone], str]

_CODES: Mapping[Tone, str] = {"green": "32", "yellow": "33", "red": "1;31", "dim": "2", "bold": "1"}


def plain(text: str, _tone: Tone) -> str:
    """Leave the text as it is."""
    return text


def ansi(text: str, tone: Tone) -> str:
    """Colour the text for a terminal."""
    return f"\x1b[{_CODES[tone]}m{text}\x1b[0m"
