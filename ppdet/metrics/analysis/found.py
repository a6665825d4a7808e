"""The detections as flat arrays."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ppdet.metrics.results import ImageDetections


@dataclass(frozen=True, eq=False)
class Found:
    """D detections, image by image and inside of an image by falling score; equal scores keep their order.

    Attributes:
        image: [D] int64, the position in `Truth.im_ids`, ascending.
        class_index: [D] int64.
        score: [D] float64.
        boxes: [D, 4] float64, xyxy, original pixels.
        rank: [D] int64, from 0: the place among the detections of the same image and class.
        image_start: [n + 1] int64: the detections of image i are `image_start[i]` to `image_start[i + 1]`.
    """

    image: np.ndarray
    class_index: np.ndarray
    score: np.ndarray
    boxes: np.ndarray
    rank: np.ndarray
    image_start: np.ndarray

    def __len__(self) -> int:
        return len(self.image)

    @property
    def xywh(self) -> np.ndarray:
        """[D, 4] float64: x, y, width, height."""
        return np.concatenate([self.boxes[:, :2], self.boxes[:, 2:] - self.boxes[:, :2]], axis=1)

    @cached_property
    def area(self) -> np.ndarray:
        """[D] float64, square pixels."""
        product: np.ndarray = (self.boxes[:, 2] - self.boxes[:, 0]) * (self.boxes[:, 3] - self.boxes[:, 1])
        return product

    @cached_property
    def by_class(self) -> np.ndarray:
        """[D] int64: positions class by class, each by falling score; equal scores in the order of the images."""
        return np.lexsort((-self.score, self.class_index))


def flatten_found(detections: Iterable[ImageDetections], im_ids: np.ndarray, max_found: int = 0) -> Found:
    """Returns the detections on the scored images.

    Args:
        detections: the images' detections. An image may come several times or not at all.
        im_ids: [n] int64, the scored images, ascending; others are left out.
        max_found: the most detections of an image and class that are kept, those with the highest scores; 0: all.
    """
    pairs = [(im_id, rows) for im_id, rows in detections if len(rows)]
    owners = np.repeat(np.array([im_id for im_id, _ in pairs], np.int64), [len(rows) for _, rows in pairs])
    rows = np.concatenate([np.empty((0, 6)), *(rows for _, rows in pairs)])
    image = np.searchsorted(im_ids, owners)
    scored = np.isin(owners, im_ids)
    image, rows = image[scored], rows[scored]
    order = np.lexsort((-rows[:, 1], image))
    image, rows = image[order], rows[order]
    classes = rows[:, 0].astype(np.int64)
    rank = _rank(image, classes)
    if max_found:
        kept = rank < max_found
        image, classes, rows, rank = image[kept], classes[kept], rows[kept], rank[kept]
    start = np.searchsorted(image, np.arange(len(im_ids) + 1))
    return Found(image, classes, rows[:, 1].copy(), rows[:, 2:].copy(), rank, start)


def _rank(image: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """[D] int64: how many earlier detections are of the same image and class."""
    order = np.lexsort((classes, image))
    fresh = np.ones(len(order), bool)
    fresh[1:] = (np.diff(image[order]) != 0) | (np.diff(classes[order]) != 0)
    places = np.arange(len(order))
    rank = np.empty(len(order), np.int64)
    rank[order] = places - np.maximum.accumulate(np.where(fresh, places, 0))
    return rank
