// Shows the current item, and the classes that are chosen.

import { $, element } from "./dom.js";
import { colorOf, draw } from "./draw.js";
import { summary, visible } from "./results.js";

/**
 * What the page holds. detector: a RemoteDetector; items: [{name, file, results, fault}], results: [{objects, ms, time}];
 * current: the item on the screen, and picture: its pixels; hidden: numbers of the classes that are not shown.
 */
export const state = { detector: null, items: [], current: null, picture: null, hidden: new Set() };

export const isShown = (object) => visible([object], lowest, state.hidden).length > 0;
export const shownObjects = (item) => visible(item?.results.at(-1)?.objects ?? [], lowest, state.hidden);
export const description = (item) => item.fault ?? `${item.name}: ${summary(shownObjects(item))}`;

const lowest = (classId) => ($("own").checked ? state.detector.thresholds[classId] : Number($("threshold").value));

/** Draws all that depends on the current item, the threshold and the classes. */
export function show() {
  const { current, picture } = state, objects = shownObjects(current), result = current?.results.at(-1);
  $("threshold").disabled = $("own").checked;
  $("threshold-value").textContent = $("own").checked ? "–" : Number($("threshold").value).toFixed(2);
  $("view").hidden = !picture;
  $("hint").hidden = Boolean(picture);
  if (picture) draw($("view"), picture, objects);
  $("view").setAttribute("aria-label", current ? description(current) : "No picture yet");
  $("count").textContent = result ? objects.length : "";
  $("objects").replaceChildren(...objects.map(objectRow));
  showTime(result?.ms);
}

function showTime(ms) {
  $("time-section").hidden = !ms;
  if (!ms) return;
  const total = Object.values(ms).reduce((sum, part) => sum + part);
  const lines = Object.entries({ ...ms, total });
  $("time").replaceChildren(...lines.flatMap(([name, value]) => [element("dt", name), element("dd", `${value.toFixed(1)} ms`)]));
}

function objectRow({ name, classId, score, box: [x1, y1, x2, y2] }) {
  const row = element("tr"), first = element("td"), dot = element("span", "", { className: "dot" });
  dot.style.background = colorOf(classId);
  first.append(dot, name);
  const numbers = [score.toFixed(3), ...[x1, y1, x2 - x1, y2 - y1].map((value) => value.toFixed(0))];
  row.append(first, ...numbers.map((text) => element("td", text)));
  return row;
}

/** Fills the list of files. */
export function listItems() {
  $("files").replaceChildren(...state.items.map((item, i) => element("option", item.name, { value: i })));
  $("files-section").hidden = state.items.length < 2;
}

/** Writes into the list how many objects an item has. */
export function listItem(item, index) {
  const option = $("files").options[index], count = item.results.length ? ` (${shownObjects(item).length})` : "";
  if (option) option.textContent = `${item.fault ? "✕ " : ""}${item.name}${count}`;
}

/** Makes a checkbox for each class whose name holds what is searched for. */
export function listClasses() {
  const { labels } = state.detector, wanted = $("class-search").value.trim().toLowerCase();
  const found = [...labels.keys()].filter((classId) => labels[classId].toLowerCase().includes(wanted));
  $("classes").replaceChildren($("classes").firstElementChild, ...found.map(classBox));
  countClasses();
}

function classBox(classId) {
  const row = element("label"), box = element("input", "", { type: "checkbox", checked: !state.hidden.has(classId) });
  box.addEventListener("change", () => {
    if (box.checked) state.hidden.delete(classId);
    else state.hidden.add(classId);
    filter();
  });
  row.append(box, state.detector.labels[classId]);
  return row;
}

const countClasses = () => {
  const { length } = state.detector.labels;
  $("class-count").textContent = `${length - state.hidden.size} of ${length}`;
};

/** Shows or hides all classes. */
export function setAllClasses(areShown) {
  if (!state.detector) return;
  state.hidden = new Set(areShown ? [] : state.detector.labels.keys());
  listClasses();
  filter();
}

/** Applies another threshold or other classes. */
export function filter() {
  if (!state.detector) return;
  countClasses();
  show();
  state.items.forEach(listItem);
}
