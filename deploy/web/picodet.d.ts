/** The module onnxruntime-web, as `import * as ort from "onnxruntime-web"`. */
export interface Runtime {
  InferenceSession: { create(model: Uint8Array, options?: object): Promise<unknown> };
  Tensor: new (type: never, data: never, dims: readonly number[]) => unknown;
}

/** RGBA bytes, row by row, as ImageData. Alpha is not read. */
export interface Pixels {
  readonly data: Uint8Array | Uint8ClampedArray;
  readonly width: number;
  readonly height: number;
}

export interface DetectedObject {
  /** The position of the class in `labels`. */
  classId: number;
  /** The id of the class in the data set that the model was trained on. */
  categoryId: number | string;
  name: string;
  /** 0 to 1. */
  score: number;
  /** x1, y1, x2, y2 in pixels of the image; may reach a little beyond its edges. */
  box: [number, number, number, number];
}

export interface Detections {
  /** The most confident first. */
  objects: DetectedObject[];
  /** Milliseconds of each stage. */
  ms: { prepare: number; network: number; finish: number };
}

export interface LoadOptions {
  /** How messages call the model; default: "model". */
  name?: string;
  /** Execution providers of onnxruntime-web; the first that loads the model computes; default: ["wasm"]. */
  providers?: string[];
}

/** An error whose message is one line: what was found; what was expected; what to do. */
export class PicodetError extends Error {}

/** An exported model, loaded once. Calls of `detect` wait for each other. */
export class Detector {
  private constructor();

  /** Loads the content of an .onnx file of `ppdet export`. Rejects with PicodetError. */
  static load(ort: Runtime, content: ArrayBuffer | Uint8Array, options?: LoadOptions): Promise<Detector>;

  /** The class names. */
  readonly labels: string[];
  /** The model's own score threshold of each class. */
  readonly thresholds: number[];
  /** The execution provider that computes. */
  readonly provider: string;

  /**
   * Detects in one image. Rejects with PicodetError.
   *
   * @param threshold the least score, for all classes or one for each; default: `thresholds`.
   */
  detect(image: Pixels, threshold?: number | readonly number[]): Promise<Detections>;

  /** Gives the memory of the model back. */
  release(): Promise<void>;
}

/**
 * Decodes an image file, or copies a frame, and turns it upright. Rejects with PicodetError.
 *
 * @param name how messages call it; default: the file's own name.
 */
export function decodeImage(source: ImageBitmapSource, name?: string): Promise<ImageData>;
