// Connects the page's controls with what they do.

import { $, clearFaults, element, say, sayFault } from "./dom.js";
import { entries } from "./results.js";
import { filter, isShown, listClasses, setAllClasses, state } from "./screen.js";
import { chosenFiles, droppedFiles, ofFolder } from "./sources.js";
import { loadModelFile, open, reload, select, start, stopVideo, togglePause, useCamera } from "./work.js";

function download() {
  const text = JSON.stringify(entries(state.items, isShown));
  const href = URL.createObjectURL(new Blob([text], { type: "application/json" }));
  element("a", "", { href, download: "bbox.json" }).click();
  setTimeout(() => URL.revokeObjectURL(href), 10_000);
}

const on = (id, event, action) => $(id).addEventListener(event, action);
on("open-files", "click", () => $("file-input").click());
on("open-folder", "click", () => $("folder-input").click());
on("open-model", "click", () => $("model-input").click());
on("file-input", "change", ({ target }) => open(chosenFiles(target)));
on("folder-input", "change", ({ target }) => open(ofFolder(chosenFiles(target))));
on("model-input", "change", ({ target }) => chosenFiles(target).forEach(({ file }) => loadModelFile(file)));
on("provider", "change", reload);
on("camera", "click", useCamera);
on("pause", "click", togglePause);
on("stop", "click", () => {
  stopVideo();
  say("Stopped");
  $("open-files").focus();
});
on("clear-faults", "click", () => {
  clearFaults();
  $("open-files").focus();
});
on("threshold", "input", filter);
on("own", "change", filter);
on("files", "change", ({ target }) => select(state.items[target.value]));
on("class-search", "input", () => state.detector && listClasses());
on("all-classes", "click", () => setAllClasses(true));
on("no-classes", "click", () => setAllClasses(false));
on("download", "click", download);
for (const kind of ["dragover", "dragleave", "drop"]) {
  document.addEventListener(kind, (event) => {
    event.preventDefault();
    $("drop").classList.toggle("over", kind === "dragover");
  });
}
document.addEventListener("drop", async ({ dataTransfer }) => {
  try {
    await open(await droppedFiles(dataTransfer));
  } catch (error) {
    sayFault(`what was dropped cannot be read (${error.message}); use Open files`);
  }
});

$("provider-row").hidden = !navigator.gpu;
$("camera").hidden = !navigator.mediaDevices;
await start();
