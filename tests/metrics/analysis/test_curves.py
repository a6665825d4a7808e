from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from ppdet.metrics.analysis.curves import class_curves, macro_average, overall_curve
from ppdet.metrics.analysis.matching import RIGHT, WRONG, match
from tests.support.judged import Judged, random_judged

BOX, OTHER, NOWHERE = [0, 0, 100, 100], [200, 200, 300, 300], [500, 500, 600, 600]


def hand_made() -> Judged:
    """Class 0: two objects and a crowd. By score: 0.9 right; 0.8 right and wrong; 0.7 in the crowd; 0.6 wrong."""
    objects = [[[0, *BOX, 0], [0, 400, 400, 450, 450, 1]], [[0, *OTHER, 0]], [], [[1, *BOX, 0]]]
    detections = [
        [[0, 0.9, *BOX], [0, 0.8, *NOWHERE], [0, 0.7, 400, 400, 410, 410]],
        [[0, 0.8, *OTHER], [0, 0.6, *NOWHERE]],
        [],
        [[1, 0.5, *BOX]],
    ]
    return Judged(objects, detections, num_classes=3)


def curves(judged: Judged) -> list:
    return class_curves(judged.case, match(judged.case, 0.5))


def test_hand_made_curve() -> None:
    curve, other, absent = curves(hand_made())
    assert curve.score.tolist() == [0.9, 0.8, 0.6]
    assert curve.precision.tolist() == pytest.approx([1, 2 / 3, 0.5])
    assert curve.recall.tolist() == [0.5, 1, 1]
    assert curve.f1.tolist() == pytest.approx([2 / 3, 0.8, 2 / 3])
    assert (other.score.tolist(), other.right.tolist(), other.positives) == ([0.5], [1], 1)
    assert (len(absent.score), absent.positives) == (0, 0)


def test_choices() -> None:
    curve, other, absent = curves(hand_made())
    assert curve.best_f1() == pytest.approx((0.7, 2 / 3, 1, 0.8))  # half-way from 0.8 to 0.6
    assert curve.for_precision(0.9) == pytest.approx((0.85, 1, 0.5, 2 / 3))
    assert curve.for_precision(0.5) == pytest.approx((0.3, 0.5, 1, 2 / 3))
    assert curve.for_recall(0.5) == pytest.approx((0.85, 1, 0.5, 2 / 3))
    assert curve.for_recall(0.51) == pytest.approx((0.7, 2 / 3, 1, 0.8))
    assert other.for_precision(1.0) == (0.25, 1, 1, 1)
    assert absent.best_f1() is absent.for_precision(0.1) is absent.for_recall(0.1) is None
    wrong = curves(Judged([[[0, *BOX, 0]]], [[[0, 0.9, *NOWHERE]]]))[0]
    assert wrong.best_f1() is wrong.for_precision(0.01) is wrong.for_recall(0.01) is None


def test_a_dip_of_precision_above_the_threshold_does_not_matter() -> None:
    """Precision is 1, 1/2, 2/3, 3/4: the lowest threshold with 0.7 is that of the last detection."""
    spots = [[100 * i, 0, 100 * i + 90, 90] for i in range(4)]
    detections = [[0, 0.9 - 0.1 * i, *(NOWHERE if i == 1 else spots[i])] for i in range(4)]
    judged = Judged([[[0, *spot, 0] for spot in spots]], [detections])
    assert curves(judged)[0].for_precision(0.7).recall == 0.75


def test_numbers_at_thresholds() -> None:
    curve = curves(hand_made())[0]
    precision, recall, f1 = curve.at([0.0, 0.6, 0.61, 0.8, 0.85, 0.9, 0.95])
    assert precision.tolist() == pytest.approx([0.5, 0.5, 2 / 3, 2 / 3, 1, 1, np.nan], nan_ok=True)
    assert recall.tolist() == [1, 1, 1, 1, 0.5, 0.5, 0]
    assert f1.tolist() == pytest.approx([2 / 3, 2 / 3, 0.8, 0.8, 2 / 3, 2 / 3, 0])


def test_averages_over_classes() -> None:
    judged = hand_made()
    overall = overall_curve(judged.case, match(judged.case, 0.5))
    assert overall.positives == 3
    assert (overall.right.tolist(), overall.wrong.tolist()) == ([1, 2, 2, 3], [0, 1, 2, 2])
    precision, recall, f1 = macro_average(curves(judged), np.array([0.4, 0.7, 0.95]))
    assert precision.tolist() == pytest.approx([(0.5 + 1) / 2, 2 / 3, np.nan], nan_ok=True)
    assert recall.tolist() == [1, 0.5, 0]
    assert f1.tolist() == pytest.approx([(2 / 3 + 1) / 2, 0.4, 0])
    assert np.isnan(macro_average([], np.array([0.5]))).all()


def test_classes_without_objects_are_in_no_average() -> None:
    judged = Judged([[[0, *BOX, 0]]], [[[0, 0.9, *BOX], [1, 0.9, *BOX]]])
    assert [numbers.tolist() for numbers in macro_average(curves(judged), np.array([0.5]))] == [[1], [1], [1]]


@pytest.mark.parametrize("kind", ["COCO", "VOC"])
@pytest.mark.parametrize("seed", range(5))
def test_every_point_equals_an_evaluation_of_the_kept_detections(seed: int, kind: str) -> None:
    """Detections with lower scores change nothing for those above."""
    judged = random_judged(seed, kind=kind)
    for index, curve in enumerate(curves(judged)):
        for point in range(0, len(curve.score), 3):
            rows = [part[part[:, 1] >= curve.score[point]] for part in judged.detections]
            kept = dataclasses.replace(judged, detections=rows).case
            status = match(kept, 0.5).status[kept.found.class_index == index]
            assert [curve.right[point], curve.wrong[point]] == [(status == RIGHT).sum(), (status == WRONG).sum()]


def test_scikit_learn_gives_the_same_curve() -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    judged = random_judged(0, images=60)
    case, matching = judged.case, match(judged.case, 0.5)
    counted = matching.status != 2
    precision, _, thresholds = metrics.precision_recall_curve(
        matching.status[counted] == RIGHT, case.found.score[counted]
    )
    curve = overall_curve(case, matching)
    assert curve.score.tolist() == thresholds[::-1].tolist()
    np.testing.assert_allclose(curve.precision, precision[:-1][::-1], rtol=1e-12)
