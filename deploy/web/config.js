// Checks infer_cfg: the settings of a model besides its graph.

import { PicodetError } from "./model_file.js";

// The options of each known step; those that change nothing here have the one value that is accepted.
const STEPS = {
  Decode: {},
  Resize: { target_size: null, keep_ratio: null, interp: null },
  NormalizeImage: { mean: null, std: null, is_scale: null, norm_type: null, is_channel_first: false },
  Permute: { to_bgr: false, channel_first: true },
  PadStride: { stride: null },
  PadBatch: { pad_to_stride: null },
};
const UNITS = ["image", "input", "normalized"];

/** The settings that `Detector` uses; throws PicodetError that names the key at fault. */
export function parseConfig(cfg, name) {
  const fail = (key, found, expected) => {
    const shown = JSON.stringify(found)?.slice(0, 60) ?? "nothing";
    throw new PicodetError(`${name}: infer_cfg: ${key}: found ${shown}; expected ${expected}`);
  };
  const check = (key, value, fallback, isRight, expected) => {
    const used = value ?? fallback;
    return isRight(used) ? used : fail(key, used, expected);
  };
  const isList = (count, isRight) => (value) =>
    Array.isArray(value) && (!count || value.length === count) && value.every(isRight);
  const within = (low, high) => (value) => typeof value === "number" && value >= low && value <= high;
  const whole = (low, high) => (value) => Number.isInteger(value) && within(low, high)(value);
  const truth = (value) => typeof value === "boolean";
  const object = (value) => typeof value === "object" && value !== null && !Array.isArray(value);

  check("the content", cfg, null, object, "keys and values");
  check("arch", cfg.arch, "PicoDet", (arch) => arch === "PicoDet" || arch === "GFL", "PicoDet or GFL");
  const steps = {};
  for (const step of check("Preprocess", cfg.Preprocess, null, isList(0, object), "a list of steps")) {
    const isNew = (type) => Object.hasOwn(STEPS, type) && !(type in steps);
    const type = check("Preprocess.type", step.type, null, isNew, `one of each of ${Object.keys(STEPS)}`), options = STEPS[type];
    for (const [key, value] of Object.entries(step)) {
      if (key === "type") continue;
      if (!Object.hasOwn(options, key)) fail(`${type}.${key}`, value, `one of its options (${Object.keys(options)})`);
      if (options[key] !== null) check(`${type}.${key}`, value, options[key], (found) => found === options[key], options[key]);
    }
    steps[type] = step;
  }
  const resize = steps.Resize ?? fail("Preprocess", Object.keys(steps), "a step Resize");
  const sides = Number.isInteger(resize.target_size) ? [resize.target_size, resize.target_size] : resize.target_size;
  const labels = check("label_list", cfg.label_list, null, (list) => isList(0, (label) => ["string", "number"].includes(typeof label))(list) && list.length, "class names");
  check("num_classes", cfg.num_classes, labels.length, (count) => count === labels.length, `${labels.length}, the number of names in label_list`);
  const nms = check("NMS", cfg.NMS, {}, object, "keys and values");
  const count = (key, fallback) => check(`NMS.${key}`, nms[key], fallback, (n) => n !== 0 && whole(-1, 1e9)(n), "-1 (all) or a number of boxes");
  const stride = steps.PadStride?.stride ?? steps.PadBatch?.pad_to_stride;
  return {
    name,
    size: check("Resize.target_size", sides, null, isList(2, whole(1, 8192)), "height and width"),
    keepRatio: check("Resize.keep_ratio", resize.keep_ratio, !("boxes" in cfg), truth, "true or false"),
    interpolation: check("Resize.interp", resize.interp, 1, whole(0, 2), "0 (nearest), 1 (linear) or 2 (cubic); browsers have no other here"),
    tables: tables(steps.NormalizeImage, check, truth, isList(3, within(-1e6, 1e6)), isList(3, within(1e-6, 1e6))),
    padStride: Math.max(1, check("Preprocess.stride", stride, 1, whole(-1, 1024), "a whole number")),
    labels: labels.map(String),
    categoryIds: check("category_ids", cfg.category_ids, [...labels.keys()], isList(labels.length, () => true), "an id for each class"),
    boxes: check("boxes", cfg.boxes, "", (units) => !units || UNITS.includes(units), UNITS.join(" or ")),
    strides: check("fpn_stride", cfg.fpn_stride, [], isList(0, whole(1, 1024)), "whole numbers"),
    cellOffset: check("cell_offset", cfg.cell_offset, 0.5, within(0, 1), "0 to 1"),
    iouThreshold: check("NMS.nms_threshold", nms.nms_threshold, 0.5, within(0, 1), "0 to 1"),
    perClass: count("nms_top_k", 1000),
    perImage: count("keep_top_k", 100),
    needsNms: check("needs_nms", cfg.needs_nms, true, truth, "true or false"),
    threshold: check("draw_threshold", cfg.draw_threshold, 0.5, within(0, 1), "0 to 1"),
    thresholds: cfg.thresholds == null ? null : check("thresholds", cfg.thresholds, null, isList(labels.length, within(0, 1)), "0 to 1 for each class"),
  };
}

/** For each channel the network's value of each byte, Float32Array(256); null if the model takes bytes as they are. */
function tables(step, check, truth, areMeans, areStds) {
  if (!step) return null;
  const divisor = check("NormalizeImage.is_scale", step.is_scale, true, truth, "true or false") ? 255 : 1;
  const isPlain = check("NormalizeImage.norm_type", step.norm_type, "mean_std", (type) => ["mean_std", "none"].includes(type), "mean_std or none") === "none";
  const mean = isPlain ? [0, 0, 0] : check("NormalizeImage.mean", step.mean, null, areMeans, "3 numbers");
  const std = isPlain ? [1, 1, 1] : check("NormalizeImage.std", step.std, null, areStds, "3 numbers above 0");
  return mean.map((m, channel) => {
    const scale = Math.fround(1 / (std[channel] * divisor)), shift = Math.fround(-m / std[channel]);
    return Float32Array.from({ length: 256 }, (_, byte) => Math.fround(byte * scale) + shift);
  });
}
