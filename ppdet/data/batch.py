"""Per-batch transforms, and the collation of samples into arrays.

A batch transform is `transform(samples, rng) -> samples`; a per-sample one listed among them is applied to each.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
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
        if isinstance(choices, int) or not choices:
            raise UserError(
                f"BatchRandomResize.target_size: found {choices}; expected a list of sizes, because random_size is on"
            )
        self.sizes = [read_size("BatchRandomResize", size) for size in choices]
        self.interps = _INTERPOLATIONS if random_interp else (interp,)
        self.keep_ratio = keep_ratio

    def __call__(self, samples: list[Sample], rng: np.random.Generator) -> list[Sample]:
        size, interp = self.draw(rng)
        resize = Resize(size, self.keep_ratio, interp)
        return [resize(sample, rng) for sample in samples]

    def draw(self, rng: np.random.Generator) -> tuple[F.Size, int]:
        """The batch's size and OpenCV interpolation number."""
        size = self.sizes[rng.choice(len(self.sizes))] if len(self.sizes) > 1 else self.sizes[0]
        interp = self.interps[rng.choice(len(self.interps))] if len(self.interps) > 1 else self.interps[0]
        return size, interp


@register
class PadGT(BatchTransform):
    """Pads the boxes of every image to the same number and adds `pad_gt_mask`. Collation does so in any case."""

    ignored_options: ClassVar[tuple[str, ...]] = ("return_gt_mask", "pad_img", "minimum_gtnum", "only_origin_box")

    def __call__(self, samples: list[Sample], rng: np.random.Generator) -> list[Sample]:
        return pad_ground_truth(samples)


@register
@dataclass(frozen=True)
class PadBatch(BatchTransform):
    """Pads [3, h, w] images with zeros, bottom and right, to the batch's largest size rounded up to `pad_to_stride`."""

    pad_to_stride: int = 0

    def __call__(self, samples: list[Sample], rng: np.random.Generator) -> list[Sample]:
        stride = max(self.pad_to_stride, 1)
        sizes = np.array([sample.image.shape[1:] for sample in samples])
        missing = -(-sizes.max(axis=0) // stride) * stride - sizes
        return [
            replace(sample, image=np.pad(sample.image, ((0, 0), (0, height), (0, width))))
            for sample, (height, width) in zip(samples, missing, strict=True)
        ]


def pad_ground_truth(samples: list[Sample]) -> list[Sample]:
    """Samples with gt_bbox, gt_class and pad_gt_mask zero-padded to N = the largest count, at least 1."""
    count = max(1, *(len(sample.gt_bbox) for sample in samples))

    def pad(array: np.ndarray) -> np.ndarray:
        return np.pad(array, ((0, count - len(array)), (0, 0)))

    padded = []
    for sample in samples:
        mask = np.ones((len(sample.gt_bbox), 1), np.float32) if sample.pad_gt_mask is None else sample.pad_gt_mask
        padded.append(
            replace(sample, gt_bbox=pad(sample.gt_bbox), gt_class=pad(sample.gt_class), pad_gt_mask=pad(mask))
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
    shapes = {sample.image.shape for sample in samples}
    if len(shapes) > 1:
        raise UserError(
            f"batch_transforms: the images of a batch differ in shape ({', '.join(map(str, sorted(shapes)[:3]))}); "
            "add PadBatch, or Resize with keep_ratio: false, or set batch_size: 1"
        )
    names = ("image", "im_shape", "scale_factor", "gt_bbox", "gt_class", "pad_gt_mask")
    arrays = {name: np.stack([getattr(sample, name) for sample in samples]) for name in names}
    return arrays | {"im_id": np.array([sample.im_id for sample in samples], np.int64)}
