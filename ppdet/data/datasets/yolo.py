"""Datasets in YOLO's format: a data.yaml, and a text file of labels for each image."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass, field
from pathlib import Path

from ppdet.core.errors import UserError
from ppdet.core.registry import register
from ppdet.data.datasets.base import AnnotatedDataset, Category, Part, require_file, require_folder
from ppdet.data.datasets.box_filter import BoxFilter
from ppdet.data.datasets.file_names import FileNames
from ppdet.data.datasets.layout import files_in
from ppdet.data.datasets.yolo_labels import Labels, read_labels
from ppdet.data.datasets.yolo_yaml import YAML_SUFFIXES, YoloFile, looks_like_yolo, read_yolo
from ppdet.data.ops.decode import image_size
from ppdet.data.structures import Record

logger = logging.getLogger(__name__)

_NAME_LISTS = ("classes.txt", "labels/classes.txt", "obj.names")
_FIRST = 100  # images that are looked at to tell whether a folder has labels


@register
@dataclass(eq=False)
class YOLODataSet(AnnotatedDataset):
    """Images and label files that `dataset_dir`/`anno_path`, a data.yaml of Ultralytics, describes.

    The labels of `images/a.jpg` are in `labels/a.txt`, else beside the image. An image without a label file has no
    objects. Outlines become the boxes around them.

    Without a data.yaml, anno_path may be a list of class names (classes.txt). The splits are then the folders
    images/train or train/images and so on; if there are none, all images are the split `all`.

    Attributes:
        split: the key of the images in the file: train, val or test.
    """

    annotations = "data.yaml of Ultralytics"
    remedy = "check dataset_dir and anno_path; expected: a data.yaml with names, train and val"
    signs = "a data.yaml with names and train, or classes.txt and labels (YOLO)"

    image_dir: str = field(default="", init=False)
    anno_path: str = "data.yaml"
    split: str = "train"

    @classmethod
    def parts(cls, root: Path) -> list[Part]:
        files = [file for suffix in YAML_SUFFIXES for file in files_in(root, suffix) if looks_like_yolo(file)]
        files = files or [root / name for name in _NAME_LISTS if _has_labels(root / name)][:1]
        return [
            Part(
                key if len(files) == 1 else f"{file.name}: {key}",
                {"anno_path": os.path.relpath(file, root), "split": key},
            )
            for file in files
            for key in read_yolo(file).splits
        ]

    def peek_categories(self) -> list[Category]:
        if self.anno_file is None or not self.anno_file.is_file():
            return []
        return _categories(read_yolo(self.anno_file))

    def _source(self) -> Path:
        require_folder(self.root, "the data set", self.remedy)
        if self.anno_file is None:
            raise UserError(f"YOLODataSet.anno_path: not set; {self.remedy}")
        require_file(self.anno_file, self.annotations, self.remedy)
        return self.anno_file

    def _read(self, source: Path, box_filter: BoxFilter) -> tuple[list[Category], list[Record]]:
        file = read_yolo(source)
        images, files = file.images(self.split), FileNames()
        texts = [label_file(image, files) for image in images]
        if not any(texts):
            where = label_places(images[0])[0]
            raise UserError(
                f"{source}: none of the {len(images)} images of {self.split!r} has labels; expected {where}"
            )
        records, scored = [], ""
        for number, (image, text) in enumerate(zip(images, texts, strict=True)):
            labels = None
            with box_filter.entry:
                labels = _labels(Path(text), file, box_filter) if text else None
            records.append(_record(box_filter, Path(image), number, labels))
            scored = scored or (text if labels and labels.scored else "")
        if scored:
            logger.warning("%s: labels end with a score (e.g. in %s), which is ignored", source, scored)
        return _categories(file), records


def label_places(image: str) -> list[str]:
    """The paths where the labels of an image may be: the last folder `images` becomes `labels`; else beside it."""
    stem = os.path.splitext(image)[0]
    head, found, tail = f"{os.sep}{stem}".rpartition(f"{os.sep}images{os.sep}")
    if not found:
        return [f"{stem}.txt"]
    return [f"{head}{os.sep}labels{os.sep}{tail}.txt"[len(os.sep) :], f"{stem}.txt"]


def label_file(image: str, files: FileNames) -> str:
    """The label file of an image; "" if there is none."""
    return next((path for path in label_places(image) if files.has(path)), "")


def _has_labels(names: Path) -> bool:
    """Whether a file is a list of class names with labels of YOLO around it."""
    if not names.is_file():
        return False
    try:
        file = read_yolo(names)
        images, files = [image for split in file.splits for image in file.images(split)[:_FIRST]], FileNames()
        texts = filter(None, (label_file(image, files) for image in images))
        return any(len(read_labels(Path(text), len(file.names)).classes) for text in texts)
    except UserError:
        return False


def _categories(file: YoloFile) -> list[Category]:
    return [Category(index, name) for index, name in enumerate(file.names)]


def _labels(text: Path, file: YoloFile, box_filter: BoxFilter) -> Labels:
    return read_labels(text, len(file.names), file.has_keypoints, box_filter.entry)


def _record(box_filter: BoxFilter, image: Path, number: int, labels: Labels | None) -> Record:
    size = image_size(image)
    if labels is None:
        return box_filter.record(image, number, size, [])
    if size is None:  # the reader reports the image
        for _ in labels.classes:
            box_filter.drop("of an image that cannot be read", str(image))
        return box_filter.record(image, number, None, [])
    height, width = size
    boxes = (labels.boxes * (width, height, width, height)).tolist()
    objects = [(index, box, 0) for index, box in zip(labels.classes.tolist(), boxes, strict=True)]
    return box_filter.record(image, number, size, objects)
