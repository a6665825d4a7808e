from __future__ import annotations

import numpy as np
import pytest

from ppdet.metrics.analysis.curves import Curve, class_curves, overall_curve
from ppdet.metrics.analysis.matching import match
from ppdet.metrics.analysis.thresholds import PRIOR, Goal, choose_thresholds
from tests.support.judged import random_judged

GOALS = [Goal("precision", 0.3), Goal("recall", 0.3), Goal("f1")]


def curve(*counts: tuple[float, int, int], positives: int) -> Curve:
    """counts: score, and the detections with it or more that are right and wrong."""
    score, right, wrong = np.array(counts).reshape(-1, 3).T
    return Curve(score, right.astype(int), wrong.astype(int), positives)


def added(*curves: Curve) -> Curve:
    """The curve of all classes."""
    score = np.unique(np.concatenate([each.score for each in curves]))[::-1]
    right, wrong = np.sum([each.counts(score) for each in curves], axis=0)
    return Curve(score, right, wrong, sum(each.positives for each in curves))


def test_precision_by_hand() -> None:
    """With 10 of 100 objects as prior, class 1 is at 0.8: (6 + 0.1 * 66) right of (7 + 0.1 * 67); at 0.6 lower."""
    good = curve((0.8, 60, 0), (0.6, 80, 0), (0.4, 80, 20), positives=90)
    poor = curve((0.8, 6, 1), (0.6, 6, 9), positives=10)
    found = choose_thresholds([good, poor], added(good, poor), Goal("precision", 0.9))
    assert found is not None
    assert [each.threshold for each in found.classes] == [0.5, 0.7]  # half-way to the next score
    assert found.classes[0][1:] == pytest.approx((1, 80 / 90, 160 / 170, 90, ""))
    assert found.classes[1][1:] == pytest.approx((6 / 7, 0.6, 12 / 17, 10, ""))  # 12.6 / 13.7 with the prior
    assert found.overall == pytest.approx((0.5, 86 / 95, 0.86, 172 / 195))
    assert found.together == pytest.approx((86 / 87, 0.86, 172 / 187))
    alone = poor.for_precision(0.9)
    assert alone is None


def test_recall_and_f1_by_hand() -> None:
    good = curve((0.8, 60, 0), (0.6, 80, 0), (0.4, 80, 20), positives=90)
    poor = curve((0.8, 1, 0), (0.6, 6, 9), positives=10)
    everything = added(good, poor)
    for goal, thresholds in ((Goal("recall", 0.5), [0.7, 0.5]), (Goal("f1"), [0.5, 0.5])):
        found = choose_thresholds([good, poor], everything, goal)
        assert found is not None
        assert [each.threshold for each in found.classes] == thresholds


def test_classes_that_cannot_decide() -> None:
    many = curve((0.8, 190, 10), (0.5, 195, 100), positives=200)
    few = curve((0.9, 1, 0), positives=2)
    bad = curve((0.9, 0, 500), positives=40)
    absent = curve(positives=0)
    classes = [many, few, bad, absent]
    found = choose_thresholds(classes, added(many, few, absent), Goal("precision", 0.9))
    assert found is not None
    assert [each.reason for each in found.classes] == ["", "few objects", "out of reach", "few objects"]
    assert {each.threshold for each in found.classes} == {0.65}
    assert found.classes[2].precision == 0
    assert np.isnan(found.classes[3][1:4]).all()


def test_the_goal_is_out_of_reach() -> None:
    poor = curve((0.8, 1, 9), positives=10)
    assert choose_thresholds([poor], poor, Goal("precision", 0.9)) is None
    assert choose_thresholds([poor], poor, Goal("recall", 0.9)) is None
    nothing = curve(positives=0)
    assert choose_thresholds([nothing], nothing, Goal("f1")) is None


def plain_counts(each: Curve, score: float) -> tuple[int, int]:
    """How many detections with `score` or more are right, and wrong."""
    kept = int((each.score >= score).sum())
    return (int(each.right[kept - 1]), int(each.wrong[kept - 1])) if kept else (0, 0)


@pytest.mark.parametrize("goal", GOALS, ids=str)
def test_as_a_loop_over_all_thresholds(goal: Goal) -> None:
    """The class with its prior at every threshold, in plain counts."""
    judged = random_judged(3, images=60)
    matching = match(judged.case, 0.5)
    curves, overall = class_curves(judged.case, matching), overall_curve(judged.case, matching)
    found = choose_thresholds(curves, overall, goal)
    assert found is not None
    scores, weight = overall.score.tolist(), PRIOR / overall.positives
    for own, chosen in zip(curves, found.classes, strict=True):
        points = []
        for score in scores:
            (a, b), (c, d) = plain_counts(own, score), plain_counts(overall, score)
            true, false = a + weight * c, b + weight * d
            points.append((true / (true + false), true / (own.positives + PRIOR)))
        if goal.name == "precision":
            place = max(i for i, point in enumerate(points) if point[0] >= goal.value)
        elif goal.name == "recall":
            place = min(i for i, point in enumerate(points) if point[1] >= goal.value)
        else:
            place = int(np.argmax([2 * precision * recall / (precision + recall) for precision, recall in points]))
        assert chosen.threshold == pytest.approx((scores[place] + [*scores, 0.0][place + 1]) / 2, abs=1e-4)


def test_many_objects_outweigh_the_prior() -> None:
    rng = np.random.default_rng(0)
    score = np.sort(rng.random(4000))[::-1]
    right = np.cumsum(rng.random(4000) < score)
    own = Curve(score, right, np.arange(1, 4001) - right, int(right[-1]))
    other = curve((0.9, 10, 0), (0.1, 20, 0), positives=20)
    found = choose_thresholds([own, other], added(own, other), Goal("precision", 0.8))
    alone = own.for_precision(0.8)
    assert found is not None
    assert alone is not None
    assert found.classes[0].threshold == pytest.approx(alone.threshold, abs=0.01)
