/** The columns of a node, one a row; the one that is selected opens beneath its row. */
import type { VNode } from "preact";
import { format } from "../../address";
import type { CheckPage, ColumnPage, NodePage } from "../../data";
import { useAddress, useChoose } from "../../hooks";
import { Completeness, Sparkline } from "../../parts/charts";
import { NodeLink } from "../../parts/marks";
import { count, gravity, plural } from "../../text/format";
import { Markdown } from "../../text/markdown";
import { ColumnPanel } from "./column";

/** From here on a field to find a column is offered. */
const many = 12;

export function Columns({ node }: { node: NodePage }): VNode {
  const { choices } = useAddress();
  const choose = useChoose();
  const wanted = (choices["find"] ?? "").toLowerCase();
  const shown = node.columns.filter(({ name, description = "" }) => `${name} ${description}`.toLowerCase().includes(wanted));
  const hasStatistics = node.columns.some(({ statistics }) => statistics !== undefined);
  const hasChecks = node.checks.some(({ column }) => column !== undefined);
  return (
    <section aria-labelledby="columns">
      <div class="section-head">
        <h2 id="columns">Columns <span class="badge">{count(node.columns.length)}</span></h2>
        {node.columns.length > many && (
          <input type="text" class="field" aria-label="Find a column" placeholder="Find a column" value={choices["find"] ?? ""} onInput={(event) => choose({ find: event.currentTarget.value }, "replace")} />
        )}
      </div>
      <div class="columns" role="list">
        {shown.map((column) => (
          <Row
            key={column.name} node={node} column={column} isSelected={column.name === choices["column"]}
            checks={node.checks.filter((check) => check.column === column.name)} hasStatistics={hasStatistics} hasChecks={hasChecks}
          />
        ))}
        {shown.length === 0 && <p class="quiet" role="listitem">No column is called or described so.</p>}
      </div>
    </section>
  );
}

function Row({ node, column, checks, isSelected, hasStatistics, hasChecks }: {
  node: NodePage; column: ColumnPage; checks: CheckPage[]; isSelected: boolean; hasStatistics: boolean; hasChecks: boolean;
}): VNode {
  const { choices } = useAddress();
  const { statistics } = column;
  const isKey = node.keys.includes(column.name);
  const role = column.name === node.event_time ? "event time" : column.name === node.known_time ? "known time" : undefined;
  const to = format("node", node.id, { ...choices, column: isSelected ? undefined : column.name });
  const open = (event: MouseEvent) => {
    // The whole row is easy to hit; links in it lead where they say, and text can be selected.
    if ((event.target as HTMLElement).closest("a") || String(getSelection())) return;
    location.hash = to;
  };
  return (
    <div class={`column ${isSelected ? "is-selected" : ""}`} role="listitem">
      <div class="column-row" onClick={open}>
        <div class="column-what">
          <a class="column-name" href={to} aria-expanded={isSelected}>{column.name}</a>
          {column.type !== undefined && <span class="type">{column.type}</span>}
          {isKey && <span class="flag">key</span>}
          {role !== undefined && <span class="flag">{role}</span>}
          {column.unit !== undefined && <span class="flag is-plain">{column.unit}</span>}
          {column.is_pii && <span class="flag is-warning" title="Personal data: its values are not shown">pii</span>}
          <Description column={column} />
        </div>
        {hasChecks && <Verdict checks={checks} />}
        {hasStatistics && (
          <div class="column-shape">
            {statistics?.counts !== undefined && statistics.counts.length > 1 && <Sparkline counts={statistics.counts} label={`Distribution of ${column.name}`} />}
            {statistics !== undefined && <Completeness value={statistics.completeness} />}
          </div>
        )}
      </div>
      {isSelected && <ColumnPanel node={node} column={column} checks={checks} />}
    </div>
  );
}

function Description({ column }: { column: ColumnPage }): VNode | null {
  if (column.description === undefined) return null;
  const from = column.inherited_from;
  return (
    <div class={`column-text ${from ? "is-inherited" : ""}`}>
      <Markdown text={column.description} level={4} />
      {from !== undefined && <span class="inherited">described at <NodeLink node={from.node} column={from.column} /></span>}
    </div>
  );
}

/** The worst of a column's checks, and how many there are. */
function Verdict({ checks }: { checks: CheckPage[] }): VNode {
  const looks = checks.map(({ status }) => gravity(status));
  const worst = (["bad", "warn", "none", "good"] as const).find((look) => looks.includes(look));
  const failing = looks.filter((look) => look === "bad" || look === "warn").length;
  const text = worst === undefined ? "" : failing > 0 ? (checks.length === 1 ? "not met" : `${failing} of ${checks.length} not met`) : worst === "none" ? `${plural(checks.length, "check")}, not run yet` : `${plural(checks.length, "check")}`;
  return <div class="column-checks">{worst !== undefined && <span class={`status s-${worst}`}><span class="status-mark" aria-hidden="true">{worst === "good" ? "✓" : worst === "none" ? "–" : "✕"}</span>{text}</span>}</div>;
}
