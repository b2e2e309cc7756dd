/** What a node reads and what reads it: one step to either side. */
import type { VNode } from "preact";
import { format } from "../../address";
import type { NodePage, Ref } from "../../data";
import { KindMark, NodeLink } from "../../parts/marks";
import { count } from "../../text/format";

const listed = 9;

export function Hop({ node }: { node: NodePage }): VNode | null {
  if (node.parents.length + node.children.length === 0) return null;
  return (
    <section aria-labelledby="hop">
      <div class="section-head">
        <h2 id="hop">Lineage</h2>
        <a href={format("lineage", node.id)}>Open the graph</a>
      </div>
      <div class="hop">
        <Side title="Reads" refs={node.parents} node={node} side="left" empty="Nothing: data enters here." />
        <div class="hop-centre"><span class="hop-box"><KindMark kind={node.kind} /><span class="name">{node.name}</span></span></div>
        <Side title="Is read by" refs={node.children} node={node} side="right" empty="Nothing yet." />
      </div>
    </section>
  );
}

function Side({ title, refs, node, side, empty }: { title: string; refs: readonly Ref[]; node: NodePage; side: "left" | "right"; empty: string }): VNode {
  return (
    <div class={`hop-side is-${side} ${refs.length === 0 ? "is-empty" : ""}`}>
      <h3>{title}{refs.length > 0 && <span class="badge">{count(refs.length)}</span>}</h3>
      {refs.length === 0 ? <p class="quiet">{empty}</p> : (
        <ul>
          {refs.slice(0, listed).map((ref) => <li><NodeLink node={ref} /></li>)}
          {refs.length > listed && <li><a class="more" href={format("lineage", node.id, { depth: 1 })}>{count(refs.length - listed)} more</a></li>}
        </ul>
      )}
    </div>
  );
}
