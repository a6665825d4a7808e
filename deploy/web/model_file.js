// Reads what `ppdet export` writes into the metadata of an ONNX file, which onnxruntime-web does not give.

const GRAPH = 7, METADATA = 14; // field numbers of ONNX's ModelProto
const REMEDY = "export the model again with ppdet export --format onnx";

/** An error whose message is one line for users: what was found; what was expected; what to do. */
export class PicodetError extends Error {
  name = "PicodetError";
}

/**
 * The infer_cfg inside an ONNX file, not checked yet. Throws PicodetError if the file is not ONNX, or not as exported.
 *
 * bytes: Uint8Array, the content of the file; name: how messages call it.
 */
export async function readInferCfg(bytes, name) {
  const fields = readFields(bytes);
  if (!fields?.some(({ number, content }) => number === GRAPH && content)) {
    throw new PicodetError(`${name}: not an ONNX model, or damaged; expected the .onnx file of ppdet export --format onnx`);
  }
  const entries = fields.filter(({ number, content }) => number === METADATA && content).map(({ content }) => keyAndValue(content));
  const [, text] = entries.find(([key]) => key === "infer_cfg") ?? [];
  if (text === undefined) throw new PicodetError(`${name}: has no infer_cfg in its metadata; ${REMEDY}`);
  let config;
  try {
    config = JSON.parse(text);
  } catch {
    throw new PicodetError(`${name}: infer_cfg: not JSON, so the file is damaged; ${REMEDY}`);
  }
  await compareChecksum(config?.checksum, bytes, fields, name);
  return config;
}

/** The fields of a protobuf message, [{number, start, end, content}]; null if it is none. content: of bytes fields. */
function readFields(bytes) {
  const fields = [];
  let at = 0;
  const varint = () => {
    for (let value = 0, factor = 1; at < bytes.length && factor < 2 ** 63; factor *= 128) {
      const byte = bytes[at++];
      value += (byte & 127) * factor;
      if (byte < 128) return value;
    }
    return NaN;
  };
  while (at < bytes.length) {
    const start = at, tag = varint(), number = Math.floor(tag / 8), kind = tag % 8;
    let content;
    if (kind === 0) varint();
    else if (kind === 1 || kind === 5) at += kind === 1 ? 8 : 4;
    else if (kind === 2) {
      const length = varint();
      content = bytes.subarray(at, at + length);
      at += length;
    } else return null;
    if (!(number > 0 && at <= bytes.length)) return null;
    fields.push({ number, start, end: at, content });
  }
  return fields;
}

function keyAndValue(entry) {
  const fields = readFields(entry) ?? [];
  return [1, 2].map((wanted) => new TextDecoder().decode(fields.find(({ number }) => number === wanted)?.content));
}

async function compareChecksum(expected, bytes, fields, name) {
  if (!expected || !globalThis.crypto?.subtle) return; // browsers have it for https and for this machine's own pages
  const rest = new Blob(fields.filter(({ number }) => number !== METADATA).map(({ start, end }) => bytes.subarray(start, end)));
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", await rest.arrayBuffer()));
  const found = Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
  if (found !== String(expected).toLowerCase()) {
    throw new PicodetError(`${name}: not as it was exported: damaged, or changed by a tool; copy or export it again`);
  }
}
