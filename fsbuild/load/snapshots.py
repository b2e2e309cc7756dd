"""The files of the snapshot folders and the `snapshots:` of YAML in, the queries of snapshots out.

A snapshot is written in one of three ways: a `.sql` file as for a model, a file with the text of one or several between
`{% snapshot name %}` and `{% endsnapshot %}`, or an entry of `snapshots:` with a `relation`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from fsbuild.config import folder_mistake
from fsbuild.errors import Place, Problem
from fsbuild.load.documents import Section
from fsbuild.load.reading import Reading

# A Jinja comment, which may hold anything, or one of the two tags.
_TAG = re.compile(r"\{#.*?#\}|\{%([-+]?)\s*(?:snapshot\s+(?P<name>\w+)|(?P<end>endsnapshot))\s*([-+]?)%\}", re.DOTALL)
_RELATION = re.compile(r"\s*(ref|source)\s*\([^{}]*\)\s*")


@dataclass(frozen=True, slots=True)
class SnapshotQuery:
    """A snapshot by its name: the file that it is written in, and the template of its query."""

    name: str
    file: Path
    sql: str


def read_snapshots(
    reading: Reading, sections: Mapping[str, Section], taken: Mapping[str, Path]
) -> dict[str, SnapshotQuery]:
    """Read all snapshots; `sections` are those that YAML describes, `taken` the files of the names that others have."""
    files = [one for file in reading.files("snapshot-paths", ".sql") for one in _read_file(reading, file)]
    declared = [_declared(reading, name, section) for name, section in sections.items() if "relation" in section]
    return _unique(reading, [*files, *(one for one in declared if one is not None)], taken)


def _unique(reading: Reading, found: Iterable[SnapshotQuery], taken: Mapping[str, Path]) -> dict[str, SnapshotQuery]:
    """Snapshots by name; SQL, and some file systems, do not tell `A` from `a`."""
    seen: dict[str, Path] = {name.lower(): file for name, file in taken.items()}
    by_name: dict[str, SnapshotQuery] = {}
    for one in found:
        place = Place(reading.shown(one.file))
        other = seen.get(one.name.lower())
        seen.setdefault(one.name.lower(), one.file)
        if (mistake := folder_mistake(one.name)) is not None:
            message = f"snapshot name '{one.name}' {mistake}"
            reading.problems.append(Problem(message, place, hint="use letters, digits, '_', '-' and '.'"))
        elif other is not None:
            message = f"'{one.name}' is the name of a snapshot and of {reading.shown(other)} too"
            reading.problems.append(Problem(message, place, hint="rename one of them"))
        else:
            by_name[one.name] = one
    return by_name


def _read_file(reading: Reading, file: Path) -> Iterator[SnapshotQuery]:
    """Read a file; the tags around a snapshot's text become comments, which leaves every line where it is."""
    text = reading.text(file)
    if text is None:
        return
    tags = [tag for tag in _TAG.finditer(text) if tag["name"] or tag["end"]]
    if not tags:
        yield SnapshotQuery(file.stem, file, text)
    is_start = [bool(tag["name"]) for tag in tags]
    if is_start != [True, False] * (len(tags) // 2):
        wrong = next(at for at, start in enumerate([*is_start, True]) if start != (at % 2 == 0))
        line = text.count("\n", 0, tags[min(wrong, len(tags) - 1)].start()) + 1
        message, hint = "a snapshot block is open", "write {% snapshot name %} above and {% endsnapshot %} below"
        reading.problems.append(Problem(message, Place(reading.shown(file), line), hint=hint))
        return
    for start, end in zip(tags[::2], tags[1::2], strict=True):
        inside = f"{_comment(start)}{text[start.end() : end.start()]}{_comment(end)}"
        above = text[: start.start()] if len(tags) == 2 else "\n" * text.count("\n", 0, start.start())  # noqa: PLR2004
        yield SnapshotQuery(str(start["name"]), file, above + inside)


def _comment(tag: re.Match[str]) -> str:
    return f"{{#{tag[0][2:-2]}#}}"


def _declared(reading: Reading, name: str, section: Section) -> SnapshotQuery | None:
    """Write the query of a snapshot that YAML declares, on the line of its relation, for messages."""
    relation, place = section.get("relation"), section.place_of("relation")
    if not isinstance(relation, str) or not _RELATION.fullmatch(relation):
        hint = "write relation: ref('model') or relation: source('source', 'table')"
        message = f"relation {relation!r} of snapshot '{name}' is no ref() and no source()"
        reading.problems.append(Problem(message, place, hint=hint))
        return None
    return SnapshotQuery(
        name,
        reading.root / section.file,
        "\n" * ((place.line or 1) - 1) + f"select * from {{{{ {relation.strip()} }}}}",
    )
