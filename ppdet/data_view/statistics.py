"""Counts images and boxes, and describes their sizes and shapes, by split and by class."""

from __future__ import annotations

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ppdet.data.ops.decode import image_size
from ppdet.data_check.boxes import SMALL, input_area
from ppdet.data_check.split import Image, Split
from ppdet.deploy.files import atomic_write
from ppdet.utils.tables import format_table

_THREADS = 16  # they wait for files


class SplitRow(NamedTuple):
    """One split; -1 for what is not known.

    Width and height are medians in pixels; sides are square roots of the boxes' areas at the network's input.
    """

    split: str
    images: int
    empty: int
    boxes: int
    per_image: float
    width: int
    height: int
    side_p10: int
    side_p50: int
    side_p90: int


class ClassRow(NamedTuple):
    """One class of a split; -1 for what is not known.

    Width, height (pixels of the images) and aspect (width / height) are medians; share and under_8 are of the boxes.
    """

    split: str
    name: str
    images: int
    boxes: int
    share: float
    width: int
    height: int
    aspect: float
    under_8: float


@dataclass(frozen=True, eq=False)
class Statistics:
    """The numbers of one split. Boxes are those with a size, without crowds.

    Attributes:
        split: the split, whose images have their sizes.
    """

    split: Split

    @cached_property
    def usable(self) -> np.ndarray:
        """[N] bool: the boxes that count."""
        return self.split.boxes.are_objects

    @cached_property
    def sides(self) -> np.ndarray:
        """[n, 2] float64: width and height of the boxes in pixels of their images."""
        return np.asarray(self.split.boxes.sides[self.usable])

    @cached_property
    def aspects(self) -> np.ndarray:
        """[n] float64: width / height."""
        return np.asarray(self.sides[:, 0] / self.sides[:, 1])

    @cached_property
    def input_sides(self) -> np.ndarray:
        """[n] float64: square roots of the boxes' areas in pixels of the network's input."""
        return np.asarray(np.sqrt(input_area(self.split)[self.usable]))

    @cached_property
    def class_index(self) -> np.ndarray:
        """[n] int64."""
        return np.asarray(self.split.boxes.class_index[self.usable])

    @cached_property
    def image(self) -> np.ndarray:
        """[n] int64: positions of the boxes' images."""
        return np.asarray(self.split.boxes.image[self.usable])

    @cached_property
    def boxes_per_image(self) -> np.ndarray:
        """[images] int64."""
        return np.bincount(self.image, minlength=len(self.split.images))

    @cached_property
    def image_sizes(self) -> np.ndarray:
        """[m, 2] float64: (height, width) of the images whose size is known."""
        sizes = self.split.image_sizes
        return np.asarray(sizes[np.isfinite(sizes).all(1)])

    def row(self) -> SplitRow:
        """The split's line of the table."""
        height, width = (_middle(lengths) for lengths in self.image_sizes.T)
        low, middle, high = (_middle(self.input_sides, at) for at in (10, 50, 90))
        count, empty = len(self.sides), int((self.boxes_per_image == 0).sum())
        images = len(self.split.images)
        mean = count / images if images else -1.0
        return SplitRow(self.split.name, images, empty, count, mean, width, height, low, middle, high)

    def class_rows(self) -> list[ClassRow]:
        """A line for each class, in their order."""
        return [self._class_row(index, category.name) for index, category in enumerate(self.split.categories)]

    def _class_row(self, index: int, name: str) -> ClassRow:
        mine = self.class_index == index
        count, images = int(mine.sum()), len(np.unique(self.image[mine]))
        if not count:
            return ClassRow(self.split.name, name, 0, 0, 0.0, -1, -1, -1.0, -1.0)
        width, height = (_middle(lengths) for lengths in self.sides[mine].T)
        aspect, small = float(np.median(self.aspects[mine])), float(np.mean(self.input_sides[mine] < SMALL))
        return ClassRow(self.split.name, name, images, count, count / len(mine), width, height, aspect, small)


def statistics(split: Split) -> Statistics:
    """The Statistics of a split. Sizes that the annotations do not give are read from the image files' headers."""
    if all(image.size for image in split.images):
        return Statistics(split)
    with ThreadPoolExecutor(_THREADS) as pool:
        return Statistics(replace(split, images=list(pool.map(_with_size, split.images))))


def as_text(found: Sequence[Statistics]) -> str:
    """Two tables: the splits, and the classes of each."""
    splits = format_table([each.row() for each in found])
    return f"{splits}\n\n{format_table([row for each in found for row in each.class_rows()])}".rstrip()


def write_json(path: Path, found: Sequence[Statistics]) -> None:
    """Writes {"splits": [...], "classes": [...]} with the columns of the tables; null for what is not known."""
    content = {
        "splits": [_known(each.row()._asdict()) for each in found],
        "classes": [_known(row._asdict()) for each in found for row in each.class_rows()],
    }
    with atomic_write(path) as file:
        json.dump(content, file, indent=1)


def _known(row: dict[str, Any]) -> dict[str, Any]:
    return {name: None if value == -1 else value for name, value in row.items()}


def _with_size(image: Image) -> Image:
    return image if image.size else image._replace(size=image_size(Path(image.file)))


def _middle(values: np.ndarray, percentile: int = 50) -> int:
    """The rounded percentile; -1 without values."""
    return round(float(np.percentile(values, percentile))) if len(values) else -1
