"""Whether detections are what class-wise NMS chooses from candidates, up to ties.

Instead of repeating NMS, which would decide ties in its own way, each of its rules is checked: what is there may be
there, and what is not there has a reason. Without ties exactly one set of detections fulfils all of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np


class NmsRules(NamedTuple):
    """score     detections score more
    overlap   no two of a class have a larger IoU
    per_class only so many of a class, the most confident, take part; None: not looked at
    per_image only so many stay, the most confident; None: all
    """

    score: float
    overlap: float
    per_class: int | None
    per_image: int | None

    @classmethod
    def of(cls, attrs: Mapping[str, Any]) -> NmsRules:
        """attrs: of MultiClassNMS."""
        return cls(
            score=attrs["score_threshold"],
            overlap=attrs["nms_threshold"],
            per_class=attrs["nms_top_k"] if attrs["nms_top_k"] >= 0 else None,
            per_image=attrs["keep_top_k"] if attrs["keep_top_k"] >= 0 else None,
        )


class Slack(NamedTuple):
    """What rounding may change: scores by `score`, coordinates by `box` times the largest of them."""

    score: float
    box: float


def violations(rows: np.ndarray, boxes: np.ndarray, scores: np.ndarray, rules: NmsRules, slack: Slack) -> int:
    """The number of broken rules in the detections `rows` [n, 6] of one image with `boxes` [L, 4], `scores` [C, L]."""
    pixels = slack.box * max(1.0, float(np.abs(boxes).max()))
    surplus = max(0, len(rows) - rules.per_image) if rules.per_image is not None else 0
    weakest = -np.inf  # candidates that score no more need no reason to be absent
    if rules.per_image is not None and len(rows) >= rules.per_image:
        weakest = float(rows[:, 1].min(initial=np.inf))
    return surplus + sum(
        _of_class(rows[rows[:, 0] == kind], boxes, of_class, rules, slack.score, pixels, weakest)
        for kind, of_class in enumerate(scores)
    )


def _of_class(
    rows: np.ndarray,
    boxes: np.ndarray,
    scores: np.ndarray,
    rules: NmsRules,
    slack: float,
    pixels: float,
    weakest: float,
) -> int:
    """The same for the detections of one class and its scores [L]; boxes are exact up to `pixels`."""
    broken = int((rows[:, 1] <= rules.score - slack).sum())
    low, _ = _iou(rows[:, 2:], rows[:, 2:], pixels)
    broken += int((np.triu(low, 1) > rules.overlap).any(axis=0).sum())
    ranked = np.sort(scores)
    if rules.per_class is not None:
        surer = len(scores) - np.searchsorted(ranked, rows[:, 1] + 2 * slack, side="right")
        broken += int((surer >= rules.per_class).sum())
    due = (scores > rules.score + slack) & (scores > weakest + 2 * slack)
    if rules.per_class is not None:
        as_sure = len(scores) - np.searchsorted(ranked, scores - 2 * slack) - 1  # without itself
        due &= as_sure < rules.per_class
    _, high = _iou(rows[:, 2:], boxes[due], pixels)
    suppressed = (high > rules.overlap) & (rows[:, 1:2] >= scores[due] - 2 * slack)  # by itself, if it is there
    return broken + int((~suppressed.any(axis=0)).sum())


def _iou(a: np.ndarray, b: np.ndarray, pixels: float) -> tuple[np.ndarray, np.ndarray]:
    """Bounds of the IoU [n, m] of boxes [n, 4] and [m, 4] whose coordinates may be wrong by `pixels`."""
    a, b = a.astype(np.float64)[:, None], b.astype(np.float64)[None]
    shared = np.clip(np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2]), 0, None)
    sides = [np.clip(x[..., 2:] - x[..., :2], 0, None) for x in (a, b)]
    shared_area, areas = shared.prod(axis=-1), [side.prod(axis=-1) for side in sides]
    union = np.maximum(areas[0] + areas[1] - shared_area, 1e-12)
    error = 4 * pixels * (sides[0].sum(axis=-1) + sides[1].sum(axis=-1) + pixels) / union + 1e-6
    return shared_area / union - error, shared_area / union + error
