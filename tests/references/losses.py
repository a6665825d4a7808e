"""The losses of single numbers and boxes in plain Python (float64)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from tests.references.boxes import softmax


def sigmoid(logit: float) -> float:
    return 1 / (1 + math.exp(-logit)) if logit >= 0 else math.exp(logit) / (1 + math.exp(logit))


def cross_entropy(probability: float, target: float) -> float:
    """Binary cross entropy; a logarithm is never below -100, as in Paddle's operator."""
    at_one, at_zero = (max(math.log(p), -100.0) if p > 0 else -100.0 for p in (probability, 1 - probability))
    return -(target * at_one + (1 - target) * at_zero)


def varifocal(
    probability: float, target: float, alpha: float = 0.75, gamma: float = 2.0, iou_weighted: bool = True
) -> float:
    """Cross entropy times the target for positives (target > 0), times alpha * p^gamma for negatives."""
    if target > 0:
        return cross_entropy(probability, target) * (target if iou_weighted else 1.0)
    return cross_entropy(probability, target) * alpha * abs(probability - target) ** gamma


def distribution_focal(logits: Sequence[float], target: float) -> float:
    """Cross entropy against the two bins around `target`, the nearer one having the larger weight."""
    probability = softmax(logits)
    left = math.floor(target)
    return -(left + 1 - target) * math.log(probability[left]) - (target - left) * math.log(probability[left + 1])


def gradient(function: Callable[[np.ndarray], float], at: np.ndarray, step: float = 1e-5) -> np.ndarray:
    """Gradient of a number by central differences, one entry after the other; float64."""
    found = np.zeros(at.shape)
    for index in np.ndindex(at.shape):
        above, below = at.astype(np.float64), at.astype(np.float64)
        above[index] += step
        below[index] -= step
        found[index] = (function(above) - function(below)) / (2 * step)
    return found
