"""Drawing detections on an image."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence

import cv2
import numpy as np

from .detections import Detections
from .labels import label

Colour = tuple[int, int, int]
_FONT = cv2.FONT_HERSHEY_SIMPLEX
_GOLDEN_RATIO = 0.618034  # steps of this much hue keep neighbouring classes apart, however many there are


def draw(image: np.ndarray, found: Detections) -> np.ndarray:
    """A copy of `image`, [h, w, 3] uint8 BGR, with boxes, names and scores; the surest are on top."""
    drawn = np.array(image, order="C")
    width = max(1, round(max(image.shape[:2]) / 320))
    corners = np.round(np.clip(found.boxes, -1e4, 1e4)).astype(int).tolist()
    objects = list(zip(corners, found.scores.tolist(), found.class_ids.tolist(), found.names, strict=True))[::-1]
    for box, _, class_id, _ in objects:
        cv2.rectangle(drawn, box[:2], box[2:], class_colour(class_id), width)
    for box, score, class_id, name in objects:  # after all boxes, so that no line crosses a label
        _label(drawn, f"{label(class_id, name)} {score:.2f}", box, class_colour(class_id), width)
    return drawn


def class_colour(class_id: int) -> Colour:
    """A bright BGR colour, the same for a class in every picture."""
    hue = (0.02 + class_id * _GOLDEN_RATIO) % 1
    r, g, b = colorsys.hsv_to_rgb(hue, (0.95, 0.7)[class_id % 2], (1.0, 0.85)[class_id // 2 % 2])
    return round(255 * b), round(255 * g), round(255 * r)


def _label(image: np.ndarray, text: str, box: Sequence[int], colour: Colour, line: int) -> None:
    """Write `text` on a filled field at the box's upper left corner, in place, moved to lie inside of the image."""
    height, width = image.shape[:2]
    scale, stroke = 0.36 + 0.1 * line, max(1, line - 1)
    (text_width, text_height), baseline = cv2.getTextSize(text, _FONT, scale, stroke)
    field_width, field_height = text_width + 4, text_height + baseline + 2
    x = max(0, min(box[0] - line // 2, width - field_width))
    above = box[1] - field_height
    y = max(0, min(above if above >= 0 else box[1], height - field_height))
    cv2.rectangle(image, (x, y), (x + field_width - 1, y + field_height - 1), colour, -1)
    ink = (0, 0, 0) if np.dot(colour, (0.114, 0.587, 0.299)) > 128 else (255, 255, 255)  # by luminance
    cv2.putText(image, text, (x + 2, y + text_height + 1), _FONT, scale, ink, stroke, cv2.LINE_AA)
