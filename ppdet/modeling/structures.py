"""Structures that travel through training and prediction, on one page.

B images have N ground truths (padded) and L grid points, the points of all pyramid levels, finest level first. C is
the number of classes. Boxes are xyxy: left, top, right, bottom.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import paddle

from ppdet.core.targets import Targets

__all__ = ["Assignment", "Detections", "Grid", "HeadOutputs", "Levels", "LossSums", "Matched", "Targets"]


class Grid(NamedTuple):
    """Grid points of a pyramid.

    Attributes:
        points: [L, 2] float32, x and y in input pixels
        strides: [L, 1] float32, pixels
        counts: number of points of each level; their sum is L
    """

    points: paddle.Tensor
    strides: paddle.Tensor
    counts: tuple[int, ...]


class Levels(NamedTuple):
    """Predictions per pyramid level, as they leave the convolutions.

    Attributes:
        cls: one [B, C, h, w] float32 per level: probabilities (PicoHeadV2) or logits (PicoHead)
        reg: one [B, 4 * (reg_max + 1), h, w] float32 per level: logits
        one_to_one: one [B, C, h, w] float32 per level: scores of which each object has one (PicoHeadE2E); else none
    """

    cls: list[paddle.Tensor]
    reg: list[paddle.Tensor]
    one_to_one: Sequence[paddle.Tensor] = ()


class HeadOutputs(NamedTuple):
    """The same predictions, flattened to grid points.

    Attributes:
        cls: [B, L, C] float32: probabilities (PicoHeadV2) or logits (PicoHead)
        reg: [B, L, 4 * (reg_max + 1)] float32: logits of the distances left, top, right, bottom
        grid: the points
        one_to_one: `Levels.one_to_one`, which stay maps
    """

    cls: paddle.Tensor
    reg: paddle.Tensor
    grid: Grid
    one_to_one: tuple[paddle.Tensor, ...] = ()


class Assignment(NamedTuple):
    """Training targets of the grid points.

    Attributes:
        labels: [B, L] int64, class index; C for background
        boxes: [B, L, 4] float32, xyxy, input pixels; arbitrary for background
        scores: [B, L, C] float32, the target score in the column of the point's class, 0 elsewhere
    """

    labels: paddle.Tensor
    boxes: paddle.Tensor
    scores: paddle.Tensor


class Matched(NamedTuple):
    """Predictions of a batch in float32, and what they should be.

    Attributes:
        cls: [B, L, C] probabilities (PicoHeadV2) or logits (PicoHead)
        reg: [B, L, 4 * (reg_max + 1)] logits
        boxes: [B, L, 4] decoded from `reg`, xyxy, in units of each point's stride
        grid: the points
        assigned: the targets of the points
        weight: [B, L] weights of the box losses, 0 for background
        avg_factor: [2] this batch's part of the divisors: the first of the class loss, the second of the box losses
        one_to_one: scores [B, L, C] of the one-to-one branch and their targets (PicoHeadE2E); None: there is none
    """

    cls: paddle.Tensor
    reg: paddle.Tensor
    boxes: paddle.Tensor
    grid: Grid
    assigned: Assignment
    weight: paddle.Tensor
    avg_factor: paddle.Tensor
    one_to_one: tuple[paddle.Tensor, paddle.Tensor] | None = None


class LossSums(NamedTuple):
    """Losses of a batch, summed over its points and not normalized yet: the divisor belongs to the whole update.

    Attributes:
        vfl: float32 scalar, varifocal loss
        bbox: float32 scalar, GIoU loss
        dfl: float32 scalar, distribution focal loss
        o2o: float32 scalar, loss of the one-to-one branch (PicoHeadE2E); None: there is none
    """

    vfl: paddle.Tensor
    bbox: paddle.Tensor
    dfl: paddle.Tensor
    o2o: paddle.Tensor | None = None

    def normalize(self, divisor: paddle.Tensor) -> dict[str, paddle.Tensor]:
        """Divides the sums by `divisor` [2] float32 of the whole update: by the first the class loss.

        Returns:
            `loss_vfl`, `loss_bbox`, `loss_dfl`, `loss_o2o` if there is one, and their sum `loss`, float32 scalars.
        """
        by_class, by_box = divisor[0], divisor[1]
        vfl, bbox, dfl = self.vfl / by_class, self.bbox / by_box, self.dfl / by_box
        losses = {"loss": vfl + bbox + dfl, "loss_vfl": vfl, "loss_bbox": bbox, "loss_dfl": dfl}
        if self.o2o is None:
            return losses
        o2o = self.o2o / by_class
        return {**losses, "loss": losses["loss"] + o2o, "loss_o2o": o2o}


class Detections(NamedTuple):
    """Boxes of a batch, each object's own, grouped by image.

    Attributes:
        bbox: [M, 6] float32: class, score, x1, y1, x2, y2 in original-image pixels
        bbox_num: [B] int32: how many of the M rows belong to each image
    """

    bbox: paddle.Tensor
    bbox_num: paddle.Tensor
