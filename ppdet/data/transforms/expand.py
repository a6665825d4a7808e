"""A larger canvas around an image: Pad and RandomExpand."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, Literal

import numpy as np

from ppdet.core.errors import UserError
from ppdet.core.ranges import Fraction, Range
from ppdet.core.registry import register
from ppdet.data.ops import color
from ppdet.data.ops import functional as F
from ppdet.data.structures import Sample
from ppdet.data.transforms.sample_transforms import (
    MOVES_BOXES,
    ImageSize,
    Transform,
    apply_pending_resize,
    read_size,
)

_Level = Annotated[float, Range(0, 255)]
_Offset = Annotated[int, Range(0, 2**16)]
_Levels = tuple[_Level, _Level, _Level]
_GRAY = (127.5, 127.5, 127.5)


@register
@dataclass(frozen=True)
class Pad(Transform):
    """Puts the image on a larger canvas.

    Attributes:
        size: the canvas's side, or [height, width]; null: the image's, rounded up to `size_divisor`.
        size_divisor: the multiple that both sides become if there is no `size`.
        pad_mode: where the image lies: 0 top left, 1 in the middle, 2 bottom right, -1 at `offsets`.
        offsets: [x, y] of the image's corner for pad_mode -1.
        fill_value: red, green and blue around the image.
    """

    size: ImageSize | None = None
    size_divisor: Annotated[int, Range(1, 1024)] = 32
    pad_mode: Literal[-1, 0, 1, 2] = 0
    offsets: tuple[_Offset, _Offset] | None = None
    fill_value: _Levels = _GRAY

    def __post_init__(self) -> None:
        if (self.pad_mode == -1) != (self.offsets is not None):
            found = "without" if self.offsets is None else "with"
            raise UserError(
                f"Pad.pad_mode: found {self.pad_mode} {found} offsets; -1 needs them, and no other has them"
            )

    @property
    def only_training(self) -> str:
        """The reason why evaluation refuses it; padding at the bottom and right moves nothing."""
        return MOVES_BOXES if self.pad_mode else ""

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        height, width = sample.size
        divisor = self.size_divisor
        rounded = -(-height // divisor) * divisor, -(-width // divisor) * divisor
        full_h, full_w = rounded if self.size is None else read_size(self.size)
        free_y, free_x = full_h - height, full_w - width
        x, y = self.offsets or {0: (0, 0), 1: (free_x // 2, free_y // 2), 2: (free_x, free_y)}[self.pad_mode]
        if not (0 <= x <= free_x and 0 <= y <= free_y):
            raise UserError(
                f"Pad.size: found an image of {width} x {height} pixels, for which a canvas of {full_w} x {full_h} has "
                "no room; resize images before Pad, or set a larger size"
            )
        return expanded(sample, (full_h, full_w), (x, y), self.fill_value) if free_x or free_y else sample


@register
@dataclass(frozen=True)
class RandomExpand(Transform):
    """Puts the image at a random place of a canvas that is larger by a random factor.

    parity: as in release 2.6, `prob` is the probability to leave the image as it is.

    Attributes:
        ratio: largest factor of the sides.
        prob: share of the images that stay as they are.
        fill_value: red, green and blue around the image, or one number for all.
    """

    only_training = MOVES_BOXES

    ratio: Annotated[float, Range(1.01, 100, exclude="low")] = 4.0
    prob: Fraction = 0.5
    fill_value: _Levels | _Level = _GRAY

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        if rng.uniform(0, 1) < self.prob:
            return sample
        (height, width), ratio = sample.size, rng.uniform(1, self.ratio)
        full_h, full_w = int(height * ratio), int(width * ratio)
        if full_h <= height or full_w <= width:
            return sample
        y, x = int(rng.integers(0, full_h - height)), int(rng.integers(0, full_w - width))
        fill = self.fill_value if isinstance(self.fill_value, tuple | list) else (self.fill_value,) * 3
        return expanded(sample, (full_h, full_w), (x, y), fill)


def expanded(sample: Sample, size: F.Size, offset: tuple[int, int], fill: tuple[float, ...]) -> Sample:
    """The sample on a canvas of `size` with its corner at `offset`, (x, y).

    `fill` is what the canvas has after the color changes that are pending, as far as gray levels from 0 to 255 allow.
    """
    sample = apply_pending_resize(sample)
    image, (x, y) = sample.image, offset
    if sample.color_map is not None:
        back = color.inverse(sample.color_map)
        fill = tuple((back[:, :3] @ fill + back[:, 3]).tolist())
    if image.dtype == np.uint8:
        fill = tuple(np.clip(np.rint(fill), 0, 255).tolist())
    (stored_h, stored_w), (height, width) = image.shape[:2], sample.size
    by_y, by_x = stored_h / height, stored_w / width
    top, left = round(y * by_y), round(x * by_x)
    canvas_h, canvas_w = max(round(size[0] * by_y), top + stored_h), max(round(size[1] * by_x), left + stored_w)
    canvas = np.empty((canvas_h, canvas_w, 3), image.dtype)
    canvas[:] = fill
    canvas[top : top + stored_h, left : left + stored_w] = image
    boxes = sample.gt_bbox + np.array([x, y, x, y], np.float32)
    # parity: im_shape keeps the size from before; the resize that follows sets it.
    return replace(sample, image=canvas, size=size, gt_bbox=boxes)
