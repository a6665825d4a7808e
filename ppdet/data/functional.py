"""Pure image and box operations: no randomness, no argument is changed.

Images are [h, w, 3] RGB, uint8 or float32 with values 0..255; boxes are [N, 4] float32, xyxy, pixels.
Nothing here makes a float64 image.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

Size = tuple[int, int]  # height, width

_GREY_WEIGHTS = np.array([0.299, 0.587, 0.114], np.float32)
_RGB_TO_YIQ = np.array([[0.299, 0.587, 0.114], [0.596, -0.274, -0.321], [0.211, -0.523, 0.311]])
_YIQ_TO_RGB = np.array([[1.0, 0.956, 0.621], [1.0, -0.272, -0.647], [1.0, -1.107, 1.705]])


def flip(image: np.ndarray, boxes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Image and boxes mirrored left to right."""
    flipped = boxes.copy()
    flipped[:, [0, 2]] = image.shape[1] - boxes[:, [2, 0]]
    return cv2.flip(image, 1), flipped


def crop_boxes(boxes: np.ndarray, window: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """Boxes clipped to `window` (x1, y1, x2, y2) and moved into it, and the indices of those that stay.

    A box stays when its centre lies inside the window and something of it is left. Returns ([M, 4], [M] int64).
    """
    low, high = np.asarray(window, np.float32).reshape(2, 2)
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    moved = np.concatenate([np.maximum(boxes[:, :2], low) - low, np.minimum(boxes[:, 2:], high) - low], axis=1)
    inside = ((low <= centres) & (centres < high)).all(axis=1)
    kept = np.flatnonzero(inside & (moved[:, :2] < moved[:, 2:]).all(axis=1))
    return moved[kept], kept


def iou_with(boxes: np.ndarray, window: Sequence[float]) -> np.ndarray:
    """IoU [N] of each box with one window (x1, y1, x2, y2)."""
    low, high = np.asarray(window, np.float32).reshape(2, 2)
    sides = np.minimum(boxes[:, 2:], high) - np.maximum(boxes[:, :2], low)
    overlap: np.ndarray = np.prod(np.maximum(sides, 0), axis=1)
    areas: np.ndarray = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1) + np.prod(high - low)
    return overlap / (areas - overlap + 1e-10)  # type: ignore[no-any-return]  # an array


def resize(
    image: np.ndarray, boxes: np.ndarray, target: Size, keep_ratio: bool, interp: int
) -> tuple[np.ndarray, np.ndarray, tuple[float, float]]:
    """The image (dtype kept) and its boxes brought to `target`, and the factors (y, x).

    With keep_ratio there is one factor for both: the short side reaches the target's short side unless the long side
    would then exceed the target's long side. `interp` is OpenCV's number (0 nearest, 1 linear, 2 cubic, 3 area,
    4 lanczos4).
    """
    size = image.shape[:2]
    y, x = target[0] / size[0], target[1] / size[1]
    if keep_ratio:
        y = x = min(min(target) / min(size), max(target) / max(size))
        y, x = max(y, 1 / size[0]), max(x, 1 / size[1])  # something is left of the thinnest image
    # The factors and not the size are given: OpenCV samples by the exact factor even where the size had to be rounded.
    resized = cv2.resize(image, None, fx=x, fy=y, interpolation=interp)
    height, width = resized.shape[:2]
    limits = np.array([width, height] * 2, np.float32)
    return resized, np.clip(boxes * np.array([x, y] * 2, np.float32), 0, limits), (y, x)


def shift_brightness(image: np.ndarray, delta: float) -> np.ndarray:
    """`delta` grey levels added; float32, not clipped, as the next three are."""
    return image.astype(np.float32) + np.float32(delta)


def scale_contrast(image: np.ndarray, factor: float) -> np.ndarray:
    """Multiplied by `factor`."""
    return image.astype(np.float32) * np.float32(factor)


def blend_saturation(image: np.ndarray, factor: float) -> np.ndarray:
    """factor * image + (1 - factor) * grey."""
    return _mix_channels(image, factor * np.eye(3) + (1 - factor) * np.tile(_GREY_WEIGHTS, (3, 1)))


def rotate_hue(image: np.ndarray, turn: float) -> np.ndarray:
    """The chroma plane of YIQ rotated by turn * pi."""
    cos, sin = np.cos(turn * np.pi), np.sin(turn * np.pi)
    return _mix_channels(image, _YIQ_TO_RGB @ np.array([[1, 0, 0], [0, cos, -sin], [0, sin, cos]]) @ _RGB_TO_YIQ)


def _mix_channels(image: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Each pixel multiplied by a [3, 3] matrix (row: output channel)."""
    mixed: np.ndarray = cv2.transform(image.astype(np.float32, copy=False), matrix.astype(np.float32))
    return mixed


def normalize(image: np.ndarray, mean: Sequence[float], std: Sequence[float], is_scale: bool) -> np.ndarray:
    """(image / 255 - mean) / std per channel (image - mean where not is_scale), float32 [h, w, 3].

    The result is a view of channel-first memory, because Permute comes next and then costs nothing.
    """
    planes = np.empty((3, *image.shape[:2]), np.float32)
    for channel, plane in enumerate(planes):
        factor = 1 / (std[channel] * (255 if is_scale else 1))
        np.multiply(image[..., channel], np.float32(factor), out=plane)
        plane -= np.float32(mean[channel] / std[channel])
    return planes.transpose(1, 2, 0)
