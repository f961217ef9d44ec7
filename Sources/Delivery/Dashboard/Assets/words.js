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
