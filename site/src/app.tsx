/** The frame of all pages, and which page an address means. */
import type { VNode } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { type Address, parse } from "./address";
import type { Project } from "./data";
import { AddressContext, ProjectContext } from "./hooks";
import { ChecksPage } from "./pages/checks";
import { EntitiesPage, EntityView } from "./pages/entities";
import { ExposureView, ExposuresPage } from "./pages/exposures";
import { FeatureViewView, FeatureViewsPage } from "./pages/feature-views";
import { LandingPage } from "./pages/landing";
import { LineagePage } from "./pages/lineage";
import { MapPage } from "./pages/map";
import { NodeView } from "./pages/node";
import { RunView, RunsPage } from "./pages/runs";
import { SearchPage } from "./pages/search";
import { SourcesPage } from "./pages/sources";
import { TrainingSetsPage } from "./pages/training-sets";
import { Fence, NotFound } from "./parts/states";
import { ThemeSwitch } from "./parts/theme";
import { SearchBox, useSlash } from "./search/box";
import { ago, moment } from "./text/format";

const pages: Record<string, (address: Address) => VNode> = {
  "": () => <LandingPage />,
  search: () => <SearchPage />,
  node: ({ name }) => <NodeView id={name} />,
  lineage: ({ name }) => <LineagePage id={name} />,
  map: () => <MapPage />,
  entities: () => <EntitiesPage />,
  entity: ({ name }) => <EntityView name={name} />,
  "feature-views": () => <FeatureViewsPage />,
  "feature-view": ({ name }) => <FeatureViewView name={name} />,
  "training-sets": () => <TrainingSetsPage />,
  sources: () => <SourcesPage />,
  checks: () => <ChecksPage />,
  runs: () => <RunsPage />,
  run: ({ name }) => <RunView id={name} />,
  exposures: () => <ExposuresPage />,
  exposure: ({ name }) => <ExposureView id={name} />,
};

export function App({ project }: { project: Project }): VNode {
  const address = useHash();
  useSlash();
  const page = Object.hasOwn(pages, address.page) ? pages[address.page] : undefined;
  const at = `${address.page}/${address.name}`;
  return (
    <ProjectContext.Provider value={project}>
      <AddressContext.Provider value={address}>
        <a class="skip" href="#main" onClick={(event) => { event.preventDefault(); document.getElementById("main")?.focus(); }}>Skip to the content</a>
        <Header project={project} page={address.page} />
        <main id="main" tabindex={-1} class={`page-${address.page || "landing"}`}>
          <Fence key={at} at={at}>{page === undefined ? <NotFound what={`page “${address.page}”`} /> : page(address)}</Fence>
        </main>
        <Footer project={project} />
      </AddressContext.Provider>
    </ProjectContext.Provider>
  );
}

/** Pages of the navigation: an empty project has few of them. */
function linksOf(project: Project): [page: string, label: string][] {
  const has = (list: readonly unknown[]) => list.length > 0;
  const links: [string, string, boolean][] = [
    ["entities", "Entities", has(project.entities)],
    ["feature-views", "Feature views", has(project.feature_views)],
    ["training-sets", "Training sets", has(project.training_sets)],
    ["sources", "Sources", has(project.sources)],
    ["exposures", "Exposures", has(project.exposures)],
    ["checks", "Checks", project.shards.checks > 0],
    ["runs", "Runs", true],
    ["map", "Map", project.shards.map > 0],
  ];
  return links.filter(([, , isThere]) => isThere).map(([page, label]) => [page, label]);
}

const parents: Record<string, string> = { entity: "entities", "feature-view": "feature-views", run: "runs", exposure: "exposures" };

function Header({ project, page }: { project: Project; page: string }): VNode {
  const current = parents[page] ?? page;
  const nav = useRef<HTMLElement>(null);
  // On a phone the navigation is a strip that is pushed sideways: what is open must be in sight.
  useEffect(() => {
    const link = nav.current?.querySelector<HTMLElement>("[aria-current]");
    if (nav.current && link) nav.current.scrollLeft = link.offsetLeft - nav.current.clientWidth / 3;
  }, [current]);
  return (
    <header class="top">
      <a class="brand" href="#/" aria-label={`${project.name}: to the start`}>
        <svg width="20" height="20" viewBox="0 0 16 16" aria-hidden="true"><path d="M4 4h3a4 4 0 0 1 4 4a4 4 0 0 0 1.5 3.5" /><circle cx="3.5" cy="4" r="2.25" /><circle cx="12.5" cy="12" r="2.25" /></svg>
        <span>{project.name}</span>
      </a>
      <nav ref={nav} aria-label="Pages">
        {linksOf(project).map(([to, label]) => <a href={`#/${to}`} aria-current={to === current ? "page" : undefined}>{label}</a>)}
      </nav>
      {page !== "" && page !== "search" && <SearchBox />}
      <ThemeSwitch />
    </header>
  );
}

function Footer({ project }: { project: Project }): VNode {
  return (
    <footer class="bottom">
      Written <time datetime={project.generated_at} title={moment(project.generated_at)}>{ago(project.generated_at)}</time> for
      the target {project.target} by fsbuild {project.version}
    </footer>
  );
}

/** The present address. A new page begins at its top; going back finds the place where one was. */
function useHash(): Address {
  const [hash, set] = useState(() => location.hash);
  const places = useRef(new Map<string, number>());
  const isFollowing = useRef(false);
  const shown = useRef(hash);
  useEffect(() => {
    history.scrollRestoration = "manual";
    const changed = () => set(location.hash);
    const scrolled = () => places.current.set(shown.current, scrollY);
    const clicked = () => {
      isFollowing.current = true;
      setTimeout(() => { isFollowing.current = false; }, 100);
    };
    addEventListener("hashchange", changed);
    addEventListener("scroll", scrolled, { passive: true });
    addEventListener("click", clicked, true);
    addEventListener("keydown", clicked, true);
    return () => {
      removeEventListener("hashchange", changed);
      removeEventListener("scroll", scrolled);
      removeEventListener("click", clicked, true);
      removeEventListener("keydown", clicked, true);
    };
  }, []);
  useLayoutEffect(() => {
    const [before, now] = [parse(shown.current), parse(hash)];
    const isSamePage = before.page === now.page && before.name === now.name;
    shown.current = hash;
    if (isSamePage) return;
    scrollTo(0, isFollowing.current ? 0 : places.current.get(hash) ?? 0);
    // Who reads by ear hears the new page from its beginning; who typed in the page's own field goes on typing.
    if (!(document.activeElement instanceof HTMLInputElement && document.activeElement.isConnected)) {
      document.getElementById("main")?.focus({ preventScroll: true });
    }
  }, [hash]);
  return parse(hash);
}
