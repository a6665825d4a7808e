"""A small COCO file to change, and its dataset."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ppdet.data.datasets import COCODataSet, Dataset

CONTENT: dict[str, Any] = {
    "images": [
        {"id": 9, "file_name": "nine.jpg", "height": 100, "width": 200},
        {"id": 4, "file_name": "four.jpg", "height": 50, "width": 60},
        {"id": 6, "file_name": "empty.jpg", "height": 50, "width": 60},
    ],
    "annotations": [
        {"id": 1, "image_id": 9, "category_id": 7, "bbox": [10.12345, 20, 30, 40], "area": 1200, "iscrowd": 0},
        {"id": 2, "image_id": 9, "category_id": 3, "bbox": [0, 0, 5, 5], "area": 25, "iscrowd": 1},
        {"id": 3, "image_id": 4, "category_id": 3, "bbox": [1, 2, 3, 4], "area": 12, "iscrowd": 0},
    ],
    "categories": [{"id": 7, "name": "cup"}, {"id": 3, "name": "cat"}],
}


def write(root: Path, content: Any) -> Path:
    """Writes anno.json and creates the folder of images."""
    (root / "images").mkdir(exist_ok=True)
    path = root / "anno.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def dataset(root: Path, **options: Any) -> COCODataSet:
    return COCODataSet(str(root), "images", "anno.json", **options)


def ids(loaded: Dataset) -> list[Any]:
    """The file's ids of the records."""
    return [loaded.image_ids[record.im_id] for record in loaded.records]


def change(content: dict[str, Any], section: str, **values: Any) -> dict[str, Any]:
    content[section][0] |= values
    return content
