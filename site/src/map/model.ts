/** The project map as arrays that can be drawn fast. In: its parts, in order. Pure. */
import type { Kind, MapPart } from "../data";

export interface MapModel {
  size: number;
  xs: Float32Array;
  ys: Float32Array;
  kinds: Kind[];
  names: string[];
  ids: string[];
  /** Numbers of a parent and a child in turn. */
  edges: Uint32Array;
  bounds: { left: number; top: number; right: number; bottom: number };
}

export function modelOf(parts: readonly MapPart[]): MapModel {
  const at = parts.flatMap((part) => part.at);
  const size = at.length / 2;
  const xs = Float32Array.from({ length: size }, (_, number) => at[number * 2]!);
  const ys = Float32Array.from({ length: size }, (_, number) => at[number * 2 + 1]!);
  const bounds = { left: Infinity, top: Infinity, right: -Infinity, bottom: -Infinity };
  for (let number = 0; number < size; number += 1) {
    bounds.left = Math.min(bounds.left, xs[number]!);
    bounds.right = Math.max(bounds.right, xs[number]!);
    bounds.top = Math.min(bounds.top, ys[number]!);
    bounds.bottom = Math.max(bounds.bottom, ys[number]!);
  }
  return {
    size, xs, ys, bounds,
    kinds: parts.flatMap((part) => part.kinds),
    names: parts.flatMap((part) => part.names),
    ids: parts.flatMap((part) => part.ids),
    edges: Uint32Array.from(parts.flatMap((part) => part.edges)),
  };
}

export interface View { x: number; y: number; k: number }

/** The view that shows everything, with a margin. */
export function fitting({ bounds, size }: MapModel, width: number, height: number): View {
  if (size === 0) return { x: width / 2, y: height / 2, k: 1 };
  const [wide, high] = [bounds.right - bounds.left, bounds.bottom - bounds.top];
  const k = Math.min((width - 48) / Math.max(wide, 1e-6), (height - 48) / Math.max(high, 1e-6), 60);
  return { x: width / 2 - ((bounds.left + bounds.right) / 2) * k, y: height / 2 - ((bounds.top + bounds.bottom) / 2) * k, k };
}

/** The nearest node to a place on the screen, within `reach` pixels; -1 where there is none. */
export function nearest(model: MapModel, view: View, isShown: (number: number) => boolean, x: number, y: number, reach: number): number {
  const [wx, wy] = [(x - view.x) / view.k, (y - view.y) / view.k];
  let best = -1;
  let least = (reach / view.k) ** 2;
  for (let number = 0; number < model.size; number += 1) {
    const distance = (model.xs[number]! - wx) ** 2 + (model.ys[number]! - wy) ** 2;
    if (distance < least && isShown(number)) {
      best = number;
      least = distance;
    }
  }
  return best;
}
