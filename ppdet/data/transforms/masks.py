"""Transforms that hide parts of an image and leave every box where it is: GridMask and RandomErasingImage."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Annotated

import cv2
import numpy as np

from ppdet.core.errors import UserError
from ppdet.core.ranges import Fraction, Positive, Range
from ppdet.core.registry import register
from ppdet.data.structures import Sample
from ppdet.data.transforms.sample_transforms import Transform, apply_pending

_HIDES = "which hides parts of the image at random"


@register
@dataclass(frozen=True)
class GridMask(Transform):
    """Sets the image to 0 outside of the stripes of a grid, or in them.

    The probability grows with the images that the training has read in earlier epochs.

    Attributes:
        use_h: have stripes across.
        use_w: have stripes from top to bottom.
        rotate: the grid is turned by a whole number of degrees below this one.
        offset: fill what is hidden with noise from -1 to 1 instead of 0.
        ratio: width of a stripe, relative to the distance from stripe to stripe.
        mode: 1 shows the stripes, 0 hides them.
        prob: share of the images with a grid, at the end of the growth.
        upper_iter: number of images after which the share is `prob`.
    """

    only_training = _HIDES

    use_h: bool = True
    use_w: bool = True
    rotate: Annotated[int, Range(1, 360)] = 1
    offset: bool = False
    ratio: Fraction = 0.5
    mode: Annotated[int, Range(0, 1)] = 1
    prob: Fraction = 0.7
    upper_iter: Positive = 360_000

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        if rng.uniform() > self.prob * min(1, sample.images_before / self.upper_iter):
            return sample
        image = apply_pending(sample)  # colors first, so that a 0 stays one
        shown = self._draw_grid(image.image.shape[0], image.image.shape[1], rng)[..., None]
        pixels = image.image * shown
        if self.offset:
            noise = rng.uniform(-1, 1, shown.shape).astype(np.float32)
            pixels = (pixels + noise * (1 - shown)).astype(image.image.dtype)
        return replace(image, image=pixels)

    def _draw_grid(self, height: int, width: int, rng: np.random.Generator) -> np.ndarray:
        """The mask [height, width] uint8, 1 for what is shown. The grid is drawn 1.5 times as large and turned."""
        full_h, full_w = int(1.5 * height), int(1.5 * width)
        period = int(rng.integers(2, max(height, 3)))
        stripe = min(max(int(period * self.ratio + 0.5), 1), period - 1)
        first_y, first_x = int(rng.integers(period)), int(rng.integers(period))
        mask = np.ones((full_h, full_w), np.uint8)
        for number in range(full_h // period if self.use_h else 0):
            mask[number * period + first_y :][:stripe] = 0
        for number in range(full_w // period if self.use_w else 0):
            mask[:, number * period + first_x :][:, :stripe] = 0
        if angle := int(rng.integers(self.rotate)):
            turn = cv2.getRotationMatrix2D(((full_w - 1) / 2, (full_h - 1) / 2), angle, 1)
            mask = np.asarray(cv2.warpAffine(mask, turn, (full_w, full_h), flags=cv2.INTER_NEAREST))
        top, left = (full_h - height) // 2, (full_w - width) // 2
        mask = mask[top : top + height, left : left + width]
        return 1 - mask if self.mode == 1 else mask


@register
@dataclass(frozen=True)
class RandomErasingImage(Transform):
    """Sets a random rectangle in a box to 0.

    Attributes:
        prob: share of the boxes with a rectangle.
        lower: smallest area of the rectangle, relative to the box.
        higher: largest area of the rectangle, relative to the box.
        aspect_ratio: smallest height / width of the rectangle; the largest is its inverse.
    """

    only_training = _HIDES

    prob: Fraction = 0.5
    lower: Fraction = 0.02
    higher: Fraction = 0.4
    aspect_ratio: Annotated[float, Range(0, 1, exclude="low")] = 0.3

    def __post_init__(self) -> None:
        if self.lower > self.higher:
            raise UserError(
                f"RandomErasingImage.lower: found {self.lower}, above higher, {self.higher}; expected less; "
                "exchange the two"
            )

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        windows = [window for box in sample.gt_bbox.tolist() if (window := self._draw_window(box, rng))]
        if not windows:
            return sample
        sample = apply_pending(sample)
        image = sample.image.copy()
        by_y, by_x = image.shape[0] / sample.size[0], image.shape[1] / sample.size[1]
        for x1, y1, x2, y2 in windows:
            image[round(y1 * by_y) : round(y2 * by_y), round(x1 * by_x) : round(x2 * by_x)] = 0
        return replace(sample, image=image)

    def _draw_window(self, box: list[float], rng: np.random.Generator) -> tuple[int, int, int, int] | None:
        """The rectangle x1, y1, x2, y2 in a box; None if there is none."""
        if self.prob <= rng.uniform():
            return None
        x1, y1, x2, y2 = box
        area = rng.uniform(self.lower, self.higher) * (x2 - x1) * (y2 - y1)
        ratio = rng.uniform(self.aspect_ratio, 1 / self.aspect_ratio)
        height, width = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if width >= x2 - x1 or height >= y2 - y1:
            return None
        y = y1 + int(rng.integers(0, int(y2 - y1 - height) + 1))
        x = x1 + int(rng.integers(0, int(x2 - x1 - width) + 1))
        return int(x), int(y), int(x + width), int(y + height)
