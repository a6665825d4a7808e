"""Second moments of what each weight of a convolution multiplies: they tell which roundings its output feels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ppdet.quantization.network import Conv
from ppdet.quantization.plan import input_scales

_PATCHES = 128  # of each image and convolution, spread evenly over the map
_LARGEST_BLOCK = 1024  # weights; with more, the moments between input channels are left out


@dataclass(frozen=True, eq=False)
class Moments:
    """Sums over patches v [K], which an output channel multiplies with K of its weights, for each of G blocks.

    A block is a group of the convolution. With very many weights it is an input channel.

    Attributes:
        count: number of patches.
        second: the sum of v v^T, [G, K, K] float64.
        first: the sum of v, [G, K] float64.
    """

    count: int
    second: np.ndarray
    first: np.ndarray

    def __add__(self, other: Moments) -> Moments:
        """Returns the sums over both sets of patches."""
        return Moments(self.count + other.count, self.second + other.second, self.first + other.first)


def moments(conv: Conv, values: np.ndarray) -> Moments:
    """Returns the sums over patches of the convolution's input `values` [N, C, H, W]."""
    patches = _patches(conv, values)
    by_block = patches.reshape(len(patches), blocks(conv), -1).transpose(1, 2, 0)
    second = np.matmul(by_block, by_block.transpose(0, 2, 1)).astype(np.float64)
    return Moments(len(patches), second, by_block.sum(axis=2, dtype=np.float64))


def blocks(conv: Conv) -> int:
    """Returns the number of blocks that the weights of the convolution's output channels fall into."""
    return conv.groups if conv.weight[0].size <= _LARGEST_BLOCK else conv.channels


def in_blocks(conv: Conv, weight: np.ndarray) -> np.ndarray:
    """Returns a weight [O, I / groups, kh, kw] as [G, rows, K]: what multiplies the patches of each block."""
    outputs, count = len(weight), blocks(conv)
    if count == conv.groups:
        return weight.reshape(count, outputs // count, -1)
    return weight.reshape(outputs, count, -1).transpose(1, 0, 2)


def from_blocks(conv: Conv, rows: np.ndarray) -> np.ndarray:
    """Returns the weight [O, I / groups, kh, kw] of which `rows` [G, rows, K] are the blocks."""
    if blocks(conv) == conv.groups:
        return rows.reshape(conv.weight.shape)
    return rows.transpose(1, 0, 2).reshape(conv.weight.shape)


def of_outputs(conv: Conv, of_rows: np.ndarray) -> np.ndarray:
    """Returns for each output channel [O] the sum of what its rows [G, rows] have in the blocks."""
    return of_rows.reshape(-1) if blocks(conv) == conv.groups else np.asarray(of_rows.sum(axis=0))


def scaled_second(conv: Conv, sums: Moments, channel_scales: np.ndarray) -> np.ndarray:
    """Returns the mean of v v^T, [G, K, K], for an input in units of its channel scales [C]."""
    unit = np.broadcast_to(input_scales(channel_scales, conv.weight.shape), conv.weight.shape)
    of_rows = in_blocks(conv, unit)[:, 0].astype(np.float64)  # the same for all rows of a block
    return np.asarray(sums.second / sums.count / of_rows[:, :, None] / of_rows[:, None, :])


def output_variances(conv: Conv, sums: Moments) -> np.ndarray:
    """Returns the variances [O] of the output channels."""
    mean = sums.first / sums.count
    covariance = sums.second / sums.count - mean[:, :, None] * mean[:, None, :]
    rows = in_blocks(conv, conv.weight)
    of_rows = np.einsum("grk,grk->gr", np.matmul(rows, covariance), rows)
    return np.asarray(np.maximum(of_outputs(conv, of_rows), np.finfo(np.float32).eps))


def mean_outputs(conv: Conv, weight: np.ndarray, sums: Moments) -> np.ndarray:
    """Returns the mean output [O] of the convolution with another weight and without bias."""
    of_rows = np.einsum("grk,gk->gr", in_blocks(conv, weight), sums.first / sums.count)
    return of_outputs(conv, of_rows)


def _patches(conv: Conv, values: np.ndarray) -> np.ndarray:
    """Returns patches [P, C * kh * kw] float32 of [N, C, H, W], those of a channel side by side."""
    top, left, bottom, right = conv.attributes.get("pads", [0, 0, 0, 0])
    (rise, run), size = conv.attributes.get("strides", [1, 1]), conv.weight.shape[2:]
    padded = np.pad(values, ((0, 0), (0, 0), (top, bottom), (left, right)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, size, axis=(2, 3))[:, :, ::rise, ::run]
    images, _, height, width = windows.shape[:4]
    total = images * height * width
    chosen = np.arange(min(total, _PATCHES * images)) * total // min(total, _PATCHES * images)
    image, cell = np.divmod(chosen, height * width)
    found = windows[image, :, cell // width, cell % width]
    return found.reshape(len(chosen), -1)
