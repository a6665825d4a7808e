"""Reads a dataset of any format as a Part, with every field of COCO's entries."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ppdet.core.errors import UserError
from ppdet.data.datasets import COCODataSet, Dataset
from ppdet.data.datasets.base import AnnotatedDataset, require_file, require_folder
from ppdet.data.datasets.coco_json import SECTIONS, Annotation, parse_coco, read_sections
from ppdet.data.datasets.file_names import FileNames
from ppdet.data_check.find_splits import datasets_of
from ppdet.data_check.read import read_split
from ppdet.data_check.split import Network, Split, plain_name
from ppdet.data_edit.parts import Object, Part, Picture

_DECIMALS = 6  # of a pixel: hides the rounding of products with fractions


def read_parts(source: Path, names: Sequence[str]) -> list[Part]:
    """Reads the splits of a folder or config; without `names` all that are found. Raises UserError at the first fault.

    Images that a file lists twice under one id count once, as in training.
    """
    datasets, _ = datasets_of(source, names, None)
    return [read_part(plain_name(name), dataset) for name, dataset in datasets.items()]


def read_part(name: str, dataset: Dataset) -> Part:
    """Reads the annotations of one dataset, not the images."""
    own = dataset.of_format if isinstance(dataset, AnnotatedDataset) else dataset
    if isinstance(own, COCODataSet) and own.anno_file:
        require_file(own.anno_file, own.annotations, own.remedy)
        require_folder(own.root / own.image_dir, "the images", own.remedy)
        return _of_coco(name, own.anno_file, own.root / own.image_dir)
    split = read_split(name, dataset, Network())
    if refused := split.faults["entries_refused"]:
        raise UserError(refused[0])
    return _of_split(split)


def _of_coco(name: str, path: Path, folder: Path) -> Part:
    content = read_sections(path, SECTIONS)
    if not content["images"]:
        raise UserError(f"{path}: lists no images; remove the file, or list some")
    file, files = parse_coco(path, content), FileNames()
    objects: list[list[Object]] = [[] for _ in file.images]
    for annotation in file.annotations:
        objects[annotation.image].append(_object(annotation, content["annotations"][annotation.number]))
    pictures = [
        Picture(files.find(folder, image.name), image.name, image.size, content["images"][image.number], found)
        for image, found in zip(file.images, objects, strict=True)
    ]
    categories = [
        entry | {"name": category.name} for entry, category in zip(content["categories"], file.categories, strict=True)
    ]
    return Part(name, categories, pictures, {key: content[key] for key in content if key not in SECTIONS})


def _object(annotation: Annotation, entry: dict[str, Any]) -> Object:
    crowd, difficult = annotation.crowd or annotation.ignore, entry.get("difficult") in (1, "1")
    return Object(annotation.class_index, annotation.box, crowd, difficult, entry)


def _of_split(split: Split) -> Part:
    boxes, objects = split.boxes, [list[Object]() for _ in split.images]
    rows = zip(boxes.image.tolist(), boxes.class_index.tolist(), boxes.corners.tolist(), strict=True)
    for number, (image, kind, (x1, y1, x2, y2)) in enumerate(rows):
        crowd, difficult = bool(boxes.crowd[number]), bool(boxes.difficult[number])
        box = [round(value, _DECIMALS) for value in (x1, y1, x2 - x1, y2 - y1)]
        known = box if all(map(math.isfinite, box)) else None
        area = round(max(box[2], 0) * max(box[3], 0), _DECIMALS) if known else 0
        entry = {"bbox": known or [], "area": area, "iscrowd": int(crowd)} | ({"difficult": 1} if difficult else {})
        objects[image].append(Object(kind, known, crowd, difficult, entry))
    pictures = [
        Picture(image.file, image.name, image.size, {}, found)
        for image, found in zip(split.images, objects, strict=True)
    ]
    categories = [{"name": category.name} for category in split.categories]
    return Part(split.name, categories, pictures, without_box=len(split.faults.get("objects_left_out", ())))
