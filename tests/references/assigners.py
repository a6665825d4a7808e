"""Label assignment as plain loops (float64), from the papers and the published settings; for one image each.

Every function returns (labels [L], boxes [L], scores [L]): the class index of the ground truth that a grid point
learns (-1: background), that box (None for background), and the target score. Padded ground truths are left out
before.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import mean, stdev

from tests.references.boxes import Box, center, giou, iou, is_inside
from tests.references.losses import varifocal

Assigned = tuple[list[int], list["Box | None"], list[float]]


def atss(
    points: Sequence[Sequence[float]],
    strides: Sequence[float],
    counts: Sequence[int],
    predicted: Sequence[Box],
    gts: Sequence[Box],
    classes: Sequence[int],
    topk: int = 9,
    cell_scale: float = 5.0,
) -> Assigned:
    """The `topk` points of each level that are nearest to a box are its candidates; those inside the box whose anchor
    overlaps it by more than mean + standard deviation of all candidates are positive. Target score: the predicted
    box's IoU."""
    anchors = [
        (x - s * cell_scale / 2, y - s * cell_scale / 2, x + s * cell_scale / 2, y + s * cell_scale / 2)
        for (x, y), s in zip(points, strides, strict=True)
    ]
    claims: list[set[int]] = [set() for _ in points]
    for n, gt in enumerate(gts):
        candidates: list[int] = []
        for level in range(len(counts)):
            first = sum(counts[:level])
            of_level = range(first, first + counts[level])
            candidates += sorted(of_level, key=lambda i, gt=gt: math.dist(points[i], center(gt)))[:topk]
        overlaps = [iou(gt, anchors[i], eps=1e-10) for i in candidates]
        threshold = mean(overlaps) + (stdev(overlaps) if len(overlaps) > 1 else 0.0)
        for i, overlap in zip(candidates, overlaps, strict=True):
            if overlap > threshold and is_inside(points[i], gt):
                claims[i].add(n)
    merit = [[iou(gt, anchor, eps=1e-10) for gt in gts] for anchor in anchors]
    owners = [_owner(claim, values) for claim, values in zip(claims, merit, strict=True)]
    scores = [0.0 if n is None else iou(gts[n], box) for n, box in zip(owners, predicted, strict=True)]
    return _assigned(owners, gts, classes, scores)


def task_aligned(
    points: Sequence[Sequence[float]],
    probabilities: Sequence[Sequence[float]],
    predicted: Sequence[Box],
    gts: Sequence[Box],
    classes: Sequence[int],
    topk: int = 13,
    alpha: float = 1.0,
    beta: float = 6.0,
) -> Assigned:
    """Of the points inside a box, the `topk` with the largest score^alpha * IoU^beta are positive. Target score: that
    measure, scaled so that the best point of each box has the box's best IoU."""
    merit = [[iou(gt, box) for gt in gts] for box in predicted]
    measure = [
        [row[cls] ** alpha * overlap**beta for cls, overlap in zip(classes, overlaps, strict=True)]
        for row, overlaps in zip(probabilities, merit, strict=True)
    ]
    claims: list[set[int]] = [set() for _ in points]
    for n, gt in enumerate(gts):
        inside = [i for i, point in enumerate(points) if is_inside(point, gt)]
        for i in sorted(inside, key=lambda i, n=n: -measure[i][n])[:topk]:
            claims[i].add(n)
    owners = [_owner(claim, values) for claim, values in zip(claims, merit, strict=True)]
    scores = [0.0] * len(points)
    for n in range(len(gts)):
        own = [i for i, owner in enumerate(owners) if owner == n]
        for i in own:
            best_measure, best_iou = max(measure[j][n] for j in own), max(merit[j][n] for j in own)
            scores[i] = measure[i][n] / (best_measure + 1e-9) * best_iou
    return _assigned(owners, gts, classes, scores)


def sim_ota(
    points: Sequence[Sequence[float]],
    strides: Sequence[float],
    probabilities: Sequence[Sequence[float]],
    predicted: Sequence[Box],
    gts: Sequence[Box],
    classes: Sequence[int],
    center_radius: float = 2.5,
    candidate_topk: int = 10,
    iou_weight: float = 6.0,
) -> Assigned:
    """A box takes its k cheapest candidates, k being the sum of its `candidate_topk` largest IoUs, rounded down, at
    least 1. Candidates lie in any box or near any center; one that is not both for this box costs 1e8 more."""

    def near(i: int, gt: Box) -> bool:
        return max(abs(a - b) for a, b in zip(points[i], center(gt), strict=True)) < center_radius * strides[i]

    def cost(i: int, n: int) -> float:
        target = [overlap[i][n] if cls == classes[n] else 0.0 for cls in range(len(probabilities[i]))]
        of_class = sum(varifocal(p, t) for p, t in zip(probabilities[i], target, strict=True))
        outside = not (is_inside(points[i], gts[n], eps=0.0) and near(i, gts[n]))
        return of_class + iou_weight * (1 - giou(gts[n], predicted[i])) + 1e8 * outside

    overlap = [[iou(gt, box, eps=1e-6) for gt in gts] for box in predicted]
    candidates = [
        i for i, point in enumerate(points) if any(is_inside(point, gt, eps=0.0) or near(i, gt) for gt in gts)
    ]
    costs = {i: [cost(i, n) for n in range(len(gts))] for i in candidates}
    claims: list[set[int]] = [set() for _ in points]
    for n in range(len(gts)):
        k = max(1, math.floor(sum(sorted((overlap[i][n] for i in candidates), reverse=True)[:candidate_topk])))
        for i in sorted(candidates, key=lambda i, n=n: costs[i][n])[:k]:
            claims[i].add(n)
    owners = [_owner(claim, [-c for c in costs.get(i, ())]) for i, claim in enumerate(claims)]
    scores = [0.0 if n is None else overlap[i][n] for i, n in enumerate(owners)]
    return _assigned(owners, gts, classes, scores)


def _owner(claim: set[int], merit: Sequence[float]) -> int | None:
    """The ground truth that a point learns. If several claim it: the one of the largest merit among *all*."""
    if len(claim) > 1:
        return max(range(len(merit)), key=lambda n: merit[n])
    return next(iter(claim), None)


def _assigned(
    owners: Sequence[int | None], gts: Sequence[Box], classes: Sequence[int], scores: Sequence[float]
) -> Assigned:
    labels = [-1 if n is None else classes[n] for n in owners]
    return labels, [None if n is None else gts[n] for n in owners], list(scores)
