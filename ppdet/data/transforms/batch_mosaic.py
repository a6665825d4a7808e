"""BatchMosaic: a mosaic of the images of a batch, for which every image is decoded once."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from ppdet.core.errors import UserError
from ppdet.core.ranges import Fraction
from ppdet.core.registry import register
from ppdet.data.ops import warp
from ppdet.data.structures import Sample
from ppdet.data.transforms.affine import Degrees, Scales, Shears, Side, around_center, draw_map, shown_boxes
from ppdet.data.transforms.batch_transforms import BatchTransform
from ppdet.data.transforms.mixing import drawable, on_canvas
from ppdet.data.transforms.sample_transforms import Augmentation

_CENTER = (0.25, 0.75)  # bounds of the point where the images meet, in sides of the result


@register
@dataclass(frozen=True)
class BatchMosaic(Augmentation, BatchTransform):
    """Puts each image and three others of its batch around a point, and turns, scales and shears them together.

    It follows BatchRandomResize, which decides the size. Each image is decoded once, and drawn once for each mosaic
    that it is in, straight from the decoded pixels. The mosaic gets the changes of color of its first image.

    Attributes:
        prob: share of the images that become a mosaic.
        degrees: bounds of the angle.
        scale: bounds of the factor; at 1 the images are as large as without a mosaic, and each shows a part.
        shear: bounds of the shear in degrees.
        mixup_prob: share of the results that are mixed, half and half, with the result of another image.
        min_side: boxes with a shorter side, in pixels, are left out.
        min_visible: boxes of which less than this share is left in the image are left out.
    """

    prob: Fraction = 1.0
    degrees: Degrees = (-5, 5)
    scale: Scales = (0.5, 1.5)
    shear: Shears = (-2, 2)
    mixup_prob: Fraction = 0.0
    min_side: Side = 2.0
    min_visible: Fraction = 0.1

    def most_boxes(self, most: int) -> int:
        return 8 * most if self.mixup_prob else 4 * most

    def __call__(self, samples: list[Sample], rng: np.random.Generator) -> list[Sample]:
        if len({sample.size for sample in samples}) > 1:
            raise UserError(
                "BatchMosaic: found images of several sizes in a batch; expected one size; put it after "
                "BatchRandomResize with keep_ratio: false"
            )
        # the draws that follow, which all ranks share, do not depend on those here
        rng = np.random.default_rng(rng.integers(2**63))
        canvases = np.full((len(samples), *samples[0].size, 3), warp.GRAY, np.uint8)
        results = [self._mosaic(samples, first, canvas, rng) for first, canvas in enumerate(canvases)]
        if not self.mixup_prob:
            return results
        return [self._mixed(results, first, canvas, rng) for first, canvas in enumerate(np.empty_like(canvases))]

    def _mosaic(self, samples: list[Sample], first: int, canvas: np.ndarray, rng: np.random.Generator) -> Sample:
        """The sample at `first` with three others on `canvas` [h, w, 3] uint8, or the sample itself."""
        if rng.uniform() >= self.prob:
            return samples[first]
        size = samples[first].size
        others = rng.choice(max(len(samples) - 1, 1), 3, replace=len(samples) < 4) + 1
        tiles = [samples[(first + number) % len(samples)] for number in rng.permutation([0, *others])]
        x, y = rng.uniform(*_CENTER, 2) * size[::-1]
        change = around_center(draw_map(self.degrees, self.scale, self.shear, rng), size)
        maps = []
        for corner, tile in enumerate(tiles):
            left, top = x - (0 if corner % 2 else size[1]), y - (0 if corner > 1 else size[0])
            maps.append(change @ warp.shift(left, top))
            _draw(canvas, tile, maps[-1])
        counts = [len(tile.gt_bbox) for tile in tiles]
        boxes, places = np.concatenate([tile.gt_bbox for tile in tiles]), np.repeat(maps, counts, axis=0)
        shown = shown_boxes(boxes, places, size, self.min_side, self.min_visible)
        parts = np.split(shown, np.cumsum(counts)[:-1])
        return on_canvas(samples[first], canvas, tiles, parts, size, samples[first].color_map)

    def _mixed(self, results: list[Sample], first: int, canvas: np.ndarray, rng: np.random.Generator) -> Sample:
        """The result at `first` with another one on `canvas` [h, w, 3] uint8, or the result itself."""
        mixes, other = rng.uniform() < self.mixup_prob, results[rng.integers(len(results))]
        one = results[first]
        if not mixes or other is one:
            return one
        cv2.addWeighted(_pixels(one), 0.5, _pixels(other), 0.5, 0, canvas)
        return on_canvas(one, canvas, [one, other], [one.gt_bbox, other.gt_bbox], one.size, one.color_map)


def _draw(canvas: np.ndarray, sample: Sample, places: np.ndarray) -> None:
    """Draws a sample without its changes of color through a map of its pixels, nearest if its resize is."""
    image, stored = drawable(replace(sample, color_map=None))
    nearest = sample.pending_resize is not None and sample.pending_resize.interp == cv2.INTER_NEAREST
    warp.draw(canvas, image, places @ stored, interp=cv2.INTER_NEAREST if nearest else cv2.INTER_LINEAR)


def _pixels(sample: Sample) -> np.ndarray:
    """The sample's image [h, w, 3] uint8 in its size, without its changes of color."""
    if sample.image.shape[:2] == sample.size and sample.image.dtype == np.uint8:
        return sample.image
    canvas = np.empty((*sample.size, 3), np.uint8)
    _draw(canvas, sample, np.eye(3))
    return canvas
