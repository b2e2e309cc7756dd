/** How numbers, times and names are written; pure. */
import type { EdgeKind, Kind, Status } from "../data";

const numbers = new Intl.NumberFormat("en");
const short = new Intl.NumberFormat("en", { notation: "compact", maximumSignificantDigits: 3 });

/** 12345 -> "12,345" */
export const count = (value: number): string => numbers.format(value);

/** 12345 -> "12.3K" */
export const compact = (value: number): string => short.format(value);

/** "1 row", "2,000 rows" */
export function plural(value: number, one: string, many = `${one}s`): string {
  return `${count(value)} ${value === 1 ? one : many}`;
}

/** A measured number with as many digits as tell something: 0.123456 -> "0.1235", 1234567.8 -> "1,234,568" */
export function measure(value: number): string {
  if (!Number.isFinite(value)) return String(value);
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-4 || size >= 1e15)) return value.toExponential(3);
  return new Intl.NumberFormat("en", { maximumFractionDigits: size >= 1000 ? 0 : size >= 1 ? 2 : 4 }).format(value);
}

/** 0.9996 -> "99.9%": never rounded up to whole, nor down to nothing. */
export function share(value: number): string {
  if (value >= 1) return "100%";
  if (value <= 0) return "0%";
  const percent = Math.min(99.9, Math.max(0.1, value * 100));
  return `${percent >= 10 && percent < 99 ? Math.round(percent) : percent.toFixed(1)}%`;
}

/** 0.034 -> "34 ms", 3.21 -> "3.2 s", 75 -> "1 min 15 s", 7300 -> "2 h 2 min" */
export function duration(seconds: number): string {
  if (seconds < 0.9995) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 59.95) return `${seconds < 9.95 ? seconds.toFixed(1) : Math.round(seconds)} s`;
  const whole = Math.round(seconds);
  if (whole < 3600) return pair(Math.floor(whole / 60), "min", whole % 60, "s");
  return pair(Math.floor(whole / 3600), "h", Math.floor((whole % 3600) / 60), "min");
}

function pair(many: number, unit: string, few: number, small: string): string {
  return few === 0 ? `${many} ${unit}` : `${many} ${unit} ${few} ${small}`;
}

/** "2024-03-05T14:07:09Z" -> "2024-03-05 14:07 UTC"; what is no time is given back as it is. */
export function moment(iso: string): string {
  const at = new Date(iso);
  return Number.isNaN(at.getTime()) ? iso : `${at.toISOString().slice(0, 16).replace("T", " ")} UTC`;
}

/** "3 hours ago", "in 2 days" */
export function ago(iso: string, now: number = Date.now()): string {
  const seconds = (new Date(iso).getTime() - now) / 1000;
  if (Number.isNaN(seconds)) return "";
  const size = Math.abs(seconds);
  if (size < 60) return "just now";
  const [unit, many] =
    size < 3600 ? ["minute", 60] as const
    : size < 86400 ? ["hour", 3600] as const
    : size < 86400 * 45 ? ["day", 86400] as const
    : size < 86400 * 548 ? ["month", 86400 * 30.44] as const
    : ["year", 86400 * 365.25] as const;
  const amount = Math.round(size / many);
  const text = `${amount} ${unit}${amount === 1 ? "" : "s"}`;
  return seconds > 0 ? `in ${text}` : `${text} ago`;
}

export const kindNames: Record<Kind | "column" | "entity" | "feature_view", string> = {
  model: "table",
  incremental: "incremental",
  view: "view",
  ephemeral: "ephemeral",
  snapshot: "snapshot",
  training_set: "training set",
  on_demand: "on demand",
  seed: "seed",
  source: "source",
  exposure: "exposure",
  column: "column",
  entity: "entity",
  feature_view: "feature view",
};

export const statusNames: Record<Status, string> = {
  success: "built",
  unchanged: "unchanged",
  warn: "warning",
  error: "failed",
  skipped: "skipped",
  pass: "passes",
  fail: "fails",
  quarantine: "quarantined",
};

/** How bad it is, for colours and for order. */
export function gravity(status: Status | "unknown" | undefined): "bad" | "warn" | "good" | "none" {
  switch (status) {
    case "error":
    case "fail":
      return "bad";
    case "warn":
    case "quarantine":
      return "warn";
    case "success":
    case "pass":
    case "unchanged":
      return "good";
    default:
      return "none";
  }
}

export const valueKinds: ReadonlySet<EdgeKind> = new Set<EdgeKind>(["copied", "transformed", "aggregated"]);

/** Whether values flow along an edge, or it only steers which rows there are and how they are arranged. */
export const isValue = (kind: EdgeKind): boolean => valueKinds.has(kind);

export const edgeNames: Record<EdgeKind, string> = {
  copied: "copied",
  transformed: "transformed",
  aggregated: "aggregated",
  filters: "filters rows",
  joins: "joins on it",
  groups: "groups by it",
  orders: "orders by it",
  partitions: "partitions by it",
};

/** The first sentence or paragraph of a Markdown text, without its marks, for one line of a list. */
export function gist(markdown: string, length = 160): string {
  const text = (markdown.split(/\n\s*\n/)[0] ?? "")
    .replace(/!?\[([^\]]*)\]\([^)]*\)/g, "$1")
    .replace(/[*`]|^#+\s*|^\s*[-+]\s+/gm, "")
    .replace(/\s+/g, " ")
    .trim();
  return text.length <= length ? text : `${text.slice(0, length).replace(/\s+\S*$/, "")} …`;
}
