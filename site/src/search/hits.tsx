/** One thing that was found, as a line. */
import type { VNode } from "preact";
import { format, pageOf } from "../address";
import { KindMark } from "../parts/marks";
import { gist, kindNames, plural } from "../text/format";
import type { Hit } from "./index";

/** Where a hit leads: to its page, or, for a column of many nodes, to the list of them. */
export function addressOf(hit: Hit, query: string): string {
  if (hit.places.length > 1) return format("search", "", { q: query, column: hit.entry.name });
  return pageOf(hit.entry.id, hit.entry.column, hit.entry.kind);
}

export function HitLine({ hit }: { hit: Hit }): VNode {
  const { entry, places, terms } = hit;
  return (
    <>
      <span class="hit-name"><KindMark kind={entry.kind} /><span class="name">{highlighted(entry.name, terms)}</span></span>
      <span class="hit-kind">{entry.kind === "column" ? placesOf(places.length, entry.of) : kindNames[entry.kind]}</span>
      {entry.description !== undefined && <span class="hit-text">{highlighted(gist(entry.description, 120), terms)}</span>}
    </>
  );
}

function placesOf(count: number, of: string | undefined): string {
  return count > 1 ? `column of ${plural(count, "node")}` : `column of ${of ?? ""}`;
}

/** Marks the words that were found. */
function highlighted(text: string, terms: readonly string[]): (VNode | string)[] {
  const found = terms.filter((term) => term.length > 1).sort((a, b) => b.length - a.length);
  if (found.length === 0) return [text];
  const pattern = new RegExp(`(${found.map((term) => term.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")).join("|")})`, "gi");
  return text.split(pattern).map((part, index) => (index % 2 === 1 ? <b>{part}</b> : part));
}
