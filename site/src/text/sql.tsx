/**
 * SQL as elements, with colours and with the part marked that defines a column.
 *
 * Offsets are characters as Python counts them (code points), not the UTF-16 units of this language.
 */
import Prism from "prismjs/components/prism-core";
import "prismjs/components/prism-sql";
import type { TokenStream } from "prismjs";
import type { VNode } from "preact";
import { useEffect, useRef } from "preact/hooks";

Prism.manual = true;
const grammar = Prism.languages.extend("sql", {
  // DuckDB divides by // and counts by #1; Prism takes both for comments.
  comment: { pattern: /\/\*[\s\S]*?\*\/|--.*/, greedy: true },
});

/** A run of characters of one class. */
export interface Piece { text: string; look: string }

/** Cuts SQL into pieces by class; joined they are the text again. */
export function pieces(sql: string): Piece[] {
  const found: Piece[] = [];
  const visit = (stream: TokenStream, look: string): void => {
    if (typeof stream === "string") {
      if (stream) found.push({ text: stream, look });
    } else if (Array.isArray(stream)) {
      for (const part of stream) visit(part, look);
    } else visit(stream.content, stream.type);
  };
  visit(Prism.tokenize(sql, grammar), "");
  return found;
}

/** Turns an offset in code points into one in UTF-16 units. */
export function unitsOf(text: string, points: number): number {
  let units = 0;
  for (const character of text) {
    if (points-- <= 0) break;
    units += character.length;
  }
  return units;
}

/** The part of `sql` between two offsets in code points. */
export function excerpt(sql: string, [start, end]: readonly [number, number]): string {
  return sql.slice(unitsOf(sql, start), unitsOf(sql, end));
}

/** Splits pieces so that each lies within the marked part or outside of it. */
export function marked(all: Piece[], start: number, end: number): (Piece & { isMarked: boolean })[] {
  const out: (Piece & { isMarked: boolean })[] = [];
  let at = 0;
  for (const { text, look } of all) {
    const cuts = [0, start - at, end - at, text.length].filter((cut) => cut >= 0 && cut <= text.length).sort((a, b) => a - b);
    for (let index = 0; index + 1 < cuts.length; index += 1) {
      const [from, to] = [cuts[index]!, cuts[index + 1]!];
      if (from < to) out.push({ text: text.slice(from, to), look, isMarked: at + from >= start && at + to <= end });
    }
    at += text.length;
  }
  return out;
}

/** A listing with line numbers; the marked part is scrolled to within the box. */
export function Sql({ text, mark, label }: { text: string; mark?: readonly [number, number] | undefined; label: string }): VNode {
  const box = useRef<HTMLDivElement>(null);
  const body = text.replace(/\s+$/, "");
  const [start, end] = mark ? [unitsOf(body, mark[0]), unitsOf(body, mark[1])] : [-1, -1];
  useEffect(() => {
    const first = box.current?.querySelector<HTMLElement>("mark");
    // Not scrollIntoView: the page itself stays where it is.
    if (box.current && first) box.current.scrollTop = Math.max(0, first.offsetTop - box.current.clientHeight / 3);
  }, [body, start, end]);
  const lines = body.split("\n").length;
  return (
    <div class="sql" ref={box} tabindex={0} role="region" aria-label={label}>
      <pre class="gutter" aria-hidden="true">{Array.from({ length: lines }, (_, index) => index + 1).join("\n")}</pre>
      <pre class="code"><code>{spans(body, start, end)}</code></pre>
    </div>
  );
}

/** SQL within a line. */
export function SqlSnippet({ text }: { text: string }): VNode {
  return <code class="snippet">{spans(text, -1, -1)}</code>;
}

function spans(text: string, start: number, end: number): VNode[] {
  return marked(pieces(text), start, end).map(({ text: part, look, isMarked }) => {
    const span = <span class={look ? `t-${look}` : undefined}>{part}</span>;
    return isMarked ? <mark>{span}</mark> : span;
  });
}
