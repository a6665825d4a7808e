"""AutoDataset: finds out which format a folder is in."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from ppdet.core.errors import UserError
from ppdet.core.registry import register
from ppdet.data.datasets.base import AnnotatedDataset, Category, Dataset, Part, is_archive, require_folder
from ppdet.data.datasets.box_filter import BoxFilter
from ppdet.data.datasets.coco import COCODataSet
from ppdet.data.datasets.csv_boxes import CSVDataSet
from ppdet.data.datasets.cvat import CVATDataSet
from ppdet.data.datasets.label_studio import LabelStudioDataSet
from ppdet.data.datasets.labelme import LabelMeDataSet
from ppdet.data.datasets.open_images import OpenImagesDataSet
from ppdet.data.datasets.splits import choose
from ppdet.data.datasets.voc import VOCDataSet
from ppdet.data.datasets.yolo import YOLODataSet
from ppdet.data.structures import Record

logger = logging.getLogger(__name__)

FORMATS: tuple[type[AnnotatedDataset], ...] = (
    COCODataSet,
    VOCDataSet,
    YOLODataSet,
    LabelMeDataSet,
    CVATDataSet,
    LabelStudioDataSet,
    OpenImagesDataSet,
    CSVDataSet,
)


@register
@dataclass(eq=False)
class AutoDataset(AnnotatedDataset):
    """The images and boxes of one split in `dataset_dir`, in whichever of the formats the folder is.

    Attributes:
        split: the split: train, val or test, as file and folder names spell it; all images if it is left out and the
            folder has one part only.
    """

    annotations = "the data set"
    remedy = "check dataset_dir"

    image_dir: str = field(default="", init=False)
    anno_path: str = field(default="", init=False)
    split: str = ""

    @property
    def class_file(self) -> Path | None:
        return self._found.class_file

    @property
    def of_format(self) -> AnnotatedDataset:
        return self._found

    def peek_categories(self) -> list[Category]:
        return self._found.peek_categories() if self.root.is_dir() else []

    def load(self) -> Dataset:
        found = self._found
        found.expected_classes, found.reclass = self.expected_classes, self.reclass
        found.load()
        self.records, self.categories, self.truth = found.records, found.categories, found.truth
        return self

    def _read(self, source: Path, box_filter: BoxFilter) -> tuple[list[Category], list[Record]]:
        raise NotImplementedError  # the dataset of the format reads

    @cached_property
    def _found(self) -> AnnotatedDataset:
        """The dataset of the folder's format, not read yet."""
        cls, parts = find_format(self.root)
        part = choose(self.root, parts, self.split)
        logger.info("%s: taken for %s: %s", self.root, cls.__name__, part.name)
        common = {"sample_num": self.sample_num, "allow_empty": self.allow_empty, "empty_ratio": self.empty_ratio}
        return cls(**{"dataset_dir": self.dataset_dir} | common | part.options)


def find_format(root: Path) -> tuple[type[AnnotatedDataset], list[Part]]:
    """The format of a folder and the splits in it. Raises UserError if it is in none of the formats, or in two."""
    require_folder(root, "the data set", "check dataset_dir")
    found = [(cls, parts) for cls in FORMATS if (parts := cls.parts(root))]
    if not found:
        signs = "; ".join(cls.signs for cls in FORMATS)
        files = sorted(root.iterdir())
        archive = next((path.name for path in files if is_archive(path)), "")
        remedy = f"unpack {archive} and give its folder" if archive else "check dataset_dir"
        remedy = remedy if files else f"the folder is empty: {remedy}"
        raise UserError(f"{root}: in no known format; looked for {signs}; {remedy}")
    if len(found) > 1:
        kinds = " and ".join(f"{cls.__name__} ({parts[0].name})" for cls, parts in found)
        raise UserError(
            f"{root}: may be {kinds}; move the files of one of them elsewhere, or name the other one in a config, as "
            f"!{found[0][0].__name__} instead of !AutoDataset"
        )
    return found[0]
