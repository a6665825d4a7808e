"""CopyPaste: boxes are pasted with their pixels where they hide little of other boxes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated

import numpy as np

from ppdet.core.ranges import Fraction, Range
from ppdet.core.registry import register
from ppdet.data.ops import warp
from ppdet.data.structures import Sample
from ppdet.data.transforms.affine import Scales, Side
from ppdet.data.transforms.mixing import MixingTransform, drawable, on_canvas
from ppdet.data.transforms.sample_transforms import apply_pending_resize

_ATTEMPTS = 10  # places that are tried for a box


@register
@dataclass(frozen=True)
class CopyPaste(MixingTransform):
    """Pastes boxes of the image itself or of another one, with their pixels and classes, at random places.

    Attributes:
        prob: share of the images that get some.
        other_prob: share of these whose boxes come from another image, which is decoded for it.
        count: boxes that are pasted at most.
        scale: bounds of the factor of their sides.
        max_overlap: share of the smaller of two boxes that a pasted box and another may have in common.
        min_side: pasted boxes have no side shorter than this, in pixels.
    """

    prob: Fraction = 0.5
    other_prob: Fraction = 0.5
    count: Annotated[int, Range(1, 100)] = 3
    scale: Scales = (0.5, 1.5)
    max_overlap: Fraction = 0.3
    min_side: Side = 8.0

    def most_boxes(self, most: int) -> int:
        return most + self.count

    def partners(self, rng: np.random.Generator) -> int | None:
        if rng.uniform() >= self.prob:
            return None
        return int(rng.uniform() < self.other_prob)

    def mix(self, samples: Sequence[Sample], rng: np.random.Generator) -> Sample:
        target, source = apply_pending_resize(samples[0]), samples[-1]
        chosen = rng.permutation(len(source.gt_bbox))[: self.count]
        fit = warp.fitting(source.size, target.size)
        taken, placed, kept = target.gt_bbox, [], []
        for number in chosen.tolist():
            box = self._place(source.gt_bbox[number] * np.float32(fit), taken, target.size, rng)
            if box is not None:
                taken = np.concatenate([taken, box[None]])
                placed.append(box)
                kept.append(number)
        if not kept:
            return samples[0]
        canvas = _paste(target, source, source.gt_bbox[kept], np.stack(placed))
        parts = [target, source.with_boxes(source.gt_bbox[kept], np.array(kept))]
        return on_canvas(target, canvas, parts, [target.gt_bbox, np.stack(placed)], target.size, target.color_map)

    def _place(
        self, box: np.ndarray, taken: np.ndarray, size: tuple[int, int], rng: np.random.Generator
    ) -> np.ndarray | None:
        """A place [4] for a box [4] in an image of `size`, beside the boxes `taken` [N, 4]; None if none is found."""
        sides, room = (box[2:] - box[:2]) * rng.uniform(*self.scale), np.array(size[::-1])
        corners = rng.uniform(size=(_ATTEMPTS, 2)) * (room - sides)
        if (sides > room).any() or (sides < self.min_side).any():
            return None
        for corner in corners:
            place = np.concatenate([corner, corner + sides]).astype(np.float32)
            common = np.minimum(taken[:, 2:], place[2:]) - np.maximum(taken[:, :2], place[:2])
            areas = np.minimum(np.prod(taken[:, 2:] - taken[:, :2], axis=1), np.prod(sides))
            if (np.prod(np.maximum(common, 0), axis=1) <= self.max_overlap * areas).all():
                return place
        return None


def _paste(target: Sample, source: Sample, boxes: np.ndarray, places: np.ndarray) -> np.ndarray:
    """The target's image with the pixels of the source's boxes [N, 4] at `places` [N, 4]; colors stay pending."""
    canvas, stored_target = drawable(replace(target, color_map=None))
    image, stored = drawable(replace(source, color_map=None))
    canvas, to_canvas, to_stored = canvas.copy(), np.linalg.inv(stored_target), np.linalg.inv(stored)
    for box, place in zip(boxes.astype(np.float64), places.astype(np.float64), strict=True):
        factors = (place[2:] - place[:2]) / (box[2:] - box[:2])
        to_place = warp.shift(*place[:2]) @ warp.scale(*factors) @ warp.shift(*-box[:2])
        window = warp.bounds(box[None], to_stored)[0].tolist()
        warp.draw(canvas, image, to_canvas @ to_place @ stored, window)
    return canvas
