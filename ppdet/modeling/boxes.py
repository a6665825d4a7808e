"""Box geometry and decoding. Boxes are [..., 4] xyxy; distances are [..., 4] left, top, right, bottom."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import paddle
import paddle.nn.functional as F

from ppdet.modeling.structures import Grid


def make_grid(sizes: Sequence[tuple[int, int]], strides: Sequence[int], offset: float) -> Grid:
    """Grid of feature maps of `sizes` (height, width); point (x, y) lies at ((x + offset), (y + offset)) * stride."""
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
    return paddle.concat([points - distance[..., :2], points + distance[..., 2:]], axis=-1)


def box_to_distance(points: paddle.Tensor, boxes: paddle.Tensor) -> paddle.Tensor:
    """Distances [..., 4] of the sides of `boxes` from `points`; negative where the point is outside."""
    return paddle.concat([points - boxes[..., :2], boxes[..., 2:] - points], axis=-1)


def decode_boxes(reg: paddle.Tensor, grid: Grid, reg_max: int) -> paddle.Tensor:
    """Boxes [B, L, 4] xyxy in units of each point's stride, from `HeadOutputs.reg` [B, L, 4 * (reg_max + 1)].

    The distance of a side from its grid point is the mean of a distribution over the bins 0 ... reg_max.
    """
    bins = reg_max + 1
    prob = F.softmax(reg.reshape([0, 0, 4, bins]), axis=-1)
    distance = prob.matmul(paddle.arange(bins, dtype=prob.dtype))
    return distance_to_box(grid.points / grid.strides, distance)


def box_centers(boxes: paddle.Tensor) -> paddle.Tensor:
    """Centers [..., 2] of boxes [..., 4]."""
    return (boxes[..., :2] + boxes[..., 2:]) / 2


class Corners(NamedTuple):
    """Boxes with a tensor for each coordinate. Kernels are many times faster than on a last axis of 2 or 4."""

    x1: paddle.Tensor
    y1: paddle.Tensor
    x2: paddle.Tensor
    y2: paddle.Tensor

    @classmethod
    def of(cls, boxes: paddle.Tensor) -> Corners:
        """Four [...] tensors from boxes [..., 4]."""
        return cls(*boxes.unbind(axis=-1))

    def area(self) -> paddle.Tensor:
        """Areas [...]; 0 if x2 < x1 or y2 < y1."""
        return _length(self.x1, self.x2) * _length(self.y1, self.y2)

    def overlap(self, other: Corners) -> paddle.Tensor:
        """Area of the intersection."""
        width = _length(paddle.maximum(self.x1, other.x1), paddle.minimum(self.x2, other.x2))
        return width * _length(paddle.maximum(self.y1, other.y1), paddle.minimum(self.y2, other.y2))

    def hull(self, other: Corners) -> paddle.Tensor:
        """Area of the smallest box around both."""
        width = _length(paddle.minimum(self.x1, other.x1), paddle.maximum(self.x2, other.x2))
        return width * _length(paddle.minimum(self.y1, other.y1), paddle.maximum(self.y2, other.y2))


def _length(low: paddle.Tensor, high: paddle.Tensor) -> paddle.Tensor:
    return (high - low).clip(min=0)


def points_in_boxes(points: paddle.Tensor, boxes: paddle.Tensor, eps: float = 1e-9) -> paddle.Tensor:
    """Mask [B, N, L] bool: point l of `points` [L, 2] lies more than `eps` inside box n of `boxes` [B, N, 4]."""
    x, y = (_repeat_rows(axis, boxes.shape[1]) for axis in points.unbind(axis=-1))
    box = Corners.of(boxes.unsqueeze(2))
    return (x - box.x1 > eps) & (x - box.x2 < -eps) & (y - box.y1 > eps) & (y - box.y2 < -eps)


def pairwise_iou(a: paddle.Tensor, b: paddle.Tensor, eps: float = 1e-9) -> paddle.Tensor:
    """IoU [B, N, M] of boxes [B, N, 4] and [B, M, 4]; `eps` is added to the union."""
    count = a.shape[1]
    a, b = Corners.of(a.unsqueeze(2)), Corners.of(b.unsqueeze(1))
    overlap = Corners(*(_repeat_rows(coordinate, count) for coordinate in b)).overlap(a)
    return overlap / (_repeat_rows(b.area(), count) + a.area() - overlap + eps)


def _repeat_rows(x: paddle.Tensor, count: int) -> paddle.Tensor:
    """[B, 1, L] or [L] -> [B or 1, count, L]. Paddle's CPU kernels are five times slower if they broadcast rows."""
    return x.reshape([-1, 1, x.shape[-1]]).expand([-1, count, -1])


def giou(a: paddle.Tensor, b: paddle.Tensor, eps: float = 1e-10) -> paddle.Tensor:
    """Generalized IoU (Rezatofighi et al., 2019) [...] of boxes [..., 4] that broadcast against each other."""
    a, b = Corners.of(a), Corners.of(b)
    overlap = a.overlap(b)
    union = a.area() + b.area() - overlap + eps
    hull = a.hull(b) + eps
    return overlap / union - (hull - union) / hull
