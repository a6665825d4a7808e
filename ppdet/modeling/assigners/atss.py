"""Adaptive Training Sample Selection (Zhang et al., 2020, arXiv:1912.02424): the warm-up assigner of PicoHeadV2."""

from __future__ import annotations

from typing import Annotated

import paddle
import paddle.nn.functional as F

from ppdet.core.ranges import Positive, Range
from ppdet.core.registry import Shared, register
from ppdet.modeling.assigners.common import (
    assign_in_chunks,
    gather_assignment,
    keep_best_gt,
    mask_at,
)
from ppdet.modeling.boxes import box_centers, pairwise_iou, points_in_boxes
from ppdet.modeling.structures import Assignment, Grid, Targets


@register
class ATSSAssigner:
    """The `topk` points nearest to a box in each level are candidates; mean + std of their IoUs is the threshold.

    `force_gt_matching`: each ground truth also gets the point of its highest IoU.

    Args:
        topk: candidates per box and level.
        num_classes: number of classes.
    """

    def __init__(
        self,
        topk: Annotated[int, Range(1, 10_000)] = 9,
        num_classes: Shared[Positive] = 80,
        force_gt_matching: bool = False,
    ):
        self.topk = topk
        self.num_classes = num_classes
        self.force_gt_matching = force_gt_matching

    def __call__(self, anchors: paddle.Tensor, grid: Grid, pred_boxes: paddle.Tensor, targets: Targets) -> Assignment:
        """Assigns from anchors [L, 4] around the points of `grid` and pred_boxes [B, L, 4], all xyxy, input pixels."""

        def assign(pred_boxes: paddle.Tensor, targets: Targets) -> Assignment:
            return self._assign(anchors, grid, pred_boxes, targets)

        return assign_in_chunks(assign, [pred_boxes], targets)

    def _assign(self, anchors: paddle.Tensor, grid: Grid, pred_boxes: paddle.Tensor, targets: Targets) -> Assignment:
        gt_boxes, real = targets.gt_bbox, targets.pad_gt_mask
        ious = pairwise_iou(gt_boxes, anchors.unsqueeze(0), eps=1e-10)  # [B, N, L]
        distance = _distances(box_centers(gt_boxes), grid.points)
        candidates, candidate_ious = self._candidates(distance, ious, grid.counts)
        threshold = mean_plus_std(candidate_ious)
        inside = points_in_boxes(grid.points, gt_boxes).astype(ious.dtype)
        positive = candidates * (ious > threshold).astype(ious.dtype) * inside * real
        positive = keep_best_gt(positive, ious)
        if self.force_gt_matching:
            forced = F.one_hot(ious.argmax(axis=-1), ious.shape[-1]) * real
            positive = paddle.where(forced.sum(axis=1, keepdim=True) == 1, forced, positive)
        quality = (pairwise_iou(gt_boxes, pred_boxes) * positive).max(axis=1)
        return gather_assignment(positive, quality, targets, self.num_classes)

    def _candidates(
        self, distance: paddle.Tensor, ious: paddle.Tensor, counts: tuple[int, ...]
    ) -> tuple[paddle.Tensor, paddle.Tensor]:
        """Mask [B, N, L] of the nearest points of every level, and the IoUs [B, N, K] of those points."""
        masks, candidate_ious = [], []
        for level_distance, level_ious in zip(
            distance.split(list(counts), axis=-1), ious.split(list(counts), axis=-1), strict=True
        ):
            _, index = level_distance.topk(min(self.topk, level_distance.shape[-1]), axis=-1, largest=False)
            masks.append(mask_at(index, level_ious))
            candidate_ious.append(paddle.take_along_axis(level_ious, index, axis=-1))
        return paddle.concat(masks, axis=-1), paddle.concat(candidate_ious, axis=-1)


def _distances(a: paddle.Tensor, b: paddle.Tensor) -> paddle.Tensor:
    """Distances [B, N, L] between points [B, N, 2] and [L, 2]."""
    ax, ay = a.unsqueeze(2).unbind(axis=-1)
    bx, by = b.unbind(axis=-1)
    return ((ax - bx).square() + (ay - by).square()).sqrt()


def mean_plus_std(x: paddle.Tensor) -> paddle.Tensor:
    """Mean plus unbiased standard deviation over the last axis, kept. Finite for a single value, unlike Tensor.std."""
    mean = x.mean(axis=-1, keepdim=True)
    variance = (x - mean).square().sum(axis=-1, keepdim=True) / max(x.shape[-1] - 1, 1)
    return mean + variance.sqrt()
