// Draws a picture with its boxes.

const LARGEST = 1600; // pixels of a side on the page

/** A color for each class, on which dark text can be read. */
export const colorOf = (classId) => `oklch(80% 0.17 ${((classId * 137.508) % 360).toFixed(1)})`;

/** Draws `picture`, an ImageBitmap or a canvas, and the objects. */
export function draw(canvas, picture, objects) {
  const { width, height } = picture;
  const scale = Math.min(1, LARGEST / Math.max(width, height));
  canvas.width = Math.max(1, Math.round(width * scale));
  canvas.height = Math.max(1, Math.round(height * scale));
  const context = canvas.getContext("2d");
  context.drawImage(picture, 0, 0, canvas.width, canvas.height);
  const line = Math.max(2, Math.max(canvas.width, canvas.height) / 320), text = Math.max(12, 6 * line);
  context.font = `600 ${text}px system-ui, sans-serif`;
  context.textBaseline = "top";
  for (const { box, classId, name, score } of [...objects].reverse()) { // the most confident on top
    const [x1, y1, x2, y2] = box.map((value) => value * scale), color = colorOf(classId);
    for (const [width, style] of [[2 * line, "rgb(0 0 0 / 55%)"], [line, color]]) {
      Object.assign(context, { lineWidth: width, strokeStyle: style });
      context.strokeRect(x1, y1, x2 - x1, y2 - y1);
    }
    const label = `${name} ${Math.round(100 * score)} %`, width = context.measureText(label).width + text * 0.6;
    const left = Math.max(0, Math.min(x1 - line / 2, canvas.width - width)), height = text * 1.4;
    const top = y1 - height > 0 ? y1 - height : Math.max(0, y1);
    context.fillStyle = color;
    context.fillRect(left, top, width, height);
    context.fillStyle = "#111";
    context.fillText(label, left + text * 0.3, top + text * 0.22);
  }
}
