/** Where a node comes from and where it goes, a few steps around it; and the whole path of a column. */
import type { VNode } from "preact";
import { useEffect } from "preact/hooks";
import { format, pageOf } from "../address";
import { useAddress, useChoose, useProject, useTitle } from "../hooks";
import { LineageGraph } from "../lineage/graph";
import { LineageList } from "../lineage/list";
import { type Filter, type Neighbourhood, kindsOf, neighbourhood } from "../lineage/neighbourhood";
import { useFollowed } from "../lineage/nodes";
import { sceneOf } from "../lineage/scene";
import { type ColumnAt, type Trace, nameOf, sourcesOf, trace } from "../lineage/trace";
import type { GraphNode, Kind } from "../data";
import { Chip, Choice } from "../parts/controls";
import { KindMark, NodeLink } from "../parts/marks";
import { Lost, NotFound, Waiting } from "../parts/states";
import { count, kindNames, plural } from "../text/format";

const usual = 2;
const deepest = 9;
const boxesAtOnce = 60;

const allKinds: Kind[] = ["source", "seed", "model", "incremental", "view", "ephemeral", "on_demand", "snapshot", "training_set", "exposure"];

export function LineagePage({ id }: { id: string }): VNode {
  const project = useProject();
  const { choices } = useAddress();
  const choose = useChoose();
  const depth = Math.min(deepest, Math.max(1, Number(choices["depth"]) || usual));
  const limit = Math.max(boxesAtOnce, Number(choices["limit"]) || 0);
  const filter: Filter = { tag: choices["tag"], folder: choices["folder"], kind: choices["kind"] };
  const selected = choices["column"] === undefined ? undefined : { id: choices["of"] ?? id, column: choices["column"] };

  const around = useFollowed(project, (nodes) => neighbourhood(nodes, id, depth, filter, limit), [id, depth]);
  const path = useFollowed(project, (nodes) => (selected ? trace(nodes, selected) : { ...nothing }), [selected?.id, selected?.column]);
  const focus = around.value.nodes.find((node) => node.id === id);
  useTitle(focus ? `Lineage of ${focus.name}${selected ? `: ${selected.column}` : ""}` : "Lineage");

  useEffect(() => {
    const pressed = (event: KeyboardEvent) => {
      if (event.key === "Escape" && selected && !(event.target instanceof HTMLInputElement)) choose({ column: undefined, of: undefined });
    };
    addEventListener("keydown", pressed);
    return () => removeEventListener("keydown", pressed);
  });

  const lost = around.lost ?? path.lost;
  if (lost !== undefined && focus === undefined) return <Lost file={lost} />;
  if (focus === undefined) return around.isGrowing ? <Waiting /> : <NotFound what={`node “${id}”`} />;

  const opened = new Set((choices["open"] ?? "").split(" ").filter(Boolean));
  const scene = sceneOf(around.value, { hasColumns: choices["columns"] !== undefined, opened, path: selected ? path.value : undefined });
  const select = (at: ColumnAt) => {
    const isSame = selected !== undefined && nameOf(selected) === nameOf(at);
    choose({ column: isSame ? undefined : at.column, of: isSame || at.id === id ? undefined : at.id });
  };
  const open = (box: string) => {
    const next = new Set(opened);
    if (!next.delete(box)) next.add(box);
    choose({ open: [...next].join(" ") });
  };
  return (
    <>
      <div class="lineage-head">
        <h1><span class="quiet">Lineage of</span> <a class="is-code" href={pageOf(id, undefined, focus.kind)}><KindMark kind={focus.kind} /> {focus.name}</a></h1>
        <Controls id={id} depth={depth} filter={filter} />
      </div>
      {lost !== undefined && <Lost file={lost} />}
      {focus.node?.unknown !== undefined && <p class="note">The lineage of its columns is not known: {focus.node.unknown}</p>}
      <Told around={around.value} selected={selected} path={path.value} isGrowing={path.isGrowing} node={focus.node} onClear={() => choose({ column: undefined, of: undefined })} onMore={() => choose({ limit: limit + boxesAtOnce * 2 })} />
      <LineageGraph
        scene={scene} focus={id} selected={selected} onSelect={select} onOpen={open}
        focusOn={(other) => format("lineage", other, { ...choices, open: undefined, limit: undefined, of: selected && (selected.id === other ? undefined : selected.id) })}
      />
      <p class="legend quiet">
        <span><i class="l-value" /> values flow</span><span><i class="l-steering" /> only steers: filters, joins, groups, order</span><span><i class="l-skipping" /> passes what a filter hides</span>
      </p>
      <LineageList scene={scene} path={selected ? path.value : undefined} />
    </>
  );
}

const nothing: Trace = { up: new Map(), down: new Map(), values: [], steering: [], missing: [] };

function Controls({ id, depth, filter }: { id: string; depth: number; filter: Filter }): VNode {
  const project = useProject();
  const { choices } = useAddress();
  const choose = useChoose();
  const kinds = kindsOf(allKinds.filter((kind) => project.counts[kind]).map((kind) => ({ kind })));
  return (
    <div class="filters" role="group" aria-label="What is shown">
      <span class="stepper">
        <button type="button" aria-label="One step less" disabled={depth <= 1} onClick={() => choose({ depth: depth - 1 })}>−</button>
        <span aria-live="polite">{plural(depth, "step")}</span>
        <button type="button" aria-label="One step more" disabled={depth >= deepest} onClick={() => choose({ depth: depth + 1 })}>+</button>
      </span>
      <Chip label="Columns" isOn={choices["columns"] !== undefined} onClick={() => choose({ columns: choices["columns"] === undefined ? 1 : undefined })} />
      <Choice label="Kind" all="All kinds" options={kinds.map((kind) => [kind, kindNames[kind]])} value={filter.kind} onChoose={(kind) => choose({ kind })} />
      <Choice label="Tag" all="All tags" options={project.tags.map((tag) => [tag, tag])} value={filter.tag} onChoose={(tag) => choose({ tag })} />
      <Choice label="Folder" all="All folders" options={project.folders.map((folder) => [folder, folder])} value={filter.folder} onChoose={(folder) => choose({ folder })} />
      {(filter.kind ?? filter.tag ?? filter.folder) !== undefined && <a href={format("lineage", id, { ...choices, kind: undefined, tag: undefined, folder: undefined })}>Clear filters</a>}
    </div>
  );
}

/** What the picture tells, in words. */
function Told({ around, selected, path, isGrowing, node, onClear, onMore }: {
  around: Neighbourhood; selected: ColumnAt | undefined; path: Trace; isGrowing: boolean; node: GraphNode | undefined; onClear: () => void; onMore: () => void;
}): VNode {
  return (
    <div class="told" role="status">
      {selected !== undefined && (
        <p>
          <button type="button" class="chip is-on" onClick={onClear}><span class="unseen">Clear the column</span>{selected.column}<span aria-hidden="true">✕</span></button>{" "}
          <Reach selected={selected} path={path} isGrowing={isGrowing} />
        </p>
      )}
      {selected === undefined && node !== undefined && node.columns.length > 0 && <p class="quiet">Turn on the columns and click one to see its whole path.</p>}
      {around.leftOut > 0 && <p class="quiet">{count(around.leftOut)} more are within these steps: take fewer steps, use a filter, or <button type="button" class="as-link" onClick={onMore}>show more</button>.</p>}
      {around.hidden > 0 && <p class="quiet">{plural(around.hidden, "node")} hidden by filters.</p>}
    </div>
  );
}

function Reach({ selected, path, isGrowing }: { selected: ColumnAt; path: Trace; isGrowing: boolean }): VNode {
  const project = useProject();
  const begins = sourcesOf(path, selected);
  const named = useFollowed(project, (nodes) => ({ missing: [] as string[], refs: begins.slice(0, 3).map((at) => ({ at, node: nodes.get(at.id) })) }), []);
  const made = path.down.size - 1;
  const nodes = new Set([...path.down.values()].map(({ id }) => id)).size - 1;
  const steered = new Set(path.steering.filter(({ from }) => path.down.has(nameOf(from))).map(({ to }) => to.id)).size;
  return (
    <>
      {begins.length === 0 ? "begins here" : <>comes from {named.value.refs.map(({ at, node }, index) => (
        <>{index > 0 && ", "}{node ? <NodeLink node={{ id: at.id, name: node.name, kind: node.kind }} column={at.column} /> : <code>{at.column}</code>}</>
      ))}{begins.length > 3 && ` and ${count(begins.length - 3)} more`}</>}
      {made > 0 ? `; ${plural(made, "column")} in ${plural(nodes, "node")} ${made === 1 ? "is" : "are"} made of it` : "; no column is made of it"}
      {steered > 0 && `; it steers the rows of ${plural(steered, "node")}`}.
      {isGrowing && <span class="quiet"> Following it …</span>}
    </>
  );
}
