"""Draws lines and zones with their counts on frames."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from ..draw import draw_label, line_width
from ..labels import is_drawable
from .counting import RegionCounter

_COLOR = (255, 255, 255)  # BGR
_EDGE = (0, 0, 0)


def draw_counters(image: np.ndarray, counters: Sequence[RegionCounter]) -> None:
    """Draws the regions and their counts on `image` [h, w, 3] uint8, in place."""
    width = line_width(image)
    for counter in counters:
        region = counter.region
        points = np.round(np.clip(region.points, -1e4, 1e4)).astype(np.int32)
        for color, thickness in ((_EDGE, width + 2), (_COLOR, width)):
            if region.kind == "line":
                cv2.arrowedLine(image, points[0].tolist(), points[1].tolist(), color, thickness, tipLength=0.03)
            else:
                cv2.polylines(image, [points], True, color, thickness)
    for number, counter in enumerate(counters, 1):
        name = counter.region.name
        text = f"{name if is_drawable(name) else f'{counter.region.kind} {number}'}: {counter.caption()}"
        corner = np.round(np.clip(counter.region.points[0], 0, 1e4)).astype(int).tolist()
        draw_label(image, text, corner, _COLOR, width)
