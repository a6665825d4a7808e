"""Whether a written model gives what the trained one gives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Comparison:
    """Of the outputs of two runs.

    score    largest difference of scores
    box      largest difference of coordinates, relative to the largest coordinate (of raw outputs: of the logits)
    missing  detections of either side that the other does not have, in per cent; outputs of another shape or with
             NaN: 100
    """

    score: float
    box: float
    missing: float

    def within(self, tolerance: float, missing: float) -> bool:
        return max(self.score, self.box) <= tolerance and self.missing <= missing


def compare(expected: Sequence[np.ndarray], found: Sequence[np.ndarray]) -> Comparison:
    """Outputs of an ExportModel as float32 arrays; detections are compared per image, whatever their order."""
    same_shape = [x.shape[1:] for x in expected] == [x.shape[1:] for x in found]
    if not same_shape or not all(np.isfinite(x).all() for x in found):
        return Comparison(np.inf, np.inf, 100)
    if expected[-1].ndim == 1:  # bbox [M, 6], bbox_num [B]
        return _compare_detections(expected, found)
    # boxes and scores, or each level's scores and then each level's distributions
    half = len(expected) // 2
    pairs = list(zip(expected, found, strict=True))
    scores, boxes = (pairs[:half], pairs[half:]) if len(pairs) > 2 else (pairs[1:], pairs[:1])
    # the ETA head's square root makes much of rounding where scores are next to nothing
    score = max(float((np.abs(a - b) * np.minimum(1, a + b)).max()) for a, b in scores)
    return Comparison(score, max(float(np.abs(a - b).max() / max(1.0, np.abs(a).max())) for a, b in boxes), 0)


def _compare_detections(expected: Sequence[np.ndarray], found: Sequence[np.ndarray]) -> Comparison:
    if expected[1].shape != found[1].shape or found[1].sum() != len(found[0]):
        return Comparison(np.inf, np.inf, 100)
    score, box, missing = 0.0, 0.0, 0
    for a, b in zip(_per_image(*expected), _per_image(*found), strict=True):
        for rows, others in ((a, b), (b, a)):
            differences = _to_nearest(rows, others)
            paired = differences.max(axis=1) < _PAIRED
            missing += int((~paired).sum())
            score = max(score, differences[paired, 0].max(initial=0))
            box = max(box, differences[paired, 1].max(initial=0))
    total = len(expected[0]) + len(found[0])
    return Comparison(score, box, 100 * missing / max(total, 1))


_PAIRED = 0.05  # two detections further apart are not the same one


def _per_image(bbox: np.ndarray, bbox_num: np.ndarray) -> list[np.ndarray]:
    return np.split(bbox.reshape(-1, 6), np.cumsum(bbox_num)[:-1])


def _to_nearest(rows: np.ndarray, others: np.ndarray) -> np.ndarray:
    """[n, 2]: differences of score and (relative) box from each of `rows` [n, 6] to the nearest of `others` [m, 6]."""
    if not len(others):
        return np.full((len(rows), 2), np.inf)
    scale = max(1.0, np.abs(rows[:, 2:]).max(initial=0))
    apart = np.abs(rows[:, None] - others[None])
    other_class = np.where(apart[..., 0] > 0, np.inf, 0.0)
    parts = np.stack([apart[..., 1] + other_class, apart[..., 2:].max(axis=-1) / scale], axis=-1)
    nearest = parts.max(axis=-1).argmin(axis=1)
    return parts[np.arange(len(rows)), nearest]
