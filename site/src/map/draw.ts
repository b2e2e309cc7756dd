/**
 * Draws the project map on a canvas.
 *
 * Points are drawn anew in each frame. Lines are too many for that: they are drawn when the map rests, on a canvas of
 * their own that is larger than what is seen, and pushed and scaled along while it moves.
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
const labelsAtMost = 90;

export class MapPainter {
  private readonly lines = document.createElement("canvas");
  private linesView: View | undefined;
  private order: Map<Kind, number[]>;

  constructor(private readonly model: MapModel) {
    this.order = new Map();
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
    if (this.linesView !== undefined) {
      const scale = view.k / this.linesView.k;
      const [mx, my] = [width * margin, height * margin];
      context.drawImage(
        this.lines,
        view.x - this.linesView.x * scale - mx * scale, view.y - this.linesView.y * scale - my * scale,
        width * (1 + 2 * margin) * scale, height * (1 + 2 * margin) * scale,
      );
    }
    if (shown.hovered >= 0) this.neighbours(context, view, look, shown.hovered);
    this.points(context, view, look, shown, width, height);
    this.labels(context, view, look, shown, width, height);
  }

  /** Draws the lines for a view, for frames to come. */
  rest(canvas: HTMLCanvasElement, ratio: number, view: View, look: Look, { isOn }: Shown): void {
    // Lines are soft: half the pixels of a dense screen are enough.
    const fine = Math.min(ratio, 1);
    const [width, height] = [canvas.width / ratio, canvas.height / ratio];
    const [mx, my] = [width * margin, height * margin];
    this.lines.width = Math.max(1, Math.round((width + 2 * mx) * fine));
    this.lines.height = Math.max(1, Math.round((height + 2 * my) * fine));
    const context = this.lines.getContext("2d")!;
    context.setTransform(fine, 0, 0, fine, mx * fine, my * fine);
    context.strokeStyle = look.line;
    context.lineWidth = 1;
    const { xs, ys, edges } = this.model;
    const [left, right, top, bottom] = [-mx, width + mx, -my, height + my];
    const seen: number[] = [];
    for (let at = 0; at < edges.length; at += 2) {
      const [from, to] = [edges[at]!, edges[at + 1]!];
      if (!isOn[from] || !isOn[to]) continue;
      const [x1, y1, x2, y2] = [xs[from]! * view.k + view.x, ys[from]! * view.k + view.y, xs[to]! * view.k + view.x, ys[to]! * view.k + view.y];
      if ((x1 < left && x2 < left) || (x1 > right && x2 > right) || (y1 < top && y2 < top) || (y1 > bottom && y2 > bottom)) continue;
      seen.push(x1, y1, x2, y2);
    }
    // The more lines, the fainter each: a crowd shows as a shade, not as a wall.
    context.globalAlpha = Math.max(0.035, Math.min(0.8, 400 / Math.max(1, seen.length / 4)));
    for (let from = 0; from < seen.length; from += batch * 4) {
      context.beginPath();
      for (let at = from; at < Math.min(seen.length, from + batch * 4); at += 4) {
        context.moveTo(seen[at]!, seen[at + 1]!);
        context.lineTo(seen[at + 2]!, seen[at + 3]!);
      }
      context.stroke();
    }
    this.linesView = { ...view };
  }

  private points(context: CanvasRenderingContext2D, view: View, look: Look, { isOn, hovered }: Shown, width: number, height: number): void {
    const { xs, ys } = this.model;
    const radius = Math.max(1.4, Math.min(6, this.spacing() * view.k * 0.22));
    for (const isOnNow of [0, 1]) {
      context.globalAlpha = isOnNow ? 1 : 0.15;
      for (const [kind, numbers] of this.order) {
        context.fillStyle = look.kinds[kind];
        context.beginPath();
        for (const number of numbers) {
          if (isOn[number] !== isOnNow) continue;
          const [x, y] = [xs[number]! * view.k + view.x, ys[number]! * view.k + view.y];
          if (x < -radius || y < -radius || x > width + radius || y > height + radius) continue;
          if (radius < 3) context.fillRect(x - radius, y - radius, 2 * radius, 2 * radius);
          else {
            context.moveTo(x + radius, y);
            context.arc(x, y, radius, 0, 7);
          }
        }
        if (radius >= 3) context.fill();
      }
    }
    context.globalAlpha = 1;
    if (hovered >= 0) {
      context.beginPath();
      context.arc(xs[hovered]! * view.k + view.x, ys[hovered]! * view.k + view.y, radius + 3, 0, 7);
      context.strokeStyle = look.accent;
      context.lineWidth = 2;
      context.stroke();
    }
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
