"""Drawing detections on an image."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence

import cv2
import numpy as np

from ppdet.deploy.labels import label

Colour = tuple[int, int, int]
FONT = cv2.FONT_HERSHEY_SIMPLEX
GOLDEN_RATIO = 0.618034  # steps of this much hue keep neighbouring classes apart, however many there are


def draw_detections(
    image: np.ndarray, detections: np.ndarray, names: Sequence[str], threshold: float = 0.5
) -> np.ndarray:
    """A copy of `image` with boxes, class names and scores; both are [h, w, 3] uint8 RGB.

    Args:
        detections: [n, 6] float: class index, score, x1, y1, x2, y2 in pixels of `image`.
        names: class names by class index.
        threshold: detections that score less are left out.
    """
    drawn = np.array(image, order="C")
    kept = np.asarray(detections, np.float64).reshape(-1, 6)
    kept = kept[kept[:, 1] >= threshold]
    kept = kept[np.argsort(kept[:, 1], kind="stable")]  # the surest on top
    width = max(1, round(max(image.shape[:2]) / 320))
    for class_index, _, *box in kept:
        corners = np.round(np.clip(box, -1e4, 1e4)).astype(int).tolist()
        cv2.rectangle(drawn, corners[:2], corners[2:], class_colour(int(class_index)), width)
    for class_index, score, *box in kept:  # after all boxes, so that no line crosses a label
        text = f"{label(int(class_index), names[int(class_index)])} {score:.2f}"
        _label(drawn, text, box, class_colour(int(class_index)), width)
    return drawn


def class_colour(class_index: int) -> Colour:
    """A bright RGB colour, the same for a class in every picture."""
    hue = (0.02 + class_index * GOLDEN_RATIO) % 1
    r, g, b = colorsys.hsv_to_rgb(hue, (0.95, 0.7)[class_index % 2], (1.0, 0.85)[class_index // 2 % 2])
    return round(255 * r), round(255 * g), round(255 * b)


def _label(image: np.ndarray, text: str, box: Sequence[float], colour: Colour, line: int) -> None:
    """Write `text` on a filled field at the box's upper left corner, in place, moved to lie inside of the image."""
    height, width = image.shape[:2]
    scale, stroke = 0.36 + 0.1 * line, max(1, line - 1)
    (text_width, text_height), baseline = cv2.getTextSize(text, FONT, scale, stroke)
    field_width, field_height = text_width + 4, text_height + baseline + 2
    x = max(0, min(round(box[0]) - line // 2, width - field_width))
    above = round(box[1]) - field_height
    y = max(0, min(above if above >= 0 else round(box[1]), height - field_height))
    cv2.rectangle(image, (x, y), (x + field_width - 1, y + field_height - 1), colour, -1)
    ink = (0, 0, 0) if np.dot(colour, (0.299, 0.587, 0.114)) > 128 else (255, 255, 255)  # by luminance
    cv2.putText(image, text, (x + 2, y + text_height + 1), FONT, scale, ink, stroke, cv2.LINE_AA)
