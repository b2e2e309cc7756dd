"""A pandera schema that a project has written, in Python or in YAML -> checks like any other, and what does not fit.

What pandera has a name for becomes a check of that name. A check that is a function stays pandera's: with
`element_wise=True` it is asked row by row as the rows come, and otherwise it is given the table as a whole, since what
it looks at cannot be known. Types, strictness and order are held against the model's columns before anything runs.
"""

from __future__ import annotations

import hashlib
import importlib.util
import re
import sys
import threading
import traceback
from collections.abc import Iterator, Mapping
from copy import copy
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from fsbuild.check.names import BY_NAME
from fsbuild.check.verdicts import one_line
from fsbuild.errors import Place, Problem, suggest
from fsbuild.values import SCHEMA_FOLDER, Check, SchemaCheck, Severity

if TYPE_CHECKING:
    import pandera.polars as pa
    from pyarrow import Schema

_IMPORTING = threading.Lock()
# The schemas that were read, by their references and the hashes of the files that they are in.
_LOADED: dict[tuple[str, str], pa.DataFrameSchema] = {}
_FRAMES = 3
# What a schema may be told for each column, and for the table.
_METADATA = "fsbuild"


class SchemaMistakeError(Exception):
    """A schema cannot be read; the problem says why."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        super().__init__(problem.message)


@dataclass(frozen=True, slots=True)
class SchemaReading:
    """What a schema says of a model: its checks, and what the model lacks."""

    checks: tuple[Check, ...] = ()
    problems: tuple[Problem, ...] = ()


@dataclass(slots=True)
class _Reading:
    """The reading of one schema for one model, whose columns have polars types."""

    reference: str
    digest: str
    place: Place
    columns: Mapping[str, object]
    checks: list[Check] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    def note(self, message: str, hint: str | None = None) -> None:
        """Note that something does not fit."""
        self.problems.append(Problem(f"{self.reference}: {message}", self.place, hint=hint))

    def add(self, name: str, column: str | None, arguments: Mapping[str, object], severity: Severity) -> None:
        """Add a check that pandera has a name for."""
        known = BY_NAME[name]
        ours = {argument.pandera or argument.name: argument.name for argument in known.arguments}
        written = {ours.get(key, key): _plain(value) for key, value in arguments.items() if value is not None}
        if severity == "quarantine" and not known.tells_rows:
            severity = "error"
        self.checks.append(Check(known.name, column, written, self.place, severity, is_of_schema=True))


def read_schema(reference: str, root: Path, columns: Schema, place: Place) -> SchemaReading:
    """Read a schema, `checks.flights:CarrierDelay` or `checks/flights.yml`, for a model with these columns.

    Raises:
        SchemaMistakeError: there is no such schema, or its file cannot be read.
    """
    import polars as pl

    digest = _digest(root / SCHEMA_FOLDER)
    schema = _load(reference, root, place)
    _LOADED[reference, digest] = schema
    types = dict(pl.DataFrame(columns.empty_table()).schema)
    reading = _Reading(reference, digest, place, types)
    _read_table(schema, reading)
    for name, column in schema.columns.items():
        for found in _named(name, column, reading):
            _read_column(name, found, column, schema, reading)
    return SchemaReading(tuple(reading.checks), tuple(reading.problems))


def custom_check(check: SchemaCheck) -> pa.Check:
    """Give the function of a schema that was read before."""
    schema = _LOADED[check.reference, check.digest]
    owner = schema.columns[check.column] if check.column is not None else schema
    found: pa.Check = copy(owner.checks[check.index])
    found.raise_warning = False  # pandera would warn in the place of telling which rows fail
    return found


def _read_table(schema: pa.DataFrameSchema, reading: _Reading) -> None:
    """Read what a schema says of the table."""
    for name in ("coerce", "drop_invalid_rows", "parsers", "dtype", "add_missing_columns"):
        if getattr(schema, name, None):
            hints = {"coerce": "cast in the model's SQL", "drop_invalid_rows": "metadata={'fsbuild': {'severity': …}}"}
            reading.note(f"'{name}' is not supported: a check changes no row", hints.get(name))
    declared = [name for name, column in schema.columns.items() if not column.regex]
    if schema.strict:
        patterns = [name for name, column in schema.columns.items() if column.regex]
        for name in reading.columns:
            is_meant = any(re.fullmatch(pattern, name) for pattern in patterns)
            if name.lower() not in {one.lower() for one in declared} and not is_meant:
                reading.note(f"the model's column '{name}' is not in the schema, which is strict")
    if schema.ordered:
        order = [name for name in reading.columns if name.lower() in {one.lower() for one in declared}]
        if [name.lower() for name in order] != [name.lower() for name in declared if _found(name, reading)]:
            reading.note(f"the columns are in another order: {', '.join(order)}")
    severity = _severity(schema.metadata, None)
    for names in [schema.unique] if schema.unique else []:
        columns = [names] if isinstance(names, str) else list(names)
        reading.add("unique", None, {"columns": columns, "nulls_are_equal": True}, severity)
    for index, one in enumerate(schema.checks):
        _read_check(one, (None, index), None, severity, reading)


def _named(name: str, column: pa.Column, reading: _Reading) -> Iterator[str]:
    """The model's columns that a column of the schema means."""
    if column.regex:
        yield from (found for found in reading.columns if re.fullmatch(name, found))
        return
    found = _found(name, reading)
    if found is not None:
        yield found
    elif column.required:
        reading.note(f"the model has no column '{name}'", suggest(name, reading.columns))


def _found(name: str, reading: _Reading) -> str | None:
    return next((found for found in reading.columns if found.lower() == name.lower()), None)


def _read_column(written: str, name: str, column: pa.Column, schema: pa.DataFrameSchema, reading: _Reading) -> None:
    """Read what a schema says of one of the model's columns."""
    from pandera.engines.polars_engine import Engine

    if column.dtype is not None and not column.dtype.check(Engine.dtype(reading.columns[name])):
        reading.note(f"'{name}' is {reading.columns[name]} in the model, and {column.dtype} in the schema")
    for key in ("coerce", "parsers"):
        if getattr(column, key, None) and not (key == "coerce" and schema.coerce):
            reading.note(f"'{key}' of '{written}' is not supported: a check changes no row", "cast in the model's SQL")
    severity = _severity(column.metadata, schema.metadata)
    if not column.nullable:
        reading.add("not_null", name, {}, severity)
    if column.unique:
        reading.add("unique", name, {"nulls_are_equal": True}, severity)
    for index, one in enumerate(column.checks):
        _read_check(one, (written, index), name, severity, reading)


def _read_check(
    one: pa.Check, place: tuple[str | None, int], column: str | None, severity: Severity, to: _Reading
) -> None:
    """Read one check, the one at a `place`: by its name where pandera and we have it, else as the function it is."""
    severity = "warn" if one.raise_warning else severity
    name = str(one.name)
    if column is not None and name in BY_NAME and one.is_builtin_check(name) and one.statistics:
        to.add(name, column, one.statistics, severity)
        return
    if severity == "quarantine" and not one.element_wise:
        severity = "error"
    custom = SchemaCheck(to.reference, to.digest, *place, bool(one.element_wise and column is not None))
    title = str(one.title or one.name or f"check {place[1] + 1}")
    to.checks.append(Check(title, column, {}, to.place, severity, custom=custom, is_of_schema=True))


def _severity(*metadata: Mapping[str, Any] | None) -> Severity:
    """What `metadata={'fsbuild': {'severity': 'quarantine'}}` says, of a column or of the schema; else `error`."""
    for one in metadata:
        found = ((one or {}).get(_METADATA) or {}).get("severity")
        if found in ("error", "warn", "quarantine"):
            return found  # type: ignore[no-any-return]
    return "error"


def _plain(value: object) -> object:
    """An argument as YAML would have it."""
    if isinstance(value, re.Pattern):
        return value.pattern
    return list(value) if isinstance(value, set | frozenset | tuple) else value


# --- files -----------------------------------------------------------------------------------------------------------


def _load(reference: str, root: Path, place: Place) -> pa.DataFrameSchema:
    import pandera.polars as pa

    if re.split(r"[./]", reference)[0] != SCHEMA_FOLDER:
        hint = f"put it into {SCHEMA_FOLDER}/: pandera: '{SCHEMA_FOLDER}.flights:CarrierDelay'"
        raise SchemaMistakeError(
            Problem(f"the schema '{reference}' is not in the folder {SCHEMA_FOLDER}/", place, hint=hint)
        )
    if reference.endswith((".yml", ".yaml")):
        return _load_yaml(reference, root, place)
    module_name, _, attribute = reference.partition(":")
    file = root.joinpath(*module_name.split(".")).with_suffix(".py")
    if not attribute or not file.is_file():
        hint = "pandera: 'checks.flights:CarrierDelay' is the class CarrierDelay in checks/flights.py"
        raise SchemaMistakeError(Problem(f"there is no schema '{reference}'", place, hint=hint))
    module = _import(module_name, file, root, place)
    found = getattr(module, attribute, None)
    if isinstance(found, type) and issubclass(found, pa.DataFrameModel):
        found = found.to_schema()
    if not isinstance(found, pa.DataFrameSchema):
        known = [name for name, value in vars(module).items() if isinstance(value, type | pa.DataFrameSchema)]
        message = f"'{attribute}' in {file.relative_to(root)} is no DataFrameModel or DataFrameSchema of pandera.polars"
        raise SchemaMistakeError(Problem(message, place, hint=suggest(attribute, known)))
    return found


def _load_yaml(reference: str, root: Path, place: Place) -> pa.DataFrameSchema:
    import pandera.polars as pa

    try:
        return pa.DataFrameSchema.from_yaml((root / reference).read_text(encoding="utf-8"))
    except OSError as exc:
        raise SchemaMistakeError(Problem(f"cannot read the schema '{reference}': {exc.strerror}", place)) from exc
    except Exception as exc:  # pandera raises what it happens to meet
        message = f"{reference} is no schema of pandera: {one_line(exc)}"
        hint = "it begins with 'schema_type: polars_dataframe'; 'fsbuild checks infer' writes one"
        raise SchemaMistakeError(Problem(message, Place(reference), hint=hint)) from exc


def _import(name: str, file: Path, root: Path, place: Place) -> ModuleType:
    """Run a Python file of the project; what it imports from the folder beside it is the project's too."""
    package = name.partition(".")[0]
    with _IMPORTING:
        others = {key: sys.modules.pop(key) for key in list(sys.modules) if key.partition(".")[0] == package}
        parent = ModuleType(package)
        parent.__path__ = [str(root / package)]
        sys.modules[package] = parent
        try:
            spec = importlib.util.spec_from_file_location(name, file)
            assert spec is not None  # noqa: S101 - it ends in .py
            assert spec.loader is not None  # noqa: S101
            module = importlib.util.module_from_spec(spec)
            sys.modules[name] = module
            spec.loader.exec_module(module)
        except Exception as exc:  # whatever a user's file raises is its mistake
            raise SchemaMistakeError(_import_problem(exc, file, root, place)) from exc
        else:
            return module
        finally:
            for key in [key for key in sys.modules if key.partition(".")[0] == package]:
                del sys.modules[key]
            sys.modules.update(others)


def _import_problem(exc: Exception, file: Path, root: Path, place: Place) -> Problem:
    """Say what went wrong in a user's file, with the frames that are in the project."""
    shown = file.relative_to(root).as_posix()
    message = f"{shown} cannot be imported: {type(exc).__name__}: {exc}"
    if isinstance(exc, SyntaxError):
        return Problem(message, Place(shown, exc.lineno), excerpt=(exc.text or "").rstrip())
    frames = [frame for frame in traceback.extract_tb(exc.__traceback__) if Path(frame.filename).is_relative_to(root)]
    if not frames:
        return Problem(message, place)
    lines = [f"{Path(f.filename).relative_to(root)}:{f.lineno} in {f.name}: {f.line}" for f in frames[-_FRAMES:]]
    return Problem(message, Place(shown, frames[-1].lineno), detail="\n".join(lines))


def _digest(folder: Path) -> str:
    """A hash of all files of a folder: what a function does may be in any of them."""
    found = hashlib.blake2b(digest_size=8)
    for file in sorted(folder.rglob("*")):
        if file.is_file() and file.suffix in (".py", ".yml", ".yaml"):
            found.update(f"{file.relative_to(folder)}\0".encode() + file.read_bytes())
    return found.hexdigest()
