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
