/** All about one node: what it is, its columns, where it comes from, its SQL, its checks and its history. */
import type { ComponentChildren, VNode } from "preact";
import { format } from "../address";
import type { NodePage } from "../data";
import { keyOf, useAddress, useProject, useShard, useTitle } from "../hooks";
import { CheckTable } from "../parts/checks";
import { FreshnessLabel, KindLabel, NodeLink, PageHead, StatusLabel, Tags } from "../parts/marks";
import { NotFound, When } from "../parts/states";
import { compact, count, plural } from "../text/format";
import { Markdown } from "../text/markdown";
import { ExposureView } from "./exposures";
import { Columns } from "./node/columns";
import { History } from "./node/history";
import { Hop } from "./node/hop";
import { Code } from "./node/code";

export function NodeView({ id }: { id: string }): VNode {
  const project = useProject();
  const loaded = useShard(keyOf("nodes", id, project));
  return (
    <When loaded={loaded}>
      {(nodes) => (Object.hasOwn(nodes, id) ? <Node node={nodes[id]!} />
        : project.exposures.some((exposure) => exposure.id === id) ? <ExposureView id={id} />
        : <NotFound what={`node “${id}”`} />)}
    </When>
  );
}

function Node({ node }: { node: NodePage }): VNode {
  const { choices } = useAddress();
  const selected = node.columns.find(({ name }) => name === choices["column"]);
  useTitle(selected ? `${node.name}.${selected.name}` : node.name);
  return (
    <article class="node">
      <PageHead over={<><KindLabel kind={node.kind} />{node.folder && <span class="quiet"> in {node.folder}</span>}</>} title={node.name} isCode>
        <p class="standing">
          {node.status !== undefined && <StatusLabel status={node.status} />}
          {node.freshness !== undefined && <FreshnessLabel freshness={node.freshness} isLong />}
          {node.rows !== undefined && <span><span class="number">{count(node.rows)}</span> {node.rows === 1 ? "row" : "rows"}</span>}
          {node.quarantined !== undefined && node.quarantined > 0 && <StatusLabel status="quarantine" text={`${plural(node.quarantined, "row")} in quarantine`} />}
        </p>
        <p class="actions">
          <a class="button" href={format("lineage", node.id)}>Lineage</a>
          {node.columns.length > 0 && <a class="button" href={format("lineage", node.id, { columns: 1 })}>Lineage of columns</a>}
        </p>
      </PageHead>
      {node.description !== undefined
        ? <section class="description" aria-label="Description"><Markdown text={node.description} level={2} /></section>
        : <p class="quiet description">Nobody has described this yet.</p>}
      <div class="split">
        <div class="main">
          {node.columns.length > 0 && <Columns node={node} />}
          {node.columns.length === 0 && node.unknown !== undefined && <p class="note">Its columns are not known: {node.unknown}</p>}
          <Hop node={node} />
          <Code node={node} column={selected} />
          {node.checks.length > 0 && (
            <section aria-labelledby="checks">
              <h2 id="checks">Checks <span class="badge">{count(node.checks.length)}</span></h2>
              <CheckTable checks={node.checks} />
            </section>
          )}
          <History node={node} />
        </div>
        <Facts node={node} />
      </div>
    </article>
  );
}

/** What is set for a node, as names and values. */
function Facts({ node }: { node: NodePage }): VNode {
  const project = useProject();
  const entities = new Set(project.entities.map(({ name }) => name));
  const facts: [string, ComponentChildren][] = [
    ["Owner", node.owner],
    ["Entity", node.entity?.map((name) => (entities.has(name) ? <a href={format("entity", name)}>{name}</a> : <span>{name}</span>))],
    ["Keys", codes(node.keys)],
    ["Event time", node.event_time && <code>{node.event_time}</code>],
    ["Known time", node.known_time && <code>{node.known_time}</code>],
    ["Valid for", node.ttl],
    ["Strategy", node.strategy],
    ["Rows", node.rows === undefined ? undefined : <span title={count(node.rows)}>{compact(node.rows)}</span>],
    ["Tags", node.tags.length > 0 && <Tags tags={node.tags} />],
    ["Relation", node.relation && <code>{node.relation}</code>],
    ["Location", node.location && <code>{node.location}</code>],
    ["File", node.path && <code>{node.path}</code>],
    ["Lineage", node.unknown && <span>not known: {node.unknown}</span>],
    ...Object.entries(node.meta ?? {}).map(([key, value]): [string, ComponentChildren] => [key, typeof value === "string" ? value : JSON.stringify(value)]),
  ];
  return (
    <aside class="facts" aria-label="Facts">
      <dl>
        {facts.filter(([, value]) => (Array.isArray(value) ? value.length > 0 : Boolean(value))).map(([name, value]) => (
          <div><dt>{name}</dt><dd>{value}</dd></div>
        ))}
      </dl>
      {node.pins !== undefined && node.pins.length > 0 && (
        <>
          <h2>Pinned versions</h2>
          <ul class="pins">{node.pins.map((pin) => <li><NodeLink node={pin.node} /> <span class="number">v{pin.version}</span></li>)}</ul>
        </>
      )}
    </aside>
  );
}

const codes = (names: readonly string[]): VNode[] => names.map((name) => <code>{name}</code>);
