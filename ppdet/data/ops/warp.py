"""Affine maps of images and boxes, and the one pass that draws an image through such a map.

A map is [3, 3] float64 and takes places (x, y, 1) in pixels of one image to places in another. Places are continuous:
pixel i reaches from i to i + 1. Maps are multiplied like matrices: `then @ first`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np

from ppdet.data.ops import functional as F

GRAY = 114  # gray level of a canvas, where no image covers it
_WHOLE = np.ones((64, 64), np.uint8)


def shift(x: float, y: float) -> np.ndarray:
    """The map that moves by (x, y)."""
    return np.array([[1, 0, x], [0, 1, y], [0, 0, 1]], np.float64)


def scale(x: float, y: float) -> np.ndarray:
    """The map that multiplies by (x, y)."""
    return np.diag([x, y, 1.0])


def mirror(width: float) -> np.ndarray:
    """The map that mirrors an image of `width` left to right."""
    return np.array([[-1, 0, width], [0, 1, 0], [0, 0, 1]], np.float64)


def turn(degrees: float, factor: float) -> np.ndarray:
    """The map that turns counterclockwise around the origin and multiplies by `factor`."""
    cos, sin = factor * math.cos(math.radians(degrees)), factor * math.sin(math.radians(degrees))
    return np.array([[cos, sin, 0], [-sin, cos, 0], [0, 0, 1]])


def of_centers(places: np.ndarray) -> np.ndarray:
    """The map of the continuous places if `places` maps pixels by their index, as OpenCV's warpAffine does."""
    return np.asarray(shift(0.5, 0.5) @ places @ shift(-0.5, -0.5))


def bounds(boxes: np.ndarray, places: np.ndarray) -> np.ndarray:
    """The boxes [N, 4] float32 around the mapped corners of boxes [N, 4]."""
    x, y = boxes[:, [0, 2, 0, 2]], boxes[:, [1, 3, 3, 1]]
    corners = np.stack([x, y, np.ones_like(x)], axis=-1) @ places[:2].T  # [N, 4, 2]
    return np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1).astype(np.float32)


def draw(canvas: np.ndarray, image: np.ndarray, places: np.ndarray, window: Sequence[float] | None = None) -> None:
    """Draws an image through a map onto a canvas, with linear interpolation. What it does not cover stays as it is.

    Args:
        canvas: [H, W, 3] uint8, which is written to.
        image: [h, w, 3] uint8.
        places: the map from pixels of the image to pixels of the canvas.
        window: (x1, y1, x2, y2), the part of the image that is drawn; None: all of it.
    """
    left, top, right, bottom = window or (0, 0, image.shape[1], image.shape[0])
    covered = bounds(np.array([[left, top, right, bottom]]), places)[0]
    x1, y1 = np.maximum(np.floor(covered[:2]), 0).astype(int).tolist()
    x2, y2 = np.minimum(np.ceil(covered[2:]), (canvas.shape[1], canvas.shape[0])).astype(int).tolist()
    if x1 >= x2 or y1 >= y2:
        return
    to_part, part = shift(-x1, -y1) @ places, canvas[y1:y2, x1:x2]
    pixels = cv2.warpAffine(image, _by_index(to_part), (x2 - x1, y2 - y1), borderMode=cv2.BORDER_REPLICATE)
    # OpenCV's releases draw edges differently, so the mask decides: it has the pixels whose centers are inside.
    side = len(_WHOLE)
    to_window = shift(left, top) @ scale((right - left) / side, (bottom - top) / side)
    mask = cv2.warpAffine(_WHOLE, _by_index(to_part @ to_window), (x2 - x1, y2 - y1), flags=cv2.INTER_NEAREST)
    cv2.copyTo(pixels, mask, part)


def _by_index(places: np.ndarray) -> np.ndarray:
    """The map [2, 3] for OpenCV, which maps pixels by their index."""
    return np.asarray((shift(-0.5, -0.5) @ places @ shift(0.5, 0.5))[:2])


def fitting(size: F.Size, into: F.Size) -> float:
    """The factor by which an image of `size` fits into another size as large as possible."""
    return min(into[0] / size[0], into[1] / size[1])
