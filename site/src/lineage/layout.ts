/**
 * Where the boxes of a lineage view stand, and how its lines run.
 *
 * In: boxes with their rows, and which are linked. Out: the place of each box, the way of each link between boxes, the
 * size of the whole. dagre decides; parents are left of children. Pure.
 */
import { Graph, layout } from "@dagrejs/dagre";

export const boxWidth = 232;
export const headHeight = 52;
export const rowHeight = 26;

export interface Point { x: number; y: number }
export interface Box { id: string; rows: number; hasMore: boolean }
export interface Placed { x: number; y: number; height: number }

export interface Layout {
  /** Left upper corners. */
  boxes: Map<string, Placed>;
  /** Points between the two boxes, by "from\0to". */
  ways: Map<string, Point[]>;
  width: number;
  height: number;
}

export const wayOf = (from: string, to: string): string => `${from}\u0000${to}`;

export function place(boxes: readonly Box[], links: readonly { from: string; to: string }[]): Layout {
  const graph = new Graph({ directed: true, multigraph: false });
  graph.setGraph({ rankdir: "LR", nodesep: 22, ranksep: 84, edgesep: 12, marginx: 24, marginy: 24 });
  graph.setDefaultEdgeLabel(() => ({}));
  for (const { id, rows, hasMore } of boxes) graph.setNode(id, { width: boxWidth, height: heightOf(rows, hasMore) });
  for (const { from, to } of links) graph.setEdge(from, to);
  layout(graph);

  const placed = new Map<string, Placed>();
  for (const { id } of boxes) {
    const { x = 0, y = 0, height } = graph.node(id) as { x?: number; y?: number; height: number };
    placed.set(id, { x: x - boxWidth / 2, y: y - height / 2, height });
  }
  const ways = new Map<string, Point[]>();
  for (const { from, to } of links) {
    const { points = [] } = graph.edge(from, to) as { points?: Point[] };
    // The ends are on the boxes' borders and half a rank beside them: lines begin and end at rows instead, and only
    // what leads past other boxes matters.
    ways.set(wayOf(from, to), points.slice(2, -2).filter((_, index) => index % 2 === 0).flatMap(acrossRank));
  }
  const size = graph.graph() as { width?: number; height?: number };
  return { boxes: placed, ways, width: finite(size.width), height: finite(size.height) };
}

/** Past a rank of boxes a line runs level, from one side of them to the other. */
const acrossRank = ({ x, y }: Point): Point[] => [{ x: x - boxWidth / 2 - 8, y }, { x: x + boxWidth / 2 + 8, y }];

const finite = (size: number | undefined): number => (size !== undefined && Number.isFinite(size) ? size : 0);

export function heightOf(rows: number, hasMore: boolean): number {
  return headHeight + rows * rowHeight + (hasMore ? rowHeight : 0) + (rows > 0 || hasMore ? 6 : 0);
}

/** Where a line meets a box: at the middle of a row, or of the head where there is no such row. */
export function portOf(box: Placed, row: number, side: "left" | "right"): Point {
  return {
    x: box.x + (side === "right" ? boxWidth : 0),
    y: box.y + (row < 0 ? headHeight / 2 : headHeight + row * rowHeight + rowHeight / 2),
  };
}

/** A line through points that leaves and arrives level, as an SVG path. */
export function pathOf(points: readonly Point[]): string {
  const [first, ...rest] = points;
  if (first === undefined) return "";
  let at = first;
  let path = `M${round(at.x)} ${round(at.y)}`;
  for (const to of rest) {
    const bend = Math.max(4, (to.x - at.x) / 2);
    path += `C${round(at.x + bend)} ${round(at.y)} ${round(to.x - bend)} ${round(to.y)} ${round(to.x)} ${round(to.y)}`;
    at = to;
  }
  return path;
}

const round = (value: number): number => Math.round(value * 10) / 10;
