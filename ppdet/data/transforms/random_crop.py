"""RandomCrop: SSD's sampling of windows that overlap with boxes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar, Literal

import numpy as np

from ppdet.core.ranges import AboveZero, Ascending, Fraction, Length, Range
from ppdet.core.registry import register
from ppdet.data import ops
from ppdet.data.ops import functional as F
from ppdet.data.structures import Sample
from ppdet.data.transforms.sample_transforms import MOVES_BOXES, Transform, apply_pending_resize

Window = tuple[int, int, int, int]  # x1, y1, x2, y2
_Side = Annotated[float, Range(0, 1, exclude="low")]


@register
@dataclass(frozen=True)
class RandomCrop(Transform):
    """Crops a random window that overlaps enough with some box and has the center of at least one box inside.

    Attributes:
        aspect_ratio: bounds of the window's width/height relative to the image's.
        thresholds: the smallest IoU that the best box must have with the window; they are tried in random order.
        scaling: bounds of the window's side relative to the image's, drawn uniformly.
        num_attempts: windows that are tried per threshold.
        allow_no_crop: adds "leave the image as it is" to the thresholds.
        cover_all_box: every box, not only the best one, must reach the threshold.
    """

    only_training = MOVES_BOXES
    fixed_options: ClassVar[dict[str, Any]] = {"is_mask_crop": Literal[False]}

    aspect_ratio: Annotated[tuple[AboveZero, AboveZero], Ascending(strict=False)] = (0.5, 2.0)
    thresholds: Annotated[Sequence[Fraction], Length(1, 100)] = (0.0, 0.1, 0.3, 0.5, 0.7, 0.9)
    scaling: Annotated[tuple[_Side, _Side], Ascending(strict=False)] = (0.3, 1.0)
    num_attempts: Annotated[int, Range(1, 10_000)] = 50
    allow_no_crop: bool = True
    cover_all_box: bool = False

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        return self.cut(sample, self.choose_window(sample.size, sample.gt_bbox, rng))

    def cut(self, sample: Sample, window: Window | None) -> Sample:
        """The sample with the window's part of the image, a view, and of the boxes; unchanged if `window` is None."""
        if window is None:
            return sample
        sample = apply_pending_resize(sample)
        x1, y1, x2, y2 = window
        boxes, kept = F.crop_boxes(sample.gt_bbox, window)
        image = F.crop(sample.image, sample.size, window)
        # parity: im_shape keeps the size from before the crop; the resize that follows sets it.
        return replace(sample.with_boxes(boxes, kept), image=image, size=(y2 - y1, x2 - x1))

    def choose_window(self, size: F.Size, boxes: np.ndarray, rng: np.random.Generator) -> Window | None:
        """Returns the window (x1, y1, x2, y2), or None for no crop."""
        if not len(boxes):
            return None
        choices = [*self.thresholds, *([math.nan] if self.allow_no_crop else [])]  # not a number: no crop
        rng.shuffle(choices)
        kernels = ops.load_numba_kernels()
        if kernels is not None and isinstance(rng, np.random.Generator):
            (smallest, largest), (narrowest, widest) = self.scaling, self.aspect_ratio  # the kernel checks no lengths
            bounds = np.array([smallest, largest, narrowest, widest], np.float64)
            thresholds = np.array(choices, np.float64)
            window: Window = kernels.choose_window(
                rng, *size, boxes, thresholds, bounds, self.num_attempts, self.cover_all_box
            )
            return window if window[2] else None
        for threshold in choices:
            if math.isnan(threshold):
                return None
            for _ in range(self.num_attempts):
                window = self._draw(size, rng)
                if self._accepts(window, boxes, threshold):
                    return window
        return None

    def _draw(self, size: F.Size, rng: np.random.Generator) -> Window:
        height, width = size
        scale = rng.uniform(self.scaling[0], self.scaling[1])
        area = scale * scale
        aspect = rng.uniform(max(self.aspect_ratio[0], area), min(self.aspect_ratio[1], 1 / area))
        # At least one pixel, and room for at least one position: images of a few pixels exist.
        crop_h = max(int(height * (scale / math.sqrt(aspect))), 1)
        crop_w = max(int(width * (scale * math.sqrt(aspect))), 1)
        y = int(rng.integers(0, max(height - crop_h, 1)))
        x = int(rng.integers(0, max(width - crop_w, 1)))
        return x, y, x + crop_w, y + crop_h

    def _accepts(self, window: Window, boxes: np.ndarray, threshold: float) -> bool:
        iou = F.iou_with(boxes, window)
        if (iou.min() if self.cover_all_box else iou.max()) < threshold:
            return False
        return len(F.crop_boxes(boxes, window)[1]) > 0
