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
