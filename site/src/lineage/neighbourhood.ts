/**
 * What a lineage view shows: the nodes within some steps of the one in focus, as far as the filters let them through.
 *
 * In: the nodes known so far, the focus, a depth and filters. Out: nodes, edges between them, and what is missing to go
 * on. A node that a filter hides is passed through: an edge that leads over it is drawn as one that skips. Pure.
 */
import type { GraphNode, Kind, Ref } from "../data";
import type { Nodes } from "./nodes";

export interface Filter { tag?: string | undefined; folder?: string | undefined; kind?: string | undefined }

export interface Neighbour extends Ref {
  /** Steps from the focus; those above it are negative. */
  distance: number;
  /** Of nodes that are known. */
  node?: GraphNode;
}

export interface Link { from: string; to: string; isSkipping: boolean }

export interface Neighbourhood {
  nodes: Neighbour[];
  links: Link[];
  /** How many more there are within the depth, that were left out because there are too many. */
  leftOut: number;
  /** How many a filter hides. */
  hidden: number;
  missing: string[];
}

/** Whether a node passes the filters; one that isn't known yet only has a kind. */
export function passes(filter: Filter, ref: Ref, node: GraphNode | undefined): boolean {
  if (filter.kind && !filter.kind.split(",").includes(ref.kind)) return false;
  if (filter.tag && !node?.tags.includes(filter.tag)) return false;
  if (filter.folder && !(node !== undefined && isWithin(node.folder, filter.folder))) return false;
  return true;
}

const isWithin = (folder: string, outer: string): boolean => folder === outer || folder.startsWith(`${outer}/`);

export function neighbourhood(
  known: Nodes, focus: string, depth: number, filter: Filter, limit: number,
): Neighbourhood {
  const centre = known.get(focus);
  if (centre === undefined) return { nodes: [], links: [], leftOut: 0, hidden: 0, missing: [focus] };
  const found = new Map<string, Neighbour>([[focus, { id: focus, name: centre.name, kind: centre.kind, distance: 0, node: centre }]]);
  const missing = new Set<string>();
  for (const direction of [-1, 1] as const) reach(known, focus, depth, direction, found, missing);

  const all = [...found.values()];
  const visible = all.filter((ref) => ref.distance === 0 || passes(filter, ref, ref.node));
  visible.sort((a, b) => Math.abs(a.distance) - Math.abs(b.distance));
  const nodes = visible.slice(0, limit);
  return {
    nodes,
    links: linksBetween(new Set(nodes.map(({ id }) => id)), found),
    leftOut: visible.length - nodes.length,
    hidden: all.length - visible.length,
    missing: [...missing],
  };
}

function reach(
  known: Nodes, focus: string, depth: number, direction: -1 | 1,
  found: Map<string, Neighbour>, missing: Set<string>,
): void {
  let frontier = [focus];
  for (let step = 1; step <= depth; step += 1) {
    const next: string[] = [];
    for (const id of frontier) {
      const node = known.get(id);
      if (node === undefined) {
        missing.add(id);
        continue;
      }
      for (const ref of direction < 0 ? node.parents : node.children) {
        if (found.has(ref.id)) continue;
        const there = known.get(ref.id);
        // Columns, tags and folders of the outermost nodes are shown as well.
        if (there === undefined) missing.add(ref.id);
        found.set(ref.id, { ...ref, distance: direction * step, ...(there && { node: there }) });
        next.push(ref.id);
      }
    }
    frontier = next;
  }
}

function linksBetween(shown: ReadonlySet<string>, found: ReadonlyMap<string, Neighbour>): Link[] {
  const links = new Map<string, Link>();
  for (const from of shown) {
    // Through what is hidden, to the first that is shown.
    const passed = new Set<string>();
    const walk = (id: string, isSkipping: boolean): void => {
      for (const { id: to } of found.get(id)?.node?.children ?? []) {
        if (shown.has(to)) {
          const key = `${from}\u0000${to}`;
          if (!links.has(key) || !isSkipping) links.set(key, { from, to, isSkipping });
        } else if (found.has(to) && !passed.has(to)) {
          passed.add(to);
          walk(to, true);
        }
      }
    };
    walk(from, false);
  }
  return [...links.values()];
}

/** Kinds that occur, each once, in the order in which a project grows. */
export function kindsOf(refs: Iterable<{ kind: Kind }>): Kind[] {
  const order: Kind[] = ["source", "seed", "model", "incremental", "view", "ephemeral", "on_demand", "snapshot", "training_set", "exposure"];
  const present = new Set([...refs].map(({ kind }) => kind));
  return order.filter((kind) => present.has(kind));
}
