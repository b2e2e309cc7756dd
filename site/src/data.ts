/**
 * What `fsbuild docs generate` writes and the pages read. Every file is a classic script that calls
 *
 *     fsbuild.put("nodes/12", {...});
 *
 * so that a page opened from the file system can load it with a script element. `data/<key>.js` has the value of `key`.
 * All text is plain text, but for `description` and `about`, which are Markdown; nothing is HTML. Times are ISO 8601 in
 * UTC. A key that does not apply is left out.
 *
 * data/project.js        Project        read first; all that the landing page shows
 * data/search/<n>.js     SearchEntry[]  0 … shards.search - 1, read when somebody is about to search
 * data/nodes/<n>.js      Record<id, NodePage>; n = shardOf(id, shards.nodes)
 * data/graph/<n>.js      Record<id, GraphNode>; n = shardOf(id, shards.graph)
 * data/map/<n>.js        MapPart        0 … shards.map - 1
 * data/checks/<n>.js     CheckEntry[]   0 … shards.checks - 1, those that fail first
 * data/runs.js           Runs
 */

export type Kind =
  | "model" | "incremental" | "view" | "ephemeral" | "snapshot" | "training_set" | "on_demand"
  | "seed" | "source" | "exposure";

export type Status = "success" | "unchanged" | "warn" | "error" | "skipped" | "pass" | "fail" | "quarantine";

/** How a column depends on another: the first three make its value, the others only steer it. */
export type EdgeKind =
  | "copied" | "transformed" | "aggregated"
  | "filters" | "joins" | "groups" | "orders" | "partitions";

/** A node, as a link shows it. */
export interface Ref { id: string; name: string; kind: Kind }

export interface Attention extends Ref {
  /** One sentence: "not_null(dest) fails for 12 of 3,400 rows". */
  why: string;
  at?: string;
}

export interface Project {
  schema: 1;
  name: string;
  /** Markdown: the docs block __overview__, where there is one. */
  about?: string;
  generated_at: string;
  version: string;
  target: string;
  /** How many nodes there are of each kind, and of columns. */
  counts: Partial<Record<Kind | "columns" | "checks" | "entities" | "feature_views", number>>;
  shards: { nodes: number; graph: number; search: number; map: number; checks: number };
  /** What to look at, the most important first; `total` may be more than what is listed. */
  attention: Record<"failing" | "stale" | "changed", { total: number; items: Attention[] }>;
  tags: string[];
  folders: string[];
  entities: EntityPage[];
  feature_views: FeatureViewPage[];
  training_sets: Ref[];
  sources: SourceGroup[];
  exposures: ExposurePage[];
  /** How much of the project has a description, from 0 to 1. */
  coverage: { nodes: number; columns: number };
}

export interface EntityPage {
  name: string;
  keys: { name: string; type: string }[];
  description?: string;
  owner?: string;
  tags: string[];
  /** The feature models about it. */
  models: Ref[];
}

export interface FeatureViewPage {
  name: string;
  description?: string;
  owner?: string;
  tags: string[];
  features: { node: Ref; columns: string[] }[];
}

export interface SourceGroup {
  name: string;
  description?: string;
  tables: (Ref & { description?: string; freshness?: Freshness })[];
}

export interface ExposurePage {
  id: string;
  name: string;
  type: string;
  label?: string;
  description?: string;
  owner?: string;
  url?: string;
  maturity?: string;
  depends_on: Ref[];
}

export interface Freshness {
  status: "pass" | "warn" | "error" | "unknown";
  /** Event time, or else time of change, of the newest row. */
  as_of?: string;
  why?: string;
}

/** What can be found; entries of one node share its id, a column has its name in `column`. */
export interface SearchEntry {
  /** Where it leads: a node's id, or `entity:<name>`, `feature_view:<name>`. */
  id: string;
  name: string;
  kind: Kind | "column" | "entity" | "feature_view";
  column?: string;
  /** Of a column: the name of its node. */
  of?: string;
  description?: string;
  tags?: string[];
}

export interface Origin { id: string; column: string; kind: EdgeKind }

/** What the lineage pages need of a node, and no more. */
export interface GraphNode {
  name: string;
  kind: Kind;
  folder: string;
  tags: string[];
  status?: Status;
  parents: Ref[];
  children: Ref[];
  columns: {
    name: string;
    type?: string;
    /** Columns of parents that it depends on. */
    from: Origin[];
    /** Columns of children that depend on it; the column "*" is the choice of the child's rows. */
    to: Origin[];
  }[];
  /** What steers which rows there are. */
  rows_from: Origin[];
  /** Why the lineage of its columns is not known. */
  unknown?: string;
}

export interface NodePage extends Ref {
  /** File, as written from the project's folder. */
  path?: string;
  relation?: string;
  folder: string;
  tags: string[];
  description?: string;
  owner?: string;
  strategy?: string;
  entity?: string[];
  keys: string[];
  event_time?: string;
  known_time?: string;
  ttl?: string;
  meta?: Record<string, unknown>;
  status?: Status;
  freshness?: Freshness;
  /** Rows of the newest version. */
  rows?: number;
  parents: Ref[];
  children: Ref[];
  columns: ColumnPage[];
  checks: CheckPage[];
  /** As written, and as it runs; of a source that is a file or a table: where it is. */
  sql?: string;
  compiled?: string;
  location?: string;
  unknown?: string;
  /** Versions of the table, the newest first, at most 30. */
  versions: VersionEntry[];
  /** How many rows are in quarantine. */
  quarantined?: number;
  /** Of a training set: the versions that were read, by node. */
  pins?: { node: Ref; version: number }[];
}

export interface ColumnPage {
  name: string;
  type?: string;
  description?: string;
  /** Where the description was taken from, when the column has none of its own. */
  inherited_from?: { node: Ref; column: string };
  unit?: string;
  is_pii?: boolean;
  /** Where the compiled SQL defines it: [start, end) in characters. */
  defined_at?: [number, number];
  statistics?: {
    /** Share of rows that are not NULL, 0 to 1. */
    completeness: number;
    distinct?: number;
    minimum?: string;
    maximum?: string;
    mean?: number;
    stddev?: number;
    /** Counts of bins; the first and the last bin are open: one count more than edges. */
    edges?: number[];
    counts?: number[];
    /** Times are counted in seconds since 1970. */
    is_time?: boolean;
    /** The most frequent values. */
    values?: { value: string; count: number }[];
  };
}

export interface CheckPage {
  name: string;
  column?: string;
  severity: "error" | "warn" | "quarantine";
  status?: Status;
  failures?: number;
  rows?: number;
  checked_at?: string;
  message?: string;
}

export interface CheckEntry extends CheckPage { node: Ref }

export interface VersionEntry {
  version: number;
  at: string;
  operation: string;
  run_id?: string;
  /** Rows of the table afterwards, and what the commit did. */
  rows?: number;
  added?: number;
  changed?: number;
  removed?: number;
  elapsed_s?: number;
}

export interface Runs {
  /** The newest first, at most 30. */
  runs: RunEntry[];
}

export interface RunEntry {
  id: string;
  command?: string;
  started_at: string;
  elapsed_s: number;
  /** In the order in which they started; times are seconds since the run began. */
  nodes: { node: Ref; status: Status; start_s: number; end_s: number; rows?: number; message?: string }[];
}

/** A part of the project map; numbers of nodes go on through the parts in order. */
export interface MapPart {
  /** x and y in turn; parents are left of children. */
  at: number[];
  ids: string[];
  names: string[];
  kinds: Kind[];
  /** Numbers of a parent and a child in turn. */
  edges: number[];
}

/** Which file has a node: FNV-1a of the UTF-8 bytes of its id, over 32 bits, modulo the number of files. */
export function shardOf(id: string, shards: number): number {
  let hash = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(id)) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  return hash % shards;
}
