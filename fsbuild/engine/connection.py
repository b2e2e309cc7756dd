"""Opens DuckDB so that a query means the same on every machine: UTC, one fixed "now", no Python variables as tables.

DuckDB's exceptions become fsbuild's here, and nowhere else.
"""

from __future__ import annotations

import datetime as dt
import importlib.util
import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import duckdb

from fsbuild.errors import BindError, EngineError, Problem
from fsbuild.values import literal, quote

# The functions that tell the time, with the type of their answer.
_CLOCKS = {
    "now": "TIMESTAMP WITH TIME ZONE",
    "get_current_timestamp": "TIMESTAMP WITH TIME ZONE",
    "transaction_timestamp": "TIMESTAMP WITH TIME ZONE",
    "current_localtimestamp": "TIMESTAMP",
    "current_date": "DATE",
    "today": "DATE",
}
CLOCK_NAMES = frozenset({*_CLOCKS, "age", "current_timestamp", "localtimestamp"})
RANDOM_NAMES = frozenset(
    {"random", "uuid", "uuidv4", "uuidv7", "gen_random_uuid", "nextval", "txid_current", "current_time", "localtime"}
    | {"get_current_time", "current_localtime"}
)


def open_duckdb(
    root: Path,
    settings: Mapping[str, object],
    now: dt.datetime | None = None,
    extensions: Iterable[str] = (),
) -> duckdb.DuckDBPyConnection:
    """Open an empty DuckDB in memory; relative paths in SQL are relative to `root`.

    Raises:
        EngineError: a setting does not exist or has a wrong value, or the package of an extension is not installed.
    """
    # The extensions come from Python packages, which are as trusted as DuckDB's own. To check their signatures would
    # take 0.3 s for each connection; it is required again before anything else can be loaded.
    connection = duckdb.connect(config={"allow_unsigned_extensions": True})
    for name in extensions:
        _load_extension(connection, name)
    connection.execute("SET GLOBAL allow_unsigned_extensions = false")
    connection.execute("SET GLOBAL TimeZone = 'UTC'")
    connection.execute("SET GLOBAL python_enable_replacements = false")
    connection.execute(f"SET GLOBAL file_search_path = {literal(str(root))}")
    if now is not None:
        moment = literal(now.isoformat())
        for name, kind in _CLOCKS.items():
            connection.execute(f"CREATE MACRO {name}() AS CAST(TIMESTAMPTZ {moment} AS {kind})")
        # With one argument, age() counts to the present day.
        today = f"CAST(CAST(TIMESTAMPTZ {moment} AS DATE) AS TIMESTAMP)"
        connection.execute(f"CREATE MACRO age(t) AS system.main.age({today}, t), (a, b) AS system.main.age(a, b)")
    for name, value in settings.items():
        try:
            connection.execute(f"SET GLOBAL {quote(name)} = {literal(str(value))}")
        except duckdb.Error as exc:
            message = str(exc).splitlines()[0]
            raise EngineError(Problem(f"setting '{name}' of the profile: {message}")) from exc
    return connection


def _load_extension(connection: duckdb.DuckDBPyConnection, name: str) -> None:
    """Load one of DuckDB's signed extensions from the Python package that carries it; no network is needed."""
    package = importlib.util.find_spec(f"duckdb_extension_{name}")
    if package is None or package.origin is None:
        hint = f"pip install duckdb-extension-{name}=={duckdb.__version__}"
        raise EngineError(Problem(f"the package duckdb-extension-{name} is not installed", hint=hint))
    file = Path(package.origin).parent / "extensions" / f"v{duckdb.__version__}" / f"{name}.duckdb_extension"
    with engine_errors():
        connection.execute(f"LOAD {literal(str(file))}")


@contextmanager
def engine_errors() -> Iterator[None]:
    """Turn DuckDB's errors into fsbuild's: a BindError before a query ran, an EngineError while it did."""
    try:
        yield
    except (duckdb.BinderException, duckdb.CatalogException, duckdb.ParserException) as exc:
        raise bind_error(exc) from exc
    except duckdb.InterruptException as exc:
        raise EngineError(Problem("interrupted")) from exc
    except duckdb.Error as exc:
        message = _said(exc).get("exception_message", str(exc))
        # What SQL says with error() is a sentence of its own.
        raise EngineError(Problem(message.removeprefix("Invalid Input Error: "))) from exc


def bind_error(exc: duckdb.Error) -> BindError:
    """Read what DuckDB says of a query that it refuses."""
    said = _said(exc)
    message = str(said.get("exception_message", "")).strip()
    position = said.get("position")
    candidates = [word for word in str(said.get("candidates", "")).split(",") if word]
    if not candidates and "Candidate bindings" in message:
        # A qualified column that isn't there: the candidates are only in the text.
        candidates = [word.strip(' ":') for word in message.rpartition("Candidate bindings:")[2].split(",")]
    return BindError(message, int(str(position)) if position is not None else None, said.get("name"), candidates)


def _said(exc: duckdb.Error) -> dict[str, str]:
    """What DuckDB says of an error: as JSON where it was asked to, otherwise the first paragraph of the text."""
    text = str(exc)
    try:
        said: dict[str, str] = json.loads(text[text.index("{") :])
    except ValueError:
        return {"exception_message": text.split("\n\n", maxsplit=1)[0].strip()}
    return said
