/** The whole project, from source to exposure, on a canvas; where one looks and what is filtered is in the address. */
import { select } from "d3-selection";
import { type ZoomBehavior, zoom, zoomIdentity, zoomTransform } from "d3-zoom";
import type { VNode } from "preact";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { pageOf } from "../address";
import type { Kind } from "../data";
import { useAddress, useChoose, useProject, useShards, useTitle } from "../hooks";
import { kindsOf } from "../lineage/neighbourhood";
import { type Look, MapPainter, type Shown } from "../map/draw";
import { type MapModel, type View, fitting, modelOf, nearest } from "../map/model";
import { Chip } from "../parts/controls";
import { KindMark, NodeLink } from "../parts/marks";
import { When } from "../parts/states";
import { count, kindNames, plural } from "../text/format";

const reach = 14;
const rest_ms = 140;
/** How long lines may be drawn in one frame. */
const lines_ms = 8;
const listed = 100;

export function MapPage(): VNode {
  const project = useProject();
  useTitle("Map");
  const loaded = useShards(Array.from({ length: project.shards.map }, (_, number) => `map/${number}` as const));
  return (
    <>
      <h1 class="map-title">Map</h1>
      <When loaded={loaded}>{(parts) => <Whole model={memo(parts)} />}</When>
    </>
  );
}

const models = new WeakMap<object, MapModel>();

/** The arrays are made once. */
function memo(parts: Parameters<typeof modelOf>[0]): MapModel {
  const first = parts[0];
  if (first === undefined) return modelOf([]);
  const model = models.get(first) ?? modelOf(parts);
  models.set(first, model);
  return model;
}

function Whole({ model }: { model: MapModel }): VNode {
  const { choices } = useAddress();
  const choose = useChoose();
  const kinds = kindsOf(model.kinds.map((kind) => ({ kind })));
  const chosen = new Set((choices["kind"] ?? "").split(",").filter(Boolean));
  const query = (choices["q"] ?? "").toLowerCase();
  const isOn = useMemo(() => {
    const on = new Uint8Array(model.size);
    for (let number = 0; number < model.size; number += 1) {
      on[number] = (chosen.size === 0 || chosen.has(model.kinds[number]!)) && model.names[number]!.toLowerCase().includes(query) ? 1 : 0;
    }
    return on;
  }, [model, choices["kind"], query]);
  const toggle = (kind: Kind) => {
    const next = new Set(chosen);
    if (!next.delete(kind)) next.add(kind);
    choose({ kind: [...next].join(",") });
  };
  const fitted = isOn.reduce((sum, on) => sum + on, 0);
  return (
    <>
      <div class="filters">
        <div class="chips" role="group" aria-label="Kinds">
          {kinds.map((kind) => <Chip label={kindNames[kind]} isOn={chosen.has(kind)} onClick={() => toggle(kind)}><KindMark kind={kind} /></Chip>)}
        </div>
        <input type="text" class="field" aria-label="Names that contain" placeholder="Names that contain" value={choices["q"] ?? ""} onInput={(event) => choose({ q: event.currentTarget.value }, "replace")} />
        <span class="quiet" role="status">{fitted === model.size ? plural(model.size, "node") : `${count(fitted)} of ${plural(model.size, "node")}`}</span>
      </div>
      <Canvas model={model} isOn={isOn} />
      {(query !== "" || chosen.size > 0) && <Matching model={model} isOn={isOn} total={fitted} />}
    </>
  );
}

/** What the filters leave, as links. */
function Matching({ model, isOn, total }: { model: MapModel; isOn: Uint8Array; total: number }): VNode {
  const numbers: number[] = [];
  for (let number = 0; number < model.size && numbers.length < listed; number += 1) if (isOn[number]) numbers.push(number);
  return (
    <details class="edges">
      <summary>As a list <span class="badge">{count(total)}</span></summary>
      <ul class="columns-list">{numbers.map((number) => <li><NodeLink node={{ id: model.ids[number]!, name: model.names[number]!, kind: model.kinds[number]! }} /></li>)}</ul>
      {total > listed && <p class="quiet">and {count(total - listed)} more</p>}
    </details>
  );
}

function Canvas({ model, isOn }: { model: MapModel; isOn: Uint8Array }): VNode {
  const { choices } = useAddress();
  const choose = useChoose();
  const canvas = useRef<HTMLCanvasElement>(null);
  const behavior = useRef<ZoomBehavior<HTMLCanvasElement, unknown>>(undefined);
  const painter = useMemo(() => new MapPainter(model), [model]);
  const shown = useRef<Shown>({ isOn, hovered: -1 });
  const look = useRef<Look>(undefined);
  const resting = useRef(0);
  const lining = useRef(0);
  const frame = useRef(0);
  const latestChoose = useRef(choose);
  latestChoose.current = choose;
  const [hover, setHover] = useState<{ number: number; x: number; y: number }>();

  const view = (): View => zoomTransform(canvas.current!);
  const draw = (): void => {
    if (frame.current) return;
    frame.current = requestAnimationFrame(() => {
      frame.current = 0;
      if (canvas.current) painter.frame(canvas.current, ratioOf(), view(), (look.current ??= lookNow()), shown.current);
    });
  };
  const rest = (): void => {
    if (!canvas.current) return;
    cancelAnimationFrame(lining.current);
    const isDone = painter.lines(canvas.current, ratioOf(), view(), (look.current ??= lookNow()), shown.current);
    const goOn = (): void => {
      if (isDone(performance.now() + lines_ms)) draw();
      else lining.current = requestAnimationFrame(goOn);
    };
    draw();
    goOn();
  };
  const restSoon = (): void => {
    clearTimeout(resting.current);
    cancelAnimationFrame(lining.current);
    resting.current = setTimeout(rest, rest_ms) as unknown as number;
  };

  useEffect(() => {
    const box = canvas.current!;
    const scale = fitting(model, box.clientWidth, box.clientHeight).k;
    behavior.current = zoom<HTMLCanvasElement, unknown>()
      .scaleExtent([scale / 2, Math.max(scale * 2, 6)])
      .on("zoom", () => { draw(); restSoon(); })
      .on("end", ({ sourceEvent, transform }) => {
        // Only what somebody did by hand is kept in the address.
        if (!sourceEvent) return;
        latestChoose.current({ at: [transform.x, transform.y, transform.k].map((value) => Number(value.toPrecision(5))).join(",") }, "replace");
      });
    select(box).call(behavior.current).on("dblclick.zoom", null);
    const resize = (): void => {
      const ratio = ratioOf();
      box.width = Math.round(box.clientWidth * ratio);
      box.height = Math.round(box.clientHeight * ratio);
      rest();
    };
    const themed = (): void => { look.current = undefined; rest(); };
    const observer = new ResizeObserver(resize);
    observer.observe(box);
    addEventListener("fsbuild-theme", themed);
    const dark = matchMedia("(prefers-color-scheme: dark)");
    dark.addEventListener("change", themed);
    goTo(viewOf(choices["at"]) ?? fitting(model, box.clientWidth, box.clientHeight));
    resize();
    return () => {
      observer.disconnect();
      removeEventListener("fsbuild-theme", themed);
      dark.removeEventListener("change", themed);
      clearTimeout(resting.current);
      cancelAnimationFrame(lining.current);
      cancelAnimationFrame(frame.current);
      frame.current = 0;
    };
  }, [model]);
  useEffect(() => {
    shown.current = { isOn, hovered: -1 };
    rest();
  }, [isOn]);

  const goTo = ({ x, y, k }: View): void => {
    if (canvas.current && behavior.current) select(canvas.current).call(behavior.current.transform, zoomIdentity.translate(x, y).scale(k));
  };
  const at = (event: MouseEvent): number => nearest(model, view(), (number) => shown.current.isOn[number] === 1, event.offsetX, event.offsetY, reach);
  const moved = (event: PointerEvent): void => {
    const number = event.buttons ? -1 : at(event);
    if (number !== shown.current.hovered) {
      shown.current.hovered = number;
      draw();
    }
    setHover(number < 0 ? undefined : { number, x: event.offsetX, y: event.offsetY });
  };
  const pressed = (event: KeyboardEvent): void => {
    const box = canvas.current;
    if (!box || !behavior.current) return;
    const push: Record<string, [number, number]> = { ArrowLeft: [60, 0], ArrowRight: [-60, 0], ArrowUp: [0, 60], ArrowDown: [0, -60] };
    const by = push[event.key];
    if (by) select(box).call(behavior.current.translateBy, by[0] / view().k, by[1] / view().k);
    else if (event.key === "+" || event.key === "=") select(box).call(behavior.current.scaleBy, 1.3);
    else if (event.key === "-") select(box).call(behavior.current.scaleBy, 1 / 1.3);
    else return;
    event.preventDefault();
  };
  const box = canvas.current;
  return (
    <div class="map-frame">
      <canvas
        ref={canvas} class={`map ${hover ? "is-over" : ""}`} tabindex={0} role="img"
        aria-label={`Map of ${plural(model.size, "node")}, parents left of children. Arrows push it, plus and minus zoom; with a filter the list below says what is on it.`}
        onPointerMove={moved} onPointerLeave={() => { shown.current.hovered = -1; setHover(undefined); draw(); }} onKeyDown={pressed}
        onClick={(event) => { const number = at(event); if (number >= 0) location.hash = pageOf(model.ids[number]!, undefined, model.kinds[number]); }}
      />
      {hover && box && (
        <div class="map-name" style={hover.x > box.clientWidth / 2 ? { right: `${box.clientWidth - hover.x + 14}px`, top: `${hover.y + 14}px` } : { left: `${hover.x + 14}px`, top: `${hover.y + 14}px` }}>
          <KindMark kind={model.kinds[hover.number]!} /><span>{model.names[hover.number]}</span> <span class="quiet">{kindNames[model.kinds[hover.number]!]}</span>
        </div>
      )}
      <div class="graph-buttons">
        <button type="button" aria-label="Closer" onClick={() => box && behavior.current && select(box).call(behavior.current.scaleBy, 1.4)}>+</button>
        <button type="button" aria-label="Further away" onClick={() => box && behavior.current && select(box).call(behavior.current.scaleBy, 1 / 1.4)}>−</button>
        <button type="button" aria-label="Show all" onClick={() => { if (box) goTo(fitting(model, box.clientWidth, box.clientHeight)); choose({ at: undefined }, "replace"); }}>⤢</button>
      </div>
    </div>
  );
}

const ratioOf = (): number => Math.min(2, devicePixelRatio || 1);

function viewOf(text: string | undefined): View | undefined {
  const [x, y, k] = (text ?? "").split(",").map(Number);
  return x !== undefined && y !== undefined && k !== undefined && [x, y, k].every(Number.isFinite) && k > 0 ? { x, y, k } : undefined;
}

/** The colours of the present theme. */
function lookNow(): Look {
  const style = getComputedStyle(document.documentElement);
  const of = (name: string) => style.getPropertyValue(name).trim();
  const kinds = Object.fromEntries((["model", "incremental", "view", "ephemeral", "snapshot", "training_set", "on_demand", "seed", "source", "exposure"] as const).map((kind) => [kind, of(`--k-${kind}`)])) as Record<Kind, string>;
  return { kinds, line: of("--map-line"), text: of("--text"), accent: of("--accent"), background: of("--page"), font: `12px ${getComputedStyle(document.body).fontFamily}` };
}
