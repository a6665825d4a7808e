"""Task-aligned assignment (Feng et al., 2021, arXiv:2108.07755): points that both classify and locate well."""

from __future__ import annotations

from typing import Annotated

import paddle

from ppdet.core.ranges import AboveZero, NotNegative, Range
from ppdet.core.registry import register
from ppdet.modeling.assigners.common import (
    assign_in_chunks,
    gather_assignment,
    keep_best_gt,
    topk_mask,
)
from ppdet.modeling.boxes import pairwise_iou, points_in_boxes
from ppdet.modeling.losses import power
from ppdet.modeling.structures import Assignment, Targets


@register
class TaskAlignedAssigner:
    """The `topk` points of the highest score^alpha * IoU^beta inside each box are its positives.

    Args:
        topk: positive points per box, at most.
        alpha: exponent of the class score.
        beta: exponent of the IoU.
        eps: added to the divisor when scores are normalized.
    """

    def __init__(
        self,
        topk: Annotated[int, Range(1, 10_000)] = 13,
        alpha: NotNegative = 1.0,
        beta: NotNegative = 6.0,
        eps: AboveZero = 1e-9,
    ):
        self.topk = topk
        self.alpha = alpha
        self.beta = beta
        self.eps = eps

    def __call__(
        self, pred_scores: paddle.Tensor, pred_boxes: paddle.Tensor, points: paddle.Tensor, targets: Targets
    ) -> Assignment:
        """Assigns from pred_scores [B, L, C], probabilities, pred_boxes [B, L, 4], xyxy, and points [L, 2].

        Boxes and points are in input pixels.
        """

        def assign(scores: paddle.Tensor, boxes: paddle.Tensor, targets: Targets) -> Assignment:
            return self._assign(scores, boxes, points, targets)

        return assign_in_chunks(assign, (pred_scores, pred_boxes), targets)

    def _assign(
        self, pred_scores: paddle.Tensor, pred_boxes: paddle.Tensor, points: paddle.Tensor, targets: Targets
    ) -> Assignment:
        ious = pairwise_iou(targets.gt_bbox, pred_boxes, self.eps)  # [B, N, L]
        metric = power(scores_of_gt_class(pred_scores, targets.gt_class), self.alpha) * power(ious, self.beta)
        inside = points_in_boxes(points, targets.gt_bbox).astype(ious.dtype)
        positive = topk_mask(metric * inside, self.topk) * inside * targets.pad_gt_mask
        positive = keep_best_gt(positive, ious)

        metric = metric * positive
        best_metric = metric.max(axis=-1, keepdim=True)
        best_iou = (ious * positive).max(axis=-1, keepdim=True)
        quality = (metric / (best_metric + self.eps) * best_iou).max(axis=1)
        return gather_assignment(positive, quality, targets, pred_scores.shape[-1])


def scores_of_gt_class(scores: paddle.Tensor, gt_class: paddle.Tensor) -> paddle.Tensor:
    """Picks the scores [B, N, L] of each ground truth's class [B, N, 1] from the scores [B, L, C]."""
    image = paddle.arange(scores.shape[0], dtype=gt_class.dtype).reshape([-1, 1, 1]).expand_as(gt_class)
    return scores.transpose([0, 2, 1]).gather_nd(paddle.concat([image, gt_class], axis=-1))
