"""The filter that takes the place of NMS: of neighboring points, also of two levels, the highest score stays."""

from __future__ import annotations

from collections.abc import Sequence

import paddle
import paddle.nn.functional as F

from ppdet.modeling.layers import height_width, upsample_to

TIE = 0.001  # the smallest difference between the handicaps of neighbors
_STEEPNESS = 1.25 / TIE  # so that a TIE is enough to become 0, with a margin for rounding
_HANDICAPS = 8  # how many there are


def keep_peaks(levels: Sequence[paddle.Tensor]) -> list[paddle.Tensor]:
    """Returns the scores of which no neighbor has a higher one of the class, and 0 for the others.

    Neighbors are the 3 x 3 points of the level around it, the 4 x 4 points of the next finer level around it, and the
    points of the next coarser level of which it is one of the 4 x 4. Within 0.0008 below the best neighbor a score
    falls to 0 linearly. So it takes no comparison, which few devices have for integers, and rounding cannot change a
    score much.

    Among equal scores, which are frequent in 8 bits, one stays: each point has another handicap than its neighbors.

    Args:
        levels: scores of 0 to 1, one [B, C, h, w] float32 per level, finest first.
    """
    return _filter(levels, [scores + TIE * _handicaps(scores, level) for level, scores in enumerate(levels)])


def possible_peaks(levels: Sequence[paddle.Tensor], change: float) -> list[paddle.Tensor]:
    """Returns the most that `keep_peaks` may give if each score rises by `change` while its neighbors stay.

    With a `change` below 0 it is the least. Two models between which rounding decides differ by no more than both.
    """
    handicaps = [_handicaps(scores, level) for level, scores in enumerate(levels)]
    kept = [paddle.zeros_like(scores) for scores in levels]
    for number in range(_HANDICAPS):  # neighbors have different ones, so these rise alone
        risen = [(each == number).astype("float32") for each in handicaps]
        shifts = [TIE * each + change * rises for each, rises in zip(handicaps, risen, strict=True)]
        found = _filter(levels, [scores + shift for scores, shift in zip(levels, shifts, strict=True)])
        kept = [sum_ + part * rises for sum_, part, rises in zip(kept, found, risen, strict=True)]
    return kept


def _filter(levels: Sequence[paddle.Tensor], ranked: Sequence[paddle.Tensor]) -> list[paddle.Tensor]:
    """The scores of `levels` whose value in `ranked` is the highest among neighbors, and 0 for the others."""
    kept = []
    for level, (scores, own) in enumerate(zip(levels, ranked, strict=True)):
        best = own
        if level + 1 < len(ranked):
            best = paddle.maximum(best, upsample_to(ranked[level + 1], like=own))
        best = F.max_pool2d(best, 3, stride=1, padding=1)
        if level > 0:
            best = paddle.maximum(best, F.max_pool2d(ranked[level - 1], 4, stride=2, padding=1, ceil_mode=True))
        kept.append(scores * F.relu(1 - _STEEPNESS * (best - own)))
    return kept


def _handicaps(scores: paddle.Tensor, level: int) -> paddle.Tensor:
    """[h, w] float32: 0 to 7, different for all points that `keep_peaks` compares."""
    height, width = height_width(scores)
    x, y = (paddle.arange(side, dtype="float32") % 2 for side in (width, height))
    return x + 2 * y.unsqueeze(-1) + 4 * (level % 2)
