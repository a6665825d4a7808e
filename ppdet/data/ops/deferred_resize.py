"""Resizing put off until collation, so that one pass goes from the decoded uint8 image into the batch's memory.

Eight resized float32 images of 640 x 640 are 39 MB that the kernel has to map and clear, which takes longer than the
arithmetic; put off, one is made at a time. Cubic and Lanczos in float32 are done here, faster than by OpenCV: the
colours go first, where there are fewer pixels, then columns and rows as weighted sums of whole lines, which vectorise.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from ppdet.data.ops import color as colour
from ppdet.data.ops import functional as F

_STEPS = np.arange(8) * (np.pi / 4)
_SIGNS = np.array([1, -1] * 4)


@dataclass(frozen=True)
class Stretch:
    """A resize that an image has yet to go through.

    size     (height, width) that it is taken for: its own, unless it is stored smaller
    factors  (y, x) relative to `size`
    interp   OpenCV's number (0 nearest, 1 linear, 2 cubic, 3 area, 4 lanczos4)
    real     cubic and Lanczos are not rounded and clipped to uint8, as in the published order after a change of
             colour. They overshoot; the others do not, and stay as they are: rounding is all the difference
    """

    size: F.Size
    factors: tuple[float, float]
    interp: int
    real: bool

    @property
    def target(self) -> F.Size:
        """(height, width) of the resized image."""
        (height, width), (y, x) = self.size, self.factors
        return round(height * y), round(width * x)


def resized(image: np.ndarray, stretch: Stretch | None) -> np.ndarray:
    """The image [h, w, 3] after `stretch`, by OpenCV: float32 where cubic or Lanczos is to be `real`, or its dtype."""
    if stretch is None:
        return image
    if stretch.real and stretch.interp in _WEIGHTS:
        image = image.astype(np.float32, copy=False)
    return F.resize(image, stretch.size, stretch.factors, stretch.interp)


def write(image: np.ndarray, stretch: Stretch | None, mapping: np.ndarray | None, out: np.ndarray) -> None:
    """`image` after `stretch` and the colours `mapping` into `out` [3, H, W] float32: top left, the rest becomes 0."""
    compiled = colour.kernels()
    separable = stretch and stretch.real and stretch.interp in _WEIGHTS and image.dtype == np.uint8
    if compiled is None or stretch is None or mapping is None or not separable:
        colour.write(resized(image, stretch), mapping, out)
        return
    stored = image.shape[:2]
    height, width = stretch.target
    # As F.resize: the factor itself, unless the image is stored smaller.
    y, x = stretch.factors if stored == stretch.size else (height / stored[0], width / stored[1])
    rows, columns = taps(height, y, stretch.interp), taps(width, x, stretch.interp)
    planes = np.empty((3, stored[1], stored[0]), np.uint8)
    cv2.split(cv2.transpose(image), list(planes))
    mapped = np.empty(planes.shape, np.float32)
    compiled.map_planes(planes, mapping.astype(np.float32), mapped)
    wide, turned = np.empty((width, stored[0]), np.float32), np.empty((stored[0], width), np.float32)
    for channel in range(3):
        compiled.mix_lines(mapped[channel], *columns, wide)
        cv2.transpose(wide, turned)
        compiled.mix_lines(turned, *rows, out[channel])


def taps(length: int, factor: float, interp: int) -> tuple[np.ndarray, np.ndarray]:
    """Where OpenCV samples a line to make it `length` pixels: first tap [length] int64, weights [length, T] float32.

    The first may be below 0 and the last beyond the end: the pixel at the edge counts there. T is 4 or 8.
    """
    at = (np.arange(length) + 0.5) / factor - 0.5
    if interp == cv2.INTER_LANCZOS4:  # OpenCV rounds the positions; not so for cubic, on x86
        at = at.astype(np.float32).astype(np.float64)
    whole = np.floor(at)
    weights = _WEIGHTS[interp]((at - whole)[:, None])
    weights /= weights.sum(axis=1, keepdims=True)
    return whole.astype(np.int64) - (weights.shape[1] // 2 - 1), weights.astype(np.float32)


# ---- weights [length, T] of the taps around a position, from its fraction [length, 1] beyond the pixel before it ----


def _cubic(part: np.ndarray) -> np.ndarray:
    """Keys' convolution with a = -0.75."""
    near, far = np.concatenate([part, 1 - part], axis=1), np.concatenate([1 + part, 2 - part], axis=1)
    inner, outer = (1.25 * near - 2.25) * near * near + 1, -0.75 * (((far - 5) * far + 8) * far - 4)
    return np.stack([outer[:, 0], inner[:, 0], inner[:, 1], outer[:, 1]], axis=1)


def _lanczos(part: np.ndarray) -> np.ndarray:
    """sinc(d) * sinc(d / 4) of the distances d, up to a factor: sin(pi * d) is the same for all but for its sign."""
    start = np.maximum(part, 1e-6) + 3  # no division by zero
    distance = start - np.arange(8)
    angle = start * (np.pi / 4)
    window = np.sin(angle) * np.cos(_STEPS) - np.cos(angle) * np.sin(_STEPS)  # sin(pi * d / 4)
    return np.asarray(_SIGNS * window / (distance * distance))


_WEIGHTS = {cv2.INTER_CUBIC: _cubic, cv2.INTER_LANCZOS4: _lanczos}
