"""AP and AR as the evaluation defines them, for any number of times that each image is counted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ppdet.metrics.analysis.matching import RIGHT, UNCOUNTED, Case, Matching, in_area, loops, match
from ppdet.metrics.analysis.rules import Rule
from ppdet.metrics.means import valid_mean


class Range(NamedTuple):
    """Objects that count, `truth` [N] bool, and detections that count if they are unmatched, `found` [D] bool."""

    truth: np.ndarray
    found: np.ndarray


@dataclass(frozen=True, eq=False)
class Ranking:
    """The matched detections of one range at one overlap, class by class and by falling score; see `score_classes`."""

    start: np.ndarray
    image: np.ndarray
    before: np.ndarray
    kind: np.ndarray
    rank: np.ndarray


@dataclass(frozen=True, eq=False)
class RangeScores:
    """All that AP within a range depends on, without the detections' boxes.

    Attributes:
        base_image: [M] int64, the images of the detections that count if unmatched, class by class, by falling score.
        base_start: [K + 1] int64, the classes' first places in it.
        truth_image: [P] int64, the images of the objects to be found.
        truth_class: [P] int64, their classes.
        rankings: for each overlap of the rule.
        recalls: those of the rule.
    """

    base_image: np.ndarray
    base_start: np.ndarray
    truth_image: np.ndarray
    truth_class: np.ndarray
    rankings: Sequence[Ranking]
    recalls: np.ndarray

    def __call__(self, weights: np.ndarray) -> np.ndarray:
        """Returns [T, K, 4] float64: AP and the recalls of the first 1, 10 and all detections of an image and class.

        Args:
            weights: [n] int64, how many times each image is counted. An image that is counted twice adds its objects
                and its detections twice, as if the data set had a copy of it.

        An entry is -1 for a class without objects.
        """
        num_classes = len(self.base_start) - 1
        positives = np.bincount(self.truth_class, weights[self.truth_image], num_classes).astype(np.int64)
        out = np.empty((len(self.rankings), num_classes, 4))
        running = np.empty(len(self.base_image) + 1, np.int64)
        loops.running_count(weights, self.base_image, running)
        for ranking, scores in zip(self.rankings, out, strict=True):
            lists = (ranking.start, ranking.image, ranking.before, ranking.kind, ranking.rank)
            loops.score_classes(weights, running, self.base_start, *lists, positives, self.recalls, scores)
        return out


def range_scores(case: Case, inside: Range) -> RangeScores:
    """Matches the detections at every overlap of the rule, within a range."""
    truth, found, rule = case.truth, case.found, case.rule
    order = found.by_class
    base = inside.found[order]
    base_image = found.image[order[base]]
    classes = np.arange(truth.num_classes + 1)
    base_start = np.searchsorted(found.class_index[order[base]], classes)
    before = np.cumsum(base)
    counted = truth.counts & inside.truth
    rankings = [
        _ranking(case, match(case, iou, inside.truth, inside.found), base, before, classes) for iou in rule.ious
    ]
    recalls = np.array(rule.recalls)
    return RangeScores(base_image, base_start, truth.image[counted], truth.class_index[counted], rankings, recalls)


def _ranking(case: Case, matching: Matching, base: np.ndarray, before: np.ndarray, classes: np.ndarray) -> Ranking:
    """base, before: [D], whether a detection counts if unmatched, and how many of them are not after it."""
    found, status = case.found, matching.status[case.found.by_class]
    listed = np.flatnonzero((status == RIGHT) | (base & (status == UNCOUNTED)))
    order = found.by_class[listed]
    kind = np.where(status[listed] == UNCOUNTED, -1, np.where(base[listed], 1, 2)).astype(np.int8)
    start = np.searchsorted(found.class_index[order], classes)
    return Ranking(start, found.image[order], before[listed], kind, found.rank[order])


@dataclass(frozen=True, eq=False)
class Scorer:
    """The evaluation's numbers for weighted images. Detections are matched once, when it is made.

    Attributes:
        rule: the evaluation.
        num_images: n.
        ranges: what the scores of each area range depend on: all, s, m, l.
    """

    rule: Rule
    num_images: int
    ranges: Mapping[str, RangeScores]

    def detail(self, weights: np.ndarray | None = None) -> dict[str, np.ndarray]:
        """Returns [T, K, 4] for each area range: see `RangeScores`. Without `weights` [n] each image counts once."""
        weights = np.ones(self.num_images, np.int64) if weights is None else weights
        return {name: scores(weights) for name, scores in self.ranges.items()}

    def scores(self, detail: Mapping[str, np.ndarray]) -> dict[str, float]:
        """Returns the official numbers by name, -1 without objects: COCO's twelve; VOC's mAP, and by size."""
        if self.rule.is_voc:
            return {"mAP" + name.replace("all", ""): valid_mean(table[:, :, 0]) for name, table in detail.items()}
        everything, sizes = detail["all"], [name for name in detail if name != "all"]
        precision = {"AP": everything[:, :, 0], "AP50": everything[0, :, 0], "AP75": everything[5, :, 0]}
        precision |= {f"AP{name}": detail[name][:, :, 0] for name in sizes}
        recall = {f"AR{count}": everything[:, :, column] for column, count in ((1, 1), (2, 10), (3, 100))}
        recall |= {f"AR{name}": detail[name][:, :, 3] for name in sizes}
        return {name: valid_mean(values) for name, values in (precision | recall).items()}


def build_scorer(case: Case) -> Scorer:
    """Matches the detections in every area range."""
    truth, found = case.truth, case.found
    ranges = {
        name: range_scores(case, Range(in_area(truth.area, bounds), in_area(found.area, bounds)))
        for name, bounds in case.rule.areas.items()
    }
    return Scorer(case.rule, len(truth.im_ids), ranges)


def class_ap(detail: Mapping[str, np.ndarray]) -> np.ndarray:
    """Returns [K] float64: the mean AP of each class over the overlaps; -1 without objects."""
    table: np.ndarray = detail["all"][:, :, 0].mean(0)
    return table


def mean_ap(table: np.ndarray) -> tuple[float, float]:
    """Returns AP and AP at the lowest overlap, means over the classes with objects, of [T, K, 4]; see `RangeScores`."""
    return valid_mean(table[:, :, 0]), valid_mean(table[0, :, 0])
