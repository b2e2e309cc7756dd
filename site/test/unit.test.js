/** Pure functions of the pages, without a browser. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { withSources } from "./load.js";
import { makeSite, scriptOf, shardOf } from "./sample.js";

const [data, address, format, markdown, sql, tracing, around, layout, gantt, search, map] = await withSources((load) =>
  Promise.all(["data.ts", "address.ts", "text/format.ts", "text/markdown.tsx", "text/sql.tsx", "lineage/trace.ts", "lineage/neighbourhood.ts", "lineage/layout.ts", "runs/gantt.ts", "search/index.ts", "map/model.ts"].map((file) => load(`/src/${file}`))));

describe("shards", () => {
  it("follow FNV-1a over UTF-8", () => {
    const whole = 2 ** 32;
    assert.equal(data.shardOf("", whole), 0x811c9dc5);
    assert.equal(data.shardOf("a", whole), 0xe40c292c);
    assert.equal(data.shardOf("foobar", whole), 0xbf9cf968);
    assert.equal(data.shardOf("modèle", 97), shardOf("modèle", 97));
  });
});

describe("addresses", () => {
  it("are written and read back", () => {
    for (const [page, name, choices] of [["node", "model.a/b?c#d%", { column: "späte & <b>", sql: "compiled" }], ["", "", {}], ["search", "", { q: "a+b c" }]]) {
      assert.deepEqual(address.parse(address.format(page, name, choices)), { page, name, choices });
    }
  });
  it("leave out what isn't chosen", () => assert.equal(address.format("lineage", "a", { depth: undefined, columns: false, column: "", tag: "x" }), "#/lineage/a?tag=x"));
  it("that can't be decoded are kept as they are", () => assert.equal(address.parse("#/node/%E0%A4%A").name, "%E0%A4%A"));
  it("of what is found lead to its page", () => {
    assert.equal(address.pageOf("entity:route"), "#/entity/route");
    assert.equal(address.pageOf("feature_view:risk"), "#/feature-view/risk");
    assert.equal(address.pageOf("model.x", "dest"), "#/node/model.x?column=dest");
    assert.equal(address.pageOf("exposure.x", undefined, "exposure"), "#/exposure/exposure.x");
  });
});

describe("figures", () => {
  it("never round up to whole", () => {
    assert.equal(format.share(0.9999), "99.9%");
    assert.equal(format.share(0.0000001), "0.1%");
    assert.equal(format.share(1), "100%");
    assert.equal(format.share(0.42), "42%");
  });
  it("say how long and how long ago", () => {
    assert.deepEqual([0.034, 0.9996, 3.21, 75, 7300].map(format.duration), ["34 ms", "1.0 s", "3.2 s", "1 min 15 s", "2 h 1 min"]);
    const now = Date.UTC(2024, 0, 10);
    assert.equal(format.ago("2024-01-09T21:00:00Z", now), "3 hours ago");
    assert.equal(format.ago("2024-01-12T00:00:00Z", now), "in 2 days");
    assert.equal(format.ago("nonsense", now), "");
  });
});

/** @param {any} node @returns {any[]} all elements of a tree */
const elements = (node) => (Array.isArray(node) ? node.flatMap(elements) : node?.props ? [node, ...elements(typeof node.type === "function" ? node.type(node.props) : node.props.children)] : []);
/** @param {any} node @returns {string} */
const text = (node) => (Array.isArray(node) ? node.map(text).join("") : typeof node === "string" ? node : node?.props ? text(typeof node.type === "function" ? node.type(node.props) : node.props.children) : "");

describe("Markdown", () => {
  /** @param {string} source */
  const drawn = (source) => markdown.Markdown({ text: source });
  it("shows HTML as text", () => {
    const tree = drawn("a <b>bold</b> and\n\n<script>alert(1)</script>\n\n<img src=x onerror=alert(2)>");
    assert.ok(!elements(tree).some(({ type }) => ["b", "script", "img"].includes(type)));
    assert.match(text(tree), /<b>bold<\/b>.*<script>alert\(1\)<\/script>.*<img src=x onerror=alert\(2\)>/s);
  });
  it("follows no links but to the web, mail and these pages", () => {
    const links = elements(drawn("[a](https://x.org) [b](mailto:a@b.c) [c](#/node/x) [d](javascript:alert) [e](data:text/html,x) [f](JaVaScRiPt:x) [g](file:///etc) ![h](javascript:x)")).filter(({ type }) => type === "a");
    assert.deepEqual(links.map(({ props }) => props.href), ["https://x.org", "mailto:a@b.c", "#/node/x"]);
    assert.ok(!markdown.isSafe("java\nscript:alert(1)"));
    assert.ok(!markdown.isSafe("//example.com"));
  });
  it("has lists, tables and code", () => {
    const types = elements(drawn("# A\n\n- x\n- `y`\n\n| a | b |\n|---|---|\n| 1 | **2** |\n\n```\n<c>\n```")).map(({ type }) => type);
    for (const type of ["h3", "ul", "li", "code", "table", "th", "td", "strong", "pre"]) assert.ok(types.includes(type), type);
  });
});

describe("SQL", () => {
  const query = "select a // 2 as b, 'x' || #1 -- why\nfrom t /* c */ where x >= 10";
  it("loses nothing when it is cut into pieces", () => {
    assert.equal(sql.pieces(query).map((/** @type {any} */ piece) => piece.text).join(""), query);
    const comments = sql.pieces(query).filter((/** @type {any} */ piece) => piece.look === "comment").map((/** @type {any} */ piece) => piece.text);
    assert.deepEqual(comments, ["-- why", "/* c */"]);
  });
  it("counts characters as Python does", () => {
    assert.equal(sql.excerpt("-- 🛬🛬\nselect dep_delay as d", [13, 22]), "dep_delay");
  });
  it("marks what lies between two offsets, across pieces", () => {
    const parts = sql.marked(sql.pieces(query), 7, 13);
    assert.equal(parts.filter((/** @type {any} */ part) => part.isMarked).map((/** @type {any} */ part) => part.text).join(""), "a // 2");
    assert.equal(parts.map((/** @type {any} */ part) => part.text).join(""), query);
  });
});

/** @param {string} name @param {any[]} from @param {any[]} to */
const column = (name, from = [], to = []) => ({ name, from, to });
/** @param {string} name @param {any[]} columns @param {any} more */
const node = (name, columns, more = {}) => ({ name, kind: "model", folder: "models", tags: [], parents: [], children: [], rows_from: [], columns, ...more });
/** @param {string} id */
const ref = (id) => ({ id, name: id, kind: "model" });

describe("the path of a column", () => {
  // source.x -> mid.y -> {out.z, out.w}; mid.k filters out; source.t filters mid.
  const nodes = new Map(Object.entries({
    source: node("source", [column("x", [], [{ id: "mid", column: "y", kind: "transformed" }]), column("t", [], [{ id: "mid", column: "*", kind: "filters" }])]),
    mid: node("mid", [column("y", [{ id: "source", column: "x", kind: "transformed" }], [{ id: "out", column: "z", kind: "copied" }, { id: "out", column: "w", kind: "aggregated" }, { id: "out", column: "*", kind: "filters" }])], { rows_from: [{ id: "source", column: "t", kind: "filters" }] }),
    out: node("out", [column("z", [{ id: "mid", column: "y", kind: "copied" }]), column("w", [{ id: "mid", column: "y", kind: "aggregated" }])]),
  }));
  it("goes up and down along values, and names what steers", () => {
    const path = tracing.trace(nodes, { id: "mid", column: "y" });
    assert.deepEqual([...path.up.values()].map(({ id, column: name }) => `${id}.${name}`), ["mid.y", "source.x"]);
    assert.deepEqual([...path.down.values()].map(({ id, column: name }) => `${id}.${name}`), ["mid.y", "out.z", "out.w"]);
    assert.deepEqual(path.steering.map((/** @type {any} */ step) => `${step.from.id}.${step.from.column} ${step.kind} ${step.to.id}.${step.to.column}`), ["mid.y filters out.*", "source.t filters mid.*"]);
    assert.deepEqual(path.missing, []);
    assert.deepEqual(tracing.sourcesOf(path, { id: "mid", column: "y" }), [{ id: "source", column: "x" }]);
  });
  it("names the nodes that it needs to go on", () => {
    const path = tracing.trace(new Map([["mid", nodes.get("mid")]]), { id: "mid", column: "y" });
    assert.deepEqual(path.missing.sort(), ["out", "source"]);
  });
  it("ends in a circle", () => {
    const circle = new Map([["a", node("a", [column("x", [{ id: "a", column: "x", kind: "transformed" }], [{ id: "a", column: "x", kind: "transformed" }])])]]);
    assert.equal(tracing.trace(circle, { id: "a", column: "x" }).up.size, 1);
  });
});

describe("the neighbourhood", () => {
  const chain = new Map(["a", "b", "c", "d", "e"].map((id, index, all) => [id, node(id, [], {
    parents: index > 0 ? [ref(/** @type {string} */ (all[index - 1]))] : [], children: index < 4 ? [ref(/** @type {string} */ (all[index + 1]))] : [], tags: id === "b" ? [] : ["seen"], folder: id === "e" ? "models/late" : "models",
  })]));
  it("has what lies within the depth, above and below", () => {
    const found = around.neighbourhood(chain, "c", 1, {}, 60);
    assert.deepEqual(found.nodes.map((/** @type {any} */ one) => [one.id, one.distance]), [["c", 0], ["b", -1], ["d", 1]]);
    assert.deepEqual(found.links.map((/** @type {any} */ link) => `${link.from}${link.to}`).sort(), ["bc", "cd"]);
  });
  it("passes through what a filter hides", () => {
    const found = around.neighbourhood(chain, "c", 2, { tag: "seen" }, 60);
    assert.equal(found.hidden, 1);
    assert.deepEqual(found.links.filter((/** @type {any} */ link) => link.isSkipping), [{ from: "a", to: "c", isSkipping: true }]);
  });
  it("keeps what is nearest when there is too much", () => {
    const found = around.neighbourhood(chain, "c", 4, {}, 3);
    assert.deepEqual(found.nodes.map((/** @type {any} */ one) => one.id), ["c", "b", "d"]);
    assert.equal(found.leftOut, 2);
  });
  it("filters folders with what lies in them", () => {
    assert.ok(around.passes({ folder: "models" }, ref("e"), chain.get("e")));
    assert.ok(!around.passes({ folder: "mod" }, ref("e"), chain.get("e")));
  });
  it("is placed with parents left of children", () => {
    const { boxes } = layout.place(["a", "b", "c"].map((id) => ({ id, rows: 0, hasMore: false })), [{ from: "a", to: "b" }, { from: "b", to: "c" }, { from: "a", to: "c" }]);
    assert.ok(boxes.get("a").x + layout.boxWidth < boxes.get("b").x && boxes.get("b").x + layout.boxWidth < boxes.get("c").x);
  });
});

describe("a run", () => {
  /** @param {string} id @param {number} start_s @param {number} end_s */
  const entry = (id, start_s, end_s) => ({ node: ref(id), status: "success", start_s, end_s });
  const run = { id: "r", started_at: "", elapsed_s: 9, nodes: [entry("a", 0, 2), entry("b", 1, 3), entry("c", 5, 9)] };
  it("tells what waited although its inputs were there", () => {
    const nodes = new Map([["a", node("a", [])], ["c", node("c", [], { parents: [ref("a"), ref("b")] })]]);
    const { waits, missing } = gantt.waitsOf(run, ["a", "b", "c"], nodes);
    assert.deepEqual(waits.get("c"), { ready_s: 3, seconds: 2 });
    assert.deepEqual(waits.get("a"), { ready_s: 0, seconds: 0 });
    assert.deepEqual(missing, ["b"]);
  });
  it("looks through what has no step of its own", () => {
    const inlined = { ...ref("e"), kind: "ephemeral" };
    const reader = node("c", [], { parents: [inlined] });
    assert.deepEqual(gantt.waitsOf(run, ["c"], new Map([["c", reader]])).missing, ["e"]);
    const nodes = new Map([["c", reader], ["e", node("e", [], { parents: [ref("b")] })]]);
    assert.deepEqual(gantt.waitsOf(run, ["c"], nodes).waits.get("c"), { ready_s: 3, seconds: 2 });
  });
  it("tells how many ran at once", () => assert.equal(gantt.lanesOf(run), 2));
  it("has round moments on its axis", () => assert.deepEqual(gantt.gantt(9).ticks, [0, 2, 4, 6, 8]));
});

describe("search", () => {
  const index = new search.Index([
    { id: "m1", name: "carrier_delay_7d", kind: "incremental", description: "How late an airline was", tags: ["online"] },
    { id: "m2", name: "route_delay_14d", kind: "model", description: "How late a route has been" },
    { id: "m3", name: "stg_flights", kind: "view", description: "carriers and their flights" },
    { id: "m1", name: "carrier", kind: "column", column: "carrier", of: "carrier_delay_7d" },
    { id: "m3", name: "carrier", kind: "column", column: "carrier", of: "stg_flights", description: "the airline's code" },
    { id: "entity:carrier", name: "carrier", kind: "entity", description: "An airline" },
  ]);
  assert.equal(index.build(() => false), false);
  /** @param {string} query */
  const found = (query) => index.search(query, 10).map((/** @type {any} */ hit) => `${hit.entry.kind} ${hit.entry.name}`);
  it("finds by the beginning of a word", () => assert.equal(found("carrier_del")[0], "incremental carrier_delay_7d"));
  it("forgives mistakes in spelling", () => {
    assert.equal(found("carreir delay")[0], "incremental carrier_delay_7d");
    assert.equal(found("rute")[0], "model route_delay_14d");
    assert.equal(found("flihgts")[0], "view stg_flights");
  });
  it("puts exact names first, and what is called so before what mentions it", () => {
    assert.equal(found("carrier")[0], "entity carrier");
    assert.ok(found("carrier").indexOf("incremental carrier_delay_7d") < found("carrier").indexOf("view stg_flights"));
  });
  it("finds by tag and description", () => {
    assert.deepEqual(found("online"), ["incremental carrier_delay_7d"]);
    assert.equal(found("late route")[0], "model route_delay_14d");
  });
  it("has a column once, with all its places and a description", () => {
    const hit = index.search("carrier", 10).find((/** @type {any} */ one) => one.entry.kind === "column");
    assert.equal(hit.places.length, 2);
    assert.equal(hit.entry.description, "the airline's code");
  });
  it("finds nothing for nothing", () => assert.deepEqual(found("  "), []));
  it("is built a slice at a time", () => {
    const many = new search.Index(Array.from({ length: 100 }, (_, number) => ({ id: `n${number}`, name: `node_${number}`, kind: "model" })));
    let slices = 1;
    while (many.build(() => true)) slices += 1;
    assert.equal(slices, 7);
    assert.equal(many.search("node_42", 1)[0].entry.id, "n42");
  });
});

describe("the map", () => {
  it("joins its parts and finds the nearest node", () => {
    const model = map.modelOf([{ at: [0, 0, 10, 0], ids: ["a", "b"], names: ["a", "b"], kinds: ["source", "model"], edges: [] }, { at: [20, 10], ids: ["c"], names: ["c"], kinds: ["model"], edges: [0, 2] }]);
    assert.deepEqual([model.size, [...model.edges], model.bounds.right], [3, [0, 2], 20]);
    const view = map.fitting(model, 448, 248);
    assert.equal(map.nearest(model, view, () => true, 10 * view.k + view.x + 2, view.y + 2, 14), 1);
    assert.equal(map.nearest(model, view, (/** @type {number} */ number) => number !== 1, 10 * view.k + view.x, view.y, 14), -1);
  });
});

describe("the sample", () => {
  const site = makeSite(30, Date.UTC(2024, 0, 1));
  it("is the same each time", () => assert.equal(scriptOf([...site]), scriptOf([...makeSite(30, Date.UTC(2024, 0, 1))])));
  it("can stand in a script", () => assert.ok(!scriptOf([...site]).includes("<")));
  it("has every edge from both of its ends", () => {
    /** @type {Record<string, any>} */
    const graph = Object.assign({}, ...[...site].filter(([key]) => key.startsWith("graph/")).map(([, value]) => value));
    for (const [id, { columns }] of Object.entries(graph)) for (const { name, from } of columns) for (const origin of from) {
      const above = graph[origin.id].columns.find((/** @type {any} */ one) => one.name === origin.column);
      assert.ok(above.to.some((/** @type {any} */ to) => to.id === id && to.column === name && to.kind === origin.kind), `${origin.id} -> ${id}.${name}`);
    }
  });
});
