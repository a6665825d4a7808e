"""Steps that the assigners share."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import paddle
import paddle.nn.functional as F

from ppdet.modeling.structures import Assignment, Targets
from ppdet.runtime.operator_support import place_kind

# Elements of the [B, N, L] tensors that are worked on at a time. 2 MB each stay in a CPU's cache. To a device each part
# costs about 100 launches; there 64 MB each (128 MB with both coordinates) bound the memory.
_CPU_CHUNK, _DEVICE_CHUNK = 2**19, 2**24


def assign_in_chunks(
    assign: Callable[..., Assignment], predictions: Sequence[paddle.Tensor], targets: Targets
) -> Assignment:
    """Calls `assign(*predictions, targets)`, without gradients.

    If [B, N, L] is large, `assign` is called for a few images at a time, so that memory stays bounded.

    Args:
        assign: an assigner of one batch.
        predictions: tensors [B, L, ...].
        targets: ground truths.
    """
    batch, points = predictions[0].shape[:2]
    images = images_at_once(targets.gt_bbox.shape[1], points, place_kind(str(predictions[0].place)))
    with paddle.no_grad():
        if images >= batch:
            return assign(*predictions, targets)
        parts = []
        for start in range(0, batch, images):
            part = slice(start, start + images)
            some_targets = Targets(*(None if tensor is None else tensor[part] for tensor in targets))
            parts.append(assign(*(tensor[part] for tensor in predictions), some_targets))
        return Assignment(*(paddle.concat(fields) for fields in zip(*parts, strict=True)))


def images_at_once(boxes: int, points: int, kind: str) -> int:
    """Returns how many images with [boxes, points] pairs are worked on at a time on this kind of device."""
    return max(1, (_CPU_CHUNK if kind == "cpu" else _DEVICE_CHUNK) // (boxes * points))


def mask_at(index: paddle.Tensor, like: paddle.Tensor) -> paddle.Tensor:
    """Zeros in the shape of `like` [..., L], with 1 at `index` [..., K] of the last axis."""
    ones = paddle.ones_like(index, dtype=like.dtype)  # a Python number would be copied to the device each time
    return paddle.put_along_axis(paddle.zeros_like(like), index, ones, axis=-1)


def topk_mask(metric: paddle.Tensor, topk: int) -> paddle.Tensor:
    """Mask [..., L] of 0 and 1: the `topk` largest (all, if there are fewer) of each row of `metric` [..., L]."""
    return mask_at(metric.topk(min(topk, metric.shape[-1]), axis=-1)[1], metric)


def keep_best_gt(positive: paddle.Tensor, merit: paddle.Tensor) -> paddle.Tensor:
    """Leaves each point to one ground truth.

    A point that several claim goes to the one of the highest merit among *all*, also those that do not claim it.

    Args:
        positive: [B, N, L] float32 of 0 and 1, the claims.
        merit: [B, N, L], for example IoUs.
    """
    contested = positive.sum(axis=1, keepdim=True) > 1
    best = F.one_hot(merit.argmax(axis=1), merit.shape[1]).transpose([0, 2, 1])
    return paddle.where(contested.expand_as(positive), best, positive)


def gather_assignment(
    positive: paddle.Tensor, quality: paddle.Tensor, targets: Targets, num_classes: int
) -> Assignment:
    """Makes the Assignment.

    Args:
        positive: [B, N, L] of 0 and 1, at most one 1 per point.
        quality: [B, L], the target scores before they are multiplied by the boxes' `gt_score`.
        targets: ground truths.
        num_classes: C.
    """
    gt_index = positive.argmax(axis=1)  # [B, L]
    batch, num_gts = positive.shape[:2]
    flat_index = (gt_index + paddle.arange(batch).unsqueeze(-1) * num_gts).flatten()
    shape = gt_index.shape
    boxes = targets.gt_bbox.reshape([-1, 4]).gather(flat_index).reshape([*shape, 4])
    labels = targets.gt_class.flatten().astype("int64").gather(flat_index).reshape(shape)
    background = paddle.full_like(labels, num_classes)
    labels = paddle.where(positive.sum(axis=1) > 0, labels, background)
    if targets.gt_score is not None:
        quality = quality * targets.gt_score.flatten().gather(flat_index).reshape(shape)
    one_hot = F.one_hot(labels, num_classes + 1)[..., :num_classes]
    return Assignment(labels, boxes, one_hot * quality.unsqueeze(-1))
