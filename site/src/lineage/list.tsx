/** The lineage graph as a list of its edges, for those who don't see it, and to copy from. */
import type { VNode } from "preact";
import { useState } from "preact/hooks";
import { NodeLink } from "../parts/marks";
import { count, edgeNames, isValue } from "../text/format";
import { nodesRead } from "./nodes";
import { useProject } from "../hooks";
import type { Scene } from "./scene";
import type { ColumnAt, Trace } from "./trace";
import { rows } from "./trace";

const most = 300;

export function LineageList({ scene, path }: { scene: Scene; path: Trace | undefined }): VNode {
  const [isOpen, setOpen] = useState(false);
  const nodes = nodesRead(useProject());
  const refOf = (id: string) => {
    const box = scene.boxes.find((one) => one.id === id);
    const node = nodes.get(id);
    return { id, name: box?.name ?? node?.name ?? id, kind: box?.kind ?? node?.kind ?? ("model" as const) };
  };
  const end = ({ id, column }: ColumnAt) => <><NodeLink node={refOf(id)} column={column === rows || column === "" ? undefined : column} />{column === rows && <span class="quiet"> (its rows)</span>}</>;
  const edges = path === undefined
    ? scene.links.map(({ from, to, isSkipping, isSteering }) => ({
        from: { id: from, column: "" }, to: { id: to, column: "" },
        how: isSkipping ? "by way of hidden nodes" : isSteering ? "only steers it" : "is read by",
      }))
    : [...path.values, ...path.steering].map(({ from, to, kind }) => ({ from, to, how: `${edgeNames[kind] ?? kind}${isValue(kind) ? "" : " (steers)"}` }));
  // Drawn when it is opened: it would be most of the work of a click in the graph.
  const shown = isOpen ? edges.slice(0, most) : [];
  return (
    <details class="edges" onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>As a list <span class="badge">{count(edges.length)}</span></summary>
      <div class="scroll" tabindex={0} role="region" aria-label="Edges">
        <table>
          <caption class="unseen">{path === undefined ? "Which node reads which" : "The path of the selected column"}</caption>
          <thead><tr><th scope="col">From</th><th scope="col">To</th><th scope="col">How</th></tr></thead>
          <tbody>{shown.map(({ from, to, how }) => <tr><td>{end(from)}</td><td>{end(to)}</td><td>{how}</td></tr>)}</tbody>
        </table>
      </div>
      {isOpen && edges.length > shown.length && <p class="quiet">and {count(edges.length - shown.length)} more</p>}
      {scene.boxes.filter(({ node }) => node?.unknown !== undefined).map((box) => <p class="quiet">The columns of <NodeLink node={box} /> are not known: {box.node!.unknown}</p>)}
    </details>
  );
}
