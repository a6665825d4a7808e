"""What the datasets share: categories, the checks of boxes, and the choice of records."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ppdet.core.errors import UserError

from ..sample import Record
from .coco_classes import COCO_CATEGORIES

logger = logging.getLogger(__name__)

_SMALLEST_SIDE = 1e-5  # pixels; boxes thinner than this are dropped


@dataclass(frozen=True, slots=True)
class Category:
    """A class of objects. `id` is the annotation file's own number; the position in `categories` is the class index."""

    id: int
    name: str


class Dataset(ABC):
    """Images and their annotations. The constructor reads nothing; `load()` does, once, and returns the dataset.

    records     the images, in a fixed order
    categories  their position is the class index
    root        the folder that paths are relative to
    anno_file   the annotation file, None where there is none
    """

    def __init__(self, dataset_dir: str = "", image_dir: str = "", anno_path: str = "", sample_num: int = -1) -> None:
        self.root = Path(dataset_dir)
        self.image_dir = image_dir
        self.anno_file: Path | None = self.root / anno_path if anno_path else None
        self.sample_num = sample_num
        self.records: list[Record] = []
        self.categories: list[Category] = []

    def __len__(self) -> int:
        return len(self.records)

    @abstractmethod
    def load(self) -> Dataset:
        """Fill `records` and `categories`. Raises UserError naming the file at fault and the remedy."""


def require_folder(path: Path, what: str, remedy: str) -> None:
    if not path.is_dir():
        raise UserError(f"{path}: there is no such folder ({what}); {remedy}")


def require_file(path: Path | None, what: str, remedy: str) -> Path:
    if path is None:
        raise UserError(f"{what}: anno_path is not set; {remedy}")
    if not path.is_file():
        raise UserError(f"{path}: there is no such file ({what}); {remedy}")
    return path


def read_lines(path: Path) -> list[str]:
    """The lines of a text file that are not blank, without the space around them."""
    try:
        text = path.read_text(encoding="utf-8-sig")  # Windows editors put a mark in front
    except UnicodeDecodeError:
        raise UserError(f"{path}: not text in UTF-8; save it as UTF-8") from None
    return [line.strip() for line in text.splitlines() if line.strip()]


def check_num_classes(dataset: Dataset, num_classes: int) -> None:
    """Raise UserError where the config's num_classes is not the number of classes in the annotations."""
    found = len(dataset.categories)
    if found and found != num_classes:
        raise UserError(
            f"num_classes: the config says {num_classes} but {dataset.anno_file or dataset.root} has {found} classes; "
            f"set num_classes: {found}"
        )


def default_categories(num_classes: int) -> list[Category]:
    """Names for a dataset without any: COCO's where there are 80 classes, otherwise `class 0`, `class 1`, …"""
    if num_classes == len(COCO_CATEGORIES):
        return [Category(number, name) for number, name in COCO_CATEGORIES.items()]
    return [Category(index, f"class {index}") for index in range(num_classes)]


class BoxFilter:
    """Checks the boxes of one annotation file and counts what was wrong, for one warning at the end."""

    def __init__(self, source: Path) -> None:
        self.source = source
        self.clipped = 0
        self.dropped = 0

    def clean(self, box: Sequence[float], size: tuple[int, int] | None) -> list[float] | None:
        """An xyxy box rounded to 3 decimals and clipped to `size` (height, width); None where nothing of it is left."""
        values = np.array(box, np.float64)
        if values.shape != (4,) or not np.isfinite(values).all():
            self.dropped += 1
            return None
        height, width = size or (np.inf, np.inf)
        inside = np.clip(values, 0, [width, height, width, height])
        if (inside[2:] - inside[:2] <= _SMALLEST_SIDE).any():
            self.dropped += 1
            return None
        # Annotations are often rounded past the border; only a whole pixel outside is worth a word.
        self.clipped += bool(np.abs(inside - values).max() >= 1)
        return [round(float(value), 3) for value in inside]

    def report(self) -> None:
        if self.dropped or self.clipped:
            logger.warning(
                "%s: dropped %d boxes without area or entirely outside their image, clipped %d that reached outside",
                self.source,
                self.dropped,
                self.clipped,
            )


def make_record(
    im_file: str,
    im_id: int,
    size: tuple[int, int] | None,
    boxes: Sequence[Sequence[float]],
    classes: Sequence[int],
    difficult: Sequence[int] | None = None,
) -> Record:
    return Record(
        im_file=im_file,
        im_id=im_id,
        size=size,
        gt_bbox=np.array(boxes, np.float32).reshape(-1, 4),
        gt_class=np.array(classes, np.int32).reshape(-1, 1),
        difficult=np.array(difficult if difficult is not None else [0] * len(boxes), np.int32).reshape(-1, 1),
    )


def choose_records(records: list[Record], sample_num: int, allow_empty: bool, empty_ratio: float) -> list[Record]:
    """The records to use: the first `sample_num` (all where it is not positive), those without boxes at the end.

    Records without boxes are left out unless allow_empty; then an empty_ratio in [0, 1) limits their share of the
    result (chosen at random, the same way each time).
    """
    annotated = [record for record in records if len(record.gt_bbox)]
    empty = [record for record in records if not len(record.gt_bbox)] if allow_empty else []
    if 0 <= empty_ratio < 1:
        count = min(int(len(annotated) * empty_ratio / (1 - empty_ratio)), len(empty))
        chosen = np.random.default_rng(0).permutation(len(empty))[:count]
        empty = [empty[index] for index in sorted(chosen)]
    chosen_records = annotated + empty
    return chosen_records[:sample_num] if sample_num > 0 else chosen_records
