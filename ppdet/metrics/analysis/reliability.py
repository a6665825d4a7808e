"""Calibration: whether a score of 0.7 means that 70 % of the detections are right."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ppdet.metrics.analysis.matching import RIGHT, UNCOUNTED, Case, Matching


@dataclass(frozen=True, eq=False)
class Reliability:
    """The reliability curve over B bins of scores.

    Attributes:
        edges: [B + 1] float64: bin b has the scores above `edges[b]`, up to and including `edges[b + 1]`; the first bin
            has 0 too.
        count: [B] int64, detections.
        score: [B] float64, their mean score; NaN if there are none.
        right: [B] float64, the share of them that is right; NaN if there are none.
        error: the expected calibration error: |right - score| averaged over all detections; NaN without detections.
        worst: the largest |right - score| of a bin.
    """

    edges: np.ndarray
    count: np.ndarray
    score: np.ndarray
    right: np.ndarray
    error: float
    worst: float


def reliability(case: Case, matching: Matching, bins: int = 10, lowest: float = 0.0) -> Reliability:
    """Compares scores with the share of right detections.

    The bins have equal width, as in Guo et al., "On calibration of modern neural networks" (2017), with a detection
    being right as `matching` says. Detections that do not count are left out, and objects that were not found have no
    score, so they do not enter.

    Args:
        case: the detections.
        matching: which of them are right.
        bins: B.
        lowest: only detections with this score or more. Detectors give many boxes with scores near 0, which hide the
            others in the average.
    """
    counted = (matching.status != UNCOUNTED) & (case.found.score >= lowest)
    scores, right = case.found.score[counted], matching.status[counted] == RIGHT
    edges = np.linspace(0, 1, bins + 1)
    place = np.clip(np.searchsorted(edges, scores, side="left") - 1, 0, bins - 1)
    count = np.bincount(place, minlength=bins)
    with np.errstate(invalid="ignore"):
        score, share = (np.bincount(place, values, bins) / count for values in (scores, right))
    gap = np.where(count > 0, np.abs(share - score), 0.0)
    error = float((gap * count).sum() / count.sum()) if len(scores) else float("nan")
    return Reliability(edges, count, score, share, error, float(gap.max()) if len(scores) else float("nan"))
