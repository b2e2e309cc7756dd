"""A source in, the DuckDB table function that reads it, and a token of what its files are now, out."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from glob import escape, glob
from pathlib import Path

from fsbuild.values import Seed, Source, literal, quote

_FUNCTION = re.compile(r"\s*\w+\s*\(.*\)\s*", re.DOTALL)
_TEXT = r"'(?:[^']|'')*'"
_QUOTED = re.compile(_TEXT)
# One call whose first argument is a text or a list of texts, and that is all there is.
_FILE_CALL = re.compile(
    rf"(?P<before>\s*(?:read_\w+|\w+_scan|glob)\s*\(\s*)(?P<files>{_TEXT}|\[\s*{_TEXT}(?:\s*,\s*{_TEXT})*\s*\])"
    rf"(?P<after>\s*(?:,(?:{_TEXT}|\((?:{_TEXT}|[^'()])*\)|[^'()])*)?\)\s*)",
    re.IGNORECASE,
)
# Functions whose first argument is no file, or does not change with the rows: a connection, a folder with a log.
_NOT_FILES = re.compile(r"\s*(?:delta|iceberg|ducklake|sqlite|postgres|mysql|odbc)_", re.IGNORECASE)
_CONNECTIONS = re.compile(r"\s*(?:postgres|mysql|odbc)_", re.IGNORECASE)
_REMOTE = ("s3://", "http://", "https://", "gs://", "az://", "abfss://")
_READERS = (
    (re.compile(r"\.(parquet|parq|pq)$"), "read_parquet"),
    (re.compile(r"\.(csv|tsv|txt)(\.gz|\.zst)?$"), "read_csv"),
    (re.compile(r"\.(json|jsonl|ndjson)(\.gz|\.zst)?$"), "read_json"),
)


def source_extensions(sources: Iterable[Source]) -> tuple[str, ...]:
    """Name DuckDB's extensions that reading some sources takes."""
    sources = tuple(sources)
    delta = ("delta",) if any(source.kind == "delta" for source in sources) else ()
    return (*delta, *remote_extensions(source.location for source in sources))


def remote_extensions(places: Iterable[str]) -> tuple[str, ...]:
    """Name the extensions that reading files from elsewhere takes."""
    return ("httpfs",) if any(scheme in place for place in places for scheme in _REMOTE) else ()


def scan(
    source: Source, version: int | None = None, root: Path | None = None, files: Iterable[str] | None = None
) -> str:
    """Write the table function that reads a source, at a version where it is a Delta table.

    Files are named by path, glob or URL, relative to `root`; anything of the form `function(…)` is taken as it is.
    Where `files` are given, these are read in the place of those that a glob means now.
    """
    if source.kind == "database":
        return f"{_database(source)}.{source.relation}"
    if source.kind == "delta":
        at = source.version if version is None else version
        return f"delta_scan({literal(source.location)}{'' if at is None else f', version => {at}'})"
    listed = None
    if files is not None and _patterns(source.location) is not None:
        listed = f"[{', '.join(literal(_absolute(root, escape(file))) for file in files)}]"
    if _FUNCTION.fullmatch(source.location):
        return _call(source.location, root, listed)
    for pattern, reader in _READERS:
        if pattern.search(source.location.lower()):
            return f"{reader}({listed or literal(_absolute(root, source.location))})"
    return literal(_absolute(root, source.location))


def attachment(source: Source) -> str | None:
    """Write the statement that opens the DuckDB file that a source is a table of; None for any other source."""
    if source.kind != "database":
        return None
    return f"ATTACH IF NOT EXISTS {literal(source.location)} AS {_database(source)} (READ_ONLY)"


def _database(source: Source) -> str:
    """The name under which a source's DuckDB file is opened."""
    return quote(f"file {source.location}")


def _call(location: str, root: Path | None, listed: str | None) -> str:
    """Write a call with its files below the project's folder; the engine would look in the working folder first."""
    call = _FILE_CALL.fullmatch(location)
    if call is None or _CONNECTIONS.match(location):
        return location
    files = listed or _QUOTED.sub(lambda text: literal(_absolute(root, _unquoted(text[0]))), call["files"])
    return f"{call['before']}{files}{call['after']}"


def scan_seed(seed: Seed, root: Path | None = None) -> str:
    """Write the query that reads a seed's file: types from all of its rows, unless they are configured.

    Nothing else is left to the engine's guess: what it takes for a comment or a preamble would be rows that are lost.
    An empty field is NULL, quoted or not.
    """
    types = ", ".join(f"{literal(name)}: {literal(kind)}" for name, kind in seed.config.column_types.items())
    given = f", types = {{{types}}}" if types else ""
    return (
        f"SELECT * FROM read_csv({literal(_absolute(root, escape(seed.path)))}, header = true, "
        f"delim = {literal(seed.config.delimiter)}, quote = '\"', escape = '\"', sample_size = -1, "
        f"comment = '', skip = 0, null_padding = false, strict_mode = true, ignore_errors = false{given})"
    )


def local_files(source: Source, root: Path) -> list[Path] | None:
    """List the files that a source reads now; None where they are not on this machine or cannot be told."""
    if source.kind == "database":
        return [Path(source.location)]
    return files_at(source.location, root)


def files_at(location: str, root: Path) -> list[Path] | None:
    """List the files that a location means now; None where they are not on this machine or cannot be told."""
    patterns = _patterns(location)
    if patterns is None or any("://" in pattern for pattern in patterns):
        return None
    return [Path(name) for name in sorted({name for pattern in patterns for name in _expand(root, pattern)})]


def _patterns(location: str) -> list[str] | None:
    """Read the globs of a location: all that a call's first argument lists; None where that is anything else."""
    if not _FUNCTION.fullmatch(location):
        return [location]
    call = _FILE_CALL.fullmatch(location)
    if call is None or _NOT_FILES.match(location):
        return None
    return [_unquoted(text) for text in _QUOTED.findall(call["files"])]


def _unquoted(text: str) -> str:
    """Read a SQL string literal."""
    return text[1:-1].replace("''", "'")


def _expand(root: Path, pattern: str) -> list[str]:
    """List the files that a glob means, as DuckDB does: `**` crosses folders, an absolute path stays one."""
    return glob(_absolute(root, pattern), recursive=True)  # noqa: PTH207 - Path.glob takes no absolute patterns


def _absolute(root: Path | None, pattern: str) -> str:
    """Put a glob below the project's folder, whose own name is none; a URL or an absolute path stays what it is."""
    if root is None or "://" in pattern or pattern.startswith("/"):
        return pattern
    return f"{escape(str(root))}/{pattern}"


def file_states(files: list[Path], root: Path) -> dict[str, str]:
    """Tell each file's state, its size and the time of its last change, by its path below `root`.

    >>> file_states([], Path())
    {}
    """
    states: dict[str, str] = {}
    for file in files:
        stat = file.stat()
        shown = file.relative_to(root) if file.is_relative_to(root) else file
        states[shown.as_posix()] = f"{stat.st_size}-{stat.st_mtime_ns}"
    return states


def files_token(states: Mapping[str, str]) -> str:
    """Identify the state of files by their names, sizes and times of change."""
    return hashlib.sha256("".join(f"{name}\0{state}\n" for name, state in states.items()).encode()).hexdigest()[:16]
