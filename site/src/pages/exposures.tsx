/** What is built on the project: the list of exposures, and one of them. */
import type { VNode } from "preact";
import { format } from "../address";
import type { ExposurePage } from "../data";
import { useProject, useTitle } from "../hooks";
import { NodeLink, PageHead } from "../parts/marks";
import { NotFound } from "../parts/states";
import { gist, plural } from "../text/format";
import { Markdown, isSafe } from "../text/markdown";

const titleOf = ({ label, name }: ExposurePage): string => label ?? name;

export function ExposuresPage(): VNode {
  const { exposures } = useProject();
  useTitle("Exposures");
  return (
    <>
      <PageHead title="Exposures"><p class="lead">Dashboards, services and models that depend on this project.</p></PageHead>
      {exposures.length === 0 && <p class="quiet">This project has no exposures.</p>}
      <ul class="cards">
        {exposures.map((exposure) => (
          <li class="card">
            <h2><a href={format("exposure", exposure.id)}>{titleOf(exposure)}</a></h2>
            {exposure.description !== undefined && <p>{gist(exposure.description)}</p>}
            <p class="quiet">{[exposure.type, exposure.maturity && `maturity ${exposure.maturity}`, exposure.owner, `depends on ${plural(exposure.depends_on.length, "node")}`].filter(Boolean).join(" · ")}</p>
          </li>
        ))}
      </ul>
    </>
  );
}

export function ExposureView({ id }: { id: string }): VNode {
  const exposure = useProject().exposures.find((one) => one.id === id);
  useTitle(exposure ? titleOf(exposure) : id);
  if (exposure === undefined) return <NotFound what={`exposure “${id}”`} />;
  return (
    <>
      <PageHead over={<a href="#/exposures">Exposures</a>} title={titleOf(exposure)}>
        <p class="quiet">{[exposure.type, exposure.maturity && `maturity ${exposure.maturity}`, exposure.owner && `owned by ${exposure.owner}`].filter(Boolean).join(" · ")}</p>
        <p class="actions">
          <a class="button" href={format("lineage", exposure.id)}>Lineage</a>
          {exposure.url !== undefined && (isSafe(exposure.url) ? <a class="button" href={exposure.url} rel="noopener noreferrer" target="_blank">Open it</a> : <code>{exposure.url}</code>)}
        </p>
      </PageHead>
      {exposure.description !== undefined && <Markdown text={exposure.description} level={2} />}
      <h2>Depends on</h2>
      {exposure.depends_on.length === 0 ? <p class="quiet">Nothing.</p> : <ul class="columns-list">{exposure.depends_on.map((node) => <li><NodeLink node={node} /></li>)}</ul>}
    </>
  );
}
