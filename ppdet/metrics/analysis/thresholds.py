"""A score threshold for each class that reaches a goal on other data as well."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from ppdet.metrics.analysis.curves import Choice, Curve

PRIOR = 10  # objects of the average class that count in addition to a class's own
_DIGITS = 4  # of a threshold


class Goal(NamedTuple):
    """The goal of a threshold: at least a precision or a recall of `value`, or the largest F1."""

    name: Literal["precision", "recall", "f1"]
    value: float = 1.0

    def __str__(self) -> str:
        return "the largest F1" if self.name == "f1" else f"{self.name} {self.value:g}"

    def choose(self, curve: Curve) -> Choice | None:
        """Returns the curve's best threshold for the goal; None if there is none."""
        if self.name == "f1":
            return curve.best_f1()
        return curve.for_precision(self.value) if self.name == "precision" else curve.for_recall(self.value)


class ClassThreshold(NamedTuple):
    """A class's threshold, and what it gives on the data that it was chosen on.

    Attributes:
        threshold: 0..1, rounded to 4 digits.
        precision, recall, f1: NaN where there is nothing to divide by.
        objects: the number of objects of the class.
        reason: "" if the class's own detections decided; "few objects" (less than PRIOR) if mostly those of all
            classes did; "out of reach" if the class does not reach the goal, so that it has the threshold that reaches
            it over all classes.
    """

    threshold: float
    precision: float
    recall: float
    f1: float
    objects: int
    reason: Literal["", "few objects", "out of reach"]


@dataclass(frozen=True)
class Thresholds:
    """The result of `choose_thresholds`.

    Attributes:
        goal: what was asked for.
        classes: the K classes.
        overall: the one threshold that reaches the goal over all classes.
        together: precision, recall and F1 over all classes with the thresholds of `classes`.
    """

    goal: Goal
    classes: Sequence[ClassThreshold]
    overall: Choice
    together: tuple[float, float, float]


def choose_thresholds(curves: Sequence[Curve], overall: Curve, goal: Goal) -> Thresholds | None:
    """Chooses a threshold for each class; None if no threshold reaches the goal over all classes.

    A class's own curve alone is a poor judge: the lowest threshold at which ten objects have a precision of 0.9 is the
    luckiest of many. So PRIOR objects of the average class are added to each class: all detections of all classes,
    each with the weight of PRIOR / all objects. A class with hundreds of objects hardly notices; one with none gets the
    threshold of all classes. (`benchmarks/thresholds.py` compares what was asked with what other images give.)

    Args:
        curves: the K classes' (`Analysis.curves`).
        overall: that of all classes (`Analysis.overall`).
        goal: what to reach.
    """
    everywhere = goal.choose(overall)
    if everywhere is None:
        return None
    classes = [_choose(curve, overall, goal, everywhere) for curve in curves]
    return Thresholds(goal, classes, everywhere, _together(curves, classes))


def _choose(curve: Curve, overall: Curve, goal: Goal, everywhere: Choice) -> ClassThreshold:
    choice = goal.choose(_with_prior(curve, overall))
    threshold = round(min(max((choice or everywhere).threshold, 0.0), 1.0), _DIGITS)
    precision, recall, f1 = (float(values[0]) for values in curve.at([threshold]))
    few: Literal["", "few objects"] = "few objects" if curve.positives < PRIOR else ""
    return ClassThreshold(threshold, precision, recall, f1, curve.positives, few if choice else "out of reach")


def _with_prior(curve: Curve, overall: Curve) -> Curve:
    """The curve with PRIOR objects of the average class, at the scores of all detections. Counts are fractions."""
    weight = PRIOR / max(overall.positives, 1)
    right, wrong = curve.counts(overall.score)
    return Curve(overall.score, right + weight * overall.right, wrong + weight * overall.wrong, curve.positives + PRIOR)


def _together(curves: Sequence[Curve], classes: Sequence[ClassThreshold]) -> tuple[float, float, float]:
    counts = np.array([curve.counts([each.threshold]) for curve, each in zip(curves, classes, strict=True)])
    right, wrong = counts[:, :, 0].sum(0)
    total = Curve(np.zeros(1), np.array([right]), np.array([wrong]), sum(curve.positives for curve in curves))
    precision, recall, f1 = (float(values[0]) for values in total.at([0.0]))
    return precision, recall, f1
