"""The Markdown files beside models in, their docs blocks out: text that descriptions take up with `doc()`.

{% docs carrier %}
The airline, by its **IATA code**.
{% enddocs %}
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from fsbuild.errors import Place, Problem
from fsbuild.values import DocsBlock, SourceFile

# The block that is the first page of the documentation, as in dbt.
OVERVIEW = "__overview__"
_BEGIN = re.compile(r"\{%-?\s*docs\s+(?P<name>\w+)\s*-?%\}")
_END = re.compile(r"\{%-?\s*enddocs\s*-?%\}")


def read_docs_blocks(files: Iterable[SourceFile], problems: list[Problem]) -> list[DocsBlock]:
    """Read the docs blocks of Markdown files."""
    found: list[DocsBlock] = []
    places: dict[str, Place] = {}
    for file in files:
        for begin in _BEGIN.finditer(file.text):
            name, place = begin["name"], Place(file.path, file.text.count("\n", 0, begin.start()) + 1)
            end = _END.search(file.text, begin.end())
            if end is None:
                message = f"the docs block '{name}' has no end"
                problems.append(Problem(message, place, hint="write {% enddocs %} behind it"))
            elif name in places:
                message = f"there is a docs block '{name}' already, at {places[name]}"
                problems.append(Problem(message, place, hint="rename one of them"))
            else:
                places[name] = place
                found.append(DocsBlock(name, file.path, file.text[begin.end() : end.start()].strip()))
    return found
