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
