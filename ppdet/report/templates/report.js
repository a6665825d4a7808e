"use strict";
const curves = JSON.parse(document.getElementById("curves")?.textContent ?? "null");

// Tables: a click on a heading sorts by its column, a second one the other way round.
for (const button of document.querySelectorAll("th button")) {
  button.addEventListener("click", () => {
    const heading = button.parentElement, body = heading.closest("table").tBodies[0];
    const down = heading.getAttribute("aria-sort") !== "descending";
    for (const other of heading.parentElement.children) other.removeAttribute("aria-sort");
    heading.setAttribute("aria-sort", down ? "descending" : "ascending");
    const key = (row) => row.cells[heading.cellIndex].dataset.v;
    const order = (a, b) => {
      const [x, y] = [key(a), key(b)];
      if (x === "" || y === "") return (x === "") - (y === "");  // what is not known stays at the end
      const difference = isNaN(x) || isNaN(y) ? y.localeCompare(x) : y - x;
      return down ? difference : -difference;
    };
    body.append(...[...body.rows].sort(order));
  });
}

// Curves: one threshold for both charts, from the mouse, the slider or the keyboard.
const slider = document.getElementById("threshold"), chooser = document.getElementById("curve-class");
const readout = document.getElementById("readout"), charts = [...document.querySelectorAll(".chart")];
const shape = (name, attributes) => {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
};
const marks = charts.map((chart) => {
  const svg = chart.querySelector("svg"), box = chart.dataset.axes.split(" ").map(Number);
  const line = shape("path", { fill: "none", stroke: "var(--green)", "stroke-width": 1.8 });
  const rule = shape("path", { stroke: "var(--ink)", "stroke-width": 0.6 });
  const dots = ["--muted", "--orange", "--blue"].map((color) => shape("circle", { r: 3, fill: `var(${color})` }));
  svg.append(line, rule, ...dots);
  const [left, top, right, bottom] = box;
  return { svg, line, rule, dots, kind: chart.dataset.kind, box,
    at: (x, y) => [left + x * (right - left), bottom - y * (bottom - top)] };
});
const chosen = () => curves.classes[chooser.value];
function showClass() {
  for (const mark of marks) {
    const { precision, recall, f1 } = chosen();
    const pairs = mark.kind === "pr" ? recall.map((r, i) => [r, precision[i]]) : f1.map((f, i) => [curves.thresholds[i], f]);
    const points = pairs.filter((pair) => !pair.includes(null)).map((pair) => mark.at(...pair).map((v) => v.toFixed(1)).join(" "));
    mark.line.setAttribute("d", chooser.value === "0" || !points.length ? "" : "M" + points.join("L"));
  }
  if (chosen().best !== null) slider.value = chosen().best;
  showThreshold();
}
function showThreshold() {
  const values = chosen(), last = curves.thresholds.length - 1;
  const index = Math.round(Number(slider.value) * last);
  const [t, p, r, f] = [curves.thresholds[index], values.precision[index], values.recall[index], values.f1[index]];
  for (const { kind, dots, rule, at } of marks) {
    const places = kind === "pr" ? [null, null, at(r, p)] : [at(t, p), at(t, r), at(t, f)];
    const known = kind === "pr" ? [null, null, p !== null && r !== null] : [p !== null, r !== null, f !== null];
    places.forEach((place, i) => {
      dots[i].style.display = known[i] ? "" : "none";
      if (known[i]) { dots[i].setAttribute("cx", place[0]); dots[i].setAttribute("cy", place[1]); }
    });
    const [x, y] = at(t, 0), top = at(t, 1)[1];
    rule.setAttribute("d", kind === "pr" ? "" : `M${x} ${y}V${top}`);
  }
  const percent = (value) => value === null ? "–" : (100 * value).toFixed(1) + " %";
  readout.textContent = `threshold ${t.toFixed(2)}: precision ${percent(p)}, recall ${percent(r)}, F1 ${percent(f)}`;
}
function follow(mark, event) {
  const frame = mark.svg.getBoundingClientRect(), scale = mark.svg.viewBox.baseVal.width / frame.width;
  const [left, , right] = mark.box;
  const x = Math.min(1, Math.max(0, ((event.clientX - frame.left) * scale - left) / (right - left)));
  if (mark.kind === "pr") {
    const { recall } = chosen();
    let best = 0;
    recall.forEach((r, i) => { if (Math.abs(r - x) < Math.abs(recall[best] - x)) best = i; });
    slider.value = curves.thresholds[best];
  } else slider.value = x;
  showThreshold();
}
if (slider) {
  marks.forEach((mark) => mark.svg.addEventListener("pointermove", (event) => follow(mark, event)));
  slider.addEventListener("input", showThreshold);
  chooser.addEventListener("change", showClass);
  showClass();
}

// The confusion matrix: a click on a cell shows its pictures.
const dialog = document.getElementById("cell");
for (const button of document.querySelectorAll("button[data-cell]")) {
  button.addEventListener("click", () => {
    dialog.querySelector("h3").textContent = button.getAttribute("aria-label");
    dialog.querySelector(".pictures").replaceChildren(document.getElementById(button.dataset.cell).content.cloneNode(true));
    dialog.showModal();
  });
}
if (dialog) {
  dialog.querySelector(".close").addEventListener("click", () => dialog.close());
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
}
