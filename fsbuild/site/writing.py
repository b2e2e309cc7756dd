"""Files in, a folder that has them and no others of ours out; a file that has not changed is not touched."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

# The folder of what is generated: whatever else is in it is of an earlier time.
_DATA = "data"
# What every site has: the page, its style and its code, built from `site/` of the source tree.
_ASSETS = Path(__file__).parent / "assets"
ASSET_NAMES = ("index.html", "site.css", "site.js")


@dataclass(frozen=True, slots=True)
class Written:
    """How many files there are now, how many of them were written, and how many bytes they all have."""

    files: int
    changed: int
    size: int


def assets() -> dict[str, bytes]:
    """The files that are the same for every project, by name."""
    return {name: (_ASSETS / name).read_bytes() for name in ASSET_NAMES}


def write_site(folder: Path, files: Iterable[tuple[str, bytes]]) -> Written:
    """Write files, by their names below a folder."""
    names: set[Path] = set()
    made: set[Path] = set()
    changed = size = 0
    for name, content in files:
        file = folder / name
        names.add(file)
        size += len(content)
        if _has(file, content):
            continue
        if file.parent not in made:
            file.parent.mkdir(parents=True, exist_ok=True)
            made.add(file.parent)
        file.write_bytes(content)
        changed += 1
    for file in (folder / _DATA).rglob("*.js"):
        if file not in names:
            file.unlink()
    return Written(len(names), changed, size)


def _has(file: Path, content: bytes) -> bool:
    try:
        return file.stat().st_size == len(content) and file.read_bytes() == content
    except OSError:
        return False
