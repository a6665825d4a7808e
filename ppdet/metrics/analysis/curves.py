"""Precision, recall and F1 against the score threshold, and thresholds that reach a goal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from ppdet.metrics.analysis.matching import RIGHT, UNCOUNTED, Case, Matching


class Choice(NamedTuple):
    """A threshold and what it gives on the data that it was chosen on."""

    threshold: float
    precision: float
    recall: float
    f1: float


@dataclass(frozen=True, eq=False)
class Curve:
    """Exact counts at every threshold at which something changes.

    Point i keeps all detections with a score of `score[i]` or more, so equal scores are kept or dropped together.
    Detections that do not count (on crowds and difficult objects) are in no count.

    Attributes:
        score: [m] float64, the distinct scores, falling.
        right: [m] int64, detections kept that are right.
        wrong: [m] int64, detections kept that are wrong.
        positives: objects to be found.
    """

    score: np.ndarray
    right: np.ndarray
    wrong: np.ndarray
    positives: int

    @cached_property
    def precision(self) -> np.ndarray:
        """[m] float64: right / kept."""
        share: np.ndarray = self.right / (self.right + self.wrong)
        return share

    @cached_property
    def recall(self) -> np.ndarray:
        """[m] float64: right / positives; NaN without objects."""
        return _share(self.right, np.full(len(self.right), self.positives))

    @cached_property
    def f1(self) -> np.ndarray:
        """[m] float64: 2 right / (kept + positives), the harmonic mean of precision and recall."""
        mean: np.ndarray = 2 * self.right / (self.right + self.wrong + self.positives)
        return mean

    def at(self, thresholds: Sequence[float] | np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Returns precision, recall and F1, each [t] float64, if detections scoring `thresholds` [t] or more are kept.

        Precision is NaN where nothing is kept, recall where there is nothing to find, F1 where both is so.
        """
        right, wrong = self.counts(thresholds)
        kept, positives = right + wrong, np.full(len(right), self.positives)
        return _share(right, kept), _share(right, positives), _share(2 * right, kept + positives)

    def counts(self, thresholds: Sequence[float] | np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Returns how many detections scoring `thresholds` [t] or more are right, and wrong, each [t]."""
        points = np.searchsorted(-self.score, -np.asarray(thresholds, np.float64), side="right")
        right, wrong = (np.concatenate([[0], counts])[points] for counts in (self.right, self.wrong))
        return right, wrong

    def best_f1(self) -> Choice | None:
        """Returns the threshold with the largest F1, the highest of several; None if no detection is right."""
        return self._choice(int(self.f1.argmax())) if self.right.any() else None

    def for_precision(self, wanted: float) -> Choice | None:
        """Returns the threshold with the largest recall among those with a precision of `wanted` or more.

        That is the lowest of them: recall never falls with the threshold, while precision goes up and down. None if no
        threshold has the precision.
        """
        good = np.flatnonzero(self.precision >= wanted)
        return self._choice(int(good[-1])) if len(good) else None

    def for_recall(self, wanted: float) -> Choice | None:
        """Returns the highest threshold with a recall of `wanted` or more; None if there is none."""
        good = np.flatnonzero(self.recall >= wanted)
        return self._choice(int(good[0])) if len(good) else None

    def _choice(self, point: int) -> Choice:
        """The threshold is half-way to the next lower score (or 0), so that rounding it changes nothing."""
        lower = self.score[point + 1] if point + 1 < len(self.score) else min(0.0, self.score[point])
        numbers = (self.precision[point], self.recall[point], self.f1[point])
        return Choice(float(self.score[point] + lower) / 2, *map(float, numbers))


def class_curves(case: Case, matching: Matching) -> list[Curve]:
    """Returns the curve of each class."""
    found, positives = case.found, case.truth.per_class()
    order = found.by_class
    bounds = np.searchsorted(found.class_index[order], np.arange(len(positives) + 1))
    members = [order[low:high] for low, high in zip(bounds[:-1], bounds[1:], strict=True)]
    return [_curve(case, matching, own, int(count)) for own, count in zip(members, positives, strict=True)]


def overall_curve(case: Case, matching: Matching) -> Curve:
    """Returns the micro average: one threshold for all classes, counts added up over the classes."""
    order = np.argsort(-case.found.score, kind="stable")
    return _curve(case, matching, order, int(case.truth.counts.sum()))


def macro_average(curves: Sequence[Curve], thresholds: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns precision, recall and F1, each [t] float64: means over the classes with objects at `thresholds` [t].

    Classes that nothing is found of at a threshold are left out of its precision, and count 0 for recall and F1.
    """
    numbers = np.array([curve.at(thresholds) for curve in curves if curve.positives]).reshape(-1, 3, len(thresholds))
    valid = ~np.isnan(numbers)
    total = np.where(valid, numbers, 0).sum(0)
    precision, recall, f1 = _share(total, valid.sum(0))
    return precision, recall, f1


def _curve(case: Case, matching: Matching, order: np.ndarray, positives: int) -> Curve:
    """The curve of the detections `order`, which is by falling score."""
    order = order[matching.status[order] != UNCOUNTED]
    score, right = case.found.score[order], matching.status[order] == RIGHT
    last = np.flatnonzero(np.diff(score, append=-np.inf))  # of equal scores
    hits = np.cumsum(right)[last]
    return Curve(score[last], hits, last + 1 - hits, positives)


def _share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """part / whole; NaN where whole is 0."""
    share: np.ndarray = np.divide(part, whole, out=np.full(np.shape(part), np.nan), where=whole != 0)
    return share
