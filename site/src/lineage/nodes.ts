/** The nodes of the graph that were read so far, and a way to follow them from file to file. */
import { useEffect, useState } from "preact/hooks";
import { type GraphNode, type Project, shardOf } from "../data";
import { type Key, have, need } from "../loader";

/** Nodes by id; undefined is one that isn't known, or not yet. */
export interface Nodes {
  get(id: string): GraphNode | undefined;
}

/** What was read of the project's graph. */
export function nodesRead(project: Project): Nodes {
  return {
    get(id) {
      const shard = have(`graph/${shardOf(id, project.shards.graph)}`);
      return shard !== undefined && Object.hasOwn(shard, id) ? shard[id] : undefined;
    },
  };
}

export interface Followed<T> {
  value: T;
  /** Whether more is being read that may add to it. */
  isGrowing: boolean;
  /** A file that could not be read. */
  lost?: Key;
}

/**
 * Works something out from the nodes that are known, reads what it says is missing, and does so again until nothing is.
 *
 * `inputs` says when to begin anew. Nodes of files that are read and don't have them stay missing for good.
 */
export function useFollowed<T extends { missing: string[] }>(project: Project, work: (nodes: Nodes) => T, inputs: unknown[]): Followed<T> {
  const [lost, lose] = useState<Key>();
  const [, again] = useState(0);
  const value = work(nodesRead(project));
  const keys = [...new Set(value.missing.map((id) => `graph/${shardOf(id, project.shards.graph)}` as const))];
  const unread = keys.filter((key) => have(key) === undefined);
  useEffect(() => {
    let isWanted = true;
    if (unread.length > 0) {
      Promise.allSettled(unread.map((key) => need(key))).then((answers) => {
        if (!isWanted) return;
        const failed = answers.findIndex(({ status }) => status === "rejected");
        if (failed >= 0) lose(unread[failed]);
        again((count) => count + 1);
      });
    }
    return () => {
      isWanted = false;
    };
  }, [...inputs, unread.join(" ")]);
  return { value, isGrowing: unread.length > 0 && lost === undefined, ...(lost !== undefined && { lost }) };
}
