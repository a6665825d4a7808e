"""Criteria: predictions and ground truths -> losses. A criterion owns the assigners and the three losses.

Each head builds its criterion from its own config keys.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import paddle
import paddle.nn.functional as F

from ppdet.modeling.assigners import ATSSAssigner, SimOTAAssigner, TaskAlignedAssigner
from ppdet.modeling.boxes import box_to_distance, decode_boxes
from ppdet.modeling.layers import points_first
from ppdet.modeling.losses import DistributionFocalLoss, GIoULoss, VarifocalLoss
from ppdet.modeling.peaks import keep_peaks
from ppdet.modeling.structures import Assignment, Grid, HeadOutputs, LossSums, Matched, Targets

Divisor = Callable[[], paddle.Tensor]  # returns the divisors [2] of an update, once they are needed


def at_least_one(avg_factor: paddle.Tensor) -> Divisor:
    """The divisor of an update that one process makes from one batch: batches without objects give finite losses."""
    divisor = avg_factor.clip(min=1)
    return lambda: divisor


class AnyCriterion:
    """Losses of a network's outputs in two steps, between which the divisor of the whole update is made."""

    def __call__(
        self, outputs: Any, targets: Targets, epoch: int, reduce: Callable[[paddle.Tensor], Divisor] = at_least_one
    ) -> dict[str, paddle.Tensor]:
        """Losses of a batch; nothing waits for the device.

        Args:
            outputs: predictions, in any floating-point type.
            targets: ground truths.
            epoch: current epoch, from 0; it can decide which assigner is used.
            reduce: begins to make the divisor [2] of the whole update from `avg_factor` [2] of this process.

        Returns:
            The losses by name and their sum `loss`, float32 scalars on the device.
        """
        matched = self.match(outputs, targets, epoch)
        divisor = reduce(matched.avg_factor)  # while it travels between the ranks, the losses are computed
        losses: dict[str, paddle.Tensor] = self.sums(matched).normalize(divisor())
        return losses

    def match(self, outputs: Any, targets: Targets, epoch: int) -> Any:
        """The predictions, what they should be, and `avg_factor`; the arguments are those of a call."""
        raise NotImplementedError

    def sums(self, matched: Any) -> Any:
        """Losses before their division; `normalize` divides them."""
        raise NotImplementedError


@dataclass(eq=False, kw_only=True)
class Criterion(AnyCriterion):
    """Assigns ground truths to grid points and compares the predictions with them.

    The losses are `loss_vfl`, `loss_bbox` and `loss_dfl`. A subclass says how points are assigned and weighted.
    """

    loss_class: VarifocalLoss
    loss_bbox: GIoULoss
    loss_dfl: DistributionFocalLoss
    reg_max: int
    has_one_divisor: ClassVar[bool]  # of all losses, so that gradients of several batches can be rescaled at the end

    def match(self, outputs: HeadOutputs, targets: Targets, epoch: int) -> Matched:
        """The predictions, and what they should be; the arguments are those of a call."""
        cls, reg, grid = outputs.cls.astype("float32"), outputs.reg.astype("float32"), outputs.grid
        boxes = decode_boxes(reg, grid, self.reg_max)
        prob = self._probabilities(cls).detach()
        assigned = self.assign(prob, (boxes * grid.strides).detach(), grid, targets, epoch)
        return Matched(cls, reg, boxes, grid, assigned, *self._weigh(prob, assigned))

    def sums(self, matched: Matched) -> LossSums:
        """Losses before their division."""
        bbox, dfl = self._box_losses(matched)
        return LossSums(self.loss_class(matched.cls, matched.assigned.scores).sum(), bbox, dfl)

    def assign(self, prob: paddle.Tensor, boxes: paddle.Tensor, grid: Grid, targets: Targets, epoch: int) -> Assignment:
        """Targets of the grid points, from predictions `prob` [B, L, C] and `boxes` [B, L, 4], xyxy, input pixels."""
        raise NotImplementedError

    def _probabilities(self, cls: paddle.Tensor) -> paddle.Tensor:
        """`HeadOutputs.cls` as probabilities."""
        raise NotImplementedError

    def _weigh(self, prob: paddle.Tensor, assigned: Assignment) -> tuple[paddle.Tensor, paddle.Tensor]:
        """`Matched.weight` and `Matched.avg_factor`."""
        raise NotImplementedError

    def _box_losses(self, matched: Matched) -> tuple[paddle.Tensor, paddle.Tensor]:
        """Weighted sums of GIoU and DFL over the points."""
        grid, weight = matched.grid, matched.weight
        target_boxes = matched.assigned.boxes / grid.strides
        distance = box_to_distance(grid.points / grid.strides, target_boxes).clip(0, self.reg_max - 0.1)
        logits = matched.reg.reshape([*distance.shape, self.reg_max + 1])
        loss_bbox = (self.loss_bbox(matched.boxes, target_boxes) * weight).sum()
        loss_dfl = (self.loss_dfl(logits, distance) * weight.unsqueeze(-1)).sum() / 4
        return loss_bbox, loss_dfl


@dataclass(eq=False, kw_only=True)
class TaskAlignedCriterion(Criterion):
    """Criterion of PicoHeadV2, whose class predictions are probabilities.

    Points are assigned by `static_assigner` before epoch `static_assigner_epoch`, by `assigner` from then on. Every
    loss is divided by the sum of all target scores.
    """

    static_assigner: ATSSAssigner
    assigner: TaskAlignedAssigner
    static_assigner_epoch: int
    grid_cell_scale: float  # side of the square anchors of `static_assigner`, in strides
    has_one_divisor = True

    def assign(self, prob: paddle.Tensor, boxes: paddle.Tensor, grid: Grid, targets: Targets, epoch: int) -> Assignment:
        if epoch >= self.static_assigner_epoch:
            return self.assigner(prob, boxes, grid.points, targets)
        half = grid.strides * (self.grid_cell_scale / 2)
        anchors = paddle.concat([grid.points - half, grid.points + half], axis=-1)
        return self.static_assigner(anchors, grid, boxes, targets)

    def _probabilities(self, cls: paddle.Tensor) -> paddle.Tensor:
        return cls

    def _weigh(self, prob: paddle.Tensor, assigned: Assignment) -> tuple[paddle.Tensor, paddle.Tensor]:
        total = assigned.scores.sum()
        return assigned.scores.max(axis=-1), paddle.stack([total, total])


@dataclass(eq=False, kw_only=True)
class EndToEndCriterion(TaskAlignedCriterion):
    """Criterion of PicoHeadE2E: that of PicoHeadV2, and the varifocal loss of its one-to-one scores.

    Each ground truth is learned by one point inside it: of those that `keep_peaks` leaves, the one that `assigner`
    finds best. Its target is its IoU. What the other points score is wrong.
    """

    loss_o2o_weight: float

    def match(self, outputs: HeadOutputs, targets: Targets, epoch: int) -> Matched:
        matched = super().match(outputs, targets, epoch)
        kept = keep_peaks([scores.astype("float32") for scores in outputs.one_to_one])
        scores = paddle.concat([points_first(level) for level in kept], axis=1)
        boxes = (matched.boxes * outputs.grid.strides).detach()
        best = TaskAlignedAssigner(1, self.assigner.alpha, self.assigner.beta, self.assigner.eps)
        assigned = best(scores.detach(), boxes, outputs.grid.points, targets)
        return matched._replace(one_to_one=(scores, assigned.scores))

    def sums(self, matched: Matched) -> LossSums:
        assert matched.one_to_one is not None
        return super().sums(matched)._replace(o2o=self.loss_o2o_weight * self.loss_class(*matched.one_to_one).sum())


@dataclass(eq=False, kw_only=True)
class SimOTACriterion(Criterion):
    """Criterion of the legacy PicoHead, whose class predictions are logits.

    The class loss is divided by the number of positive points, the others by the sum of their weights.
    """

    assigner: SimOTAAssigner
    has_one_divisor = False

    def assign(self, prob: paddle.Tensor, boxes: paddle.Tensor, grid: Grid, targets: Targets, epoch: int) -> Assignment:
        return self.assigner(prob, boxes, grid, targets)

    def _probabilities(self, cls: paddle.Tensor) -> paddle.Tensor:
        return F.sigmoid(cls)

    def _weigh(self, prob: paddle.Tensor, assigned: Assignment) -> tuple[paddle.Tensor, paddle.Tensor]:
        positive = (assigned.labels < prob.shape[-1]).astype("float32")
        weight = prob.max(axis=-1) * positive
        return weight, paddle.stack([positive.sum(), weight.sum()])
