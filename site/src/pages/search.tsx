/** All that is found for a query, with filters; the query and the filters are in the address. */
import type { VNode } from "preact";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { pageOf } from "../address";
import { useAddress, useChoose, useProject, useTitle } from "../hooks";
import { Chip } from "../parts/controls";
import { Lost } from "../parts/states";
import { useFinder } from "../search/finder";
import { HitLine, addressOf } from "../search/hits";
import type { Hit } from "../search/index";
import { count, kindNames, plural } from "../text/format";

const most = 200;

export function SearchPage(): VNode {
  const project = useProject();
  const { choices } = useAddress();
  const choose = useChoose();
  const finder = useFinder();
  const field = useRef<HTMLInputElement>(null);
  const query = choices["q"] ?? "";
  const [typed, type] = useState(query);
  useTitle(query ? `“${query}”` : "Search");
  useEffect(() => {
    finder.start(project);
    field.current?.focus({ preventScroll: true });
  }, []);
  useEffect(() => type(query), [query]);

  const hits = useMemo(() => finder.search(query, most), [query, finder.state]);
  const kinds = [...new Set(hits.map(({ entry }) => entry.kind))];
  const kind = choices["kind"];
  const shown = hits.filter(({ entry }) => kind === undefined || entry.kind === kind);
  const column = choices["column"] === undefined ? undefined : hits.find(({ entry }) => entry.kind === "column" && entry.name === choices["column"]);

  const links = useRef<HTMLOListElement>(null);
  const pressed = (event: KeyboardEvent) => {
    const all = [...(links.current?.querySelectorAll<HTMLElement>("a") ?? [])];
    const at = all.indexOf(document.activeElement as HTMLElement);
    if (event.key === "ArrowDown") (all[at + 1] ?? all[0])?.focus();
    else if (event.key === "ArrowUp") (at > 0 ? all[at - 1] : field.current)?.focus();
    else if (event.key === "Enter" && document.activeElement === field.current) all[0]?.click();
    else if (event.key === "Escape") {
      type("");
      choose({ q: undefined, kind: undefined, column: undefined }, "replace");
      field.current?.focus();
    } else return;
    event.preventDefault();
  };
  return (
    <div onKeyDown={pressed}>
      <h1 class="unseen">Search</h1>
      <div class="search is-large" role="search">
        <svg class="glass" width="16" height="16" viewBox="0 0 16 16" aria-hidden="true"><circle cx="7" cy="7" r="4.5" /><path d="M10.5 10.5 14 14" /></svg>
        <input
          ref={field} data-search type="text" aria-label="Search names, columns, descriptions and tags" placeholder="Search features and columns"
          autocomplete="off" autocapitalize="off" spellcheck={false} value={typed}
          onInput={(event) => { type(event.currentTarget.value); choose({ q: event.currentTarget.value, column: undefined }, "replace"); }}
        />
      </div>
      {finder.lost !== undefined && <Lost file={finder.lost} />}
      <p class="quiet" role="status">{said(query, hits, finder.state)}</p>
      {kinds.length > 1 && (
        <div class="chips" role="group" aria-label="Kinds">
          <Chip label="All" isOn={kind === undefined} onClick={() => choose({ kind: undefined })} />
          {kinds.map((one) => <Chip label={kindNames[one]} isOn={kind === one} onClick={() => choose({ kind: kind === one ? undefined : one })} />)}
        </div>
      )}
      {column !== undefined && <Places hit={column} />}
      <ol class="found" ref={links}>
        {shown.map((hit) => <li key={`${hit.entry.id} ${hit.entry.column ?? ""}`}><a class="hit" href={addressOf(hit, query)}><HitLine hit={hit} /></a></li>)}
      </ol>
    </div>
  );
}

function said(query: string, hits: readonly Hit[], state: string): string {
  if (query.trim() === "") return "Type a name, a column, a word of a description or a tag. Mistakes in spelling are forgiven.";
  const reading = state === "ready" ? "" : " Still reading …";
  if (hits.length === 0) return state === "ready" ? `Nothing is found for “${query}”. Try fewer or other words.` : "Reading what can be found …";
  return `${hits.length < most ? plural(hits.length, "hit") : `The best ${count(most)} hits`}.${reading}`;
}

/** The nodes that have a column. */
function Places({ hit }: { hit: Hit }): VNode {
  const shown = hit.places.slice(0, most);
  return (
    <section class="card places">
      <h2><code>{hit.entry.name}</code> is a column of {plural(hit.places.length, "node")}</h2>
      <ul class="columns-list">
        {shown.map(({ id, of = id }) => <li><a href={pageOf(id, hit.entry.name)}>{of}</a></li>)}
      </ul>
      {hit.places.length > shown.length && <p class="quiet">and {count(hit.places.length - shown.length)} more</p>}
    </section>
  );
}
