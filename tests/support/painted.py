"""Samples whose boxes are filled rectangles of one color each, so that the pixels say where the boxes are."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from ppdet.data.structures import Sample
from tests.support.samples import noise_sample

# A class has the color of its number. Halfway to the gray around it, or to another color, a pixel is like none of them.
COLORS = np.array([[255 * (number >> bit & 1) for bit in range(3)] for number in range(8)], np.int32)


def painted_sample(first: int, rng: np.random.Generator, size: tuple[int, int], count: int = 2) -> Sample:
    """A gray image of `size` with `count` rectangles that do not touch; their classes begin with `first`."""
    height, width = size
    image = np.full((height, width, 3), 128, np.uint8)
    boxes = []
    for number in range(count):
        left, right = (width * place // count for place in (number, number + 1))
        x1, y1 = rng.integers(left + 1, left + (right - left) // 3), rng.integers(1, height // 3)
        x2, y2 = rng.integers(right - (right - left) // 3, right - 1), rng.integers(2 * height // 3, height - 1)
        image[y1:y2, x1:x2] = COLORS[first + number]
        boxes.append([x1, y1, x2, y2])
    classes = np.arange(first, first + count, dtype=np.int32).reshape(-1, 1)
    sample = noise_sample(rng, size, count)
    return replace(sample, image=image, gt_bbox=np.float32(boxes), gt_class=classes)


def seen_box(image: np.ndarray, number: int) -> list[int] | None:
    """The bounds (x1, y1, x2, y2) of the pixels of a class's color; None if there are none."""
    near = (np.abs(image.astype(np.int32) - COLORS[number]).max(axis=-1) <= 63).astype(np.uint8)
    if not near.any():
        return None
    x, y, width, height = cv2.boundingRect(near)
    return [x, y, x + width, y + height]


def worst_off(sample: Sample, image: np.ndarray) -> tuple[float, float]:
    """The largest distance of `off_by`: of boxes inside the image, and of boxes that its border cuts.

    A turned box can end at the border in a tip that is thinner than a pixel, so the latter may be a little larger.
    """
    off = off_by(sample, image)
    limit = np.array(sample.size[::-1] * 2) - 0.01
    inside = ((sample.gt_bbox > 0.01) & (sample.gt_bbox < limit)).all(axis=1)
    numbers = sample.gt_class[:, 0]
    whole, cut = ([off[number] for number in numbers[kept].tolist()] for kept in (inside, ~inside))
    return max(whole, default=0.0), max(cut, default=0.0)


def off_by(sample: Sample, image: np.ndarray) -> dict[int, float]:
    """By class: how far the sample's box is from the bounds of its color in `image`, in pixels."""
    distances = {}
    for box, number in zip(sample.gt_bbox, sample.gt_class[:, 0].tolist(), strict=True):
        seen = seen_box(image, number)
        distances[number] = float(np.abs(box - seen).max()) if seen else float((box[2:] - box[:2]).min())
    return distances
