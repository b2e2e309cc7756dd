/** Draws a scene: boxes that can be focused and clicked, lines beneath them; pushed and zoomed by hand, wheel or buttons. */
import { select } from "d3-selection";
import { type ZoomBehavior, zoom, zoomIdentity } from "d3-zoom";
import type { VNode } from "preact";
import { useEffect, useLayoutEffect, useMemo, useRef } from "preact/hooks";
import { pageOf } from "../address";
import { KindMark } from "../parts/marks";
import { isValue, kindNames } from "../text/format";
import { type Layout, type Point, boxWidth, headHeight, pathOf, place, portOf, rowHeight, wayOf } from "./layout";
import type { Scene, SceneBox } from "./scene";
import type { ColumnAt, Step } from "./trace";
import { nameOf, rows as rowsOf } from "./trace";

export interface GraphProps {
  scene: Scene;
  focus: string;
  selected: ColumnAt | undefined;
  /** The address of the same view about another node. */
  focusOn: (id: string) => string;
  onSelect: (at: ColumnAt) => void;
  onOpen: (id: string) => void;
}

export function LineageGraph({ scene, focus, selected, focusOn, onSelect, onOpen }: GraphProps): VNode {
  const viewport = useRef<HTMLDivElement>(null);
  const layer = useRef<HTMLDivElement>(null);
  const behavior = useRef<ZoomBehavior<HTMLDivElement, unknown>>(undefined);
  // Places only depend on this; lighting a path leaves them as they are.
  const signature = JSON.stringify([scene.boxes.map(({ id, rows, hasMore }) => [id, rows, hasMore]), scene.links.map(({ from, to }) => [from, to])]);
  const placed = useMemo(() => place(scene.boxes, scene.links), [signature]);

  const fit = (): void => {
    const box = viewport.current;
    if (box === null || behavior.current === undefined) return;
    const [wide, high] = [box.clientWidth, box.clientHeight];
    const whole = Math.min(1, wide / placed.width, high / placed.height);
    // Rather a part that can be read than the whole that can't: then the focus is in the middle.
    const scale = Math.max(whole, 0.66);
    const centre = placed.boxes.get(focus);
    const fits = placed.width * scale <= wide;
    const fitsHigh = placed.height * scale <= high;
    const x = fits || centre === undefined ? (wide - placed.width * scale) / 2 : wide / 2 - (centre.x + boxWidth / 2) * scale;
    const y = fitsHigh || centre === undefined ? (high - placed.height * scale) / 2 : high / 2 - (centre.y + headHeight / 2) * scale;
    select(box).call(behavior.current.transform, zoomIdentity.translate(x, y).scale(scale));
  };
  useEffect(() => {
    const box = viewport.current!;
    behavior.current = zoom<HTMLDivElement, unknown>()
      .scaleExtent([0.1, 2])
      .filter((event: Event) => !(event as MouseEvent).button && !(event.type === "mousedown" && (event.target as HTMLElement).closest("a, button")))
      .on("zoom", ({ transform }) => {
        layer.current!.style.transform = `translate(${transform.x}px, ${transform.y}px) scale(${transform.k})`;
      });
    select(box).call(behavior.current).on("dblclick.zoom", null);
    return () => void select(box).on(".zoom", null);
  }, []);
  useLayoutEffect(fit, [placed]);
  useEffect(fit, []);
  const scaleBy = (factor: number): void => {
    if (viewport.current && behavior.current) select(viewport.current).call(behavior.current.scaleBy, factor);
  };
  // The box that the keyboard is in is brought into sight.
  const focused = (event: FocusEvent): void => {
    const box = viewport.current;
    if (box === null || behavior.current === undefined) return;
    box.scrollTo(0, 0);
    const [target, frame] = [(event.target as HTMLElement).getBoundingClientRect(), box.getBoundingClientRect()];
    const isIn = target.left >= frame.left && target.right <= frame.right && target.top >= frame.top && target.bottom <= frame.bottom;
    if (isIn || !(event.target as HTMLElement).matches(":focus-visible")) return;
    const scale = Number(/scale\(([\d.]+)\)/.exec(layer.current!.style.transform)?.[1] ?? 1);
    select(box).call(behavior.current.translateBy, (frame.left + frame.width / 2 - target.left) / scale, (frame.top + frame.height / 2 - target.top) / scale);
  };
  return (
    <div class="graph-frame">
      <div class={`graph ${selected ? "has-path" : ""}`} ref={viewport} role="group" aria-label="Lineage graph; the list below it says the same" onFocusIn={focused}>
        <div class="graph-layer" ref={layer} style={{ width: `${placed.width}px`, height: `${placed.height}px` }}>
          <Lines scene={scene} placed={placed} selected={selected} />
          {scene.boxes.map((box) => (
            <Box key={box.id} box={box} at={placed.boxes.get(box.id)!} isFocus={box.id === focus} selected={selected} focusOn={focusOn} onSelect={onSelect} onOpen={onOpen} />
          ))}
        </div>
      </div>
      <div class="graph-buttons">
        <button type="button" onClick={() => scaleBy(1.3)} aria-label="Closer">+</button>
        <button type="button" onClick={() => scaleBy(1 / 1.3)} aria-label="Further away">−</button>
        <button type="button" onClick={fit} aria-label="Show all">⤢</button>
      </div>
    </div>
  );
}

function Lines({ scene, placed, selected }: { scene: Scene; placed: Layout; selected: ColumnAt | undefined }): VNode {
  const numbers = new Map(scene.boxes.map((box) => [box.id, new Map(box.shown.map((row, number) => [row.name, number]))]));
  const line = (from: ColumnAt, to: ColumnAt, aside = 0): string => {
    const [left, right] = [placed.boxes.get(from.id), placed.boxes.get(to.id)];
    if (left === undefined || right === undefined) return "";
    const row = ({ id, column }: ColumnAt) => numbers.get(id)?.get(column) ?? -1;
    // Side by side where both kinds of lines take the same way.
    const way: Point[] = (placed.ways.get(wayOf(from.id, to.id)) ?? []).map(({ x, y }) => ({ x, y: y + aside }));
    return pathOf([portOf(left, row(from), "right"), ...way, portOf(right, row(to), "left")]);
  };
  const drawn = new Map<string, Step>();
  for (const step of scene.steps) drawn.set(`${nameOf(step.from)} ${nameOf(step.to)} ${isValue(step.kind)}`, step);
  return (
    <svg class="graph-lines" width={Math.max(1, placed.width)} height={Math.max(1, placed.height)} aria-hidden="true">
      {scene.links.map(({ from, to, isSkipping, isSteering }) => (
        <path key={wayOf(from, to)} class={`link ${isSkipping ? "is-skipping" : ""} ${isSteering ? "is-steering" : ""}`} d={line({ id: from, column: "" }, { id: to, column: "" })} />
      ))}
      {selected !== undefined && [...drawn.values()].map(({ from, to, kind }) => {
        const isSteering = !isValue(kind) || to.column === rowsOf;
        return <path key={`${nameOf(from)} ${nameOf(to)} ${kind}`} class={`step ${isSteering ? "is-steering" : ""}`} d={line(from, to, isSteering ? 5 : 0)} />;
      })}
    </svg>
  );
}

function Box({ box, at, isFocus, selected, focusOn, onSelect, onOpen }: Omit<GraphProps, "scene" | "focus"> & {
  box: SceneBox; at: { x: number; y: number; height: number }; isFocus: boolean;
}): VNode {
  const isSelected = (column: string) => selected !== undefined && selected.id === box.id && selected.column === column;
  return (
    <div class={`box ${isFocus ? "is-focus" : ""} ${box.isLit ? "is-lit" : ""}`} style={{ left: `${at.x}px`, top: `${at.y}px`, height: `${at.height}px`, width: `${boxWidth}px` }}>
      <div class="box-head" style={{ height: `${headHeight}px` }}>
        <a class="box-name" href={pageOf(box.id, undefined, box.kind)} title={box.name}><KindMark kind={box.kind} /><span class="name">{box.name}</span></a>
        <span class="box-about">
          <span>{kindNames[box.kind] ?? box.kind}</span>
          {box.node?.unknown !== undefined && <span class="box-unknown" title={`Lineage of its columns is not known: ${box.node.unknown}`}>columns unknown</span>}
          {isFocus ? <span class="box-here">in focus</span> : <a class="box-focus" href={focusOn(box.id)} aria-label={`focus on ${box.name}`}>focus</a>}
        </span>
      </div>
      {box.shown.map((row) => (
        <button
          type="button" key={row.name} style={{ height: `${rowHeight}px` }} aria-pressed={isSelected(row.name)}
          class={`box-row ${row.isLit ? "is-lit" : ""} ${row.isSteering ? "is-steering" : ""}`} onClick={() => onSelect({ id: box.id, column: row.name })}
        >
          <span class="name">{row.name}</span>{row.type !== undefined && <span class="type">{row.type}</span>}
        </button>
      ))}
      {box.hasMore && (
        <button type="button" class="box-row is-more" style={{ height: `${rowHeight}px` }} onClick={() => onOpen(box.id)}>{box.more > 0 ? `${box.more} more` : "fewer"}</button>
      )}
    </div>
  );
}
