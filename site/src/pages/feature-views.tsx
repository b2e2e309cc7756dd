/** Features that are asked for together: the list of feature views, and one of them. */
import type { VNode } from "preact";
import { format, pageOf } from "../address";
import { useProject, useTitle } from "../hooks";
import { NodeLink, PageHead, Tags } from "../parts/marks";
import { NotFound } from "../parts/states";
import { count, gist, plural } from "../text/format";
import { Markdown } from "../text/markdown";

export function FeatureViewsPage(): VNode {
  const { feature_views: views } = useProject();
  useTitle("Feature views");
  return (
    <>
      <PageHead title="Feature views"><p class="lead">Features that training sets and services ask for together.</p></PageHead>
      {views.length === 0 && <p class="quiet">This project has no feature views.</p>}
      <ul class="cards">
        {views.map((view) => (
          <li class="card">
            <h2><a href={format("feature-view", view.name)}>{view.name}</a></h2>
            {view.description !== undefined && <p>{gist(view.description)}</p>}
            <p class="quiet">
              {plural(view.features.reduce((sum, { columns }) => sum + columns.length, 0), "feature")} of {plural(view.features.length, "model")}
              {view.owner !== undefined && ` · ${view.owner}`}
            </p>
          </li>
        ))}
      </ul>
    </>
  );
}

export function FeatureViewView({ name }: { name: string }): VNode {
  const view = useProject().feature_views.find((one) => one.name === name);
  useTitle(name);
  if (view === undefined) return <NotFound what={`feature view “${name}”`} />;
  return (
    <>
      <PageHead over={<a href="#/feature-views">Feature views</a>} title={view.name}>
        {view.owner !== undefined && <p class="quiet">Owned by {view.owner}</p>}
        <Tags tags={view.tags} />
      </PageHead>
      {view.description !== undefined && <Markdown text={view.description} level={2} />}
      <h2>Features <span class="badge">{count(view.features.reduce((sum, { columns }) => sum + columns.length, 0))}</span></h2>
      <ul class="groups">
        {view.features.map(({ node, columns }) => (
          <li class="card">
            <h3><NodeLink node={node} /></h3>
            <ul class="columns-list">{columns.map((column) => <li><a class="is-code" href={pageOf(node.id, column)}>{column}</a></li>)}</ul>
          </li>
        ))}
      </ul>
    </>
  );
}
