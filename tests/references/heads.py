"""The losses of both heads, one grid point at a time (float64); they are summed over the points of all images.

The ETA head divides its sums by the sum of all target scores. The legacy head divides the classification loss by the
number of positives and the box losses by the sum of their weights. A divisor is at least 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from tests.references.boxes import Box, decoded_box, distances, giou
from tests.references.losses import distribution_focal, sigmoid, varifocal


class PointLosses(NamedTuple):
    """Without the weights of the losses. `weight` is what the box losses of the point are multiplied by already."""

    vfl: float
    bbox: float
    dfl: float
    weight: float


def box_losses(point: Sequence[float], stride: float, logits: Sequence[float], gt: Box) -> tuple[float, float]:
    """1 - GIoU, and the distribution focal loss averaged over the four sides; both in units of the stride."""
    bins = len(logits) // 4
    in_strides = [side / stride for side in gt]
    at = (point[0] / stride, point[1] / stride)
    dfl = 0.0
    for side, distance in enumerate(distances(at, in_strides)):
        target = min(max(distance, 0.0), bins - 1 - 0.1)
        dfl += distribution_focal(logits[side * bins : (side + 1) * bins], target) / 4
    return 1 - giou(decoded_box(at, 1.0, logits), in_strides), dfl


def eta_losses(
    point: Sequence[float],
    stride: float,
    probabilities: Sequence[float],
    logits: Sequence[float],
    label: int,
    gt: Box | None,
    score: float,
) -> PointLosses:
    """PicoHeadV2, whose class predictions are probabilities; box losses are weighted by the target score."""
    vfl = sum(varifocal(p, score if cls == label else 0.0) for cls, p in enumerate(probabilities))
    if gt is None:
        return PointLosses(vfl, 0.0, 0.0, 0.0)
    bbox, dfl = box_losses(point, stride, logits, gt)
    return PointLosses(vfl, score * bbox, score * dfl, score)


def legacy_losses(
    point: Sequence[float],
    stride: float,
    class_logits: Sequence[float],
    logits: Sequence[float],
    label: int,
    gt: Box | None,
    score: float,
    weight: float | None = None,
) -> PointLosses:
    """PicoHead, whose class predictions are logits; box losses are weighted by the best class probability, which is a
    constant for the gradient (`weight`)."""
    vfl = sum(varifocal(sigmoid(x), score if cls == label else 0.0) for cls, x in enumerate(class_logits))
    if gt is None:
        return PointLosses(vfl, 0.0, 0.0, 0.0)
    bbox, dfl = box_losses(point, stride, logits, gt)
    weight = sigmoid(max(class_logits)) if weight is None else weight
    return PointLosses(vfl, weight * bbox, weight * dfl, weight)
