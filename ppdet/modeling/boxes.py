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
    """Boxes as their upper left and lower right corners, with the coordinate as the first axis.

    Kernels are many times faster on it than on a last axis of 2 or 4, and one launch does both coordinates.

    Attributes:
        low: [2, ...] x1 and y1.
        high: [2, ...] x2 and y2.
    """

    low: paddle.Tensor
    high: paddle.Tensor

    @classmethod
    def of(cls, boxes: paddle.Tensor) -> Corners:
        """The corners [2, ...] of boxes [..., 4]."""
        return cls(*coordinates_first(boxes).split(2, axis=0))

    def area(self) -> paddle.Tensor:
        """Areas [...]; 0 if x2 < x1 or y2 < y1."""
        return _area(self.low, self.high)

    def overlap(self, other: Corners) -> paddle.Tensor:
        """Area of the intersection."""
        return _area(paddle.maximum(self.low, other.low), paddle.minimum(self.high, other.high))

    def hull(self, other: Corners) -> paddle.Tensor:
        """Area of the smallest box around both."""
        return _area(paddle.minimum(self.low, other.low), paddle.maximum(self.high, other.high))


def coordinates_first(x: paddle.Tensor) -> paddle.Tensor:
    """[..., n] -> [n, ...], with memory of its own: each use of a mere view would copy it."""
    return x.transpose([x.ndim - 1, *range(x.ndim - 1)]).contiguous()


def _area(low: paddle.Tensor, high: paddle.Tensor) -> paddle.Tensor:
    width, height = (high - low).clip(min=0).unbind(axis=0)
    return width * height


def points_in_boxes(points: paddle.Tensor, boxes: paddle.Tensor, eps: float = 1e-9) -> paddle.Tensor:
    """Mask [B, N, L] bool: point l of `points` [L, 2] lies more than `eps` inside box n of `boxes` [B, N, 4]."""
    at = coordinates_first(points).unsqueeze([1, 2]).expand([2, *boxes.shape[:2], -1])
    box = Corners.of(boxes.unsqueeze(2))
    inside_x, inside_y = ((at - box.low > eps) & (at - box.high < -eps)).unbind(axis=0)
    return inside_x & inside_y


def pairwise_iou(a: paddle.Tensor, b: paddle.Tensor, eps: float = 1e-9) -> paddle.Tensor:
    """IoU [B, N, M] of boxes [B, N, 4] and [B, M, 4]; `eps` is added to the union."""
    count = a.shape[1]
    a, b = Corners.of(a.unsqueeze(2)), Corners.of(b.unsqueeze(1))
    overlap = Corners(_repeat_rows(b.low, count), _repeat_rows(b.high, count)).overlap(a)
    return overlap / (_repeat_rows(b.area(), count) + a.area() - overlap + eps)


def _repeat_rows(x: paddle.Tensor, count: int) -> paddle.Tensor:
    """[..., 1, L] -> [..., count, L]. Paddle's CPU kernels are five times slower if they broadcast rows."""
    return x.expand([*x.shape[:-2], count, x.shape[-1]])


def giou(a: paddle.Tensor, b: paddle.Tensor, eps: float = 1e-10) -> paddle.Tensor:
    """Generalized IoU (Rezatofighi et al., 2019) [...] of boxes [..., 4] that broadcast against each other."""
    a, b = Corners.of(a), Corners.of(b)
    overlap = a.overlap(b)
    union = a.area() + b.area() - overlap + eps
    hull = a.hull(b) + eps
    return overlap / union - (hull - union) / hull
