"""Per-batch transforms: `transform(samples, rng) -> samples`. They do not change their argument."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar, Literal

import cv2
import numpy as np

from ppdet.core.errors import UserError
from ppdet.core.ranges import Length, Pixels, Range
from ppdet.core.registry import register
from ppdet.data.ops import functional as F
from ppdet.data.structures import Sample
from ppdet.data.transforms.sample_transforms import (
    AnyTransform,
    ImageSize,
    Interpolation,
    Resize,
    read_size,
)

_INTERPOLATIONS = (cv2.INTER_NEAREST, cv2.INTER_LINEAR, cv2.INTER_AREA, cv2.INTER_CUBIC, cv2.INTER_LANCZOS4)


class BatchTransform(AnyTransform):
    """A transform of the whole batch."""

    def __call__(self, samples: list[Sample], rng: np.random.Generator) -> list[Sample]:
        raise NotImplementedError


@register
class BatchRandomResize(BatchTransform):
    """Resizes all images of a batch to one size (random_size: drawn from the list) with one interpolation.

    random_interp: the interpolation is drawn from OpenCV's five.

    Args:
        target_size: a list of sizes with random_size, else one; a size is one side or [height, width].
        keep_ratio: keep the ratio of height and width; the image then fits into the size.
        interp: OpenCV's number of the interpolation; 0 is nearest.
        random_size: draw the size for each batch.
    """

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
        "return_gt_mask": Literal[True],
        "pad_img": Literal[False],
        "minimum_gtnum": Literal[0],
        "only_origin_box": Literal[False],
    }

    def __call__(self, samples: list[Sample], rng: np.random.Generator) -> list[Sample]:
        return pad_ground_truth(samples)


@register
@dataclass(frozen=True)
class PadBatch(BatchTransform):
    """Pads images at the bottom and right to the batch's largest size, rounded up to `pad_to_stride`.

    Collation writes the zeros.

    Attributes:
        pad_to_stride: the multiple to which height and width are rounded up; 0 does not round.
    """

    pad_to_stride: Annotated[int, Range(0, 1024)] = 0

    def __call__(self, samples: list[Sample], rng: np.random.Generator) -> list[Sample]:
        stride = max(self.pad_to_stride, 1)
        height, width = (-(-max(sides) // stride) * stride for sides in zip(*(s.size for s in samples), strict=True))
        return [replace(sample, padded_size=(height, width)) for sample in samples]


@register
@dataclass(frozen=True)
class PadMaskBatch(PadBatch):
    """Does what PadBatch does; the mask of the padding is for transformers, which are not here.

    Attributes:
        pad_to_stride: the multiple to which height and width are rounded up; 0 and -1 do not round.
    """

    ignored_options: ClassVar[dict[str, str]] = {"return_pad_mask": "no model here reads that mask"}

    pad_to_stride: Annotated[int, Range(-1, 1024)] = 0


def pad_ground_truth(samples: list[Sample]) -> list[Sample]:
    """The samples with the arrays of boxes zero-padded to N, the largest count of boxes, at least 1.

    If one of them has a gt_score, all have one afterwards.
    """
    count = max(1, *(len(sample.gt_bbox) for sample in samples))

    def pad(array: np.ndarray) -> np.ndarray:
        padded = np.zeros((count, array.shape[1]), array.dtype)
        padded[: len(array)] = array
        return padded

    scored, padded = any(sample.gt_score is not None for sample in samples), []
    for sample in samples:
        mask = np.ones((len(sample.gt_bbox), 1), np.float32) if sample.pad_gt_mask is None else sample.pad_gt_mask
        score = pad(mask if sample.gt_score is None else sample.gt_score) if scored else None
        boxes, classes = pad(sample.gt_bbox), pad(sample.gt_class)
        padded.append(replace(sample, gt_bbox=boxes, gt_class=classes, gt_score=score, pad_gt_mask=pad(mask)))
    return padded
