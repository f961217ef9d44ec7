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
