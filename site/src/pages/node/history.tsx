/** The versions of a node's table, and how its runs went. */
import type { VNode } from "preact";
import { format } from "../../address";
import type { NodePage, VersionEntry } from "../../data";
import { useAddress } from "../../hooks";
import { Bars } from "../../parts/charts";
import { Moment } from "../../parts/marks";
import { compact, count, duration, moment } from "../../text/format";

const listed = 8;

export function History({ node }: { node: NodePage }): VNode | null {
  const { choices } = useAddress();
  if (node.versions.length === 0) return null;
  const isWhole = choices["versions"] === "all" || node.versions.length <= listed + 2;
  const shown = isWhole ? node.versions : node.versions.slice(0, listed);
  // Charts read from left to right, the list from new to old.
  const past = [...node.versions].reverse();
  const bars = (pick: (version: VersionEntry) => number | undefined, write: (value: number) => string) =>
    past.flatMap((version) => {
      const value = pick(version);
      return value === undefined ? [] : [{ value, label: `v${version.version}, ${moment(version.at)}: ${write(value)}` }];
    });
  return (
    <section aria-labelledby="history">
      <h2 id="history">History</h2>
      <div class="charts">
        <Bars title="Duration" bars={bars(({ elapsed_s }) => elapsed_s, duration)} write={duration} />
        <Bars title="Rows" bars={bars(({ rows }) => rows, count)} write={compact} />
      </div>
      <div class="scroll" tabindex={0} role="region" aria-label="Versions">
        <table class="versions">
          <thead>
            <tr><th scope="col">Version</th><th scope="col">When</th><th scope="col">What</th><th scope="col" class="number">Rows</th><th scope="col" class="number">Added</th><th scope="col" class="number">Changed</th><th scope="col" class="number">Removed</th><th scope="col" class="number">Took</th><th scope="col">Run</th></tr>
          </thead>
          <tbody>
            {shown.map((version) => (
              <tr>
                <th scope="row" class="number">v{version.version}</th>
                <td><Moment at={version.at} /></td>
                <td>{version.operation}</td>
                <td class="number">{version.rows === undefined ? "" : count(version.rows)}</td>
                <td class="number">{change("+", version.added)}</td>
                <td class="number">{change("~", version.changed)}</td>
                <td class="number">{change("−", version.removed)}</td>
                <td class="number">{version.elapsed_s === undefined ? "" : duration(version.elapsed_s)}</td>
                <td>{version.run_id !== undefined && <a href={format("run", version.run_id)} aria-label={`Run ${version.run_id}`}>{version.run_id.slice(0, 8)}</a>}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {!isWhole && <p><a href={format("node", node.id, { ...choices, versions: "all" })}>Show all {count(node.versions.length)}</a></p>}
    </section>
  );
}

/** 0 is said by nothing: what happened stands out. */
function change(sign: string, rows: number | undefined): VNode | string {
  if (rows === undefined) return "";
  return rows === 0 ? <span class="quiet">0</span> : `${sign}${count(rows)}`;
}
