/** Where data comes from, and how old it is. */
import type { VNode } from "preact";
import type { Freshness } from "../data";
import { useAddress, useChoose, useProject, useTitle } from "../hooks";
import { Chip } from "../parts/controls";
import { FreshnessLabel, NodeLink, PageHead } from "../parts/marks";
import { gist } from "../text/format";
import { Markdown } from "../text/markdown";

const states: [Freshness["status"], string][] = [["error", "Stale"], ["warn", "Getting old"], ["pass", "Fresh"], ["unknown", "Not known"]];

export function SourcesPage(): VNode {
  const { sources } = useProject();
  const { choices } = useAddress();
  const choose = useChoose();
  useTitle("Sources");
  const status = choices["status"];
  const stateOf = (freshness: Freshness | undefined) => freshness?.status ?? "unknown";
  const present = new Set(sources.flatMap(({ tables }) => tables.map(({ freshness }) => stateOf(freshness))));
  const shown = sources
    .map((group) => ({ ...group, tables: group.tables.filter(({ freshness }) => status === undefined || stateOf(freshness) === status) }))
    .filter(({ tables }) => tables.length > 0 || status === undefined);
  return (
    <>
      <PageHead title="Sources"><p class="lead">Where the data enters, and how old its newest row is.</p></PageHead>
      {present.size > 1 && (
        <div class="chips" role="group" aria-label="Freshness">
          <Chip label="All" isOn={status === undefined} onClick={() => choose({ status: undefined })} />
          {states.filter(([one]) => present.has(one)).map(([one, label]) => <Chip label={label} isOn={status === one} onClick={() => choose({ status: status === one ? undefined : one })} />)}
        </div>
      )}
      {shown.length === 0 && <p class="quiet">There are none.</p>}
      {shown.map((group) => (
        <section class="source-group">
          <h2>{group.name}</h2>
          {group.description !== undefined && <Markdown text={group.description} level={3} />}
          <ul class="lines">
            {group.tables.map((table) => (
              <li>
                <div><NodeLink node={table} />{table.description !== undefined && <p class="quiet">{gist(table.description)}</p>}</div>
                {table.freshness !== undefined ? <FreshnessLabel freshness={table.freshness} isLong /> : <span class="quiet">not watched</span>}
              </li>
            ))}
          </ul>
        </section>
      ))}
    </>
  );
}
