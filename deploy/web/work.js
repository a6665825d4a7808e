// What users open goes through the detector: models, images one after the other, and the frames of a video.

import { RemoteDetector } from "./client.js";
import { $, say, sayFault } from "./dom.js";
import { description, listClasses, listItem, listItems, show, state } from "./screen.js";
import { kindOf } from "./sources.js";
import { playing } from "./video.js";

const LEAST = 0.05; // the threshold can go down to it without detecting again
const kept = ({ thresholds }) => thresholds.map((threshold) => Math.min(threshold, LEAST)); // least scores of each class
const NO_MODEL = "Open a model to begin: the .onnx file of ppdet export --format onnx";

let model = null; // {content, name}, to load it again
let player = null, isWorking = false;

/** Loads a model in place of the present one, which stays if that fails. */
export async function loadModel(content, name, provider = $("provider").value) {
  say(`Loading ${name} …`);
  try {
    const loaded = await RemoteDetector.load(content, name, provider);
    state.detector?.close();
    state.detector = loaded;
  } catch (error) {
    sayFault(error.message);
    $("provider").value = state.detector?.provider ?? "wasm";
    return say(state.detector ? `${state.detector.model} is still loaded` : NO_MODEL);
  }
  model = { content, name };
  describeModel(state.detector);
  state.hidden.clear();
  listClasses();
  for (const item of state.items) Object.assign(item, { results: [], fault: null });
  say(`${name} is ready`);
  return work();
}

function describeModel({ model, provider, labels, thresholds, threads }) {
  const plural = (count, one, many) => `${count} ${count === 1 ? one : many}`;
  const where = provider === "wasm" ? `WebAssembly, ${plural(threads, "thread", "threads")}` : "WebGPU";
  $("model").textContent = `${model}: ${plural(labels.length, "class", "classes")}, ${where}`;
  const isOwn = new Set(thresholds).size > 1 || thresholds[0] < LEAST; // not one that the slider can say
  $("own-row").hidden = !isOwn;
  $("own").checked = isOwn;
  $("threshold").value = Math.max(LEAST, thresholds[0]);
  show();
}

export const loadModelFile = async (file) => {
  let content;
  try {
    content = await file.arrayBuffer();
  } catch (error) {
    return sayFault(`${file.name}: cannot be read (${error.message}); choose it again`);
  }
  return loadModel(content, file.name);
};

/** Loads the model on the chosen provider. */
export const reload = () => model && loadModel(model.content, model.name);

/** Opens files, [{file, path}]: a model, a video, or images. */
export async function open(found) {
  const of = (kind) => found.filter(({ file }) => kindOf(file) === kind);
  const [models, videos, images] = ["model", "video", "image"].map(of);
  if (models.length) await loadModelFile(models[0].file);
  if (videos.length) return watch({ file: videos[0].file, name: videos[0].path });
  if (images.length) {
    setItems(images.map(({ file, path }) => ({ name: path, file, results: [], fault: null })));
    return work();
  }
  return models.length || sayFault("nothing to open; expected images, a video or an .onnx file");
}

function setItems(items) {
  stopVideo();
  state.picture?.close?.();
  Object.assign(state, { items, current: null, picture: null });
  listItems();
}

/** Detects in all items that have no result yet. */
async function work() {
  if (isWorking) return;
  if (!state.detector && state.items.length) return say(NO_MODEL);
  isWorking = true;
  const isWaiting = ({ file, results, fault }) => file && !results.length && !fault;
  for (let item; state.detector && (item = state.items.find(isWaiting)); ) await workOn(item);
  isWorking = false;
  $("progress").hidden = true;
}

async function workOn(item) {
  const { detector } = state;
  try {
    const result = await detector.detect(item.file, item.name, kept(detector));
    if (detector === state.detector) item.results = [result];
  } catch (error) {
    if (detector !== state.detector) return; // another model came meanwhile
    item.fault = error.message;
    sayFault(error.message);
    if (detector.ended) await restart();
  }
  const index = state.items.indexOf(item);
  if (index < 0) return; // other files came meanwhile
  listItem(item, index);
  await showProgress(item);
}

async function showProgress(item) {
  const { items } = state, done = items.filter(({ results, fault }) => results.length || fault).length;
  Object.assign($("progress"), { hidden: items.length < 2 || done === items.length, max: items.length, value: done });
  $("download").disabled = false;
  if (state.current ? item === state.current : !item.fault || items.length === 1) await select(item);
  if (items.length > 1 && done === items.length) say(`${done} files are done`);
}

/** Starts another worker with the same model after the old one hung or crashed. */
async function restart() {
  const { provider } = state.detector;
  state.detector = null;
  const before = state.items.map((item) => [item, { ...item }]); // others may come meanwhile
  await loadModel(model.content, model.name, provider);
  before.forEach(([item, copy]) => Object.assign(item, copy));
}

/** Shows an item; its file is decoded again, since the pictures of a thousand files would fill the memory. */
export async function select(item) {
  state.current = item;
  $("files").value = state.items.indexOf(item);
  let decoded = null;
  if (!item.fault && item.file) decoded = await createImageBitmap(item.file).catch(() => null);
  if (state.current !== item) return decoded?.close();
  state.picture?.close?.();
  state.picture = decoded;
  show();
  return say(description(item));
}

/** Detects in the frames of a video file, or of a camera's stream, while they play. */
export async function watch({ file, stream, name }) {
  const item = { name, results: [] };
  setItems([item]);
  state.current = item;
  let mine;
  try {
    mine = player = await playing({ file, stream, name });
    if (!state.detector) throw new Error(`${name}: there is no model yet; open one first`);
    $("stop").hidden = $("pause").hidden = false;
    say(`${name}: playing`);
    await mine.run((frame, time) => watchFrame(item, frame, file ? { time } : {}));
    if (mine === player) say(`${name}: ended; ${item.results.length} frames have results`);
  } catch (error) {
    if (state.current === item) sayFault(error.message);
    if (state.detector?.ended) await restart();
  }
  if (mine === player) stopVideo();
}

async function watchFrame(item, frame, time) {
  const bitmap = await createImageBitmap(frame), { detector } = state;
  let result;
  try {
    result = { ...(await detector.detect(bitmap, item.name, kept(detector))), ...time };
  } catch (error) {
    if (detector === state.detector) throw error;
  }
  if (state.current !== item || detector !== state.detector) return; // other files or another model came meanwhile
  item.results = "time" in time ? [...item.results, result] : [result];
  state.picture = frame;
  $("download").disabled = false;
  show();
}

export function stopVideo() {
  player?.stop();
  player = null;
  $("stop").hidden = $("pause").hidden = true;
  $("pause").textContent = "Pause";
}

export const togglePause = () => ($("pause").textContent = player?.toggle() ? "Pause" : "Play");

export async function useCamera() {
  try {
    const stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
    await watch({ stream, name: "camera" });
  } catch (error) {
    sayFault(`camera: cannot be used (${error.message || error.name}); connect one and allow this page to use it`);
  }
}

/** Loads the model that the server has beside the page, if there is one. */
export async function start() {
  const served = await fetch("model.onnx").catch(() => null);
  if (served?.ok) await loadModel(await served.arrayBuffer(), "model.onnx");
  else say(NO_MODEL);
}
