/** All checks, those that fail first, with filters. */
import type { VNode } from "preact";
import { useEffect, useState } from "preact/hooks";
import type { CheckEntry } from "../data";
import { useAddress, useChoose, useProject, useShards, useTitle } from "../hooks";
import { CheckTable } from "../parts/checks";
import { Chip } from "../parts/controls";
import { PageHead } from "../parts/marks";
import { When } from "../parts/states";
import { count, plural } from "../text/format";

const step = 100;

/** What the filter calls a verdict. */
const filters: [name: string, label: string, holds: (check: CheckEntry) => boolean][] = [
  ["fail", "Failing", ({ status }) => status === "fail" || status === "error"],
  ["warn", "Warning", ({ status }) => status === "warn"],
  ["quarantine", "Rows put aside", ({ status }) => status === "quarantine"],
  ["pass", "Passing", ({ status }) => status === "pass" || status === "success" || status === "unchanged"],
  ["none", "Not run", ({ status }) => status === undefined || status === "skipped"],
];

export function ChecksPage(): VNode {
  const project = useProject();
  const { choices } = useAddress();
  const choose = useChoose();
  useTitle("Checks");
  // Failing checks come first, so the first file is enough to begin with; a filter needs all that there are.
  const [isAll, setAll] = useState(false);
  const isFiltered = choices["status"] !== undefined || choices["q"] !== undefined;
  const files = isAll || (isFiltered && choices["status"] !== "fail") ? project.shards.checks : Math.min(1, project.shards.checks);
  const loaded = useShards(Array.from({ length: files }, (_, number) => `checks/${number}` as const));
  return (
    <>
      <PageHead title="Checks"><p class="lead">What is known to hold of the tables, and what does not.</p></PageHead>
      <div class="filters">
        <div class="chips" role="group" aria-label="Verdict">
          <Chip label="All" isOn={choices["status"] === undefined} onClick={() => choose({ status: undefined })} />
          {filters.map(([name, label]) => <Chip label={label} isOn={choices["status"] === name} onClick={() => choose({ status: choices["status"] === name ? undefined : name })} />)}
        </div>
        <input type="text" class="field" aria-label="Check, node or column" placeholder="Check, node or column" value={choices["q"] ?? ""} onInput={(event) => choose({ q: event.currentTarget.value }, "replace")} />
      </div>
      <When loaded={loaded}>
        {(parts) => <List checks={parts.flat()} status={choices["status"]} query={choices["q"]} isMoreUnread={files < project.shards.checks} readOn={() => setAll(true)} />}
      </When>
    </>
  );
}

function List({ checks, status, query = "", isMoreUnread, readOn }: {
  checks: CheckEntry[]; status: string | undefined; query: string | undefined; isMoreUnread: boolean; readOn: () => void;
}): VNode {
  const [limit, setLimit] = useState(step);
  useEffect(() => setLimit(step), [status, query]);
  const holds = filters.find(([name]) => name === status)?.[2] ?? (() => true);
  const wanted = query.toLowerCase();
  const found = checks.filter((check) => holds(check) && `${check.name} ${check.node.name} ${check.column ?? ""}`.toLowerCase().includes(wanted));
  const isMore = found.length > limit || isMoreUnread;
  return (
    <>
      <p class="quiet" role="status">{found.length === 0 ? "No check is like this." : `${plural(found.length, "check")}${isMoreUnread ? " so far" : ""}`}</p>
      <CheckTable checks={found.slice(0, limit)} hasNode />
      {isMore && (
        <p><button type="button" class="button" onClick={() => { setLimit(limit + step * 5); if (found.length <= limit + step * 5) readOn(); }}>
          {found.length > limit ? `Show more of ${count(found.length)}` : "Show more"}
        </button></p>
      )}
    </>
  );
}
