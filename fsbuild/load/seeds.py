"""A CSV file in, a `Seed` out; a file that is not a table of equal rows is a problem at its line."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Iterator
from pathlib import Path

from fsbuild.config import parse_config
from fsbuild.errors import Place, Problem
from fsbuild.load.data_tests import NodeNames
from fsbuild.load.documents import Section
from fsbuild.load.layers import config_layers
from fsbuild.load.reading import Properties, Reading, columns_and_checks, relation_of
from fsbuild.values import Seed

_ENDS = {"\n": "LF", "\r\n": "CR LF", "\r": "CR"}


def read_seed(reading: Reading, file: Path, section: Section | None, names: NodeNames) -> Seed:
    """Read what there is to know of a seed; its rows stay in the file."""
    columns, checks = columns_and_checks(
        reading, Properties.of(section, reading.problems) if section is not None else None, names
    )
    raw = config_layers(reading, "seeds", file, () if section is None else (section,))
    text = reading.text(file)
    where = section["config"] if section is not None and isinstance(section.get("config"), dict) else reading.project
    config, problems = parse_config(raw, where.place_of)
    reading.problems.extend(problems)
    if text is not None:
        reading.problems.extend(_seed_problems(text, reading.shown(file), config.delimiter))
    return Seed(
        unique_id=f"seed.{reading.name}.{file.stem}",
        name=file.stem,
        path=reading.shown(file),
        fingerprint=hashlib.sha256(file.read_bytes()).hexdigest()[:16],
        config=config,
        relation=relation_of(file.stem, config.schema, config.alias, reading.target.schema),
        columns=columns,
        checks=checks,
        checksum=hashlib.sha256((text or "").strip().encode()).hexdigest(),
    )


def _seed_problems(text: str, shown: str, delimiter: str) -> Iterator[Problem]:
    """Report rows that have more or fewer fields than the header, and headers without a name or with one twice."""
    # Not `splitlines`, which also breaks lines at characters that are part of a field, such as U+2028.
    lines = list(io.StringIO(text, newline=""))
    rows = csv.reader(lines, delimiter=delimiter)
    try:
        header = next(rows, [])
        ends = {_line_end(lines[rows.line_num - 1]): rows.line_num} if lines else {}
        ragged = []
        for row in rows:
            ends.setdefault(_line_end(lines[rows.line_num - 1]), rows.line_num)
            if row and len(row) != len(header):
                ragged.append((rows.line_num, len(row)))
    except csv.Error as exc:
        yield Problem(f"not valid CSV: {exc}", Place(shown, rows.line_num))
        return
    if not header:
        yield Problem("the seed is empty", Place(shown, 1), hint="its first line names the columns")
    seen: set[str] = set()  # in lower case, as SQL does not tell `ID` from `id`
    for name in header:
        if not name.strip():
            yield Problem("a column has no name", Place(shown, 1))
        elif name.lower() in seen:
            yield Problem(f"column '{name}' is there twice", Place(shown, 1))
        seen.add(name.lower())
    ends.pop("", None)
    if len(ends) > 1:
        message = f"a row ends in {_ENDS[list(ends)[1]]}, and those before it in {_ENDS[next(iter(ends))]}"
        hint = "save the file with the same line ends throughout"
        yield Problem(message, Place(shown, list(ends.values())[1]), hint=hint)
    if ragged:
        line, count = ragged[0]
        more = f" (and {len(ragged) - 1} more such lines)" if len(ragged) > 1 else ""
        excerpt = lines[line - 1].rstrip("\r\n")
        hint = "a field that holds the separator is written in double quotes"
        message = f"{count} fields, where the header has {len(header)}{more}"
        yield Problem(message, Place(shown, line), hint=hint, excerpt=excerpt)


def _line_end(line: str) -> str:
    """The characters that end a line; none at the end of a file."""
    return line[len(line.rstrip("\r\n")) :]
