/**
 * What a lineage view draws: boxes with the rows that are wanted, and lines between them.
 *
 * In: a neighbourhood, the path of the selected column if there is one, and which boxes are opened. Out: a scene without
 * places, which `layout.place` gives it. Pure.
 */
import type { GraphNode, Kind } from "../data";
import { isValue } from "../text/format";
import type { Box } from "./layout";
import type { Link, Neighbour, Neighbourhood } from "./neighbourhood";
import { type Step, type Trace, nameOf, rows as rowsOf } from "./trace";

export interface SceneRow { name: string; type: string | undefined; isLit: boolean; isSteering: boolean }

export interface SceneBox extends Box {
  name: string;
  kind: Kind;
  distance: number;
  node: GraphNode | undefined;
  shown: SceneRow[];
  /** How many of its columns have no row. */
  more: number;
  isLit: boolean;
}

export interface SceneLink extends Link {
  /** No value flows: what is read only chooses, joins or arranges rows. */
  isSteering: boolean;
}

export interface Scene {
  boxes: SceneBox[];
  links: SceneLink[];
  /** Of the selected column's path, those between boxes that are shown. */
  steps: Step[];
}

const rowsAtOnce = 10;

export interface Wish { hasColumns: boolean; opened: ReadonlySet<string>; path: Trace | undefined }

export function sceneOf(found: Neighbourhood, { hasColumns, opened, path }: Wish): Scene {
  const ids = new Set(found.nodes.map(({ id }) => id));
  const lit = new Set<string>(path ? [...path.up.keys(), ...path.down.keys()] : []);
  const steering = new Set(path?.steering.flatMap(({ from, to }) => [nameOf(from), nameOf(to)]) ?? []);
  const boxes = found.nodes.map((neighbour) => boxOf(neighbour, hasColumns, opened.has(neighbour.id), path === undefined ? undefined : { lit, steering }));
  const nodes = new Map(found.nodes.map(({ id, node }) => [id, node]));
  const steps = path === undefined ? [] : [...path.steering, ...path.values].filter(({ from, to }) => ids.has(from.id) && ids.has(to.id) && from.id !== to.id);
  return { boxes, links: found.links.map((link) => ({ ...link, isSteering: onlySteers(link, nodes.get(link.from)) })), steps };
}

function boxOf(neighbour: Neighbour, hasColumns: boolean, isOpened: boolean, path: { lit: Set<string>; steering: Set<string> } | undefined): SceneBox {
  const { id, name, kind, distance, node } = neighbour;
  const all = (node?.columns ?? []).map((column): SceneRow => {
    const key = nameOf({ id, column: column.name });
    const isLit = path?.lit.has(key) ?? false;
    return { name: column.name, type: column.type, isLit, isSteering: !isLit && (path?.steering.has(key) ?? false) };
  });
  const isTouched = ({ isLit, isSteering }: SceneRow) => isLit || isSteering;
  let shown: SceneRow[] = [];
  if (isOpened) shown = all;
  else if (hasColumns) {
    // The first ones, and those of the path wherever they stand.
    const touchedLater = all.slice(rowsAtOnce).filter(isTouched).length;
    const first = Math.max(0, rowsAtOnce - touchedLater);
    shown = all.length <= rowsAtOnce + 1 ? all : all.filter((row, index) => index < first || isTouched(row));
  } else if (path !== undefined) shown = all.filter(isTouched);
  const isLit = all.some(isTouched) || (path?.steering.has(nameOf({ id, column: rowsOf })) ?? false);
  const more = hasColumns || isOpened ? all.length - shown.length : 0;
  return { id, name, kind, distance, node, shown, more, isLit, rows: shown.length, hasMore: more > 0 || (isOpened && all.length > rowsAtOnce + 1) };
}

function onlySteers({ to, isSkipping }: Link, from: GraphNode | undefined): boolean {
  if (isSkipping || from === undefined) return false;
  const edges = from.columns.flatMap((column) => column.to.filter(({ id }) => id === to));
  return edges.length > 0 && !edges.some(({ kind, column }) => isValue(kind) && column !== rowsOf);
}
