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
