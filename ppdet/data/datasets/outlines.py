"""Boxes around outlines: polygons, rotated rectangles, ellipses."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

Box = list[float]  # xyxy


def enclosing(points: Iterable[Sequence[float]]) -> Box:
    """The box around points (x, y). One without area, and not a number where a point is not."""
    xs, ys = zip(*points, strict=True)
    if not all(map(math.isfinite, (*xs, *ys))):
        return [math.nan] * 4
    return [min(xs), min(ys), max(xs), max(ys)]


def rotated(box: Box, degrees: float, around: tuple[float, float] | None = None) -> Box:
    """The box around a box that is turned clockwise around a point, its center if none is given."""
    x1, y1, x2, y2 = box
    if not degrees:
        return box
    cx, cy = around or ((x1 + x2) / 2, (y1 + y2) / 2)
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    corners = [(x - cx, y - cy) for x in (x1, x2) for y in (y1, y2)]
    return enclosing([(cx + x * cos - y * sin, cy + x * sin + y * cos) for x, y in corners])


def ellipse(cx: float, cy: float, rx: float, ry: float, degrees: float = 0) -> Box:
    """The box around an ellipse with the radii rx and ry that is turned around its center."""
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    w, h = math.hypot(rx * cos, ry * sin), math.hypot(rx * sin, ry * cos)
    return [cx - w, cy - h, cx + w, cy + h]
