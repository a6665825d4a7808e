"""Detections in COCO's results format: one entry per box with image_id, category_id, bbox [x, y, w, h] and score."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ppdet.core.errors import UserError
from ppdet.deploy.files import write_json
from ppdet.deploy.outputs import box_entry
from ppdet.metrics.inputs import Category
from ppdet.utils.ids import FileId, IdIndex
from ppdet.utils.json_file import Entry, entries, finite_number, read_json

ImageDetections = tuple[int, np.ndarray]  # im_id, [n, 6] float: class index, score, x1, y1, x2, y2


def save_results(
    path: Path,
    detections: Iterable[ImageDetections],
    categories: Sequence[Category],
    image_ids: Sequence[FileId],
    file_names: Mapping[int, str] | None = None,
) -> int:
    """Writes the file, completely or not at all.

    Args:
        path: the file.
        detections: the images' detections.
        categories: the classes, by class index.
        image_ids: the annotation file's own ids of the images, by im_id.
        file_names: by im_id; if given, each entry has its image's name.

    Returns:
        The number of boxes.
    """
    results: list[dict[str, Any]] = []
    for im_id, rows in detections:
        name = {"file_name": file_names[im_id]} if file_names else {}
        for class_index, score, *box in rows.tolist():
            ids = {"image_id": image_ids[im_id], "category_id": categories[int(class_index)].id}
            results.append({**ids, **box_entry(box, score), **name})
    write_json(path, results)
    return len(results)


def load_results(path: Path, categories: Sequence[Category], image_ids: Sequence[FileId]) -> list[ImageDetections]:
    """Reads a file that `save_results` or any COCO detector wrote.

    Raises:
        UserError: there is no such file, it is not a results file, or it belongs to another dataset.
    """
    if not path.is_file():
        raise UserError(f"{path}: there is no such file; write it first with --output_eval")
    content = read_json(path)
    if not isinstance(content, list):
        raise UserError(f"{path}: not a COCO results file, which is a list; write it again with --output_eval")
    classes, images = IdIndex(category.id for category in categories), IdIndex(image_ids)
    rows: dict[int, list[list[float]]] = {}
    for entry in entries(path, "", content):
        im_id = _position(entry, "image_id", images)
        class_index = _position(entry, "category_id", classes)
        rows.setdefault(im_id, []).append([class_index, *_score_and_box(entry)])
    return [(im_id, np.array(boxes, np.float32).reshape(-1, 6)) for im_id, boxes in rows.items()]


def _position(entry: Entry, key: str, index: IdIndex) -> int:
    position = index.find(entry.id(key))
    if position is None:
        raise entry.wrong(key, "an id of the dataset that is evaluated; check -c and the file")
    return position


def _score_and_box(entry: Entry) -> list[float]:
    """[score, x1, y1, x2, y2] of an entry."""
    score, box = finite_number(entry.values.get("score")), entry.values.get("bbox")
    if score is None:
        raise entry.wrong("score", "a finite number, as in a COCO results file")
    numbers = [finite_number(each) for each in box] if isinstance(box, list) else []
    x, y, width, height = numbers if len(numbers) == 4 else (None,) * 4
    if x is None or y is None or width is None or height is None:
        raise entry.wrong("bbox", "4 finite numbers: x, y, width, height, as in a COCO results file")
    return [score, x, y, x + width, y + height]
