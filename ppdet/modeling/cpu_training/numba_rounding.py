"""Compiled loops of rounding.py. Importing this module needs numba. All arrays are contiguous float32.

As in numba_kernels.py the order of every sum is written out, and NaN passes through.
"""

from __future__ import annotations

import numpy as np
from numba import prange

from ppdet.modeling.cpu_training.numba_kernels import LANES, Array
from ppdet.utils.jit import compiled


@compiled(parallel=True)
def round_values(x: Array, steps: Array, step: np.float32, low: np.float32, high: np.float32, out: Array) -> None:
    """out = step * clip(round(x / steps), low, high) of x [B, C, M]; steps [C]."""
    batch, channels, size = x.shape
    for i in prange(batch * channels):
        n, c = i // channels, i % channels
        own = steps[c]
        for j in range(size):
            position = x[n, c, j] / own
            whole = np.rint(position)
            whole = low if position < low else whole
            out[n, c, j] = (high if position > high else whole) * step


@compiled(parallel=True)
def round_gradient(
    x: Array, grad: Array, steps: Array, factors: Array, low: np.float32, high: np.float32, grad_x: Array, sums: Array
) -> None:
    """Gradients of `round_values`, straight through the rounding.

    Args:
        x: [B, C, M].
        grad: [B, C, M] of its output.
        steps: [C].
        factors: [C], slopes of the output over the input.
        low: the smallest integer.
        high: the largest integer.
        grad_x: [B, C, M], written.
        sums: [B, C], written: the parts of the gradient of `step`.
    """
    batch, channels, size = x.shape
    for i in prange(batch * channels):
        n, c = i // channels, i % channels
        own, factor = steps[c], factors[c]
        lanes = np.zeros(LANES, np.float32)
        for start in range(0, size, LANES):
            values, slopes = x[n, c, start : start + LANES], grad[n, c, start : start + LANES]
            written = grad_x[n, c, start : start + LANES]
            for j in range(len(values)):
                position = values[j] / own
                below, above = position < low, position > high
                change = np.rint(position) - position
                change = low if below else change
                lanes[j] += slopes[j] * (high if above else change)
                written[j] = np.float32(0) if below or above else slopes[j] * factor
        total = np.float32(0)
        for j in range(LANES):
            total += lanes[j]
        sums[n, c] = total
