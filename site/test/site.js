/** A site that is tested: the one that FSBUILD_SITE names, or a sample; and what its data says there should be. */
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative, resolve } from "node:path";
import { runInNewContext } from "node:vm";
import { makeSite, writeSite } from "./sample.js";

/** @typedef {import("../src/data").Project} Project */

/**
 * @typedef {object} Site
 * @property {string} folder
 * @property {boolean} isSample
 * @property {Project} project
 * @property {Record<string, import("../src/data").NodePage>} nodes
 * @property {Record<string, import("../src/data").GraphNode>} graph
 * @property {import("../src/data").Runs} runs
 */

/** @returns {string} a sample of so many models, in a new folder */
export function sampleOf(/** @type {number} */ size) {
  const above = mkdtempSync(join(tmpdir(), "fsbuild-site-"));
  process.on("exit", () => rmSync(above, { recursive: true, force: true }));
  writeSite(join(above, "site"), makeSite(size));
  return join(above, "site");
}

/** @returns {Site} */
export function siteUnderTest() {
  const named = process.env["FSBUILD_SITE"];
  return readSite(named ? resolve(named) : sampleOf(30), named === undefined);
}

/** @param {string} folder @param {boolean} isSample @returns {Site} */
export function readSite(folder, isSample) {
  const data = join(folder, "data");
  if (!existsSync(data)) throw new Error(`${folder} has no folder data: write it by 'fsbuild docs generate', or by 'node test/sample.js 30 ${folder}'`);
  /** @type {Map<string, any>} */ const values = new Map();
  for (const file of readdirSync(data, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".js"))) {
    const put = (/** @type {string} */ key, /** @type {unknown} */ value) => {
      if (`${key}.js` !== relative(data, join(data, file)).replaceAll("\\", "/")) throw new Error(`data/${file} has the key ${key}`);
      values.set(key, value);
    };
    runInNewContext(readFileSync(join(data, file), "utf8"), { fsbuild: { put } });
  }
  const all = (/** @type {string} */ part) => Object.assign({}, ...[...values].filter(([key]) => key.startsWith(`${part}/`)).map(([, value]) => value));
  return { folder, isSample, project: values.get("project"), nodes: all("nodes"), graph: all("graph"), runs: values.get("runs") };
}

/** One address for each page and view of a site. @param {Site} site @returns {[name: string, hash: string][]} */
export function addressesOf({ project, nodes, graph, runs, isSample }) {
  const ids = Object.keys(nodes);
  const rich = ids.filter((id) => (nodes[id]?.columns.length ?? 0) > 0).sort((a, b) => score(b) - score(a));
  /** @param {string} id */
  function score(id) {
    const node = nodes[id];
    return (node?.parents.length ? 4 : 0) + (node?.children.length ? 4 : 0) + (node?.versions.length ? 4 : 0) + (node?.checks.length ? 2 : 0) + (node?.compiled ? 4 : 0);
  }
  const id = /** @type {string} */ (rich[0] ?? ids[0]);
  const node = encodeURIComponent(id);
  const column = encodeURIComponent(nodes[id]?.columns.find(({ defined_at: at, statistics }) => at && statistics?.counts)?.name ?? nodes[id]?.columns[0]?.name ?? "");
  /** @type {[string, string | undefined][]} */
  const list = [
    ["landing", "#/"], ["search", `#/search?q=${encodeURIComponent((nodes[id]?.name ?? "").slice(0, 6))}`],
    ["node", `#/node/${node}`], ["node-column", `#/node/${node}?column=${column}`],
    ["lineage", `#/lineage/${node}`], ["lineage-columns", `#/lineage/${node}?columns=1&depth=1`], ["lineage-path", `#/lineage/${node}?column=${column}`],
    ["map", "#/map"], ["entities", "#/entities"], ["entity", project.entities[0] && `#/entity/${encodeURIComponent(project.entities[0].name)}`],
    ["feature-views", "#/feature-views"], ["feature-view", project.feature_views[0] && `#/feature-view/${encodeURIComponent(project.feature_views[0].name)}`],
    ["training-sets", "#/training-sets"], ["sources", "#/sources"], ["checks", "#/checks"], ["checks-failing", "#/checks?status=fail"],
    ["runs", "#/runs"], ["run", runs.runs[0] && `#/run/${encodeURIComponent(runs.runs[0].id)}`],
    ["exposures", "#/exposures"], ["exposure", project.exposures[0] && `#/exposure/${encodeURIComponent(project.exposures[0].id)}`],
    ["unknown-page", "#/nowhere"], ["unknown-node", "#/node/model.x.not_there"],
    ["unknown-lineage", Object.keys(graph).filter((one) => graph[one]?.unknown !== undefined).map((one) => `#/lineage/${encodeURIComponent(one)}?columns=1`)[0]],
    ["source", ids.filter((one) => nodes[one]?.kind === "source").map((one) => `#/node/${encodeURIComponent(one)}`)[0]],
    ...(isSample ? ids.filter((one) => nodes[one]?.description?.includes("<script>")).slice(0, 2).map((one, index) => /** @type {[string, string]} */ ([`nasty-${index}`, `#/node/${encodeURIComponent(one)}?column=${nodes[one]?.columns[0]?.name ?? ""}`])) : []),
  ];
  return list.flatMap(([name, hash]) => (hash === undefined ? [] : [/** @type {[string, string]} */ ([name, hash])]));
}

/**
 * A column whose values come through at least one node from one that reads nothing, and the way there.
 * @param {Site} site @returns {{id: string, column: string}[] | undefined} from the column to its source
 */
export function pathToSource({ graph }) {
  /** @param {string} id @param {string} column @param {number} depth @returns {{id: string, column: string}[] | undefined} */
  const climb = (id, column, depth) => {
    const made = graph[id]?.columns.find(({ name }) => name === column)?.from.filter(({ kind }) => ["copied", "transformed", "aggregated"].includes(kind)) ?? [];
    if (made.length === 0) return graph[id]?.parents.length === 0 ? [{ id, column }] : undefined;
    if (depth > 12) return undefined;
    for (const origin of made) {
      const rest = climb(origin.id, origin.column, depth + 1);
      if (rest !== undefined) return [{ id, column }, ...rest];
    }
    return undefined;
  };
  const paths = Object.entries(graph).flatMap(([id, { columns }]) => columns.slice(0, 8).map(({ name }) => climb(id, name, 0))).filter((path) => path !== undefined && path.length > 1);
  return paths.sort((a, b) => (b?.length ?? 0) - (a?.length ?? 0))[0];
}
