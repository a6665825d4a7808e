"""Per-sample transforms of release 2.6: each draws what it needs from a Generator, then calls `functional`.

`transform(sample, rng) -> Sample` leaves its argument unchanged. The order of the draws is upstream's, so that with
upstream's random numbers the results are upstream's (tests/data/test_transforms.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Protocol

import cv2
import numpy as np

from ppdet.core.errors import UserError
from ppdet.core.registry import register

from . import functional as F
from .decode import read_image
from .sample import Sample


class Transform(Protocol):
    """A per-sample transform."""

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample: ...


def read_size(owner: str, value: Sequence[int] | int) -> F.Size:
    """A target size given as one number or as a pair (height, width)."""
    pair = (value, value) if isinstance(value, int) else tuple(value)
    if len(pair) != 2 or not all(isinstance(side, int) and side > 0 for side in pair):
        raise UserError(f"{owner}.target_size: found {value}; expected one or two positive integers (height, width)")
    return pair


@register
class Decode:
    """Reads the image file: [h, w, 3] RGB uint8, upright (see decode.read_image)."""

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        image = read_image(sample.im_file, sample.annotated_size)
        return replace(sample, image=image, im_shape=np.array(image.shape[:2], np.float32))


@register
class Resize:
    """Image to `target_size` (height, width), float32; boxes, im_shape and scale_factor along with it.

    interp: OpenCV's number (2 is cubic). A uint8 image is interpolated as uint8.
    """

    def __init__(
        self, target_size: Sequence[int] | int, keep_ratio: bool = False, interp: int = cv2.INTER_LINEAR
    ) -> None:
        self.sizes = [read_size("Resize", target_size)]  # the sizes that images may come out with, at most
        self.keep_ratio, self.interp = keep_ratio, interp

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        image, boxes, scale = F.resize(sample.image, sample.gt_bbox, self.sizes[0], self.keep_ratio, self.interp)
        return replace(
            sample,
            image=image.astype(np.float32),
            im_shape=np.array(image.shape[:2], np.float32),
            scale_factor=sample.scale_factor * np.array(scale, np.float32),
            gt_bbox=boxes,
        )


@register
@dataclass(frozen=True)
class RandomCrop:
    """A random window with enough overlap with some box and at least one box centre inside (SSD's sampling).

    aspect_ratio  bounds of the window's width/height relative to the image's
    thresholds    smallest IoU that the best box must have with the window, tried in random order
    scaling       window side relative to the image, drawn uniformly
    num_attempts  windows tried per threshold
    allow_no_crop adds "leave the image as it is" to the thresholds
    cover_all_box every box, not only the best one, must reach the threshold
    """

    ignored_options: ClassVar[tuple[str, ...]] = ("is_mask_crop",)

    aspect_ratio: Sequence[float] = (0.5, 2.0)
    thresholds: Sequence[float] = (0.0, 0.1, 0.3, 0.5, 0.7, 0.9)
    scaling: Sequence[float] = (0.3, 1.0)
    num_attempts: int = 50
    allow_no_crop: bool = True
    cover_all_box: bool = False

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        height, width = sample.image.shape[:2]
        window = self._choose((height, width), sample.gt_bbox, rng)
        if window is None:
            return sample
        x1, y1, x2, y2 = window
        boxes, kept = F.crop_boxes(sample.gt_bbox, window)
        # parity: im_shape keeps the size before the crop; the resize that follows sets it.
        return replace(sample, image=sample.image[y1:y2, x1:x2].copy(), gt_bbox=boxes, gt_class=sample.gt_class[kept])

    def _choose(self, size: F.Size, boxes: np.ndarray, rng: np.random.Generator) -> tuple[int, int, int, int] | None:
        """The window (x1, y1, x2, y2), or None for no crop."""
        if not len(boxes):
            return None
        choices: list[float | None] = list(self.thresholds) + ([None] if self.allow_no_crop else [])
        rng.shuffle(choices)
        for threshold in choices:
            if threshold is None:
                return None
            for _ in range(self.num_attempts):
                window = self._draw(size, rng)
                if self._accepts(window, boxes, threshold):
                    return window
        return None

    def _draw(self, size: F.Size, rng: np.random.Generator) -> tuple[int, int, int, int]:
        height, width = size
        scale = rng.uniform(self.scaling[0], self.scaling[1])
        aspect = rng.uniform(max(self.aspect_ratio[0], scale**2), min(self.aspect_ratio[1], scale**-2))
        # At least one pixel, and room for at least one position: images of a few pixels exist.
        crop_h = max(int(height * (scale / np.sqrt(aspect))), 1)
        crop_w = max(int(width * (scale * np.sqrt(aspect))), 1)
        y = int(rng.integers(0, max(height - crop_h, 1)))
        x = int(rng.integers(0, max(width - crop_w, 1)))
        return x, y, x + crop_w, y + crop_h

    def _accepts(self, window: tuple[int, int, int, int], boxes: np.ndarray, threshold: float) -> bool:
        iou = F.iou_with(boxes, window)
        if (iou.min() if self.cover_all_box else iou.max()) < threshold:
            return False
        return len(F.crop_boxes(boxes, window)[1]) > 0


@register
@dataclass(frozen=True)
class RandomFlip:
    """Mirrors image and boxes left to right with probability `prob`."""

    prob: float = 0.5

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        if rng.uniform(0, 1) >= self.prob:
            return sample
        image, boxes = F.flip(sample.image, sample.gt_bbox)
        return replace(sample, image=image, gt_bbox=boxes)


@register
@dataclass(frozen=True)
class RandomDistort:
    """Brightness, contrast, saturation and hue changed in random order; float32, not clipped.

    Each is [low, high, skip]: an amount drawn from U(low, high), left out with probability `skip`.
    parity: as in release 2.4 to 2.6, with which the published weights were trained, brightness *adds* 0.5 to 1.5 grey
    levels, hue turns by up to 18 * pi, and the third number is the probability to skip.
    """

    ignored_options: ClassVar[tuple[str, ...]] = ("random_apply", "count", "random_channel")

    hue: Sequence[float] = (-18, 18, 0.5)
    saturation: Sequence[float] = (0.5, 1.5, 0.5)
    contrast: Sequence[float] = (0.5, 1.5, 0.5)
    brightness: Sequence[float] = (0.5, 1.5, 0.5)

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        steps = (
            (F.shift_brightness, self.brightness),
            (F.scale_contrast, self.contrast),
            (F.blend_saturation, self.saturation),
            (F.rotate_hue, self.hue),
        )
        image = sample.image
        for index in rng.permutation(len(steps)):
            change, (low, high, skip) = steps[index]
            if rng.uniform(0, 1) >= skip:
                image = change(image, rng.uniform(low, high))
        return replace(sample, image=image)


@register
@dataclass(frozen=True)
class NormalizeImage:
    """(image / 255 - mean) / std per RGB channel, float32; without is_scale the division by 255 is left out."""

    ignored_options: ClassVar[tuple[str, ...]] = ("norm_type",)

    mean: Sequence[float] = (0.485, 0.456, 0.406)
    std: Sequence[float] = (0.229, 0.224, 0.225)
    is_scale: bool = True

    def __post_init__(self) -> None:
        if len(self.mean) != 3 or len(self.std) != 3 or min(self.std) <= 0:
            raise UserError(
                f"NormalizeImage: found mean {self.mean} and std {self.std}; expected 3 numbers each, std above 0"
            )

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        return replace(sample, image=F.normalize(sample.image, self.mean, self.std, self.is_scale))


@register
class Permute:
    """[h, w, 3] -> [3, h, w], contiguous."""

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        return replace(sample, image=np.ascontiguousarray(sample.image.transpose(2, 0, 1)))
