/** The SQL of a node, as written and as it runs; the latter with the expression marked that defines the selected column. */
import type { VNode } from "preact";
import { format } from "../../address";
import type { ColumnPage, NodePage } from "../../data";
import { useAddress } from "../../hooks";
import { Sql } from "../../text/sql";

export function Code({ node, column }: { node: NodePage; column: ColumnPage | undefined }): VNode | null {
  const { choices } = useAddress();
  const { sql: written, compiled } = node;
  if (written === undefined && compiled === undefined) return null;
  const mark = compiled === undefined ? undefined : column?.defined_at;
  const wanted = choices["sql"] ?? (mark === undefined ? "written" : "compiled");
  const isCompiled = written === undefined || (wanted === "compiled" && compiled !== undefined);
  const tab = (name: string, label: string, isOn: boolean) => (
    <a class="tab" href={format("node", node.id, { ...choices, sql: name })} aria-current={isOn ? "true" : undefined}>{label}</a>
  );
  return (
    <section aria-labelledby="code">
      <div class="section-head">
        <h2 id="code">SQL</h2>
        {written !== undefined && compiled !== undefined && (
          <div class="tabs" role="group" aria-label="Which SQL">{tab("written", "As written", !isCompiled)}{tab("compiled", "As it runs", isCompiled)}</div>
        )}
      </div>
      {column !== undefined && isCompiled && (
        <p class="quiet">{mark === undefined ? <>Where <code>{column.name}</code> is defined is not known.</> : <>Marked is what defines <code>{column.name}</code>.</>}</p>
      )}
      <Sql text={(isCompiled ? compiled : written)!} mark={isCompiled ? mark : undefined} label={isCompiled ? "SQL as it runs" : "SQL as written"} />
    </section>
  );
}
