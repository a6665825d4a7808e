"""Pure image and box operations: no randomness; arguments are not changed.

Images are [h, w, 3] RGB, uint8 or float32 with values 0..255; boxes are [N, 4] float32, xyxy, pixels of an image of
`size` (height, width).
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

Size = tuple[int, int]  # height, width


def flip_boxes(boxes: np.ndarray, width: int) -> np.ndarray:
    """Boxes of an image mirrored left to right."""
    flipped = boxes.copy()
    flipped[:, [0, 2]] = width - boxes[:, [2, 0]]
    return flipped


def crop(image: np.ndarray, size: Size, window: Sequence[int]) -> np.ndarray:
    """A view of `window` (x1, y1, x2, y2 in pixels of `size`) in an image that may be stored smaller than `size`.

    If it is, the edges are rounded to stored pixels, and the view has at least one of them.
    """
    x1, y1, x2, y2 = window
    if image.shape[:2] != size:
        (height, width), (y, x) = image.shape[:2], (image.shape[0] / size[0], image.shape[1] / size[1])
        x1, y1 = min(round(x1 * x), width - 1), min(round(y1 * y), height - 1)
        x2, y2 = max(round(x2 * x), x1 + 1), max(round(y2 * y), y1 + 1)
    return image[y1:y2, x1:x2]


def crop_boxes(boxes: np.ndarray, window: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """Boxes clipped to `window` (x1, y1, x2, y2) and relative to its corner, and the indices of those that are kept.

    A box is kept if its center lies inside the window and its clipped area is not empty. Returns ([M, 4], [M] int64).
    """
    low, high = np.asarray(window, np.float32).reshape(2, 2)
    centers = (boxes[:, :2] + boxes[:, 2:]) / 2
    moved = np.concatenate([np.maximum(boxes[:, :2], low) - low, np.minimum(boxes[:, 2:], high) - low], axis=1)
    inside = ((low <= centers) & (centers < high)).all(axis=1)
    kept = np.flatnonzero(inside & (moved[:, :2] < moved[:, 2:]).all(axis=1))
    return moved[kept], kept


def clip_boxes(boxes: np.ndarray, size: Size) -> tuple[np.ndarray, np.ndarray]:
    """Boxes clipped to an image, and the indices of those that are not empty then ([M, 4], [M] int64)."""
    clipped = np.clip(boxes, 0, np.array([size[1], size[0]] * 2, np.float32))
    kept = np.flatnonzero((clipped[:, :2] < clipped[:, 2:]).all(axis=1))
    return clipped[kept], kept


def shared_areas(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The area [n, m] that each of the boxes `a` [n, 4] shares with each of `b` [m, 4]."""
    sides = np.minimum(a[:, None, 2:], b[:, 2:]) - np.maximum(a[:, None, :2], b[:, :2])
    return np.asarray(sides.clip(0).prod(axis=2))


def areas(boxes: np.ndarray) -> np.ndarray:
    """The areas [n] of boxes [n, 4]."""
    return np.asarray((boxes[:, 2:] - boxes[:, :2]).prod(axis=1))


def pairwise_iou(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """IoU [n, m] of each of the boxes `a` [n, 4] with each of `b` [m, 4]."""
    shared = shared_areas(a, b)
    return np.asarray(shared / np.maximum(areas(a)[:, None] + areas(b) - shared, 1e-9))


def iou_with(boxes: np.ndarray, window: Sequence[float]) -> np.ndarray:
    """IoU [N] of each box with one window (x1, y1, x2, y2)."""
    low, high = np.asarray(window, np.float32).reshape(2, 2)
    sides = np.minimum(boxes[:, 2:], high) - np.maximum(boxes[:, :2], low)
    overlap: np.ndarray = np.prod(np.maximum(sides, 0), axis=1)
    areas: np.ndarray = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1) + np.prod(high - low)
    return overlap / (areas - overlap + 1e-10)  # type: ignore[no-any-return]  # an array


def resize(image: np.ndarray, size: Size, factors: tuple[float, float], interp: int) -> np.ndarray:
    """Resizes an image, which may be stored smaller than `size`, to `size` times `factors` (y, x). Keeps the dtype.

    `interp` is OpenCV's number (0 nearest, 1 linear, 2 cubic, 3 area, 4 lanczos4).
    """
    y, x = factors
    if image.shape[:2] == size:
        # Factors instead of a size: OpenCV samples by the exact factor even if the size was rounded.
        resized: np.ndarray = cv2.resize(image, None, fx=x, fy=y, interpolation=interp)
    else:
        resized = cv2.resize(image, (round(size[1] * x), round(size[0] * y)), interpolation=interp)
    return resized


def resize_boxes(boxes: np.ndarray, factors: tuple[float, float], size: Size) -> np.ndarray:
    """Boxes times `factors` (y, x), clipped to the resized image's `size`."""
    (y, x), (height, width) = factors, size
    clipped: np.ndarray = np.clip(
        boxes * np.array([x, y] * 2, np.float32), 0, np.array([width, height] * 2, np.float32)
    )
    return clipped
