"""Pure image and box operations: no randomness, no argument is changed.

Images are [h, w, 3] RGB, uint8 or float32 with values 0..255; boxes are [N, 4] float32, xyxy, pixels.
Nothing here makes a float64 image.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

_GREY_WEIGHTS = np.array([0.299, 0.587, 0.114], np.float32)
_RGB_TO_YIQ = np.array([[0.299, 0.587, 0.114], [0.596, -0.274, -0.321], [0.211, -0.523, 0.311]])
_YIQ_TO_RGB = np.array([[1.0, 0.956, 0.621], [1.0, -0.272, -0.647], [1.0, -1.107, 1.705]])


def flip_image(image: np.ndarray) -> np.ndarray:
    """Mirrored left to right."""
    flipped: np.ndarray = cv2.flip(image, 1)
    return flipped


def flip_boxes(boxes: np.ndarray, width: int) -> np.ndarray:
    """Boxes of the mirrored image, `width` in pixels."""
    flipped = boxes.copy()
    flipped[:, 0] = width - boxes[:, 2]
    flipped[:, 2] = width - boxes[:, 0]
    return flipped


def crop_image(image: np.ndarray, crop: Sequence[int]) -> np.ndarray:
    """The part of the image inside `crop` (x1, y1, x2, y2), a copy."""
    x1, y1, x2, y2 = crop
    return image[y1:y2, x1:x2].copy()


def crop_boxes(boxes: np.ndarray, crop: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """Boxes clipped to `crop` (x1, y1, x2, y2) and moved into it, and the indices of those that stay.

    A box stays when its centre lies inside the crop and something of it is left. Returns ([M, 4], [M] int64).
    """
    window = np.asarray(crop, np.float32)
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    clipped = np.concatenate([np.maximum(boxes[:, :2], window[:2]), np.minimum(boxes[:, 2:], window[2:])], axis=1)
    moved = clipped - np.tile(window[:2], 2)
    inside = ((window[:2] <= centres) & (centres < window[2:])).all(axis=1)
    kept = np.flatnonzero(inside & (moved[:, :2] < moved[:, 2:]).all(axis=1))
    return moved[kept], kept


def iou_with(boxes: np.ndarray, window: Sequence[float]) -> np.ndarray:
    """IoU [N] of each box with one window (x1, y1, x2, y2)."""
    other = np.asarray(window, np.float32)
    sides = np.minimum(boxes[:, 2:], other[2:]) - np.maximum(boxes[:, :2], other[:2])
    overlap: np.ndarray = np.prod(np.maximum(sides, 0), axis=1)
    areas: np.ndarray = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1) + np.prod(other[2:] - other[:2])
    iou: np.ndarray = overlap / (areas - overlap + 1e-10)
    return iou


def resize_scale(size: tuple[int, int], target: tuple[int, int], keep_ratio: bool) -> tuple[float, float]:
    """The factors (y, x) that bring an image of `size` (height, width) to `target`.

    With keep_ratio one factor for both: the short side reaches the target's short side unless the long side would
    then exceed the target's long side.
    """
    if keep_ratio:
        factor = min(min(target) / min(size), max(target) / max(size))
        return factor, factor
    return target[0] / size[0], target[1] / size[1]


def resize_image(image: np.ndarray, scale: tuple[float, float], interp: int) -> np.ndarray:
    """Scaled by (y, x), dtype kept; `interp` is OpenCV's number (0 nearest, 1 linear, 2 cubic, 3 area, 4 lanczos4)."""
    # The factors and not the size are given: OpenCV samples by the exact factor even where the size had to be rounded.
    resized: np.ndarray = cv2.resize(image, None, fx=scale[1], fy=scale[0], interpolation=interp)
    return resized


def resize_boxes(boxes: np.ndarray, scale: tuple[float, float], size: tuple[int, int]) -> np.ndarray:
    """Boxes scaled by (y, x) and clipped to the new `size` (height, width)."""
    factors = np.array([scale[1], scale[0]] * 2, np.float32)
    limits = np.array([size[1], size[0]] * 2, np.float32)
    return np.clip(boxes * factors, 0, limits)


def shift_brightness(image: np.ndarray, delta: float) -> np.ndarray:
    """`delta` grey levels added; float32, not clipped."""
    return image.astype(np.float32) + np.float32(delta)


def scale_contrast(image: np.ndarray, factor: float) -> np.ndarray:
    """Multiplied by `factor`; float32, not clipped."""
    return image.astype(np.float32) * np.float32(factor)


def blend_saturation(image: np.ndarray, factor: float) -> np.ndarray:
    """factor * image + (1 - factor) * grey; float32, not clipped."""
    matrix = factor * np.eye(3) + (1 - factor) * np.tile(_GREY_WEIGHTS, (3, 1))
    return _mix_channels(image, matrix)


def rotate_hue(image: np.ndarray, turn: float) -> np.ndarray:
    """The chroma plane of YIQ rotated by turn * pi; float32, not clipped."""
    cos, sin = np.cos(turn * np.pi), np.sin(turn * np.pi)
    rotation = np.array([[1, 0, 0], [0, cos, -sin], [0, sin, cos]])
    return _mix_channels(image, _YIQ_TO_RGB @ rotation @ _RGB_TO_YIQ)


def _mix_channels(image: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Each pixel multiplied by a [3, 3] matrix (row: output channel)."""
    mixed: np.ndarray = cv2.transform(image.astype(np.float32, copy=False), matrix.astype(np.float32))
    return mixed


def normalize_image(image: np.ndarray, mean: Sequence[float], std: Sequence[float], is_scale: bool) -> np.ndarray:
    """(image / 255 - mean) / std per channel (image - mean where not is_scale), float32 [h, w, 3].

    The result is a view of channel-first memory, because Permute comes next and then costs nothing.
    """
    planes = np.empty((3, *image.shape[:2]), np.float32)
    for channel, plane in enumerate(planes):
        factor = 1 / (std[channel] * (255 if is_scale else 1))
        np.multiply(image[..., channel], np.float32(factor), out=plane)
        plane -= np.float32(mean[channel] / std[channel])
    return planes.transpose(1, 2, 0)


def to_channel_first(image: np.ndarray) -> np.ndarray:
    """[h, w, 3] -> [3, h, w], contiguous."""
    return np.ascontiguousarray(image.transpose(2, 0, 1))


def pad_image(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """[3, h, w] with zeros added at the bottom and on the right up to `size` (height, width)."""
    padded = np.zeros((image.shape[0], *size), image.dtype)
    padded[:, : image.shape[1], : image.shape[2]] = image
    return padded
