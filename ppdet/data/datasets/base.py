"""What the datasets share: categories, the checks of boxes, and the choice of records."""

from __future__ import annotations

import re
import unicodedata
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import numpy as np

from ppdet.core.errors import UserError
from ppdet.core.ranges import MinusOneOrMore, NotNegative
from ppdet.data.datasets.box_filter import BoxFilter
from ppdet.data.datasets.coco_classes import COCO_CATEGORIES
from ppdet.data.structures import Record
from ppdet.utils.ids import FileId
from ppdet.utils.json_file import UNFIT, read_text
from ppdet.utils.streams import Stream, generator


@dataclass(frozen=True, slots=True)
class Category:
    """A class of objects. `id` is the annotation file's own; the position in `categories` is the class index."""

    id: FileId
    name: str


@dataclass(frozen=True, eq=False)
class GroundTruth:
    """The N boxes of an annotation file as COCO's evaluation takes them: neither cut nor, if area is 0, left out.

    image_ids    what the file calls its images; the positions are the records' `im_id`
    im_id        [N] int64
    class_index  [N] int64
    boxes        [N, 4] float64: x, y, width, height in pixels
    areas        [N] float64, of the outlines where the file gives them
    crowd        [N] bool
    """

    image_ids: Sequence[FileId]
    im_id: np.ndarray
    class_index: np.ndarray
    boxes: np.ndarray
    areas: np.ndarray
    crowd: np.ndarray


@dataclass(eq=False)
class Dataset(ABC):
    """Images and their annotations. The constructor reads nothing; `load()` does, once, and returns the dataset.

    records     the images, in a fixed order: the first `sample_num`, all where it is not positive
    categories  their position is the class index
    expected_classes  their names in order, for a format that lists none of its own
    truth       what evaluation compares with, where that is more than the records say
    """

    ignored_options: ClassVar[dict[str, str]] = {
        "data_fields": "all fields are read", "use_default_label": "set label_list or anno_path",
    }  # fmt: skip

    dataset_dir: str = ""
    image_dir: str = ""
    anno_path: str = ""
    sample_num: MinusOneOrMore = -1
    records: list[Record] = field(default_factory=list, init=False)
    categories: list[Category] = field(default_factory=list, init=False)
    expected_classes: Sequence[str] = field(default=(), init=False)
    truth: GroundTruth | None = field(default=None, init=False)

    @property
    def image_ids(self) -> Sequence[FileId]:
        """What the annotation file calls each image, by `im_id`; the same number where it has no ids."""
        if self.truth is not None:
            return self.truth.image_ids
        return range(max((record.im_id for record in self.records), default=-1) + 1)

    @property
    def root(self) -> Path:
        """The folder that paths are relative to."""
        return Path(self.dataset_dir)

    @property
    def anno_file(self) -> Path | None:
        """The annotation file, None where there is none."""
        return self.root / self.anno_path if self.anno_path else None

    @property
    def class_file(self) -> Path | None:
        """The file that names the classes, None where there is none."""
        return self.anno_file

    def __len__(self) -> int:
        return len(self.records)

    def peek_categories(self) -> list[Category]:
        """The classes alone, without `load`; empty where the files are not there, or reading them would take long."""
        return []

    @abstractmethod
    def load(self) -> Dataset:
        """Fill `records` and `categories`. Raises UserError naming the file at fault and the remedy."""


@dataclass(eq=False)
class AnnotatedDataset(Dataset):
    """A dataset with boxes. Images without any are left out unless `allow_empty`; then they come last, and an
    `empty_ratio` in [0, 1) limits their share of the result (chosen at random, the same way each time).
    """

    annotations: ClassVar[str]  # what anno_path is, for messages
    remedy: ClassVar[str]

    allow_empty: bool = False
    empty_ratio: NotNegative = 1.0

    def load(self) -> Dataset:
        if self.anno_file is None:
            raise UserError(f"{type(self).__name__}.anno_path: not set ({self.annotations}); {self.remedy}")
        require_file(self.anno_file, self.annotations, self.remedy)
        folder = self.root / self.image_dir
        if not folder.is_dir():
            raise UserError(f"{folder}: there is no such folder (the images); {self.remedy}")
        box_filter = BoxFilter(self.anno_file)
        self.categories, records = self._read(self.anno_file, box_filter)
        box_filter.report()
        if not records:
            raise UserError(f"{self.anno_file}: lists no images; {self.remedy}")
        self.records = self._chosen(records)
        if not self.records:
            found = box_filter.summary() or "check the annotations"
            raise UserError(f"{self.anno_file}: no image has a box ({found}); correct it, or set allow_empty: true")
        return self

    @abstractmethod
    def _read(self, anno_file: Path, box_filter: BoxFilter) -> tuple[list[Category], list[Record]]:
        """The categories, and every image with the boxes that pass the filter."""

    def _chosen(self, records: list[Record]) -> list[Record]:
        annotated = [record for record in records if len(record.gt_bbox)]
        empty = [record for record in records if not len(record.gt_bbox)] if self.allow_empty else []
        if 0 <= self.empty_ratio < 1:
            count = min(int(len(annotated) * self.empty_ratio / (1 - self.empty_ratio)), len(empty))
            empty = [empty[index] for index in sorted(generator(Stream.EMPTY_IMAGES).permutation(len(empty))[:count])]
        chosen = annotated + empty
        return chosen[: self.sample_num] if self.sample_num > 0 else chosen


def require_file(path: Path, what: str, remedy: str) -> None:
    if not path.is_file():
        raise UserError(f"{path}: there is no such file ({what}); {remedy}")


def read_lines(path: Path) -> list[str]:
    """The lines of a text file that are not blank, without the space around them."""
    # not by splitlines, for which names can hold line ends
    return [line.strip() for line in re.split("[\r\n]+", read_text(path)) if line.strip()]


def read_names(path: Path) -> list[str]:
    """The class names of a label list, one a line, with accents composed: they look the same in either form."""
    names = [unicodedata.normalize("NFC", line) for line in read_lines(path)]
    for name, count in Counter(names).items():
        if count > 1:
            raise UserError(f"{path}: lists the class {name!r} twice; remove one of the lines")
        if UNFIT.search(name):
            raise UserError(f"{path}: the class name {name!r} holds control characters; correct it")
    return names


def check_num_classes(dataset: Dataset, num_classes: int) -> None:
    """Raise UserError where the config's num_classes is not the number of classes in the annotations."""
    found = len(dataset.categories)
    if found and found != num_classes:
        raise UserError(
            f"num_classes: the config says {num_classes} but {dataset.class_file or dataset.root} has {found} classes; "
            f"set num_classes: {found}"
        )


def default_categories(num_classes: int) -> list[Category]:
    """Names for a dataset without any: COCO's where there are 80 classes, otherwise `class 0`, `class 1`, …"""
    if num_classes == len(COCO_CATEGORIES):
        return [Category(number, name) for number, name in COCO_CATEGORIES.items()]
    return [Category(index, f"class {index}") for index in range(num_classes)]
