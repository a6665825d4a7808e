"""Checks that detections are a possible result of class-wise NMS on given candidates.

NMS is not repeated, because it would decide ties in its own way. Instead each of its rules is checked: a detection that
is there must be allowed, and one that is missing must have a reason. Without ties exactly one set of detections
fulfills all rules.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np


class NmsRules(NamedTuple):
    """The settings by which class-wise NMS chooses.

    Attributes:
        score: detections have higher scores than this.
        overlap: no two detections of a class have a higher IoU than this.
        per_class: number of candidates of a class that take part, the most confident ones; None: not checked.
        per_image: number of detections that an image keeps, the most confident ones; None: all.
    """

    score: float
    overlap: float
    per_class: int | None
    per_image: int | None

    @classmethod
    def of(cls, attrs: Mapping[str, Any]) -> NmsRules:
        """Returns the rules of a MultiClassNMS with these `attrs`."""
        return cls(
            score=attrs["score_threshold"],
            overlap=attrs["nms_threshold"],
            per_class=attrs["nms_top_k"] if attrs["nms_top_k"] >= 0 else None,
            per_image=attrs["keep_top_k"] if attrs["keep_top_k"] >= 0 else None,
        )


class Slack(NamedTuple):
    """The change that rounding may cause.

    Attributes:
        score: of scores.
        box: of coordinates, relative to the largest coordinate.
    """

    score: float
    box: float


def violations(rows: np.ndarray, boxes: np.ndarray, scores: np.ndarray, rules: NmsRules, slack: Slack) -> int:
    """Count the rules that the detections of one image break.

    Args:
        rows: the detections [n, 6] (class, score, x1, y1, x2, y2).
        boxes: the candidates [L, 4], xyxy.
        scores: the scores of the candidates [C, L].
        rules: the rules of NMS.
        slack: the change that rounding may cause.
    """
    pixels = slack.box * max(1.0, float(np.abs(boxes).max()))
    surplus = max(0, len(rows) - rules.per_image) if rules.per_image is not None else 0
    weakest = -np.inf  # candidates with this score or less need no reason to be missing
    if rules.per_image is not None and len(rows) >= rules.per_image:
        weakest = float(rows[:, 1].min(initial=np.inf))
    return surplus + sum(
        _class_violations(rows[rows[:, 0] == kind], boxes, class_scores, rules, slack.score, pixels, weakest)
        for kind, class_scores in enumerate(scores)
    )


def _class_violations(
    rows: np.ndarray,
    boxes: np.ndarray,
    scores: np.ndarray,
    rules: NmsRules,
    slack: float,
    pixels: float,
    weakest: float,
) -> int:
    """Count the rules that the detections of one class with scores [L] break; boxes are exact up to `pixels`."""
    broken = int((rows[:, 1] <= rules.score - slack).sum())
    low, _ = _iou(rows[:, 2:], rows[:, 2:], pixels)
    broken += int((np.triu(low, 1) > rules.overlap).any(axis=0).sum())
    ranked = np.sort(scores)
    if rules.per_class is not None:
        ahead = len(scores) - np.searchsorted(ranked, rows[:, 1] + 2 * slack, side="right")
        broken += int((ahead >= rules.per_class).sum())
    due = (scores > rules.score + slack) & (scores > weakest + 2 * slack)
    if rules.per_class is not None:
        rivals = len(scores) - np.searchsorted(ranked, scores - 2 * slack) - 1  # without itself
        due &= rivals < rules.per_class
    _, high = _iou(rows[:, 2:], boxes[due], pixels)
    suppressed = (high > rules.overlap) & (rows[:, 1:2] >= scores[due] - 2 * slack)  # also by itself, if it is there
    return broken + int((~suppressed.any(axis=0)).sum())


def _iou(a: np.ndarray, b: np.ndarray, pixels: float) -> tuple[np.ndarray, np.ndarray]:
    """Returns a lower and an upper bound of the IoU [n, m] of boxes [n, 4] and [m, 4] that are exact up to `pixels`."""
    a, b = a.astype(np.float64)[:, None], b.astype(np.float64)[None]
    shared = np.clip(np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2]), 0, None)
    sides = [np.clip(x[..., 2:] - x[..., :2], 0, None) for x in (a, b)]
    shared_area, areas = shared.prod(axis=-1), [side.prod(axis=-1) for side in sides]
    union = np.maximum(areas[0] + areas[1] - shared_area, 1e-12)
    error = 4 * pixels * (sides[0].sum(axis=-1) + sides[1].sum(axis=-1) + pixels) / union + 1e-6
    return shared_area / union - error, shared_area / union + error
