"""Per-sample transforms of PaddleDetection 2.6: each draws its random numbers, then calls `functional` and `color`.

`transform(sample, rng) -> Sample` does not change its argument. Resizing and color changes are noted in the sample as
pending operations; collation applies them, or the reader after each transform if it is `exact`. Random numbers are
drawn in the original's order, so the same random numbers give the original's results.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar, Literal

import cv2
import numpy as np

from ppdet.core.errors import UserError
from ppdet.core.ranges import AboveZero, Finite, Fraction, Pixels, Range
from ppdet.core.registry import register
from ppdet.data.ops import color
from ppdet.data.ops import functional as F
from ppdet.data.ops.decode import read_image
from ppdet.data.ops.deferred_resize import PendingResize, apply_resize
from ppdet.data.structures import Sample
from ppdet.deploy.preprocess import resize_factors

ImageSize = tuple[Pixels, Pixels] | Pixels  # (height, width), or both in one
Interpolation = Annotated[int, Range(0, 4)]  # OpenCV's number: nearest, linear, cubic, area, Lanczos
MOVES_BOXES = "after which boxes are not where they are in the image"


class AnyTransform:
    """Base of the classes that a reader's transform lists may name."""

    @property
    def only_training(self) -> str:
        """The reason why evaluation refuses it, as the end of a sentence; "" if it does not."""
        return ""


class Augmentation(AnyTransform):
    """A transform that `close_augmentation_epochs` ends."""

    only_training = MOVES_BOXES

    def most_boxes(self, most: int) -> int:
        """The largest number of boxes in an image afterwards, if no image has more than `most` before."""
        return most


class Transform(AnyTransform):
    """A per-sample transform."""

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        raise NotImplementedError


def read_size(value: ImageSize) -> F.Size:
    """(height, width) of a size that is given as one number or as that pair."""
    if isinstance(value, int):
        return value, value
    height, width = value
    return height, width


@register
class Decode(Transform):
    """Reads the image file as [h, w, 3] RGB uint8, upright (see decode.read_image)."""

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        image = read_image(sample.im_file, sample.annotated_size)
        return with_image(sample, image, image.shape[:2])


def with_image(sample: Sample, image: np.ndarray, size: F.Size) -> Sample:
    """The sample with a freshly decoded image of `size`, (height, width). `image` may be stored smaller than that.

    Boxes are clipped to the image, unless it has the annotated size: then the dataset has clipped them already.
    """
    sample = replace(sample, image=image, size=size, im_shape=np.array(size, np.float32), decoded_size=size)
    if sample.annotated_size == size:
        return sample
    boxes, kept = F.clip_boxes(sample.gt_bbox, size)
    return sample.with_boxes(boxes, kept)


@register
class Resize(Transform):
    """Resizes to `target_size` (height, width): boxes, im_shape and scale_factor now, the image at collation.

    Upstream resizes uint8 images as uint8, but float32 images (after RandomDistort) as float32.

    Args:
        target_size: one side, or [height, width].
        keep_ratio: keep the ratio of height and width; the image then fits into the size.
        interp: OpenCV's number of the interpolation: 1 is linear, 2 cubic.
    """

    def __init__(
        self, target_size: ImageSize, keep_ratio: bool = False, interp: Interpolation = cv2.INTER_LINEAR
    ) -> None:
        self.sizes = [read_size(target_size)]  # the largest sizes that images may have afterwards
        self.keep_ratio, self.interp = keep_ratio, interp

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        sample = apply_pending_resize(sample)
        factors = resize_factors(sample.size, self.sizes[0], self.keep_ratio)
        resize = PendingResize(sample.size, factors, self.interp, in_float32=sample.color_map is not None)
        size = resize.target
        return replace(
            sample,
            pending_resize=resize,
            size=size,
            im_shape=np.array(size, np.float32),
            scale_factor=sample.scale_factor * np.array(factors, np.float32),
            gt_bbox=F.resize_boxes(sample.gt_bbox, factors, size),
        )


@register
@dataclass(frozen=True)
class RandomFlip(Transform):
    """Mirrors image and boxes left to right with probability `prob`.

    Attributes:
        prob: share of the images that are mirrored.
    """

    only_training = MOVES_BOXES

    prob: Fraction = 0.5

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        if rng.uniform(0, 1) >= self.prob:
            return sample
        sample = apply_pending_resize(sample)
        return replace(sample, image=cv2.flip(sample.image, 1), gt_bbox=F.flip_boxes(sample.gt_bbox, sample.size[1]))


_Degrees = Annotated[float, Range(-360, 360)]
_Amount = Annotated[float, Range(0, 255)]


@register
@dataclass(frozen=True)
class RandomDistort(Transform):
    """Changes brightness, contrast, saturation and hue in random order. Values are not clipped.

    Each option is [low, high, skip]: the amount is drawn from U(low, high); the change is skipped with probability
    `skip`.
    parity: as in releases 2.4 to 2.6, with which the published weights were trained, brightness *adds* 0.5 to 1.5 gray
    levels, hue turns by up to 18 * pi, and the third number is the probability to skip.

    Attributes:
        hue: angle by which the hue turns, in units of pi.
        saturation: factor of the saturation.
        contrast: factor of the contrast.
        brightness: amount that is added to all channels.
    """

    fixed_options: ClassVar[dict[str, Any]] = {
        "random_apply": Literal[True],
        "count": Literal[4],
        "random_channel": Literal[False],
    }

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
            (color.shift_brightness, self.brightness),
            (color.scale_contrast, self.contrast),
            (color.blend_saturation, self.saturation),
            (color.rotate_hue, self.hue),
        )
        changed = sample.color_map
        for index in rng.permutation(len(steps)):
            change, (low, high, skip) = steps[index]
            if rng.uniform(0, 1) >= skip:
                changed = color.compose(changed, change(rng.uniform(low, high)))
        return replace(sample, color_map=changed)


@register
@dataclass(frozen=True)
class NormalizeImage(Transform):
    """(image / 255 - mean) / std per RGB channel; without is_scale there is no division by 255.

    Attributes:
        mean: mean of each channel.
        std: standard deviation of each channel.
        is_scale: divide by 255 first.
    """

    fixed_options: ClassVar[dict[str, Any]] = {"norm_type": Literal["mean_std"]}

    mean: tuple[Finite, Finite, Finite] = (0.485, 0.456, 0.406)
    std: tuple[AboveZero, AboveZero, AboveZero] = (0.229, 0.224, 0.225)
    is_scale: bool = True

    def __post_init__(self) -> None:
        if self.is_scale and max(self.mean) > 1:
            raise UserError(
                f"NormalizeImage.mean: found {list(self.mean)} for pixels of 0 to 1; set is_scale: false, "
                "or divide mean and std by 255"
            )

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        return replace(sample, color_map=color.compose(sample.color_map, self.color_map))

    @property
    def color_map(self) -> np.ndarray:
        """The transform as a map [3, 4] of colors (ops/color.py)."""
        return color.normalize(self.mean, self.std, self.is_scale)


@register
class Permute(Transform):
    """Does nothing: collation always writes images channel first."""

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        return sample


def apply_pending_resize(sample: Sample) -> Sample:
    """The sample with its pending resize applied to the image."""
    return replace(sample, image=apply_resize(sample.image, sample.pending_resize), pending_resize=None)


def apply_pending(sample: Sample) -> Sample:
    """The sample with its pending resize and color map applied to the image; the map's result is float32."""
    sample = apply_pending_resize(sample)
    if sample.color_map is None:
        return sample
    return replace(sample, image=color.apply_map(sample.image, sample.color_map), color_map=None)
