/** The one search index of the pages: read and built when somebody is about to search, a few milliseconds at a time. */
import { useEffect, useState } from "preact/hooks";
import type { Project, SearchEntry } from "../data";
import { type Key, ShardMissing, need } from "../loader";
import { type Hit, Index } from "./index";

const slice_ms = 8;

type State = "idle" | "reading" | "building" | "ready";

class Finder {
  state: State = "idle";
  /** A file that could not be read: what the others have is found all the same. */
  lost: Key | undefined;
  private index: Index | undefined;
  private readonly listeners = new Set<() => void>();

  start(project: Project): void {
    if (this.state !== "idle") return;
    this.tell("reading");
    const keys = Array.from({ length: project.shards.search }, (_, number) => `search/${number}` as const);
    Promise.allSettled(keys.map((key) => need(key))).then((answers) => {
      const entries: SearchEntry[] = [];
      for (const answer of answers) {
        if (answer.status === "fulfilled") entries.push(...answer.value);
        else if (answer.reason instanceof ShardMissing) this.lost = answer.reason.key;
      }
      // Nodes before columns: they are what is looked for most.
      this.index = new Index(entries);
      this.tell("building");
      this.build();
    });
  }

  search(query: string, limit: number): Hit[] {
    return this.index?.search(query, limit) ?? [];
  }

  listen(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  private build(): void {
    const until = performance.now() + slice_ms;
    const isMore = this.index!.build(() => performance.now() > until);
    if (isMore) whenIdle(() => this.build());
    else this.tell("ready");
  }

  private tell(state: State): void {
    this.state = state;
    for (const listener of this.listeners) listener();
  }
}

export const finder = new Finder();

/** Does `work` when the browser has nothing better to do, and soon in any case. */
export function whenIdle(work: () => void): void {
  if (typeof requestIdleCallback === "function") requestIdleCallback(work, { timeout: 60 });
  else setTimeout(work, 4);
}

/** Re-renders when the index gets further. */
export function useFinder(): Finder {
  const [, again] = useState(0);
  useEffect(() => finder.listen(() => again((count) => count + 1)), []);
  return finder;
}
