// Files and folders that users drop or choose.

const VIDEO = /\.(mp4|m4v|webm|mov|mkv|ogv|avi)$/i, MODEL = /\.onnx$/i;
const HIDDEN = /(^|\/)\.|(^|\/)(Thumbs\.db|desktop\.ini)$/;

export const kindOf = (file) =>
  MODEL.test(file.name) ? "model" : file.type.startsWith("video/") || VIDEO.test(file.name) ? "video" : "image";

/** The files of a drop, with those in folders, sorted by path, without hidden ones: [{file, path}]. */
export async function droppedFiles(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  const found = entries.length ? (await Promise.all(entries.map(inside))).flat() : [...transfer.files].map((file) => ({ file, path: file.name }));
  return tidy(found);
}

/** The files of an input element, which is made ready for the next choice. */
export function chosenFiles(input) {
  const found = [...input.files].map((file) => ({ file, path: file.webkitRelativePath || file.name }));
  input.value = "";
  return tidy(found);
}

/** What a folder holds of use: its images, as others would each give a message. */
export const ofFolder = (found) =>
  found.filter(({ file }) => file.type.startsWith("image/") || kindOf(file) !== "image");

const tidy = (found) => found.filter(({ path }) => !HIDDEN.test(path)).sort((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0));

async function inside(entry) {
  const path = entry.fullPath.replace(/^\//, "");
  if (entry.isFile) {
    const file = await new Promise((resolve, reject) => entry.file(resolve, reject));
    return [{ file, path }];
  }
  const reader = entry.createReader(), all = [];
  for (;;) { // it gives 100 at a time
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!some.length) return ofFolder((await Promise.all(all.map(inside))).flat());
    all.push(...some);
  }
}
