"""Reads the evidence for the sentences from a Scene: who is missed, who is taken for whom, what training had."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from ppdet.data.structures import Record
from ppdet.metrics.analysis.error_kinds import KINDS
from ppdet.report.doubts import second_classes
from ppdet.report.evidence import ClassScore, Evidence, Group, Share, Taken, Trained
from ppdet.report.galleries import Scene
from ppdet.report.source import Evaluated

_OCTAVES = tuple(2.0**power for power in range(3, 11))  # sides in pixels at which sizes are told apart
_LEAST_BUCKET = 0.05  # of the objects; smaller ones join the next
_MOST_OF_ALL = 0.8  # of the objects, for a group that says something
_SMALL = 64  # pixels; larger objects are never called small
_CROWDS = (2, 5, 10, 20)  # boxes in an image
_LONG = 3.0  # times as long as the other side
DRAWN_AT = 0.5  # the threshold that `ppdet infer` draws with


class Bucket(NamedTuple):
    """Objects whose square root of the area is from `low` to below `high`, in pixels."""

    low: float
    high: float

    @property
    def name(self) -> str:
        if self.low == 0:
            return f"smaller than {self.high:.0f} pixels"
        return (
            f"of {self.low:.0f} pixels or more"
            if self.high == np.inf
            else f"of {self.low:.0f} to {self.high:.0f} pixels"
        )

    def holds(self, sides: np.ndarray) -> np.ndarray:
        return np.asarray((sides >= self.low) & (sides < self.high))


def size_buckets(sides: np.ndarray) -> list[Bucket]:
    """Buckets by factors of 2 that together hold all sizes, and each at least a part of them.

    sides: [N] float, square roots of the objects' areas in pixels.
    """
    edges, least = [0.0], _LEAST_BUCKET * len(sides)
    for edge in _OCTAVES:
        if ((sides >= edges[-1]) & (sides < edge)).sum() >= max(least, 1) and (sides >= edge).sum() >= max(least, 1):
            edges.append(edge)
    return [Bucket(*pair) for pair in zip(edges, [*edges[1:], np.inf], strict=True)]


def groups(scene: Scene) -> list[Group]:
    """The objects by class, size, both, crowd and shape, as far as a group is not nearly everything."""
    truth = scene.case.truth
    counts, lost = truth.counts, scene.lost
    found = []
    for kind, name, members, is_small in _memberships(scene):
        members = members & counts
        whole = int(members.sum())
        if 0 < whole <= _MOST_OF_ALL * counts.sum():
            found.append(Group(kind, name, Share(int((members & lost).sum()), whole), is_small))
    return found


def _memberships(scene: Scene) -> Iterator[tuple[str, str, np.ndarray, bool]]:
    """(kind, name, [N] bool, whether these are the smallest) of every group."""
    truth = scene.case.truth
    sides, of_class = np.sqrt(np.prod(truth.xywh[:, 2:], axis=1)), truth.class_index
    buckets = size_buckets(sides[truth.counts])
    buckets = buckets if len(buckets) > 1 else []
    inside = [bucket.holds(sides) for bucket in buckets]
    small = [bucket.low == 0 and bucket.high <= _SMALL for bucket in buckets]
    for index, name in enumerate(scene.names):
        mine = of_class == index
        yield "class", f"`{name}`", mine, False
        for bucket, members, is_small in zip(buckets, inside, small, strict=True):
            yield "class and size", f"`{name}` {bucket.name}", members & mine, is_small
    for bucket, members, is_small in zip(buckets, inside, small, strict=True):
        yield "size", f"objects {bucket.name}", members, is_small
    crowd = np.bincount(truth.image[truth.counts], minlength=len(truth.im_ids))[truth.image]
    for count in _CROWDS:
        yield "crowd", f"objects in images with {count} boxes or more", crowd >= count, False
    width, height = truth.xywh[:, 2], truth.xywh[:, 3]
    yield "shape", f"objects more than {_LONG:.0f} times as wide as high", width > _LONG * height, False
    yield "shape", f"objects more than {_LONG:.0f} times as high as wide", height > _LONG * width, False


def confusions(scene: Scene) -> list[Taken]:
    """The pairs of classes of which one was taken for the other, the most frequent first."""
    objects, counts = scene.case.truth.per_class(), scene.confusion.counts[:-1, :-1].copy()
    np.fill_diagonal(counts, 0)
    order = np.argsort(-counts, axis=None, kind="stable")[: np.count_nonzero(counts)]
    cells = [divmod(int(cell), len(counts)) for cell in order]
    return [
        Taken(scene.names[truth], scene.names[found], Share(int(counts[truth, found]), int(objects[truth])))
        for truth, found in cells
    ]


def trained(scene: Scene, training: Sequence[Record]) -> list[Trained]:
    """Kinds of the evaluated objects, and how frequent they are in the training set: by class, and by size.

    The sizes are those that the training set has at its ends: below its first and above its last percentile.
    """
    truth = scene.case.truth
    sides, before = box_sides(scene.records), box_sides(training)
    if not len(sides) or not len(before):
        return []
    low, high = np.quantile(before, [0.01, 0.99])
    kinds = [
        (f"objects smaller than {low:.0f} pixels", before < low, sides < low),
        (f"objects larger than {high:.0f} pixels", before > high, sides > high),
    ]
    classes, of_class = box_classes(training), truth.class_index[truth.counts]
    kinds += [(f"`{name}`", classes == index, of_class == index) for index, name in enumerate(scene.names)]
    return [
        Trained(name, Share(int(there.sum()), len(there)), Share(int(here.sum()), len(here)))
        for name, there, here in kinds
    ]


def box_sides(records: Sequence[Record]) -> np.ndarray:
    """[n] float64: square roots of the areas of all boxes, in pixels."""
    corners = np.concatenate([np.empty((0, 4)), *(record.gt_bbox for record in records)])
    return np.asarray(np.sqrt(np.prod(corners[:, 2:] - corners[:, :2], axis=1)))


def box_classes(records: Sequence[Record]) -> np.ndarray:
    """[n] int64: the classes of all boxes."""
    classes = np.concatenate([np.empty(0, np.int64), *(record.gt_class.reshape(-1) for record in records)])
    return np.asarray(classes.astype(np.int64))


def gather(evaluated: Evaluated, scene: Scene) -> Evidence:
    """What the sentences are made of."""
    analysis, (name, score) = scene.analysis, next(iter(evaluated.scores.items()))
    errors, best, shown = analysis.errors, analysis.overall.best_f1(), scene.pairs[:, 1] >= 0
    interval = analysis.intervals.get(name)
    is_known = interval is not None and np.isfinite(interval.low)
    return Evidence(
        score_name=name,
        score=score,
        interval=(interval.low, interval.high) if interval and is_known else None,
        num_images=len(scene.records),
        loss=1 - max(errors.AP, 0.0),
        mistakes=mistakes(scene),
        gains=dict(zip(KINDS, errors.gain.tolist(), strict=True)),
        gains_by_size=dict(zip(KINDS, map(_means, errors.gain_by_size), strict=True)),
        classes=_class_scores(evaluated, scene),
        missed=Share(int(scene.lost.sum()), int(scene.case.truth.counts.sum())),
        groups=groups(scene),
        confusions=confusions(scene),
        second=second_classes(scene),
        trained=trained(scene, evaluated.training.records) if evaluated.training else (),
        best=best and (best.threshold, best.f1),
        default=best and (DRAWN_AT, float(analysis.overall.at([DRAWN_AT])[2][0])),
        right=Share(int(shown.sum() - scene.false_positives.sum()), int(shown.sum())),
        mean_score=float(scene.score[shown].mean()) if shown.any() else 0.0,
        settings=evaluated.settings,
    )


def _class_scores(evaluated: Evaluated, scene: Scene) -> list[ClassScore]:
    training = (
        np.bincount(box_classes(evaluated.training.records), minlength=len(scene.names)) if evaluated.training else None
    )
    return [
        ClassScore(name, interval.value, interval.high, None if training is None else int(training[index]))
        for index, (name, interval) in enumerate(zip(scene.names, scene.analysis.class_intervals, strict=True))
        if np.isfinite(interval.high)
    ]


def mistakes(scene: Scene) -> dict[str, int]:
    """The number of wrong detections by kind, and of missed objects, at the threshold of the confusion matrix."""
    kinds = scene.analysis.errors.kind[scene.pairs[scene.false_positives, 1]]
    counts = np.bincount(kinds[kinds >= 0], minlength=len(KINDS)).tolist()
    return {**dict(zip(KINDS, counts, strict=True)), "missed": int(scene.misses.sum())}


def _means(gains: np.ndarray) -> tuple[float, float, float]:
    """The means over the classes of [3, K], without negative ones and those of classes without objects."""
    small, medium, large = (
        max(float(row[np.isfinite(row)].mean()), 0.0) if np.isfinite(row).any() else 0.0 for row in gains
    )
    return small, medium, large
