"""Colours of an image as one affine map, and the single pass that applies it.

Everything that RandomDistort and NormalizeImage do to a pixel is affine, interpolation has weights that sum to one, and
cutting and mirroring do not look at values. So the maps of an image are multiplied into one (float64), the uint8 image
is cut, mirrored and resized, and collation applies the map on the way into the batch.

A map is [3, 4] float64: out = map[:, :3] @ rgb + map[:, 3], rgb and out in grey levels (0..255) or normalised.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType

import cv2
import numpy as np

from ppdet.utils.lazy import optional_module

_GREY_WEIGHTS = np.array([0.299, 0.587, 0.114])
_RGB_TO_YIQ = np.array([_GREY_WEIGHTS, [0.596, -0.274, -0.321], [0.211, -0.523, 0.311]])
_YIQ_TO_RGB = np.array([[1.0, 0.956, 0.621], [1.0, -0.272, -0.647], [1.0, -1.107, 1.705]])


def kernels() -> ModuleType | None:
    """The compiled loops, or None without numba, which takes a second to import."""
    return optional_module("ppdet.data.ops.numba_kernels")


def affine(matrix: np.ndarray, offset: Sequence[float] | np.ndarray | float = 0.0) -> np.ndarray:
    """The map rgb -> matrix [3, 3] @ rgb + offset (one number, or three)."""
    colour = np.empty((3, 4))
    colour[:, :3], colour[:, 3] = matrix, offset
    return colour


def shift_brightness(delta: float) -> np.ndarray:
    """`delta` grey levels added."""
    return affine(np.eye(3), delta)


def scale_contrast(factor: float) -> np.ndarray:
    """Multiplied by `factor`."""
    return affine(factor * np.eye(3))


def blend_saturation(factor: float) -> np.ndarray:
    """factor * image + (1 - factor) * grey."""
    return affine(factor * np.eye(3) + (1 - factor) * _GREY_WEIGHTS)


def rotate_hue(turn: float) -> np.ndarray:
    """The chroma plane of YIQ rotated by turn * pi."""
    cos, sin = np.cos(turn * np.pi), np.sin(turn * np.pi)
    return affine(_YIQ_TO_RGB @ np.array([[1, 0, 0], [0, cos, -sin], [0, sin, cos]]) @ _RGB_TO_YIQ)


def normalize(mean: Sequence[float], std: Sequence[float], is_scale: bool) -> np.ndarray:
    """(image / 255 - mean) / std per channel; without is_scale (image - mean) / std."""
    return affine(np.diag(1 / (np.array(std) * (255 if is_scale else 1))), -np.array(mean) / std)


def compose(first: np.ndarray | None, then: np.ndarray) -> np.ndarray:
    """`then` after `first` (None: nothing)."""
    if first is None:
        return then
    product: np.ndarray = then[:, :3] @ first
    product[:, 3] += then[:, 3]
    return product


def apply(image: np.ndarray, colour: np.ndarray) -> np.ndarray:
    """The mapped image, [h, w, 3] float32, not clipped."""
    mapped: np.ndarray = cv2.transform(image.astype(np.float32, copy=False), colour.astype(np.float32))
    return mapped


def write(image: np.ndarray, colour: np.ndarray | None, out: np.ndarray) -> None:
    """The mapped image [h, w, 3] (uint8 or float32) into `out` [3, H, W] float32, channel first, top left, rest 0."""
    height, width = image.shape[:2]
    colour = (affine(np.eye(3)) if colour is None else colour).astype(np.float32)
    if is_diagonal(colour):
        _scale_planes(image, colour, out)
    elif (compiled := kernels()) is None:
        _clear_rest(out, height, width)
        out[:, :height, :width] = cv2.transform(image.astype(np.float32, copy=False), colour).transpose(2, 0, 1)
    else:
        planes = np.empty((3, height, width), image.dtype)
        cv2.split(image, list(planes))
        compiled.map_planes(planes, colour, out)


def is_diagonal(colour: np.ndarray) -> bool:
    """Whether channels do not mix, as in evaluation: NumPy does that as fast as a compiled loop."""
    return not np.any(colour[:, :3] * (1 - np.eye(3)))


def _scale_planes(image: np.ndarray, colour: np.ndarray, out: np.ndarray) -> None:
    """`write` for a diagonal map."""
    height, width = image.shape[:2]
    _clear_rest(out, height, width)
    for channel, plane in enumerate(cv2.split(image)):
        target = out[channel, :height, :width]
        np.multiply(plane, colour[channel, channel], out=target)
        target += colour[channel, 3]


def _clear_rest(out: np.ndarray, height: int, width: int) -> None:
    out[:, height:], out[:, :height, width:] = 0, 0
