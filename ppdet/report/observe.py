"""Reads the evidence for the sentences from a Scene: who is missed, who is taken for whom, what training had."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from ppdet.data.structures import Record
from ppdet.deploy.model_config import DRAW_THRESHOLD
from ppdet.metrics.analysis.error_kinds import KINDS
from ppdet.report.doubts import second_classes
from ppdet.report.evidence import ClassScore, Evidence, Group, Share, Taken, Trained
from ppdet.report.galleries import Scene
from ppdet.report.source import Evaluated

_OCTAVES = tuple(2.0**power for power in range(3, 11))  # sides in pixels at which sizes are distinguished
_LEAST_PART = 0.05  # of the objects on either side of a size
_MOST_OF_ALL = 0.8  # of the objects, for a group that says something
_LEAST_OBJECTS = 10  # of a class, for its AP to say something
_SMALL = 64  # pixels; larger objects are never called small
_CROWDS = (2, 5, 10, 20)  # boxes in an image
_LONG = 3.0  # times as long as the other side


class Members(NamedTuple):
    """Objects that have something in common: see `Group`. objects: their positions."""

    kind: str
    name: str
    objects: np.ndarray
    is_small: bool = False


def groups(scene: Scene) -> list[Group]:
    """The objects by class, size, both, crowd and shape, as far as a group is not nearly everything."""
    most = _MOST_OF_ALL * scene.case.truth.counts.sum()
    return [
        Group(kind, name, Share(int(scene.lost[objects].sum()), len(objects)), is_small)
        for kind, name, objects, is_small in _memberships(scene)
        if 0 < len(objects) <= most
    ]


def _memberships(scene: Scene) -> Iterator[Members]:
    truth = scene.case.truth
    objects = np.flatnonzero(truth.counts)
    width, height = truth.xywh[:, 2], truth.xywh[:, 3]
    sides = np.sqrt(width * height)
    edges = size_edges(sides[objects])
    yield from _by_size("size", "objects", objects, sides, edges)
    for index, name in enumerate(scene.names):
        mine = objects[truth.class_index[objects] == index]
        yield Members("class", f"`{name}`", mine)
        yield from _by_size("class and size", f"`{name}`", mine, sides, edges)
    crowd = np.bincount(truth.image[objects], minlength=len(truth.im_ids))[truth.image[objects]]
    for count in _CROWDS:
        yield Members("crowd", f"objects in images with {count} boxes or more", objects[crowd >= count])
    for name, long, short in (("wide as high", width, height), ("high as wide", height, width)):
        far = long[objects] > _LONG * short[objects]
        yield Members("shape", f"objects more than {_LONG:.0f} times as {name}", objects[far])


def size_edges(sides: np.ndarray) -> list[float]:
    """The sizes in pixels, by factors of 2, that have at least a part of all objects on either side.

    sides: [n] float, square roots of the objects' areas in pixels.
    """
    below = [(edge, float(np.mean(sides < edge))) for edge in _OCTAVES] if len(sides) else []
    return [edge for edge, share in below if _LEAST_PART <= share <= 1 - _LEAST_PART]


def _by_size(kind: str, name: str, objects: np.ndarray, sides: np.ndarray, edges: Sequence[float]) -> Iterator[Members]:
    for edge in edges:
        is_below = sides[objects] < edge
        yield Members(kind, f"{name} smaller than {edge:.0f} pixels", objects[is_below], edge <= _SMALL)
        yield Members(kind, f"{name} of {edge:.0f} pixels or more", objects[~is_below])


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


def training_boxes(evaluated: Evaluated) -> list[int] | None:
    """The number of boxes of each class in the training set; None if that is not known."""
    if evaluated.training is None:
        return None
    counts: list[int] = np.bincount(box_classes(evaluated.training.records), minlength=len(evaluated.names)).tolist()
    return counts


def gather(evaluated: Evaluated, scene: Scene) -> Evidence:
    """Collects the evidence of an evaluation."""
    analysis, (name, score) = scene.analysis, next(iter(evaluated.scores.items()))
    errors, best, shown = analysis.errors, analysis.overall.best_f1(), scene.pairs[:, 1] >= 0
    interval = analysis.intervals.get(name)
    is_known = interval is not None and np.isfinite(interval.low)
    return Evidence(
        score_name=name,
        score=score,
        interval=(max(interval.low, 0.0), min(interval.high, 1.0)) if interval and is_known else None,
        num_images=len(scene.records),
        loss=1 - max(errors.AP, 0.0),
        mistakes=mistakes_by_kind(scene),
        gains=dict(zip(KINDS, errors.gain.tolist(), strict=True)),
        gains_by_size=dict(zip(KINDS, map(_means, errors.gain_by_size), strict=True)),
        classes=_class_scores(evaluated, scene),
        missed=Share(int(scene.lost.sum()), int(scene.case.truth.counts.sum())),
        groups=groups(scene),
        confusions=confusions(scene),
        second=second_classes(scene),
        trained=trained(scene, evaluated.training.records) if evaluated.training else (),
        best=best and (best.threshold, best.f1),
        default=best and (DRAW_THRESHOLD, float(analysis.overall.at([DRAW_THRESHOLD])[2][0])),
        right=Share(int(shown.sum() - scene.false_positives.sum()), int(shown.sum())),
        mean_score=float(scene.score[shown].mean()) if shown.any() else 0.0,
        settings=evaluated.settings,
    )


def _class_scores(evaluated: Evaluated, scene: Scene) -> list[ClassScore]:
    objects = scene.case.truth.per_class()
    training = training_boxes(evaluated)
    return [
        ClassScore(name, interval.value, interval.high, None if training is None else training[index])
        for index, (name, interval) in enumerate(zip(scene.names, scene.analysis.class_intervals, strict=True))
        if np.isfinite(interval.high) and objects[index] >= _LEAST_OBJECTS
    ]


def mistakes_by_kind(scene: Scene) -> dict[str, int]:
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
