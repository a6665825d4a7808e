"""Class-wise non-maximum suppression of one image, in plain Python."""

from __future__ import annotations

from collections.abc import Sequence

from tests.references.boxes import Box, iou


def multiclass_nms(
    boxes: Sequence[Box],
    scores: Sequence[Sequence[float]],
    score_threshold: float,
    nms_top_k: int,
    keep_top_k: int,
    nms_threshold: float,
) -> list[tuple[int, int]]:
    """(class, index of the box) of what is kept, classes in rising order, best score first within a class.

    scores: one row per class. A box must score more than `score_threshold`, is one of its class's `nms_top_k` best, and
    does not overlap a better kept box of its class by more than `nms_threshold`; `keep_top_k` of all classes stay.
    -1 is no limit. Of equal scores the first comes first.
    """
    kept: list[tuple[int, int]] = []
    for cls, row in enumerate(scores):
        order = sorted((i for i, score in enumerate(row) if score > score_threshold), key=lambda i, row=row: -row[i])
        chosen: list[int] = []
        for i in order if nms_top_k < 0 else order[:nms_top_k]:
            if all(iou(boxes[i], boxes[j], eps=1e-30) <= nms_threshold for j in chosen):
                chosen.append(i)
        kept += [(cls, i) for i in chosen]
    if keep_top_k >= 0:
        kept = sorted(kept, key=lambda pair: -scores[pair[0]][pair[1]])[:keep_top_k]
    return sorted(kept, key=lambda pair: (pair[0], -scores[pair[0]][pair[1]]))
