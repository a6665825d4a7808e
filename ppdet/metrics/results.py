"""Detections in COCO's results layout: one entry per box with image_id, category_id, bbox [x, y, w, h] and score."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ppdet.core.errors import UserError
from ppdet.metrics.inputs import Category
from ppdet.utils.files import atomic_write

ImageDetections = tuple[int, np.ndarray]  # im_id, [n, 6] float: class index, score, x1, y1, x2, y2


def to_results(detections: Iterable[ImageDetections], categories: Sequence[Category]) -> list[dict[str, Any]]:
    return [
        {
            "image_id": im_id,
            "category_id": categories[int(class_index)].id,
            "bbox": [x1, y1, x2 - x1, y2 - y1],
            "score": score,
        }
        for im_id, rows in detections
        for class_index, score, x1, y1, x2, y2 in rows.tolist()
    ]


def save_results(
    path: Path,
    detections: Iterable[ImageDetections],
    categories: Sequence[Category],
    file_names: Mapping[int, str] | None = None,
) -> int:
    """Write the file, whole or not at all; returns the number of boxes. `file_names` by im_id are added where given."""
    entries = to_results(detections, categories)
    if file_names:
        entries = [entry | {"file_name": file_names[entry["image_id"]]} for entry in entries]
    with atomic_write(path) as file:
        json.dump(entries, file)
    return len(entries)


def load_results(path: Path, categories: Sequence[Category]) -> list[ImageDetections]:
    """Read what `save_results` (or any COCO detector) wrote.

    Raises UserError where there is no such file, it is not a results file, or it has a category of another dataset.
    """
    if not path.is_file():
        raise UserError(f"{path}: there is no such file; write it first with --output_eval")
    index = {category.id: i for i, category in enumerate(categories)}
    rows: dict[int, list[list[float]]] = {}
    try:
        for entry in json.loads(path.read_text(encoding="utf-8")):
            x, y, w, h = entry["bbox"]
            row = [index[entry["category_id"]], entry["score"], x, y, x + w, y + h]
            rows.setdefault(int(entry["image_id"]), []).append(row)
    except KeyError as error:
        raise UserError(f"{path}: no results of this dataset: unknown {error}; check -c and the file") from error
    except (ValueError, TypeError) as error:
        raise UserError(f"{path}: not a COCO results file ({error}); write it again with --output_eval") from error
    return [(im_id, np.array(boxes, np.float32).reshape(-1, 6)) for im_id, boxes in rows.items()]
