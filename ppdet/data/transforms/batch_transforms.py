"""Per-batch transforms, and the collation of samples into arrays.

A batch transform is `transform(samples, rng) -> samples`; a per-sample one listed among them is applied to each.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar, Literal

import cv2
import numpy as np

from ppdet.core.errors import UserError
from ppdet.core.ranges import Length, Pixels, Range
from ppdet.core.registry import register
from ppdet.data.ops import deferred_resize as resample
from ppdet.data.ops import functional as F
from ppdet.data.structures import Sample
from ppdet.data.transforms.sample_transforms import (
    ImageSize,
    Interpolation,
    Resize,
    Step,
    Transform,
    read_size,
    settled,
)

_INTERPOLATIONS = (cv2.INTER_NEAREST, cv2.INTER_LINEAR, cv2.INTER_AREA, cv2.INTER_CUBIC, cv2.INTER_LANCZOS4)


class BatchTransform(Step):
    """Marks the transforms that look at the whole batch."""

    def __call__(self, samples: list[Sample], rng: np.random.Generator) -> list[Sample]:
        raise NotImplementedError


@register
class BatchRandomResize(BatchTransform):
    """One size (with random_size: of the list) and one interpolation (with random_interp: of five) for all images."""

    def __init__(
        self,
        target_size: Annotated[Sequence[ImageSize], Length(1, 100)] | Pixels,
        keep_ratio: bool = False,
        interp: Interpolation = cv2.INTER_NEAREST,
        random_size: bool = True,
        random_interp: bool = False,
    ) -> None:
        choices: Any = target_size if random_size else [target_size]
        one = target_size if isinstance(target_size, int) else len(target_size) == 2 and isinstance(target_size[0], int)
        if isinstance(choices, int) or not (random_size or one):
            expected = "a list of sizes, because random_size is on" if random_size else "one size, as [height, width]"
            raise UserError(f"BatchRandomResize.target_size: found {target_size}; expected {expected}")
        self.sizes = [read_size(size) for size in choices]
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

    fixed_options: ClassVar[dict[str, Any]] = {
        "return_gt_mask": Literal[True], "pad_img": Literal[False], "minimum_gtnum": Literal[0],
        "only_origin_box": Literal[False],
    }  # fmt: skip

    def __call__(self, samples: list[Sample], rng: np.random.Generator) -> list[Sample]:
        return pad_ground_truth(samples)


@register
@dataclass(frozen=True)
class PadBatch(BatchTransform):
    """Zeros, bottom and right, up to the batch's largest size rounded up to `pad_to_stride`; collation writes them."""

    pad_to_stride: Annotated[int, Range(0, 1024)] = 0

    def __call__(self, samples: list[Sample], rng: np.random.Generator) -> list[Sample]:
        stride = max(self.pad_to_stride, 1)
        height, width = (-(-max(sides) // stride) * stride for sides in zip(*(s.size for s in samples), strict=True))
        return [replace(sample, canvas=(height, width)) for sample in samples]


def pad_ground_truth(samples: list[Sample]) -> list[Sample]:
    """Samples with gt_bbox, gt_class and pad_gt_mask zero-padded to N = the largest count, at least 1."""
    count = max(1, *(len(sample.gt_bbox) for sample in samples))

    def pad(array: np.ndarray) -> np.ndarray:
        padded = np.zeros((count, array.shape[1]), array.dtype)
        padded[: len(array)] = array
        return padded

    padded = []
    for sample in samples:
        mask = np.ones((len(sample.gt_bbox), 1), np.float32) if sample.pad_gt_mask is None else sample.pad_gt_mask
        padded.append(
            replace(sample, gt_bbox=pad(sample.gt_bbox), gt_class=pad(sample.gt_class), pad_gt_mask=pad(mask))
        )
    return padded


def apply_batch_transforms(
    samples: list[Sample],
    transforms: Sequence[Transform | BatchTransform],
    rng: np.random.Generator,
    exact: bool = False,
) -> list[Sample]:
    """exact: each change of colour is done at once, in float32."""
    for transform in transforms:
        if isinstance(transform, BatchTransform):
            samples = transform(samples, rng)
        else:
            samples = [transform(sample, rng) for sample in samples]
        if exact:
            samples = list(map(settled, samples))
    return samples


def collate(samples: list[Sample], buffer: np.ndarray | None = None) -> dict[str, np.ndarray]:
    """The fields of sample.Batch as stacked arrays. Raises UserError where the images differ in size.

    buffer  uint8 memory in which the images are put where there is room for them
    """
    samples = pad_ground_truth(samples)
    names = ("im_shape", "scale_factor", "gt_bbox", "gt_class", "pad_gt_mask")
    arrays = {name: np.stack([getattr(sample, name) for sample in samples]) for name in names}
    return arrays | {
        "image": _images(samples, buffer),
        "im_id": np.array([sample.im_id for sample in samples], np.int64),
    }


def _images(samples: Sequence[Sample], buffer: np.ndarray | None) -> np.ndarray:
    """[B, 3, H, W] float32: each image through its resize and its map, straight into the batch."""
    sizes = {
        sample.canvas or (sample.stretch.target if sample.stretch else sample.image.shape[:2]) for sample in samples
    }
    if len(sizes) > 1:
        raise UserError(
            f"batch_transforms: the images of a batch differ in size ({', '.join(map(str, sorted(sizes)[:3]))}); "
            "add PadBatch, or Resize with keep_ratio: false, or set batch_size: 1"
        )
    shape = (len(samples), 3, *sizes.pop())
    length = math.prod(shape) * np.dtype(np.float32).itemsize
    if buffer is not None and length <= len(buffer):
        batch = buffer[:length].view(np.float32).reshape(shape)
    else:
        batch = np.empty(shape, np.float32)
    for sample, planes in zip(samples, batch, strict=True):
        resample.write(sample.image, sample.stretch, sample.colour, planes)
    return batch
