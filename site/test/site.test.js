/** The pages in a real browser: from the file system and served, by mouse and keyboard, by day and by night. */
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";
import { launch, serve } from "./browser.js";
import { scriptOf } from "./sample.js";
import { addressesOf, pathToSource, siteUnderTest } from "./site.js";

/** @typedef {import("playwright-core").Page} Page */

const site = siteUnderTest();
const pages = addressesOf(site);
const shots = fileURLToPath(new URL("shots", import.meta.url));
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const byFile = pathToFileURL(join(site.folder, "index.html")).href;

/** @type {import("playwright-core").Browser} */ let browser;
/** @type {Awaited<ReturnType<typeof serve>>} */ let served;
before(async () => {
  mkdirSync(shots, { recursive: true });
  browser = await launch();
  served = await serve(site.folder);
});
after(async () => {
  await browser?.close();
  served?.close();
});

/**
 * Opens a page that remembers what must not happen.
 * @param {string} address
 * @param {import("playwright-core").BrowserContextOptions} [options]
 */
async function open(address, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 820 }, ...options });
  const page = await context.newPage();
  /** @type {string[]} */ const wrongs = [];
  const home = address.startsWith("file:") ? "file:" : served.url;
  page.on("console", (message) => { if (["error", "warning"].includes(message.type())) wrongs.push(`console: ${message.text()}`); });
  page.on("pageerror", (error) => wrongs.push(`error: ${error.message}`));
  page.on("dialog", (dialog) => { wrongs.push(`dialog: ${dialog.message()}`); void dialog.dismiss(); });
  page.on("requestfailed", (request) => wrongs.push(`failed: ${request.url()}`));
  page.on("request", (request) => { if (!request.url().startsWith(home) && !request.url().startsWith("data:")) wrongs.push(`request: ${request.url()}`); });
  await page.goto(address);
  await settled(page);
  return { page, wrongs, close: () => context.close() };
}

/** Waits until the page has its heading and reads no more. @param {Page} page */
async function settled(page) {
  await page.waitForFunction(() => document.querySelector("main h1, main h2") !== null && document.querySelector("head script[src*='data/']") === null);
  await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(undefined)))));
}

/** @param {Page} page @param {string} hash */
async function go(page, hash) {
  await page.evaluate((to) => { location.hash = to; }, hash);
  await settled(page);
}

/** @param {Page} page */
const hashOf = (page) => page.evaluate(() => decodeURIComponent(location.hash));

describe("every page", () => {
  for (const [way, address] of /** @type {[string, () => string][]} */ ([["opened from the file system", () => byFile], ["served", () => served.url]])) {
    it(`${way}: is drawn, in silence, with nothing that its data smuggled in`, async () => {
      const { page, wrongs, close } = await open(address());
      assert.equal(await page.locator("h1").first().innerText(), site.project.name);
      for (const [name, hash] of pages) {
        await go(page, hash);
        assert.ok((await page.locator("main h1").count()) === 1, `${name} has one heading of the first level`);
        const smuggled = await page.evaluate(() => [...document.querySelectorAll("#app script, #app img, #app iframe, #app [onerror], #app [onclick], #app a[href^='javascript' i], #app a[href^='data' i]")].map((element) => element.outerHTML));
        assert.deepEqual(smuggled, [], name);
        assert.deepEqual(wrongs, [], name);
      }
      await close();
    });
  }

  it("can be opened at its address", async () => {
    for (const [name, hash] of pages.filter(([one]) => ["node-column", "lineage-path", "checks-failing", "run"].includes(one))) {
      const { page, wrongs, close } = await open(byFile + hash);
      assert.equal(await page.evaluate(() => location.hash), hash);
      assert.equal(await page.locator("main h1").count(), 1, name);
      assert.deepEqual(wrongs, [], name);
      await close();
    }
  });

  it("fits a phone", async () => {
    const { page, wrongs, close } = await open(byFile, { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true });
    for (const [name, hash] of pages) {
      await go(page, hash);
      const wide = await page.evaluate(() => document.documentElement.scrollWidth);
      assert.ok(wide <= 390, `${name} is ${wide} pixels wide`);
    }
    assert.deepEqual(wrongs, []);
    await close();
  });

  for (const colorScheme of /** @type {const} */ (["light", "dark"])) {
    it(`has no serious barrier that axe knows (${colorScheme})`, async () => {
      const { page, close } = await open(byFile, { colorScheme, reducedMotion: "reduce" });
      await page.evaluate(axe);
      /** @type {Record<string, string[]>} */ const barriers = {};
      for (const [name, hash] of pages) {
        await go(page, hash);
        const found = await page.evaluate(async () => {
          // @ts-expect-error axe came with the text above
          const { violations } = await globalThis.axe.run(document, { resultTypes: ["violations"] });
          return violations.filter((/** @type {any} */ one) => ["serious", "critical"].includes(one.impact)).map((/** @type {any} */ one) => `${one.id}: ${one.nodes.slice(0, 3).map((/** @type {any} */ node) => `${node.html.slice(0, 160)} ${node.any[0]?.message ?? ""}`).join("\n   ")}`);
        });
        if (found.length > 0) barriers[name] = found;
      }
      assert.deepEqual(barriers, {});
      await close();
    });
  }

  it("is photographed", async () => {
    for (const [suffix, options] of /** @type {[string, import("playwright-core").BrowserContextOptions][]} */ ([
      ["1280", { viewport: { width: 1280, height: 820 } }], ["1280-dark", { viewport: { width: 1280, height: 820 }, colorScheme: "dark" }], ["390", { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2 }],
    ])) {
      const { page, close } = await open(byFile, { ...options, reducedMotion: "reduce" });
      for (const [name, hash] of pages) {
        await go(page, hash);
        await page.screenshot({ path: join(shots, `${name}-${suffix}.png`) });
      }
      await close();
    }
  });
});

describe("the keyboard", () => {
  it("finds a node in spite of a slip, and opens it", async () => {
    const { page, wrongs, close } = await open(byFile);
    const node = Object.values(site.nodes).filter(({ kind, name }) => kind !== "source" && name.length > 8).sort((a, b) => b.name.length - a.name.length)[0] ?? Object.values(site.nodes)[0];
    assert.ok(node);
    await page.keyboard.press("/");
    assert.equal(await page.evaluate(() => document.activeElement?.getAttribute("role")), "combobox");
    // One letter is missing from the longest word.
    const longest = /** @type {string} */ (node.name.split(/[^\p{L}\p{N}]+/u).sort((a, b) => b.length - a.length)[0]);
    await page.keyboard.type(node.name.replace(longest, longest.length > 4 ? longest.slice(0, 2) + longest.slice(3) : longest));
    await page.waitForFunction((name) => [...document.querySelectorAll("[role=option] .name")].some((one) => one.textContent === name), node.name);
    const options = await page.locator("[role=option]").evaluateAll((all) => all.map((one) => one.querySelector(".name")?.textContent));
    const place = options.indexOf(node.name);
    assert.ok(place >= 0 && place < 3, `${node.name} is among the first of ${options}`);
    for (let step = 0; step < place; step += 1) await page.keyboard.press("ArrowDown");
    await page.keyboard.press("Enter");
    await settled(page);
    assert.equal(await hashOf(page), `#/node/${node.id}`);
    assert.deepEqual(wrongs, []);
    await close();
  });

  it("leaves the search by Escape, and searches from every page", async () => {
    const { page, close } = await open(`${byFile}#/checks`);
    await page.keyboard.press("/");
    await page.keyboard.type("a");
    await page.waitForSelector("[role=listbox]:not([hidden])");
    await page.keyboard.press("Escape");
    assert.equal(await page.locator("[role=listbox]:not([hidden])").count(), 0);
    assert.equal(await page.locator("[role=combobox]").inputValue(), "");
    assert.equal(await hashOf(page), "#/checks");
    await close();
  });

  it("moves through the results of the search page", async () => {
    const { page, close } = await open(`${byFile}#/search?q=${encodeURIComponent(Object.values(site.nodes)[0]?.name ?? "")}`);
    await page.waitForSelector(".found a");
    await page.locator("[data-search]").press("ArrowDown");
    assert.ok(await page.evaluate(() => document.activeElement?.matches(".found li:first-child a")));
    const to = await page.locator(".found a").first().getAttribute("href");
    await page.keyboard.press("Enter");
    await settled(page);
    assert.equal(await page.evaluate(() => location.hash), to);
    await close();
  });

  it("follows a sequence from top to bottom: the first stop skips to the content", async () => {
    const { page, close } = await open(`${byFile}#/sources`);
    await page.evaluate(() => /** @type {HTMLElement} */ (document.activeElement).blur());
    await page.keyboard.press("Tab");
    assert.equal(await page.evaluate(() => document.activeElement?.className), "skip");
    await page.keyboard.press("Enter");
    assert.equal(await page.evaluate(() => document.activeElement?.id), "main");
    await close();
  });
});

describe("lineage", () => {
  const path = pathToSource(site);

  it("leads from a column to its source, click by click, and back again", async () => {
    assert.ok(path !== undefined, "the site has a column that comes from a source");
    const [first, ...others] = path;
    assert.ok(first);
    const { page, wrongs, close } = await open(`${byFile}#/node/${encodeURIComponent(first.id)}`);
    await page.locator(".column-name", { hasText: new RegExp(`^${escaped(first.column)}$`) }).click();
    await settled(page);
    assert.equal(await hashOf(page), `#/node/${first.id}?column=${first.column}`);
    for (const step of others) {
      await page.locator(`.panel .origins a[href="#/node/${encodeURIComponent(step.id)}?column=${new URLSearchParams({ c: step.column }).toString().slice(2)}"]`).first().click();
      await settled(page);
      assert.equal(await hashOf(page), `#/node/${step.id}?column=${step.column}`);
    }
    for (const step of [...path].reverse().slice(1)) {
      await page.goBack();
      await settled(page);
      assert.equal(await hashOf(page), `#/node/${step.id}?column=${step.column}`);
      assert.equal(await page.locator(".column.is-selected .column-name").innerText(), step.column);
    }
    await page.goForward();
    await settled(page);
    assert.equal(await hashOf(page), `#/node/${others[0]?.id}?column=${others[0]?.column}`);
    assert.deepEqual(wrongs, []);
    await close();
  });

  it("lights the whole path of a column at one click, and lists it", async () => {
    assert.ok(path !== undefined);
    const [first] = path;
    assert.ok(first);
    const { page, wrongs, close } = await open(`${byFile}#/lineage/${encodeURIComponent(first.id)}?columns=1&depth=${Math.min(9, path.length)}&limit=400&open=${encodeURIComponent(first.id)}`);
    await page.locator(".box.is-focus .box-row", { has: page.locator(`.name:text-is("${first.column}")`) }).click({ force: true });
    await page.waitForSelector(".box-row[aria-pressed=true]");
    await page.waitForFunction((names) => names.every((name) => [...document.querySelectorAll(".box.is-lit .box-name .name")].some((box) => box.textContent === name)), path.map(({ id }) => site.graph[id]?.name ?? ""));
    assert.match(await hashOf(page), new RegExp(`column=${escaped(first.column)}`));
    assert.ok(await page.locator("path.step:not(.is-steering)").count() >= path.length - 1);
    await page.locator(".edges summary").click();
    await page.waitForSelector(".edges tbody tr");
    const listed = await page.locator(".edges tbody tr").allInnerTexts();
    for (const [index, step] of path.slice(0, -1).entries()) {
      const above = /** @type {{id: string, column: string}} */ (path[index + 1]);
      assert.ok(listed.some((line) => line.includes(`${site.graph[above.id]?.name}.${above.column}`) && line.includes(`${site.graph[step.id]?.name}.${step.column}`)), `${above.id}.${above.column} -> ${step.id}.${step.column}`);
    }
    await page.keyboard.press("Escape");
    await page.waitForFunction(() => document.querySelector(".box-row[aria-pressed=true]") === null);
    assert.ok(!(await hashOf(page)).includes("column="));
    assert.deepEqual(wrongs, []);
    await close();
  });

  it("keeps depth, columns and filters in the address", async () => {
    assert.ok(path !== undefined);
    const id = path[0]?.id ?? "";
    const { page, close } = await open(`${byFile}#/lineage/${encodeURIComponent(id)}`);
    const boxes = () => page.locator(".box").count();
    const before_ = await boxes();
    await page.getByRole("button", { name: "One step more" }).click();
    await settled(page);
    assert.match(await hashOf(page), /depth=3/);
    assert.ok(await boxes() >= before_);
    await page.getByRole("button", { name: "Columns" }).click();
    assert.match(await hashOf(page), /columns=1/);
    assert.ok(await page.locator(".box-row").count() > 0);
    const kind = site.graph[id]?.parents[0]?.kind ?? "";
    await page.getByLabel("Kind").selectOption(kind);
    await settled(page);
    assert.match(await hashOf(page), new RegExp(`kind=${kind}`));
    const kinds = new Set(await page.locator(".box:not(.is-focus) .kind").evaluateAll((marks) => marks.map((mark) => mark.className)));
    assert.deepEqual([...kinds], [`kind k-${kind}`]);
    await page.goBack();
    await page.goBack();
    await page.goBack();
    await settled(page);
    assert.equal(await hashOf(page), `#/lineage/${id}`);
    assert.equal(await boxes(), before_);
    await close();
  });

  it("marks in the SQL what defines the selected column", async () => {
    const [id, node] = Object.entries(site.nodes).find(([, one]) => one.compiled && one.columns.some(({ defined_at: at }) => at)) ?? [];
    assert.ok(id && node, "a column is defined somewhere");
    const column = node.columns.findLast(({ defined_at: at }) => at);
    const { page, close } = await open(`${byFile}#/node/${encodeURIComponent(id)}?column=${encodeURIComponent(column?.name ?? "")}`);
    const [start, end] = column?.defined_at ?? [0, 0];
    const marked = (await page.locator(".sql mark").allTextContents()).join("");
    assert.equal(marked, [...(node.compiled ?? "")].slice(start, end).join(""));
    await close();
  });
});

describe("the map", () => {
  it("names what the pointer is over, and opens it", async () => {
    const { page, wrongs, close } = await open(`${byFile}#/map`);
    const canvas = page.locator("canvas");
    const box = await canvas.boundingBox();
    assert.ok(box);
    // Somewhere on the map there is a node; the name says which.
    /** @type {string | undefined} */ let name;
    search: for (let y = 20; y < box.height; y += 12) for (let x = 20; x < box.width; x += 18) {
      await page.mouse.move(box.x + x, box.y + y);
      if (await page.locator(".map-name").count()) {
        name = (await page.locator(".map-name span:not(.kind)").first().innerText());
        await page.mouse.click(box.x + x, box.y + y);
        break search;
      }
    }
    assert.ok(name, "a node is under the pointer somewhere");
    await settled(page);
    assert.ok(Object.values(site.graph).some((node) => node.name === name));
    assert.match(await hashOf(page), /^#\/(node|exposure)\//);
    assert.deepEqual(wrongs, []);
    await close();
  });

  it("keeps what is looked at in the address", async () => {
    const { page, close } = await open(`${byFile}#/map`);
    const canvas = await page.locator("canvas").boundingBox();
    assert.ok(canvas);
    await page.mouse.move(canvas.x + 200, canvas.y + 200);
    await page.mouse.wheel(0, -300);
    await page.waitForFunction(() => location.hash.includes("at="));
    const at = await page.evaluate(() => location.hash);
    await page.reload();
    await settled(page);
    assert.equal(await page.evaluate(() => location.hash), at);
    await close();
  });
});

describe("filters and the theme", () => {
  it("keeps the verdict that checks are filtered by in the address", async () => {
    const { page, close } = await open(`${byFile}#/checks`);
    await page.getByRole("button", { name: "Passing" }).click();
    await settled(page);
    assert.equal(await hashOf(page), "#/checks?status=pass");
    const verdicts = new Set(await page.locator(".checks .check-verdict").allInnerTexts());
    assert.ok([...verdicts].every((verdict) => /passes|built|unchanged/.test(verdict)), [...verdicts].join());
    await page.goBack();
    assert.equal(await hashOf(page), "#/checks");
    await close();
  });

  it("keeps the theme that was chosen", async () => {
    const { page, close } = await open(served.url, { colorScheme: "light" });
    const background = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    const light = await background();
    await page.getByRole("button", { name: "Change to dark" }).click();
    const dark = await background();
    assert.notEqual(light, dark);
    await page.reload();
    await settled(page);
    assert.equal(await background(), dark);
    await close();
  });

  it("brings back the place on a page that one comes back to", async () => {
    const { page, close } = await open(`${byFile}${pages.find(([name]) => name === "node")?.[1]}`);
    await page.evaluate(() => scrollTo(0, 300));
    await page.waitForTimeout(50);
    const place = await page.evaluate(() => scrollY);
    await page.getByRole("link", { name: "Open the graph" }).click();
    await settled(page);
    await page.waitForFunction(() => scrollY === 0);
    await page.goBack();
    await settled(page);
    assert.equal(await page.evaluate(() => scrollY), place);
    await close();
  });
});

describe("files that are missing or broken", () => {
  for (const [what, answer] of /** @type {[string, (route: import("playwright-core").Route) => Promise<void>][]} */ ([
    ["missing", (route) => route.fulfill({ status: 404 })], ["broken", (route) => route.fulfill({ contentType: "text/javascript", body: 'fsbuild.put("nodes/0",{"a' })],
  ])) {
    it(`${what}: the page says what to do, and the others work`, async () => {
      const { page, close } = await open(served.url);
      await page.route("**/data/nodes/*", answer);
      await go(page, `#/node/${encodeURIComponent(Object.keys(site.nodes)[0] ?? "")}`);
      await page.waitForSelector("[role=alert]");
      assert.match(await page.locator("[role=alert]").innerText(), /fsbuild docs generate/);
      await go(page, "#/sources");
      assert.equal(await page.locator("h1").innerText(), "Sources");
      await close();
    });
  }

  it("even where it is the first", async () => {
    const context = await browser.newContext();
    const page = await context.newPage();
    await page.route("**/data/project.js*", (route) => route.fulfill({ status: 404 }));
    await page.goto(served.url);
    await page.waitForSelector("[role=alert]");
    assert.match(await page.locator("[role=alert]").innerText(), /fsbuild docs generate/);
    await context.close();
  });

  it("or of another shape than expected", async () => {
    const context = await browser.newContext();
    const page = await context.newPage();
    await page.route("**/data/runs.js*", (route) => route.fulfill({ contentType: "text/javascript", body: 'fsbuild.put("runs",{"runs":[{"id":"x"}]})' }));
    await page.goto(`${served.url}#/runs`);
    await page.waitForSelector("[role=alert]");
    assert.match(await page.locator("[role=alert]").innerText(), /fsbuild docs generate/);
    await context.close();
  });
});

describe("a single file", () => {
  it("shows what is in it, with no other file beside it, and says what is not", async () => {
    const read = (/** @type {string} */ name) => readFileSync(join(site.folder, name), "utf8");
    const [id, node] = Object.entries(site.nodes).find(([, one]) => one.columns.length > 0) ?? [];
    assert.ok(id && node);
    const put = (/** @type {string} */ key, /** @type {unknown} */ value) => `fsbuild.put(${JSON.stringify(key)},${scriptOf(value)});`;
    const shards = { nodes: 1, graph: 1, search: 1, map: 0, checks: 0 };
    const data = [put("project", { ...site.project, shards }), put("nodes/0", { [id]: node }), put("graph/0", { [id]: site.graph[id] }), put("search/0", [{ id, name: node.name, kind: node.kind }])].join("\n");
    const page_ = read("index.html")
      .replace('<link rel="stylesheet" href="site.css">', () => `<style>${read("site.css")}</style>`)
      .replace("<!-- fsbuild:data -->", () => `<script>${data}</script>`)
      .replace(/<script src="site\.js"[^>]*><\/script>/, () => `<script>${read("site.js")}</script>`);
    const file = join(mkdtempSync(join(tmpdir(), "fsbuild-single-")), "one.html");
    writeFileSync(file, page_);
    const { page, wrongs, close } = await open(`${pathToFileURL(file).href}#/node/${encodeURIComponent(id)}`);
    assert.equal(await page.locator("h1").innerText(), node.name);
    await go(page, "#/runs");
    await page.waitForSelector("[role=alert]");
    assert.match(await page.locator("[role=alert]").innerText(), /only a part/);
    assert.deepEqual(wrongs, []);
    await close();
  });
});

/** @param {string} text */
const escaped = (text) => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
