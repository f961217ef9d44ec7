// swift-format-ignore-file
// Made by Scripts/embed-assets from the files in Assets. Change those, then run `make assets`.

extension DashboardAsset {
    /// Every file of the dashboard.
    public static let all: [DashboardAsset] = [
        DashboardAsset(
            path: "/dashboard/api.js", contentType: "text/javascript; charset=utf-8", etag: "\"37bfbc2f38f2e46b22df250facf11fa5\"",
            body: ###"""
// Waybill's public API. Every call carries the token; every refusal becomes a Problem.

import * as session from "./session.js";

/** What the server refused, in the words of its problem document (RFC 9457). */
export class Problem extends Error {
  constructor(status, document) {
    super(document.detail ?? document.message ?? document.title ?? `The server answered ${status}.`);
    this.status = status;
    this.code = document.code;
    this.requestId = document.requestId;
  }
}

/** The headers that say who asks. */
export function authorization() {
  const token = session.current()?.token;
  return token ? { authorization: `Bearer ${token}` } : {};
}

/** A 401 means that the session is over, wherever it comes from. */
export async function refusal(response) {
  const document = await response.json().catch(() => ({}));
  if (response.status === 401 && session.current()) {
    session.forget();
    window.dispatchEvent(new Event("signedout"));
  }
  return new Problem(response.status, document);
}

async function call(method, path, { query = {}, body, signal } = {}) {
  const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== "");
  const address = given.length ? `${path}?${new URLSearchParams(given)}` : path;
  const headers = { accept: "application/json", ...authorization() };
  if (body !== undefined) headers["content-type"] = "application/json";
  const response = await fetch(address, {
    method, headers, signal, cache: "no-store", body: body === undefined ? undefined : JSON.stringify(body),
  });
  if (!response.ok) throw await refusal(response);
  return response.status === 204 ? null : response.json();
}

const segment = encodeURIComponent;

export const signIn = (code) => call("POST", "/session", { body: { code } });
export const jobs = ({ state, page, size }, signal) => call("GET", "/jobs", { query: { status: state, page, size }, signal });
export const job = (id, signal) => call("GET", `/jobs/${segment(id)}`, { signal });
export const jobEvents = (id, after, signal) => call("GET", `/jobs/${segment(id)}/events`, { query: { after }, signal });
/** `action` is cancel, pause, resume or retry. */
export const ask = (id, action) => call("POST", `/jobs/${segment(id)}/${action}`);
export const contentExport = (id, signal) => call("GET", `/content/export/${segment(id)}`, { signal });
export const notices = ({ page, size }, signal) => call("GET", "/notifications", { query: { page, size }, signal });
export const markRead = (id) => call("POST", `/notifications/${segment(id)}/read`);

"""###),
        DashboardAsset(
            path: "/dashboard/app.js", contentType: "text/javascript; charset=utf-8", etag: "\"7c3af4ee1f4ed2df0d968454f72b2267\"",
            body: ###"""
// The start: who is signed in, and which view the address asks for.

import { el, showTrouble } from "./dom.js";
import { jobView } from "./job.js";
import { jobsView } from "./jobs.js";
import { noticesView, watchUnread } from "./notices.js";
import * as session from "./session.js";
import { signInByLink, signInView } from "./signin.js";

const main = document.getElementById("main");
let leave = new AbortController(); // ends what the view on the page does in the background
let signOut = new AbortController(); // ends what the session does

/** Where `#/jobs/ID?x=y` leads. */
function route(hash) {
  const [path, query] = hash.replace(/^#\/?/, "").split("?");
  const [room, id] = path.split("/");
  if (room === "jobs" && id) return { title: "Job", make: (signal) => jobView(decodeURIComponent(id), signal) };
  if (room === "notices") return { title: "Notices", make: (signal) => noticesView(new URLSearchParams(query), signal) };
  return { title: "Jobs", make: (signal) => jobsView(new URLSearchParams(query), signal) };
}

function show(title, make) {
  leave.abort();
  leave = new AbortController();
  showTrouble(null);
  document.title = `${title} · Waybill`;
  main.replaceChildren(make(leave.signal));
  for (const link of document.querySelectorAll("#menu a")) {
    if (link.getAttribute("href") === `#/${location.hash.replace(/^#\/?/, "").split(/[/?]/)[0] || "jobs"}`) {
      link.setAttribute("aria-current", "page");
    } else {
      link.removeAttribute("aria-current");
    }
  }
}

/** Moves the focus to the new view's heading, so that a screen reader reads on from there. */
function focusHeading() {
  main.querySelector("h1")?.focus({ preventScroll: true });
  scrollTo(0, 0);
}

async function open() {
  const code = /^#signin=(.+)$/.exec(location.hash)?.[1];
  if (code) {
    try {
      await signInByLink(decodeURIComponent(code));
    } catch (error) {
      session.forget();
      return showSignIn(error.status ? "This sign-in link is used up or too old." : "The server can't be reached.");
    }
    welcome();
  }
  if (!session.current()) return showSignIn(null);
  const { title, make } = route(location.hash);
  show(title, make);
}

function showSignIn(problem) {
  signOut.abort();
  document.getElementById("menu").hidden = true;
  document.getElementById("account").hidden = true;
  show("Sign in", () => signInView(problem, () => {
    welcome();
    open();
  }));
}

function welcome() {
  const { user, tenant } = session.current();
  signOut.abort();
  signOut = new AbortController();
  document.getElementById("menu").hidden = false;
  document.getElementById("account").hidden = false;
  document.getElementById("user").replaceChildren(...(user ? [el("strong", {}, user), ` at ${tenant}`] : []));
  watchUnread(signOut.signal);
}

document.getElementById("signout").addEventListener("click", () => {
  session.forget();
  showSignIn(null);
});
window.addEventListener("signedout", () => showSignIn("The session is over. Sign in again."));
window.addEventListener("hashchange", async () => {
  await open();
  focusHeading();
});
document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault(); // its #main would be read as an address of a view
  main.focus();
});

if (session.current()) welcome();
open();

"""###),
        DashboardAsset(
            path: "/dashboard/dom.js", contentType: "text/javascript; charset=utf-8", etag: "\"1c1458c0723548cd9fd7d3d36ba604cd\"",
            body: ###"""
// Building the page. Text only ever arrives as text: nothing here reads markup.

/** Makes an element: `el("a", { href: "#/jobs", onclick: go }, "Jobs")`. Attributes that are null or false are left out. */
export function el(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else element.setAttribute(key, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** Sets a text, and leaves the page alone where it says so already. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Makes an element's children anew when `facts` differ from last time, so that a reader's selection and focus last. */
export function renew(element, facts, make) {
  const key = JSON.stringify(facts);
  if (element.renewedFor === key) return;
  element.renewedFor = key;
  element.replaceChildren(...[make()].flat());
}

/** Tells a screen reader, and nobody else. */
export function announce(text) {
  document.getElementById("news").textContent = text;
}

/** Shows a problem above the content; null takes it away. */
export function showTrouble(text) {
  const trouble = document.getElementById("trouble");
  trouble.hidden = !text;
  setText(trouble, text ?? "");
}

/** Asks before something that can't be undone. Resolves to true or false. */
export function confirmed(question, yes, no) {
  return new Promise((resolve) => {
    const dialog = el("dialog", { "aria-labelledby": "question" },
      el("form", { method: "dialog" },
        el("p", { id: "question" }, question),
        el("div", { class: "actions" },
          el("button", { value: "no", autofocus: true }, no),
          el("button", { value: "yes", class: "danger" }, yes))));
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue === "yes");
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}

"""###),
        DashboardAsset(
            path: "/dashboard/download.js", contentType: "text/javascript; charset=utf-8", etag: "\"9a9d2e4078df773175c0a97d8be59a85\"",
            body: ###"""
// Fetching a file through its signed link.

/** Starts the browser's download of `link`. Only web addresses are followed. */
export function download(link) {
  const url = new URL(link, location.origin);
  if (url.protocol !== "https:" && url.protocol !== "http:") throw new Error("The server gave no link that can be followed.");
  const anchor = document.createElement("a");
  anchor.href = url.href;
  anchor.download = "";
  document.body.append(anchor);
  anchor.click();
  anchor.remove();
}

"""###),
        DashboardAsset(
            path: "/dashboard/events.js", contentType: "text/javascript; charset=utf-8", etag: "\"1e5587f1b54510eee90ebebb2d6165c5\"",
            body: ###"""
// What happened to a job, as its numbered events tell it.

import * as api from "./api.js";
import { el, setText } from "./dom.js";
import { fullTime, percent, title } from "./words.js";

/** The events of one job, newest first. A refresh asks only for what is new. */
export class EventList {
  #list = el("ol", { class: "events", reversed: true });
  #empty = el("p", { class: "summary" }, "Loading …");
  #after = undefined;
  #known = new Set();
  #refreshing = null;
  element = el("div", {}, this.#empty, this.#list);

  constructor(id, signal) {
    this.id = id;
    this.signal = signal;
  }

  /** Several calls at a time are one. */
  refresh() {
    this.#refreshing ??= this.#load().finally(() => (this.#refreshing = null));
    return this.#refreshing;
  }

  async #load() {
    const batch = 50; // rounds; the rest comes with the next refresh
    for (let round = 0; round < batch; round += 1) {
      const answer = await api.jobEvents(this.id, this.#after, this.signal);
      const fresh = answer.events.filter((event) => !this.#known.has(event.number));
      for (const event of fresh) {
        this.#known.add(event.number);
        this.#list.prepend(line(event));
      }
      this.#after = answer.next ?? fresh.at(-1)?.number ?? this.#after;
      if (fresh.length === 0) break;
    }
    setText(this.#empty, this.#known.size ? "" : "Nothing has happened yet.");
  }
}

function line(event) {
  const { progress, detail, message } = event.data ?? {};
  const said = [progress === undefined ? null : percent(progress), detail ?? message].filter(Boolean).join(" · ");
  return el("li", { value: event.number },
    el("time", { datetime: event.at }, fullTime(event.at)),
    el("span", { class: "what" }, title(event.type.replace(/^job\./, ""))),
    el("span", { class: "note" }, said));
}

"""###),
        DashboardAsset(
            path: "/dashboard/icon.svg", contentType: "image/svg+xml", etag: "\"be32bca00f39e177bddcc2b786c22c0e\"",
            body: ###"""
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24">
  <rect x="2" y="2" width="20" height="20" rx="5" fill="#2f6f62"/>
  <path d="M6 8h12M6 12h8M6 16h4" stroke="#fff" stroke-width="2" stroke-linecap="round"/>
  <path d="M14 17l2 2 3.5-4" stroke="#9fe3c8" stroke-width="2" stroke-linecap="round" stroke-linejoin="round" fill="none"/>
</svg>

"""###),
        DashboardAsset(
            path: "/", contentType: "text/html; charset=utf-8", etag: "\"1827501c22178265cff929f324d6ce4e\"",
            body: ###"""
<!doctype html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <meta name="color-scheme" content="light dark">
  <title>Waybill</title>
  <link rel="icon" href="/dashboard/icon.svg" type="image/svg+xml">
  <link rel="stylesheet" href="/dashboard/style.css">
  <script type="module" src="/dashboard/app.js"></script>
</head>
<body>
  <a class="skip" href="#main">Skip to the content</a>
  <header>
    <a class="brand" href="#/jobs"><img src="/dashboard/icon.svg" alt="" width="24" height="24"> Waybill</a>
    <nav id="menu" aria-label="Main" hidden>
      <a href="#/jobs">Jobs</a>
      <a href="#/notices">Notices <span id="unread" class="badge" hidden></span></a>
    </nav>
    <div id="account" hidden>
      <span id="user"></span>
      <button id="signout" type="button" class="quiet">Sign out</button>
    </div>
  </header>
  <p id="trouble" class="trouble" role="alert" hidden></p>
  <main id="main" tabindex="-1">
    <noscript>This page needs JavaScript. The same facts are at <code>/jobs</code>.</noscript>
  </main>
  <p id="news" class="unseen" role="status"></p>
</body>
</html>

"""###),
        DashboardAsset(
            path: "/dashboard/job.js", contentType: "text/javascript; charset=utf-8", etag: "\"95751e341bea18d222eac3642b0fd89f\"",
            body: ###"""
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

"""###),
        DashboardAsset(
            path: "/dashboard/jobs.js", contentType: "text/javascript; charset=utf-8", etag: "\"30e3c8f9101e9a81cc76b6b412e7f87c\"",
            body: ###"""
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

"""###),
        DashboardAsset(
            path: "/dashboard/live.js", contentType: "text/javascript; charset=utf-8", etag: "\"8931c689f718edeeabe2efe6911d0862\"",
            body: ###"""
// Keeping a view fresh while somebody looks at it, and quiet while nobody does.

import { Problem } from "./api.js";
import { showTrouble } from "./dom.js";

/** Does `action` now and then every `seconds`, while the page is visible, until `signal` says to stop. */
export async function repeat(action, seconds, signal) {
  while (!signal.aborted) {
    if (!document.hidden) await attempt(action, signal);
    await pause(seconds, signal);
  }
}

let lost = false; // whether the trouble shown is of a refresh, which the next good one takes away

/** Does `action` once, and shows what goes wrong above the content. Returns whether it went well. */
export async function attempt(action, signal) {
  try {
    await action();
    if (lost && !signal?.aborted) showTrouble(null);
    lost = false;
    return true;
  } catch (error) {
    if (signal?.aborted || (error instanceof Problem && error.status === 401)) return false;
    lost = true;
    showTrouble(error instanceof Problem ? error.message : "The server can't be reached. Trying again …");
    return false;
  }
}

/** Waits, but not longer than until the page is looked at again or the view is left. */
export function pause(seconds, signal) {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const done = () => {
      clearTimeout(timer);
      document.removeEventListener("visibilitychange", looked);
      signal.removeEventListener("abort", done);
      resolve();
    };
    const looked = () => document.hidden || done();
    const timer = setTimeout(done, seconds * 1000);
    document.addEventListener("visibilitychange", looked);
    signal.addEventListener("abort", done);
  });
}

"""###),
        DashboardAsset(
            path: "/dashboard/meter.js", contentType: "text/javascript; charset=utf-8", etag: "\"ca1999495e1b259889a41f4812fdeb92\"",
            body: ###"""
// A job's state and progress bar, kept up to date in place.

import { el, setText } from "./dom.js";
import { percent, stateWords, title } from "./words.js";

export class Meter {
  state = el("span", { class: "state" });
  bar = el("progress", { max: "100" });
  text = el("span", { class: "percent" });

  constructor(job) {
    this.bar.setAttribute("aria-label", `Progress of ${title(job.kind)}`);
    this.update(job);
  }

  update(job) {
    const words = stateWords(job);
    setText(this.state, words);
    this.state.dataset.state = job.state;
    this.bar.value = job.progress ?? 0;
    this.bar.dataset.state = job.state;
    setText(this.text, percent(job.progress));
  }
}

/** Whether `job` is news beside `known`: answers may overtake each other, and progress never falls. */
export function isNewer(job, known) {
  if (!known || job.updatedAt > known.updatedAt) return true;
  return job.updatedAt === known.updatedAt && job.progress >= known.progress;
}

"""###),
        DashboardAsset(
            path: "/dashboard/notices.js", contentType: "text/javascript; charset=utf-8", etag: "\"364530bcb8554e5a909fe53cd990a1cf\"",
            body: ###"""
// What ended while nobody was looking: the count in the menu, and the list behind it.

import * as api from "./api.js";
import { announce, el, renew, setText } from "./dom.js";
import { attempt, repeat } from "./live.js";
import { ago, fullTime } from "./words.js";

const size = 20;

/** Keeps the number of unread notices in the menu. */
export function watchUnread(signal) {
  const badge = document.getElementById("unread");
  const load = async () => {
    const answer = await api.notices({ page: 1, size: 1 }, signal).catch(() => null); // the view itself tells of trouble
    if (answer) showUnread(badge, answer.unread);
  };
  repeat(load, 10, signal);
}

function showUnread(badge, unread) {
  const before = badge.textContent;
  badge.hidden = unread === 0;
  setText(badge, unread > 99 ? "99+" : String(unread));
  badge.setAttribute("aria-label", `${unread} unread`);
  if (before !== "" && Number(before) < unread) announce("There is a new notice");
}

/** The view at `#/notices`. */
export function noticesView(query, signal) {
  const list = el("ul", { class: "notices" });
  const summary = el("p", { class: "summary" }, "Loading …");
  const load = async () => {
    const answer = await api.notices({ page: 1, size }, signal);
    setText(summary, answer.total === 0 ? "Nothing yet. You get a notice whenever a job of yours ends." : "");
    renew(list, answer.notifications, () => answer.notifications.map((notice) => line(notice, load, signal)));
    showUnread(document.getElementById("unread"), answer.unread);
  };
  repeat(load, 5, signal);
  return el("section", {}, el("h1", { tabindex: "-1" }, "Notices"), summary, list);
}

function line(notice, load, signal) {
  const read = Boolean(notice.readAt);
  const text = notice.title ?? `Job ${notice.outcome ?? "ended"}`;
  const markRead = () => attempt(async () => {
    await api.markRead(notice.id);
    await load();
  }, signal);
  return el("li", { class: read ? null : "fresh" },
    notice.jobId ? el("a", { href: `#/jobs/${notice.jobId}`, onclick: () => read || markRead() }, text) : el("span", {}, text),
    notice.message && el("span", { class: "note" }, notice.message),
    notice.createdAt && el("time", { datetime: notice.createdAt, title: fullTime(notice.createdAt) }, ago(notice.createdAt)),
    !read && el("button", { type: "button", class: "quiet", onclick: markRead }, "Mark as read"));
}

"""###),
        DashboardAsset(
            path: "/dashboard/session.js", contentType: "text/javascript; charset=utf-8", etag: "\"86d2cca0d630671a08e26aa2ab5662f6\"",
            body: ###"""
// Who is signed in. The token stays in this tab's sessionStorage: it ends with the tab, and no other page gets it.

const key = "waybill.session";

/** `{ token, expiresAt?, tenant?, user?, roles? }`, or null. */
export function current() {
  try {
    const session = JSON.parse(sessionStorage.getItem(key));
    return session?.token ? session : null;
  } catch {
    return null;
  }
}

export function keep(session) {
  sessionStorage.setItem(key, JSON.stringify(session));
}

export function forget() {
  sessionStorage.removeItem(key);
}

/** What a token says of itself, for the eye only: the server is what checks it. */
export function fromToken(token) {
  try {
    const middle = token.split(".")[1].replaceAll("-", "+").replaceAll("_", "/");
    const bytes = Uint8Array.from(atob(middle), (letter) => letter.charCodeAt(0));
    const claims = JSON.parse(new TextDecoder().decode(bytes));
    return { token, user: claims.sub, tenant: claims.tenant, roles: claims.roles };
  } catch {
    return { token };
  }
}

"""###),
        DashboardAsset(
            path: "/dashboard/signin.js", contentType: "text/javascript; charset=utf-8", etag: "\"8954c046856ae79b29637b06c8d0617e\"",
            body: ###"""
// Signing in: by the one-time link that the server prints, or by pasting a token.

import * as api from "./api.js";
import { el } from "./dom.js";
import * as session from "./session.js";

/** Takes the code out of the address at once, so that it stays in no history, and trades it for a token. */
export async function signInByLink(code) {
  history.replaceState(null, "", "/#/jobs");
  session.keep(await api.signIn(code));
}

/** The form for a token. `problem` says why somebody has to sign in, `done` is called once he has. */
export function signInView(problem, done) {
  const token = el("textarea", { id: "token", rows: "4", required: true, autocomplete: "off", spellcheck: "false" });
  const submit = (event) => {
    event.preventDefault();
    session.keep(session.fromToken(token.value.trim()));
    done();
  };
  return el("section", { class: "signin" },
    el("h1", { tabindex: "-1" }, "Sign in"),
    problem && el("p", { class: "failure", role: "alert" }, problem),
    el("p", {}, "Open the sign-in link that ", el("code", {}, "waybill serve"),
      " printed when it started. It works once, and for ten minutes."),
    el("form", { onsubmit: submit },
      el("label", { for: "token" }, "Or paste a token, as ", el("code", {}, "waybill token"), " makes it"),
      token,
      el("button", { class: "primary" }, "Sign in")));
}

"""###),
        DashboardAsset(
            path: "/dashboard/stream.js", contentType: "text/javascript; charset=utf-8", etag: "\"e542797149d26139a8ed9a4519f1f48c\"",
            body: ###"""
// A job's events as they happen: server-sent events read through fetch, because EventSource can't send the token.

import { authorization, refusal } from "./api.js";
import { pause } from "./live.js";

/** Cuts a stream of text into events `{ type, data, id }`, as the HTML standard says (server-sent events). */
export class EventParser {
  #rest = "";
  #event = {};
  retrySeconds = 2;

  /** The events that `text` completes. */
  push(text) {
    const events = [];
    const lines = (this.#rest + text).split(/\r\n|\n|\r(?!$)/);
    this.#rest = lines.pop();
    for (const line of lines) {
      if (line !== "") this.#field(line);
      else if (this.#event.data !== undefined) events.push(this.#event);
      if (line === "") this.#event = {};
    }
    return events;
  }

  #field(line) {
    const colon = line.indexOf(":");
    if (colon === 0) return; // a comment, the server's heartbeat
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (name === "event") this.#event.type = value;
    else if (name === "id") this.#event.id = value;
    else if (name === "data") this.#event.data = this.#event.data === undefined ? value : `${this.#event.data}\n${value}`;
    else if (name === "retry" && /^\d+$/.test(value)) this.retrySeconds = Math.min(60, Number(value) / 1000);
  }
}

const finalStates = ["completed", "failed", "cancelled", "expired"];

/**
 * Calls `onJob` with the job at each of its events, until it has ended or `signal` says to stop. A stream that breaks off goes
 * on after the last numbered event. Ends quietly if the server refuses: the view's polling is then enough.
 */
export async function follow(id, onJob, signal) {
  const retry = { retrySeconds: 2 };
  let last = null;
  let ended = false;
  while (!signal.aborted && !ended) {
    try {
      const headers = { accept: "text/event-stream", ...authorization(), ...(last ? { "last-event-id": last } : {}) };
      const response = await fetch(`/jobs/${encodeURIComponent(id)}/events`, { headers, signal, cache: "no-store" });
      if (!response.ok) throw await refusal(response);
      for await (const event of eventsOf(response, retry)) {
        last = event.id ?? last;
        const job = JSON.parse(event.data);
        if (job.jobId !== id) continue;
        onJob(job);
        ended = finalStates.includes(job.state);
        if (ended) break;
      }
    } catch (error) {
      if (error.status) return;
    }
    if (!ended) await pause(retry.retrySeconds, signal);
  }
}

async function* eventsOf(response, retry) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  const parser = new EventParser();
  try {
    while (true) {
      const { value, done } = await reader.read();
      if (done) return;
      yield* parser.push(value);
      retry.retrySeconds = parser.retrySeconds;
    }
  } finally {
    reader.cancel().catch(() => {}); // it may have broken off already
  }
}

/** Follows the few jobs that are looked at. A browser holds six connections to a host, so most must stay free for calls. */
export class Followers {
  #following = new Map();

  constructor(onJob, signal, limit = 3) {
    Object.assign(this, { onJob, signal, limit });
    document.addEventListener("visibilitychange", () => document.hidden && this.keep([]), { signal });
    signal.addEventListener("abort", () => this.keep([]));
  }

  /** Follows these ids, up to the limit, and no others. */
  keep(ids) {
    const wanted = new Set(ids.slice(0, this.limit));
    for (const [id, controller] of this.#following) {
      if (wanted.has(id)) continue;
      controller.abort();
      this.#following.delete(id);
    }
    for (const id of wanted) {
      if (this.#following.has(id) || this.signal.aborted) continue;
      const controller = new AbortController();
      this.#following.set(id, controller);
      follow(id, this.onJob, controller.signal);
    }
  }
}

"""###),
        DashboardAsset(
            path: "/dashboard/style.css", contentType: "text/css; charset=utf-8", etag: "\"f304344dd03a58d803d2a8c252d705f1\"",
            body: ###"""
:root {
  color-scheme: light dark;
  --paper: #f7f7f4; --card: #ffffff; --ink: #22282b; --soft: #5c666b; --line: #dfe2de;
  --brand: #2f6f62; --brand-ink: #ffffff; --focus: #1d6fd1; --danger: #a8322b; --danger-paper: #fbeceb;
  --pending: #5c666b; --running: #1f64b4; --paused: #8a5a00; --completed: #21704a; --failed: #a8322b;
}

@media (prefers-color-scheme: dark) {
  :root {
    --paper: #15191b; --card: #1d2326; --ink: #e6eae8; --soft: #9eaaae; --line: #323a3e;
    --brand: #7fcdb6; --brand-ink: #10201c; --focus: #7db6ff; --danger: #ff9a92; --danger-paper: #3a2221;
    --pending: #a9b4b8; --running: #86baf7; --paused: #e5b95d; --completed: #79cfa2; --failed: #ff9a92;
  }
}

* { box-sizing: border-box; }
[hidden] { display: none !important; }

body {
  margin: 0; background: var(--paper); color: var(--ink);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif;
}

a { color: var(--brand); text-underline-offset: 0.2em; }
code { font: 0.9em ui-monospace, "Cascadia Mono", "DejaVu Sans Mono", monospace; overflow-wrap: anywhere; }
:focus-visible { outline: 3px solid var(--focus); outline-offset: 2px; border-radius: 4px; }
h1:focus, main:focus { outline: none; }

/* The frame */

header {
  display: flex; flex-wrap: wrap; align-items: center; gap: 0.5rem 1.5rem;
  padding: 0.75rem max(1rem, calc((100vw - 58rem) / 2)); background: var(--card); border-bottom: 1px solid var(--line);
}
.brand { display: flex; align-items: center; gap: 0.5rem; font-weight: 650; color: var(--ink); text-decoration: none; }
header nav { display: flex; gap: 1.25rem; }
header nav a { color: var(--soft); text-decoration: none; padding: 0.25rem 0; border-bottom: 2px solid transparent; }
header nav a[aria-current] { color: var(--ink); border-color: var(--brand); }
#account { display: flex; align-items: center; gap: 0.75rem; margin-inline-start: auto; color: var(--soft); font-size: 0.9rem; }
main { max-width: 60rem; margin: 0 auto; padding: 1.5rem 1rem 4rem; }
h1 { font-size: 1.6rem; line-height: 1.25; margin: 0.25rem 0 1rem; font-weight: 650; }
h2 { font-size: 1.05rem; margin: 2rem 0 0.5rem; font-weight: 650; }

.skip { position: absolute; inset-inline-start: 1rem; top: -4rem; padding: 0.5rem 1rem; background: var(--card); z-index: 1; }
.skip:focus { top: 0.5rem; }
.unseen { position: absolute; width: 1px; height: 1px; margin: -1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
.trouble { margin: 0; padding: 0.6rem max(1rem, calc((100vw - 58rem) / 2)); background: var(--danger-paper); color: var(--danger); }
.badge { padding: 0 0.45rem; border-radius: 1rem; background: var(--brand); color: var(--brand-ink); font-size: 0.8rem; }
.summary, .reason { color: var(--soft); margin: 0 0 0.75rem; }
.summary:empty, .reason:empty { display: none; }

/* Things to press */

button {
  font: inherit; padding: 0.4rem 0.9rem; border: 1px solid var(--line); border-radius: 8px;
  background: var(--card); color: var(--ink); cursor: pointer; min-height: 2.5rem;
}
button:hover:not(:disabled) { border-color: var(--soft); }
button:disabled { opacity: 0.45; cursor: default; }
button.primary { background: var(--brand); border-color: var(--brand); color: var(--brand-ink); }
button.danger { border-color: var(--danger); color: var(--danger); }
button.quiet { border: 0; background: none; color: var(--soft); text-decoration: underline; text-underline-offset: 0.2em; padding: 0 0.25rem; }
.actions { display: flex; flex-wrap: wrap; gap: 0.5rem; margin: 1rem 0; }
textarea {
  display: block; width: 100%; margin: 0.5rem 0 1rem; padding: 0.6rem; border: 1px solid var(--soft); border-radius: 8px;
  background: var(--card); color: var(--ink); font: 0.85rem ui-monospace, "DejaVu Sans Mono", monospace;
}
dialog { max-width: 26rem; border: 1px solid var(--line); border-radius: 12px; padding: 1.25rem; background: var(--card); color: var(--ink); }
dialog::backdrop { background: rgb(0 0 0 / 40%); }
dialog p { margin-top: 0; }
dialog .actions { justify-content: flex-end; margin-bottom: 0; }

.filter { display: flex; flex-wrap: wrap; gap: 0.4rem; margin-bottom: 1rem; }
.filter a { padding: 0.25rem 0.8rem; border: 1px solid var(--line); border-radius: 2rem; color: var(--soft); text-decoration: none; background: var(--card); }
.filter a[aria-current] { border-color: var(--brand); color: var(--ink); box-shadow: inset 0 0 0 1px var(--brand); }
.paging { display: flex; gap: 1rem; justify-content: center; margin-top: 1rem; color: var(--soft); }

/* Jobs */

.jobs, .notices, .events { list-style: none; margin: 0; padding: 0; }
.jobs li {
  display: grid; grid-template-columns: minmax(0, 1fr) 7rem minmax(10rem, 16rem); gap: 0.15rem 1rem; align-items: center;
  padding: 0.8rem 1rem; background: var(--card); border: 1px solid var(--line); border-bottom-width: 0;
}
.jobs li:first-child { border-radius: 12px 12px 0 0; }
.jobs li:last-child { border-radius: 0 0 12px 12px; border-bottom-width: 1px; }
.jobs li:only-child { border-radius: 12px; }
.name { font-weight: 600; text-decoration: none; overflow-wrap: anywhere; }
.name:hover { text-decoration: underline; }
.id { color: var(--soft); font: 0.85rem ui-monospace, "DejaVu Sans Mono", monospace; }
.when, .note { color: var(--soft); font-size: 0.875rem; overflow-wrap: anywhere; }
.jobs .note { grid-column: 2 / -1; order: 1; }

.state { display: inline-flex; align-items: center; gap: 0.4rem; font-size: 0.9rem; color: var(--pending); }
.state::before { content: ""; width: 0.6rem; height: 0.6rem; border-radius: 50%; background: currentcolor; }
.state[data-state="running"] { color: var(--running); }
.state[data-state="running"]::before { animation: breathe 2s ease-in-out infinite; }
.state[data-state="paused"] { color: var(--paused); }
.state[data-state="completed"] { color: var(--completed); }
.state[data-state="failed"], .state[data-state="expired"] { color: var(--failed); }
.state[data-state="pending"]::before, .state[data-state="cancelled"]::before { background: none; border: 2px solid currentcolor; }
@keyframes breathe { 50% { opacity: 0.35; } }

.meter { display: flex; align-items: center; gap: 0.75rem; }
.meter.large .state { font-size: 1rem; }
.percent { min-width: 3.2rem; text-align: end; font-variant-numeric: tabular-nums; color: var(--soft); }
progress { appearance: none; flex: 1; min-width: 0; height: 0.5rem; border: 0; border-radius: 1rem; overflow: hidden; background: var(--line); }
progress::-webkit-progress-bar { background: var(--line); }
progress::-webkit-progress-value { background: var(--bar, var(--running)); border-radius: 1rem; transition: inline-size 0.4s ease-out; }
progress::-moz-progress-bar { background: var(--bar, var(--running)); border-radius: 1rem; }
progress[data-state="completed"] { --bar: var(--completed); }
progress[data-state="failed"], progress[data-state="expired"] { --bar: var(--failed); }
progress[data-state="paused"] { --bar: var(--paused); }
progress[data-state="pending"], progress[data-state="cancelled"] { --bar: var(--pending); }

.failure { padding: 0.7rem 1rem; margin: 1rem 0; border-inline-start: 4px solid var(--danger); border-radius: 4px; background: var(--danger-paper); }
.facts { display: grid; grid-template-columns: repeat(auto-fill, minmax(13rem, 1fr)); gap: 0.75rem 1.5rem; margin: 0; }
.facts dt { color: var(--soft); font-size: 0.85rem; }
.facts dd { margin: 0; overflow-wrap: anywhere; font-variant-numeric: tabular-nums; }
.events li { display: grid; grid-template-columns: 12rem 12rem 1fr; gap: 0 1rem; padding: 0.4rem 0; border-bottom: 1px solid var(--line); }
.events time, .notices time { color: var(--soft); font-size: 0.875rem; font-variant-numeric: tabular-nums; }
.notices li { display: flex; flex-wrap: wrap; gap: 0.25rem 1rem; align-items: center; padding: 0.6rem 0; border-bottom: 1px solid var(--line); }
.notices .fresh > :first-child { font-weight: 650; }
.notices button { margin-inline-start: auto; }
.signin { max-width: 34rem; margin: 2rem auto; }

@media (max-width: 40rem) {
  .jobs li { grid-template-columns: minmax(0, 1fr) auto; }
  .jobs .meter, .jobs .when, .jobs .note { grid-column: 1 / -1; }
  .jobs .note:empty { display: none; }
  .events li { grid-template-columns: 1fr auto; }
  .events .note { grid-column: 1 / -1; }
  #account { margin-inline-start: 0; }
}

@media (prefers-reduced-motion: reduce) {
  *, *::before, *::after { animation: none !important; transition: none !important; }
}

"""###),
        DashboardAsset(
            path: "/client/waybill-download.js", contentType: "text/javascript; charset=utf-8", etag: "\"df98ec4bea355c1b2ea84562b01e8918\"",
            body: ###"""
// Waybill's downloads for browsers: by ranges, several side by side, and going on after a break, a pause or a reload of the page.
//
//   import { Download } from "/client/waybill-download.js";
//
//   const download = new Download(id, { token });
//   download.addEventListener("progress", (event) => show(event.detail));
//   const blob = await download.start();
//
// `pause()`, `resume()` and `abort()` may be called at any time. What has arrived lies in the browser's IndexedDB until the file
// is whole: after a reload, `start()` with the same id goes on where it was.

import { Sha256, Transfer, UploadError } from "./waybill-upload.js";

const RANGE_BYTES = 4 << 20;

/** Why a download did not succeed. `status` and `code` are the server's, where it has answered. */
export class DownloadError extends UploadError {
  constructor(message, details) {
    super(message, details);
    this.name = "DownloadError";
  }
}

/**
 * A file of the drive on its way here. States: `new`, `receiving`, `paused`, `verifying`, `completed`, `failed`, `aborted`.
 *
 * Events: `statechange`, and `progress` with `{state, bytes, total, percent, bytesPerSecond, secondsLeft}` as its detail.
 */
export class Download extends Transfer {
  #id;
  #file;
  #etag;
  #ranges;

  /**
   * @param {string} id of the file
   * @param {object} options
   *   `token`: a bearer token, or a function that gives one, as often as it is asked;
   *   `url`: the server's address, this page's if left out; `password`: opens an encrypted file;
   *   `parallel`: how many ranges come side by side; `retries`: how many tries in a row may fail;
   *   `storage`: the IDBFactory that keeps what has arrived, `indexedDB` if left out, or null: then it is kept in memory.
   */
  constructor(id, options = {}) {
    super({ storage: globalThis.indexedDB, ...options });
    this.#id = id;
  }

  /** The file as the server describes it; known once it has begun. */
  get file() {
    return this.#file;
  }

  /** Ends it for good, and drops what has arrived. */
  async abort() {
    if (["completed", "failed", "aborted"].includes(this._state)) return;
    this._become("aborted");
    this._resumed.resolve();
    for (const request of this._requests) request.abort();
    await this.#ranges?.drop();
  }

  get _total() {
    return this.#file?.size ?? 0;
  }

  get _working() {
    return ["receiving"];
  }

  get _continued() {
    return "receiving";
  }

  get _aborted() {
    return new DownloadError("The download was aborted.", { status: 0 });
  }

  // What is done, in its order.

  async _run() {
    if (this._state === "new") this._become("receiving");
    this.#file = await this._retrying(() => this.#json(`/api/files/${this.#id}`));
    const digest = await this.#describe();
    this.#ranges = await Ranges.open(this._options.storage, `${this.#id} ${this.#file.size} ${this.#etag}`);
    try {
      await this.#receiveMissing();
      this._become("verifying");
      const blob = await this.#verified(digest);
      await this.#ranges.drop();
      this._stored = this.#file.size;
      this._open.clear();
      this._become("completed");
      return blob;
    } finally {
      this.#ranges.close();
    }
  }

  /** Learns of which bytes ranges are to be taken. Gives their SHA-256, which the server does not tell of an encrypted file. */
  async #describe() {
    if (this.#file.size === 0) return undefined;
    const answer = await this._retrying(() => this.#receive(0, 1));
    this.#etag = answer.etag;
    return answer.digest;
  }

  async #receiveMissing() {
    const { size } = this.#file;
    const end = (index) => Math.min(size, (index + 1) * RANGE_BYTES);
    const there = await this.#ranges.there();
    const missing = [];
    this._stored = 0;
    for (let index = 0; index * RANGE_BYTES < size; index += 1) {
      if (there.has(index)) this._stored += end(index) - index * RANGE_BYTES;
      else missing.push(index);
    }
    this._report();
    let failure;
    const worker = async () => {
      while (missing.length > 0 && !failure) {
        const index = missing.shift();
        try {
          const { blob } = await this._retrying(() => this.#receive(index * RANGE_BYTES, end(index), index));
          await this.#ranges.put(index, blob);
        } catch (error) {
          failure ??= error;
          return;
        }
        this._open.delete(index);
        this._stored += end(index) - index * RANGE_BYTES;
        this._report();
      }
    };
    await Promise.all(Array.from({ length: Math.max(1, this._options.parallel) }, worker));
    if (failure) throw failure;
  }

  /** Puts the ranges together, and holds them against the server's SHA-256. */
  async #verified(digest) {
    const blob = new Blob(await this.#ranges.all(Math.ceil(this.#file.size / RANGE_BYTES)), { type: this.#file.contentType });
    const hash = new Sha256();
    const reader = blob.stream().getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      hash.update(value);
      await this._whileRunning();
    }
    if (blob.size === this.#file.size && (digest === undefined || digest === hash.hex())) return blob;
    await this.#ranges.drop();
    throw new DownloadError("What has arrived is not the file that the server described.", { status: 0 });
  }

  // Requests.

  /** One range. If the file has become another one meanwhile, that is an error. */
  async #receive(start, end, index) {
    const fields = { range: `bytes=${start}-${end - 1}`, ...this._password };
    if (this.#etag) fields["if-range"] = this.#etag;
    return this.#fetch(`/api/files/${this.#id}/content`, fields, async (answer) => {
      const etag = answer.headers.get("etag");
      if (answer.status !== 206 || !etag || (this.#etag && etag !== this.#etag)) {
        throw new DownloadError("The file has become another one.", { status: answer.status });
      }
      const chunks = [];
      let bytes = 0;
      const reader = answer.body.getReader();
      for (;;) {
        const { done, value } = await reader.read();
        if (done) break;
        chunks.push(value);
        bytes += value.length;
        if (index !== undefined) {
          this._open.set(index, bytes);
          this._report();
        }
      }
      if (bytes !== end - start) throw new DownloadError("The connection broke off.");
      return { etag, digest: sha256(answer.headers.get("repr-digest")), blob: new Blob(chunks) };
    });
  }

  #json(path) {
    return this.#fetch(path, {}, (answer) => answer.json());
  }

  /** One request, with its whole body. Rejects with a DownloadError unless the answer is a success. */
  async #fetch(path, fields, read) {
    const request = new AbortController();
    const headers = { ...(await this._credentials()), ...fields };
    this._requests.add(request);
    try {
      const answer = await fetch(this._options.url + path, { headers, signal: request.signal, cache: "no-store" });
      if (answer.ok) return await read(answer);
      const problem = await answer.json().catch(() => undefined);
      throw new DownloadError(problem?.detail ?? `The server answered ${answer.status}.`, {
        status: answer.status, code: problem?.code, retryAfter: Number(answer.headers.get("retry-after")) || undefined,
      });
    } catch (error) {
      if (error instanceof UploadError) throw error;
      throw new DownloadError("The server can't be reached.");
    } finally {
      this._requests.delete(request);
    }
  }
}

/** The ranges of one file that have arrived. */
class Ranges {
  static #store = "ranges";
  #database;
  #name;
  #kept = new Map();

  /** @param {IDBFactory} storage */
  static async open(storage, name) {
    const ranges = new Ranges();
    ranges.#name = name;
    if (!storage) return ranges;
    const opening = storage.open("waybill-downloads", 1);
    opening.onupgradeneeded = () => opening.result.createObjectStore(Ranges.#store);
    ranges.#database = await done(opening);
    return ranges;
  }

  /** The numbers of those that are there. */
  async there() {
    if (!this.#database) return new Set(this.#kept.keys());
    const keys = await done(this.#records("readonly").getAllKeys(this.#all));
    return new Set(keys.map(([, index]) => index));
  }

  async put(index, blob) {
    if (this.#database) await done(this.#records("readwrite").put(blob, [this.#name, index]));
    else this.#kept.set(index, blob);
  }

  async all(count) {
    if (!this.#database) return Array.from({ length: count }, (_, index) => this.#kept.get(index));
    return done(this.#records("readonly").getAll(this.#all));
  }

  async drop() {
    this.#kept.clear();
    if (this.#database) await done(this.#records("readwrite").delete(this.#all));
  }

  close() {
    this.#database?.close();
    this.#database = undefined;
  }

  get #all() {
    return IDBKeyRange.bound([this.#name, 0], [this.#name, Infinity]);
  }

  #records(mode) {
    return this.#database.transaction(Ranges.#store, mode).objectStore(Ranges.#store);
  }
}

/** What an IDBRequest comes to. */
function done(request) {
  return new Promise((fulfil, reject) => {
    request.onsuccess = () => fulfil(request.result);
    request.onerror = () => reject(new DownloadError(`What has arrived can't be kept: ${request.error?.message}`, { status: 0 }));
  });
}

/** The member `sha-256` of a dictionary of digests (RFC 9530), in hexadecimal digits. */
function sha256(field) {
  const base64 = /(?:^|,)\s*sha-256=:([A-Za-z0-9+/]{43}=):/.exec(field ?? "")?.[1];
  return base64 && Array.from(atob(base64), (letter) => letter.charCodeAt(0).toString(16).padStart(2, "0")).join("");
}

"""###),
        DashboardAsset(
            path: "/client/waybill-upload.js", contentType: "text/javascript; charset=utf-8", etag: "\"bf60a943e26fcdb1c611e8cd7c6e16e3\"",
            body: ###"""
// Waybill's uploads for browsers: in chunks, several side by side, and going on after a break, a pause or a reload of the page.
//
//   import { Upload } from "/client/waybill-upload.js";
//
//   const upload = new Upload(file, { token });
//   upload.addEventListener("progress", (event) => show(event.detail));
//   const stored = await upload.start();
//
// `pause()` and `resume()` may be called at any time; `abort()` takes the upload back at the server. After a reload, `start()` with the
// same file goes on where it was: the server is asked for an upload of the same name, size and SHA-256 that has not ended.

const READ_BYTES = 1 << 20;
const RATE_MILLISECONDS = 10_000;

/** Why an upload did not succeed. `status` and `code` are the server's, where it has answered. */
export class UploadError extends Error {
  constructor(message, { status, code, retryAfter } = {}) {
    super(message);
    this.name = "UploadError";
    this.status = status;
    this.code = code;
    this.retryAfter = retryAfter;
  }

  /** Whether the same request may well succeed a little later. */
  get isTransient() {
    return this.status === undefined || [429, 502, 503, 504].includes(this.status);
  }
}

/**
 * What an upload and a download have in common: states, pauses, further tries, and what is told of them. Who extends it has
 * `_run()`, which does the work, `_total` for its bytes, `_working` for the states in which it may pause, `_continued` for the one
 * in which it goes on then, and `_aborted` for the error that aborting it ends in.
 */
export class Transfer extends EventTarget {
  _options;
  _state = "new";
  _stored = 0;
  _open = new Map();
  _requests = new Set();
  _notes = [];
  _resumed = Promise.withResolvers();
  _result;

  constructor(options) {
    super();
    this._options = { url: "", parallel: 4, retries: 10, ...options };
    this._resumed.resolve();
  }

  get state() {
    return this._state;
  }

  /** Begins, or goes on with what was begun before. Fulfils with what came of it. */
  start() {
    this._result ??= this._run().catch((error) => {
      if (this._state !== "aborted") this._become("failed");
      throw error;
    });
    return this._result;
  }

  /** Moves nothing until `resume()`. What is on its way is broken off; what has arrived stays. */
  pause() {
    if (!["new", ...this._working].includes(this._state)) return;
    this._resumed = Promise.withResolvers();
    this._become("paused");
    for (const request of this._requests) request.abort();
  }

  resume() {
    if (this._state !== "paused") return;
    this._notes = [];
    this._become(this._continued);
    this._resumed.resolve();
  }

  /** Does something until it succeeds, is refused for good, or too many tries in a row have failed. Pauses don't count. */
  async _retrying(action) {
    for (let failures = 0; ; ) {
      await this._whileRunning();
      try {
        return await action();
      } catch (error) {
        if (this._state === "aborted") throw this._aborted;
        if (this._state === "paused") continue;
        failures += 1;
        if (!(error instanceof UploadError) || !error.isTransient || failures > this._options.retries) throw error;
        const seconds = error.retryAfter ?? Math.min(15, 0.5 * 2 ** (failures - 1));
        await new Promise((fulfil) => setTimeout(fulfil, Math.min(seconds, 60) * 1000));
      }
    }
  }

  async _whileRunning() {
    while (this._state === "paused") await this._resumed.promise;
    if (this._state === "aborted") throw this._aborted;
  }

  // What is told.

  _become(state) {
    if (this._state === "aborted" || this._state === state) return;
    this._state = state;
    this.dispatchEvent(new Event("statechange"));
    this._report();
  }

  _report(bytes = this._stored + [...this._open.values()].reduce((sum, sent) => sum + sent, 0)) {
    const now = performance.now();
    const total = this._total;
    const last = this._notes.at(-1);
    if (last && bytes < last.bytes) this._notes = [];
    this._notes.push({ now, bytes });
    while (this._notes.length > 2 && now - this._notes[1].now > RATE_MILLISECONDS) this._notes.shift();
    const first = this._notes[0];
    const isMoving = now - first.now >= 500 && bytes > first.bytes;
    const bytesPerSecond = isMoving ? ((bytes - first.bytes) / (now - first.now)) * 1000 : undefined;
    const detail = {
      state: this._state, bytes, total, percent: total > 0 ? Math.min(100, (bytes / total) * 100) : 100,
      bytesPerSecond, secondsLeft: bytesPerSecond ? (total - bytes) / bytesPerSecond : undefined,
    };
    this.dispatchEvent(new CustomEvent("progress", { detail }));
  }

  /** The header fields that say who asks. */
  async _credentials() {
    const { token } = this._options;
    const bearer = typeof token === "function" ? await token() : token;
    return bearer ? { authorization: `Bearer ${bearer}` } : {};
  }

  /** The header field with the password, as a byte sequence (RFC 9651), which takes any text. */
  get _password() {
    const { password } = this._options;
    if (password === undefined) return {};
    return { "file-password": `:${btoa(String.fromCharCode(...new TextEncoder().encode(password)))}:` };
  }
}

/**
 * One file on its way to the drive. States: `new`, `hashing`, `sending`, `paused`, `completing`, `completed`, `failed`, `aborted`.
 *
 * Events: `statechange`, and `progress` with `{state, bytes, total, percent, bytesPerSecond, secondsLeft}` as its detail.
 */
export class Upload extends Transfer {
  #file;
  #taskId;
  #hash;

  /**
   * @param {File} file
   * @param {object} options
   *   `token`: a bearer token, or a function that gives one, as often as it is asked;
   *   `url`: the server's address, this page's if left out; `name`, `contentType`, `poolId`, `bundleId`;
   *   `parallel`: how many chunks go side by side; `retries`: how many tries in a row may fail;
   *   `password`: the server encrypts the file with it; an upload that is gone on with keeps the one that it was begun with;
   *   `storage`: remembers hashes over a reload, `localStorage` if left out, or null.
   */
  constructor(file, options = {}) {
    super({ storage: globalThis.localStorage, ...options });
    this.#file = file;
  }

  /** The server's id of the upload, and of the file that it becomes; known once it has begun. */
  get taskId() {
    return this.#taskId;
  }

  /** SHA-256 in hexadecimal digits, once it is known. */
  get hash() {
    return this.#hash;
  }

  /** Ends it for good; the server drops what it has. */
  async abort() {
    if (["completed", "failed", "aborted"].includes(this._state)) return;
    this._become("aborted");
    this._resumed.resolve();
    for (const request of this._requests) request.abort();
    if (!this.#taskId) return;
    try {
      await this.#call("DELETE", `/api/files/upload/task/${this.#taskId}`);
    } catch (error) {
      // It has ended at the server already.
      if (![404, 409].includes(error.status)) throw error;
    }
  }

  get _total() {
    return this.#file.size;
  }

  get _working() {
    return ["hashing", "sending"];
  }

  get _continued() {
    return this.#hash ? "sending" : "hashing";
  }

  get _aborted() {
    return new UploadError("The upload was aborted.", { status: 0 });
  }

  // What is done, in its order.

  async _run() {
    if (this._state === "new") this._become("hashing");
    this.#hash = this.#remembered() ?? (await this.#digest());
    this.#remember();
    if (this._state === "hashing") this._become("sending");
    if (this.#file.size === 0) return this.#end(await this.#sendEmpty());
    const existing = await this.#begin();
    if (existing) return this.#end(existing);
    for (let round = 0; ; round += 1) {
      await this.#sendMissing();
      this._become("completing");
      try {
        return this.#end(await this.#complete());
      } catch (error) {
        if (error.code !== "CHUNKS_MISSING" || round >= 3) throw error;
        this._become("sending");
      }
    }
  }

  /** Has the server make a file of it, and asks again while a job of the server does that. */
  async #complete() {
    for (;;) {
      const answer = await this._retrying(() => this.#call("POST", `/api/files/upload/complete/${this.#taskId}`));
      if (answer.status !== "InProgress") return answer;
      await new Promise((fulfil) => setTimeout(fulfil, 1000));
    }
  }

  #end(stored) {
    this._options.storage?.removeItem(this.#key);
    // Of an encrypted file it is the hash of what is stored.
    if (stored.hash && !stored.encrypted && stored.hash !== this.#hash) throw new UploadError("What the server has is not this file.");
    this._stored = this.#file.size;
    this._open.clear();
    this._become("completed");
    return stored;
  }

  /** Reads the file for its SHA-256. */
  async #digest() {
    const hash = new Sha256();
    for (let start = 0; start < this.#file.size; start += READ_BYTES) {
      await this._whileRunning();
      hash.update(await this.#read(start, Math.min(this.#file.size, start + READ_BYTES)));
      this._report(Math.min(this.#file.size, start + READ_BYTES));
    }
    this._notes = [];
    return hash.hex();
  }

  async #read(start, end) {
    try {
      return new Uint8Array(await this.#file.slice(start, end).arrayBuffer());
    } catch (error) {
      throw new UploadError(`The file can't be read: ${error.message}`, { status: 0 });
    }
  }

  /** Finds the upload, or begins one. Gives the file if the server has it already. */
  async #begin() {
    const { poolId, bundleId } = this._options;
    const name = this._options.name ?? this.#file.name;
    for (let offset = 0; offset < 10_000; offset += 200) {
      const page = await this._retrying(() =>
        this.#call("GET", `/api/files/upload/tasks?status=InProgress&limit=200&offset=${offset}`));
      const found = page.find((task) =>
        task.hash === this.#hash && task.fileSize === this.#file.size && task.fileName === name &&
        (!poolId || task.poolId === poolId) && Boolean(task.encrypted) === (this._options.password !== undefined));
      if (found) {
        this.#taskId = found.taskId;
        return undefined;
      }
      if (page.length < 200) break;
    }
    const contentType = this._options.contentType || this.#file.type || "application/octet-stream";
    const beginning = JSON.stringify({
      fileName: name, fileSize: this.#file.size, contentType, hash: this.#hash, poolId, bundleId,
    });
    // One whose answer was lost is not begun twice.
    const fields = { ...this._password, "idempotency-key": idempotencyKey() };
    const created = await this._retrying(() =>
      this.#send("POST", "/api/files/upload/create", beginning, "application/json", undefined, fields));
    this.#taskId = created.taskId ?? created.file?.id;
    return created.fileExists ? created.file : undefined;
  }

  /** An empty file has no chunks: it goes in one request, unless the server has it under the same name already. */
  async #sendEmpty() {
    const { poolId, bundleId, contentType } = this._options;
    const name = this._options.name ?? this.#file.name;
    const query = new URLSearchParams({ name: Array.from(name).slice(0, 60).join(""), limit: "200" });
    const files = await this._retrying(() => this.#call("GET", `/api/files?${query}`));
    const there = files.find((file) =>
      file.name === name && file.size === 0 && !file.encrypted && (!poolId || file.poolId === poolId));
    if (there && this._options.password === undefined) return there;
    const parameters = Object.entries({ name, hash: this.#hash, poolId, bundleId }).filter(([, value]) => value);
    // The same for each try, so that a lost answer makes no second file.
    const fields = { ...this._password, "idempotency-key": idempotencyKey() };
    return this._retrying(() =>
      this.#send("POST", `/api/files?${new URLSearchParams(parameters)}`, this.#file,
        contentType || this.#file.type || "application/octet-stream", undefined, fields));
  }

  async #sendMissing() {
    const task = await this._retrying(() => this.#call("GET", `/api/files/upload/resume/${this.#taskId}`));
    if (task.status === "Completed") return;
    const stored = new Set(task.uploadedChunks);
    const missing = [];
    for (let index = 0; index < task.chunksCount; index += 1) if (!stored.has(index)) missing.push(index);
    const bytes = (index) => Math.min(this.#file.size, (index + 1) * task.chunkSize) - index * task.chunkSize;
    this._open.clear();
    this._stored = this.#file.size - missing.reduce((sum, index) => sum + bytes(index), 0);
    this._report();
    let failure;
    const worker = async () => {
      while (missing.length > 0 && !failure) {
        const index = missing.shift();
        try {
          await this._retrying(() => this.#sendChunk(index, index * task.chunkSize, bytes(index)));
        } catch (error) {
          failure ??= error;
          return;
        }
        this._open.delete(index);
        this._stored += bytes(index);
        this._report();
      }
    };
    await Promise.all(Array.from({ length: Math.max(1, this._options.parallel) }, worker));
    if (failure) throw failure;
  }

  async #sendChunk(index, start, length) {
    this._open.set(index, 0);
    try {
      await this.#send("POST", `/api/files/upload/chunk/${this.#taskId}/${index}`, this.#file.slice(start, start + length),
        "application/octet-stream", (sent) => {
          this._open.set(index, Math.min(length, sent));
          this._report();
        });
    } catch (error) {
      this._open.set(index, 0);
      // The answer to an earlier try was lost.
      if (error.code !== "CHUNK_STORED") throw error;
    }
  }

  // Requests.

  #call(method, path, json) {
    return this.#send(method, path, json && JSON.stringify(json), json && "application/json");
  }

  /** One request. Rejects with an UploadError unless the answer is a success. */
  async #send(method, path, body, contentType, onSent, more = {}) {
    const fields = { ...(await this._credentials()), ...more };
    if (contentType) fields["content-type"] = contentType;
    return new Promise((fulfil, reject) => {
      const request = new XMLHttpRequest();
      this._requests.add(request);
      request.open(method, this._options.url + path);
      for (const [name, value] of Object.entries(fields)) request.setRequestHeader(name, value);
      if (onSent) request.upload.onprogress = (event) => onSent(event.loaded);
      request.onloadend = () => {
        this._requests.delete(request);
        let answer;
        try {
          answer = JSON.parse(request.responseText);
        } catch {
          answer = undefined;
        }
        if (request.status >= 200 && request.status < 300) return fulfil(answer);
        if (request.status === 0) return reject(new UploadError("The server can't be reached."));
        return reject(new UploadError(answer?.detail ?? `The server answered ${request.status}.`, {
          status: request.status, code: answer?.code, retryAfter: Number(request.getResponseHeader("retry-after")) || undefined,
        }));
      };
      request.send(body);
    });
  }

  // The hash of a large file takes a while: it is remembered over a reload. The server compares it with the bytes in any case.

  get #key() {
    return `waybill-upload ${this.#file.size} ${this.#file.lastModified} ${this.#file.name}`;
  }

  #remembered() {
    const hash = this._options.storage?.getItem(this.#key);
    return /^[0-9a-f]{64}$/.test(hash ?? "") ? hash : undefined;
  }

  #remember() {
    try {
      this._options.storage?.setItem(this.#key, this.#hash);
    } catch {
      // The storage is full: then it is read once more.
    }
  }
}

/** SHA-256 (FIPS 180-4) of bytes that come piece by piece, which the browser's own can't do. */
export class Sha256 {
  static #constants = Sha256.#fractions();
  #state = new Int32Array(Sha256.#constants.initial);
  #words = new Int32Array(64);
  #block = new Uint8Array(64);
  #filled = 0;
  #count = 0;

  /** The first 32 bits of the fractions of the roots of the first primes. */
  static #fractions() {
    const [initial, rounds] = [[], []];
    for (let number = 2; rounds.length < 64; number += 1) {
      let isPrime = true;
      for (let divisor = 2; divisor * divisor <= number; divisor += 1) if (number % divisor === 0) isPrime = false;
      if (!isPrime) continue;
      if (initial.length < 8) initial.push((number ** (1 / 2) * 2 ** 32) | 0);
      rounds.push((number ** (1 / 3) * 2 ** 32) | 0);
    }
    return { initial, rounds: new Int32Array(rounds) };
  }

  update(bytes) {
    this.#count += bytes.length;
    let at = 0;
    if (this.#filled > 0) {
      at = Math.min(64 - this.#filled, bytes.length);
      this.#block.set(bytes.subarray(0, at), this.#filled);
      this.#filled += at;
      if (this.#filled < 64) return;
      this.#compress(this.#block, 0);
      this.#filled = 0;
    }
    for (; at + 64 <= bytes.length; at += 64) this.#compress(bytes, at);
    this.#block.set(bytes.subarray(at));
    this.#filled = bytes.length - at;
  }

  /** The digest in hexadecimal digits. Nothing may come after it. */
  hex() {
    const [high, low] = [Math.floor(this.#count / 2 ** 29), (this.#count * 8) >>> 0];
    const padding = new Uint8Array(((this.#filled < 56 ? 56 : 120) - this.#filled) + 8);
    padding[0] = 0x80;
    const view = new DataView(padding.buffer);
    view.setUint32(padding.length - 8, high);
    view.setUint32(padding.length - 4, low);
    this.update(padding);
    return Array.from(this.#state, (word) => (word >>> 0).toString(16).padStart(8, "0")).join("");
  }

  #compress(bytes, at) {
    const words = this.#words;
    const rounds = Sha256.#constants.rounds;
    for (let i = 0; i < 16; i += 1) {
      const place = at + i * 4;
      words[i] = (bytes[place] << 24) | (bytes[place + 1] << 16) | (bytes[place + 2] << 8) | bytes[place + 3];
    }
    for (let i = 16; i < 64; i += 1) {
      const x = words[i - 15];
      const y = words[i - 2];
      const s0 = ((x >>> 7) | (x << 25)) ^ ((x >>> 18) | (x << 14)) ^ (x >>> 3);
      const s1 = ((y >>> 17) | (y << 15)) ^ ((y >>> 19) | (y << 13)) ^ (y >>> 10);
      words[i] = (words[i - 16] + s0 + words[i - 7] + s1) | 0;
    }
    const state = this.#state;
    let a = state[0], b = state[1], c = state[2], d = state[3], e = state[4], f = state[5], g = state[6], h = state[7];
    for (let i = 0; i < 64; i += 1) {
      const s1 = ((e >>> 6) | (e << 26)) ^ ((e >>> 11) | (e << 21)) ^ ((e >>> 25) | (e << 7));
      const t1 = (h + s1 + ((e & f) ^ (~e & g)) + rounds[i] + words[i]) | 0;
      const s0 = ((a >>> 2) | (a << 30)) ^ ((a >>> 13) | (a << 19)) ^ ((a >>> 22) | (a << 10));
      const t2 = (s0 + ((a & b) ^ (a & c) ^ (b & c))) | 0;
      h = g;
      g = f;
      f = e;
      e = (d + t1) | 0;
      d = c;
      c = b;
      b = a;
      a = (t1 + t2) | 0;
    }
    state[0] += a;
    state[1] += b;
    state[2] += c;
    state[3] += d;
    state[4] += e;
    state[5] += f;
    state[6] += g;
    state[7] += h;
  }
}

/** A name for a request that may be sent more than once. */
function idempotencyKey() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

"""###),
        DashboardAsset(
            path: "/dashboard/words.js", contentType: "text/javascript; charset=utf-8", etag: "\"bd92cd27b4d38a8602ac23cf0354cdf5\"",
            body: ###"""
// How facts are said.

const relative = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
const absolute = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "medium" });
const steps = [[60, "second", 1], [3600, "minute", 60], [86400, "hour", 3600], [Infinity, "day", 86400]];

/** "3 minutes ago". */
export function ago(time, now = Date.now()) {
  const seconds = (Date.parse(time) - now) / 1000;
  if (Math.abs(seconds) < 2) return "just now";
  const [, unit, length] = steps.find(([limit]) => Math.abs(seconds) < limit);
  return relative.format(Math.trunc(seconds / length), unit);
}

/** The whole date and time, in the reader's zone. */
export function fullTime(time) {
  return absolute.format(new Date(time));
}

/** "1 h 4 min", "12 s" between two times. */
export function duration(from, to) {
  const seconds = Math.max(0, Math.round((Date.parse(to) - Date.parse(from)) / 1000));
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
}

/** "42 %": cut, not rounded, so that 100 % means done. */
export function percent(progress) {
  return `${Math.floor(progress ?? 0)} %`;
}

/** "content.export" as "Content export", "cancelRequested" and "cancel_requested" as "Cancel requested". */
export function title(name) {
  const words = name.replace(/([a-z])([A-Z])/g, "$1 $2").replace(/[._-]+/g, " ").toLowerCase();
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/** What a job is doing, with what was asked of it. */
export function stateWords(job) {
  if (job.state === "running" && job.cancelRequested) return "cancelling";
  if (job.state === "running" && job.pauseRequested) return "pausing";
  return job.state;
}

/** The end of an id, enough to tell jobs apart by eye. */
export function shortId(id) {
  return id.slice(-8);
}

"""###),
    ]
}
