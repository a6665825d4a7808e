"""Differences between the outputs of two models."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ppdet.export.nms_rules import NmsRules, Slack, violations


class Comparison(NamedTuple):
    """The differences between the outputs of two runs.

    Attributes:
        score: largest difference of scores. For detections: to the nearest point of the trained model, before NMS.
        box: largest difference of coordinates, relative to the largest coordinate. For raw outputs: of the logits.
        unmatched: number of detections that NMS would not give, or would give but that are missing, and that no tie
            explains.
    """

    score: float
    box: float
    unmatched: int

    def within(self, tolerance: float) -> bool:
        return max(self.score, self.box) <= tolerance and self.unmatched == 0


class Candidates(NamedTuple):
    """The points that NMS chooses detections from.

    Attributes:
        boxes: [B, L, 4], xyxy.
        scores: [B, C, L].
        rules: what NMS chooses by.
    """

    boxes: np.ndarray
    scores: np.ndarray
    rules: NmsRules


_DIFFERENT = Comparison(np.inf, np.inf, 0)  # another shape, or NaN


def compare(expected: Sequence[np.ndarray], found: Sequence[np.ndarray]) -> Comparison:
    """Compare outputs without NMS.

    They are boxes and scores, or the scores of each level and then the box distributions of each level.
    """
    if [x.shape for x in expected] != [x.shape for x in found] or not all(np.isfinite(x).all() for x in found):
        return _DIFFERENT
    half = len(expected) // 2
    pairs = list(zip(expected, found, strict=True))
    scores, boxes = (pairs[:half], pairs[half:]) if len(pairs) > 2 else (pairs[1:], pairs[:1])
    # scores near 0 count less, because the square root in the ETA head magnifies their rounding errors
    score = max(float((np.abs(a - b) * np.minimum(1, a + b)).max()) for a, b in scores)
    return Comparison(score, max(float(np.abs(a - b).max() / max(1.0, np.abs(a).max())) for a, b in boxes), 0)


def compare_detections(candidates: Candidates, found: Sequence[np.ndarray], tolerance: float) -> Comparison:
    """Compare detections with the points that they were chosen from; their order within an image is free.

    Args:
        candidates: the points of the trained model.
        found: bbox [M, 6] (class, score, x1, y1, x2, y2) and bbox_num [B].
        tolerance: upper limit for what counts as a tie. Below it, scores tie if they differ by no more than four times
            the rounding error that was seen here; NMS may then keep either of two boxes.
    """
    bbox, bbox_num = found
    shapes_fit = bbox_num.shape == (len(candidates.boxes),) and bbox_num.min() >= 0 and bbox_num.sum() == len(bbox)
    if not shapes_fit or bbox.shape[1:] != (6,) or not np.isfinite(bbox).all():
        return _DIFFERENT
    images = list(zip(np.split(bbox, np.cumsum(bbox_num)[:-1]), candidates.boxes, candidates.scores, strict=True))
    differences = np.concatenate([np.zeros((1, 2)), *(_to_candidates(*image) for image in images)])
    score, box = (float(value) for value in differences.max(axis=0))
    slack = Slack(*(min(tolerance, max(_ROUNDING, 4 * value)) for value in (score, box)))
    return Comparison(score, box, sum(violations(*image, candidates.rules, slack) for image in images))


_ROUNDING = 2e-6  # a few units in the last place of a score of 1


def _to_candidates(rows: np.ndarray, boxes: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Returns [n, 2]: differences of score and relative box of `rows` [n, 6] to the nearest points of their class."""
    scale = max(1.0, np.abs(boxes).max())
    nearest = np.full((len(rows), 2), np.inf)
    for i, (kind, score, *box) in enumerate(rows):
        if kind in range(len(scores)):
            score_gaps = np.abs(scores[int(kind)] - score)
            box_gaps = np.abs(boxes - np.array(box)).max(axis=1) / scale
            best = np.maximum(score_gaps, box_gaps).argmin()
            nearest[i] = score_gaps[best], box_gaps[best]
    return nearest
