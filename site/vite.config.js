import { existsSync, readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { defineConfig } from "vite";

const assets = "../fsbuild/site/assets";

/**
 * The licences of what ends up in site.js, each once, because a wheel that carries the code carries them too.
 * @returns {import("vite").Plugin}
 */
function licences() {
  return {
    name: "licences",
    generateBundle(_, bundle) {
      const folders = new Set();
      for (const chunk of Object.values(bundle)) {
        if (chunk.type !== "chunk") continue;
        for (const id of chunk.moduleIds) {
          const found = /^.*\/node_modules\/((@[^/]+\/)?[^/]+)/.exec(id);
          if (found) folders.add(found[0]);
        }
      }
      const texts = [...folders].sort().map((folder) => {
        const { name, version, license } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
        const file = readdirSync(folder).find((entry) => /^licen[cs]e/i.test(entry));
        const text = file && existsSync(join(folder, file)) ? readFileSync(join(folder, file), "utf8").trim() : "";
        return `${name} ${version} (${license})\n\n${text}\n`;
      });
      this.emitFile({ type: "asset", fileName: "LICENSES.txt", source: texts.join(`\n${"-".repeat(80)}\n\n`) });
    },
  };
}

/**
 * The script may be put inside a page (--single-file): then nothing in it may end the element or open a comment.
 * @returns {import("vite").Plugin}
 */
function fitForInlining() {
  return {
    name: "fit-for-inlining",
    generateBundle(_, bundle) {
      for (const chunk of Object.values(bundle)) {
        if (chunk.type !== "chunk") continue;
        // In source text of a script these sequences only occur in strings and regular expressions, where \x3c is <.
        chunk.code = chunk.code.replace(/<(?=!--|\/script|script)/gi, "\\x3c");
      }
    },
  };
}

export default defineConfig({
  publicDir: "public",
  plugins: [licences(), fitForInlining()],
  build: {
    outDir: assets,
    emptyOutDir: true,
    target: "es2022",
    cssTarget: "es2022",
    modulePreload: false,
    reportCompressedSize: true,
    lib: { entry: "src/main.tsx", name: "fsbuildSite", formats: ["iife"], fileName: () => "site.js", cssFileName: "site" },
  },
});
