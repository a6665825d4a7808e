"""Resizing that is deferred to collation, so that one pass goes from the decoded uint8 image into the batch's memory.

Eight resized float32 images of 640 x 640 are 39 MB, which the kernel has to map and clear; that takes longer than the
arithmetic. Deferred, one image is resized at a time. Cubic and Lanczos interpolation of float32 values are computed
here, faster than by OpenCV: the color map is applied first, where there are fewer pixels, then columns and rows are
weighted sums of whole lines, which vectorize.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from ppdet.data import ops
from ppdet.data.ops import color
from ppdet.data.ops import functional as F

_STEPS = np.arange(8) * (np.pi / 4)
_SIGNS = np.array([1, -1] * 4)


@dataclass(frozen=True)
class PendingResize:
    """A resize that is still to be applied to an image.

    Attributes:
        size: (height, width) that `factors` refer to: the image's own, unless the image is stored smaller.
        factors: (y, x) relative to `size`.
        interp: OpenCV's number (0 nearest, 1 linear, 2 cubic, 3 area, 4 lanczos4).
        in_float32: cubic and Lanczos results, which overshoot, are neither rounded nor clipped to uint8. The published
            order resizes float32 images after a change of color. The other interpolations do not overshoot and stay
            in uint8; they differ by the rounding alone.
    """

    size: F.Size
    factors: tuple[float, float]
    interp: int
    in_float32: bool

    @property
    def target(self) -> F.Size:
        """(height, width) of the resized image."""
        (height, width), (y, x) = self.size, self.factors
        return round(height * y), round(width * x)


def apply_resize(image: np.ndarray, resize: PendingResize | None) -> np.ndarray:
    """The image [h, w, 3] resized by OpenCV (None: as it is). Keeps the dtype, unless `in_float32` asks for float32."""
    if resize is None:
        return image
    if overshoots(resize):
        image = image.astype(np.float32, copy=False)
    return F.resize(image, resize.size, resize.factors, resize.interp)


def overshoots(resize: PendingResize) -> bool:
    """Whether the resized image has values that uint8 cannot hold."""
    return resize.in_float32 and resize.interp in _WEIGHTS


def write_resized(
    image: np.ndarray, resize: PendingResize | None, color_map: np.ndarray | None, out: np.ndarray
) -> None:
    """Writes the resized and color-mapped image into the top left corner of `out`, and zeros into the rest.

    Args:
        image: [h, w, 3] uint8 or float32, RGB.
        resize: the pending resize; None: none.
        color_map: [3, 4], see color.py; None: none.
        out: [3, H, W] float32, channel first.
    """
    kernels = ops.load_numba_kernels()
    separable = resize and overshoots(resize) and image.dtype == np.uint8
    if kernels is None or resize is None or color_map is None or not separable:
        color.write_mapped(apply_resize(image, resize), color_map, out)
        return
    stored = image.shape[:2]
    height, width = resize.target
    # As F.resize: the factor itself, unless the image is stored smaller.
    y, x = resize.factors if stored == resize.size else (height / stored[0], width / stored[1])
    rows, columns = taps(height, y, resize.interp), taps(width, x, resize.interp)
    planes = np.empty((3, stored[1], stored[0]), np.uint8)
    cv2.split(cv2.transpose(image), list(planes))
    mapped = np.empty(planes.shape, np.float32)
    kernels.map_planes(planes, color_map.astype(np.float32), mapped)
    wide, turned = np.empty((width, stored[0]), np.float32), np.empty((stored[0], width), np.float32)
    for channel in range(3):
        kernels.weighted_row_sum(mapped[channel], *columns, wide)
        cv2.transpose(wide, turned)
        kernels.weighted_row_sum(turned, *rows, out[channel])


def taps(length: int, factor: float, interp: int) -> tuple[np.ndarray, np.ndarray]:
    """The positions and weights with which OpenCV resizes a line to `length` pixels.

    Returns (index of the first tap [length] int64, weights [length, T] float32), T = 4 or 8. An index may be below 0 or
    beyond the end: the pixel at the edge is used there.
    """
    at = (np.arange(length) + 0.5) / factor - 0.5
    if interp == cv2.INTER_LANCZOS4:  # OpenCV rounds these positions, and on x86 not those of cubic
        at = at.astype(np.float32).astype(np.float64)
    whole = np.floor(at)
    weights = _WEIGHTS[interp]((at - whole)[:, None])
    weights /= weights.sum(axis=1, keepdims=True)
    return whole.astype(np.int64) - (weights.shape[1] // 2 - 1), weights.astype(np.float32)


# ---- weights [length, T] of the taps around a position, from its distance [length, 1] to the pixel before it ----


def _cubic(part: np.ndarray) -> np.ndarray:
    """Keys' convolution with a = -0.75."""
    near, far = np.concatenate([part, 1 - part], axis=1), np.concatenate([1 + part, 2 - part], axis=1)
    inner, outer = (1.25 * near - 2.25) * near * near + 1, -0.75 * (((far - 5) * far + 8) * far - 4)
    return np.stack([outer[:, 0], inner[:, 0], inner[:, 1], outer[:, 1]], axis=1)


def _lanczos(part: np.ndarray) -> np.ndarray:
    """sinc(d) * sinc(d / 4) of the distances d, up to a factor: |sin(pi * d)| is the same for all of them."""
    start = np.maximum(part, 1e-6) + 3  # no division by zero
    distance = start - np.arange(8)
    angle = start * (np.pi / 4)
    window = np.sin(angle) * np.cos(_STEPS) - np.cos(angle) * np.sin(_STEPS)  # sin(pi * d / 4)
    return np.asarray(_SIGNS * window / (distance * distance))


_WEIGHTS = {cv2.INTER_CUBIC: _cubic, cv2.INTER_LANCZOS4: _lanczos}
