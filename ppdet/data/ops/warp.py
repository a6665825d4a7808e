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
_SHIFT = 8  # bits of the fractions of a pixel in an outline
_ROUNDING = 1e-6


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
    """The boxes [N, 4] float32 around the mapped corners of boxes [N, 4]. `places`: one map, or [N, 3, 3]."""
    corners = _corners(boxes, places)
    return np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1).astype(np.float32)


def _corners(boxes: np.ndarray, places: np.ndarray) -> np.ndarray:
    """The mapped corners [N, 4, 2] of boxes [N, 4], in order around the box."""
    x, y = boxes[:, [0, 2, 2, 0], None], boxes[:, [1, 1, 3, 3], None]
    columns = places[..., None, :2, :]
    return np.asarray(x * columns[..., 0] + y * columns[..., 1] + columns[..., 2])


def draw(
    canvas: np.ndarray,
    image: np.ndarray,
    places: np.ndarray,
    window: Sequence[float] | None = None,
    interp: int = cv2.INTER_LINEAR,
) -> None:
    """Draws an image through a map onto a canvas. What it does not cover stays as it is.

    Args:
        canvas: [H, W, 3] uint8, which is written to.
        image: [h, w, 3] uint8.
        places: the map from pixels of the image to pixels of the canvas.
        window: (x1, y1, x2, y2), the part of the image that is drawn; None: all of it.
        interp: OpenCV's number of the interpolation.
    """
    left, top, right, bottom = window or (0, 0, image.shape[1], image.shape[0])
    (a, b, c), (d, e, f), _ = places.tolist()
    outline = [(a * x + b * y + c, d * x + e * y + f) for x in (left, right) for y in (top, bottom)]
    xs, ys = zip(*outline, strict=True)
    x1, x2 = max(math.floor(min(xs)), 0), min(math.ceil(max(xs)), canvas.shape[1])
    y1, y2 = max(math.floor(min(ys)), 0), min(math.ceil(max(ys)), canvas.shape[0])
    if x1 >= x2 or y1 >= y2:
        return
    # OpenCV maps pixels by their index
    by_index = np.array([[a, b, (a + b - 1) / 2 + c - x1], [d, e, (d + e - 1) / 2 + f - y1]])
    pixels = cv2.warpAffine(image, by_index, (x2 - x1, y2 - y1), flags=interp, borderMode=cv2.BORDER_REPLICATE)
    cv2.copyTo(pixels, _mask(outline, (x1, y1, x2, y2)), canvas[y1:y2, x1:x2])


def _mask(outline: Sequence[tuple[float, float]], window: tuple[int, int, int, int]) -> np.ndarray:
    """The mask [h, w] uint8 of the pixels of a window that lie in a parallelogram.

    OpenCV's releases draw the edge of an image differently, so this decides what belongs to it. OpenCV fills up to half
    a pixel more than an outline holds, so the outline is drawn in by half of that.
    """
    x1, y1, x2, y2 = window
    middle_x, middle_y = ((one + other) / 2 for one, other in zip(outline[0], outline[3], strict=True))
    inner = [
        (x + math.copysign(0.25, middle_x - x) - x1 - 0.5, y + math.copysign(0.25, middle_y - y) - y1 - 0.5)
        for x, y in (outline[0], outline[1], outline[3], outline[2])
    ]
    mask = np.zeros((y2 - y1, x2 - x1), np.uint8)
    cv2.fillConvexPoly(mask, np.rint(np.array(inner) * 2**_SHIFT).astype(np.int32), 1, shift=_SHIFT)
    return mask


def fitting(size: F.Size, into: F.Size) -> float:
    """The factor by which an image of `size` fits into another size as large as possible."""
    return min(into[0] / size[0], into[1] / size[1])


def visible_bounds(boxes: np.ndarray, places: np.ndarray, size: F.Size) -> np.ndarray:
    """The boxes [N, 4] float32 around what an image of `size` shows of mapped boxes [N, 4]; without area if nothing.

    The border cuts the turned rectangle, not the box around it, so the result is as tight as the pixels. `places`: one
    map, or [N, 3, 3].
    """
    around, limit = bounds(boxes, places), np.array([size[1], size[0]], np.float64)
    found = np.clip(around, 0, np.tile(limit, 2)).astype(np.float32)
    shown = (found[:, :2] < found[:, 2:]).all(axis=1)
    cut = np.flatnonzero(shown & (found != around).any(axis=1))
    places = np.broadcast_to(places, (len(boxes), 3, 3))[cut]
    if len(cut) and places[:, [0, 1], [1, 0]].any():
        found[cut] = _bounds_of_parts(boxes[cut].astype(np.float64), places, limit)
    return np.asarray(found)


def _bounds_of_parts(boxes: np.ndarray, places: np.ndarray, limit: np.ndarray) -> np.ndarray:
    """`visible_bounds` of boxes [N, 4] with a map [N, 3, 3] each, by the corners of the polygons that are visible.

    These are corners of the turned box in the image, corners of the image in the turned box, and crossings of edges.
    """
    corners = _corners(boxes, places)  # [N, 4, 2]
    steps = np.roll(corners, -1, axis=1) - corners
    axis, border = [0, 0, 1, 1], np.array([0, limit[0], 0, limit[1]])
    with np.errstate(divide="ignore", invalid="ignore"):
        share = (border - corners[..., axis]) / steps[..., axis]  # [N, 4, 4] along each edge to each border
        crossings = corners[..., None, :] + share[..., None] * steps[..., None, :]
    crossed = (share >= 0) & (share <= 1)
    frame = np.array([[0, 0, 1], [limit[0], 0, 1], [limit[0], limit[1], 1], [0, limit[1], 1]])
    back = (frame @ np.linalg.inv(places).transpose(0, 2, 1))[..., :2]  # in pixels of the box
    in_box = ((back >= boxes[:, None, :2]) & (back <= boxes[:, None, 2:])).all(axis=2)
    count = len(boxes)
    points = np.concatenate([corners, crossings.reshape(count, 16, 2)], axis=1)
    inside: np.ndarray = np.all((points >= -_ROUNDING) & (points <= limit + _ROUNDING), axis=2)
    inside[:, 4:] &= crossed.reshape(count, 16)
    points = np.concatenate([points, np.broadcast_to(frame[:, :2], (count, 4, 2))], axis=1)
    valid = np.concatenate([inside, in_box], axis=1)[..., None]
    low, high = np.where(valid, points, np.inf).min(axis=1), np.where(valid, points, -np.inf).max(axis=1)
    return np.asarray(np.clip(np.concatenate([low, np.maximum(low, high)], axis=1), 0, np.tile(limit, 2)))
