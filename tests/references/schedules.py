"""Learning rate and weight average, step by step (float64)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np


def cosine_with_warmup(
    base: float, step: int, warmup: int, start_factor: float, total: int, lowest_ratio: float = 0.0
) -> float:
    """A straight line from start_factor * base in `warmup` steps, then half a cosine that ends at step `total`."""
    if step < warmup:
        return base * (start_factor + (1 - start_factor) * step / warmup)
    part = min(1.0, (step - warmup) / (total - warmup))
    return base * (lowest_ratio + (1 - lowest_ratio) * (1 + math.cos(math.pi * part)) / 2)


def piecewise(base: float, step: int, milestones: Sequence[int], gamma: float) -> float:
    """Multiplied by gamma at each of the milestones (steps)."""
    rate = base
    for milestone in milestones:
        if step >= milestone:
            rate *= gamma
    return rate


def averages(weights: Sequence[np.ndarray], decay: float, kind: str) -> list[np.ndarray]:
    """The average after each update; the sum starts from zeros, which dividing by 1 - d^steps makes good."""
    total, found = np.zeros_like(weights[0], np.float64), []
    for step, value in enumerate(weights):
        d = decay
        if kind == "threshold":
            d = min(decay, (1 + step) / (10 + step))
        elif kind == "exponential":
            d = decay * (1 - math.exp(-(step + 1) / 2000))
        total = d * total + (1 - d) * value
        found.append(total if kind == "exponential" else total / (1 - d ** (step + 1)))
    return found
