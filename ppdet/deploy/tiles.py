"""Detection in overlapping parts of a large image, and how their boxes become one image's."""

from __future__ import annotations

import numpy as np

from .errors import DeployError
from .postprocess import overlaps

Window = tuple[int, int, int, int]  # x1, y1, x2, y2
_CUT_SHARE = 0.6  # of a cut box, inside another box: the rest of the same object
_EDGE = 0.01  # of a tile's side: so near to its edge a box counts as cut


def windows(size: tuple[int, int], tile: tuple[int, int], overlap: float) -> list[Window]:
    """Tiles of (height, width) `tile` that cover an image of `size`, neighbours sharing at least `overlap` (0 to 0.9).

    All are of the full size where the image is; the last ones of a row or column are moved inwards for that.
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
    """Which of the rows [n, 6], in pixels of the image, reach an edge of `window` inside the image: [n] bool."""
    x1, y1, x2, y2 = window
    left, top, right, bottom = rows[:, 2:].T
    margin_x, margin_y = _EDGE * (x2 - x1), _EDGE * (y2 - y1)
    sides = [(left <= x1 + margin_x) & (x1 > 0), (right >= x2 - margin_x) & (x2 < size[1]),
             (top <= y1 + margin_y) & (y1 > 0), (bottom >= y2 - margin_y) & (y2 < size[0])]  # fmt: skip
    return np.asarray(np.logical_or.reduce(sides))


def merge(rows: np.ndarray, tile: np.ndarray, is_cut: np.ndarray, iou_threshold: float) -> np.ndarray:
    """The rows [n, 6] that no better one of their class in *another* tile overlaps; of one tile NMS is done already.

    Whole boxes are better than cut ones, then the score counts. Cut ones go where most of them is in a better box too,
    since a part and its whole may share little by IoU. tile, is_cut: [n] number of the tile, and whether cut.
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
