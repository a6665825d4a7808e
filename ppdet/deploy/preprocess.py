"""Turns images into the network's input: the values are those of evaluation, bit for bit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np

from .model_config import ModelConfig


class Prepared(NamedTuple):
    """The inputs of a network.

    Attributes:
        image: [B, 3, H, W] RGB, float32 or uint8, valid until the next call of its `Preprocessor`.
        scale_factor: [B, 2] float32 (y, x), size in the network's input / original size.
        im_shape: [B, 2] float32 (height, width) in the network's input, without padding.
    """

    image: np.ndarray
    scale_factor: np.ndarray
    im_shape: np.ndarray


class Preprocessor:
    """Resizes, splits and normalizes into its buffer, in one pass per plane. One thread at a time may use it.

    Args:
        config: the model's infer_cfg.
        input_size: (height, width) of the network's input; None: any.
        dtype: float32, or uint8 if the model takes that.
    """

    def __init__(self, config: ModelConfig, input_size: tuple[int, int] | None, dtype: np.dtype) -> None:
        self._config, self._input_size, self._dtype = config, input_size, dtype
        self._batch, self._planes = np.empty(0, dtype), list[np.ndarray]()
        self._scale, self._shift = config.scale, config.shift

    def __call__(self, images: Sequence[tuple[np.ndarray, str]]) -> Prepared:
        """Prepares images [h, w, 3] uint8, each given with the order of its colors (rgb or bgr)."""
        config, room = self._config, self._input_size
        factors = [resize_factors(image.shape[:2], config.size, config.keep_ratio, room) for image, _ in images]
        height, width = room or self._padded(images[0][0].shape[:2], factors[0])
        shape = (len(images), 3, height, width)
        if self._batch.shape != shape:
            self._batch = np.zeros(shape, self._dtype)
        batch, sizes = self._batch, []
        for (image, order), (y, x), out in zip(images, factors, batch, strict=True):
            # The factors and not the size are given: OpenCV samples by the exact factor where the size is rounded.
            resized = cv2.resize(image, None, fx=x, fy=y, interpolation=config.interp)
            self._write(resized[:height, :width], order, out)
            sizes.append(resized.shape[:2])
        return Prepared(batch, np.array(factors, np.float32), np.array(sizes, np.float32))

    def _padded(self, size: tuple[int, int], factors: tuple[float, float]) -> tuple[int, int]:
        stride = self._config.pad_stride
        height, width = (
            -(-round(side * factor) // stride) * stride for side, factor in zip(size, factors, strict=True)
        )
        return height, width

    def _write(self, image: np.ndarray, order: str, out: np.ndarray) -> None:
        """Writes `image` [h, w, 3] uint8, normalized, into the top left of `out` [3, H, W]; the rest becomes 0."""
        height, width = image.shape[:2]
        planes = self._planes
        if not planes or planes[0].shape != (height, width):
            planes = self._planes = [np.empty((height, width), np.uint8) for _ in range(3)]
        cv2.split(image, planes)
        out[:, height:], out[:, :height, width:] = 0, 0
        for channel, plane in enumerate(planes if order == "rgb" else reversed(planes)):
            target = out[channel, :height, :width]
            if self._scale is None or self._shift is None:
                np.copyto(target, plane)
            else:
                np.multiply(plane, self._scale[channel], out=target)
                target += self._shift[channel]


def resize_factors(
    size: tuple[int, int], target: tuple[int, int], keep_ratio: bool, room: tuple[int, int] | None = None
) -> tuple[float, float]:
    """The factors (y, x) that bring `size` to `target`, both (height, width).

    With keep_ratio there is one factor for both: the short side reaches the target's short side unless the long side
    would then exceed the target's long side. An upright image may still be higher than a wide target: it is made to fit
    into `room` (height, width), if that is given.
    """
    y, x = target[0] / size[0], target[1] / size[1]
    if keep_ratio:
        limits = [side / length for side, length in zip(room or (), size, strict=False)]
        y = x = min(min(target) / min(size), max(target) / max(size), *limits)
        y, x = max(y, 1 / size[0]), max(x, 1 / size[1])  # something is left of the thinnest image
    return y, x
