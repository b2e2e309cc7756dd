/** Checks with their last verdicts. */
import type { VNode } from "preact";
import type { CheckEntry, CheckPage, Status } from "../data";
import { count, plural } from "../text/format";
import { Moment, NodeLink, StatusLabel } from "./marks";

const names: Partial<Record<Status, string>> = { error: "fails" };

export function CheckTable({ checks, hasColumn = true, hasNode = false }: { checks: readonly (CheckPage | CheckEntry)[]; hasColumn?: boolean; hasNode?: boolean }): VNode {
  return (
    <ul class="checks">
      {checks.map((check) => (
        <li>
          <span class="check-verdict">
            {check.status === undefined ? <StatusLabel status="unknown" text="not run" /> : <StatusLabel status={check.status} {...(names[check.status] !== undefined && { text: names[check.status]! })} />}
          </span>
          <span class="check-what">
            <code>{check.name}</code>
            {hasNode && "node" in check && <span> on <NodeLink node={check.node} column={check.column} /></span>}
            {!hasNode && hasColumn && check.column !== undefined && <span> on <code>{check.column}</code></span>}
            {check.severity !== "error" && <span class="flag is-plain">{check.severity === "warn" ? "only warns" : "puts rows aside"}</span>}
            {check.message !== undefined && <span class="check-message">{check.message}</span>}
          </span>
          <span class="check-figures quiet">
            {check.failures !== undefined && check.failures > 0 && <span>{check.rows === undefined ? plural(check.failures, "row") : `${count(check.failures)} of ${plural(check.rows, "row")}`}</span>}
            {check.checked_at !== undefined && <Moment at={check.checked_at} />}
          </span>
        </li>
      ))}
    </ul>
  );
}
