"""Datasets annotated in Pascal VOC's XML format."""

from __future__ import annotations

import logging
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from ppdet.core.errors import UserError
from ppdet.core.registry import register

from ..sample import Record
from .base import BoxFilter, Category, Dataset, choose_records, make_record, read_lines, require_file, require_folder

logger = logging.getLogger(__name__)

_REMEDY = "check dataset_dir, image_dir and anno_path; expected: a list of images, and JPEGImages and Annotations"
_IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".JPG", ".JPEG", ".PNG")


@register
class VOCDataSet(Dataset):
    """`dataset_dir`/`anno_path` lists the images, one per line, in either of two ways.

    `image.jpg annotation.xml`  two paths relative to `dataset_dir`/`image_dir` (upstream's layout)
    `stem`                      `dataset_dir`/`image_dir` or JPEGImages/stem.jpg and Annotations/stem.xml (plain VOC)

    `label_list` names a file in dataset_dir with one class per line; without it the classes are those found in the
    Annotations folder, sorted.
    """

    ignored_options: ClassVar[tuple[str, ...]] = ("data_fields", "use_default_label")

    def __init__(
        self,
        dataset_dir: str = "",
        image_dir: str = "",
        anno_path: str = "",
        sample_num: int = -1,
        label_list: str | None = None,
        allow_empty: bool = False,
        empty_ratio: float = 1.0,
    ) -> None:
        super().__init__(dataset_dir, image_dir, anno_path, sample_num)
        self.label_list = label_list
        self.allow_empty = allow_empty
        self.empty_ratio = empty_ratio

    def load(self) -> VOCDataSet:
        anno_file = require_file(self.anno_file, "the list of images", _REMEDY)
        require_folder(self.root / self.image_dir, "the images", _REMEDY)
        pairs = self._read_list(anno_file)
        labels = self._read_labels(pairs[0][1].parent)
        self.categories = [Category(index, name) for index, name in enumerate(labels)]
        class_index = {name: index for index, name in enumerate(labels)}
        box_filter = BoxFilter(anno_file)
        records = [
            _read_record(image, xml, number, class_index, box_filter) for number, (image, xml) in enumerate(pairs)
        ]
        box_filter.report()
        self.records = choose_records(records, self.sample_num, self.allow_empty, self.empty_ratio)
        if not self.records:
            raise UserError(f"{anno_file}: no image has a box; check the annotations, or set allow_empty: true")
        return self

    def _read_list(self, anno_file: Path) -> list[tuple[Path, Path]]:
        """(image, XML) of each line of the list."""
        pairs = []
        for line in read_lines(anno_file):
            words = line.split()
            if len(words) == 2 and words[1].endswith(".xml"):
                folder = self.root / self.image_dir
                pairs.append((folder / words[0], folder / words[1]))
            else:
                # VOC's per-class lists have a flag after the name; names may hold spaces.
                stem = words[0] if len(words) == 2 and words[1] in ("1", "0", "-1") else line
                pairs.append((self._find_image(stem), self.root / "Annotations" / f"{stem}.xml"))
        if not pairs:
            raise UserError(f"{anno_file}: lists no image; expected one per line")
        return pairs

    def _find_image(self, stem: str) -> Path:
        folder = self.root / (self.image_dir or "JPEGImages")
        candidates = [folder / f"{stem}{suffix}" for suffix in _IMAGE_SUFFIXES]
        # A missing image is the reader's business (it names the file); here only the suffix is looked for.
        return next((path for path in candidates if path.is_file()), candidates[0])

    def _read_labels(self, annotations: Path) -> list[str]:
        if self.label_list:
            path = require_file(
                self.root / self.label_list, "label_list, the class names", "correct or drop label_list"
            )
            return read_lines(path)
        names = {name for path in annotations.glob("*.xml") for name, _, _ in _objects(path, _parse(path))}
        logger.info("%s: %d classes found: %s", annotations, len(names), ", ".join(sorted(names)))
        return sorted(names)


def _parse(path: Path) -> ET.Element:
    require_file(path, "an annotation", _REMEDY)
    try:
        return ET.parse(path).getroot()
    except (ET.ParseError, ValueError) as error:  # ValueError: an encoding that the parser cannot read
        raise UserError(f"{path}: not valid XML ({error}); correct it or remove it from the list") from None


def _objects(path: Path, root: ET.Element) -> list[tuple[str, list[float], int]]:
    """(class name, xyxy box, difficult) of each object. Boxes that are not numbers are NaN, for the filter to drop."""
    found = []
    for item in root.iter("object"):
        name = (item.findtext("name") or "").strip()
        if not name:
            raise UserError(f"{path}: an object has no name; correct it or remove it from the list")
        box = [_number(item.findtext(f"bndbox/{side}")) for side in ("xmin", "ymin", "xmax", "ymax")]
        found.append((name, box, int((item.findtext("difficult") or "0").strip() == "1")))
    return found


def _number(text: str | None) -> float:
    try:
        return float(text or "nan")
    except ValueError:
        return float("nan")


def _size(root: ET.Element) -> tuple[int, int] | None:
    """The annotated (height, width); None where it is missing or zero, as many labelling tools leave it."""
    height, width = (_number(root.findtext(f"size/{side}")) for side in ("height", "width"))
    return (int(height), int(width)) if height >= 1 and width >= 1 else None


def _read_record(image: Path, path: Path, number: int, class_index: Mapping[str, int], box_filter: BoxFilter) -> Record:
    root = _parse(path)
    size = _size(root)
    boxes, classes, difficult = [], [], []
    for name, raw_box, is_difficult in _objects(path, root):
        if name not in class_index:
            raise UserError(
                f"{path}: class {name!r} is not in the label list ({', '.join(list(class_index)[:10])}); "
                "add it there or correct the annotation"
            )
        box = box_filter.clean(raw_box, size)
        if box is not None:
            boxes.append(box)
            classes.append(class_index[name])
            difficult.append(is_difficult)
    return make_record(str(image), number, size, boxes, classes, difficult)
