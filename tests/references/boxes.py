"""Box geometry, one box at a time in plain Python (float64): what `ppdet.modeling.boxes` does to all boxes at once.

A box is (x1, y1, x2, y2) and a point (x, y), in any unit.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

Box = Sequence[float]


def area(box: Box) -> float:
    x1, y1, x2, y2 = box
    return max(x2 - x1, 0.0) * max(y2 - y1, 0.0)


def intersection(a: Box, b: Box) -> float:
    return area((max(a[0], b[0]), max(a[1], b[1]), min(a[2], b[2]), min(a[3], b[3])))


def iou(a: Box, b: Box, eps: float = 1e-9) -> float:
    """Intersection over union; `eps` is added to the union."""
    common = intersection(a, b)
    return common / (area(a) + area(b) - common + eps)


def giou(a: Box, b: Box, eps: float = 1e-10) -> float:
    """IoU minus the part of the enclosing box that belongs to neither box; `eps` is added to both areas."""
    common = intersection(a, b)
    union = area(a) + area(b) - common + eps
    enclosing = area((min(a[0], b[0]), min(a[1], b[1]), max(a[2], b[2]), max(a[3], b[3]))) + eps
    return common / union - (enclosing - union) / enclosing


def center(box: Box) -> tuple[float, float]:
    return (box[0] + box[2]) / 2, (box[1] + box[3]) / 2


def is_inside(point: Sequence[float], box: Box, eps: float = 1e-9) -> bool:
    """Whether the point lies more than `eps` from every side, inside."""
    return min(distances(point, box)) > eps


def distances(point: Sequence[float], box: Box) -> list[float]:
    """Left, top, right, bottom: how far the sides are from the point; negative beyond a side."""
    return [point[0] - box[0], point[1] - box[1], box[2] - point[0], box[3] - point[1]]


def box_around(point: Sequence[float], distance: Sequence[float]) -> list[float]:
    """The box whose sides have these distances (left, top, right, bottom) from the point."""
    left, top, right, bottom = distance
    return [point[0] - left, point[1] - top, point[0] + right, point[1] + bottom]


def softmax(logits: Sequence[float]) -> list[float]:
    largest = max(logits)
    exponentials = [math.exp(logit - largest) for logit in logits]
    return [value / sum(exponentials) for value in exponentials]


def expected_distance(logits: Sequence[float]) -> float:
    """Mean of the distribution over the bins 0, 1, 2, …, in strides."""
    return sum(number * probability for number, probability in enumerate(softmax(logits)))


def grid_points(
    sizes: Sequence[tuple[int, int]], strides: Sequence[int], offset: float
) -> tuple[list[tuple[float, float]], list[int]]:
    """The points of levels of these (height, width), row by row, and the stride of each point."""
    points, of_points = [], []
    for (height, width), stride in zip(sizes, strides, strict=True):
        for row in range(height):
            for column in range(width):
                points.append(((column + offset) * stride, (row + offset) * stride))
                of_points.append(stride)
    return points, of_points


def decoded_box(point: Sequence[float], stride: float, logits: Sequence[float]) -> list[float]:
    """The predicted box in pixels, from the 4 * (reg_max + 1) logits of its sides: left, top, right, bottom."""
    bins = len(logits) // 4
    distance = [stride * expected_distance(logits[side * bins : (side + 1) * bins]) for side in range(4)]
    return box_around(point, distance)
