"""Compiled loops of the reader. Importing this module needs numba, which compiles them unless its cache has them.

They run on one thread: the worker processes are the parallelism.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import boolean, float32, float64, int64, types, uint8, void

from ppdet.utils.jit import compiled

_MATRIX, _CUBE = float32[:, ::1], float32[:, :, ::1]


@compiled([void(uint8[:, :, ::1], _MATRIX, _CUBE), void(_CUBE, _MATRIX, _CUBE)])
def map_planes(planes: Any, color_map: Any, out: Any) -> None:
    """Writes planes [3, h, w], mapped by color_map [3, 4], into the top left of out [3, H, W]; the rest becomes 0."""
    height, width = planes.shape[1:]
    for y in range(height):
        red, green, blue = planes[0, y], planes[1, y], planes[2, y]
        for channel in range(3):
            r, g, b, offset = color_map[channel]
            row = out[channel, y]
            for x in range(width):
                row[x] = r * np.float32(red[x]) + g * np.float32(green[x]) + b * np.float32(blue[x]) + offset
            row[width:] = 0
    out[:, height:] = 0


@compiled([void(_MATRIX, int64[::1], _MATRIX, _MATRIX)])
def weighted_row_sum(lines: Any, first: Any, weights: Any, out: Any) -> None:
    """out[i] = sum over t of weights[i, t] * lines[first[i] + t]. Beyond the ends the first and the last line are used.

    lines [n, w], first [m], weights [m, T] with T a multiple of 4; out [H, W] with H >= m and W >= w, the rest of which
    becomes 0.
    """
    last, width = len(lines) - 1, lines.shape[1]
    for i in range(len(first)):
        row = out[i]
        row[:] = 0
        for t in range(0, weights.shape[1], 4):  # four at a time: each sum is loaded and stored once for four products
            start = first[i] + t
            one, two = lines[min(max(start, 0), last)], lines[min(max(start + 1, 0), last)]
            three, four = lines[min(max(start + 2, 0), last)], lines[min(max(start + 3, 0), last)]
            a, b, c, d = weights[i, t], weights[i, t + 1], weights[i, t + 2], weights[i, t + 3]
            for x in range(width):
                row[x] += a * one[x] + b * two[x] + c * three[x] + d * four[x]
    out[len(first) :] = 0


@compiled([boolean(_MATRIX, int64, int64, int64, int64, float32, boolean)])
def accepts_window(boxes: Any, x1: int, y1: int, x2: int, y2: int, threshold: float, every_box: bool) -> bool:
    """`RandomCrop._accepts`, in the same float32 arithmetic."""
    left, top, right, bottom = np.float32(x1), np.float32(y1), np.float32(x2), np.float32(y2)
    window_area = (right - left) * (bottom - top)
    centered = False
    best, worst = np.float32(-np.inf), np.float32(np.inf)
    for i in range(len(boxes)):
        bx1, by1, bx2, by2 = boxes[i]
        inner_x1, inner_y1, inner_x2, inner_y2 = max(bx1, left), max(by1, top), min(bx2, right), min(by2, bottom)
        overlap = max(inner_x2 - inner_x1, np.float32(0)) * max(inner_y2 - inner_y1, np.float32(0))
        area = (bx2 - bx1) * (by2 - by1) + window_area
        iou = overlap / (area - overlap + np.float32(1e-10))
        best, worst = max(best, iou), min(worst, iou)
        x, y = (bx1 + bx2) / np.float32(2), (by1 + by2) / np.float32(2)
        inside = left <= x < right and top <= y < bottom
        centered = centered or (inside and inner_x1 - left < inner_x2 - left and inner_y1 - top < inner_y2 - top)
    reached = (worst if every_box else best) >= threshold
    return bool(centered and reached)


@compiled([types.UniTuple(int64, 4)(types.npy_rng, int64, int64, _MATRIX, float64[::1], float64[::1], int64, boolean)])
def choose_window(
    rng: Any, height: int, width: int, boxes: Any, thresholds: Any, bounds: Any, attempts: int, every_box: bool
) -> tuple[int, int, int, int]:
    """The first window (x1, y1, x2, y2) that is accepted, with the random draws of `RandomCrop._draw`; else zeros.

    thresholds [T] in the order in which they are tried, NaN for no crop; bounds [4]: scaling, then aspect_ratio.
    """
    for threshold in thresholds:
        if np.isnan(threshold):
            break
        for _ in range(attempts):
            scale = rng.uniform(bounds[0], bounds[1])
            area = scale * scale
            root = math.sqrt(rng.uniform(max(bounds[2], area), min(bounds[3], 1 / area)))
            crop_h, crop_w = max(int(height * (scale / root)), 1), max(int(width * (scale * root)), 1)
            y = rng.integers(0, max(height - crop_h, 1))
            x = rng.integers(0, max(width - crop_w, 1))
            if accepts_window(boxes, x, y, x + crop_w, y + crop_h, threshold, every_box):
                return x, y, x + crop_w, y + crop_h
    return 0, 0, 0, 0
