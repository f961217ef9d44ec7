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
