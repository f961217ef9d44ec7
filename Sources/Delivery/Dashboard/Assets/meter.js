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
