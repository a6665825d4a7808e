"""Samples made on the spot."""

from __future__ import annotations

from dataclasses import MISSING, fields

import numpy as np

from ppdet.data.structures import Batch, Sample

ARRAYS = [field.name for field in fields(Batch) if field.default is MISSING]  # that every batch has


def noise_sample(rng: np.random.Generator, size: tuple[int, int] | None = None, count: int | None = None) -> Sample:
    """Noise of up to 90 x 120 pixels with 1 to 5 boxes, all or some of them inside."""
    height, width = size or (int(rng.integers(20, 90)), int(rng.integers(20, 120)))
    count = int(rng.integers(1, 6)) if count is None else count
    corners = rng.uniform(0, 0.8, (count, 2)) * (width, height)
    boxes = np.hstack([corners, corners + rng.uniform(2, 60, corners.shape)]).clip(0, [width, height] * 2)
    return Sample(
        im_file="noise.png",
        im_id=1,
        annotated_size=None,
        image=rng.integers(0, 256, (height, width, 3), np.uint8),
        im_shape=np.array([height, width], np.float32),
        scale_factor=np.ones(2, np.float32),
        gt_bbox=boxes.astype(np.float32),
        gt_class=np.arange(count, dtype=np.int32).reshape(-1, 1),
        size=(height, width),
    )


def plain_sample(boxes: int, size: tuple[int, int] = (8, 8)) -> Sample:
    """Ones of `size` with that many boxes, float32."""
    return Sample(
        im_file="a.jpg",
        im_id=5,
        annotated_size=None,
        image=np.ones((*size, 3), np.float32),
        im_shape=np.array(size, np.float32),
        scale_factor=np.ones(2, np.float32),
        gt_bbox=np.ones((boxes, 4), np.float32),
        gt_class=np.ones((boxes, 1), np.int32),
        size=size,
    )
