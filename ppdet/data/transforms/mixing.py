"""Transforms that make one sample of several images, and the ways to take such images apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ppdet.data.ops import color, warp
from ppdet.data.ops import functional as F
from ppdet.data.structures import Sample
from ppdet.data.transforms.sample_transforms import Augmentation, Transform


class MixingTransform(Augmentation, Transform):
    """A transform of an image and of others, which the reader draws from the data set.

    The others have gone through the transforms before this one in the list.
    """

    def partners(self, rng: np.random.Generator) -> int | None:
        """Draws how many other images `mix` gets this time; None leaves the sample as it is."""
        raise NotImplementedError

    def mix(self, samples: Sequence[Sample], rng: np.random.Generator) -> Sample:
        """The sample made of the first sample and its partners, as many as `partners` has drawn."""
        raise NotImplementedError

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        raise TypeError(f"{type(self).__name__} needs partners: call mix")


def drawable(sample: Sample) -> tuple[np.ndarray, np.ndarray]:
    """The sample's pixels and where they belong.

    Returns:
        The image [h, w, 3] uint8, its color map applied and clipped; and the map from its pixels to those of
        `sample.size`, which differ if a resize is pending or the image is stored smaller.
    """
    image = sample.image
    if sample.color_map is not None:
        image = color.apply_map(image, sample.color_map)
    if image.dtype != np.uint8:
        image = np.clip(np.rint(image), 0, 255).astype(np.uint8)
    (height, width), (stored_h, stored_w) = sample.size, image.shape[:2]
    return image, warp.scale(width / stored_w, height / stored_h)


def on_canvas(
    sample: Sample,
    canvas: np.ndarray,
    others: Sequence[Sample],
    boxes: Sequence[np.ndarray],
    size: F.Size | None = None,
    color_map: np.ndarray | None = None,
) -> Sample:
    """The sample with `canvas` [h, w, 3] uint8 as its image and with boxes of several samples.

    Args:
        sample: whose file and numbers the result has.
        canvas: the image.
        others: the samples that are on the canvas.
        boxes: for each of them its boxes [N, 4], in pixels of `size`. Those without area are left out.
        size: (height, width), if the canvas is stored smaller.
        color_map: the map that is still to be applied to the canvas.
    """
    size = size or canvas.shape[:2]
    parts = []
    for other, places in zip(others, boxes, strict=True):
        kept = np.flatnonzero((places[:, :2] < places[:, 2:]).all(axis=1))
        parts.append(other.with_boxes(places[kept].astype(np.float32), kept))
    scored = any(part.gt_score is not None for part in parts)
    return replace(
        sample,
        image=canvas,
        size=size,
        im_shape=np.array(size, np.float32),
        pending_resize=None,
        color_map=color_map,
        pad_gt_mask=None,
        gt_bbox=np.concatenate([part.gt_bbox for part in parts]),
        gt_class=np.concatenate([part.gt_class for part in parts]),
        gt_score=np.concatenate([part.scores for part in parts]) if scored else None,
    )


def clipped(boxes: np.ndarray, size: F.Size) -> np.ndarray:
    """The boxes [N, 4] cut at the border of an image of `size`; those outside have no area then."""
    height, width = size
    return np.asarray(np.clip(boxes, 0, np.array([width, height] * 2, np.float32)))
