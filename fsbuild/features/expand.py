"""A model that asks for joins of features -> the same model with their SQL; all that does not fit is a problem.

This is where requests meet what exists: every name is looked up and every type compared before anything runs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from fsbuild.durations import parse_duration
from fsbuild.errors import BindError, CompileError, Place, Problem, suggest
from fsbuild.feature_requests import RequestError
from fsbuild.features.on_demand import bind_request
from fsbuild.features.point_in_time import ZONED, Computed, Lookup, Spine, write_point_in_time
from fsbuild.features.splits import write_split
from fsbuild.features.tables import TIMES, Declared, FeatureTable, comparable, is_number, is_zoned, read_feature_table
from fsbuild.features.windows import Events, write_windows
from fsbuild.values import (
    ColumnType,
    Entity,
    Expansion,
    FeatureReference,
    Join,
    PointInTime,
    RenderedModel,
    RenderedSql,
    WindowJoin,
    literal,
    quote,
)

_NUMBERS = ("sum", "avg", "stddev")
Columns = Mapping[str, Sequence[ColumnType]]


@dataclass(frozen=True, slots=True)
class Expander:
    """What writing joins takes: what is declared, by name of the model or seed, and how a query's columns are told.

    `on_demand` has the models on demand by name, and `select_list` takes their SQL apart.
    """

    declared: Mapping[str, Declared]
    entities: Mapping[str, Entity]
    columns_of: Callable[[str], Sequence[ColumnType]]
    on_demand: Mapping[str, RenderedModel] = field(default_factory=dict)
    select_list: Callable[[str], str] = str

    def expand(self, model: RenderedModel, columns: Columns) -> RenderedModel:
        """Put SQL in the place of the joins that a model asks for; `columns` has those of what it reads, by unique id.

        Raises:
            CompileError: the joins cannot be made; all problems at once.
        """
        place, problems = Place(model.model.path), list[Problem]()
        expansions: dict[str, Expansion] = {}
        for placeholder, join in model.joins.items():
            writing = _Writing(self, columns, place, problems, f"{model.unique_id} {len(expansions) + 1}")
            written = writing.write(_on_spine(join, expansions))
            if written is not None:
                expansions[placeholder] = written
        sql = _replaced(model.sql, expansions)
        if model.config.materialized == "on_demand":
            writing = _Writing(self, columns, place, problems, model.unique_id)
            sql, wrong = bind_request(model, writing.taken(model), self.columns_of, self.select_list)
            problems.extend(wrong)
        incremental = _replaced(model.incremental_sql, expansions) if model.incremental_sql else None
        found = tuple(expansions.values())
        if model.training is not None:
            training = self._training_set(model, model.training, sql, columns, problems)
            if training is not None:
                split = self._split(model, model.training, sql, problems)
                sql, found = _around(sql, training, split), (*found, training)
        problems.extend(_misplaced(model))
        if problems:
            raise CompileError(problems)
        return replace(model, sql=sql, incremental_sql=incremental, expansions=found)

    def _training_set(
        self,
        model: RenderedModel,
        training: PointInTime,
        sql: RenderedSql,
        columns: Columns,
        problems: list[Problem],
    ) -> Expansion | None:
        name, place = model.model.name, Place(model.model.path)
        if training.at is None:
            hint = "config(event_time='…'): the column of its SQL with the moment of each row"
            problems.append(Problem(f"the training set '{name}' has no event_time", place, hint=hint))
        if not training.features:
            hint = "config(features=['carrier_delay_7d', 'weather:temp'])"
            problems.append(Problem(f"the training set '{name}' has no features", place, hint=hint))
        if training.at is None or not training.features:
            return None
        writing = _Writing(self, columns, place, problems, model.unique_id)
        return writing.point_in_time(replace(training, spine=f"(\n{sql.text}\n)"))

    def _split(self, model: RenderedModel, training: PointInTime, sql: RenderedSql, problems: list[Problem]) -> str:
        """SQL of the column that says which split a row is in, with a comma; empty where there are none."""
        if not model.config.splits:
            return ""
        columns = self.columns_of(f"SELECT * FROM (\n{sql.text}\n)")
        at = next(column for column in columns if column.name.lower() == str(training.at).lower())
        try:
            return f', {write_split(model.config.splits, columns, at)} AS "split"'
        except RequestError as exc:
            problems.append(Problem(exc.message, Place(model.model.path), hint=exc.hint))
            return ""


@dataclass(frozen=True, slots=True)
class _Writing:
    """The writing of one join."""

    expander: Expander
    columns: Columns
    place: Place
    problems: list[Problem]
    prefix: str

    def write(self, join: Join) -> Expansion | None:
        """Write a join of either kind."""
        return self.window(join) if isinstance(join, WindowJoin) else self.point_in_time(join)

    # --- point in time -----------------------------------------------------------------------------------------------

    def point_in_time(self, join: PointInTime) -> Expansion | None:
        """Write a point-in-time join, or note why that is not possible."""
        before = len(self.problems)
        on_demand = [reference for reference in join.features if reference.model in self.expander.on_demand]
        shown = [reference for reference in join.features if reference not in on_demand]
        hidden = [taken for one in on_demand for taken in self.expander.on_demand[one.model].taken]
        roles: dict[tuple[object, ...], list[FeatureReference]] = {}
        for reference in (*shown, *hidden):
            roles.setdefault(_role(reference), []).append(reference)
        found = [(table, references) for references in roles.values() if (table := self._table(references[0].model))]
        if not found and (shown or hidden or join.spine is None):
            return None
        if join.spine is not None:
            spine = self._spine(join.spine, str(join.at), join.known_at, "point_in_time()")
        else:
            spine = self._entities(join, [table for table, _ in found])
        if spine is None:
            return None
        lookups = [self._lookup(table, references, spine, shown) for table, references in found]
        if join.start is not None:
            # All corrections are known by now: the latest known one wins.
            lookups = [_of_all_times(lookup) for lookup in lookups]
        are_found = len(self.problems) == before
        computed = [self._computed(one, spine, lookups, list(roles)) for one in on_demand] if are_found else []
        self._refuse_same_names(spine, [*lookups, *computed])
        return None if len(self.problems) > before else write_point_in_time(self.prefix, spine, lookups, computed)

    def taken(self, model: RenderedModel) -> list[ColumnType]:
        """The features that a model on demand is computed from, by the names that they have there."""
        columns: list[ColumnType] = []
        for reference in model.taken:
            if reference.model in self.expander.on_demand:
                self._note(
                    f"'{reference.model}' is computed on demand too", "take the features that it is computed from"
                )
            elif (table := self._table(reference.model)) is not None:
                types = {column.name: column.type for column in table.columns}
                columns += [ColumnType(out, types[name]) for name, out in self._outputs(table, reference)]
        return columns

    def _computed(
        self, reference: FeatureReference, spine: Spine, lookups: Sequence[Lookup], roles: Sequence[tuple[object, ...]]
    ) -> Computed:
        """What a model on demand computes over a join, and from what."""
        model = self.expander.on_demand[reference.model]
        values: list[tuple[str, str, str]] = []
        for name, kind in model.config.request.items():
            given = self._find(name, spine.columns)
            if given is None:
                near = suggest(name, [column.name for column in spine.columns])
                self._note(f"the spine has no column '{name}', of which '{reference.model}' is computed", near)
            elif not comparable(given.type, kind) and not (is_number(given.type) and is_number(kind.upper())):
                message = f"'{given.name}' of the spine is {given.type}, and '{reference.model}' asks for {kind}"
                self._note(message, f"cast({given.name} as {kind}) in the spine")
            else:
                values.append((name, given.name, kind))
        taken: list[tuple[str, int, int]] = []
        for one in model.taken:
            lookup = roles.index(_role(one))
            places = {column: place for place, (column, _) in reversed(list(enumerate(lookups[lookup].columns)))}
            outputs = self._outputs(self._known_table(one.model), one)
            taken += [(out, lookup, places[column]) for column, out in outputs]
        columns = self.columns[model.unique_id]
        table = FeatureTable(reference.model, model.relation, tuple(columns), ())
        return Computed(
            reference.model,
            self.expander.select_list(model.sql.text),
            tuple(values),
            tuple(taken),
            tuple(self._outputs(table, reference)),
        )

    def _known_table(self, name: str) -> FeatureTable:
        declared = self.expander.declared[name]
        return read_feature_table(declared, self.columns[declared.unique_id], self.expander.entities)[0]

    def _table(self, name: str) -> FeatureTable | None:
        declared = self.expander.declared[name]
        table, problems = read_feature_table(declared, self.columns[declared.unique_id], self.expander.entities)
        if problems:
            self.problems.extend(replace(problem, place=self.place) for problem in problems)
            return None
        if not table.keys:
            hint = f"add config: {{entity: …}} to '{name}', and declare the entity with its keys"
            self._note(f"'{name}' is about no entity, so that its rows have no key to be found by", hint)
            return None
        return table

    def _lookup(
        self,
        table: FeatureTable,
        references: Sequence[FeatureReference],
        spine: Spine,
        shown: Sequence[FeatureReference],
    ) -> Lookup:
        """Find one feature table's columns, and those of the spine that its keys are compared with.

        Only of the references that are `shown` the result has columns.
        """
        role, keys = references[0], list[tuple[str, str]]()
        for key in role.keys:
            if key.lower() not in {column.name.lower() for column in table.keys}:
                self._note(f"'{key}' is no key of '{table.name}'", suggest(key, [c.name for c in table.keys]))
        mapped = {key.lower(): column for key, column in role.keys.items()}
        for key_column in table.keys:
            wanted = mapped.get(key_column.name.lower(), key_column.name)
            given = self._find(wanted, spine.columns)
            if given is None:
                near = suggest(wanted, [column.name for column in spine.columns])
                hint = near or f"add it, or say which column it is: keys={{'{key_column.name}': '…'}}"
                self._note(f"the spine has no column '{wanted}', which is a key of '{table.name}'", hint)
            elif not comparable(given.type, key_column.type):
                message = f"'{given.name}' of the spine is {given.type}, and '{table.name}' has it as {key_column.type}"
                self._note(message, f"cast({given.name} as {key_column.type.lower()}) in the spine")
            else:
                keys.append((given.name, key_column.name))
        if table.event_time is None and (role.offset is not None or role.is_exclusive):
            self._note(f"'{table.name}' has no event_time that an offset or 'exclusive' could be about")
        self._check_zones(spine, table)
        outputs: list[tuple[str, str | None]] = []
        for reference in references:
            pairs = self._outputs(table, reference)
            outputs += pairs if reference in shown else [(column, None) for column, _ in pairs]
        return Lookup(
            table.name,
            table.relation,
            tuple(keys),
            tuple(dict.fromkeys(outputs)),
            table.event_time,
            table.known_time,
            table.tie_break,
            table.ttl,
            parse_duration(role.offset) if role.offset is not None else 0,
            role.is_exclusive,
        )

    def _outputs(self, table: FeatureTable, reference: FeatureReference) -> list[tuple[str, str]]:
        """The columns that are asked for, with their names in the result."""
        rename = {name.lower(): new for name, new in reference.rename.items()}
        outputs: list[tuple[str, str]] = []
        for name in reference.columns or table.features:
            column = self._find(name, table.columns)
            if column is None:
                message = f"'{table.name}' has no feature '{name}'"
                self._note(message, suggest(name, table.features) or f"it has {', '.join(table.features)}")
            else:
                outputs.append((column.name, rename.pop(column.name.lower(), f"{reference.prefix}{column.name}")))
        for name in rename:
            self._note(f"'{name}' of '{table.name}' is renamed, and not asked for", suggest(name, table.features))
        if not reference.columns and not table.features:
            self._note(f"'{table.name}' has no features: all of its columns are keys or times")
        return outputs

    def _refuse_same_names(self, spine: Spine, parts: Iterable[Lookup | Computed]) -> None:
        taken = {column.name.lower(): "the spine" for column in spine.columns}
        for part in parts:
            names = [name for _, name in part.columns if name is not None]
            for name in names:
                other = taken.setdefault(name.lower(), part.name)
                if other != part.name or sum(out.lower() == name.lower() for out in names) > 1:
                    hint = f"{{'model': '{part.name}', 'columns': ['{name}'], 'prefix': '…'}}"
                    self._note(f"two columns are called '{name}': one of '{part.name}' and one of {other}", hint)

    def _entities(self, join: PointInTime, tables: Sequence[FeatureTable]) -> Spine | None:
        """The spine of a join that is given none: all entities at a moment, or all values in a stretch of time."""
        first = tables[0]
        keys = [column.name for column in first.keys]
        for table in tables[1:]:
            if [column.name.lower() for column in table.keys] != [name.lower() for name in keys]:
                self._note(f"without a spine all features are of one entity; '{first.name}' and '{table.name}' are not")
                return None
        if join.start is not None:
            return self._values(join, tables)
        zoned = any(time is not None and is_zoned(time.type) for t in tables for time in (t.event_time, t.known_time))
        kind = ZONED if zoned else "TIMESTAMP"
        moment = f"CAST({literal(str(join.as_of))} AS {kind})"
        named = ", ".join(quote(name) for name in keys)
        parts = []
        for table in tables:
            times = [time for time in (table.event_time, table.known_time) if time is not None]
            given = [f"{quote(name)} IS NOT NULL" for name in keys] + [f"{quote(t.name)} <= {moment}" for t in times]
            parts.append(f"SELECT {named} FROM {table.relation} WHERE {' AND '.join(given)}")
        union = "\nUNION\n".join(parts)
        sql = f'(\nSELECT DISTINCT {named}, {moment} AS "as_of" FROM (\n{union}\n)\n)'
        at = ColumnType("as_of", kind)
        return Spine(sql, (*first.keys, at), at)

    def _values(self, join: PointInTime, tables: Sequence[FeatureTable]) -> Spine | None:
        table = tables[0]
        if len(tables) > 1 or table.event_time is None:
            hint = f"point_in_time(features=['{table.name}'], start='2013-01-01', end='2013-02-01')"
            self._note("between start and end there are the values of one model with an event_time", hint)
            return None
        time = table.event_time
        columns = (*table.keys, time)
        named = ", ".join(quote(column.name) for column in columns)
        kind = "TIMESTAMP" if not is_zoned(time.type) else ZONED
        bounds = [
            f"{quote(time.name)} {compared} CAST({literal(str(bound))} AS {kind})"
            for compared, bound in ((">=", join.start), ("<", join.end))
        ]
        given = " AND ".join([*(f"{quote(key.name)} IS NOT NULL" for key in table.keys), *bounds])
        return Spine(f"(\nSELECT DISTINCT {named} FROM {table.relation} WHERE {given}\n)", columns, time)

    # --- windows -----------------------------------------------------------------------------------------------------

    def window(self, join: WindowJoin) -> Expansion | None:
        """Write a window join, or note why that is not possible."""
        before = len(self.problems)
        spine = self._spine(join.spine, join.at, join.known_at, "window_features()")
        columns = self._bound(join.events, "the events of window_features()")
        if spine is None or columns is None:
            return None
        keys: list[tuple[str, str]] = []
        for key, wanted in join.keys.items():
            theirs, ours = (
                self._named(key, columns, "the events have"),
                self._named(wanted, spine.columns, "the spine has"),
            )
            if theirs is not None and ours is not None:
                keys.append((ours.name, theirs.name))
                if not comparable(theirs.type, ours.type):
                    message = f"'{ours.name}' of the spine is {ours.type}, and the events have it as {theirs.type}"
                    self._note(message, f"cast({ours.name} as {theirs.type.lower()}) in the spine")
        times = [
            self._time(name, columns, "the events have") if name is not None else None
            for name in (join.event_time, join.known_time)
        ]
        for name in join.tie_break:
            self._named(name, columns, "the events have")
        taken = {column.name.lower() for column in spine.columns}
        for one in join.aggregates:
            column = self._named(one.column, columns, "the events have") if one.column is not None else None
            if column is not None and one.function in _NUMBERS and not is_number(column.type):
                self._note(f"aggregate '{one.name}': {one.function} of '{column.name}', which is {column.type}")
            if one.name.lower() in taken:
                self._note(f"two columns are called '{one.name}'", "give the aggregate another name")
            taken.add(one.name.lower())
        zones = {is_zoned(t.type) for t in (*times, spine.at, spine.known_at) if t is not None}
        if len(zones) > 1:
            self._note_zones("the events")
        event_time, known_time = times
        if len(self.problems) > before or event_time is None:
            return None
        events = Events(join.events, tuple(keys), event_time, known_time, join.tie_break)
        return write_windows(self.prefix, spine, events, join.aggregates)

    # --- both --------------------------------------------------------------------------------------------------------

    def _spine(self, sql: str, at: str, known_at: str | None, what: str) -> Spine | None:
        columns = self._bound(sql, f"the spine of {what}")
        if columns is None:
            return None
        if len({column.name.lower() for column in columns}) < len(columns):
            self._note("the spine has two columns of one name", "give one of them another name: … as …")
            return None
        time = self._time(at, columns, "the spine has")
        known = self._time(known_at, columns, "the spine has") if known_at is not None else None
        if time is None or (known_at is not None and known is None):
            return None
        return Spine(sql, tuple(columns), time, known)

    def _bound(self, sql: str, what: str) -> Sequence[ColumnType] | None:
        try:
            return self.expander.columns_of(f"SELECT * FROM {sql}")
        except BindError as exc:
            self._note(f"{what}: {exc.message.splitlines()[0]}", "give ref('…'), or a SELECT in quotes")
            return None

    def _time(self, name: str, columns: Sequence[ColumnType], said: str) -> ColumnType | None:
        found = self._named(name, columns, said)
        if found is not None and found.type not in TIMES:
            self._note(f"'{found.name}' is {found.type}, not a date or a time", f"cast({found.name} as timestamp)")
            return None
        return found

    def _named(self, name: str, columns: Sequence[ColumnType], said: str) -> ColumnType | None:
        found = self._find(name, columns)
        if found is None:
            self._note(f"{said} no column '{name}'", suggest(name, [column.name for column in columns]))
        return found

    def _find(self, name: str, columns: Sequence[ColumnType]) -> ColumnType | None:
        return next((column for column in columns if column.name.lower() == name.lower()), None)

    def _check_zones(self, spine: Spine, table: FeatureTable) -> None:
        times = [time for time in (table.event_time, table.known_time) if time is not None]
        given = [time for time in (spine.at, spine.known_at) if time is not None]
        if len({is_zoned(time.type) for time in (*times, *given)}) > 1 and times:
            self._note_zones(f"'{table.name}'")

    def _note_zones(self, other: str) -> None:
        message = f"of the times of the spine and of {other} one has a time zone and one has none"
        self._note(message, "write timezone('UTC', column) for the one without")

    def _note(self, message: str, hint: str | None = None) -> None:
        self.problems.append(Problem(message, self.place, hint=hint))


def _role(reference: FeatureReference) -> tuple[object, ...]:
    """What two references have in common that one lookup serves."""
    return reference.model, tuple(sorted(reference.keys.items())), reference.offset, reference.is_exclusive


def _misplaced(model: RenderedModel) -> Iterator[Problem]:
    """Configuration that means nothing for a model of this kind."""
    kind, place = model.config.materialized, Place(model.model.path)
    for key, kinds in (
        ("features", ("training_set", "on_demand")),
        ("splits", ("training_set",)),
        ("known_at", ("training_set",)),
        ("request", ("on_demand",)),
    ):
        if getattr(model.config, key) and kind not in kinds:
            what = "training sets" if "training_set" in kinds else "models on demand"
            yield Problem(f"config '{key}' is for {what}", place, hint=f"add materialized='{kinds[0]}'")


def _of_all_times(lookup: Lookup) -> Lookup:
    known = (lookup.known_time.name,) if lookup.known_time is not None else ()
    return replace(lookup, known_time=None, tie_break=(*known, *lookup.tie_break), ttl=None)


def _replaced(sql: RenderedSql, expansions: Mapping[str, Expansion]) -> RenderedSql:
    """Put SQL in the places that are held for it; every line of it comes from the line that it is put in."""
    lines, numbers = list[str](), list[int]()
    for line, number in zip(sql.text.split("\n"), sql.lines, strict=True):
        text = _inner(line, expansions)
        lines.append(text)
        numbers.extend([number] * (text.count("\n") + 1))
    return RenderedSql("\n".join(lines), tuple(numbers))


def _on_spine(join: Join, expansions: Mapping[str, Expansion]) -> Join:
    """A join whose spine may be one that was asked for before it."""
    if isinstance(join, WindowJoin):
        return replace(join, spine=_inner(join.spine, expansions))
    return replace(join, spine=_inner(join.spine, expansions)) if join.spine is not None else join


def _inner(text: str, expansions: Mapping[str, Expansion]) -> str:
    for placeholder, expansion in expansions.items():
        text = text.replace(placeholder, expansion.inline)
    return text


def _around(sql: RenderedSql, training: Expansion, split: str) -> RenderedSql:
    """A training set's SQL inside of the join whose spine it is; `split` are further columns."""
    before, _, after = training.inline.partition(sql.text)
    first, last = sql.lines[0], sql.lines[-1]
    numbers = [first] * before.count("\n") + list(sql.lines) + [last] * after.count("\n")
    return RenderedSql(f"SELECT *{split} FROM {training.inline}", tuple(numbers))
