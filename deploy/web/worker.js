// Runs a Detector away from the page's thread. One worker holds one model; another model gets a new worker.

import { decodeImage, Detector, PicodetError } from "./picodet.js";

let detector;

const actions = {
  /** Loads onnxruntime-web from beside this file, and the model. */
  async load({ content, name, provider }) {
    const ort = await runtime(provider);
    detector = await Detector.load(ort, content, { name, providers: [provider] });
    return { labels: detector.labels, thresholds: detector.thresholds, threads: ort.env.wasm.numThreads };
  },

  /** Decodes and detects. source: a Blob, or an ImageBitmap, which is closed. */
  async detect({ source, name, threshold }) {
    const start = performance.now();
    const image = await decodeImage(source, name);
    source.close?.();
    const decode = performance.now() - start;
    const { objects, ms } = await detector.detect(image, threshold);
    return { objects, ms: { decode, ...ms }, width: image.width, height: image.height };
  },
};

async function runtime(provider) {
  const folder = new URL("./ort/", import.meta.url).href;
  let ort;
  try {
    ort = await import(`${folder}ort.${provider}.min.mjs`);
  } catch {
    throw new PicodetError(`ort/ort.${provider}.min.mjs: not found beside this page; copy it and its .wasm file from onnxruntime-web to there`);
  }
  ort.env.wasm.wasmPaths = folder;
  ort.env.wasm.numThreads = self.crossOriginIsolated ? Math.min(4, navigator.hardwareConcurrency || 1) : 1;
  ort.env.logLevel = "error";
  return ort;
}

self.onmessage = async ({ data: { id, action, ...options } }) => {
  try {
    self.postMessage({ id, result: await actions[action](options) });
  } catch (error) {
    const fault = error instanceof PicodetError ? error.message : `${options.name}: ${error?.message ?? error}`;
    self.postMessage({ id, fault: fault.split("\n")[0] });
  }
};
