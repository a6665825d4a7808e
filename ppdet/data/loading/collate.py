"""Collation: batch transforms, then samples become the arrays of a batch."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import DTypeLike

from ppdet.core.errors import UserError
from ppdet.data.loading.packing import PackedArrays, allocate
from ppdet.data.ops import color
from ppdet.data.ops.deferred_resize import apply_resize, overshoots, write_resized
from ppdet.data.structures import Sample
from ppdet.data.transforms.batch_transforms import BatchTransform, pad_ground_truth
from ppdet.data.transforms.sample_transforms import Transform, apply_pending

_STACKED = ("im_shape", "scale_factor", "gt_bbox", "gt_class", "pad_gt_mask")


def apply_batch_transforms(
    samples: list[Sample],
    transforms: Sequence[Transform | BatchTransform],
    rng: np.random.Generator,
    exact: bool = False,
) -> list[Sample]:
    """The samples after `transforms`, in order; a per-sample transform is applied to each of them.

    exact: resizes and color changes are applied after each transform, in float32, not at collation.
    """
    for transform in transforms:
        if isinstance(transform, BatchTransform):
            samples = transform(samples, rng)
        else:
            samples = [transform(sample, rng) for sample in samples]
        if exact:
            samples = list(map(apply_pending, samples))
    return samples


def collate(samples: list[Sample], buffer: np.ndarray | None = None, device_normalize: bool = False) -> PackedArrays:
    """The tensors of structures.Batch as arrays; `gt_score` only if a sample has one.

    Args:
        samples: the samples of one batch, B > 0.
        buffer: [bytes] uint8 memory; the arrays are written into it if it is large enough.
        device_normalize: if no value is lost by it, `image` is uint8 [B, 3, H, W], and `color_map` [B, 3, 4] float32
            is what the device still has to apply to it.

    Raises:
        UserError: the images differ in size.
    """
    samples = pad_ground_truth(samples)
    stacked = _STACKED if samples[0].gt_score is None else (*_STACKED, "gt_score")
    small = {name: np.stack([getattr(sample, name) for sample in samples]) for name in stacked}
    small["im_id"] = np.array([sample.im_id for sample in samples], np.int64)
    raw = device_normalize and all(map(_stays_raw, samples))
    if raw:
        small["color_map"] = np.stack([color.or_identity(sample.color_map) for sample in samples]).astype(np.float32)
    fields: dict[str, tuple[DTypeLike, tuple[int, ...]]] = {
        "image": (np.uint8 if raw else np.float32, (len(samples), 3, *_common_size(samples)))
    }
    arrays = allocate(fields | {name: (array.dtype, array.shape) for name, array in small.items()}, buffer)
    for name, array in small.items():
        arrays[name][...] = array
    for sample, planes in zip(samples, arrays["image"], strict=True):
        if raw:
            cv2.split(apply_resize(sample.image, sample.pending_resize), list(planes))
        else:
            write_resized(sample.image, sample.pending_resize, sample.color_map, planes)
    return arrays


def _common_size(samples: Sequence[Sample]) -> tuple[int, int]:
    """(height, width) of all images in the batch."""
    sizes = {_final_size(sample) for sample in samples}
    if len(sizes) > 1:
        raise UserError(
            f"batch_transforms: the images of a batch differ in size ({', '.join(map(str, sorted(sizes)[:3]))}); "
            "add PadBatch, or Resize with keep_ratio: false, or set batch_size: 1"
        )
    return sizes.pop()


def _final_size(sample: Sample) -> tuple[int, int]:
    """(height, width) in the batch, with padding."""
    return sample.padded_size or _resized_size(sample)


def _resized_size(sample: Sample) -> tuple[int, int]:
    """(height, width) in the batch, without padding."""
    height, width = sample.pending_resize.target if sample.pending_resize else sample.image.shape[:2]
    return height, width


def _stays_raw(sample: Sample) -> bool:
    """Whether the image in the batch has uint8 values.

    It has others if an interpolation overshoots, and padding, which is zero after the color map, would have them.
    """
    resize = sample.pending_resize
    is_padded = _final_size(sample) != _resized_size(sample)
    return sample.image.dtype == np.uint8 and not is_padded and not (resize and overshoots(resize))
