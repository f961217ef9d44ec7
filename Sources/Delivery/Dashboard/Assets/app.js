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
