"""Overlapping tiles of a large image, and merging what was detected in them."""

from __future__ import annotations

import numpy as np

from .errors import DeployError
from .postprocess import overlaps

Window = tuple[int, int, int, int]  # x1, y1, x2, y2
_CUT_SHARE = 0.6  # a cut box with this share of its area in another box is part of the same object
_EDGE = 0.01  # share of a tile's side: a box that is so near to the edge counts as cut


def windows(size: tuple[int, int], tile: tuple[int, int], overlap: float) -> list[Window]:
    """Tiles of (height, width) `tile` that cover an image of `size`, neighbors sharing at least `overlap` (0 to 0.9).

    All have the full size if the image is large enough: the last ones of a row or column are moved inwards.
    """
    if min(tile) < 32 or not 0 <= overlap <= 0.9:
        raise DeployError(f"tile, overlap: found {tile[0]} x {tile[1]}, {overlap}; expected 32 or more, and 0 to 0.9")
    (rows, height), (columns, width) = (_starts(*sides, overlap) for sides in zip(size, tile, strict=True))
    return [(x, y, x + width, y + height) for y in rows for x in columns]


def _starts(length: int, tile: int, overlap: float) -> tuple[list[int], int]:
    if length <= tile:
        return [0], length
    count = -(-(length - tile) // max(1, int(tile * (1 - overlap)))) + 1
    return np.linspace(0, length - tile, count).astype(int).tolist(), tile


def cut(rows: np.ndarray, window: Window, size: tuple[int, int]) -> np.ndarray:
    """[n] bool: whether each row [n, 6], in pixels of the image, reaches an edge of `window` inside the image."""
    x1, y1, x2, y2 = window
    left, top, right, bottom = rows[:, 2:].T
    margin_x, margin_y = _EDGE * (x2 - x1), _EDGE * (y2 - y1)
    sides = [
        (left <= x1 + margin_x) & (x1 > 0),
        (right >= x2 - margin_x) & (x2 < size[1]),
        (top <= y1 + margin_y) & (y1 > 0),
        (bottom >= y2 - margin_y) & (y2 < size[0]),
    ]
    return np.asarray(np.logical_or.reduce(sides))


def merge(rows: np.ndarray, tile: np.ndarray, is_cut: np.ndarray, iou_threshold: float) -> np.ndarray:
    """NMS across tiles, after NMS in each: the rows [n, 6] that no better one of their class in another tile overlaps.

    Whole boxes are better than cut ones; among equals the score decides. A cut box also goes if most of it lies in a
    better box, because the IoU of a part and its whole may be small.

    Args:
        rows: class, score, x1, y1, x2, y2 in pixels of the image.
        tile: [n] number of the tile of each row.
        is_cut: [n] bool, see `cut`.
        iou_threshold: largest IoU of two rows that both stay.
    """
    kept: list[int] = []
    for i in np.lexsort((-rows[:, 1], is_cut)).tolist():
        rivals = [k for k in kept if tile[k] != tile[i] and rows[k, 0] == rows[i, 0]]
        shared, area, areas = overlaps(rows[i, 2:], rows[rivals, 2:])
        same = shared > iou_threshold * (area + areas - shared)
        if is_cut[i]:
            same |= shared > _CUT_SHARE * area
        if not same.any():
            kept.append(i)
    return rows[kept]
