"""Compiled loops of the analysis. Importing this module needs numba, which compiles them unless its cache has them.

All arrays are contiguous. Pairs of detections and objects are lists by detection: those of detection d are
`start[d]` to `start[d + 1]`, in the order of the objects. Status of a detection: 0 wrong, 1 right, 2 not counted.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import boolean, float64, int8, int64, void

from ppdet.utils.jit import compiled

_INT, _REAL, _FLAG, _BOXES = int64[::1], float64[::1], boolean[::1], float64[:, ::1]
_PAIRS = (_INT, _INT, _REAL)
EPSILON = np.spacing(1.0)  # pycocotools adds it to the number of detections


@compiled([int64(_BOXES, _BOXES, _FLAG, _INT, _INT, float64, float64, *_PAIRS)])
def overlap_pairs(
    found: Any,
    truth: Any,
    crowd: Any,
    found_start: Any,
    truth_start: Any,
    pixel: float,
    least: float,
    start: Any,
    truths: Any,
    ious: Any,
) -> int:
    """Writes the pairs that overlap by at least `least`; if `ious` is empty, only counts them. Returns their number.

    found [D, 4] and truth [N, 4]: x, y, width, height. The overlap with a crowd is relative to the detection's area.
    """
    count = 0
    for image in range(len(found_start) - 1):
        for d in range(found_start[image], found_start[image + 1]):
            x, y, width, height = found[d]
            area = (width + pixel) * (height + pixel)
            start[d] = count
            for t in range(truth_start[image], truth_start[image + 1]):
                across = min(x + width, truth[t, 0] + truth[t, 2]) - max(x, truth[t, 0])
                down = min(y + height, truth[t, 1] + truth[t, 3]) - max(y, truth[t, 1])
                if across <= 0 or down <= 0:
                    continue
                common = (across + pixel) * (down + pixel)
                other = (truth[t, 2] + pixel) * (truth[t, 3] + pixel)
                iou = common / (area if crowd[t] else area + other - common)
                if iou >= least:
                    if len(ious):
                        truths[count], ious[count] = t, iou
                    count += 1
    start[len(found)] = count
    return count


@compiled([void(*_PAIRS, _FLAG, _FLAG, _FLAG, float64, int8[::1], _INT)])
def match_coco(
    start: Any, truths: Any, ious: Any, crowd: Any, ignored: Any, inside: Any, iou: float, status: Any, matched: Any
) -> None:
    """COCO's matching: each detection takes the object with the largest overlap that is still free.

    Objects that count come before ignored ones; of equal overlaps the last object is taken; crowds are never used up.
    An unmatched detection counts if it is `inside` [D].
    """
    taken = np.zeros(len(crowd), np.bool_)
    for d in range(len(status)):
        best = -1
        for skip in (False, True):
            overlap = min(iou, 1 - 1e-10)
            for p in range(start[d], start[d + 1]):
                t = truths[p]
                if ignored[t] == skip and (crowd[t] or not taken[t]) and ious[p] >= overlap:
                    overlap, best = ious[p], t
            if best >= 0:
                break
        matched[d] = best
        if best < 0:
            status[d] = 0 if inside[d] else 2
        else:
            taken[best] = True
            status[d] = 2 if ignored[best] else 1


@compiled([void(*_PAIRS, _FLAG, _FLAG, float64, int8[::1], _INT)])
def match_voc(
    start: Any, truths: Any, ious: Any, ignored: Any, inside: Any, iou: float, status: Any, matched: Any
) -> None:
    """VOC's matching: each detection belongs to the object with the largest overlap; the first one of each is right.

    Of equal overlaps the first object is taken. Any number of detections may belong to an ignored object.
    """
    taken = np.zeros(len(ignored), np.bool_)
    for d in range(len(status)):
        best, overlap = -1, iou
        for p in range(start[d], start[d + 1]):
            if ious[p] > overlap:
                overlap, best = ious[p], truths[p]
        matched[d] = -1
        if best < 0 or taken[best]:
            status[d] = 0 if inside[d] else 2
        else:
            matched[d] = best
            taken[best] = not ignored[best]
            status[d] = 2 if ignored[best] else 1


@compiled([void(*_PAIRS, _FLAG, _FLAG, float64, _INT)])
def match_free(
    start: Any, truths: Any, ious: Any, free_found: Any, free_truth: Any, least: float, matched: Any
) -> None:
    """Gives each detection of `free_found` the free object with the largest overlap, whatever its class; else -1."""
    free = free_truth.copy()
    for d in range(len(matched)):
        matched[d] = -1
        if not free_found[d]:
            continue
        best = least
        for p in range(start[d], start[d + 1]):
            if free[truths[p]] and ious[p] >= best:
                if matched[d] < 0 or ious[p] > best:
                    matched[d] = truths[p]
                best = ious[p]
        if matched[d] >= 0:
            free[matched[d]] = False


@compiled([void(_INT, _INT, _INT)])
def running_count(weights: Any, images: Any, out: Any) -> None:
    """Writes how many detections come before each place of `images` [M], and all, to `out` [M + 1]: sums of weights."""
    out[0] = 0
    for i in range(len(images)):
        out[i + 1] = out[i] + weights[images[i]]


@compiled([void(_INT, _INT, _INT, _INT, _INT, _INT, int8[::1], _INT, _INT, _REAL, _BOXES)])
def score_classes(
    weights: Any,
    running: Any,
    base_start: Any,
    start: Any,
    image: Any,
    before: Any,
    kind: Any,
    rank: Any,
    positives: Any,
    recalls: Any,
    out: Any,
) -> None:
    """AP and recalls of K classes from ranked detections, with each image counted `weights` [n] times.

    Args:
        weights: times that each image is counted.
        running: `running_count` of the detections that count unless they are matched, class by class, by falling score.
        base_start: [K + 1], the classes' first places among them.
        start: [K + 1], the classes' first places in the lists of matched detections that follow.
        image: their images.
        before: how many of those detections are not after them.
        kind: 1: right; 2: right, but not one of those; -1: one of those, but not counted.
        rank: their places among the detections of their image and class.
        positives: [K] objects to find, with the weights of their images.
        recalls: the recalls at which precision is read; empty: the sum of the raw curve.
        out: [K, 4], filled with AP and the recalls of the first 1, 10 and all detections of each image; -1 for a class
            without objects.
    """
    for k in range(len(positives)):
        out[k] = -1
        if positives[k] == 0:
            continue
        size = start[k + 1] - start[k]
        right, level = np.empty(size), np.empty(size)
        points = 0
        hits = uncounted = first = ten = area = 0.0
        for i in range(start[k], start[k + 1]):
            weight = weights[image[i]]
            if kind[i] < 0:
                uncounted += weight
                continue
            if kind[i] == 2:
                uncounted -= weight
            if weight == 0:
                continue
            seen = running[before[i]] - running[base_start[k]] - uncounted
            for copy in range(1, weight + 1):
                area += (hits + copy) / (seen - weight + copy + EPSILON)
            hits += weight
            first += weight if rank[i] < 1 else 0
            ten += weight if rank[i] < 10 else 0
            level[points], right[points] = hits / positives[k], hits / (seen + EPSILON)
            points += 1
        out[k, 1], out[k, 2], out[k, 3] = first / positives[k], ten / positives[k], hits / positives[k]
        if len(recalls) == 0:
            out[k, 0] = area / positives[k]
            continue
        total, best, at = 0.0, 0.0, len(recalls) - 1
        while at >= 0 and (points == 0 or recalls[at] > level[points - 1]):
            at -= 1
        for i in range(points - 1, -1, -1):
            best = max(best, right[i])
            while at >= 0 and (i == 0 or recalls[at] > level[i - 1]):
                total += best
                at -= 1
        out[k, 0] = total / len(recalls)
