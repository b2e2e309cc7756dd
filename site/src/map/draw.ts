/**
 * Draws the project map on a canvas.
 *
 * Points are drawn anew in each frame. Lines are too many for that: they are drawn when the map rests, a few at a time, on
 * a canvas of their own that is larger than what is seen, and pushed and scaled along while it moves.
 */
import type { Kind } from "../data";
import type { MapModel, View } from "./model";

export interface Look {
  kinds: Record<Kind, string>;
  line: string;
  text: string;
  accent: string;
  background: string;
  font: string;
}

export interface Shown {
  /** 1 for nodes that the filters let through. */
  isOn: Uint8Array;
  hovered: number;
}

const margin = 0.25;
/** Lines stroked at once: longer paths take longer than as many short ones. */
const batch = 400;
const labelsAtMost = 60;
/** Up to so many points are drawn smoothly round. */
const roundAtMost = 800;
/** How much is seen of what a filter hides. */
const faint = 0.15;

export class MapPainter {
  /** The lines that frames show, for which view they were drawn, and where the next ones are drawn. */
  private drawn = document.createElement("canvas");
  private drawnFor: View | undefined;
  private next = document.createElement("canvas");
  private readonly dotted = document.createElement("canvas");
  private pixels: ImageData | undefined;
  private readonly order = new Map<Kind, number[]>();

  constructor(private readonly model: MapModel) {
    model.kinds.forEach((kind, number) => {
      const same = this.order.get(kind);
      if (same === undefined) this.order.set(kind, [number]);
      else same.push(number);
    });
  }

  /** Draws a frame; `ratio` is pixels of the device for one of the page. */
  frame(canvas: HTMLCanvasElement, ratio: number, view: View, look: Look, shown: Shown): void {
    const context = canvas.getContext("2d")!;
    const [width, height] = [canvas.width / ratio, canvas.height / ratio];
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, width, height);
    if (this.drawnFor !== undefined) {
      const scale = view.k / this.drawnFor.k;
      // Smooth where it stands still, quick where it moves.
      context.imageSmoothingEnabled = scale === 1;
      const [mx, my] = [width * margin, height * margin];
      context.drawImage(
        this.drawn,
        view.x - this.drawnFor.x * scale - mx * scale, view.y - this.drawnFor.y * scale - my * scale,
        width * (1 + 2 * margin) * scale, height * (1 + 2 * margin) * scale,
      );
    }
    if (shown.hovered >= 0) this.neighbours(context, view, look, shown.hovered);
    this.points(context, view, look, shown, ratio, width, height);
    this.labels(context, view, look, shown, width, height);
  }

  /**
   * Begins to draw the lines for a view. What it gives draws on until a moment and says whether it is done; only then
   * frames have the new lines.
   */
  lines(canvas: HTMLCanvasElement, ratio: number, view: View, look: Look, { isOn }: Shown): (until: number) => boolean {
    // Lines are soft: half the pixels of a dense screen are enough.
    const fine = Math.min(ratio, 1);
    const [width, height] = [canvas.width / ratio, canvas.height / ratio];
    const [mx, my] = [width * margin, height * margin];
    const seen = this.linesWithin(view, isOn, -mx, -my, width + mx, height + my);
    const context = this.next.getContext("2d")!;
    this.next.width = Math.max(1, Math.round((width + 2 * mx) * fine));
    this.next.height = Math.max(1, Math.round((height + 2 * my) * fine));
    context.setTransform(fine, 0, 0, fine, mx * fine, my * fine);
    context.strokeStyle = look.line;
    context.lineWidth = 1;
    // The more lines, the fainter each: a crowd shows as a shade, not as a wall.
    context.globalAlpha = Math.max(0.035, Math.min(0.8, 400 / Math.max(1, seen.length / 4)));
    const drawnFor = { ...view };
    let at = 0;
    return (until) => {
      while (at < seen.length && performance.now() < until) {
        const end = Math.min(seen.length, at + batch * 4);
        context.beginPath();
        for (; at < end; at += 4) {
          context.moveTo(seen[at]!, seen[at + 1]!);
          context.lineTo(seen[at + 2]!, seen[at + 3]!);
        }
        context.stroke();
      }
      if (at < seen.length) return false;
      [this.drawn, this.next] = [this.next, this.drawn];
      this.drawnFor = drawnFor;
      return true;
    };
  }

  private linesWithin(view: View, isOn: Uint8Array, left: number, top: number, right: number, bottom: number): number[] {
    const { xs, ys, edges } = this.model;
    const seen: number[] = [];
    for (let at = 0; at < edges.length; at += 2) {
      const [from, to] = [edges[at]!, edges[at + 1]!];
      if (!isOn[from] || !isOn[to]) continue;
      const [x1, y1, x2, y2] = [xs[from]! * view.k + view.x, ys[from]! * view.k + view.y, xs[to]! * view.k + view.x, ys[to]! * view.k + view.y];
      if ((x1 < left && x2 < left) || (x1 > right && x2 > right) || (y1 < top && y2 < top) || (y1 > bottom && y2 > bottom)) continue;
      seen.push(x1, y1, x2, y2);
    }
    return seen;
  }

  private points(context: CanvasRenderingContext2D, view: View, look: Look, shown: Shown, ratio: number, width: number, height: number): void {
    const { xs, ys } = this.model;
    const { isOn, hovered } = shown;
    const radius = Math.max(1.4, Math.min(6, this.spacing() * view.k * 0.22));
    if (this.crowd(view, width, height) > roundAtMost) this.dots(context, view, look, isOn, ratio, radius);
    else {
      for (const isOnNow of [0, 1]) {
        context.globalAlpha = isOnNow ? 1 : faint;
        for (const [kind, numbers] of this.order) {
          context.fillStyle = look.kinds[kind];
          context.beginPath();
          for (const number of numbers) {
            if (isOn[number] !== isOnNow) continue;
            const [x, y] = [xs[number]! * view.k + view.x, ys[number]! * view.k + view.y];
            if (x < -radius || y < -radius || x > width + radius || y > height + radius) continue;
            context.moveTo(x + radius, y);
            context.arc(x, y, radius, 0, 7);
          }
          context.fill();
        }
      }
      context.globalAlpha = 1;
    }
    if (hovered >= 0) {
      context.beginPath();
      context.arc(xs[hovered]! * view.k + view.x, ys[hovered]! * view.k + view.y, radius + 3, 0, 7);
      context.strokeStyle = look.accent;
      context.lineWidth = 2;
      context.stroke();
    }
  }

  /** How many points are in sight. */
  private crowd(view: View, width: number, height: number): number {
    const { xs, ys } = this.model;
    const [left, right, top, bottom] = [-view.x / view.k, (width - view.x) / view.k, -view.y / view.k, (height - view.y) / view.k];
    let seen = 0;
    for (let number = 0; number < xs.length; number += 1) {
      if (xs[number]! >= left && xs[number]! <= right && ys[number]! >= top && ys[number]! <= bottom) seen += 1;
    }
    return seen;
  }

  /** Many small points are written as pixels: ten thousand rectangles a frame would be too slow without a graphics card. */
  private dots(context: CanvasRenderingContext2D, view: View, look: Look, isOn: Uint8Array, ratio: number, radius: number): void {
    const { xs, ys, kinds } = this.model;
    const { width, height } = context.canvas;
    if (this.pixels?.width !== width || this.pixels.height !== height) {
      this.pixels = new ImageData(width, height);
      [this.dotted.width, this.dotted.height] = [width, height];
    }
    const words = new Uint32Array(this.pixels.data.buffer);
    words.fill(0);
    const colours = new Map([...this.order.keys()].map((kind) => [kind, [wordOf(context, look.kinds[kind], faint), wordOf(context, look.kinds[kind], 1)]]));
    const disc = discOf(radius * ratio, width);
    const reach = Math.ceil(radius * ratio);
    for (const isOnNow of [0, 1]) {
      for (let number = 0; number < xs.length; number += 1) {
        if (isOn[number] !== isOnNow) continue;
        const x = Math.round((xs[number]! * view.k + view.x) * ratio);
        const y = Math.round((ys[number]! * view.k + view.y) * ratio);
        if (x < reach || y < reach || x + reach >= width || y + reach >= height) continue;
        const word = colours.get(kinds[number]!)![isOnNow]!;
        const centre = y * width + x;
        for (let pixel = 0; pixel < disc.length; pixel += 1) words[centre + disc[pixel]!] = word;
      }
    }
    this.dotted.getContext("2d")!.putImageData(this.pixels, 0, 0);
    context.drawImage(this.dotted, 0, 0, width / ratio, height / ratio);
  }

  private neighbours(context: CanvasRenderingContext2D, view: View, look: Look, hovered: number): void {
    const { xs, ys, edges } = this.model;
    context.strokeStyle = look.accent;
    context.lineWidth = 1.5;
    context.beginPath();
    for (let at = 0; at < edges.length; at += 2) {
      const [from, to] = [edges[at]!, edges[at + 1]!];
      if (from !== hovered && to !== hovered) continue;
      context.moveTo(xs[from]! * view.k + view.x, ys[from]! * view.k + view.y);
      context.lineTo(xs[to]! * view.k + view.x, ys[to]! * view.k + view.y);
    }
    context.stroke();
  }

  /** Names, where there is room for them. */
  private labels(context: CanvasRenderingContext2D, view: View, look: Look, { isOn }: Shown, width: number, height: number): void {
    if (this.spacing() * view.k < 11) return;
    const { xs, ys, names } = this.model;
    context.font = look.font;
    context.textBaseline = "middle";
    context.lineWidth = 3;
    context.strokeStyle = look.background;
    context.fillStyle = look.text;
    const taken: [left: number, right: number, y: number][] = [];
    for (let number = 0; number < names.length && taken.length < labelsAtMost; number += 1) {
      const [x, y] = [xs[number]! * view.k + view.x + 10, ys[number]! * view.k + view.y];
      if (!isOn[number] || x < 0 || y < 0 || x > width || y > height) continue;
      const name = names[number]!.length > 34 ? `${names[number]!.slice(0, 33)}…` : names[number]!;
      const right = x + name.length * 6.6;
      if (taken.some((other) => Math.abs(other[2] - y) < 14 && x < other[1] && right > other[0])) continue;
      taken.push([x, right, y]);
      context.strokeText(name, x, y);
      context.fillText(name, x, y);
    }
  }

  /** About how far nodes are from one another, in the map's units. */
  private spacing(): number {
    const { bounds, size } = this.model;
    const area = Math.max(bounds.right - bounds.left, 1e-6) * Math.max(bounds.bottom - bounds.top, 1e-6);
    return Math.sqrt(area / Math.max(1, size));
  }
}

/** The pixels of a disc, as distances from its centre in a picture of so many pixels a row. */
function discOf(radius: number, width: number): Int32Array {
  const reach = Math.ceil(radius);
  const pixels: number[] = [];
  for (let y = -reach; y <= reach; y += 1) {
    for (let x = -reach; x <= reach; x += 1) if (Math.hypot(x, y) <= radius) pixels.push(y * width + x);
  }
  return Int32Array.from(pixels);
}

/** A colour as the number that a pixel has in memory. */
function wordOf(context: CanvasRenderingContext2D, colour: string, alpha: number): number {
  // A canvas gives any opaque colour back as #rrggbb.
  context.fillStyle = colour;
  const value = Number.parseInt(String(context.fillStyle).slice(1), 16);
  return ((Math.round(alpha * 255) << 24) | ((value & 0xff) << 16) | (value & 0xff00) | (value >> 16)) >>> 0;
}
