// The live list of jobs. What is shown (state, page) is in the address, so that it can be kept and sent.

import * as api from "./api.js";
import { announce, el, renew, setText } from "./dom.js";
import { repeat } from "./live.js";
import { isNewer, Meter } from "./meter.js";
import { Followers } from "./stream.js";
import { ago, duration, fullTime, shortId, title } from "./words.js";

const states = ["pending", "running", "paused", "completed", "failed", "cancelled", "expired"];
const size = 20;

function address(state, page) {
  const query = new URLSearchParams();
  if (state) query.set("state", state);
  if (page > 1) query.set("page", page);
  return `#/jobs${query.size ? `?${query}` : ""}`;
}

/** The view at `#/jobs?state=…&page=…`. */
export function jobsView(query, signal) {
  const state = states.includes(query.get("state")) ? query.get("state") : "";
  const page = Math.max(1, Number.parseInt(query.get("page") ?? "1", 10) || 1);
  const summary = el("p", { class: "summary" }, "Loading …");
  const list = new JobList(signal);
  const paging = el("nav", { class: "paging", "aria-label": "Pages" });

  repeat(async () => {
    const answer = await api.jobs({ state, page, size }, signal);
    list.show(answer.jobs);
    setText(summary, summaryText(answer, state));
    renew(paging, [answer.total, page], () => pageLinks(answer.total, state, page));
  }, 2, signal);

  return el("section", {},
    el("h1", { tabindex: "-1" }, "Jobs"),
    el("nav", { class: "filter", "aria-label": "State" }, ["", ...states].map((each) => el("a",
      { href: address(each, 1), "aria-current": each === state ? "page" : null }, title(each || "all")))),
    summary, list.element, paging);
}

function summaryText({ total }, state) {
  const number = total.toLocaleString("en");
  if (total === 0) return state ? `No job is ${state}.` : "There are no jobs yet. One that is started shows up here by itself.";
  return `${number} ${state} ${total === 1 ? "job" : "jobs"}`.replace("  ", " ");
}

function pageLinks(total, state, page) {
  const last = Math.max(1, Math.ceil(total / size));
  if (last === 1 && page === 1) return [];
  return [
    page > 1 && el("a", { href: address(state, page - 1), rel: "prev" }, "Newer"),
    el("span", {}, `Page ${page} of ${last}`),
    page < last && el("a", { href: address(state, page + 1), rel: "next" }, "Older"),
  ].filter(Boolean);
}

/** The rows, kept by job, so that a refresh moves nothing under the reader's hand. */
class JobList {
  element = el("ul", { class: "jobs" });
  #rows = new Map();

  constructor(signal) {
    this.followers = new Followers((job) => this.#rows.get(job.jobId)?.update(job), signal);
  }

  show(jobs) {
    const rows = new Map(jobs.map((job) => [job.jobId, this.#rows.get(job.jobId) ?? new JobRow(job)]));
    this.#rows = rows;
    jobs.forEach((job) => rows.get(job.jobId).update(job));
    const elements = [...rows.values()].map((row) => row.element);
    if (elements.some((element, index) => this.element.children[index] !== element)
      || elements.length !== this.element.children.length) {
      this.element.replaceChildren(...elements);
    }
    this.followers.keep(jobs.filter((job) => job.state === "running").map((job) => job.jobId));
  }
}

class JobRow {
  #job = null;
  #time = el("time");
  #note = el("span", { class: "note" });

  constructor(job) {
    this.meter = new Meter(job);
    this.element = el("li", { "data-job": job.jobId },
      el("a", { class: "name", href: `#/jobs/${job.jobId}` }, title(job.kind),
        " ", el("span", { class: "id" }, shortId(job.jobId))),
      this.meter.state,
      el("span", { class: "meter" }, this.meter.bar, this.meter.text),
      this.#note,
      el("span", { class: "when" }, job.user, " · ", this.#time));
  }

  update(job) {
    if (!isNewer(job, this.#job)) return;
    if (this.#job && this.#job.state !== job.state) announce(`${title(job.kind)} ${shortId(job.jobId)} is ${job.state}`);
    this.#job = job;
    this.meter.update(job);
    setText(this.#note, note(job));
    setText(this.#time, ago(job.createdAt));
    this.#time.dateTime = job.createdAt;
    this.#time.title = fullTime(job.createdAt);
  }
}

/** The one thing worth saying of a job in a list. */
function note(job) {
  if (job.state === "failed") return job.error?.message ?? "";
  if (job.state === "pending") return job.waitingFor ? waitingText(job.waitingFor) : "";
  if (job.endedAt && job.startedAt) return `took ${duration(job.startedAt, job.endedAt)}`;
  return "";
}

/** Why a job doesn't run: a sentence stays as it is, a bare code becomes words. */
export function waitingText(waitingFor) {
  return waitingFor.includes(" ") ? waitingFor : title(waitingFor);
}
