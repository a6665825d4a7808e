"""Comparing the outputs of two runs, detections in any order inside of an image."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ppdet.export.compare import compare


def differences(expected: Sequence[np.ndarray], found: Sequence[np.ndarray]) -> float:
    """The largest difference, as the export's check measures it; infinite where one side lacks a detection."""
    if expected[-1].ndim > 1:
        result = compare(expected, found)
        return max(result.score, result.box)
    if expected[1].tolist() != found[1].tolist() or len(expected[0]) != len(found[0]):
        return np.inf
    images = [np.split(bbox, np.cumsum(bbox_num)[:-1]) for bbox, bbox_num in (expected, found)]
    return max(max(_nearest(a, b), _nearest(b, a)) for a, b in zip(*images, strict=True))


def _nearest(rows: np.ndarray, others: np.ndarray) -> float:
    """How far the worst of `rows` [n, 6] is from the nearest of `others` of its class, coordinates relative."""
    scale = np.array([1, *[max(1.0, np.abs(others[:, 2:]).max(initial=0))] * 4])
    worst = 0.0
    for row in rows:
        same = others[others[:, 0] == row[0]]
        worst = max(worst, np.abs((same[:, 1:] - row[1:]) / scale).max(axis=1).min(initial=np.inf))
    return worst
