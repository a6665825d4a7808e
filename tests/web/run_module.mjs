// Runs the cases that come as JSON on standard input, with a runtime that gives the outputs of each case.
//
// A case: {kind: "resize", image, width, height, factors, interpolation, expected}: counts the bytes that differ; or
// {kind: "detect", model, image, width, height, threshold, inputs, outputs, feeds}: compares what the network gets with
// the file `feeds`, and returns the objects; or a fault.

import { readFileSync } from "node:fs";
import { Detector } from "../../deploy/web/picodet.js";
import { resize } from "../../deploy/web/resize.js";

const cases = JSON.parse(readFileSync(0, "utf8"));
const pixels = ({ image, width, height }) => ({ data: readFileSync(image), width, height });

function differences(found, expected) {
  let count = 0, largest = 0;
  for (let i = 0; i < expected.length; i++) {
    if (found[i] === expected[i]) continue;
    count++;
    largest = Math.max(largest, Math.abs(found[i] - expected[i]));
  }
  return { count: found.length === expected.length ? count : Infinity, largest, total: expected.length };
}

const types = { float32: Float32Array, uint8: Uint8Array, int32: Int32Array, int64: BigInt64Array };
class Tensor {
  static alive = 0;
  constructor(type, data, dims) {
    Object.assign(this, { type, data, dims });
    Tensor.alive++;
  }
  getData = async () => this.data;
  dispose = () => void Tensor.alive--;
}

function runtime({ inputs, outputs }, seen) {
  const session = {
    inputMetadata: inputs,
    outputNames: outputs.map((_, i) => `output_${i}`),
    run: async (feeds) => {
      Object.assign(seen, feeds);
      return Object.fromEntries(outputs.map(({ type, data, dims }, i) => {
        const values = type === "int64" ? data.map(BigInt) : data;
        return [`output_${i}`, new Tensor(type, types[type].from(values), dims)];
      }));
    },
    release: async () => {},
  };
  return { Tensor, InferenceSession: { create: async () => session } };
}

const actions = {
  resize: (test) => differences(resize(pixels(test), test.factors, test.interpolation), readFileSync(test.expected)),
  async detect(test) {
    const seen = {};
    const detector = await Detector.load(runtime(test, seen), readFileSync(test.model), { name: "m.onnx" });
    const { objects } = await detector.detect(pixels(test), test.threshold ?? undefined);
    await detector.release();
    const { type, data } = seen.image, bytes = readFileSync(test.feeds);
    const expected = new types[type](bytes.buffer, bytes.byteOffset, bytes.length / types[type].BYTES_PER_ELEMENT);
    const pairs = Object.entries(seen).filter(([name]) => name !== "image").map(([name, { data }]) => [name, [...data]]);
    return { objects, feeds: differences(data, expected), pairs: Object.fromEntries(pairs), alive: Tensor.alive };
  },
};

const results = [];
for (const test of cases) {
  try {
    results.push(await actions[test.kind](test));
  } catch (error) {
    results.push({ fault: error.message, name: error.name });
  }
}
console.log(JSON.stringify(results));
