"""The published image transforms (release 2.4 to 2.6) in plain Python and NumPy: images [h, w, 3] of gray levels."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from tests.references.boxes import Box, center, iou

Window = tuple[int, int, int, int]  # x1, y1, x2, y2


def brighter(image: np.ndarray, delta: float) -> np.ndarray:
    return image + delta


def more_contrast(image: np.ndarray, factor: float) -> np.ndarray:
    return image * factor


def more_saturated(image: np.ndarray, factor: float) -> np.ndarray:
    gray = 0.299 * image[..., :1] + 0.587 * image[..., 1:2] + 0.114 * image[..., 2:]
    return factor * image + (1 - factor) * gray


def hue_rotated(image: np.ndarray, turn: float) -> np.ndarray:
    """The I and Q of YIQ turned by `turn` half turns; the two matrices are inverse to three digits only."""
    r, g, b = image[..., 0], image[..., 1], image[..., 2]
    y = 0.299 * r + 0.587 * g + 0.114 * b
    i = 0.596 * r - 0.274 * g - 0.321 * b
    q = 0.211 * r - 0.523 * g + 0.311 * b
    cos, sin = math.cos(math.pi * turn), math.sin(math.pi * turn)
    i, q = cos * i - sin * q, sin * i + cos * q
    return np.stack([y + 0.956 * i + 0.621 * q, y - 0.272 * i - 0.647 * q, y - 1.107 * i + 1.705 * q], axis=-1)


def distorted(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Each change, in random order, with probability 1/2."""
    changes = [(brighter, 0.5, 1.5), (more_contrast, 0.5, 1.5), (more_saturated, 0.5, 1.5), (hue_rotated, -18, 18)]
    image = image.astype(np.float64)
    for number in rng.permutation(4):
        change, low, high = changes[number]
        if rng.uniform(0, 1) >= 0.5:
            image = change(image, rng.uniform(low, high))
    return image


def random_window(
    size: tuple[int, int],
    boxes: Sequence[Box],
    rng: np.random.Generator,
    cover_all_box: bool = False,
    allow_no_crop: bool = True,
    scaling: Sequence[float] = (0.3, 1.0),
    aspect_ratio: Sequence[float] = (0.5, 2.0),
) -> Window | None:
    """Of RandomCrop: 50 windows per threshold are tried; one needs the threshold's IoU with some box (or with every
    box), and the center of some box inside."""
    thresholds: list[float | None] = [0.0, 0.1, 0.3, 0.5, 0.7, 0.9] + [None] * allow_no_crop
    rng.shuffle(thresholds)
    for threshold in thresholds:
        if threshold is None:
            return None
        for _ in range(50):
            scale = rng.uniform(*scaling)
            aspect = rng.uniform(max(aspect_ratio[0], scale**2), min(aspect_ratio[1], scale**-2))
            height, width = int(size[0] * scale / math.sqrt(aspect)), int(size[1] * scale * math.sqrt(aspect))
            y = rng.integers(0, max(size[0] - height, 1))
            x = rng.integers(0, max(size[1] - width, 1))
            window = (int(x), int(y), int(x) + width, int(y) + height)
            overlaps = [iou(box, window) for box in boxes]
            enough = (min if cover_all_box else max)(overlaps) >= threshold
            if enough and any(holds_center(window, box) for box in boxes):
                return window
    return None


def holds_center(window: Window, box: Box) -> bool:
    x, y = center(box)
    return window[0] <= x < window[2] and window[1] <= y < window[3]


def cropped_boxes(boxes: Sequence[Box], window: Window) -> dict[int, list[float]]:
    """The boxes whose center is in the window, by number: clipped to it, and relative to its corner."""
    left, top, right, bottom = window
    return {
        n: [max(x1, left) - left, max(y1, top) - top, min(x2, right) - left, min(y2, bottom) - top]
        for n, (x1, y1, x2, y2) in enumerate(boxes)
        if holds_center(window, (x1, y1, x2, y2))
    }


def nearest(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resized to `size`: output pixel i shows input pixel floor(i * input / output)."""
    rows = [row * image.shape[0] // size[0] for row in range(size[0])]
    columns = [column * image.shape[1] // size[1] for column in range(size[1])]
    return image[rows][:, columns]
