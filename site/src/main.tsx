/** Starts the pages: reads the project's first file and draws. */
import "./style/base.css";
import "./style/parts.css";
import "./style/pages.css";
import "./style/lineage.css";
import { render } from "preact";
import { App } from "./app";
import { need } from "./loader";
import { Fence, Lost } from "./parts/states";

const place = document.getElementById("app")!;

need("project").then(
  (project) => {
    place.replaceChildren();
    if (project.schema === 1) render(<Fence at=""><App project={project} /></Fence>, place);
    else render(<main><Lost file="project" /></main>, place);
  },
  () => {
    place.replaceChildren();
    render(<main><Lost file="project" /></main>, place);
  },
);
