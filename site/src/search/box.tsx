/** The search field with its list of hits: type, move with the arrows, open with Enter, leave with Escape. */
import type { VNode } from "preact";
import { useEffect, useId, useMemo, useRef, useState } from "preact/hooks";
import { format } from "../address";
import { useAddress, useProject } from "../hooks";
import { useFinder } from "./finder";
import { HitLine, addressOf } from "./hits";

const listed = 8;

export function SearchBox({ isLarge = false }: { isLarge?: boolean }): VNode {
  const project = useProject();
  const address = useAddress();
  const finder = useFinder();
  const id = useId();
  const input = useRef<HTMLInputElement>(null);
  const [query, setQuery] = useState("");
  const [isOpen, setOpen] = useState(false);
  const [active, setActive] = useState(0);
  const hits = useMemo(() => (isOpen ? finder.search(query, listed) : []), [query, isOpen, finder.state]);
  const isShown = isOpen && query.trim() !== "";

  // Another page: what was typed has led there.
  useEffect(() => {
    setQuery("");
    setOpen(false);
  }, [address.page, address.name]);

  const all = format("search", "", { q: query.trim() });
  const leave = (to: string) => {
    setOpen(false);
    input.current?.blur();
    location.hash = to;
  };
  const pressed = (event: KeyboardEvent) => {
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      const step = event.key === "ArrowDown" ? 1 : -1;
      setOpen(true);
      setActive((active + step + hits.length + 1) % (hits.length + 1));
    } else if (event.key === "Enter" && query.trim() !== "") {
      event.preventDefault();
      // Somebody may type faster than the list is drawn: what counts is what is typed now.
      const now = finder.search(query, listed);
      const hit = now[active];
      leave(hit ? addressOf(hit, query.trim()) : all);
    } else if (event.key === "Escape") {
      event.preventDefault();
      if (query === "") input.current?.blur();
      setQuery("");
      setOpen(false);
    }
  };
  return (
    <div class={`search ${isLarge ? "is-large" : ""}`} role="search" onFocusOut={(event) => {
      if (!(event.currentTarget as HTMLElement).contains(event.relatedTarget as Node | null)) setOpen(false);
    }}>
      <Glass />
      <input
        ref={input}
        data-search
        type="text"
        role="combobox"
        aria-label="Search names, columns, descriptions and tags"
        aria-expanded={isShown}
        aria-controls={`${id}-list`}
        aria-autocomplete="list"
        aria-activedescendant={isShown ? `${id}-${active}` : undefined}
        autocomplete="off"
        autocapitalize="off"
        spellcheck={false}
        placeholder={isLarge ? "Search features and columns" : "Search"}
        value={query}
        onFocus={() => { finder.start(project); setOpen(true); }}
        onInput={(event) => { setQuery(event.currentTarget.value); setOpen(true); setActive(0); }}
        onKeyDown={pressed}
      />
      <kbd aria-hidden="true">/</kbd>
      <div id={`${id}-list`} class="hits" role="listbox" aria-label="Found" hidden={!isShown}>
        {isShown && hits.map((hit, index) => (
          <a
            key={`${hit.entry.id} ${hit.entry.column ?? ""}`}
            id={`${id}-${index}`} role="option" aria-selected={index === active} tabindex={-1}
            class="hit" href={addressOf(hit, query.trim())}
            onPointerMove={() => setActive(index)}
            onClick={() => setOpen(false)}
          >
            <HitLine hit={hit} />
          </a>
        ))}
        {isShown && (
          <a id={`${id}-${hits.length}`} role="option" aria-selected={active === hits.length} tabindex={-1} class="hit is-all" href={all} onClick={() => setOpen(false)}>
            {hits.length > 0 ? `All that is found for “${query.trim()}”` : nothing(finder.state, query.trim())}
          </a>
        )}
      </div>
    </div>
  );
}

const nothing = (state: string, query: string): string =>
  state === "ready" ? `Nothing is found for “${query}”` : "Reading what can be found …";

function Glass(): VNode {
  return <svg class="glass" width="16" height="16" viewBox="0 0 16 16" aria-hidden="true"><circle cx="7" cy="7" r="4.5" /><path d="M10.5 10.5 14 14" /></svg>;
}

/** Puts the cursor into the search field of the page, from wherever "/" is pressed. */
export function useSlash(): void {
  useEffect(() => {
    const pressed = (event: KeyboardEvent) => {
      const target = event.target as HTMLElement;
      const isTyping = target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName);
      if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey || isTyping) return;
      const field = document.querySelector<HTMLInputElement>("[data-search]");
      if (field === null) return;
      event.preventDefault();
      field.focus();
      field.select();
    };
    addEventListener("keydown", pressed);
    return () => removeEventListener("keydown", pressed);
  }, []);
}
