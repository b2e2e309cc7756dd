/** What the features are about: the list of entities, and one of them. */
import type { VNode } from "preact";
import { format } from "../address";
import type { EntityPage } from "../data";
import { useProject, useTitle } from "../hooks";
import { NodeLink, PageHead, Tags } from "../parts/marks";
import { NotFound } from "../parts/states";
import { plural, gist } from "../text/format";
import { Markdown } from "../text/markdown";

export function EntitiesPage(): VNode {
  const { entities } = useProject();
  useTitle("Entities");
  return (
    <>
      <PageHead title="Entities"><p class="lead">What the features of this project are about, and by which keys it is told apart.</p></PageHead>
      {entities.length === 0 && <p class="quiet">This project has no entities.</p>}
      <ul class="cards">
        {entities.map((entity) => (
          <li class="card">
            <h2><a href={format("entity", entity.name)}>{entity.name}</a></h2>
            {entity.description !== undefined && <p>{gist(entity.description)}</p>}
            <Keys entity={entity} />
            <p class="quiet">{plural(entity.models.length, "model")}{entity.owner !== undefined && ` · ${entity.owner}`}</p>
          </li>
        ))}
      </ul>
    </>
  );
}

function Keys({ entity }: { entity: EntityPage }): VNode {
  return <p class="keys">{entity.keys.map(({ name, type }) => <span><code>{name}</code> <span class="type">{type}</span></span>)}</p>;
}

export function EntityView({ name }: { name: string }): VNode {
  const { entities, feature_views: views } = useProject();
  const entity = entities.find((one) => one.name === name);
  useTitle(name);
  if (entity === undefined) return <NotFound what={`entity “${name}”`} />;
  const models = new Set(entity.models.map(({ id }) => id));
  const serving = views.filter(({ features }) => features.some(({ node }) => models.has(node.id)));
  return (
    <>
      <PageHead over={<a href="#/entities">Entities</a>} title={entity.name}>
        <Keys entity={entity} />
        {entity.owner !== undefined && <p class="quiet">Owned by {entity.owner}</p>}
        <Tags tags={entity.tags} />
      </PageHead>
      {entity.description !== undefined && <Markdown text={entity.description} level={2} />}
      <h2>Models about it</h2>
      {entity.models.length === 0 ? <p class="quiet">None yet.</p> : <ul class="columns-list">{entity.models.map((node) => <li><NodeLink node={node} /></li>)}</ul>}
      {serving.length > 0 && (
        <>
          <h2>Feature views that have them</h2>
          <ul class="columns-list">{serving.map((view) => <li><a href={format("feature-view", view.name)}>{view.name}</a></li>)}</ul>
        </>
      )}
    </>
  );
}
