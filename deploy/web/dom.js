// The page's elements, and what it says.

const MOST_FAULTS = 20;

export const $ = (id) => document.getElementById(id);

export const element = (tag, text = "", properties = {}) =>
  Object.assign(document.createElement(tag), { textContent: text, ...properties });

/** Says one line, which screen readers read out. */
export const say = (text) => ($("status").textContent = text);

/** Adds a line to the messages about what went wrong. */
export function sayFault(text) {
  const list = $("fault-list");
  if (list.childElementCount < MOST_FAULTS) list.append(element("li", text));
  else list.lastChild.textContent = `… and more; the last: ${text}`;
  $("faults").hidden = false;
}

export function clearFaults() {
  $("fault-list").replaceChildren();
  $("faults").hidden = true;
}
