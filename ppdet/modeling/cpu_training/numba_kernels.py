"""Compiled loops of layers.py. Importing this module needs numba. All arrays are contiguous float32.

A padded plane is laid out row by row in one vector, so that a shift by (ky, kx) is an offset, and each of the k kernel
rows one long loop that the compiler vectorizes.

The order of every sum is written out (LANES partial sums) and the compiler may not change it: the same bits come out of
a fresh compilation, of numba's cache, and of processors with other vector widths. NaN and infinity pass through.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numba import prange
from numpy.typing import NDArray

from ppdet.utils.jit import compiled

Array: TypeAlias = NDArray[np.float32]

LANES = 256  # partial sums of a reduction: a loop over so many is long enough to be vectorized well


@compiled()
def _spread(plane: Array, pad: int, row: int, step: int, buffer: Array) -> None:
    """`plane` into the zeroed `buffer` of rows of `row` elements, `pad` from the top left, every `step`-th place."""
    buffer[:] = 0
    for y in range(plane.shape[0]):
        start = (y * step + pad) * row + pad
        if step == 1:
            buffer[start : start + plane.shape[1]] = plane[y]
        else:
            for x in range(plane.shape[1]):
                buffer[start + x * step] = plane[y, x]


@compiled(inline="always")
def _add_shifted(total: Array, line: Array, weights: Array, length: int) -> None:
    """total[j] += sum over x of weights[x] * line[j + x]; kernels of 3 and 5 in one pass over memory."""
    if len(weights) == 3:
        a, b, c = weights
        for j in range(length):
            total[j] += a * line[j] + b * line[j + 1] + c * line[j + 2]
    elif len(weights) == 5:
        a, b, c, d, e = weights
        for j in range(length):
            total[j] += a * line[j] + b * line[j + 1] + c * line[j + 2] + d * line[j + 3] + e * line[j + 4]
    else:
        for x in range(len(weights)):
            for j in range(length):
                total[j] += weights[x] * line[j + x]


@compiled(parallel=True)
def correlate(x: Array, weight: Array, out: Array, step: int, stride: int) -> None:
    """out [B, C, h, w] = x [B, C, H, W] correlated with weight [C, k, k], zero padding (k - 1) / 2.

    `stride` thins out the output, `step` puts step - 1 zeros between the pixels of `x` (the gradient of a stride).
    """
    batch, channels, height, width = out.shape
    k = weight.shape[1]
    full_height = max(height * stride, x.shape[2] * step)
    full_width = max(width * stride, x.shape[3] * step)
    row = full_width + k - 1
    for i in prange(batch * channels):
        n, c = i // channels, i % channels
        buffer = np.empty((full_height + k - 1) * row + k - 1, np.float32)
        _spread(x[n, c], k // 2, row, step, buffer)
        if stride == 1:  # all rows in one loop; what it computes between them is left behind
            total = np.zeros(height * row, np.float32)
            for ky in range(k):
                _add_shifted(total, buffer[ky * row :], weight[c, ky], height * row)
            out[n, c] = total.reshape(height, row)[:, :width]
        else:
            for y in range(height):
                total = np.zeros(full_width, np.float32)
                for ky in range(k):
                    _add_shifted(total, buffer[(y * stride + ky) * row :], weight[c, ky], full_width)
                for j in range(width):
                    out[n, c, y, j] = total[j * stride]


@compiled(inline="always")
def _total(lanes: Array) -> Any:
    """The sum of LANES partial sums, pairwise."""
    half = LANES // 2
    while half:
        for lane in range(half):
            lanes[lane] += lanes[lane + half]
        half //= 2
    return lanes[0]


@compiled(parallel=True)
def weight_gradient(x: Array, grad: Array, out: Array, stride: int) -> None:
    """out [C, k, k] = gradient of the weight, from x [B, C, H, W] and grad [B, C, h, w] of the strided output."""
    batch, channels, height, width = x.shape
    k = out.shape[1]
    row = max(width, grad.shape[3] * stride) + k - 1
    length = max(height, grad.shape[2] * stride) * row
    for c in prange(channels):
        buffer = np.empty(length + (k - 1) * (row + 1), np.float32)
        spread = np.empty(length, np.float32)  # grad in rows as long as the buffer's
        lanes = np.zeros((k, k, LANES), np.float32)
        for n in range(batch):
            _spread(x[n, c], k // 2, row, 1, buffer)
            _spread(grad[n, c], 0, row, stride, spread)
            for start in range(0, length, LANES):
                grads = spread[start : start + LANES]
                for ky in range(k):
                    for kx in range(k):
                        values, sums = buffer[start + ky * row + kx :], lanes[ky, kx]
                        for j in range(len(grads)):
                            sums[j] += grads[j] * values[j]
        for ky in range(k):
            for kx in range(k):
                out[c, ky, kx] = _total(lanes[ky, kx])


@compiled(parallel=True)
def batch_statistics(x: Array, mean: Array, variance: Array) -> None:
    """Mean and (biased) variance [C] of each channel of x [B, C, M]."""
    batch, channels, size = x.shape
    for c in prange(channels):
        lanes = np.zeros(LANES, np.float32)
        for n in range(batch):
            for start in range(0, size, LANES):
                values = x[n, c, start : start + LANES]
                for j in range(len(values)):
                    lanes[j] += values[j]
        center = np.float32(_total(lanes) / (batch * size))
        lanes[:] = 0
        for n in range(batch):
            for start in range(0, size, LANES):
                values = x[n, c, start : start + LANES]
                for j in range(len(values)):
                    lanes[j] += (values[j] - center) ** 2
        mean[c] = center
        variance[c] = _total(lanes) / (batch * size)


@compiled(parallel=True)
def norm_act(x: Array, scale: Array, shift: Array, hard_swish: bool, out: Array) -> None:
    """out = act(scale * x + shift) of x [B, C, M]; scale and shift [C]."""
    batch, channels, size = x.shape
    for i in prange(batch * channels):
        n, c = i // channels, i % channels
        a, b = scale[c], shift[c]
        if hard_swish:
            for j in range(size):
                z = a * x[n, c, j] + b
                out[n, c, j] = z * min(max(z + np.float32(3), np.float32(0)), np.float32(6)) * np.float32(1 / 6)
        else:
            for j in range(size):
                out[n, c, j] = a * x[n, c, j] + b


@compiled(inline="always")
def _act_gradient(z: np.float32, grad: np.float32, hard_swish: bool) -> np.float32:
    if not hard_swish:
        return grad
    slope = z * np.float32(1 / 3) + np.float32(0.5)
    return grad * (np.float32(0) if z < np.float32(-3) else (np.float32(1) if z > np.float32(3) else slope))


@compiled(parallel=True)
def norm_act_gradient(
    x: Array,
    grad: Array,
    mean: Array,
    inverse_std: Array,
    weight: Array,
    bias: Array,
    hard_swish: bool,
    grad_x: Array,
    grad_weight: Array,
    grad_bias: Array,
) -> None:
    """Gradients of act(weight * (x - mean) * inverse_std + bias), mean and inverse_std being those of x [B, C, M]."""
    batch, channels, size = x.shape
    for c in prange(channels):
        center, a = mean[c], weight[c] * inverse_std[c]
        b = bias[c] - a * center
        grads, products = np.zeros(LANES, np.float32), np.zeros(LANES, np.float32)
        for n in range(batch):
            for start in range(0, size, LANES):
                values, slopes = x[n, c, start : start + LANES], grad[n, c, start : start + LANES]
                for j in range(len(values)):
                    g = _act_gradient(a * values[j] + b, slopes[j], hard_swish)
                    grads[j] += g
                    products[j] += g * (values[j] - center)
        sum_grad, sum_product = _total(grads), _total(products)
        grad_bias[c] = sum_grad
        grad_weight[c] = sum_product * inverse_std[c]
        mean_grad = np.float32(sum_grad / (batch * size))
        slope = np.float32(sum_product / (batch * size)) * inverse_std[c] ** 2
        for n in range(batch):
            for j in range(size):
                g = _act_gradient(a * x[n, c, j] + b, grad[n, c, j], hard_swish)
                grad_x[n, c, j] = a * (g - mean_grad - slope * (x[n, c, j] - center))
