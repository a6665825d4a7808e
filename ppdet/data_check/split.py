"""Split: one part of a data set as its annotation file gives it, with nothing dropped."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ppdet.data.datasets import Category
from ppdet.data_check.pixels import Pixels

SMALLEST_SIDE = 1e-5  # pixels; training leaves out thinner boxes


def plain_name(name: str) -> str:
    """The name of a split, which may be the path of a list, as the name of a file."""
    return re.sub(r"[^\w.-]+", "_", name)


class Image(NamedTuple):
    """One image of the annotation file.

    Attributes:
        name: its name in the annotation file.
        file: path of the file.
        size: (height, width) in the annotation; None if it gives none.
    """

    name: str
    file: str
    size: tuple[int, int] | None


@dataclass(frozen=True)
class Boxes:
    """The N boxes of a split.

    Attributes:
        corners: [N, 4] float64, xyxy, pixels, as in the file; NaN if they are no numbers.
        image: [N] int64, position in Split.images.
        class_index: [N] int64, position in Split.categories.
        crowd: [N] bool, regions that training leaves out.
        difficult: [N] bool.
        area: [N] float64, as in the file; NaN if it gives none.
    """

    corners: np.ndarray
    image: np.ndarray
    class_index: np.ndarray
    crowd: np.ndarray
    difficult: np.ndarray
    area: np.ndarray

    def __len__(self) -> int:
        return len(self.corners)

    @property
    def sides(self) -> np.ndarray:
        """[N, 2] width and height in pixels."""
        with np.errstate(invalid="ignore"):  # infinite corners
            return np.asarray(self.corners[:, 2:] - self.corners[:, :2])

    @property
    def are_objects(self) -> np.ndarray:
        """[N] bool: boxes with a width and a height that are no crowds."""
        sides = self.sides
        return np.asarray((sides > SMALLEST_SIDE).all(1) & np.isfinite(sides).all(1) & ~self.crowd)


@dataclass(frozen=True)
class Network:
    """The network's input, as the config describes it.

    Attributes:
        size: (height, width) in pixels.
        keep_ratio: whether images keep their shape when they are resized.
        num_classes: None if it is not known.
    """

    size: tuple[int, int] = (320, 320)
    keep_ratio: bool = False
    num_classes: int | None = None


@dataclass(frozen=True, eq=False)
class Split:
    """One part of a data set.

    Attributes:
        name: "train", "val", …
        source: the annotation file.
        folder: the folder of the images.
        allow_empty: whether images without boxes are trained on.
        faults: places in the annotation file by kind of fault (entries.FAULTS).
        pixels: what the files of `images` hold, in their order; None for a missing file.
    """

    name: str
    source: Path
    folder: Path
    images: Sequence[Image]
    categories: Sequence[Category]
    boxes: Boxes
    allow_empty: bool = False
    faults: Mapping[str, Sequence[str]] = field(default_factory=dict)
    network: Network = field(default_factory=Network)
    pixels: Sequence[Pixels | None] = ()

    @property
    def is_train(self) -> bool:
        """Whether the network learns from it."""
        return not self.name.startswith(("val", "test"))

    def files_of(self, chosen: np.ndarray) -> list[str]:
        """The image's name for each box in `chosen`, [N] bool or positions."""
        return [self.images[index].name for index in self.boxes.image[chosen]]

    @cached_property
    def image_sizes(self) -> np.ndarray:
        """[images, 2] float64: (height, width) of each image as training reads it; inf if that is not known."""
        pixels = self.pixels or [None] * len(self.images)
        sizes = [_size(image, file) for image, file in zip(self.images, pixels, strict=True)]
        return np.array(sizes, np.float64).reshape(-1, 2)


def _size(image: Image, file: Pixels | None) -> tuple[float, float]:
    if file is None or file.problem:
        return image.size or (np.inf, np.inf)
    return file.size if image.size == file.size else file.upright_size  # as data/ops/decode.py chooses
