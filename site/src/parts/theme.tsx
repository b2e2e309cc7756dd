/** Light or dark: what the system says, until somebody chooses; the choice stays where storage is allowed. */
import type { VNode } from "preact";
import { useEffect, useState } from "preact/hooks";

const place = "fsbuild-theme";

export function ThemeSwitch(): VNode {
  const [isDark, setDark] = useState(() => darkNow());
  useEffect(() => {
    const list = matchMedia("(prefers-color-scheme: dark)");
    const changed = () => setDark(darkNow());
    list.addEventListener("change", changed);
    return () => list.removeEventListener("change", changed);
  }, []);
  const change = () => {
    const next = isDark ? "light" : "dark";
    document.documentElement.dataset["theme"] = next;
    document.documentElement.dataset["chosen"] = next;
    try {
      localStorage.setItem(place, next);
    } catch {
      // Pages from the file system may not store; the choice holds until they are closed.
    }
    setDark(!isDark);
    dispatchEvent(new Event("fsbuild-theme"));
  };
  return (
    <button type="button" class="theme" onClick={change} aria-label={isDark ? "Change to light" : "Change to dark"} title={isDark ? "Light" : "Dark"}>
      <svg width="16" height="16" viewBox="0 0 16 16" aria-hidden="true">
        {isDark
          ? <><circle cx="8" cy="8" r="3" /><path d="M8 1v2M8 13v2M1 8h2M13 8h2M3 3l1.5 1.5M11.5 11.5 13 13M13 3l-1.5 1.5M4.5 11.5 3 13" /></>
          : <path d="M13.5 9.5A6 6 0 0 1 6.5 2.5a6 6 0 1 0 7 7Z" />}
      </svg>
    </button>
  );
}

/** index.html sets it before anything is drawn. */
const darkNow = (): boolean => document.documentElement.dataset["theme"] === "dark";
