"""SimOTA (Ge et al., 2021, arXiv:2107.08430): the assigner of the legacy PicoHead."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

import paddle

from ppdet.core.ranges import AboveZero, NotNegative, Range
from ppdet.core.registry import register
from ppdet.modeling.assigners.common import assign_in_chunks, gather_assignment, keep_best_gt
from ppdet.modeling.assigners.task_aligned import scores_of_gt_class
from ppdet.modeling.boxes import box_centers, giou, pairwise_iou, points_in_boxes
from ppdet.modeling.losses import varifocal_loss
from ppdet.modeling.structures import Assignment, Grid, Targets

_OUTSIDE = 1e8  # added to the cost of a candidate that is not both in the box and near its center
_NEVER = 1e12  # cost of a point that is no candidate for any ground truth of its image


@register
class SimOTAAssigner:
    """Each ground truth takes its k cheapest candidates, k being the sum of its `candidate_topk` highest IoUs.

    cost = cls_weight * varifocal loss + iou_weight * (1 - GIoU). Candidates lie in a box or within `center_radius`
    strides of a center.

    Args:
        center_radius: distance from the center of a box, in strides, within which points are candidates.
        candidate_topk: number of the highest IoUs whose sum is k.
        iou_weight: factor of 1 - GIoU in the cost.
        cls_weight: factor of the varifocal loss in the cost.
    """

    fixed_options: ClassVar[dict[str, Any]] = {"use_vfl": Literal[True]}

    def __init__(
        self,
        center_radius: AboveZero = 2.5,
        candidate_topk: Annotated[int, Range(1, 10_000)] = 10,
        iou_weight: NotNegative = 3.0,
        cls_weight: NotNegative = 1.0,
    ):
        self.center_radius = center_radius
        self.candidate_topk = candidate_topk
        self.iou_weight = iou_weight
        self.cls_weight = cls_weight

    def __call__(
        self, pred_scores: paddle.Tensor, pred_boxes: paddle.Tensor, grid: Grid, targets: Targets
    ) -> Assignment:
        """Assigns from pred_scores [B, L, C], probabilities, and pred_boxes [B, L, 4], xyxy, input pixels.

        The target score of a point is its IoU, times the box's `gt_score`. The criterion weighs box losses by the
        predicted scores, so a `gt_score` lowers only the class targets.
        """

        def assign(scores: paddle.Tensor, boxes: paddle.Tensor, targets: Targets) -> Assignment:
            return self._assign(scores, boxes, grid, targets)

        return assign_in_chunks(assign, (pred_scores, pred_boxes), targets)

    def _assign(
        self, pred_scores: paddle.Tensor, pred_boxes: paddle.Tensor, grid: Grid, targets: Targets
    ) -> Assignment:
        gt_boxes, real = targets.gt_bbox, targets.pad_gt_mask > 0
        in_box = points_in_boxes(grid.points, gt_boxes, eps=0.0) & real
        near_center = self._near_center(grid, gt_boxes) & real
        candidate = (in_box | near_center).any(axis=1, keepdim=True)  # for any ground truth: [B, 1, L]
        ious = pairwise_iou(gt_boxes, pred_boxes, eps=1e-6) * candidate.astype("float32")
        cost = self._cost(pred_scores, pred_boxes, targets, ious)
        cost = cost + _OUTSIDE * (~(in_box & near_center)).astype(cost.dtype)
        cost = paddle.where(candidate & real, cost, paddle.full_like(cost, _NEVER))

        positive = keep_best_gt(self._cheapest(cost, ious), -cost)
        return gather_assignment(positive, (ious * positive).max(axis=1), targets, pred_scores.shape[-1])

    def _near_center(self, grid: Grid, gt_boxes: paddle.Tensor) -> paddle.Tensor:
        center_x, center_y = box_centers(gt_boxes).unsqueeze(2).unbind(axis=-1)  # [B, N, 1] each
        x, y = grid.points.unbind(axis=-1)
        radius = self.center_radius * grid.strides.squeeze(-1)
        return paddle.maximum((x - center_x).abs(), (y - center_y).abs()) < radius

    def _cost(
        self, scores: paddle.Tensor, boxes: paddle.Tensor, targets: Targets, ious: paddle.Tensor
    ) -> paddle.Tensor:
        """Costs [B, N, L].

        The varifocal loss against a one-hot IoU target is summed over the classes without making [B, N, L, C].
        """
        negative = varifocal_loss(scores, paddle.zeros_like(scores))  # [B, L, C]
        own_score = scores_of_gt_class(scores, targets.gt_class)
        others = negative.sum(axis=-1).unsqueeze(1) - scores_of_gt_class(negative, targets.gt_class)
        class_cost = others + varifocal_loss(own_score, ious)
        box_cost = 1 - giou(targets.gt_bbox.unsqueeze(2), boxes.unsqueeze(1))
        return self.cls_weight * class_cost + self.iou_weight * box_cost

    def _cheapest(self, cost: paddle.Tensor, ious: paddle.Tensor) -> paddle.Tensor:
        """Mask [B, N, L] of each ground truth's k cheapest points, 1 <= k <= candidate_topk."""
        topk = min(self.candidate_topk, cost.shape[-1])
        k = ious.topk(topk, axis=-1)[0].sum(axis=-1, keepdim=True).floor().clip(min=1)
        lowest, index = cost.topk(topk, axis=-1, largest=False)
        chosen = (paddle.arange(topk, dtype=k.dtype) < k) & (lowest < _NEVER)
        return paddle.put_along_axis(paddle.zeros_like(cost), index, chosen.astype(cost.dtype), axis=-1)
