"""Datasets annotated in COCO's JSON format."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ppdet.core.errors import UserError
from ppdet.core.registry import register

from ..sample import Record
from .base import AnnotatedDataset, BoxFilter, Category, Object

_BAD_ENTRY = (KeyError, TypeError, ValueError, OverflowError)  # JSON as Python reads it has infinite numbers


@register
@dataclass(eq=False)
class COCODataSet(AnnotatedDataset):
    """`dataset_dir`/`image_dir` holds the images, `dataset_dir`/`anno_path` is the JSON.

    Records come in the order of their image ids, class indices in the file's order of categories. Crowd annotations
    are left out, as are boxes without area.
    """

    annotations = "the COCO annotations"
    remedy = "check dataset_dir, image_dir and anno_path; COCO 2017 comes with `python3 dataset/coco/download_coco.py`"

    def _read(self, anno_file: Path, box_filter: BoxFilter) -> tuple[list[Category], list[Record]]:
        content = read_json(anno_file, ("images", "annotations", "categories"))
        categories = read_categories(anno_file, content)
        class_index = {category.id: index for index, category in enumerate(categories)}
        images = _read_images(anno_file, content)
        objects: dict[int, list[Object]] = {im_id: [] for im_id in images}
        for annotation in content["annotations"]:
            im_id = _reference(anno_file, annotation, "image", images)
            category_id = _reference(anno_file, annotation, "category", class_index)
            if not (annotation.get("iscrowd") or annotation.get("ignore")):
                objects[im_id].append((class_index[category_id], _corners(annotation), 0))
        folder = self.root / self.image_dir
        return categories, [
            box_filter.record(folder / name, im_id, size, objects[im_id])
            for im_id, (name, size) in sorted(images.items())
        ]


def read_json(path: Path, sections: Sequence[str]) -> dict[str, Any]:
    """The parsed file. Raises UserError where it is not JSON or lacks one of COCO's lists."""
    try:
        content = json.loads(path.read_bytes())
    except ValueError as error:  # JSONDecodeError and UnicodeDecodeError
        raise UserError(f"{path}: not valid JSON ({error}); the file is probably cut short, fetch it again") from None
    missing = [name for name in sections if not isinstance(content, dict) or not isinstance(content.get(name), list)]
    if missing:
        raise UserError(f"{path}: has no list {' and no list '.join(missing)}; expected COCO detection annotations")
    return content  # type: ignore[no-any-return]  # checked above


def read_categories(path: Path, content: Mapping[str, Any]) -> list[Category]:
    """Categories in file order. Raises UserError where one lacks its id or name, or an id comes twice."""
    try:
        categories = [Category(int(entry["id"]), str(entry["name"])) for entry in content["categories"]]
    except _BAD_ENTRY:
        raise UserError(f"{path}: a category lacks its id or name; expected {{'id': 1, 'name': 'person'}}") from None
    repeated = [number for number, count in Counter(category.id for category in categories).items() if count > 1]
    if repeated:
        raise UserError(f"{path}: category id {repeated[0]} appears more than once; ids must be unique")
    return categories


def _read_images(path: Path, content: Mapping[str, Any]) -> dict[int, tuple[str, tuple[int, int]]]:
    """File name and (height, width) by image id."""
    images: dict[int, tuple[str, tuple[int, int]]] = {}
    try:
        for image in content["images"]:
            im_id, name = int(image["id"]), str(image["file_name"])
            if im_id in images:
                raise UserError(f"{path}: image id {im_id} stands for {images[im_id][0]} and for {name}; renumber one")
            images[im_id] = name, (int(image["height"]), int(image["width"]))
        return images
    except _BAD_ENTRY as error:
        raise UserError(f"{path}: an image lacks or spoils {error}; expected id, file_name, height and width") from None


def _reference(path: Path, annotation: Any, what: str, known: Mapping[int, Any]) -> int:
    """The id of the "image" or "category" that the annotation belongs to, one of `known`."""
    try:
        number = int(annotation[f"{what}_id"])
    except _BAD_ENTRY:
        raise UserError(f"{path}: an annotation lacks {what}_id: {str(annotation)[:100]}") from None
    if number not in known:
        raise UserError(
            f"{path}: annotation {annotation.get('id')} refers to {what} {number}, which is not among the file's; "
            "correct or remove it"
        )
    return number


def _corners(annotation: Mapping[str, Any]) -> list[float]:
    """The annotation's box as xyxy; NaN, for the filter to drop, where it is no box or its area is zero."""
    box, area = annotation.get("bbox"), annotation.get("area")
    if not isinstance(box, list) or len(box) != 4 or not all(isinstance(value, (int, float)) for value in box):
        return [math.nan] * 4
    if isinstance(area, (int, float)) and area <= 0:
        return [math.nan] * 4
    x, y, width, height = box
    return [x, y, x + width, y + height]
