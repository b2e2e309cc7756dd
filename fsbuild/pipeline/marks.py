"""A table on this machine in, by what its present content is told from any other out, without reading its log."""

from __future__ import annotations

import os


def table_mark(table: str) -> list[object] | None:
    """The last commit of a table's log, as a file; None where there is none."""
    try:
        with os.scandir(f"{table}/_delta_log") as entries:
            last = max((entry for entry in entries if entry.name.endswith(".json")), key=lambda entry: entry.name)
        stat = last.stat()
    except (OSError, ValueError):
        return None
    return [last.name, stat.st_size, stat.st_mtime_ns, stat.st_ino]
