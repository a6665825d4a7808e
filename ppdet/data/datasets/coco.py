"""Datasets annotated in COCO's JSON format."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ppdet.core.registry import register
from ppdet.data.datasets.base import AnnotatedDataset, Category, GroundTruth, Part
from ppdet.data.datasets.box_filter import BoxFilter, Object
from ppdet.data.datasets.coco_json import SECTIONS, Annotation, CocoFile, Image, read_categories, read_coco
from ppdet.data.datasets.file_names import FileNames
from ppdet.data.datasets.layout import annotation_files, image_folder, matches
from ppdet.data.structures import Record

logger = logging.getLogger(__name__)

_FILE_NAME = rb'"file_name"\s*:\s*"((?:[^"\\]|\\.)*)"'
_OTHER_TASKS = ("captions_", "person_keypoints_", "stuff_", "panoptic_", "image_info_")  # COCO's files beside the boxes
_QUICKLY_READ = 2**25  # bytes: half a second


@register
@dataclass(eq=False)
class COCODataSet(AnnotatedDataset):
    """Images in `dataset_dir`/`image_dir`, annotated in the JSON file `dataset_dir`/`anno_path`.

    Records are in the order of their image ids, categories in the file's order. The records leave out crowd annotations
    and boxes without area; evaluation uses both (`truth`).
    """

    annotations = "the COCO annotations"
    remedy = "check dataset_dir, image_dir and anno_path; COCO 2017 comes with `python3 dataset/coco/download_coco.py`"
    signs = "a JSON with images, annotations and categories (COCO)"

    @classmethod
    def parts(cls, root: Path) -> list[Part]:
        found = []
        for path in annotation_files(root, ".json"):
            *keys, name = matches(path, rb"^\W*{", *(b'"%s"' % key.encode() for key in SECTIONS), _FILE_NAME)
            if all(keys) and not path.name.startswith(_OTHER_TASKS):
                names = [json.loads(b'"%s"' % name)] if name else []
                images = image_folder(root, path, names)
                options = {"anno_path": os.path.relpath(path, root), "image_dir": images or ""}
                found.append(Part(options["anno_path"], options))
        return found

    def peek_categories(self) -> list[Category]:
        path = self.anno_file
        if path is None or not path.is_file() or path.stat().st_size > _QUICKLY_READ:
            return []
        return read_categories(path)

    def _read(self, anno_file: Path, box_filter: BoxFilter) -> tuple[list[Category], list[Record]]:
        file = read_coco(anno_file)
        self.truth = ground_truth(file)
        objects: list[list[Object]] = [[] for _ in file.images]
        for annotation in file.annotations:
            if box := _training_box(annotation, box_filter):
                objects[annotation.image].append((annotation.class_index, box, 0))
        folder, files = self.root / self.image_dir, FileNames()
        records = [
            box_filter.record(Path(files.find(folder, image.name)), im_id, image.size, objects[im_id])
            for im_id, image in enumerate(file.images)
        ]
        _report_images(anno_file, file.images, records)
        return file.categories, records


def ground_truth(file: CocoFile) -> GroundTruth:
    """All annotations with a box. Areas that the file does not give are those of the boxes."""
    known = [(annotation, annotation.box) for annotation in file.annotations if annotation.box is not None]
    areas = [box[2] * box[3] if each.area is None else each.area for each, box in known]
    return GroundTruth(
        image_ids=[image.id for image in file.images],
        im_id=np.array([each.image for each, _ in known], np.int64),
        class_index=np.array([each.class_index for each, _ in known], np.int64),
        boxes=np.array([box for _, box in known], np.float64).reshape(-1, 4),
        areas=np.array(areas, np.float64),
        crowd=np.array([each.crowd for each, _ in known], bool),
    )


def _training_box(annotation: Annotation, box_filter: BoxFilter) -> list[float] | None:
    """The annotation's box as xyxy; None if it is left out, which the filter counts."""
    box_filter.annotations += 1
    place = f"annotations[{annotation.number}]"
    if annotation.crowd or annotation.ignore:
        box_filter.crowds += 1
    elif annotation.box is None:
        box_filter.drop(annotation.problem, place)
    elif annotation.area is not None and annotation.area <= 0:
        box_filter.drop("with area 0" if annotation.area == 0 else "with an area below 0", place)
    else:
        x, y, width, height = annotation.box
        return [x, y, x + width, y + height]
    return None


def _report_images(path: Path, images: Sequence[Image], records: Sequence[Record]) -> None:
    """Logs images that are listed twice and images without a size."""
    by_file: dict[str, Image] = {}
    pairs = [(by_file.setdefault(record.im_file, image), image) for image, record in zip(images, records, strict=True)]
    if twice := [(first, second) for first, second in pairs if first is not second]:
        (first, second), count = twice[0], len(twice)
        message = (
            "%s: %d images are listed again under another id, e.g. %r as %r and %r; each takes the other's objects "
            "for background; give all annotations of an image one id"
        )
        logger.warning(message, path, count, first.name, first.id, second.id)
    if unknown := [image for image in images if image.size is None]:
        message = (
            "%s: width and height of %d images are unknown (e.g. images[%d]); boxes are clipped when the image is read"
        )
        logger.info(message, path, len(unknown), unknown[0].number)
