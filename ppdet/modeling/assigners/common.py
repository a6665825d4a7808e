"""Steps that the assigners share."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import paddle
import paddle.nn.functional as F

from ppdet.modeling.structures import Assignment, Targets

# Elements of the [B, N, L] tensors that are worked on at a time: 2 MB each, which stay in the CPU's cache.
_CHUNK = 2**19


def assign_in_chunks(
    assign: Callable[..., Assignment], predictions: Sequence[paddle.Tensor], targets: Targets
) -> Assignment:
    """assign(*predictions, targets) of a few images at a time where [B, N, L] is large, so that memory stays bounded.

    predictions: tensors [B, L, …].
    """
    batch, points = predictions[0].shape[:2]
    images = max(1, _CHUNK // (targets.gt_bbox.shape[1] * points))
    if images >= batch:
        return assign(*predictions, targets)
    parts = []
    for start in range(0, batch, images):
        part = slice(start, start + images)
        parts.append(assign(*(tensor[part] for tensor in predictions), Targets(*(tensor[part] for tensor in targets))))
    return Assignment(*(paddle.concat(fields) for fields in zip(*parts, strict=True)))


def mask_at(index: paddle.Tensor, like: paddle.Tensor) -> paddle.Tensor:
    """Zeros of the shape of `like` [..., L] with 1 at `index` [..., K] of the last axis."""
    ones = paddle.ones_like(index, dtype=like.dtype)  # a Python number would be copied to the device each time
    return paddle.put_along_axis(paddle.zeros_like(like), index, ones, axis=-1)


def topk_mask(metric: paddle.Tensor, topk: int) -> paddle.Tensor:
    """[..., L] float32 with 1 at the (at most L) `topk` largest of each row of `metric` [..., L]."""
    return mask_at(metric.topk(min(topk, metric.shape[-1]), axis=-1)[1], metric)


def keep_best_gt(positive: paddle.Tensor, merit: paddle.Tensor) -> paddle.Tensor:
    """A point that several ground truths claim goes to the one of the highest merit (IoU, say) among *all* of them.

    positive [B, N, L] float32 of 0 and 1; merit [B, N, L].
    """
    contested = positive.sum(axis=1, keepdim=True) > 1
    best = F.one_hot(merit.argmax(axis=1), merit.shape[1]).transpose([0, 2, 1])
    return paddle.where(contested, best, positive)


def gather_assignment(
    positive: paddle.Tensor, quality: paddle.Tensor, targets: Targets, num_classes: int
) -> Assignment:
    """From a mask `positive` [B, N, L] with at most one 1 per point, and `quality` [B, L], the target scores."""
    gt_index = positive.argmax(axis=1)  # [B, L]
    batch, num_gts = positive.shape[:2]
    flat_index = (gt_index + paddle.arange(batch).unsqueeze(-1) * num_gts).flatten()
    shape = gt_index.shape
    boxes = targets.gt_bbox.reshape([-1, 4]).gather(flat_index).reshape([*shape, 4])
    labels = targets.gt_class.flatten().astype("int64").gather(flat_index).reshape(shape)
    background = paddle.full_like(labels, num_classes)
    labels = paddle.where(positive.sum(axis=1) > 0, labels, background)
    one_hot = F.one_hot(labels, num_classes + 1)[..., :num_classes]
    return Assignment(labels, boxes, one_hot * quality.unsqueeze(-1))
