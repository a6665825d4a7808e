"""The compiled loops of depthwise_cpu.py; importing this module needs numba.

A padded plane is laid out row by row in one vector, so that a shift by (ky, kx) is an offset, and each of the k * k
steps one long loop that the compiler vectorises. Strides are taken afterwards, from the plane of stride 1.
"""

from __future__ import annotations

import numpy as np
from numba import njit, prange


@njit(cache=True, fastmath=True)
def _padded(plane, pad):  # [H, W] -> vector of H + 2 pad rows of W + 2 pad, with room for the last shift
    height, width = plane.shape
    row = width + 2 * pad
    buffer = np.zeros((height + 2 * pad) * row + 2 * pad, np.float32)
    for y in range(height):
        start = (y + pad) * row + pad
        buffer[start : start + width] = plane[y]
    return buffer


@njit(cache=True, fastmath=True, parallel=True)
def correlate(x, weight, stride):
    """x [B, C, H, W], weight [C, k, k] -> [B, C, ceil(H / stride), ceil(W / stride)]; zero padding (k - 1) / 2."""
    batch, channels, height, width = x.shape
    k = weight.shape[1]
    pad = (k - 1) // 2
    row = width + 2 * pad
    out = np.empty((batch, channels, (height - 1) // stride + 1, (width - 1) // stride + 1), np.float32)
    for i in prange(batch * channels):
        n, c = i // channels, i % channels
        buffer = _padded(x[n, c], pad)
        total = np.zeros(height * row, np.float32)
        for ky in range(k):
            for kx in range(k):
                shifted = buffer[ky * row + kx : ky * row + kx + height * row]
                factor = weight[c, ky, kx]
                for j in range(height * row):
                    total[j] += factor * shifted[j]
        out[n, c] = total.reshape(height, row)[::stride, 0:width:stride]
    return out


@njit(cache=True, fastmath=True, parallel=True)
def weight_gradient(x, grad, k):
    """x and grad [B, C, H, W] (stride 1) -> gradient [C, k, k] of the weight."""
    batch, channels, height, width = x.shape
    pad = (k - 1) // 2
    row = width + 2 * pad
    out = np.zeros((channels, k, k), np.float32)
    for c in prange(channels):
        spread = np.zeros((height, row), np.float32)  # grad in rows as long as the buffer's
        for n in range(batch):
            buffer = _padded(x[n, c], pad)
            spread[:, :width] = grad[n, c]
            flat = spread.reshape(height * row)
            for ky in range(k):
                for kx in range(k):
                    shifted = buffer[ky * row + kx : ky * row + kx + height * row]
                    total = np.float32(0)
                    for j in range(height * row):
                        total += flat[j] * shifted[j]
                    out[c, ky, kx] += total
    return out
