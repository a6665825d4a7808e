"""Per-sample transforms of release 2.6: each draws what it needs from a Generator, then calls `functional`.

`transform(sample, rng) -> Sample` leaves its argument unchanged. The order of the draws is upstream's, so that with
upstream's random numbers the results are upstream's (tests/data/test_transforms.py).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
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


def read_size(owner: str, value: Sequence[int] | int) -> tuple[int, int]:
    """(height, width) from a target size given as one number or as a pair."""
    pair = (value, value) if isinstance(value, int) else tuple(value)
    if len(pair) != 2 or not all(isinstance(side, int) and side > 0 for side in pair):
        raise UserError(f"{owner}.target_size: found {value}; expected one or two positive integers (height, width)")
    return pair


@register
class Decode:
    """Reads the image file: [h, w, 3] RGB uint8, upright (see decode.read_image)."""

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        image = read_image(sample.im_file, sample.annotated_size)
        return replace(
            sample,
            image=image,
            im_shape=np.array(image.shape[:2], np.float32),
            scale_factor=np.ones(2, np.float32),
        )


@register
class Resize:
    """Image to `target_size` (height, width), float32; boxes, im_shape and scale_factor along with it.

    interp: OpenCV's number (2 is cubic). A uint8 image is interpolated as uint8.
    """

    def __init__(
        self, target_size: Sequence[int] | int, keep_ratio: bool = False, interp: int = cv2.INTER_LINEAR
    ) -> None:
        self.target_size = read_size("Resize", target_size)
        self.keep_ratio = keep_ratio
        self.interp = interp

    @property
    def sizes(self) -> list[tuple[int, int]]:
        """The sizes (height, width) that images may come out with, at most."""
        return [self.target_size]

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        scale = F.resize_scale(sample.pixels.shape[:2], self.target_size, self.keep_ratio)
        image = F.resize_image(sample.pixels, scale, self.interp)
        return replace(
            sample,
            image=image.astype(np.float32),
            im_shape=np.array(image.shape[:2], np.float32),
            scale_factor=sample.scale_factor * np.array(scale, np.float32),
            gt_bbox=F.resize_boxes(sample.gt_bbox, scale, image.shape[:2]),
        )


@register
class RandomCrop:
    """A random window with enough overlap with some box and at least one box centre inside (SSD's sampling).

    thresholds    smallest IoU that the best box must have with the window, tried in random order
    scaling       window side relative to the image, drawn uniformly
    aspect_ratio  bounds of the window's width/height relative to the image's; None draws both sides on their own
    num_attempts  windows tried per threshold
    allow_no_crop adds "leave the image as it is" to the thresholds
    cover_all_box every box, not only the best one, must reach the threshold
    """

    def __init__(
        self,
        aspect_ratio: Sequence[float] | None = (0.5, 2.0),
        thresholds: Sequence[float] = (0.0, 0.1, 0.3, 0.5, 0.7, 0.9),
        scaling: Sequence[float] = (0.3, 1.0),
        num_attempts: int = 50,
        allow_no_crop: bool = True,
        cover_all_box: bool = False,
    ) -> None:
        self.aspect_ratio = aspect_ratio
        self.thresholds = tuple(thresholds)
        self.scaling = scaling
        self.num_attempts = num_attempts
        self.allow_no_crop = allow_no_crop
        self.cover_all_box = cover_all_box

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        window = self.draw(sample.pixels.shape[:2], sample.gt_bbox, rng)
        if window is None:
            return sample
        boxes, kept = F.crop_boxes(sample.gt_bbox, window)
        # parity: im_shape keeps the size before the crop; the resize that follows sets it.
        return replace(sample, image=F.crop_image(sample.pixels, window), gt_bbox=boxes, gt_class=sample.gt_class[kept])

    def draw(
        self, size: tuple[int, int], boxes: np.ndarray, rng: np.random.Generator
    ) -> tuple[int, int, int, int] | None:
        """The window (x1, y1, x2, y2) for an image of `size` (height, width), or None for no crop."""
        if not len(boxes):
            return None
        choices: list[float | None] = list(self.thresholds) + ([None] if self.allow_no_crop else [])
        rng.shuffle(choices)
        for threshold in choices:
            if threshold is None:
                return None
            for _ in range(self.num_attempts):
                window = self._draw_window(size, rng)
                if window is not None and self._accepts(window, boxes, threshold):
                    return window
        return None

    def _draw_window(self, size: tuple[int, int], rng: np.random.Generator) -> tuple[int, int, int, int] | None:
        height, width = size
        smallest, largest = self.scaling
        scale = rng.uniform(smallest, largest)
        if self.aspect_ratio is None:
            crop_h, crop_w = height * scale, width * rng.uniform(smallest, largest)
            if not 0.5 <= crop_h / crop_w <= 2.0:
                return None
        else:
            low, high = self.aspect_ratio
            aspect = rng.uniform(max(low, scale**2), min(high, scale**-2))
            crop_h, crop_w = height * (scale / np.sqrt(aspect)), width * (scale * np.sqrt(aspect))
        # At least one pixel, and room for at least one position: images of a few pixels exist.
        crop_h, crop_w = max(int(crop_h), 1), max(int(crop_w), 1)
        y = int(rng.integers(0, max(height - crop_h, 1)))
        x = int(rng.integers(0, max(width - crop_w, 1)))
        return x, y, x + crop_w, y + crop_h

    def _accepts(self, window: tuple[int, int, int, int], boxes: np.ndarray, threshold: float) -> bool:
        iou = F.iou_with(boxes, window)
        if (iou.min() if self.cover_all_box else iou.max()) < threshold:
            return False
        return len(F.crop_boxes(boxes, window)[1]) > 0


@register
class RandomFlip:
    """Mirrors image and boxes left to right with probability `prob`."""

    def __init__(self, prob: float = 0.5) -> None:
        self.prob = prob

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        if rng.uniform(0, 1) >= self.prob:
            return sample
        boxes = F.flip_boxes(sample.gt_bbox, sample.pixels.shape[1])
        return replace(sample, image=F.flip_image(sample.pixels), gt_bbox=boxes)


@register
class RandomDistort:
    """Brightness, contrast, saturation and hue changed in random order; float32, not clipped.

    Each is [low, high, skip]: an amount drawn from U(low, high), left out with probability `skip`.
    random_apply  True: `count` of the four in any order. False: brightness, then contrast either before or after
                  saturation and hue
    parity: as in release 2.4 to 2.6, with which the published weights were trained, brightness *adds* 0.5 to 1.5 grey
    levels, hue turns by up to 18 * pi, and the third number is the probability to skip.
    """

    ignored_options: ClassVar[tuple[str, ...]] = ("random_channel",)

    def __init__(
        self,
        hue: Sequence[float] = (-18, 18, 0.5),
        saturation: Sequence[float] = (0.5, 1.5, 0.5),
        contrast: Sequence[float] = (0.5, 1.5, 0.5),
        brightness: Sequence[float] = (0.5, 1.5, 0.5),
        random_apply: bool = True,
        count: int = 4,
    ) -> None:
        self.steps: dict[str, tuple[Sequence[float], Callable[[np.ndarray, float], np.ndarray]]] = {
            "brightness": (brightness, F.shift_brightness),
            "contrast": (contrast, F.scale_contrast),
            "saturation": (saturation, F.blend_saturation),
            "hue": (hue, F.rotate_hue),
        }
        self.random_apply = random_apply
        self.count = count

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        image = sample.pixels
        for name, amount in self.draw(rng):
            image = self.steps[name][1](image, amount)
        return replace(sample, image=image)

    def draw(self, rng: np.random.Generator) -> list[tuple[str, float]]:
        """The steps to take, in order, each with its amount."""
        if self.random_apply:
            names = [list(self.steps)[i] for i in rng.permutation(len(self.steps))[: self.count]]
            return [step for name in names for step in self._draw_step(name, rng)]
        steps = self._draw_step("brightness", rng)
        contrast_first = rng.integers(0, 2)
        names = ["contrast", "saturation", "hue"] if contrast_first else ["saturation", "hue", "contrast"]
        return steps + [step for name in names for step in self._draw_step(name, rng)]

    def _draw_step(self, name: str, rng: np.random.Generator) -> list[tuple[str, float]]:
        low, high, skip = self.steps[name][0]
        return [] if rng.uniform(0, 1) < skip else [(name, rng.uniform(low, high))]


@register
class NormalizeImage:
    """(image / 255 - mean) / std per RGB channel, float32; without is_scale the division by 255 is left out."""

    ignored_options: ClassVar[tuple[str, ...]] = ("norm_type",)

    def __init__(
        self,
        mean: Sequence[float] = (0.485, 0.456, 0.406),
        std: Sequence[float] = (0.229, 0.224, 0.225),
        is_scale: bool = True,
    ) -> None:
        if len(mean) != 3 or len(std) != 3 or min(std) <= 0:
            raise UserError(f"NormalizeImage: found mean {mean} and std {std}; expected 3 numbers each, std above 0")
        self.mean, self.std, self.is_scale = tuple(mean), tuple(std), is_scale

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        return replace(sample, image=F.normalize_image(sample.pixels, self.mean, self.std, self.is_scale))


@register
class Permute:
    """[h, w, 3] -> [3, h, w]."""

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        return replace(sample, image=F.to_channel_first(sample.pixels))
