/** What is known of one column: where it comes from, where it goes, how it is defined and what its values are like. */
import type { ComponentChildren, VNode } from "preact";
import { format } from "../../address";
import type { CheckPage, ColumnPage, NodePage, Origin, Ref } from "../../data";
import { keyOf, useProject, useShard } from "../../hooks";
import { Histogram, TopValues } from "../../parts/charts";
import { CheckTable } from "../../parts/checks";
import { NodeLink } from "../../parts/marks";
import { Lost, Waiting } from "../../parts/states";
import { compact, count, edgeNames, isValue, measure, share } from "../../text/format";
import { SqlSnippet, excerpt } from "../../text/sql";

const listed = 8;

export function ColumnPanel({ node, column, checks }: { node: NodePage; column: ColumnPage; checks: CheckPage[] }): VNode {
  return (
    <div class="panel">
      <Flow node={node} column={column} />
      {column.defined_at !== undefined && node.compiled !== undefined && (
        <div class="defined">
          <h3>Defined as</h3>
          <SqlSnippet text={dedented(excerpt(node.compiled, column.defined_at))} />
        </div>
      )}
      {column.statistics !== undefined && <Values column={column} />}
      {checks.length > 0 && <div><h3>Checks</h3><CheckTable checks={checks} hasColumn={false} /></div>}
      <p class="actions"><a class="button" href={format("lineage", node.id, { column: column.name })}>Its whole path</a></p>
    </div>
  );
}

function Flow({ node, column }: { node: NodePage; column: ColumnPage }): VNode {
  const project = useProject();
  const loaded = useShard(keyOf("graph", node.id, project));
  if (loaded.state === "missing") return <Lost file={loaded.key} />;
  if (loaded.state === "waiting") return <Waiting />;
  const here = loaded.value[node.id];
  const known = here?.columns.find(({ name }) => name === column.name);
  const refs = new Map([...node.parents, ...node.children, ...(here?.parents ?? []), ...(here?.children ?? [])].map((ref) => [ref.id, ref]));
  const made = known?.from.filter(({ kind }) => isValue(kind)) ?? [];
  const steered = [...(known?.from.filter(({ kind }) => !isValue(kind)) ?? []), ...(here?.rows_from ?? [])];
  const going = known?.to.filter(({ kind, column: name }) => isValue(kind) && name !== "*") ?? [];
  const steering = known?.to.filter(({ kind, column: name }) => !isValue(kind) || name === "*") ?? [];
  const why = here?.unknown ?? node.unknown;
  return (
    <div class="flow">
      <Origins title="Comes from" origins={made} refs={refs} empty={why !== undefined ? `Not known: ${why}` : node.parents.length === 0 ? "This is where it begins." : "No column: it is made of constants, or of the number of rows."} />
      <Origins title="Goes to" origins={going} refs={refs} empty="No column is made of it." />
      {steered.length > 0 && <Origins title="Steered by" origins={steered} refs={refs} />}
      {steering.length > 0 && <Origins title="Steers" origins={steering} refs={refs} />}
    </div>
  );
}

function Origins({ title, origins, refs, empty }: { title: string; origins: Origin[]; refs: ReadonlyMap<string, Ref>; empty?: string }): VNode {
  return (
    <div>
      <h3>{title}</h3>
      {origins.length === 0 ? <p class="quiet">{empty}</p> : (
        <ul class="origins">
          {origins.slice(0, listed).map((origin) => {
            const node = refs.get(origin.id) ?? { id: origin.id, name: origin.id, kind: "model" as const };
            return <li><NodeLink node={node} column={origin.column === "*" ? undefined : origin.column} /> <span class={`how ${isValue(origin.kind) ? "" : "is-steering"}`}>{edgeNames[origin.kind] ?? origin.kind}</span></li>;
          })}
        </ul>
      )}
      {origins.length > listed && <p class="quiet">and {count(origins.length - listed)} more</p>}
    </div>
  );
}

function Values({ column }: { column: ColumnPage }): VNode {
  const statistics = column.statistics!;
  const facts: [string, ComponentChildren][] = [
    ["Complete", share(statistics.completeness)],
    ["Distinct", statistics.distinct === undefined ? undefined : <span title={count(statistics.distinct)}>{compact(statistics.distinct)}</span>],
    ["Least", statistics.minimum],
    ["Greatest", statistics.maximum],
    ["Mean", statistics.mean === undefined ? undefined : measure(statistics.mean)],
    ["Deviation", statistics.stddev === undefined ? undefined : measure(statistics.stddev)],
  ];
  return (
    <div class="values">
      <h3>Values</h3>
      {column.is_pii && <p class="quiet">Personal data: values are not shown.</p>}
      <dl class="figures">{facts.filter(([, value]) => value !== undefined).map(([name, value]) => <div><dt>{name}</dt><dd>{value}</dd></div>)}</dl>
      {!column.is_pii && <Histogram statistics={statistics} />}
      {!column.is_pii && statistics.values !== undefined && statistics.values.length > 0 && <TopValues values={statistics.values} />}
    </div>
  );
}

/** Moves the lines after the first to the left as far as they go together. */
function dedented(text: string): string {
  const [first = "", ...rest] = text.split("\n");
  const indents = rest.filter((line) => line.trim()).map((line) => /^ */.exec(line)![0].length);
  const least = indents.length > 0 ? Math.min(...indents) : 0;
  return [first, ...rest.map((line) => line.slice(least))].join("\n");
}
