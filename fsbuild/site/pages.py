"""What the pages read: the shapes of `site/src/data.ts`, under the same names; what does not apply is left out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NotRequired, TypedDict

Kind = str
Status = str


class Ref(TypedDict):
    """A node, as a link shows it."""

    id: str
    name: str
    kind: Kind


class Attention(Ref):
    """A node to look at, and why."""

    why: str
    at: NotRequired[str]


class Freshness(TypedDict):
    """How old what a node holds is."""

    status: Literal["pass", "warn", "error", "unknown"]
    as_of: NotRequired[str]
    why: NotRequired[str]


class EntityPage(TypedDict):
    """What features are about."""

    name: str
    keys: list[dict[str, str]]
    description: NotRequired[str]
    owner: NotRequired[str]
    tags: list[str]
    models: list[Ref]


class ViewFeatures(TypedDict):
    """The features of one node in a feature view."""

    node: Ref
    columns: list[str]


class FeatureViewPage(TypedDict):
    """Features that serve one purpose."""

    name: str
    description: NotRequired[str]
    owner: NotRequired[str]
    tags: list[str]
    features: list[ViewFeatures]


class SourceTable(Ref):
    """A table of a source."""

    description: NotRequired[str]
    freshness: NotRequired[Freshness]


class SourceGroup(TypedDict):
    """The tables of a source."""

    name: str
    description: NotRequired[str]
    tables: list[SourceTable]


class ExposurePage(TypedDict):
    """What stands on nodes."""

    id: str
    name: str
    type: str
    label: NotRequired[str]
    description: NotRequired[str]
    owner: NotRequired[str]
    url: NotRequired[str]
    maturity: NotRequired[str]
    depends_on: list[Ref]


class SearchEntry(TypedDict):
    """Something that can be found; a column has its name in `column`."""

    id: str
    name: str
    kind: str
    column: NotRequired[str]
    of: NotRequired[str]
    description: NotRequired[str]
    tags: NotRequired[list[str]]


class Origin(TypedDict):
    """A column at the other end of an edge."""

    id: str
    column: str
    kind: str


# A column with its edges up and down; one of the names is a word of Python.
GraphColumn = TypedDict(
    "GraphColumn", {"name": str, "type": NotRequired[str], "from": list[Origin], "to": list[Origin]}
)


class GraphNode(TypedDict):
    """What lineage needs of a node."""

    name: str
    kind: Kind
    folder: str
    tags: list[str]
    status: NotRequired[Status]
    parents: list[Ref]
    children: list[Ref]
    columns: list[GraphColumn]
    rows_from: list[Origin]
    unknown: NotRequired[str]


class ColumnStatisticsPage(TypedDict):
    """What a column holds."""

    completeness: float
    distinct: NotRequired[int]
    minimum: NotRequired[str]
    maximum: NotRequired[str]
    mean: NotRequired[float]
    stddev: NotRequired[float]
    edges: NotRequired[list[float]]
    counts: NotRequired[list[int]]
    is_time: NotRequired[bool]
    values: NotRequired[list[dict[str, object]]]


class InheritedFrom(TypedDict):
    """The column whose description another one has."""

    node: Ref
    column: str


class ColumnPage(TypedDict):
    """A column of a node."""

    name: str
    type: NotRequired[str]
    description: NotRequired[str]
    inherited_from: NotRequired[InheritedFrom]
    unit: NotRequired[str]
    is_pii: NotRequired[bool]
    defined_at: NotRequired[tuple[int, int]]
    statistics: NotRequired[ColumnStatisticsPage]


class CheckPage(TypedDict):
    """A check and how it ended last."""

    name: str
    column: NotRequired[str]
    severity: str
    status: NotRequired[Status]
    failures: NotRequired[int]
    rows: NotRequired[int]
    checked_at: NotRequired[str]
    message: NotRequired[str]


class CheckEntry(CheckPage):
    """A check, and the node that it is about."""

    node: Ref


class VersionEntry(TypedDict):
    """A version of a table."""

    version: int
    at: str
    operation: str
    run_id: NotRequired[str]
    rows: NotRequired[int]
    added: NotRequired[int]
    changed: NotRequired[int]
    removed: NotRequired[int]
    elapsed_s: NotRequired[float]


class PinnedInput(TypedDict):
    """The version of a node that a training set was made from."""

    node: Ref
    version: int


class NodePage(Ref):
    """All that is known of a node."""

    path: NotRequired[str]
    relation: NotRequired[str]
    folder: str
    tags: list[str]
    description: NotRequired[str]
    owner: NotRequired[str]
    strategy: NotRequired[str]
    entity: NotRequired[list[str]]
    keys: list[str]
    event_time: NotRequired[str]
    known_time: NotRequired[str]
    ttl: NotRequired[str]
    meta: NotRequired[dict[str, object]]
    status: NotRequired[Status]
    freshness: NotRequired[Freshness]
    rows: NotRequired[int]
    parents: list[Ref]
    children: list[Ref]
    columns: list[ColumnPage]
    checks: list[CheckPage]
    sql: NotRequired[str]
    compiled: NotRequired[str]
    location: NotRequired[str]
    unknown: NotRequired[str]
    versions: list[VersionEntry]
    quarantined: NotRequired[int]
    pins: NotRequired[list[PinnedInput]]


class RunNode(TypedDict):
    """What a run did with a node; times are seconds since the run began."""

    node: Ref
    status: Status
    start_s: float
    end_s: float
    rows: NotRequired[int]
    message: NotRequired[str]


class RunEntry(TypedDict):
    """A run."""

    id: str
    command: NotRequired[str]
    started_at: str
    elapsed_s: float
    nodes: list[RunNode]


class AttentionList(TypedDict):
    """The first of what calls for attention, and how much there is."""

    total: int
    items: list[Attention]


class ProjectPage(TypedDict):
    """The first page."""

    schema: Literal[1]
    name: str
    about: NotRequired[str]
    generated_at: str
    version: str
    target: str
    counts: dict[str, int]
    shards: NotRequired[dict[str, int]]
    attention: dict[str, AttentionList]
    tags: list[str]
    folders: list[str]
    entities: list[EntityPage]
    feature_views: list[FeatureViewPage]
    training_sets: list[Ref]
    sources: list[SourceGroup]
    exposures: list[ExposurePage]
    coverage: dict[str, float]


@dataclass(frozen=True, slots=True)
class SiteContent:
    """All that a site shows: the first page, the nodes by id, and what is read when somebody asks for it."""

    project: ProjectPage
    nodes: dict[str, NodePage]
    graph: dict[str, GraphNode]
    search: list[SearchEntry]
    checks: list[CheckEntry]
    runs: list[RunEntry]
