// The page's side of worker.js.

const LOAD_SECONDS = 60, DETECT_SECONDS = 30;

/** A model in a worker of its own. Methods reject with an Error whose message is one line. */
export class RemoteDetector {
  ended = false;
  #worker; #waiting = new Map(); #next = 1;

  /** Loads a model: content: ArrayBuffer; provider: wasm or webgpu. The worker ends if that fails. */
  static async load(content, name, provider) {
    const remote = new RemoteDetector();
    try {
      const about = await remote.#call("load", { content, name, provider }, LOAD_SECONDS);
      return Object.assign(remote, about, { model: name, provider });
    } catch (error) {
      remote.close();
      throw error;
    }
  }

  constructor() {
    this.#worker = new Worker(new URL("./worker.js", import.meta.url), { type: "module" });
    this.#worker.onmessage = ({ data: { id, result, fault } }) => {
      const call = this.#waiting.get(id);
      this.#waiting.delete(id);
      if (fault) call?.reject(new Error(fault));
      else call?.resolve(result);
    };
    this.#worker.onerror = (event) => this.#end(`the worker stopped (${event.message ?? "it could not start"}); load the page again`);
  }

  /** {objects, ms, width, height} of a Blob or an ImageBitmap, which is given away. */
  detect(source, name, threshold) {
    const transfer = source instanceof ImageBitmap ? [source] : [];
    return this.#call("detect", { source, name, threshold }, DETECT_SECONDS, transfer);
  }

  /** Ends the worker; waiting calls reject. */
  close() {
    this.#end("stopped");
  }

  #call(action, options, seconds, transfer = []) {
    return new Promise((resolve, reject) => {
      if (this.ended) return reject(new Error(`${options.name}: the worker has ended; load the model again`));
      const id = this.#next++;
      const late = setTimeout(() => this.#end(`${options.name}: no answer in ${seconds} s; load the model again`), seconds * 1000);
      const settle = (how) => (value) => (clearTimeout(late), how(value));
      this.#waiting.set(id, { resolve: settle(resolve), reject: settle(reject) });
      this.#worker.postMessage({ id, action, ...options }, transfer);
    });
  }

  #end(reason) {
    this.#worker.terminate();
    this.ended = true;
    for (const call of this.#waiting.values()) call.reject(new Error(reason));
    this.#waiting.clear();
  }
}
