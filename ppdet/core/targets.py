"""Ground truths on their way from the reader to the losses.

They are defined here because `data` makes them, `modeling` learns from them, and neither imports the other.
"""

from __future__ import annotations

from typing import Any, NamedTuple, TypeAlias

Tensor: TypeAlias = Any  # paddle.Tensor; `core` does not import Paddle


class Targets(NamedTuple):
    """Ground truths of a batch of B images, padded to N >= 1 boxes each.

    Attributes:
        gt_class: [B, N, 1] int32, class index; 0 if padded
        gt_bbox: [B, N, 4] float32, xyxy, input pixels; zeros if padded
        pad_gt_mask: [B, N, 1] float32, 1 for a box and 0 for padding
        gt_score: [B, N, 1] float32, factor of the target scores of the points that learn the box; None: all are 1
    """

    gt_class: Tensor
    gt_bbox: Tensor
    pad_gt_mask: Tensor
    gt_score: Tensor | None = None
