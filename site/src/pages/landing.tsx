/** The start: search, and beside it what needs to be looked at. */
import type { VNode } from "preact";
import { useEffect } from "preact/hooks";
import { format, pageOf } from "../address";
import type { Attention, Project } from "../data";
import { useProject, useTitle } from "../hooks";
import { KindMark, Moment } from "../parts/marks";
import { finder, whenIdle } from "../search/finder";
import { SearchBox } from "../search/box";
import { count, plural, share } from "../text/format";
import { Markdown } from "../text/markdown";

/** More than these are only read when somebody is about to search. */
const fewFiles = 6;
const listed = 5;

export function LandingPage(): VNode {
  const project = useProject();
  useTitle("");
  useEffect(() => {
    if (project.shards.search > fewFiles) return;
    const timer = setTimeout(() => whenIdle(() => finder.start(project)), 300);
    return () => clearTimeout(timer);
  }, [project]);
  const { failing, stale, changed } = project.attention;
  return (
    <>
      <section class="hero">
        <h1>{project.name}</h1>
        <p class="lead">{summary(project)}</p>
        <SearchBox isLarge />
      </section>
      <section class="attention" aria-label="What to look at">
        <AttentionList title="Failing" look="bad" group={failing} calm="Every check passes." more={format("checks", "", { status: "fail" })} />
        <AttentionList title="Stale" look="warn" group={stale} calm="Everything is as fresh as it should be." more={format("sources")} />
        <AttentionList title="Changed lately" look="none" group={changed} calm="Nothing has changed lately." more={format("runs")} />
      </section>
      <Ways project={project} />
      {project.about !== undefined && <section class="about" aria-label="About this project"><Markdown text={project.about} level={2} /></section>}
    </>
  );
}

const nodeKinds = ["model", "incremental", "view", "ephemeral", "snapshot", "training_set", "on_demand"] as const;

function summary(project: Project): string {
  const models = nodeKinds.reduce((sum, kind) => sum + (project.counts[kind] ?? 0), 0);
  const parts = [plural(models, "model")];
  if (project.counts.columns) parts.push(plural(project.counts.columns, "column"));
  if (project.counts.checks) parts.push(plural(project.counts.checks, "check"));
  return `${parts.join(", ")}. ${share(project.coverage.nodes)} of the models and ${share(project.coverage.columns)} of the columns are described.`;
}

function AttentionList({ title, look, group, calm, more }: {
  title: string; look: string; group: { total: number; items: Attention[] }; calm: string; more: string;
}): VNode {
  const isCalm = group.total === 0;
  const shown = group.items.slice(0, listed);
  return (
    <section class={`card attention-list a-${isCalm ? "good" : look}`}>
      <h2>{title} <span class="badge">{count(group.total)}</span></h2>
      {isCalm ? <p class="quiet">{calm}</p> : (
        <ul>
          {shown.map((item) => (
            <li>
              <a href={pageOf(item.id, undefined, item.kind)}><KindMark kind={item.kind} /><span class="name">{item.name}</span></a>
              {item.at !== undefined && <Moment at={item.at} />}
              <span class="why">{item.why}</span>
            </li>
          ))}
        </ul>
      )}
      {group.total > shown.length && <a class="more" href={more}>{count(group.total - shown.length)} more</a>}
    </section>
  );
}

function Ways({ project }: { project: Project }): VNode {
  const ways: [to: string, title: string, text: string, size: number][] = [
    ["#/entities", "Entities", "What the features are about", project.entities.length],
    ["#/feature-views", "Feature views", "Features that are served together", project.feature_views.length],
    ["#/training-sets", "Training sets", "With the versions they were made of", project.training_sets.length],
    ["#/sources", "Sources", "Where the data comes from", project.sources.reduce((sum, { tables }) => sum + tables.length, 0)],
    ["#/exposures", "Exposures", "What is built on this project", project.exposures.length],
    ["#/checks", "Checks", "What is known to hold", project.counts.checks ?? 0],
  ];
  return (
    <nav class="ways" aria-label="Ways into the project">
      {ways.filter(([, , , size]) => size > 0).map(([to, title, text, size]) => (
        <a href={to}><strong>{title} <span class="number">{count(size)}</span></strong><span>{text}</span></a>
      ))}
      {project.shards.map > 0 && <a href="#/map"><strong>Map</strong><span>The whole project, from source to exposure</span></a>}
    </nav>
  );
}
