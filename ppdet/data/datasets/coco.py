"""Datasets annotated in COCO's JSON format."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from ppdet.core.errors import UserError
from ppdet.core.registry import register

from ..sample import Record
from .base import BoxFilter, Category, Dataset, choose_records, make_record, require_file, require_folder

_REMEDY = "check dataset_dir, image_dir and anno_path; COCO 2017 comes with `python3 dataset/coco/download_coco.py`"
_SECTIONS = ("images", "annotations", "categories")


@register
class COCODataSet(Dataset):
    """`dataset_dir`/`image_dir` holds the images, `dataset_dir`/`anno_path` is the JSON.

    Records come in the order of their image ids, class indices in the file's order of categories. Crowd annotations
    are left out, as are boxes without area. Images without boxes are left out unless `allow_empty`.
    """

    ignored_options: ClassVar[tuple[str, ...]] = ("data_fields", "use_default_label")

    def __init__(
        self,
        dataset_dir: str = "",
        image_dir: str = "",
        anno_path: str = "",
        sample_num: int = -1,
        allow_empty: bool = False,
        empty_ratio: float = 1.0,
    ) -> None:
        super().__init__(dataset_dir, image_dir, anno_path, sample_num)
        self.allow_empty = allow_empty
        self.empty_ratio = empty_ratio

    def load(self) -> COCODataSet:
        anno_file = require_file(self.anno_file, "the COCO annotations", _REMEDY)
        folder = self.root / self.image_dir
        require_folder(folder, "the images", _REMEDY)
        content = read_coco_json(anno_file)
        self.categories = read_categories(anno_file, content)
        records = _read_records(anno_file, content, folder, self.categories)
        self.records = choose_records(records, self.sample_num, self.allow_empty, self.empty_ratio)
        if not self.records:
            raise UserError(f"{anno_file}: no image has a box; check the file, or set allow_empty: true")
        return self


def read_coco_json(path: Path) -> dict[str, Any]:
    """The parsed file. Raises UserError where it is not JSON or lacks one of COCO's three lists."""
    try:
        content = json.loads(path.read_bytes())
    except ValueError as error:  # JSONDecodeError and UnicodeDecodeError
        raise UserError(f"{path}: not valid JSON ({error}); the file is probably cut short, fetch it again") from None
    missing = [name for name in _SECTIONS if not isinstance(content, dict) or not isinstance(content.get(name), list)]
    if missing:
        raise UserError(f"{path}: has no list {' and no list '.join(missing)}; expected COCO detection annotations")
    return content  # type: ignore[no-any-return]  # checked above


def read_categories(path: Path, content: Mapping[str, Any]) -> list[Category]:
    """Categories in file order. Raises UserError where one lacks its id or name, or an id comes twice."""
    try:
        categories = [Category(int(entry["id"]), str(entry["name"])) for entry in content["categories"]]
    except (KeyError, TypeError, ValueError):
        raise UserError(f"{path}: a category lacks its id or name; expected {{'id': 1, 'name': 'person'}}") from None
    repeated = [number for number, count in Counter(category.id for category in categories).items() if count > 1]
    if repeated:
        raise UserError(f"{path}: category id {repeated[0]} appears more than once; ids must be unique")
    return categories


def _read_records(path: Path, content: Mapping[str, Any], folder: Path, categories: list[Category]) -> list[Record]:
    class_index = {category.id: index for index, category in enumerate(categories)}
    try:
        images = {int(image["id"]): image for image in content["images"]}
        sizes = {number: (int(image["height"]), int(image["width"])) for number, image in images.items()}
        names = {number: str(image["file_name"]) for number, image in images.items()}
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"{path}: an image lacks or spoils {error}; expected id, file_name, height and width") from None
    boxes: dict[int, list[list[float]]] = {number: [] for number in images}
    classes: dict[int, list[int]] = {number: [] for number in images}
    box_filter = BoxFilter(path)
    for annotation in content["annotations"]:
        image_id, category_id = _references(path, annotation)
        if image_id not in images:
            raise _unknown(path, annotation, "image", image_id)
        if category_id not in class_index:
            raise _unknown(path, annotation, "category", category_id)
        box = _read_box(annotation, sizes[image_id], box_filter)
        if box is not None:
            boxes[image_id].append(box)
            classes[image_id].append(class_index[category_id])
    box_filter.report()
    return [
        make_record(os.path.join(folder, names[number]), number, sizes[number], boxes[number], classes[number])
        for number in sorted(images)
    ]


def _references(path: Path, annotation: Any) -> tuple[int, int]:
    try:
        return int(annotation["image_id"]), int(annotation["category_id"])
    except (KeyError, TypeError, ValueError):
        raise UserError(f"{path}: an annotation lacks image_id or category_id: {str(annotation)[:100]}") from None


def _unknown(path: Path, annotation: Mapping[str, Any], what: str, number: int) -> UserError:
    listed = "images" if what == "image" else "categories"
    return UserError(
        f"{path}: annotation {annotation.get('id')} refers to {what} {number}, which is not among the file's {listed}; "
        "correct or remove it"
    )


def _read_box(annotation: Mapping[str, Any], size: tuple[int, int], box_filter: BoxFilter) -> list[float] | None:
    """The annotation's box as xyxy; None for crowds, ignored ones, and boxes without area."""
    if annotation.get("iscrowd") or annotation.get("ignore"):
        return None
    box = annotation.get("bbox")
    if not isinstance(box, list) or len(box) != 4 or not all(isinstance(value, (int, float)) for value in box):
        box_filter.dropped += 1
        return None
    area = annotation.get("area")
    if isinstance(area, (int, float)) and area <= 0:
        box_filter.dropped += 1
        return None
    x, y, width, height = box
    return box_filter.clean([x, y, x + width, y + height], size)
