/**
 * Loads shards: the files data/<key>.js that call `fsbuild.put(key, value)`.
 *
 * In: keys. Out: their values, at once where they are there already (as all are in a single file). Each file is asked for
 * once; one that is missing or broken stays so until the page is opened again.
 */
import type { CheckEntry, GraphNode, MapPart, NodePage, Project, Runs, SearchEntry } from "./data";

export type Key =
  | "project" | "runs" | `nodes/${number}` | `graph/${number}` | `search/${number}` | `map/${number}` | `checks/${number}`;

export type Value<K extends Key> =
  K extends "project" ? Project
  : K extends "runs" ? Runs
  : K extends `nodes/${number}` ? Record<string, NodePage>
  : K extends `graph/${number}` ? Record<string, GraphNode>
  : K extends `search/${number}` ? SearchEntry[]
  : K extends `map/${number}` ? MapPart
  : CheckEntry[];

/** A file that could not be read. */
export class ShardMissing extends Error {
  constructor(readonly key: Key) {
    super(`data/${key}.js could not be read`);
  }
}

interface Store {
  values: Map<string, unknown>;
  put(key: string, value: unknown): void;
}

declare global {
  // index.html makes it, before any script that puts something into it.
  var fsbuild: Store;
}

const asked = new Map<Key, Promise<unknown>>();

/** In a single file the code has no address of its own, and there are no files beside it. */
export const isSingleFile = typeof document !== "undefined" && !document.currentScript?.getAttribute("src");

/** Gives the value of `key` if it is there already. */
export function have<K extends Key>(key: K): Value<K> | undefined {
  return fsbuild.values.get(key) as Value<K> | undefined;
}

/** Gives the value of `key`, reading its file if need be; rejects with `ShardMissing`. */
export function need<K extends Key>(key: K): Promise<Value<K>> {
  let answer = asked.get(key);
  if (answer === undefined) {
    answer = fsbuild.values.has(key) ? Promise.resolve(have(key)) : read(key);
    // Who asks hears of it; nobody asking yet is no error.
    answer.catch(() => undefined);
    asked.set(key, answer);
  }
  return answer as Promise<Value<K>>;
}

function read(key: Key): Promise<unknown> {
  if (isSingleFile) return Promise.reject(new ShardMissing(key));
  return new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = address(key);
    script.onload = () => {
      script.remove();
      // A file with an error in it loads as well, but puts nothing.
      if (fsbuild.values.has(key)) resolve(have(key));
      else reject(new ShardMissing(key));
    };
    script.onerror = () => {
      script.remove();
      reject(new ShardMissing(key));
    };
    document.head.append(script);
  });
}

/** Served, a file has the time at which it was written in its address, so that no cache mixes two generations. */
function address(key: Key): string {
  const made = have("project")?.generated_at;
  const isServed = location.protocol.startsWith("http");
  return `data/${key}.js${isServed && made !== undefined ? `?${encodeURIComponent(made)}` : ""}`;
}
