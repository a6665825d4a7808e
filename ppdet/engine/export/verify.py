"""Whether a written model gives what the trained one gives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Comparison:
    """Of the outputs of two runs.

    score  largest difference of scores; of detections, to the nearest point of the trained model's, before NMS
    box    largest difference of coordinates, relative to the largest coordinate (of raw outputs: of the logits)
    apart  detections of either side that the other does not have, in per cent: where boxes tie, rounding decides which
           one NMS keeps. Outputs of another shape or with NaN: 100
    """

    score: float
    box: float
    apart: float

    def within(self, tolerance: float, apart: float) -> bool:
        return max(self.score, self.box) <= tolerance and self.apart <= apart


def compare(
    expected: Sequence[np.ndarray], found: Sequence[np.ndarray], candidates: Sequence[np.ndarray] | None = None
) -> Comparison:
    """Outputs of an ExportModel as float32 arrays; detections are compared per image, whatever their order.

    candidates: boxes [B, L, 4] and scores [B, C, L] that `expected` was chosen from; None: only `expected` counts.
    """
    same_shape = [x.shape[1:] for x in expected] == [x.shape[1:] for x in found]
    if not same_shape or not all(np.isfinite(x).all() for x in found):
        return Comparison(np.inf, np.inf, 100)
    if expected[-1].ndim == 1:  # bbox [M, 6], bbox_num [B]
        return _compare_detections(expected, found, candidates)
    # boxes and scores, or each level's scores and then each level's distributions
    half = len(expected) // 2
    pairs = list(zip(expected, found, strict=True))
    scores, boxes = (pairs[:half], pairs[half:]) if len(pairs) > 2 else (pairs[1:], pairs[:1])
    # the ETA head's square root makes much of rounding where scores are next to nothing
    score = max(float((np.abs(a - b) * np.minimum(1, a + b)).max()) for a, b in scores)
    return Comparison(score, max(float(np.abs(a - b).max() / max(1.0, np.abs(a).max())) for a, b in boxes), 0)


def _compare_detections(
    expected: Sequence[np.ndarray], found: Sequence[np.ndarray], candidates: Sequence[np.ndarray] | None
) -> Comparison:
    if expected[1].shape != found[1].shape or found[1].sum() != len(found[0]):
        return Comparison(np.inf, np.inf, 100)
    differences, apart = [np.zeros((1, 2))], 0
    for i, (a, b) in enumerate(zip(_per_image(*expected), _per_image(*found), strict=True)):
        for rows, others in ((a, b), (b, a)):
            nearest = _to_nearest(rows, others)
            is_paired = nearest.max(axis=1) < _PAIRED
            apart += int((~is_paired).sum())
            if candidates is None:
                differences.append(nearest[is_paired])
        if candidates is not None:
            differences.append(_to_nearest_point(b, candidates[0][i], candidates[1][i]))
    score, box = np.concatenate(differences).max(axis=0)
    return Comparison(float(score), float(box), 100 * apart / max(len(expected[0]) + len(found[0]), 1))


_PAIRED = 0.05  # two detections further apart are not the same one


def _per_image(bbox: np.ndarray, bbox_num: np.ndarray) -> list[np.ndarray]:
    return np.split(bbox.reshape(-1, 6), np.cumsum(bbox_num)[:-1])


def _to_nearest(rows: np.ndarray, others: np.ndarray) -> np.ndarray:
    """[n, 2]: differences of score and (relative) box from each of `rows` [n, 6] to the nearest of `others` [m, 6]."""
    if not len(others):
        return np.full((len(rows), 2), np.inf)
    scale = np.abs(others[:, 2:]).max()
    differences = []
    for kind, score, *box in rows:
        same = others[others[:, 0] == kind]
        differences.append(_nearest(score, box, same[:, 1], same[:, 2:], scale) if len(same) else (np.inf, np.inf))
    return np.array(differences).reshape(-1, 2)


def _to_nearest_point(rows: np.ndarray, boxes: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """The same to the nearest of the points with `boxes` [L, 4] and `scores` [C, L]."""
    scale = np.abs(boxes).max()
    found = [_nearest(score, box, scores[int(kind)], boxes, scale) for kind, score, *box in rows]
    return np.array(found).reshape(-1, 2)


def _nearest(
    score: float, box: Sequence[float], scores: np.ndarray, boxes: np.ndarray, scale: float
) -> tuple[float, float]:
    """Differences of score and of box, in units of `scale` or 1, to the nearest of `scores` [n] and `boxes` [n, 4]."""
    apart = np.abs(scores - score), np.abs(boxes - np.array(box)).max(axis=-1) / max(1.0, scale)
    i = np.maximum(*apart).argmin()
    return float(apart[0][i]), float(apart[1][i])
