"""Mosaic: four images around a point, turned and scaled together, and a fifth one mixed in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from ppdet.core.ranges import Fraction
from ppdet.core.registry import register
from ppdet.data.ops import functional as F
from ppdet.data.ops import warp
from ppdet.data.structures import Sample
from ppdet.data.transforms.affine import Degrees, Scales, Shares, Shears, draw_map
from ppdet.data.transforms.mixing import MixingTransform, clipped, drawable, on_canvas
from ppdet.data.transforms.sample_transforms import ImageSize, read_size


@register
@dataclass(frozen=True)
class Mosaic(MixingTransform):
    """Four images on a canvas of twice `input_dim`, around a random point; a random map takes it to `input_dim`.

    The reader's `mosaic_epoch` says in which epochs. Each image is drawn once, straight onto the result; the published
    order interpolates twice.

    Attributes:
        prob: share of the images that become a mosaic.
        input_dim: the result's side, or [height, width], in pixels.
        degrees: bounds of the angle.
        translate: bounds of the shift, in sides of the result.
        scale: bounds of the factor.
        shear: bounds of the shear in degrees.
        enable_mixup: mix a fifth image in, half and half.
        mixup_prob: share of the mosaics with a fifth image.
        mixup_scale: bounds of the fifth image's factor.
        remove_outside_box: boxes of the fifth image are not cut at the border; those outside are left out.
    """

    prob: Fraction = 1.0
    input_dim: ImageSize = (640, 640)
    degrees: Degrees = (-10, 10)
    translate: Shares = (-0.1, 0.1)
    scale: Scales = (0.1, 2)
    shear: Shears = (-2, 2)
    enable_mixup: bool = True
    mixup_prob: Fraction = 1.0
    mixup_scale: Scales = (0.5, 1.5)
    remove_outside_box: bool = False

    def most_boxes(self, most: int) -> int:
        return 5 * most

    def partners(self, rng: np.random.Generator) -> int | None:
        if rng.uniform() > self.prob:
            return None
        return 4 if self.enable_mixup and rng.uniform() < self.mixup_prob else 3

    def mix(self, samples: Sequence[Sample], rng: np.random.Generator) -> Sample:
        size = read_size(self.input_dim)
        tiles = samples[:4]
        y, x = (int(rng.uniform(0.5 * side, 1.5 * side)) for side in size)
        change = self._draw_change(size, rng)
        canvas = np.full((*size, 3), warp.GRAY, np.uint8)
        boxes = [_draw_tile(canvas, tile, corner, (x, y), size, change) for corner, tile in enumerate(tiles)]
        mosaic = on_canvas(samples[0], canvas, tiles, boxes)
        return self._mixed(mosaic, samples[4], rng) if samples[4:] and len(mosaic.gt_bbox) else mosaic

    def _draw_change(self, size: F.Size, rng: np.random.Generator) -> np.ndarray:
        """The map from the canvas of twice `size` to the result."""
        change = draw_map(self.degrees, self.scale, self.shear, rng)
        share = rng.uniform(*self.translate)
        return np.asarray(warp.shift(share * size[1], share * size[0]) @ change)

    def _mixed(self, mosaic: Sample, other: Sample, rng: np.random.Generator) -> Sample:
        """The mosaic and another image, half and half."""
        height, width = mosaic.size
        factor, mirrored = rng.uniform(*self.mixup_scale), rng.uniform() > 0.5
        frame_h, frame_w = max(int(height * factor), 1), max(int(width * factor), 1)
        y = int(rng.integers(0, frame_h - height)) if frame_h > height else 0
        x = int(rng.integers(0, frame_w - width)) if frame_w > width else 0
        fit = warp.fitting(other.size, mosaic.size)
        in_frame = warp.scale(fit * factor, fit * factor)
        moved = warp.shift(-x, -y) @ (warp.mirror(frame_w) if mirrored else np.eye(3))
        layer = np.zeros_like(mosaic.image)  # parity: black around the gray frame
        layer[: max(frame_h - y, 0), : max(frame_w - x, 0)] = warp.GRAY
        image, stored = drawable(other)
        warp.draw(layer, image, moved @ in_frame @ stored)
        boxes = warp.bounds(clipped(warp.bounds(other.gt_bbox, in_frame), (frame_h, frame_w)), moved)
        if self.remove_outside_box:
            inside = np.concatenate([boxes[:, 2:] > 0, boxes[:, :2] < (width, height)], axis=1)
            boxes = boxes * inside.all(axis=1, keepdims=True)
        else:
            boxes = clipped(boxes, mosaic.size)
        both = cv2.addWeighted(mosaic.image, 0.5, layer, 0.5, 0)
        return on_canvas(mosaic, both, [mosaic, other], [mosaic.gt_bbox, boxes])


def _draw_tile(
    canvas: np.ndarray, tile: Sample, corner: int, center: tuple[int, int], size: F.Size, change: np.ndarray
) -> np.ndarray:
    """Draws an image at one corner of the center onto the result, and returns its boxes [N, 4] there.

    Args:
        canvas: [H, W, 3] uint8, the result, which is written to.
        tile: the image.
        corner: 0 to 3: top left, top right, bottom left, bottom right.
        center: (x, y) of the point where the images meet, on the canvas of twice `size`.
        size: (height, width) of the result.
        change: the map from that canvas to the result.
    """
    fit = warp.fitting(tile.size, size)
    height, width = max(int(tile.size[0] * fit), 1), max(int(tile.size[1] * fit), 1)
    x, y = center[0] - (0 if corner % 2 else width), center[1] - (0 if corner > 1 else height)
    image, stored = drawable(tile)
    places = warp.shift(x, y) @ warp.scale(width / tile.size[1], height / tile.size[0]) @ stored
    # what is beyond the canvas of twice the size is not seen, even if the result would have room for it
    window = warp.bounds(np.array([[0, 0, 2 * size[1], 2 * size[0]]]), np.linalg.inv(places))
    # parity: pixels are mapped by their index, boxes by the places of their corners, up to half a pixel apart
    warp.draw(canvas, image, warp.of_centers(change) @ places, clipped(window, image.shape[:2])[0].tolist())
    boxes = clipped(warp.bounds(tile.gt_bbox, warp.shift(x, y) @ warp.scale(fit, fit)), (2 * size[0], 2 * size[1]))
    return clipped(warp.bounds(boxes, change), size)
