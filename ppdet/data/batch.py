"""Per-batch transforms, and the collation of samples into arrays.

A batch transform is `transform(samples, rng) -> samples`; a per-sample one listed among them is applied to each.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar

import cv2
import numpy as np

from ppdet.core.errors import UserError
from ppdet.core.registry import register

from . import functional as F
from .sample import Sample
from .transforms import Resize, Transform, read_size

_INTERPOLATIONS = (cv2.INTER_NEAREST, cv2.INTER_LINEAR, cv2.INTER_AREA, cv2.INTER_CUBIC, cv2.INTER_LANCZOS4)


class BatchTransform:
    """Marks the transforms that look at the whole batch."""

    def __call__(self, samples: list[Sample], rng: np.random.Generator) -> list[Sample]:
        raise NotImplementedError


@register
class BatchRandomResize(BatchTransform):
    """One size (with random_size: of the list) and one interpolation (with random_interp: of five) for all images."""

    def __init__(
        self,
        target_size: Sequence[int | Sequence[int]] | int,
        keep_ratio: bool = False,
        interp: int = cv2.INTER_NEAREST,
        random_size: bool = True,
        random_interp: bool = False,
    ) -> None:
        choices: Any = target_size if random_size else [target_size]
        if isinstance(choices, int):
            raise UserError(
                f"BatchRandomResize.target_size: found {choices}; expected a list, because random_size is on"
            )
        self.sizes = [read_size("BatchRandomResize", size) for size in choices]
        self.interps = _INTERPOLATIONS if random_interp else (interp,)
        self.random_size, self.random_interp = random_size, random_interp
        self.keep_ratio = keep_ratio

    def __call__(self, samples: list[Sample], rng: np.random.Generator) -> list[Sample]:
        size, interp = self.draw(rng)
        resize = Resize(size, self.keep_ratio, interp)
        return [resize(sample, rng) for sample in samples]

    def draw(self, rng: np.random.Generator) -> tuple[tuple[int, int], int]:
        """The batch's (height, width) and OpenCV interpolation number."""
        size = self.sizes[int(rng.choice(len(self.sizes)))] if self.random_size else self.sizes[0]
        interp = int(rng.choice(self.interps)) if self.random_interp else self.interps[0]
        return size, interp


@register
class PadGT(BatchTransform):
    """Pads the boxes of every image to the same number and adds `pad_gt_mask`. Collation does so in any case."""

    ignored_options: ClassVar[tuple[str, ...]] = ("return_gt_mask", "pad_img", "only_origin_box")

    def __init__(self, minimum_gtnum: int = 0) -> None:
        self.minimum_gtnum = minimum_gtnum

    def __call__(self, samples: list[Sample], rng: np.random.Generator) -> list[Sample]:
        return pad_ground_truth(samples, self.minimum_gtnum)


@register
class PadBatch(BatchTransform):
    """Pads [3, h, w] images with zeros, bottom and right, to the batch's largest size rounded up to `pad_to_stride`."""

    def __init__(self, pad_to_stride: int = 0) -> None:
        self.pad_to_stride = pad_to_stride

    def __call__(self, samples: list[Sample], rng: np.random.Generator) -> list[Sample]:
        stride = max(self.pad_to_stride, 1)
        height, width = (
            math.ceil(max(sample.pixels.shape[axis] for sample in samples) / stride) * stride for axis in (1, 2)
        )
        return [replace(sample, image=F.pad_image(sample.pixels, (height, width))) for sample in samples]


def pad_ground_truth(samples: list[Sample], minimum: int = 1) -> list[Sample]:
    """Samples with gt_bbox, gt_class and pad_gt_mask zero-padded to N = the largest count, at least `minimum` and 1."""
    count = max(1, minimum, *(len(sample.gt_bbox) for sample in samples))
    padded = []
    for sample in samples:
        mask = np.ones((len(sample.gt_bbox), 1), np.float32) if sample.pad_gt_mask is None else sample.pad_gt_mask
        missing = ((0, count - len(sample.gt_bbox)), (0, 0))
        padded.append(
            replace(
                sample,
                gt_bbox=np.pad(sample.gt_bbox, missing),
                gt_class=np.pad(sample.gt_class, missing),
                pad_gt_mask=np.pad(mask, missing),
            )
        )
    return padded


def apply_batch_transforms(
    samples: list[Sample], transforms: Sequence[Transform | BatchTransform], rng: np.random.Generator
) -> list[Sample]:
    for transform in transforms:
        if isinstance(transform, BatchTransform):
            samples = transform(samples, rng)
        else:
            samples = [transform(sample, rng) for sample in samples]
    return samples


def collate(samples: list[Sample]) -> dict[str, np.ndarray]:
    """The fields of sample.Batch as stacked arrays. Raises UserError where the images differ in size."""
    samples = pad_ground_truth(samples)
    shapes = {sample.pixels.shape for sample in samples}
    if len(shapes) > 1:
        raise UserError(
            f"batch_transforms: the images of a batch differ in shape ({', '.join(map(str, sorted(shapes)[:3]))}); "
            "add PadBatch, or Resize with keep_ratio: false, or set batch_size: 1"
        )
    arrays = {
        name: np.stack([getattr(sample, name) for sample in samples])
        for name in ("image", "im_shape", "scale_factor", "gt_bbox", "gt_class", "pad_gt_mask")
    }
    return arrays | {"im_id": np.array([sample.im_id for sample in samples], np.int64)}
