"""Collation: batch transforms, then samples become the arrays of a batch."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from ppdet.core.errors import UserError
from ppdet.data.ops.deferred_resize import write_resized
from ppdet.data.structures import Sample
from ppdet.data.transforms.batch_transforms import BatchTransform, pad_ground_truth
from ppdet.data.transforms.sample_transforms import Transform, apply_pending


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


def collate(samples: list[Sample], buffer: np.ndarray | None = None) -> dict[str, np.ndarray]:
    """The tensors of structures.Batch as stacked arrays.

    Args:
        samples: the samples of one batch, B > 0.
        buffer: [bytes] uint8 memory; the images are written into it if it is large enough.

    Raises:
        UserError: the images differ in size.
    """
    samples = pad_ground_truth(samples)
    names = ("im_shape", "scale_factor", "gt_bbox", "gt_class", "pad_gt_mask")
    arrays = {name: np.stack([getattr(sample, name) for sample in samples]) for name in names}
    return arrays | {
        "image": _images(samples, buffer),
        "im_id": np.array([sample.im_id for sample in samples], np.int64),
    }


def _images(samples: Sequence[Sample], buffer: np.ndarray | None) -> np.ndarray:
    """The images [B, 3, H, W] float32, with their pending resizes and color maps applied on the way."""
    sizes = {_final_size(sample) for sample in samples}
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
        write_resized(sample.image, sample.pending_resize, sample.color_map, planes)
    return batch


def _final_size(sample: Sample) -> tuple[int, int]:
    """(height, width) in the batch, with padding."""
    if sample.padded_size:
        return sample.padded_size
    height, width = sample.pending_resize.target if sample.pending_resize else sample.image.shape[:2]
    return height, width
