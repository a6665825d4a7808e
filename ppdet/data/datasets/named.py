"""Base of the datasets whose annotations are read at once, as images with named objects."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ppdet.core.errors import UserError
from ppdet.data.datasets.base import Category, GroundTruth
from ppdet.data.datasets.box_filter import BoxFilter, Size
from ppdet.data.datasets.file_names import FileNames
from ppdet.data.datasets.label_list import LabelListDataset
from ppdet.data.ops.decode import image_size
from ppdet.data.structures import Record
from ppdet.utils.ids import sort_key

_QUICKLY_READ = 2**25  # bytes: about a second


class NamedObject(NamedTuple):
    """One object: the name of its class, its box (xyxy), and whether it is a group (a crowd in COCO's words)."""

    name: str
    box: Sequence[float]
    crowd: bool = False


class NamedImage(NamedTuple):
    """One image.

    Attributes:
        file: its path.
        size: (height, width) in pixels; None if the annotations do not give it.
        objects: its objects, in pixels, or in fractions of the image's size.
        place: the place of the annotations, for messages.
        fractions: whether boxes are fractions of the image's size.
    """

    file: str
    size: Size | None
    objects: Sequence[NamedObject]
    place: str
    fractions: bool = False


@dataclass(eq=False)
class NamedDataset(LabelListDataset):
    """A dataset whose annotations are read at once, as images with named objects."""

    def peek_categories(self) -> list[Category]:
        try:
            source = self._source()
        except UserError:
            return []
        if self._label_file is None and sum(file.stat().st_size for file in self._files(source)) > _QUICKLY_READ:
            return []
        images, own = ([], []) if self._label_file else self._annotated(source, BoxFilter(source))
        return _categories(self._class_names(source, images, own))

    def _files(self, source: Path) -> list[Path]:
        """The files that hold the annotations."""
        return [source]

    @abstractmethod
    def _annotated(self, source: Path, box_filter: BoxFilter) -> tuple[list[NamedImage], list[str]]:
        """All images, and the list of classes that the annotations hold; an empty one if the format has none."""

    def _read(self, source: Path, box_filter: BoxFilter) -> tuple[list[Category], list[Record]]:
        images, own = self._annotated(source, box_filter)
        names = self._class_names(source, images, own)
        class_index = {name: index for index, name in enumerate(names)}
        records, rows = [], []
        has_crowds = any(each.crowd for image in images for each in image.objects)  # else the records are the truth
        for number, image in enumerate(images):
            size, boxes = _in_pixels(image, box_filter)
            objects = []
            for each, box in zip(image.objects, boxes, strict=False):
                with box_filter.entry:
                    objects.append((self._index(each.name, class_index, image.place), box, each.crowd))
            box_filter.crowds += sum(crowd for _, _, crowd in objects)
            box_filter.annotations += len(objects)
            kept = [(index, box, 0) for index, box, crowd in objects if not crowd]
            records.append(box_filter.record(Path(image.file), number, size, kept))
            if has_crowds:
                rows += [(number, index, *box, crowd) for index, box, crowd in objects]
        self.truth = _ground_truth(len(images), rows) if has_crowds else None
        return _categories(names), records

    def _class_names(self, source: Path, images: Iterable[NamedImage], own: Sequence[str]) -> list[str]:
        found = (each.name for image in images for each in image.objects)
        return self._names(source, own, lambda: sorted(set(found), key=sort_key))

    def _find(self, files: FileNames, *names: str) -> str:
        """The path of the first of the names that is a file in the folder of images; else the first path."""
        folders = [self.root / self.image_dir]
        if not self.image_dir:
            own = self.anno_file.parent if self.anno_file else self.root
            folders += [self.root / "images", own, own / "images"]
        paths = [files.find(folder, name) for name in names for folder in dict.fromkeys(folders)]
        return next((path for path in paths if files.has(path)), paths[0])


def _categories(names: Iterable[str]) -> list[Category]:
    return [Category(index, name) for index, name in enumerate(names)]


def _in_pixels(image: NamedImage, box_filter: BoxFilter) -> tuple[Size | None, list[list[float]]]:
    """The size and the boxes of an image in pixels; no boxes if they need a size that cannot be read."""
    boxes = [list(each.box) for each in image.objects]
    if not image.fractions:
        return image.size, boxes
    size = image.size or image_size(Path(image.file))
    if size is None:  # the reader reports the image
        for _ in boxes:
            box_filter.drop("of an image that cannot be read", image.file)
        return None, []
    height, width = size
    return size, [[x1 * width, y1 * height, x2 * width, y2 * height] for x1, y1, x2, y2 in boxes]


def _ground_truth(num_images: int, rows: Sequence[tuple[float, ...]]) -> GroundTruth:
    """The ground truth with crowds, from (image, class index, x1, y1, x2, y2, crowd) each."""
    table = np.array(rows, np.float64).reshape(-1, 7)
    table = table[np.isfinite(table).all(axis=1) & (table[:, 4:6] > table[:, 2:4]).all(axis=1)]
    sides = table[:, 4:6] - table[:, 2:4]
    return GroundTruth(
        image_ids=range(num_images),
        im_id=table[:, 0].astype(np.int64),
        class_index=table[:, 1].astype(np.int64),
        boxes=np.hstack([table[:, 2:4], sides]),
        areas=sides.prod(axis=1),
        crowd=table[:, 6] > 0,
    )
