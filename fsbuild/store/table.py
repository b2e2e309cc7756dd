"""A place in, an open Delta table out; and deltalake's errors as fsbuild's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from fsbuild.errors import ConflictError, FsbuildError, Problem, StoreError
from fsbuild.values import Commit, delta_uri

if TYPE_CHECKING:
    from deltalake import DeltaTable

# What deltalake says, and what there is to do about it.
_HINTS = {
    "with multiple source rows": "several of the rows have the same key: keep one of each",
    "failed validation check": "every row has to match the predicate of the rows that it replaces",
    "Find missing file": "the files of that version have been vacuumed: choose a later one",
}


@dataclass(frozen=True, slots=True)
class TablePlace:
    """Where a table is or will be, and what it takes to get there."""

    uri: str
    storage_options: Mapping[str, str]

    @property
    def is_local(self) -> bool:
        """Whether the table is on this machine, so that its log can be read as files."""
        return "://" not in self.uri

    @property
    def path(self) -> Path:
        """The table's folder on this machine."""
        return Path(self.uri)

    def file(self, path: str) -> str:
        """Name a file of the table as a reader of files finds it."""
        folder = str(self.path.absolute()) if self.is_local else self.uri.rstrip("/")
        if folder.startswith("file://"):
            folder = unquote(urlsplit(folder).path)
        return f"{folder}/{path}"

    @property
    def delta_uri(self) -> str:
        """The place as deltalake has to be told it."""
        return delta_uri(self.uri)

    @property
    def options(self) -> dict[str, str] | None:
        """The storage options as deltalake takes them."""
        return dict(self.storage_options) or None

    def open(self, version: int | None = None) -> DeltaTable | None:
        """Open the table, or say None where there is none.

        Raises:
            StoreError: it cannot be read, or has no such version.
        """
        from deltalake import DeltaTable
        from deltalake.exceptions import DeltaError, TableNotFoundError

        try:
            return DeltaTable(self.delta_uri, version=version, storage_options=self.options)
        except TableNotFoundError:
            return None
        except (DeltaError, OSError) as exc:
            raise StoreError(Problem(f"cannot open the Delta table {self.uri}: {exc}")) from exc

    def opened(self, version: int | None = None) -> DeltaTable:
        """Open the table.

        Raises:
            StoreError: there is none.
        """
        table = self.open(version)
        if table is None:
            raise self.is_missing()
        return table

    def is_missing(self) -> StoreError:
        """Say that there is no table."""
        return StoreError(Problem(f"there is no table at {self.uri} yet", hint="build it with 'fsbuild run'"))

    def expected(self, commit: Commit) -> DeltaTable | None:
        """Open the version that rows were computed for, None where the table was not there.

        Raises:
            ConflictError: the table has moved on.
        """
        table = self.open()
        if (None if table is None else table.version()) != commit.expected_version:
            raise conflict(self.uri)
        return table

    def existing(self, commit: Commit) -> DeltaTable:
        """Open the version that rows were computed for.

        Raises:
            ConflictError: the table has moved on.
            StoreError: there is no table.
        """
        table = self.expected(commit)
        if table is None:
            raise self.is_missing()
        return table


def conflict(uri: str) -> ConflictError:
    """Say that another writer was faster."""
    message = f"another writer changed {uri} while this run was computing; nothing was written"
    return ConflictError(Problem(message, hint="run again: what the other writer did will be taken into account"))


@contextmanager
def commit_errors(uri: str) -> Iterator[None]:
    """Turn deltalake's errors into fsbuild's; its panics too, which are not Exceptions."""
    from deltalake.exceptions import CommitFailedError

    try:
        yield
    except CommitFailedError as exc:
        raise conflict(uri) from exc
    except FsbuildError:
        raise
    except BaseException as exc:
        # deltalake raises bare Exceptions too, and panics that are none; a backtrace of its own is of no use here.
        if not isinstance(exc, Exception) and type(exc).__name__ != "PanicException":
            raise
        said = str(exc)
        if "already exists" in said:
            raise conflict(uri) from exc
        hint = next((hint for words, hint in _HINTS.items() if words in said), None)
        raise StoreError(Problem(f"cannot write {uri}: {(said.splitlines() or [repr(exc)])[0]}", hint=hint)) from exc
