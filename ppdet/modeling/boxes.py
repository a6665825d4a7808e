"""Box geometry. Boxes are [..., 4] xyxy; distances are [..., 4] left, top, right, bottom."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import paddle


class Grid(NamedTuple):
    """The L grid points of a pyramid, finest level first.

    points   [L, 2] float32, x and y in input pixels
    strides  [L, 1] float32, pixels
    counts   number of points of each level; their sum is L
    """

    points: paddle.Tensor
    strides: paddle.Tensor
    counts: tuple[int, ...]


def make_grid(sizes: Sequence[tuple[int, int]], strides: Sequence[int], offset: float) -> Grid:
    """Points ((x + offset) * stride, (y + offset) * stride) of feature maps of `sizes` (height, width)."""
    points, point_strides = [], []
    for (height, width), stride in zip(sizes, strides, strict=True):
        x = (paddle.arange(width, dtype="float32") + offset) * stride
        y = (paddle.arange(height, dtype="float32") + offset) * stride
        grid_y, grid_x = paddle.meshgrid(y, x)
        points.append(paddle.stack([grid_x, grid_y], axis=-1).reshape([-1, 2]))
        point_strides.append(paddle.full([height * width, 1], stride, dtype="float32"))
    counts = tuple(height * width for height, width in sizes)
    return Grid(paddle.concat(points), paddle.concat(point_strides), counts)


def distance_to_box(points: paddle.Tensor, distance: paddle.Tensor) -> paddle.Tensor:
    """Boxes [..., 4] whose sides lie `distance` [..., 4] from `points` [..., 2]; the inverse of box_to_distance."""
    left_top, right_bottom = distance.split(2, axis=-1)
    return paddle.concat([points - left_top, points + right_bottom], axis=-1)


def box_to_distance(points: paddle.Tensor, boxes: paddle.Tensor) -> paddle.Tensor:
    """Distances [..., 4] of the sides of `boxes` from `points`; negative where the point is outside."""
    left_top, right_bottom = boxes.split(2, axis=-1)
    return paddle.concat([points - left_top, right_bottom - points], axis=-1)


def box_centers(boxes: paddle.Tensor) -> paddle.Tensor:
    """Centres [..., 2] of boxes [..., 4]."""
    return (boxes[..., :2] + boxes[..., 2:]) / 2


def points_in_boxes(points: paddle.Tensor, boxes: paddle.Tensor, eps: float = 1e-9) -> paddle.Tensor:
    """[B, N, L] bool: point l of `points` [L, 2] lies more than `eps` inside box n of `boxes` [B, N, 4]."""
    return box_to_distance(points, boxes.unsqueeze(2)).min(axis=-1) > eps


def _area(left_top: paddle.Tensor, right_bottom: paddle.Tensor) -> paddle.Tensor:
    """Area [...] between corners [..., 2]; 0 where they are the wrong way round."""
    width, height = (right_bottom - left_top).clip(min=0).split(2, axis=-1)
    return (width * height).squeeze(-1)  # Tensor.prod would have a NaN gradient at 0


def _box_area(boxes: paddle.Tensor) -> paddle.Tensor:
    return _area(boxes[..., :2], boxes[..., 2:])


def _intersection(a: paddle.Tensor, b: paddle.Tensor) -> paddle.Tensor:
    return _area(paddle.maximum(a[..., :2], b[..., :2]), paddle.minimum(a[..., 2:], b[..., 2:]))


def pairwise_iou(a: paddle.Tensor, b: paddle.Tensor, eps: float = 1e-9) -> paddle.Tensor:
    """IoU [B, N, M] of boxes [B, N, 4] and [B, M, 4]; `eps` is added to the union."""
    overlap = _intersection(a.unsqueeze(2), b.unsqueeze(1))
    return overlap / (_box_area(a).unsqueeze(2) + _box_area(b).unsqueeze(1) - overlap + eps)


def giou(a: paddle.Tensor, b: paddle.Tensor, eps: float = 1e-10) -> paddle.Tensor:
    """Generalised IoU (Rezatofighi et al., 2019) [...] of boxes [..., 4] that broadcast against each other."""
    overlap = _intersection(a, b)
    union = _box_area(a) + _box_area(b) - overlap + eps
    hull = _area(paddle.minimum(a[..., :2], b[..., :2]), paddle.maximum(a[..., 2:], b[..., 2:])) + eps
    return overlap / union - (hull - union) / hull
