"""Reads COCO's JSON entry by entry and notes those at fault, where training would stop at the first."""

from __future__ import annotations

import math
import os
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ppdet.data.datasets import Category
from ppdet.data.datasets.coco_json import SECTIONS, annotated_size, parse_box, read_sections
from ppdet.data.datasets.file_names import FileNames
from ppdet.data_check.split import Boxes, Image
from ppdet.utils.ids import FileId, IdIndex, is_id
from ppdet.utils.json_file import UNFIT, finite_number

Faults = dict[str, list[str]]
_Row = tuple[list[float], int, int, bool, float]  # xyxy, image, class index, crowd, area


def read_coco_entries(path: Path, folder: Path) -> tuple[list[Image], list[Category], Boxes, Faults]:
    """The images in the file's order, the categories, the boxes, and places in the file by kind of fault."""
    content = read_sections(path, SECTIONS)
    faults: Faults = defaultdict(list)
    categories = _categories(content["categories"], faults)
    ids, images = _images(content["images"], folder, faults)
    boxes = _boxes(content["annotations"], IdIndex(ids), IdIndex(each.id for each in categories), images, faults)
    return images, categories, boxes, dict(faults)


def _categories(entries: Sequence[Any], faults: Faults) -> list[Category]:
    categories: dict[FileId, Category] = {}
    for number, entry in enumerate(entries):
        name = entry.get("name") if isinstance(entry, dict) else None
        if not isinstance(name, str) or UNFIT.search(name) or not is_id(entry.get("id")):
            faults["categories_incomplete"].append(f"categories[{number}]")
        elif entry["id"] in categories:
            faults["category_ids_repeated"].append(f"{entry['id']} ({name})")
        else:
            categories[entry["id"]] = Category(entry["id"], name)
    return list(categories.values())


def _images(entries: Sequence[Any], folder: Path, faults: Faults) -> tuple[list[FileId], list[Image]]:
    files, images = FileNames(), dict[FileId, Image]()
    for number, entry in enumerate(entries):
        if not _is_image(entry):
            faults["images_incomplete"].append(f"images[{number}]")
            continue
        image_id, name, size = entry["id"], entry["file_name"], annotated_size(entry)
        if image_id in images:
            again = name == images[image_id].name
            faults["images_listed_twice" if again else "image_ids_repeated"].append(name)
            continue
        images[image_id] = Image(name, files.find(folder, name), size)
        if size is None:
            faults["images_without_size"].append(name)
        if os.path.normpath(images[image_id].file) != os.path.normpath(os.path.join(folder, name)):
            faults["names_spelled_otherwise"].append(name)
    texts = [images[each].name for each in images if isinstance(each, str)]
    if 0 < len(texts) < len(images):
        faults["image_ids_of_two_kinds"] += texts
    return list(images), list(images.values())


def _is_image(entry: Any) -> bool:
    name = entry.get("file_name") if isinstance(entry, dict) else None
    return isinstance(name, str) and bool(name) and not UNFIT.search(name) and is_id(entry.get("id"))


def _boxes(
    entries: Sequence[Any], image_index: IdIndex, class_index: IdIndex, images: Sequence[Image], faults: Faults
) -> Boxes:
    rows: list[_Row] = []
    seen: set[FileId] = set()
    for number, entry in enumerate(entries):
        place = f"annotations[{number}]"
        if not isinstance(entry, dict) or not is_id(entry.get("image_id")) or not is_id(entry.get("category_id")):
            faults["annotations_incomplete"].append(place)
            continue
        image, kind = image_index.find(entry["image_id"]), class_index.find(entry["category_id"])
        if image is None:
            faults["annotations_without_image"].append(f"{place}: image_id {entry['image_id']}")
            continue
        if is_id(entry.get("id")):
            if entry["id"] in seen:
                faults["annotation_ids_repeated"].append(images[image].name)
            seen.add(entry["id"])
        if kind is None:
            faults["annotations_without_class"].append(images[image].name)
        else:
            rows.append(_row(entry, image, kind))
    return _as_boxes(rows)


def _row(entry: dict[str, Any], image: int, kind: int) -> _Row:
    box, _ = parse_box(entry.get("bbox"))
    x, y, width, height = box or [math.nan] * 4
    crowd = entry.get("iscrowd") in (1, "1") or entry.get("ignore") in (1, "1")
    area = finite_number(entry.get("area"))
    return [x, y, x + width, y + height], image, kind, crowd, math.nan if area is None else area


def _as_boxes(rows: Sequence[_Row]) -> Boxes:
    return Boxes(
        corners=np.array([row[0] for row in rows], np.float64).reshape(-1, 4),
        image=np.array([row[1] for row in rows], np.int64),
        class_index=np.array([row[2] for row in rows], np.int64),
        crowd=np.array([row[3] for row in rows], bool),
        difficult=np.zeros(len(rows), bool),
        area=np.array([row[4] for row in rows], np.float64),
    )
