/** Training sets, with the versions that each was made of. */
import type { VNode } from "preact";
import { pageOf } from "../address";
import { keyOf, useProject, useShards, useTitle } from "../hooks";
import { FreshnessLabel, Moment, NodeLink, PageHead } from "../parts/marks";
import { When } from "../parts/states";
import { count, gist } from "../text/format";

export function TrainingSetsPage(): VNode {
  const project = useProject();
  useTitle("Training sets");
  const keys = [...new Set(project.training_sets.map(({ id }) => keyOf("nodes", id, project)))];
  const loaded = useShards(keys);
  return (
    <>
      <PageHead title="Training sets"><p class="lead">What models are trained on. Each is pinned to the versions it was made of, so that it can be made again, bit for bit.</p></PageHead>
      {project.training_sets.length === 0 && <p class="quiet">This project has no training sets.</p>}
      <When loaded={loaded}>
        {(files) => (
          <ul class="groups">
            {project.training_sets.map((ref) => {
              const node = files.map((file) => file[ref.id]).find((found) => found !== undefined);
              const newest = node?.versions[0];
              return (
                <li class="card">
                  <h2><a class="is-code" href={pageOf(ref.id)}>{ref.name}</a></h2>
                  {node?.description !== undefined && <p>{gist(node.description)}</p>}
                  <p class="standing">
                    {node?.rows !== undefined && <span><span class="number">{count(node.rows)}</span> rows</span>}
                    {newest !== undefined && <span>version <span class="number">{newest.version}</span>, <Moment at={newest.at} /></span>}
                    {node?.freshness !== undefined && <FreshnessLabel freshness={node.freshness} />}
                  </p>
                  {node?.pins !== undefined && node.pins.length > 0
                    ? <><h3>Made of</h3><ul class="pins">{node.pins.map((pin) => <li><NodeLink node={pin.node} /> <span class="number">v{pin.version}</span></li>)}</ul></>
                    : <p class="quiet">Not made yet: no versions are pinned.</p>}
                </li>
              );
            })}
          </ul>
        )}
      </When>
    </>
  );
}
