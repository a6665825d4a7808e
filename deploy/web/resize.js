// Resizes as OpenCV does. Nearest and linear are equal to it bit for bit. Cubic is computed in float32, as by the library
// that OpenCV uses on x86; that one's order of operations is not published, so a byte in 100,000 is rounded another way.

const CUBIC = 2; // OpenCV's numbers of interpolations: 0 nearest, 1 linear, 2 cubic

const roundEven = (x) => (Math.abs(x % 1) === 0.5 ? 2 * Math.round(x / 2) : Math.round(x));
const fround = Math.fround;
const clamp = (x, most) => Math.min(Math.max(x, 0), most);

/** The size that an image of `size` gets by `factors`, each [height, width]. */
export const resizedSize = (size, factors) => size.map((side, i) => roundEven(side * factors[i]));

/**
 * The bytes [3, height, width] of an image, resized by `factors` (y, x) with one of OpenCV's interpolations.
 *
 * image: {data, width, height}, RGBA bytes as of ImageData; alpha is not read.
 */
export function resize(image, factors, interpolation) {
  const [height, width] = resizedSize([image.height, image.width], factors);
  const scales = factors.map((factor) => 1 / factor);
  const same = height === image.height && width === image.width;
  if (interpolation === 0 || same) return sampled(image, height, width, same ? [1, 1] : scales);
  if (interpolation === 1 && scales[0] === 2 && scales[1] === 2) return halved(image, height, width);
  return interpolated(image, height, width, scales, interpolation === CUBIC ? 4 : 2);
}

function sampled({ data, width: w, height: h }, height, width, [scaleY, scaleX]) {
  const plane = height * width, out = new Uint8ClampedArray(3 * plane);
  for (let y = 0, to = 0; y < height; y++) {
    const row = w * Math.min(Math.floor(y * scaleY), h - 1);
    for (let x = 0; x < width; x++, to++) {
      const from = 4 * (row + Math.min(Math.floor(x * scaleX), w - 1));
      for (let c = 0; c < 3; c++) out[c * plane + to] = data[from + c];
    }
  }
  return out;
}

/** The mean of two by two pixels, or of those that are there: an odd side may have been rounded up. */
function halved({ data, width: w, height: h }, height, width) {
  const plane = height * width, out = new Uint8ClampedArray(3 * plane), row = 4 * w;
  for (let y = 0, to = 0; y < height; y++) {
    const down = 2 * y + 1 < h ? row : 0;
    for (let x = 0, from = 2 * y * row; x < width; x++, to++, from += 8) {
      const right = 2 * x + 1 < w ? 4 : 0, isWhole = down && right;
      for (let c = 0, at = from; c < 3; c++, at++) {
        const sum = data[at] + data[at + right] + data[at + down] + data[at + down + right];
        out[c * plane + to] = isWhole ? (sum + 2) >> 2 : sum / 4; // the array rounds half to even
      }
    }
  }
  return out;
}

function interpolated({ data, width: w, height: h }, height, width, [scaleY, scaleX], taps) {
  const ys = weights(h, height, scaleY, taps), xs = weights(w, width, scaleX, taps);
  if (taps === 2) atEdge(xs, w);
  const plane = height * width, out = new Uint8ClampedArray(3 * plane), lines = new Map();
  const columns = positions(xs.first, w, taps).map((column) => 4 * column), rows = positions(ys.first, h, taps);
  const blend = taps === 2 ? blendTwo : blendFour;
  for (let y = 0; y < height; y++) {
    const at = y * taps, used = Array.from(rows.subarray(at, at + taps));
    for (const row of lines.keys()) if (row < used[0]) lines.delete(row);
    for (const row of used) {
      if (!lines.has(row)) {
        const line = data.subarray(4 * w * row, 4 * w * (row + 1));
        lines.set(row, horizontal(line, columns, xs.values, width, taps));
      }
    }
    blend(used.map((row) => lines.get(row)), ys.values.subarray(at, at + taps), out, y * width, width, plane);
  }
  return out;
}

/** The source positions of all taps; those beyond the edge are at it. */
function positions(first, size, taps) {
  const all = new Int32Array(first.length * taps);
  return all.map((_, i) => clamp(first[Math.floor(i / taps)] + (i % taps), size - 1));
}

/** For each output position: the first source position, and the weights of `taps` of them. Linear: of 11 bits. */
function weights(size, length, scale, taps) {
  const first = new Int32Array(length), values = new Float64Array(length * taps);
  for (let i = 0; i < length; i++) {
    const exact = (i + 0.5) * scale - 0.5, position = taps === 2 ? fround(exact) : exact;
    const at = Math.floor(position), x = position - at;
    first[i] = taps === 2 ? at : at - 1;
    values.set(taps === 2 ? [fixed(1 - x), fixed(x)] : cubic(fround(x)), i * taps);
  }
  return { first, values };
}

const fixed = (weight) => roundEven(fround(fround(weight) * 2048));

function cubic(x) {
  const far = (t) => ((-0.75 * t + 3.75) * t - 6) * t + 3, near = (t) => (1.25 * t - 2.25) * t * t + 1;
  const [w0, w1, w2] = [far(x + 1), near(x), near(1 - x)];
  return [w0, w1, w2, 1 - w0 - w1 - w2].map(fround);
}

/** Linear columns beyond the edge take one source column whole; rows are rounded as two. */
function atEdge({ first, values }, size) {
  for (let i = 0; i < first.length; i++) {
    if (first[i] >= 0 && first[i] < size - 1) continue;
    first[i] = clamp(first[i], size - 1);
    values.set([2048, 0], 2 * i);
  }
}

/** A row of RGBA bytes, resized: [3, width]. */
function horizontal(row, columns, values, width, taps) {
  const line = new Float32Array(3 * width); // whole numbers up to 2 ** 20, or fractions that are rounded here
  for (let x = 0, at = 0; x < width; x++) {
    let r = 0, g = 0, b = 0;
    for (const end = at + taps; at < end; at++) {
      const from = columns[at], weight = values[at];
      r += weight * row[from];
      g += weight * row[from + 1];
      b += weight * row[from + 2];
    }
    line[x] = r;
    line[width + x] = g;
    line[2 * width + x] = b;
  }
  return line;
}

function blendTwo([a, b], [wa, wb], out, start, width, plane) {
  for (let c = 0, i = 0; c < 3; c++) {
    for (let to = start + c * plane, end = to + width; to < end; to++, i++) {
      out[to] = (((wa * (a[i] >> 4)) >> 16) + ((wb * (b[i] >> 4)) >> 16) + 2) >> 2;
    }
  }
}

function blendFour([a, b, c, d], [wa, wb, wc, wd], out, start, width, plane) {
  for (let channel = 0, i = 0; channel < 3; channel++) {
    for (let to = start + channel * plane, end = to + width; to < end; to++, i++) {
      const above = fround(wa * a[i] + fround(wb * b[i])), below = fround(wc * c[i] + fround(wd * d[i]));
      out[to] = fround(above + below); // the array rounds half to even, and clips
    }
  }
}
