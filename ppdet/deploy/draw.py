"""Drawing detections, or annotations, on an image."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence

import cv2
import numpy as np

from .labels import label

Color = tuple[int, int, int]  # BGR, 0..255
_FONT = cv2.FONT_HERSHEY_SIMPLEX
_GOLDEN_RATIO = 0.618034  # steps of this much hue keep neighboring classes apart, however many there are


def draw(
    image: np.ndarray,
    boxes: np.ndarray,
    scores: np.ndarray | None,
    class_ids: np.ndarray,
    names: Sequence[str],
    ids: np.ndarray | None = None,
) -> np.ndarray:
    """A copy of `image` with boxes, class names, ids and scores.

    Args:
        image: [h, w, 3] uint8 BGR.
        boxes: [n, 4] float, xyxy, pixels of `image`; may reach beyond its edges.
        scores: [n] float, most confident first: those are drawn on top; None: the boxes have none.
        class_ids: [n] int, which decide the colors.
        names: n class names.
        ids: [n] int, the numbers of the objects; None: they have none.
    """
    drawn = np.array(image, order="C")
    width = line_width(image)
    corners = np.round(np.clip(boxes, -1e4, 1e4)).astype(int).tolist()
    endings = [""] * len(boxes) if ids is None else [f" #{number}" for number in ids.tolist()]
    if scores is not None:
        endings = [f"{ending} {score:.2f}" for ending, score in zip(endings, scores.tolist(), strict=True)]
    objects = list(zip(corners, endings, class_ids.tolist(), names, strict=True))[::-1]
    for box, _, class_id, _ in objects:
        cv2.rectangle(drawn, box[:2], box[2:], class_color(class_id), width)
    for box, ending, class_id, name in objects:  # after all boxes, so that no line crosses a label
        draw_label(drawn, label(class_id, name) + ending, box, class_color(class_id), width)
    return drawn


def line_width(image: np.ndarray) -> int:
    """The width of lines on `image`, in pixels."""
    return max(1, round(float(max(image.shape[:2])) / 320))


def class_color(class_id: int) -> Color:
    """A bright color, the same for a class in every picture."""
    hue = (0.02 + class_id * _GOLDEN_RATIO) % 1
    r, g, b = colorsys.hsv_to_rgb(hue, (0.95, 0.7)[class_id % 2], (1.0, 0.85)[class_id // 2 % 2])
    return round(255 * b), round(255 * g), round(255 * r)


def draw_label(image: np.ndarray, text: str, box: Sequence[int], color: Color, line: int) -> None:
    """Writes `text` in place, on a filled field at the box's upper left corner that is moved to lie in the image."""
    height, width = image.shape[:2]
    scale, stroke = 0.36 + 0.1 * line, max(1, line - 1)
    (text_width, text_height), baseline = cv2.getTextSize(text, _FONT, scale, stroke)
    field_width, field_height = text_width + 4, text_height + baseline + 2
    x = max(0, min(box[0] - line // 2, width - field_width))
    above = box[1] - field_height
    y = max(0, min(above if above >= 0 else box[1], height - field_height))
    cv2.rectangle(image, (x, y), (x + field_width - 1, y + field_height - 1), color, -1)
    ink = (0, 0, 0) if np.dot(color, (0.114, 0.587, 0.299)) > 128 else (255, 255, 255)  # by luminance
    cv2.putText(image, text, (x + 2, y + text_height + 1), _FONT, scale, ink, stroke, cv2.LINE_AA)
