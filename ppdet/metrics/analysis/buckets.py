"""AP of parts of the data: objects by size and by shape, images by the number of objects."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from ppdet.metrics.analysis.average_precision import Range, Scorer, mean_ap, range_scores
from ppdet.metrics.analysis.matching import Case

SIDES = (0, 16, 32, 96, 288, np.inf)  # pixels: square root of the area; 32 and 96 as COCO has them
RATIOS = (0, 1 / 3, 2 / 3, 3 / 2, 3, np.inf)  # width / height
OBJECTS = (1, 2, 5, 10, 20, np.inf)  # in an image


class Bucket(NamedTuple):
    """A part of the data, from `low` up to but without `high`.

    objects: how many have to be found. images: how many have such objects. AP, AP50: -1 without objects (VOC: AP is
    AP50, mAP by VOC's rule).
    """

    low: float
    high: float
    objects: int
    images: int
    AP: float
    AP50: float


def by_size(case: Case, sides: Sequence[float] = SIDES) -> list[Bucket]:
    """AP of objects by the square root of their area in pixels.

    As with COCO's area ranges, other objects are ignored: the detections matched to them do not count, nor do unmatched
    detections of another size.
    """
    found = np.sqrt(np.maximum(case.found.area, 0))
    return _ranges(case, np.sqrt(np.maximum(case.truth.area, 0)), found, sides)


def by_shape(case: Case, ratios: Sequence[float] = RATIOS) -> list[Bucket]:
    """AP of objects by width / height of their boxes; others are ignored as in `by_size`."""
    return _ranges(case, _ratio(case.truth.xywh), _ratio(case.found.xywh), ratios)


def by_objects(case: Case, scorer: Scorer, bounds: Sequence[float] = OBJECTS) -> list[Bucket]:
    """AP of the images by how many objects they have. Images without any are in no bucket, if `bounds` begin at 1."""
    objects = np.bincount(case.truth.image[case.truth.counts], minlength=len(case.truth.im_ids))
    buckets = []
    for low, high in pairwise(bounds):
        chosen = (objects >= low) & (objects < high)
        scores = mean_ap(scorer.ranges["all"](chosen.astype(np.int64)))
        buckets.append(Bucket(low, high, int(objects[chosen].sum()), int(chosen.sum()), *scores))
    return buckets


def _ranges(case: Case, truth: np.ndarray, found: np.ndarray, bounds: Sequence[float]) -> list[Bucket]:
    everyone = np.ones(len(case.truth.im_ids), np.int64)
    return [
        Bucket(low, high, *_count(case, inside), *mean_ap(range_scores(case, inside)(everyone)))
        for low, high, inside in _inside(truth, found, bounds)
    ]


def _inside(truth: np.ndarray, found: np.ndarray, bounds: Sequence[float]) -> Iterator[tuple[float, float, Range]]:
    for low, high in pairwise(bounds):
        yield low, high, Range((truth >= low) & (truth < high), (found >= low) & (found < high))


def _count(case: Case, inside: Range) -> tuple[int, int]:
    chosen = case.truth.counts & inside.truth
    return int(chosen.sum()), len(np.unique(case.truth.image[chosen]))


def _ratio(xywh: np.ndarray) -> np.ndarray:
    """[N] float64: width / height; infinite if the height is 0."""
    ratio: np.ndarray = np.divide(
        xywh[:, 2], xywh[:, 3], out=np.full(len(xywh), np.finfo(float).max), where=xywh[:, 3] > 0
    )
    return ratio
