"""The values that flow between the stages: frozen, slotted, without behaviour beyond naming themselves.

Project -> Model -> RenderedModel -> CompiledModel -> Step -> NodeResult. SQL travels as text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from fsbuild.errors import Place, Problem

if TYPE_CHECKING:
    import datetime as dt

    import pyarrow as pa

ResourceType = Literal["model", "seed", "source"]
Severity = Literal["error", "warn"]
Action = Literal["create", "replace", "increment", "load", "view", "inline", "keep"]
Status = Literal["success", "unchanged", "warn", "error", "skipped", "pass", "fail"]


def quote(identifier: str) -> str:
    """Quote a SQL identifier."""
    return '"' + identifier.replace('"', '""') + '"'


def literal(text: str) -> str:
    """Quote a SQL string literal."""
    return "'" + text.replace("'", "''") + "'"


@dataclass(frozen=True, slots=True)
class Relation:
    """The name under which SQL reads a node: `"schema"."identifier"`."""

    schema: str
    identifier: str

    @property
    def name(self) -> str:
        """The identifier, as dbt calls it too."""
        return self.identifier

    @property
    def table(self) -> str:
        """The identifier, as dbt calls it too."""
        return self.identifier

    def __str__(self) -> str:
        return f"{quote(self.schema)}.{quote(self.identifier)}"


@dataclass(frozen=True, slots=True)
class Moment:
    """The run that is going on: its id and when it began, which is "now" for everything in it."""

    run_id: str
    started_at: dt.datetime


# --- load ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Column:
    """A column as its YAML describes it."""

    name: str
    place: Place
    data_type: str | None = None
    description: str = ""


@dataclass(frozen=True, slots=True)
class Check:
    """One rule about a node's rows, by the name that dbt (`not_null`) or pandera (`in_range`) gives it.

    `column` is None for a rule about the table as a whole. In a `relationships` check, `arguments["to"]` is the
    unique id of the node that is referred to.
    """

    name: str
    column: str | None
    arguments: Mapping[str, object]
    place: Place
    severity: Severity = "error"

    @property
    def label(self) -> str:
        """The check as a person would write it: `in_range(min_value=0, max_value=1)`."""
        arguments = ", ".join(f"{key}={value!r}" for key, value in self.arguments.items())
        return f"{self.name}({arguments})" if arguments else self.name


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """What a model's configuration says, all layers merged: project file, YAML beside the model, `config()`.

    The fields are the keys that a user may write; `config.py` parses them and the reference page lists them.
    """

    materialized: Literal["table", "view", "ephemeral", "incremental"] = field(
        default="view", metadata={"doc": "how the result is kept: a Delta table, inlined SQL, or increments"}
    )
    incremental_strategy: Literal["merge", "append"] | None = field(
        default=None,
        metadata={"doc": "how new rows enter the table; `merge` where there is a `unique_key`, else `append`"},
    )
    unique_key: tuple[str, ...] = field(
        default=(), metadata={"doc": "the columns that identify a row; a merge updates the row that has the same key"}
    )
    full_refresh: bool | None = field(
        default=None,
        metadata={"doc": "`false`: never rebuild the table, whatever the command line says; `true`: always"},
    )
    partition_by: tuple[str, ...] = field(
        default=(), metadata={"doc": "columns whose values split the table into folders"}
    )
    schema: str | None = field(
        default=None, metadata={"doc": "folder of the lake; appended to the target's schema as in dbt"}
    )
    alias: str | None = field(default=None, metadata={"doc": "the table's name where it differs from the model's"})
    enabled: bool = field(default=True, metadata={"doc": "`false` leaves the node out of the project"})
    tags: tuple[str, ...] = field(default=(), metadata={"doc": "words to select by (`tag:feature`); layers add up"})
    meta: Mapping[str, object] = field(default_factory=dict, metadata={"doc": "anything you like; layers merge"})
    description: str = field(default="", metadata={"doc": "what the node is, in a sentence"})
    owner: str | None = field(default=None, metadata={"doc": "who answers for it"})
    entity: tuple[str, ...] = field(default=(), metadata={"doc": "the entities that a feature model describes"})
    event_time: str | None = field(default=None, metadata={"doc": "the column that says when a row was true"})
    known_time: str | None = field(default=None, metadata={"doc": "the column that says when a row became known"})
    ttl: str | None = field(default=None, metadata={"doc": "how long a value stays usable, such as `30 days`"})
    column_types: Mapping[str, str] = field(default_factory=dict, metadata={"doc": "seeds: SQL types by column"})
    delimiter: str = field(default=",", metadata={"doc": "seeds: what separates the fields"})

    @property
    def strategy(self) -> Literal["merge", "append"]:
        """The incremental strategy in force."""
        return self.incremental_strategy or ("merge" if self.unique_key else "append")


@dataclass(frozen=True, slots=True)
class Model:
    """A `.sql` file with what the project file and the YAML beside it say about it."""

    unique_id: str
    name: str
    path: str
    raw_sql: str
    config: Mapping[str, object]
    place: Place
    columns: tuple[Column, ...] = ()
    checks: tuple[Check, ...] = ()


@dataclass(frozen=True, slots=True)
class Seed:
    """A small CSV file that is loaded as a table; `fingerprint` is a hash of its bytes."""

    unique_id: str
    name: str
    path: str
    fingerprint: str
    config: ModelConfig
    relation: Relation
    columns: tuple[Column, ...] = ()
    checks: tuple[Check, ...] = ()


@dataclass(frozen=True, slots=True)
class Source:
    """A table that the project reads and does not write: files, or a Delta table.

    `location` is a path, a glob, a URL or a DuckDB table function; `version` pins a Delta table's version.
    """

    unique_id: str
    source_name: str
    name: str
    kind: Literal["files", "delta"]
    location: str
    relation: Relation
    place: Place
    version: int | None = None
    description: str = ""
    tags: tuple[str, ...] = ()
    columns: tuple[Column, ...] = ()
    checks: tuple[Check, ...] = ()


@dataclass(frozen=True, slots=True)
class Target:
    """Where a run goes: the lake (a folder or URL of Delta tables), the schema, the engine's settings."""

    name: str
    schema: str
    lake: str
    threads: int
    profile: str
    settings: Mapping[str, object] = field(default_factory=dict)
    storage_options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A text file of the project: its path relative to the root, and its content."""

    path: str
    text: str


@dataclass(frozen=True, slots=True)
class Project:
    """A project folder, read."""

    name: str
    root: Path
    target: Target
    target_path: str
    clean_targets: tuple[str, ...]
    variables: Mapping[str, object]
    models: tuple[Model, ...]
    seeds: tuple[Seed, ...]
    sources: tuple[Source, ...]
    macros: tuple[SourceFile, ...]
    checks_gate_run: bool = True


# --- render, graph, compile ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RenderedSql:
    """SQL without Jinja; `lines[i]` is the line of the template that line i + 1 of the text came from."""

    text: str
    lines: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class RenderedModel:
    """A model whose template has been evaluated.

    `sql` is the query of a full refresh; `incremental_sql` differs from None where `is_incremental()` was asked.
    `depends_on` names the nodes that it reads, by unique id, in the order of their first mention.
    """

    model: Model
    config: ModelConfig
    relation: Relation
    sql: RenderedSql
    incremental_sql: RenderedSql | None
    depends_on: tuple[str, ...]

    @property
    def unique_id(self) -> str:
        """The model's unique id."""
        return self.model.unique_id


@dataclass(frozen=True, slots=True)
class GraphNode:
    """What selection and ordering know of a node."""

    unique_id: str
    name: str
    resource_type: ResourceType
    path: str
    fqn: tuple[str, ...]
    materialized: str
    tags: tuple[str, ...]
    depends_on: tuple[str, ...]
    place: Place
    source_name: str = ""


@dataclass(frozen=True, slots=True)
class ColumnType:
    """A column of a query's result with the type that it is stored as."""

    name: str
    type: str


@dataclass(frozen=True, slots=True)
class BoundColumn:
    """A column of a query's result as the engine types it.

    `stored_type` is the type that Delta keeps its values in, None where Delta has none.
    """

    name: str
    type: str
    stored_type: str | None


@dataclass(frozen=True, slots=True)
class ColumnEdge:
    """One fact of column lineage: `column` depends on `input_column` of the relation `input_id`.

    `kind` says how: the value itself (`copied`), computed from it (`transformed`), computed over many rows of it
    (`aggregated`), or only steering which rows there are (`filters`; `column` is then "*").
    """

    column: str
    input_id: str
    input_column: str
    kind: Literal["copied", "transformed", "aggregated", "filters"]


@dataclass(frozen=True, slots=True)
class Lineage:
    """The column lineage of one query; `unknown` is the reason where it could not be derived."""

    edges: tuple[ColumnEdge, ...] = ()
    unknown: str | None = None


@dataclass(frozen=True, slots=True)
class CompiledModel:
    """A model that is known to bind: SQL to run, columns with types, fingerprint, lineage.

    `select` and `incremental_select` produce exactly `columns`, cast to types that Delta can hold.
    `volatile` names the functions that make the result depend on the moment (`now`, `random`); `file_reads` names what
    the SQL reads by itself (`read_csv`, `'data/x.parquet'`), whose changes nobody sees.
    """

    rendered: RenderedModel
    columns: tuple[ColumnType, ...]
    select: str
    incremental_select: str | None
    fingerprint: str
    lineage: Lineage
    volatile: tuple[str, ...] = ()
    file_reads: tuple[str, ...] = ()

    @property
    def unique_id(self) -> str:
        """The model's unique id."""
        return self.rendered.model.unique_id


# --- plan, execute ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class TableState:
    """What a table's own log says: its latest version and what the last fsbuild commit recorded.

    `token` identifies that very version, also after the table has been dropped and made anew.
    `changed_by` names the operation of a later commit that was not ours and changed data.
    """

    version: int
    token: str
    fingerprint: str | None = None
    inputs: Mapping[str, str] = field(default_factory=dict)
    run_id: str | None = None
    changed_by: str | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """What a run will do with a node, and why."""

    unique_id: str
    action: Action
    reason: str
    fingerprint: str
    # Whether the step is only taken when a parent of the same run has published something new.
    is_conditional: bool = False
    # Whether the rows that are published already have to pass the checks anew.
    has_new_checks: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """The steps of a run in an order that respects the graph."""

    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Commit:
    """What travels in a Delta commit beside the rows, and what it is fenced by.

    `expected_version` is the version that was read before computing (None: the table must not exist yet);
    `event_times` are the first and the last event time of the rows.
    """

    app_id: str
    run_id: str
    fingerprint: str
    inputs: Mapping[str, str]
    expected_version: int | None
    rows: int
    description: str = ""
    properties: Mapping[str, str] = field(default_factory=dict)
    partition_by: tuple[str, ...] = ()
    event_times: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class StagedRows:
    """Rows to be checked: streamed in batches of some columns, and open to SQL as `relation`.

    `references` names the relation of a node by unique id; `key` are the columns that identify a row to a person.
    """

    relation: str
    columns: Sequence[ColumnType]
    batches: Callable[[Sequence[str]], Iterable[Any]]
    query: Callable[[str], Sequence[Mapping[str, object]]]
    references: Callable[[str], str]
    key: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class TableRows:
    """Checked rows on their way to a table.

    `open` starts the Arrow stream; `literals` bound each key column's values (SQL text), so that a merge reads only
    the files that can hold them.
    """

    open: Callable[[], pa.RecordBatchReader]
    columns: tuple[str, ...]
    count: int
    key: tuple[str, ...] = ()
    literals: Mapping[str, tuple[str, str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CheckResult:
    """The verdict of one check: how many of `rows` rows failed, and a few of them as `sample`."""

    check: Check
    status: Status
    failures: int = 0
    rows: int = 0
    sample: tuple[Mapping[str, object], ...] = ()
    elapsed_s: float = 0.0
    message: str = ""


@dataclass(frozen=True, slots=True)
class NodeResult:
    """How a node of a run ended."""

    unique_id: str
    name: str
    resource_type: ResourceType
    kind: str
    status: Status
    elapsed_s: float = 0.0
    rows: int | None = None
    version: int | None = None
    message: str = ""
    problems: tuple[Problem, ...] = ()
    checks: tuple[CheckResult, ...] = ()


@dataclass(frozen=True, slots=True)
class RunResult:
    """How a run ended: every node's result in the order in which they finished."""

    command: str
    run_id: str
    elapsed_s: float
    results: tuple[NodeResult, ...]
    interrupted: bool = False

    @property
    def is_success(self) -> bool:
        """Whether nothing failed, was skipped or was interrupted."""
        return not self.interrupted and not any(r.status in ("error", "fail", "skipped") for r in self.results)


# --- report ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RunStarted:
    """A run begins: how many nodes there are to finish."""

    command: str
    run_id: str
    total: int
    target: str
    threads: int


@dataclass(frozen=True, slots=True)
class NodeStarted:
    """A node begins to run."""

    unique_id: str
    name: str
    kind: str


@dataclass(frozen=True, slots=True)
class NodeFinished:
    """A node ended, as the `index`-th of `total`."""

    result: NodeResult
    index: int
    total: int


@dataclass(frozen=True, slots=True)
class RunFinished:
    """The run ended."""

    result: RunResult


Event = RunStarted | NodeStarted | NodeFinished | RunFinished
Rows = Sequence[Mapping[str, object]]
