"""Color changes of an image as one affine map, and the single pass that applies it.

RandomDistort and NormalizeImage change each pixel by an affine map. Interpolation weights sum to 1, and crop and flip
do not change values, so both commute with the color map. The maps of an image are therefore multiplied into one (in
float64), crop, flip and resize work on uint8 pixels, and collation applies the map while it writes the batch.

A color map is [3, 4] float64: out = map[:, :3] @ rgb + map[:, 3]. `rgb` and `out` are gray levels (0..255) or
normalized values.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from ppdet.data import ops

_GRAY_WEIGHTS = np.array([0.299, 0.587, 0.114])
_RGB_TO_YIQ = np.array([_GRAY_WEIGHTS, [0.596, -0.274, -0.321], [0.211, -0.523, 0.311]])
_YIQ_TO_RGB = np.array([[1.0, 0.956, 0.621], [1.0, -0.272, -0.647], [1.0, -1.107, 1.705]])


def affine(matrix: np.ndarray, offset: Sequence[float] | np.ndarray | float = 0.0) -> np.ndarray:
    """The map rgb -> matrix [3, 3] @ rgb + offset (one number, or three)."""
    color_map = np.empty((3, 4))
    color_map[:, :3], color_map[:, 3] = matrix, offset
    return color_map


def shift_brightness(delta: float) -> np.ndarray:
    """The map that adds `delta` gray levels."""
    return affine(np.eye(3), delta)


def scale_contrast(factor: float) -> np.ndarray:
    """The map that multiplies by `factor`."""
    return affine(factor * np.eye(3))


def blend_saturation(factor: float) -> np.ndarray:
    """The map to factor * rgb + (1 - factor) * gray."""
    return affine(factor * np.eye(3) + (1 - factor) * _GRAY_WEIGHTS)


def rotate_hue(turn: float) -> np.ndarray:
    """The map that rotates the chroma plane of YIQ by turn * pi."""
    cos, sin = np.cos(turn * np.pi), np.sin(turn * np.pi)
    return affine(_YIQ_TO_RGB @ np.array([[1, 0, 0], [0, cos, -sin], [0, sin, cos]]) @ _RGB_TO_YIQ)


def normalize(mean: Sequence[float], std: Sequence[float], is_scale: bool) -> np.ndarray:
    """The map to (rgb / 255 - mean) / std per channel; without is_scale, to (rgb - mean) / std."""
    return affine(np.diag(1 / (np.array(std) * (255 if is_scale else 1))), -np.array(mean) / std)


def compose(first: np.ndarray | None, then: np.ndarray) -> np.ndarray:
    """The map that applies `first` (None: the identity), then `then`."""
    if first is None:
        return then
    product: np.ndarray = then[:, :3] @ first
    product[:, 3] += then[:, 3]
    return product


def inverse(color_map: np.ndarray) -> np.ndarray:
    """The map back, from what `color_map` gives."""
    matrix = np.linalg.inv(color_map[:, :3])
    return affine(matrix, -matrix @ color_map[:, 3])


def or_identity(color_map: np.ndarray | None) -> np.ndarray:
    """The map itself, or the one that changes nothing."""
    return affine(np.eye(3)) if color_map is None else color_map


def apply_map(image: np.ndarray, color_map: np.ndarray) -> np.ndarray:
    """Returns the mapped image, [h, w, 3] float32. Values are not clipped."""
    mapped: np.ndarray = cv2.transform(image.astype(np.float32, copy=False), color_map.astype(np.float32))
    return mapped


def write_mapped(image: np.ndarray, color_map: np.ndarray | None, out: np.ndarray) -> None:
    """Writes the mapped image into the top left corner of `out`, and zeros into the rest.

    Args:
        image: [h, w, 3] uint8 or float32, RGB.
        color_map: the map; None: the values stay as they are.
        out: [3, H, W] float32, channel first, H >= h and W >= w.
    """
    height, width = image.shape[:2]
    color_map = or_identity(color_map).astype(np.float32)
    if is_diagonal(color_map):
        _write_scaled(image, color_map, out)
    elif (kernels := ops.load_numba_kernels()) is None:
        _clear_rest(out, height, width)
        out[:, :height, :width] = cv2.transform(image.astype(np.float32, copy=False), color_map).transpose(2, 0, 1)
    else:
        planes = np.empty((3, height, width), image.dtype)
        cv2.split(image, list(planes))
        kernels.map_planes(planes, color_map, out)


def is_diagonal(color_map: np.ndarray) -> bool:
    """Whether the map keeps channels apart, as in evaluation. NumPy applies such a map as fast as a compiled loop."""
    return not np.any(color_map[:, :3] * (1 - np.eye(3)))


def _write_scaled(image: np.ndarray, color_map: np.ndarray, out: np.ndarray) -> None:
    """`write_mapped` for a diagonal map."""
    height, width = image.shape[:2]
    _clear_rest(out, height, width)
    for channel, plane in enumerate(cv2.split(image)):
        target = out[channel, :height, :width]
        np.multiply(plane, color_map[channel, channel], out=target)
        target += color_map[channel, 3]


def _clear_rest(out: np.ndarray, height: int, width: int) -> None:
    out[:, height:], out[:, :height, width:] = 0, 0
