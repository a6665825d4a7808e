"""Datasets annotated in Pascal VOC's XML format."""

from __future__ import annotations

import logging
import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ppdet.core.errors import UserError
from ppdet.core.registry import register

from ..sample import Record
from .base import AnnotatedDataset, BoxFilter, Category, Object, read_lines, require_file

logger = logging.getLogger(__name__)

_IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".JPG", ".JPEG", ".PNG")


@register
@dataclass(eq=False)
class VOCDataSet(AnnotatedDataset):
    """`dataset_dir`/`anno_path` lists the images, one per line, in either of two ways.

    `image.jpg annotation.xml`  two paths relative to `dataset_dir`/`image_dir` (upstream's layout)
    `stem`                      `dataset_dir`/`image_dir` or JPEGImages/stem.jpg and Annotations/stem.xml (plain VOC)

    `label_list` names a file in dataset_dir with one class per line; without it the classes are those found in the
    Annotations folder, sorted.
    """

    annotations = "the list of images"
    remedy = "check dataset_dir, image_dir and anno_path; expected: a list of images, and JPEGImages and Annotations"

    label_list: str | None = None

    def _read(self, anno_file: Path, box_filter: BoxFilter) -> tuple[list[Category], list[Record]]:
        pairs = self._read_list(anno_file)
        labels = self._read_labels(sorted({xml.parent for _, xml in pairs}))
        class_index = {name: index for index, name in enumerate(labels)}
        records = [
            _read_record(image, xml, number, class_index, box_filter) for number, (image, xml) in enumerate(pairs)
        ]
        return [Category(index, name) for index, name in enumerate(labels)], records

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

    def _read_labels(self, folders: Sequence[Path]) -> list[str]:
        """The class names: of `label_list`, else of a label_list.txt that is there, else all in the XML `folders`."""
        path = self.root / (self.label_list or "label_list.txt")
        if self.label_list or path.is_file():
            require_file(path, "label_list, the class names", "correct or drop label_list")
            return read_lines(path)
        files = [file for folder in folders for file in sorted(folder.glob("*.xml"))]
        names = {name for file in files for name, _, _ in _objects(file, _parse(file))}
        logger.info("%s: %d classes found: %s", folders[0], len(names), ", ".join(sorted(names)))
        return sorted(names)


def _parse(path: Path) -> ET.Element:
    require_file(path, "an annotation", VOCDataSet.remedy)
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


def _read_record(image: Path, path: Path, number: int, class_index: Mapping[str, int], box_filter: BoxFilter) -> Record:
    root = _parse(path)
    height, width = (_number(root.findtext(f"size/{side}")) for side in ("height", "width"))
    # Many labelling tools leave the size out, or zero.
    size = (int(height), int(width)) if height >= 1 and width >= 1 else None
    objects: list[Object] = []
    for name, box, difficult in _objects(path, root):
        if name not in class_index:
            raise UserError(
                f"{path}: class {name!r} is not in the label list ({', '.join(list(class_index)[:10])}); "
                "add it there or correct the annotation"
            )
        objects.append((class_index[name], box, difficult))
    return box_filter.record(image, number, size, objects)
