"""The values that flow between the stages: frozen, slotted, without behaviour beyond naming themselves.

Project -> Model -> RenderedModel -> CompiledModel -> Step -> NodeResult. SQL travels as text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from fsbuild.errors import Place, Problem
from fsbuild.model_versions import Version, versioned_name

if TYPE_CHECKING:
    import datetime as dt

    import pyarrow as pa

ResourceType = Literal[
    "model",
    "snapshot",
    "seed",
    "source",
    "exposure",
    "unit_test",
    "test",
    "metric",
    "semantic_model",
    "saved_query",
    "analysis",
]
Severity = Literal["error", "warn", "quarantine"]
Action = Literal["create", "replace", "increment", "load", "view", "inline", "check", "describe", "keep", "refuse"]
SchemaChange = Literal["fail", "ignore", "append_new_columns", "sync_all_columns"]
Strategy = Literal["auto", "merge", "append", "delete+insert", "insert_overwrite", "microbatch"]
BatchSize = Literal["hour", "day", "month", "year"]
Operator = Literal["=", "!=", "<>", "<", "<=", ">", ">="]
SourceKind = Literal["files", "delta", "database"]
Status = Literal["success", "unchanged", "warn", "error", "skipped", "pass", "fail"]

# The materializations that keep rows in a Delta table.
STORED = ("table", "incremental", "snapshot", "training_set")
# Those whose SQL is a part of the queries that read them.
INLINED = ("view", "ephemeral", "on_demand")


def quote(identifier: str) -> str:
    """Quote a SQL identifier."""
    return '"' + identifier.replace('"', '""') + '"'


def literal(text: str) -> str:
    """Quote a SQL string literal."""
    return "'" + text.replace("'", "''") + "'"


def delta_uri(place: str) -> str:
    """Write the place of a Delta table so that every reader takes it literally; a URL stays what it is.

    >>> delta_uri("/my lake/main/t")
    'file:///my%20lake/main/t'
    """
    return place if "://" in place else Path(place).absolute().as_uri()


def package_of(unique_id: str) -> str:
    """The package of a node: the second part of its id."""
    return unique_id.split(".", 2)[1]


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


# The schema of the engine in which rows are kept until they are published; no node can have it.
STAGING = "fsbuild_staging"


# The property of a table that names the constraints of its contract, as JSON: SQL by name.
CONSTRAINTS = "fsbuild.constraints"


# What stands in a query of a source for the source itself.
THIS = "{{ this }}"


# What stands in the SQL of a model on demand for the row that it is computed from.
REQUEST = '"fsbuild_join"."request"'


# The engine's variables that hold the start and the end of the batch that is computed.
BATCH_START = "fsbuild_batch_start"
BATCH_END = "fsbuild_batch_end"


def staged_relation(unique_id: str) -> Relation:
    """Where the rows of a node are staged."""
    return Relation(STAGING, unique_id)


# The folder of a project in which its pandera schemas are.
SCHEMA_FOLDER = "checks"


def checked_relation(unique_id: str) -> Relation:
    """What the SQL of a check calls a node, whose rows are perhaps not published yet."""
    return Relation("fsbuild_checked", unique_id)


def quarantine_relation(relation: Relation) -> Relation:
    """Where the rows are that are kept out of a table."""
    return Relation(relation.schema, f"{relation.identifier}__quarantine")


def changes_relation(unique_id: str, input_id: str) -> Relation:
    """Where the rows of an input are kept that changed since a node read it last."""
    return Relation(STAGING, f"{unique_id} changes of {input_id}")


def keys_relation(unique_id: str) -> Relation:
    """Where the keys are kept for which a node is computed again, with the columns k0, k1, and so on."""
    return Relation(STAGING, f"{unique_id} keys")


@dataclass(frozen=True, slots=True)
class Moment:
    """The run that is going on: its id and when it began, which is "now" for everything in it."""

    run_id: str
    started_at: dt.datetime


# --- load ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Column:
    """A column as its YAML describes it; values of one that `is_pii` are shown nowhere, None where it does not say."""

    name: str
    place: Place
    data_type: str | None = None
    description: str = ""
    unit: str = ""
    is_pii: bool | None = None


@dataclass(frozen=True, slots=True)
class Check:
    """One rule about a node's rows, by the name that dbt (`not_null`) or pandera (`in_range`) gives it.

    `column` is None for a rule about the table as a whole. Nodes that the rule refers to stand in the arguments by
    their unique ids, which are `references` too. Only rows that meet `where` are looked at. What a number of failing
    rows means is said by `error_if` and `warn_if`. `title` is a name that a user gave the check, and `said` has the
    settings that its YAML names. `sql` selects what is wrong, where the check is the project's own; the nodes that it
    reads have the names of `checked_relation` there. `custom` is a function of a pandera schema, and with
    `is_of_schema` the check was written in one; with `is_constraint` it is a part of the model's contract.

    `store_failures` says whether the rows that fail are kept, None where the command says it; at most `limit` failures
    count, by the SQL `fail_calc` over what its query selects. `path` leads to the check inside its YAML file, and
    `told` is the configuration that its own text gave, and `defaults` that of its folder in the project file. One that
    `is_late` has a template that asks for rows of what it reads, and has its SQL when these are published. One with a
    `problem` cannot be decided.
    """

    name: str
    column: str | None
    arguments: Mapping[str, object]
    place: Place
    severity: Severity = "error"
    references: tuple[str, ...] = ()
    where: str | None = None
    error_if: Threshold | None = None
    warn_if: Threshold | None = None
    title: str = ""
    said: frozenset[str] = frozenset()
    sql: str | None = None
    custom: SchemaCheck | None = None
    is_constraint: bool = False
    is_of_schema: bool = False
    store_failures: bool | None = None
    limit: int | None = None
    fail_calc: str | None = None
    path: tuple[str | int, ...] = ()
    told: Mapping[str, object] = field(default_factory=dict)
    defaults: Mapping[str, object] = field(default_factory=dict)
    is_late: bool = False
    problem: Problem | None = None

    @property
    def always_gates(self) -> bool:
        """Whether it holds in every command: a project of dbt's leaves its tests to `test` and `build`, and no more."""
        return self.is_of_schema or self.is_constraint or self.severity == "quarantine"

    @property
    def label(self) -> str:
        """The check as a person would write it: `in_range(min_value=0, max_value=1)`."""
        arguments = ", ".join(f"{key}={value!r}" for key, value in self.arguments.items())
        return f"{self.name}({arguments})" if arguments else self.name


@dataclass(frozen=True, slots=True)
class SchemaCheck:
    """Where a check that is a function stands: in which schema of the project, of which column or of the table.

    `digest` is a hash of the files that the function is in. Without `is_of_rows` it is asked about the whole table.
    """

    reference: str
    digest: str
    column: str | None
    index: int
    is_of_rows: bool


@dataclass(frozen=True, slots=True)
class Threshold:
    """How many failing rows are too many: a comparison with their number, or with their share in percent."""

    operator: Operator
    limit: float
    is_share: bool = False

    def __str__(self) -> str:
        """Write it as a user does."""
        return f"{self.operator} {self.limit:g}{'%' if self.is_share else ''}"


@dataclass(frozen=True, slots=True)
class FeatureReference:
    """Features of one model, in one role: `'weather:temp'`, or a mapping that also says how they are joined.

    Without `columns` all features of the model are meant. `keys` has the spine's column for those of the model's keys
    that are called something else there. A column is given out as `prefix` and its name, or as `rename` says. `offset`
    is how much older than the spine's time a row must be; with `is_exclusive` a row of just that time is too young.
    """

    model: str
    columns: tuple[str, ...] = ()
    keys: Mapping[str, str] = field(default_factory=dict)
    prefix: str = ""
    rename: Mapping[str, str] = field(default_factory=dict)
    offset: str | None = None
    is_exclusive: bool = False


@dataclass(frozen=True, slots=True)
class EntityKey:
    """A column that tells entities apart."""

    name: str
    type: str


@dataclass(frozen=True, slots=True)
class Entity:
    """What features are about, such as a carrier: it is known by the values of its keys."""

    name: str
    keys: tuple[EntityKey, ...]
    place: Place
    description: str = ""
    owner: str | None = None
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FeatureView:
    """Features of several models that serve one purpose, under one name."""

    name: str
    features: tuple[FeatureReference, ...]
    place: Place
    description: str = ""
    owner: str | None = None
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Exposure:
    """What people or programs use that stands on nodes: a dashboard, a notebook, a model in service."""

    unique_id: str
    name: str
    type: str
    place: Place
    owner: str
    depends_on: tuple[str, ...]
    label: str = ""
    description: str = ""
    url: str = ""
    maturity: str = ""
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """What a model's configuration says, all layers merged: project file, YAML beside the model, `config()`.

    The fields are the keys that a user may write; `config.py` parses them and the reference page lists them.
    """

    materialized: Literal["table", "view", "ephemeral", "incremental", "snapshot", "training_set", "on_demand"] = field(
        default="view",
        metadata={
            "doc": "how the result is kept: a Delta table, inlined SQL, increments, a history (`snapshot`), a table "
            "with features joined to it (`training_set`), or not at all but computed when asked for (`on_demand`)"
        },
    )
    incremental_strategy: Strategy | None = field(
        default=None,
        metadata={"doc": "how new rows enter the table; `merge` where there is a `unique_key`, else `append`"},
    )
    refresh: Literal["auto", "incremental", "full"] = field(
        default="auto",
        metadata={
            "doc": "strategy `auto`: the cheaper way; `incremental`: an error where it cannot be proven; `full`: always"
        },
    )
    unique_key: tuple[str, ...] = field(
        default=(), metadata={"doc": "the columns that identify a row; a merge updates the row that has the same key"}
    )
    merge_update_columns: tuple[str, ...] = field(
        default=(), metadata={"doc": "`merge`: the columns that an update sets; all where there are none"}
    )
    merge_exclude_columns: tuple[str, ...] = field(
        default=(), metadata={"doc": "`merge`: the columns that an update leaves as they are"}
    )
    incremental_predicates: tuple[str, ...] = field(
        default=(),
        metadata={
            "doc": "`merge`: SQL about `DBT_INTERNAL_DEST` that all rows to be updated meet, so that fewer are read"
        },
    )
    sequence_by: str | None = field(
        default=None,
        metadata={"doc": "`merge`: the column by which a row that is there is newer than one that comes late"},
    )
    deleted_when: str | None = field(
        default=None, metadata={"doc": "`merge`: SQL about a row that says that its key is to be deleted"}
    )
    on_schema_change: SchemaChange = field(
        default="fail",
        metadata={
            "doc": "what an increment does when its columns are others: `append_new_columns` keeps the old too, "
            "`ignore` leaves out new ones, which is what it means in a project of dbt's that does not say"
        },
    )
    begin: str | None = field(
        default=None, metadata={"doc": "strategy `microbatch`: the date or time at which the first batch begins"}
    )
    batch_size: BatchSize = field(
        default="day", metadata={"doc": "strategy `microbatch`: how long a batch is: `hour`, `day`, `month`, `year`"}
    )
    lookback: int = field(
        default=1,
        metadata={"doc": "strategy `microbatch`: how many batches before the newest are computed again with it"},
    )
    full_refresh: bool | None = field(
        default=None,
        metadata={"doc": "`false`: never rebuild the table, whatever the command line says; `true`: always"},
    )
    partition_by: tuple[str, ...] = field(
        default=(), metadata={"doc": "columns whose values split the table into folders"}
    )
    cluster_by: tuple[str, ...] = field(
        default=(), metadata={"doc": "columns that rows are ordered by where they are stored, so that fewer are read"}
    )
    auto_compact: bool = field(
        default=True, metadata={"doc": "`false`: small files that increments leave wait for `fsbuild optimize`"}
    )
    snapshot_strategy: Literal["timestamp", "check"] | None = field(
        default=None,
        metadata={
            "key": "strategy",
            "doc": "snapshots: a row is new when its `updated_at` is newer, or by `check_cols`",
        },
    )
    updated_at: str | None = field(
        default=None, metadata={"doc": "snapshots: the column that says when a row became what it is"}
    )
    check_cols: tuple[str, ...] = field(
        default=(), metadata={"doc": "snapshots, strategy `check`: `all`, or the columns that are compared"}
    )
    hard_deletes: Literal["ignore", "invalidate", "new_record"] = field(
        default="ignore", metadata={"doc": "snapshots: what is done about keys that are gone"}
    )
    dbt_valid_to_current: str | None = field(
        default=None, metadata={"doc": "snapshots: SQL of the `dbt_valid_to` of rows that are current; NULL by default"}
    )
    snapshot_meta_column_names: Mapping[str, str] = field(
        default_factory=dict, metadata={"doc": "snapshots: other names for `dbt_valid_from` and the like"}
    )
    schema: str | None = field(
        default=None, metadata={"doc": "folder of the lake; appended to the target's schema as in dbt"}
    )
    target_schema: str | None = field(
        default=None, metadata={"doc": "snapshots: the folder of the lake as it is written, appended to nothing"}
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
    tie_break: tuple[str, ...] = field(
        default=(), metadata={"doc": "columns whose greatest values win among rows of one event time and known time"}
    )
    features: tuple[FeatureReference, ...] = field(
        default=(),
        metadata={"doc": "training sets, `on_demand`: the features that are joined to rows or computed from"},
    )
    request: Mapping[str, str] = field(
        default_factory=dict, metadata={"doc": "`on_demand`: the values that whoever asks brings along, with SQL types"}
    )
    known_at: str | None = field(
        default=None,
        metadata={"doc": "training sets: the column with the cut-off of knowledge, where it is not `event_time`"},
    )
    splits: Mapping[str, object] = field(
        default_factory=dict,
        metadata={"doc": "training sets: `{by: key, train: 0.8, test: 0.2}`, or `by: time` and where each ends"},
    )
    statistics: bool | None = field(
        default=None,
        metadata={"doc": "whether runs measure the table's columns; by default those of feature models, training sets"},
    )
    drift: Mapping[str, object] = field(
        default_factory=dict,
        metadata={"doc": "`{psi: 0.25, ks: 0.1, js: 0.2, severity: warn}`: how far columns may move in a run"},
    )
    pandera: str | None = field(
        default=None,
        metadata={"doc": "a pandera schema of its rows: `checks.flights:CarrierDelay`, or `checks/flights.yml`"},
    )
    contract: Mapping[str, object] = field(
        default_factory=dict,
        metadata={"doc": "`{enforced: true}`: the columns and types are those of its YAML, and its constraints hold"},
    )
    pre_hook: tuple[str, ...] = field(
        default=(), metadata={"doc": "SQL to run before it is built, a template as models are; layers add up"}
    )
    post_hook: tuple[str, ...] = field(
        default=(), metadata={"doc": "SQL to run after it is built, a template as models are; layers add up"}
    )
    column_types: Mapping[str, str] = field(default_factory=dict, metadata={"doc": "seeds: SQL types by column"})
    delimiter: str = field(default=",", metadata={"doc": "seeds: what separates the fields"})

    @property
    def strategy(self) -> Strategy:
        """The incremental strategy in force."""
        return self.incremental_strategy or ("merge" if self.unique_key else "append")

    @property
    def grows(self) -> bool:
        """Whether later runs change the table, and do not write all of it again."""
        return self.materialized in ("incremental", "snapshot")

    @property
    def has_contract(self) -> bool:
        """Whether its columns are held against those that its YAML names."""
        return self.contract.get("enforced") is True

    @property
    def is_batched(self) -> bool:
        """Whether the table is computed batch by batch."""
        return self.materialized == "incremental" and self.strategy == "microbatch"


@dataclass(frozen=True, slots=True)
class FixtureRows:
    """Rows that a unit test gives or expects, as they are written: values by column, or a query.

    `columns` are those that are named anywhere among the rows, and `places` has the place of each row. Values of CSV
    are text, None where a field is empty.
    """

    place: Place
    columns: tuple[str, ...] = ()
    rows: tuple[Mapping[str, object], ...] = ()
    places: tuple[Place, ...] = ()
    sql: str | None = None


@dataclass(frozen=True, slots=True)
class GivenRows:
    """What an input of a model holds in a unit test; `unique_id` is the model's own for `this`.

    With `is_replacing` the rows of a batch are all that the input holds then, and are not added to what it held before.
    """

    unique_id: str
    written: str
    rows: FixtureRows
    place: Place
    is_replacing: bool = False


@dataclass(frozen=True, slots=True)
class UnitBatch:
    """What a model is given, and the rows that are expected of it then."""

    given: tuple[GivenRows, ...]
    expect: FixtureRows
    place: Place


@dataclass(frozen=True, slots=True)
class UnitOverrides:
    """What templates see differently in a unit test: variables, those of the environment, and values of macros."""

    place: Place
    variables: Mapping[str, object] = field(default_factory=dict)
    env_vars: Mapping[str, str] = field(default_factory=dict)
    macros: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class UnitTest:
    """Rows that a model is given, and those that are expected of it.

    Where it `has_batches`, they are given one batch after the other, and the model's table is compared after each; any
    other test has one batch, and it is the model's query that is tried.
    """

    unique_id: str
    name: str
    model_id: str
    batches: tuple[UnitBatch, ...]
    overrides: UnitOverrides
    place: Place
    has_batches: bool = False
    description: str = ""
    tags: tuple[str, ...] = ()

    @property
    def is_incremental(self) -> bool:
        """Whether it is the SQL of an increment that is tried."""
        return self.overrides.macros.get("is_incremental") is True


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
    unit_tests: tuple[UnitTest, ...] = ()
    # Of a model that has versions: which of them this is.
    version: Version | None = None

    @property
    def ref_names(self) -> tuple[str, ...]:
        """The names that `ref()` finds it by."""
        if self.version is None:
            return (self.name,)
        named = versioned_name(self.name, self.version.label)
        return (named, self.name) if self.version.is_latest else (named,)

    @property
    def shown_name(self) -> str:
        """What tells it apart from other models, and what its table is called where nothing else is said."""
        return self.name if self.version is None else self.version.suffixed(self.name)

    @property
    def resource_type(self) -> Literal["model", "snapshot"]:
        """What dbt calls it; its unique id begins with that."""
        return "snapshot" if self.unique_id.startswith("snapshot.") else "model"

    @property
    def is_in_block(self) -> bool:
        """Whether it is a snapshot between tags, which are comments by now: dbt finds it below the name of its file."""
        return self.resource_type == "snapshot" and re.search(r"\{#[-+]?\s*snapshot\s", self.raw_sql) is not None


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
    # The hash of its text that dbt's manifest has, whose line ends and outer blanks do not count.
    checksum: str = ""


@dataclass(frozen=True, slots=True)
class Freshness:
    """How old the newest row of a source may be, by the column (or SQL) `field`; among the rows that meet `filter`.

    `query` gives that moment in the place of a column, and has `THIS` where it reads the source.
    """

    warn_after: dt.timedelta | None
    error_after: dt.timedelta | None
    field: str | None
    filter: str | None
    place: Place
    query: str | None = None


@dataclass(frozen=True, slots=True)
class Source:
    """A table that the project reads and does not write: files, or a Delta table.

    `location` is a path, a glob, a URL or a DuckDB table function; `version` pins a Delta table's version.
    """

    unique_id: str
    source_name: str
    name: str
    kind: SourceKind
    location: str
    relation: Relation
    place: Place
    version: int | None = None
    description: str = ""
    tags: tuple[str, ...] = ()
    event_time: str | None = None
    columns: tuple[Column, ...] = ()
    checks: tuple[Check, ...] = ()
    freshness: Freshness | None = None
    # Whether nobody says where its rows are: they are where the project itself would write them.
    is_own: bool = False


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
    # DuckDB's own files, which sources are read from, by the names of their databases; "" is the profile's own.
    databases: Mapping[str, str] = field(default_factory=dict)
    extensions: tuple[str, ...] = ()
    # What artifacts call the database of its tables, as dbt-duckdb would: after the profile's file, where it has one.
    database: str = "memory"
    # The places of tables that are read elsewhere: in the lake of another target, and never written there.
    elsewhere: Mapping[Relation, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A text file of the project: its path relative to the root, its content, and the package that it is of, if any.

    `defaults` is what the project file says of the data test that it is.
    """

    path: str
    text: str
    package: str = ""
    defaults: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Package:
    """Another project that this one uses: its folder below the root, and its variables."""

    name: str
    folder: str
    variables: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class YamlFile:
    """A YAML file of the project: what it says, and how that is `written`, with the Jinja that stands in its values."""

    path: str
    data: Mapping[str, Any]
    written: Mapping[str, Any]
    # The hash of its text, whose outer blanks do not count.
    checksum: str = ""


@dataclass(frozen=True, slots=True)
class DocsBlock:
    """A docs block of a Markdown file."""

    name: str
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
    tests: tuple[SourceFile, ...] = ()
    entities: tuple[Entity, ...] = ()
    feature_views: tuple[FeatureView, ...] = ()
    exposures: tuple[Exposure, ...] = ()
    # The docs block that is the first page of the documentation.
    overview: str = ""
    checks_gate_run: bool = True
    # Whether it is read from dbt's own file, and so with dbt's patience.
    is_of_dbt: bool = False
    # The folders below the root that its nodes were read from.
    folders: tuple[str, ...] = ()
    packages: Mapping[str, Package] = field(default_factory=dict)
    # The packages that `adapter.dispatch()` looks through, by the one that it names.
    dispatch: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    # The SQL to run before and after a run, as templates.
    on_run_start: tuple[SourceFile, ...] = ()
    on_run_end: tuple[SourceFile, ...] = ()
    # All that its YAML says, for those who are told of it: the project file, then the files in its folders.
    settings: YamlFile | None = None
    documents: tuple[YamlFile, ...] = ()
    docs_blocks: tuple[DocsBlock, ...] = ()
    analyses: tuple[SourceFile, ...] = ()

    def variables_of(self, package: str) -> Mapping[str, object]:
        """The variables that templates of a package see."""
        return self.packages[package].variables if package in self.packages else self.variables

    def path_in_package(self, node: Model | Seed | Source) -> str:
        """Where a node is written, below the folder of its package."""
        path = node.place.file if isinstance(node, Source) else node.path
        package = self.packages.get(package_of(node.unique_id))
        return path.removeprefix(f"{package.folder}/") if package is not None else path


# --- render, graph, compile ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RenderedSql:
    """SQL without Jinja; `lines[i]` is the line of the template that line i + 1 of the text came from."""

    text: str
    lines: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Pin:
    """A read of a node's table as it was: `ref('m', version=3)` or `ref('m', as_of='2013-02-01')`.

    It has a name and an id of its own, as a source has; `node_id` is the node's, `at` the version or the ISO moment.
    """

    unique_id: str
    name: str
    node_id: str
    relation: Relation
    at: int | str


@dataclass(frozen=True, slots=True)
class PointInTime:
    """A point-in-time join that a model asks for, before the columns of what it joins are known.

    `spine` is SQL that can stand behind FROM, None where there is none: then `as_of` is the moment whose values of all
    entities are wanted, or `start` and `end` bound the event times of the values.
    """

    features: tuple[FeatureReference, ...]
    spine: str | None = None
    at: str | None = None
    known_at: str | None = None
    as_of: str | None = None
    start: str | None = None
    end: str | None = None


@dataclass(frozen=True, slots=True)
class WindowAggregate:
    """One column of a window join: a function of the events in the `window` before the spine's time, or in all."""

    name: str
    function: str
    column: str | None = None
    window: str | None = None
    n: int | None = None


@dataclass(frozen=True, slots=True)
class WindowJoin:
    """Aggregates over the events before each moment of a spine, before the columns of either are known.

    `keys` has the spine's column for each key of the events.
    """

    spine: str
    at: str
    events: str
    keys: Mapping[str, str]
    event_time: str
    aggregates: tuple[WindowAggregate, ...]
    known_time: str | None = None
    known_at: str | None = None
    tie_break: tuple[str, ...] = ()


Join = PointInTime | WindowJoin


@dataclass(frozen=True, slots=True)
class Expansion:
    """What a join of features became: SQL in parentheses, and another way to the same rows that needs less memory.

    That way is to keep the results of `stages`, one after the other, under their names, and then to read `staged`.
    """

    inline: str
    stages: tuple[tuple[Relation, str], ...]
    staged: str


@dataclass(frozen=True, slots=True)
class RenderedModel:
    """A model whose template has been evaluated.

    `sql` is the query of a full refresh; `incremental_sql` differs from None where `is_incremental()` was asked.
    `depends_on` names the nodes that it reads, by unique id, in the order of their first mention; `pins` are those of
    them that are read as they were. `joins` has the joins of features that the SQL asks for, by the text that stands
    for each in it, and `training` is the one whose spine the SQL as a whole is; compiling writes SQL for them, which
    `expansions` lists.
    `taken` are the features that one on demand is computed from.
    `batched` has those of which a batch reads its own stretch of time, with the column that says when a row was true.
    """

    model: Model
    config: ModelConfig
    relation: Relation
    sql: RenderedSql
    incremental_sql: RenderedSql | None
    depends_on: tuple[str, ...]
    pins: tuple[Pin, ...] = ()
    batched: Mapping[str, str] = field(default_factory=dict)
    joins: Mapping[str, Join] = field(default_factory=dict)
    training: PointInTime | None = None
    expansions: tuple[Expansion, ...] = ()
    taken: tuple[FeatureReference, ...] = ()
    # Whether it has no SQL that can run: its template asks for rows of what it reads, which are not there yet, or there
    # are `problems` that are its own alone.
    is_waiting: bool = False
    problems: tuple[Problem, ...] = ()
    # Its configuration as it was given, all layers merged, and the part of it that its own `config()` gave.
    raw_config: Mapping[str, Any] = field(default_factory=dict)
    told_config: Mapping[str, Any] = field(default_factory=dict)
    # Whether its increment may have other columns than a full refresh, which on_schema_change is about then.
    has_free_increment: bool = False

    @property
    def unique_id(self) -> str:
        """The model's unique id."""
        return self.model.unique_id


@dataclass(frozen=True, slots=True)
class GraphNode:
    """What selection and ordering know of a node; `entry` is how `manifest.json` describes it, where that was asked."""

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
    entry: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)
    version: Version | None = None


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


EdgeKind = Literal["copied", "transformed", "aggregated", "filters", "joins", "groups", "orders", "partitions"]


@dataclass(frozen=True, slots=True)
class ColumnEdge:
    """One fact of column lineage: `column` depends on `input_column` of the relation `input_id`.

    `kind` says how. The column's value is made of it: it is the value itself (`copied`), computed from it
    (`transformed`), or computed over many rows of it (`aggregated`); of several such ways the strongest counts. Or it
    only steers, which is told apart by the clause that it stands in:

    - `filters`: WHERE, HAVING, QUALIFY, FILTER, LIMIT, the frame of a window, EXCEPT and INTERSECT, what is unnested
    - `joins`: ON and USING
    - `groups`: GROUP BY, DISTINCT, and UNION where it drops duplicates
    - `orders`: ORDER BY, of an aggregate, of a window, or of a query where it decides which rows there are
    - `partitions`: PARTITION BY

    What steers the value of one column alone - by a window, an aggregate's FILTER or ORDER BY, a query in an
    expression - leads to that column. What steers which rows there are, of the result or of what it aggregates, leads
    to the column "*", on which every column depends. A column may both steer and make the value: it has an edge for
    each.
    """

    column: str
    input_id: str
    input_column: str
    kind: EdgeKind

    @property
    def is_steering(self) -> bool:
        """Whether the input only steers, and is not what the value is made of."""
        return self.kind not in ("copied", "transformed", "aggregated")


@dataclass(frozen=True, slots=True)
class Lineage:
    """The column lineage of one query; `unknown` is the reason where it could not be derived."""

    edges: tuple[ColumnEdge, ...] = ()
    unknown: str | None = None


@dataclass(frozen=True, slots=True)
class Maintenance:
    """How a query's result can be kept up to date, key by key.

    `affected` has, for each input whose changes can be dealt with, the query for the key values that they may touch,
    with the columns k0, k1, … for those of `key`; it reads the input's `changes_relation`. `unprovable` says of each
    other input why its changes call for a full refresh. `recompute` gives the rows of the keys in `keys_relation`, and
    so does `recompute_nulls` where one of them is NULL; only equality lets the engine skip what has other keys.
    """

    key: tuple[str, ...] = ()
    affected: Mapping[str, str] = field(default_factory=dict)
    unprovable: Mapping[str, str] = field(default_factory=dict)
    recompute: str = ""
    recompute_nulls: str = ""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """How the rows of a snapshot's query become rows with a history.

    `columns` are the query's. `updated_at` is the column of them that says when a row became what it is, None for the
    moment of the run. `compared` are the columns in which a row differs from the one before; where there are none, a
    row is new when its `updated_at` is newer. `names` are those of the columns of the history, by dbt's name;
    `time_type` is the type of the times among them, and `open_end` the SQL of the valid-to of a current row.
    """

    key: tuple[str, ...]
    columns: tuple[str, ...]
    names: Mapping[str, str]
    time_type: str
    hard_deletes: Literal["ignore", "invalidate", "new_record"] = "ignore"
    updated_at: str | None = None
    compared: tuple[str, ...] = ()
    open_end: str | None = None

    @property
    def added(self) -> Mapping[str, str]:
        """The columns that every table of this snapshot has beside the query's, by dbt's name.

        A table from the time of `new_record` has the column that tells deleted rows, too.
        """
        marks = self.hard_deletes == "new_record"
        return {key: name for key, name in self.names.items() if marks or key != "dbt_is_deleted"}


@dataclass(frozen=True, slots=True)
class CompiledModel:
    """A model that is known to bind: SQL to run, columns with types, fingerprint, lineage.

    `select` produces exactly `columns`, cast to types that Delta can hold, and `incremental_select` does too, unless
    there are `increment_columns`.
    `volatile` names the functions that make the result depend on the moment (`now`, `random`); `file_reads` names what
    the SQL reads by itself (`read_csv`, `'data/x.parquet'`), whose changes nobody sees.
    `increment_fingerprint` identifies the SQL of an increment: a change of it is no reason to start from nothing.
    `maintenance` is there for the strategy `auto`, and `snapshot` for snapshots: there, `select` has the columns of the
    query only. `trace` tells the lineage, which takes work and is not always asked for.
    """

    rendered: RenderedModel
    columns: tuple[ColumnType, ...]
    select: str
    incremental_select: str | None
    fingerprint: str
    trace: Callable[[], Lineage] = field(repr=False, compare=False)
    volatile: tuple[str, ...] = ()
    increment_fingerprint: str = ""
    maintenance: Maintenance | None = None
    snapshot: Snapshot | None = None
    file_reads: tuple[str, ...] = ()
    increment_columns: tuple[ColumnType, ...] | None = None

    @property
    def added_columns(self) -> tuple[ColumnType, ...]:
        """The columns of what an increment adds."""
        return self.increment_columns or self.columns

    @property
    def unique_id(self) -> str:
        """The model's unique id."""
        return self.rendered.model.unique_id

    @property
    def lineage(self) -> Lineage:
        """Where its columns come from."""
        return self.trace()


# --- plan, execute ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class TableState:
    """What a table's own log says: its latest version and what the last fsbuild commit recorded.

    `token` identifies that very version, also after the table has been dropped and made anew.
    `changed_by` names the operation of a later commit that was not ours and changed data. `extra` is what strategies
    remember (`Commit.extra`). `properties` are fsbuild's among the table's, None where the log does not say.
    """

    version: int
    token: str
    fingerprint: str | None = None
    inputs: Mapping[str, str] = field(default_factory=dict)
    run_id: str | None = None
    changed_by: str | None = None
    extra: Mapping[str, str] = field(default_factory=dict)
    properties: Mapping[str, str] | None = None


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
    # The columns with which the table goes on, where they are others than it has.
    columns: tuple[ColumnType, ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """The steps of a run in an order that respects the graph."""

    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Commit:
    """What travels in a Delta commit beside the rows, and what it is fenced by.

    `expected_version` is the version that was read before computing (None: the table must not exist yet);
    `event_times` are the first and the last event time of the rows; `extra` is what a strategy has to remember, and
    `started_at` when work on the node began.
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
    extra: Mapping[str, str] = field(default_factory=dict)
    started_at: dt.datetime | None = None


@dataclass(frozen=True, slots=True)
class Load:
    """Rows that one commit brought into a table, or are about to: all that it has then, where it `is_whole`.

    `newest` is the latest event time among the rows.
    """

    rows: int
    at: dt.datetime
    newest: dt.datetime | None
    is_whole: bool


@dataclass(frozen=True, slots=True)
class Past:
    """The load that is judged, those before it, the latest first, and how far the columns move with it.

    `drifts` is None where that is not known: of rows that are published, and where there are no earlier statistics.
    """

    now: Load
    before: tuple[Load, ...]
    drifts: Callable[[], Sequence[Drift] | None] = lambda: None


@dataclass(frozen=True, slots=True)
class StagedRows:
    """Rows to be checked: those that come, `checked`, and all that the table will have, `relation`, as SQL names them.

    `stream` gives the rows of a query as Arrow batches. `references` names the relation of a node by unique id; `key`
    are the columns that identify a row to a person. Where a table of `checked` rows has a number for each, `row_id`
    names it. `past` tells what came into the table before.
    """

    relation: str
    checked: str
    columns: Sequence[ColumnType]
    stream: Callable[[str], Iterable[Any]]
    query: Callable[[str], Sequence[Mapping[str, object]]]
    references: Callable[[str], str]
    key: Sequence[str] = ()
    row_id: str = ""
    past: Callable[[], Past] | None = None


@dataclass(frozen=True, slots=True)
class TableRows:
    """Checked rows on their way to a table: `open` starts the Arrow stream of `count` rows with these columns."""

    open: Callable[[], pa.RecordBatchReader]
    columns: tuple[str, ...]
    count: int


@dataclass(frozen=True, slots=True)
class ChangedFile:
    """A Parquet file of rows that a table won (`sign` 1) or lost (-1), or of both kinds, as its rows say (None).

    `partition` has the values that all of its rows share, as the log writes them: an empty one is NULL.
    """

    uri: str
    partition: Mapping[str, str | None]
    sign: Literal[1, -1] | None


@dataclass(frozen=True, slots=True)
class Overwrite:
    """All rows and columns of a table are replaced, or the table is made.

    With `small_files` the rows are in so many files that later changes write few of them again.
    """

    small_files: bool = False


@dataclass(frozen=True, slots=True)
class Append:
    """Rows are added; columns that they lack are NULL. With `add_columns` the table gets their new columns."""

    add_columns: bool = False


@dataclass(frozen=True, slots=True)
class Upsert:
    """Rows whose key is in the table update it where they differ, the others are inserted.

    Keys must not occur twice among the rows, and NULL matches nothing. `predicates` are SQL over t (the table) and s
    (the rows), added to the condition of the join; `literals` bound columns of the table (SQL text), so that only the
    files are read that can hold these rows.

    With `has_ops` the rows carry a last column `fsbuild_op` that no table gets: "upsert", "delete" (all rows with that
    key go; one such row for a key), or "insert" (without looking for the key). NULL in a key then equals NULL.
    """

    key: tuple[str, ...]
    literals: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    predicates: tuple[str, ...] = ()
    has_ops: bool = False
    add_columns: bool = False


@dataclass(frozen=True, slots=True)
class ReplaceWhere:
    """The rows that match a predicate are replaced by the given ones, which must match it too.

    The predicate is Delta's SQL: write timestamps as plain strings ('2024-01-02 00:00:00', with "+00:00" for those with
    a zone), since a TIMESTAMP literal counts nanoseconds there and is refused.
    """

    predicate: str


# How rows enter a table.
Write = Overwrite | Append | Upsert | ReplaceWhere


@dataclass(frozen=True, slots=True)
class CheckResult:
    """The verdict of one check: how many of `rows` rows failed, and a few of them as `sample`.

    `query_file` has the query for all of them, from the project's folder; `stored_in` is the table that has them.
    """

    check: Check
    status: Status
    failures: int = 0
    rows: int = 0
    sample: tuple[Mapping[str, object], ...] = ()
    elapsed_s: float = 0.0
    message: str = ""
    query_file: str = ""
    stored_in: Relation | None = None
    started_at: dt.datetime | None = None


@dataclass(frozen=True, slots=True)
class UnitTestResult:
    """The verdict of one unit test: how many expected rows are missing, how many rows nobody expected.

    `difference` has some of either, marked `-` and `+`; `batch` counts from 1 and says after which batch they differ.
    """

    unique_id: str
    name: str
    status: Status
    place: Place
    missing: int = 0
    surplus: int = 0
    difference: tuple[tuple[Literal["-", "+"], Mapping[str, object]], ...] = ()
    batch: int | None = None
    elapsed_s: float = 0.0
    problems: tuple[Problem, ...] = ()
    started_at: dt.datetime | None = None


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
    unit_tests: tuple[UnitTestResult, ...] = ()
    started_at: dt.datetime | None = None


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


# --- statistics ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ColumnStatistics:
    """What a column of a table holds; `count` is of the values that are not NULL, `distinct` is an estimate.

    `counts` are those of the bins between `edges`, of which the first and the last are open: one more than edges. A bin
    includes its upper edge. `values` are the most frequent values with their counts, all of them where they are few.
    Times are counted in seconds since 1970.
    """

    name: str
    type: str
    count: int
    distinct: int | None = None
    minimum: str | None = None
    maximum: str | None = None
    mean: float | None = None
    stddev: float | None = None
    quantiles: tuple[float, ...] = ()
    edges: tuple[float, ...] = ()
    counts: tuple[int, ...] = ()
    values: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class TableStatistics:
    """What the columns of one version of a table hold."""

    rows: int
    columns: tuple[ColumnStatistics, ...]


@dataclass(frozen=True, slots=True)
class Drift:
    """How far a column's distribution has moved: population stability index, Kolmogorov-Smirnov, Jensen-Shannon.

    `ks` is None for values without an order; `missing` is by how much the share of NULLs has grown.
    """

    name: str
    psi: float
    ks: float | None
    js: float
    missing: float


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
