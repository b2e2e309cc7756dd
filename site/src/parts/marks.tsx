/** Small marks: what kind a thing is, how it fares, and links that carry them. */
import type { ComponentChildren, VNode } from "preact";
import { format, pageOf } from "../address";
import type { Freshness, Kind, Ref, Status } from "../data";
import { ago, gravity, kindNames, moment, statusNames } from "../text/format";

export type AnyKind = Kind | "column" | "entity" | "feature_view";

/** A coloured mark; its text is beside it, or is what it stands before. */
export function KindMark({ kind }: { kind: AnyKind }): VNode {
  return <span class={`kind k-${kind}`} aria-hidden="true" />;
}

export function KindLabel({ kind }: { kind: AnyKind }): VNode {
  return <span class="kind-label"><KindMark kind={kind} />{kindNames[kind] ?? kind}</span>;
}

/** A link to a node, with the mark of its kind. */
export function NodeLink({ node, column }: { node: Ref; column?: string | undefined }): VNode {
  return (
    <a class="node-link" href={pageOf(node.id, column, node.kind)} title={`${node.name}${column ? `.${column}` : ""} · ${kindNames[node.kind] ?? node.kind}`}>
      <KindMark kind={node.kind} />
      <span class="name">{node.name}{column !== undefined && <span class="of-column">.{column}</span>}</span>
      <span class="unseen"> ({kindNames[node.kind] ?? node.kind})</span>
    </a>
  );
}

const symbols = { bad: "✕", warn: "!", good: "✓", none: "–" };

export function StatusLabel({ status, text }: { status: Status | "unknown" | undefined; text?: string }): VNode | null {
  if (status === undefined) return null;
  const look = gravity(status);
  return (
    <span class={`status s-${look}`}>
      <span class="status-mark" aria-hidden="true">{symbols[look]}</span>
      {text ?? (status === "unknown" ? "not known" : statusNames[status] ?? status)}
    </span>
  );
}

/** A moment: how long ago, and when exactly. */
export function Moment({ at, isLong = false }: { at: string; isLong?: boolean }): VNode {
  return (
    <time datetime={at} title={moment(at)}>
      {ago(at)}{isLong && <span class="quiet"> · {moment(at)}</span>}
    </time>
  );
}

const freshNames: Record<Freshness["status"], string> = { pass: "fresh", warn: "getting old", error: "stale", unknown: "age not known" };

export function FreshnessLabel({ freshness, isLong = false }: { freshness: Freshness; isLong?: boolean }): VNode {
  return (
    <span class="freshness">
      <StatusLabel status={freshness.status} text={freshNames[freshness.status]} />
      {freshness.as_of !== undefined && <span> as of <Moment at={freshness.as_of} isLong={isLong} /></span>}
      {freshness.why !== undefined && <span class="quiet"> · {freshness.why}</span>}
    </span>
  );
}

export function Tags({ tags }: { tags: readonly string[] }): VNode | null {
  if (tags.length === 0) return null;
  return <span class="tags">{tags.map((tag) => <a class="tag" href={format("search", "", { q: tag })}>{tag}</a>)}</span>;
}

/** A title with what stands above it and beside it. */
export function PageHead({ over, title, isCode = false, children }: {
  over?: ComponentChildren; title: ComponentChildren; isCode?: boolean; children?: ComponentChildren;
}): VNode {
  return (
    <header class="page-head">
      {over !== undefined && <p class="over">{over}</p>}
      <h1 class={isCode ? "is-code" : undefined}>{title}</h1>
      {children}
    </header>
  );
}
