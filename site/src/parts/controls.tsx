/** Buttons and fields of filters. */
import type { ComponentChildren, VNode } from "preact";

/** A choice that is on or off. */
export function Chip({ label, isOn, onClick, children }: { label: string; isOn: boolean; onClick: () => void; children?: ComponentChildren }): VNode {
  return <button type="button" class="chip" aria-pressed={isOn} onClick={onClick}>{children}{label}</button>;
}

/** A list to choose one of, with a first entry for no choice; nothing where there is nothing to choose. */
export function Choice({ label, all, options, value, onChoose }: {
  label: string; all: string; options: readonly (readonly [value: string, text: string])[]; value: string | undefined; onChoose: (value: string | undefined) => void;
}): VNode | null {
  if (options.length === 0) return null;
  return (
    <label class="choice">
      <span class="unseen">{label}</span>
      <select value={value ?? ""} onChange={(event) => onChoose(event.currentTarget.value || undefined)}>
        <option value="">{all}</option>
        {options.map(([option, text]) => <option value={option} selected={option === value}>{text}</option>)}
      </select>
    </label>
  );
}
