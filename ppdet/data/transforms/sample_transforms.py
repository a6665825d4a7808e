"""Per-sample transforms of release 2.6: each draws what it needs from a Generator, then calls `functional`.

`transform(sample, rng) -> Sample` leaves its argument unchanged. Changes of colour are noted in the sample's map, which
collation applies (colour.py), or the reader after each transform where it is `exact`. The order of the draws is the
original's, so that with its random numbers the results are its results (its tests).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar, Literal

import cv2
import numpy as np

from ppdet.core.errors import UserError
from ppdet.core.ranges import AboveZero, Ascending, Finite, Fraction, Length, Pixels, Range
from ppdet.core.registry import register
from ppdet.data.ops import color as colour
from ppdet.data.ops import functional as F
from ppdet.data.ops.decode import read_image
from ppdet.data.ops.deferred_resize import Stretch, resized
from ppdet.data.structures import Sample

Window = tuple[int, int, int, int]  # x1, y1, x2, y2
ImageSize = tuple[Pixels, Pixels] | Pixels  # (height, width), or both in one
Interpolation = Annotated[int, Range(0, 4)]  # OpenCV's number: nearest, linear, cubic, area, Lanczos


class Step:
    """Marks the classes that may stand in a reader's lists."""


class Transform(Step):
    """A per-sample transform."""

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        raise NotImplementedError


def read_size(value: ImageSize) -> F.Size:
    """A target size given as one number or as a pair (height, width)."""
    if isinstance(value, int):
        return value, value
    height, width = value
    return height, width


@register
class Decode(Transform):
    """Reads the image file: [h, w, 3] RGB uint8, upright (see decode.read_image)."""

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        image = read_image(sample.im_file, sample.annotated_size)
        return with_image(sample, image, image.shape[:2])


def with_image(sample: Sample, image: np.ndarray, size: F.Size) -> Sample:
    """A freshly decoded image of `size`, whatever the size it is stored in. Its boxes are cut at its borders.

    Those of an image of the annotated size were cut when they were read.
    """
    sample = replace(sample, image=image, size=size, im_shape=np.array(size, np.float32), decoded_size=size)
    if sample.annotated_size == size:
        return sample
    boxes, kept = F.clip_boxes(sample.gt_bbox, size)
    return replace(sample, gt_bbox=boxes, gt_class=sample.gt_class[kept])


@register
class Resize(Transform):
    """Image to `target_size` (height, width); boxes, im_shape and scale_factor along with it.

    interp: OpenCV's number (2 is cubic). The image follows when it is collated (resample.py). The published order
    interpolates uint8 as uint8, and float32 after a change of colour.
    """

    def __init__(
        self, target_size: ImageSize, keep_ratio: bool = False, interp: Interpolation = cv2.INTER_LINEAR
    ) -> None:
        self.sizes = [read_size(target_size)]  # the sizes that images may come out with, at most
        self.keep_ratio, self.interp = keep_ratio, interp

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        sample = stretched(sample)
        factors = F.resize_factors(sample.size, self.sizes[0], self.keep_ratio)
        stretch = Stretch(sample.size, factors, self.interp, real=sample.colour is not None)
        size = stretch.target
        return replace(
            sample,
            stretch=stretch,
            size=size,
            im_shape=np.array(size, np.float32),
            scale_factor=sample.scale_factor * np.array(factors, np.float32),
            gt_bbox=F.resize_boxes(sample.gt_bbox, factors, size),
        )


_Side = Annotated[float, Range(0, 1, exclude="low")]


@register
@dataclass(frozen=True)
class RandomCrop(Transform):
    """A random window with enough overlap with some box and at least one box centre inside (SSD's sampling).

    aspect_ratio  bounds of the window's width/height relative to the image's
    thresholds    smallest IoU that the best box must have with the window, tried in random order
    scaling       window side relative to the image, drawn uniformly
    num_attempts  windows tried per threshold
    allow_no_crop adds "leave the image as it is" to the thresholds
    cover_all_box every box, not only the best one, must reach the threshold
    """

    fixed_options: ClassVar[dict[str, Any]] = {"is_mask_crop": Literal[False]}

    aspect_ratio: Annotated[tuple[AboveZero, AboveZero], Ascending(strict=False)] = (0.5, 2.0)
    thresholds: Annotated[Sequence[Fraction], Length(1, 100)] = (0.0, 0.1, 0.3, 0.5, 0.7, 0.9)
    scaling: Annotated[tuple[_Side, _Side], Ascending(strict=False)] = (0.3, 1.0)
    num_attempts: Annotated[int, Range(1, 10_000)] = 50
    allow_no_crop: bool = True
    cover_all_box: bool = False

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        return self.cut(sample, self.choose(sample.size, sample.gt_bbox, rng))

    def cut(self, sample: Sample, window: Window | None) -> Sample:
        """The window's part of image (a view) and boxes; None is no crop."""
        if window is None:
            return sample
        sample = stretched(sample)
        x1, y1, x2, y2 = window
        boxes, kept = F.crop_boxes(sample.gt_bbox, window)
        image = F.crop(sample.image, sample.size, window)
        # parity: im_shape keeps the size before the crop; the resize that follows sets it.
        return replace(sample, image=image, size=(y2 - y1, x2 - x1), gt_bbox=boxes, gt_class=sample.gt_class[kept])

    def choose(self, size: F.Size, boxes: np.ndarray, rng: np.random.Generator) -> Window | None:
        """The window (x1, y1, x2, y2), or None for no crop."""
        if not len(boxes):
            return None
        choices = [*self.thresholds, *([math.nan] if self.allow_no_crop else [])]  # not a number: no crop
        rng.shuffle(choices)
        compiled = colour.kernels()
        if compiled is not None and isinstance(rng, np.random.Generator):
            (smallest, largest), (narrowest, widest) = (
                self.scaling,
                self.aspect_ratio,
            )  # no other lengths: not checked below
            bounds = np.array([smallest, largest, narrowest, widest], np.float64)
            found = compiled.choose(
                rng, *size, boxes, np.array(choices, np.float64), bounds, self.num_attempts, self.cover_all_box
            )
            return found if found[2] else None
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


@register
@dataclass(frozen=True)
class RandomFlip(Transform):
    """Mirrors image and boxes left to right with probability `prob`."""

    prob: Fraction = 0.5

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        if rng.uniform(0, 1) >= self.prob:
            return sample
        sample = stretched(sample)
        return replace(sample, image=cv2.flip(sample.image, 1), gt_bbox=F.flip_boxes(sample.gt_bbox, sample.size[1]))


_Degrees = Annotated[float, Range(-360, 360)]
_Amount = Annotated[float, Range(0, 255)]


@register
@dataclass(frozen=True)
class RandomDistort(Transform):
    """Brightness, contrast, saturation and hue changed in random order, not clipped.

    Each is [low, high, skip]: an amount drawn from U(low, high), left out with probability `skip`.
    parity: as in release 2.4 to 2.6, with which the published weights were trained, brightness *adds* 0.5 to 1.5 grey
    levels, hue turns by up to 18 * pi, and the third number is the probability to skip.
    """

    fixed_options: ClassVar[dict[str, Any]] = {
        "random_apply": Literal[True], "count": Literal[4], "random_channel": Literal[False],
    }  # fmt: skip

    hue: tuple[_Degrees, _Degrees, Fraction] = (-18, 18, 0.5)
    saturation: tuple[_Amount, _Amount, Fraction] = (0.5, 1.5, 0.5)
    contrast: tuple[_Amount, _Amount, Fraction] = (0.5, 1.5, 0.5)
    brightness: tuple[_Amount, _Amount, Fraction] = (0.5, 1.5, 0.5)

    def __post_init__(self) -> None:
        for name in ("hue", "saturation", "contrast", "brightness"):
            low, high, _ = getattr(self, name)
            if low > high:
                raise UserError(f"RandomDistort.{name}: found {low} to {high}; expected the smaller number first")

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        steps = (
            (colour.shift_brightness, self.brightness),
            (colour.scale_contrast, self.contrast),
            (colour.blend_saturation, self.saturation),
            (colour.rotate_hue, self.hue),
        )
        changed = sample.colour
        for index in rng.permutation(len(steps)):
            change, (low, high, skip) = steps[index]
            if rng.uniform(0, 1) >= skip:
                changed = colour.compose(changed, change(rng.uniform(low, high)))
        return replace(sample, colour=changed)


@register
@dataclass(frozen=True)
class NormalizeImage(Transform):
    """(image / 255 - mean) / std per RGB channel; without is_scale the division by 255 is left out."""

    fixed_options: ClassVar[dict[str, Any]] = {"norm_type": Literal["mean_std"]}

    mean: tuple[Finite, Finite, Finite] = (0.485, 0.456, 0.406)
    std: tuple[AboveZero, AboveZero, AboveZero] = (0.229, 0.224, 0.225)
    is_scale: bool = True

    def __post_init__(self) -> None:
        if self.is_scale and max(self.mean) > 1:
            raise UserError(f"NormalizeImage.mean: found {list(self.mean)} for pixels of 0 to 1; set is_scale: false, "
                            "or divide mean and std by 255")  # fmt: skip

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        normalized = colour.normalize(self.mean, self.std, self.is_scale)
        return replace(sample, colour=colour.compose(sample.colour, normalized))


@register
class Permute(Transform):
    """Channel first. Collation lays images out so in any case, and this does nothing."""

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        return sample


def stretched(sample: Sample) -> Sample:
    """The pending resize applied to the image."""
    return replace(sample, image=resized(sample.image, sample.stretch), stretch=None)


def settled(sample: Sample) -> Sample:
    """The pending resize and map applied to the image, the latter in float32."""
    sample = stretched(sample)
    if sample.colour is None:
        return sample
    return replace(sample, image=colour.apply(sample.image, sample.colour), colour=None)
