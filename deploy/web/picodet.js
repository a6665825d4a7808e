// Detects objects with a model of `ppdet export --format onnx`, on onnxruntime-web.
//
//   import * as ort from "./ort/ort.wasm.min.mjs";
//   import { Detector } from "./picodet.js";
//   const detector = await Detector.load(ort, await (await fetch("model.onnx")).arrayBuffer());
//   const { objects } = await detector.detect(await decodeImage(file));

import { parseConfig } from "./config.js";
import { PicodetError, readInferCfg } from "./model_file.js";
import { detections } from "./postprocess.js";
import { resize, resizedSize } from "./resize.js";

export { PicodetError };

const LARGEST = 180e6; // pixels of an image

/** An exported model, loaded once. `detect` runs one image at a time; calls wait for each other. */
export class Detector {
  #ort; #session; #config; #ports; #turn = Promise.resolve();

  /**
   * Loads the content of an .onnx file. Throws PicodetError, whose message is one line.
   *
   * ort: the module onnxruntime-web. name: how messages call the file. providers: the first that works computes.
   */
  static async load(ort, content, { name = "model", providers = ["wasm"] } = {}) {
    const bytes = content instanceof Uint8Array ? content : new Uint8Array(content);
    const config = parseConfig(await readInferCfg(bytes, name), name);
    const options = { graphOptimizationLevel: "all", logSeverityLevel: 3 };
    let session, reason;
    for (const provider of providers) {
      try {
        session = await ort.InferenceSession.create(bytes, { ...options, executionProviders: [provider] });
        return new Detector(ort, session, config, provider);
      } catch (error) {
        if (error instanceof PicodetError) {
          await session.release();
          throw error;
        }
        reason = firstLine(error);
      }
    }
    throw new PicodetError(`${name}: onnxruntime-web cannot load it (${reason}); export the model again`);
  }

  constructor(ort, session, config, provider) {
    this.#ort = ort;
    this.#session = session;
    this.#config = config;
    this.#ports = ports(session.inputMetadata, config);
    this.provider = provider;
  }

  /** The class names. */
  get labels() {
    return this.#config.labels;
  }

  /** The model's own score threshold of each class. */
  get thresholds() {
    return this.labels.map((_, i) => this.#config.thresholds?.[i] ?? this.#config.threshold);
  }

  /**
   * The objects of an image {data, width, height} of RGBA bytes, as ImageData, the most confident first:
   * {objects: [{classId, categoryId, name, score, box: [x1, y1, x2, y2]}], ms: {prepare, network, finish}}.
   *
   * threshold: the least score, for all classes or [one for each]; default: the model's.
   */
  detect(image, threshold = this.thresholds) {
    const result = this.#turn.then(() => this.#detect(image, threshold));
    this.#turn = result.catch(() => {});
    return result;
  }

  /** Gives the memory of the model back. */
  async release() {
    await this.#turn;
    await this.#session.release();
  }

  async #detect(image, threshold) {
    const start = performance.now(), config = this.#config;
    checkImage(image);
    const lowest = Float32Array.from(config.labels, (_, i) => threshold[i] ?? threshold);
    if (!lowest.every((value) => value >= 0 && value <= 1)) throw new PicodetError(`threshold: found ${threshold}; expected 0 to 1`);
    const prepared = prepare(image, config, this.#ports);
    const prepareEnd = performance.now(), outputs = await this.#run(prepared), networkEnd = performance.now();
    const rows = detections(outputs, config, lowest, prepared);
    const named = rows.map((row) => ({ ...row, name: config.labels[row.classId], categoryId: config.categoryIds[row.classId] }));
    const ms = { prepare: prepareEnd - start, network: networkEnd - prepareEnd, finish: performance.now() - networkEnd };
    return { objects: named, ms };
  }

  /** The outputs in the model's order, copied out of the runtime's memory. */
  async #run({ inputs }) {
    const feeds = {}, { Tensor } = this.#ort;
    for (const [name, { type, data, dims }] of Object.entries(inputs)) feeds[name] = new Tensor(type, data, dims);
    let results = {};
    try {
      results = await this.#session.run(feeds);
      return await Promise.all(this.#session.outputNames.map(async (name) => ({ dims: results[name].dims, data: await results[name].getData() })));
    } catch (error) {
      throw new PicodetError(`${this.#config.name}: ${this.provider} cannot run it (${firstLine(error)}); export the model again`);
    } finally {
      for (const tensor of [...Object.values(feeds), ...Object.values(results)]) tensor.dispose();
    }
  }
}

/** An image file, or a frame of a video, as ImageData, turned upright. Throws PicodetError that begins with `name`. */
export async function decodeImage(source, name = source?.name ?? "image") {
  let bitmap;
  try {
    bitmap = await createImageBitmap(source, { imageOrientation: "from-image", premultiplyAlpha: "none", colorSpaceConversion: "none" });
  } catch {
    throw new PicodetError(`${name}: not an image that this browser can read, or damaged; fetch it again or leave it out`);
  }
  const { width, height } = bitmap;
  try {
    if (width * height > LARGEST) throw new PicodetError(`${name}: has ${width} x ${height} pixels; at most ${LARGEST} are read; make it smaller`);
    const context = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
    context?.fillRect(width - 1, height - 1, 1, 1); // a canvas that is too long for the browser stays empty without a word
    if (!context?.getImageData(width - 1, height - 1, 1, 1).data[3]) {
      throw new PicodetError(`${name}: has ${width} x ${height} pixels; this browser has no canvas of that size; make it smaller`);
    }
    context.clearRect(width - 1, height - 1, 1, 1);
    context.drawImage(bitmap, 0, 0);
    return context.getImageData(0, 0, width, height);
  } finally {
    bitmap.close();
  }
}

const firstLine = (error) => String(error?.message ?? error).split("\n")[0].slice(0, 200);

function checkImage({ data, width, height }) {
  if (!(width > 0 && height > 0 && data?.length === 4 * width * height)) {
    throw new PicodetError(`image: found ${data?.length} bytes for ${width} x ${height} pixels; expected RGBA, as of ImageData`);
  }
}

/** The model's inputs by what they take: image, and perhaps factors and shape. */
function ports(inputs, { name, size, keepRatio, tables }) {
  const images = inputs.filter(({ shape }) => shape.length === 4 && (shape[1] === 3 || typeof shape[1] === "string"));
  const pairs = inputs.filter(({ shape }) => shape.length === 2);
  const factors = pairs.filter((port) => port.name !== "im_shape");
  const [image] = images;
  if (images.length !== 1 || factors.length > 1 || inputs.length !== images.length + pairs.length || !["float32", "uint8"].includes(image.type)) {
    const found = inputs.map((port) => `${port.name} ${port.type} [${port.shape}]`).join(", ");
    throw new PicodetError(`${name}: takes ${found || "no inputs"}; expected an image [B, 3, H, W] and perhaps scale_factor [B, 2]: not a PicoDet`);
  }
  const [batch, , height, width] = image.shape.map((side) => (side > 0 ? side : 0));
  const fixed = height && width ? [height, width] : null;
  if (fixed && !keepRatio && String(fixed) !== String(size)) {
    throw new PicodetError(`${name}: takes ${fixed.join(" x ")} pixels, but its infer_cfg resizes to ${size.join(" x ")}; export the model again`);
  }
  if (image.type === "uint8" && tables) throw new PicodetError(`${name}: takes bytes, but its infer_cfg normalizes; export the model again`);
  const shape = pairs.find((port) => port.name === "im_shape");
  return { image, batch: Math.max(batch, 1), fixed, factors: factors[0], shape };
}

/** The network's inputs for one image, repeated up to the model's batch: {inputs, size, factors, takesFactors}. */
function prepare(image, config, { image: port, batch, fixed, factors: factorsPort, shape: shapePort }) {
  const factors = resizeFactors([image.height, image.width], config, fixed);
  const [h, w] = resizedSize([image.height, image.width], factors), stride = config.padStride;
  const size = fixed ?? [h, w].map((side) => Math.ceil(side / stride) * stride);
  const pixels = resize(image, factors, config.interpolation);
  const [height, width] = size, plane = height * width, rows = Math.min(h, height), columns = Math.min(w, width);
  const data = new (port.type === "uint8" ? Uint8Array : Float32Array)(batch * 3 * plane);
  for (let c = 0; c < 3; c++) {
    const table = config.tables?.[c];
    for (let y = 0; y < rows; y++) {
      const from = (c * h + y) * w, to = c * plane + y * width;
      if (table) for (let x = 0; x < columns; x++) data[to + x] = table[pixels[from + x]];
      else data.set(pixels.subarray(from, from + columns), to);
    }
  }
  for (let n = 1; n < batch; n++) data.copyWithin(n * 3 * plane, 0, 3 * plane);
  const pair = (values) => ({ type: "float32", dims: [batch, 2], data: Float32Array.from({ length: 2 * batch }, (_, i) => values[i % 2]) });
  const inputs = { [port.name]: { type: port.type, dims: [batch, 3, height, width], data } };
  if (factorsPort) inputs[factorsPort.name] = pair(factors);
  if (shapePort) inputs[shapePort.name] = pair([h, w]);
  return { inputs, size, factors, takesFactors: Boolean(factorsPort) };
}

/** The factors [y, x] to the input's size; with keepRatio one for both, by which the image fits inside a fixed input too. */
function resizeFactors(sides, { size, keepRatio }, fixed) {
  if (!keepRatio) return sides.map((side, i) => size[i] / side);
  const room = fixed ? fixed.map((side, i) => side / sides[i]) : [];
  const factor = Math.min(Math.min(...size) / Math.min(...sides), Math.max(...size) / Math.max(...sides), ...room);
  return sides.map((side) => Math.max(factor, 1 / side));
}
