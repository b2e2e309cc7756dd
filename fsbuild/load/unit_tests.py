"""The `unit_tests:` of YAML files in, `UnitTest`s by the model that they are about out.

Their rows are only read here: which columns there are, and whether a value is one of a column, is known when the model
is compiled.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from fsbuild.errors import Place, Problem, suggest
from fsbuild.load.data_tests import NodeNames, resolve_reference
from fsbuild.load.documents import Section
from fsbuild.load.reading import Reading
from fsbuild.model_versions import versioned_name
from fsbuild.values import FixtureRows, GivenRows, UnitBatch, UnitOverrides, UnitTest

UNIT_TEST_KEYS = frozenset(
    {"name", "description", "model", "versions", "given", "expect", "batches", "overrides", "config"}
)
BATCH_KEYS = frozenset({"given", "expect", "description"})
ROWS_KEYS = frozenset({"rows", "format", "fixture"})
GIVEN_KEYS = ROWS_KEYS | {"input", "replace"}
OVERRIDE_KEYS = frozenset({"vars", "env_vars", "macros"})
UNIT_CONFIG_KEYS = frozenset({"enabled", "tags", "meta"})
FORMATS = ("dict", "csv", "sql")
_FIXTURES = "fixtures"


def read_unit_tests(reading: Reading, documents: Iterable[Section], names: NodeNames) -> dict[str, list[UnitTest]]:
    """Read all unit tests by the unique id of the model that they are about; problems are added to the reading's."""
    found: dict[str, list[UnitTest]] = {}
    seen: dict[str, Place] = {}
    for document in documents:
        for section in document.items_of("unit_tests", reading.problems):
            for test in _Entry(reading, names, section).read():
                if test.unique_id in seen:
                    message = f"unit test '{test.name}' of this model is written already, at {seen[test.unique_id]}"
                    reading.problems.append(Problem(message, test.place, hint="give it another name"))
                    continue
                seen[test.unique_id] = test.place
                found.setdefault(test.model_id, []).append(test)
    return found


@dataclass(frozen=True, slots=True)
class _Entry:
    """One entry of `unit_tests`."""

    reading: Reading
    names: NodeNames
    section: Section

    def read(self) -> Iterator[UnitTest]:
        """Read it, for each version of its model; nothing where it is about nothing, or switched off."""
        section, problems = self.section, self.reading.problems
        section.check_keys(UNIT_TEST_KEYS, problems)
        name, model = section.get("name"), section.get("model")
        if not isinstance(name, str):
            problems.append(Problem("an entry of 'unit_tests' has no name", section.place))
            return
        model_id = self._model_id(name, model)
        config = section["config"] if section.mapping("config", problems) else None
        if config is not None:
            config.check_keys(UNIT_CONFIG_KEYS, problems)
        overrides = self._overrides()
        tags = (config.get("tags") if config is not None else None) or ()
        is_off = not model_id or (config is not None and config.get("enabled") is False)
        for one, suffix in self._versions(str(model), model_id):
            batches = self._batches(name, one)
            if is_off:
                continue
            yield UnitTest(
                unique_id=f"unit_test.{self.reading.name}.{model}.{name}{suffix}",
                name=name,
                model_id=one,
                batches=tuple(batches),
                overrides=overrides,
                place=section.place_of("name"),
                has_batches="batches" in section,
                description=str(section.get("description") or "").strip(),
                tags=(tags,) if isinstance(tags, str) else tuple(str(tag) for tag in tags),
            )

    def _versions(self, model: str, model_id: str) -> list[tuple[str, str]]:
        """The unique ids of the versions that it is about, each with what tells its test apart; or of the one model."""
        prefix, chosen = versioned_name(model, ""), self.section.mapping("versions", self.reading.problems)
        labels = {name.removeprefix(prefix): one for name, one in self.names.nodes.items() if name.startswith(prefix)}
        for key in ("include", "exclude"):
            named = {str(label) for label in chosen.get(key) or ()}
            for label in sorted(named - labels.keys()):
                message = f"model '{model}' has no version {label}"
                place = self.section["versions"].place_of(key)
                self.reading.problems.append(Problem(message, place, hint=suggest(label, labels)))
            if named:
                labels = {label: one for label, one in labels.items() if (label in named) == (key == "include")}
        return [(one, f"_v{label}") for label, one in labels.items()] or [(model_id, "")]

    def _model_id(self, name: str, model: object) -> str:
        place, problems = self.section.place_of("model"), self.reading.problems
        if not isinstance(model, str):
            problems.append(Problem(f"unit test '{name}' does not say which model it tests", place, "model: my_model"))
            return ""
        found = self.names.nodes.get(model, "")
        if found.startswith("seed."):
            problems.append(Problem(f"'{model}' is a seed, and not a model that could be tested", place))
            return ""
        if not found:
            models = [known for known, unique_id in self.names.nodes.items() if not unique_id.startswith("seed.")]
            problems.append(Problem(f"unknown model '{model}'", place, hint=suggest(model, models)))
        return found

    def _batches(self, name: str, model_id: str) -> list[UnitBatch]:
        """The batches, or the one of a test that is not written in batches."""
        section, problems = self.section, self.reading.problems
        if "batches" not in section:
            return [self._batch(section, f"unit test '{name}'", model_id)]
        for key in ("given", "expect"):
            if key in section:
                message = f"'{key}' stands beside 'batches'"
                problems.append(Problem(message, section.place_of(key), hint="write it in each of the batches"))
        items = list(section.items_of("batches", problems))
        if not items:
            hint = "batches: [{given: […], expect: {rows: […]}}]"
            problems.append(Problem(f"unit test '{name}' has no batches", section.place_of("batches"), hint=hint))
        for item in items:
            item.check_keys(BATCH_KEYS, problems)
        return [self._batch(item, f"batch {at} of '{name}'", model_id) for at, item in enumerate(items, start=1)]

    def _batch(self, section: Section, title: str, model_id: str) -> UnitBatch:
        problems, given = self.reading.problems, list[GivenRows]()
        for item in section.items_of("given", problems):
            item.check_keys(GIVEN_KEYS, problems)
            one = self._given(item, model_id)
            if one is None:
                continue
            if any(one.unique_id == other.unique_id for other in given):
                problems.append(Problem(f"{one.written} is given twice", one.place, hint="put the rows together"))
            given.append(one)
        expect = FixtureRows(section.place)
        if section.mapping("expect", problems):
            section["expect"].check_keys(ROWS_KEYS, problems)
            expect = self._rows(section["expect"])
        elif section.get("expect") in (None, {}):
            hint = "expect: {rows: [{id: 1}]}, or rows: [] for none"
            problems.append(Problem(f"{title} expects nothing", section.place_of("expect"), hint=hint))
        return UnitBatch(tuple(given), expect, section.place)

    def _given(self, section: Section, model_id: str) -> GivenRows | None:
        problems, written = self.reading.problems, section.get("input")
        place = section.place_of("input")
        if not isinstance(written, str):
            hint = "- input: ref('my_model'), or source('shop', 'orders'), or this"
            problems.append(Problem("an entry of 'given' does not say which input it is", place, hint=hint))
            return None
        written = written.strip()
        unique_id = model_id if written == "this" else resolve_reference(written, self.names, place, problems)
        replace = section.get("replace", False)
        if not isinstance(replace, bool):
            problems.append(Problem("'replace' is neither true nor false", section.place_of("replace")))
        elif "replace" in section and "batches" not in self.section:
            hint = "leave it out: there is one batch, and nothing before it"
            problems.append(Problem("'replace' is about batches", section.place_of("replace"), hint=hint))
        rows = self._rows(section)
        return GivenRows(unique_id, written, rows, place, replace is True) if unique_id else None

    # --- rows --------------------------------------------------------------------------------------------------------

    def _rows(self, section: Section) -> FixtureRows:
        """Read rows in any of the formats, from a fixture where one is named."""
        problems, shape = self.reading.problems, section.get("format", "dict")
        place = section.place_of("rows")
        nothing = FixtureRows(place)
        if shape not in FORMATS:
            hint = suggest(str(shape), FORMATS) or "it is dict, csv or sql"
            problems.append(Problem(f"unknown format '{shape}'", section.place_of("format"), hint=hint))
            return nothing
        if "fixture" in section:
            return self._fixture(section, shape) or nothing
        rows = section.get("rows")
        if rows is None:
            hint = "rows: [] for none"
            problems.append(Problem("there are no 'rows'", section.place_of("rows"), hint=hint))
            return nothing
        if shape == "dict":
            return self._mappings(section, rows)
        if not isinstance(rows, str):
            example = "rows: |" if shape == "csv" else "rows: select 1 as id"
            problems.append(Problem(f"'rows' of the format '{shape}' is not text", place, hint=example))
            return nothing
        return FixtureRows(place, sql=rows) if shape == "sql" else self._csv(rows, place, None)

    def _mappings(self, section: Section, rows: object) -> FixtureRows:
        problems, place = self.reading.problems, section.place_of("rows")
        if not isinstance(rows, list):
            hint = "write '- {id: 1}' below it, or say format: csv"
            problems.append(Problem("'rows' of the format 'dict' is not a list", place, hint=hint))
            return FixtureRows(place)
        items = list(section.items_of("rows", problems))
        names = dict.fromkeys(str(key) for item in items for key in item.data)
        found = tuple({str(key): value for key, value in item.data.items()} for item in items)
        return FixtureRows(place, tuple(names), found, tuple(item.place for item in items))

    def _fixture(self, section: Section, shape: str) -> FixtureRows | None:
        """Read the file of a fixture: `tests/fixtures/<name>.csv` or `.sql`."""
        reading, place = self.reading, section.place_of("fixture")
        name = str(section.get("fixture"))
        if "rows" in section:
            reading.problems.append(Problem("'rows' stand beside a 'fixture'", place, hint="leave one of them out"))
            return None
        if shape == "dict":
            message, hint = "a fixture is a file of CSV or SQL", "say format: csv, or format: sql"
            reading.problems.append(Problem(message, place, hint=hint))
            return None
        files = [file for file in reading.files("test-paths", f".{shape}") if _FIXTURES in file.parent.parts]
        named = [file for file in files if name in (file.stem, file.name)]
        if len(named) != 1:
            folder = f"{reading.project.get('test-paths', ['tests'])[0]}/{_FIXTURES}"
            found = f"there is no fixture '{name}'" if not named else f"there are {len(named)} fixtures '{name}'"
            hint = suggest(name, [file.stem for file in files]) or f"it is the file {folder}/{name}.{shape}"
            reading.problems.append(Problem(found, place, hint=hint))
            return None
        text = reading.text(named[0])
        if text is None:
            return None
        shown = reading.shown(named[0])
        return FixtureRows(Place(shown), sql=text) if shape == "sql" else self._csv(text, Place(shown), shown)

    def _csv(self, text: str, place: Place, file: str | None) -> FixtureRows:
        """Read CSV; rows of a `file` have lines of their own, and those in YAML that of their key."""
        lines = csv.reader(io.StringIO(text.lstrip("\n")))
        header = tuple(name.strip() for name in next(lines, []))
        rows, places = list[Mapping[str, object]](), list[Place]()
        for fields in lines:
            if not fields:
                continue
            at = Place(file, lines.line_num) if file is not None else place
            if len(fields) != len(header):
                message = f"row {len(rows) + 1} has {len(fields)} fields, and the header has {len(header)}"
                self.reading.problems.append(Problem(message, at, hint="put a field with a comma in double quotes"))
            rows.append({name: value or None for name, value in zip(header, fields, strict=False)})
            places.append(at)
        return FixtureRows(place, header, tuple(rows), tuple(places))

    # --- overrides ---------------------------------------------------------------------------------------------------

    def _overrides(self) -> UnitOverrides:
        problems, place = self.reading.problems, self.section.place_of("overrides")
        if not self.section.mapping("overrides", problems):
            return UnitOverrides(place)
        section = self.section["overrides"]
        section.check_keys(OVERRIDE_KEYS, problems)
        macros = section.mapping("macros", problems)
        value = macros.get("is_incremental", False)
        if not isinstance(value, bool):
            at = section["macros"].place_of("is_incremental")
            problems.append(Problem(f"is_incremental is true or false, and not {value!r}", at))
        env_vars = {str(name): _text(value) for name, value in section.mapping("env_vars", problems).items()}
        return UnitOverrides(place, _named(section.mapping("vars", problems)), env_vars, _named(macros))


def _named(values: Mapping[Any, object]) -> dict[str, object]:
    return {str(name): value for name, value in values.items()}


def _text(value: object) -> str:
    """A value as the environment holds it."""
    return str(value).lower() if isinstance(value, bool) else str(value)
