// What the page shows of detections, and the file that it gives.

/** The objects that score enough and whose class is shown. lowest: classId -> least score. */
export const visible = (objects, lowest, hidden) =>
  objects.filter(({ classId, score }) => score >= lowest(classId) && !hidden.has(classId));

/** "2 person, 1 dog", the most frequent class first; "nothing" for none. */
export function summary(objects) {
  const counts = new Map();
  for (const { name } of objects) counts.set(name, (counts.get(name) ?? 0) + 1);
  const sorted = [...counts].sort((a, b) => b[1] - a[1]);
  return sorted.map(([name, count]) => `${count} ${name}`).join(", ") || "nothing";
}

/**
 * The entries of bbox.json, as deploy/python/infer.py writes them: bbox is [x, y, w, h] in pixels.
 *
 * items: [{name, results: [{objects, time}]}]; time, in seconds, is there for the frames of a video.
 */
export function entries(items, isShown) {
  return items.flatMap(({ name, results }, image_id) =>
    results.flatMap(({ objects, time }) =>
      objects.filter(isShown).map(({ classId, name: category, score, box: [x1, y1, x2, y2] }) => ({
        image_id, file_name: name, ...(time === undefined ? {} : { time }),
        category_id: classId, category, bbox: [x1, y1, x2 - x1, y2 - y1], score,
      })),
    ),
  );
}
