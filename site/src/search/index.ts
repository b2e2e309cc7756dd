/**
 * Finds nodes, columns, entities and feature views by name, description and tag, forgiving of mistakes.
 *
 * In: the entries of the search files. Out: hits, the best first. A column that many nodes have is one hit with many
 * places. The index is built in slices, so that typing is answered meanwhile, from what is in it by then.
 */
import MiniSearch, { type SearchResult } from "minisearch";
import type { SearchEntry } from "../data";

export interface Hit {
  entry: SearchEntry;
  /** Of a column: where it is, all places. */
  places: SearchEntry[];
  /** Words of the index that matched, to be marked. */
  terms: string[];
}

interface Entry {
  number: number;
  name: string;
  tags: string;
  description: string;
  places: string;
}

/** How many of a column's nodes can be named to find it; more would make everything match everything. */
const placesNamed = 40;

export class Index {
  private readonly found: { first: SearchEntry; places: SearchEntry[] }[] = [];
  private indexed = 0;
  private readonly engine = new MiniSearch<Entry>({
    idField: "number",
    fields: ["name", "tags", "description", "places"],
    storeFields: [],
    tokenize: words,
    searchOptions: { prefix: true, fuzzy: tolerance, boost: { name: 6, tags: 3, description: 1, places: 0.6 } },
  });

  constructor(entries: readonly SearchEntry[]) {
    const columns = new Map<string, SearchEntry[]>();
    for (const entry of entries) {
      if (entry.kind !== "column") this.found.push({ first: entry, places: [] });
      else {
        const same = columns.get(entry.name);
        if (same === undefined) columns.set(entry.name, [entry]);
        else same.push(entry);
      }
    }
    for (const places of columns.values()) {
      this.found.push({ first: places.find(({ description }) => description) ?? places[0]!, places });
    }
  }

  get isComplete(): boolean {
    return this.indexed === this.found.length;
  }

  /** Indexes entries until `isTimeUp`; says whether there are more. */
  build(isTimeUp: () => boolean): boolean {
    while (!this.isComplete) {
      const { first, places } = this.found[this.indexed]!;
      this.engine.add({
        number: this.indexed,
        name: first.name,
        tags: (first.tags ?? []).join(" "),
        description: first.description ?? "",
        places: places.slice(0, placesNamed).map(({ of }) => of ?? "").join(" "),
      });
      this.indexed += 1;
      if (this.indexed % 16 === 0 && isTimeUp()) break;
    }
    return !this.isComplete;
  }

  search(query: string, limit: number): Hit[] {
    const text = query.trim();
    if (text === "") return [];
    let results = this.engine.search(text, { combineWith: "AND" });
    if (results.length === 0) results = this.engine.search(text, { combineWith: "OR" });
    const whole = text.toLowerCase();
    const ranked = results.map((result) => ({ result, score: this.score(result, whole) }));
    ranked.sort((a, b) => b.score - a.score);
    return ranked.slice(0, limit).map(({ result }) => {
      const { first, places } = this.found[result.id as number]!;
      return { entry: first, places, terms: result.terms };
    });
  }

  /** What is named exactly so comes first, then what begins so; nodes come before columns. */
  private score(result: SearchResult, whole: string): number {
    const { first, places } = this.found[result.id as number]!;
    const name = first.name.toLowerCase();
    const likeness = name === whole ? 12 : name.startsWith(whole) ? 3 : name.includes(whole) ? 1.8 : 1;
    const weight = first.kind === "column" ? 0.8 + Math.min(0.3, Math.log10(places.length + 1) / 10) : 1.2;
    return result.score * likeness * weight;
  }
}

/** "carrier_delay_7d, late" -> carrier, delay, 7d, late */
export const words = (text: string): string[] => text.split(/[^\p{L}\p{N}]+/u).filter(Boolean);

/** How many letters may be wrong. */
export function tolerance(term: string): number | false {
  if (term.length <= 3) return false;
  return term.length <= 5 ? 1 : 2;
}
