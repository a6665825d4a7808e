// Turns a model's outputs into rows {classId, score, box}; box: [x1, y1, x2, y2].

import { PicodetError } from "./model_file.js";

const NO_SCORE = 1e-6; // so that a threshold of 0 does not give every class of every point

/**
 * The rows of the first image, the most confident first, in pixels of the original image.
 *
 * outputs: the model's, in its order, [{dims, data}]: detections [M, 6] and their number; boxes [B, L, 4] and scores
 * [B, C, L]; or raw scores and box distributions of each level. lowest: the least score of each class.
 * prepared: {size, factors, takesFactors} of the network's input.
 */
export function detections(outputs, config, lowest, prepared) {
  const kinds = outputs.map(({ dims }) => dims.length).join();
  const hasNms = kinds === "2,1" || kinds === "2";
  const rows = hasNms
    ? split(outputs, config, lowest)
    : choose(kinds === "3,3" ? decoded(outputs, config, lowest) : raw(outputs, config, lowest, prepared.size), config);
  rows.sort((a, b) => b.score - a.score);
  const units = config.boxes || (hasNms && prepared.takesFactors ? "image" : "input");
  if (units === "image") return rows;
  const factors = prepared.size.map((side, i) => (units === "normalized" ? side : 1) / Math.fround(prepared.factors[i]));
  return rows.map((row) => ({ ...row, box: row.box.map((value, i) => value * factors[(i + 1) % 2]) }));
}

function split([bbox, counts], config, lowest) {
  const { data } = bbox, found = counts?.data.length === 1 ? Number(counts.data[0]) : Number(counts?.data[0] ?? data.length / 6);
  const total = Math.min(found, Math.floor(data.length / 6));
  if (!(total >= 0) || (total && bbox.dims[1] !== 6)) throw unknown([bbox, counts], config);
  const rows = [];
  for (let i = 0; i < total; i++) {
    const [classId, score, ...box] = data.subarray(6 * i, 6 * i + 6);
    if (classId === -1) continue; // a row that stands for "none"
    checkRow(classId, score, box, config);
    if (score >= lowest[classId]) rows.push({ classId, score, box });
  }
  return rows;
}

function decoded([boxes, scores], config, lowest) {
  const [, classes, points] = scores.dims;
  if (boxes.dims[2] !== 4 || boxes.dims[1] !== points) throw unknown([boxes, scores], config);
  checkClasses(classes, config);
  const score = (classId, point) => scores.data[classId * points + point];
  return candidates(score, points, lowest, (i) => Array.from(boxes.data.subarray(4 * i, 4 * i + 4)), config);
}

function raw(outputs, config, lowest, size) {
  const levels = config.strides.length;
  if (!levels || outputs.length !== 2 * levels) throw unknown(outputs, config);
  return config.strides.flatMap((stride, level) => {
    const [h, w] = size.map((side) => Math.ceil(side / stride)), points = h * w;
    const scores = table(outputs[level], points), logits = table(outputs[levels + level], points);
    if (!scores || !logits || logits.width % 4) throw unknown(outputs, config);
    checkClasses(scores.width, config);
    const bins = logits.width / 4;
    const box = (i) => {
      const center = [i % w, Math.floor(i / w)].map((cell) => (cell + config.cellOffset) * stride);
      const side = (k) => expectation((bin) => logits.at(i, k * bins + bin), bins) * stride;
      return [center[0] - side(0), center[1] - side(1), center[0] + side(2), center[1] + side(3)];
    };
    return candidates((classId, point) => scores.at(point, classId), points, lowest, box, config);
  });
}

/** An output [B, points, width] or [B, width, h, w] as {width, at(point, column)}; null if it is neither. */
function table({ dims, data }, points) {
  if (dims.length === 3 && dims[1] === points) return { width: dims[2], at: (i, k) => data[i * dims[2] + k] };
  const isMap = dims.length === 4 && dims[2] * dims[3] === points;
  return isMap ? { width: dims[1], at: (i, k) => data[k * points + i] } : null;
}

/** The mean of a distribution over 0, 1, 2, … */
function expectation(logit, bins) {
  const values = Array.from({ length: bins }, (_, bin) => logit(bin)), most = Math.max(...values);
  const parts = values.map((value) => Math.exp(value - most));
  return parts.reduce((sum, part, bin) => sum + part * bin, 0) / parts.reduce((sum, part) => sum + part, 0);
}

function candidates(score, points, lowest, boxOf, config) {
  const rows = [];
  lowest.forEach((threshold, classId) => {
    for (let i = 0; i < points; i++) {
      const value = score(classId, i);
      if (value < Math.max(threshold, NO_SCORE)) continue;
      const box = boxOf(i);
      checkRow(classId, value, box, config);
      rows.push({ classId, score: value, box });
    }
  });
  return rows;
}

/** The detections among candidates, the most confident first, after NMS in each class if the model needs one. */
function choose(rows, { needsNms, iouThreshold, perClass, perImage }) {
  rows.sort((a, b) => b.score - a.score || a.classId - b.classId); // and those of one class in the order of the levels
  const most = perImage < 0 ? Infinity : perImage, kept = [], classes = new Map();
  for (const row of rows) {
    if (kept.length === most) break;
    if (needsNms) {
      if (!classes.has(row.classId)) classes.set(row.classId, { tried: 0, kept: [] });
      const same = classes.get(row.classId);
      if (perClass > 0 && same.tried++ >= perClass) continue;
      if (same.kept.some((other) => overlaps(other.box, row.box, iouThreshold))) continue;
      same.kept.push(row);
    }
    kept.push(row);
  }
  return kept;
}

const area = (x1, y1, x2, y2) => Math.max(x2 - x1, 0) * Math.max(y2 - y1, 0);

function overlaps(a, b, iouThreshold) {
  const shared = area(Math.max(a[0], b[0]), Math.max(a[1], b[1]), Math.min(a[2], b[2]), Math.min(a[3], b[3]));
  return shared > iouThreshold * (area(...a) + area(...b) - shared);
}

function checkClasses(classes, config) {
  if (classes !== config.labels.length) throw misfit(`${classes} classes`, config);
}

function checkRow(classId, score, box, config) {
  if (!(classId in config.labels)) throw misfit(`a class of number ${classId}`, config);
  if (score >= -0.01 && score <= 1.01 && box.every(Number.isFinite)) return;
  throw new PicodetError(`${config.name}: gives a score of ${score}; expected 0 to 1, and finite boxes: its weights are damaged; export it again`);
}

const misfit = (found, config) =>
  new PicodetError(`${config.name}: label_list: found ${config.labels.length} names, and the model has ${found}; expected a name for each class; export it again`);

const unknown = (outputs, config) =>
  new PicodetError(`${config.name}: gives outputs of shapes ${outputs.map((o) => `[${o?.dims}]`).join(", ")}; expected those of ppdet export`);
