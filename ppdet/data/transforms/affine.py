"""Random affine maps: what Mosaic, BatchMosaic and RandomAffine have in common, and RandomAffine."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated

import numpy as np

from ppdet.core.ranges import Ascending, Fraction, Range
from ppdet.core.registry import register
from ppdet.data.ops import functional as F
from ppdet.data.ops import warp
from ppdet.data.structures import Sample
from ppdet.data.transforms.mixing import on_canvas
from ppdet.data.transforms.sample_transforms import Augmentation, Transform

_Scale = Annotated[float, Range(0, 100, exclude="low")]
_Degrees = Annotated[float, Range(-360, 360)]
_Shear = Annotated[float, Range(-45, 45, exclude="both")]  # at 45 degrees nothing is left but a line
_Share = Annotated[float, Range(-1, 1)]
Scales = Annotated[tuple[_Scale, _Scale], Ascending(strict=False)]
Degrees = Annotated[tuple[_Degrees, _Degrees], Ascending(strict=False)]
Shears = Annotated[tuple[_Shear, _Shear], Ascending(strict=False)]
Shares = Annotated[tuple[_Share, _Share], Ascending(strict=False)]
Side = Annotated[float, Range(0, 1000)]  # pixels


def draw_map(degrees: Degrees, scale: Scales, shear: Shears, rng: np.random.Generator) -> np.ndarray:
    """Draws the map [3, 3] that turns, scales and shears around the origin; each argument has the bounds of one."""
    turned = warp.turn(rng.uniform(*degrees), rng.uniform(*scale))
    tangent = math.tan(math.radians(rng.uniform(*shear)))
    return np.asarray(np.array([[1, tangent, 0], [tangent, 1, 0], [0, 0, 1]]) @ turned)


def around_center(change: np.ndarray, size: F.Size) -> np.ndarray:
    """The map that does around the center of an image of `size` what `change` does around the origin."""
    x, y = size[1] / 2, size[0] / 2
    return np.asarray(warp.shift(x, y) @ change @ warp.shift(-x, -y))


def shown_boxes(boxes: np.ndarray, places: np.ndarray, size: F.Size, min_side: float, min_visible: float) -> np.ndarray:
    """The boxes [N, 4] around what an image of `size` shows of mapped boxes; without area if too little is left.

    Args:
        boxes: [N, 4].
        places: the map, or one for each box [N, 3, 3].
        size: (height, width) of the image.
        min_side: pixels that the shorter side must have.
        min_visible: share of the box that must be shown.
    """
    shown, whole = warp.visible_bounds(boxes, places, size), warp.bounds(boxes, places)
    sides = shown[:, 2:] - shown[:, :2]
    enough = sides.prod(axis=1) >= min_visible * (whole[:, 2:] - whole[:, :2]).prod(axis=1)
    return np.asarray(shown * (enough & (sides >= min_side).all(axis=1))[:, None])


@register
@dataclass(frozen=True)
class RandomAffine(Augmentation, Transform):
    """Turns, scales, shears and shifts the image around its center; its size stays, gray fills what is left.

    Attributes:
        prob: share of the images that are changed.
        degrees: bounds of the angle.
        translate: bounds of the shift, in sides of the image.
        scale: bounds of the factor.
        shear: bounds of the shear in degrees.
        min_side: boxes with a shorter side, in pixels, are left out.
        min_visible: boxes of which less than this share is left in the image are left out.
    """

    prob: Fraction = 1.0
    degrees: Degrees = (-5, 5)
    translate: Shares = (-0.1, 0.1)
    scale: Scales = (0.5, 1.5)
    shear: Shears = (-2, 2)
    min_side: Side = 2.0
    min_visible: Fraction = 0.1

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        if rng.uniform() >= self.prob:
            return sample
        change = around_center(draw_map(self.degrees, self.scale, self.shear, rng), sample.size)
        x, y = rng.uniform(*self.translate, 2) * sample.size[::-1]
        places = warp.shift(x, y) @ change
        size, stored = sample.size, sample.image.shape[:2]
        canvas_size = size if sample.pending_resize else stored
        canvas = np.full((*canvas_size, 3), warp.GRAY, sample.image.dtype)
        to_canvas = warp.scale(canvas_size[1] / size[1], canvas_size[0] / size[0])
        warp.draw(canvas, sample.image, to_canvas @ places @ warp.scale(size[1] / stored[1], size[0] / stored[0]))
        boxes = shown_boxes(sample.gt_bbox, places, size, self.min_side, self.min_visible)
        return on_canvas(sample, canvas, [sample], [boxes], size, sample.color_map)
