"""Finds classes that the model doubts about on all of their objects, as wrong labels in the training set make it do."""

from __future__ import annotations

import numpy as np

from ppdet.report.evidence import SecondClass
from ppdet.report.galleries import Scene


def second_classes(scene: Scene) -> list[SecondClass]:
    """The pairs of classes of which the second one gets a part of the confidence on most objects of the first.

    All detections on an object count, however weak they are, if one of them is strong enough to be seen.
    """
    truth, found, pairs, size = scene.case.truth, scene.case.found, scene.case.pairs, len(scene.names)
    near = (pairs.iou >= scene.analysis.matching.iou) & truth.counts[pairs.truth]
    objects, detections = pairs.truth[near], pairs.found[near]
    keys, best = _largest(objects * size + found.class_index[detections], found.score[detections])
    objects, classes = np.divmod(keys, size)
    own, highest = np.zeros(len(truth)), np.zeros(len(truth))
    np.maximum.at(highest, objects, best)
    is_own = classes == truth.class_index[objects]
    own[objects[is_own]] = best[is_own]
    seen = highest >= scene.confusion.threshold
    chosen = ~is_own & seen[objects]
    objects, classes, best = objects[chosen], classes[chosen], best[chosen]
    return _by_pair(scene, seen, truth.class_index[objects] * size + classes, best / (best + own[objects]))


def _by_pair(scene: Scene, seen: np.ndarray, cells: np.ndarray, shares: np.ndarray) -> list[SecondClass]:
    """The middle shares of all pairs of classes.

    Args:
        scene: the detections.
        seen: [N] bool, the objects that count; those without a share have the share 0.
        cells: [M] class * K + other class.
        shares: [M].
    """
    truth, size = scene.case.truth, len(scene.names)
    counts = np.bincount(truth.class_index[seen], minlength=size)
    pairs = np.unique(np.column_stack([truth.class_index, truth.image])[seen], axis=0)
    images = np.bincount(pairs[:, 0], minlength=size)
    order = np.lexsort((shares, cells))
    distinct, start = np.unique(cells[order], return_index=True)
    lists = dict(zip(distinct.tolist(), np.split(shares[order], start)[1:], strict=True))
    found = []
    for cell, own in lists.items():
        kind, other = divmod(cell, size)
        if 2 * len(own) > counts[kind]:
            back = lists.get(other * size + kind, np.empty(0))
            share, low, _ = _middle(own, int(counts[kind]), int(images[kind]))
            back_share, _, high = _middle(back, int(counts[other]), int(images[other]))
            names = scene.names[kind], scene.names[other]
            found.append(SecondClass(*names, share, low, back_share, high, int(images[kind])))
    return found


def _middle(shares: np.ndarray, count: int, independent: int) -> tuple[float, float, float]:
    """The median of `count` numbers and its 95 % interval: those of `shares`, and zeros.

    independent: how many of them are independent; objects in one image are not. Without any, nothing is known: 0..1.
    """
    if not independent:
        return 0.0, 0.0, 1.0
    everything = np.concatenate([np.zeros(count - len(shares)), shares])
    half = 0.98 / independent**0.5
    middle, low, high = np.quantile(everything, [0.5, max(0.5 - half, 0.0), min(0.5 + half, 1.0)])
    return float(middle), float(low), float(high)


def _largest(keys: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The distinct keys and the largest value of each."""
    order = np.lexsort((-values, keys))
    first = np.flatnonzero(np.diff(keys[order], prepend=-1))
    return keys[order][first], values[order][first]
