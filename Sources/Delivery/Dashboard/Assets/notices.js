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
