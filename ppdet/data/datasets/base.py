"""Base of the datasets: categories, ground truth, and the choice of records."""

from __future__ import annotations

import re
import unicodedata
import zipfile
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, TypeVar

import numpy as np

from ppdet.core.errors import UserError
from ppdet.core.ranges import MinusOneOrMore, NotNegative
from ppdet.data.datasets.box_filter import BoxFilter
from ppdet.data.datasets.coco_classes import COCO_CATEGORIES
from ppdet.data.structures import Record
from ppdet.utils.ids import FileId
from ppdet.utils.json_file import UNFIT, read_text
from ppdet.utils.streams import Stream, generator

Filter = TypeVar("Filter", bound=BoxFilter)


_ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".7z", ".rar")


@dataclass(frozen=True, slots=True)
class Category:
    """A class of objects. `id` is the annotation file's own; the class index is the position in `categories`."""

    id: FileId
    name: str


@dataclass(frozen=True, eq=False)
class GroundTruth:
    """The N boxes of an annotation file for COCO's evaluation: not clipped, and with those whose area is 0.

    Attributes:
        image_ids: the file's own ids of its images; the positions are the records' `im_id`.
        im_id: [N] int64.
        class_index: [N] int64.
        boxes: [N, 4] float64: x, y, width, height in pixels.
        areas: [N] float64, of the outlines if the file has them.
        crowd: [N] bool.
    """

    image_ids: Sequence[FileId]
    im_id: np.ndarray
    class_index: np.ndarray
    boxes: np.ndarray
    areas: np.ndarray
    crowd: np.ndarray


# Gets the classes, the records and the truth of a dataset, and returns what takes their place
Reclass = Callable[
    [list[Category], list[Record], GroundTruth | None], tuple[list[Category], list[Record], GroundTruth | None]
]


@dataclass(eq=False)
class Dataset(ABC):
    """Images and their annotations. The constructor reads no files; `load()` reads them and returns the dataset.

    Attributes:
        dataset_dir: the folder that the other paths are relative to.
        image_dir: the folder of images.
        anno_path: the annotation file.
        sample_num: how many of the images are used, the first ones; all if it is not positive.
        records: the images, in a fixed order.
        categories: the classes; the position is the class index.
        expected_classes: class names in order, for a format without a list of classes.
        reclass: compares the classes that were read with others, and may replace them; None: they stay.
        truth: the ground truth for evaluation, if it holds more than the records.
    """

    ignored_options: ClassVar[dict[str, str]] = {
        "data_fields": "all fields are read",
        "use_default_label": "set label_list or anno_path",
    }

    dataset_dir: str = ""
    image_dir: str = ""
    anno_path: str = ""
    sample_num: MinusOneOrMore = -1
    records: list[Record] = field(default_factory=list, init=False)
    categories: list[Category] = field(default_factory=list, init=False)
    expected_classes: Sequence[str] = field(default=(), init=False)
    reclass: Reclass | None = field(default=None, init=False)
    truth: GroundTruth | None = field(default=None, init=False)

    @property
    def image_ids(self) -> Sequence[FileId]:
        """The annotation file's own id of each image, by `im_id`; the same number if the format has no ids."""
        if self.truth is not None:
            return self.truth.image_ids
        return range(max((record.im_id for record in self.records), default=-1) + 1)

    @property
    def root(self) -> Path:
        """The folder that paths are relative to."""
        return Path(self.dataset_dir)

    @property
    def anno_file(self) -> Path | None:
        """The annotation file; None if it is not set."""
        return self.root / self.anno_path if self.anno_path else None

    @property
    def class_file(self) -> Path | None:
        """The file that names the classes; None if there is none."""
        return self.anno_file

    def __len__(self) -> int:
        return len(self.records)

    def peek_categories(self) -> list[Category]:
        """The classes, without `load`; empty if the files do not exist or reading them would take long."""
        return []

    @abstractmethod
    def load(self) -> Dataset:
        """Fills `records` and `categories`. Raises UserError, which names the file and the remedy."""


class Part(NamedTuple):
    """A split that a folder of some format holds, as `parts` finds it.

    Attributes:
        name: the file, folder or key that names the split.
        options: the options of the dataset that read it.
    """

    name: str
    options: dict[str, Any]


@dataclass(eq=False)
class AnnotatedDataset(Dataset):
    """A dataset with boxes. Images without boxes are left out, unless `allow_empty`.

    Attributes:
        allow_empty: images without boxes come after the others.
        empty_ratio: in [0, 1), the largest share of images without boxes in the result. They are chosen at random, the
            same ones each time.
    """

    annotations: ClassVar[str]  # description of anno_path, for messages
    remedy: ClassVar[str]
    signs: ClassVar[str]  # the files by which AutoDataset knows a folder of the format

    allow_empty: bool = False
    empty_ratio: NotNegative = 1.0

    @classmethod
    def parts(cls, root: Path) -> list[Part]:
        """The splits that the folder `root` holds in this format; empty if it is not of this format."""
        return []

    def load(self) -> Dataset:
        source = self._source()
        box_filter = BoxFilter(source)
        self.categories, records = self._read(source, box_filter)
        box_filter.report()
        if not records:
            raise UserError(f"{source}: lists no images; {self.remedy}")
        if self.reclass:
            self.categories, records, self.truth = self.reclass(self.categories, records, self.truth)
        self.records = self._chosen(records)
        if not self.records:
            found = box_filter.summary() or "check the annotations"
            raise UserError(f"{source}: no image has a box ({found}); correct it, or set allow_empty: true")
        return self

    @property
    def of_format(self) -> AnnotatedDataset:
        """The dataset of the files' format: itself, unless it finds the format out."""
        return self

    def read_boxes(self, make_filter: Callable[[Path], Filter]) -> tuple[list[Category], list[Record], Filter]:
        """Reads the categories and all images. `make_filter(source)` is given each box as it is in the file."""
        source = self._source()
        box_filter = make_filter(source)
        return *self._read(source, box_filter), box_filter

    def _source(self) -> Path:
        """The file or folder of annotations. Raises UserError if it, or the folder of images, does not exist."""
        if self.anno_file is None:
            raise UserError(f"{type(self).__name__}.anno_path: not set ({self.annotations}); {self.remedy}")
        if self.root.is_file():
            require_folder(self.root, "the data set", self.remedy)
        require_file(self.anno_file, self.annotations, self.remedy)
        require_folder(self.root / self.image_dir, "the images", self.remedy)
        return self.anno_file

    @abstractmethod
    def _read(self, source: Path, box_filter: BoxFilter) -> tuple[list[Category], list[Record]]:
        """Reads the categories, and every image with the boxes that pass the filter."""

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


def require_folder(path: Path, what: str, remedy: str) -> None:
    if is_archive(path):
        raise UserError(f"{path}: is an archive; expected a folder; unpack it and give the folder")
    if not path.is_dir():
        raise UserError(f"{path}: there is no such folder ({what}); {remedy}")


def is_archive(path: Path) -> bool:
    """Whether a file is a ZIP or has the name of another kind of archive."""
    return path.is_file() and (path.name.lower().endswith(_ARCHIVES) or zipfile.is_zipfile(path))


def read_lines(path: Path) -> list[str]:
    """The lines of a text file that are not blank, without the space around them."""
    # not splitlines: it also splits at characters that names may contain
    return [line.strip() for line in re.split("[\r\n]+", read_text(path)) if line.strip()]


def read_names(path: Path) -> list[str]:
    """The class names of a label list, one per line. Accents are composed: both forms look the same."""
    return checked_names(path, read_lines(path))


def checked_names(path: Path, texts: Sequence[str]) -> list[str]:
    """Class names with composed accents. Raises UserError if one is given twice or cannot be printed."""
    names = [unicodedata.normalize("NFC", text) for text in texts]
    for name, count in Counter(names).items():
        if count > 1:
            raise UserError(f"{path}: lists the class {name!r} twice; remove one of the lines")
        if UNFIT.search(name):
            raise UserError(f"{path}: the class name {name!r} holds control characters; correct it")
    return names


def check_num_classes(dataset: Dataset, num_classes: int) -> None:
    """Raises UserError if the config's num_classes is not the number of classes in the annotations."""
    found = len(dataset.categories)
    if found and found != num_classes:
        raise UserError(
            f"num_classes: the config says {num_classes} but {dataset.class_file or dataset.root} has {found} classes; "
            f"set num_classes: {found}"
        )


def default_categories(num_classes: int) -> list[Category]:
    """Categories for a dataset without names: COCO's if there are 80 classes, otherwise `class 0`, `class 1`, …"""
    if num_classes == len(COCO_CATEGORIES):
        return [Category(number, name) for number, name in COCO_CATEGORIES.items()]
    return [Category(index, f"class {index}") for index in range(num_classes)]
