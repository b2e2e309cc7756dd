/** Charts as plain SVG, each with the sentence that says the same. */
import type { VNode } from "preact";
import type { ColumnPage } from "../data";
import { compact, count, measure, share } from "../text/format";

type Statistics = NonNullable<ColumnPage["statistics"]>;

/** Bars of counts, without an axis: the shape of a column at a glance. */
export function Sparkline({ counts, label, width = 96, height = 24 }: { counts: readonly number[]; label: string; width?: number; height?: number }): VNode {
  const most = Math.max(1, ...counts);
  const step = width / counts.length;
  return (
    <svg class="sparkline" width={width} height={height} viewBox={`0 0 ${width} ${height}`} role="img" aria-label={label}>
      {counts.map((value, index) => {
        // What is there is seen, however rare.
        const tall = value === 0 ? 0 : Math.max(1.5, (value / most) * (height - 1));
        return <rect x={index * step} y={height - tall} width={Math.max(0.5, step - 1)} height={tall} rx={0.5} />;
      })}
      <line x1={0} x2={width} y1={height - 0.5} y2={height - 0.5} />
    </svg>
  );
}

/** What a histogram's bin holds, in words. */
export function binName(edges: readonly number[], index: number, isTime: boolean): string {
  const [from, to] = [edges[index - 1], edges[index]];
  const write = (edge: number) => (isTime ? dateOf(edge) : measure(edge));
  if (from === undefined) return `below ${write(to ?? 0)}`;
  return to === undefined ? `${write(from)} and more` : `${write(from)} to ${write(to)}`;
}

const dateOf = (seconds: number): string => {
  const at = new Date(seconds * 1000);
  return Number.isNaN(at.getTime()) ? String(seconds) : at.toISOString().slice(0, 16).replace("T", " ").replace(" 00:00", "");
};

export function Histogram({ statistics }: { statistics: Statistics }): VNode | null {
  const { counts, edges = [], is_time: isTime = false } = statistics;
  if (counts === undefined || counts.length === 0) return null;
  const [width, height] = [360, 96];
  const most = Math.max(1, ...counts);
  const step = width / counts.length;
  const first = edges[0];
  const last = edges.at(-1);
  return (
    <figure class="histogram">
      <svg viewBox={`0 0 ${width} ${height}`} role="img" aria-label={`Histogram of ${counts.length} bins; most rows lie ${binName(edges, counts.indexOf(most), isTime)}`}>
        {counts.map((value, index) => {
          const tall = value === 0 ? 0 : Math.max(2, (value / most) * (height - 4));
          return (
            <rect x={index * step} y={height - tall} width={Math.max(1, step - 2)} height={tall} rx={1}>
              <title>{`${binName(edges, index, isTime)}: ${count(value)}`}</title>
            </rect>
          );
        })}
        <line x1={0} x2={width} y1={height - 0.5} y2={height - 0.5} />
      </svg>
      {first !== undefined && last !== undefined && (
        <figcaption><span>{isTime ? dateOf(first) : measure(first)}</span><span>{isTime ? dateOf(last) : measure(last)}</span></figcaption>
      )}
    </figure>
  );
}

/** How many rows have a value: a bar, and the number beside it. */
export function Completeness({ value }: { value: number }): VNode {
  return (
    <span class={`completeness ${value < 0.5 ? "is-low" : ""}`} title={`${share(value)} of the rows have a value`}>
      <span class="bar" aria-hidden="true"><span style={{ width: `${Math.max(0, Math.min(1, value)) * 100}%` }} /></span>
      <span class="number">{share(value)}<span class="unseen"> of the rows have a value</span></span>
    </span>
  );
}

export interface Bar { value: number; label: string }

/** Bars over time, the newest to the right, with the last and the greatest value written. */
export function Bars({ title, bars, write }: { title: string; bars: readonly Bar[]; write: (value: number) => string }): VNode | null {
  if (bars.length < 2) return null;
  const [width, height] = [300, 64];
  const most = Math.max(...bars.map(({ value }) => value), Number.MIN_VALUE);
  const step = Math.min(24, width / bars.length);
  const last = bars.at(-1)!;
  return (
    <figure class="bars">
      <figcaption><span>{title}</span><strong>{write(last.value)}</strong></figcaption>
      <svg viewBox={`0 0 ${width} ${height}`} preserveAspectRatio="none" role="img" aria-label={`${title}: the last of ${bars.length} is ${write(last.value)}, the greatest ${write(most)}`}>
        {bars.map(({ value, label }, index) => {
          const tall = value === 0 ? 0 : Math.max(1.5, (value / most) * (height - 2));
          return (
            <rect class={index === bars.length - 1 ? "is-last" : undefined} x={width - (bars.length - index) * step} y={height - tall} width={step - 2} height={tall} rx={1}>
              <title>{label}</title>
            </rect>
          );
        })}
        <line x1={0} x2={width} y1={height - 0.5} y2={height - 0.5} />
      </svg>
      <p class="quiet">{bars.length} runs, at most {write(most)}</p>
    </figure>
  );
}

/** The most frequent values with how often they occur. */
export function TopValues({ values }: { values: NonNullable<Statistics["values"]> }): VNode {
  const most = Math.max(1, ...values.map((value) => value.count));
  return (
    <ul class="top-values" aria-label="Most frequent values">
      {values.map((value) => (
        <li>
          <span class="bar" aria-hidden="true"><span style={{ width: `${(value.count / most) * 100}%` }} /></span>
          <span class="value">{value.value === "" ? <em>empty</em> : value.value}</span>
          <span class="number">{compact(value.count)}</span>
        </li>
      ))}
    </ul>
  );
}
