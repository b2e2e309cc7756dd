/** Runs: the list of the last ones, and one of them as a Gantt chart. */
import type { VNode } from "preact";
import { format } from "../address";
import type { RunEntry, Runs, Status } from "../data";
import { useAddress, useChoose, useProject, useShard, useTitle } from "../hooks";
import { Chip } from "../parts/controls";
import { Bars } from "../parts/charts";
import { Moment, NodeLink, PageHead, StatusLabel } from "../parts/marks";
import { NotFound, When } from "../parts/states";
import { type Waited, gantt, lanesOf, waitsOf } from "../runs/gantt";
import { useFollowed } from "../lineage/nodes";
import { count, duration, gravity, moment, plural, statusNames } from "../text/format";

/** How many bars fit into a picture that is still read. */
const most = 60;
const messagesAtOnce = 4;

export function RunsPage(): VNode {
  useTitle("Runs");
  const loaded = useShard("runs");
  return (
    <>
      <PageHead title="Runs"><p class="lead">What ran lately, how it ended and how long it took.</p></PageHead>
      <When loaded={loaded}>{({ runs }) => <RunList runs={runs} />}</When>
    </>
  );
}

function RunList({ runs }: Runs): VNode {
  if (runs.length === 0) return <p class="quiet">Nothing has run yet: <code>fsbuild run</code> builds the tables.</p>;
  return (
    <>
      <div class="charts">
        <Bars title="Duration" bars={[...runs].reverse().map((run) => ({ value: run.elapsed_s, label: `${moment(run.started_at)}: ${duration(run.elapsed_s)}` }))} write={duration} />
      </div>
      <ul class="lines runs">
        {runs.map((run) => (
          <li>
            <div><a href={format("run", run.id)}><Moment at={run.started_at} isLong /></a>{run.command !== undefined && <p><code>{run.command}</code></p>}</div>
            <span class="run-figures"><Tally run={run} /><span class="number">{duration(run.elapsed_s)}</span></span>
          </li>
        ))}
      </ul>
    </>
  );
}

/** How many nodes ended how, the worst first. */
function Tally({ run }: { run: RunEntry }): VNode {
  const tally = new Map<Status, number>();
  for (const { status } of run.nodes) tally.set(status, (tally.get(status) ?? 0) + 1);
  const order = ["error", "fail", "warn", "quarantine", "skipped", "success", "pass", "unchanged"] as const;
  return <>{order.filter((status) => tally.has(status)).map((status) => <StatusLabel status={status} text={`${count(tally.get(status)!)} ${statusNames[status]}`} />)}</>;
}

export function RunView({ id }: { id: string }): VNode {
  const loaded = useShard("runs");
  return (
    <When loaded={loaded}>
      {({ runs }) => {
        const run = id === "last" ? runs[0] : runs.find((one) => one.id === id);
        return run === undefined ? <NotFound what={`run “${id}”`} /> : <Run run={run} />;
      }}
    </When>
  );
}

function Run({ run }: { run: RunEntry }): VNode {
  const project = useProject();
  const { choices } = useAddress();
  const choose = useChoose();
  useTitle(`Run of ${moment(run.started_at)}`);
  const status = choices["status"];
  const statuses = [...new Set(run.nodes.map((node) => node.status))];
  const fitting = run.nodes.map((node, number) => ({ ...node, number })).filter((node) => status === undefined || node.status === status);
  const isWhole = choices["all"] !== undefined || fitting.length <= most;
  // The longest tell the story; they are shown in the order in which they started.
  const shown = isWhole ? fitting : [...fitting].sort((a, b) => b.end_s - b.start_s - (a.end_s - a.start_s)).slice(0, most).sort((a, b) => a.number - b.number);
  const { value: waits } = useFollowed(project, (nodes) => waitsOf(run, shown.map(({ node }) => node.id), nodes), [run.id, status, isWhole]);
  return (
    <>
      <PageHead over={<a href="#/runs">Runs</a>} title={`Run of ${moment(run.started_at)}`}>
        <p class="standing"><Tally run={run} /><span>took <span class="number">{duration(run.elapsed_s)}</span></span><span>{plural(lanesOf(run), "node")} at once at most</span></p>
        {run.command !== undefined && <p><code>{run.command}</code></p>}
      </PageHead>
      <Messages run={run} />
      {statuses.length > 1 && (
        <div class="chips" role="group" aria-label="Outcome">
          <Chip label="All" isOn={status === undefined} onClick={() => choose({ status: undefined })} />
          {statuses.map((one) => <Chip label={statusNames[one]} isOn={status === one} onClick={() => choose({ status: status === one ? undefined : one })} />)}
        </div>
      )}
      <section aria-labelledby="gantt">
        <h2 id="gantt">What ran when</h2>
        <p class="quiet legend">
          <span><i class="g-good" /> built</span><span><i class="g-bad" /> failed</span><span><i class="g-wait" /> ready, and waiting for its turn</span>
          {!isWhole && <span>The {most} longest of {count(fitting.length)} are shown. <a href={format("run", run.id, { ...choices, all: 1 })}>Show all</a></span>}
        </p>
        <Gantt run={run} shown={shown} waits={waits.waits} />
      </section>
      <Longest run={run} waits={waits.waits} />
    </>
  );
}

type RunNode = RunEntry["nodes"][number];

function Gantt({ run, shown, waits }: { run: RunEntry; shown: readonly RunNode[]; waits: ReadonlyMap<string, Waited> }): VNode {
  const { ticks, left, width } = gantt(run.elapsed_s);
  return (
    <div class="gantt">
      <div class="gantt-axis" aria-hidden="true">{ticks.map((tick) => <span style={{ left: `${left(tick)}%` }}>{tick === 0 ? "0" : duration(tick)}</span>)}</div>
      <ol>
        {shown.map((entry) => {
          const wait = waits.get(entry.node.id);
          const took = entry.end_s - entry.start_s;
          const said = `${statusNames[entry.status]} in ${duration(took)}${entry.rows === undefined ? "" : `, ${plural(entry.rows, "row")}`}${wait !== undefined && wait.seconds > 0.05 ? `, waited ${duration(wait.seconds)}` : ""}${entry.message ? `: ${entry.message}` : ""}`;
          return (
            <li title={`${entry.node.name}: ${said}`}>
              <NodeLink node={entry.node} />
              <div class="gantt-track">
                {wait !== undefined && wait.seconds > 0 && <span class="gantt-wait" style={{ left: `${left(wait.ready_s)}%`, width: `${width(wait.seconds)}%` }} />}
                <span class={`gantt-bar g-${gravity(entry.status)}`} style={{ left: `${left(entry.start_s)}%`, width: `${width(took)}%` }} />
              </div>
              <span class="gantt-took" aria-hidden="true">{duration(took)}</span>
              <span class="unseen">{said}</span>
            </li>
          );
        })}
      </ol>
    </div>
  );
}

/** What went wrong, in the words of the run. */
function Messages({ run }: { run: RunEntry }): VNode | null {
  const { choices } = useAddress();
  const said = run.nodes.filter(({ message }) => message !== undefined);
  if (said.length === 0) return null;
  const shown = choices["all"] === undefined ? said.slice(0, messagesAtOnce) : said;
  return (
    <section class="messages" aria-labelledby="messages">
      <h2 id="messages">What went wrong</h2>
      <ul class="lines">{shown.map((entry) => <li><div><NodeLink node={entry.node} /><p class="check-message">{entry.message}</p></div><StatusLabel status={entry.status} /></li>)}</ul>
      {said.length > shown.length && <p><a href={format("run", run.id, { ...choices, all: 1 })}>Show all {count(said.length)}</a></p>}
    </section>
  );
}

function Longest({ run, waits }: { run: RunEntry; waits: ReadonlyMap<string, Waited> }): VNode {
  const longest = [...run.nodes].sort((a, b) => b.end_s - b.start_s - (a.end_s - a.start_s)).slice(0, 8);
  const waiting = run.nodes.flatMap((entry) => {
    const wait = waits.get(entry.node.id);
    return wait !== undefined && wait.seconds >= Math.max(0.05, run.elapsed_s / 200) ? [{ entry, wait }] : [];
  }).sort((a, b) => b.wait.seconds - a.wait.seconds).slice(0, 8);
  return (
    <div class="pair">
      <section aria-labelledby="longest">
        <h2 id="longest">What took long</h2>
        <ol class="ranking">{longest.map((entry) => <li><NodeLink node={entry.node} /><span class="number">{duration(entry.end_s - entry.start_s)}</span></li>)}</ol>
      </section>
      <section aria-labelledby="waited">
        <h2 id="waited">What waited for its turn</h2>
        {waiting.length === 0 ? <p class="quiet">Nothing to speak of: each node began when what it reads was there.</p> : (
          <ol class="ranking">{waiting.map(({ entry, wait }) => <li><NodeLink node={entry.node} /><span class="number">{duration(wait.seconds)}</span></li>)}</ol>
        )}
      </section>
    </div>
  );
}
