/** What a run's times tell: how many nodes ran at once, and which waited although what they read was there. Pure. */
import type { RunEntry } from "../data";
import type { Nodes } from "../lineage/nodes";

/** What has no step of its own in a run. */
const INLINED: ReadonlySet<string> = new Set(["ephemeral", "view", "on_demand"]);

export interface Waited {
  /** When the last of its inputs was there. */
  ready_s: number;
  seconds: number;
}

/** How long each of `ids` waited between its inputs and its start; `missing` are those whose inputs aren't known yet. */
export function waitsOf(run: RunEntry, ids: readonly string[], nodes: Nodes): { waits: Map<string, Waited>; missing: string[] } {
  const entries = new Map(run.nodes.map((entry) => [entry.node.id, entry]));
  const waits = new Map<string, Waited>();
  const missing: string[] = [];
  for (const id of ids) {
    const entry = entries.get(id);
    const node = nodes.get(id);
    if (node === undefined) missing.push(id);
    // What was left out did not wait.
    if (entry === undefined || node === undefined || entry.status === "skipped") continue;
    const unknown: string[] = [];
    const ready = readyAt(id, entries, nodes, unknown);
    missing.push(...unknown);
    if (unknown.length === 0) waits.set(id, { ready_s: ready, seconds: Math.max(0, entry.start_s - ready) });
  }
  return { waits, missing };
}

/** When all that a node reads was there; what does not run, such as an ephemeral model, is looked through. */
function readyAt(id: string, entries: ReadonlyMap<string, { end_s: number }>, nodes: Nodes, unknown: string[]): number {
  const node = nodes.get(id);
  if (node === undefined) {
    unknown.push(id);
    return 0;
  }
  return Math.max(0, ...node.parents.map((parent) => {
    if (INLINED.has(parent.kind) && !entries.has(parent.id)) return readyAt(parent.id, entries, nodes, unknown);
    return entries.get(parent.id)?.end_s ?? 0;
  }));
}

/** The greatest number of nodes that ran at the same time. */
export function lanesOf(run: RunEntry): number {
  const turns = run.nodes.filter(({ start_s, end_s }) => end_s > start_s).flatMap(({ start_s, end_s }) => [[start_s, 1], [end_s, -1]] as const);
  // Who ends makes room before who starts.
  turns.sort((a, b) => a[0] - b[0] || a[1] - b[1]);
  let [now, most] = [0, 0];
  for (const [, change] of turns) most = Math.max(most, (now += change));
  return most;
}

/** A scale from seconds to percent, and the round moments on it. */
export function gantt(elapsed_s: number): { ticks: number[]; left: (seconds: number) => number; width: (seconds: number) => number } {
  const whole = Math.max(elapsed_s, 1e-3);
  const rough = whole / 5;
  const size = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * size).find((candidate) => candidate >= rough) ?? rough;
  const ticks = Array.from({ length: Math.floor(whole / step + 1e-9) + 1 }, (_, index) => index * step);
  const left = (seconds: number): number => Math.min(100, (Math.max(0, seconds) / whole) * 100);
  return { ticks, left, width: (seconds) => Math.max(0.15, (Math.max(0, seconds) / whole) * 100) };
}
