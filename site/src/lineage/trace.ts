/**
 * The whole path of a column: what its values are made of, what is made of them, and what steers the rows on the way.
 *
 * In: the nodes known so far and a column. Out: the columns and edges of its path, and the nodes that have to be known
 * to follow it further; with these added it is called again, until nothing is missing. Pure.
 */
import type { EdgeKind } from "../data";
import { isValue } from "../text/format";
import type { Nodes } from "./nodes";

export interface ColumnAt { id: string; column: string }
export interface Step { from: ColumnAt; to: ColumnAt; kind: EdgeKind }

export interface Trace {
  /** Columns whose values are on the path, by `nameOf`. */
  up: Map<string, ColumnAt>;
  down: Map<string, ColumnAt>;
  /** Edges along which values flow. */
  values: Step[];
  /** Edges that only steer: into the column, or from a column of the path onwards. They aren't followed. */
  steering: Step[];
  missing: string[];
}

/** The row of a node that stands for the choice of its rows. */
export const rows = "*";

/** A name for a column that no other column has. */
export const nameOf = ({ id, column }: ColumnAt): string => `${id}\u0000${column}`;

export function trace(known: Nodes, start: ColumnAt): Trace {
  const result: Trace = { up: new Map(), down: new Map(), values: [], steering: [], missing: [] };
  const missing = new Set<string>();
  follow(known, start, "up", result, missing);
  follow(known, start, "down", result, missing);
  // What chooses the rows of the column's own node steers it, too.
  for (const origin of known.get(start.id)?.rows_from ?? []) {
    result.steering.push({ from: { id: origin.id, column: origin.column }, to: { id: start.id, column: rows }, kind: origin.kind });
  }
  result.missing = [...missing];
  return result;
}

function follow(known: Nodes, start: ColumnAt, direction: "up" | "down", result: Trace, missing: Set<string>): void {
  const seen = result[direction];
  const queue = [start];
  seen.set(nameOf(start), start);
  for (let at = queue.shift(); at !== undefined; at = queue.shift()) {
    const node = known.get(at.id);
    if (node === undefined) {
      missing.add(at.id);
      continue;
    }
    const column = node.columns.find(({ name }) => name === at!.column);
    for (const other of column?.[direction === "up" ? "from" : "to"] ?? []) {
      const there = { id: other.id, column: other.column };
      const step = direction === "up" ? { from: there, to: at, kind: other.kind } : { from: at, to: there, kind: other.kind };
      if (!isValue(other.kind) || other.column === rows) {
        result.steering.push(step);
        continue;
      }
      result.values.push(step);
      if (!seen.has(nameOf(there))) {
        seen.set(nameOf(there), there);
        queue.push(there);
      }
    }
  }
}

/** The columns where a path begins: those with values from nowhere else. */
export function sourcesOf(path: Trace, start: ColumnAt): ColumnAt[] {
  const made = new Set(path.values.map(({ to }) => nameOf(to)));
  return [...path.up.values()].filter((at) => nameOf(at) !== nameOf(start) && !made.has(nameOf(at)));
}
