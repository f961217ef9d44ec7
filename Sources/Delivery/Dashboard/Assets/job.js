// One job's page: what it is, how far it is, what happened, and what can be done with it.

import * as api from "./api.js";
import { download } from "./download.js";
import { announce, confirmed, el, renew, setText, showTrouble } from "./dom.js";
import { EventList } from "./events.js";
import { waitingText } from "./jobs.js";
import { attempt, repeat } from "./live.js";
import { isNewer, Meter } from "./meter.js";
import { Followers } from "./stream.js";
import { ago, duration, fullTime, title } from "./words.js";

const unfinished = (job) => ["pending", "running", "paused"].includes(job.state);

// What can be asked of a job, and when it makes sense.
const actions = [
  { name: "pause", applies: (job) => ["pending", "running"].includes(job.state) && !job.pauseRequested && !job.cancelRequested },
  { name: "resume", applies: (job) => job.state === "paused" || (job.state === "running" && job.pauseRequested) },
  { name: "cancel", applies: (job) => unfinished(job) && !job.cancelRequested },
  { name: "retry", applies: (job) => ["failed", "cancelled", "expired"].includes(job.state) },
];

/** The view at `#/jobs/ID`. */
export function jobView(id, signal) {
  const page = new JobPage(id, signal);
  repeat(() => page.refresh(), 2, signal);
  return page.element;
}

class JobPage {
  #job = null;
  #exported = null;
  #meter = null;
  #heading = el("h1", { tabindex: "-1" }, "Job");
  #progress = el("div", { class: "meter large" });
  #reason = el("p", { class: "reason" });
  #failure = el("div", { class: "failure", hidden: true });
  #facts = el("dl", { class: "facts" });
  #buttons = new Map();

  constructor(id, signal) {
    this.id = id;
    this.signal = signal;
    this.events = new EventList(id, signal);
    this.followers = new Followers((job) => this.update(job), signal, 1);
    for (const action of actions) {
      const ask = () => this.#ask(action.name);
      this.#buttons.set(action.name, el("button", { type: "button", disabled: true, onclick: ask }, title(action.name)));
    }
    this.download = el("button", { type: "button", class: "primary", hidden: true, onclick: () => this.#download() }, "Download");
    this.element = el("section", { class: "job" },
      el("p", {}, el("a", { href: "#/jobs" }, "← All jobs")),
      this.#heading,
      this.#progress, this.#reason, this.#failure,
      el("div", { class: "actions", role: "group", "aria-label": "Actions" }, this.download, [...this.#buttons.values()]),
      el("h2", {}, "Facts"), this.#facts,
      el("h2", {}, "Events"), this.events.element);
  }

  async refresh() {
    this.update(await api.job(this.id, this.signal));
    await this.events.refresh();
  }

  update(job) {
    if (!isNewer(job, this.#job)) return;
    const before = this.#job;
    this.#job = job;
    if (!before) this.#arrive(job);
    if (before && before.state !== job.state) announce(`This job is ${job.state}`);
    if (before?.state !== job.state) this.#stateChanged(job);
    this.#meter.update(job);
    for (const { name, applies } of actions) this.#buttons.get(name).disabled = !applies(job);
    setText(this.#reason, job.state === "pending" && job.waitingFor ? `Waiting: ${waitingText(job.waitingFor)}` : "");
    this.#failure.hidden = !job.error;
    renew(this.#failure, job.error ?? null, () => failureLines(job));
    renew(this.#facts, [job, this.#exported?.artifactState], () => factLines(job, this.#exported));
  }

  #arrive(job) {
    this.#meter = new Meter(job);
    this.#progress.append(this.#meter.state, this.#meter.bar, this.#meter.text);
    setText(this.#heading, title(job.kind));
    document.title = `${title(job.kind)} · Waybill`;
  }

  #stateChanged(job) {
    this.followers.keep(job.state === "running" ? [job.jobId] : []);
    if (this.signal.aborted) return;
    if (job.kind === "content.export") attempt(() => this.#lookAtFile(), this.signal);
    attempt(() => this.events.refresh(), this.signal);
  }

  /** Whether there is a file. Its link is asked for at the click, because links expire. */
  async #lookAtFile() {
    this.#exported = await api.contentExport(this.id, this.signal);
    this.download.hidden = this.#exported.artifactState !== "ready";
    renew(this.#facts, [this.#job, this.#exported.artifactState], () => factLines(this.#job, this.#exported));
  }

  async #ask(action) {
    const question = "Cancel this job? It can't be resumed afterwards.";
    if (action === "cancel" && !(await confirmed(question, "Cancel the job", "Keep it"))) return;
    showTrouble(null);
    try {
      await api.ask(this.id, action);
      announce(`${title(action)} requested`);
    } catch (error) {
      showTrouble(error.message);
    }
    await attempt(() => this.refresh(), this.signal);
  }

  async #download() {
    showTrouble(null);
    try {
      download((await api.contentExport(this.id, this.signal)).downloadUrl);
    } catch (error) {
      showTrouble(error.message);
    }
  }
}

function failureLines(job) {
  if (!job.error) return [];
  return [el("strong", {}, job.error.message), " ", el("code", {}, job.error.code)];
}

function factLines(job, exported) {
  const facts = [
    ["Id", el("code", {}, job.jobId)],
    ["Kind", el("code", {}, job.kind)],
    ["User", job.user],
    ["Created", moment(job.createdAt)],
    ["Started", job.startedAt && moment(job.startedAt)],
    ["Ended", job.endedAt && moment(job.endedAt)],
    ["Took", job.startedAt && job.endedAt && duration(job.startedAt, job.endedAt)],
    ["Node", job.executingNode],
    ["Priority", job.priority],
    ["Attempts", job.attempts],
    ["Interruptions", job.interruptions],
    ["Deaths", job.deaths],
    ["File", exported?.artifactState],
    ...Object.entries(job.counters ?? {}).map(([name, count]) => [title(name), Number(count).toLocaleString("en")]),
  ];
  return facts.filter(([, value]) => value !== undefined && value !== null && value !== "")
    .map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value instanceof Node ? value : String(value))));
}

function moment(time) {
  return el("time", { datetime: time, title: ago(time) }, fullTime(time));
}
