"""Detections without NMS: of neighboring points, within a level and between levels, only the highest score stays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import paddle
import paddle.nn.functional as F

from ppdet.modeling.layers import height_width, upsample_to

TIE = 0.001  # the smallest difference between the handicaps of neighbors
_STEEPNESS = 1.25 / TIE  # so that a TIE is enough to become 0, with a margin for rounding


def keep_peaks(levels: Sequence[paddle.Tensor]) -> list[paddle.Tensor]:
    """Returns the scores of which no neighbor has a higher one of the class, and 0 for the others.

    Neighbors are the 3 x 3 points of the level, the point of the next coarser level around them, and the 4 x 4 points
    of the next finer level around it. Within 0.0008 below the best neighbor a score falls to 0 linearly. So it takes no
    comparison, which few devices have for integers, and rounding cannot change a score much.

    Among equal scores, which are frequent in 8 bits, one stays: each point has another handicap than its neighbors.

    Args:
        levels: scores of 0 to 1, one [B, C, h, w] float32 per level, finest first.
    """
    ranked = [scores + TIE * _handicaps(scores, level) for level, scores in enumerate(levels)]
    kept = []
    for level, (scores, own) in enumerate(zip(levels, ranked, strict=True)):
        best = F.max_pool2d(own, 3, stride=1, padding=1)
        if level + 1 < len(ranked):
            best = paddle.maximum(best, upsample_to(ranked[level + 1], like=own))
        if level > 0:
            best = paddle.maximum(best, F.max_pool2d(ranked[level - 1], 4, stride=2, padding=1, ceil_mode=True))
        kept.append(scores * F.relu(1 - _STEEPNESS * (best - own)))
    return kept


def _handicaps(scores: paddle.Tensor, level: int) -> paddle.Tensor:
    """[h, w] float32: 0 to 7, different for all points that `keep_peaks` compares."""
    height, width = height_width(scores)
    x, y = (paddle.arange(side, dtype="float32") % 2 for side in (width, height))
    return x + 2 * y.unsqueeze(-1) + 4 * (level % 2)


class TopScores:
    """Chooses detections from scores of which each object has one: those above a threshold, the most confident ones.

    Args:
        attrs: those of a MultiClassNMS, whose `score_threshold` and `keep_top_k` count.
    """

    def __init__(self, attrs: dict[str, Any]):
        self.attrs = attrs

    def place(self, boxes: paddle.Tensor, scores: paddle.Tensor) -> tuple[paddle.Tensor, paddle.Tensor]:
        """Returns both tensors on the device that chooses: their own."""
        return boxes, scores

    def __call__(self, boxes: paddle.Tensor, scores: paddle.Tensor) -> tuple[paddle.Tensor, paddle.Tensor]:
        """Chooses from boxes [B, L, 4] xyxy and scores [B, C, L].

        Returns:
            bbox [M, 6] (class, score, x1, y1, x2, y2) and bbox_num [B] int32. The M rows are grouped by image in batch
            order, the most confident first; M may be 0.
        """
        classes, points = scores.shape[1:]
        most, limit = self.attrs["keep_top_k"], classes * points
        best, index = scores.reshape([-1, limit]).topk(limit if most < 0 else min(most, limit), axis=1)
        point = (index % points).unsqueeze(-1).expand([-1, -1, 4])
        corners = paddle.take_along_axis(boxes, point, axis=1)
        class_and_score = paddle.stack([(index // points).astype(best.dtype), best], axis=-1)
        rows = paddle.concat([class_and_score, corners], axis=-1).reshape([-1, 6])
        kept = best > self.attrs["score_threshold"]
        chosen = paddle.nonzero(kept.flatten()).flatten()
        return rows.gather(chosen), kept.astype("int32").sum(axis=1).astype("int32")
