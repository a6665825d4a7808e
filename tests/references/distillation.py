"""Distillation losses of one grid point as plain loops (arXiv:2006.04388, arXiv:2102.12252)."""

from __future__ import annotations

import math
from collections.abc import Sequence


def certainty(teacher: Sequence[float]) -> float:
    """The weight of a point, from the teacher's class scores there."""
    return max(teacher) ** 2


def class_difference(student: Sequence[float], teacher: Sequence[float], gamma: float) -> float:
    """Sum over the classes of the cross entropy of two Bernoulli distributions, times |difference| ** gamma."""
    total = 0.0
    for s, t in zip(student, teacher, strict=True):
        total -= (t * math.log(s) + (1 - t) * math.log(1 - s)) * abs(s - t) ** gamma
    return total


def box_difference(student: Sequence[Sequence[float]], teacher: Sequence[Sequence[float]], temperature: float) -> float:
    """Mean over the sides of KL(teacher || student) of the softened distributions of distances, times temperature ** 2.

    student, teacher  logits of the bins, for each side
    """
    total = 0.0
    for s_bins, t_bins in zip(student, teacher, strict=True):
        s, t = (softmax([bin_ / temperature for bin_ in bins]) for bins in (s_bins, t_bins))
        total += sum(b * math.log(b / a) for a, b in zip(s, t, strict=True))
    return total / len(student) * temperature**2


def softmax(logits: Sequence[float]) -> list[float]:
    exponentials = [math.exp(x - max(logits)) for x in logits]
    return [x / sum(exponentials) for x in exponentials]


def feature_difference(student: Sequence[float], teacher: Sequence[float]) -> float:
    """Mean squared difference of features, each brought to mean 0 and variance 1."""
    pairs = zip(standardized(student), standardized(teacher), strict=True)
    return sum((a - b) ** 2 for a, b in pairs) / len(student)


def standardized(features: Sequence[float]) -> list[float]:
    mean = sum(features) / len(features)
    variance = sum((x - mean) ** 2 for x in features) / len(features)
    return [(x - mean) / math.sqrt(variance + 1e-5) for x in features]
