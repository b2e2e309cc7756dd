/** What is shown in place of data: while it is read, when it can't be, and when there is none. */
import { Component, type ComponentChildren, type VNode } from "preact";
import { useEffect, useState } from "preact/hooks";
import { format } from "../address";
import type { Loaded } from "../hooks";
import { type Key, isSingleFile } from "../loader";

/** Says so only after a while: most files are read before anybody notices. */
export function Waiting(): VNode {
  const [isLate, setLate] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => setLate(true), 250);
    return () => clearTimeout(timer);
  }, []);
  return <p class="waiting" role="status">{isLate ? "Reading …" : ""}</p>;
}

export function Lost({ file }: { file: Key }): VNode {
  return (
    <div class="problem" role="alert">
      <h2>{isSingleFile ? "This file has only a part of the documentation" : "A file of this documentation could not be read"}</h2>
      {isSingleFile
        ? <p>What you look for is not in it. Ask whoever sent it for the whole folder, which <code>fsbuild docs generate</code> writes.</p>
        : <p><code>data/{file}.js</code> is missing or damaged. Run <code>fsbuild docs generate</code> again, and copy the whole folder if you copy it.</p>}
      <p><button type="button" class="button" onClick={() => location.reload()}>Try again</button></p>
    </div>
  );
}

/** The value once it is there, and what to show until then. */
export function When<T>({ loaded, children }: { loaded: Loaded<T>; children: (value: T) => ComponentChildren }): VNode {
  if (loaded.state === "ready") return <>{children(loaded.value)}</>;
  return loaded.state === "waiting" ? <Waiting /> : <Lost file={loaded.key} />;
}

export function NotFound({ what }: { what: string }): VNode {
  return (
    <div class="problem">
      <h1>There is no {what} here</h1>
      <p>It may have been renamed or removed since somebody shared this address, or the documentation may be older than the project.</p>
      <p><a class="button" href={format("search", "", { q: lastWord(what) })}>Search for it</a> <a class="button" href="#/">Go to the start</a></p>
    </div>
  );
}

const lastWord = (what: string): string => what.split(/[\s"“”./]+/).filter(Boolean).at(-1) ?? "";

/** Data of another shape than the pages expect must not leave a blank page. */
export class Fence extends Component<{ at: string; children: ComponentChildren }, { error?: Error | undefined; at?: string }> {
  override componentDidCatch(error: Error): void {
    this.setState({ error, at: this.props.at });
  }

  override render(): ComponentChildren {
    const { error, at } = this.state;
    if (error === undefined || at !== this.props.at) return this.props.children;
    return (
      <div class="problem" role="alert">
        <h1>This page can’t be shown</h1>
        <p>Its data is not as it should be, perhaps because it was written by another version of fsbuild. Run <code>fsbuild docs generate</code> again.</p>
        <pre tabindex={0}>{error.message}</pre>
      </div>
    );
  }
}
