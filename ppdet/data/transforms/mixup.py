"""Mixup and Cutmix: two images in one, whose boxes count as much as their image shows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from ppdet.core.ranges import AboveZero
from ppdet.core.registry import register
from ppdet.data.ops import functional as F
from ppdet.data.ops import warp
from ppdet.data.structures import Sample
from ppdet.data.transforms.mixing import MixingTransform, drawable, on_canvas


@dataclass(frozen=True)
class _TwoImages(MixingTransform):
    """Mixes an image with another one by a share that is drawn from a beta distribution.

    The result is as large as the larger sides of both; each image begins at the top left, and the rest is black. The
    share of an image is the factor of the scores of its boxes.
    """

    alpha: AboveZero = 1.5
    beta: AboveZero = 1.5

    def most_boxes(self, most: int) -> int:
        return 2 * most

    def partners(self, rng: np.random.Generator) -> int | None:
        return 1

    def mix(self, samples: Sequence[Sample], rng: np.random.Generator) -> Sample:
        first, other = samples
        share = float(rng.beta(self.alpha, self.beta))
        size = max(first.size[0], other.size[0]), max(first.size[1], other.size[1])
        canvas = self.blend(_spread(first, size), _spread(other, size), share, rng)
        parts = [_weighed(first, share), _weighed(other, 1 - share)]
        return on_canvas(first, canvas, parts, [first.gt_bbox, other.gt_bbox])

    def blend(self, first: np.ndarray, other: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
        """The image of two images [h, w, 3] uint8, of which the first has the given share."""
        raise NotImplementedError


@register
class Mixup(_TwoImages):
    """Blends an image with another one; the boxes of each count as much as its share.

    The reader's `mixup_epoch` says in which epochs.

    Attributes:
        alpha: of the beta distribution of the first image's share.
        beta: of the beta distribution of the first image's share.
    """

    def blend(self, first: np.ndarray, other: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
        return np.asarray(cv2.addWeighted(first, share, other, 1 - share, 0))


@register
class Cutmix(_TwoImages):
    """Replaces a random rectangle of an image by that of another one; the boxes of each count as much as its share.

    The reader's `cutmix_epoch` says in which epochs.

    Attributes:
        alpha: of the beta distribution of the first image's share.
        beta: of the beta distribution of the first image's share.
    """

    def blend(self, first: np.ndarray, other: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
        height, width = first.shape[:2]
        side = math.sqrt(1 - share)
        x, y = int(rng.integers(width)), int(rng.integers(height))
        half_w, half_h = int(width * side) // 2, int(height * side) // 2
        rows = slice(max(y - half_h, 0), min(y + half_h, height - 1))
        columns = slice(max(x - half_w, 0), min(x + half_w, width - 1))
        both = first.copy()
        both[rows, columns] = other[rows, columns]
        return both


def _spread(sample: Sample, size: F.Size) -> np.ndarray:
    """The sample's image, in pixels of its size, at the top left of a black canvas [h, w, 3] uint8 of `size`."""
    canvas = np.zeros((*size, 3), np.uint8)
    image, stored = drawable(sample)
    if image.shape[:2] == sample.size:
        canvas[: image.shape[0], : image.shape[1]] = image
    else:
        warp.draw(canvas, image, stored)
    return canvas


def _weighed(sample: Sample, share: float) -> Sample:
    """The sample with `share` as the factor of its boxes' scores."""
    return replace(sample, gt_score=sample.scores * np.float32(share))
