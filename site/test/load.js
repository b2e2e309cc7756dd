/** Loads modules of src/ for tests, through Vite, which also strips their types. */
import { fileURLToPath } from "node:url";
import { createServer } from "vite";

/**
 * @template T
 * @param {(load: (path: string) => Promise<any>) => Promise<T>} work
 */
export async function withSources(work) {
  const server = await createServer({
    configFile: false, root: fileURLToPath(new URL("..", import.meta.url)), appType: "custom", logLevel: "error",
    define: { global: "globalThis" },
    server: { middlewareMode: true, hmr: false, ws: false, watch: null }, optimizeDeps: { noDiscovery: true },
  });
  try {
    return await work((path) => server.ssrLoadModule(path));
  } finally {
    await server.close();
  }
}
