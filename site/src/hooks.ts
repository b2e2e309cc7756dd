/** What pages are told: the address they are at, and the data that they ask for. */
import { createContext } from "preact";
import { useContext, useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { type Address, type Choices, format } from "./address";
import { type Project, shardOf } from "./data";
import { type Key, type Value, have, need } from "./loader";

export const ProjectContext = createContext<Project>(undefined as unknown as Project);
export const AddressContext = createContext<Address>({ page: "", name: "", choices: {} });

export const useProject = () => useContext(ProjectContext);
export const useAddress = () => useContext(AddressContext);

export type Loaded<T> =
  | { state: "waiting" }
  | { state: "missing"; key: Key }
  | { state: "ready"; value: T };

/** Reads shards; what is there already is given at once, without a moment of waiting. */
export function useShards<K extends Key>(keys: readonly K[]): Loaded<Value<K>[]> {
  const [, again] = useState(0);
  const missing = useRef(new Set<Key>());
  const list = keys.join(" ");
  useEffect(() => {
    let isWanted = true;
    for (const key of keys) {
      if (have(key) !== undefined) continue;
      need(key)
        .catch(() => missing.current.add(key))
        .finally(() => isWanted && again((count) => count + 1));
    }
    return () => {
      isWanted = false;
    };
  }, [list]);
  const lost = keys.find((key) => missing.current.has(key));
  if (lost !== undefined) return { state: "missing", key: lost };
  const values = keys.map((key) => have(key));
  return values.every((value) => value !== undefined) ? { state: "ready", value: values } : { state: "waiting" };
}

export function useShard<K extends Key>(key: K): Loaded<Value<K>> {
  const loaded = useShards([key]);
  return loaded.state === "ready" ? { state: "ready", value: loaded.value[0]! } : loaded;
}

/** The key of the file that has a node. */
export function keyOf<P extends "nodes" | "graph">(part: P, id: string, project: Project): `${P}/${number}` {
  return `${part}/${shardOf(id, project.shards[part])}`;
}

/** Changes choices of the address, as a new entry of the history or in place of the present one. */
export function useChoose(): (choices: Choices, how?: "push" | "replace") => void {
  const address = useAddress();
  return (choices, how = "push") => {
    const next = format(address.page, address.name, { ...address.choices, ...choices });
    if (how === "replace") location.replace(next);
    else location.hash = next;
  };
}

export function useTitle(title: string): void {
  const project = useProject();
  useLayoutEffect(() => {
    document.title = title ? `${title} · ${project.name}` : `${project.name} · documentation`;
  }, [title, project.name]);
}

/** Whether the page is as narrow as a phone. */
export function useIsNarrow(): boolean {
  const query = "(max-width: 720px)";
  const [isNarrow, set] = useState(() => matchMedia(query).matches);
  useEffect(() => {
    const list = matchMedia(query);
    const changed = () => set(list.matches);
    list.addEventListener("change", changed);
    return () => list.removeEventListener("change", changed);
  }, []);
  return isNarrow;
}
