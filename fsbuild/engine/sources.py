"""A source in, the DuckDB table function that reads it, and a token of what its files are now, out."""

from __future__ import annotations

import hashlib
import re
from glob import escape, glob
from pathlib import Path

from fsbuild.values import Seed, Source, literal

_FUNCTION = re.compile(r"\s*\w+\s*\(.*\)\s*", re.DOTALL)
_FILE_READER = re.compile(r"^(\s*(?:read_\w+|\w+_scan)\s*\(\s*)'((?:[^']|'')*)'")
_QUOTED = re.compile(r"'([^']*)'")
_READERS = (
    (re.compile(r"\.(parquet|parq|pq)$"), "read_parquet"),
    (re.compile(r"\.(csv|tsv|txt)(\.gz|\.zst)?$"), "read_csv"),
    (re.compile(r"\.(json|jsonl|ndjson)(\.gz|\.zst)?$"), "read_json"),
)


def scan(source: Source, version: int | None = None, root: Path | None = None) -> str:
    """Write the table function that reads a source, at a version where it is a Delta table.

    Files are named by path, glob or URL, relative to `root`; anything of the form `function(…)` is taken as it is.
    """
    if source.kind == "delta":
        at = source.version if version is None else version
        return f"delta_scan({literal(source.location)}{'' if at is None else f', version => {at}'})"
    if _FUNCTION.fullmatch(source.location):
        # The engine would look for a relative path in the working folder first.
        return _FILE_READER.sub(lambda m: m[1] + literal(_absolute(root, m[2].replace("''", "'"))), source.location)
    for pattern, reader in _READERS:
        if pattern.search(source.location.lower()):
            return f"{reader}({literal(_absolute(root, source.location))})"
    return literal(_absolute(root, source.location))


def scan_seed(seed: Seed, root: Path | None = None) -> str:
    """Write the query that reads a seed's file: types from all of its rows, unless they are configured."""
    types = ", ".join(f"{literal(name)}: {literal(kind)}" for name, kind in seed.config.column_types.items())
    given = f", types = {{{types}}}" if types else ""
    return (
        f"SELECT * FROM read_csv({literal(_absolute(root, escape(seed.path)))}, header = true, "
        f"delim = {literal(seed.config.delimiter)}, quote = '\"', escape = '\"', sample_size = -1{given})"
    )


def local_files(source: Source, root: Path) -> list[Path] | None:
    """List the files that a source reads now; None where they are not on this machine and cannot be listed."""
    patterns = _QUOTED.findall(source.location)[:1] if _FUNCTION.fullmatch(source.location) else [source.location]
    if not patterns or any("://" in pattern for pattern in patterns):
        return None
    return sorted(Path(name) for pattern in patterns for name in _expand(root, pattern))


def _expand(root: Path, pattern: str) -> list[str]:
    """List the files that a glob means, as DuckDB does: `**` crosses folders, an absolute path stays one."""
    return glob(_absolute(root, pattern), recursive=True)  # noqa: PTH207 - Path.glob takes no absolute patterns


def _absolute(root: Path | None, pattern: str) -> str:
    """Put a glob below the project's folder, whose own name is none; a URL or an absolute path stays what it is."""
    if root is None or "://" in pattern or pattern.startswith("/"):
        return pattern
    return f"{escape(str(root))}/{pattern}"


def files_token(files: list[Path], root: Path) -> str:
    """Identify the state of files by their names, sizes and times of change."""
    digest = hashlib.sha256()
    for file in files:
        stat = file.stat()
        shown = file.relative_to(root) if file.is_relative_to(root) else file
        digest.update(f"{shown}\0{stat.st_size}\0{stat.st_mtime_ns}\n".encode())
    return digest.hexdigest()[:16]
