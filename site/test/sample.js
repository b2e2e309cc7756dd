/**
 * Writes the data of a made-up project, by the contract of src/data.ts, as `fsbuild docs generate` would.
 *
 *     node test/sample.js 1000 out        the site of a project of 1,000 models in out/
 *
 * The same number gives the same files, but for moments, which are counted back from now. Some texts are nasty on purpose.
 */
import { cpSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** @typedef {import("../src/data").NodePage} NodePage */
/** @typedef {import("../src/data").GraphNode} GraphNode */
/** @typedef {import("../src/data").ColumnPage} ColumnPage */
/** @typedef {import("../src/data").CheckPage} CheckPage */
/** @typedef {import("../src/data").Origin} Origin */
/** @typedef {import("../src/data").Kind} Kind */
/** @typedef {import("../src/data").EdgeKind} EdgeKind */

export const assets = join(dirname(fileURLToPath(import.meta.url)), "../../fsbuild/site/assets");

/** Text that must stay text, wherever it is shown. */
export const nasty = "<script>alert(1)</script><img src=x onerror=alert(2)>";
const nastyMarkdown = `Raw ${nasty} in Markdown, a [bad link](javascript:alert(3)), an image ![x](javascript:alert(4)).\n\n<div onclick="alert(5)">block</div>\n\n\`<b>code</b>\``;

const subjects = [
  ["carrier", "airline", ["carrier"]], ["airport", "airport", ["airport"]], ["route", "route", ["origin", "dest"]], ["plane", "aircraft", ["tailnum"]],
  ["customer", "customer", ["customer_id"]], ["booking", "booking", ["booking_id"]], ["crew", "crew", ["crew_id"]], ["gate", "gate", ["airport", "gate"]],
];
const measures = ["delay", "cancellations", "weather", "load", "revenue", "complaints", "turnaround", "fuel", "distance", "upgrades", "rebooking", "visits"];
const windows = ["1d", "7d", "14d", "28d", "90d"];
const folders = ["models/staging", "models/features", "models/features/operations", "models/features/commerce", "models/training", "models/marts"];
const owners = ["operations", "commerce", "network planning", "data platform"];
const tags = ["daily", "hourly", "online", "pii", "experimental", "finance"];

/**
 * @param {number} seed
 * @returns {() => number} numbers from 0 to 1, always the same ones
 */
function random(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

/** @param {string} id @param {number} shards */
export function shardOf(id, shards) {
  let hash = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(id)) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  return hash % shards;
}

/**
 * Makes up a project of `size` models; values by key of the files.
 * @param {number} size
 * @param {number} now milliseconds
 * @returns {Map<string, unknown>}
 */
export function makeSite(size, now = Date.now()) {
  const next = random(size);
  /** @template T @param {readonly T[]} list @returns {T} */
  const pick = (list) => /** @type {T} */ (list[Math.floor(next() * list.length)]);
  /** @param {number} hours */
  const before = (hours) => new Date(now - hours * 3600e3).toISOString().replace(/\.\d+Z$/, "Z");

  /** @type {Map<string, NodePage>} */ const pages = new Map();
  /** @type {Map<string, GraphNode>} */ const graph = new Map();
  /** @type {string[]} */ const order = [];
  /** @type {Map<string, number>} */ const layers = new Map();

  /** @param {string} id @returns {import("../src/data").Ref} */
  const ref = (id) => { const { name, kind } = /** @type {NodePage} */ (pages.get(id)); return { id, name, kind }; };

  /** @param {ColumnPage["type"]} type @param {boolean} isPii @returns {ColumnPage["statistics"]} */
  const statistics = (type, isPii) => {
    const completeness = next() < 0.6 ? 1 : next() < 0.1 ? next() * 0.4 : 0.8 + next() * 0.2;
    if (isPii) return { completeness, distinct: Math.floor(next() * 1e6) };
    if (type === "VARCHAR") {
      const values = ["UA", "B6", "EV", "DL", "AA", "MQ"].map((value, index) => ({ value, count: Math.floor(58000 / (index + 1)) }));
      if (next() < 0.2) values.splice(2, 0, { value: nasty, count: 21000 });
      return { completeness, distinct: 16, values };
    }
    const [middle, spread] = [4 + next() * 10, 2 + next() * 4];
    const counts = Array.from({ length: 20 }, (_, bin) => Math.round(9000 * Math.exp(-((bin - middle) ** 2) / (2 * spread ** 2)) * (0.8 + next() * 0.4)));
    const isTime = type === "TIMESTAMP";
    const [from, step] = isTime ? [1356998400, 1382400] : [-20, 12.5];
    return {
      completeness, distinct: Math.floor(next() * 4000), minimum: isTime ? "2013-01-01 05:15:00" : "-43", maximum: isTime ? "2013-12-31 23:59:00" : "1301",
      ...(!isTime && { mean: middle * 3.1, stddev: spread * 4.7 }), edges: Array.from({ length: 19 }, (_, edge) => from + edge * step), counts, ...(isTime && { is_time: true }),
    };
  };

  /** @param {string} name @param {string[]} keys @param {string | undefined} column @returns {CheckPage} */
  const check = (name, keys, column) => {
    const fate = next();
    /** @type {CheckPage} */
    const made = { name, ...(column !== undefined && { column }), severity: fate > 0.97 ? "warn" : "error", status: fate < 0.012 ? "fail" : fate > 0.985 ? "warn" : fate > 0.978 ? "quarantine" : "pass", rows: 3400 + keys.length, checked_at: before(2 + next() * 5) };
    if (made.status !== "pass") Object.assign(made, { failures: 1 + Math.floor(next() * 60), message: fate < 0.006 ? `Values that are not allowed: ${nasty}` : "Values that are not allowed: ZZZ, Q7" });
    if (made.status === "quarantine") made.severity = "quarantine";
    return made;
  };

  /**
   * @param {{name: string, kind: Kind, folder: string, parents: string[], layer: number, subject: number, measure?: string, window?: string, unknown?: string}} wish
   */
  const add = ({ name, kind, folder, parents, layer, subject, measure = "event", window = "", unknown }) => {
    const id = kind === "source" ? `source.flights.${name}` : `${kind === "seed" ? "seed" : kind === "snapshot" ? "snapshot" : kind === "exposure" ? "exposure" : "model"}.flights.${name}`;
    if (pages.has(id)) return id;
    const [entity, what, keys] = /** @type {[string, string, string[]]} */ (subjects[subject % subjects.length]);
    const isRaw = kind === "source" || kind === "seed";
    /** @type {[name: string, type: string, unit?: string][]} */
    const shape = isRaw || layer === 1
      ? [...keys.map((key) => /** @type {[string, string]} */ ([key, "VARCHAR"])), ["scheduled_at", "TIMESTAMP"], ["landed_at", "TIMESTAMP"], ["dep_delay", "DOUBLE", "minutes"], ["arr_delay", "DOUBLE", "minutes"], ["distance", "BIGINT", "miles"], ["passenger_email", "VARCHAR"], ["is_cancelled", "BOOLEAN"]]
      : [...keys.map((key) => /** @type {[string, string]} */ ([key, "VARCHAR"])), ["landed_at", "TIMESTAMP"], ["known_at", "TIMESTAMP"], [`${measure}_mean_${window}`, "DOUBLE", "minutes"], [`${measure}_max_${window}`, "DOUBLE", "minutes"], [`${measure}_share_${window}`, "DOUBLE"], [`flights_${window}`, "BIGINT"], ...Array.from({ length: Math.floor(next() * 8) }, (_, index) => /** @type {[string, string]} */ ([`${measure}_p${10 * (index + 1)}_${window}`, "DOUBLE"]))];
    const columns = kind === "exposure" ? [] : shape;

    // The SQL, and where in it each column is defined.
    let compiled = "";
    /** @type {Map<string, [number, number]>} */ const defined = new Map();
    if (!isRaw && kind !== "exposure") {
      compiled = `-- How a ${what}'s ${measure} has been lately 🛬\nwith recent as (\n\n    select *\n    from main.${parents[0]?.split(".").at(-1) ?? "nothing"} // 2\n    where landed_at >= timestamp '2013-01-01'\n\n)\n\nselect\n`;
      columns.forEach(([column], index) => {
        const expression = keys.includes(column) || column.endsWith("_at") ? `recent.${column}` : column.startsWith("flights") ? "count(*) over past_week" : `avg(coalesce(recent.dep_delay, 0)) over (\n        partition by ${keys.join(", ")} order by landed_at\n    )`;
        const start = [...compiled].length + 4;
        compiled += `    ${expression} as ${column}${index + 1 < columns.length ? "," : ""}\n`;
        defined.set(column, [start, start + [...expression].length]);
      });
      compiled += `from recent\n${parents.slice(1).map((parent) => `left join main.${parent.split(".").at(-1)} using (${keys.join(", ")})\n`).join("")}qualify row_number() over (partition by ${keys.join(", ")}) = 1\n`;
    }

    const checks = isRaw || kind === "exposure" ? [] : [check(`unique(${keys.join(", ")}, landed_at)`, keys, undefined), ...keys.map((key) => check(`not_null(${key})`, keys, key)), ...columns.slice(keys.length + 1, keys.length + 3).map(([column]) => check(`in_range(${column}, -60, 1500)`, keys, column))];
    const rows = Math.floor(1000 + next() * 400000);
    const isTable = !["source", "exposure", "view", "ephemeral", "on_demand"].includes(kind);
    const versions = isTable ? Array.from({ length: 30 }, (_, back) => ({
      version: 41 - back, at: before(3 + 24 * back), operation: back % 9 === 8 ? "full refresh" : kind === "incremental" ? "merge" : "overwrite", run_id: runId(back),
      rows: Math.round(rows * (1 - back * 0.011)), added: Math.round(rows * 0.011), changed: Math.floor(next() * 400), removed: back % 5 === 0 ? Math.floor(next() * 20) : 0, elapsed_s: 0.4 + next() * 3 + (back === 4 ? 6 : 0),
    })) : [];
    const isFailing = checks.some(({ status }) => status === "fail");
    const own = [...new Set([pick(tags), ...(next() < 0.3 ? [pick(tags)] : [])])];
    /** @type {NodePage} */
    const page = {
      id, name, kind, folder, tags: own, keys: isRaw || kind === "exposure" ? [] : [...keys, "landed_at"],
      ...(kind !== "exposure" && { path: isRaw ? `${folder}/_sources.yml` : `${folder}/${name}.sql`, relation: `main.${name}` }),
      ...(next() < 0.85 && { description: pages.size % 13 === 7 ? nastyMarkdown : `How **${measure}** of a ${what} has been${window ? ` in the past ${window}` : ""}, known at each of its landings.\n\nRead it together with \`${entity}_delay_7d\`; see [the handbook](https://example.com/handbook).` }),
      owner: pick(owners), ...(kind === "incremental" && { strategy: next() < 0.5 ? "auto" : "merge" }),
      ...(layer >= 2 && kind !== "exposure" && { entity: [entity], event_time: "landed_at", known_time: "known_at", ttl: "30 days" }),
      ...(next() < 0.1 && { meta: { tier: "gold", reviewed: true, note: nasty } }),
      status: isFailing ? "error" : kind === "source" ? "pass" : next() < 0.6 ? "success" : "unchanged",
      ...(isTable && { freshness: { status: next() < 0.05 ? "error" : next() < 0.1 ? "warn" : "pass", as_of: before(1 + next() * 50) }, rows }),
      ...(kind === "source" && { freshness: next() < 0.8 ? { status: next() < 0.1 ? "error" : "pass", as_of: before(1 + next() * 90), why: "expected every 24 hours" } : { status: "unknown", why: "no column tells when a row was loaded" }, location: `data/${name}.parquet`, rows }),
      parents: parents.map(ref), children: [], checks, versions, ...(isFailing && next() < 0.5 && { quarantined: 12 }),
      columns: columns.map(([column, type, unit], index) => ({
        name: column, type,
        ...(next() < 0.8 && { description: index === 2 && pages.size % 5 === 0 ? `As it says: ${nasty}` : keys.includes(column) ? `the ${what}'s code` : column.endsWith("_at") ? "when this became known, UTC" : `${measure} as measured by the tower` }),
        ...(parents[0] !== undefined && layer > 1 && keys.includes(column) && { inherited_from: { node: ref(/** @type {string} */ (parents[0])), column } }),
        ...(unit !== undefined && { unit }), ...(column === "passenger_email" && { is_pii: true }),
        ...(defined.has(column) && { defined_at: /** @type {[number, number]} */ (defined.get(column)) }),
        ...(isTable || kind === "source" ? { statistics: /** @type {NonNullable<ColumnPage["statistics"]>} */ (statistics(type, column === "passenger_email")) } : {}),
      })),
      ...(compiled && { sql: `{{ config(materialized='${kind}') }}\n${compiled.replace(/main\.(\w+)/g, "{{ ref('$1') }}")}`, compiled }),
      ...(unknown !== undefined && { unknown }),
      ...(kind === "training_set" && { pins: parents.map((parent, index) => ({ node: ref(parent), version: 12 + index })) }),
    };
    pages.set(id, page);

    /** @type {GraphNode} */
    const node = { name, kind, folder, tags: own, ...(page.status !== undefined && { status: page.status }), parents: page.parents, children: [], columns: [], rows_from: [], ...(unknown !== undefined && { unknown }) };
    const first = parents[0] === undefined ? undefined : graph.get(parents[0]);
    const others = parents.slice(1);
    for (const [column, type] of columns) {
      /** @type {Origin[]} */ const from = [];
      if (first !== undefined && unknown === undefined) {
        const same = first.columns.find((one) => one.name === column);
        const numeric = first.columns.filter((one) => one.type === "DOUBLE");
        const parent = /** @type {string} */ (parents[0]);
        if (same !== undefined) from.push({ id: parent, column, kind: "copied" });
        else if (column.startsWith("flights")) from.push({ id: parent, column: keys[0] ?? "", kind: "partitions" });
        else if (numeric.length > 0) from.push({ id: parent, column: /** @type {{name: string}} */ (pick(numeric)).name, kind: layer === 1 ? "transformed" : "aggregated" }, { id: parent, column: "landed_at", kind: "orders" });
        const other = others.length > 0 && type === "DOUBLE" ? pick(others) : undefined;
        const theirs = other === undefined ? undefined : graph.get(other)?.columns.find((one) => one.type === "DOUBLE");
        if (other !== undefined && theirs !== undefined) from.push({ id: other, column: theirs.name, kind: "transformed" });
      }
      const real = from.filter((origin) => graph.get(origin.id)?.columns.some((one) => one.name === origin.column));
      node.columns.push({ name: column, type, from: real, to: [] });
      for (const origin of real) graph.get(origin.id)?.columns.find((one) => one.name === origin.column)?.to.push({ id, column, kind: origin.kind });
    }
    if (unknown === undefined && kind !== "exposure") {
      for (const [index, parent] of parents.entries()) {
        const above = graph.get(parent);
        const by = above?.columns.find((one) => (index === 0 ? one.name === "landed_at" : one.name === keys[0]));
        if (above === undefined || by === undefined) continue;
        const how = /** @type {EdgeKind} */ (index === 0 ? "filters" : "joins");
        node.rows_from.push({ id: parent, column: by.name, kind: how });
        by.to.push({ id, column: "*", kind: how });
      }
    }
    graph.set(id, node);
    for (const parent of parents) {
      pages.get(parent)?.children.push({ id, name, kind });
      const above = graph.get(parent);
      if (above !== undefined && above.children !== pages.get(parent)?.children) above.children.push({ id, name, kind });
    }
    order.push(id);
    layers.set(id, layer);
    return id;
  };

  // From sources to exposures, in the shape of a real project: many narrow chains, a few hubs.
  const sources = Math.max(3, Math.round(size * 0.06));
  /** @type {string[][]} */ const levels = [[], [], [], [], []];
  /** @param {number} layer @param {string} id */
  const keep = (layer, id) => /** @type {string[]} */ (levels[layer]).push(id);
  for (let index = 0; index < sources; index += 1) {
    const kind = index % 7 === 3 ? "seed" : "source";
    keep(0, add({ name: `${["flights", "weather", "planes", "airports", "bookings", "crews", "gates", "tickets"][index % 8]}${index >= 8 ? `_${Math.floor(index / 8)}` : ""}`, kind, folder: kind === "seed" ? "seeds" : "models/staging", parents: [], layer: 0, subject: index }));
  }
  for (let index = 0; index < size; index += 1) {
    const part = index / size;
    const layer = part < 0.25 ? 1 : part < 0.75 ? 2 : part < 0.95 ? 3 : 4;
    const [measure, window] = [/** @type {string} */ (measures[Math.floor(index / 8) % measures.length]), /** @type {string} */ (windows[Math.floor(index / 3) % windows.length])];
    const subject = index % subjects.length;
    const [entity] = /** @type {[string]} */ (subjects[subject]);
    const round = Math.floor(index / (subjects.length * measures.length * windows.length));
    const above = /** @type {string[]} */ (levels[layer - 1]);
    const same = /** @type {string[]} */ (levels[layer]);
    const nearby = () => /** @type {string} */ (above[Math.min(above.length - 1, Math.floor((next() ** 2 * 0.3 + part % 0.25 * 2.6) % 1 * above.length))] ?? above[0]);
    const parents = [...new Set([nearby(), ...Array.from({ length: Math.floor(next() * 3) }, nearby), ...(next() < 0.15 && same.length > 0 ? [/** @type {string} */ (same[0])] : []), ...(next() < 0.1 && levels[0]?.[0] ? [levels[0][0]] : [])])];
    /** @type {Kind} */
    const kind = layer === 1 ? pick(["model", "view", "ephemeral"]) : index === size - 1 ? "training_set" : layer === 4 ? pick(["training_set", "model", "snapshot"]) : pick(["incremental", "incremental", "model", "view", "on_demand"]);
    const stem = layer === 1 ? `stg_${entity}_${measure}` : layer === 4 ? `${entity}_${measure}_training` : `${entity}_${measure}_${window}`;
    let name = `${stem}${round > 0 ? `_v${round + 1}` : ""}`;
    while (pages.has(`model.flights.${name}`) || pages.has(`snapshot.flights.${name}`)) name += `_${index}`;
    keep(layer, add({
      name, kind, folder: layer === 1 ? "models/staging" : layer === 4 ? "models/training" : /** @type {string} */ (folders[1 + (index % 3)]), parents, layer, subject, measure, window,
      ...(index % 37 === 11 && { unknown: `it calls the macro "pivot_all", whose columns depend on data (${nasty})` }),
    }));
  }
  const exposures = Array.from({ length: Math.max(2, Math.round(size / 60)) }, (_, index) => {
    const parents = [...new Set([pick(levels[3] ?? []) ?? pick(levels[2] ?? []), pick(levels[4] ?? [])].filter(Boolean))];
    return add({ name: ["delay_dashboard", "crew_planning", "rebooking_service", "price_model"][index % 4] + (index >= 4 ? `_${index}` : ""), kind: "exposure", folder: "exposures", parents, layer: 5, subject: index });
  });
  for (const [id, page] of pages) Object.assign(/** @type {GraphNode} */ (graph.get(id)), { children: page.children });

  return files({ size, now, next, pages, graph, order, layers, exposures, before, ref });
}

/** @param {number} back */
const runId = (back) => `2f${(0xa1c3e5 - back * 7919).toString(16)}-run-${back}`;

/**
 * @param {{size: number, now: number, next: () => number, pages: Map<string, NodePage>, graph: Map<string, GraphNode>, order: string[],
 *   layers: Map<string, number>, exposures: string[], before: (hours: number) => string, ref: (id: string) => import("../src/data").Ref}} made
 */
function files({ size, now, next, pages, graph, order, layers, exposures, before, ref }) {
  const all = [...pages.values()];
  /** @type {import("../src/data").SearchEntry[]} */
  const entries = all.flatMap((page) => [
    { id: page.id, name: page.name, kind: page.kind, tags: page.tags, ...(page.description !== undefined && { description: page.description.slice(0, 160) }) },
    ...page.columns.map((column) => ({ id: page.id, name: column.name, kind: /** @type {const} */ ("column"), column: column.name, of: page.name, ...(column.description !== undefined && { description: column.description }) })),
  ]);
  const entities = subjects.map(([name, what, keys]) => ({
    name: /** @type {string} */ (name), keys: /** @type {string[]} */ (keys).map((key) => ({ name: key, type: "varchar" })), description: `An ${what}, as the tower knows it.`, owner: "operations", tags: ["daily"],
    models: all.filter((page) => page.entity?.includes(/** @type {string} */ (name))).slice(0, 80).map(({ id }) => ref(id)),
  }));
  entries.push(...entities.map(({ name, description }) => ({ id: `entity:${name}`, name, kind: /** @type {const} */ ("entity"), description })));
  const features = all.filter((page) => page.entity !== undefined && page.columns.length > 6);
  const views = ["delay_risk", "customer_churn", "crew_fatigue"].map((name, index) => ({
    name, description: index === 1 ? `Churn ${nasty}` : "What is known at a flight's scheduled departure of how late it may be.", owner: "operations", tags: ["online"],
    features: features.slice(index * 3, index * 3 + 4).map((page) => ({ node: ref(page.id), columns: page.columns.slice(3, 7).map(({ name: column }) => column) })),
  }));
  entries.push(...views.map(({ name, description }) => ({ id: `feature_view:${name}`, name, kind: /** @type {const} */ ("feature_view"), description })));
  const checks = all.flatMap((page) => page.checks.map((check) => ({ ...check, node: ref(page.id) })));
  const rank = { fail: 0, error: 0, warn: 1, quarantine: 1 };
  checks.sort((a, b) => (rank[/** @type {"fail"} */ (a.status)] ?? 2) - (rank[/** @type {"fail"} */ (b.status)] ?? 2));

  const built = order.filter((id) => !["source", "exposure", "view", "ephemeral", "on_demand"].includes(pages.get(id)?.kind ?? ""));
  const runs = Array.from({ length: 20 }, (_, back) => runOf(back, built.slice(0, back === 0 ? 1200 : 40), { next, pages, ref, before, runId: runId(back) }));

  const shards = {
    nodes: pieces(size, 60), graph: pieces(size, 90), search: Math.max(1, Math.ceil(entries.length / 5000)), map: Math.max(1, Math.ceil(pages.size / 5000)), checks: Math.max(1, Math.ceil(checks.length / 2500)),
  };
  /** @type {Map<string, unknown>} */ const values = new Map();
  split(values, "nodes", shards.nodes, pages);
  split(values, "graph", shards.graph, graph);
  for (let part = 0; part < shards.search; part += 1) values.set(`search/${part}`, entries.slice(part * 5000, part * 5000 + 5000));
  for (let part = 0; part < shards.checks; part += 1) values.set(`checks/${part}`, checks.slice(part * 2500, part * 2500 + 2500));
  for (const [key, part] of mapOf(order, layers, pages, shards.map, next)) values.set(key, part);
  values.set("runs", { runs });

  /** @type {Record<string, number>} */ const counts = { columns: all.reduce((sum, page) => sum + page.columns.length, 0), checks: checks.length, entities: entities.length, feature_views: views.length };
  for (const { kind } of all) counts[kind] = (counts[kind] ?? 0) + 1;
  const failing = checks.filter(({ status }) => status === "fail");
  const stale = all.filter(({ freshness }) => freshness?.status === "error");
  const sources = all.filter(({ kind }) => kind === "source");
  values.set("project", {
    schema: 1, name: "flights", version: "1.0.0", target: "dev", generated_at: new Date(now).toISOString(), counts, shards,
    about: `# What this is\n\nFeatures about the flights that left **New York** in 2013, for those who predict delays.\n\n- Every table is a Delta table\n- Every feature says *when it was known*\n\n| folder | holds |\n|---|---|\n| staging | one row for each flight |\n| features | what models read |\n\n${nastyMarkdown}`,
    attention: {
      failing: { total: failing.length, items: failing.slice(0, 10).map((check) => ({ ...check.node, why: `${check.name} fails for ${check.failures} of ${check.rows?.toLocaleString("en")} rows`, at: check.checked_at })) },
      stale: { total: stale.length, items: stale.slice(0, 10).map((page) => ({ ...ref(page.id), why: "The newest row is older than it should be", at: page.freshness?.as_of })) },
      changed: { total: Math.min(40, built.length), items: built.slice(-10).map((id) => ({ ...ref(id), why: "Its SQL changed: the table was built anew", at: before(3) })) },
    },
    tags: [...tags].sort(), folders: [...new Set(all.map(({ folder }) => folder))].sort(), entities, feature_views: views,
    training_sets: all.filter(({ kind }) => kind === "training_set").slice(0, 40).map(({ id }) => ref(id)),
    sources: [{ name: "nyc", description: "What the tower **records**.", tables: sources.map((page) => ({ ...ref(page.id), description: "One row for each record.", freshness: page.freshness })) }],
    exposures: exposures.map((id, index) => ({ id, name: pages.get(id)?.name, type: "dashboard", label: index === 0 ? "Delays, day by day" : undefined, description: "What the tower looks at.", owner: "operations", url: index === 1 ? "javascript:alert(6)" : "https://example.com/dashboard", maturity: "high", depends_on: pages.get(id)?.parents })),
    coverage: { nodes: all.filter(({ description }) => description).length / all.length, columns: 0.81 },
  });
  return values;
}

/** @param {number} size @param {number} each */
const pieces = (size, each) => Math.max(1, Math.ceil((size * 1.1) / each));

/** @param {Map<string, unknown>} values @param {string} name @param {number} shards @param {Map<string, unknown>} entries */
function split(values, name, shards, entries) {
  for (let part = 0; part < shards; part += 1) values.set(`${name}/${part}`, {});
  for (const [id, value] of entries) /** @type {Record<string, unknown>} */ (values.get(`${name}/${shardOf(id, shards)}`))[id] = value;
}

/**
 * A run on four threads that starts each node when a thread is free and its inputs are there.
 * @param {number} back @param {string[]} ids
 * @param {{next: () => number, pages: Map<string, NodePage>, ref: (id: string) => import("../src/data").Ref, before: (hours: number) => string, runId: string}} with_
 */
function runOf(back, ids, { next, pages, ref, before, runId: id }) {
  const free = [0, 0, 0, 0];
  /** @type {Map<string, number>} */ const ends = new Map();
  const nodes = ids.map((node) => {
    const thread = free.indexOf(Math.min(...free));
    const ready = Math.max(0, ...(pages.get(node)?.parents ?? []).map((parent) => ends.get(parent.id) ?? 0));
    const start = Math.max(free[thread] ?? 0, ready);
    const end = start + 0.05 + next() ** 4 * 4;
    free[thread] = end;
    ends.set(node, end);
    const isBroken = pages.get(node)?.status === "error" && back === 0;
    return { node: ref(node), status: isBroken ? "error" : next() < 0.1 ? "unchanged" : "success", start_s: start, end_s: end, rows: Math.floor(next() * 9000), ...(isBroken && { message: `models/x.sql:14:9: a check failed ${nasty}` }) };
  });
  nodes.sort((a, b) => a.start_s - b.start_s);
  return { id, command: back % 3 === 0 ? "fsbuild build --select tag:daily" : "fsbuild run", started_at: before(3 + 24 * back), elapsed_s: Math.max(0.1, ...free), nodes };
}

/**
 * @param {string[]} order @param {Map<string, number>} layers @param {Map<string, NodePage>} pages @param {number} shards @param {() => number} next
 * @returns {[string, import("../src/data").MapPart][]}
 */
function mapOf(order, layers, pages, shards, next) {
  const numbers = new Map(order.map((id, number) => [id, number]));
  const each = Math.ceil(order.length / shards);
  /** @type {Map<number, number>} */ const heights = new Map();
  const tall = Math.max(8, Math.round(Math.sqrt(order.length)));
  return Array.from({ length: shards }, (_, part) => {
    const ids = order.slice(part * each, part * each + each);
    const at = ids.flatMap((id) => {
      const layer = layers.get(id) ?? 0;
      const index = heights.get(layer) ?? 0;
      heights.set(layer, index + 1);
      return [layer * tall * 0.55 + Math.floor(index / tall) * 1.1 + next() * 0.5, (index % tall) + next() * 0.5].map((value) => Math.round(value * 100) / 100);
    });
    const edges = ids.flatMap((id) => (pages.get(id)?.parents ?? []).flatMap((parent) => [/** @type {number} */ (numbers.get(parent.id)), /** @type {number} */ (numbers.get(id))]));
    return [`map/${part}`, { at, ids, names: ids.map((id) => pages.get(id)?.name ?? id), kinds: ids.map((id) => pages.get(id)?.kind ?? "model"), edges }];
  });
}

/** JSON that may stand in a script, also in one within a page. @param {unknown} value */
export const scriptOf = (value) => JSON.stringify(value).replace(/</g, "\\u003c").replace(/\u2028/g, "\\u2028").replace(/\u2029/g, "\\u2029");

/** @param {string} folder @param {Map<string, unknown>} values */
export function writeSite(folder, values) {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  cpSync(assets, folder, { recursive: true });
  for (const [key, value] of values) {
    const file = join(folder, "data", `${key}.js`);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, `fsbuild.put(${JSON.stringify(key)},${scriptOf(value)});\n`);
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [size = "30", folder = "test/sample"] = process.argv.slice(2);
  const values = makeSite(Number(size));
  writeSite(folder, values);
  process.stdout.write(`${values.size} files of data in ${folder}\n`);
}
