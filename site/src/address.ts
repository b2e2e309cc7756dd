/**
 * Addresses: what comes after the # says the page, what it is about, and everything that was chosen on it.
 *
 * `parse` and `format` undo each other: "#/node/model.a?column=dest" <-> {page: "node", name: "model.a", choices: {column: "dest"}}.
 */

export interface Address {
  page: string;
  /** What the page is about: an id or a name. */
  name: string;
  /** Filters and what is selected; nothing is ever an empty string. */
  choices: Readonly<Record<string, string>>;
}

export type Choices = Record<string, string | number | boolean | undefined>;

/** Reads an address from `location.hash`; what can't be decoded stays as it is written. */
export function parse(hash: string): Address {
  const [path = "", query = ""] = split(hash.replace(/^#\/?/, ""), "?");
  const [page, name] = split(path, "/");
  return { page: decode(page), name: decode(name), choices: Object.fromEntries([...new URLSearchParams(query)].filter(([, value]) => value)) };
}

/** Writes an address; choices that are undefined, false or empty are left out. */
export function format(page: string, name = "", choices: Choices = {}): string {
  const query = new URLSearchParams();
  for (const [key, value] of Object.entries(choices)) {
    if (value !== undefined && value !== "" && value !== false) query.set(key, value === true ? "1" : String(value));
  }
  const text = query.toString();
  return `#/${encodeURIComponent(page)}${name ? `/${encodeURIComponent(name)}` : ""}${text ? `?${text}` : ""}`;
}

/** The address of what a search or a reference leads to: a node, or `entity:<name>`, `feature_view:<name>`. */
export function pageOf(id: string, column?: string, kind?: string): string {
  if (kind === "exposure") return format("exposure", id);
  if (id.startsWith("entity:")) return format("entity", id.slice("entity:".length));
  if (id.startsWith("feature_view:")) return format("feature-view", id.slice("feature_view:".length));
  return format("node", id, { column });
}

function split(text: string, at: string): [string, string] {
  const index = text.indexOf(at);
  return index < 0 ? [text, ""] : [text.slice(0, index), text.slice(index + 1)];
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
