"""The files of the snapshot folders and the `snapshots:` of YAML in, the queries of snapshots out.

A snapshot is written in one of three ways: a `.sql` file as for a model, a file with its text between
`{% snapshot name %}` and `{% endsnapshot %}`, or an entry of `snapshots:` with a `relation`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
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
    files = [one for file in reading.files("snapshot-paths", ".sql") if (one := _read_file(reading, file)) is not None]
    declared = [_declared(reading, name, section) for name, section in sections.items() if "relation" in section]
    return _unique(reading, [*files, *(one for one in declared if one is not None)], taken)


def _unique(reading: Reading, found: Iterable[SnapshotQuery], taken: Mapping[str, Path]) -> dict[str, SnapshotQuery]:
    """Snapshots by name; SQL, and some file systems, do not tell `A` from `a`."""
    seen = {name.lower(): file for name, file in taken.items()}
    by_name: dict[str, SnapshotQuery] = {}
    for one in found:
        place = Place(reading.shown(one.file))
        other = seen.setdefault(one.name.lower(), one.file)
        if (mistake := folder_mistake(one.name)) is not None:
            message = f"snapshot name '{one.name}' {mistake}"
            reading.problems.append(Problem(message, place, hint="use letters, digits, '_', '-' and '.'"))
        elif other is not one.file:
            message = f"'{one.name}' is the name of a snapshot and of {reading.shown(other)} too"
            reading.problems.append(Problem(message, place, hint="rename one of them"))
        else:
            by_name[one.name] = one
    return by_name


def _read_file(reading: Reading, file: Path) -> SnapshotQuery | None:
    """Read a file; the tags around its text become comments, which leaves every line where it is."""
    text = reading.text(file)
    if text is None:
        return None
    tags = [tag for tag in _TAG.finditer(text) if tag["name"] or tag["end"]]
    if not tags:
        return SnapshotQuery(file.stem, file, text)
    names = [str(tag["name"]) for tag in tags if tag["name"]]
    shape = [bool(tag["name"]) for tag in tags]
    if shape != [True, False]:
        line = text.count("\n", 0, tags[min(2, len(tags) - 1)].start()) + 1
        if len(names) > 1:
            message, hint = "a file has one snapshot, and this is another", f"move {names[1]} into a file of its own"
        else:
            message, hint = "a snapshot block is open", "write {% snapshot name %} above and {% endsnapshot %} below"
        reading.problems.append(Problem(message, Place(reading.shown(file), line), hint=hint))
        return None
    kept = _TAG.sub(lambda tag: f"{{#{tag[0][2:-2]}#}}" if tag["name"] or tag["end"] else tag[0], text)
    return SnapshotQuery(names[0], file, kept)


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
